//! How a new version of a resource gets its requests, and what it has to show before it gets more.

use std::time::Duration;

use serde_json::Value;

use crate::model::Guard;
use crate::signals::Expected;

/// How a new version gets its requests. The default is at once, and without a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shifting {
    /// The alias whose requests it gets.
    pub alias: String,
    /// The parts of the requests that it gets one after the other; after the last it gets all. Empty for all at once.
    pub steps: Vec<ShiftStep>,
    /// What the new version has to show while it gets a part of the requests.
    pub analysis: Analysis,
    /// Calls of the new version: before any user's, and beside theirs.
    pub probes: Vec<Probe>,
    /// Called once before the new version gets its first requests.
    pub before_traffic: Option<Hook>,
    /// Called once after it got all of them.
    pub after_traffic: Option<Hook>,
}

impl Shifting {
    /// Something lies between a version that is ready and all requests to it.
    pub fn is_gradual(&self) -> bool {
        !self.steps.is_empty()
            || !self.probes.is_empty()
            || self.before_traffic.is_some()
            || self.after_traffic.is_some()
    }
}

/// A part of the requests that a new version gets, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftStep {
    /// Percent.
    pub weight: u8,
    /// How long the new version has this part before the next step.
    pub pause: Duration,
}

/// How the requests of the new version are held against those of the old one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Analysis {
    /// How much worse the new version may not be, and how often the finding may be wrong.
    pub guard: Guard,
    /// The new version goes on only when it was found no worse. Otherwise it goes on unless it was found worse.
    pub is_required: bool,
    /// A new version without an error has shown enough after so many requests.
    pub min_requests: u64,
    /// How long one step may last until there is a finding.
    pub max_duration: Duration,
}

/// [`Analysis::min_requests`], where a manifest does not give it.
pub const MIN_REQUESTS_DEFAULT: u64 = 100;
/// [`Analysis::max_duration`], where a manifest does not give it: half an hour.
pub const MAX_DURATION_DEFAULT: Duration = Duration::from_secs(30 * 60);

impl Default for Analysis {
    fn default() -> Self {
        Self {
            guard: Guard::default(),
            is_required: false,
            min_requests: MIN_REQUESTS_DEFAULT,
            max_duration: MAX_DURATION_DEFAULT,
        }
    }
}

/// A call of the new version itself, by its number, and what it has to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The event that the version is invoked with.
    pub payload: Value,
    /// What the answer has to be.
    pub expected: Expected,
    /// After this time the call counts as not answered.
    pub timeout: Duration,
}

/// Whom a hook calls, and how long it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Whom the hook calls.
    pub target: HookTarget,
    /// How long the call may take.
    pub timeout: Duration,
}

/// Whom a hook calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// A Lambda function, by its name or ARN.
    Function(String),
    /// An HTTP address that is sent a POST.
    Url(String),
}
