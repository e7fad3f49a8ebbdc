//! A table's facets with calls of their own, each told once.

use std::marker::PhantomData;

use aws_sdk_dynamodb::types as aws;
use aws_smithy_types::error::operation::BuildError;
use serde_json::{Map, Value};

use super::spec::{ContributorInsights, InsightsMode};
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{AnyFacet, Facet, Told, UnknownWord, text, word};

/// What the calls name a table by.
#[derive(Debug)]
pub struct TableRef {
    pub name: String,
    pub arn: String,
}

pub(super) const FACETS: [&dyn AnyFacet<TableRef>; 2] =
    [&Told::<Policy>(PhantomData), &Told::<Insights>(PhantomData)];

/// Who else may use the table. A write is guarded by the revision that was read:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html>.
struct Policy;

/// That there is no policy yet is a revision, too.
const NO_POLICY: &str = "NO_POLICY";

#[derive(Clone, Debug)]
struct Document {
    policy: Map<String, Value>,
    revision: Option<String>,
}

impl Facet for Policy {
    type Of = TableRef;
    const FIELD: &'static str = "resourcePolicy";
    const WHAT: &'static str = "resource policy";
    const READ: (Service, &'static str) = (Service::DynamoDb, "GetResourcePolicy");
    type Sdk = Document;
    type Words = Map<String, Value>;

    async fn read(session: &Session, of: &TableRef) -> Result<Option<Document>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.dynamodb().get_resource_policy().resource_arn(&of.arn).send()
        });
        let Some(read) = read.await.absent("PolicyNotFoundException")? else { return Ok(None) };
        let text = AwsError::required(service, operation, read.policy)?;
        let policy = serde_json::from_str(&text).map_err(|error| {
            let message = format!("the policy is no JSON object: {error}");
            AwsError::new(Class::Transient, service, operation, message)
        })?;
        Ok(Some(Document { policy, revision: read.revision_id }))
    }

    fn words(sdk: &Document) -> Result<Option<Self::Words>, UnknownWord> {
        Ok(Some(sdk.policy.clone()))
    }

    fn overlay(policy: Self::Words, live: Option<Document>) -> Result<Document, BuildError> {
        let revision = live.map_or(Some(NO_POLICY.to_owned()), |live| live.revision);
        Ok(Document { policy, revision })
    }

    async fn write(session: &Session, of: &TableRef, sdk: Document) -> Result<(), AwsError> {
        let call = session.dynamodb().put_resource_policy().resource_arn(&of.arn);
        let call = call.policy(Value::Object(sdk.policy).to_string());
        let call = call.set_expected_revision_id(sdk.revision).send();
        session.write(Service::DynamoDb, "PutResourcePolicy", call).await.map(drop)
    }

    async fn clear(session: &Session, of: &TableRef) -> Result<(), AwsError> {
        let call = session.dynamodb().delete_resource_policy().resource_arn(&of.arn).send();
        session.write(Service::DynamoDb, "DeleteResourcePolicy", call).await.map(drop)
    }
}

/// Which keys are asked for most, measured in CloudWatch:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContributorInsights.html>.
struct Insights;

impl Facet for Insights {
    type Of = TableRef;
    const FIELD: &'static str = "contributorInsights";
    const WHAT: &'static str = "contributor insights";
    const READ: (Service, &'static str) = (Service::DynamoDb, "DescribeContributorInsights");
    type Sdk = ContributorInsights;
    type Words = ContributorInsights;

    async fn read(session: &Session, of: &TableRef) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.dynamodb().describe_contributor_insights().table_name(&of.name).send()
        });
        let read = read.await?;
        let enabled = match &read.contributor_insights_status {
            Some(
                aws::ContributorInsightsStatus::Enabled | aws::ContributorInsightsStatus::Enabling,
            ) => true,
            // One that failed is not on, and is turned on again.
            None
            | Some(
                aws::ContributorInsightsStatus::Disabled
                | aws::ContributorInsightsStatus::Disabling
                | aws::ContributorInsightsStatus::Failed,
            ) => false,
            Some(other) => {
                let unknown = UnknownWord::new("contributorInsights", other.as_str());
                return Err(unknown.in_reply(service, operation));
            }
        };
        let mode = read.contributor_insights_mode.filter(|_| enabled);
        let mode = mode.map(|mode| word::<InsightsMode>("contributorInsights.mode", mode.as_str()));
        let mode = mode.transpose().map_err(|unknown| unknown.in_reply(service, operation))?;
        Ok(Some(ContributorInsights { enabled, mode }))
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<ContributorInsights>, UnknownWord> {
        Ok(Some(*sdk))
    }

    fn overlay(words: ContributorInsights, _: Option<Self::Sdk>) -> Result<Self::Sdk, BuildError> {
        Ok(words)
    }

    async fn write(session: &Session, of: &TableRef, sdk: Self::Sdk) -> Result<(), AwsError> {
        let action = match sdk.enabled {
            true => aws::ContributorInsightsAction::Enable,
            false => aws::ContributorInsightsAction::Disable,
        };
        let mode = sdk.mode.filter(|_| sdk.enabled);
        let mode = mode.map(|mode| aws::ContributorInsightsMode::from(&*text(&mode)));
        let call = session.dynamodb().update_contributor_insights().table_name(&of.name);
        let call = call.contributor_insights_action(action).set_contributor_insights_mode(mode);
        session.write(Service::DynamoDb, "UpdateContributorInsights", call.send()).await.map(drop)
    }

    async fn clear(session: &Session, of: &TableRef) -> Result<(), AwsError> {
        Self::write(session, of, ContributorInsights { enabled: false, mode: None }).await
    }
}
