//! `trueup apply`: records manifests as a release.

use clap::Args;

use super::confirm::Confirmation;
use super::out::{self, say};
use super::proposal::{Proposal, Removable, propose, scope_of};
use super::provenance::ProvenanceArgs;
use super::upload::upload;
use super::{CliError, Connected, ManifestArgs, diff};
use crate::engine::release::{check_hold, check_needs, moves_all};
#[cfg(feature = "sandbox")]
use crate::manifest::Set;
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Make the release exactly what is given: objects that are not in it leave.
    #[arg(long)]
    prune: bool,
    /// An object that may leave although it holds data, or may open or delete more than it does now, as
    /// Table/orders, or prod/Table/orders where several environments are given. May be repeated.
    #[arg(long, value_name = "[ENVIRONMENT/]KIND/NAME")]
    confirm: Vec<Confirmation>,
    /// Show what the daemon would do, and record nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &ApplyArgs) -> Result<(), CliError> {
    let set = args.manifests.load(scope_of(args.prune))?;
    let proposals =
        propose(connected, &set, args.prune, Removable::Confirmed, &args.confirm).await?;
    if args.dry_run {
        for proposal in &proposals {
            check(proposal)?;
            let shown = diff::show(connected, proposal, false).await?;
            out::print(&shown.text)?;
        }
        say!("dry run: nothing was recorded");
        return Ok(());
    }
    record_all(connected, &proposals, &args.confirm, &args.provenance).await
}

/// Applies manifests to one connection; what the sandbox does at its start.
#[cfg(feature = "sandbox")]
pub(super) async fn apply_set(
    connected: &Connected,
    set: &Set,
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    let proposals = propose(connected, set, false, Removable::Confirmed, &[]).await?;
    record_all(connected, &proposals, &[], provenance).await
}

/// Whatever can be refused is refused for every environment before anything is recorded for one.
async fn record_all(
    connected: &Connected,
    proposals: &[Proposal],
    confirmed: &[Confirmation],
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    for proposal in proposals {
        check(proposal)?;
    }
    for proposal in proposals.iter().filter(|p| !p.packages.is_empty() && !p.is_unchanged()) {
        let target = proposal.spec.target();
        let session = connected.sessions.get(&target).await?;
        let account = session.account_id().await?;
        if let Some(wanted) = target.account_id.filter(|wanted| *wanted != account) {
            return Err(CliError::refused(format!(
                "the credentials belong to account {account}, {} to {wanted}; nothing was uploaded",
                proposal.environment
            )));
        }
        upload(&session, &proposal.packages).await?;
    }
    for proposal in proposals.iter().filter(|proposal| !proposal.is_unchanged()) {
        let (name, before) = (&proposal.environment, &proposal.current.objects);
        check_needs(&connected.sessions, name, before, &proposal.objects).await?;
    }
    for proposal in proposals {
        record(connected, proposal, confirmed, provenance).await?;
    }
    Ok(())
}

/// What is current already is not held against itself.
fn check(proposal: &Proposal) -> Result<(), CliError> {
    let head = proposal.current.head.as_ref().filter(|_| !proposal.is_unchanged());
    Ok(check_hold(&proposal.environment, head, &proposal.objects)?)
}

async fn record(
    connected: &Connected,
    proposal: &Proposal,
    confirmed: &[Confirmation],
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    let name = &proposal.environment;
    let head = proposal.current.head.as_ref();
    if proposal.is_unchanged() {
        say!("{name} unchanged at release {}", head.map_or(0, |h| h.release));
        return Ok(());
    }
    let mut new = provenance.release(Cause::Apply);
    new.objects.clone_from(&proposal.objects);
    new.moves_all = moves_all(&proposal.current.objects, &proposal.objects);
    new.confirmed = Confirmation::of(confirmed, name).cloned().collect();
    let before = proposal.current.release.as_ref();
    let release = connected.store.record(name, head, before, new).await?;
    let digests: Vec<_> = before.iter().flat_map(|r| &r.objects).map(|e| &e.digest).collect();
    let changed = release.objects.iter().filter(|e| !digests.contains(&&e.digest)).count();
    let removed = match proposal.removed.len() {
        0 => String::new(),
        n => format!(", {n} removed"),
    };
    say!("{name} release {} recorded: {changed} changed{removed}", release.number);
    Ok(())
}
