//! How many calls a second trueup makes to one service of one account and region.
//!
//! AWS throttles by account, region and service, so an operator that spends the whole quota
//! starves everybody else. The defaults stay well under AWS's own, and the daemons that work in
//! a place divide them (`division.rs`).
//! Where AWS throttles all the same, somebody else spends too: the pace is halved, and grows back steadily.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::division::Sharers;
use super::service::Service;

/// The timer's resolution.
const TICK: Duration = Duration::from_millis(1);
/// The part of the pace that is left at least, however often AWS throttles.
const LEAST: f64 = 1.0 / 16.0;
/// The part of the pace that comes back each second: all of it in 20 s.
const REGAINED_A_SECOND: f64 = 0.05;
/// Calls that are under way together are throttled together: the pace is halved once for them.
const HALVED_EVERY: Duration = Duration::from_secs(1);

/// Calls that share one of AWS's quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quota {
    LambdaGetFunction,
    LambdaControl,
    Amplify,
    AutoScaling,
    CloudWatch,
    DynamoDbTags,
    DynamoDbTagging,
    DynamoDbControl,
    DynamoDbBackups,
    DynamoDbItems,
    S3,
    SecretsManager,
    Ssm,
    Sts,
}

impl Quota {
    pub fn of(service: Service, operation: &str) -> Self {
        match (service, operation) {
            (Service::Lambda, "GetFunction") => Self::LambdaGetFunction,
            (Service::Lambda, _) => Self::LambdaControl,
            (Service::Amplify, _) => Self::Amplify,
            (Service::AutoScaling, _) => Self::AutoScaling,
            (Service::CloudWatch, _) => Self::CloudWatch,
            (Service::DynamoDb, "ListTagsOfResource" | "DescribeContinuousBackups") => {
                Self::DynamoDbTags
            }
            (Service::DynamoDb, "TagResource" | "UntagResource") => Self::DynamoDbTagging,
            (Service::DynamoDb, o)
                if o.ends_with("Backup")
                    || o == "ListBackups"
                    || o == "RestoreTableToPointInTime" =>
            {
                Self::DynamoDbBackups
            }
            (Service::DynamoDb, o)
                if o.ends_with("Item")
                    || o.ends_with("Items")
                    || ["Query", "Scan"].contains(&o) =>
            {
                Self::DynamoDbItems
            }
            (Service::DynamoDb, _) => Self::DynamoDbControl,
            (Service::S3, _) => Self::S3,
            (Service::SecretsManager, _) => Self::SecretsManager,
            (Service::Ssm, _) => Self::Ssm,
            (Service::Sts, _) => Self::Sts,
        }
    }
}

/// A token bucket. Callers are served in the order in which they came; of those that give way one at a time stands
/// among the others, so that it is served, too.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    sharers: Sharers,
    pace: std::sync::Mutex<Pace>,
    state: Mutex<State>,
    /// Held by the one caller that gives way and whose turn it is.
    gives_way: Mutex<()>,
}

/// The part of the rate that is used.
#[derive(Debug)]
struct Pace {
    part: f64,
    at: Instant,
    halved_at: Option<Instant>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Instant,
}

impl RateLimiter {
    pub fn new(per_second: f64, burst: f64, sharers: Sharers) -> Self {
        let now = Instant::now();
        let state = Mutex::new(State { tokens: burst, filled: now });
        let pace = std::sync::Mutex::new(Pace { part: 1.0, at: now, halved_at: None });
        Self { per_second, burst, sharers, pace, state, gives_way: Mutex::default() }
    }

    /// The default of a quota, for an account that has so many times AWS's default quotas.
    pub fn of(quota: Quota, scale: f64, sharers: Sharers) -> Self {
        let (per_second, burst) = match quota {
            // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: GetFunction takes
            // 100 a second, GetPolicy 15, and the rest of the control plane 15 together.
            Quota::LambdaGetFunction => (80.0, 80.0),
            Quota::LambdaControl => (12.0, 12.0),
            // https://docs.aws.amazon.com/general/latest/gr/amplify.html
            Quota::Amplify => (10.0, 20.0),
            // All its calls share one rate, and AWS says no number:
            // https://repost.aws/knowledge-center/autoscaling-api-calls-throttled.
            Quota::AutoScaling => (10.0, 20.0),
            // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html: DescribeAlarms
            // takes nine a second, GetMetricData 50.
            Quota::CloudWatch => (6.0, 6.0),
            // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
            Quota::DynamoDbTags => (8.0, 10.0),
            // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html: five a
            // second.
            Quota::DynamoDbTagging => (4.0, 5.0),
            Quota::DynamoDbControl => (100.0, 100.0),
            // The API reference of each: ListBackups takes 5 a second, DescribeBackup, DeleteBackup and the restores 10.
            Quota::DynamoDbBackups => (4.0, 5.0),
            // The store's own items; a table on demand takes thousands.
            Quota::DynamoDbItems => (500.0, 500.0),
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: 3,500 writes and 5,500
            // reads a second of a prefix. Of what configures buckets AWS says no number.
            Quota::S3 => (100.0, 100.0),
            // https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html: GetSecretValue takes
            // 10,000 a second, which others need too.
            Quota::SecretsManager => (100.0, 100.0),
            // https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-throughput.html names the quota
            // and no number. Functions that read their parameters spend it, too: a careful guess.
            Quota::Ssm => (20.0, 20.0),
            // STS is paced by account (https://repost.aws/knowledge-center/iam-sts-throttling-error, without a number);
            // trueup asks once for each role and session.
            Quota::Sts => (100.0, 100.0),
        };
        Self::new(per_second * scale, burst * scale, sharers)
    }

