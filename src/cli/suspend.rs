//! `trueup suspend` and `trueup resume`: whether an environment's resources are written to. A person who resumes
//! also lets content come back that was rolled back by hand.

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
    let lifted =
        if on { Vec::new() } else { connected.store.lift_holds(&args.environment).await? };
    for release in lifted {
        say!("{}: the content of release {release} may be applied again", args.environment);
    }
    Ok(())
}
