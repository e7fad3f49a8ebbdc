//! Disaster recovery: backups of whole environments, and environments built again from them.
//!
//! Expected flow: `back_up` writes a backup into the [`Vault`] that the environment names; `prepare` reads one and says
//! what it takes to build the environment again; `Prepared::carry_out` does it, with a daemon beside.
//!
//! Guarantees:
//! - A backup counts once its manifest is there, which is written last and sealed.
//! - What holds secrets is not in a backup: manifests have references to them.
//! - A restore never overwrites data that is there.
//!
//! Left to others: making the resources (`pass`), the words of a terminal (`cli`).

mod contents;
mod copies;
mod create;
mod drill;
mod elsewhere;
mod error;
mod export;
mod large;
mod manifest;
mod newer;
mod objectives;
mod plan;
mod prune;
mod rehydrate;
mod restore;
mod vault;
mod verify;

use std::time::Duration;

use crate::aws::{AwsError, Session};

pub use contents::Restored;
pub use create::back_up;
pub use drill::{Drilled, drill, scratch_of};
pub use elsewhere::Elsewhere;
pub use error::RecoveryError;
pub use manifest::{Backup, Lacking, id_of};
pub use objectives::{Judged, Measured, Point, measure, minutes};
pub use plan::Plan;
pub use prune::{Pruned, delete, in_use, prune, sweep};
pub use rehydrate::{Done, Prepared, Told, Wish, prepare};
pub use restore::{PreparedRestore, Restoration, Restoring, prepare_restore};
pub use vault::Vault;
pub use verify::{Checked, verify};

/// The pause between two observations of what AWS or the daemon works on.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// An account and region as backups have them.
async fn place_of(session: &Session) -> Result<String, AwsError> {
    Ok(format!("{}/{}", session.account_id().await?, session.region()))
}
