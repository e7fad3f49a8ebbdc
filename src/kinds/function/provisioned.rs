//! Executions that Lambda keeps ready: of which versions, how many, and who sets their number. Pure.
//!
//! They belong to a *version*, not to the alias: Lambda shares no requests of an alias that has provisioned
//! concurrency of its own (hashicorp/terraform, issue 24957), so that a rollout step by step would be refused. With
//! a rollout, the next version gets its executions before its first request; without one, and in a rollback, the
//! alias moves at once and the executions follow. A version that no alias names any more loses them: only one that
//! trueup published itself.
//!
//! A scaled number is the scaler's: no value of it is drift.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::compare::SHAPE;
use super::observe::LiveFunction;
use super::plan::FunctionStep;
use super::spec::{FunctionSpec, SnapStartOn};
use crate::kinds::scaling::{
    self, AutoScaling, Dimension, LiveTarget, Place, ScalingStep, Target, Targets, Units,
};
use crate::kinds::{Desired, SpecProblem};
use crate::model::Path;
use crate::plan::{
    Blocked, Change, IgnoredAbsent, Plan, Verb, Waiting, complete, diff, fill_ignored,
};

pub(super) const FIELD: &str = "provisionedConcurrency";

/// Executions that are kept ready for the alias's version; `{}` keeps none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedConcurrency {
    /// How many. Where they are scaled, a function's first version begins with so many, or with minCapacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub executions: Option<i32>,
    /// How their number follows their use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling: Option<AutoScaling>,
}

impl ProvisionedConcurrency {
    fn scaling(&self) -> Option<&AutoScaling> {
        self.auto_scaling.as_ref().filter(|scaling| !scaling.is_none())
    }

    pub fn is_none(&self) -> bool {
        self.executions.is_none() && self.scaling().is_none()
    }

    /// What a function's first version begins with.
    fn first(&self) -> i32 {
        let least = self.scaling().and_then(|scaling| scaling.min_capacity);
        self.executions.or(least).unwrap_or_default().max(1)
    }
}

/// What is provisioned for one version.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveProvisioned {
    pub executions: i32,
    /// Of them, those that are there.
    pub available: i32,
    pub state: ProvisioningState,
    pub modified_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisioningState {
    Ready,
    InProgress,
    /// With Lambda's reason.
    Failed(String),
    /// A word that this version does not know.
    Unknown(String),
}

/// What is provisioned for a function, where its manifest speaks of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveConcurrency {
    /// By qualifier: a version's number, or an alias.
    pub configs: BTreeMap<String, LiveProvisioned>,
    /// Which of them are scaled.
    pub targets: Targets,
    /// The versions that some alias of the function names. Read where any may have to lose its executions.
    pub named: BTreeSet<String>,
}

impl LiveConcurrency {
    /// A version may have its first request.
    pub fn is_ready(&self, function: &str, version: &str) -> bool {
        match self.configs.get(version) {
            Some(config) => config.state == ProvisioningState::Ready,
            // At night a schedule may leave it none.
            None => self.target(function, version).is_some_and(|scaler| scaler.min == 0),
        }
    }

    fn target(&self, function: &str, version: &str) -> Option<&LiveTarget> {
        self.targets.get(&Target::of_version(function, version))
    }

    /// Versions that trueup published, that have executions or a scaler, and that are not in use.
    pub fn left_over(&self, function: &str, published: &[String], in_use: &[&str]) -> Vec<String> {
        let is_left = |version: &&String| {
            let has_any =
                self.configs.contains_key(*version) || self.target(function, version).is_some();
            has_any && !in_use.contains(&version.as_str()) && !self.named.contains(*version)
        };
        published.iter().filter(is_left).cloned().collect()
    }
}

/// Whether the manifest asks for executions, and does not leave them to others.
pub(super) fn is_wanted(desired: &Desired<FunctionSpec>) -> bool {
    let declared = desired.spec.provisioned_concurrency.as_ref();
    declared.is_some_and(|declared| !declared.is_none()) && !is_ignored(desired)
}

