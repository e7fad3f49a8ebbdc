//! The steps by which facets become as declared, for all kinds alike.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use thiserror::Error;

use super::{AnyFacet, Seen, SeenFacets};
use crate::aws::{AwsError, Session};
use crate::kinds::{Outcome, split_off};
use crate::plan::{Blocked, Change, PartlyBlocked, Plan, Verb, is_empty};

/// What a manifest asks for cannot be put into the value that AWS takes.
#[derive(Clone, Debug, Error)]
#[error("the {what} cannot be written: {why}; nothing was written")]
pub struct Unwritable {
    pub(super) what: &'static str,
    pub(super) why: String,
}

pub(super) type Run<Of> =
    Arc<dyn for<'a> Fn(&'a Session, &'a Of) -> BoxFuture<'a, Result<(), AwsError>> + Send + Sync>;

/// A facet's write, ready to be sent.
pub struct Write<Of: ?Sized> {
    /// The value that is sent, as the SDK shows it.
    pub(super) shown: String,
    pub(super) run: Run<Of>,
}

/// The step of a facet that differs.
pub struct FacetStep<Of: ?Sized + 'static> {
    facet: &'static dyn AnyFacet<Of>,
    run: Run<Of>,
    /// What is written, as the SDK shows it; `None` takes the facet away.
    shown: Option<String>,
}

impl<Of: ?Sized + 'static> FacetStep<Of> {
    /// Takes the facet away, whatever it says.
    pub fn clear(facet: &'static dyn AnyFacet<Of>) -> Self {
        Self { facet, run: facet.unset().clear, shown: None }
    }

    /// Sends the write or the removal. The outcome is in progress where the facet settles later.
    pub async fn take(&self, session: &Session, of: &Of) -> Result<Outcome, AwsError> {
        (self.run)(session, of).await?;
        let settles_later = self.facet.settles_later();
        Ok(if settles_later { Outcome::in_progress() } else { Outcome::done() })
    }
}

impl<Of: ?Sized + 'static> Clone for FacetStep<Of> {
    fn clone(&self) -> Self {
        Self { facet: self.facet, run: Arc::clone(&self.run), shown: self.shown.clone() }
    }
}

impl<Of: ?Sized + 'static> fmt::Debug for FacetStep<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "{} {shown}", self.facet.what()),
            None => write!(f, "no {}", self.facet.what()),
        }
    }
}

impl<Of: ?Sized + 'static> PartialEq for FacetStep<Of> {
    fn eq(&self, other: &Self) -> bool {
        (self.facet.field(), &self.shown) == (other.facet.field(), &other.shown)
    }
}

/// Adds the steps of those of some facets that differ: `changes` loses theirs, and `effective` has the words
/// that they shall come to say.
pub fn push_facets<Of: ?Sized + 'static, S>(
    plan: &mut Plan<S>,
    facets: impl IntoIterator<Item = &'static dyn AnyFacet<Of>>,
    seen: &SeenFacets<Of>,
    effective: &Value,
    changes: &mut Vec<Change>,
    step: impl Fn(FacetStep<Of>) -> S,
) {
    for facet in facets {
        let taken = split_off(changes, &[facet.field()]);
        if !taken.is_empty() {
            let (seen, words) = (seen.get(facet.field()), effective.get(facet.field()));
            push_facet(plan, facet, seen, words, taken, &step);
        }
    }
}

/// Adds the step by which a facet comes to say `words`, or to be gone where they are empty. No other step
/// waits for it.
fn push_facet<Of: ?Sized + 'static, S>(
    plan: &mut Plan<S>,
    facet: &'static dyn AnyFacet<Of>,
    seen: Option<&Seen<Of>>,
    words: Option<&Value>,
    changes: Vec<Change>,
    step: impl Fn(FacetStep<Of>) -> S,
) {
    let Some(words) = words.filter(|words| !is_empty(words)) else {
        let run = seen.map_or_else(|| facet.unset().clear, |seen| Arc::clone(&seen.clear));
        let clear = step(FacetStep { facet, run, shown: None });
        plan.push(Verb::Delete, facet.what(), changes, clear).stands_alone();
        return;
    };
    let write = match seen {
        Some(seen) => seen.overlay(words),
        None => facet.unset().overlay(words),
    };
    match write {
        Ok(write) => {
            let is_new = facet.is_created() && seen.is_none_or(|seen| seen.words.is_null());
            let verb = if is_new { Verb::Create } else { Verb::Update };
            let Write { shown, run } = write;
            let put = step(FacetStep { facet, run, shown: Some(shown) });
            plan.push(verb, facet.what(), changes, put).stands_alone();
        }
        Err(error) => {
            let why = Blocked { reason: "NotPlannable", message: error.to_string() };
            let paths = changes.into_iter().map(|change| change.path).collect();
            plan.block_part(PartlyBlocked { paths, why });
        }
    }
}
