//! What somebody else does right before a call arrives: between an observation and the write that follows it.

use std::sync::{Arc, Mutex, PoisonError};

use winterbaume_core::MockRequest;

use super::call::Call;

/// Requests that are made before calls of others. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Intrusions(Arc<Mutex<Vec<Intrusion>>>);

struct Intrusion {
    /// As `lambda:PublishVersion`.
    before: String,
    caller: String,
    request: MockRequest,
}

impl Intrusions {
    pub fn add(&self, before: &str, caller: &str, request: MockRequest) {
        let (before, caller) = (before.to_owned(), caller.to_owned());
        self.lock().push(Intrusion { before, caller, request });
    }

    /// What is to be done before a call, once.
    pub fn take(&self, call: &Call) -> Option<MockRequest> {
        let mut all = self.lock();
        let at = all.iter().position(|i| i.before == call.action() && i.caller == call.caller)?;
        Some(all.remove(at).request)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Intrusion>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
