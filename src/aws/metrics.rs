//! What the AWS calls show to SREs.

use super::Service;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Counters by service, operation and code: all three come from a fixed set.
#[derive(Clone)]
pub struct AwsMetrics {
    /// Calls, by service, operation and outcome: `OK`, or the reason of the error's class.
    pub requests: IntCounterVec,
    /// Seconds that calls took, by service and operation.
    pub seconds: HistogramVec,
    /// Calls that AWS throttled, by service.
    pub throttles: IntCounterVec,
    /// 1 while calls are paused, by service, account and region. The account is empty where no environment names it.
    pub breaker_open: IntGaugeVec,
    /// 1 while one call finds out whether the service is back, by the same.
    pub breaker_half_open: IntGaugeVec,
    /// Reads that were made again at once, by service.
    pub retries: IntCounterVec,
    /// Seconds that calls waited for trueup's own rate limit, by service.
    pub limiter_wait_seconds: HistogramVec,
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
                HistogramOpts::new("trueup_aws_request_seconds", "Duration of AWS calls").buckets(
                    vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0],
                ),
                &["service", "operation"],
            )?,
            throttles: IntCounterVec::new(
                Opts::new("trueup_aws_throttles_total", "AWS calls that were throttled"),
                &["service"],
            )?,
            breaker_open: IntGaugeVec::new(
                Opts::new("trueup_aws_breaker_open", "1 while calls to the service are paused"),
                &["service", "account", "region"],
            )?,
            breaker_half_open: IntGaugeVec::new(
                Opts::new(
                    "trueup_aws_breaker_half_open",
                    "1 while one call finds out whether the service is back",
                ),
                &["service", "account", "region"],
            )?,
            retries: IntCounterVec::new(
                Opts::new("trueup_aws_retries_total", "Reads that were made again at once"),
                &["service"],
            )?,
            limiter_wait_seconds: HistogramVec::new(
                HistogramOpts::new(
                    "trueup_aws_rate_limit_wait_seconds",
                    "Time that calls waited so that AWS's quotas are kept",
                )
                .buckets(vec![0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0]),
                &["service"],
            )?,
        };
        for service in Service::ALL {
            metrics.throttles.with_label_values(&[service.name()]);
            metrics.retries.with_label_values(&[service.name()]);
            metrics.limiter_wait_seconds.with_label_values(&[service.name()]);
        }
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.throttles.clone()))?;
        registry.register(Box::new(metrics.breaker_open.clone()))?;
        registry.register(Box::new(metrics.breaker_half_open.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        registry.register(Box::new(metrics.limiter_wait_seconds.clone()))?;
        Ok(metrics)
    }
}
