//! A version of a resource that is about to take over from another.

use serde::{Deserialize, Serialize};

/// A version that was published and is ready, with what it gets already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadyVersion {
    pub version: String,
    /// Percent of the requests that were seen to go to it.
    pub weight: u8,
}
