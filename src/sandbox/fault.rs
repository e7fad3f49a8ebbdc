//! What goes wrong in the sandbox, on demand.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use winterbaume_core::MockResponse;

use super::call::Call;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The reply asks to slow down; nothing is done.
    Throttle,
    /// The reply has status 500; nothing is done.
    ServerError,
    /// No reply for longer than any client waits; nothing is done.
    Timeout,
    /// The effect happens and the reply is lost.
    LostReply,
    /// The reply says that another change is under way; nothing is done.
    Conflict,
    /// The reply says that the credentials do not allow the call; nothing is done.
    Denied,
    /// The credentials have expired.
    Expired,
    /// The reply says that the resource is not there; nothing is done.
    NotFound,
    /// Refused by a message that repeats all that was sent, as AWS's validation may.
    Invalid,
    /// The reply has status 200 and a body that no client can read; nothing is done.
    Garbage,
    /// A proxy's own page, with status 404.
    Page,
    /// A read is answered with a success that says nothing. Writes are let through.
    Empty,
    /// A write is answered as done, and nothing is done. Reads are let through.
    Ignored,
    /// Nothing is done, and this caller is never answered again: to stop a client there.
    Stop,
    /// The effect happens, and this caller is never answered again.
    StopAfter,
    /// The effect happens, and the answer waits until [`Faults::let_go`]: to pause a client there.
    Hold,
}

const KINDS: [(&str, FaultKind); 16] = [
    ("throttle", FaultKind::Throttle),
    ("500", FaultKind::ServerError),
    ("timeout", FaultKind::Timeout),
    ("lost", FaultKind::LostReply),
    ("conflict", FaultKind::Conflict),
    ("denied", FaultKind::Denied),
    ("expired", FaultKind::Expired),
    ("notfound", FaultKind::NotFound),
    ("invalid", FaultKind::Invalid),
    ("garbage", FaultKind::Garbage),
    ("page", FaultKind::Page),
    ("empty", FaultKind::Empty),
    ("ignored", FaultKind::Ignored),
    ("stop", FaultKind::Stop),
    ("stopafter", FaultKind::StopAfter),
    ("hold", FaultKind::Hold),
];

/// Which calls fail, how, and how often. Written `service:Operation=kind[*times][@skip]`, where either
/// part of the action may be `*`: `lambda:CreateFunction=lost*1`, `s3:*=throttle`, `*:*=stop@17`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The service, by its IAM name; `*` is every one.
    pub service: String,
    /// The operation, by its name in AWS's API; `*` is every one.
    pub operation: String,
    /// How the calls fail.
    pub kind: FaultKind,
    /// How often it still strikes; for ever where it is not given.
    pub times: Option<u32>,
    /// Calls that it lets through first.
    pub skip: u64,
    /// Strikes only who signs with this access key.
    pub caller: Option<String>,
    /// Strikes only in this region.
    pub region: Option<String>,
}

impl Fault {
    /// The same fault for one caller.
    pub fn of(self, caller: &str) -> Self {
        Self { caller: Some(caller.to_owned()), ..self }
    }

    /// The same fault in one region.
    pub fn in_region(self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = || KINDS.map(|(name, _)| name).join(", ");
        let malformed = || {
            format!(
                "`{text}` is not a fault; write service:Operation=kind[*times][@skip], as in lambda:CreateFunction=lost*1; kinds are {}",
                kinds()
            )
        };
        let (action, rest) = text.split_once('=').ok_or_else(malformed)?;
        let (service, operation) = action.split_once(':').ok_or_else(malformed)?;
        let (rest, skip) = match rest.split_once('@') {
            Some((rest, skip)) => (rest, skip.parse().map_err(|_| malformed())?),
            None => (rest, 0),
        };
        let (kind, times) = match rest.split_once('*') {
            Some((kind, times)) => (kind, Some(times.parse().map_err(|_| malformed())?)),
            None => (rest, None),
        };
        let kind = KINDS.iter().find(|(name, _)| *name == kind).ok_or_else(malformed)?.1;
        let (service, operation) = (service.to_owned(), operation.to_owned());
        Ok(Self { service, operation, kind, times, skip, caller: None, region: None })
    }
}

/// The faults in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    /// Callers that are never answered again.
    stopped: BTreeSet<String>,
    struck: u64,
    /// Faults that were cleared before they struck and that had to.
    missed: Vec<String>,
    /// Told when held answers are sent.
    let_go: Arc<Notify>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    has_struck: bool,
    /// It may well come to nothing.
    may_miss: bool,
}

impl Rule {
    fn missed(&self) -> Option<String> {
        let misses = !self.has_struck && !self.may_miss;
        misses.then(|| {
            let Fault { service, operation, kind, .. } = &self.fault;
            format!("{service}:{operation}={kind:?}")
        })
    }
}

impl Faults {
    /// A fault that has to strike: see [`Faults::missed`].
    pub fn inject(&self, fault: Fault) {
        self.lock().rules.push(Rule { fault, has_struck: false, may_miss: false });
    }

    /// A fault that may come to nothing, as one at a call that is perhaps never made.
    pub fn inject_perhaps(&self, fault: Fault) {
        self.lock().rules.push(Rule { fault, has_struck: false, may_miss: true });
    }

    /// Takes all faults away, and answers every caller again. Those that had to strike are still [`Self::missed`].
    pub fn clear(&self) {
        let missed = self.missed();
        let mut state = self.lock();
        // Whoever waits, waits on.
        let let_go = Arc::clone(&state.let_go);
        *state = State { missed, let_go, ..State::default() };
    }

