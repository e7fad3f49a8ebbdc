//! What stands between the services of one account and region and too many calls: a breaker for each
//! service, a limiter for each of AWS's quotas. Each is a field of its own, so that a new service or quota
//! cannot be forgotten.

use std::sync::Arc;

use tokio::sync::Notify;

use super::breaker::{Breaker, Phase};
use super::division::Sharers;
use super::rate_limit::{Quota, RateLimiter};
use super::service::Service;

#[derive(Debug)]
pub(super) struct Guards {
    /// The account, where an environment names it; otherwise empty.
    pub(super) account: String,
    /// Told when a breaker closes.
    pub(super) closed: Arc<Notify>,
    limiters: RateLimiters,
    breakers: Breakers,
}

#[derive(Debug, Default)]
struct Breakers {
    lambda: Breaker,
    amplify: Breaker,
    auto_scaling: Breaker,
    cloudwatch: Breaker,
    dynamodb: Breaker,
    s3: Breaker,
    secrets_manager: Breaker,
    ssm: Breaker,
    sts: Breaker,
}

#[derive(Debug)]
struct RateLimiters {
    lambda_get_function: RateLimiter,
    lambda_control: RateLimiter,
    amplify: RateLimiter,
    auto_scaling: RateLimiter,
    cloudwatch: RateLimiter,
    dynamodb_tags: RateLimiter,
    dynamodb_tagging: RateLimiter,
    dynamodb_control: RateLimiter,
    dynamodb_backups: RateLimiter,
    dynamodb_items: RateLimiter,
    s3: RateLimiter,
    secrets_manager: RateLimiter,
    ssm: RateLimiter,
    sts: RateLimiter,
}

impl Guards {
    pub(super) fn new(
        account: String,
        quota_scale: f64,
        sharers: &Sharers,
        closed: Arc<Notify>,
    ) -> Self {
        let limiter = |quota| RateLimiter::of(quota, quota_scale, sharers.clone());
        let limiters = RateLimiters {
            lambda_get_function: limiter(Quota::LambdaGetFunction),
            lambda_control: limiter(Quota::LambdaControl),
            amplify: limiter(Quota::Amplify),
            auto_scaling: limiter(Quota::AutoScaling),
            cloudwatch: limiter(Quota::CloudWatch),
            dynamodb_tags: limiter(Quota::DynamoDbTags),
            dynamodb_tagging: limiter(Quota::DynamoDbTagging),
            dynamodb_control: limiter(Quota::DynamoDbControl),
            dynamodb_backups: limiter(Quota::DynamoDbBackups),
            dynamodb_items: limiter(Quota::DynamoDbItems),
            s3: limiter(Quota::S3),
            secrets_manager: limiter(Quota::SecretsManager),
            ssm: limiter(Quota::Ssm),
            sts: limiter(Quota::Sts),
        };
        Self { account, closed, limiters, breakers: Breakers::default() }
    }

    pub(super) fn limiter(&self, service: Service, operation: &str) -> &RateLimiter {
        let limiters = &self.limiters;
        match Quota::of(service, operation) {
            Quota::LambdaGetFunction => &limiters.lambda_get_function,
            Quota::LambdaControl => &limiters.lambda_control,
            Quota::Amplify => &limiters.amplify,
            Quota::AutoScaling => &limiters.auto_scaling,
            Quota::CloudWatch => &limiters.cloudwatch,
            Quota::DynamoDbTags => &limiters.dynamodb_tags,
            Quota::DynamoDbTagging => &limiters.dynamodb_tagging,
            Quota::DynamoDbControl => &limiters.dynamodb_control,
            Quota::DynamoDbBackups => &limiters.dynamodb_backups,
            Quota::DynamoDbItems => &limiters.dynamodb_items,
            Quota::S3 => &limiters.s3,
            Quota::SecretsManager => &limiters.secrets_manager,
            Quota::Ssm => &limiters.ssm,
            Quota::Sts => &limiters.sts,
        }
    }

    /// The services whose calls are paused, with how far.
    pub(super) fn paused(&self) -> impl Iterator<Item = (Service, Phase)> {
        let phases = Service::ALL.into_iter().map(|s| (s, self.breaker(s).phase()));
        phases.filter(|(_, phase)| *phase != Phase::Closed)
    }

    pub(super) fn breaker(&self, service: Service) -> &Breaker {
        let breakers = &self.breakers;
        match service {
            Service::Lambda => &breakers.lambda,
            Service::Amplify => &breakers.amplify,
            Service::AutoScaling => &breakers.auto_scaling,
            Service::CloudWatch => &breakers.cloudwatch,
            Service::DynamoDb => &breakers.dynamodb,
            Service::S3 => &breakers.s3,
            Service::SecretsManager => &breakers.secrets_manager,
            Service::Ssm => &breakers.ssm,
            Service::Sts => &breakers.sts,
        }
    }
}
