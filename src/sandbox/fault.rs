//! What goes wrong in the sandbox, on demand.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use winterbaume_core::MockResponse;

use super::call::Call;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Throttle,
    ServerError,
    /// No reply for longer than any client waits; nothing is done.
    Timeout,
    /// The effect happens and the reply is lost.
    LostReply,
    Conflict,
    Denied,
    /// The credentials have expired.
    Expired,
    NotFound,
    Garbage,
    /// The call is answered as done, and nothing is done.
    Ignored,
}

const KINDS: [(&str, FaultKind); 10] = [
    ("throttle", FaultKind::Throttle),
    ("500", FaultKind::ServerError),
    ("timeout", FaultKind::Timeout),
    ("lost", FaultKind::LostReply),
    ("conflict", FaultKind::Conflict),
    ("denied", FaultKind::Denied),
    ("expired", FaultKind::Expired),
    ("notfound", FaultKind::NotFound),
    ("garbage", FaultKind::Garbage),
    ("ignored", FaultKind::Ignored),
];

/// Which calls fail, how, and how often. Written `service:Operation=kind[*times]`, where either
/// part of the action may be `*`: `lambda:CreateFunction=lost*1`, `s3:*=throttle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub service: String,
    pub operation: String,
    pub kind: FaultKind,
    /// How often it still strikes; for ever where it is not given.
    pub times: Option<u32>,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = || KINDS.map(|(name, _)| name).join(", ");
        let malformed = || {
            format!(
                "`{text}` is not a fault; write service:Operation=kind[*times], as in lambda:CreateFunction=lost*1; kinds are {}",
                kinds()
            )
        };
        let (action, rest) = text.split_once('=').ok_or_else(malformed)?;
        let (service, operation) = action.split_once(':').ok_or_else(malformed)?;
        let (kind, times) = match rest.split_once('*') {
            Some((kind, times)) => (kind, Some(times.parse().map_err(|_| malformed())?)),
            None => (rest, None),
        };
        let kind = KINDS.iter().find(|(name, _)| *name == kind).ok_or_else(malformed)?.1;
        Ok(Self { service: service.to_owned(), operation: operation.to_owned(), kind, times })
    }
}

/// The faults in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    pub fn inject(&self, fault: Fault) {
        self.lock().push(fault);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault that strikes this call, which uses it up once.
    pub(super) fn strike(&self, call: &Call) -> Option<FaultKind> {
        let mut faults = self.lock();
        let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
        let index = faults.iter().position(|f| {
            fits(&f.service, &call.service)
                && fits(&f.operation, &call.operation)
                && f.times != Some(0)
        })?;
        let fault = &mut faults[index];
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.kind)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reply that a fault stands for, in the protocol of the service. Faults that are not replies
/// are the router's.
pub(super) fn reply(kind: FaultKind, call: &Call) -> MockResponse {
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
        (FaultKind::NotFound, _) => (404, "ResourceNotFoundException"),
        _ => (500, "InternalFailure"),
    };
    let message = format!("injected by the sandbox into {}", call.action());
    match (kind, call.service.as_str()) {
        (FaultKind::Ignored, "s3" | "sts") => MockResponse::xml(200, ""),
        (FaultKind::Ignored, _) => MockResponse::rest_json(200, "{}"),
        (FaultKind::Garbage, _) => MockResponse::rest_json(200, "<<< not a reply >>>"),
        (_, "s3" | "sts") => {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
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
        assert_eq!("s3:*=throttle".parse::<Fault>().unwrap().times, None);
        for wrong in ["", "lambda=lost", "lambda:X=melt", "lambda:X=lost*many"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong:?}");
        }
    }
}
