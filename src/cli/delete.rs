//! `trueup delete`: takes objects out of an environment. What happens to their resources is up to
//! their deletionPolicy.

use clap::Args;

use super::approve::told;
use super::out::say;
use super::provenance::ProvenanceArgs;
use super::selector::object;
use super::{CliError, Connected};
use crate::engine::release;
use crate::model::ObjectId;
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    environment: String,
    /// As Function/api.
    #[arg(required = true, value_parser = object)]
    objects: Vec<ObjectId>,
    /// An object that may leave although it holds data, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    confirm: Vec<ObjectId>,
    /// Record it although no window is open. Say why with --message.
    #[arg(long, requires = "message")]
    override_window: bool,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &DeleteArgs) -> Result<(), CliError> {
    let name = &args.environment;
    let head = connected.store.existing_head(name).await?;
    let current = connected.current(name).await?;
    if !args.override_window && !release::needs_approval(&current) {
        release::check_windows(name, &current.objects, connected.store.clock().now())?;
    }
    let new = args.provenance.release(Cause::Delete, &[]);
    let (store, objects) = (&connected.store, &args.objects);
    let submitted = release::delete(store, &head, current, objects, &args.confirm, new).await?;
    say!("{}", told(name, &submitted, &format!("{} removed", objects.len())));
    Ok(())
}
