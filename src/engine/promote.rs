//! Promotion without a person: a release that succeeded in one environment and stayed well there goes on to the
//! environment that names it.
//!
//! Guarantees: one release is promoted once, also where it was rolled back since. Nothing is promoted into an
//! environment whose own release is not over, that is suspended, or that has no open window.
//!
//! Left to others: what moves (`release`), what becomes of it (`rollout`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::pass::Context;
use super::release::{
    MoveError, Promoting, Refused, Selection, Soak, Submitted, TransferError, carry_out_promotion,
    plan_promotion, soak,
};
use super::runner::Engine;
use super::watch::Answer;
use super::world::EnvironmentState;
use crate::kinds::environment::{self, Promotion};
use crate::model::{ObjectId, ObjectKey};
use crate::store::{Cause, EventKind, Head, NewRelease, Promoted, Stage, StoreError};

/// Releases that are searched for one that was promoted before.
const SEARCHED_MAX: usize = 200;
/// How soon a release that is not over, or not well, is looked at again.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// The same where something is against it that a person has to mend.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(300);
/// The same while an object is not Ready, or AWS does not answer.
const UNWELL_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// No try takes longer: a large package is copied.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// What is known of an environment's next promotion.
#[derive(Debug, Default)]
pub(super) struct NextPromotion {
    /// What was tried: another release, or other words of the manifest, are tried anew.
    tried: Option<(Promotion, u64)>,
    /// When it is tried again; `None` for never.
    again_at: Option<Instant>,
    /// A try is under way, at most until then.
    until: Option<Instant>,
}

/// What came of a try.
pub(super) struct Tried {
    environment: Arc<str>,
    /// When to try it again; `None` for never.
    again_after: Option<Duration>,
}

impl Engine {
    /// Promotes to every environment of this daemon what is due. `current` has the release of each environment.
    pub(super) fn promote_all(&mut self, current: &BTreeMap<String, u64>) {
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.promote(&name, current);
        }
    }

    fn promote(&mut self, name: &Arc<str>, current: &BTreeMap<String, u64>) {
        let (now, present) = (self.cx.clock.now(), Instant::now());
        let Some(environment) = self.world.environments.get(name) else { return };
        let Some(promotion) = takes_promotion(environment, now).cloned() else { return };
        let (seen, lease_end) = (environment.head.release, environment.lease_end.clone());
        let Some(release) = current.get(&promotion.from).copied() else { return };
        if current.get(&**name) != Some(&seen) || is_considered(environment, &promotion, release) {
            return;
        }
        let next = &mut self.environment(name).next_promotion;
        let what = (promotion.clone(), release);
        let is_again = next.tried.as_ref() == Some(&what);
        let is_due = !is_again || next.again_at.is_some_and(|at| present >= at);
        if !is_due || next.until.is_some_and(|until| present < until) {
            return;
        }
        *next = NextPromotion { tried: Some(what), again_at: None, until: Some(present + LONGEST) };
        let (cx, environment) = (Arc::clone(&self.cx), Arc::clone(name));
        self.ask(async move {
            let attempt = attempt(&cx, &environment, &promotion, release, seen);
            // Packages that were copied by then lie where the next daemon looks for them.
            let again_after = lease_end.during(attempt).await.unwrap_or(Some(AGAIN_AFTER));
            Answer::Promoted(Tried { environment, again_after })
        });
    }

    pub(super) fn tried_to_promote(&mut self, tried: Tried) {
        let next = &mut self.environment(&tried.environment).next_promotion;
        next.until = None;
        next.again_at = tried.again_after.map(|pause| Instant::now() + pause);
    }
}

/// What an environment promotes by itself, where a release may come in now.
fn takes_promotion(environment: &EnvironmentState, now: Timestamp) -> Option<&Promotion> {
    let is_over = |r: &crate::store::Rollout| r.stage() == Stage::Over;
    let takes = environment.is_loaded()
        && !environment.head.suspended
        && !environment.is_leaving
        && !environment.lease_end.is_over()
        && environment.recorded.as_ref().is_some_and(is_over)
        && environment.rollout.as_ref().is_some_and(is_over)
        && environment.spec.closed(now).is_none();
    environment.spec.auto_promotion().filter(|_| takes)
}

/// The release, or a newer one, was promoted before, or found not to be needed.
fn is_considered(environment: &EnvironmentState, promotion: &Promotion, release: u64) -> bool {
    let considered = environment.head.considered.as_ref();
    considered.is_some_and(|c| c.environment == promotion.from && c.release >= release)
}

