//! Making an earlier release current again.

use std::collections::{BTreeMap, BTreeSet};

use super::protections::{Kept, keep_protections};
use super::{
    Confirmed, Current, MoveError, Refused, check_needs, check_removals, current, deleted,
    left_as_they_are, losses, moves_all,
};
use crate::aws::Sessions;
use crate::model::{Object, ObjectFieldRef, ObjectId, annotation, object_references};
use crate::store::{
    Cause, Head, Hold, NewRelease, Quarantine, Release, Rollout, StatusRecord, Store, StoreError,
    Verdict, content_digest,
};

/// Releases read in search of one with other content.
pub const SEARCHED_MAX: usize = 200;

/// Who makes the releases that no person made.
const AUTHOR: &str = "trueup";

/// A reason is kept in the head and in the release: each is one item of the store.
const REASON_CHARS_MAX: usize = 500;

/// What a rollback came to.
#[derive(Debug)]
pub enum RolledBack {
    /// The environment has that content already.
    #[expect(missing_docs, reason = "the number of the release that was asked for")]
    Already { to: u64 },
    /// A new release has the content of an earlier one. `held` is the release that was left, where its
    /// content is held from now on.
    #[expect(missing_docs, reason = "the doc says what they are; all are numbers of releases")]
    Moved { to: u64, release: u64, held: Option<u64>, left: FieldsLeft },
}

/// Fields that the release that was left declared and the other does not, by object.
pub type FieldsLeft = Vec<(ObjectId, Vec<String>)>;

/// What a person asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rollback<'a> {
    /// The release; where it is not given, the newest that succeeded and has other content that is not held.
    pub to: Option<u64>,
    /// Only these objects go back; all of them where there are none.
    pub only: &'a [ObjectId],
    /// Objects that may leave or lose something, by name.
    pub confirmed: &'a [ObjectId],
    /// So many resources may be deleted at most; as the environment says where it is not given.
    pub deletions: Option<usize>,
    /// New versions get their requests step by step, as in any other release.
    pub is_gradual: bool,
}

/// Makes a release current again, and holds the content that is left. `current` is what the environment is; a
/// damaged current release is no obstacle. `new` says who does it and why.
pub async fn roll_back(
    store: &Store,
    sessions: &Sessions,
    head: &Head,
    current: &Current,
    asked: Rollback<'_>,
    new: NewRelease,
) -> Result<RolledBack, MoveError> {
    let (environment, confirmed) = (&head.environment, asked.confirmed);
    if let Some(damage) = current.damage.as_ref().filter(|_| !asked.only.is_empty()) {
        // What the others are is not known.
        let (environment, why) = (environment.clone(), damage.to_string());
        return Err(Refused::OnlyOfDamaged { environment, why }.into());
    }
    let Aim { to, target, is_trusted, objects, digest } = aim(store, head, current, asked).await?;
    let is_same = digest == head.digest;
    if is_same && current.damage.is_none() {
        return Ok(RolledBack::Already { to });
    }
    if let Some(Hold { release, quarantine: Some(quarantine), .. }) = head.held(&digest) {
        let (environment, release) = (environment.clone(), *release);
        let why = quarantine.why.clone();
        return Err(Refused::Quarantined { environment, release, why }.into());
    }
    check_needs(sessions, environment, &current.objects, &objects).await?;
    let may_leave = Confirmed { objects: confirmed, deletions: asked.deletions };
    check_removals(environment, &current.objects, &objects, may_leave)?;
    let gone = "it is deleted, and was there before trueup took it over";
    let taken_over = taken_over(store, environment, &current.objects, &objects).await?;
    let losses: Vec<_> = losses(&current.objects, &objects)
        .into_iter()
        .chain(taken_over.into_iter().map(|id| (id, gone.to_owned())))
        .filter(|(id, _)| !confirmed.contains(id))
        .collect();
    if !losses.is_empty() {
        return Err(Refused::Losses { environment: environment.clone(), to, losses }.into());
    }
    // What becomes current was built from that commit.
    let is_whole = new.commit.is_empty() && asked.only.is_empty();
    let commit = if is_whole { target.commit } else { new.commit.clone() };
    let new = NewRelease {
        cause: Cause::Rollback(to),
        is_gradual: asked.is_gradual,
        only: asked.only.to_vec(),
        commit,
        moves_all: moves_all(&current.objects, &objects),
        objects,
        confirmed: confirmed.iter().cloned().collect::<BTreeSet<_>>(),
        holds: if is_same { head.holds.clone() } else { head.holds_after_rollback(None) },
        is_trusted,
        ..new
    };
    let left = left_as_they_are(&current.objects, &new.objects);
    let release = store.record(environment, Some(head), current.release.as_ref(), new).await?;
    let held = (!is_same).then_some(head.release);
    Ok(RolledBack::Moved { to, release: release.number, held, left })
}

