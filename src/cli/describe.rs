//! `trueup describe`: everything about one object.

use clap::Args;

use super::get::{environment_rows, with_status};
use super::out::{note, say};
use super::selector::object;
use super::show::{self, age, table};
use super::{CliError, Connected};
use crate::model::ObjectId;

/// Events shown of one object.
const EVENTS_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The environment; with its object in one word, as prod/Table/orders.
    environment: String,
    /// As Table/orders.
    #[arg(value_parser = object)]
    object: Option<ObjectId>,
}

impl DescribeArgs {
    /// The environment and the object, however they were given.
    fn named(&self) -> Result<(&str, ObjectId), CliError> {
        if let Some(object) = &self.object {
            return Ok((&self.environment, object.clone()));
        }
        let missing =
            || CliError::usage("name the object, as in `trueup describe prod Table/orders`");
        let (environment, named) = self.environment.split_once('/').ok_or_else(missing)?;
        Ok((environment, object(named).map_err(CliError::usage)?))
    }
}

pub(super) async fn run(connected: &Connected, args: &DescribeArgs) -> Result<(), CliError> {
    let (environment, id) = args.named()?;
    let head = connected.store.existing_head(environment).await?;
    let rows = environment_rows(connected, &head).await?;
    let Some(row) = rows.into_iter().find(|row| row.entry.id() == id) else {
        return Err(CliError::no_such_object(Some(environment), &id));
    };
    if let Some(damage) = &row.damage {
        note!("warning: {}: {damage}", id);
    }
    let digests = Some(row.entry.digest.clone()).filter(|digest| !digest.is_empty());
    let digests = digests.into_iter().collect();
    let objects = connected.store.objects(environment, &digests).await?;
    let now = connected.store.clock().now();
    for object in objects.values() {
        say!("{}", show::yaml(&with_status(object, &row)));
    }
    let events = connected.store.events(environment, 1000).await?;
    let named = id.to_string();
    let lines: Vec<_> = events
        .into_iter()
        .filter(|event| event.object == named)
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
