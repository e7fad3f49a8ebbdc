//! What the AWS calls show to SREs.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Counters by service, operation and code: all three come from a fixed set.
#[derive(Clone)]
pub struct AwsMetrics {
    pub requests: IntCounterVec,
    pub seconds: HistogramVec,
    pub throttles: IntCounterVec,
    pub breaker_open: IntGaugeVec,
}

impl AwsMetrics {
    /// Fails only where a registry already has the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("trueup_aws_requests_total", "AWS calls by outcome"),
                &["service", "operation", "code"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("trueup_aws_request_seconds", "Duration of AWS calls"),
                &["service", "operation"],
            )?,
            throttles: IntCounterVec::new(
                Opts::new("trueup_aws_throttles_total", "AWS calls that were throttled"),
                &["service"],
            )?,
            breaker_open: IntGaugeVec::new(
                Opts::new("trueup_aws_breaker_open", "1 while calls to the service are paused"),
                &["service", "region"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.throttles.clone()))?;
        registry.register(Box::new(metrics.breaker_open.clone()))?;
        Ok(metrics)
    }
}