/// Where a rollback goes, and what the environment would be there.
struct Aim {
    to: u64,
    target: Release,
    is_trusted: bool,
    objects: Vec<Object>,
    digest: String,
}

/// The release that was asked for; else the first of those that come into question where anything would be other than
/// it is.
async fn aim(
    store: &Store,
    head: &Head,
    current: &Current,
    asked: Rollback<'_>,
) -> Result<Aim, MoveError> {
    let environment = &head.environment;
    let candidates = match asked.to {
        Some(to) => vec![to],
        None => {
            let history = store.history(environment, SEARCHED_MAX).await?;
            // One that cannot be read is nothing to go back to.
            let history: Vec<_> = history.into_iter().flatten().collect();
            let rollouts = store.rollouts(environment, SEARCHED_MAX).await?;
            let verdicts = rollouts.into_iter().filter_map(|(n, r)| Some((n, r.ok()?.verdict)));
            earlier(head, &history, &verdicts.collect())
        }
    };
    for to in candidates {
        let (target, is_trusted) = target(store, environment, current, to).await?;
        let objects = objects_of(store, environment, &target).await?;
        let mut objects = narrowed(environment, to, &current.objects, objects, asked.only)?;
        keep_protections(&mut objects, current, Kept::Safety);
        let digest = content_digest(&objects);
        if asked.to.is_some() || digest != head.digest || current.damage.is_some() {
            return Ok(Aim { to, target, is_trusted, objects, digest });
        }
    }
    Err(Refused::NothingEarlier { environment: environment.clone() }.into())
}

/// The release to go back to, and whether somebody with a key made it.
async fn target(
    store: &Store,
    environment: &str,
    current: &Current,
    to: u64,
) -> Result<(Release, bool), StoreError> {
    store.check_key(environment, &current.objects)?;
    let target = store.release(environment, to).await?;
    store.trust(environment, &target).await?;
    let is_trusted = store.is_signed(environment, &target).await?;
    Ok((target, is_trusted))
}

/// The current objects, of which only some are as the earlier release has them, or gone as there.
fn narrowed(
    environment: &str,
    to: u64,
    current: &[Object],
    earlier: Vec<Object>,
    only: &[ObjectId],
) -> Result<Vec<Object>, Refused> {
    if only.is_empty() {
        return Ok(earlier);
    }
    let known = |id: &&ObjectId| current.iter().chain(&earlier).any(|object| object.id() == **id);
    if let Some(object) = only.iter().find(|id| !known(id)).cloned() {
        return Err(Refused::NotInRelease { environment: environment.to_owned(), to, object });
    }
    let stays = current.iter().filter(|object| !only.contains(&object.id())).cloned();
    let back = earlier.into_iter().filter(|object| only.contains(&object.id()));
    let objects: Vec<Object> = stays.chain(back).collect();
    for object in &objects {
        let is_there = |r: &ObjectFieldRef| objects.iter().any(|object| object.id() == r.id());
        let references = object_references(&object.spec);
        if let Some(missing) = references.iter().find(|r| !is_there(r)) {
            return Err(Refused::StillReferredTo { object: object.id(), to: missing.id() });
        }
    }
    Ok(objects)
}

