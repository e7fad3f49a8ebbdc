//! The kinds of resource that trueup keeps true.
//!
//! A kind is a vertical slice in a folder of its own: `spec.rs` (what a manifest may say), `plan.rs`
//! (what to do about what was seen; pure), `observe.rs`, `apply.rs` and the files of its parts (the only
//! ones that call that service's SDK; they decide nothing). Adding one is a folder and a line in
//! [`registry`].
//!
//! Guarantees, made here once for all kinds:
//! - A resource that does not carry the object's tags is never planned for, except to be adopted
//!   where the manifest asks for it (`gate.rs`).
//! - What a planner returns has passed [`crate::plan::check`].
//! - The engine sees kinds only through [`AnyKind`] and never a service's own types.

mod any_kind;
mod artifact;
mod crd;
mod desired;
mod env;
mod facet;
mod gate;
mod null;
mod policy;
mod registry;
mod shifting;
mod word;

pub mod bucket;
pub mod environment;
pub mod frontend;
pub mod function;
pub mod scaling;
pub mod table;

pub use any_kind::{AnyKind, AnyStep, Intent, Observation};
pub use artifact::S3Location;
pub use crd::CrdStatus;
pub use desired::{
    Comparison, Desired, LiveSide, Resolved, Unasked, comparable, only, readable, split_off,
};
pub use env::{DeclaredEnv, EnvVar, Variables};
pub use facet::{
    AnyFacet, Facet, FacetStep, Plain, Seen, SeenFacets, Told, Unwritable, Write, push_facets,
    read_facets,
};
pub use null::Nulls;
pub use registry::{kind, kinds};
pub use shifting::{
    Analysis, Hook, HookTarget, MAX_DURATION_DEFAULT, MIN_REQUESTS_DEFAULT, Probe, ShiftStep,
    Shifting,
};
pub use word::{UnknownWord, as_aws, text, word};

/// The field by which a kind with versions names the one that gets the requests.
pub const VERSION: &str = "version";

use crd::crd;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::{AwsError, Class, Service, Session};
use crate::model::ReadyVersion;
use crate::plan::{Change, Plan};

/// What a step came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// AWS goes on working on it: observe again before the next step.
    pub in_progress: bool,
    /// The step is not over and has to be taken again: it does not count as a try without effect.
    pub is_waiting: bool,
    /// It was so already: nothing was written, and no try without effect is counted.
    pub is_unchanged: bool,
    /// The id that AWS gave to the resource, where its name does not identify it.
    pub physical_id: Option<String>,
    /// The id of the job that was started.
    pub job: Option<String>,
    /// The version that was published.
    pub version: Option<String>,
}

impl Outcome {
    /// The step is over, and the next one may be taken.
    pub fn done() -> Self {
        Self::default()
    }

    /// It was so already, and the next step may be taken.
    pub fn unchanged() -> Self {
        Self { is_unchanged: true, ..Self::default() }
    }

    /// AWS goes on working on it: observe again before the next step.
    pub fn in_progress() -> Self {
        Self { in_progress: true, ..Self::default() }
    }

    /// AWS works on it, and the same step is to be taken again afterwards.
    pub fn waiting() -> Self {
        Self { in_progress: true, is_waiting: true, ..Self::default() }
    }
}

/// Something wrong with a manifest that its schema cannot say. The path points into `spec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field, as `env[0].name`; empty for the spec as a whole.
    pub path: String,
    /// What is wrong, in words for people.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub help: Option<String>,
}

impl SpecProblem {
    /// A problem without advice.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What was seen of a resource, in the words of the kind's spec.
pub trait Live: Send + Sync + 'static {
    /// All tags of the resource; they tell whose it is.
    fn tags(&self) -> &BTreeMap<String, String>;
    /// The fields that other objects can refer to; each is one of [`Kind::FIELDS`].
    fn outputs(&self) -> BTreeMap<String, String>;
    /// The version that is ready to take over, where one is.
    fn next_version(&self) -> Option<ReadyVersion> {
        None
    }
    /// The id that AWS gave, where the name does not identify the resource.
    fn physical_id(&self) -> Option<String> {
        None
    }
    /// Declared fields that could not be read, and why. They are planned for as if they were not declared.
    fn take_unread(&mut self) -> Unread {
        Unread::new()
    }
}

