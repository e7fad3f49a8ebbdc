//! What a backup of an environment consists of: its manifest, which is written last. Pure.
//!
//! ```text
//! <prefix><environment>/backups/<id>/manifest.json     what is in it, sealed
//! <prefix><environment>/backups/<id>/state-0000.jsonl  records of the store
//! <prefix><environment>/backups/<id>/<bucket>.jsonl    the objects of a bucket, and where their copies lie
//! <prefix><environment>/backups/<id>/tables/<table>/   the items of a table, as DynamoDB exports them
//! <prefix><environment>/data/<digest>                  a package, or an object of a bucket: shared by backups
//! ```
//!
//! What lies under `data/` is named by what it is a copy of and never changes, so a backup costs what has changed since
//! the one before. Items of tables stay with DynamoDB, whose backups the manifest names; in the vault they are where the
//! environment asks for it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::kinds::S3Location;
use crate::model::{ObjectId, digest_of, sha256_hex};

/// The form of manifests that this version writes. A newer one is not read.
pub const FORMAT: u32 = 2;

/// A whole backup of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// The form of the manifest; at most [`FORMAT`] in one that this version reads.
    pub format: u32,
    /// When it was begun and something random: ids sort by time.
    pub id: String,
    /// The environment that was backed up.
    pub environment: String,
    /// The id of the store, which is part of what resources are tagged with.
    pub store: String,
    /// Where the environment's resources are, as `account/region`.
    pub place: String,
    /// What was written until then is in it, but for changes of the last minute.
    pub begun_at: Timestamp,
    /// When all parts of the backup were there.
    pub ended_at: Timestamp,
    /// The number of the release that the environment was at.
    pub release: u64,
    /// The release's content.
    pub digest: String,
    /// Records of the store, as lines.
    pub state: Vec<Part>,
    /// Copies of what the functions and frontends of all its releases run.
    pub packages: Vec<PackageCopy>,
    /// The tables, each with the backup that DynamoDB keeps of it.
    pub tables: Vec<TableCopy>,
    /// The buckets, each with the list of its objects.
    pub buckets: Vec<BucketCopy>,
    /// What could not be backed up, and why: of these objects it is no recovery point.
    pub lacking: Vec<Lacking>,
    /// It is being deleted, and parts of it are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// The digest of all the rest.
    pub seal: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub key: String,
    pub sha256: String,
    pub bytes: u64,
    /// Lines.
    pub records: u64,
}

/// What a function or a frontend of some release runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageCopy {
    pub from: S3Location,
    /// Where the copy lies.
    pub key: String,
    pub bytes: u64,
}

/// A table, and DynamoDB's backup of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableCopy {
    pub object: String,
    pub arn: String,
    pub backup_arn: String,
    pub at: Timestamp,
    /// Its items in the vault, where backups are to have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<TableExport>,
    /// Why they are not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_exported: Option<String>,
}

/// The items of a table as DynamoDB exported them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableExport {
    /// The key of the export's summary: its files lie beside it.
    pub manifest: String,
    /// The time that the items are of.
    pub at: Timestamp,
    /// How many items it has.
    pub items: u64,
}

impl TableExport {
    /// The export's folder, with a slash at its end.
    pub fn folder(&self) -> &str {
        self.manifest.rfind('/').map_or("", |end| &self.manifest[..=end])
    }

    /// Below which the items lie, and nothing else.
    pub fn data(&self) -> String {
        format!("{}data/", self.folder())
    }
}

/// A bucket, and its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketCopy {
    pub object: String,
    pub bucket: String,
    /// When its objects were listed.
    pub at: Timestamp,
    pub listing: Part,
    pub bytes: u64,
}

/// One object of a bucket, as a line of its listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub key: String,
    pub etag: String,
    pub bytes: u64,
    /// As S3 writes it, where S3 made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the copy lies.
    pub copy: String,
    /// The copy's own ETag, where one call made it: a listing shows by it whether somebody has written over it since.
    #[serde(default, rename = "copyEtag", skip_serializing_if = "Option::is_none")]
    pub copy_etag: Option<String>,
}

/// An object that is missing in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lacking {
    /// The object, as `Kind/name`.
    pub object: String,
    /// Why it could not be backed up, for people.
    pub why: String,
}

impl Backup {
    /// The manifest with its seal, which [`Self::read`] asks for.
    pub fn sealed(self) -> Self {
        Self { seal: self.seal_of(), ..self }
    }

    fn seal_of(&self) -> String {
        digest_of(&Self { seal: String::new(), ..self.clone() })
    }

