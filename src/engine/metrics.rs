//! What the engine shows to SREs, by the names that controller-runtime's dashboards have.
//!
//! No label is unbounded: a controller is a kind, environments are counted up to [`ENVIRONMENTS_MAX`], and
//! objects that are not well up to a limit (`unwell.rs`).

use jiff::Timestamp;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::exemplars::{Exemplar, Exemplars, PASS_ERRORS, PASS_SECONDS};
use super::probe_metrics::ProbeMetrics;
use super::recovery_metrics::RecoveryMetrics;
use super::rollout_metrics::RolloutMetrics;
use super::unwell::Unwell;
use crate::kinds::kinds;

/// Environments that one daemon reconciles.
pub const ENVIRONMENTS_MAX: usize = 200;

/// How a pass ended, in controller-runtime's words.
pub const RESULTS: [&str; 4] = ["success", "error", "requeue", "requeue_after"];

/// The metrics of the engine, all in one registry. Clones share them.
#[derive(Clone)]
pub struct EngineMetrics {
    /// Passes, by controller and by how they ended: see [`RESULTS`].
    pub reconcile_total: IntCounterVec,
    /// Passes that failed, by controller.
    pub reconcile_errors: IntCounterVec,
    /// The length of passes in seconds, by controller.
    pub reconcile_seconds: HistogramVec,
    /// Passes that are under way, by controller.
    pub active_workers: IntGaugeVec,
    /// Objects that could be worked on now, of all environments.
    pub queue_depth: IntGauge,
    /// How often an object was put into the queue.
    pub queue_adds: IntCounter,
    /// How often an object was put into the queue again because its pass failed.
    pub queue_retries: IntCounter,
    /// Seconds from when an object was due until its pass began.
    pub queue_seconds: Histogram,
    /// Seconds that the work on one object took.
    pub work_seconds: Histogram,
    /// Seconds that all passes under way have taken so far, summed.
    pub unfinished_seconds: Gauge,
    /// Seconds that the longest pass under way has taken so far.
    pub longest_running_seconds: Gauge,
    /// Objects of the current release, by environment and kind.
    pub resources: IntGaugeVec,
    /// Those of them whose condition `Ready` is True.
    pub resources_ready: IntGaugeVec,
    /// Those of them whose condition `Synced` is True.
    pub resources_synced: IntGaugeVec,
    /// Objects that wait for a person, by environment and kind. Objects that are leaving count too.
    pub resources_stalled: IntGaugeVec,
    /// How often drift was found, by environment and kind.
    pub drift_detected: IntCounterVec,
    /// How often drift was repaired, by environment and kind.
    pub drift_corrected: IntCounterVec,
    /// Seconds from when a drift was seen until its repair, by kind.
    pub repair_seconds: HistogramVec,
    /// Plans that were stopped because they had no effect, by environment and kind.
    pub flapping: IntCounterVec,
    /// Since when every object of an environment was observed, in seconds since 1970. No series while one never was.
    pub oldest_observation: GaugeVec,
    /// When the drift that lasts longest was seen, in seconds since 1970, by environment. No series without drift.
    pub oldest_drift: GaugeVec,
    /// When an environment's current release was recorded, in seconds since 1970.
    pub released: GaugeVec,
    /// How old the recovery points of environments are, and whether their objectives hold.
    pub recovery: RecoveryMetrics,
    /// How the pages of environments answer.
    pub probes: ProbeMetrics,
    /// Optional objects that are not ready, by environment.
    pub degraded: IntGaugeVec,
    /// How far the rollouts are, and what they came to.
    pub rollout: RolloutMetrics,
    /// Notifications, by channel and by what became of them.
    pub notifications: IntCounterVec,
    /// 1 where this daemon has the lease of an environment.
    pub lease_held: IntGaugeVec,
    /// Daemons that share the environments of this store, as this one sees them.
    pub members: IntGauge,
    /// Reads and writes of the store that failed.
    pub store_errors: IntCounter,
    /// 1 where an environment's records are damaged, so that nothing is done there.
    pub stopped: IntGaugeVec,
    /// 1 where a person suspended the environment, so that nothing is written there.
    pub suspended: IntGaugeVec,
    /// Objects that are not well, each with its condition and its reason.
    pub unwell: Unwell,
    /// Objects that could be worked on now, by environment.
    pub queue_by_environment: IntGaugeVec,
    /// The newest pass of each series that has exemplars.
    pub exemplars: Exemplars,
}

