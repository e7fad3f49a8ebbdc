//! Where requests are logged. The whole status is put at once; who is granted the logs has no word in the
//! spec, and goes along as it is.

use aws_sdk_s3::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::Built;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::Logging;
use crate::kinds::{Facet, UnknownWord, text, word};

pub(super) struct Logs;

impl Facet for Logs {
    type Of = str;
    const FIELD: &'static str = "logging";
    const WHAT: &'static str = "logging";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketLogging");
    type Sdk = aws::LoggingEnabled;
    type Words = Logging;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session
            .read(service, operation, || session.s3().get_bucket_logging().bucket(bucket).send());
        Ok(read.await?.logging_enabled)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Logging>, UnknownWord> {
        let format = sdk.target_object_key_format.as_ref();
        let source = format
            .and_then(|f| f.partitioned_prefix.as_ref())
            .and_then(|p| p.partition_date_source.as_ref());
        let source = source.map(|s| word("logging.partitionDateSource", s)).transpose()?;
        Ok(Some(Logging {
            target_bucket: Some(sdk.target_bucket.clone()),
            target_bucket_from: None,
            target_prefix: Some(sdk.target_prefix.clone()),
            partition_date_source: source,
        }))
    }

    fn overlay(words: Logging, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let prefix = words.target_prefix.unwrap_or_default();
        let bucket = words.target_bucket.ok_or_else(|| {
            BuildError::other("the bucket logs nowhere yet, and the manifest names no targetBucket")
        })?;
        let new = Self::Sdk::builder().target_bucket(bucket).target_prefix(prefix).build()?;
        let mut sdk = live.unwrap_or_else(|| new.clone());
        let has_source = |format: &aws::TargetObjectKeyFormat| {
            format.partitioned_prefix().is_some_and(|by| by.partition_date_source().is_some())
        };
        let source = words.partition_date_source.map(|source| text(&source));
        sdk.target_object_key_format = match (source, sdk.target_object_key_format) {
            (Some(source), _) => {
                let source = aws::PartitionDateSource::from(source.as_str());
                let by = aws::PartitionedPrefix::builder().partition_date_source(source).build();
                Some(aws::TargetObjectKeyFormat::builder().partitioned_prefix(by).build())
            }
            // One whose source has no word stays.
            (None, Some(format)) if has_source(&format) => {
                let simple = aws::SimplePrefix::builder().build();
                Some(aws::TargetObjectKeyFormat::builder().simple_prefix(simple).build())
            }
            (None, format) => format,
        };
        sdk.target_bucket = new.target_bucket;
        sdk.target_prefix = new.target_prefix;
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let status = aws::BucketLoggingStatus::builder().logging_enabled(sdk).build();
        put(session, bucket, status).await
    }

    /// There is no call that removes it: off is a status.
    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        put(session, bucket, aws::BucketLoggingStatus::builder().build()).await
    }
}

async fn put(
    session: &Session,
    bucket: &str,
    status: aws::BucketLoggingStatus,
) -> Result<(), AwsError> {
    let call = session.s3().put_bucket_logging().bucket(bucket).bucket_logging_status(status);
    session.write(Service::S3, "PutBucketLogging", call.send()).await.map(drop)
}
