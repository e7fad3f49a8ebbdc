//! Transfer acceleration. A bucket that never had it says nothing, and S3 has no call that takes it away:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAccelerateConfiguration.html>.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::Acceleration;
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Accelerate;

impl Facet for Accelerate {
    type Of = str;
    const FIELD: &'static str = "accelerate";
    const WHAT: &'static str = "transfer acceleration";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketAccelerateConfiguration");
    type Sdk = aws::AccelerateConfiguration;
    type Words = Acceleration;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_accelerate_configuration().bucket(bucket).send()
        });
        Ok(Some(Self::Sdk::builder().set_status(read.await?.status).build()))
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Acceleration>, UnknownWord> {
        match &sdk.status {
            Some(status) => word("accelerate", status).map(Some),
            None => Ok(Some(Acceleration::Suspended)),
        }
    }

    fn is_unset(words: &Acceleration) -> bool {
        *words == Acceleration::Suspended
    }

    fn overlay(words: Acceleration, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        sdk.status = Some(as_aws(words));
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_accelerate_configuration().bucket(bucket);
        let call = call.accelerate_configuration(sdk).send();
        session.write(Service::S3, "PutBucketAccelerateConfiguration", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let off = Self::Sdk::builder().status(aws::BucketAccelerateStatus::Suspended).build();
        Self::write(session, bucket, off).await
    }
}
