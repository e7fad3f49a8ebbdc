//! What an environment has to come back with after a disaster, and how its backups are made. Pure: the time is given.
//!
//! Left to others: whether the objectives can hold with what else is declared (`manifest`), making backups and
//! restoring them (`recovery`).

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::SpecProblem;
use crate::model::parse_duration;

/// What must come back after a disaster, and how fast.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// How much may be lost: how old the newest recovery point of any data may be, as `1h` or `2d`; 5m to 35d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo: Option<String>,
    /// How long it may take to build the environment again, as `4h`; 20m to 35d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto: Option<String>,
    /// When backups of the environment are made, where they are kept and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupPolicy>,
}

/// When backups of the environment are made, where they are kept and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupPolicy {
    /// When one is made: minute, hour, day of the month, month, day of the week, as `0 3 * * *`. By hand alone where
    /// it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub schedule: Option<String>,
    /// As `Europe/Berlin`; UTC where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// How long a backup is kept, as `35d`, which it is where it is not given; 1d to 3650d. The newest one that can be
    /// used is kept whatever its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// The bucket that holds releases, records, packages and the objects of buckets. Best in another account or
    /// region, and of no environment.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// As `trueup/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub prefix: Option<String>,
    /// The bucket's region; the environment's where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-\d+$"))]
    pub region: Option<String>,
    /// The bucket's account, where that is not the environment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub account_id: Option<String>,
    /// The KMS key that exports of tables are encrypted by, as its ARN; as the bucket encrypts by itself where it is not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$"))]
    pub kms_key_arn: Option<String>,
    /// Each backup also has the items of every table in the bucket, so that the environment can be built in another
    /// account or region. Its tables need `pointInTimeRecovery`. DynamoDB exports whole tables, and charges for their
    /// size each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_tables: Option<bool>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The newest point in time that a table can be restored to is typically so old:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html>.
pub const RPO_MIN: Duration = Duration::from_secs(5 * 60);
/// No restore of a table is reported to be over sooner, however small the table. AWS's own pages name no time.
pub const RTO_MIN: Duration = Duration::from_secs(20 * 60);
/// Restores of one account at once:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html>.
pub const RESTORES_AT_ONCE: usize = 50;
const OBJECTIVE_MAX: Duration = Duration::from_secs(35 * 24 * 3600);
const RETENTION_DEFAULT: Duration = Duration::from_secs(35 * 24 * 3600);
const RETENTION_MAX: Duration = Duration::from_secs(3_650 * 24 * 3600);
/// Times of a schedule that are looked at for the longest pause between two of them: more than a year of days.
const TIMES_MAX: usize = 400;

impl Recovery {
    /// What cannot be read was refused by validation.
    pub fn rpo(&self) -> Option<Duration> {
        self.rpo.as_deref().and_then(|text| parse_duration(text).ok())
    }

    /// How long it may take to build the environment again; `None` where it is not declared or cannot be read.
    pub fn rto(&self) -> Option<Duration> {
        self.rto.as_deref().and_then(|text| parse_duration(text).ok())
    }

    pub(super) fn problems(&self) -> Vec<SpecProblem> {
        let backups = self.backups.clone().unwrap_or_default();
        let mut problems = Vec::new();
        for (field, text, least, most, why) in [
            (
                "recovery.rpo",
                &self.rpo,
                RPO_MIN,
                OBJECTIVE_MAX,
                "the newest point in time that AWS restores is about 5 minutes old: the rpo is 5m to 35d",
            ),
            (
                "recovery.rto",
                &self.rto,
                RTO_MIN,
                OBJECTIVE_MAX,
                "AWS takes at least 20 minutes to restore a table: the rto is 20m to 35d",
            ),
            (
                "recovery.backups.retention",
                &backups.retention,
                DAY,
                RETENTION_MAX,
                "a backup is kept for 1d to 3650d",
            ),
        ] {
            match text.as_deref().map(parse_duration) {
                Some(Err(message)) => problems.push(SpecProblem::new(field, message)),
                Some(Ok(duration)) if duration < least || duration > most => {
                    problems.push(SpecProblem::new(field, why));
                }
                _ => {}
            }
        }
        if let Err((field, message)) = backups.read() {
            problems.push(SpecProblem::new(format!("recovery.backups.{field}"), message));
        } else if let Some(text) = &backups.schedule
            && backups.next_after(Timestamp::UNIX_EPOCH).is_none()
        {
            let message = format!("`{text}` never comes: no month has such a day");
            problems.push(SpecProblem::new("recovery.backups.schedule", message));
        }
        problems
    }
}

