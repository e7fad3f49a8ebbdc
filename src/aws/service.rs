//! The AWS services that trueup calls: a closed list, so that each has a breaker and a budget.

use std::fmt;

/// A service, by the name that IAM actions begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// AWS Lambda, which runs functions.
    Lambda,
    /// AWS Amplify, which serves frontends.
    Amplify,
    /// Application Auto Scaling, which scales functions and tables.
    AutoScaling,
    /// Amazon CloudWatch, whose metrics and alarms judge releases.
    CloudWatch,
    /// Amazon DynamoDB, which holds tables, and the store of trueup.
    DynamoDb,
    /// Amazon S3, which holds buckets, packages and backups.
    S3,
    /// AWS Secrets Manager, where manifests may refer to secrets.
    SecretsManager,
    /// AWS Systems Manager, where manifests may refer to parameters.
    Ssm,
    /// AWS Security Token Service, which says whose the credentials are.
    Sts,
}

impl Service {
    /// Every service, each once.
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
