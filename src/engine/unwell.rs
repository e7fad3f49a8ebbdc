//! Which objects are not well, since when and why, as metrics.
//!
//! Guarantees: an object that is well has no series, and an environment with more objects than the limit has
//! none at all, so that a large fleet does not flood Prometheus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Opts, Registry, core::Describer};

use super::world::EnvironmentState;
use crate::model::{Condition, ConditionStatus, condition_type};
use crate::store::StatusRecord;

/// Sorted, as the exposition formats have them.
const LABELS: [&str; 5] = ["condition", "environment", "kind", "name", "reason"];

/// The series are made when somebody asks for them: thousands of objects begin as not well, and are well a
/// moment later.
#[derive(Clone)]
pub struct Unwell {
    condition: Desc,
    since: Desc,
    /// By environment.
    shown: Arc<Mutex<BTreeMap<String, Vec<Arc<StatusRecord>>>>>,
}

impl Unwell {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let desc = |name: &str, help: &str| {
            Opts::new(name, help).variable_labels(LABELS.map(str::to_owned).into()).describe()
        };
        let unwell = Self {
            condition: desc(
                "trueup_object_condition",
                "1 for each condition of an object that is not as it should be",
            )?,
            since: desc(
                "trueup_object_condition_timestamp_seconds",
                "When that condition came to be so, as Unix time",
            )?,
            shown: Arc::default(),
        };
        registry.register(Box::new(unwell.clone()))?;
        Ok(unwell)
    }

    /// Shows what is not well in an environment now, and takes away what is.
    pub(super) fn publish(&self, name: &str, environment: &EnvironmentState, objects_max: usize) {
        let is_shown = environment.statuses.len() <= objects_max;
        let statuses = environment.statuses.values().filter(|_| is_shown);
        let unwell = statuses.filter(|status| status.conditions.iter().any(is_bad));
        self.replace(name, unwell.cloned().collect());
    }

    /// Takes away what is shown of an environment: another daemon follows it now.
    pub(super) fn forget(&self, name: &str) {
        self.replace(name, Vec::new());
    }

    fn replace(&self, name: &str, now: Vec<Arc<StatusRecord>>) {
        // Whoever panicked with it left a list that is merely older.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // Environments come and go: one without a series is not kept.
        if now.is_empty() {
            shown.remove(name);
        } else {
            shown.insert(name.to_owned(), now);
        }
    }
}

impl Collector for Unwell {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.condition, &self.since]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut conditions, mut since) = (Vec::new(), Vec::new());
        for (environment, status) in
            shown.iter().flat_map(|(e, all)| all.iter().map(move |s| (e, s)))
        {
            for condition in status.conditions.iter().filter(|c| is_bad(c)) {
                let labels =
                    [&condition.kind, environment, &status.kind, &status.name, &condition.reason];
                conditions.push(metric(labels, 1.0));
                since.push(metric(labels, condition.last_transition_time.as_second() as f64));
            }
        }
        vec![family(&self.condition, conditions), family(&self.since, since)]
    }
}

fn metric(values: [&String; 5], value: f64) -> Metric {
    let label = |(name, value): (&str, &String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.clone());
        pair
    };
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(LABELS.into_iter().zip(values).map(label).collect());
    metric.set_gauge(gauge);
    metric
}

fn family(desc: &Desc, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(metrics);
    family
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
        let text = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let status = |reason: &str| {
            let mut status = StatusRecord {
                kind: "Table".to_owned(),
                name: "orders".to_owned(),
                ..StatusRecord::default()
            };
            let at = Timestamp::from_second(1_700_000_000).unwrap();
            let (ready, no) = (condition_type::READY, ConditionStatus::False);
            status.conditions.set(ready, no, reason, String::new(), 1, at);
            Arc::new(status)
        };
        for reason in ["Throttled", "NotOwned"] {
            unwell.replace("dev", vec![status(reason)]);
        }
        let labels =
            r#"{condition="Ready",environment="dev",kind="Table",name="orders",reason="NotOwned"}"#;
        let series: Vec<_> =
            text().lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect();
        let expected = [("", "1"), ("_timestamp_seconds", "1700000000")]
            .map(|(name, value)| format!("trueup_object_condition{name}{labels} {value}"));
        assert_eq!(series, expected);
        unwell.forget("dev");
        assert_eq!(text(), "");
    }
}
