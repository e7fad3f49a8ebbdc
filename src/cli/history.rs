//! `trueup history`: an environment's releases, the newest first.

use clap::Args;
use serde_json::json;

use super::out::{note, say};
use super::show::{self, Output, age, brief, table};
use super::{CliError, Connected};

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    environment: String,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: usize,
    /// table, wide, json, yaml, name or jsonpath=TEMPLATE, as '{[*].number}'.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

pub(super) async fn run(connected: &Connected, args: &HistoryArgs) -> Result<(), CliError> {
    let head = connected.store.existing_head(&args.environment).await?;
    let releases = connected.store.history(&args.environment, args.limit).await?;
    let now = connected.store.clock().now();
    let mut sound = Vec::new();
    for release in releases {
        match release {
            Ok(release) => sound.push(release),
            Err((number, error)) => note!("warning: release {number}: {error}"),
        }
    }
    let releases = sound;
    match &args.output {
        Output::Json => say!("{}", show::json(&releases)),
        Output::Yaml => say!("{}", show::yaml(&releases)),
        Output::JsonPath(template) => say!("{}", template.fill(&json!(releases))),
        Output::Name => {
            for release in &releases {
                say!("{}", release.number);
            }
        }
        Output::Table | Output::Wide => {
            let lines = releases.into_iter().map(|r| {
                let current = if r.number == head.release { "*" } else { "" };
                let held = head.holds.iter().any(|h| h.release == r.number);
                let cause =
                    if held { format!("{} (rolled back)", r.cause) } else { r.cause.to_string() };
                vec![
                    format!("{}{current}", r.number),
                    age(r.created_at, now),
                    cause,
                    r.author,
                    r.commit.chars().take(12).collect(),
                    r.digest.chars().take(12).collect(),
                    brief(&r.message, 60),
                ]
            });
            let header = ["RELEASE", "AGE", "CAUSE", "AUTHOR", "COMMIT", "DIGEST", "MESSAGE"];
            say!("{}", table(&header, lines.collect()));
        }
    }
    Ok(())
}
