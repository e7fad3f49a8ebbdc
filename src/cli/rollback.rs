//! `trueup rollback`: makes an earlier release current again, and holds what was left.

use clap::Args;

use super::out::{note, say};
use super::provenance::ProvenanceArgs;
use super::selector::object;
use super::{CliError, Connected};
use crate::engine::release::{Rollback, RolledBack, roll_back, rollback_leaves};
use crate::model::ObjectId;
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    environment: String,
    /// The release; where it is not given, the newest that succeeded and has other content.
    release: Option<u64>,
    /// An object that may leave or lose something although it holds data, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    confirm: Vec<ObjectId>,
    /// So many resources may be deleted at once, whatever the environment's maxDeletions says.
    #[arg(long, value_name = "NUMBER")]
    confirm_deletions: Option<usize>,
    /// An object that goes back, as Function/api; the others stay as they are. May be repeated.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    only: Vec<ObjectId>,
    /// Give the versions of functions their requests step by step, as their manifests say for a new one.
    #[arg(long)]
    gradual: bool,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &RollbackArgs) -> Result<(), CliError> {
    let name = &args.environment;
    let Connected { store, sessions } = connected;
    let head = store.existing_head(name).await?;
    let current = connected.current_or_damage(name).await?;
    // The number is known when the target is; the cause is set there.
    let mut new = args.provenance.release(Cause::Rollback(head.release), &[]);
    if args.provenance.has_no_commit() {
        // What becomes current was built from the commit of the earlier release, not from what lies here.
        new.commit.clear();
    }
    let asked = Rollback {
        to: args.release,
        only: &args.only,
        confirmed: &args.confirm,
        deletions: args.confirm_deletions,
        is_gradual: args.gradual,
    };
    let done = roll_back(store, sessions, &head, &current, asked, new).await?;
    match done {
        RolledBack::Already { to } => say!("{name} already has the content of release {to}"),
        RolledBack::Moved { to, release, held, left } => {
            if !left.is_empty() {
                note!("warning: {}", rollback_leaves(&left, head.release));
            }
            let held = held.map_or(String::new(), |release| {
                format!("; release {release} is held until other content is applied")
            });
            let what = match args.only.as_slice() {
                [] => "the content".to_owned(),
                only => only.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            say!("{name} release {release} has {what} of release {to}{held}");
        }
    }
    Ok(())
}
