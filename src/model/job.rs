//! A job that AWS runs for an object: a build, a deployment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The job that an object started last. It is recorded before it is started, so that one whose start was
/// not answered is looked for and not started again: a job that is started twice is paid twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartedJob {
    /// What it works for, by content address.
    pub digest: String,
    /// When it was begun to be started.
    pub at: Timestamp,
    /// AWS's id, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}
