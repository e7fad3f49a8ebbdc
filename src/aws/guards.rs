//! What stands between the services of one account and region and too many calls: a breaker for each
//! service, a budget for each of AWS's quotas. Each is a field of its own, so that a new service or quota
//! cannot be forgotten.

use std::sync::Arc;

use tokio::sync::Notify;

use super::breaker::Breaker;
use super::budget::{Budget, Lane};
use super::service::Service;

#[derive(Debug)]
pub(super) struct Guards {
    /// Told when a breaker closes.
    pub(super) closed: Arc<Notify>,
    budgets: Budgets,
    breakers: Breakers,
}

#[derive(Debug, Default)]
struct Breakers {
    lambda: Breaker,
    amplify: Breaker,
    dynamodb: Breaker,
    s3: Breaker,
    secrets_manager: Breaker,
    ssm: Breaker,
    sts: Breaker,
}

#[derive(Debug)]
struct Budgets {
    lambda_get_function: Budget,
    lambda_control: Budget,
    amplify: Budget,
    dynamodb_tags: Budget,
    dynamodb_tagging: Budget,
    dynamodb_control: Budget,
    dynamodb_items: Budget,
    other: Budget,
}

impl Guards {
    pub(super) fn new(quota_scale: f64, closed: Arc<Notify>) -> Self {
        let budget = |lane| Budget::of(lane, quota_scale);
        let budgets = Budgets {
            lambda_get_function: budget(Lane::LambdaGetFunction),
            lambda_control: budget(Lane::LambdaControl),
            amplify: budget(Lane::Amplify),
            dynamodb_tags: budget(Lane::DynamoDbTags),
            dynamodb_tagging: budget(Lane::DynamoDbTagging),
            dynamodb_control: budget(Lane::DynamoDbControl),
            dynamodb_items: budget(Lane::DynamoDbItems),
            other: budget(Lane::Other),
        };
        Self { closed, budgets, breakers: Breakers::default() }
    }

    pub(super) fn budget(&self, service: Service, operation: &str) -> &Budget {
        let budgets = &self.budgets;
        match Lane::of(service, operation) {
            Lane::LambdaGetFunction => &budgets.lambda_get_function,
            Lane::LambdaControl => &budgets.lambda_control,
            Lane::Amplify => &budgets.amplify,
            Lane::DynamoDbTags => &budgets.dynamodb_tags,
            Lane::DynamoDbTagging => &budgets.dynamodb_tagging,
            Lane::DynamoDbControl => &budgets.dynamodb_control,
            Lane::DynamoDbItems => &budgets.dynamodb_items,
            Lane::Other => &budgets.other,
        }
    }

    pub(super) fn breaker(&self, service: Service) -> &Breaker {
        let breakers = &self.breakers;
        match service {
            Service::Lambda => &breakers.lambda,
            Service::Amplify => &breakers.amplify,
            Service::DynamoDb => &breakers.dynamodb,
            Service::S3 => &breakers.s3,
            Service::SecretsManager => &breakers.secrets_manager,
            Service::Ssm => &breakers.ssm,
            Service::Sts => &breakers.sts,
        }
    }
}
