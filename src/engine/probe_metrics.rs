//! What SREs see of an environment's pages: whether they answer, and how fast.

use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use crate::model::ConditionStatus;

/// Of the environments that a daemon has. Clones share them.
#[derive(Clone)]
pub struct ProbeMetrics {
    healthy: IntGaugeVec,
    up: IntGaugeVec,
    seconds: GaugeVec,
}

impl ProbeMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let page = ["environment", "url"];
        let healthy = "1 where every page that is probed answers as it has to, 0 where one does not; absent while nobody knows";
        let metrics = Self {
            healthy: IntGaugeVec::new(
                Opts::new("trueup_environment_healthy", healthy),
                &["environment"],
            )?,
            up: IntGaugeVec::new(
                Opts::new("trueup_probe_success", "1 where the last answer of a page was right"),
                &page,
            )?,
            seconds: GaugeVec::new(
                Opts::new(
                    "trueup_probe_duration_seconds",
                    "How long the last answer of a page took",
                ),
                &page,
            )?,
        };
        registry.register(Box::new(metrics.healthy.clone()))?;
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        Ok(metrics)
    }

    /// The page is not probed any more, or could not be.
    pub fn forget_page(&self, environment: &str, url: &str) {
        // Fails where the gauge was never set.
        let _ = self.up.remove_label_values(&[environment, url]);
        let _ = self.seconds.remove_label_values(&[environment, url]);
    }

    /// Shows the condition `Healthy`.
    pub fn publish(&self, environment: &str, healthy: ConditionStatus) {
        match healthy {
            ConditionStatus::True => self.healthy.with_label_values(&[environment]).set(1),
            ConditionStatus::False => self.healthy.with_label_values(&[environment]).set(0),
            ConditionStatus::Unknown => {
                let _ = self.healthy.remove_label_values(&[environment]);
            }
        }
    }

    /// A page gave a right answer, or a wrong one.
    pub fn answered(&self, environment: &str, url: &str, is_right: bool, seconds: f64) {
        let labels = [environment, url];
        self.up.with_label_values(&labels).set(i64::from(is_right));
        self.seconds.with_label_values(&labels).set(seconds);
    }
}
