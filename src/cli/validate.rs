//! `trueup validate`: checks manifests without touching AWS.

use clap::Args;

use super::{CliError, ManifestArgs};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
}

pub(super) fn run(args: &ValidateArgs) -> Result<(), CliError> {
    let set = args.manifests.load()?;
    set.check_with(&[])?;
    println!("{} objects are valid", set.len());
    Ok(())
}
