//! How much of its requests a function's new version gets, and when more.

use jiff::Timestamp;

use super::later;
use crate::kinds::ShiftStep;
use crate::model::ObjectId;
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

/// A change of the weight, for people.
pub(super) struct Shifted {
    pub id: ObjectId,
    pub weight: u8,
    pub version: String,
}

/// Begins with a version that is ready, or goes on to the next step where a pause is over. `version` is the one
/// that is ready to take over.
pub(super) fn advance(
    rollout: &mut Rollout,
    id: &ObjectId,
    steps: &[ShiftStep],
    version: Option<&str>,
    now: Timestamp,
) -> Option<Shifted> {
    weight(rollout, id, steps)?;
    let version = version?;
    let known = rollout.shifts.iter_mut().find(|shift| shift.id() == *id);
    let step = match known {
        // Another version took its place, as after a secret that changed: it begins anew.
        Some(shift) if shift.version != version => {
            *shift = Shift { version: version.to_owned(), step: 0, since: now, ..shift.clone() };
            0
        }
        Some(shift) => {
            let pause = steps.get(shift.step)?.pause;
            if now < later(shift.since, pause) {
                return None;
            }
            shift.step += 1;
            shift.since = now;
            shift.step
        }
        None => {
            let (kind, name) = (id.kind.to_string(), id.name.to_string());
            let version = version.to_owned();
            rollout.shifts.push(Shift { kind, name, version, step: 0, since: now });
            0
        }
    };
    let weight = steps.get(step).map_or(100, |step| step.weight);
    Some(Shifted { id: id.clone(), weight, version: version.to_owned() })
}
