//! Backups of tables and what is restored from them, in time: the emulator makes and restores them at once, by a
//! clock of its own.
//!
//! Follows <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html> (a backup is
//! CREATING for a while), <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BackupDetails.html> (a
//! table with point-in-time recovery leaves a SYSTEM backup when it is deleted),
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html> (always a new
//! table, at most 50 at once, without tags, stream, time to live and point-in-time recovery) and
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContinuousBackups.html> (the newest
//! point is five minutes old).
//!
//! Not there: restores into another region; a point in time is restored as the table is now.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use winterbaume_core::{MockResponse, json_error_response};

use super::dynamodb::Table;

/// How far behind the newest point is that a table can be restored to.
const NEWEST_POINT_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Restores of one account at once.
const RESTORES_MAX: usize = 50;

/// No source says what DynamoDB calls it; the model of names allows this.
pub(super) const SYSTEM_SUFFIX: &str = "-DeletedTableBackup";

/// What is not restored with a table.
const NOT_RESTORED: [&str; 5] = [
    "DeletionProtectionEnabled",
    "LatestStreamArn",
    "LatestStreamLabel",
    "StreamSpecification",
    "SSEDescription",
];

#[derive(Default)]
pub(super) struct Backups(HashMap<String, Backup>);

struct Backup {
    made_at: Timestamp,
    ready_at: Instant,
    is_system: bool,
    /// The table as it was.
    table: Table,
}

impl Backups {
    /// A table was backed up: notes what the emulator does not know of it.
    pub fn made(&mut self, reply: &Value, table: &Table, now: Timestamp, ready_at: Instant) {
        let details = &reply["BackupDetails"];
        let Some(arn) = details["BackupArn"].as_str() else { return };
        let is_system =
            details["BackupName"].as_str().is_some_and(|name| name.ends_with(SYSTEM_SUFFIX));
        let backup = Backup { made_at: now, ready_at, is_system, table: table.clone() };
        self.0.insert(arn.to_owned(), backup);
    }

    /// Why a backup is neither deleted nor restored now.
    pub fn refuse(&self, operation: &str, body: &Value) -> Option<MockResponse> {
        let backup = self.0.get(body["BackupArn"].as_str()?)?;
        let needs = ["DeleteBackup", "RestoreTableFromBackup"].contains(&operation);
        let message = "Backup is being created";
        (needs && backup.ready_at > Instant::now())
            .then(|| json_error_response(400, "BackupInUseException", message))
    }

    /// The table that a backup has.
    pub fn table(&self, arn: &str) -> Option<&Table> {
        self.0.get(arn).map(|backup| &backup.table)
    }

    pub fn deleted(&mut self, arn: &str) {
        self.0.remove(arn);
    }

    /// Writes times and states into a reply, and leaves out of a list what was not asked for.
    pub fn show(&self, asked: &Value, reply: &mut Value) {
        for at in ["/BackupDetails", "/BackupDescription/BackupDetails"] {
            if let Some(details) = reply.pointer_mut(at) {
                self.describe(details);
            }
        }
        if let Some(description) = reply.get_mut("BackupDescription") {
            let arn = description["BackupDetails"]["BackupArn"].as_str().unwrap_or_default();
            if let Some(backup) = self.0.get(arn) {
                let made_at = json!(backup.table.created_at.as_second());
                let source = &mut description["SourceTableDetails"];
                source["TableCreationDateTime"] = made_at;
                source["TableId"] = json!(backup.table.id);
                source["ProvisionedThroughput"] =
                    json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
            }
        }
        let Some(Value::Array(summaries)) = reply.get_mut("BackupSummaries") else { return };
        for summary in summaries.iter_mut() {
            self.describe(summary);
            let arn = summary["BackupArn"].as_str().unwrap_or_default();
            if let Some(backup) = self.0.get(arn) {
                summary["TableId"] = json!(backup.table.id);
            }
        }
        // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html: USER is the default.
        let wanted = asked["BackupType"].as_str().unwrap_or("USER");
        summaries.retain(|summary| wanted == "ALL" || summary["BackupType"] == wanted);
    }

    fn describe(&self, details: &mut Value) {
        let arn = details["BackupArn"].as_str().unwrap_or_default();
        let Some(backup) = self.0.get(arn) else { return };
        let is_ready = backup.ready_at <= Instant::now();
        details["BackupCreationDateTime"] = json!(backup.made_at.as_second());
        details["BackupType"] = json!(if backup.is_system { "SYSTEM" } else { "USER" });
        if details["BackupStatus"] != "DELETED" {
            details["BackupStatus"] = json!(if is_ready { "AVAILABLE" } else { "CREATING" });
        }
    }
}

/// Why a table cannot be restored to a point in time.
pub(super) fn refuse_point(
    source: Option<&Table>,
    body: &Value,
    now: Timestamp,
) -> Option<MockResponse> {
    let refuse = |code: &str, message: &str| Some(json_error_response(400, code, message));
    let Some(source) = source else {
        return refuse("TableNotFoundException", "Source table not found");
    };
    let Some((earliest, latest)) = source.restorable(now) else {
        let message = "Point in time recovery is not enabled for the source table";
        return refuse("PointInTimeRecoveryUnavailableException", message);
    };
    let asked = body["RestoreDateTime"].as_f64();
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact")]
    let is_between =
        asked.is_none_or(|at| at >= earliest.as_second() as f64 && at <= latest.as_second() as f64);
    if is_between {
        return None;
    }
    refuse("InvalidRestoreTimeException", "Invalid restore date time")
}

/// Why no further table can be restored now.
pub(super) fn refuse_further<'a>(
    mut tables: impl Iterator<Item = &'a Table>,
) -> Option<MockResponse> {
    let is_restoring =
        |table: &&Table| table.restored.is_some() && table.busy_until > Instant::now();
    let message = "Subscriber limit exceeded: There is a limit of 50 concurrent table restores per subscriber.";
    (tables.by_ref().filter(is_restoring).count() >= RESTORES_MAX)
        .then(|| json_error_response(400, "LimitExceededException", message))
}

impl Table {
    /// The times between which it can be restored, where point-in-time recovery is on.
    pub fn restorable(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let since = self.recoverable_since?;
        let newest = now.checked_sub(NEWEST_POINT_AFTER).unwrap_or(since);
        Some((since, newest.max(since)))
    }

    /// A new table that is restored from this one.
    pub fn restored(&self, arn: &str, body: &Value, now: Timestamp, takes: Duration) -> Self {
        let mut shown = self.shown.clone();
        for member in NOT_RESTORED {
            shown.insert(member.to_owned(), Value::Null);
        }
        let rewritten = |text: &str| text.replace(&self.arn, arn);
        for index in shown
            .get_mut("GlobalSecondaryIndexes")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            index["IndexArn"] = json!(rewritten(index["IndexArn"].as_str().unwrap_or_default()));
        }
        let mut given = Map::new();
        for (member, under) in [
            ("BillingModeOverride", "BillingMode"),
            ("ProvisionedThroughputOverride", "ProvisionedThroughput"),
            ("OnDemandThroughputOverride", "OnDemandThroughput"),
            ("SSESpecificationOverride", "SSESpecification"),
        ] {
            if !body[member].is_null() {
                given.insert(under.to_owned(), body[member].clone());
            }
        }
        super::dynamodb::settings(&mut shown, &Value::Object(given));
        let mut summary = json!({
            "SourceTableArn": self.arn,
            "RestoreDateTime": body["RestoreDateTime"].as_f64().unwrap_or(0.0),
        });
        if summary["RestoreDateTime"] == json!(0.0) {
            summary["RestoreDateTime"] = json!(now.as_second());
        }
        if !body["BackupArn"].is_null() {
            summary["SourceBackupArn"] = body["BackupArn"].clone();
        }
        Self {
            arn: arn.to_owned(),
            id: uuid::Uuid::new_v4().to_string(),
            created_at: now,
            shown,
            own_keys: self.own_keys.clone(),
            recovery_days: None,
            recoverable_since: None,
            streams: 0,
            busy_until: Instant::now() + takes,
            ttl_settles_until: Instant::now(),
            status: "CREATING",
            new_index: None,
            restored: Some(summary),
            facets: super::dynamodb_facets::TableFacets::default(),
        }
    }
}
