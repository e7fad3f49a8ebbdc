//! Bringing what one environment runs to another: what is read and checked first, and what is done then.

use serde::Deserialize;

use super::packages::copy_all;
use super::{
    Current, MoveError, Promotion, Refused, Selection, Submitted, check_hold, check_needs,
    check_windows, current, losses, moves_all, needs_approval, promote, submit,
};
use crate::aws::Sessions;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{Object, ObjectId};
use crate::store::{NewRelease, Promoted, Store, Verdict};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Promoting<'a> {
    /// The environment that the content comes from.
    pub from: &'a str,
    /// The environment that it goes to.
    pub to: &'a str,
    /// The release that is meant; refused where another one is current by now.
    pub release: Option<u64>,
    /// Which objects move, and how much of them.
    pub selection: Selection,
    /// It goes on while the other environment has no window open, too.
    pub overrides_window: bool,
    /// Objects that may lose something, by name.
    pub confirmed: Vec<ObjectId>,
}

/// A promotion that nothing is against.
pub struct PlannedPromotion {
    /// What the other environment becomes.
    pub promotion: Promotion,
    /// Somebody with a key made the release that is promoted.
    is_trusted: bool,
    /// What the other environment is now.
    pub current: Current,
    /// What is promoted.
    pub source: Promoted,
    /// Who made that, and from which commit.
    pub author: String,
    /// The commit that the promoted release was built from. Empty where none is known.
    pub commit: String,
    /// All that was built is promoted, and not some objects alone.
    is_whole: bool,
    ours: EnvironmentSpec,
    theirs: EnvironmentSpec,
}

impl PlannedPromotion {
    /// The other environment has all of it already.
    pub fn is_done(&self) -> bool {
        self.promotion.changed.is_empty()
    }
}

/// The Environment among objects, where it is there and can be read.
pub fn spec_of(objects: &[Object]) -> Option<EnvironmentSpec> {
    let spec = objects.iter().find(|object| object.kind == environment::NAME)?;
    EnvironmentSpec::deserialize(&*spec.spec).ok()
}

/// Says what would move. Both environments are read once: what is checked is what moves.
pub async fn plan_promotion(
    store: &Store,
    asked: &Promoting<'_>,
) -> Result<PlannedPromotion, MoveError> {
    let (from, to) = (asked.from, asked.to);
    store.existing_head(from).await?;
    store.existing_head(to).await?;
    let (source, current) = (current(store, from).await?, current(store, to).await?);
    let unreadable = |name: &str| Refused::NoEnvironment { environment: name.to_owned() };
    let release = source.release.as_ref().ok_or_else(|| unreadable(from))?;
    if let Some(wanted) = asked.release.filter(|wanted| *wanted != release.number) {
        let (environment, now) = (from.to_owned(), release.number);
        return Err(Refused::AnotherRelease { environment, wanted, now }.into());
    }
    let verdict = store.rollout(from, release.number).await?.map(|rollout| rollout.verdict);
    let verdict = verdict.unwrap_or_default();
    if verdict != Verdict::Succeeded {
        let (environment, release) = (from.to_owned(), release.number);
        return Err(Refused::NotSucceeded { environment, release, verdict }.into());
    }
    let ours = spec_of(&source.objects).ok_or_else(|| unreadable(from))?;
    let theirs = spec_of(&current.objects).ok_or_else(|| unreadable(to))?;
    if let Some(only) = theirs.promotion.as_ref().filter(|promotion| promotion.from != from) {
        let (environment, only) = (to.to_owned(), only.from.clone());
        return Err(Refused::NotPromotedFrom { environment, from: from.to_owned(), only }.into());
    }
    let named = asked.selection.only.iter().chain(&asked.selection.whole);
    for (environment, objects) in [(from, &source.objects), (to, &current.objects)] {
        let is_unknown = |id: &&_| !objects.iter().any(|object| object.id() == **id);
        if let Some(object) = named.clone().find(is_unknown).cloned() {
            return Err(
                Refused::NoSuchObject { environment: environment.to_owned(), object }.into()
            );
        }
    }
    let buckets = (ours.artifacts.as_ref(), theirs.artifacts.as_ref());
    let promotion = promote(&source.objects, &current.objects, buckets, &asked.selection);
    let losses = losses(&current.objects, &promotion.objects).into_iter();
    let losses: Vec<_> = losses.filter(|(id, _)| !asked.confirmed.contains(id)).collect();
    if !losses.is_empty() {
        let (environment, from) = (to.to_owned(), from.to_owned());
        return Err(Refused::PromotionLoses { environment, from, losses }.into());
    }
    if !promotion.changed.is_empty() {
        check_hold(to, current.head.as_ref(), &promotion.objects)?;
        // What waits for an approval meets the windows when it gets it.
        if !asked.overrides_window && !needs_approval(&current) {
            check_windows(to, &current.objects, store.clock().now())?;
        }
    }
    Ok(PlannedPromotion {
        is_trusted: store.is_signed(from, release).await?,
        promotion,
        source: Promoted { environment: from.to_owned(), release: release.number },
        author: release.author.clone(),
        commit: release.commit.clone(),
        is_whole: asked.selection.only.is_empty(),
        current,
        ours,
        theirs,
    })
}

/// Copies the packages, and records the release or proposes it. `new` says who does it and why.
pub async fn carry_out_promotion(
    store: &Store,
    sessions: &Sessions,
    to: &str,
    planned: PlannedPromotion,
    new: NewRelease,
) -> Result<Submitted, MoveError> {
    let PlannedPromotion { promotion, is_trusted, current, source, is_whole, ours, theirs, .. } =
        planned;
    let target = theirs.target();
    copy_all(sessions, &ours.target(), (to, &target), &promotion.copies).await?;
    check_needs(sessions, to, &current.objects, &promotion.objects).await?;
    let new = NewRelease {
        moves_all: moves_all(&current.objects, &promotion.objects),
        holds: current.head.as_ref().map(|head| head.holds_after_apply()).unwrap_or_default(),
        promoted: Some(source).filter(|_| is_whole),
        objects: promotion.objects,
        is_trusted,
        ..new
    };
    Ok(submit(store, to, &current, new).await?)
}
