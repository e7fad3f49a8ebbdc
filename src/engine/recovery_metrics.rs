//! What SREs see of an environment's recovery: how old its recovery points are, and whether its objectives hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::recovery::Measured;
use crate::model::{ConditionStatus, ObjectId};

/// Objects of one environment that are shown: those with the oldest recovery points.
const OBJECTS_MAX: usize = 200;
/// What came of a backup.
const RESULTS: [&str; 3] = ["made", "incomplete", "failed"];

/// Of the environments that a daemon has. Clones share them.
#[derive(Clone)]
pub struct RecoveryMetrics {
    point: GaugeVec,
    missing: IntGaugeVec,
    met: IntGaugeVec,
    objective: GaugeVec,
    took: GaugeVec,
    backups: IntCounterVec,
    newest: GaugeVec,
    /// The objects that are shown, by environment.
    shown: Arc<Mutex<BTreeMap<String, BTreeSet<ObjectId>>>>,
}

impl RecoveryMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge =
            |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        let metrics = Self {
            point: gauge(
                "trueup_recovery_point_timestamp_seconds",
                "The newest time that an object's data can be brought back to",
                &["environment", "kind", "name"],
            )?,
            missing: IntGaugeVec::new(
                Opts::new(
                    "trueup_recovery_points_missing",
                    "Objects that hold data which nothing can bring back",
                ),
                &["environment"],
            )?,
            met: IntGaugeVec::new(
                Opts::new(
                    "trueup_recovery_objectives_met",
                    "1 where the environment could be brought back as it promises, 0 where not; absent while nobody knows",
                ),
                &["environment"],
            )?,
            objective: gauge(
                "trueup_recovery_objective_seconds",
                "What the environment promises, as rpo and rto",
                &["environment", "objective"],
            )?,
            took: gauge(
                "trueup_recovery_duration_seconds",
                "How long the last rehydration or drill took",
                &["environment"],
            )?,
            backups: IntCounterVec::new(
                Opts::new("trueup_backups_total", "Backups by what came of them"),
                &["environment", "result"],
            )?,
            newest: gauge(
                "trueup_backup_newest_timestamp_seconds",
                "When the newest whole backup was begun",
                &["environment"],
            )?,
            shown: Arc::default(),
        };
        let m = metrics.clone();
        registry.register(Box::new(m.point))?;
        registry.register(Box::new(m.missing))?;
        registry.register(Box::new(m.met))?;
        registry.register(Box::new(m.objective))?;
        registry.register(Box::new(m.took))?;
        registry.register(Box::new(m.backups))?;
        registry.register(Box::new(m.newest))?;
        Ok(metrics)
    }

    /// Counts a backup by one of [`RESULTS`].
    pub fn backed_up(&self, environment: &str, result: &str) {
        self.backups.with_label_values(&[environment, result]).inc();
    }

    /// Shows what was measured.
    pub fn publish(&self, environment: &str, measured: &Measured, now: Timestamp) {
        // A counter that does not exist yet makes an alert on its rate silent.
        for result in RESULTS {
            self.backups.with_label_values(&[environment, result]);
        }
        let mut points: Vec<_> = measured
            .points
            .iter()
            .filter_map(|(id, point)| Some((id, point.as_ref()?.at)))
            .collect();
        let missing = measured.points.len() - points.len();
        self.missing
            .with_label_values(&[environment])
            .set(i64::try_from(missing).unwrap_or(i64::MAX));
        points.sort_by_key(|(_, at)| *at);
        points.truncate(OBJECTS_MAX);
        for (id, at) in &points {
            let labels = [environment, &*id.kind, &*id.name];
            self.point.with_label_values(&labels).set(at.as_second() as f64);
        }
        self.show(environment, points.into_iter().map(|(id, _)| id.clone()).collect());
        let seconds = |duration: Duration| duration.as_secs_f64();
        for (objective, promised) in
            [("rpo", measured.recovery.rpo()), ("rto", measured.recovery.rto())]
        {
            set(&self.objective, &[environment, objective], promised.map(seconds));
        }
        set(&self.took, &[environment], measured.took().map(seconds));
        let newest =
            measured.newest_whole.as_ref().map(|backup| backup.begun_at.as_second() as f64);
        set(&self.newest, &[environment], newest);
        match measured.judge(now).status {
            ConditionStatus::True => self.met.with_label_values(&[environment]).set(1),
            ConditionStatus::False => self.met.with_label_values(&[environment]).set(0),
            ConditionStatus::Unknown => {
                // Fails where the gauge was never set.
                let _ = self.met.remove_label_values(&[environment]);
            }
        }
    }

    /// Nobody knows at present whether the objectives hold; the recovery points are still what they were.
    pub fn unmeasured(&self, environment: &str) {
        let _ = self.met.remove_label_values(&[environment]);
    }

    /// Takes away what is shown of objects that are not shown any more.
    fn show(&self, environment: &str, now: BTreeSet<ObjectId>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.insert(environment.to_owned(), now.clone()).unwrap_or_default();
        for id in before.difference(&now) {
            let _ = self.point.remove_label_values(&[environment, &*id.kind, &*id.name]);
        }
    }

    /// Another daemon shows the environment now.
    pub fn forget(&self, environment: &str) {
        self.show(environment, BTreeSet::new());
        for objective in ["rpo", "rto"] {
            let _ = self.objective.remove_label_values(&[environment, objective]);
        }
        for gauge in [&self.took, &self.newest] {
            let _ = gauge.remove_label_values(&[environment]);
        }
        for gauge in [&self.missing, &self.met] {
            let _ = gauge.remove_label_values(&[environment]);
        }
    }
}

fn set(gauge: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauge.with_label_values(labels).set(value),
        None => {
            let _ = gauge.remove_label_values(labels);
        }
    }
}
