//! Releases: immutable, numbered, content-addressed sets of objects.
//!
//! Guarantees: whatever is read here is what was recorded. Every digest is computed again on every read;
//! a part that is missing, altered, or of a newer version is an error, never an empty list. An object is
//! taken out of an environment by an entry that says so ([`Left`]), and never by its absence.
//!
//! Left to others: recording a release (`record.rs`), deciding what it holds (`cli`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::head::{Head, Hold};
use super::item::{key, read};
use super::{Store, StoreError};
use crate::model::{Object, ObjectId, digest_of};

/// Why a release was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Manifests were applied, or what another environment runs was promoted.
    Apply,
    /// An earlier release, made current again.
    Rollback(u64),
    /// Objects were taken out, as `trueup delete` does.
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

/// A release of another environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promoted {
    /// The environment that the content comes from.
    pub environment: String,
    /// The number of the release there.
    pub release: u64,
}

/// One object of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The object's kind, such as `Table`.
    pub kind: String,
    /// The object's name in its manifest.
    pub name: String,
    /// The object's content address.
    pub digest: String,
    /// The release in which the object last changed, or was confirmed.
    pub generation: u64,
    /// Somebody confirmed this form by the object's name: until its resource was seen in accord with this
    /// generation, it may open or delete more than is live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

impl Entry {
    /// Names the object within its environment.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

/// An object that was taken out of the environment, and whose resource may still be there. Its record
/// goes by this entry: nothing is deleted because an object is merely absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// The kind of the object that left.
    pub kind: String,
    /// The name that it had in its manifest.
    pub name: String,
    /// The content address of the form that was declared last: what protects the resource stands there.
    pub digest: String,
    /// The first release without it.
    pub release: u64,
    /// When it was taken out.
    pub at: Timestamp,
    /// Somebody confirmed the removal by the object's name.
    pub confirmed: bool,
}

impl Left {
    /// Names the object within its environment.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

/// A set of objects that an environment shall have: numbered, and never changed once it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The release's number. Within an environment, later releases have higher ones.
    pub number: u64,
    /// The content address of the whole set.
    pub digest: String,
    /// The name of who made it; `trueup` where no person did.
    pub author: String,
    /// The source commit, with `-dirty` where files differed from it. Empty where none is known.
    pub commit: String,
    /// Why it was made, for people. May be empty.
    pub message: String,
    /// The act that made it.
    pub cause: Cause,
    /// A rollback whose versions get their requests step by step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gradual: bool,
    /// The objects that a rollback took back, where it was not all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The release of another environment whose code and artifacts it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Promoted>,
    /// Who let it through, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it became current; of one that waits for an approval, when it was proposed.
    pub created_at: Timestamp,
    /// Empty in `history`, where the list is in pages.
    pub objects: Vec<Entry>,
    /// Digests of the pages that hold the list, where it is long.
    pub pages: Vec<String>,
    /// What was taken out, by this release or an earlier one.
    pub left: Vec<Left>,
    /// Digests of the pages that hold `left`, where it is long.
    pub left_pages: Vec<String>,
    /// The digest of all the rest, with both lists whole: what was lost or altered is no release.
    pub seal: String,
    /// By somebody with a key, over the seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Release {
    /// The release, sealed.
    pub(super) fn sealed(self) -> Self {
        Self { seal: self.seal_of(), ..self }
    }

    fn seal_of(&self) -> String {
        let (pages, left_pages) = (Vec::new(), Vec::new());
        digest_of(&Self { pages, left_pages, seal: String::new(), signature: None, ..self.clone() })
    }