/// Promotes a release if it is due. Returns when to try again; `None` for never.
async fn attempt(
    cx: &Context,
    to: &Arc<str>,
    promotion: &Promotion,
    release: u64,
    seen: u64,
) -> Option<Duration> {
    let id = ObjectId::new(environment::NAME, Arc::clone(to));
    let key = ObjectKey { environment: Arc::clone(to), id };
    let settled = match try_once(cx, to, promotion, release, seen).await {
        // What was rolled back is not offered again.
        Err(MoveError::Refused(why @ (Refused::Held { .. } | Refused::Quarantined { .. }))) => {
            info!(environment = %to, from = promotion.from, release, %why, "not promoted");
            Ok(None)
        }
        tried => tried,
    };
    match settled {
        Ok(Some(again_after)) => Some(again_after),
        Ok(None) => {
            // Whoever takes over, and whatever is released here meanwhile, it is not offered again.
            let considered = Promoted { environment: promotion.from.clone(), release };
            let noted = cx.store.set_considered(to, &considered).await;
            noted.err().map(|error| {
                warn!(environment = %to, %error, "the promotion could not be noted");
                AGAIN_AFTER
            })
        }
        // Somebody was faster: the heads say what is next.
        Err(MoveError::Store(StoreError::HeadMoved { .. }))
        | Err(MoveError::Refused(Refused::AnotherRelease { .. } | Refused::WindowClosed { .. })) => {
            Some(AGAIN_AFTER)
        }
        // An outage or a throttled call passes by itself: nobody has to be told.
        Err(
            MoveError::Store(StoreError::Aws(error))
            | MoveError::Transfer(TransferError::Aws(error)),
        ) if !error.class.is_terminal() => {
            info!(environment = %to, from = promotion.from, release, %error, "not promoted yet");
            Some(UNWELL_AGAIN_AFTER)
        }
        Err(error) => {
            warn!(environment = %to, from = promotion.from, release, %error, "not promoted");
            let message = format!("{} release {release} is not promoted: {error}", promotion.from);
            let (kind, reason) = (EventKind::Warning, "PromotionFailed");
            cx.recorder.record(&key, 0, kind, reason, &message).await;
            Some(REFUSED_AGAIN_AFTER)
        }
    }
}

/// `seen` is the release that the environment had when that was decided.
async fn try_once(
    cx: &Context,
    to: &str,
    promotion: &Promotion,
    release: u64,
    seen: u64,
) -> Result<Option<Duration>, MoveError> {
    let (store, from) = (&cx.store, promotion.from.as_str());
    let rollout = store.rollout(from, release).await?;
    if rollout.as_ref().is_none_or(|rollout| rollout.stage() != Stage::Over) {
        return Ok(Some(AGAIN_AFTER));
    }
    let source = store.release(from, release).await?;
    if source.promoted.as_ref().is_some_and(|promoted| promoted.environment == to) {
        // It comes from here.
        return Ok(None);
    }
    let statuses = store.statuses(from).await?;
    let status_of = |id: &ObjectId| statuses.get(id).and_then(|status| status.as_ref().ok());
    let now = cx.clock.now();
    match soak(rollout.as_ref(), &source.objects, status_of, promotion.soak(), now) {
        Soak::Over { .. } => {}
        Soak::Until(end) => {
            let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            // An object may get unwell meanwhile, which begins it anew: that is seen then.
            return Ok(Some(left.max(Duration::from_secs(1))));
        }
        Soak::Unwell(id) => {
            info!(environment = to, from, release, object = %id, "not promoted yet: it is not Ready");
            return Ok(Some(UNWELL_AGAIN_AFTER));
        }
        Soak::NotOver(_) => return Ok(Some(AGAIN_AFTER)),
    }
    if was_promoted(cx, to, promotion, release).await? {
        return Ok(None);
    }
    let head = store.existing_head(to).await?;
    let waiting = store.proposed(&head).await?.map(|waiting| waiting.promoted);
    if waiting.is_some_and(|of| of.is_none_or(|of| of.environment != promotion.from)) {
        // Only the newest proposal can be approved: a person's is not taken away.
        return Ok(Some(AGAIN_AFTER));
    }
    let asked = Promoting {
        from,
        to,
        release: Some(release),
        selection: Selection::default(),
        overrides_window: false,
        confirmed: Vec::new(),
    };
    let planned = plan_promotion(store, &asked).await?;
    let is_as_seen = |head: &Head| head.release == seen && !head.suspended;
    if !planned.current.head.as_ref().is_some_and(is_as_seen) {
        return Ok(Some(AGAIN_AFTER));
    }
    if planned.is_done() {
        return Ok(None);
    }
    let new = NewRelease {
        // Whoever made it is who may not approve it.
        author: planned.author.clone(),
        commit: planned.commit.clone(),
        message: format!("{from} release {release} promoted by trueup"),
        ..NewRelease::new(Cause::Apply, Vec::new())
    };
    let submitted = carry_out_promotion(store, &cx.sessions, to, planned, new).await?;
    let number = submitted.release().number;
    let is_proposed = matches!(submitted, Submitted::Proposed(_));
    info!(environment = to, from, release, becomes = number, is_proposed, "promoted");
    Ok(None)
}

/// That release, or one after it, was promoted before, by whomever; or waits for an approval.
async fn was_promoted(
    cx: &Context,
    to: &str,
    promotion: &Promotion,
    release: u64,
) -> Result<bool, StoreError> {
    let history = cx.store.history(to, SEARCHED_MAX).await?;
    let head = cx.store.existing_head(to).await?;
    let waiting = cx.store.proposed(&head).await?;
    let known = history.into_iter().flatten().chain(waiting);
    let mut promoted = known.filter_map(|release| release.promoted);
    Ok(promoted.any(|known| known.environment == promotion.from && known.release >= release))
}
