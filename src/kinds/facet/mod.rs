//! A facet: a part of a live resource that has a read and a write call of its own, told once.
//!
//! Expected flow: [`AnyFacet::read`] keeps the value as the SDK gave it, and says it in the words of the
//! spec. The planner compares the words, and asks [`Seen::overlay`] for the write that makes the facet as
//! it shall be. The step carries that [`Write`].
//!
//! Guarantees:
//! - A write begins with the live value as AWS gave it, and sets what has a word in the spec: what has
//!   none is sent back as it came.
//! - A word that this version does not know, and a value that the SDK refuses, are errors before
//!   anything is written.
//!
//! Left to others: what to write (`plan.rs` of the kind), whether the resource exists.

mod plain;
mod step;

pub use plain::Plain;
pub use step::{FacetStep, Unwritable, Write, push_facets};

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use aws_smithy_types::error::operation::BuildError;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{UnknownWord, Unread, or_unread};
use crate::aws::{AwsError, Class, Service, Session};
use step::Run;

/// One facet. `Of` is what its calls need to name the resource.
pub trait Facet: Send + Sync + 'static {
    /// What its calls need to name the resource.
    type Of: ?Sized + Sync + 'static;
    /// The field of the spec, and the root of its paths.
    const FIELD: &'static str;
    /// How steps call it.
    const WHAT: &'static str;
    /// The call that reads it, as `s3 GetBucketCors`.
    const READ: (Service, &'static str);
    /// AWS goes on working after a write, and is observed again before the next step.
    const SETTLES_LATER: bool = false;
    /// AWS has one call to make it and another to change it.
    const IS_CREATED: bool = false;
    /// The facet as the SDK has it.
    type Sdk: Clone + fmt::Debug + Send + Sync + 'static;
    /// The facet in the words of the spec.
    type Words: Serialize + DeserializeOwned;

    /// Reads it; `None` where it is not set.
    fn read(
        session: &Session,
        of: &Self::Of,
    ) -> impl Future<Output = Result<Option<Self::Sdk>, AwsError>> + Send;
    /// Says it in the words of the spec; `None` where there is nothing to say.
    fn words(sdk: &Self::Sdk) -> Result<Option<Self::Words>, UnknownWord>;
    /// Whether the words are what AWS says of a resource whose facet was removed.
    fn is_unset(_words: &Self::Words) -> bool {
        false
    }
    /// The live value with everything that has a word set as `words` say.
    fn overlay(words: Self::Words, live: Option<Self::Sdk>) -> Result<Self::Sdk, BuildError>;
    /// Writes the value that [`Facet::overlay`] made, whole.
    fn write(
        session: &Session,
        of: &Self::Of,
        sdk: Self::Sdk,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
    /// Removes it, or sets it as a resource without it has it. Refused where AWS has no call for that. `_live` is
    /// what was read, for AWS's own guards.
    fn clear(
        _session: &Session,
        _of: &Self::Of,
        _live: Option<Self::Sdk>,
    ) -> impl Future<Output = Result<(), AwsError>> + Send {
        async { Err(not_removable(Self::READ, Self::WHAT)) }
    }
}

fn not_removable((service, operation): (Service, &'static str), what: &str) -> AwsError {
    let message = format!("AWS has no call that removes the {what}; give it a value");
    AwsError::new(Class::Invalid, service, operation, message)
}

/// A facet without its types.
pub trait AnyFacet<Of: ?Sized>: Send + Sync {
    /// See [`Facet::FIELD`].
    fn field(&self) -> &'static str;
    /// See [`Facet::WHAT`].
    fn what(&self) -> &'static str;
    /// See [`Facet::SETTLES_LATER`].
    fn settles_later(&self) -> bool;
    /// See [`Facet::IS_CREATED`].
    fn is_created(&self) -> bool;
    /// Reads it, and says it in the words of the spec. A word that this version does not know is an error.
    fn read<'a>(
        &self,
        session: &'a Session,
        of: &'a Of,
    ) -> BoxFuture<'a, Result<Seen<Of>, AwsError>>;
    /// What is seen where the facet is not set.
    fn unset(&self) -> Seen<Of>;
    /// What is seen where it says these words, for planners' tests.
    #[cfg(test)]
    fn saying(&self, words: &Value) -> Seen<Of>;
}

/// Facets that were read, by their fields.
pub type SeenFacets<Of> = BTreeMap<&'static str, Seen<Of>>;

/// Reads the declared ones of some facets. Those that cannot be read are named in `unread`.
pub async fn read_facets<Of: ?Sized + Sync>(
    session: &Session,
    of: &Of,
    facets: &[&'static dyn AnyFacet<Of>],
    is_declared: impl Fn(&str) -> bool,
    unread: &mut Unread,
) -> Result<SeenFacets<Of>, AwsError> {
    let mut seen = BTreeMap::new();
    for facet in facets.iter().filter(|facet| is_declared(facet.field())) {
        let read = facet.read(session, of).await.map(Some);
        seen.extend(or_unread(read, facet.field(), unread)?.map(|read| (facet.field(), read)));
    }
    Ok(seen)
}

/// Gives a [`Facet`] its untyped face.
pub struct Told<F>(pub PhantomData<F>);

impl<F: Facet> AnyFacet<F::Of> for Told<F> {
    fn field(&self) -> &'static str {
        F::FIELD
    }

    fn what(&self) -> &'static str {
        F::WHAT
    }

    fn settles_later(&self) -> bool {
        F::SETTLES_LATER
    }

    fn is_created(&self) -> bool {
        F::IS_CREATED
    }

    fn read<'a>(
        &self,
        session: &'a Session,
        of: &'a F::Of,
    ) -> BoxFuture<'a, Result<Seen<F::Of>, AwsError>> {
        async move { Seen::of::<F>(F::read(session, of).await?) }.boxed()
    }

    fn unset(&self) -> Seen<F::Of> {
        let (overlay, clear) = (overlay::<F>(None), clear::<F>(None));
        Seen { words: Value::Null, is_unset: true, overlay, clear }
    }

    #[cfg(test)]
    fn saying(&self, words: &Value) -> Seen<F::Of> {
        // Only the planners' tests call this, with words of their own.
        let words = F::Words::deserialize(words).expect("words of the facet");
        seen::<F>(Some(F::overlay(words, None).expect("a whole value"))).expect("known words")
    }
}

