//! `trueup gc`: forgets old releases, and deletes the packages that only they name. The daemon does the same once a
//! day.

use clap::Args;

use super::out::say;
use super::{CliError, Connected};
use crate::engine::release::{collect_garbage, garbage, spec_of};

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    environment: String,
    /// How many releases stay; what revisionHistoryLimit of the Environment says where it is not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
    keep: Option<u32>,
    /// Show what would go, and delete nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(connected: &Connected, args: &GcArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    store.existing_head(name).await?;
    let spec = spec_of(&connected.current(name).await?.objects).unwrap_or_default();
    let keep = args.keep.and_then(|keep| usize::try_from(keep).ok());
    let keep = keep.unwrap_or_else(|| spec.history_limit());
    let garbage = garbage(store, name, keep).await?;
    if garbage.releases.is_empty() {
        say!("{name} has no release beyond the newest {keep}");
        return Ok(());
    }
    if args.dry_run {
        for release in garbage.releases.iter().rev() {
            say!("release {release} of {name} would be forgotten");
        }
        for package in &garbage.packages {
            say!(
                "s3://{}/{} would be deleted, if nobody put it there today",
                package.bucket,
                package.key
            );
        }
        say!("dry run: nothing was deleted");
        return Ok(());
    }
    let collected = collect_garbage(store, sessions, name, &garbage).await?;
    say!(
        "{name}: {} releases forgotten, {} packages deleted",
        collected.releases,
        collected.packages
    );
    Ok(())
}