    /// The release, if its list is what its digest says.
    pub(super) fn checked(self, environment: &str, number: u64) -> Result<Self, StoreError> {
        let parts = self.objects.iter().map(|e| (e.id(), e.digest.clone())).collect();
        let how = if self.number != number {
            format!("it says that it is release {}", self.number)
        } else if address_of(parts) != self.digest {
            format!("its {} objects are not those of its digest", self.objects.len())
        } else if self.seal_of() != self.seal {
            "it is not as it was recorded".to_owned()
        } else {
            return Ok(self);
        };
        Err(StoreError::Damaged { what: format!("release {number} of {environment}"), how })
    }
}

#[cfg(test)]
impl Release {
    /// A release of a planner's test, without objects.
    pub fn sample(number: u64, digest: &str, cause: Cause) -> Self {
        Self {
            number,
            digest: digest.to_owned(),
            author: String::new(),
            commit: String::new(),
            message: String::new(),
            cause,
            gradual: false,
            only: Vec::new(),
            promoted: None,
            approved_by: None,
            created_at: Timestamp::UNIX_EPOCH,
            objects: Vec::new(),
            pages: Vec::new(),
            left: Vec::new(),
            left_pages: Vec::new(),
            seal: String::new(),
            signature: None,
        }
    }
}

/// A release that is about to be made.
#[derive(Clone, Debug)]
pub struct NewRelease {
    /// The name of who makes it.
    pub author: String,
    /// The source commit. Empty where none is known.
    pub commit: String,
    /// Why it is made, for people. May be empty.
    pub message: String,
    /// The act that makes it.
    pub cause: Cause,
    /// A rollback whose versions get their requests step by step.
    pub is_gradual: bool,
    /// The objects that a rollback takes back, where it is not all of them.
    pub only: Vec<ObjectId>,
    /// The release of another environment whose code and artifacts it has.
    pub promoted: Option<Promoted>,
    /// All objects of the environment, those that do not change too.
    pub objects: Vec<Object>,
    /// The Environment changed in a way that changes what every object comes to.
    pub moves_all: bool,
    /// What is held from now on; none lifts every hold.
    pub holds: Vec<Hold>,
    /// Objects whose removal, or whose form, was confirmed by name.
    pub confirmed: BTreeSet<ObjectId>,
    /// The objects come from manifests, or from a release that somebody with a key made.
    pub is_trusted: bool,
    /// Objects of no release that have a record all the same, with the form that they were last acted on
    /// in: they are taken out too.
    pub taken_out: BTreeMap<ObjectId, String>,
}

