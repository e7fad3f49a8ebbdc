//! How far one object is on the way to what a release declares.

use jiff::Timestamp;

use crate::engine::HeldBack;
use crate::kinds::frontend::Frontend;
use crate::kinds::function::Function;
use crate::kinds::{Kind, Shifting, VERSION, kind};
use crate::model::{ConditionStatus, ObjectId, ReadyVersion, condition_type};
use crate::store::{Cause, Order, Rollout, Stage, StatusRecord};

/// A plan that asks a person to confirm what it would delete or open.
const CONFIRMATION_NEEDED: &str = "ConfirmationNeeded";
/// What stalls an object whatever its release says.
const NOT_OF_RELEASES: [&str; 3] = ["WrongAccount", "UnknownState", "UnknownKind"];
/// A domain that waits until somebody makes its DNS records, for however long that takes.
const DNS_RECORDS_WANTED: &str = "DomainPending";

/// How far an object is on the way to what the release declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was seen as the release declares.
    Ready,
    /// It is being made so; what is waited for.
    Waiting(String),
    /// It could not be read; why.
    Unknown(String),
    /// A person holds it back; how.
    HeldBack(String),
    /// A person has to confirm it.
    Asks(String),
    /// It will not become so by itself; why.
    Failed(String),
}

/// One object of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectState {
    /// The object within its environment.
    pub id: ObjectId,
    /// The release in which it changed last.
    pub generation: u64,
    /// It changed since the release that succeeded last.
    pub is_changed: bool,
    /// It waits until the other objects are ready.
    pub is_second: bool,
    /// It was not ready before the release began, which did not change it: that says nothing of the release.
    pub was_unwell: bool,
    /// How a new version of it gets its requests.
    pub shifting: Shifting,
    /// The resource's name at AWS; empty while it is not known.
    pub aws_name: String,
    /// The version that gets the requests; `None` of what has none.
    pub version: Option<String>,
    /// The version that is ready to take over.
    pub next_version: Option<ReadyVersion>,
    /// AWS restores its data, for as long as that takes.
    pub is_restoring: bool,
    /// The release succeeds without it where it fails.
    pub is_optional: bool,
    /// How far it is now.
    pub progress: Progress,
}

impl ObjectState {
    /// It does not count for the release: it was so before, or is optional and failed, or comes too late. A version
    /// that has to prove itself counts all the same: once its release is over, it would get every request.
    pub fn is_left_out(&self, is_late: bool) -> bool {
        let is_failed = matches!(self.progress, Progress::Failed(_));
        let is_missed = is_late && !self.is_restoring && self.progress != Progress::Ready;
        let is_dispensable = self.is_optional && !self.shifting.is_gradual();
        self.was_unwell || is_dispensable && (is_failed || is_missed)
    }
}

#[cfg(test)]
impl ObjectState {
    /// An object that release 2 changed.
    pub fn sample(name: &str, progress: Progress) -> Self {
        Self {
            id: name.parse().unwrap(),
            generation: 2,
            is_changed: true,
            is_second: name.starts_with("Frontend"),
            was_unwell: false,
            shifting: Shifting::default(),
            aws_name: "shop-api".to_owned(),
            version: None,
            next_version: None,
            is_restoring: false,
            is_optional: false,
            progress,
        }
    }
}

/// How far an object is. `generation` is the release in which it changed last, `is_changed` says that this was
/// after the release that succeeded last, `began_at` is when the rollout began.
pub fn object_state(
    id: &ObjectId,
    generation: u64,
    status: Option<&StatusRecord>,
    is_changed: bool,
    order: Order,
    began_at: Timestamp,
) -> ObjectState {
    let ready = status.and_then(|status| status.conditions.get(condition_type::READY));
    let was_unwell = !is_changed
        && ready.is_none_or(|ready| {
            ready.status != ConditionStatus::True && ready.last_transition_time <= began_at
        });
    ObjectState {
        id: id.clone(),
        generation,
        is_changed,
        is_second: waits_for_second(order, id, is_changed, status, began_at),
        was_unwell,
        shifting: Shifting::default(),
        aws_name: status.and_then(|s| s.outputs.get("name").cloned()).unwrap_or_default(),
        version: status.and_then(|s| s.outputs.get(VERSION).cloned()),
        // What was seen of an earlier form is another version.
        next_version: status
            .filter(|status| status.observed_generation >= generation)
            .and_then(|status| status.next_version.clone()),
        is_restoring: status.is_some_and(|status| status.source.is_some()),
        is_optional: false,
        progress: progress(generation, status),
    }
}

