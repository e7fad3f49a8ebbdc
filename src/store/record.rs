//! Recording a release: its parts first, then one transaction that puts it and moves the head; or proposing it,
//! which puts it beside the history and leaves the head where it is.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::head::{HEADS, Head, Hold};
use super::item::{Item, item, key, number, text};
use super::release::{
    Entry, Left, NewRelease, PROPOSED_PREFIX, Page, Release, SpecItem, content_digest, page_key,
    partition, proposed_key, release_key, spec_key,
};
use super::{Store, StoreError};
use crate::aws::{Class, Service};
use crate::kinds::environment;
use crate::model::{Object, ObjectId, digest_of};

/// Entries that stand in the release's own item; longer lists go into pages of as many. An entry
/// takes up to 250 bytes of an item's 400 KB.
const ENTRIES_PER_ITEM: usize = 1000;
/// Of what was taken out, beside the entries.
const LEFT_PER_ITEM: usize = 300;
/// How long what was taken out is remembered although it has no record: longer than a pass may take.
const KEPT_WITHOUT_RECORD: SignedDuration = SignedDuration::from_hours(1);

impl Store {
    /// Records a release and makes it current, if the head is still where the author saw it.
    /// `before` is the release that the author saw as current, with its list.
    pub async fn record(
        &self,
        environment: &str,
        head: Option<&Head>,
        before: Option<&Release>,
        new: NewRelease,
    ) -> Result<Release, StoreError> {
        let release = self.assembled(environment, head, before, &new).await?;
        let stored = self.put_parts(environment, &release, before, &new.objects).await?;
        let moved = moved_to(environment, head, &release, &new.holds);
        self.move_head(environment, &stored, &moved, head).await?;
        Ok(release)
    }