fn seen<F: Facet>(sdk: Option<F::Sdk>) -> Result<Seen<F::Of>, UnknownWord> {
    let words = sdk.as_ref().map(F::words).transpose()?.flatten();
    let is_unset = words.as_ref().is_none_or(F::is_unset);
    let clear = clear::<F>(sdk.clone());
    Ok(Seen { words: json!(words), is_unset, overlay: overlay::<F>(sdk), clear })
}

fn clear<F: Facet>(live: Option<F::Sdk>) -> Run<F::Of> {
    Arc::new(move |session, of| F::clear(session, of, live.clone()).boxed())
}

type Overlay<Of> = Arc<dyn Fn(&Value) -> Result<Write<Of>, Unwritable> + Send + Sync>;

fn overlay<F: Facet>(live: Option<F::Sdk>) -> Overlay<F::Of> {
    Arc::new(move |words| {
        let unwritable = |why: String| Unwritable { what: F::WHAT, why };
        let words = F::Words::deserialize(words).map_err(|error| unwritable(error.to_string()))?;
        let sdk = F::overlay(words, live.clone()).map_err(|error| {
            // The SDK's own error says less than what it comes from.
            let source = std::error::Error::source(&error).map(ToString::to_string);
            unwritable(source.unwrap_or_else(|| error.to_string()))
        })?;
        let shown = format!("{sdk:?}");
        let run: Run<F::Of> = Arc::new(move |session, of| {
            let sdk = sdk.clone();
            F::write(session, of, sdk).boxed()
        });
        Ok(Write { shown, run })
    })
}

/// A facet that was read.
pub struct Seen<Of: ?Sized> {
    /// In the words of the spec; null where it is not set.
    pub words: Value,
    /// It says what AWS says where the facet was removed.
    pub is_unset: bool,
    overlay: Overlay<Of>,
    pub(super) clear: Run<Of>,
}

impl<Of: ?Sized> Seen<Of> {
    /// What a kind has read by itself, because it needs more than the words.
    pub fn of<F: Facet<Of = Of>>(sdk: Option<F::Sdk>) -> Result<Self, AwsError> {
        let (service, operation) = F::READ;
        seen::<F>(sdk).map_err(|unknown| unknown.in_reply(service, operation))
    }

    /// The write that makes the facet say `words`, and leaves what they cannot say as it is.
    pub fn overlay(&self, words: &Value) -> Result<Write<Of>, Unwritable> {
        (self.overlay)(words)
    }
}

impl<Of: ?Sized> Clone for Seen<Of> {
    fn clone(&self) -> Self {
        let (words, is_unset) = (self.words.clone(), self.is_unset);
        let (overlay, clear) = (Arc::clone(&self.overlay), Arc::clone(&self.clear));
        Self { words, is_unset, overlay, clear }
    }
}

impl<Of: ?Sized> fmt::Debug for Seen<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.words)
    }
}
