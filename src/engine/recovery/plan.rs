//! What it takes to build an environment again from a backup, and how long that takes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::manifest::{Backup, TableCopy};
use crate::kinds::environment::{self, RESTORES_AT_ONCE, RTO_MIN};
use crate::kinds::kind;
use crate::model::{DataSource, Object, ObjectId, annotation};

/// What everything but tables takes: a function or a frontend is made in a minute or two.
const OTHERS_TAKE: Duration = Duration::from_secs(120);
/// Objects of buckets that are copied in a second: a call each, under the daemon's own limit.
const COPIED_A_SECOND: u64 = 80;
const BUCKET_NAME_MAX: usize = 63;
/// Fields that hold policies, in which a resource names itself.
const POLICIES: [&str; 2] = ["policy", "resourcePolicy"];

/// What is restored from what, and how long it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What each object that holds data is restored from.
    pub sources: BTreeMap<ObjectId, DataSource>,
    /// Objects of buckets.
    pub contents: u64,
    /// How many packages the backup has.
    pub packages: usize,
    /// Objects that hold data and begin empty, and why.
    pub empty: Vec<(ObjectId, String)>,
    /// At least so long.
    pub takes: Duration,
}

/// How tables come back.
#[derive(Clone, Copy, Debug)]
pub enum TablesFrom<'a> {
    /// From DynamoDB's own backups.
    Backups,
    /// As they were then, from tables that are there.
    PointInTime(Timestamp),
    /// From exports in the vault, which is all that another account or region can reach.
    Exports {
        /// The vault's.
        bucket: &'a str,
        /// The account of the bucket, where it is known.
        owner: Option<&'a str>,
    },
}

impl TablesFrom<'_> {
    /// What one table comes back from, or why it begins empty.
    fn source(
        self,
        backup: &Backup,
        table: &TableCopy,
        object: &Object,
    ) -> Result<DataSource, String> {
        match self {
            Self::Backups => Ok(DataSource::TableBackup { arn: table.backup_arn.clone() }),
            Self::PointInTime(at) => {
                Ok(DataSource::PointInTime { table_arn: table.arn.clone(), at: Some(at) })
            }
            Self::Exports { bucket, owner } => {
                let Some(export) = &table.export else {
                    let why = table.not_exported.as_deref().unwrap_or("it was not asked for");
                    return Err(format!("it is not exported ({why})"));
                };
                let has_local = object.spec.get("localSecondaryIndexes").and_then(Value::as_array);
                if has_local.is_some_and(|indexes| !indexes.is_empty()) {
                    let prefix = export.data();
                    return Err(format!(
                        "DynamoDB makes no table with local indexes from an export; its items lie in s3://{bucket}/{prefix}"
                    ));
                }
                Ok(DataSource::TableExport {
                    backup: backup.id.clone(),
                    bucket: bucket.to_owned(),
                    owner: owner.map(str::to_owned),
                    prefix: export.data(),
                    items: export.items,
                })
            }
        }
    }
}

/// Plans for the objects of a release.
pub fn plan(backup: &Backup, objects: &[Object], from: TablesFrom<'_>) -> Plan {
    let mut plan = Plan { packages: backup.packages.len(), ..Plan::default() };
    let points: BTreeSet<ObjectId> = backup.points().map(|(id, _)| id).collect();
    let holds_data = |id: &ObjectId| kind(&id.kind).is_some_and(|kind| kind.holds_data());
    for object in objects.iter().filter(|object| holds_data(&object.id())) {
        let id = object.id();
        let name = id.to_string();
        let table = backup.tables.iter().find(|table| table.object == name);
        let bucket = backup.buckets.iter().find(|bucket| bucket.object == name);
        let source = match (table, bucket) {
            (Some(table), _) if points.contains(&id) => from.source(backup, table, object),
            (None, Some(bucket)) if points.contains(&id) => {
                plan.contents += bucket.listing.records;
                Ok(DataSource::Contents { backup: backup.id.clone() })
            }
            _ => Err(why_lacking(backup, &name)),
        };
        match source {
            Ok(source) => {
                plan.sources.insert(id, source);
            }
            Err(why) => plan.empty.push((id, why)),
        }
    }
    plan.takes = plan.expected();
    plan
}

fn why_lacking(backup: &Backup, object: &str) -> String {
    let lacking = backup.lacking.iter().find(|lacking| lacking.object == object);
    lacking.map_or("it is not in the backup", |lacking| lacking.why.as_str()).to_owned()
}

impl Plan {
    /// How many tables are restored.
    pub fn tables(&self) -> usize {
        self.sources.keys().filter(|id| &*id.kind == "Table").count()
    }

    /// Has a table restored from another backup of DynamoDB than the plan's own.
    pub(super) fn restore_from(&mut self, table: &ObjectId, arn: String) {
        self.empty.retain(|(empty, _)| empty != table);
        self.sources.insert(table.clone(), DataSource::TableBackup { arn });
        self.takes = self.expected();
    }

