//! The resource model: what an object is, how it is named, and the words that every floor above
//! shares.
//!
//! Pure values only: no I/O, no AWS type. Time enters through [`Clock`].

mod clock;
mod common;
mod conceal;
mod condition;
mod data_source;
mod digest;
mod evidence;
mod job;
mod object;
mod path;
mod reference;
mod secret;
mod version;
mod visible;

pub use clock::{Clock, parse_duration};
pub use common::{Common, DeletionPolicy};
pub use condition::{Condition, ConditionStatus, Conditions, condition_type};
pub use data_source::DataSource;
pub use digest::{canonical_json, digest_of, hmac_sha256, sha256_hex};
pub use evidence::{Counts, Evidence, Finding, Guard, Interval};
pub use job::StartedJob;
pub use object::{API_VERSION, Metadata, Object, ObjectId, ObjectKey, annotation};
pub use path::{Path, Segment};
pub use reference::{
    ObjectFieldRef, SecretRef, SecretsManagerRef, SsmRef, ValueFrom, object_references,
    secret_references, secrets_by_field,
};
pub use secret::Secret;
pub use version::{Part, ReadyVersion};
pub use visible::{has_hidden, visible, visible_in_colour};