/// What is ignored is given once, to a function that trueup makes.
fn is_ignored(desired: &Desired<FunctionSpec>) -> bool {
    let is_named = desired.ignore.iter().any(|path| path.to_string() == FIELD);
    is_named && desired.create_begun.is_none()
}

/// Whether what the manifest says, or said when something of it may have been written, has to be read.
pub(super) fn is_managed(desired: &Desired<FunctionSpec>) -> bool {
    desired.declares(&json!(desired.spec), FIELD)
        || desired.earlier().any(|spec| !spec[FIELD].is_null())
}

/// The versions of the alias that are in use: its own, those with a part of its requests, and the next one.
pub(super) fn in_use(live: &LiveFunction) -> Vec<&str> {
    let Some(alias) = &live.alias else { return Vec::new() };
    let next = alias.next.iter().map(|next| next.version.as_str());
    let weighted = alias.weights.keys().map(String::as_str);
    std::iter::once(alias.version.as_str()).chain(weighted).chain(next).collect()
}

pub(super) fn validate(spec: &FunctionSpec) -> Vec<SpecProblem> {
    let is_some =
        |declared: &&ProvisionedConcurrency| **declared != ProvisionedConcurrency::default();
    let Some(provisioned) = spec.provisioned_concurrency.as_ref().filter(is_some) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut refuse = |message: String, help: &str| {
        problems.push(SpecProblem::new(FIELD, message).help(help));
    };
    if spec.alias.is_none() {
        let message =
            "executions are provisioned for a published version, and nothing is published";
        refuse(message.to_owned(), "add alias to spec");
    }
    // https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html.
    if spec.snap_start.as_ref().is_some_and(|snap| snap.apply_on != SnapStartOn::None) {
        let message = "Lambda provisions no executions for a function with SnapStart";
        refuse(message.to_owned(), "take snapStart out, or provisionedConcurrency");
    }
    if provisioned.executions.is_none() && provisioned.scaling().is_none() {
        let message = "without scaling it has to say how many executions there are";
        refuse(
            message.to_owned(),
            "add executions, or write provisionedConcurrency: {} to keep none",
        );
    }
    // https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html.
    let versions = if spec.rollout.is_some() || provisioned.scaling().is_some() { 2 } else { 1 };
    let least = provisioned.first().saturating_mul(versions);
    let reserved = spec.reserved_concurrency.filter(|reserved| *reserved >= 0);
    if let Some(reserved) = reserved.filter(|reserved| least > *reserved) {
        let message = format!(
            "a release provisions {least} executions, for {versions} versions at once, and reservedConcurrency is \
             {reserved}"
        );
        refuse(message, "raise reservedConcurrency, or provision fewer");
    }
    if let Some(scaling) = &provisioned.auto_scaling {
        let at = format!("{FIELD}.autoScaling");
        problems.extend(scaling::check(&at, scaling, &Units::LAMBDA));
    }
    problems
}

/// What one version has, in the words of the manifest.
fn words(desired: &Desired<FunctionSpec>, live: &LiveConcurrency, version: &str) -> Value {
    let declared = scaling_of(&json!(desired.spec)).unwrap_or_default();
    let earlier = desired.earlier().filter_map(scaling_of).filter(|before| *before != declared);
    let mut words = json!({});
    if let Some(config) = live.configs.get(version) {
        words["executions"] = json!(config.executions);
    }
    if let Some(target) = live.target(&desired.aws_name, version) {
        let earlier: Vec<_> = earlier.collect();
        words["autoScaling"] = target.words(Dimension::Executions, &declared, &earlier);
    }
    words
}

fn scaling_of(spec: &Value) -> Option<AutoScaling> {
    AutoScaling::deserialize(&spec[FIELD]["autoScaling"]).ok()
}

/// What the alias's version has; `None` where the manifest says nothing of it.
pub(super) fn seen(desired: &Desired<FunctionSpec>, live: &LiveFunction) -> Option<Value> {
    let concurrency = live.concurrency.as_ref()?;
    let alias = live.alias.as_ref();
    Some(alias.map_or(json!({}), |alias| words(desired, concurrency, &alias.version)))
}

