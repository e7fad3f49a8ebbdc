//! Where an environment's releases come from, and who has to agree to them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EnvironmentSpec, LONGEST};
use crate::kinds::SpecProblem;
use crate::model::parse_duration;

/// Whether a release becomes current when it is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// At once.
    #[default]
    NotRequired,
    /// It waits until somebody else than its author approves it, with `trueup approve`. A rollback does not wait.
    Required,
}

/// The environment whose releases are promoted to this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promotion {
    /// That environment, as `staging`. `trueup promote` takes releases from no other.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub from: String,
    /// A release that succeeded there is promoted without a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<bool>,
    /// How long it has to be well there before, as `30m`; 0s to 24h. All its objects are Ready for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<String>,
}

impl Promotion {
    /// How long a release has to be well before it is promoted without a person.
    pub fn soak(&self) -> Duration {
        // A text that cannot be read was refused by validation.
        self.soak.as_deref().and_then(|text| parse_duration(text).ok()).unwrap_or_default()
    }
}

impl EnvironmentSpec {
    /// A release waits for somebody's approval.
    pub fn needs_approval(&self) -> bool {
        self.approval.unwrap_or_default() == Approval::Required
    }

    /// Where releases are promoted from without a person.
    pub fn auto_promotion(&self) -> Option<&Promotion> {
        self.promotion.as_ref().filter(|promotion| promotion.auto == Some(true))
    }
}

pub(super) fn validate(promotion: &Promotion) -> Vec<SpecProblem> {
    let problem = match promotion.soak.as_deref().map(parse_duration) {
        Some(Err(message)) => message,
        Some(Ok(soak)) if soak > LONGEST => "the soak is at most 24h".to_owned(),
        _ => return Vec::new(),
    };
    vec![SpecProblem::new("promotion.soak", problem)]
}
