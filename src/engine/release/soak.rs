//! Whether a release has been well for long enough to go on to another environment. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::kinds::environment;
use crate::model::{ConditionStatus, ObjectId, condition_type};
use crate::store::{Entry, Rollout, Stage, StatusRecord, Verdict};

/// How a release stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soak {
    /// It has been well since then, which is long enough.
    #[expect(missing_docs, reason = "the doc says what it is")]
    Over { since: Timestamp },
    /// It is well, and will have been for long enough by then.
    Until(Timestamp),
    /// An object is not Ready.
    Unwell(ObjectId),
    /// It has not succeeded, or is still watched by its own environment.
    NotOver(Verdict),
}

/// How a release stands. `status_of` reads the record of an object.
pub fn soak<'a>(
    rollout: Option<&Rollout>,
    objects: &[Entry],
    status_of: impl Fn(&ObjectId) -> Option<&'a StatusRecord>,
    wanted: Duration,
    now: Timestamp,
) -> Soak {
    let Some(rollout) = rollout else { return Soak::NotOver(Verdict::Pending) };
    let succeeded = rollout.succeeded_at().filter(|_| rollout.stage() == Stage::Over);
    let Some(mut since) = succeeded else {
        return Soak::NotOver(rollout.verdict);
    };
    for entry in objects.iter().filter(|entry| entry.kind != environment::NAME) {
        let id = entry.id();
        let ready = status_of(&id).and_then(|status| status.conditions.get(condition_type::READY));
        match ready.filter(|ready| ready.status == ConditionStatus::True) {
            Some(ready) => since = since.max(ready.last_transition_time),
            None => return Soak::Unwell(id),
        }
    }
    let end = since.checked_add(wanted).unwrap_or(Timestamp::MAX);
    if end <= now { Soak::Over { since } } else { Soak::Until(end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Conditions;
    use crate::store::{Cause, Order, Passed};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rollout(verdict: Verdict, last: Stage) -> Rollout {
        through(verdict, &[(Stage::First, 0), (Stage::Baking, 100), (last, 160)])
    }

    fn through(verdict: Verdict, stages: &[(Stage, i64)]) -> Rollout {
        let passed = |(stage, since): &_| Passed { stage: *stage, since: at(*since), until: None };
        Rollout {
            release: 7,
            digest: "a".to_owned(),
            epoch: 1,
            verdict,
            reason: String::new(),
            message: String::new(),
            order: Order::Together,
            second_open: true,
            frontends_moved: true,
            stages: stages.iter().map(passed).collect(),
            deadline: at(900),
            good: None,
            cause: Cause::Apply,
            gradual: false,
            extensions: 0,
            answered_at: None,
            mixed_since: None,
            mixed_until: None,
            arrived: Vec::new(),
            shifts: Vec::new(),
            seal: String::new(),
        }
    }

    #[test]
    fn a_release_has_soaked_once_all_its_objects_were_ready_for_so_long() {
        let entry = Entry {
            kind: "Function".to_owned(),
            name: "api".to_owned(),
            digest: String::new(),
            generation: 7,
            confirmed: false,
        };
        let over = rollout(Verdict::Succeeded, Stage::Over);
        let function = ObjectId::new("Function", "api");
        for (what, rollout, ready_since, now, expected) in [
            ("not begun", None, Some(50), 500, Soak::NotOver(Verdict::Pending)),
            (
                "under way",
                Some(rollout(Verdict::Progressing, Stage::Second)),
                Some(50),
                500,
                Soak::NotOver(Verdict::Progressing),
            ),
            (
                "watched",
                Some(rollout(Verdict::Succeeded, Stage::Baking)),
                Some(50),
                500,
                Soak::NotOver(Verdict::Succeeded),
            ),
            (
                "rolled back",
                Some(rollout(Verdict::RolledBack, Stage::Over)),
                Some(50),
                500,
                Soak::NotOver(Verdict::RolledBack),
            ),
            ("well since", Some(over.clone()), Some(50), 159, Soak::Until(at(160))),
            ("well for long", Some(over.clone()), Some(50), 160, Soak::Over { since: at(100) }),
            ("well again", Some(over.clone()), Some(130), 160, Soak::Until(at(190))),
            ("unwell", Some(over), None, 500, Soak::Unwell(function)),
            (
                "a person let it through",
                Some(through(
                    Verdict::Succeeded,
                    &[(Stage::First, 0), (Stage::Waiting, 100), (Stage::Over, 400)],
                )),
                Some(50),
                410,
                Soak::Until(at(460)),
            ),
        ] {
            let mut conditions = Conditions::default();
            if let Some(since) = ready_since {
                let yes = ConditionStatus::True;
                conditions.set(condition_type::READY, yes, "Reconciled", "", 7, at(since));
            }
            let status = StatusRecord { conditions, ..StatusRecord::default() };
            let (entries, wanted) = ([entry.clone()], Duration::from_secs(60));
            let found = soak(rollout.as_ref(), &entries, |_| Some(&status), wanted, at(now));
            assert_eq!(found, expected, "{what}");
        }
    }
}