/// The executions of one function as they shall be.
pub(super) struct Provisioning<'a> {
    desired: &'a Desired<FunctionSpec>,
    live: &'a LiveConcurrency,
    /// With what was added by hand and is not declared.
    wanted: ProvisionedConcurrency,
    /// The version that the alias has left, whose executions go over to the one that it points to now.
    heir_of: Option<String>,
    is_declared: bool,
}

impl<'a> Provisioning<'a> {
    /// `None` where the manifest says nothing of it.
    pub fn of(
        desired: &'a Desired<FunctionSpec>,
        seen: &'a LiveFunction,
        effective: &FunctionSpec,
    ) -> Option<Self> {
        let live = seen.concurrency.as_ref().filter(|_| !is_ignored(desired))?;
        let is_declared = desired.declares(&json!(desired.spec), FIELD);
        let mut wanted = effective.provisioned_concurrency.clone().unwrap_or_default();
        // A number that is ignored, and that is not there, is the declared one.
        let declared = desired.spec.provisioned_concurrency.as_ref();
        wanted.executions = wanted.executions.or(declared.and_then(|declared| declared.executions));
        let mut provisioning = Self { desired, live, wanted, heir_of: None, is_declared };
        provisioning.inherit(seen);
        Some(provisioning)
    }

    /// An alias that has moved: what somebody set on the version before, and the manifest does not say, goes along, as
    /// it does step by step.
    fn inherit(&mut self, seen: &LiveFunction) {
        let Some(alias) = seen.alias.as_ref().filter(|_| is_wanted(self.desired)) else { return };
        let before = self.left_over(seen).into_iter().filter(|left| is_older(left, &alias.version));
        let newest = before.max_by_key(|version| number(version));
        let is_scaled = |version: &str| self.target(version).is_some();
        let Some(before) = newest.filter(|b| !self.is_there(&alias.version) || is_scaled(b)) else {
            return;
        };
        let had = json!({ FIELD: words(self.desired, self.live, &before) });
        let mut declared = json!({ FIELD: self.desired.spec.provisioned_concurrency });
        fill_ignored(&mut declared, &had, &self.desired.ignore, &SHAPE, IgnoredAbsent::Kept);
        let whole = complete(&declared, &had, &SHAPE);
        // Both sides are in the words of the manifest.
        self.wanted =
            ProvisionedConcurrency::deserialize(&whole[FIELD]).expect("the manifest's words");
        self.heir_of = Some(before);
    }

