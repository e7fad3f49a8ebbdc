//! Every kind, once.

use std::marker::PhantomData;

use super::erased::Erased;
use super::{AnyKind, bucket, frontend, function, table};

/// The kinds that stand for AWS resources. `Environment` is not among them: it says where the
/// others live.
pub fn kinds() -> &'static [&'static dyn AnyKind] {
    const KINDS: &[&dyn AnyKind] = &[
        &Erased::<bucket::Bucket>(PhantomData),
        &Erased::<frontend::Frontend>(PhantomData),
        &Erased::<function::Function>(PhantomData),
        &Erased::<table::Table>(PhantomData),
    ];
    KINDS
}

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static dyn AnyKind> {
    kinds().iter().copied().find(|kind| kind.name() == name)
}
