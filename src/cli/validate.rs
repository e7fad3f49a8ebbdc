//! `trueup validate`: checks manifests without touching AWS.

use clap::Args;

use super::out::{note, say};
use super::{CliError, ManifestArgs};
use crate::manifest::Scope;

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
}

pub(super) fn run(args: &ValidateArgs) -> Result<(), CliError> {
    let set = args.manifests.load(Scope::Whole)?;
    set.check_with(&[])?;
    if let Some(problems) = set.check_environments() {
        return Err(problems.into());
    }
    if let Some(advice) = set.advice() {
        note!("{}", advice.warnings());
    }
    say!("{} objects are valid", set.len());
    Ok(())
}
