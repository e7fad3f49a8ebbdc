//! What a pass came to, and what it means for an object's conditions. Pure.

use jiff::Timestamp;

use crate::aws::{AwsError, Class};
use crate::model::ConditionStatus::{False, True, Unknown};
use crate::model::{ConditionStatus, Conditions, condition_type};
use crate::plan::{Blocked, Change, Waiting};

/// Drifted fields that a condition lists; the rest is counted.
const FIELDS_SHOWN_MAX: usize = 20;

/// The reason of a Synced condition that is False although the release has not changed.
pub const DRIFTED: &str = "Drifted";

/// How a pass ended.
#[derive(Clone, Debug)]
pub enum PassEnd {
    /// The resource was seen to be as declared.
    Settled,
    /// Steps were taken; the resource is observed again.
    Progressing(String),
    /// AWS, or another object, is still busy.
    Waiting(Waiting),
    /// There is something to do, and writing is turned off.
    Reported {
        exists: bool,
        /// The resource was in full accord with this release before.
        carried_out: bool,
        reason: &'static str,
    },
    /// A person has to do something.
    Blocked(Blocked),
    /// A call failed while observing.
    ObserveFailed(AwsError),
    /// A call failed while writing.
    WriteFailed(AwsError),
}

impl PassEnd {
    /// What is wrong, for an event; `None` where nothing is.
    pub fn failure(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Blocked(blocked) => Some((blocked.reason, blocked.message.clone())),
            // What passes by itself is no failure.
            Self::ObserveFailed(e) | Self::WriteFailed(e)
                if matches!(e.class, Class::Conflict | Class::NotReady | Class::Throttled) =>
            {
                None
            }
            Self::ObserveFailed(e) | Self::WriteFailed(e) => Some((e.reason(), e.to_string())),
            _ => None,
        }
    }
}

/// How the resource compares with what is declared, as far as it was observed.
#[derive(Clone, Copy, Debug)]
pub enum Compared<'a> {
    /// Nothing differs, and did not before: whatever AWS is busy with, it is not ours.
    InSync,
    /// These declared fields differ, or it is not complete.
    Differs(&'a [Change]),
    /// As `Differs`, and it did not before.
    Drifted(&'a [Change]),
}

impl<'a> Compared<'a> {
    fn changes(self) -> &'a [Change] {
        match self {
            Self::InSync => &[],
            Self::Differs(changes) | Self::Drifted(changes) => changes,
        }
    }
}

/// Sets the four conditions.
pub fn set_conditions(
    conditions: &mut Conditions,
    end: &PassEnd,
    compared: Compared<'_>,
    generation: u64,
    now: Timestamp,
) {
    let mut set = |kind: &str, status: ConditionStatus, reason: &str, message: &str| {
        conditions.set(kind, status, reason, message, generation, now);
    };
    let (ready, reconciling, stalled, reason, message) = match end {
        PassEnd::Settled => (True, False, False, "Reconciled", String::new()),
        PassEnd::Progressing(message) => (False, True, False, "Progressing", message.clone()),
        PassEnd::Waiting(w) => (False, True, False, w.reason, w.message.clone()),
        PassEnd::Reported { carried_out: true, reason, .. } => {
            (True, False, False, *reason, String::new())
        }
        PassEnd::Reported { exists, reason, .. } => {
            let what = if *exists {
                "the release is not applied yet"
            } else {
                "the resource does not exist"
            };
            (False, False, False, *reason, what.to_owned())
        }
        PassEnd::Blocked(b) => (False, False, True, b.reason, b.message.clone()),
        PassEnd::ObserveFailed(e) if !e.class.is_terminal() => {
            (Unknown, True, False, e.reason(), e.to_string())
        }
        PassEnd::ObserveFailed(e) | PassEnd::WriteFailed(e) => {
            let terminal = e.class.is_terminal();
            let (reconciling, stalled) = if terminal { (False, True) } else { (True, False) };
            (False, reconciling, stalled, e.reason(), e.to_string())
        }
    };
    set(condition_type::READY, ready, reason, &message);
    set(
        condition_type::RECONCILING,
        reconciling,
        reason,
        if reconciling == True { &message } else { "" },
    );
    set(condition_type::STALLED, stalled, reason, if stalled == True { &message } else { "" });
    match end {
        PassEnd::Settled => set(condition_type::SYNCED, True, "InSync", ""),
        // What was seen to differ in the parts that could be read is named all the same.
        PassEnd::ObserveFailed(_) if compared.changes().is_empty() => {
            set(condition_type::SYNCED, Unknown, reason, "it could not be read");
        }
        _ => match compared {
            Compared::InSync => set(condition_type::SYNCED, True, "InSync", ""),
            Compared::Differs([]) | Compared::Drifted([]) if ready == True => {
                set(condition_type::SYNCED, True, "InSync", "");
            }
            // Nothing is known to differ: what is waited for says more.
            Compared::Differs([]) if !message.is_empty() => {
                set(condition_type::SYNCED, False, "Differs", &message);
            }
            Compared::Differs(changes) => {
                set(condition_type::SYNCED, False, "Differs", &fields(changes));
            }
            Compared::Drifted(changes) => {
                set(condition_type::SYNCED, False, DRIFTED, &fields(changes));
            }
        },
    }
}

/// The fields that differ, by path.
pub fn fields(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "it is not complete yet".to_owned();
    }
    let shown: Vec<_> = changes.iter().take(FIELDS_SHOWN_MAX).map(|c| c.path.to_string()).collect();
    let more = changes.len().saturating_sub(FIELDS_SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;

    fn conditions(end: PassEnd) -> String {
        let mut conditions = Conditions::default();
        let compared = Compared::Differs(&[]);
        set_conditions(&mut conditions, &end, compared, 1, Timestamp::UNIX_EPOCH);
        let words: Vec<_> =
            conditions.iter().map(|c| format!("{}={:?}", c.kind, c.status)).collect();
        words.join(" ")
    }

    #[test]
    fn conditions_follow_kstatus() {
        let error = |class| AwsError::new(class, Service::Lambda, "GetFunction", "no");
        let blocked = Blocked { reason: "NotOwned", message: "foreign".to_owned() };
        let cases = [
            (PassEnd::Settled, "Ready=True Reconciling=False Stalled=False Synced=True"),
            (
                PassEnd::Progressing("x".to_owned()),
                "Ready=False Reconciling=True Stalled=False Synced=False",
            ),
            (PassEnd::Blocked(blocked), "Ready=False Reconciling=False Stalled=True Synced=False"),
            (
                PassEnd::ObserveFailed(error(Class::Transient)),
                "Ready=Unknown Reconciling=True Stalled=False Synced=Unknown",
            ),
            (
                PassEnd::ObserveFailed(error(Class::Denied)),
                "Ready=False Reconciling=False Stalled=True Synced=Unknown",
            ),
            (
                PassEnd::WriteFailed(error(Class::Unknown)),
                "Ready=False Reconciling=True Stalled=False Synced=False",
            ),
        ];
        for (end, expected) in cases {
            assert_eq!(conditions(end.clone()), expected, "{end:?}");
        }
    }
}