    /// How many buckets are filled again.
    pub fn buckets(&self) -> usize {
        self.sources.keys().filter(|id| &*id.kind == "Bucket").count()
    }

    /// Tables are restored beside each other, and buckets are filled meanwhile.
    fn expected(&self) -> Duration {
        let rounds = u32::try_from(self.tables().div_ceil(RESTORES_AT_ONCE)).unwrap_or(u32::MAX);
        let copies = Duration::from_secs(self.contents.div_ceil(COPIED_A_SECOND));
        (RTO_MIN.saturating_mul(rounds)).max(copies) + OTHERS_TAKE
    }
}

/// An environment that is a copy of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    pub objects: Vec<Object>,
    /// Two objects would have the same name in AWS.
    pub collision: Option<String>,
    /// Places in the manifests that name a resource of the first environment: the copy would use it.
    pub mentions: Vec<String>,
    /// Places in the manifests that the copy goes without.
    pub left_out: Vec<String>,
    /// What its resources are called in AWS.
    pub names: Vec<String>,
}

/// The objects of one environment as those of another. Its resources have names of their own, and what only one
/// environment can have or should do stays away: domains, replication, promotions, notifications, windows, checks, probes
/// and backups.
/// A scratch copy can be deleted again as a whole.
pub fn copy(objects: &[Object], into: &str, is_scratch: bool) -> Copied {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let (mut copied, mut collision, mut taken) = (Vec::new(), None, BTreeSet::new());
    let mut left_out = Vec::new();
    for object in objects {
        let mut copy = object.clone();
        let spec = Arc::make_mut(&mut copy.spec);
        if object.kind == environment::NAME {
            into.clone_into(&mut copy.metadata.name);
            strip_environment(spec);
        } else {
            into.clone_into(&mut copy.metadata.namespace);
            // A copy takes over nothing, and is made whatever its first one was told.
            for annotation in [annotation::ADOPT, annotation::ADOPT_FROM, annotation::SUSPEND] {
                copy.metadata.annotations.remove(annotation);
            }
            // It would put old objects over newer ones, where the first environment replicates to.
            if spec.as_object_mut().is_some_and(|fields| fields.remove("replication").is_some()) {
                left_out.push(format!("{} replication", object.id()));
            }
            let (old, new) = rename(object, spec, into);
            if is_scratch {
                make_scratch(&object.kind, spec);
                let annotations = &mut copy.metadata.annotations;
                annotations.insert(annotation::LAST_BACKUP.to_owned(), "false".to_owned());
            }
            let key = (object.kind.clone(), new.clone());
            if !taken.insert(key) {
                collision = Some(new.clone());
            }
            names.insert(old, new);
        }
        copied.push(copy);
    }
    let mut mentions = Vec::new();
    for object in copied.iter().filter(|object| object.kind != environment::NAME) {
        find_mentions(&object.spec, &names, &object.id().to_string(), &mut mentions);
    }
    let names = names.into_values().collect();
    Copied { objects: copied, collision, mentions, left_out, names }
}

/// Gives the copy's resource another name. Returns both names.
fn rename(object: &Object, spec: &mut Value, into: &str) -> (String, String) {
    let name = object.metadata.name.as_str();
    let given = spec.get("name").and_then(Value::as_str).map(str::to_owned);
    let old = given.clone().unwrap_or_else(|| format!("{}-{name}", object.environment()));
    let bucket = |given: &str| {
        let room = BUCKET_NAME_MAX.saturating_sub(into.len() + 1);
        let kept: String = given.chars().take(room).collect();
        format!("{}-{into}", kept.trim_end_matches(['-', '.']))
    };
    let is_bucket = object.kind == "Bucket";
    // Names of buckets are unique in all of AWS: what makes this one unique is kept.
    let kept = given.as_deref().filter(|_| is_bucket).map(bucket);
    let new = kept.clone().unwrap_or_else(|| format!("{into}-{name}"));
    // A policy of a resource names the resource; everywhere else the same letters may mean something else.
    for field in POLICIES {
        if let Some(policy) = spec.get_mut(field) {
            replace(policy, &old, &new);
        }
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("name");
        fields.extend(kept.map(|name| ("name".to_owned(), json!(name))));
        if object.kind == "Frontend" {
            fields.remove("domain");
        }
    }
    (old, new)
}

/// Nothing keeps the resource when its object goes.
fn make_scratch(kind: &str, spec: &mut Value) {
    let Some(fields) = spec.as_object_mut() else { return };
    for field in ["deletionProtection", "objectLock"] {
        fields.remove(field);
    }
    if matches!(kind, "Table" | "Bucket") {
        fields.insert("deletionPolicy".to_owned(), json!("Delete"));
    }
}