impl NewRelease {
    /// A release with these objects, which nobody has signed yet.
    pub fn new(cause: Cause, objects: Vec<Object>) -> Self {
        Self {
            author: String::new(),
            commit: String::new(),
            message: String::new(),
            cause,
            is_gradual: false,
            only: Vec::new(),
            promoted: None,
            objects,
            moves_all: false,
            holds: Vec::new(),
            confirmed: BTreeSet::new(),
            is_trusted: true,
            taken_out: BTreeMap::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Page<T> {
    pub entries: Vec<T>,
    /// When it was written last; it is not part of the content address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SpecItem {
    /// When it was written last; it is not part of the content address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// The object's JSON: kept as one text, so that an item costs what the object is long.
    pub body: String,
}

pub(super) fn partition(environment: &str) -> String {
    format!("env#{environment}")
}

pub(super) const RELEASE_PREFIX: &str = "release#";

pub(super) fn release_key(number: u64) -> String {
    // Padded, so that keys sort as the numbers do.
    format!("{RELEASE_PREFIX}{number:010}")
}

pub(super) const PROPOSED_PREFIX: &str = "proposed#";

pub(super) fn proposed_key(number: u64) -> String {
    format!("{PROPOSED_PREFIX}{number:010}")
}

pub(super) fn spec_key(digest: &str) -> String {
    format!("spec#{digest}")
}

pub(super) fn page_key(digest: &str) -> String {
    format!("page#{digest}")
}

impl Store {
    /// The release that a head points to.
    pub async fn current(&self, head: &Head) -> Result<Release, StoreError> {
        let release = self.release(&head.environment, head.release).await?;
        if release.digest != head.digest {
            return Err(StoreError::Damaged {
                what: format!("the head of {}", head.environment),
                how: format!("its digest is not that of release {}", head.release),
            });
        }
        Ok(release)
    }

    /// A release with its list of objects.
    pub async fn release(&self, environment: &str, number: u64) -> Result<Release, StoreError> {
        let found = self.release_under(environment, &release_key(number), number).await?;
        found.ok_or_else(|| StoreError::NoSuchRelease {
            environment: environment.to_owned(),
            number,
        })
    }

    /// The release that stands under a key, with its list of objects.
    pub(super) async fn release_under(
        &self,
        environment: &str,
        sk: &str,
        number: u64,
    ) -> Result<Option<Release>, StoreError> {
        let found: Option<Release> = self.get(&partition(environment), sk).await?;
        let Some(mut release) = found else { return Ok(None) };
        for digest in &release.pages {
            release.objects.extend(self.page::<Entry>(environment, digest).await?);
        }
        for digest in &release.left_pages {
            release.left.extend(self.page::<Left>(environment, digest).await?);
        }
        release.checked(environment, number).map(Some)
    }

    pub(super) async fn page<T: DeserializeOwned + Serialize>(
        &self,
        environment: &str,
        digest: &str,
    ) -> Result<Vec<T>, StoreError> {
        let what = || format!("page {digest} of a release of {environment}");
        let page: Option<Page<T>> = self.get(&partition(environment), &page_key(digest)).await?;
        let entries = page.ok_or_else(|| StoreError::Missing { what: what() })?.entries;
        if digest_of(&entries) != digest {
            let how = "its entries are not those of its digest".to_owned();
            return Err(StoreError::Damaged { what: what(), how });
        }
        Ok(entries)
    }

    /// The newest releases, newest first; those that cannot be read by their keys and errors.
    pub async fn history(
        &self,
        environment: &str,
        limit: usize,
    ) -> Result<Vec<Result<Release, (u64, StoreError)>>, StoreError> {
        let stored = self.query(&partition(environment), RELEASE_PREFIX, Some(limit)).await?;
        let checked = stored.into_iter().map(|stored| {
            // Keys are ours; one that holds no number is shown as release 0.
            let number = stored.sk.trim_start_matches(RELEASE_PREFIX).parse().unwrap_or(0);
            let sound = stored.record.and_then(|release: Release| {
                let is_whole = release.pages.is_empty() && release.left_pages.is_empty();
                if is_whole { release.checked(environment, number) } else { Ok(release) }
            });
            sound.map_err(|error| (number, error))
        });
        Ok(checked.collect())
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
            let object = object_of(&spec.body).map_err(|how| StoreError::Damaged {
                what: format!("an object of {environment}"),
                how,
            })?;
            // One whose digest is another's is missed below.
            objects.insert(object.digest(), object);
        }
        match digests.iter().find(|digest| !objects.contains_key(*digest)) {
            Some(digest) => {
                Err(StoreError::Missing { what: format!("object {digest} of {environment}") })
            }
            None => Ok(objects),
        }
    }
}

/// Reads an object, and nothing but what this version knows of objects.
pub(super) fn object_of(body: &str) -> Result<Object, String> {
    let value: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let object = Object::deserialize(&value).map_err(|error| error.to_string())?;
    if json!(object) != value {
        return Err(format!("{} has fields that this version does not know", object.id()));
    }
    Ok(object)
}

/// The content address of a set of objects, whatever their order.
pub fn content_digest(objects: &[Object]) -> String {
    address_of(objects.iter().map(|o| (o.id(), o.digest())).collect())
}

fn address_of(parts: Vec<(ObjectId, String)>) -> String {
    let mut parts: Vec<_> =
        parts.into_iter().map(|(id, digest)| (id.to_string(), digest)).collect();
    parts.sort();
    digest_of(&parts)
}
