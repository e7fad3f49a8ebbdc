//! A facet whose words say all that AWS has of it.

use std::fmt;
use std::future::Future;

use aws_smithy_types::error::operation::BuildError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Facet, not_removable};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::UnknownWord;

/// A facet whose words say all that AWS has of it: a write carries nothing else along.
pub trait Plain: Send + Sync + 'static {
    /// See [`Facet::Of`].
    type Of: ?Sized + Sync + 'static;
    /// See [`Facet::FIELD`] and those that follow it.
    const FIELD: &'static str;
    /// See [`Facet::WHAT`].
    const WHAT: &'static str;
    /// See [`Facet::READ`].
    const READ: (Service, &'static str);
    /// See [`Facet::SETTLES_LATER`].
    const SETTLES_LATER: bool = false;
    /// The facet in the words of the spec, which stand for the SDK's value, too.
    type Words: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Reads it; `None` where it is not set.
    fn read(
        session: &Session,
        of: &Self::Of,
    ) -> impl Future<Output = Result<Option<Self::Words>, AwsError>> + Send;
    /// What to write now so that it comes to say `words`: AWS may take it in two writes only, the second after
    /// another observation.
    fn toward(words: Self::Words, _live: Option<Self::Words>) -> Self::Words {
        words
    }
    /// Writes the words, whole.
    fn write(
        session: &Session,
        of: &Self::Of,
        words: Self::Words,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
    /// Removes it, or sets it as a resource without it has it. Refused where AWS has no call for that.
    fn clear(
        _session: &Session,
        _of: &Self::Of,
    ) -> impl Future<Output = Result<(), AwsError>> + Send {
        async { Err(not_removable(Self::READ, Self::WHAT)) }
    }
}

impl<P: Plain> Facet for P {
    type Of = P::Of;
    const FIELD: &'static str = P::FIELD;
    const WHAT: &'static str = P::WHAT;
    const READ: (Service, &'static str) = P::READ;
    const SETTLES_LATER: bool = P::SETTLES_LATER;
    type Sdk = P::Words;
    type Words = P::Words;

    fn read(
        session: &Session,
        of: &P::Of,
    ) -> impl Future<Output = Result<Option<P::Words>, AwsError>> + Send {
        P::read(session, of)
    }

    fn words(sdk: &P::Words) -> Result<Option<P::Words>, UnknownWord> {
        Ok(Some(sdk.clone()))
    }

    fn overlay(words: P::Words, live: Option<P::Words>) -> Result<P::Words, BuildError> {
        Ok(P::toward(words, live))
    }

    fn write(
        session: &Session,
        of: &P::Of,
        words: P::Words,
    ) -> impl Future<Output = Result<(), AwsError>> + Send {
        P::write(session, of, words)
    }

    fn clear(
        session: &Session,
        of: &P::Of,
        _: Option<P::Words>,
    ) -> impl Future<Output = Result<(), AwsError>> + Send {
        P::clear(session, of)
    }
}
