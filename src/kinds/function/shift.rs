//! Which version an alias points to, and which part of its requests a new one gets. Pure.
//!
//! A new version gets its requests at once, or by the weight that the rollout gives it ([`Desired::weight`]).
//! Weights that no rollout wants are taken away before anything else is written: what serves users is never what
//! nobody released.
//!
//! AWS's limits of a shift (two published versions with one role and one dead-letter target):
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html>.

use std::collections::BTreeMap;

use super::observe::{LATEST, LiveAlias, LiveFunction, NextVersion};
use super::plan::{CODE, CONFIGURATION, FunctionStep};
use super::provisioned::Provisioning;
use super::spec::FunctionSpec;
use crate::kinds::Desired;
use crate::model::Part;
use crate::plan::{Blocked, Change, Plan, SHIFTING, Verb, Waiting};

/// A version that is to be published, and the alias that is to point to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publication {
    pub alias: String,
    /// The version that the alias points to; `None` where there is no alias yet.
    pub from: Option<String>,
    /// The code and the revision that were observed: nothing else is published.
    pub code_sha256: String,
    pub revision: String,
}

/// A move of an alias, from where it was observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Move {
    pub alias: String,
    pub from: String,
    /// The version that gets what no other gets.
    pub to: String,
    /// The part of the requests, from 0 to 1, of at most one other version.
    pub weights: BTreeMap<String, f64>,
}

/// A change of what a version holds.
pub(super) fn is_of_version(change: &Change) -> bool {
    CONFIGURATION.contains(&change.path.root()) || CODE.contains(&change.path.root())
}

/// The alias is not there, or points to a version that is not what the function is although the
/// function is as declared.
pub(super) fn moved_alias(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    changes: &[Change],
) -> Option<Change> {
    desired.spec.alias.as_ref()?;
    let version = live.alias.as_ref().map(|alias| format!("version {}", alias.version));
    // What a release left in the function and no manifest declares any more is not published: the version that was
    // this form when it was ready goes on.
    let is_proven = |alias: &LiveAlias| {
        desired.proven.as_ref() == Some(&alias.version) && may_go_back(desired, live)
    };
    let is_fine = live.alias.as_ref().is_some_and(|alias| {
        alias.is_current || changes.iter().any(is_of_version) || is_proven(alias)
    });
    (!is_fine)
        .then(|| Change::of("alias", version, "a version of the current code and configuration"))
}

/// A change that cannot be shifted step by step, before anything of it is written.
pub(super) fn ungradual(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    changes: &[Change],
) -> Option<Blocked> {
    let alias = live.alias.as_ref().filter(|_| desired.weight.is_some())?;
    let changes_version = changes.iter().any(is_of_version);
    let why = if alias.version == LATEST && changes_version {
        "the alias points to $LATEST, and Lambda shares the requests of an alias only between published versions"
            .to_owned()
    } else {
        let field = unequal(desired, alias, changes).filter(|_| {
            // What the alias points to already, it need not share with.
            changes_version || !alias.is_current
        })?;
        format!(
            "{field} changes, and Lambda shares the requests of an alias only between versions with the same role and \
             the same dead-letter target"
        )
    };
    let message = format!(
        "{why}. Nothing was written. For this release, set `rollout: {{strategy: AllAtOnce}}`"
    );
    Some(Blocked { reason: "NotPlannable", message })
}

/// The field in which the alias's version and the next one would differ although Lambda asks them not to.
fn unequal(
    desired: &Desired<FunctionSpec>,
    alias: &LiveAlias,
    changes: &[Change],
) -> Option<&'static str> {
    let spec = &desired.spec;
    let is_ignored = |field: &str| desired.ignore.iter().any(|path| path.root() == field);
    let changed = |field: &str| changes.iter().any(|change| change.path.root() == field);
    // The version may be another than the function's own code and configuration, which the changes are about.
    let has_role = alias.role.as_ref().is_none_or(|role| *role == spec.role);
    if changed("role") || !has_role && !is_ignored("role") {
        return Some("role");
    }
    let target_of = |target: &'_ str| (!target.is_empty()).then(|| target.to_owned());
    let target = spec.dead_letter.as_ref().map(|d| d.target_arn.as_deref().and_then(target_of));
    let has_target = target.is_none_or(|target| target == alias.dead_letter);
    let differs = changed("deadLetter") || !has_target && !is_ignored("deadLetter");
    differs.then_some("deadLetter")
}

