//! Whether an environment could be brought back as it promises: by what is there, and not by what is declared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;

use super::manifest::Backup;
use super::{RecoveryError, Vault, place_of};
use crate::aws::{Session, Sessions};
use crate::engine::release::{current, own_session, spec_of};
use crate::kinds::environment::Recovery;
use crate::kinds::kind;
use crate::kinds::table::backups;
use crate::model::{ConditionStatus, ObjectId};
use crate::store::{Recoveries, Rehydration, Store};

/// Tables that are asked after at once.
const AT_ONCE: usize = 4;
/// Objects that a message names.
const NAMED_MAX: usize = 5;

/// The newest time that an object's data can be brought back to, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// The time that the data come back to.
    pub at: Timestamp,
    /// `point in time`, or the id of a backup.
    pub from: String,
}

/// What was measured of an environment.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// What the environment promises: `spec.recovery` of its manifest.
    pub recovery: Recovery,
    /// Every object that holds data.
    pub points: BTreeMap<ObjectId, Option<Point>>,
    /// The newest backup that is whole.
    pub newest_whole: Option<Backup>,
    /// What was done for its recovery: the last rehydration and the last rehearsal tell how long one takes.
    pub recoveries: Recoveries,
}

/// The condition `RecoveryObjectivesMet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// True where everything that was promised is kept; Unknown where it was never rehearsed.
    pub status: ConditionStatus,
    /// One CamelCase word, for machines.
    pub reason: &'static str,
    /// What is wrong with which object, or what was measured; for people.
    pub message: String,
}

/// Measures an environment that declares `spec.recovery`; `None` of any other.
pub async fn measure(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
) -> Result<Option<Measured>, RecoveryError> {
    let current = current(store, environment).await?;
    let Some(spec) = spec_of(&current.objects) else { return Ok(None) };
    let Some(recovery) = spec.recovery.clone() else { return Ok(None) };
    let session = own_session(sessions, environment, &spec.target()).await?;
    let backups = match &recovery.backups {
        Some(_) => {
            let here = place_of(&session).await?;
            let vault = Vault::of(sessions, environment, &spec).await?;
            let all = vault.sound_backups().await?.into_iter();
            // After a move to another account or region, those of before bring back nothing here.
            all.filter(|backup| backup.is_of(&here)).collect()
        }
        None => Vec::new(),
    };
    let holds_data = |id: &ObjectId| kind(&id.kind).is_some_and(|kind| kind.holds_data());
    let data = current.objects.iter().map(|object| object.id()).filter(holds_data);
    let mut points: BTreeMap<ObjectId, Option<Point>> = data.map(|id| (id, None)).collect();
    let there = table_backups(&session, &backups).await?;
    for backup in &backups {
        for (id, at) in backup.points_there(&there) {
            let from = || backup.id.clone();
            if let Some(point) = points.get_mut(&id) {
                raise(point, at, from);
            }
        }
    }
    for (id, latest) in restorable(store, &session, environment, points.keys()).await? {
        if let Some(point) = points.get_mut(&id) {
            raise(point, latest, || "point in time".to_owned());
        }
    }
    let newest_whole = backups.into_iter().rev().find(Backup::is_whole);
    let recoveries = store.recoveries(environment).await?;
    Ok(Some(Measured { recovery, points, newest_whole, recoveries }))
}

/// The tables' backups that DynamoDB has: somebody may have deleted one that a manifest names.
pub(super) async fn table_backups(
    session: &Session,
    backups: &[Backup],
) -> Result<BTreeSet<String>, RecoveryError> {
    if backups.iter().all(|backup| backup.tables.is_empty()) {
        return Ok(BTreeSet::new());
    }
    Ok(backups::all(session, None).await?.into_iter().map(|found| found.arn).collect())
}

fn raise(point: &mut Option<Point>, at: Timestamp, from: impl Fn() -> String) {
    if point.as_ref().is_none_or(|known| known.at < at) {
        *point = Some(Point { at, from: from() });
    }
}

