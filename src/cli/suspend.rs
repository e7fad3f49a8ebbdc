//! `trueup suspend` and `trueup resume`: whether an environment's resources are written to.

use clap::Args;

use super::out::say;
use super::{CliError, Connected};

#[derive(Debug, Args)]
pub(super) struct SuspendArgs {
    environment: String,
}

pub(super) async fn run(
    connected: &Connected,
    args: &SuspendArgs,
    on: bool,
) -> Result<(), CliError> {
    connected.store.set_suspended(&args.environment, on).await?;
    let state = if on { "suspended: it is observed, and nothing is written" } else { "resumed" };
    say!("{} {state}", args.environment);
    Ok(())
}
