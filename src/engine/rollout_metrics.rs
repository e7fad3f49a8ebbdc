//! What SREs see of releases: which is current and what it came to, how long its stages took, and how far a new
//! version is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::model::{ObjectId, Part};
use crate::store::{Rollout, Verdict};

/// Of the rollouts that a daemon has. Clones share them.
#[derive(Clone)]
pub struct RolloutMetrics {
    info: IntGaugeVec,
    rollouts: IntCounterVec,
    seconds: HistogramVec,
    stage_seconds: HistogramVec,
    mixed_seconds: HistogramVec,
    weight: IntGaugeVec,
    evidence: GaugeVec,
    /// The labels that are shown, by environment.
    shown: Arc<Mutex<BTreeMap<String, Shown>>>,
}

#[derive(Default)]
struct Shown {
    release: Option<(String, Verdict)>,
    /// Objects whose new version gets its requests step by step.
    shifts: Vec<String>,
}

/// A canary takes minutes to hours.
const SECONDS: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0];
/// What a version is compared by.
const COMPARED: [&str; 2] = ["errors", "slow"];

impl RolloutMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = |name: &str, help: &str, labels: &[&str]| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)
        };
        let metrics = Self {
            info: IntGaugeVec::new(
                Opts::new("trueup_release_info", "1 for the current release, with its verdict"),
                &["environment", "release", "verdict"],
            )?,
            rollouts: IntCounterVec::new(
                Opts::new("trueup_rollouts_total", "Releases by what they came to"),
                &["environment", "verdict"],
            )?,
            seconds: seconds(
                "trueup_rollout_seconds",
                "Time from beginning with a release to its verdict",
                &["environment"],
            )?,
            stage_seconds: seconds(
                "trueup_rollout_stage_seconds",
                "Time that a release was in a stage",
                &["environment", "stage"],
            )?,
            mixed_seconds: seconds(
                "trueup_release_mixed_seconds",
                "Time in which frontends and functions were of different releases",
                &["environment"],
            )?,
            weight: IntGaugeVec::new(
                Opts::new(
                    "trueup_rollout_weight_percent",
                    "The part of the requests that a new version is given while it gets them step by step",
                ),
                &["environment", "object"],
            )?,
            evidence: GaugeVec::new(
                Opts::new(
                    "trueup_rollout_evidence",
                    "The logarithm of how much likelier the counts are if the new version is worse, by what is compared",
                ),
                &["environment", "object", "compared"],
            )?,
            shown: Arc::default(),
        };
        registry.register(Box::new(metrics.info.clone()))?;
        registry.register(Box::new(metrics.rollouts.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.stage_seconds.clone()))?;
        registry.register(Box::new(metrics.mixed_seconds.clone()))?;
        registry.register(Box::new(metrics.weight.clone()))?;
        registry.register(Box::new(metrics.evidence.clone()))?;
        Ok(metrics)
    }

    /// Counts what came of a rollout: a verdict that is new, a stage that it left, and the end of the time in which
    /// its halves were of different releases.
    pub(super) fn moved(&self, environment: &str, before: Option<&Rollout>, now: &Rollout) {
        let seconds =
            |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64().max(0.0);
        let is_new = before.is_some_and(|before| before.verdict != now.verdict);
        if is_new && now.verdict.is_counted() {
            self.rollouts.with_label_values(&[environment, now.verdict.as_str()]).inc();
        }
        // A release that failed becomes one that was rolled back, and was decided once.
        if let (Some(begun), Some(decided)) = (now.begun_at(), now.decided_at())
            && before.is_some_and(|before| before.decided_at() != Some(decided))
        {
            self.seconds.with_label_values(&[environment]).observe(seconds(begun, decided));
        }
        let left_before = before.map_or(0, |before| before.stages.len().saturating_sub(1));
        for passed in now.stages.iter().skip(left_before) {
            let Some(until) = passed.until else { continue };
            let labels = [environment, passed.stage.as_str()];
            self.stage_seconds.with_label_values(&labels).observe(seconds(passed.since, until));
        }
        let was_mixed = before.is_none_or(|before| before.mixed_until.is_none());
        if let (Some(since), Some(until), true) = (now.mixed_since, now.mixed_until, was_mixed) {
            self.mixed_seconds.with_label_values(&[environment]).observe(seconds(since, until));
        }
    }

    /// Shows the current release of an environment. `weight_of` says which part a new version of an object has.
    pub(super) fn publish(
        &self,
        environment: &str,
        release: u64,
        rollout: Option<&Rollout>,
        weight_of: impl Fn(&ObjectId) -> Option<Part>,
    ) {
        // A counter that does not exist yet makes an alert on its rate silent.
        for verdict in Verdict::ALL.iter().filter(|verdict| verdict.is_counted()) {
            self.rollouts.with_label_values(&[environment, verdict.as_str()]);
        }
        let verdict = rollout.map(|rollout| rollout.verdict).unwrap_or_default();
        let now = (release.to_string(), verdict);
        let mut all = self.lock();
        let shown = all.entry(environment.to_owned()).or_default();
        if shown.release.as_ref() != Some(&now) {
            self.forget_release(environment, shown.release.take());
            self.info.with_label_values(&[environment, &now.0, verdict.as_str()]).set(1);
            shown.release = Some(now);
        }
        let mut shifts = Vec::new();
        for shift in rollout.iter().flat_map(|rollout| &rollout.shifts) {
            let Some(part) = weight_of(&shift.id()) else { continue };
            let object = shift.id().to_string();
            let labels = [environment, object.as_str()];
            self.weight.with_label_values(&labels).set(i64::from(part.percent));
            for (compared, evidence) in COMPARED.into_iter().zip([&shift.errors, &shift.slow]) {
                let Some(evidence) = evidence else { continue };
                let gauge = self.evidence.with_label_values(&[environment, &object, compared]);
                gauge.set(evidence.log_likelihood);
            }
            shifts.push(object);
        }
        let gone = shown.shifts.iter().filter(|object| !shifts.contains(object));
        gone.for_each(|object| self.forget_shift(environment, object));
        shown.shifts = shifts;
    }

    /// Takes an environment's series away.
    pub(super) fn forget(&self, environment: &str) {
        let Some(shown) = self.lock().remove(environment) else { return };
        self.forget_release(environment, shown.release);
        shown.shifts.iter().for_each(|object| self.forget_shift(environment, object));
    }

    // Taking a series away fails where it was never set.

    fn forget_release(&self, environment: &str, shown: Option<(String, Verdict)>) {
        if let Some((release, verdict)) = shown {
            let _ = self.info.remove_label_values(&[environment, &release, verdict.as_str()]);
        }
    }

    fn forget_shift(&self, environment: &str, object: &str) {
        let _ = self.weight.remove_label_values(&[environment, object]);
        for compared in COMPARED {
            let _ = self.evidence.remove_label_values(&[environment, object, compared]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Shown>> {
        // An insertion is whole or did not happen.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
