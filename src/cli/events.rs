//! `trueup events`: what happened, the newest last.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::out::say;
use super::selector::object;
use super::show::{self, Output, age, table};
use super::{CliError, Connected, watching};
use crate::model::ObjectId;
use crate::store::EventRecord;

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    environment: String,
    /// Only this object's, as Table/orders.
    #[arg(value_parser = object)]
    object: Option<ObjectId>,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
    /// Print every event until interrupted.
    #[arg(short, long)]
    pub watch: bool,
    /// table, wide, json, yaml, name or jsonpath=TEMPLATE, as '{[*].reason}'.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

/// Events read at most, when only one object's are wanted.
const READ_MAX: usize = 5000;

const HEADER: [&str; 5] = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];

pub(super) async fn run(connected: &Connected, args: &EventsArgs) -> Result<(), CliError> {
    connected.store.existing_head(&args.environment).await?;
    let events = read(connected, args).await?;
    if let Some(id) = args.object.as_ref().filter(|_| events.is_empty()) {
        is_there(connected, &args.environment, id).await?;
    }
    let now = connected.store.clock().now();
    match &args.output {
        Output::Json => say!("{}", show::json(&events)),
        Output::Yaml => say!("{}", show::yaml(&events)),
        Output::JsonPath(template) => say!("{}", template.fill(&json!(events))),
        Output::Name => {
            for event in &events {
                say!("{}", event.id);
            }
        }
        Output::Table | Output::Wide => {
            let is_wide = matches!(args.output, Output::Wide);
            let (mut header, mut rows) = (HEADER.to_vec(), Vec::new());
            for event in &events {
                let mut cells = row(event, now);
                if is_wide {
                    cells.insert(1, format!("{:.0}", event.last_seen));
                }
                rows.push(cells);
            }
            if is_wide {
                header.insert(1, "AT");
            }
            say!("{}", table(&header, rows));
        }
    }
    if args.watch {
        watch(connected, args, events).await?;
    }
    Ok(())
}

/// An object without events is one of the current release, or still leaves; or its name is wrong.
async fn is_there(connected: &Connected, environment: &str, id: &ObjectId) -> Result<(), CliError> {
    let head = connected.store.existing_head(environment).await?;
    let release = connected.store.current(&head).await?;
    if release.objects.iter().any(|entry| entry.id() == *id)
        || connected.store.status_of(environment, id).await?.is_some()
    {
        return Ok(());
    }
    Err(CliError::refused(format!(
        "{environment} has no {id}, and no event of it is kept; see `trueup get {environment}`"
    )))
}

/// The newest events that are asked for, the newest last.
async fn read(connected: &Connected, args: &EventsArgs) -> Result<Vec<EventRecord>, CliError> {
    let read = if args.object.is_some() { READ_MAX } else { args.limit };
    let mut events = connected.store.events(&args.environment, read).await?;
    if let Some(object) = &args.object {
        let object = object.to_string();
        events.retain(|event| event.object == object);
    }
    events.truncate(args.limit);
    events.reverse();
    Ok(events)
}

fn row(event: &EventRecord, now: Timestamp) -> Vec<String> {
    let count = if event.count > 1 { format!(" (x{})", event.count) } else { String::new() };
    vec![
        format!("{}{count}", age(event.last_seen, now)),
        format!("{:?}", event.kind),
        event.reason.clone(),
        event.object.clone(),
        event.message.clone(),
    ]
}

/// Prints events that are new or happened again, for ever.
async fn watch(
    connected: &Connected,
    args: &EventsArgs,
    shown: Vec<EventRecord>,
) -> Result<(), CliError> {
    let key = |event: &EventRecord| (event.id.clone(), event.count);
    let mut shown: BTreeSet<_> = shown.iter().map(key).collect();
    let show = |events: Vec<EventRecord>| {
        let now = connected.store.clock().now();
        let new = events.iter().filter(|event| !shown.contains(&key(event)));
        let new: Vec<_> = new.map(|event| row(event, now)).collect();
        if !new.is_empty() {
            // The header stands above the first table.
            let table = table(&HEADER, new);
            say!("{}", table.lines().skip(1).collect::<Vec<_>>().join("\n"));
        }
        // What is read is bounded, and so is what is remembered of it.
        shown = events.iter().map(key).collect();
        Ok(())
    };
    watching::watch(async || read(connected, args).await, show).await
}
