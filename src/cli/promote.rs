//! `trueup promote`: what was built and has proven itself in one environment goes to another.

use std::time::Duration;

use clap::Args;

use super::out::{note, say};
use super::provenance::ProvenanceArgs;
use super::rollout::{self, Followed};
use super::selector::object;
use super::upload::{fetch, upload};
use super::{CliError, Connected};
use crate::engine::release::{
    Copied, Selection, check_hold, check_needs, check_windows, moves_all, promote,
};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{Object, ObjectId, parse_duration};
use crate::store::{Cause, Head, Verdict};

#[derive(Debug, Args)]
pub(super) struct PromoteArgs {
    /// The environment whose current release has succeeded.
    environment: String,
    /// The environment that gets what was built.
    #[arg(long, value_name = "ENVIRONMENT")]
    to: String,
    /// Only this object, as Function/api. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    only: Vec<ObjectId>,
    /// An object of which everything moves, not its code or artifact alone. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    all_of: Vec<ObjectId>,
    /// The release that is meant, by its number: refused where another one is current by now.
    #[arg(long, value_name = "NUMBER")]
    release: Option<u64>,
    /// Show what would move, and record nothing.
    #[arg(long)]
    dry_run: bool,
    /// Record it although no window is open. Say why with --message.
    #[arg(long, requires = "message")]
    override_window: bool,
    /// Follow the release until it has succeeded (exit 0), failed or was rolled back (1), or cannot be
    /// decided or takes too long (2).
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "30m", value_parser = parse_duration, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &PromoteArgs) -> Result<(), CliError> {
    let (from, to) = (&args.environment, &args.to);
    if from == to {
        return Err(CliError::usage("--to names another environment"));
    }
    connected.store.existing_head(from).await?;
    connected.store.existing_head(to).await?;
    // Both are read once: what is checked is what moves.
    let (source, current) = (connected.current(from).await?, connected.current(to).await?);
    let gone = |name: &str| CliError::refused(format!("{name} was removed meanwhile"));
    let source_head = source.head.as_ref().ok_or_else(|| gone(from))?;
    let head = current.head.as_ref().ok_or_else(|| gone(to))?;
    if let Some(wanted) = args.release.filter(|wanted| *wanted != source_head.release) {
        let now = source_head.release;
        return Err(CliError::refused(format!(
            "release {now} of {from} is current, and not release {wanted}; nothing was recorded"
        )));
    }
    check_verdict(connected, source_head).await?;
    let (ours, theirs) = (spec_of(from, &source.objects)?, spec_of(to, &current.objects)?);
    let selection = Selection { only: args.only.clone(), whole: args.all_of.clone() };
    if let Some(unknown) = selection
        .only
        .iter()
        .chain(&selection.whole)
        .find(|id| !source.objects.iter().any(|o| o.id() == **id))
    {
        return Err(CliError::no_such_object(Some(from), unknown));
    }
    let buckets = (ours.artifacts.as_ref(), theirs.artifacts.as_ref());
    let promotion = promote(&source.objects, &current.objects, buckets, &selection);
    for id in &promotion.missing {
        note!("warning: {to} has no {id}; apply its manifest there first");
    }
    if promotion.changed.is_empty() {
        say!("{to} has what {from} has already, at release {}", head.release);
        return follow(connected, args, head.release).await;
    }
    check_hold(to, Some(head), &promotion.objects)?;
    if !args.override_window {
        check_windows(to, &current.objects, connected.store.clock().now())?;
    }
    for id in &promotion.changed {
        say!("{to}/{id}: as in {from} release {}", source_head.release);
    }
    if args.dry_run {
        say!("dry run: nothing was recorded");
        return Ok(());
    }
    copy_all(connected, &ours, &theirs, to, &promotion.copies).await?;
    check_needs(&connected.sessions, to, &current.objects, &promotion.objects).await?;
    let mut new = args.provenance.release(Cause::Apply, &[]);
    if args.provenance.has_no_commit() {
        // What is released was built from the commit of the release that is promoted.
        new.commit = source.release.as_ref().map(|r| r.commit.clone()).unwrap_or_default();
    }
    if args.provenance.message().is_none() {
        new.message = format!("{from} release {} promoted", source_head.release);
    }
    new.moves_all = moves_all(&current.objects, &promotion.objects);
    new.holds = head.holds_after_apply();
    new.objects = promotion.objects;
    let release = connected.store.record(to, Some(head), current.release.as_ref(), new).await?;
    say!("{to} release {} recorded: {} changed", release.number, promotion.changed.len());
    follow(connected, args, release.number).await
}

async fn follow(connected: &Connected, args: &PromoteArgs, release: u64) -> Result<(), CliError> {
    if !args.wait {
        return Ok(());
    }
    let followed = [Followed { environment: args.to.clone(), release }];
    rollout::follow(connected, &followed, args.timeout).await?.result()
}

/// Only what has proven itself goes on.
async fn check_verdict(connected: &Connected, head: &Head) -> Result<(), CliError> {
    let (name, release) = (&head.environment, head.release);
    let rollout = connected.store.rollout(name, release).await?;
    let verdict = rollout.map(|rollout| rollout.verdict).unwrap_or_default();
    if verdict == Verdict::Succeeded {
        return Ok(());
    }
    Err(CliError::refused(format!(
        "release {release} of {name} is {verdict}; only a release that has succeeded is promoted. \
         `trueup rollout status {name}` says what it waits for"
    )))
}

fn spec_of(name: &str, objects: &[Object]) -> Result<EnvironmentSpec, CliError> {
    let spec = objects.iter().find(|o| o.kind == environment::NAME).map(|o| &*o.spec);
    let spec = spec.and_then(|spec| serde::Deserialize::deserialize(spec).ok());
    spec.ok_or_else(|| CliError::refused(format!("{name} has no Environment that can be read")))
}

/// Brings packages from one environment's bucket to the other's, each checked against its digest.
async fn copy_all(
    connected: &Connected,
    ours: &EnvironmentSpec,
    theirs: &EnvironmentSpec,
    to: &str,
    copies: &[Copied],
) -> Result<(), CliError> {
    if copies.is_empty() {
        return Ok(());
    }
    let source = connected.sessions.get(&ours.target()).await?;
    let target = theirs.target();
    let destination = connected.sessions.get(&target).await?;
    let account = destination.account_id().await?;
    if let Some(wanted) = target.account_id.filter(|wanted| *wanted != account) {
        return Err(CliError::refused(format!(
            "the credentials belong to account {account}, {to} to {wanted}; nothing was copied"
        )));
    }
    let mut packages = Vec::new();
    for copied in copies {
        packages.push(fetch(&source, to, copied).await?);
    }
    upload(&destination, &packages).await.map(drop)
}
