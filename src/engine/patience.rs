//! How long a refusal is taken for one that passes by itself. Pure.
//!
//! AWS refuses with the same words what is wrong and what merely names something that was made a moment
//! ago and has not reached all of AWS yet. No list of texts tells the two apart, so time does: a refusal that
//! may be of the second kind is told as final once it has lasted.

use jiff::{SignedDuration, Timestamp};

use crate::aws::{AwsError, Class};

/// How long what was made takes to reach all of AWS at most; the timeout of Terraform's AWS provider
/// (`propagationTimeout` in internal/service/iam).
const PROPAGATES_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// A resource that was made so recently may be refused for what it is itself.
const YOUNG: SignedDuration = SignedDuration::from_mins(1);
/// What AWS says that it passes by itself has done so by then. The longest is DynamoDB's hour between two
/// changes of a time to live: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html>.
const PASSES_WITHIN: SignedDuration = SignedDuration::from_mins(90);

/// What a refusal mentions that refers to something that may be on its way.
const REFERRED: [&str; 36] = [
    "access point",
    "alias",
    "arn:",
    "assume",
    "bucket",
    "cannot be found",
    "certificate",
    "destination",
    "domain",
    "event bus",
    "exist",
    "file system",
    "grant",
    "identity",
    "image",
    "key",
    "kms",
    "layer",
    "log group",
    "no such",
    "not authorized",
    "not found",
    "permission",
    "policy",
    "principal",
    "queue",
    "repository",
    "role",
    "secret",
    "security group",
    "state machine",
    "stream",
    "subnet",
    "topic",
    "trust",
    "vpc",
];

/// The error of a write as it is to be told: one that may pass by itself as not ready, and one that has
/// lasted too long for that as final. `since` is when the writes began to be refused, `made_at` when the
/// resource was made or begun.
pub fn judged(
    error: AwsError,
    since: Timestamp,
    made_at: Option<Timestamp>,
    now: Timestamp,
) -> AwsError {
    let lasted = now.duration_since(since);
    let is_young = made_at.is_some_and(|at| since.duration_since(at) < YOUNG);
    let class = match error.class {
        Class::Invalid if lasted < PROPAGATES_WITHIN && (is_young || refers(&error)) => {
            Class::NotReady
        }
        // What it refers to is not there, and does not come.
        Class::NotFound if lasted >= PROPAGATES_WITHIN => Class::Invalid,
        Class::NotFound => Class::NotReady,
        Class::NotReady if lasted >= PASSES_WITHIN => Class::Invalid,
        class => class,
    };
    AwsError { class, ..error }
}

/// Whether the error is one that [`judged`] counts the time of.
pub fn is_refusal(error: &AwsError) -> bool {
    matches!(error.class, Class::Invalid | Class::NotFound | Class::NotReady)
}

fn refers(error: &AwsError) -> bool {
    // An error of ours has no code, and refers to nothing of AWS.
    let message = error.message.to_lowercase();
    !error.code.is_empty() && REFERRED.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;

    fn class_after(class: Class, message: &str, made_before: Option<i64>, seconds: i64) -> Class {
        let at = |seconds| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let mut error = AwsError::new(class, Service::Lambda, "AddPermission", message);
        error.code = "InvalidParameterValueException".to_owned();
        judged(error, at(0), made_before.map(|before| at(-before)), at(seconds)).class
    }

    #[test]
    fn a_refusal_is_final_once_it_can_be_nothing_else() {
        let principal =
            "The provided principal was invalid. Please check the principal and try again.";
        for (class, message, made_before, seconds, expected) in [
            (Class::Invalid, principal, None, 0, Class::NotReady),
            (Class::Invalid, principal, None, 119, Class::NotReady),
            (Class::Invalid, principal, None, 120, Class::Invalid),
            (Class::Invalid, "Invalid principal in policy", None, 5, Class::NotReady),
            (Class::Invalid, "The state machine cannot be invoked yet", None, 5, Class::NotReady),
            (Class::Invalid, "Source image x is not valid", None, 119, Class::NotReady),
            (Class::Invalid, "The memory is too large", None, 0, Class::Invalid),
            (Class::Invalid, "The memory is too large", Some(30), 5, Class::NotReady),
            (Class::Invalid, "The memory is too large", Some(90), 5, Class::Invalid),
            (Class::NotFound, "Function not found", None, 5, Class::NotReady),
            (Class::NotFound, "Function not found", None, 121, Class::Invalid),
            (Class::NotReady, "modified multiple times", None, 3600, Class::NotReady),
            (Class::NotReady, "modified multiple times", None, 5400, Class::Invalid),
            (Class::Denied, principal, Some(1), 1, Class::Denied),
            (Class::Throttled, principal, Some(1), 1, Class::Throttled),
        ] {
            let got = class_after(class, message, made_before, seconds);
            assert_eq!(got, expected, "{class:?} {message} {made_before:?} {seconds}");
        }
    }

    #[test]
    fn an_error_of_trueups_own_is_final_at_once() {
        let error =
            AwsError::new(Class::Invalid, Service::Lambda, "CreateFunction", "role is missing");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(judged(error, now, None, now).class, Class::Invalid);
    }
}