    /// The manifest, if it is as it was written and this version knows its form. The error says why not.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let form: Form = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if form.format > FORMAT {
            return Err(format!(
                "it is of format {}, and this version of trueup reads up to {FORMAT}; upgrade trueup",
                form.format
            ));
        }
        let backup: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match backup.seal == backup.seal_of() {
            true => Ok(backup),
            false => Err("its manifest is not as it was written".to_owned()),
        }
    }

    /// Objects with data that it can bring back, with the time that they come back to.
    pub fn points(&self) -> impl Iterator<Item = (ObjectId, Timestamp)> {
        let lacking: BTreeSet<&str> =
            self.lacking.iter().map(|lacking| lacking.object.as_str()).collect();
        let tables = self.tables.iter().map(|table| (&table.object, table.at));
        let buckets = self.buckets.iter().map(|bucket| (&bucket.object, bucket.at));
        let is_deleting = self.deleting;
        tables
            .chain(buckets)
            .filter(move |(object, _)| !is_deleting && !lacking.contains(object.as_str()))
            .filter_map(|(object, at)| Some((object.parse().ok()?, at)))
    }

    /// The same, without the tables whose backups DynamoDB does not have any more.
    pub fn points_there(
        &self,
        there: &BTreeSet<String>,
    ) -> impl Iterator<Item = (ObjectId, Timestamp)> {
        let gone = self.tables.iter().filter(|table| !there.contains(&table.backup_arn));
        let gone: BTreeSet<String> = gone.map(|table| table.object.clone()).collect();
        self.points().filter(move |(object, _)| !gone.contains(&object.to_string()))
    }

    /// Everything that was to be backed up is in it, so that the environment can be built again where it was.
    pub fn is_whole(&self) -> bool {
        !self.deleting && self.lacking.is_empty()
    }

    /// It has the items of every table, too, so that the environment can be built in another account or region.
    pub fn has_exports(&self) -> bool {
        self.is_whole() && self.tables.iter().all(|table| table.export.is_some())
    }

    /// Whether DynamoDB's own backups of it can be used in an account and region.
    pub fn is_of(&self, place: &str) -> bool {
        self.place == place
    }

    /// What is not in it and was to be, with the reasons, for people.
    pub fn missing(&self) -> impl Iterator<Item = String> {
        let lacking =
            self.lacking.iter().map(|lacking| format!("{}: {}", lacking.object, lacking.why));
        let not_exported = self.tables.iter().filter_map(|table| {
            let why = table.not_exported.as_ref()?;
            Some(format!("the export of {}: {why}", table.object))
        });
        lacking.chain(not_exported)
    }

    /// Where copies lie that it names, but for the objects of buckets.
    pub fn copies(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(|package| package.key.as_str())
    }
}

