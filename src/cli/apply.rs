//! `trueup apply`: records manifests as a release.

use std::cell::RefCell;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::approve::told;
use super::comparison::Found;
use super::confirm::Confirmation;
use super::out::{self, note, say};
use super::proposal::{Proposal, Removable, propose, scope_of};
use super::provenance::ProvenanceArgs;
use super::rollout::{self, Followed};
use super::show::{self, Output};
use super::upload::upload;
use super::{CliError, Connected, ManifestArgs, diff};
use crate::engine::release::{
    Refused, check_hold, check_needs, check_windows, moves_all, needs_approval, own_session, submit,
};
#[cfg(feature = "sandbox")]
use crate::manifest::Set;
use crate::model::{Object, parse_duration};
use crate::store::{Cause, Head, NewRelease, content_digest};

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
    /// So many resources of an environment may be deleted at once, whatever its maxDeletions says.
    #[arg(long, value_name = "NUMBER")]
    confirm_deletions: Option<usize>,
    /// Show what the daemon would do, and record nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let content through that failed before and was rolled back. Say why with --message.
    #[arg(long, requires = "message")]
    release_quarantine: bool,
    /// Record it although no window is open. Say why with --message.
    #[arg(long, requires = "message")]
    override_window: bool,
    /// Follow each release until it has succeeded (exit 0), failed or was rolled back (1), or cannot be
    /// decided or takes too long (2).
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "30m", value_parser = parse_duration, requires = "wait")]
    timeout: Duration,
    /// What the releases came to, as json, yaml or jsonpath=TEMPLATE, with --wait.
    #[arg(short, long, default_value = "table", hide_default_value = true, requires = "wait")]
    output: Output,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &ApplyArgs) -> Result<(), CliError> {
    let done = Done::default();
    tokio::select! {
        applied = apply(connected, args, &done) => applied,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Err(CliError::Interrupted(done.text())),
            Err(error) => Err(CliError::io("cannot listen for signals", error)),
        },
    }
}

/// What was recorded so far, for whoever interrupts it.
#[derive(Default)]
struct Done {
    recorded: RefCell<Vec<String>>,
    /// The environment that is being recorded: whether it was is not known until that is over.
    begun: RefCell<Option<String>>,
}

impl Done {
    fn text(&self) -> String {
        let recorded = match &self.recorded.borrow()[..] {
            [] => "nothing was recorded".to_owned(),
            names => format!("recorded: {}", names.join(", ")),
        };
        match &*self.begun.borrow() {
            None => recorded,
            Some(name) => {
                format!("{recorded}; `trueup history {name}` says whether {name} was recorded, too")
            }
        }
    }
}

async fn apply(connected: &Connected, args: &ApplyArgs, done: &Done) -> Result<(), CliError> {
    let set = args.manifests.load(scope_of(args.prune))?;
    let (removable, deletions) = (Removable::Confirmed, args.confirm_deletions);
    let proposals =
        propose(connected, &set, args.prune, removable, &args.confirm, deletions).await?;
    let asked = Asked {
        confirmed: &args.confirm,
        release_quarantine: args.release_quarantine,
        override_window: args.override_window,
        is_for_machines: !matches!(args.output, Output::Table),
    };
    if args.dry_run {
        let mut is_carried_out = true;
        for proposal in &proposals {
            check(connected, proposal, &asked)?;
            let compared = diff::of_proposal(connected, proposal, false, None).await?;
            is_carried_out &= matches!(compared.found(), Found::Same | Found::Differs);
            out::print(&compared.text())?;
        }
        for proposal in proposals.iter().filter(|proposal| !proposal.is_unchanged()) {
            // What is packaged would be uploaded before.
            let packaged = |o: &&Object| proposal.packages.iter().any(|p| p.object == o.id());
            let packaged = proposal.objects.iter().filter(packaged);
            let known: Vec<_> = proposal.current.objects.iter().chain(packaged).cloned().collect();
            let name = &proposal.environment;
            check_needs(&connected.sessions, name, &known, &proposal.objects).await?;
        }
        if !is_carried_out {
            let message = "dry run: nothing was recorded, and the daemon could not carry all of this out as it is: mend what \
                           is marked with `!` above";
            return Err(CliError::refused(message));
        }
        say!("dry run: nothing was recorded");
        return Ok(());
    }
    let signed = args.provenance.release(Cause::Apply, &args.manifests.paths());
    for proposal in proposals.iter().filter(|proposal| !proposal.is_unchanged()) {
        diff::warn_of_obstacles(connected, proposal).await;
    }
    let releases = record_all(connected, &proposals, &asked, &signed, done).await?;
    if !args.wait {
        return Ok(());
    }
    let ended = rollout::follow(connected, &releases, args.timeout).await?;
    let value = json!(ended.shown);
    match &args.output {
        Output::Json => say!("{}", show::json(&value)),
        Output::Yaml => say!("{}", show::yaml(&value)),
        Output::JsonPath(template) => say!("{}", template.fill(&value)),
        Output::Table | Output::Wide | Output::Name => {}
    }
    ended.result()
}

