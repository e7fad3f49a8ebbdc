//! How much of its requests a function's new version gets, and when more.

use jiff::Timestamp;

use super::plan::{ABORTED, FOUND_OUT, ROLLBACK_REFUSED};
use super::signals::{Judgement, gates_are_passed, judge, pause_end};
use super::{Ask, ObjectState, Seen};
use crate::kinds::Shifting;
use crate::model::{ObjectId, Part};
use crate::store::{Cause, Rollout, Shift, Stage, Verdict};

/// The part of the requests that a new version of an object may have now; `None` where it gets all at once, as an
/// object does that no release since the good one changed. A rollback does not wait: what it goes back to has
/// proven itself.
pub fn weight(
    rollout: &Rollout,
    id: &ObjectId,
    generation: u64,
    shifting: &Shifting,
) -> Option<Part> {
    let is_over = matches!(rollout.stage(), Stage::Checking | Stage::Baking | Stage::Over);
    let is_back = matches!(rollout.cause, Cause::Rollback(_)) && !rollout.gradual;
    let is_gradual = !is_back && rollout.good.is_some();
    if !shifting.is_gradual() || is_over || !is_gradual || !is_changed(rollout, generation) {
        return None;
    }
    if is_given_up(rollout) {
        return Some(Part::default());
    }
    let Some(shift) = rollout.shifts.iter().find(|shift| shift.is_of(id)) else {
        return Some(Part::default());
    };
    let percent = shifting.steps.get(shift.step).map_or(100, |step| step.weight);
    Some(Part { version: Some(shift.version.clone()), percent })
}

/// Nobody goes on with the release as it is: what it had given is taken back, whether or not an earlier release can be
/// made current again.
fn is_given_up(rollout: &Rollout) -> bool {
    let is_decided = [ABORTED, ROLLBACK_REFUSED].contains(&rollout.reason.as_str())
        || FOUND_OUT.contains(&rollout.reason.as_str());
    rollout.verdict == Verdict::Failed
        && (is_decided || matches!(rollout.stage(), Stage::RollingBack { .. }))
}

/// The same for a release that is not recorded yet, after the release of `before`.
pub fn weight_to_come(before: Option<&Rollout>, shifting: &Shifting) -> Option<Part> {
    let has_good =
        before.is_some_and(|before| before.verdict == Verdict::Succeeded || before.good.is_some());
    (has_good && shifting.is_gradual()).then(Part::default)
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
        /// What could not be found out about it.
        unread: Option<String>,
    },
    /// It takes too long to tell whether it works.
    Undecided(String),
}

/// Begins with a version that is ready and has passed its gates, or goes on to the next step where a pause is over
/// and the version has shown what it must. A pause begins when the part was seen to be given: whoever died between
/// the two has shown nothing.
pub(super) fn advance(
    rollout: &mut Rollout,
    object: &ObjectState,
    seen: &Seen<'_>,
    asks: &[Ask],
    now: Timestamp,
) -> Shifted {
    let ObjectState { id, generation, shifting, .. } = object;
    let given = weight(rollout, id, *generation, shifting);
    let (Some(_), Some(ready)) = (given, &object.next_version) else {
        return Shifted::Nothing;
    };
    let known = rollout.shifts.iter_mut().find(|shift| shift.is_of(id));
    let known = match known {
        // Another version took its place, as after a secret that changed: it begins anew.
        Some(shift) if shift.version != ready.version => {
            rollout.shifts.retain(|shift| !shift.is_of(id));
            None
        }
        known => known,
    };
    let Some(shift) = known else {
        if !gates_are_passed(id, seen, asks) {
            return Shifted::Nothing;
        }
        rollout.shifts.push(Shift::new(id, &ready.version));
        return to(shifting, 0, &ready.version, None);
    };
    let Some(step) = shifting.steps.get(shift.step) else { return Shifted::Nothing };
    match pause_end(shift, object) {
        None if ready.weight == step.weight => {
            shift.since = Some(now);
            shift.first_at.get_or_insert(now);
            Shifted::Seen
        }
        Some(end) if now >= end => match judge(shift, object, seen, asks, now) {
            Judgement::GoOn(unread) => {
                (shift.step, shift.since) = (shift.step + 1, None);
                to(shifting, shift.step, &ready.version, unread)
            }
            Judgement::Wait => Shifted::Nothing,
            Judgement::GiveUp(why) => Shifted::Undecided(why),
        },
        _ => Shifted::Nothing,
    }
}

