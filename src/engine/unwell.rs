//! Which objects are not well, since when and why, as metrics.
//!
//! Guarantees: an object that is well has no series, and an environment with more objects than the limit has
//! none at all, so that a large fleet does not flood Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntGaugeVec, Opts, Registry};

use super::world::EnvironmentState;
use crate::model::{Condition, ConditionStatus, condition_type};

const LABELS: [&str; 5] = ["environment", "kind", "name", "condition", "reason"];

type Labels = [String; 5];

#[derive(Clone)]
pub struct Unwell {
    condition: IntGaugeVec,
    since: IntGaugeVec,
    shown: Arc<Mutex<BTreeMap<String, BTreeSet<Labels>>>>,
}

impl Unwell {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &LABELS);
        let unwell = Self {
            condition: gauge(
                "trueup_object_condition",
                "1 for each condition of an object that is not as it should be",
            )?,
            since: gauge(
                "trueup_object_condition_timestamp_seconds",
                "When that condition came to be so, as Unix time",
            )?,
            shown: Arc::default(),
        };
        registry.register(Box::new(unwell.condition.clone()))?;
        registry.register(Box::new(unwell.since.clone()))?;
        Ok(unwell)
    }

    /// Shows what is not well in an environment now, and takes away what is.
    pub(super) fn publish(&self, name: &str, environment: &EnvironmentState, objects_max: usize) {
        let mut now = BTreeSet::new();
        if environment.statuses.len() <= objects_max {
            for status in environment.statuses.values() {
                for condition in status.conditions.iter().filter(|c| is_bad(c)) {
                    let labels =
                        [name, &status.kind, &status.name, &condition.kind, &condition.reason];
                    self.condition.with_label_values(&labels).set(1);
                    let since = condition.last_transition_time.as_second();
                    self.since.with_label_values(&labels).set(since);
                    now.insert(labels.map(str::to_owned));
                }
            }
        }
        self.replace(name, now);
    }

    /// Takes away what is shown of an environment: another daemon follows it now.
    pub(super) fn forget(&self, name: &str) {
        self.replace(name, BTreeSet::new());
    }

    fn replace(&self, name: &str, now: BTreeSet<Labels>) {
        // Whoever panicked with it left a set that is merely older.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.remove(name).unwrap_or_default();
        for gone in before.difference(&now) {
            let labels = gone.each_ref().map(String::as_str);
            // Fails where the series is gone already.
            let _ = self.condition.remove_label_values(&labels);
            let _ = self.since.remove_label_values(&labels);
        }
        // Environments come and go: one without a series is not kept.
        if !now.is_empty() {
            shown.insert(name.to_owned(), now);
        }
    }
}

/// Stalled is bad when it is True, Ready and Synced when they are not; Reconciling is never.
fn is_bad(condition: &Condition) -> bool {
    match condition.kind.as_str() {
        condition_type::STALLED => condition.status == ConditionStatus::True,
        condition_type::READY | condition_type::SYNCED => condition.status != ConditionStatus::True,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn what_is_not_as_it_should_be_is_bad() {
        use ConditionStatus::{False, True, Unknown};
        for (kind, status, expected) in [
            ("Ready", True, false),
            ("Ready", False, true),
            ("Ready", Unknown, true),
            ("Synced", False, true),
            ("Stalled", False, false),
            ("Stalled", True, true),
            ("Reconciling", True, false),
        ] {
            let condition = Condition {
                kind: kind.to_owned(),
                status,
                reason: "Reason".to_owned(),
                message: String::new(),
                observed_generation: 1,
                last_transition_time: Timestamp::UNIX_EPOCH,
            };
            assert_eq!(is_bad(&condition), expected, "{kind} {status:?}");
        }
    }

    #[test]
    fn a_series_goes_when_its_condition_does() {
        let registry = Registry::new();
        let unwell = Unwell::register(&registry).unwrap();
        let labels = |reason: &str| ["dev", "Table", "orders", "Ready", reason].map(str::to_owned);
        let text = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for reason in ["Throttled", "NotOwned"] {
            let now = labels(reason);
            unwell.condition.with_label_values(&now.each_ref().map(String::as_str)).set(1);
            unwell.replace("dev", BTreeSet::from([now]));
        }
        assert!(text().contains("NotOwned") && !text().contains("Throttled"), "{}", text());
        unwell.forget("dev");
        assert_eq!(text(), "");
    }
}
