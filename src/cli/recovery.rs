//! `trueup get recovery`: whether environments could be brought back as they promise.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::out::{self, note, say};
use super::show::{Output, age, table};
use super::{CliError, Connected};
use crate::engine::recovery::{Judged, Measured, measure, minutes};
use crate::model::ConditionStatus;

/// The word that stands where an environment's name would.
pub(super) const RECOVERY: &str = "recovery";

struct Row {
    environment: String,
    /// `None` where it cannot be told.
    measured: Option<Measured>,
    judged: Judged,
}

pub(super) async fn run(connected: &Connected, output: &Output) -> Result<(), CliError> {
    let (store, sessions) = (&connected.store, &connected.sessions);
    let now = store.clock().now();
    let mut rows = Vec::new();
    for (environment, head) in store.heads_and_lost().await? {
        let measured = match head {
            Ok(_) => measure(store, sessions, &environment).await,
            Err(error) => Err(error.into()),
        };
        match measured {
            Ok(Some(measured)) => {
                let judged = measured.judge(now);
                rows.push(Row { environment, measured: Some(measured), judged });
            }
            Ok(None) => {}
            // Whether it has a promise, and keeps it, nobody can tell: that is no good news.
            Err(error) => {
                let (status, reason) = (ConditionStatus::Unknown, "NotMeasured");
                let judged = Judged { status, reason, message: error.to_string() };
                rows.push(Row { environment, measured: None, judged });
            }
        }
    }
    if let Some(text) = output
        .for_scripts(|| list(&rows), || rows.iter().map(|row| row.environment.clone()).collect())
    {
        out::lines(&text)?;
    } else if rows.is_empty() {
        note!(
            "no environment has `spec.recovery`; `trueup explain Environment.recovery` says what it is"
        );
    } else {
        say!("{}", printed(&rows, now));
        if matches!(output, Output::Wide) {
            say!("\n{}", points(&rows, now));
        }
    }
    let unmeasured = rows.iter().filter(|row| row.measured.is_none());
    let unmeasured: Vec<_> = unmeasured.map(|row| row.environment.as_str()).collect();
    match unmeasured[..] {
        [] => Ok(()),
        _ => Err(CliError::refused(format!(
            "the recovery of {} could not be measured",
            unmeasured.join(", ")
        ))),
    }
}

fn word(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}

fn printed(rows: &[Row], now: Timestamp) -> String {
    let cells = |row: &Row| {
        let measured = row.measured.as_ref();
        let recovery = measured.map(|measured| &measured.recovery);
        let points = measured.into_iter().flat_map(|measured| measured.points.values().flatten());
        let oldest = points.map(|point| point.at).min();
        let newest = measured.and_then(|measured| measured.newest_whole.as_ref());
        let none = || "-".to_owned();
        vec![
            row.environment.clone(),
            word(row.judged.status).to_owned(),
            recovery.and_then(|recovery| recovery.rpo.clone()).unwrap_or_else(none),
            oldest.map_or_else(none, |at| age(at, now)),
            recovery.and_then(|recovery| recovery.rto.clone()).unwrap_or_else(none),
            measured.and_then(Measured::took).map_or_else(none, minutes),
            newest.map_or_else(none, |backup| backup.id.clone()),
            format!("{}: {}", row.judged.reason, row.judged.message),
        ]
    };
    let header = [
        "ENVIRONMENT",
        "MET",
        "RPO",
        "OLDEST POINT",
        "RTO",
        "LAST DRILL",
        "NEWEST BACKUP",
        "MESSAGE",
    ];
    table(&header, rows.iter().map(cells).collect())
}

fn points(rows: &[Row], now: Timestamp) -> String {
    let mut cells = Vec::new();
    for row in rows {
        for (id, point) in row.measured.iter().flat_map(|measured| &measured.points) {
            let (at, from) = match point {
                Some(point) => (age(point.at, now), point.from.clone()),
                None => ("-".to_owned(), "nothing can bring it back".to_owned()),
            };
            cells.push(vec![row.environment.clone(), id.to_string(), at, from]);
        }
    }
    table(&["ENVIRONMENT", "OBJECT", "NEWEST POINT", "FROM"], cells)
}

fn list(rows: &[Row]) -> Value {
    let item = |row: &Row| {
        let measured = row.measured.as_ref();
        let recovery = measured.map(|measured| &measured.recovery);
        let points: Vec<_> = measured
            .into_iter()
            .flat_map(|measured| &measured.points)
            .map(|(id, point)| json!({"object": id.to_string(), "newestPoint": point}))
            .collect();
        json!({
            "environment": row.environment,
            "rpo": recovery.and_then(|recovery| recovery.rpo.as_ref()),
            "rto": recovery.and_then(|recovery| recovery.rto.as_ref()),
            "condition": {
                "type": "RecoveryObjectivesMet",
                "status": word(row.judged.status),
                "reason": row.judged.reason,
                "message": row.judged.message,
            },
            "objects": points,
            "newestBackup": measured
                .and_then(|measured| measured.newest_whole.as_ref())
                .map(|backup| &backup.id),
            "lastDrillSeconds": measured.and_then(Measured::took).map(|took| took.as_secs()),
        })
    };
    json!({ "items": rows.iter().map(item).collect::<Vec<_>>() })
}
