//! `trueup reconcile`: asks the daemon to reconcile right now. Backoffs and flap guards are lifted for it.

use clap::Args;

use super::get::environment_rows;
use super::out::say;
use super::selector::object;
use super::{CliError, Connected};
use crate::model::ObjectId;

#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    environment: String,
    /// One object, as Table/orders; all where it is not given.
    #[arg(value_parser = object)]
    object: Option<ObjectId>,
}

pub(super) async fn run(connected: &Connected, args: &ReconcileArgs) -> Result<(), CliError> {
    if let Some(wanted) = &args.object {
        let head = connected.store.existing_head(&args.environment).await?;
        let rows = environment_rows(connected, &head).await?;
        if !rows.iter().any(|row| row.entry.id() == *wanted) {
            return Err(CliError::no_such_object(Some(&args.environment), wanted));
        }
    }
    let object = args.object.as_ref().map(ToString::to_string);
    connected.store.request_reconcile(&args.environment, object).await?;
    let what = args.object.as_ref().map_or_else(|| "every object".to_owned(), ToString::to_string);
    say!("{}: the daemon is asked to reconcile {what}", args.environment);
    Ok(())
}