/// Makes the release current again that succeeded last, and quarantines what failed. What holds data or was taken over
/// and came with the failed release stays, and in a protected environment all that came with it: nobody confirmed its removal.
pub async fn undo(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
    failed: &Rollout,
    to: u64,
) -> Result<(Release, FieldsLeft), MoveError> {
    let moved =
        || StoreError::HeadMoved { environment: environment.to_owned(), seen: failed.release };
    let current = current(store, environment).await?;
    let head = current.head.clone().filter(|head| head.release == failed.release);
    let head = head.ok_or_else(moved)?;
    let (target, is_trusted) = target(store, environment, &current, to).await?;
    let mut objects = objects_of(store, environment, &target).await?;
    // However much the failed release has brought, it goes.
    let mut confirmed = BTreeSet::new();
    let of_this_release = Confirmed { deletions: Confirmed::ANY_NUMBER, ..Confirmed::default() };
    if let Err(Refused::Unconfirmed { objects: kept, .. }) =
        check_removals(environment, &current.objects, &objects, of_this_release)
    {
        let (made, never_made) = parted(store, environment, kept).await?;
        keep(&mut objects, &current.objects, made);
        confirmed = never_made;
    }
    // What was taken over was there before, and nobody asked for its end.
    let taken_over = taken_over(store, environment, &current.objects, &objects).await?;
    keep(&mut objects, &current.objects, taken_over);
    // What going back would lose nobody confirmed: those objects stay in the form that they have.
    let lost: BTreeSet<_> =
        losses(&current.objects, &objects).into_iter().map(|(id, _)| id).collect();
    for object in objects.iter_mut().filter(|object| lost.contains(&object.id())) {
        let present = current.objects.iter().find(|present| present.id() == object.id());
        present.into_iter().for_each(|present| object.clone_from(present));
    }
    keep_protections(&mut objects, &current, Kept::All);
    if content_digest(&objects) == head.digest {
        let (environment, release) = (environment.to_owned(), failed.release);
        return Err(Refused::NothingToUndo { environment, release }.into());
    }
    check_needs(sessions, environment, &current.objects, &objects).await?;
    let message = format!("release {} failed: {}", failed.release, failed.message);
    let message: String = message.chars().take(REASON_CHARS_MAX).collect();
    let quarantine = Quarantine { why: message.clone(), at: store.clock().now() };
    let new = NewRelease {
        author: AUTHOR.to_owned(),
        commit: target.commit,
        message,
        moves_all: moves_all(&current.objects, &objects),
        holds: head.holds_after_rollback(Some(quarantine)),
        is_trusted,
        confirmed,
        ..NewRelease::new(Cause::Rollback(to), objects)
    };
    let left = left_as_they_are(&current.objects, &new.objects);
    let release = store.record(environment, Some(&head), current.release.as_ref(), new).await?;
    Ok((release, left))
}

/// Objects that leave with a resource that was there before trueup took it over, or took it back.
async fn taken_over(
    store: &Store,
    environment: &str,
    before: &[Object],
    after: &[Object],
) -> Result<Vec<ObjectId>, StoreError> {
    let mut taken_over = Vec::new();
    for object in deleted(before, after) {
        let id = object.id();
        let was_found = match object.annotated(annotation::ADOPT) {
            true => true,
            false => store.status_of(environment, &id).await?.is_some_and(|s| s.was_found),
        };
        taken_over.extend(was_found.then_some(id));
    }
    Ok(taken_over)
}

/// Which objects have a resource, or may have one, and which never had any: those hold no data.
async fn parted(
    store: &Store,
    environment: &str,
    ids: Vec<ObjectId>,
) -> Result<(Vec<ObjectId>, BTreeSet<ObjectId>), StoreError> {
    let (mut made, mut never_made) = (Vec::new(), BTreeSet::new());
    for id in ids {
        let status = store.status_of(environment, &id).await?;
        let has_none = |status: &StatusRecord| {
            status.created_at.is_none() && status.phase.create_begun().is_none()
        };
        // Of what has no record nobody knows.
        if status.as_ref().is_some_and(has_none) {
            never_made.insert(id);
        } else {
            made.push(id);
        }
    }
    Ok((made, never_made))
}

