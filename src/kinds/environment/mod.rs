//! Environment: where the other objects live, and how they are kept.
//!
//! It stands for no AWS resource: it is read by the engine, never planned for.

mod health;
mod notifications;
mod promotion;
mod recovery;
mod windows;

pub use health::{HealthPolicy, HttpCheck};
pub use notifications::{GitHub, Notification, SlackChannel, Topic, Webhook};
pub use promotion::{Approval, Promotion};
pub use recovery::{BackupPolicy, RESTORES_AT_ONCE, RPO_MIN, RTO_MIN, Recovery};
pub use windows::{Closed, Window, Windows};

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{Target, tags};
use crate::kinds::SpecProblem;
use crate::model::parse_duration;
use crate::signals::{Call, CallTarget};

/// The kind's name in manifests. The registry does not list it, since it stands for no AWS resource.
pub const NAME: &str = "Environment";

/// The pause between two observations of an object that is as it should be.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Of every duration here.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const HISTORY_LIMIT_DEFAULT: u32 = 20;
/// Without `maxDeletions`: so many, or so large a part of all objects.
const DELETIONS_DEFAULT: usize = 10;
const DELETIONS_PART: usize = 3;
const PROGRESS_DEADLINE_DEFAULT: Duration = Duration::from_secs(15 * 60);
/// AWS takes some seconds for the smallest change.
const PROGRESS_DEADLINE_MIN: Duration = Duration::from_secs(10);

/// An environment such as development, staging or production.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Environment", shortname = "env")]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "An environment such as development, staging or production.")]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// What the environment is for, in words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The account and region, and how to get there from the daemon's own credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsTarget>,
    /// The addresses of what runs in the environment. They are probed where `health` names no pages. A release with a
    /// frontend has to leave the frontend's well, where it can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urls: Option<Urls>,
    /// How often objects are observed, what happens to drift, and how much a release may delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Reconcile>,
    /// How releases move into the environment, and what makes one fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutPolicy>,
    /// When releases may come in. A rollback may at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// The environment whose releases are promoted to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// Whether a release waits for approval before it becomes current; NotRequired where it is not given. With Required
    /// it waits until somebody else than its author approves it, with `trueup approve`. A rollback does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Pages that are probed all the time: the condition `Healthy` says whether they answer. They are checks of each
    /// release, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthPolicy>,
    /// What must come back after a disaster, and how fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Who is told of releases, drift and trouble. At most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub notifications: Option<Vec<Notification>>,
    /// How many releases are kept, with all that they name; 20 where it is not given. Older ones are forgotten once a
    /// day, and what only they have in the artifact bucket is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub revision_history_limit: Option<u32>,
    /// Where `apply` uploads the code that it packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Artifacts>,
    /// Refuses every release that would remove an object, unless the object is confirmed by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// Nothing is done but what a release says that somebody with a signing key has made: who can only write the
    /// table changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_signature: Option<bool>,
    /// Tags of every resource of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 20))]
    pub tags: Option<BTreeMap<String, String>>,
}

/// The account and region, and how to get there from the daemon's own credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsTarget {
    /// The daemon's own region, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-\d+$"))]
    pub region: Option<String>,
    /// Checked against the credentials before anything is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub account_id: Option<String>,
    /// A role to assume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z-]*:iam::\d{12}:role/.+$"))]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for; with `roleArn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The address of every AWS API, instead of AWS's own: an emulator's, as `http://localhost:4566`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// The addresses of what runs in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Urls {
    /// The address of the user interface, as `https://shop.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub frontend: Option<String>,
    /// The address of the API, as `https://api.shop.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub backend: Option<String>,
}

/// How often objects are observed, what happens to drift, and how much a release may delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconcile {
    /// The pause between two observations of an object, as `60s`; 1s to 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// What happens to drift: Correct repairs it, Report only shows it. Correct where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
    /// How many resources a release may delete at once; more are refused unless the apply confirms their number.
    /// Without it, ten or a third of the environment's objects, whichever is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10_000))]
    pub max_deletions: Option<u32>,
}

/// What happens to drift: Correct repairs it, Report only shows it. Correct where it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Repair it.
    #[default]
    Correct,
    /// Show it in conditions, events and metrics, and write nothing.
    Report,
}

/// How releases move into the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPolicy {
    /// How long the objects of a release may take to become ready, as `15m`; 10s to 24h. Then it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<String>,
    /// How long a release that succeeded is watched, as `10m`; 0s to 24h. What it changed and fails then still
    /// rolls it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake_time: Option<String>,
    /// What happens to a release that fails: Automatic makes the one that succeeded last current again, Manual waits
    /// for a person. Automatic where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackPolicy>,
    /// CloudWatch alarms, by their names, of the environment's account and region. One that goes off from the
    /// start of a release to the end of its bake time fails it. At most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub alarms: Option<Vec<String>>,
    /// What an alarm that cannot be read means, or one that does not exist: with Wait the release waits, and in the end
    /// for a person, with Ignore it goes on. Wait where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_alarms: Option<UnreadableAlarms>,
    /// Pages that have to answer before a release has succeeded, and during its bake time. At most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub checks: Option<Vec<HttpCheck>>,
    /// What a release does with objects that carry the annotation `trueup.dev/criticality: optional` and fail, or are
    /// not ready at its deadline: Tolerate succeeds without them, Require fails. Tolerate where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional_objects: Option<OptionalObjects>,
}

