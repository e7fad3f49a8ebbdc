//! Releases: immutable, numbered, content-addressed sets of objects.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::head::{HEADS, Head, Hold};
use super::item::{Item, item, key, number, read, text};
use super::{Store, StoreError};
use crate::aws::Class;
use crate::model::{Object, ObjectId, digest_of};

/// Entries that stand in the release's own item; longer lists go into pages of as many. An entry
/// takes up to 250 bytes of an item's 400 KB.
const ENTRIES_PER_ITEM: usize = 1000;

/// Why a release was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    Apply,
    /// An earlier release, made current again.
    Rollback(u64),
    Delete,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Apply => f.write_str("apply"),
            Self::Rollback(to) => write!(f, "rollback to {to}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

/// One object of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub kind: String,
    pub name: String,
    /// The object's content address.
    pub digest: String,
    /// The release in which the object last changed.
    pub generation: u64,
}

impl Entry {
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    pub number: u64,
    /// The content address of the whole set.
    pub digest: String,
    pub author: String,
    #[serde(default)]
    pub commit: String,
    #[serde(default)]
    pub message: String,
    pub cause: Cause,
    pub created_at: Timestamp,
    /// Empty in `history`, where the list is in pages.
    #[serde(default)]
    pub objects: Vec<Entry>,
    /// Digests of the pages that hold the list, where it is long.
    #[serde(default)]
    pub pages: Vec<String>,
}

/// A release that is about to be made.
#[derive(Clone, Debug)]
pub struct NewRelease {
    pub author: String,
    pub commit: String,
    pub message: String,
    pub cause: Cause,
    pub objects: Vec<Object>,
    /// The Environment changed in a way that changes what every object comes to.
    pub moves_all: bool,
    /// What is held from now on; none lifts every hold.
    pub holds: Vec<Hold>,
}

#[derive(Serialize, Deserialize)]
struct Page {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct SpecItem {
    /// The object's JSON: kept as one text, so that an item costs what the object is long.
    body: String,
}

fn partition(environment: &str) -> String {
    format!("env#{environment}")
}

fn release_key(number: u64) -> String {
    // Padded, so that keys sort as the numbers do.
    format!("release#{number:010}")
}

fn spec_key(digest: &str) -> String {
    format!("spec#{digest}")
}

impl Store {
    /// A release with its list of objects.
    pub async fn release(&self, environment: &str, number: u64) -> Result<Release, StoreError> {
        let pk = partition(environment);
        let found: Option<Release> = self.get(&pk, &release_key(number)).await?;
        let mut release = found.ok_or_else(|| StoreError::NoSuchRelease {
            environment: environment.to_owned(),
            number,
        })?;
        for digest in &release.pages {
            let page: Option<Page> = self.get(&pk, &format!("page#{digest}")).await?;
            let what = format!("page {digest} of release {number}");
            release.objects.extend(page.ok_or(StoreError::Missing { what })?.entries);
        }
        Ok(release)
    }

    /// The newest releases, newest first.
    pub async fn history(
        &self,
        environment: &str,
        limit: usize,
    ) -> Result<Vec<Release>, StoreError> {
        self.query(&partition(environment), "release#", Some(limit)).await
    }