/// The version that is about to take over, where the function is as declared.
fn next(alias: &LiveAlias, is_about_to_change: bool) -> Option<&NextVersion> {
    alias.next.as_ref().filter(|_| !is_about_to_change && !alias.is_current)
}

/// Weights that are not those of the version that is about to take over, as a change.
pub(super) fn unwanted_weights(live: &LiveFunction, changes: &[Change]) -> Option<Change> {
    let alias = live.alias.as_ref()?;
    let next = next(alias, changes.iter().any(is_of_version));
    let is_wanted = |version: &String| next.is_some_and(|next| next.version == *version);
    if alias.weights.keys().all(is_wanted) {
        return None;
    }
    let live = alias.weights.iter().map(|(version, weight)| share(*weight, version));
    let live: Vec<_> = live.collect();
    let wanted = format!("all requests to version {}", alias.version);
    Some(Change::of("alias", Some(live.join(", ")), wanted))
}

fn share(weight: f64, version: &str) -> String {
    format!("{} % of the requests to version {version}", (weight * 1000.0).round() / 10.0)
}

/// The version that the alias goes back to before anything else is written: the function is to be again what that
/// version was when it was ready, and nothing is to be shifted step by step. Its users need not wait until the
/// function's own code and configuration are back.
pub(super) fn way_back(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    changes: &[Change],
) -> Option<Change> {
    let alias = live.alias.as_ref().filter(|_| desired.weight.is_none())?;
    if !may_go_back(desired, live) {
        return None;
    }
    let served = alias.served.as_ref().filter(|_| changes.iter().any(is_of_version))?;
    let to = format!("version {served}, which was this before");
    Some(Change::of("alias", Some(format!("version {}", alias.version)), to))
}

/// Whether a version of before is all that is to be again. Where a part of the function is left to others, it need not
/// be; and where executions are provisioned, the version of before lost its own.
fn may_go_back(desired: &Desired<FunctionSpec>, live: &LiveFunction) -> bool {
    let is_left_to_others = desired.ignore.iter().any(|path| {
        let root = path.root();
        CONFIGURATION.contains(&root) || CODE.contains(&root)
    });
    let has_executions = desired.spec.provisioned_concurrency.is_some()
        || desired.earlier().any(|spec| spec.get("provisionedConcurrency").is_some())
        || live.concurrency.is_some();
    !is_left_to_others && !has_executions
}

/// Moves the alias to where it is needed before anything else is written: back to a version of before, or away from
/// weights that no rollout wants.
pub(super) fn push_first(
    plan: &mut Plan<FunctionStep>,
    spec: &FunctionSpec,
    seen: &LiveFunction,
    (back, unwanted): (Option<Change>, Option<Change>),
) {
    let (Some(name), Some(alias)) = (&spec.alias, &seen.alias) else { return };
    let from = alias.version.clone();
    let to = if back.is_some() { alias.served.clone() } else { None };
    let to = to.unwrap_or_else(|| from.clone());
    let changes: Vec<_> = back.into_iter().chain(unwanted).collect();
    if changes.is_empty() {
        return;
    }
    let what = format!("alias {name} to version {to} alone");
    let step = Move { alias: name.clone(), from, to, weights: BTreeMap::new() };
    plan.push(Verb::Update, what, changes, FunctionStep::Move(step)).stands_alone();
}