    /// Puts a release beside the history: it becomes current once somebody approves it, and never where the head
    /// moves before that. Only the newest one that is proposed can be approved.
    pub async fn propose(
        &self,
        environment: &str,
        head: &Head,
        before: Option<&Release>,
        new: NewRelease,
    ) -> Result<Release, StoreError> {
        let release = self.assembled(environment, Some(head), before, &new).await?;
        let stored = self.put_parts(environment, &release, before, &new.objects).await?;
        let pointed = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(HEADS, environment)))
            .update_expression("SET proposed = :number")
            .condition_expression(
                "#release = :seen AND (attribute_not_exists(proposed) OR proposed < :number)",
            )
            .expression_attribute_names("#release", "release")
            .expression_attribute_values(":number", number(release.number))
            .expression_attribute_values(":seen", number(head.release))
            .build()
            .map_err(|e| self.incomplete("TransactWriteItems", &e))?;
        let pointed = TransactWriteItem::builder().update(pointed).build();
        let sk = proposed_key(release.number);
        self.transact(environment, &sk, &stored, pointed, head.release).await?;
        Ok(release)
    }

    /// The release that waits for an approval.
    pub async fn proposed(&self, head: &Head) -> Result<Option<Release>, StoreError> {
        let (name, Some(number)) = (&head.environment, head.waiting()) else { return Ok(None) };
        let found = self.release_under(name, &proposed_key(number), number).await?;
        let what = || format!("the proposed release {number} of {name}");
        found.map(Some).ok_or_else(|| StoreError::Missing { what: what() })
    }

    /// Makes the release current that waits for an approval, as it was proposed. `proposed` is what the approver
    /// saw.
    pub async fn approve(
        &self,
        head: &Head,
        proposed: Release,
        approved_by: &str,
        holds: &[Hold],
    ) -> Result<Release, StoreError> {
        if self.keys.is_some() {
            // Who approves signs what somebody with a key proposed, and no forgery of it.
            self.check_signature(&head.environment, &proposed).await?;
        }
        let (approved_by, created_at) = (Some(approved_by.to_owned()), self.clock.now());
        let release = Release { approved_by, created_at, ..proposed }.sealed();
        let release = self.signed(&head.environment, release).await?;
        let moved = moved_to(&head.environment, Some(head), &release, holds);
        self.move_head(&head.environment, &in_pages(&release), &moved, Some(head)).await?;
        Ok(release)
    }

    /// The release that a head would point to next.
    async fn assembled(
        &self,
        environment: &str,
        head: Option<&Head>,
        before: Option<&Release>,
        new: &NewRelease,
    ) -> Result<Release, StoreError> {
        let newest = head.map_or(0, |head| head.release.max(head.proposed.unwrap_or_default()));
        let number = newest.checked_add(1).ok_or_else(|| StoreError::Damaged {
            what: format!("the head of {environment}"),
            how: format!("it points to release {newest}"),
        })?;
        let carried = before.iter().flat_map(|release| &release.left).map(Left::id).collect();
        let remaining = self.with_status(environment, &carried).await?;
        self.check_key(environment, &new.objects)?;
        let release = assemble(number, before, new, &remaining, self.clock.now());
        // What follows from a release that nobody with a key has made is not made by one either.
        let is_trusted = match before {
            Some(before) if new.is_trusted && self.keys.is_some() => {
                self.is_signed(environment, before).await?
            }
            _ => new.is_trusted,
        };
        if is_trusted { self.signed(environment, release).await } else { Ok(release) }
    }

    /// Writes the objects and pages that the store does not have, and returns the release as its
    /// item holds it.
    async fn put_parts(
        &self,
        environment: &str,
        release: &Release,
        before: Option<&Release>,
        objects: &[Object],
    ) -> Result<Release, StoreError> {
        let (pk, written_at) = (partition(environment), Some(self.clock.now()));
        let known: BTreeSet<&str> =
            before.iter().flat_map(|r| &r.objects).map(|e| e.digest.as_str()).collect();
        let mut items: BTreeMap<String, Item> = BTreeMap::new();
        for object in objects {
            let digest = object.digest();
            if known.contains(digest.as_str()) {
                continue;
            }
            let body = serde_json::to_string(object).map_err(|error| StoreError::Damaged {
                what: object.id().to_string(),
                how: error.to_string(),
            })?;
            let sk = spec_key(&digest);
            items.insert(sk.clone(), item(&pk, &sk, &SpecItem { body, written_at })?);
        }
        let mut stored = release.clone();
        if release.objects.len() > ENTRIES_PER_ITEM {
            stored.pages = paged(&pk, &stored.objects, written_at, &mut items)?;
            stored.objects.clear();
        }
        if release.left.len() > LEFT_PER_ITEM {
            stored.left_pages = paged(&pk, &stored.left, written_at, &mut items)?;
            stored.left.clear();
        }
        self.put_all(items.into_values().collect()).await?;
        Ok(stored)
    }

    /// Puts the release and moves the head to it, if that is still as the author saw it.
    async fn move_head(
        &self,
        environment: &str,
        release: &Release,
        head: &Head,
        seen: Option<&Head>,
    ) -> Result<(), StoreError> {
        let sk = release_key(release.number);
        let moved = match seen {
            None => {
                TransactWriteItem::builder().put(self.put_once(item(HEADS, environment, head)?)?)
            }
            Some(seen) => TransactWriteItem::builder().update(self.moved(head, seen)?),
        };
        let seen = seen.map_or(0, |seen| seen.release);
        self.transact(environment, &sk, release, moved.build(), seen).await
    }

    /// An item that is not there yet.
    fn put_once(&self, item: Item) -> Result<Put, StoreError> {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|e| self.incomplete("TransactWriteItems", &e))
    }

    /// Puts a release under a key, and writes the head with it: both or neither.
    async fn transact(
        &self,
        environment: &str,
        sk: &str,
        release: &Release,
        head: TransactWriteItem,
        seen: u64,
    ) -> Result<(), StoreError> {
        let pk = partition(environment);
        let put = self.put_once(item(&pk, sk, release)?)?;
        let call = self
            .session()
            .dynamodb()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(head)
            .send();
        match self.session().write(Service::DynamoDb, "TransactWriteItems", call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == Class::Conflict => {
                Err(self.why_not_moved(environment, sk, seen).await?)
            }
            // The reply was lost: it landed if the release is there, which nobody else can have made.
            Err(error) if error.class == Class::Unknown => {
                let landed: Option<Release> = self.get(&pk, sk).await?;
                if landed.as_ref() == Some(release) { Ok(()) } else { Err(self.failed(error)) }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Somebody else was first; or nobody was, and the release that was to be recorded is there already,
    /// because the head was lost or set back. `sk` is where it was to be put.
    async fn why_not_moved(
        &self,
        environment: &str,
        sk: &str,
        seen: u64,
    ) -> Result<StoreError, StoreError> {
        let (head, pk) = (self.head(environment).await?, partition(environment));
        let moved = StoreError::HeadMoved { environment: environment.to_owned(), seen };
        let now = head.as_ref().map_or(0, |head| head.release);
        if now != seen || sk.starts_with(PROPOSED_PREFIX) {
            return Ok(moved);
        }
        let there: Option<Release> = self.get(&pk, sk).await?;
        if there.is_none() {
            // Somebody proposed a release meanwhile, or DynamoDB was at another transaction of the head:
            // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html.
            return Ok(moved);
        }
        let points =
            if seen == 0 { "is missing".to_owned() } else { format!("is at release {seen}") };
        Ok(StoreError::Damaged {
            what: format!("the head of {environment}"),
            how: format!("it {points}, and a later release was recorded: it was lost or set back"),
        })
    }

    /// Moves a head and leaves alone what others may have set meanwhile: whether it is suspended, and
    /// what was asked of the daemon.
    fn moved(&self, head: &Head, seen: &Head) -> Result<Update, StoreError> {
        let holds = serde_dynamo::to_attribute_value(&head.holds)
            .map_err(|source| StoreError::Unreadable { what: "holds".to_owned(), source })?;
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(HEADS, &head.environment)))
            .update_expression(
                "SET #release = :release, digest = :digest, updatedAt = :updatedAt, holds = :holds",
            )
            // What somebody proposed meanwhile would have the number of this release.
            .condition_expression(
                "#release = :seen AND (attribute_not_exists(proposed) OR proposed <= :release)",
            )
            .expression_attribute_names("#release", "release")
            .expression_attribute_values(":release", number(head.release))
            .expression_attribute_values(":digest", text(&head.digest))
            .expression_attribute_values(":updatedAt", text(head.updated_at.to_string()))
            .expression_attribute_values(":holds", holds)
            .expression_attribute_values(":seen", number(seen.release))
            .build()
            .map_err(|e| self.incomplete("TransactWriteItems", &e))
    }
}

