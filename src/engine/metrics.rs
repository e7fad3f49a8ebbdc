//! What the engine shows to SREs, by the names that controller-runtime's dashboards have.
//!
//! No label is unbounded: a controller is a kind, environments are counted up to [`ENVIRONMENTS_MAX`], and
//! objects that are not well up to a limit (`unwell.rs`).

use jiff::Timestamp;
use prometheus::core::Collector;
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

/// Seconds of what takes from milliseconds to minutes.
fn seconds(name: &str, help: &str) -> HistogramOpts {
    let buckets = vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
    HistogramOpts::new(name, help).buckets(buckets)
}

/// Makes metrics, each in the registry at once.
struct Make<'a>(&'a Registry);

impl Make<'_> {
    fn add<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.add(HistogramVec::new(seconds(name, help), labels)?)
    }

    /// Points in time, in seconds since 1970, by environment.
    fn times(&self, name: &str, help: &str) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), &["environment"])?)
    }
}

impl EngineMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Make(registry);
        let queue = |name: &str, help: &str| Opts::new(name, help).const_label("name", "trueup");
        let gauge = |name, help| make.add(IntGauge::with_opts(queue(name, help))?);
        let counter = |name, help| make.add(IntCounter::with_opts(queue(name, help))?);
        let seconds_now = |name, help| make.add(Gauge::with_opts(queue(name, help))?);
        let took = |name, help| {
            let opts = seconds(name, help).const_label("name", "trueup");
            make.add(Histogram::with_opts(opts)?)
        };
        let by_kind = ["environment", "kind"];
        let metrics = Self {
            reconcile_total: make.counters(
                "controller_runtime_reconcile_total",
                "Passes by how they ended",
                &["controller", "result"],
            )?,
            reconcile_errors: make.counters(PASS_ERRORS, "Passes that failed", &["controller"])?,
            reconcile_seconds: make.histograms(PASS_SECONDS, "Length of a pass", &["controller"])?,
            active_workers: make.gauges(
                "controller_runtime_active_workers",
                "Passes under way",
                &["controller"],
            )?,
            queue_depth: gauge(
                "workqueue_depth",
                "Objects that could be worked on now",
            )?,
            queue_adds: counter(
                "workqueue_adds_total",
                "Additions to the queue",
            )?,
            queue_retries: counter(
                "workqueue_retries_total",
                "Objects queued again after a failure",
            )?,
            queue_seconds: took(
                "workqueue_queue_duration_seconds",
                "Time from being due to being worked on",
            )?,
            work_seconds: took(
                "workqueue_work_duration_seconds",
                "Time of work on one object",
            )?,
            unfinished_seconds: seconds_now(
                "workqueue_unfinished_work_seconds",
                "Time that work under way has taken, summed",
            )?,
            longest_running_seconds: seconds_now(
                "workqueue_longest_running_processor_seconds",
                "Time that the longest work under way has taken",
            )?,
            resources: make.gauges("trueup_resources", "Objects of the current release", &by_kind)?,
            resources_ready: make.gauges(
                "trueup_resources_ready",
                "Objects whose Ready is True",
                &by_kind,
            )?,
            resources_synced: make.gauges(
                "trueup_resources_synced",
                "Objects whose Synced is True",
                &by_kind,
            )?,
            resources_stalled: make.gauges(
                "trueup_resources_stalled",
                "Objects that wait for a person",
                &by_kind,
            )?,
            drift_detected: make.counters("trueup_drift_detected_total", "Drift found", &by_kind)?,
            drift_corrected: make.counters("trueup_drift_corrected_total", "Drift repaired", &by_kind)?,
            repair_seconds: make.histograms(
                "trueup_drift_repair_seconds",
                "Time from seeing a drift to its repair",
                &["kind"],
            )?,
            flapping: make.counters(
                "trueup_flapping_total",
                "Plans stopped because they had no effect",
                &by_kind,
            )?,
            oldest_observation: make.times(
                "trueup_oldest_observation_timestamp_seconds",
                "Every object was observed since then; no series while one never was",
            )?,
            oldest_drift: make.times(
                "trueup_oldest_drift_timestamp_seconds",
                "When the drift that lasts longest was seen; no series while nothing has drifted",
            )?,
            released: make.times(
                "trueup_release_timestamp_seconds",
                "When the current release was recorded",
            )?,
            rollout: RolloutMetrics::register(registry)?,
            notifications: make.counters(
                "trueup_notifications_total",
                "Notifications by channel and by what became of them",
                &["channel", "result"],
            )?,
            lease_held: make.gauges(
                "trueup_lease_held",
                "1 where this daemon reconciles the environment",
                &["environment"],
            )?,
            members: make.add(IntGauge::new(
                "trueup_members",
                "Daemons that share the environments of this store, as this one sees them",
            )?)?,
            stopped: make.gauges(
                "trueup_environment_stopped",
                "1 where an environment's records in the store are damaged and nothing is done there",
                &["environment"],
            )?,
            suspended: make.gauges(
                "trueup_environment_suspended",
                "1 where somebody suspended the environment and nothing is written",
                &["environment"],
            )?,
            store_errors: make.add(IntCounter::new(
                "trueup_store_errors_total",
                "Failed reads and writes of the store",
            )?)?,
            recovery: RecoveryMetrics::register(registry)?,
            probes: ProbeMetrics::register(registry)?,
            degraded: make.gauges(
                "trueup_environment_degraded",
                "Optional objects of the environment that are not ready",
                &["environment"],
            )?,
            unwell: Unwell::register(registry)?,
            queue_by_environment: make.gauges(
                "trueup_queue_depth",
                "Objects that could be worked on now",
                &["environment"],
            )?,
            exemplars: Exemplars::default(),
        };
        let build = make.gauges("trueup_build_info", "1, with the version", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.start_at_zero();
        Ok(metrics)
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