/// Names a backup that is begun now. `salt` tells it from another of the same second.
pub fn id_of(at: Timestamp, salt: u32) -> String {
    format!("{}-{salt:08x}", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// When a backup was begun, by its id.
pub fn begun_at(id: &str) -> Option<Timestamp> {
    let (time, _) = id.split_once('-')?;
    Timestamp::strptime("%Y%m%dT%H%M%S%z", time.replace('Z', "+0000")).ok()
}

/// What DynamoDB calls a table's backup. `tag` tells the vault and the store that it belongs to from others: an
/// account has the backups of all of them.
pub fn table_backup_name(environment: &str, tag: &str, id: &str) -> String {
    format!("trueup-{environment}-{tag}-{id}")
}

/// The backup that a table's backup belongs to, where it is one of this environment, vault and store.
pub fn backup_of<'a>(environment: &str, tag: &str, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix("trueup-")?.strip_prefix(environment)?.strip_prefix('-')?;
    rest.strip_prefix(tag)?.strip_prefix('-')
}

/// Names the copy of an object of a bucket, or of a package, by what it is a copy of.
pub fn copy_name(bucket: &str, key: &str, etag: &str, bytes: u64) -> String {
    sha256_hex(format!("{bucket}\n{key}\n{etag}\n{bytes}"))
}

/// Which backups have been kept for long enough. The newest recovery point of each object stays, the newest export of
/// each table, and the newest backup that is whole, however old they are.
/// `there` has the tables' backups that DynamoDB has.
pub fn expired(
    backups: &[Backup],
    there: &BTreeSet<String>,
    retention: Duration,
    now: Timestamp,
) -> Vec<String> {
    let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
    let mut newest_first: Vec<_> = backups.iter().collect();
    newest_first.sort_by(|a, b| b.id.cmp(&a.id));
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    needed.extend(newest_first.iter().find(|backup| backup.is_whole()).map(|b| b.id.as_str()));
    let (mut found, mut exported) = (BTreeSet::new(), BTreeSet::new());
    for backup in &newest_first {
        for (object, _) in backup.points_there(there) {
            if found.insert(object) {
                needed.insert(&backup.id);
            }
        }
        let with_export = backup.tables.iter().filter(|table| table.export.is_some());
        for table in with_export.filter(|_| !backup.deleting) {
            if exported.insert(&table.object) {
                needed.insert(&backup.id);
            }
        }
    }
    let is_expired = |backup: &&&Backup| {
        let is_old = now.duration_since(backup.begun_at) > retention;
        backup.deleting || is_old && !needed.contains(backup.id.as_str())
    };
    newest_first.iter().filter(is_expired).map(|backup| backup.id.clone()).collect()
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// A backup of two tables that was begun so many hours ago.
    pub fn backup(hours_ago: i64, now: Timestamp, lacking: &[&str]) -> Backup {
        let at = now - SignedDuration::from_hours(hours_ago);
        let table = |name: &str| TableCopy {
            object: format!("Table/{name}"),
            arn: format!("arn:aws:dynamodb:us-east-1:123456789012:table/{name}"),
            backup_arn: String::new(),
            at,
            export: None,
            not_exported: None,
        };
        let lack = |object: &&str| Lacking { object: (*object).to_owned(), why: String::new() };
        Backup {
            format: FORMAT,
            id: id_of(at, 0),
            environment: "production".to_owned(),
            store: String::new(),
            place: String::new(),
            begun_at: at,
            ended_at: at,
            release: 1,
            digest: String::new(),
            state: Vec::new(),
            packages: Vec::new(),
            tables: vec![table("orders"), table("carts")],
            buckets: Vec::new(),
            lacking: lacking.iter().map(lack).collect(),
            deleting: false,
            seal: String::new(),
        }
        .sealed()
    }
}

#[cfg(test)]
mod tests {
    use super::samples::backup;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_manifest_that_was_altered_or_is_of_a_newer_form_is_not_read() {
        let whole = backup(1, now(), &[]);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(Backup::read(text.as_bytes()), Ok(whole));
        let altered = text.replace("\"release\":1", "\"release\":2");
        assert_ne!(altered, text);
        assert!(Backup::read(altered.as_bytes()).unwrap_err().contains("not as it was written"));
        let newer = text.replace("\"format\":2", "\"format\":3").replace("\"seal\"", "\"proof\"");
        assert!(Backup::read(newer.as_bytes()).unwrap_err().contains("upgrade trueup"));
    }

    #[test]
    fn ids_say_when_a_backup_was_begun() {
        let id = id_of(now(), 7);
        assert_eq!(id, "20260301T120000Z-00000007");
        assert_eq!(begun_at(&id), Some(now()));
        assert_eq!(begun_at("yesterday"), None);
        let name = table_backup_name("production", "0a1b", &id);
        assert_eq!(backup_of("production", "0a1b", &name), Some(&*id));
        assert_eq!(backup_of("prod", "0a1b", &name), None);
        assert_eq!(backup_of("production", "9f9f", &name), None, "another vault's");
    }

    #[test]
    fn the_newest_recovery_point_of_each_object_outlives_its_retention() {
        let there = BTreeSet::from([String::new()]);
        let ids = |backups: &[Backup]| -> Vec<String> { expired(backups, &there, DAY, now()) };
        let old = backup(72, now(), &[]);
        let older = backup(96, now(), &[]);
        let half = backup(48, now(), &["Table/orders"]);
        let fresh = backup(1, now(), &[]);
        assert_eq!(ids(std::slice::from_ref(&old)), [""; 0], "the only one");
        assert_eq!(ids(&[older.clone(), old.clone()]), [older.id.as_str()]);
        assert_eq!(ids(&[older.clone(), half.clone()]), [""; 0], "the half one lacks the orders");
        assert_eq!(ids(&[old.clone(), fresh]), [old.id.as_str()]);
        // The newest one's backups were deleted by somebody: the old one is all that is left.
        let mut dead = backup(1, now(), &[]);
        dead.tables.iter_mut().for_each(|table| table.backup_arn = "gone".to_owned());
        assert_eq!(ids(&[old.clone(), dead]), [""; 0]);
        let mut exported = older.clone();
        exported.tables[0].export =
            Some(TableExport { manifest: "m".to_owned(), at: older.begun_at, items: 1 });
        let kept = [exported.clone(), old.clone()];
        assert_eq!(ids(&kept), [""; 0], "nothing newer has the items of the orders");
        let gone = Backup { deleting: true, ..half };
        assert_eq!(ids(&[older, gone.clone()]), [gone.id], "what was begun is ended");
    }
}