impl EngineMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let queue = |name: &str, help: &str| Opts::new(name, help).const_label("name", "trueup");
        let seconds = |name: &str, help: &str| {
            let buckets =
                vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
            HistogramOpts::new(name, help).buckets(buckets)
        };
        let queue_seconds =
            |name: &str, help: &str| seconds(name, help).const_label("name", "trueup");
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels)
        };
        let by_kind = ["environment", "kind"];
        let metrics = Self {
            reconcile_total: counters(
                "controller_runtime_reconcile_total",
                "Passes by how they ended",
                &["controller", "result"],
            )?,
            reconcile_errors: counters(PASS_ERRORS, "Passes that failed", &["controller"])?,
            reconcile_seconds: HistogramVec::new(
                seconds(PASS_SECONDS, "Length of a pass"),
                &["controller"],
            )?,
            active_workers: gauges(
                "controller_runtime_active_workers",
                "Passes under way",
                &["controller"],
            )?,
            queue_depth: IntGauge::with_opts(queue(
                "workqueue_depth",
                "Objects that could be worked on now",
            ))?,
            queue_adds: IntCounter::with_opts(queue(
                "workqueue_adds_total",
                "Additions to the queue",
            ))?,
            queue_retries: IntCounter::with_opts(queue(
                "workqueue_retries_total",
                "Objects queued again after a failure",
            ))?,
            queue_seconds: Histogram::with_opts(queue_seconds(
                "workqueue_queue_duration_seconds",
                "Time from being due to being worked on",
            ))?,
            work_seconds: Histogram::with_opts(queue_seconds(
                "workqueue_work_duration_seconds",
                "Time of work on one object",
            ))?,
            unfinished_seconds: Gauge::with_opts(queue(
                "workqueue_unfinished_work_seconds",
                "Time that work under way has taken, summed",
            ))?,
            longest_running_seconds: Gauge::with_opts(queue(
                "workqueue_longest_running_processor_seconds",
                "Time that the longest work under way has taken",
            ))?,
            resources: gauges("trueup_resources", "Objects of the current release", &by_kind)?,
            resources_ready: gauges(
                "trueup_resources_ready",
                "Objects whose Ready is True",
                &by_kind,
            )?,
            resources_synced: gauges(
                "trueup_resources_synced",
                "Objects whose Synced is True",
                &by_kind,
            )?,
            resources_stalled: gauges(
                "trueup_resources_stalled",
                "Objects that wait for a person",
                &by_kind,
            )?,
            drift_detected: counters("trueup_drift_detected_total", "Drift found", &by_kind)?,
            drift_corrected: counters("trueup_drift_corrected_total", "Drift repaired", &by_kind)?,
            repair_seconds: HistogramVec::new(
                seconds("trueup_drift_repair_seconds", "Time from seeing a drift to its repair"),
                &["kind"],
            )?,
            flapping: counters(
                "trueup_flapping_total",
                "Plans stopped because they had no effect",
                &by_kind,
            )?,
            oldest_observation: GaugeVec::new(
                Opts::new(
                    "trueup_oldest_observation_timestamp_seconds",
                    "Every object was observed since then; no series while one never was",
                ),
                &["environment"],
            )?,
            oldest_drift: GaugeVec::new(
                Opts::new(
                    "trueup_oldest_drift_timestamp_seconds",
                    "When the drift that lasts longest was seen; no series while nothing has drifted",
                ),
                &["environment"],
            )?,
            released: GaugeVec::new(
                Opts::new(
                    "trueup_release_timestamp_seconds",
                    "When the current release was recorded",
                ),
                &["environment"],
            )?,
            rollout: RolloutMetrics::register(registry)?,
            notifications: counters(
                "trueup_notifications_total",
                "Notifications by channel and by what became of them",
                &["channel", "result"],
            )?,
            lease_held: gauges(
                "trueup_lease_held",
                "1 where this daemon reconciles the environment",
                &["environment"],
            )?,
            members: IntGauge::new(
                "trueup_members",
                "Daemons that share the environments of this store, as this one sees them",
            )?,
            stopped: gauges(
                "trueup_environment_stopped",
                "1 where an environment's records in the store are damaged and nothing is done there",
                &["environment"],
            )?,
            suspended: gauges(
                "trueup_environment_suspended",
                "1 where somebody suspended the environment and nothing is written",
                &["environment"],
            )?,
            store_errors: IntCounter::new(
                "trueup_store_errors_total",
                "Failed reads and writes of the store",
            )?,
            recovery: RecoveryMetrics::register(registry)?,
            probes: ProbeMetrics::register(registry)?,
            degraded: gauges(
                "trueup_environment_degraded",
                "Optional objects of the environment that are not ready",
                &["environment"],
            )?,
            unwell: Unwell::register(registry)?,
            queue_by_environment: gauges(
                "trueup_queue_depth",
                "Objects that could be worked on now",
                &["environment"],
            )?,
            exemplars: Exemplars::default(),
        };
        metrics.register_all(registry)?;
        metrics.start_at_zero();
        Ok(metrics)
    }

    fn register_all(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let m = self.clone();
        registry.register(Box::new(m.reconcile_total))?;
        registry.register(Box::new(m.reconcile_errors))?;
        registry.register(Box::new(m.reconcile_seconds))?;
        registry.register(Box::new(m.active_workers))?;
        registry.register(Box::new(m.queue_depth))?;
        registry.register(Box::new(m.queue_adds))?;
        registry.register(Box::new(m.queue_retries))?;
        registry.register(Box::new(m.queue_seconds))?;
        registry.register(Box::new(m.work_seconds))?;
        registry.register(Box::new(m.unfinished_seconds))?;
        registry.register(Box::new(m.longest_running_seconds))?;
        registry.register(Box::new(m.resources))?;
        registry.register(Box::new(m.resources_ready))?;
        registry.register(Box::new(m.resources_synced))?;
        registry.register(Box::new(m.resources_stalled))?;
        registry.register(Box::new(m.drift_detected))?;
        registry.register(Box::new(m.drift_corrected))?;
        registry.register(Box::new(m.repair_seconds))?;
        registry.register(Box::new(m.flapping))?;
        registry.register(Box::new(m.oldest_observation))?;
        registry.register(Box::new(m.oldest_drift))?;
        registry.register(Box::new(m.released))?;
        registry.register(Box::new(m.degraded))?;
        registry.register(Box::new(m.notifications))?;
        registry.register(Box::new(m.lease_held))?;
        registry.register(Box::new(m.members))?;
        registry.register(Box::new(m.store_errors))?;
        registry.register(Box::new(m.stopped))?;
        registry.register(Box::new(m.suspended))?;
        registry.register(Box::new(m.queue_by_environment))?;
        let build =
            IntGaugeVec::new(Opts::new("trueup_build_info", "1, with the version"), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))
    }

    /// Counts a pass of a kind. `seconds` is its length, `pass` its number.
    pub fn pass_ended(&self, kind: &str, result: &str, seconds: f64, pass: u64, at: Timestamp) {
        self.work_seconds.observe(seconds);
        self.reconcile_seconds.with_label_values(&[kind]).observe(seconds);
        self.active_workers.with_label_values(&[kind]).dec();
        self.reconcile_total.with_label_values(&[kind, result]).inc();
        self.exemplars.note(PASS_SECONDS, kind, Exemplar { pass, value: seconds, at });
        if result == "error" {
            self.reconcile_errors.with_label_values(&[kind]).inc();
            self.queue_retries.inc();
            self.exemplars.note(PASS_ERRORS, kind, Exemplar { pass, value: 1.0, at });
        }
    }

    /// Shows the name that this daemon's leases have.
    pub fn register_lease_owner(
        registry: &Registry,
        lease_owner: &str,
    ) -> Result<(), prometheus::Error> {
        let opts =
            Opts::new("trueup_lease_owner_info", "1, with the name that this daemon's leases have");
        let owner = IntGaugeVec::new(opts, &["lease_owner"])?;
        owner.with_label_values(&[lease_owner]).set(1);
        registry.register(Box::new(owner))
    }

    /// Takes an environment's gauges away: another daemon shows them now.
    pub fn forget_environment(&self, name: &str) {
        let by_kind = [
            &self.resources,
            &self.resources_ready,
            &self.resources_synced,
            &self.resources_stalled,
        ];
        for kind in kinds() {
            for gauge in by_kind {
                // Fails where the gauge was never set.
                let _ = gauge.remove_label_values(&[name, kind.name()]);
            }
        }
        let _ = self.degraded.remove_label_values(&[name]);
        self.unwell.forget(name);
        self.recovery.forget(name);
        self.rollout.forget(name);
        for gauge in [&self.oldest_observation, &self.oldest_drift, &self.released] {
            let _ = gauge.remove_label_values(&[name]);
        }
        for gauge in [&self.suspended, &self.queue_by_environment] {
            let _ = gauge.remove_label_values(&[name]);
        }
    }

    /// A counter that does not exist yet makes an alert on its rate silent.
    fn start_at_zero(&self) {
        for kind in kinds() {
            for result in RESULTS {
                self.reconcile_total.with_label_values(&[kind.name(), result]);
            }
            self.reconcile_errors.with_label_values(&[kind.name()]);
            self.reconcile_seconds.with_label_values(&[kind.name()]);
            self.active_workers.with_label_values(&[kind.name()]);
            self.repair_seconds.with_label_values(&[kind.name()]);
        }
    }
}
