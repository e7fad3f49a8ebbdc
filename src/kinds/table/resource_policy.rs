//! Who else may use the table.

use aws_smithy_types::error::operation::BuildError;
use serde_json::{Map, Value};

use super::facets::TableRef;
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{Facet, UnknownWord};

/// A write is guarded by the revision that was read:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html>
/// and `API_DeleteResourcePolicy.html` beside it.
pub(super) struct Policy;

/// That there is no policy yet is a revision, too.
const NO_POLICY: &str = "NO_POLICY";

#[derive(Clone, Debug)]
pub(super) struct Document {
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

    async fn clear(
        session: &Session,
        of: &TableRef,
        live: Option<Document>,
    ) -> Result<(), AwsError> {
        let call = session.dynamodb().delete_resource_policy().resource_arn(&of.arn);
        let call = call.set_expected_revision_id(live.and_then(|live| live.revision)).send();
        session.write(Service::DynamoDb, "DeleteResourcePolicy", call).await.map(drop)
    }
}
