//! Whether a difference is mended or only told: one set of rules for the pass and for its preview. Pure.
//!
//! Left to others: what becomes of a resource whose object left (`removal`), what to write (`kinds`).

use jiff::{SignedDuration, Timestamp};

use crate::kinds::Desired;
use crate::kinds::environment::{DriftPolicy, EnvironmentSpec};
use crate::model::{Object, Path, annotation};
use crate::plan::{Blocked, Change, Plan, Step};
use crate::store::{StatusRecord, SyncedInPart};

/// Why nothing is written although something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// A person suspended the whole environment.
    EnvironmentSuspended,
    /// The object's own annotation suspends it.
    Suspended,
    /// The environment's policy only reports drift.
    DriftReported,
    /// Drift that is only shown while no release may come in.
    WindowClosed,
}

impl HeldBack {
    /// Each of them once, in the order in which they are asked for.
    pub const ALL: [Self; 4] =
        [Self::EnvironmentSuspended, Self::Suspended, Self::DriftReported, Self::WindowClosed];

    /// The reason of the condition.
    pub fn reason(self) -> &'static str {
        match self {
            Self::EnvironmentSuspended => "EnvironmentSuspended",
            Self::Suspended => "Suspended",
            Self::DriftReported => "DriftReported",
            Self::WindowClosed => "WindowClosed",
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::EnvironmentSuspended => "the environment is suspended",
            Self::Suspended => "the object is suspended",
            Self::DriftReported => "drift is only reported",
            Self::WindowClosed => "drift is only reported while no window is open",
        }
    }
}

/// Whether the resource was seen to be as its manifest, and all that it refers to, want it: what differs
/// since is drift. `is_same_form` says whether the manifest is still the one of that time, `inputs` is the
/// digest of what it refers to now.
pub(super) fn was_in_accord(record: &StatusRecord, is_same_form: bool, inputs: &str) -> bool {
    is_same_form && record.synced_generation > 0 && record.synced_inputs == inputs
}

/// What differs beside a question and is drift: all but what a person is asked about, and what waits with it, was seen to be
/// as this form, and all that it refers to, want it. What waited then is no drift when it is made.
pub(super) fn drifted_beside<S>(
    plan: &Plan<S>,
    record: &StatusRecord,
    generation: u64,
    inputs: &str,
) -> Vec<Change> {
    let is_of_now =
        |before: &&SyncedInPart| before.generation >= generation && before.inputs == inputs;
    let before = record.synced_in_part.as_ref().filter(is_of_now);
    let Some(before) = before.filter(|_| plan.partly_blocked.is_some()) else { return Vec::new() };
    let is_new = |change: &&Change| !before.held.contains(&change.path.to_string());
    plan.changes.iter().filter(is_new).cloned().collect()
}

/// Whether every step that is planned mends one of these changes.
pub(super) fn is_all_drift<S>(plan: &Plan<S>, drift: &[Change]) -> bool {
    let mut steps = plan.steps.iter().filter(|step| !step.changes.is_empty()).peekable();
    let mends = |step: &Step<S>| step.changes.iter().all(|change| drift.contains(change));
    steps.peek().is_some() && steps.all(mends)
}

/// How long AWS may take to show what was confirmed and written: its control planes are eventually consistent. A question
/// too early would stop a release for a person.
const CONFIRMED_IS_SHOWN_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// The paths that a confirmation was used for; `None` where it is used up.
pub(super) fn used_confirmation(
    record: Option<&StatusRecord>,
    generation: u64,
    now: Timestamp,
) -> Option<Vec<Path>> {
    let Some(confirmation) = record.and_then(|record| record.confirmation.as_ref()) else {
        return Some(Vec::new());
    };
    let before = now.checked_sub(CONFIRMED_IS_SHOWN_WITHIN).unwrap_or(Timestamp::MIN);
    let used = confirmation.used(generation, before)?.into_iter().map(str::parse);
    // A path that cannot be read again may be any.
    used.collect::<Result<_, _>>().ok()
}

/// Whether what a change opens, deletes or loses was confirmed. A confirmation is spent once the resource was
/// seen in accord with it: what somebody puts there afterwards is asked about again.
pub fn is_confirmed(confirmed: bool, generation: u64, record: Option<&StatusRecord>) -> bool {
    confirmed && record.is_none_or(|record| record.synced_generation < generation)
}

/// A new release is carried out under either policy; what changes afterwards is drift.
pub(super) fn held_back(
    environment: &EnvironmentSpec,
    is_suspended: bool,
    object: &Object,
    is_drift: bool,
    now: Timestamp,
) -> Option<HeldBack> {
    let reports = environment.drift_policy() == DriftPolicy::Report;
    match () {
        () if is_suspended => Some(HeldBack::EnvironmentSuspended),
        () if object.annotated(annotation::SUSPEND) => Some(HeldBack::Suspended),
        () if is_drift && reports => Some(HeldBack::DriftReported),
        () if is_drift && environment.window_reports_drift(now) => Some(HeldBack::WindowClosed),
        () => None,
    }
}

/// trueup's own table is no object: whoever deletes it deletes every environment's records.
pub(super) fn own_store(table: &str) -> Blocked {
    let message = format!(
        "the table {table} holds trueup's own records; it is neither adopted, changed nor deleted. Take the \
         object out of the environment"
    );
    Blocked { reason: "OwnStore", message }
}

