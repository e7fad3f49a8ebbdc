//! `trueup promote`: what was built and has proven itself in one environment goes to another.

use std::time::Duration;

use clap::Args;

use super::out::{note, say};
use super::provenance::ProvenanceArgs;
use super::rollout::{self, Followed};
use super::selector::object;
use super::{CliError, Connected, approve::told, verify};
use crate::engine::release::{Promoting, Selection, carry_out_promotion, plan_promotion};
use crate::model::{ObjectId, parse_duration};
use crate::store::Cause;

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
    /// An object that may lose what the other environment's form does not keep, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object, requires = "all_of")]
    confirm: Vec<ObjectId>,
    /// The release that is meant, by its number: refused where another one is current by now.
    #[arg(long, value_name = "NUMBER")]
    release: Option<u64>,
    /// Ask once more whether the release does well where it is, by its alarms and pages, and whether it may move.
    /// Nothing is recorded.
    #[arg(long, conflicts_with_all = ["dry_run", "wait"])]
    verify: bool,
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
    let asked = Promoting {
        from,
        to,
        release: args.release,
        selection: Selection { only: args.only.clone(), whole: args.all_of.clone() },
        overrides_window: args.override_window,
        confirmed: args.confirm.clone(),
    };
    if args.verify {
        return verify::run(connected, &asked).await;
    }
    let planned = plan_promotion(&connected.store, &asked).await?;
    for id in &planned.promotion.missing {
        note!("warning: {to} has no {id}; apply its manifest there first");
    }
    if planned.is_done() {
        let release = planned.current.release.as_ref().map_or(0, |release| release.number);
        say!("{to} has what {from} has already, at release {release}");
        return follow(connected, args, release).await;
    }
    for id in &planned.promotion.changed {
        say!("{to}/{id}: as in {from} release {}", planned.source.release);
    }
    if args.dry_run {
        say!("dry run: nothing was recorded");
        return Ok(());
    }
    let mut new = args.provenance.release(Cause::Apply, &[]);
    new.confirmed = args.confirm.iter().cloned().collect();
    if args.provenance.has_no_commit() {
        // What is released was built from the commit of the release that is promoted.
        new.commit.clone_from(&planned.commit);
    }
    if args.provenance.message().is_none() {
        new.message = format!("{from} release {} promoted", planned.source.release);
    }
    let changed = planned.promotion.changed.len();
    let Connected { store, sessions } = connected;
    let submitted = carry_out_promotion(store, sessions, to, planned, new).await?;
    say!("{}", told(to, &submitted, &format!("{changed} changed")));
    follow(connected, args, submitted.release().number).await
}

async fn follow(connected: &Connected, args: &PromoteArgs, release: u64) -> Result<(), CliError> {
    if !args.wait {
        return Ok(());
    }
    let followed = [Followed { environment: args.to.clone(), release }];
    rollout::follow(connected, &followed, args.timeout).await?.result()
}
