//! Those facets of a table that have calls of their own, each told once.

use std::marker::PhantomData;

use aws_sdk_dynamodb::types as aws;

use super::resource_policy::Policy;
use super::spec::{ContributorInsights, PointInTimeRecovery, TimeToLive};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::{AnyFacet, Plain, Told, UnknownWord, as_aws, word};

/// What the calls name a table by, and what DescribeTable said of it.
#[derive(Debug, PartialEq)]
pub struct TableRef {
    /// The table's name in AWS.
    pub name: String,
    /// The table's ARN; empty for a table that is still to be made.
    pub arn: String,
    /// What DescribeTable said of it, which the settings are read from.
    pub described: aws::TableDescription,
}

impl TableRef {
    /// A table that is still to be made.
    pub(super) fn unseen(name: &str) -> Self {
        let described = aws::TableDescription::builder().build();
        Self { name: name.to_owned(), arn: String::new(), described }
    }
}

/// In the order in which they are written: what protects comes first.
pub(super) const FACETS: [&dyn AnyFacet<TableRef>; 4] = [
    &Told::<Expiry>(PhantomData),
    &Told::<Recovery>(PhantomData),
    &Told::<Policy>(PhantomData),
    &Told::<Insights>(PhantomData),
];

/// When items expire. What is on is turned off by its own attribute, and cannot change it:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html>.
struct Expiry;

impl Plain for Expiry {
    type Of = TableRef;
    const FIELD: &'static str = "ttl";
    const WHAT: &'static str = "time to live";
    const READ: (Service, &'static str) = (Service::DynamoDb, "DescribeTimeToLive");
    type Words = TimeToLive;

    async fn read(session: &Session, of: &TableRef) -> Result<Option<TimeToLive>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.dynamodb().describe_time_to_live().table_name(&of.name).send()
        });
        let ttl = read.await?.time_to_live_description;
        let status = ttl.as_ref().and_then(|t| t.time_to_live_status()).map(|s| s.as_str());
        let enabled =
            is_on(Self::FIELD, status, &["ENABLED", "ENABLING"], &["DISABLED", "DISABLING"])
                .map_err(|unknown| unknown.in_reply(service, operation))?;
        let attribute = ttl.and_then(|t| t.attribute_name).filter(|_| enabled);
        Ok(Some(TimeToLive { enabled, attribute: attribute.unwrap_or_default() }))
    }

    fn toward(words: TimeToLive, live: Option<TimeToLive>) -> TimeToLive {
        match live.filter(|live| live.enabled) {
            Some(on) => TimeToLive { enabled: false, attribute: on.attribute },
            None => words,
        }
    }

    async fn write(session: &Session, of: &TableRef, words: TimeToLive) -> Result<(), AwsError> {
        let operation = "UpdateTimeToLive";
        let specification = aws::TimeToLiveSpecification::builder()
            .enabled(words.enabled)
            .attribute_name(&words.attribute)
            .build()
            .map_err(|e| AwsError::incomplete(Service::DynamoDb, operation, &e))?;
        let call = session.dynamodb().update_time_to_live().table_name(&of.name);
        let call = call.time_to_live_specification(specification);
        session.write(Service::DynamoDb, operation, call.send()).await.map(drop)
    }
}

/// Backups by which the table can be restored as it was at any second.
struct Recovery;

