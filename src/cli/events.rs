//! `trueup events`: what happened, the newest last.

use clap::Args;
use serde_json::json;

use super::out::say;
use super::selector::object;
use super::show::{self, Output, age, table};
use super::{CliError, Connected};
use crate::model::ObjectId;

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    environment: String,
    /// Only this object's, as Table/orders.
    #[arg(value_parser = object)]
    object: Option<ObjectId>,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
    /// table, wide, json, yaml, name or jsonpath=TEMPLATE, as '{.items[*].metadata.name}'.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

/// Events read at most, when only one object's are wanted.
const READ_MAX: usize = 5000;

pub(super) async fn run(connected: &Connected, args: &EventsArgs) -> Result<(), CliError> {
    connected.store.existing_head(&args.environment).await?;
    let read = if args.object.is_some() { READ_MAX } else { args.limit };
    let mut events = connected.store.events(&args.environment, read).await?;
    if let Some(object) = &args.object {
        let object = object.to_string();
        events.retain(|event| event.object == object);
    }
    events.truncate(args.limit);
    events.reverse();
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
            let lines = events.into_iter().map(|e| {
                let count = if e.count > 1 { format!(" (x{})", e.count) } else { String::new() };
                vec![
                    format!("{}{count}", age(e.last_seen, now)),
                    format!("{:?}", e.kind),
                    e.reason,
                    e.object,
                    e.message,
                ]
            });
            say!(
                "{}",
                table(&["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], lines.collect())
            );
        }
    }
    Ok(())
}
