//! What people are told of a rollout.

use super::plan::{ABORTED, FOUND_OUT};
use super::{Action, ObjectState, Progress};
use crate::store::{Cause, EventKind, Order, Rollout, Stage, Verdict};

/// Objects that a message names; the rest is counted.
const NAMED_MAX: usize = 5;

/// What is told where a stage was entered.
pub(super) fn ended_or_moved(rollout: &Rollout) -> Option<Action> {
    match rollout.stage() {
        Stage::First | Stage::Over if rollout.verdict == Verdict::Progressing => None,
        Stage::Checking => {
            let message =
                format!("release {}: everything is ready; its checks are made", rollout.release);
            Some(tell(rollout.release, EventKind::Normal, "ReleaseProgressing", message))
        }
        Stage::Second => {
            let what = match rollout.order {
                Order::FrontendsFirst => "the functions go back now, too",
                _ => "what the frontends call is ready; the frontends follow",
            };
            let message = format!("release {}: {what}", rollout.release);
            Some(tell(rollout.release, EventKind::Normal, "ReleaseProgressing", message))
        }
        _ => ended(rollout),
    }
}

/// What people are told of the verdict.
pub(super) fn ended(rollout: &Rollout) -> Option<Action> {
    let number = rollout.release;
    let with = |text: String| match rollout.message.as_str() {
        "" => text,
        message => format!("{text}: {message}"),
    };
    let (kind, reason, message) = match (rollout.verdict, rollout.stage()) {
        (Verdict::Succeeded, Stage::Over) if is_baked(rollout) => {
            (EventKind::Normal, "ReleaseBaked", format!("release {number} is no longer watched"))
        }
        (Verdict::Succeeded, _) => {
            (EventKind::Normal, "ReleaseSucceeded", with(format!("release {number} succeeded")))
        }
        (Verdict::Failed, Stage::RollingBack { to }) => {
            let text = with(format!("release {number} failed"));
            (EventKind::Warning, "ReleaseFailed", format!("{text}; going back to release {to}"))
        }
        (Verdict::Failed, _) if matches!(rollout.cause, Cause::Rollback(_)) => {
            let text = with(format!("the rollback in release {number} failed"));
            let next = "nothing more happens by itself: mend it, or roll back to another release";
            (EventKind::Warning, "RollbackFailed", format!("{text}; {next}"))
        }
        (Verdict::Failed, _) => {
            let text = with(format!("release {number} failed"));
            let is_decided =
                rollout.reason == ABORTED || FOUND_OUT.contains(&rollout.reason.as_str());
            let next = if is_decided {
                "it stays current; decide with `trueup rollout promote`, `retry` or `abort`"
            } else {
                "it stays current, and succeeds once its objects are ready"
            };
            (EventKind::Warning, "ReleaseFailed", format!("{text}; {next}"))
        }
        (Verdict::Inconclusive, _) => {
            let text = with(format!("release {number} waits for a person"));
            let text = format!("{text}; decide with `trueup rollout promote`, `retry` or `abort`");
            (EventKind::Warning, "ReleaseInconclusive", text)
        }
        (Verdict::RolledBack, _) => {
            let text = with(format!("release {number} was rolled back"));
            (EventKind::Warning, "ReleaseRolledBack", text)
        }
        (Verdict::Superseded, _) => {
            let text = with(format!("release {number} was superseded"));
            (EventKind::Normal, "ReleaseSuperseded", text)
        }
        (Verdict::Pending | Verdict::Progressing, _) => return None,
    };
    Some(tell(number, kind, reason, message))
}

fn is_baked(rollout: &Rollout) -> bool {
    rollout.stages.iter().any(|passed| passed.stage == Stage::Baking)
}

pub(super) fn tell(release: u64, kind: EventKind, reason: &'static str, message: String) -> Action {
    Action::Tell { release, kind, reason, message }
}

/// Objects with what is said of them.
pub(super) fn named(objects: &[&ObjectState]) -> String {
    let said = |object: &&ObjectState| match &object.progress {
        Progress::Ready => object.id.to_string(),
        Progress::Waiting(message)
        | Progress::Unknown(message)
        | Progress::HeldBack(message)
        | Progress::Asks(message)
        | Progress::Failed(message) => format!("{}: {message}", object.id),
    };
    let mut parts: Vec<_> = objects.iter().take(NAMED_MAX).map(said).collect();
    if objects.len() > NAMED_MAX {
        parts.push(format!("and {} more", objects.len() - NAMED_MAX));
    }
    parts.join("; ")
}

/// Objects that do not count, for the message of a success.
pub(super) fn left_out(objects: &[ObjectState]) -> String {
    let open = || objects.iter().filter(|object| object.progress != Progress::Ready);
    let unwell: Vec<_> = open().filter(|object| object.was_unwell).collect();
    let optional: Vec<_> =
        open().filter(|object| !object.was_unwell && object.is_optional).collect();
    let told = [
        ("not counted, as it was so before", unwell),
        ("the environment is degraded, without", optional),
    ];
    let told = told.iter().filter(|(_, objects)| !objects.is_empty());
    let told = told.map(|(what, objects)| format!("{what}: {}", named(objects)));
    told.collect::<Vec<_>>().join("; ")
}
