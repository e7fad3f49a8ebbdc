//! A bucket's facets, each told once: its read, its words, its write and its removal side by side.

mod acceleration;
mod access;
mod cors;
mod encryption;
mod lifecycle;
mod logging;
mod notifications;
mod object_lock;
mod policy;
mod versioning;
mod website;

use std::marker::PhantomData;

use aws_smithy_types::error::operation::BuildError;

use crate::kinds::{AnyFacet, Told};

/// The facets in the order in which they are written: what closes comes first, and a policy may need the
/// public access block to be open.
pub(super) const FACETS: [&dyn AnyFacet<str>; 12] = [
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
];

type Built<T> = Result<T, BuildError>;