/// The head once it points to a release.
fn moved_to(environment: &str, head: Option<&Head>, release: &Release, holds: &[Hold]) -> Head {
    Head {
        environment: environment.to_owned(),
        release: release.number,
        digest: release.digest.clone(),
        updated_at: release.created_at,
        suspended: head.is_some_and(|h| h.suspended),
        holds: holds.to_vec(),
        reconcile: head.and_then(|h| h.reconcile.clone()),
        decision: None,
        proposed: head.and_then(|h| h.proposed),
        considered: head.and_then(|h| h.considered.clone()),
    }
}

/// A release as its item holds it, whose long lists lie in pages.
fn in_pages(release: &Release) -> Release {
    let mut stored = release.clone();
    if !stored.pages.is_empty() {
        stored.objects.clear();
    }
    if !stored.left_pages.is_empty() {
        stored.left.clear();
    }
    stored
}

/// The release that follows `before`: an object that did not change keeps its generation, unless its
/// Environment changed what it comes to, or its form is confirmed anew.
fn assemble(
    number: u64,
    before: Option<&Release>,
    new: &NewRelease,
    remaining: &BTreeSet<ObjectId>,
    now: Timestamp,
) -> Release {
    let known: BTreeMap<(ObjectId, &str), &Entry> = before
        .iter()
        .flat_map(|release| &release.objects)
        .map(|entry| ((entry.id(), entry.digest.as_str()), entry))
        .collect();
    let digests: BTreeMap<ObjectId, String> =
        new.objects.iter().map(|object| (object.id(), object.digest())).collect();
    let unchanged = |id: &ObjectId| {
        let digest = digests.get(id)?;
        known.get(&(id.clone(), digest.as_str())).copied()
    };
    let mut objects: Vec<Entry> = new
        .objects
        .iter()
        .map(|object| {
            let id = object.id();
            let before = unchanged(&id);
            let is_confirmed = new.confirmed.contains(&id);
            // A confirmation is work to do, as another form would be.
            let stays = !new.moves_all && !is_confirmed;
            let generation = before.map(|entry| entry.generation).filter(|_| stays);
            Entry {
                kind: object.kind.clone(),
                name: object.metadata.name.clone(),
                digest: object.digest(),
                generation: generation.unwrap_or(number),
                confirmed: is_confirmed || before.is_some_and(|e| e.confirmed),
            }
        })
        .collect();
    objects.sort_by_key(Entry::id);
    Release {
        number,
        digest: content_digest(&new.objects),
        author: new.author.clone(),
        commit: new.commit.clone(),
        message: new.message.clone(),
        cause: new.cause.clone(),
        gradual: new.is_gradual,
        only: new.only.iter().map(ToString::to_string).collect(),
        promoted: new.promoted.clone(),
        approved_by: None,
        created_at: now,
        objects,
        pages: Vec::new(),
        left: left(number, before, new, remaining, now),
        left_pages: Vec::new(),
        seal: String::new(),
        signature: None,
    }
    .sealed()
}

