//! `trueup reconcile`: asks the daemon for a look right now. Backoffs and brakes are lifted for it.

use clap::Args;

use super::out::say;
use super::{CliError, Connected};
use crate::model::ObjectId;

#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    environment: String,
    /// One object, as Table/orders; all where it is not given.
    object: Option<ObjectId>,
}

pub(super) async fn run(connected: &Connected, args: &ReconcileArgs) -> Result<(), CliError> {
    let object = args.object.as_ref().map(ToString::to_string);
    connected.store.request_reconcile(&args.environment, object).await?;
    let what = args.object.as_ref().map_or_else(|| "every object".to_owned(), ToString::to_string);
    say!("{}: the daemon is asked to look at {what}", args.environment);
    Ok(())
}
