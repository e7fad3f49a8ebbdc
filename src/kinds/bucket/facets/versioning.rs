//! Versioning. A bucket that never had it says nothing, and cannot go back to that once it had:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::Versioning;
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct BucketVersioning;

impl Facet for BucketVersioning {
    type Of = str;
    const FIELD: &'static str = "versioning";
    const WHAT: &'static str = "versioning";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketVersioning");
    type Sdk = aws::VersioningConfiguration;
    type Words = Versioning;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_versioning().bucket(bucket).send()
        });
        let read = read.await?;
        Ok(Some(Self::Sdk::builder().set_status(read.status).build()))
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Versioning>, UnknownWord> {
        match &sdk.status {
            Some(status) => word("versioning", status).map(Some),
            None => Ok(Some(Versioning::Suspended)),
        }
    }

    fn is_unset(words: &Versioning) -> bool {
        *words == Versioning::Suspended
    }

    /// MFA delete is kept by S3 where a put does not name it, and naming it takes the owner's device:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>.
    fn overlay(words: Versioning, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        sdk.status = Some(as_aws(words));
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_versioning().bucket(bucket);
        let call = call.versioning_configuration(sdk).send();
        session.write(Service::S3, "PutBucketVersioning", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let suspended = aws::BucketVersioningStatus::Suspended;
        let off = Self::Sdk::builder().status(suspended).build();
        Self::write(session, bucket, off).await
    }
}
