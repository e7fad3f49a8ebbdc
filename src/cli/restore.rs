//! `trueup restore`: brings data back into an environment that is there.

use clap::Args;
use jiff::Timestamp;

use super::out::say;
use super::provenance::ProvenanceArgs;
use super::rehydrate::{dns_label, tell};
use super::selector::object;
use super::{CliError, Connected};
use crate::engine::recovery::{Restoring, prepare_restore};
use crate::model::ObjectId;
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    environment: String,
    /// As Table/orders; everything that holds data and is gone, where none is given.
    #[arg(value_parser = object)]
    objects: Vec<ObjectId>,
    /// A backup; the newest recovery point where it is not given.
    #[arg(long, value_name = "BACKUP")]
    from: Option<String>,
    /// A table as it was then, beside itself, as 2026-01-01T12:00:00Z. Needs point-in-time recovery.
    #[arg(long, value_name = "TIME", requires = "beside")]
    at: Option<Timestamp>,
    /// The name of the new object, for a table that comes back beside itself.
    #[arg(long = "as", value_name = "NAME", value_parser = dns_label)]
    beside: Option<String>,
    /// Show what would be restored from what, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &RestoreArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    let asked = Restoring {
        objects: args.objects.clone(),
        from: args.from.clone(),
        at: args.at,
        beside: args.beside.clone(),
    };
    let prepared = prepare_restore(store, sessions, name, &asked).await?;
    if prepared.restorations.is_empty() {
        say!("nothing of {name} is gone");
        return Ok(());
    }
    for restoration in &prepared.restorations {
        let as_of = restoration.at.map(|at| format!(", as of {at}")).unwrap_or_default();
        say!("{} from {}{as_of}", restoration.id, restoration.source);
    }
    if args.dry_run {
        say!("dry run: nothing was done");
        return Ok(());
    }
    let author = args.provenance.release(Cause::Apply, &[]).author;
    prepared.carry_out(store, &author, &tell).await?;
    say!("restored");
    Ok(())
}
