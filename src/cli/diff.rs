//! `trueup diff`: what the daemon would do, by the same observe, plan and check.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::proposal::{Proposal, propose, scope_of};
use super::{CliError, Connected, ManifestArgs};
use crate::engine::{Known, preview};
use crate::model::{Object, ObjectId};
use crate::plan::render_plan;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// An environment as it is recorded, instead of manifests.
    #[arg(conflicts_with_all = ["files", "kustomize"])]
    environment: Option<String>,
    /// As with `apply --prune`.
    #[arg(long)]
    prune: bool,
}

pub(super) async fn run(connected: &Connected, args: &DiffArgs) -> Result<ExitCode, CliError> {
    if let Some(environment) = &args.environment {
        connected.store.existing_head(environment).await?;
        let current = connected.current(environment).await?;
        let leaving = leaving(connected, environment, &current.objects).await?;
        let confirmed = current.confirmed();
        let shown = plans(connected, environment, &current.objects, &leaving, confirmed).await?;
        print!("{}", shown.text);
        return Ok(exit_code(shown.found));
    }
    let set = args.manifests.load(scope_of(args.prune))?;
    let mut found = Found::Same;
    // What would leave is shown here and confirmed at `apply`.
    let everything: Vec<_> = match args.prune {
        true => all_ids(connected).await?,
        false => Vec::new(),
    };
    for proposal in propose(connected, &set, args.prune, &everything, &[]).await? {
        let shown = show(connected, &proposal).await?;
        found = found.max(shown.found);
        print!("{}", shown.text);
    }
    Ok(exit_code(found))
}

/// Objects that left the release and are still to be torn down.
async fn leaving(
    connected: &Connected,
    environment: &str,
    kept: &[Object],
) -> Result<Vec<Object>, CliError> {
    let statuses = connected.sound_statuses(environment).await?;
    let gone = statuses.iter().filter(|s| !kept.iter().any(|o| o.id() == s.id()));
    let digests = gone.map(|s| s.spec_digest.clone()).collect();
    Ok(connected.store.objects(environment, &digests).await?.into_values().collect())
}

async fn all_ids(connected: &Connected) -> Result<Vec<ObjectId>, CliError> {
    let mut ids = Vec::new();
    for (_, head) in connected.store.heads().await? {
        let release = connected.store.current(&head?).await?;
        ids.extend(release.objects.iter().map(crate::store::Entry::id));
    }
    Ok(ids)
}

/// A diff as text, and what came of it.
pub(super) struct Shown {
    pub text: String,
    pub found: Found,
}

/// From the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Same,
    Differs,
    /// Something could not be looked at: whether it differs is not known.
    Failed,
}

pub(super) async fn show(connected: &Connected, proposal: &Proposal) -> Result<Shown, CliError> {
    let removed = proposal.removed_objects();
    let confirmed = proposal.confirmed();
    plans(connected, &proposal.environment, &proposal.objects, &removed, confirmed).await
}

async fn plans(
    connected: &Connected,
    environment: &str,
    objects: &[Object],
    removed: &[Object],
    confirmed: BTreeSet<ObjectId>,
) -> Result<Shown, CliError> {
    let store_id = connected.store.id().await?;
    let statuses = connected.sound_statuses(environment).await?;
    let sessions = &connected.sessions;
    let clock = connected.store.clock();
    let digests = statuses.iter().map(|s| s.synced_digest.clone()).filter(|d| !d.is_empty());
    let earlier = connected.store.objects(environment, &digests.collect()).await?;
    let known =
        Known { store_id: &store_id, statuses: &statuses, clock, objects: earlier, confirmed };
    let previews = preview(sessions, environment, objects, removed, &known).await?;
    let mut text = String::new();
    if connected.store.head(environment).await?.is_some_and(|head| head.suspended) {
        text.push_str(&format!("{environment} is suspended: nothing of this is written\n"));
    }
    let mut found = Found::Same;
    let mut same = 0;
    for preview in previews {
        match preview.plan {
            Ok(plan) if plan.is_settled() => same += 1,
            Ok(plan) => {
                found = found.max(Found::Differs);
                let held_back = preview.held_back.map(|why| format!(" (not written: {why})"));
                let held_back = held_back.unwrap_or_default();
                let plan = render_plan(&plan);
                text.push_str(&format!("{environment}/{}{held_back}\n{plan}", preview.id));
            }
            Err(error) => {
                found = Found::Failed;
                text.push_str(&format!("{environment}/{}\n  ! {error}\n", preview.id));
            }
        }
    }
    text.push_str(&format!("{environment}: {same} as declared\n"));
    Ok(Shown { text, found })
}

/// As `diff` itself has it: 0 same, 1 differs, 2 trouble.
fn exit_code(found: Found) -> ExitCode {
    match found {
        Found::Same => ExitCode::SUCCESS,
        Found::Differs => ExitCode::from(1),
        Found::Failed => ExitCode::from(2),
    }
}
