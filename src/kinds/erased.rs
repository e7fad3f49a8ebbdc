//! Kinds as the engine sees them: one look gives a checked plan whose steps know how to run.
//!
//! Guarantees: no error that comes out of a kind repeats a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Desired, Kind, Live, Outcome, Problem};
use crate::aws::{AwsError, Class, Session, tags};
use crate::model::Common;
use crate::plan::{Facts, Plan, check};

/// What the object asks of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To be as declared.
    Keep,
    /// To go away.
    Delete,
}

/// What one look at a resource came to.
pub struct Look {
    pub plan: Plan<AnyStep>,
    pub facts: Facts,
    pub outputs: BTreeMap<String, String>,
    pub identity: Option<String>,
}

type Run = dyn for<'a> Fn(&'a Session) -> BoxFuture<'a, Result<Outcome, AwsError>> + Send + Sync;

/// A step that can be taken without knowing its kind.
#[derive(Clone)]
pub struct AnyStep(Arc<Run>);

impl AnyStep {
    pub async fn apply(&self, session: &Session) -> Result<Outcome, AwsError> {
        (self.0)(session).await
    }
}

/// A kind without its types.
pub trait AnyKind: Send + Sync {
    fn name(&self) -> &'static str;
    fn holds_data(&self) -> bool;
    fn fields(&self) -> &'static [&'static str];
    fn schema(&self) -> schemars::Schema;
    fn crd(&self) -> Value;
    /// What the schema cannot check. The spec must conform to the schema.
    fn validate(&self, spec: &Value) -> Vec<Problem>;
    /// Whether a spec can be read as the kind's type.
    fn is_readable(&self, spec: &Value) -> bool;
    fn check_name(&self, name: &str) -> Result<(), String>;
    fn common(&self, spec: &Value) -> Common;
    /// Observes the resource, plans, and checks the plan.
    fn look<'a>(
        &'a self,
        session: &'a Session,
        desired: Desired<Value>,
        intent: Intent,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Look, AwsError>>;
}

/// Gives a [`Kind`] its untyped face.
pub(super) struct Erased<K>(pub std::marker::PhantomData<K>);

impl<K: Kind> AnyKind for Erased<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn holds_data(&self) -> bool {
        K::HOLDS_DATA
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

    fn validate(&self, spec: &Value) -> Vec<Problem> {
        match K::Spec::deserialize(spec) {
            Ok(spec) => K::validate(&spec),
            Err(error) => vec![Problem::new("", error.to_string())],
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

    fn look<'a>(
        &'a self,
        session: &'a Session,
        desired: Desired<Value>,
        intent: Intent,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Look, AwsError>> {
        look::<K>(session, desired, intent, now).boxed()
    }
}

async fn look<K: Kind>(
    session: &Session,
    desired: Desired<Value>,
    intent: Intent,
    now: Timestamp,
) -> Result<Look, AwsError> {
    let spec = K::Spec::deserialize(&desired.spec).map_err(|error| {
        let message = format!(
            "{} is stored in a form that this version cannot read ({error}); apply its manifest again",
            desired.key
        );
        AwsError::new(Class::Invalid, "trueup", "decode", message)
    })?;
    let desired = Arc::new(desired.with_spec(spec));
    let live = K::observe(session, &desired).await.map_err(|error| concealed(error, &desired))?;
    let owned = live.as_ref().is_some_and(|live| {
        let bridged = !K::TAGS_SEEN_AT_ONCE && desired.create_begun.is_some() && is_untagged(live);
        bridged || tags::owned_by(live.tags(), &desired.key, &desired.uid)
    });
    let facts = Facts {
        exists: live.is_some(),
        owned: owned || (desired.adopt && intent == Intent::Keep),
        holds_data: K::HOLDS_DATA,
        deletion_asked: intent == Intent::Delete,
    };
    let plan = match (&live, intent) {
        (Some(live), Intent::Keep) if !facts.owned => foreign(K::WHOLE, &desired.aws_name, live),
        (None, _) if may_be_unseen::<K>(&desired, intent, now) => unseen(K::WHOLE),
        (live, Intent::Keep) => K::plan(&desired, live.as_ref(), now),
        // Tags that were taken off are no proof that it is somebody else's, and none that it is ours.
        (Some(live), Intent::Delete) if !owned && desired.is_known && is_untagged(live) => {
            untagged(K::WHOLE, &desired.aws_name)
        }
        // Somebody else's resource, or none: nothing of ours is left to delete.
        (_, Intent::Delete) if !owned => Plan::default(),
        (Some(live), Intent::Delete) => K::plan_deletion(&desired, live),
        (None, Intent::Delete) => Plan::default(),
    };
    let outputs = live.as_ref().map(Live::outputs).unwrap_or_default();
    let identity = live.as_ref().and_then(Live::identity);
    let plan = check(plan, facts).map(|call| runnable::<K>(&desired, call));
    Ok(Look { plan, facts, outputs, identity })
}

fn foreign<S>(whole: &str, name: &str, live: &impl Live) -> Plan<S> {
    let owner = tags::describe_owner(live.tags());
    Plan::blocked(
        "NotOwned",
        format!(
            "a {whole} named {name} exists and is not this object's: {owner}. To take it over, \
             annotate the manifest with trueup.dev/adopt: \"true\"; otherwise give it another name"
        ),
    )
}

/// How long AWS may take to show what was made: its control planes are eventually consistent.
const SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A create was begun a moment ago. What is not seen may be there all the same: made again it would be
/// there twice, and taken for gone it would be left behind.
fn may_be_unseen<K: Kind>(desired: &Desired<K::Spec>, intent: Intent, now: Timestamp) -> bool {
    let matters = intent == Intent::Delete || !K::NAME_IS_UNIQUE;
    matters && desired.create_begun.is_some_and(|at| now.duration_since(at) < SEEN_WITHIN)
}

fn unseen<S>(whole: &str) -> Plan<S> {
    let message = format!("a {whole} was to be made a moment ago, and AWS does not show it yet");
    Plan::waiting("NotSeenYet", message)
}

fn is_untagged(live: &impl Live) -> bool {
    !live.tags().keys().any(|tag| tag.starts_with(tags::PREFIX))
}

fn untagged<S>(whole: &str, name: &str) -> Plan<S> {
    Plan::blocked(
        "NotOwned",
        format!(
            "the {whole} {name} was made by trueup and has lost its trueup.dev/ tags, so it is not \
             deleted. Delete it by hand, or put the tags back"
        ),
    )
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
