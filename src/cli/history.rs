//! `trueup history`: an environment's releases, the newest first.

use clap::Args;
use serde_json::{Value, json};

use super::out::{note, say};
use super::rollout::unbegun_verdict;
use super::show::{self, Output, age, brief, table};
use super::{CliError, Connected};
use crate::store::{Head, Release, Rollout};

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
    let mut rollouts = Vec::new();
    for (release, rollout) in connected.store.rollouts(&args.environment, args.limit).await? {
        match rollout {
            Ok(rollout) => rollouts.push(rollout),
            Err(error) => note!("warning: the rollout of release {release}: {error}"),
        }
    }
    let rollout_of = |number: u64| rollouts.iter().find(|rollout| rollout.release == number);
    let listed = || -> Vec<Value> {
        let with = |release: &Release| {
            let mut value = json!(release);
            value["verdict"] = json!(verdict(release.number, &head, rollout_of(release.number)));
            value
        };
        releases.iter().map(with).collect()
    };
    match &args.output {
        Output::Json => say!("{}", show::json(&listed())),
        Output::Yaml => say!("{}", show::yaml(&listed())),
        Output::JsonPath(template) => say!("{}", template.fill(&json!(listed()))),
        Output::Name => {
            for release in &releases {
                say!("{}", release.number);
            }
        }
        Output::Table | Output::Wide => {
            let is_wide = matches!(args.output, Output::Wide);
            let lines = releases.iter().map(|r| {
                let rollout = rollout_of(r.number);
                let current = if r.number == head.release { "*" } else { "" };
                let held = head.holds.iter().any(|h| h.release == r.number);
                let cause =
                    if held { format!("{} (rolled back)", r.cause) } else { r.cause.to_string() };
                let mut cells = vec![
                    format!("{}{current}", r.number),
                    age(r.created_at, now),
                    cause,
                    verdict(r.number, &head, rollout).to_owned(),
                    rollout.map(took).unwrap_or_default(),
                    r.author.clone(),
                    r.commit.chars().take(12).collect(),
                    r.digest.chars().take(12).collect(),
                    brief(&r.message, 60),
                ];
                if is_wide {
                    cells.insert(1, format!("{:.0}", r.created_at));
                }
                cells
            });
            let mut header = vec![
                "RELEASE", "AGE", "CAUSE", "VERDICT", "TOOK", "AUTHOR", "COMMIT", "DIGEST",
                "MESSAGE",
            ];
            if is_wide {
                header.insert(1, "AT");
            }
            say!("{}", table(&header, lines.collect()));
        }
    }
    Ok(())
}

/// What a release came to.
fn verdict(release: u64, head: &Head, rollout: Option<&Rollout>) -> &'static str {
    let known = rollout.map(|rollout| rollout.verdict);
    known.unwrap_or_else(|| unbegun_verdict(head, release)).as_str()
}

/// How long it took until the verdict was clear.
fn took(rollout: &Rollout) -> String {
    let times = rollout.begun_at().zip(rollout.decided_at());
    times.map(|(begun, decided)| age(begun, decided)).unwrap_or_default()
}
