//! How much of its requests a function's new version gets, and when more.

use jiff::Timestamp;

use super::later;
use crate::kinds::ShiftStep;
use crate::model::{ObjectId, ReadyVersion};
use crate::store::{Cause, Rollout, Shift, Stage, Verdict};

/// Percent of the requests that a new version of an object may have now; `None` where it gets all at once. A
/// rollback does not wait: what it goes back to has proven itself.
pub fn weight(rollout: &Rollout, id: &ObjectId, steps: &[ShiftStep]) -> Option<u8> {
    let is_over = matches!(rollout.stage(), Stage::Baking | Stage::Over);
    let is_gradual = rollout.cause == Cause::Apply && rollout.good.is_some();
    if steps.is_empty() || is_over || !is_gradual {
        return None;
    }
    let shift = rollout.shifts.iter().find(|shift| shift.id() == *id);
    Some(shift.map_or(0, |shift| steps.get(shift.step).map_or(100, |step| step.weight)))
}

/// The same for a release that is not recorded yet, after the release of `before`.
pub fn weight_to_come(before: Option<&Rollout>, steps: &[ShiftStep]) -> Option<u8> {
    let has_good =
        before.is_some_and(|before| before.verdict == Verdict::Succeeded || before.good.is_some());
    (has_good && !steps.is_empty()).then_some(0)
}

/// What became of a shift.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shifted {
    Nothing,
    /// The part that it was given was seen: its pause begins.
    Seen,
    /// It is given another part, in percent.
    To {
        weight: u8,
        version: String,
    },
}

/// Begins with a version that is ready, or goes on to the next step where a pause is over. A pause begins when
/// the part was seen to be given: whoever died between the two has shown nothing.
pub(super) fn advance(
    rollout: &mut Rollout,
    id: &ObjectId,
    steps: &[ShiftStep],
    ready: Option<&ReadyVersion>,
    now: Timestamp,
) -> Shifted {
    let (Some(_), Some(ready)) = (weight(rollout, id, steps), ready) else {
        return Shifted::Nothing;
    };
    let known = rollout.shifts.iter_mut().find(|shift| shift.id() == *id);
    let step = match known {
        // Another version took its place, as after a secret that changed: it begins anew.
        Some(shift) if shift.version != ready.version => {
            shift.version.clone_from(&ready.version);
            (shift.step, shift.since) = (0, None);
            0
        }
        Some(shift) => {
            let Some(step) = steps.get(shift.step) else { return Shifted::Nothing };
            match shift.since {
                None if ready.weight == step.weight => {
                    shift.since = Some(now);
                    return Shifted::Seen;
                }
                Some(since) if now >= later(since, step.pause) => {
                    (shift.step, shift.since) = (shift.step + 1, None);
                    shift.step
                }
                _ => return Shifted::Nothing,
            }
        }
        None => {
            let (kind, name) = (id.kind.to_string(), id.name.to_string());
            let version = ready.version.clone();
            rollout.shifts.push(Shift { kind, name, version, step: 0, since: None });
            0
        }
    };
    let weight = steps.get(step).map_or(100, |step| step.weight);
    Shifted::To { weight, version: ready.version.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Policy, begin};
    use super::*;
    use crate::store::{Good, Release};

    fn rollout() -> Rollout {
        let release = Release {
            number: 2,
            digest: "b".to_owned(),
            author: String::new(),
            commit: String::new(),
            message: String::new(),
            cause: Cause::Apply,
            created_at: at(0),
            objects: Vec::new(),
            pages: Vec::new(),
            left: Vec::new(),
            left_pages: Vec::new(),
            seal: String::new(),
        };
        let policy = Policy {
            progress_deadline: Duration::from_secs(900),
            bake_time: Duration::ZERO,
            rolls_back: true,
        };
        let good = Some(Good { release: 1, digest: "a".to_owned() });
        Rollout { good, ..begin(None, &release, policy, at(0)).rollout }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_pause_begins_when_the_part_was_seen() {
        let step = |weight| ShiftStep { weight, pause: Duration::from_secs(60) };
        let (steps, id) = (vec![step(10), step(50)], ObjectId::new("Function", "api"));
        let mut rollout = rollout();
        let to = |weight| Shifted::To { weight, version: "2".to_owned() };
        assert_eq!(weight(&rollout, &id, &steps), Some(0), "nothing is published yet");
        for (second, seen, expected, given) in [
            (10, None, Shifted::Nothing, 0),
            (20, Some(0), to(10), 10),
            (500, Some(0), Shifted::Nothing, 10),
            (600, Some(10), Shifted::Seen, 10),
            (659, Some(10), Shifted::Nothing, 10),
            (660, Some(10), to(50), 50),
            (661, Some(50), Shifted::Seen, 50),
            (721, Some(50), to(100), 100),
            (999, Some(50), Shifted::Nothing, 100),
        ] {
            let ready = seen.map(|weight| ReadyVersion { version: "2".to_owned(), weight });
            let shifted = advance(&mut rollout, &id, &steps, ready.as_ref(), at(second));
            assert_eq!(shifted, expected, "at {second}");
            assert_eq!(weight(&rollout, &id, &steps), Some(given), "at {second}");
        }
    }

    #[test]
    fn another_version_begins_anew() {
        let steps = vec![ShiftStep { weight: 10, pause: Duration::from_secs(60) }];
        let id = ObjectId::new("Function", "api");
        let mut rollout = rollout();
        let ready = |version: &str| ReadyVersion { version: version.to_owned(), weight: 10 };
        for (second, version, given) in [(0, "2", 10), (1, "2", 10), (70, "2", 100), (80, "3", 10)]
        {
            advance(&mut rollout, &id, &steps, Some(&ready(version)), at(second));
            assert_eq!(weight(&rollout, &id, &steps), Some(given), "at {second}");
        }
    }
}
