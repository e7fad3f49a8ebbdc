//! Failures that many objects have at once, as when credentials expire: a line for each of them, again at every
//! retry, would hide everything else.
//!
//! Guarantees: the first failure of its kind is told at once; the next ones are counted, and the count is told with
//! the first that comes after [`QUIET`]. What is remembered is bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::aws::{AwsError, Class};
use crate::model::ObjectKey;

/// How long failures of one kind are only counted after one was told.
const QUIET: SignedDuration = SignedDuration::from_mins(1);

/// Kinds of failures that are remembered.
const KINDS_MAX: usize = 1000;

#[derive(Debug, Default)]
pub struct Repeats(Mutex<HashMap<String, Told>>);

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    /// Since then.
    untold: u64,
}

impl Repeats {
    /// How many failures of the same kind were not told since the last one that was; `None` where this one is not to
    /// be told either. What is wrong with an object itself is told of each object.
    pub fn untold(&self, key: &ObjectKey, error: &AwsError, now: Timestamp) -> Option<u64> {
        let is_its_own = error.class == Class::Invalid;
        let whose = if is_its_own { key.to_string() } else { key.environment.to_string() };
        let (service, reason) = (error.service.name(), error.class.reason());
        let kind = format!("{whose} {service}:{} {reason}", error.operation);
        // Whoever panicked with it left counts that are merely older.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= KINDS_MAX {
            told.retain(|_, told| now.duration_since(told.at) < QUIET);
        }
        match told.get_mut(&kind) {
            Some(told) if now.duration_since(told.at) < QUIET => {
                told.untold += 1;
                None
            }
            before => {
                let untold = before.map_or(0, |told| told.untold);
                if told.len() < KINDS_MAX || told.contains_key(&kind) {
                    told.insert(kind, Told { at: now, untold: 0 });
                }
                Some(untold)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;
    use crate::model::ObjectId;

    #[test]
    fn one_failure_of_many_objects_is_told_once_a_minute_with_a_count() {
        let repeats = Repeats::default();
        let told = |object: &str, class: Class, second: i64| {
            let key = ObjectKey { environment: "dev".into(), id: ObjectId::new("Table", object) };
            let error = AwsError::new(class, Service::DynamoDb, "DescribeTable", "");
            repeats.untold(&key, &error, Timestamp::from_second(second).unwrap())
        };
        for (what, object, class, second, expected) in [
            ("the first", "a", Class::Credentials, 0, Some(0)),
            ("another object", "b", Class::Credentials, 1, None),
            ("the same object again", "a", Class::Credentials, 59, None),
            ("another reason", "a", Class::Throttled, 59, Some(0)),
            ("a minute later", "c", Class::Credentials, 60, Some(2)),
            ("and again", "c", Class::Credentials, 61, None),
            ("a person has to mend it", "a", Class::Invalid, 61, Some(0)),
            ("of another object, too", "b", Class::Invalid, 61, Some(0)),
            ("but not each time", "b", Class::Invalid, 70, None),
        ] {
            assert_eq!(told(object, class, second), expected, "{what}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for object in 0..2 * KINDS_MAX {
            let id = ObjectId::new("Table", object.to_string());
            let key = ObjectKey { environment: "dev".into(), id };
            let error = AwsError::new(Class::Invalid, Service::DynamoDb, "DescribeTable", "");
            assert_eq!(repeats.untold(&key, &error, Timestamp::UNIX_EPOCH), Some(0));
        }
        assert_eq!(repeats.0.lock().unwrap().len(), KINDS_MAX);
    }
}