/// What a release does with objects that carry the annotation `trueup.dev/criticality: optional` and fail, or are not
/// ready at its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OptionalObjects {
    /// It succeeds without them; the environment is `Degraded`.
    #[default]
    Tolerate,
    /// They fail it, as every other object does.
    Require,
}

/// What an alarm that cannot be read means, or one that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnreadableAlarms {
    /// The release waits, and in the end for a person.
    #[default]
    Wait,
    /// Nothing: the release goes on.
    Ignore,
}

/// What happens to a release that fails: Automatic undoes it, Manual leaves it to a person. Automatic where it is not
/// given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollbackPolicy {
    /// A release that fails is undone: the one that succeeded last is made current again.
    #[default]
    Automatic,
    /// It stays current, and waits for a person.
    Manual,
}

/// Where packaged code is uploaded to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifacts {
    /// The bucket that packaged code is uploaded to.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// As `production/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub prefix: Option<String>,
}

impl EnvironmentSpec {
    /// Where the environment's resources are, and how to get there. What is not declared is `None`.
    pub fn target(&self) -> Target {
        let aws = self.aws.clone().unwrap_or_default();
        Target {
            region: aws.region,
            account_id: aws.account_id,
            role_arn: aws.role_arn,
            external_id: aws.external_id,
            endpoint_url: aws.endpoint_url,
        }
    }

    /// A text that cannot be read was refused by validation.
    pub fn interval(&self) -> Duration {
        let text = self.reconcile.as_ref().and_then(|r| r.interval.as_deref());
        text.and_then(|t| parse_duration(t).ok())
            .unwrap_or(INTERVAL_DEFAULT)
            .clamp(INTERVAL_MIN, LONGEST)
    }

    /// How long the objects of a release may take to become ready.
    pub fn progress_deadline(&self) -> Duration {
        let text = self.rollout.as_ref().and_then(|r| r.progress_deadline.as_deref());
        text.and_then(|t| parse_duration(t).ok()).unwrap_or(PROGRESS_DEADLINE_DEFAULT)
    }

    /// How long a release that succeeded is watched.
    pub fn bake_time(&self) -> Duration {
        let text = self.rollout.as_ref().and_then(|r| r.bake_time.as_deref());
        text.and_then(|t| parse_duration(t).ok()).unwrap_or_default()
    }

    /// A release that fails is undone without a person.
    pub fn rolls_back(&self) -> bool {
        let policy = self.rollout.as_ref().and_then(|r| r.rollback).unwrap_or_default();
        policy == RollbackPolicy::Automatic
    }

    /// The alarms that are watched.
    pub fn alarms(&self) -> &[String] {
        self.rollout.as_ref().and_then(|rollout| rollout.alarms.as_deref()).unwrap_or_default()
    }

    /// A release waits while an alarm cannot be read.
    pub fn waits_for_alarms(&self) -> bool {
        let policy = self.rollout.as_ref().and_then(|rollout| rollout.unreadable_alarms);
        policy.unwrap_or_default() == UnreadableAlarms::Wait
    }

    /// The pages that a release has to leave well: its own checks, what is probed all the time, and the frontend's
    /// address where the release has a frontend and nothing else asks for that page.
    pub fn checks(&self, commit: &str, has_frontend: bool) -> Vec<Call> {
        let checks = self.rollout.iter().filter_map(|rollout| rollout.checks.as_deref()).flatten();
        let mut calls: Vec<_> =
            checks.map(|check| check.call(commit)).chain(self.probes()).collect();
        let frontend = self.urls.as_ref().and_then(|urls| urls.frontend.as_deref());
        if let Some(url) = frontend.filter(|_| has_frontend) {
            let is_asked = |call: &Call| match &call.target {
                CallTarget::Page { url: page, .. } => page == url,
                CallTarget::Function { .. } => false,
            };
            if !calls.iter().any(is_asked) {
                calls.push(health::of_frontend(url));
            }
        }
        calls
    }

    /// What is probed all the time.
    pub fn probes(&self) -> Vec<Call> {
        self.health.iter().flat_map(|health| health.calls(self.urls.as_ref())).collect()
    }

    /// What an object that is marked as optional means to a release.
    pub fn tolerates_optional(&self) -> bool {
        let policy = self.rollout.as_ref().and_then(|rollout| rollout.optional_objects);
        policy.unwrap_or_default() == OptionalObjects::Tolerate
    }

