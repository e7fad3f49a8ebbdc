//! `trueup get health`: whether environments work, and what they do without.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::get::{Row, environment_rows};
use super::out::{self, note, say};
use super::show::{Output, age, table};
use super::{CliError, Connected};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{ConditionStatus, condition_type};
use crate::store::{Cause, Head, HealthRecord, Rollout, Verdict};

/// The word that stands where an environment's name would.
pub(super) const HEALTH: &str = "health";

/// How an environment is, in its two conditions.
struct Health {
    environment: String,
    /// Pages are probed.
    is_probed: bool,
    /// A daemon is at it: what it said last still counts.
    is_followed: bool,
    record: HealthRecord,
    /// Optional objects that are not ready, with why.
    missing: Vec<String>,
    optional: usize,
    /// The current release is a rollback that failed, with why: nothing more happens by itself.
    stuck: Option<String>,
}

pub(super) async fn run(connected: &Connected, output: &Output) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for (environment, head) in connected.store.heads_and_lost().await? {
        let found = match head {
            Ok(head) => of_environment(connected, &head).await,
            Err(error) => Err(error.into()),
        };
        match found {
            Ok(health) => rows.push(health),
            Err(error) => note!("warning: {environment}: {error}"),
        }
    }
    let now = connected.store.clock().now();
    if let Some(text) = output
        .for_scripts(|| list(&rows), || rows.iter().map(|row| row.environment.clone()).collect())
    {
        out::lines(&text)?;
    } else if rows.is_empty() {
        note!("nothing found; `trueup apply` records environments");
    } else {
        say!("{}", printed(&rows, now));
        if matches!(output, Output::Wide) {
            say!("\n{}", pages(&rows, now));
        }
    }
    Ok(())
}

async fn of_environment(connected: &Connected, head: &Head) -> Result<Health, CliError> {
    let name = &head.environment;
    let rows = environment_rows(connected, head).await?;
    let release = connected.store.current(head).await?;
    let digests = release.objects.iter().map(|entry| entry.digest.clone()).collect();
    let objects = connected.store.objects(name, &digests).await?;
    let mut spec = EnvironmentSpec::default();
    let mut optional = BTreeSet::new();
    for object in objects.values() {
        if object.kind == environment::NAME {
            spec = EnvironmentSpec::deserialize(&*object.spec).map_err(|error| {
                CliError::refused(format!("{name}: its Environment cannot be read: {error}"))
            })?;
        } else if object.is_optional() {
            optional.insert(object.id());
        }
    }
    let is_missing = |row: &&Row| {
        let is_ready = row.is_current() && row.condition(condition_type::READY) == "True";
        !row.leaves && optional.contains(&row.entry.id()) && !is_ready
    };
    let missing = rows.iter().filter(is_missing);
    let missing = missing.map(|row| format!("{}: {}", row.entry.id(), row.message())).collect();
    let is_probed = !spec.probes().is_empty();
    let record = if is_probed { connected.store.health(name).await? } else { None };
    let rollout = connected.store.rollout(name, head.release).await?;
    let is_stuck =
        |r: &Rollout| r.verdict == Verdict::Failed && matches!(r.cause, Cause::Rollback(_));
    let stuck = rollout.filter(is_stuck).map(|r| {
        format!("release {}, which was to undo a failed one, failed, too: {}", r.release, r.message)
    });
    Ok(Health {
        environment: name.clone(),
        is_probed,
        is_followed: rows.iter().any(|row| row.is_followed),
        record: record.unwrap_or_default(),
        missing,
        optional: optional.len(),
        stuck,
    })
}

impl Health {
    /// The condition `Healthy`; `None` where nothing is probed.
    fn healthy(&self) -> Option<(ConditionStatus, &str, &str)> {
        if !self.is_probed {
            return None;
        }
        if !self.is_followed {
            return Some((ConditionStatus::Unknown, "NotFollowed", "no daemon probes it"));
        }
        let condition = self.record.conditions.get(condition_type::HEALTHY);
        let unknown = (ConditionStatus::Unknown, "NotProbed", "not probed often enough yet");
        Some(condition.map_or(unknown, |c| (c.status, c.reason.as_str(), c.message.as_str())))
    }

    /// The condition `Degraded`; `None` where no object is optional, and no rollback failed.
    fn degraded(&self) -> Option<(ConditionStatus, &str)> {
        match (&self.stuck, self.missing.is_empty(), self.optional) {
            (Some(_), ..) => Some((ConditionStatus::True, "RollbackFailed")),
            (None, false, _) => Some((ConditionStatus::True, "OptionalNotReady")),
            (None, true, 0) => None,
            (None, true, _) => Some((ConditionStatus::False, "OptionalReady")),
        }
    }

    /// What the environment does not have.
    fn lacks(&self) -> impl Iterator<Item = String> {
        let missing = self.missing.iter().map(|missing| format!("does without {missing}"));
        self.stuck.clone().into_iter().chain(missing)
    }

    fn message(&self) -> String {
        if !self.is_probed && self.degraded().is_none() {
            return "nothing is probed; `trueup explain Environment.health` says how".to_owned();
        }
        let unwell = self.healthy().filter(|(status, ..)| *status != ConditionStatus::True);
        let unwell = unwell.map(|(_, reason, message)| format!("{reason}: {message}"));
        unwell.into_iter().chain(self.lacks()).collect::<Vec<_>>().join("; ")
    }
}

fn printed(rows: &[Health], now: Timestamp) -> String {
    let word = |status: Option<ConditionStatus>| match status {
        Some(status) => format!("{status:?}"),
        None => "-".to_owned(),
    };
    let cells = |row: &Health| {
        let since = row.record.conditions.get(condition_type::HEALTHY);
        let since = since.filter(|_| row.is_probed && row.is_followed);
        vec![
            row.environment.clone(),
            word(row.healthy().map(|(status, ..)| status)),
            since.map_or_else(|| "-".to_owned(), |c| age(c.last_transition_time, now)),
            word(row.degraded().map(|(status, _)| status)),
            row.message(),
        ]
    };
    let header = ["ENVIRONMENT", "HEALTHY", "SINCE", "DEGRADED", "MESSAGE"];
    table(&header, rows.iter().map(cells).collect())
}

fn pages(rows: &[Health], now: Timestamp) -> String {
    let mut cells = Vec::new();
    for row in rows.iter().filter(|row| row.is_probed && row.is_followed) {
        for page in &row.record.pages {
            cells.push(vec![
                row.environment.clone(),
                page.url.clone(),
                format!("{:?}", page.healthy),
                page.since.map_or_else(|| "-".to_owned(), |since| age(since, now)),
                page.message.clone(),
            ]);
        }
    }
    table(&["ENVIRONMENT", "PAGE", "HEALTHY", "SINCE", "MESSAGE"], cells)
}

fn list(rows: &[Health]) -> Value {
    let item = |row: &Health| {
        let mut conditions = Vec::new();
        if let Some((status, reason, message)) = row.healthy() {
            conditions.push(json!({
                "type": condition_type::HEALTHY,
                "status": status,
                "reason": reason,
                "message": message,
            }));
        }
        if let Some((status, reason)) = row.degraded() {
            conditions.push(json!({
                "type": condition_type::DEGRADED,
                "status": status,
                "reason": reason,
                "message": row.lacks().collect::<Vec<_>>().join("; "),
            }));
        }
        json!({
            "environment": row.environment,
            "conditions": conditions,
            "pages": row.record.pages,
        })
    };
    json!({ "items": rows.iter().map(item).collect::<Vec<_>>() })
}