/// What a person allows beside the manifests.
struct Asked<'a> {
    confirmed: &'a [Confirmation],
    release_quarantine: bool,
    override_window: bool,
    /// Standard output is for machines: what is told to people goes to standard error.
    is_for_machines: bool,
}

impl Asked<'_> {
    fn tell(&self, text: &str) -> Result<(), CliError> {
        if self.is_for_machines {
            note!("{text}");
        } else {
            say!("{text}");
        }
        Ok(())
    }
}

/// Applies manifests to one connection; what the sandbox does at its start.
#[cfg(feature = "sandbox")]
pub(super) async fn apply_set(
    connected: &Connected,
    set: &Set,
    provenance: &ProvenanceArgs,
) -> Result<(), CliError> {
    let proposals = propose(connected, set, false, Removable::Confirmed, &[], None).await?;
    let signed = provenance.release(Cause::Apply, &[]);
    let asked = Asked {
        confirmed: &[],
        release_quarantine: false,
        override_window: false,
        is_for_machines: false,
    };
    record_all(connected, &proposals, &asked, &signed, &Done::default()).await.map(drop)
}

/// Whatever can be refused is refused for every environment before anything is recorded for one.
async fn record_all(
    connected: &Connected,
    proposals: &[Proposal],
    asked: &Asked<'_>,
    signed: &NewRelease,
    done: &Done,
) -> Result<Vec<Followed>, CliError> {
    for proposal in proposals {
        check(connected, proposal, asked)?;
    }
    for proposal in proposals.iter().filter(|p| !p.packages.is_empty() && !p.is_unchanged()) {
        let target = proposal.spec.target();
        let session = own_session(&connected.sessions, &proposal.environment, &target).await?;
        upload(&session, &proposal.packages, &proposal.current.objects).await?;
    }
    for proposal in proposals.iter().filter(|proposal| !proposal.is_unchanged()) {
        let (name, before) = (&proposal.environment, &proposal.current.objects);
        check_needs(&connected.sessions, name, before, &proposal.objects).await?;
    }
    let mut releases = Vec::new();
    for proposal in proposals {
        let name = &proposal.environment;
        done.begun.replace(Some(name.clone()));
        let release = record(connected, proposal, asked, signed).await?;
        releases.push(Followed { environment: name.clone(), release });
        done.begun.replace(None);
        if !proposal.is_unchanged() {
            done.recorded.borrow_mut().push(name.clone());
        }
    }
    Ok(releases)
}

/// What is current already is not held against itself.
fn check(connected: &Connected, proposal: &Proposal, asked: &Asked<'_>) -> Result<(), CliError> {
    // What waits for an approval meets the windows when it gets it.
    let meets_windows = !proposal.is_unchanged() && !needs_approval(&proposal.current);
    if !asked.override_window && meets_windows {
        let now = connected.store.clock().now();
        check_windows(&proposal.environment, &proposal.current.objects, now)?;
    }
    let head = proposal.current.head.as_ref().filter(|_| !proposal.is_unchanged());
    match check_hold(&proposal.environment, head, &proposal.objects) {
        Err(Refused::Quarantined { .. }) if asked.release_quarantine => Ok(()),
        checked => Ok(checked?),
    }
}

async fn record(
    connected: &Connected,
    proposal: &Proposal,
    asked: &Asked<'_>,
    signed: &NewRelease,
) -> Result<u64, CliError> {
    let name = &proposal.environment;
    let head = proposal.current.head.as_ref();
    if proposal.is_unchanged() {
        let release = head.map_or(0, |h| h.release);
        asked.tell(&format!("{name} unchanged at release {release}"))?;
        return Ok(release);
    }
    let mut new = signed.clone();
    new.objects.clone_from(&proposal.objects);
    new.moves_all = moves_all(&proposal.current.objects, &proposal.objects);
    new.confirmed = Confirmation::of(asked.confirmed, name).cloned().collect();
    new.holds = head.map(Head::holds_after_apply).unwrap_or_default();
    if asked.release_quarantine {
        let digest = content_digest(&proposal.objects);
        new.holds.retain(|hold| hold.digest != digest);
    }
    let before = proposal.current.release.as_ref();
    let submitted = submit(&connected.store, name, &proposal.current, new).await?;
    let release = submitted.release();
    let digests: Vec<_> = before.iter().flat_map(|r| &r.objects).map(|e| &e.digest).collect();
    let changed = release.objects.iter().filter(|e| !digests.contains(&&e.digest)).count();
    let removed = match proposal.removed.len() {
        0 => String::new(),
        n => format!(", {n} removed"),
    };
    asked.tell(&told(name, &submitted, &format!("{changed} changed{removed}")))?;
    Ok(release.number)
}