    fn target(&self, version: &str) -> Option<&'a LiveTarget> {
        self.live.target(&self.desired.aws_name, version)
    }

    fn left_over(&self, seen: &LiveFunction) -> Vec<String> {
        self.live.left_over(&self.desired.aws_name, &self.desired.versions, &in_use(seen))
    }

    /// The manifest says that there are none.
    fn wants_none(&self) -> bool {
        self.is_declared && !is_wanted(self.desired)
    }

    /// It has executions, or a scaler that leaves it none for a while.
    fn is_there(&self, version: &str) -> bool {
        let is_at_rest = self.target(version).is_some_and(|scaler| scaler.min == 0);
        self.live.configs.contains_key(version) || is_at_rest
    }

    /// The number is a scaler's, or will be.
    fn is_scaled(&self, version: &str) -> bool {
        let declared = self.desired.spec.provisioned_concurrency.as_ref();
        let is_ended = declared.is_none_or(|declared| {
            declared.is_none() || declared.auto_scaling.as_ref().is_some_and(AutoScaling::is_none)
        });
        self.wanted.scaling().is_some() || self.target(version).is_some() && !is_ended
    }

    /// Takes out the changes of what the scaler of the alias's version has set.
    pub fn keep(&self, version: &str, changes: &mut Vec<Change>) {
        if self.is_scaled(version) && self.is_there(version) {
            changes.retain(|change| change.path != executions_path());
        }
    }

    /// Adds the steps by which the alias's version comes to have what is wanted. What it waits for is said in the plan;
    /// why it cannot go on is returned, for a plan that has nothing else to do.
    pub fn push(
        &self,
        plan: &mut Plan<FunctionStep>,
        seen: &LiveFunction,
        changes: Vec<Change>,
    ) -> Option<Blocked> {
        let version = &seen.alias.as_ref().filter(|_| self.is_declared)?.version;
        if self.wants_none() {
            self.push_removal(plan, version, changes);
            let alias = self.desired.spec.alias.as_deref().unwrap_or_default();
            self.push_removal(plan, alias, vec![no_longer(alias)]);
            return self.push_left_over(plan, &self.left_over(seen));
        }
        // A fixed number needs no other version: where both do not fit, the new one gets it.
        let is_fixed = self.wanted.scaling().is_none();
        let freed = if is_fixed { self.push_left_over(plan, &self.left_over(seen)) } else { None };
        let steps = plan.steps.len();
        let obstacle = match &self.heir_of {
            Some(before) => self.push_next(plan, version, before),
            None => self.push_version(plan, version, (changes, None)),
        };
        // A scaler is there with all that it had before the one before it goes.
        if is_fixed || obstacle.is_some() || plan.steps.len() > steps {
            return freed.or(obstacle);
        }
        self.push_left_over(plan, &self.left_over(seen))
    }

    /// Versions that never served take their executions from the one that is about to.
    pub fn push_abandoned(&self, plan: &mut Plan<FunctionStep>, seen: &LiveFunction) {
        let Some(alias) = seen.alias.as_ref().filter(|_| self.is_declared) else { return };
        let newer = |left: &String| !is_older(left, &alias.version);
        let abandoned: Vec<_> = self.left_over(seen).into_iter().filter(newer).collect();
        self.push_left_over(plan, &abandoned);
    }

    /// What a version lacks that takes over from another, compared as the alias's own.
    pub fn push_next(
        &self,
        plan: &mut Plan<FunctionStep>,
        version: &str,
        before: &str,
    ) -> Option<Blocked> {
        if !is_wanted(self.desired) {
            return None;
        }
        let mut wanted = json!(self.wanted);
        if self.is_scaled(version)
            && let Value::Object(wanted) = &mut wanted
        {
            wanted.remove("executions");
        }
        let (wanted, seen) =
            (json!({ FIELD: wanted }), json!({ FIELD: words(self.desired, self.live, version) }));
        let changes = diff(&wanted, &seen, &SHAPE);
        self.push_version(plan, version, (changes, Some(before)))
    }

    fn push_version(
        &self,
        plan: &mut Plan<FunctionStep>,
        version: &str,
        (changes, before): (Vec<Change>, Option<&str>),
    ) -> Option<Blocked> {
        if let Some(own) = self.own_of_alias() {
            return Some(own);
        }
        let config = self.live.configs.get(version);
        let (fixed, scaled): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.path == executions_path());
        let is_fixed = !self.is_scaled(version) && self.wanted.executions.is_some();
        let differs = !self.is_there(version)
            || is_fixed && config.map(|config| config.executions) != self.wanted.executions;
        let again = self.is_asked_again(config);
        if let Some(LiveProvisioned { state: ProvisioningState::Failed(why), .. }) = config
            && !differs
            && !again
        {
            return Some(failed(version, why));
        }
        if differs || again {
            let own = config.map(|config| config.executions).filter(|_| !is_fixed);
            let executions = own.unwrap_or_else(|| self.first(before));
            push_provision(plan, version, (config, executions), fixed);
        }
        let place = Place {
            path: scaling_path(),
            target: Target::of_version(&self.desired.aws_name, version),
            before: before.and_then(|before| self.target(before)).cloned(),
        };
        let (wanted, targets) = (self.wanted.auto_scaling.as_ref(), &self.live.targets);
        scaling::push(plan, &place, wanted, targets, &scaled, FunctionStep::Scale);
        self.push_beyond(plan, version);
        wait(plan, version, config, before.is_none() && self.is_scaled(version))
    }

    /// What a version begins with: where it is scaled, as many as the one has that it takes over from, if
    /// there are so many.
    fn first(&self, before: Option<&str>) -> i32 {
        let Some(scaling) = self.wanted.scaling() else { return self.wanted.first() };
        let had = before.and_then(|before| self.live.configs.get(before));
        let (least, most) =
            (scaling.min_capacity.unwrap_or(1), scaling.max_capacity.unwrap_or(i32::MAX));
        let reserved = self.desired.spec.reserved_concurrency.filter(|reserved| *reserved >= 0);
        let taken: i32 = self.live.configs.values().map(|config| config.executions).sum();
        let left = reserved.map_or(i32::MAX, |reserved| reserved - taken);
        let wanted = self.wanted.first().max(had.map_or(0, |had| had.executions));
        wanted.min(left).min(most).max(least).max(1)
    }

    /// Somebody asked for another try since it failed.
    fn is_asked_again(&self, config: Option<&LiveProvisioned>) -> bool {
        let Some(config) = config else { return false };
        let is_failed = matches!(config.state, ProvisioningState::Failed(_));
        is_failed
            && matches!((self.desired.asked_at, config.modified_at), (Some(asked), Some(at)) if asked > at)
    }

    fn push_removal(&self, plan: &mut Plan<FunctionStep>, version: &str, changes: Vec<Change>) {
        let name = &self.desired.aws_name;
        let mut changes = Some(changes);
        if self.target(version).is_some() {
            let step =
                FunctionStep::Scale(ScalingStep::Deregister(Target::of_version(name, version)));
            let what = format!("auto scaling of version {version}");
            plan.push(Verb::Delete, what, changes.take().unwrap_or_default(), step).stands_alone();
        }
        if self.live.configs.contains_key(version) {
            let what = format!("provisioned executions of version {version}");
            let step = FunctionStep::Unprovision(version.to_owned());
            plan.push(Verb::Delete, what, changes.take().unwrap_or_default(), step).stands_alone();
        }
    }

    /// Brings back a number that somebody has set beyond the bounds of its scaler.
    fn push_beyond(&self, plan: &mut Plan<FunctionStep>, version: &str) {
        let target = Target::of_version(&self.desired.aws_name, version);
        let (config, live) = (self.live.configs.get(version), self.live.targets.get(&target));
        let (Some(config), Some(live), Some(_)) = (config, live, self.wanted.scaling()) else {
            return;
        };
        let is_registered = plan.steps.iter().any(|step| {
            matches!(&step.call, FunctionStep::Scale(ScalingStep::Register(of, ..)) if *of == target)
        });
        if (live.min..=live.max).contains(&config.executions) || is_registered {
            return;
        }
        let change = Change {
            path: executions_path(),
            live: Some(json!(config.executions)),
            desired: Some(json!(format!("{} to {} by auto scaling", live.min, live.max))),
        };
        plan.changes.push(change.clone());
        let step =
            FunctionStep::Scale(ScalingStep::Register(target, Some(live.min), Some(live.max)));
        let what = format!("executions of version {version} within their bounds");
        plan.push(Verb::Update, what, vec![change], step).stands_alone();
    }

    /// Takes away what versions keep that are not in use any more. What trueup has no word for is asked about.
    fn push_left_over(&self, plan: &mut Plan<FunctionStep>, left: &[String]) -> Option<Blocked> {
        let mut asked = None;
        for version in left {
            let foreign = self.target(version).map(|live| live.foreign.join(", "));
            match foreign.filter(|names| !names.is_empty() && !self.desired.confirmed) {
                Some(names) => asked = Some(self.foreign(version, &names)),
                None => self.push_removal(plan, version, vec![no_longer(version)]),
            }
        }
        // What is taken away is a difference, too.
        let gone = plan.steps.iter().flat_map(|step| &step.changes);
        let gone: Vec<_> = gone.filter(|change| change.path.root() == FIELD).cloned().collect();
        let unsaid = gone.into_iter().filter(|change| !plan.changes.contains(change));
        plan.changes.extend(unsaid.collect::<Vec<_>>());
        asked
    }

    fn foreign(&self, version: &str, policies: &str) -> Blocked {
        let message = format!(
            "version {version} is not in use any more, and its executions are scaled by {policies}, which trueup can \
             neither say nor take along. Make such a policy for the version that the alias names now, if you need \
             it; then let them go with `trueup apply --confirm {}`",
            self.desired.key.id
        );
        Blocked { reason: "ConfirmationNeeded", message }
    }

    /// Executions of the alias itself stand in the way of those of its versions.
    fn own_of_alias(&self) -> Option<Blocked> {
        let alias = self.desired.spec.alias.as_ref()?;
        if !self.live.configs.contains_key(alias) {
            return None;
        }
        let name = &self.desired.aws_name;
        let message = format!(
            "the alias {alias} has provisioned concurrency of its own, and Lambda shares no requests of such an \
             alias. trueup provisions the alias's version instead. Take the alias's away with \
             `aws lambda delete-provisioned-concurrency-config --function-name {name} --qualifier {alias}`, and first \
             its scaling, where it has any, with `aws application-autoscaling deregister-scalable-target \
             --service-namespace lambda --scalable-dimension lambda:function:ProvisionedConcurrency --resource-id \
             function:{name}:{alias}`"
        );
        Some(Blocked { reason: "NotPlannable", message })
    }
}

