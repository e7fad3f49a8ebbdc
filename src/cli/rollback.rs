//! `trueup rollback`: makes an earlier release current again, and holds what was left.

use clap::Args;

use super::artifacts::check_artifacts;
use super::change::{check_removals, moves_all};
use super::out::say;
use super::provenance::ProvenanceArgs;
use super::{CliError, Connected};
use crate::model::ObjectId;
use crate::store::Cause;

/// Releases looked through for one with other content.
const SEARCHED_MAX: usize = 200;

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    environment: String,
    /// The release; the newest with other content where it is not given.
    release: Option<u64>,
    /// An object that may leave although it holds data, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME")]
    confirm: Vec<ObjectId>,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &RollbackArgs) -> Result<(), CliError> {
    let name = &args.environment;
    let head = connected.store.existing_head(name).await?;
    let number = match args.release {
        Some(number) => number,
        None => {
            let history = connected.store.history(name, SEARCHED_MAX).await?;
            // One that cannot be read is nothing to go back to.
            let history: Vec<_> = history.into_iter().flatten().collect();
            // A second rollback goes on from where the first one went back to.
            let from = history.iter().find(|r| r.number == head.release);
            let from = from.map_or(head.release, |r| match r.cause {
                Cause::Rollback(to) => to,
                _ => r.number,
            });
            let other = history.iter().find(|r| {
                r.number < from && r.digest != head.digest && head.held(&r.digest).is_none()
            });
            other.map(|r| r.number).ok_or_else(|| {
                CliError::refused(format!("{name} has no earlier release with other content"))
            })?
        }
    };
    let target = connected.store.release(name, number).await?;
    let current = connected.current_or_damage(name).await?;
    if target.digest == head.digest && current.damage.is_none() {
        say!("{name} already has the content of release {number}");
        return Ok(());
    }
    let digests = target.objects.iter().map(|e| e.digest.clone()).collect();
    let objects: Vec<_> = connected.store.objects(name, &digests).await?.into_values().collect();
    check_artifacts(connected, name, &objects.iter().collect::<Vec<_>>()).await?;
    check_removals(name, &current.objects, &objects, &args.confirm)?;
    let mut new = args.provenance.release(Cause::Rollback(number));
    new.moves_all = moves_all(&current.objects, &objects);
    new.objects = objects;
    new.confirmed = args.confirm.iter().cloned().collect();
    new.holds = match target.digest == head.digest {
        true => head.holds.clone(),
        false => head.holds_after_rollback(),
    };
    let release = connected.store.record(name, Some(&head), current.release.as_ref(), new).await?;
    let held = match target.digest == head.digest {
        true => String::new(),
        false => format!("; release {} is held until other content is applied", head.release),
    };
    say!("{name} release {} has the content of release {number}{held}", release.number);
    Ok(())
}
