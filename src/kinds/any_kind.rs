//! Kinds as the engine sees them: one observation gives a checked plan whose steps know how to run.
//!
//! Guarantees: no error that comes out of a kind repeats a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::desired::nulls;
use super::gate::{Passage, gate};
use super::{Desired, KeptVersions, Kind, Live, NameScope, Nulls, Outcome, Shifting, SpecProblem};
use crate::aws::{AwsError, Class, Service, Session};
use crate::model::{Common, Path, ReadyVersion};
use crate::plan::{Facts, Plan, check};

/// What the object asks of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To be as declared.
    Keep,
    /// To go away.
    Delete,
}

/// What one observation of a resource came to.
pub struct Observation {
    /// The steps, checked already; none where the resource is as it shall be, or where the plan is blocked as a whole.
    pub plan: Plan<AnyStep>,
    /// What the check knew of the resource.
    pub facts: Facts,
    /// The fields that other objects can refer to, by their names; empty where the resource does not exist.
    pub outputs: BTreeMap<String, String>,
    /// The id that AWS gave; `None` where the name identifies the resource, or where there is none.
    pub physical_id: Option<String>,
    /// The version that is ready to take over, where one is.
    pub next_version: Option<ReadyVersion>,
    /// A declared facet could not be read: the others are planned for all the same.
    pub failure: Option<AwsError>,
}

type Run = dyn for<'a> Fn(&'a Session) -> BoxFuture<'a, Result<Outcome, AwsError>> + Send + Sync;

/// A step that can be taken without knowing its kind.
#[derive(Clone)]
pub struct AnyStep(Arc<Run>);

impl AnyStep {
    /// Takes the step. Its error repeats no secret.
    pub async fn apply(&self, session: &Session) -> Result<Outcome, AwsError> {
        (self.0)(session).await
    }
}

/// A kind without its types.
pub trait AnyKind: Send + Sync {
    /// The kind's name in manifests, as `Bucket`.
    fn name(&self) -> &'static str;
    /// The AWS service that has the kind's resources.
    fn service(&self) -> Service;
    /// Whether its resources hold data: they are retained by default, and deleted only when confirmed by name.
    fn holds_data(&self) -> bool;
    /// Within what AWS refuses a second resource of the same name.
    fn name_scope(&self) -> NameScope;
    /// What `null` in a manifest stands for.
    fn nulls(&self) -> Nulls;
    /// Fields that cannot be ignored in part.
    fn wholes(&self) -> &'static [&'static str];
    /// The names of the fields that other objects can refer to.
    fn fields(&self) -> &'static [&'static str];
    /// JSON Schema of the spec, for editors and for validation.
    fn schema(&self) -> schemars::Schema;
    /// The custom resource definition, for Kubernetes tools.
    fn crd(&self) -> Value;
    /// What the schema cannot check. The spec must conform to the schema.
    fn validate(&self, spec: &Value, name: &str) -> Vec<SpecProblem>;
    /// Whether a spec can be read as the kind's type.
    fn is_readable(&self, spec: &Value) -> bool;
    /// AWS's rule for the resource's name; the error is the rule in words for people.
    fn check_name(&self, name: &str) -> Result<(), String>;
    /// What the specs of all kinds have; empty of a spec that cannot be read.
    fn common(&self, spec: &Value) -> Common;
    /// How a new version gets its requests; at once of a spec that cannot be read, which stalls by itself.
    fn shifting(&self, spec: &Value) -> Shifting;
    /// What data, or way back to it, goes when one declared form takes the place of another; nothing of a form
    /// that cannot be read, which stalls by itself.
    fn losses(&self, before: &Value, after: &Value) -> Vec<String>;
    /// How many versions stay that nothing points to any more.
    fn versions_kept(&self, spec: &Value) -> usize;
    /// Deletes old versions of those that trueup published, and returns which are gone.
    fn collect_versions<'a>(
        &'a self,
        session: &'a Session,
        name: &'a str,
        published: &'a [String],
        kept: &'a KeptVersions,
    ) -> BoxFuture<'a, Result<Vec<String>, AwsError>>;
    /// Observes the resource, plans, and checks the plan.
    fn observe<'a>(
        &'a self,
        session: &'a Session,
        desired: Desired<Arc<Value>>,
        intent: Intent,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Observation, AwsError>>;
}

/// Gives a [`Kind`] its untyped face.
pub(super) struct Untyped<K>(pub std::marker::PhantomData<K>);

