//! The bucket policy: one document, written as it is declared.

use serde_json::{Map, Value};

use super::Built;
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{Facet, UnknownWord};

pub(super) struct Policy;

impl Facet for Policy {
    type Of = str;
    const FIELD: &'static str = "policy";
    const WHAT: &'static str = "policy";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketPolicy");
    type Sdk = Map<String, Value>;
    type Words = Map<String, Value>;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session
            .read(service, operation, || session.s3().get_bucket_policy().bucket(bucket).send());
        let policy = read.await.absent("NoSuchBucketPolicy")?.and_then(|r| r.policy);
        let document = policy.map(|text| {
            serde_json::from_str(&text).map_err(|error| {
                let message = format!("the policy is no JSON object: {error}");
                AwsError::new(Class::Transient, service, operation, message)
            })
        });
        document.transpose()
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Self::Words>, UnknownWord> {
        Ok(Some(sdk.clone()))
    }

    fn overlay(words: Self::Words, _: Option<Self::Sdk>) -> Built<Self::Sdk> {
        Ok(words)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let policy = Value::Object(sdk).to_string();
        let call = session.s3().put_bucket_policy().bucket(bucket).policy(policy).send();
        session.write(Service::S3, "PutBucketPolicy", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_policy().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketPolicy", call).await.map(drop)
    }
}
