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
use thiserror::Error;

use super::UnknownWord;
use crate::aws::{AwsError, Service, Session};
use crate::plan::{Blocked, Change, Plan, Verb, is_empty};

/// One facet. `Of` is what its calls need to name the resource.
pub trait Facet: Send + Sync + 'static {
    type Of: ?Sized + Sync + 'static;
    /// The field of the spec, and the root of its paths.
    const FIELD: &'static str;
    /// How steps call it.
    const WHAT: &'static str;
    /// The call that reads it, as `s3 GetBucketCors`.
    const READ: (Service, &'static str);
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
    fn write(
        session: &Session,
        of: &Self::Of,
        sdk: Self::Sdk,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
    /// Removes it, or sets it as a resource without it has it.
    fn clear(session: &Session, of: &Self::Of)
    -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// A facet without its types.
pub trait AnyFacet<Of: ?Sized>: Send + Sync {
    fn field(&self) -> &'static str;
    fn what(&self) -> &'static str;
    fn read<'a>(
        &self,
        session: &'a Session,
        of: &'a Of,
    ) -> BoxFuture<'a, Result<Seen<Of>, AwsError>>;
    fn clear<'a>(&self, session: &'a Session, of: &'a Of) -> BoxFuture<'a, Result<(), AwsError>>;
    /// What is seen where the facet is not set.
    fn unset(&self) -> Seen<Of>;
    /// What is seen where it says these words, for planners' tests.
    #[cfg(test)]
    fn saying(&self, words: &Value) -> Seen<Of>;
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

    fn read<'a>(
        &self,
        session: &'a Session,
        of: &'a F::Of,
    ) -> BoxFuture<'a, Result<Seen<F::Of>, AwsError>> {
        async move {
            let (service, operation) = F::READ;
            let sdk = F::read(session, of).await?;
            seen::<F>(sdk).map_err(|unknown| unknown.in_reply(service, operation))
        }
        .boxed()
    }

    fn clear<'a>(
        &self,
        session: &'a Session,
        of: &'a F::Of,
    ) -> BoxFuture<'a, Result<(), AwsError>> {
        F::clear(session, of).boxed()
    }

    fn unset(&self) -> Seen<F::Of> {
        Seen { words: Value::Null, is_unset: true, overlay: overlay::<F>(None) }
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
    Ok(Seen { words: json!(words), is_unset, overlay: overlay::<F>(sdk) })
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
        Ok(Write { what: F::WHAT, shown, run })
    })
}

/// A facet that was read.
pub struct Seen<Of: ?Sized> {
    /// In the words of the spec; null where it is not set.
    pub words: Value,
    /// It says what AWS says where the facet was removed.
    pub is_unset: bool,
    overlay: Overlay<Of>,
}

impl<Of: ?Sized> Seen<Of> {
    /// The write that makes the facet say `words`, and leaves what they cannot say as it is.
    pub fn overlay(&self, words: &Value) -> Result<Write<Of>, Unwritable> {
        (self.overlay)(words)
    }
}

impl<Of: ?Sized> Clone for Seen<Of> {
    fn clone(&self) -> Self {
        let (words, is_unset) = (self.words.clone(), self.is_unset);
        Self { words, is_unset, overlay: Arc::clone(&self.overlay) }
    }
}

impl<Of: ?Sized> fmt::Debug for Seen<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.words)
    }
}

/// What a manifest asks for cannot be put into the value that AWS takes.
#[derive(Clone, Debug, Error)]
#[error("the {what} cannot be written: {why}; nothing was written")]
pub struct Unwritable {
    what: &'static str,
    why: String,
}

/// A facet that is taken away.
pub struct Removed<Of: ?Sized + 'static>(&'static dyn AnyFacet<Of>);

impl<Of: ?Sized> Clone for Removed<Of> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Of: ?Sized> Copy for Removed<Of> {}

impl<Of: ?Sized> fmt::Debug for Removed<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.field())
    }
}

impl<Of: ?Sized> PartialEq for Removed<Of> {
    fn eq(&self, other: &Self) -> bool {
        self.0.field() == other.0.field()
    }
}

/// The step of a facet that differs.
pub enum FacetStep<Of: ?Sized + 'static> {
    Put(Write<Of>),
    Clear(Removed<Of>),
}

impl<Of: ?Sized> Clone for FacetStep<Of> {
    fn clone(&self) -> Self {
        match self {
            Self::Put(write) => Self::Put(write.clone()),
            Self::Clear(removed) => Self::Clear(*removed),
        }
    }
}

impl<Of: ?Sized> fmt::Debug for FacetStep<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(write) => write.fmt(f),
            Self::Clear(removed) => write!(f, "no {removed:?}"),
        }
    }
}

impl<Of: ?Sized> PartialEq for FacetStep<Of> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Put(one), Self::Put(other)) => one == other,
            (Self::Clear(one), Self::Clear(other)) => one == other,
            _ => false,
        }
    }
}

impl<Of: ?Sized> FacetStep<Of> {
    pub async fn take(&self, session: &Session, of: &Of) -> Result<(), AwsError> {
        match self {
            Self::Put(write) => write.send(session, of).await,
            Self::Clear(Removed(facet)) => facet.clear(session, of).await,
        }
    }
}

/// Adds the step by which a facet comes to say `words`, or to be gone where they are empty. No other step
/// waits for it.
pub fn push_facet<Of: ?Sized, S>(
    plan: &mut Plan<S>,
    facet: &'static dyn AnyFacet<Of>,
    seen: Option<&Seen<Of>>,
    words: Option<&Value>,
    changes: Vec<Change>,
    step: impl FnOnce(FacetStep<Of>) -> S,
) {
    let Some(words) = words.filter(|words| !is_empty(words)) else {
        let clear = step(FacetStep::Clear(Removed(facet)));
        plan.push(Verb::Delete, facet.what(), changes, clear).stands_alone();
        return;
    };
    let write = match seen {
        Some(seen) => seen.overlay(words),
        None => facet.unset().overlay(words),
    };
    match write {
        Ok(write) => {
            let put = step(FacetStep::Put(write));
            plan.push(Verb::Update, facet.what(), changes, put).stands_alone();
        }
        Err(error) => {
            let blocked = Blocked { reason: "NotPlannable", message: error.to_string() };
            plan.blocked.get_or_insert(blocked);
        }
    }
}

type Run<Of> =
    Arc<dyn for<'a> Fn(&'a Session, &'a Of) -> BoxFuture<'a, Result<(), AwsError>> + Send + Sync>;

/// A facet's write, ready to be sent.
pub struct Write<Of: ?Sized> {
    what: &'static str,
    /// The value that is sent, as the SDK shows it.
    shown: String,
    run: Run<Of>,
}

impl<Of: ?Sized> Write<Of> {
    pub async fn send(&self, session: &Session, of: &Of) -> Result<(), AwsError> {
        (self.run)(session, of).await
    }
}

impl<Of: ?Sized> Clone for Write<Of> {
    fn clone(&self) -> Self {
        Self { what: self.what, shown: self.shown.clone(), run: Arc::clone(&self.run) }
    }
}

impl<Of: ?Sized> fmt::Debug for Write<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.shown)
    }
}

impl<Of: ?Sized> PartialEq for Write<Of> {
    fn eq(&self, other: &Self) -> bool {
        (self.what, &self.shown) == (other.what, &other.shown)
    }
}
