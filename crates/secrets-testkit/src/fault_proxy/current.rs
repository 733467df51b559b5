//! The fault that holds for one connection at this moment.

use tokio::sync::watch;

use super::Fault;

/// A connection's own fault, or the one that stands for all.
#[derive(Clone, Debug)]
pub(super) struct Current {
    fault: watch::Receiver<Fault>,
}

impl Current {
    /// A fault that never changes.
    pub(super) fn own(fault: Fault) -> Self {
        Self { fault: watch::channel(fault).1 }
    }

    pub(super) const fn standing(fault: watch::Receiver<Fault>) -> Self {
        Self { fault }
    }

    /// The fault, as soon as it is not `Hang`.
    pub(super) async fn unless_hanging(&self) -> Fault {
        self.until(|fault| fault != Fault::Hang).await
    }

    /// Returns when nobody listens any more.
    pub(super) async fn refused(&self) {
        self.until(|fault| fault == Fault::Refuse).await;
    }

    /// Whether the fault was set anew, be it to the same, since this was asked last.
    pub(super) fn is_new(&mut self) -> bool {
        let new = self.fault.has_changed().unwrap_or(false);
        self.fault.mark_unchanged();
        new
    }

    async fn until(&self, holds: impl Fn(Fault) -> bool) -> Fault {
        let mut fault = self.fault.clone();
        let held = fault.wait_for(|fault| holds(*fault)).await.map(|fault| *fault);
        match held {
            Ok(fault) => fault,
            // The fault is the connection's own, and stays what it is.
            Err(_) => std::future::pending().await,
        }
    }
}