impl Plain for Recovery {
    type Of = TableRef;
    const FIELD: &'static str = "pointInTimeRecovery";
    const WHAT: &'static str = "point-in-time recovery";
    const READ: (Service, &'static str) = (Service::DynamoDb, "DescribeContinuousBackups");
    type Words = PointInTimeRecovery;

    async fn read(
        session: &Session,
        of: &TableRef,
    ) -> Result<Option<PointInTimeRecovery>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.dynamodb().describe_continuous_backups().table_name(&of.name).send()
        });
        let backups = read.await?.continuous_backups_description;
        let Some(recovery) = backups.and_then(|b| b.point_in_time_recovery_description) else {
            return Ok(None);
        };
        let status = recovery.point_in_time_recovery_status().map(|status| status.as_str());
        let enabled = is_on(Self::FIELD, status, &["ENABLED"], &["DISABLED"])
            .map_err(|unknown| unknown.in_reply(service, operation))?;
        let days = recovery.recovery_period_in_days().filter(|_| enabled);
        Ok(Some(PointInTimeRecovery { enabled, recovery_period_in_days: days }))
    }

    async fn write(
        session: &Session,
        of: &TableRef,
        words: PointInTimeRecovery,
    ) -> Result<(), AwsError> {
        let operation = "UpdateContinuousBackups";
        let specification = aws::PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(words.enabled)
            .set_recovery_period_in_days(words.recovery_period_in_days.filter(|_| words.enabled))
            .build()
            .map_err(|e| AwsError::incomplete(Service::DynamoDb, operation, &e))?;
        let call = session.dynamodb().update_continuous_backups().table_name(&of.name);
        let call = call.point_in_time_recovery_specification(specification);
        session.write(Service::DynamoDb, operation, call.send()).await.map(drop)
    }
}

/// Whether a status is one of those that count as on. What is neither on nor off is not known.
fn is_on(
    field: &'static str,
    status: Option<&str>,
    on: &[&str],
    off: &[&str],
) -> Result<bool, UnknownWord> {
    match status {
        Some(status) if on.contains(&status) => Ok(true),
        None => Ok(false),
        Some(status) if off.contains(&status) => Ok(false),
        Some(other) => Err(UnknownWord::new(field, other)),
    }
}

/// Which keys are asked for most, measured in CloudWatch:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContributorInsights.html>.
struct Insights;

impl Plain for Insights {
    type Of = TableRef;
    const FIELD: &'static str = "contributorInsights";
    const WHAT: &'static str = "contributor insights";
    const READ: (Service, &'static str) = (Service::DynamoDb, "DescribeContributorInsights");
    type Words = ContributorInsights;

    async fn read(
        session: &Session,
        of: &TableRef,
    ) -> Result<Option<ContributorInsights>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.dynamodb().describe_contributor_insights().table_name(&of.name).send()
        });
        let read = read.await?;
        let told = || {
            let status = read.contributor_insights_status.as_ref().map(|status| status.as_str());
            // Insights that failed are not on, and are turned on again.
            let off = ["DISABLED", "DISABLING", "FAILED"];
            let enabled = is_on(Self::FIELD, status, &["ENABLED", "ENABLING"], &off)?;
            let mode = read.contributor_insights_mode.as_ref().filter(|_| enabled);
            let mode = mode.map(|mode| word("contributorInsights.mode", mode));
            Ok(Some(ContributorInsights { enabled, mode: mode.transpose()? }))
        };
        told().map_err(|unknown: UnknownWord| unknown.in_reply(service, operation))
    }

    async fn write(
        session: &Session,
        of: &TableRef,
        words: ContributorInsights,
    ) -> Result<(), AwsError> {
        let action = match words.enabled {
            true => aws::ContributorInsightsAction::Enable,
            false => aws::ContributorInsightsAction::Disable,
        };
        let mode = words.mode.filter(|_| words.enabled);
        let mode = mode.map(as_aws);
        let call = session.dynamodb().update_contributor_insights().table_name(&of.name);
        let call = call.contributor_insights_action(action).set_contributor_insights_mode(mode);
        session.write(Service::DynamoDb, "UpdateContributorInsights", call.send()).await.map(drop)
    }

    async fn clear(session: &Session, of: &TableRef) -> Result<(), AwsError> {
        Self::write(session, of, ContributorInsights { enabled: false, mode: None }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_that_is_on_is_turned_off_by_its_own_attribute() {
        let ttl =
            |enabled, attribute: &str| TimeToLive { enabled, attribute: attribute.to_owned() };
        for (what, words, live, written) in [
            ("on", ttl(true, "new"), ttl(false, ""), ttl(true, "new")),
            ("another attribute", ttl(true, "new"), ttl(true, "old"), ttl(false, "old")),
            ("off", ttl(false, ""), ttl(true, "old"), ttl(false, "old")),
        ] {
            assert_eq!(Expiry::toward(words, Some(live)), written, "{what}");
        }
    }
}
