//! Calls with a token: kept alive, replaced when it dies, refusals sorted.

use std::sync::Arc;

use secrets_backend::ErrorKind;

use crate::failure::Failure;
use crate::session::Session;
use crate::wire::{Ask, Reply, Wire};

/// One server and one identity on it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) wire: Arc<Wire>,
    pub(crate) session: Session,
}

impl Api {
    /// Sends a request with a token.
    ///
    /// A call that is refused took no effect. Where the token is what the server refuses, the call is repeated once,
    /// with another. Otherwise it is `PermissionDenied`. Any other status is the caller's to judge.
    pub(crate) async fn call(&self, ask: &Ask) -> Result<Reply, Failure> {
        let lease = self.session.lease().await?;
        let reply = self.wire.send(ask, Some(&lease.token)).await?;
        if reply.status != 403 {
            return Ok(reply);
        }
        if self.session.is_alive(&lease).await? {
            return Err(denied());
        }
        let lease = self.session.replaced(&lease).await?;
        let reply = self.wire.send(ask, Some(&lease.token)).await?;
        if reply.status == 403 { Err(denied()) } else { Ok(reply) }
    }

    /// A call whose success is all that is to be known, or any other status as its failure.
    pub(crate) async fn done(&self, ask: &Ask) -> Result<Reply, Failure> {
        let reply = self.call(ask).await?;
        if reply.is_success() { Ok(reply) } else { Err(Failure::of_status(&reply, ask.effect)) }
    }
}

fn denied() -> Failure {
    Failure::new(ErrorKind::PermissionDenied, "no policy of the token allows it")
}