    /// How many resources a release may delete at once, where the environment has so many objects.
    pub fn deletions_max(&self, objects: usize) -> usize {
        let declared = self.reconcile.as_ref().and_then(|reconcile| reconcile.max_deletions);
        match declared.map(usize::try_from) {
            Some(declared) => declared.unwrap_or(usize::MAX),
            None => objects.div_ceil(DELETIONS_PART).max(DELETIONS_DEFAULT),
        }
    }

    /// How many releases are kept.
    pub fn history_limit(&self) -> usize {
        usize::try_from(self.revision_history_limit.unwrap_or(HISTORY_LIMIT_DEFAULT))
            .unwrap_or(usize::MAX)
    }

    /// Why no release may come in at this time; `None` where one may.
    pub fn closed(&self, now: Timestamp) -> Option<Closed> {
        self.windows.as_ref()?.closed(now)
    }

    /// Drift is only shown at this time, by the windows.
    pub fn window_reports_drift(&self, now: Timestamp) -> bool {
        self.windows.as_ref().is_some_and(|windows| windows.reports_drift(now))
    }

    /// What happens to drift, whatever the windows say; `Correct` where it is not declared.
    pub fn drift_policy(&self) -> DriftPolicy {
        self.reconcile.as_ref().and_then(|r| r.drift).unwrap_or_default()
    }
}

/// What the schema cannot check.
pub fn validate(spec: &Value) -> Vec<SpecProblem> {
    let spec = match EnvironmentSpec::deserialize(spec) {
        Ok(spec) => spec,
        Err(error) => return vec![SpecProblem::new("", error.to_string())],
    };
    let mut problems = Vec::new();
    let interval = spec.reconcile.as_ref().and_then(|r| r.interval.as_deref());
    let rollout = spec.rollout.clone().unwrap_or_default();
    for (field, text, least, what) in [
        ("reconcile.interval", interval, INTERVAL_MIN, "the interval is at least 1s"),
        (
            "rollout.progressDeadline",
            rollout.progress_deadline.as_deref(),
            PROGRESS_DEADLINE_MIN,
            "the deadline is at least 10s",
        ),
        ("rollout.bakeTime", rollout.bake_time.as_deref(), Duration::ZERO, ""),
    ] {
        match text.map(parse_duration) {
            Some(Err(message)) => problems.push(SpecProblem::new(field, message)),
            Some(Ok(duration)) if duration < least => problems.push(SpecProblem::new(field, what)),
            Some(Ok(duration)) if duration > LONGEST => {
                let name = field.rsplit('.').next().unwrap_or(field);
                problems.push(SpecProblem::new(field, format!("the {name} is at most 24h")));
            }
            _ => {}
        }
    }
    if spec.aws.as_ref().is_some_and(|aws| aws.external_id.is_some() && aws.role_arn.is_none()) {
        let message =
            "an external id is said when a role is assumed: add `roleArn`, or take it out";
        problems.push(SpecProblem::new("aws.externalId", message));
    }
    problems.extend(spec.recovery.iter().flat_map(Recovery::problems));
    problems.extend(
        rollout
            .checks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(i, check)| check.problem(&format!("rollout.checks[{i}]"))),
    );
    problems.extend(spec.health.iter().flat_map(|health| health.problems(spec.urls.as_ref())));
    problems.extend(notifications::validate(spec.notifications.as_deref().unwrap_or_default()));
    problems.extend(spec.windows.iter().flat_map(windows::validate));
    problems.extend(spec.promotion.iter().flat_map(promotion::validate));
    problems.extend(check_tags("tags", spec.tags.as_ref()));
    problems
}

/// Limits of a tag: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// Tags that nobody but AWS or trueup may set, and those that no service takes.
pub fn check_tags(path: &str, declared: Option<&BTreeMap<String, String>>) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (name, value) in declared.into_iter().flatten() {
        let mut problem = |message: String| {
            problems.push(SpecProblem::new(format!("{path}.{name}"), message));
        };
        // AWS reserves its prefix in whatever case.
        let is_reserved = name.starts_with(tags::PREFIX)
            || name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(tags::AWS_PREFIX));
        if is_reserved {
            problem(format!(
                "tags that begin with `aws:` or `trueup.dev/` are reserved, as `{name}`"
            ));
        }
        if name.is_empty() || name.chars().count() > TAG_KEY_CHARS_MAX {
            problem(format!("the name of a tag has 1 to {TAG_KEY_CHARS_MAX} characters"));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            problem(format!(
                "the value of tag `{name}` has at most {TAG_VALUE_CHARS_MAX} characters"
            ));
        }
        if let Some(other) = name.chars().chain(value.chars()).find(|c| !is_tag_char(*c)) {
            problem(format!(
                "tag `{name}` has the character {other:?}; letters, digits, spaces and _ . : / = + - @ \
                 may stand in a tag"
            ));
        }
    }
    problems
}

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

/// JSON Schema of the spec, for editors and for validation.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(EnvironmentSpec)
}

/// The custom resource definition, for Kubernetes tools. It has no namespace.
pub fn crd() -> Value {
    super::crd::<Environment>()
}
