//! Object lock. A bucket that has it keeps it; what can be taken away is the retention that new objects get:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html>. S3 wants versioning
//! first, so that is written before.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{DefaultRetention, ObjectLock};
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Lock;

impl Facet for Lock {
    type Of = str;
    const FIELD: &'static str = "objectLock";
    const WHAT: &'static str = "object lock";
    const READ: (Service, &'static str) = (Service::S3, "GetObjectLockConfiguration");
    type Sdk = aws::ObjectLockConfiguration;
    type Words = ObjectLock;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_object_lock_configuration().bucket(bucket).send()
        });
        let read = read.await.absent("ObjectLockConfigurationNotFoundError")?;
        let Some(read) = read else { return Ok(None) };
        AwsError::required(service, operation, read.object_lock_configuration).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<ObjectLock>, UnknownWord> {
        let retention = sdk.rule().and_then(|rule| rule.default_retention());
        let retention = retention.map(|retention| {
            let mode = retention.mode().map_or("", |mode| mode.as_str());
            Ok(DefaultRetention {
                mode: word("objectLock.defaultRetention.mode", mode)?,
                days: retention.days,
                years: retention.years,
            })
        });
        Ok(Some(ObjectLock { enabled: Some(true), default_retention: retention.transpose()? }))
    }

    /// It cannot be taken away.
    fn is_unset(words: &ObjectLock) -> bool {
        words.default_retention.is_none()
    }

    fn overlay(words: ObjectLock, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        sdk.object_lock_enabled = Some(aws::ObjectLockEnabled::Enabled);
        sdk.rule = words.default_retention.map(|retention| {
            let mode: aws::ObjectLockRetentionMode = as_aws(retention.mode);
            let retention = aws::DefaultRetention::builder()
                .mode(mode)
                .set_days(retention.days)
                .set_years(retention.years)
                .build();
            aws::ObjectLockRule::builder().default_retention(retention).build()
        });
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_object_lock_configuration().bucket(bucket);
        let call = call.object_lock_configuration(sdk).send();
        session.write(Service::S3, "PutObjectLockConfiguration", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let enabled = aws::ObjectLockEnabled::Enabled;
        let bare = Self::Sdk::builder().object_lock_enabled(enabled).build();
        Self::write(session, bucket, bare).await
    }
}