/// The resource is gone, and its data with it: where the environment is to be recovered, no empty one takes its place
/// by itself. Asked only where the resource would be made, and nothing says what from.
pub(super) fn data_lost<S>(
    environment: &EnvironmentSpec,
    record: &StatusRecord,
    desired: &Desired<S>,
) -> Option<Blocked> {
    record.created_at.filter(|_| environment.recovery.is_some() && !desired.confirmed)?;
    let (name, id) = (&desired.key.environment, &desired.key.id);
    let message = format!(
        "{} is gone, and its data with it. No empty one is made by itself in an environment with `spec.recovery`: \
         bring the data back with `trueup restore {name} {id}`, or let it begin empty with `trueup apply --confirm {id}`",
        desired.aws_name
    );
    Some(Blocked { reason: "DataLost", message })
}

/// Credentials of another account than the environment's.
pub(super) fn wrong_account(environment: &EnvironmentSpec, account_id: &str) -> Option<Blocked> {
    let wanted = environment.target().account_id.filter(|wanted| wanted != account_id)?;
    let message = format!(
        "the credentials belong to account {account_id}, the environment to {wanted}; nothing was \
         read or written. Correct spec.aws of the Environment, or the daemon's credentials"
    );
    Some(Blocked { reason: "WrongAccount", message })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{PartlyBlocked, Verb};

    #[test]
    fn what_holds_a_write_back_is_named() {
        let object = |annotations: serde_json::Value| -> Object {
            let object = json!({
                "apiVersion": "trueup.dev/v1alpha1", "kind": "Bucket", "spec": {},
                "metadata": {"name": "it", "annotations": annotations},
            });
            serde_json::from_value(object).unwrap()
        };
        let environment = |drift: &str| -> EnvironmentSpec {
            serde_json::from_value(json!({"reconcile": {"drift": drift}})).unwrap()
        };
        let (plain, suspended) = (json!({}), json!({"trueup.dev/suspend": "true"}));
        for (drift, is_suspended, annotations, is_drift, expected) in [
            ("Correct", false, &plain, true, None),
            ("Correct", true, &plain, false, Some(HeldBack::EnvironmentSuspended)),
            ("Correct", false, &suspended, false, Some(HeldBack::Suspended)),
            ("Report", false, &plain, true, Some(HeldBack::DriftReported)),
            ("Report", false, &plain, false, None),
        ] {
            let object = object(annotations.clone());
            let held = held_back(
                &environment(drift),
                is_suspended,
                &object,
                is_drift,
                Timestamp::UNIX_EPOCH,
            );
            assert_eq!(held, expected, "{drift} {is_suspended} {annotations} {is_drift}");
        }
    }

    #[test]
    fn beside_a_question_drift_is_what_differs_from_what_was_as_declared() {
        let change = |at: &str| Change::of(at, None, "a");
        let asking = |steps: &[&str], left: &[&str]| {
            let why = Blocked { reason: "ConfirmationNeeded", message: String::new() };
            let mut plan = Plan::default();
            plan.block_part(PartlyBlocked { paths: Vec::new(), why });
            for at in steps {
                plan.push(Verb::Update, *at, vec![change(at)], ());
            }
            plan.changes = steps.iter().chain(left).map(|at| change(at)).collect();
            plan
        };
        let answered = Plan { partly_blocked: None, ..asking(&["tags"], &[]) };
        for (what, plan, generation, inputs, expected, is_all) in [
            ("something differs", asking(&["tags"], &["policy"]), 3, "a", &["tags"][..], true),
            ("nothing else differs", asking(&[], &["policy"]), 3, "a", &[], false),
            (
                "what waits with it differs",
                asking(&[], &["policy", "url"]),
                3,
                "a",
                &["url"],
                false,
            ),
            ("what waited is made", asking(&["policy", "tags"], &[]), 3, "a", &["tags"], false),
            ("it is a newer form", asking(&["tags"], &[]), 4, "a", &[], false),
            ("it refers to something else", asking(&["tags"], &[]), 3, "b", &[], false),
            ("the question was answered", answered, 3, "a", &[], false),
        ] {
            let (inputs_before, held) = ("a".to_owned(), vec!["policy".to_owned()]);
            let before =
                SyncedInPart { generation: 3, inputs: inputs_before, held, drifted_since: None };
            let record = StatusRecord { synced_in_part: Some(before), ..StatusRecord::default() };
            let drift = drifted_beside(&plan, &record, generation, inputs);
            let paths: Vec<_> = drift.iter().map(|change| change.path.to_string()).collect();
            assert_eq!(paths, expected, "{what}");
            assert_eq!(is_all_drift(&plan, &drift), is_all, "{what}");
            assert_eq!(drifted_beside(&plan, &StatusRecord::default(), generation, inputs), []);
        }
    }

    #[test]
    fn a_confirmation_is_spent_by_the_accord_that_it_led_to() {
        let synced =
            |generation| StatusRecord { synced_generation: generation, ..StatusRecord::default() };
        for (confirmed, generation, record, expected) in [
            (true, 3, None, true),
            (true, 3, Some(synced(2)), true),
            (true, 3, Some(synced(3)), false),
            (false, 3, Some(synced(2)), false),
        ] {
            assert_eq!(is_confirmed(confirmed, generation, record.as_ref()), expected);
        }
    }

    #[test]
    fn drift_is_what_differs_from_what_was_once_in_accord() {
        let record = |generation: u64, inputs: &str| StatusRecord {
            synced_generation: generation,
            synced_inputs: inputs.to_owned(),
            ..StatusRecord::default()
        };
        for (record, is_same_form, inputs, expected) in [
            (record(3, "a"), true, "a", true),
            (record(3, "a"), true, "b", false),
            (record(3, "a"), false, "a", false),
            (record(0, ""), true, "", false),
        ] {
            assert_eq!(was_in_accord(&record, is_same_form, inputs), expected);
        }
    }
}