impl<K: Kind> AnyKind for Untyped<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn service(&self) -> Service {
        K::SERVICE
    }

    fn holds_data(&self) -> bool {
        K::HOLDS_DATA
    }

    fn name_scope(&self) -> NameScope {
        K::NAME_SCOPE
    }

    fn nulls(&self) -> Nulls {
        K::NULLS
    }

    fn wholes(&self) -> &'static [&'static str] {
        K::WHOLES
    }

    fn fields(&self) -> &'static [&'static str] {
        K::FIELDS
    }

    fn schema(&self) -> schemars::Schema {
        K::schema()
    }

    fn crd(&self) -> Value {
        K::crd()
    }

    fn validate(&self, spec: &Value, name: &str) -> Vec<SpecProblem> {
        match K::Spec::deserialize(K::NULLS.stood_for(spec, name)) {
            Ok(spec) => K::validate(&spec, name),
            Err(error) => vec![SpecProblem::new("", error.to_string())],
        }
    }

    fn is_readable(&self, spec: &Value) -> bool {
        K::Spec::deserialize(spec).is_ok()
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        K::check_name(name)
    }

    fn common(&self, spec: &Value) -> Common {
        Common::deserialize(spec).unwrap_or_default()
    }

    fn shifting(&self, spec: &Value) -> Shifting {
        let spec = K::Spec::deserialize(K::NULLS.stood_for(spec, "name"));
        spec.map(|spec| K::shifting(&spec)).unwrap_or_default()
    }

    fn losses(&self, before: &Value, after: &Value) -> Vec<String> {
        let read = |spec: &Value| K::Spec::deserialize(K::NULLS.stood_for(spec, "name"));
        match (read(before), read(after)) {
            (Ok(before), Ok(after)) => K::losses(&before, &after),
            _ => Vec::new(),
        }
    }

    fn versions_kept(&self, spec: &Value) -> usize {
        let spec = K::Spec::deserialize(K::NULLS.stood_for(spec, "name"));
        spec.map_or(usize::MAX, |spec| K::versions_kept(&spec))
    }

    fn collect_versions<'a>(
        &'a self,
        session: &'a Session,
        name: &'a str,
        published: &'a [String],
        kept: &'a KeptVersions,
    ) -> BoxFuture<'a, Result<Vec<String>, AwsError>> {
        K::collect_versions(session, name, published, kept).boxed()
    }

    fn observe<'a>(
        &'a self,
        session: &'a Session,
        desired: Desired<Arc<Value>>,
        intent: Intent,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Observation, AwsError>> {
        observe_and_plan::<K>(session, desired, intent, now).boxed()
    }
}

async fn observe_and_plan<K: Kind>(
    session: &Session,
    desired: Desired<Arc<Value>>,
    intent: Intent,
    now: Timestamp,
) -> Result<Observation, AwsError> {
    let stood = K::NULLS.stood_for(&desired.spec, &desired.aws_name);
    let spec = K::Spec::deserialize(&stood).map_err(|error| {
        let message = format!(
            "{} is stored in a form that this version cannot read ({error}); apply its manifest again",
            desired.key
        );
        AwsError::new(Class::Invalid, K::SERVICE, "decode", message)
    })?;
    let cleared = match K::NULLS {
        Nulls::AbsentBut(_) => nulls(&stood),
        Nulls::StandFor(_) => Vec::new(),
    };
    let mut desired = Desired { cleared, ..desired.with_spec(spec) };
    let mut live =
        K::observe(session, &desired).await.map_err(|error| concealed(error, &desired))?;
    let unread = live.as_mut().map(Live::take_unread).unwrap_or_default();
    let path = |field: &str| field.split('.').fold(Path::default(), |path, name| path.field(name));
    desired.unread.extend(unread.iter().map(|(field, _)| path(field)));
    let failure = unread.into_iter().next().map(|(_, error)| concealed(error, &desired));
    let desired = Arc::new(desired);
    let (facts, passage) = gate::<K>(&desired, live.as_ref().map(Live::tags), intent, now);
    let plan = match (passage, &live) {
        (Passage::Keep, live) => K::plan(&desired, live.as_ref(), now),
        (Passage::Delete, Some(live)) => K::plan_deletion(&desired, live),
        (Passage::Delete, None) | (Passage::Nothing, _) => Plan::default(),
        (Passage::Wait(waiting), _) => Plan { waiting: Some(waiting), ..Plan::default() },
        (Passage::Stop(blocked), _) => Plan { blocked: Some(blocked), ..Plan::default() },
    };
    let outputs = live.as_ref().map(Live::outputs).unwrap_or_default();
    let physical_id = live.as_ref().and_then(Live::physical_id);
    // What was published before the manifest changed is not what takes over.
    let is_outdated = plan.changes.iter().any(K::is_of_version);
    let next_version = live.as_ref().and_then(Live::next_version).filter(|_| !is_outdated);
    let plan = check(plan, facts).map(|call| runnable::<K>(&desired, call));
    Ok(Observation { plan, facts, outputs, physical_id, next_version, failure })
}

fn runnable<K: Kind>(desired: &Arc<Desired<K::Spec>>, call: K::Step) -> AnyStep {
    let desired = Arc::clone(desired);
    let call = Arc::new(call);
    AnyStep(Arc::new(move |session| {
        let (desired, call) = (Arc::clone(&desired), Arc::clone(&call));
        async move {
            let applied = K::apply(session, &desired, &call).await;
            applied.map_err(|error| concealed(error, &desired))
        }
        .boxed()
    }))
}

/// AWS repeats what it was sent: no error tells the secrets behind a spec.
fn concealed<S>(error: AwsError, desired: &Desired<S>) -> AwsError {
    error.without(desired.resolved.secrets.values())
}
