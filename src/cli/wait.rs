//! `trueup wait`: returns when objects are as asked for, and fails at once when one cannot be.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Args;

use super::get::{Row, environment_rows};
use super::out::{note, say};
use super::selector::object;
use super::{CliError, Connected};
use crate::model::{ObjectId, condition_type, parse_duration};

const OBSERVE_EVERY: Duration = Duration::from_millis(500);

/// A daemon that starts has the lease by then.
const DAEMON_STARTS_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    environment: String,
    /// One object, as Table/orders; all but the optional ones where it is not given.
    #[arg(value_parser = object)]
    object: Option<ObjectId>,
    /// What to wait for: condition=Ready, condition=Synced=False, or delete.
    #[arg(long = "for", default_value = "condition=Ready")]
    goal: String,
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) async fn run(connected: &Connected, args: &WaitArgs) -> Result<(), CliError> {
    let goal = Goal::parse(&args.goal)?;
    let mut last = Last::Nothing;
    let waited = tokio::time::timeout(args.timeout, until(connected, args, &goal, &mut last)).await;
    match (waited, last) {
        (Ok(result), _) => result,
        (Err(_), Last::Nothing) => Err(CliError::refused(format!(
            "timed out after {} s; the store did not answer",
            args.timeout.as_secs()
        ))),
        (Err(_), Last::Trouble(error)) => Err(CliError::refused(format!(
            "timed out after {} s; the store could not be read: {error}",
            args.timeout.as_secs()
        ))),
        (Err(_), Last::Rows(rows)) => {
            let left: Vec<_> = rows
                .iter()
                .filter(|row| !goal.is_met(row))
                .map(|row| format!("{}: {}", row.entry.id(), row.message()))
                .collect();
            Err(CliError::refused(format!(
                "timed out after {} s; not there yet:\n  {}",
                args.timeout.as_secs(),
                left.join("\n  ")
            )))
        }
    }
}

enum Goal {
    Condition(String, String),
    Deleted,
}

impl Goal {
    fn parse(text: &str) -> Result<Self, CliError> {
        if text == "delete" {
            return Ok(Self::Deleted);
        }
        let malformed =
            || CliError::usage(format!("--for is condition=TYPE[=STATUS] or delete, not `{text}`"));
        let condition = text.strip_prefix("condition=").ok_or_else(malformed)?;
        let (kind, status) = condition.split_once('=').unwrap_or((condition, "True"));
        let known = [
            condition_type::READY,
            condition_type::RECONCILING,
            condition_type::STALLED,
            condition_type::SYNCED,
        ];
        let kind = known.iter().find(|k| k.eq_ignore_ascii_case(kind)).ok_or_else(malformed)?;
        Ok(Self::Condition((*kind).to_owned(), status.to_owned()))
    }

    fn is_met(&self, row: &Row) -> bool {
        match self {
            Self::Condition(kind, status) => {
                row.is_current() && row.condition(kind).eq_ignore_ascii_case(status)
            }
            Self::Deleted => false,
        }
    }

    /// What is stalled will not become ready by waiting.
    fn is_lost(&self, row: &Row) -> bool {
        !matches!(self, Self::Condition(kind, _) if kind == condition_type::STALLED)
            && row.is_stalled()
    }
}

/// What the last observation came to: the time may run out in the middle of the next one.
enum Last {
    Nothing,
    Rows(Vec<Row>),
    Trouble(CliError),
}

/// Reads the store until the goal is met or lost. That the store cannot be read passes, or the time runs out.
async fn until(
    connected: &Connected,
    args: &WaitArgs,
    goal: &Goal,
    last: &mut Last,
) -> Result<(), CliError> {
    let (begun, mut is_told) = (Instant::now(), false);
    let mut optional = Optional::default();
    loop {
        let rows = match rows(connected, args, &mut optional).await {
            Ok(rows) => rows,
            Err(error) if error.may_pass() => {
                if !matches!(last, Last::Trouble(_)) {
                    note!("warning: {error}; trying again");
                }
                *last = Last::Trouble(error);
                tokio::time::sleep(OBSERVE_EVERY).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        // For `delete` without an object: until nothing is leaving any more.
        let concerned = |row: &&Row| match goal {
            Goal::Deleted => row.leaves || args.object.is_some(),
            Goal::Condition(..) => !row.leaves && !optional.ids.contains(&row.entry.id()),
        };
        if let Some(lost) = rows.iter().filter(concerned).find(|row| goal.is_lost(row)) {
            return Err(CliError::refused(format!(
                "{}/{} is stalled: {}",
                args.environment,
                lost.entry.id(),
                lost.message()
            )));
        }
        if rows.iter().filter(concerned).all(|row| goal.is_met(row)) {
            say!("{}: {}", args.environment, args.goal);
            let is_condition = matches!(goal, Goal::Condition(..));
            let waived = rows.iter().filter(|row| is_condition && !row.leaves && !concerned(row));
            for row in waived.filter(|row| !goal.is_met(row)) {
                note!("without {}, which is optional: {}", row.entry.id(), row.message());
            }
            return Ok(());
        }
        let is_left_alone =
            begun.elapsed() > DAEMON_STARTS_WITHIN && rows.iter().any(|row| !row.is_followed);
        if is_left_alone && !std::mem::replace(&mut is_told, true) {
            let environment = &args.environment;
            note!(
                "warning: no daemon holds the lease of {environment}; start one with `trueup run`"
            );
        }
        *last = Last::Rows(rows);
        tokio::time::sleep(OBSERVE_EVERY).await;
    }
}

/// What an environment does without, of the release that was read last.
#[derive(Default)]
struct Optional {
    release: u64,
    ids: BTreeSet<ObjectId>,
}

async fn rows(
    connected: &Connected,
    args: &WaitArgs,
    optional: &mut Optional,
) -> Result<Vec<Row>, CliError> {
    let head = connected.store.existing_head(&args.environment).await?;
    if args.object.is_none() && optional.release != head.release {
        let release = connected.store.current(&head).await?;
        let digests = release.objects.iter().map(|entry| entry.digest.clone()).collect();
        let objects = connected.store.objects(&args.environment, &digests).await?;
        let ids = objects.values().filter(|object| object.is_optional()).map(|object| object.id());
        *optional = Optional { release: head.release, ids: ids.collect() };
    }
    let mut rows = environment_rows(connected, &head).await?;
    if let Some(object) = &args.object {
        rows.retain(|row| row.entry.id() == *object);
        if rows.is_empty() && args.goal != "delete" {
            return Err(CliError::no_such_object(Some(&args.environment), object));
        }
    }
    Ok(rows)
}
