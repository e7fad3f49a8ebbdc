//! `trueup drill`: rehearses a rehydration in a scratch environment, and measures it.

use clap::Args;

use super::out::{note, say};
use super::provenance::ProvenanceArgs;
use super::rehydrate::{planned, tell};
use super::vault::{VaultArgs, chosen};
use super::{CliError, Connected};
use crate::engine::recovery::{Backup, Wish, drill, measure, minutes, prepare, scratch_of};
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct DrillArgs {
    environment: String,
    /// The backup: its id, or `latest` for the newest whole one.
    #[arg(long, default_value = "latest", value_name = "BACKUP")]
    from: String,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &DrillArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    let vault = VaultArgs::default().open(connected, name).await?;
    let backup = chosen(&vault, name, &args.from, Backup::is_whole).await?;
    note!(
        "{} is built from backup {} and removed again; if it is interrupted, ask again",
        scratch_of(name),
        backup.id
    );
    let author = args.provenance.release(Cause::Apply, &[]).author;
    // Before anything is built: a copy that names a resource of the first environment would use it.
    let wish = Wish { into: Some(scratch_of(name)), is_scratch: true, ..Wish::default() };
    for line in planned(&prepare(sessions, vault.clone(), &backup.id, &wish).await?) {
        say!("{line}");
    }
    let drilled = drill(store, sessions, vault, &backup.id, &author, &tell).await?;
    say!(
        "{} was whole after {} and is removed; objects: {}, tables: {}, objects of buckets: {}, buckets: {}",
        drilled.environment,
        minutes(drilled.done.took),
        drilled.done.objects,
        drilled.plan.tables(),
        drilled.plan.contents,
        drilled.plan.buckets()
    );
    if let Some(measured) = measure(store, sessions, name).await? {
        let judged = measured.judge(store.clock().now());
        say!("{name}: {}: {}", judged.reason, judged.message);
    }
    Ok(())
}
