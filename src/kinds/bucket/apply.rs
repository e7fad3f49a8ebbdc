//! Makes, tags and deletes a bucket; its facets write themselves. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;

use super::plan::BucketStep;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::Outcome;

pub(super) async fn apply(
    session: &Session,
    bucket: &str,
    step: &BucketStep,
) -> Result<Outcome, AwsError> {
    match step {
        BucketStep::Create(tags) => {
            create(session, bucket, tags).await?;
            // What a new bucket is like is S3's to say: its facets are read before they are written.
            return Ok(Outcome::in_progress());
        }
        BucketStep::Tag(tags) => tag(session, bucket, tags).await?,
        BucketStep::Facet(step) => return step.take(session, bucket).await,
        BucketStep::Delete => {
            let call = session.s3().delete_bucket().bucket(bucket).send();
            session.write(Service::S3, "DeleteBucket", call).await?;
        }
    }
    Ok(Outcome::done())
}

/// us-east-1 takes no location constraint; tags are taken everywhere, and need s3:TagResource:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.
async fn create(
    session: &Session,
    bucket: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let region = session.region();
    let location = (region != "us-east-1").then(|| aws::BucketLocationConstraint::from(region));
    let configuration = aws::CreateBucketConfiguration::builder()
        .set_location_constraint(location)
        .set_tags(Some(tag_set("CreateBucket", tags)?))
        .build();
    let call = session.s3().create_bucket().bucket(bucket);
    let call = call.create_bucket_configuration(configuration).send();
    session.write(Service::S3, "CreateBucket", call).await.map(drop)
}

/// Replaces all tags.
async fn tag(
    session: &Session,
    bucket: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let operation = "PutBucketTagging";
    let tagging = aws::Tagging::builder().set_tag_set(Some(tag_set(operation, tags)?)).build();
    let tagging = tagging.map_err(|error| AwsError::incomplete(Service::S3, operation, &error))?;
    let call = session.s3().put_bucket_tagging().bucket(bucket).tagging(tagging).send();
    session.write(Service::S3, operation, call).await.map(drop)
}

fn tag_set(
    operation: &'static str,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<aws::Tag>, AwsError> {
    let tag = |(key, value)| {
        let tag = aws::Tag::builder().key(key).value(value).build();
        tag.map_err(|error| AwsError::incomplete(Service::S3, operation, &error))
    };
    tags.iter().map(tag).collect()
}
