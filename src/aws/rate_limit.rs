//! How many calls a second trueup makes to one service of one account and region.
//!
//! AWS throttles by account, region and service, so an operator that spends the whole quota
//! starves everybody else. The defaults stay well under AWS's own.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::service::Service;

/// The timer's resolution.
const TICK: Duration = Duration::from_millis(1);

/// Calls that share one of AWS's quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quota {
    LambdaGetFunction,
    LambdaControl,
    Amplify,
    CloudWatch,
    DynamoDbTags,
    DynamoDbTagging,
    DynamoDbControl,
    DynamoDbItems,
    Other,
}

impl Quota {
    pub fn of(service: Service, operation: &str) -> Self {
        match (service, operation) {
            (Service::Lambda, "GetFunction") => Self::LambdaGetFunction,
            (Service::Lambda, _) => Self::LambdaControl,
            (Service::Amplify, _) => Self::Amplify,
            (Service::CloudWatch, _) => Self::CloudWatch,
            (Service::DynamoDb, "ListTagsOfResource" | "DescribeContinuousBackups") => {
                Self::DynamoDbTags
            }
            (Service::DynamoDb, "TagResource" | "UntagResource") => Self::DynamoDbTagging,
            (Service::DynamoDb, o)
                if o.ends_with("Item") || o.ends_with("Items") || o == "Query" =>
            {
                Self::DynamoDbItems
            }
            (Service::DynamoDb, _) => Self::DynamoDbControl,
            _ => Self::Other,
        }
    }
}

/// A token bucket. Callers are served in the order in which they came.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Instant,
}

impl RateLimiter {
    pub fn new(per_second: f64, burst: f64) -> Self {
        let state = Mutex::new(State { tokens: burst, filled: Instant::now() });
        Self { per_second, burst, state }
    }

    /// The default of a quota, for an account that has so many times AWS's default quotas.
    pub fn of(quota: Quota, scale: f64) -> Self {
        let (per_second, burst) = match quota {
            // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: GetFunction takes
            // 100 a second, GetPolicy 15, and the rest of the control plane 15 together.
            Quota::LambdaGetFunction => (80.0, 80.0),
            Quota::LambdaControl => (12.0, 12.0),
            // https://docs.aws.amazon.com/general/latest/gr/amplify.html
            Quota::Amplify => (10.0, 20.0),
            // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html: DescribeAlarms
            // takes nine a second, GetMetricData 50.
            Quota::CloudWatch => (6.0, 6.0),
            // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
            Quota::DynamoDbTags => (8.0, 10.0),
            // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html: five a
            // second.
            Quota::DynamoDbTagging => (4.0, 5.0),
            Quota::DynamoDbControl => (100.0, 100.0),
            // The store's own items; a table on demand takes thousands.
            Quota::DynamoDbItems => (500.0, 500.0),
            Quota::Other => (100.0, 100.0),
        };
        Self::new(per_second * scale, burst * scale)
    }

    /// Waits for one call's worth.
    pub async fn take(&self) {
        let mut state = self.state.lock().await;
        loop {
            let now = Instant::now();
            let earned = (now - state.filled).as_secs_f64() * self.per_second;
            state.tokens = (state.tokens + earned).min(self.burst);
            state.filled = now;
            if state.tokens >= 1.0 {
                state.tokens -= 1.0;
                return;
            }
            let missing = (1.0 - state.tokens) / self.per_second;
            // At least a tick of the timer: rounding must not make this a loop without a pause.
            // The lock is held on purpose: those behind keep their order.
            tokio::time::sleep(Duration::from_secs_f64(missing).max(TICK)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let limiter = RateLimiter::new(10.0, 5.0);
        let begin = Instant::now();
        for _ in 0..5 {
            limiter.take().await;
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            limiter.take().await;
        }
        let seconds = begin.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&seconds), "{seconds}");
    }
}
