//! Conditions in the Kubernetes form, with kstatus' meanings.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition types that trueup sets.
pub mod condition_type {
    /// The resource exists, is as declared, and works.
    pub const READY: &str = "Ready";
    /// There is still something to do; the message says what.
    pub const RECONCILING: &str = "Reconciling";
    /// Nothing will happen by itself; the message says what a person can do.
    pub const STALLED: &str = "Stalled";
    /// False lists the fields in which the live resource differs from the declared one.
    pub const SYNCED: &str = "Synced";
    /// Of an environment: its pages answer as they have to.
    pub const HEALTHY: &str = "Healthy";
    /// Of an environment: it does without objects that it marks as optional.
    pub const DEGRADED: &str = "Degraded";
}

/// Whether a condition holds.
#[expect(missing_docs, reason = "Kubernetes' words")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// One condition of an object, in the form of Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The type, such as `Ready`. An object has one condition of each type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the condition holds; `Unknown` where nobody can tell.
    pub status: ConditionStatus,
    /// One CamelCase word, for machines.
    pub reason: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// The release generation of the object that the condition was found for.
    #[serde(default)]
    pub observed_generation: u64,
    /// When the status last changed. A new reason or message does not move it.
    #[schemars(with = "String")]
    pub last_transition_time: Timestamp,
}

/// A set of conditions, one of each type, in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// The condition of a type; `None` where it was never set.
    pub fn get(&self, kind: &str) -> Option<&Condition> {
        self.0.iter().find(|c| c.kind == kind)
    }

    /// Whether the condition of a type was set, and its status is `True`.
    pub fn is_true(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|c| c.status == ConditionStatus::True)
    }

    /// All conditions, in the order in which they were first set.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter()
    }

    /// Sets one condition. `lastTransitionTime` moves only when the status does.
    pub fn set(
        &mut self,
        kind: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: u64,
        now: Timestamp,
    ) {
        let since = match self.get(kind) {
            Some(before) if before.status == status => before.last_transition_time,
            _ => now,
        };
        let condition = Condition {
            kind: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message.into(),
            observed_generation: generation,
            last_transition_time: since,
        };
        match self.0.iter_mut().find(|c| c.kind == kind) {
            Some(slot) => *slot = condition,
            None => self.0.push(condition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut conditions = Conditions::default();
        conditions.set("Ready", ConditionStatus::False, "Creating", "", 1, at(10));
        conditions.set("Ready", ConditionStatus::False, "Waiting", "", 1, at(20));
        assert_eq!(conditions.get("Ready").unwrap().last_transition_time, at(10));
        conditions.set("Ready", ConditionStatus::True, "Reconciled", "", 1, at(30));
        assert_eq!(conditions.get("Ready").unwrap().last_transition_time, at(30));
        assert_eq!(conditions.iter().count(), 1);
    }
}
