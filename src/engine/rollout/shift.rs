//! How much of its requests a function's new version gets, and when more.

use jiff::Timestamp;

use super::{ObjectState, later};
use crate::kinds::ShiftStep;
use crate::model::{ObjectId, Part};
use crate::store::{Cause, Rollout, Shift, Stage, Verdict};

/// The part of the requests that a new version of an object may have now; `None` where it gets all at once, as an
/// object does that no release since the good one changed. A rollback does not wait: what it goes back to has
/// proven itself.
pub fn weight(
    rollout: &Rollout,
    id: &ObjectId,
    generation: u64,
    steps: &[ShiftStep],
) -> Option<Part> {
    let is_over = matches!(rollout.stage(), Stage::Baking | Stage::Over);
    let is_gradual = !matches!(rollout.cause, Cause::Rollback(_)) && rollout.good.is_some();
    if steps.is_empty() || is_over || !is_gradual || !is_changed(rollout, generation) {
        return None;
    }
    let Some(shift) = rollout.shifts.iter().find(|shift| shift.is_of(id)) else {
        return Some(Part::default());
    };
    let percent = steps.get(shift.step).map_or(100, |step| step.weight);
    Some(Part { version: Some(shift.version.clone()), percent })
}

/// The same for a release that is not recorded yet, after the release of `before`.
pub fn weight_to_come(before: Option<&Rollout>, steps: &[ShiftStep]) -> Option<Part> {
    let has_good =
        before.is_some_and(|before| before.verdict == Verdict::Succeeded || before.good.is_some());
    (has_good && !steps.is_empty()).then(Part::default)
}

/// The object changed since the release that succeeded last: what a release that was not over changed has not
/// proven itself either.
pub fn is_changed(rollout: &Rollout, generation: u64) -> bool {
    generation > rollout.good.as_ref().map_or(0, |good| good.release)
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
pub(super) fn advance(rollout: &mut Rollout, object: &ObjectState, now: Timestamp) -> Shifted {
    let ObjectState { id, generation, steps, .. } = object;
    let given = weight(rollout, id, *generation, steps);
    let (Some(_), Some(ready)) = (given, &object.next_version) else {
        return Shifted::Nothing;
    };
    let known = rollout.shifts.iter_mut().find(|shift| shift.is_of(id));
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

    use super::super::{Policy, Progress, begin};
    use super::*;
    use crate::model::ReadyVersion;
    use crate::store::{Good, Release};

    fn rollout() -> Rollout {
        let release = Release::sample(2, "b", Cause::Apply);
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

    fn api(steps: &[ShiftStep], next_version: Option<ReadyVersion>) -> ObjectState {
        ObjectState {
            id: ObjectId::new("Function", "api"),
            generation: 2,
            is_changed: true,
            is_second: false,
            was_unwell: false,
            steps: steps.to_vec(),
            next_version,
            progress: Progress::Waiting(String::new()),
        }
    }

    fn given(rollout: &Rollout, steps: &[ShiftStep]) -> Option<u8> {
        weight(rollout, &ObjectId::new("Function", "api"), 2, steps).map(|part| part.percent)
    }

    #[test]
    fn a_pause_begins_when_the_part_was_seen() {
        let step = |weight| ShiftStep { weight, pause: Duration::from_secs(60) };
        let steps = [step(10), step(50)];
        let mut rollout = rollout();
        let to = |weight| Shifted::To { weight, version: "2".to_owned() };
        assert_eq!(given(&rollout, &steps), Some(0), "nothing is published yet");
        for (second, seen, expected, percent) in [
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
            let shifted = advance(&mut rollout, &api(&steps, ready), at(second));
            assert_eq!(shifted, expected, "at {second}");
            assert_eq!(given(&rollout, &steps), Some(percent), "at {second}");
        }
    }

    #[test]
    fn another_version_begins_anew() {
        let steps = [ShiftStep { weight: 10, pause: Duration::from_secs(60) }];
        let mut rollout = rollout();
        let ready = |version: &str| ReadyVersion { version: version.to_owned(), weight: 10 };
        for (second, version, percent) in
            [(0, "2", 10), (1, "2", 10), (70, "2", 100), (80, "3", 10)]
        {
            advance(&mut rollout, &api(&steps, Some(ready(version))), at(second));
            assert_eq!(given(&rollout, &steps), Some(percent), "at {second}");
        }
    }

    #[test]
    fn what_has_proven_itself_gets_all_at_once() {
        let steps = [ShiftStep { weight: 10, pause: Duration::from_secs(60) }];
        let (id, forward) = (ObjectId::new("Function", "api"), rollout());
        assert_eq!(weight(&forward, &id, 1, &steps), None, "the good release has it");
        let back = Rollout { cause: Cause::Rollback(1), ..rollout() };
        assert_eq!(weight(&back, &id, 3, &steps), None);
        let delete = Rollout { cause: Cause::Delete, ..rollout() };
        assert_eq!(weight(&delete, &id, 2, &steps), Some(Part::default()), "it is not over");
    }
}
