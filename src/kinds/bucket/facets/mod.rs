//! A bucket's facets, each told once: its read, its words, its write and its removal side by side.

mod acceleration;
mod access;
mod configurations;
mod cors;
mod encryption;
mod filter;
mod inventory;
mod lifecycle;
mod logging;
mod metrics;
mod notifications;
mod object_lock;
mod policy;
mod replication;
mod tiering;
mod versioning;
mod website;

use std::marker::PhantomData;

use aws_smithy_types::error::operation::BuildError;

use serde::Deserialize;

use crate::kinds::{AnyFacet, Told, UnknownWord, word};

/// The facets in the order in which they are written: what closes comes first, and a policy may need the
/// public access block to be open.
pub(super) const FACETS: [&dyn AnyFacet<str>; 16] = [
    &Told::<access::Block>(PhantomData),
    &Told::<access::Ownership>(PhantomData),
    &Told::<policy::Policy>(PhantomData),
    &Told::<versioning::BucketVersioning>(PhantomData),
    &Told::<object_lock::Lock>(PhantomData),
    &Told::<encryption::Encryption>(PhantomData),
    &Told::<lifecycle::Lifecycle>(PhantomData),
    &Told::<cors::Cors>(PhantomData),
    &Told::<website::Site>(PhantomData),
    &Told::<logging::Logs>(PhantomData),
    &Told::<notifications::Notices>(PhantomData),
    &Told::<acceleration::Accelerate>(PhantomData),
    &Told::<replication::Copies>(PhantomData),
    &Told::<configurations::Each<tiering::Tierings>>(PhantomData),
    &Told::<configurations::Each<inventory::Inventories>>(PhantomData),
    &Told::<configurations::Each<metrics::Metrics>>(PhantomData),
];

type Built<T> = Result<T, BuildError>;

/// S3's own words for what acts and what does not.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Status {
    Enabled,
    Disabled,
}

fn is_enabled(field: &'static str, status: &str) -> Result<bool, UnknownWord> {
    Ok(word::<Status>(field, status)? == Status::Enabled)
}

/// What is not given is on.
fn status(enabled: Option<bool>) -> &'static str {
    if enabled == Some(false) { "Disabled" } else { "Enabled" }
}
