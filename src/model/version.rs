//! A version of a resource that is about to take over from another.

use serde::{Deserialize, Serialize};

/// The part of the requests that a version may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The version that was given it; another one has none yet.
    pub version: Option<String>,
    /// Percent of the requests, from 0 to 100.
    pub percent: u8,
}

/// A version that was published and is ready, with what it gets already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadyVersion {
    /// The version, as AWS numbers it.
    pub version: String,
    /// The version that it takes over from.
    #[serde(default)]
    pub from: String,
    /// Percent of the requests that were seen to go to it.
    pub weight: u8,
}