/// Whether an object moves in the second stage: only what is there already can mix with what is new.
pub fn waits_for_second(
    order: Order,
    id: &ObjectId,
    is_changed: bool,
    status: Option<&StatusRecord>,
    began_at: Timestamp,
) -> bool {
    let kind = match order {
        Order::Together => return false,
        Order::FrontendsLast => Frontend::NAME,
        Order::FrontendsFirst => Function::NAME,
    };
    let created_at = status.and_then(|status| status.created_at);
    *id.kind == *kind && is_changed && created_at.is_some_and(|at| at < began_at)
}

/// Whether a release has a frontend: its address is checked then.
pub fn has_frontend<'a>(mut ids: impl Iterator<Item = &'a ObjectId>) -> bool {
    ids.any(|id| *id.kind == *Frontend::NAME)
}

/// Whether what left the release stays until that is over: a release that fails is rolled back, and needs it again, with its address
/// and its data; and frontends of before call it until they move. What a person deletes by name waits for no more than
/// that. `left_at` is the first release without it: what an earlier one took out is not what was named. `moves_frontends`
/// says that a frontend is among what moves second.
pub fn leaves_late(
    rollout: &Rollout,
    id: &ObjectId,
    left_at: Option<u64>,
    moves_frontends: impl FnOnce() -> bool,
) -> bool {
    let is_open = rollout.stage() != Stage::Over;
    match (&rollout.cause, rollout.order) {
        _ if left_at.is_some_and(|release| release < rollout.release) => is_open,
        (Cause::Apply, _) => is_open,
        (Cause::Rollback(_), _) if kind(&id.kind).is_some_and(|kind| kind.holds_data()) => is_open,
        (_, Order::Together) => false,
        (_, Order::FrontendsLast) => is_open && moves_frontends(),
        (_, Order::FrontendsFirst) => !rollout.second_open,
    }
}

