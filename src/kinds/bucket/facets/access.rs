//! Who may reach the bucket: its public access block, and who owns what is put into it.
//!
//! S3 makes new buckets with all four protections on and BucketOwnerEnforced:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>. A put names all four;
//! one that leaves a protection out turns it off.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{ObjectOwnership, PublicAccessBlock};
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Block;

impl Facet for Block {
    type Of = str;
    const FIELD: &'static str = "publicAccessBlock";
    const WHAT: &'static str = "public access block";
    const READ: (Service, &'static str) = (Service::S3, "GetPublicAccessBlock");
    type Sdk = aws::PublicAccessBlockConfiguration;
    type Words = PublicAccessBlock;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_public_access_block().bucket(bucket).send()
        });
        let read = read.await.absent("NoSuchPublicAccessBlockConfiguration")?;
        let Some(read) = read else { return Ok(None) };
        // S3 shows all four. A reply without one says nothing of it, and a write would turn it off.
        let block = read.public_access_block_configuration.filter(|block| {
            let all = [
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            ];
            all.iter().all(Option::is_some)
        });
        AwsError::required(service, operation, block).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<PublicAccessBlock>, UnknownWord> {
        Ok(Some(PublicAccessBlock {
            block_public_acls: sdk.block_public_acls,
            ignore_public_acls: sdk.ignore_public_acls,
            block_public_policy: sdk.block_public_policy,
            restrict_public_buckets: sdk.restrict_public_buckets,
        }))
    }

    fn overlay(words: PublicAccessBlock, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        sdk.block_public_acls = words.block_public_acls;
        sdk.ignore_public_acls = words.ignore_public_acls;
        sdk.block_public_policy = words.block_public_policy;
        sdk.restrict_public_buckets = words.restrict_public_buckets;
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_public_access_block().bucket(bucket);
        let call = call.public_access_block_configuration(sdk).send();
        session.write(Service::S3, "PutPublicAccessBlock", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_public_access_block().bucket(bucket).send();
        session.write(Service::S3, "DeletePublicAccessBlock", call).await.map(drop)
    }
}

pub(super) struct Ownership;

impl Facet for Ownership {
    type Of = str;
    const FIELD: &'static str = "objectOwnership";
    const WHAT: &'static str = "object ownership";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketOwnershipControls");
    type Sdk = aws::OwnershipControls;
    type Words = ObjectOwnership;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_ownership_controls().bucket(bucket).send()
        });
        let read = read.await.absent("OwnershipControlsNotFoundError")?;
        let Some(read) = read else { return Ok(None) };
        AwsError::required(service, operation, read.ownership_controls).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<ObjectOwnership>, UnknownWord> {
        let rule = sdk.rules.first();
        rule.map(|rule| word("objectOwnership", &rule.object_ownership)).transpose()
    }

    fn overlay(words: ObjectOwnership, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let ownership: aws::ObjectOwnership = as_aws(words);
        if let Some(mut sdk) = live
            && let Some(rule) = sdk.rules.first_mut()
        {
            rule.object_ownership = ownership;
            return Ok(sdk);
        }
        let rule = aws::OwnershipControlsRule::builder().object_ownership(ownership).build()?;
        Self::Sdk::builder().rules(rule).build()
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_ownership_controls().bucket(bucket);
        let call = call.ownership_controls(sdk).send();
        session.write(Service::S3, "PutBucketOwnershipControls", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_ownership_controls().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketOwnershipControls", call).await.map(drop)
    }
}