/// What scales them begins with them: nothing after it is done where it is refused.
fn push_provision(
    plan: &mut Plan<FunctionStep>,
    version: &str,
    (config, executions): (Option<&LiveProvisioned>, i32),
    mut changes: Vec<Change>,
) {
    if changes.is_empty() {
        let live = config.map(|config| json!(config.executions));
        changes.push(Change { path: executions_path(), live, desired: Some(json!(executions)) });
    }
    let what = format!("{executions} executions for version {version}");
    let verb = if config.is_some() { Verb::Update } else { Verb::Create };
    let step = FunctionStep::Provision { version: version.to_owned(), executions };
    plan.push(verb, what, changes, step);
}

/// What a scaler adds to those of a version that serves is not waited for.
fn wait(
    plan: &mut Plan<FunctionStep>,
    version: &str,
    config: Option<&LiveProvisioned>,
    serves_scaled: bool,
) -> Option<Blocked> {
    match config.map(|config| (config, &config.state)) {
        Some((config, ProvisioningState::InProgress))
            if config.available == 0 || !serves_scaled =>
        {
            let executions = config.executions;
            let message = format!("AWS prepares: {executions} executions for version {version}");
            plan.waiting.get_or_insert(Waiting { reason: "Preparing", message });
        }
        Some((_, ProvisioningState::Unknown(word))) => {
            let message = format!(
                "Lambda says that the provisioned executions of version {version} are `{word}`, which this version \
                 of trueup does not know; upgrade trueup"
            );
            return Some(Blocked { reason: "UnknownState", message });
        }
        _ => {}
    }
    None
}

