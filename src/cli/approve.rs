//! `trueup approve`: lets a release through that waits for somebody else than its author.

use std::time::Duration;

use clap::Args;

use super::out::say;
use super::provenance::{ProvenanceArgs, UNKNOWN};
use super::rollout::{self, Followed};
use super::{CliError, Connected};
use crate::engine::release::{Approving, Submitted, approve};
use crate::model::parse_duration;
use crate::store::{Cause, Release};

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    environment: String,
    /// The release, as `trueup rollout status` names it.
    release: u64,
    /// Record it although no window is open. Say why with --message.
    #[arg(long, requires = "message")]
    override_window: bool,
    /// Follow the release until it has succeeded (exit 0), failed or was rolled back (1), or cannot be
    /// decided or takes too long (2).
    #[arg(long)]
    wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "30m", value_parser = parse_duration, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &ApproveArgs) -> Result<(), CliError> {
    let (name, release) = (&args.environment, args.release);
    let Connected { store, sessions } = connected;
    store.existing_head(name).await?;
    let signed = args.provenance.release(Cause::Apply, &[]);
    let by = match args.provenance.message() {
        Some(why) => format!("{}: {why}", signed.author),
        None => signed.author.clone(),
    };
    let overrides_window = args.override_window;
    // Nobody is not somebody else.
    let name_given = Some(signed.author.as_str()).filter(|author| *author != UNKNOWN);
    let by_whom = name_given.unwrap_or_default();
    let asked = Approving { release, by: by_whom, said: &by, overrides_window };
    let approved = approve(store, sessions, name, asked).await?;
    say!("{name} release {release} recorded: {} by {}", summary(&approved), approved.author);
    if !args.wait {
        return Ok(());
    }
    let followed = [Followed { environment: name.clone(), release }];
    rollout::follow(connected, &followed, args.timeout).await?.result()
}

/// A release in a few words.
fn summary(release: &Release) -> String {
    match release.message.as_str() {
        "" => format!("{} objects", release.objects.len()),
        message => format!("\"{message}\""),
    }
}

/// What became of a release, for people. `changed` says what it changes.
pub(super) fn told(environment: &str, submitted: &Submitted, changed: &str) -> String {
    match submitted {
        Submitted::Recorded(release) => {
            format!("{environment} release {} recorded: {changed}", release.number)
        }
        Submitted::Proposed(release) => waits(environment, release, changed),
    }
}

/// What a release waits for that has to be approved.
pub(super) fn waits(environment: &str, release: &Release, changed: &str) -> String {
    let Release { number, author, .. } = release;
    let changed = if changed.is_empty() { String::new() } else { format!(": {changed}") };
    format!(
        "{environment} release {number} waits for an approval{changed}. Somebody else than {author} says \
         `trueup approve {environment} {number}`"
    )
}