/// The newest time that each table can be restored to, where it can.
async fn restorable(
    store: &Store,
    session: &Session,
    environment: &str,
    ids: impl Iterator<Item = &ObjectId>,
) -> Result<Vec<(ObjectId, Timestamp)>, RecoveryError> {
    let mut named = Vec::new();
    let statuses = store.statuses(environment).await?;
    for id in ids.filter(|id| &*id.kind == "Table") {
        if let Some(Ok(status)) = statuses.get(id) {
            named.push((id.clone(), status.aws_name.clone()));
        }
    }
    let asked = stream::iter(named).map(|(id, name)| async move {
        let between = backups::restorable(session, &name).await?;
        Ok::<_, RecoveryError>(between.map(|between| (id, between.latest)))
    });
    let found: Vec<_> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

impl Measured {
    /// How long the last rehydration or drill took.
    pub fn took(&self) -> Option<Duration> {
        let over = |done: &Rehydration| {
            let ended_at = done.ended_at?;
            Some((ended_at, Duration::try_from(ended_at.duration_since(done.begun_at)).ok()?))
        };
        let Recoveries { rehydration, drill, .. } = &self.recoveries;
        let whole = rehydration.iter().chain(drill).filter(|done| done.lacking.is_none());
        whole.filter_map(over).max_by_key(|(ended_at, _)| *ended_at).map(|(_, took)| took)
    }

    /// Holds what was measured against what was promised. Pure.
    pub fn judge(&self, now: Timestamp) -> Judged {
        let judged = |status, reason, message| Judged { status, reason, message };
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let missing = self.points.iter().filter(|(_, point)| point.is_none());
        let missing: Vec<_> = missing.map(|(id, _)| id.to_string()).collect();
        if !missing.is_empty() {
            let message = format!("nothing can bring back {}", some(&missing));
            return judged(ConditionStatus::False, "NoRecoveryPoint", message);
        }
        if let Some(rpo) = self.recovery.rpo() {
            let is_old = |point: &Point| age(point.at) > rpo;
            let old = self.points.iter().filter(|(_, point)| point.as_ref().is_some_and(is_old));
            let old: Vec<_> = old
                .filter_map(|(id, point)| Some(format!("{id} of {}", point.as_ref()?.at)))
                .collect();
            if !old.is_empty() {
                let message = format!(
                    "the newest recovery point is older than the rpo of {}: {}",
                    self.recovery.rpo.as_deref().unwrap_or_default(),
                    some(&old)
                );
                return judged(ConditionStatus::False, "RecoveryPointTooOld", message);
            }
        }
        if let Some(why) = self.recoveries.drill.as_ref().and_then(|drill| drill.lacking.as_ref()) {
            let message = format!("the last rehearsal failed: {why}");
            return judged(ConditionStatus::False, "RehearsalFailed", message);
        }
        let Some(rto) = self.recovery.rto() else {
            let message = "every recovery point is young enough".to_owned();
            return judged(ConditionStatus::True, "ObjectivesMet", message);
        };
        let text = self.recovery.rto.as_deref().unwrap_or_default();
        match self.took() {
            None => {
                let message = "it was never rehearsed; `trueup drill` measures how long it takes";
                judged(ConditionStatus::Unknown, "NotRehearsed", message.to_owned())
            }
            Some(took) if took > rto => {
                let took = minutes(took);
                let message = format!("the last rehearsal took {took}, and the rto is {text}");
                judged(ConditionStatus::False, "RehearsalTooSlow", message)
            }
            Some(took) => {
                let message = format!(
                    "every recovery point is young enough, and the last rehearsal took {} of {text}",
                    minutes(took)
                );
                judged(ConditionStatus::True, "ObjectivesMet", message)
            }
        }
    }
}

fn some(texts: &[String]) -> String {
    let rest = texts.len().saturating_sub(NAMED_MAX);
    let shown = texts[..texts.len() - rest].join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

/// As `1h05m` or `21m`.
pub fn minutes(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    match minutes / 60 {
        0 => format!("{minutes}m"),
        hours => format!("{hours}h{:02}m", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    /// Points by their ages in minutes, and how many minutes a drill took.
    fn measured(ages: &[Option<i64>], drill: Option<i64>) -> Measured {
        let at = |age: i64| now() - jiff::SignedDuration::from_mins(age);
        let point = |age: i64| Point { at: at(age), from: "point in time".to_owned() };
        let points = ages
            .iter()
            .enumerate()
            .map(|(i, age)| (ObjectId::new("Table", format!("t{i}")), age.map(point)));
        let drill = drill.map(|took| Rehydration {
            backup: String::new(),
            begun_at: at(took),
            ended_at: Some(now()),
            lacking: None,
            scratch_of: None,
        });
        Measured {
            recovery: serde_json::from_str(r#"{"rpo": "1h", "rto": "4h"}"#).unwrap(),
            points: points.collect(),
            newest_whole: None,
            recoveries: Recoveries { drill, ..Recoveries::default() },
        }
    }

    #[test]
    fn what_is_there_is_held_against_what_was_promised() {
        for (measured, status, reason) in [
            (measured(&[Some(5), Some(59)], Some(30)), ConditionStatus::True, "ObjectivesMet"),
            (measured(&[Some(5), None], Some(30)), ConditionStatus::False, "NoRecoveryPoint"),
            (measured(&[Some(5), Some(61)], None), ConditionStatus::False, "RecoveryPointTooOld"),
            (measured(&[Some(5)], None), ConditionStatus::Unknown, "NotRehearsed"),
            (measured(&[Some(5)], Some(241)), ConditionStatus::False, "RehearsalTooSlow"),
        ] {
            let judged = measured.judge(now());
            assert_eq!((judged.status, judged.reason), (status, reason), "{}", judged.message);
        }
        let mut failed = measured(&[Some(5)], Some(30));
        let lacking = Some("k3 of Bucket/files did not come back".to_owned());
        failed.recoveries.drill.as_mut().unwrap().lacking = lacking;
        let judged = failed.judge(now());
        assert_eq!((judged.status, judged.reason), (ConditionStatus::False, "RehearsalFailed"));
        assert_eq!(failed.took(), None, "what failed says nothing of how long it takes");
        let old = measured(&[Some(61)], None).judge(now());
        insta::assert_snapshot!(old.message, @"the newest recovery point is older than the rpo of 1h: Table/t0 of 2026-03-01T10:59:00Z");
    }

    #[test]
    fn durations_are_told_in_minutes() {
        for (seconds, expected) in [(59, "1m"), (1_260, "21m"), (3_900, "1h05m")] {
            assert_eq!(minutes(Duration::from_secs(seconds)), expected);
        }
    }
}
