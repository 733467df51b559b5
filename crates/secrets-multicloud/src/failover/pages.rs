//! Listing: the pages of one replica of each route, one route after the other.

use secrets_backend::{Error, ErrorKind, Operation, Page, PageToken, Result, SecretBackend, SecretPath};

use super::{FailoverBackend, own};

impl FailoverBackend {
    /// A page of one replica of one route; the routes come one after the other.
    pub(super) async fn list_page(
        &self,
        prefix: Option<&SecretPath>,
        page: Option<&PageToken>,
    ) -> Result<Page> {
        let (at, replica, token) = match page {
            None => (self.next_route(0, prefix).unwrap_or_default(), None, None),
            Some(page) => self.place(page).ok_or_else(|| {
                let mut error = self.error(ErrorKind::InvalidInput, Operation::List);
                if let Some(prefix) = prefix {
                    error = error.with_path(prefix);
                }
                error.with_detail("a page token of another listing")
            })?,
        };
        let route = &self.routes[at];
        let (replica, answer) = match replica {
            Some(replica) => {
                let answer = self.replicas[replica].list(prefix, token.as_ref()).await;
                self.note(replica, answer.as_ref().err().map(Error::kind)).await;
                (replica, answer)
            }
            None => {
                let ask = |replica: usize| self.replicas[replica].list(prefix, None);
                let read = self.read(route, self.config.hedge_batch_after, ask).await;
                (read.by.replica, read.answer)
            }
        };
        let mut page = answer?;
        page.items.retain(|item| self.belongs(route, &item.path));
        let mut page = own::with_own(page, &self.shown(route).await?, prefix, token.is_none());
        page.next = match page.next {
            Some(next) => Some(PageToken::new(format!("{at}.{replica}.{}", next.as_str()))),
            None => self.next_route(at + 1, prefix).map(|at| PageToken::new(format!("{at}.."))),
        };
        Ok(page)
    }

    /// The first route from there on that can have secrets at and below a path.
    fn next_route(&self, from: usize, prefix: Option<&SecretPath>) -> Option<usize> {
        (from..self.routes.len()).find(|&at| self.routes[at].meets(prefix))
    }

    /// What a page token of ours means: the route, the replica that began it, and that one's token.
    fn place(&self, token: &PageToken) -> Option<(usize, Option<usize>, Option<PageToken>)> {
        let (route, rest) = token.as_str().split_once('.')?;
        let (replica, token) = rest.split_once('.')?;
        let at = route.parse().ok().filter(|at| *at < self.routes.len())?;
        if replica.is_empty() && token.is_empty() {
            return Some((at, None, None));
        }
        let replica = replica.parse().ok().filter(|&replica| self.routes[at].has(replica))?;
        Some((at, Some(replica), Some(PageToken::new(token))))
    }
}