/// Keeps objects that came with a failed release, and what they refer to.
fn keep(objects: &mut Vec<Object>, current: &[Object], mut kept: Vec<ObjectId>) {
    while let Some(id) = kept.pop() {
        let found = current.iter().find(|object| object.id() == id);
        let Some(object) = found.filter(|_| !objects.iter().any(|o| o.id() == id)) else {
            continue;
        };
        kept.extend(object_references(&object.spec).iter().map(ObjectFieldRef::id));
        objects.push(object.clone());
    }
}

async fn objects_of(
    store: &Store,
    environment: &str,
    release: &Release,
) -> Result<Vec<Object>, StoreError> {
    let digests = release.objects.iter().map(|e| e.digest.clone()).collect();
    Ok(store.objects(environment, &digests).await?.into_values().collect())
}

/// Earlier releases with other content that is not held: those that succeeded, and after them those of which nobody
/// knows how they did, each the newest first, as `history` is. What failed, or was replaced before it was over, has to
/// be named.
fn earlier(head: &Head, history: &[Release], verdicts: &BTreeMap<u64, Verdict>) -> Vec<u64> {
    // A second rollback goes on from where the first one went back to.
    let from = history.iter().find(|r| r.number == head.release);
    let from = from.map_or(head.release, |r| match r.cause {
        Cause::Rollback(to) if r.only.is_empty() => to,
        _ => r.number,
    });
    let is_other =
        |r: &&Release| r.number < from && r.digest != head.digest && head.held(&r.digest).is_none();
    let others: Vec<u64> = history.iter().filter(is_other).map(|r| r.number).collect();
    let of = |verdict: Option<Verdict>| {
        others.iter().copied().filter(move |number| verdicts.get(number).copied() == verdict)
    };
    of(Some(Verdict::Succeeded)).chain(of(None)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::Hold;

    #[test]
    fn a_rollback_goes_to_the_newest_other_content_that_is_not_held() {
        let apply = |number, digest| Release::sample(number, digest, Cause::Apply);
        let cases = [
            ("the one before", vec![apply(2, "b"), apply(1, "a")], &[][..], Some(1)),
            (
                "not the same content",
                vec![apply(3, "b"), apply(2, "b"), apply(1, "a")],
                &[],
                Some(1),
            ),
            (
                "not what is held",
                vec![apply(3, "c"), apply(2, "b"), apply(1, "a")],
                &["b"],
                Some(1),
            ),
            (
                "a second rollback goes further back",
                vec![
                    Release::sample(4, "b", Cause::Rollback(2)),
                    apply(3, "c"),
                    apply(2, "b"),
                    apply(1, "a"),
                ],
                &["c"],
                Some(1),
            ),
            ("nothing earlier", vec![apply(1, "a")], &[], None),
            (
                "not what was replaced before it was over",
                vec![apply(5, "e"), apply(4, "d"), apply(2, "b"), apply(1, "a")],
                &[],
                Some(2),
            ),
            ("what failed alone has to be named", vec![apply(5, "e"), apply(4, "d")], &[], None),
        ];
        let verdicts = BTreeMap::from([(2, Verdict::Succeeded), (4, Verdict::Superseded)]);
        for (what, history, held, expected) in cases {
            let holds = held
                .iter()
                .map(|d| Hold { digest: (*d).to_owned(), release: 1, quarantine: None })
                .collect();
            let head = Head {
                environment: "dev".to_owned(),
                release: history[0].number,
                digest: history[0].digest.clone(),
                updated_at: Timestamp::UNIX_EPOCH,
                suspended: false,
                holds,
                reconcile: None,
                decision: None,
                proposed: None,
                considered: None,
            };
            let chosen = earlier(&head, &history, &verdicts).first().copied();
            assert_eq!(chosen, expected, "{what}");
        }
    }
}