fn strip_environment(spec: &mut Value) {
    let Some(fields) = spec.as_object_mut() else { return };
    for field in [
        "approval",
        "health",
        "notifications",
        "promotion",
        "protected",
        "recovery",
        "urls",
        "windows",
    ] {
        fields.remove(field);
    }
    // A restore takes longer than a release usually may, and there is nothing to go back to.
    let rollout = json!({"progressDeadline": "24h", "rollback": "Manual"});
    fields.insert("rollout".to_owned(), rollout);
}

fn replace(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text.contains(old) => *text = text.replace(old, new),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, old, new)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, old, new)),
        _ => {}
    }
}

fn find_mentions(
    value: &Value,
    names: &BTreeMap<String, String>,
    at: &str,
    found: &mut Vec<String>,
) {
    match value {
        Value::String(text) => {
            let named = names.iter().find(|(old, new)| text.contains(*old) && !text.contains(*new));
            found.extend(named.map(|(old, _)| format!("{at} names {old}")));
        }
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                find_mentions(value, names, &format!("{at}[{i}]"), found);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                find_mentions(value, names, &format!("{at} {field}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::samples::backup;
    use super::*;

    fn object(kind: &str, name: &str, spec: Value) -> Object {
        let metadata = match kind {
            "Environment" => json!({"name": name}),
            _ => json!({"name": name, "namespace": "production"}),
        };
        serde_json::from_value(json!({
            "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn tables_are_restored_beside_each_other_and_what_is_not_in_the_backup_is_named() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let backup = backup(1, now, &["Table/carts"]);
        let objects = ["orders", "carts", "new"].map(|name| object("Table", name, json!({})));
        let plan = plan(&backup, &objects, TablesFrom::Backups);
        let orders = ObjectId::new("Table", "orders");
        assert_eq!(plan.sources.keys().collect::<Vec<_>>(), [&orders]);
        let empty: Vec<_> = plan.empty.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(empty, ["Table/carts", "Table/new"]);
        assert_eq!(plan.takes, Duration::from_secs(22 * 60));
        let of = |tables: usize| {
            let id = |i| ObjectId::new("Table", format!("t{i}"));
            let source = DataSource::TableBackup { arn: String::new() };
            let sources = (0..tables).map(|i| (id(i), source.clone())).collect();
            Plan { sources, ..Plan::default() }.expected()
        };
        assert_eq!((of(50), of(51)), (Duration::from_secs(22 * 60), Duration::from_secs(42 * 60)));
    }

    #[test]
    fn two_buckets_of_a_copy_never_share_a_name() {
        let long = |last: char| format!("{}{last}", "a".repeat(62));
        let objects =
            ['b', 'c'].map(|last| object("Bucket", &last.to_string(), json!({"name": long(last)})));
        assert!(copy(&objects, "drill", true).collision.is_some());
        assert_eq!(copy(&objects[..1], "drill", true).collision, None);
    }

    #[test]
    fn only_policies_are_written_anew() {
        let objects = [object(
            "Function",
            "api",
            json!({"role": "arn:aws:iam::1:role/production-api", "handler": "production-api.run"}),
        )];
        assert_eq!(*copy(&objects, "drill", false).objects[0].spec, *objects[0].spec);
    }

    #[test]
    fn a_copy_has_names_of_its_own_and_says_where_it_would_use_what_is_not_its_own() {
        let objects = [
            object(
                "Environment",
                "production",
                json!({"aws": {"region": "eu-central-1"}, "protected": true, "tags": {"team": "shop"}}),
            ),
            object("Table", "orders", json!({"name": "orders-live"})),
            object(
                "Bucket",
                "assets",
                json!({"name": "shop-assets-live", "policy": "shop-assets-live/*"}),
            ),
            object("Function", "api", json!({"env": [{"name": "TABLE", "value": "orders-live"}]})),
        ];
        let copied = copy(&objects, "drill", false);
        let spec = |i: usize| (*copied.objects[i].spec).clone();
        assert_eq!(copied.objects[0].metadata.name, "drill");
        assert_eq!(
            spec(0),
            json!({
                "aws": {"region": "eu-central-1"},
                "tags": {"team": "shop"},
                "rollout": {"progressDeadline": "24h", "rollback": "Manual"},
            })
        );
        assert_eq!(copied.objects[1].environment(), "drill");
        assert_eq!(spec(1), json!({}), "it is drill-orders by itself");
        let bucket =
            json!({"name": "shop-assets-live-drill", "policy": "shop-assets-live-drill/*"});
        assert_eq!(spec(2), bucket);
        assert_eq!(copied.mentions, ["Function/api env[0] value names orders-live"]);
        let scratch = copy(&objects, "drill", true);
        assert_eq!(*scratch.objects[1].spec, json!({"deletionPolicy": "Delete"}));
        assert!(scratch.objects[1].denies(annotation::LAST_BACKUP));
    }
}