/// Fields of the spec that could not be read, as `branch.stage`, and why.
pub type Unread = Vec<(&'static str, AwsError)>;

/// Keeps what could be read, and why the rest could not: what AWS refuses to show, or shows in words that this
/// version does not know, is no reason to leave the other facets as they are. An outage is: it passes.
pub fn or_unread<T: Default>(
    read: Result<T, AwsError>,
    field: &'static str,
    unread: &mut Unread,
) -> Result<T, AwsError> {
    match read {
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {
            unread.push((field, error));
            Ok(T::default())
        }
        read => read,
    }
}

/// Within what a resource's name tells it from every other one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameScope {
    /// AWS takes any number of the same name.
    Nothing,
    /// An account and region.
    Region,
    /// All accounts and regions of a partition.
    Partition,
}

/// Which versions of a resource stay that no alias names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptVersions {
    /// So many of the newest.
    pub newest: usize,
    /// Those that the environment's history names.
    pub named: BTreeSet<String>,
}

/// One kind of AWS resource.
pub trait Kind: Send + Sync + 'static {
    /// The kind's name in manifests, as `Bucket`.
    const NAME: &'static str;
    /// The service that has it.
    const SERVICE: Service;
    /// How steps call the whole resource; see [`crate::plan::check`].
    const WHOLE: &'static str;
    /// It holds data: never replaced, retained by default, and pruned only when confirmed by name.
    const HOLDS_DATA: bool;
    /// The create call takes the tags, and the next observation shows them. Where that does not hold, the
    /// recorded intent of a create stands in for them until they are seen.
    const TAGS_SEEN_AT_ONCE: bool = true;
    /// Within what AWS refuses a second resource of the same name.
    const NAME_SCOPE: NameScope = NameScope::Region;
    /// What `null` in a manifest stands for.
    const NULLS: Nulls;
    /// Fields that are compared and written as wholes: a part of one cannot be ignored.
    const WHOLES: &'static [&'static str];
    /// What other objects can refer to.
    const FIELDS: &'static [&'static str];

    /// What a manifest of the kind may say.
    type Spec: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What an observation of the resource gives.
    type Live: Live;
    /// What a step of a plan has to do: one call to AWS, or one pair that may be repeated as a whole.
    type Step: Clone + Send + Sync + 'static;

    /// AWS's rule for the resource's name; the message says it.
    fn check_name(name: &str) -> Result<(), String>;
    /// What the schema cannot check.
    fn validate(spec: &Self::Spec, name: &str) -> Vec<SpecProblem>;

    /// What data, or way back to it, goes when one declared form takes the place of another, for people.
    fn losses(_before: &Self::Spec, _after: &Self::Spec) -> Vec<String> {
        Vec::new()
    }

    /// How a new version of the resource gets its requests.
    fn shifting(_spec: &Self::Spec) -> Shifting {
        Shifting::default()
    }

    /// Whether a difference is in what a version of the resource consists of.
    fn is_of_version(_change: &Change) -> bool {
        false
    }

    /// How many versions of the resource stay that nothing points to any more.
    fn versions_kept(_spec: &Self::Spec) -> usize {
        usize::MAX
    }

    /// Deletes old versions of those that trueup published, oldest first, and returns which are gone.
    fn collect_versions(
        _session: &Session,
        _name: &str,
        _published: &[String],
        _kept: &KeptVersions,
    ) -> impl Future<Output = Result<Vec<String>, AwsError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Reads the resource: only the facets that the spec declares, and the tags. `None` where it
    /// does not exist.
    fn observe(
        session: &Session,
        desired: &Desired<Self::Spec>,
    ) -> impl Future<Output = Result<Option<Self::Live>, AwsError>> + Send;

    /// What to do so that the resource becomes as declared. Ownership is settled before.
    fn plan(
        desired: &Desired<Self::Spec>,
        live: Option<&Self::Live>,
        now: Timestamp,
    ) -> Plan<Self::Step>;

    /// What to do so that the resource goes away.
    fn plan_deletion(desired: &Desired<Self::Spec>, live: &Self::Live) -> Plan<Self::Step>;

    /// Takes one step.
    fn apply(
        session: &Session,
        desired: &Desired<Self::Spec>,
        step: &Self::Step,
    ) -> impl Future<Output = Result<Outcome, AwsError>> + Send;

    /// JSON Schema of the spec, for editors and for validation.
    fn schema() -> schemars::Schema;
    /// The custom resource definition, for Kubernetes tools.
    fn crd() -> Value;
}
