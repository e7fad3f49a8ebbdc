//! Capacities that follow their use: the part of Application Auto Scaling that tables and functions share.
//!
//! A capacity is scaled by a *scalable target* of its resource and dimension, with its bounds; by one policy that
//! holds its utilization at a target; and by scheduled actions, which move the bounds:
//! <https://docs.aws.amazon.com/autoscaling/application/userguide/what-is-application-auto-scaling.html>.
//!
//! Guarantees: what the scaler sets is never drift: the capacity within its bounds, and the bounds that a scheduled
//! action has set. A policy that follows another metric is left as it is.
//!
//! Left to others: which capacities a resource has, and what its manifest calls them (the kinds).

mod apply;
mod observe;
mod plan;
mod spec;

pub use observe::{Bounds, LiveAction, LivePolicy, LiveTarget, Targets, bounds, read};
pub use plan::{Place, ScalingStep, push};
pub use spec::{AutoScaling, ScheduledAction, Units, check};

use aws_sdk_applicationautoscaling::types as aws;

use crate::plan::Blocked;

/// One capacity of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// Read capacity units of a table.
    TableRead,
    /// Write capacity units of a table.
    TableWrite,
    /// Read capacity units of a global secondary index.
    IndexRead,
    /// Write capacity units of a global secondary index.
    IndexWrite,
    /// Executions that are provisioned for a version of a function.
    Executions,
}

impl Dimension {
    const ALL: [Self; 5] =
        [Self::TableRead, Self::TableWrite, Self::IndexRead, Self::IndexWrite, Self::Executions];

    fn sdk(self) -> aws::ScalableDimension {
        match self {
            Self::TableRead => aws::ScalableDimension::DynamoDbTableReadCapacityUnits,
            Self::TableWrite => aws::ScalableDimension::DynamoDbTableWriteCapacityUnits,
            Self::IndexRead => aws::ScalableDimension::DynamoDbIndexReadCapacityUnits,
            Self::IndexWrite => aws::ScalableDimension::DynamoDbIndexWriteCapacityUnits,
            Self::Executions => aws::ScalableDimension::LambdaFunctionProvisionedConcurrency,
        }
    }

    /// The metric of its utilization.
    fn metric(self) -> aws::MetricType {
        match self {
            Self::TableRead | Self::IndexRead => aws::MetricType::DynamoDbReadCapacityUtilization,
            Self::TableWrite | Self::IndexWrite => {
                aws::MetricType::DynamoDbWriteCapacityUtilization
            }
            Self::Executions => aws::MetricType::LambdaProvisionedConcurrencyUtilization,
        }
    }

    fn namespace(self) -> aws::ServiceNamespace {
        match self {
            Self::Executions => aws::ServiceNamespace::Lambda,
            _ => aws::ServiceNamespace::Dynamodb,
        }
    }

    /// What stands for 100 percent: DynamoDB's metrics are percentages, Lambda's is a part of 1
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html>).
    fn whole(self) -> f64 {
        match self {
            Self::Executions => 1.0,
            _ => 100.0,
        }
    }
}

/// Why something is not deleted whose scalers could not be read.
pub fn outlives(what: &str) -> Blocked {
    let message = format!(
        "who scales {what} could not be read, and a scaler would outlive it. Nothing was deleted. Allow \
         application-autoscaling:DescribeScalableTargets, DescribeScalingPolicies and DescribeScheduledActions"
    );
    Blocked { reason: "AccessDenied", message }
}

/// What is scaled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// As Application Auto Scaling names it: `table/orders`, `table/orders/index/byState`, `function:api:7`.
    pub resource: String,
    /// Which of the resource's capacities it is.
    pub dimension: Dimension,
}

impl Target {
    /// A capacity of a table, by the table's name in AWS.
    pub fn of_table(table: &str, dimension: Dimension) -> Self {
        Self { resource: format!("table/{table}"), dimension }
    }

    /// A capacity of a global secondary index, by the table's name in AWS and the index's.
    pub fn of_index(table: &str, index: &str, dimension: Dimension) -> Self {
        Self { resource: format!("table/{table}/index/{index}"), dimension }
    }

    /// The index that it is of.
    pub fn index(&self) -> Option<&str> {
        self.resource.split_once("/index/").map(|(_, index)| index)
    }

    /// The executions of a function's version, by the version's number.
    pub fn of_version(function: &str, version: &str) -> Self {
        Self {
            resource: format!("function:{function}:{version}"),
            dimension: Dimension::Executions,
        }
    }
}