/// The alias follows what the function is, or is about to be. What is provisioned for a first version is told with
/// it. Returns whether the alias has to move.
pub(super) fn push_release(
    plan: &mut Plan<FunctionStep>,
    desired: &Desired<FunctionSpec>,
    seen: &LiveFunction,
    (moved, provisioned): (Option<Change>, &[Change]),
    provisioning: Option<&Provisioning>,
) -> bool {
    let Some(name) = &desired.spec.alias else { return false };
    let is_about_to_change = plan.steps.iter().any(|step| {
        matches!(step.call, FunctionStep::Configure(..) | FunctionStep::UpdateCode { .. })
    });
    if seen.alias.is_some() && moved.is_none() && !is_about_to_change {
        return false;
    }
    // It points, or is about to point, to what the function is about to be again.
    let is_back = seen.alias.as_ref().is_some_and(|alias| {
        desired.served.is_some()
            && may_go_back(desired, seen)
            && (desired.served == alias.served || desired.served.as_ref() == Some(&alias.version))
    });
    if is_about_to_change && is_back && desired.weight.is_none() {
        return false;
    }
    // What users get from $LATEST they get already, and Lambda does not share it.
    let shared = seen.alias.as_ref().filter(|alias| alias.version != LATEST);
    if let (Some(part), Some(alias)) = (&desired.weight, shared) {
        let shift = Shift { name, alias, is_about_to_change, part, provisioning };
        push_gradual(plan, seen, &shift, moved);
        return true;
    }
    let is_first = seen.alias.is_none();
    let changes = moved.into_iter().chain(provisioned.iter().filter(|_| is_first).cloned());
    let verb = if seen.alias.is_some() { Verb::Update } else { Verb::Create };
    let step = FunctionStep::Publish(Publication {
        alias: name.clone(),
        from: seen.alias.as_ref().map(|alias| alias.version.clone()),
        code_sha256: seen.code_sha256.clone(),
        revision: seen.revision.clone(),
    });
    plan.push(verb, format!("alias {name} to a new version"), changes.collect(), step);
    true
}

/// A shift that goes step by step.
struct Shift<'a> {
    name: &'a str,
    alias: &'a LiveAlias,
    is_about_to_change: bool,
    part: &'a Part,
    provisioning: Option<&'a Provisioning<'a>>,
}