fn progress(generation: u64, status: Option<&StatusRecord>) -> Progress {
    let Some(status) = status else {
        return Progress::Waiting("waiting for the daemon".to_owned());
    };
    let current = |kind: &str| {
        let condition = status.conditions.get(kind);
        condition.filter(|condition| condition.observed_generation >= generation)
    };
    let stalled = current(condition_type::STALLED);
    if let Some(stalled) = stalled.filter(|c| c.status == ConditionStatus::True) {
        let message = format!("{}: {}", stalled.reason, stalled.message);
        return match stalled.reason.as_str() {
            CONFIRMATION_NEEDED => Progress::Asks(message),
            // What nobody may read, or this daemon cannot judge, says nothing of the release.
            reason if NOT_OF_RELEASES.contains(&reason) => Progress::Unknown(message),
            _ if !status.is_readable() => Progress::Unknown(message),
            _ => Progress::Failed(message),
        };
    }
    let Some(ready) = current(condition_type::READY) else {
        return Progress::Waiting("waiting for the daemon".to_owned());
    };
    let message = match ready.message.as_str() {
        "" => ready.reason.clone(),
        message => format!("{}: {message}", ready.reason),
    };
    let is_held = HeldBack::ALL.iter().any(|held| held.reason() == ready.reason)
        || ready.reason == DNS_RECORDS_WANTED;
    match ready.status {
        ConditionStatus::True if status.synced_generation >= generation => Progress::Ready,
        ConditionStatus::Unknown => Progress::Unknown(message),
        _ if is_held => Progress::HeldBack(message),
        _ => Progress::Waiting(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Conditions;

    fn status(
        ready: (ConditionStatus, &str),
        stalled: bool,
        observed: u64,
        synced: u64,
    ) -> StatusRecord {
        let mut conditions = Conditions::default();
        let at = Timestamp::from_second(50).unwrap();
        conditions.set(condition_type::READY, ready.0, ready.1, "", observed, at);
        let is_stalled = if stalled { ConditionStatus::True } else { ConditionStatus::False };
        conditions.set(condition_type::STALLED, is_stalled, ready.1, "no", observed, at);
        StatusRecord {
            conditions,
            synced_generation: synced,
            created_at: Some(Timestamp::from_second(10).unwrap()),
            ..StatusRecord::default()
        }
    }

    fn unreadable() -> StatusRecord {
        let mut status = status((ConditionStatus::False, "AccessDenied"), true, 7, 6);
        let (at, unknown) = (Timestamp::UNIX_EPOCH, ConditionStatus::Unknown);
        status.conditions.set(condition_type::SYNCED, unknown, "AccessDenied", "", 7, at);
        status
    }

    #[test]
    fn an_object_is_ready_only_where_it_was_seen_as_this_release_declares() {
        use ConditionStatus::*;
        for (what, status, expected) in [
            ("seen as declared", Some(status((True, "Reconciled"), false, 7, 7)), "Ready"),
            ("of the release before", Some(status((True, "Reconciled"), false, 6, 6)), "Waiting"),
            ("never seen", None, "Waiting"),
            ("not written yet", Some(status((True, "Suspended"), false, 7, 6)), "HeldBack"),
            ("an outage", Some(status((Unknown, "Unavailable"), false, 7, 6)), "Unknown"),
            ("refused", Some(status((False, "Invalid"), true, 7, 6)), "Failed"),
            ("asked", Some(status((False, "ConfirmationNeeded"), true, 7, 6)), "Asks"),
            ("a domain", Some(status((False, "DomainPending"), false, 7, 6)), "HeldBack"),
            ("not to be read", Some(unreadable()), "Unknown"),
            ("another account", Some(status((False, "WrongAccount"), true, 7, 6)), "Unknown"),
            ("refused in the form before", Some(status((False, "Invalid"), true, 6, 6)), "Waiting"),
        ] {
            let progress = format!("{:?}", progress(7, status.as_ref()));
            assert_eq!(progress.split('(').next(), Some(expected), "{what}");
        }
    }

    #[test]
    fn what_was_not_ready_before_says_nothing_of_a_release_that_did_not_change_it() {
        let unwell = status((ConditionStatus::False, "Denied"), true, 3, 3);
        let began = |seconds| Timestamp::from_second(seconds).unwrap();
        for (what, generation, began_at, expected) in [
            ("it was so before", 3, 60, true),
            ("it became so since", 3, 40, false),
            ("the release changed it", 7, 60, false),
        ] {
            let id = ObjectId::new("Table", "orders");
            let order = Order::FrontendsLast;
            let state = object_state(
                &id,
                generation,
                Some(&unwell),
                generation == 7,
                order,
                began(began_at),
            );
            assert_eq!(state.was_unwell, expected, "{what}");
        }
    }

    #[test]
    fn only_what_is_there_already_and_changes_waits_for_the_second_stage() {
        let known = status((ConditionStatus::True, "Reconciled"), false, 6, 6);
        for (order, kind, is_changed, is_known, expected) in [
            (Order::FrontendsLast, "Frontend", true, true, true),
            (Order::FrontendsLast, "Frontend", true, false, false),
            (Order::FrontendsLast, "Frontend", false, true, false),
            (Order::FrontendsLast, "Function", true, true, false),
            (Order::FrontendsFirst, "Function", true, true, true),
            (Order::FrontendsFirst, "Frontend", true, true, false),
            (Order::Together, "Frontend", true, true, false),
        ] {
            let id = ObjectId::new(kind, "x");
            let began_at = Timestamp::from_second(60).unwrap();
            let status = Some(&known).filter(|_| is_known);
            let waits = waits_for_second(order, &id, is_changed, status, began_at);
            assert_eq!(waits, expected, "{order:?} {kind} {is_changed} {is_known}");
        }
    }

    #[test]
    fn an_optional_object_counts_while_it_may_come_and_where_its_version_has_to_prove_itself() {
        use std::time::Duration;

        use crate::kinds::ShiftStep;
        let optional = |progress| ObjectState {
            is_optional: true,
            ..ObjectState::sample("Function/api", progress)
        };
        let waiting = || Progress::Waiting("busy".to_owned());
        let failed = || Progress::Failed("denied".to_owned());
        for (progress, is_late, expected) in [
            (Progress::Ready, true, false),
            (waiting(), false, false),
            (waiting(), true, true),
            (failed(), false, true),
        ] {
            let object = optional(progress);
            assert_eq!(object.is_left_out(is_late), expected, "{object:?} late: {is_late}");
            let steps = vec![ShiftStep { weight: 10, pause: Duration::ZERO }];
            let gradual = Shifting { steps, ..Shifting::default() };
            let object = ObjectState { shifting: gradual, ..object };
            assert!(!object.is_left_out(is_late), "{object:?} late: {is_late}");
        }
        let restoring = ObjectState { is_restoring: true, ..optional(waiting()) };
        assert!(!restoring.is_left_out(true), "AWS takes as long as it takes");
    }
}
