//! The AWS services that trueup calls: a closed list, so that each has a breaker and a budget.

use std::fmt;

/// A service, by the name that IAM actions begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    Lambda,
    Amplify,
    AutoScaling,
    CloudWatch,
    DynamoDb,
    S3,
    SecretsManager,
    Ssm,
    Sts,
}

impl Service {
    pub const ALL: [Self; 9] = [
        Self::Lambda,
        Self::Amplify,
        Self::AutoScaling,
        Self::CloudWatch,
        Self::DynamoDb,
        Self::S3,
        Self::SecretsManager,
        Self::Ssm,
        Self::Sts,
    ];

    /// The IAM service prefix, as `lambda`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Amplify => "amplify",
            Self::AutoScaling => "application-autoscaling",
            Self::CloudWatch => "cloudwatch",
            Self::DynamoDb => "dynamodb",
            Self::S3 => "s3",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
            Self::Sts => "sts",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