    /// Objects by content address.
    pub async fn objects(
        &self,
        environment: &str,
        digests: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Object>, StoreError> {
        let pk = partition(environment);
        let keys = digests.iter().map(|digest| key(&pk, spec_key(digest))).collect();
        let mut objects = BTreeMap::new();
        for item in self.get_all(keys).await? {
            let spec: SpecItem = read(item)?;
            if let Ok(object) = serde_json::from_str::<Object>(&spec.body) {
                objects.insert(object.digest(), object);
            }
        }
        match digests.iter().find(|digest| !objects.contains_key(*digest)) {
            Some(digest) => Err(StoreError::Missing { what: format!("object {digest}") }),
            None => Ok(objects),
        }
    }

    /// Records a release and makes it current, if the head is still where the author saw it.
    /// `before` is the release that the author saw as current, with its list.
    pub async fn record(
        &self,
        environment: &str,
        head: Option<&Head>,
        before: Option<&Release>,
        new: NewRelease,
    ) -> Result<Release, StoreError> {
        let seen = head.map_or(0, |h| h.release);
        let release = assemble(seen + 1, before, &new, self.clock.now());
        let moved = Head {
            environment: environment.to_owned(),
            release: release.number,
            digest: release.digest.clone(),
            updated_at: release.created_at,
            suspended: head.is_some_and(|h| h.suspended),
            holds: new.holds.clone(),
            reconcile: head.and_then(|h| h.reconcile.clone()),
        };
        let stored = self.put_parts(environment, &release, before, &new.objects).await?;
        self.move_head(environment, &stored, &moved, seen).await?;
        Ok(release)
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
        let pk = partition(environment);
        let known: BTreeSet<&str> =
            before.iter().flat_map(|r| &r.objects).map(|e| e.digest.as_str()).collect();
        let mut items: BTreeMap<String, Item> = BTreeMap::new();
        for object in objects {
            let digest = object.digest();
            if known.contains(digest.as_str()) {
                continue;
            }
            let body = serde_json::to_string(object).unwrap_or_default();
            let sk = spec_key(&digest);
            items.insert(sk.clone(), item(&pk, &sk, &SpecItem { body })?);
        }
        let mut stored = release.clone();
        if release.objects.len() > ENTRIES_PER_ITEM {
            stored.objects.clear();
            for entries in release.objects.chunks(ENTRIES_PER_ITEM) {
                let digest = digest_of(&entries);
                let sk = format!("page#{digest}");
                items.insert(sk.clone(), item(&pk, &sk, &Page { entries: entries.to_vec() })?);
                stored.pages.push(digest);
            }
        }
        self.put_all(items.into_values().collect()).await?;
        Ok(stored)
    }

    async fn move_head(
        &self,
        environment: &str,
        release: &Release,
        head: &Head,
        seen: u64,
    ) -> Result<(), StoreError> {
        let pk = partition(environment);
        let put = |item: Item| Put::builder().table_name(&self.table).set_item(Some(item));
        let sk = release_key(release.number);
        let put_release = put(item(&pk, &sk, release)?)
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|e| self.incomplete("TransactWriteItems", &e))?;
        let moved = match seen {
            0 => {
                let first = put(item(HEADS, environment, head)?)
                    .condition_expression("attribute_not_exists(pk)")
                    .build()
                    .map_err(|e| self.incomplete("TransactWriteItems", &e))?;
                TransactWriteItem::builder().put(first).build()
            }
            seen => TransactWriteItem::builder().update(self.moved(head, seen)?).build(),
        };
        let call = self
            .session()
            .dynamodb()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put_release).build())
            .transact_items(moved)
            .send();
        match self.session().write("dynamodb", "TransactWriteItems", call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == Class::Conflict => {
                Err(StoreError::HeadMoved { environment: environment.to_owned(), seen })
            }
            // The reply was lost: it landed if the release is there, which nobody else can have made.
            Err(error) if error.class == Class::Unknown => {
                let landed: Option<Release> = self.get(&pk, &sk).await?;
                if landed.as_ref() == Some(release) { Ok(()) } else { Err(self.failed(error)) }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Moves a head and leaves alone what others may have set meanwhile: whether it is suspended, and
    /// what was asked of the daemon.
    fn moved(&self, head: &Head, seen: u64) -> Result<Update, StoreError> {
        let holds = serde_dynamo::to_attribute_value(&head.holds)
            .map_err(|source| StoreError::Unreadable { what: "holds".to_owned(), source })?;
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(HEADS, &head.environment)))
            .update_expression(
                "SET #release = :release, digest = :digest, updatedAt = :updatedAt, holds = :holds",
            )
            .condition_expression("#release = :seen")
            .expression_attribute_names("#release", "release")
            .expression_attribute_values(":release", number(head.release))
            .expression_attribute_values(":digest", text(&head.digest))
            .expression_attribute_values(":updatedAt", text(head.updated_at.to_string()))
            .expression_attribute_values(":holds", holds)
            .expression_attribute_values(":seen", number(seen))
            .build()
            .map_err(|e| self.incomplete("TransactWriteItems", &e))
    }
}

/// The release that follows `before`: an object that did not change keeps its generation, unless its
/// Environment changed what it comes to.
fn assemble(number: u64, before: Option<&Release>, new: &NewRelease, now: Timestamp) -> Release {
    let generations: BTreeMap<(ObjectId, &str), u64> = before
        .iter()
        .flat_map(|release| &release.objects)
        .map(|entry| ((entry.id(), entry.digest.as_str()), entry.generation))
        .collect();
    let digests: BTreeMap<ObjectId, String> =
        new.objects.iter().map(|object| (object.id(), object.digest())).collect();
    let unchanged = |id: &ObjectId| {
        let digest = digests.get(id)?;
        generations.get(&(id.clone(), digest.as_str())).copied()
    };
    let mut objects: Vec<Entry> = new
        .objects
        .iter()
        .map(|object| {
            let id = object.id();
            Entry {
                kind: object.kind.clone(),
                name: object.metadata.name.clone(),
                digest: object.digest(),
                generation: unchanged(&id).filter(|_| !new.moves_all).unwrap_or(number),
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
        created_at: now,
        objects,
        pages: Vec::new(),
    }
}

/// The content address of a set of objects, whatever their order.
pub fn content_digest(objects: &[Object]) -> String {
    let mut parts: Vec<_> = objects.iter().map(|o| (o.id().to_string(), o.digest())).collect();
    parts.sort();
    digest_of(&parts)
}