/// One step of a shift: the version is published, waited for, given its part, and at last everything.
fn push_gradual(
    plan: &mut Plan<FunctionStep>,
    seen: &LiveFunction,
    shift: &Shift,
    moved: Option<Change>,
) {
    let Shift { name, alias, part: given, .. } = *shift;
    let Some(next) = next(alias, shift.is_about_to_change) else {
        let step = FunctionStep::PublishVersion {
            code_sha256: seen.code_sha256.clone(),
            revision: seen.revision.clone(),
        };
        plan.push(Verb::Create, "version", Vec::from_iter(moved), step);
        return;
    };
    if let Some(failure) = &next.failure {
        plan.blocked = Plan::<()>::blocked("FunctionFailed", failure.clone()).blocked;
        return;
    }
    let version = &next.version;
    if next.is_pending {
        let message = format!("AWS prepares: version {version}");
        plan.waiting = Some(Waiting { reason: "Preparing", message });
        return;
    }
    // Once it has requests, how many executions it has is its scaler's.
    if let Some(provisioning) = shift.provisioning.filter(|_| !alias.weights.contains_key(version))
    {
        let steps = plan.steps.len();
        let obstacle = provisioning.push_next(plan, version, &alias.version);
        if obstacle.is_some() && plan.steps.is_empty() {
            plan.blocked = plan.blocked.take().or(obstacle);
            return;
        }
        if obstacle.is_some() || plan.steps.len() > steps || plan.waiting.is_some() {
            return;
        }
    }
    // What another version was given is not its.
    let weight = if given.version.as_ref() == Some(version) { given.percent } else { 0 };
    let part = f64::from(weight) / 100.0;
    let (to, weights, what) = match weight {
        100.. => (version.clone(), BTreeMap::new(), format!("alias {name} to version {version}")),
        0 => (alias.version.clone(), BTreeMap::new(), String::new()),
        _ => (
            alias.version.clone(),
            BTreeMap::from([(version.clone(), part)]),
            format!("alias {name} with {weight} % of its requests to version {version}"),
        ),
    };
    if to == alias.version && weights == alias.weights {
        let message = format!("{} of the alias {name}", share(part, version));
        plan.waiting = Some(Waiting { reason: SHIFTING, message });
        return;
    }
    let what = if what.is_empty() { format!("alias {name} to version {to} alone") } else { what };
    let step = Move { alias: name.to_owned(), from: alias.version.clone(), to, weights };
    plan.push(Verb::Update, what, Vec::from_iter(moved), FunctionStep::Move(step));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan::plan;
    use super::super::plan::tests::{function, live};
    use super::*;

    #[test]
    fn a_new_version_gets_its_requests_step_by_step() {
        let steps = json!({"steps": [{"weight": 10, "pause": "1m"}]});
        let declared = |memory: i32| {
            function(json!({"memorySize": memory, "alias": "live", "rollout": steps}))
        };
        let ready = || Some(NextVersion { version: "2".to_owned(), ..NextVersion::default() });
        let pending = || ready().map(|next| NextVersion { is_pending: true, ..next });
        let failed = || ready().map(|next| NextVersion { failure: Some("no".to_owned()), ..next });
        let ten = [("2", 0.1)];
        let other = [("7", 0.5)];
        for (what, weight, memory, next, weights, expected) in [
            (
                "it changes",
                Some(0),
                512,
                None,
                &[][..],
                &["Update configuration", "Create version"][..],
            ),
            ("it is to be published", Some(0), 128, None, &[], &["Create version"]),
            ("AWS prepares it", Some(0), 128, pending(), &[], &["… Preparing"]),
            ("it cannot run", Some(0), 128, failed(), &[], &["! FunctionFailed"]),
            ("its turn has not come", Some(0), 128, ready(), &[], &["… Shifting"]),
            (
                "its first part",
                Some(10),
                128,
                ready(),
                &[],
                &["Update alias live with 10 % of its requests to version 2"],
            ),
            ("it has its part", Some(10), 128, ready(), &ten, &["… Shifting"]),
            (
                "its part is taken back",
                Some(0),
                128,
                ready(),
                &ten,
                &["Update alias live to version 1 alone"],
            ),
            ("all is its", Some(100), 128, ready(), &ten, &["Update alias live to version 2"]),
            (
                "what was never released is taken away first",
                Some(0),
                512,
                ready(),
                &ten,
                &["Update alias live to version 1 alone", "Update configuration", "Create version"],
            ),
            (
                "somebody else's part is taken away first",
                Some(10),
                128,
                ready(),
                &other,
                &[
                    "Update alias live to version 1 alone",
                    "Update alias live with 10 % of its requests to version 2",
                ],
            ),
            (
                "what another version was given is not its",
                Some(110),
                128,
                ready(),
                &[],
                &["… Shifting"],
            ),
            ("at once", None, 128, ready(), &ten, &["Update alias live to a new version"]),
        ] {
            let mut desired = Desired::sample("Function", declared(memory));
            desired.weight = weight.map(|percent: u8| match percent {
                110 => Part { version: Some("9".to_owned()), percent: 10 },
                percent => Part { version: Some("2".to_owned()), percent },
            });
            let mut seen = live(json!({"memorySize": 128}), &desired);
            let weights = weights.iter().map(|(version, part)| ((*version).to_owned(), *part));
            seen.alias = Some(LiveAlias {
                version: "1".to_owned(),
                weights: weights.collect(),
                next,
                ..LiveAlias::default()
            });
            assert_eq!(plan(&desired, Some(&seen)).outline(), expected, "{what}");
        }
    }

    #[test]
    fn the_alias_goes_back_to_a_version_of_before_before_anything_else_is_written() {
        let configure = "Update configuration";
        let back = "Update alias live to version 1 alone";
        let new = "Update alias live to a new version";
        for (what, points_to, can_be_called, given, memory, expected) in [
            ("the version of before is there", "2", true, None, 256, vec![back, configure]),
            ("it points there already", "1", false, None, 256, vec![configure]),
            ("that version is gone", "2", false, None, 256, vec![configure, new]),
            (
                "it is shifted step by step",
                "2",
                true,
                Some(0),
                256,
                vec![configure, "Create version"],
            ),
            ("the function is as declared already", "2", true, None, 128, vec![new]),
        ] {
            let declared = function(json!({"memorySize": 128, "alias": "live"}));
            let mut desired = Desired::sample("Function", declared);
            desired.served = Some("1".to_owned());
            desired.weight = given.map(|percent| Part { version: None, percent });
            let mut seen = live(json!({"memorySize": memory}), &desired);
            seen.alias = Some(LiveAlias {
                version: points_to.to_owned(),
                served: can_be_called.then(|| "1".to_owned()),
                weights: BTreeMap::new(),
                ..LiveAlias::default()
            });
            assert_eq!(plan(&desired, Some(&seen)).outline(), expected, "{what}");
        }
    }

    #[test]
    fn a_part_of_the_requests_that_no_rollout_gave_is_drift() {
        let declared = function(json!({"alias": "live", "rollout": {}}));
        let desired = Desired::sample("Function", declared);
        let mut seen = live(json!({}), &desired);
        seen.alias = Some(LiveAlias {
            version: "3".to_owned(),
            is_current: true,
            weights: BTreeMap::from([("2".to_owned(), 0.25)]),
            ..LiveAlias::default()
        });
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.outline(), ["Update alias live to version 3 alone"]);
        let changes: Vec<_> = plan.changes.iter().map(|change| change.path.to_string()).collect();
        assert_eq!(changes, ["alias"]);
    }

    #[test]
    fn what_lambda_cannot_share_is_refused_before_anything_is_written() {
        const OTHER: &str = "arn:aws:iam::123456789012:role/other";
        let queue = json!({"targetArn": "arn:aws:sqs:eu-west-1:123456789012:failed"});
        let version =
            |number: &str| LiveAlias { version: number.to_owned(), ..LiveAlias::default() };
        let current = |alias: LiveAlias| LiveAlias { is_current: true, ..alias };
        let of_other = LiveAlias { role: Some(OTHER.to_owned()), ..version("1") };
        for (what, declared, alias, expected) in [
            (
                "the role changes",
                json!({"role": OTHER}),
                current(version("1")),
                Some("role changes"),
            ),
            (
                "the target changes",
                json!({"deadLetter": queue}),
                current(version("1")),
                Some("deadLetter changes"),
            ),
            (
                "the version has another role",
                json!({"memorySize": 256}),
                of_other.clone(),
                Some("role changes"),
            ),
            ("nothing has to be shared", json!({}), current(of_other), None),
            (
                "the alias points to what is not published",
                json!({"memorySize": 256}),
                version(LATEST),
                Some("the alias points to $LATEST"),
            ),
            ("that is published as it is", json!({}), version(LATEST), None),
            ("all is equal", json!({"memorySize": 256}), current(version("1")), None),
        ] {
            let mut spec = json!({"alias": "live", "rollout": {}});
            for (field, value) in declared.as_object().unwrap() {
                spec[field] = value.clone();
            }
            let mut desired = Desired::sample("Function", function(spec));
            desired.weight = Some(Part::default());
            let mut seen = live(json!({}), &desired);
            seen.alias = Some(alias);
            let plan = plan(&desired, Some(&seen));
            let blocked = plan.blocked.as_ref().map(|blocked| blocked.message.as_str());
            let starts = |expected: &str| blocked.is_some_and(|told| told.starts_with(expected));
            assert_eq!(blocked.is_some(), expected.is_some(), "{what}: {blocked:?}");
            assert!(expected.is_none_or(starts), "{what}: {blocked:?}");
            if expected.is_none() && !plan.is_settled() {
                let first = plan.outline().remove(0);
                assert!(!first.contains('%'), "{what}: {first}");
            }
        }
    }
}
