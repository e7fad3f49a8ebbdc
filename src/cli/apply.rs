//! `trueup apply`: records manifests as a release.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;

use super::change::{check_removals, merged};
use super::connect::Current;
use super::provenance::ProvenanceArgs;
use super::upload::upload;
use super::{CliError, Connected, ManifestArgs, diff};
use crate::kinds::environment::{self, Artifacts, EnvironmentSpec};
use crate::manifest::Set;
use crate::manifest::package::{Package, package};
use crate::model::{Object, ObjectId};
use crate::store::{Cause, content_digest};

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Make the release exactly what is given: objects that are not in it leave.
    #[arg(long)]
    prune: bool,
    /// An object that may leave although it holds data, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME")]
    confirm: Vec<ObjectId>,
    /// Show what the daemon would do, and record nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &ApplyArgs) -> Result<(), CliError> {
    let set = args.manifests.load()?;
    let proposals = propose(connected, &set, args.prune, &args.confirm).await?;
    if args.dry_run {
        for proposal in &proposals {
            let shown = diff::show(connected, proposal).await?;
            print!("{}", shown.text);
        }
        println!("dry run: nothing was recorded");
        return Ok(());
    }
    record_all(connected, &proposals, &args.provenance).await
}

/// Applies manifests to one connection; what the sandbox does at its start.
#[cfg(feature = "sandbox")]
pub(super) async fn apply_set(
    connected: &Connected,
    set: &Set,
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    let proposals = propose(connected, set, false, &[]).await?;
    record_all(connected, &proposals, provenance).await
}

/// One environment as it would be.
pub(super) struct Proposal {
    pub environment: String,
    pub current: Current,
    pub objects: Vec<Object>,
    pub removed: Vec<ObjectId>,
    pub packages: Vec<Package>,
    pub spec: EnvironmentSpec,
}

impl Proposal {
    /// The same content as the current release.
    pub fn is_unchanged(&self) -> bool {
        let digest = content_digest(&self.objects);
        self.current.head.as_ref().is_some_and(|head| head.digest == digest)
    }

    pub fn removed_objects(&self) -> Vec<Object> {
        let is_removed = |o: &&Object| self.removed.contains(&o.id());
        self.current.objects.iter().filter(is_removed).cloned().collect()
    }
}

/// Checks a set against what is there, packages its code, and says what each environment would be.
/// Writes nothing.
pub(super) async fn propose(
    connected: &Connected,
    set: &Set,
    prune: bool,
    confirmed: &[ObjectId],
) -> Result<Vec<Proposal>, CliError> {
    if set.is_empty() {
        return Err(CliError::refused("the manifests hold no object; nothing was recorded"));
    }
    let names: BTreeSet<String> = set.objects().map(|o| o.environment().to_owned()).collect();
    let mut current = BTreeMap::new();
    for name in &names {
        current.insert(name.clone(), connected.current(name).await?);
    }
    let existing: Vec<Object> = match prune {
        true => Vec::new(),
        false => current.values().flat_map(|c| c.objects.iter().cloned()).collect(),
    };
    set.check_with(&existing)?;
    let environments: BTreeMap<String, EnvironmentSpec> = existing
        .iter()
        .chain(set.objects())
        .filter(|o| o.kind == environment::NAME)
        .filter_map(|o| {
            Some((o.environment().to_owned(), EnvironmentSpec::deserialize(&o.spec).ok()?))
        })
        .collect();
    let artifacts = |name: &str| -> Option<Artifacts> { environments.get(name)?.artifacts.clone() };
    let (objects, mut packages) = package(set, artifacts)?;
    let mut proposals = Vec::new();
    for name in names {
        let current = current.remove(&name).unwrap_or_default();
        let given = objects.iter().filter(|o| o.environment() == name).cloned().collect();
        let objects = merged(&current.objects, given, prune);
        let removed = check_removals(&name, &current.objects, &objects, confirmed)?;
        let spec = environments.get(&name).cloned().unwrap_or_default();
        let (mine, rest) = packages.into_iter().partition(|p: &Package| p.environment == name);
        packages = rest;
        proposals.push(Proposal {
            environment: name,
            current,
            objects,
            removed,
            packages: mine,
            spec,
        });
    }
    Ok(proposals)
}

/// Whatever can be refused is refused for every environment before anything is recorded for one.
async fn record_all(
    connected: &Connected,
    proposals: &[Proposal],
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    for proposal in proposals {
        check_hold(proposal)?;
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
    for proposal in proposals {
        record(connected, proposal, provenance).await?;
    }
    Ok(())
}

fn check_hold(proposal: &Proposal) -> Result<(), CliError> {
    let (name, digest) = (&proposal.environment, content_digest(&proposal.objects));
    let head = proposal.current.head.as_ref().filter(|_| !proposal.is_unchanged());
    let Some(hold) = head.and_then(|h| h.held(&digest)) else { return Ok(()) };
    Err(CliError::refused(format!(
        "this is the content of release {} of {name}, which was rolled back; nothing was recorded. \
         Apply other content, or make it current again with `trueup rollback {name} {}`",
        hold.release, hold.release
    )))
}

async fn record(
    connected: &Connected,
    proposal: &Proposal,
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    let name = &proposal.environment;
    let head = proposal.current.head.as_ref();
    if proposal.is_unchanged() {
        println!("{name} unchanged at release {}", head.map_or(0, |h| h.release));
        return Ok(());
    }
    let mut new = provenance.release(Cause::Apply);
    new.objects.clone_from(&proposal.objects);
    let before = proposal.current.release.as_ref();
    let release = connected.store.record(name, head, before, new).await?;
    let digests: Vec<_> = before.iter().flat_map(|r| &r.objects).map(|e| &e.digest).collect();
    let changed = release.objects.iter().filter(|e| !digests.contains(&&e.digest)).count();
    let removed = match proposal.removed.len() {
        0 => String::new(),
        n => format!(", {n} removed"),
    };
    println!("{name} release {} recorded: {changed} changed{removed}", release.number);
    Ok(())
}

/// The exit code of a command that found differences.
pub(super) const DIFFERS: u8 = 1;

pub(super) fn differs(any: bool) -> ExitCode {
    if any { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS }
}
