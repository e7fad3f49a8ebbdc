//! When the objects of a release arrived, and for how long its frontends and its functions were of different
//! releases.

use jiff::Timestamp;

use super::progress::{ObjectState, Progress};
use crate::kinds::Kind;
use crate::kinds::frontend::Frontend;
use crate::kinds::function::Function;
use crate::store::{ARRIVED_MAX, Arrived, Order, Rollout, Stage};

/// Notes what has become ready.
pub(super) fn note_arrivals(rollout: &mut Rollout, objects: &[ObjectState], now: Timestamp) {
    let is_open =
        |stage| matches!(stage, Stage::First | Stage::Second | Stage::Checking | Stage::Waiting);
    if !is_open(rollout.stage()) {
        return;
    }
    // What has a version counts where it did not change, too: the release runs that version.
    let counts = |object: &&ObjectState| object.is_changed || object.version.is_some();
    for object in objects.iter().filter(counts).filter(|o| o.progress == Progress::Ready) {
        if rollout.arrived.len() >= ARRIVED_MAX {
            break;
        }
        if !rollout.arrived.iter().any(|arrived| arrived.is_of(&object.id)) {
            let (kind, name) = (object.id.kind.to_string(), object.id.name.to_string());
            let version = object.version.clone();
            let is_changed = object.is_changed;
            rollout.arrived.push(Arrived { kind, name, at: now, version, is_changed });
        }
    }
    note_mixed(rollout, objects, now);
}

/// Frontends and functions are of different releases from the first request that the half which moves first gets
/// until the other half has moved.
fn note_mixed(rollout: &mut Rollout, objects: &[ObjectState], now: Timestamp) {
    let moves_first = match rollout.order {
        Order::Together => return,
        Order::FrontendsLast => Function::NAME,
        Order::FrontendsFirst => Frontend::NAME,
    };
    let mut second = objects.iter().filter(|object| object.is_second).peekable();
    if second.peek().is_none() {
        return;
    }
    if rollout.mixed_since.is_none() {
        let shifted = rollout.shifts.iter().filter_map(|shift| shift.first_at);
        let changed = rollout.arrived.iter().filter(|arrived| arrived.is_changed);
        let arrived = changed.filter(|arrived| arrived.kind == moves_first);
        rollout.mixed_since = shifted.chain(arrived.map(|arrived| arrived.at)).min();
    }
    let has_moved = second.all(|object| object.progress == Progress::Ready);
    if rollout.mixed_since.is_some() && rollout.mixed_until.is_none() && has_moved {
        rollout.mixed_until = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::rollout::{Policy, begin};
    use crate::store::{Cause, Release, Shift, Verdict};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The second release of an environment whose first one succeeded.
    fn second(cause: Cause) -> Rollout {
        let policy = Policy {
            progress_deadline: Duration::from_secs(900),
            bake_time: Duration::ZERO,
            rolls_back: true,
        };
        let release = |number, cause| Release::sample(number, &number.to_string(), cause);
        let first = begin(None, &release(1, Cause::Apply), policy, at(0)).rollout;
        let first = Rollout { verdict: Verdict::Succeeded, ..first };
        begin(Some(&first), &release(2, cause), policy, at(100)).rollout
    }

    fn waiting() -> Progress {
        Progress::Waiting("waiting".to_owned())
    }

    #[test]
    fn the_time_of_different_releases_is_from_the_first_request_to_the_last_half() {
        let (api, web) = ("Function/api", "Frontend/web");
        let mut rollout = second(Cause::Apply);
        let note = |rollout: &mut Rollout, api_is: Progress, web_is: Progress, now| {
            let objects = [ObjectState::sample(api, api_is), ObjectState::sample(web, web_is)];
            note_arrivals(rollout, &objects, at(now));
            (rollout.mixed_since, rollout.mixed_until)
        };
        assert_eq!(note(&mut rollout, waiting(), waiting(), 110), (None, None));
        let mut shift = Shift::new(&api.parse().unwrap(), "2");
        shift.first_at = Some(at(120));
        rollout.shifts.push(shift);
        assert_eq!(note(&mut rollout, waiting(), waiting(), 125), (Some(at(120)), None));
        assert_eq!(note(&mut rollout, Progress::Ready, waiting(), 200), (Some(at(120)), None));
        let both = (Some(at(120)), Some(at(230)));
        assert_eq!(note(&mut rollout, Progress::Ready, Progress::Ready, 230), both);
        assert_eq!(note(&mut rollout, Progress::Ready, Progress::Ready, 300), both, "it is over");
    }

    #[test]
    fn a_release_of_one_half_mixes_nothing() {
        for name in ["Function/api", "Frontend/web"] {
            let mut rollout = second(Cause::Apply);
            note_arrivals(&mut rollout, &[ObjectState::sample(name, Progress::Ready)], at(150));
            assert!(!rollout.arrived.is_empty());
            assert_eq!((rollout.mixed_since, rollout.mixed_until), (None, None), "{name}");
        }
    }
}