    /// The faults that had to strike and did not, whether they were cleared or not: what was to be
    /// disturbed was not.
    pub fn missed(&self) -> Vec<String> {
        let state = self.lock();
        let waiting = state.rules.iter().filter_map(Rule::missed);
        state.missed.iter().cloned().chain(waiting).collect()
    }

    /// How many calls were struck since the faults were last cleared.
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    /// A caller is not answered any more.
    pub fn has_stopped(&self, caller: &str) -> bool {
        self.lock().stopped.contains(caller)
    }

    /// Answers a caller again, under the faults that are in force.
    pub fn revive(&self, caller: &str) {
        self.lock().stopped.remove(caller);
    }

    /// Sends the answers that are held.
    pub fn let_go(&self) {
        self.lock().let_go.notify_waiters();
    }

    /// Waits until held answers are sent.
    pub(super) async fn held(&self) {
        let let_go = Arc::clone(&self.lock().let_go);
        let_go.notified().await;
    }

    /// The fault that strikes this call, which uses it up once.
    pub(super) fn strike(&self, call: &Call) -> Option<FaultKind> {
        let mut state = self.lock();
        if state.stopped.contains(&call.caller) {
            return Some(FaultKind::Stop);
        }
        let kind = state.rules.iter_mut().find_map(|rule| {
            let kind = rule.fault.meet(call)?;
            rule.has_struck = true;
            Some(kind)
        })?;
        state.struck += 1;
        if matches!(kind, FaultKind::Stop | FaultKind::StopAfter) {
            state.stopped.insert(call.caller.clone());
        }
        Some(kind)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn meet(&mut self, call: &Call) -> Option<FaultKind> {
        let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
        let is_meant = fits(&self.service, &call.service)
            && fits(&self.operation, &call.operation)
            && self.caller.as_ref().is_none_or(|caller| *caller == call.caller)
            && self.region.as_ref().is_none_or(|region| *region == call.region);
        let is_let_through = match self.kind {
            FaultKind::Ignored => !call.mutates,
            FaultKind::Empty => call.mutates,
            _ => false,
        };
        if !is_meant || is_let_through || self.times == Some(0) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.map(|times| times - 1);
        Some(self.kind)
    }
}

/// The reply that a fault stands for, in the protocol of the service. Faults that are not replies
/// are the router's.
pub(super) fn reply(kind: FaultKind, call: &Call, sent: &[u8]) -> MockResponse {
    let (status, code) = match (kind, call.service.as_str()) {
        (FaultKind::Throttle, "lambda") => (429, "TooManyRequestsException"),
        (FaultKind::Throttle, "s3") => (503, "SlowDown"),
        (FaultKind::Throttle, _) => (400, "ThrottlingException"),
        (FaultKind::Conflict, "lambda") => (409, "ResourceConflictException"),
        (FaultKind::Conflict, "s3") => (409, "OperationAborted"),
        (FaultKind::Conflict, _) => (400, "ResourceInUseException"),
        (FaultKind::Denied, "s3" | "sts") => (403, "AccessDenied"),
        (FaultKind::Denied, _) => (403, "AccessDeniedException"),
        (FaultKind::Expired, "s3") => (400, "ExpiredToken"),
        (FaultKind::Expired, _) => (403, "ExpiredTokenException"),
        (FaultKind::NotFound, "s3") => (404, "NoSuchBucket"),
        (FaultKind::NotFound, "amplify") => (404, "NotFoundException"),
        (FaultKind::NotFound, _) => (404, "ResourceNotFoundException"),
        (FaultKind::Invalid, "s3") => (400, "InvalidArgument"),
        (FaultKind::Invalid, _) => (400, "ValidationException"),
        _ => (500, "InternalFailure"),
    };
    let mut message = format!("injected by the sandbox into {}", call.action());
    if kind == FaultKind::Invalid {
        message = format!("{message}: {}", String::from_utf8_lossy(sent));
    }
    match (kind, call.service.as_str()) {
        (FaultKind::Empty | FaultKind::Ignored, "s3" | "sts") => MockResponse::xml(200, ""),
        (FaultKind::Empty | FaultKind::Ignored, _) => MockResponse::rest_json(200, "{}"),
        (FaultKind::Page, _) => {
            MockResponse::xml(404, "<html><body><h1>404 Not Found</h1></body></html>")
        }
        (FaultKind::Garbage, _) => MockResponse::rest_json(200, "<<< not a reply >>>"),
        (_, service @ ("s3" | "sts")) => {
            let message = message.replace('&', "&amp;").replace('<', "&lt;");
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            // The query protocol has it in a frame:
            // https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html.
            let body = match service {
                "sts" => format!("<ErrorResponse>{error}</ErrorResponse>"),
                _ => error,
            };
            MockResponse::xml(status, body)
        }
        (_, "lambda" | "amplify") => winterbaume_core::rest_json_error(status, code, &message),
        _ => winterbaume_core::json_error_response(status, code, &message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_they_read() {
        let fault: Fault = "lambda:CreateFunction=lost*1".parse().unwrap();
        assert_eq!((fault.kind, fault.times), (FaultKind::LostReply, Some(1)));
        let fault: Fault = "*:*=stop@17".parse().unwrap();
        assert_eq!((fault.kind, fault.times, fault.skip), (FaultKind::Stop, None, 17));
        for wrong in ["", "lambda=lost", "lambda:X=melt", "lambda:X=lost*many", "s3:*=500@x"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong:?}");
        }
    }
}