/// What is taken out: by this release, and by earlier ones where something remains of it.
fn left(
    number: u64,
    before: Option<&Release>,
    new: &NewRelease,
    remaining: &BTreeSet<ObjectId>,
    now: Timestamp,
) -> Vec<Left> {
    let leaves = |id: ObjectId, digest: &str| Left {
        kind: id.kind.to_string(),
        name: id.name.to_string(),
        digest: digest.to_owned(),
        release: number,
        at: now,
        confirmed: false,
    };
    let earlier = before.iter().flat_map(|release| &release.left);
    // A daemon may be at work on an object that has no record yet.
    let carried = earlier.filter(|left| {
        remaining.contains(&left.id())
            || now.duration_since(left.at) < KEPT_WITHOUT_RECORD
            // It says where the others live.
            || left.kind == environment::NAME
    });
    let mut all: BTreeMap<ObjectId, Left> =
        new.taken_out.iter().map(|(id, digest)| (id.clone(), leaves(id.clone(), digest))).collect();
    all.extend(carried.map(|left| (left.id(), left.clone())));
    let entries = before.iter().flat_map(|release| &release.objects);
    all.extend(entries.map(|entry| (entry.id(), leaves(entry.id(), &entry.digest))));
    for object in &new.objects {
        all.remove(&object.id());
    }
    for id in &new.confirmed {
        if let Some(left) = all.get_mut(id) {
            left.confirmed = true;
        }
    }
    if all.values().all(|left| left.kind == environment::NAME && left.release < number) {
        all.clear();
    }
    all.into_values().collect()
}

/// Puts a long list into pages, and returns their digests.
fn paged<T: Clone + Serialize>(
    pk: &str,
    entries: &[T],
    written_at: Option<Timestamp>,
    items: &mut BTreeMap<String, Item>,
) -> Result<Vec<String>, StoreError> {
    let mut digests = Vec::new();
    for entries in entries.chunks(ENTRIES_PER_ITEM) {
        let digest = digest_of(&entries);
        let sk = page_key(&digest);
        items.insert(sk.clone(), item(pk, &sk, &Page { entries: entries.to_vec(), written_at })?);
        digests.push(digest);
    }
    Ok(digests)
}