    /// AWS throttled a call: the pace is halved.
    pub fn throttled(&self) {
        let now = Instant::now();
        let mut pace = self.pace(now);
        if pace.halved_at.is_none_or(|at| now - at >= HALVED_EVERY) {
            pace.part = (pace.part / 2.0).max(LEAST);
            pace.halved_at = Some(now);
        }
    }

    /// Calls a second at this moment.
    fn rate(&self, now: Instant) -> f64 {
        self.per_second * self.pace(now).part / self.sharers.count()
    }

    fn pace(&self, now: Instant) -> std::sync::MutexGuard<'_, Pace> {
        // Numbers are whole, whoever panicked.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let regained = now.saturating_duration_since(pace.at).as_secs_f64() * REGAINED_A_SECOND;
        pace.part = (pace.part + regained).min(1.0);
        pace.at = now;
        pace
    }

    /// Takes one call's worth, if there is one and nobody waits for it.
    pub fn try_take(&self) -> bool {
        self.state.try_lock().is_ok_and(|mut state| self.spend(&mut state).is_ok())
    }

    /// Waits for one call's worth; who `gives_way`, behind those who do not.
    pub async fn take(&self, gives_way: bool) {
        let _turn = if gives_way { Some(self.gives_way.lock().await) } else { None };
        // The lock is held on purpose: those behind keep their order.
        let mut state = self.state.lock().await;
        while let Err(missing) = self.spend(&mut state) {
            // At least a tick of the timer: rounding must not make this a loop without a pause.
            tokio::time::sleep(missing.max(TICK)).await;
        }
    }

    /// Takes one call's worth, or says for how long there is none.
    fn spend(&self, state: &mut State) -> Result<(), Duration> {
        let now = Instant::now();
        let per_second = self.rate(now);
        let earned = (now - state.filled).as_secs_f64() * per_second;
        // A share of the burst, and one call at least.
        let burst = (self.burst / self.sharers.count()).max(1.0);
        state.tokens = (state.tokens + earned).min(burst);
        state.filled = now;
        if state.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - state.tokens) / per_second));
        }
        state.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let limiter = RateLimiter::new(10.0, 5.0, Sharers::default());
        let begin = Instant::now();
        for _ in 0..5 {
            limiter.take(false).await;
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let seconds = seconds_of(&limiter, 20).await;
        assert!((1.9..2.2).contains(&seconds), "{seconds}");
    }

    async fn seconds_of(limiter: &RateLimiter, calls: usize) -> f64 {
        let begun = Instant::now();
        for _ in 0..calls {
            limiter.take(false).await;
        }
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_way_waits_behind_others_and_is_served_all_the_same() {
        let limiter = RateLimiter::new(10.0, 1.0, Sharers::default());
        limiter.take(false).await;
        let served = std::sync::Mutex::new(Vec::new());
        let call = async |name: &'static str, gives_way: bool| {
            limiter.take(gives_way).await;
            served.lock().unwrap().push(name);
        };
        tokio::join!(
            call("resync 1", true),
            call("resync 2", true),
            call("resync 3", true),
            call("edit 1", false),
            call("edit 2", false),
        );
        let served = served.into_inner().unwrap();
        assert_eq!(served, ["resync 1", "edit 1", "edit 2", "resync 2", "resync 3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn daemons_divide_a_quota() {
        let sharers = Sharers::default();
        let limiter = RateLimiter::new(30.0, 1.0, sharers.clone());
        let alone = seconds_of(&limiter, 60).await;
        sharers.set(3);
        let shared = seconds_of(&limiter, 60).await;
        assert!((1.9..2.2).contains(&alone) && (5.9..6.3).contains(&shared), "{alone} {shared}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_pace_which_grows_back() {
        let limiter = RateLimiter::new(100.0, 1.0, Sharers::default());
        seconds_of(&limiter, 1).await;
        // One burst of refusals counts once.
        (0..5).for_each(|_| limiter.throttled());
        let halved = limiter.rate(Instant::now());
        assert!((49.0..51.0).contains(&halved), "{halved}");
        tokio::time::advance(Duration::from_secs(1)).await;
        limiter.throttled();
        let again = limiter.rate(Instant::now());
        assert!((27.0..28.0).contains(&again), "half of 55: {again}");
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            limiter.throttled();
        }
        let least = limiter.rate(Instant::now());
        assert!((6.0..7.0).contains(&least), "it never stops: {least}");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(limiter.rate(Instant::now()), 100.0);
    }
}