fn to(shifting: &Shifting, step: usize, version: &str, unread: Option<String>) -> Shifted {
    let weight = shifting.steps.get(step).map_or(100, |step| step.weight);
    Shifted::To { weight, version: version.to_owned(), unread }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Policy, Progress, Signals, asks, begin};
    use super::*;
    use crate::kinds::{Probe, ShiftStep};
    use crate::model::ReadyVersion;
    use crate::signals::{Answer, Expected, Failure, Traffic};
    use crate::store::{Good, Release};

    const POLICY: Policy = Policy {
        progress_deadline: Duration::from_secs(900),
        bake_time: Duration::ZERO,
        rolls_back: true,
    };

    fn rollout() -> Rollout {
        let release = Release::sample(2, "b", Cause::Apply);
        let good = Some(Good { release: 1, digest: "a".to_owned() });
        Rollout { good, ..begin(None, &release, POLICY, at(0)).rollout }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shifting(steps: &[ShiftStep]) -> Shifting {
        Shifting { steps: steps.to_vec(), ..Shifting::default() }
    }

    fn api(shifting: &Shifting, next_version: Option<ReadyVersion>) -> ObjectState {
        let waiting = ObjectState::sample("Function/api", Progress::Waiting(String::new()));
        ObjectState { shifting: shifting.clone(), next_version, ..waiting }
    }

    fn version(version: &str, weight: u8) -> ReadyVersion {
        ReadyVersion { version: version.to_owned(), from: "1".to_owned(), weight }
    }

    fn given(rollout: &Rollout, shifting: &Shifting) -> Option<u8> {
        weight(rollout, &ObjectId::new("Function", "api"), 2, shifting).map(|part| part.percent)
    }

    /// Everything that is asked is answered so.
    fn advanced(
        rollout: &mut Rollout,
        object: &ObjectState,
        answer: &Result<Answer, Failure>,
        second: i64,
    ) -> Shifted {
        let (objects, mut signals) = ([object.clone()], Signals::default());
        let asked = asks(rollout, &Seen::sample(POLICY, &objects), at(second));
        asked.iter().for_each(|ask| signals.hear(ask.key.clone(), at(second), answer.clone()));
        let seen = Seen { signals: &signals, ..Seen::sample(POLICY, &objects) };
        advance(rollout, object, &seen, &asked, at(second))
    }

    #[test]
    fn a_pause_begins_when_the_part_was_seen() {
        let step = |weight| ShiftStep { weight, pause: Duration::from_secs(60) };
        let shifting = shifting(&[step(10), step(50)]);
        let mut rollout = rollout();
        let to = |weight| Shifted::To { weight, version: "2".to_owned(), unread: None };
        assert_eq!(given(&rollout, &shifting), Some(0), "nothing is published yet");
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
            let object = api(&shifting, seen.map(|weight| version("2", weight)));
            let answer = Ok(Answer::Traffic(Traffic::default()));
            let shifted = advanced(&mut rollout, &object, &answer, second);
            assert_eq!(shifted, expected, "at {second}");
            assert_eq!(given(&rollout, &shifting), Some(percent), "at {second}");
        }
    }

    #[test]
    fn a_pause_that_is_over_waits_for_a_look_at_the_metrics() {
        let shifting = shifting(&[ShiftStep { weight: 10, pause: Duration::from_secs(60) }]);
        let (mut rollout, object) = (rollout(), api(&shifting, Some(version("2", 10))));
        let answer = Ok(Answer::Traffic(Traffic::default()));
        advanced(&mut rollout, &object, &answer, 0);
        advanced(&mut rollout, &object, &answer, 1);
        let objects = [object.clone()];
        let seen = Seen::sample(POLICY, &objects);
        let asked = asks(&rollout, &seen, at(70));
        assert_eq!(advance(&mut rollout, &object, &seen, &asked, at(70)), Shifted::Nothing);
        let denied = Err(Failure::Unknown("denied".to_owned()));
        let unread = Some("Function/api: the metrics of version 2: denied".to_owned());
        let expected = Shifted::To { weight: 100, version: "2".to_owned(), unread };
        assert_eq!(advanced(&mut rollout, &object, &denied, 71), expected);
    }

    #[test]
    fn another_version_begins_anew() {
        let shifting = shifting(&[ShiftStep { weight: 10, pause: Duration::from_secs(60) }]);
        let mut rollout = rollout();
        for (second, number, percent) in [(0, "2", 10), (1, "2", 10), (70, "2", 100), (80, "3", 10)]
        {
            let object = api(&shifting, Some(version(number, 10)));
            let answer = Ok(Answer::Traffic(Traffic::default()));
            advanced(&mut rollout, &object, &answer, second);
            assert_eq!(given(&rollout, &shifting), Some(percent), "at {second}");
        }
    }

    #[test]
    fn a_version_gets_nothing_before_its_probes_have_passed() {
        let probe = Probe {
            payload: serde_json::json!({}),
            expected: Expected::default(),
            timeout: Duration::from_secs(10),
        };
        let shifting = Shifting { probes: vec![probe], ..Shifting::default() };
        let mut rollout = rollout();
        let object = api(&shifting, Some(version("2", 0)));
        let wrong = Err(Failure::Unexpected("502".to_owned()));
        assert_eq!(advanced(&mut rollout, &object, &wrong, 10), Shifted::Nothing);
        assert_eq!(given(&rollout, &shifting), Some(0));
        let passed = advanced(&mut rollout, &object, &Ok(Answer::AsExpected), 20);
        assert_eq!(passed, Shifted::To { weight: 100, version: "2".to_owned(), unread: None });
        assert_eq!(given(&rollout, &shifting), Some(100), "there are no steps");
    }

    #[test]
    fn what_has_proven_itself_gets_all_at_once() {
        let shifting = shifting(&[ShiftStep { weight: 10, pause: Duration::from_secs(60) }]);
        let (id, forward) = (ObjectId::new("Function", "api"), rollout());
        assert_eq!(weight(&forward, &id, 1, &shifting), None, "the good release has it");
        let back = Rollout { cause: Cause::Rollback(1), ..rollout() };
        assert_eq!(weight(&back, &id, 3, &shifting), None);
        let slowly = Rollout { gradual: true, ..back };
        assert_eq!(weight(&slowly, &id, 3, &shifting), Some(Part::default()));
        let delete = Rollout { cause: Cause::Delete, ..rollout() };
        assert_eq!(weight(&delete, &id, 2, &shifting), Some(Part::default()), "it is not over");
    }
}