impl BackupPolicy {
    fn read(&self) -> Result<Option<(Cron, TimeZone)>, (&'static str, String)> {
        let name = self.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(name)
            .map_err(|_| ("timeZone", format!("`{name}` is no time zone, as Europe/Berlin is")))?;
        let Some(text) = &self.schedule else { return Ok(None) };
        let schedule = Cron::from_str(text)
            .map_err(|error| ("schedule", format!("`{text}` is no schedule: {error}")))?;
        Ok(Some((schedule, zone)))
    }

    /// How long a backup is kept; 35 days where it is not declared or cannot be read.
    pub fn retention(&self) -> Duration {
        let text = self.retention.as_deref();
        text.and_then(|text| parse_duration(text).ok()).unwrap_or(RETENTION_DEFAULT)
    }

    /// When the next backup after a time is due; `None` where none ever is.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let (schedule, zone) = self.read().ok().flatten()?;
        let next = schedule.find_next_occurrence(&at.to_zoned(zone), false).ok()?;
        Some(next.timestamp())
    }

    /// The longest pause between two backups, from a time on.
    pub fn longest_pause(&self, from: Timestamp) -> Option<SignedDuration> {
        let mut at = self.next_after(from)?;
        let mut longest = SignedDuration::ZERO;
        for _ in 0..TIMES_MAX {
            let next = self.next_after(at)?;
            longest = longest.max(next.duration_since(at));
            at = next;
        }
        Some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery(text: &str) -> Recovery {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn objectives_that_aws_cannot_keep_are_refused_with_the_reason() {
        for (text, expected) in [
            (r#"{"rpo": "1h", "rto": "4h"}"#, None),
            (r#"{"rpo": "1m"}"#, Some("about 5 minutes old")),
            (r#"{"rto": "10m"}"#, Some("at least 20 minutes")),
            (r#"{"rto": "soon"}"#, Some("not a duration")),
            (r#"{"backups": {"bucket": "kept", "retention": "35d"}}"#, None),
            (r#"{"backups": {"bucket": "kept", "retention": "1h"}}"#, Some("1d to 3650d")),
            (r#"{"backups": {"bucket": "kept", "schedule": "daily"}}"#, Some("no schedule")),
            (r#"{"backups": {"bucket": "kept", "schedule": "0 3 30 2 *"}}"#, Some("never comes")),
            (r#"{"backups": {"bucket": "kept", "timeZone": "Moon"}}"#, Some("no time zone")),
        ] {
            let problems = recovery(text).problems();
            let found = problems.first().map(|problem| problem.message.as_str());
            match expected {
                None => assert_eq!(found, None, "{text}"),
                Some(words) => {
                    assert!(found.is_some_and(|f| f.contains(words)), "{text}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn the_longest_pause_of_a_schedule_is_found() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (schedule, hours) in [("0 * * * *", 1), ("0 3 * * *", 24), ("0 3 * * MON-FRI", 72)] {
            let policy =
                BackupPolicy { schedule: Some(schedule.to_owned()), ..BackupPolicy::default() };
            assert_eq!(policy.longest_pause(from), Some(SignedDuration::from_hours(hours)));
        }
    }
}