/// What is no number is no version, and older than any.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

fn is_older(version: &str, than: &str) -> bool {
    number(version) < number(than)
}

/// The scalers of every version go before the function: its executions go with it.
pub(super) fn push_deletions(
    plan: &mut Plan<FunctionStep>,
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
) {
    let declared = scaling_of(&json!(desired.spec));
    let is_unread = desired.unread.iter().any(|path| path.root() == FIELD);
    if declared.is_some_and(|declared| !declared.is_none()) && is_unread {
        plan.blocked = Some(scaling::outlives("the function"));
        return;
    }
    let targets = live.concurrency.iter().flat_map(|live| live.targets.keys());
    for target in targets {
        let what = format!("auto scaling of {}", target.resource);
        let step = FunctionStep::Scale(ScalingStep::Deregister(target.clone()));
        plan.push(Verb::Delete, what, Vec::new(), step);
    }
}

fn no_longer(qualifier: &str) -> Change {
    let what = format!("executions for {qualifier}");
    Change { path: Path::default().field(FIELD), live: Some(json!(what)), desired: None }
}

fn failed(version: &str, why: &str) -> Blocked {
    let message = format!(
        "Lambda could not provision executions for version {version}: {why}. Mend the function, or what the account \
         allows; `trueup reconcile` tries again"
    );
    Blocked { reason: "ProvisioningFailed", message }
}

fn executions_path() -> Path {
    Path::default().field(FIELD).field("executions")
}

fn scaling_path() -> Path {
    Path::default().field(FIELD).field("autoScaling")
}
