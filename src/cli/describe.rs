//! `trueup describe`: everything about one object.

use clap::Args;

use super::get::{environment_rows, with_status};
use super::out::{note, say};
use super::show::{self, age, table};
use super::{CliError, Connected};
use crate::model::ObjectId;

/// Events shown of one object.
const EVENTS_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    environment: String,
    /// As Table/orders.
    object: ObjectId,
}

pub(super) async fn run(connected: &Connected, args: &DescribeArgs) -> Result<(), CliError> {
    let head = connected.store.existing_head(&args.environment).await?;
    let rows = environment_rows(connected, &head).await?;
    let Some(row) = rows.into_iter().find(|row| row.entry.id() == args.object) else {
        return Err(CliError::refused(format!(
            "{} has no {}; see `trueup get {}`",
            args.environment, args.object, args.environment
        )));
    };
    if let Some(damage) = &row.damage {
        note!("warning: {}: {damage}", args.object);
    }
    let digests = Some(row.entry.digest.clone()).filter(|digest| !digest.is_empty());
    let digests = digests.into_iter().collect();
    let objects = connected.store.objects(&args.environment, &digests).await?;
    let now = connected.store.clock().now();
    for object in objects.values() {
        say!("{}", show::yaml(&with_status(object, &row)));
    }
    let events = connected.store.events(&args.environment, 1000).await?;
    let object = args.object.to_string();
    let lines: Vec<_> = events
        .into_iter()
        .filter(|event| event.object == object)
        .take(EVENTS_MAX)
        .map(|e| {
            let count = if e.count > 1 { format!(" (x{})", e.count) } else { String::new() };
            vec![
                format!("{}{count}", age(e.last_seen, now)),
                format!("{:?}", e.kind),
                e.reason,
                e.message,
            ]
        })
        .collect();
    if lines.is_empty() {
        say!("\nno events");
    } else {
        say!("\n{}", table(&["LAST SEEN", "TYPE", "REASON", "MESSAGE"], lines));
    }
    Ok(())
}
