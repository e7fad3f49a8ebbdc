//! Requests that are counted.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;

use super::Built;
use super::configurations::{Configuration, Page};
use super::filter::Filter;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::UnknownWord;
use crate::kinds::bucket::spec::RequestMetrics;

pub(super) struct Metrics;

impl Configuration for Metrics {
    const FIELD: &'static str = "metrics";
    const WHAT: &'static str = "request metrics";
    const LIST: &'static str = "ListBucketMetricsConfigurations";
    type Sdk = aws::MetricsConfiguration;
    type Words = RequestMetrics;

    async fn page(
        session: &Session,
        bucket: &str,
        from: Option<String>,
    ) -> Result<Page<Self::Sdk>, AwsError> {
        let read = session.read(Service::S3, Self::LIST, || {
            let call = session.s3().list_bucket_metrics_configurations();
            call.bucket(bucket).set_continuation_token(from.clone()).send()
        });
        let page = read.await?;
        Ok((page.metrics_configuration_list.unwrap_or_default(), page.next_continuation_token))
    }

    fn id(sdk: &Self::Sdk) -> &str {
        &sdk.id
    }

    fn id_in_words(words: &RequestMetrics) -> &str {
        &words.id
    }

    fn in_words(sdk: &Self::Sdk) -> Result<RequestMetrics, UnknownWord> {
        let (mut prefix, mut tags, mut access_point_arn) = (None, BTreeMap::new(), None);
        let mut tagged = |tag: &aws::Tag| tags.insert(tag.key.clone(), tag.value.clone());
        match &sdk.filter {
            None => {}
            Some(aws::MetricsFilter::Prefix(only)) => prefix = Some(only.clone()),
            Some(aws::MetricsFilter::Tag(tag)) => {
                tagged(tag);
            }
            Some(aws::MetricsFilter::AccessPointArn(arn)) => access_point_arn = Some(arn.clone()),
            Some(aws::MetricsFilter::And(and)) => {
                (prefix, access_point_arn) = (and.prefix.clone(), and.access_point_arn.clone());
                for tag in and.tags() {
                    tagged(tag);
                }
            }
            Some(other) => return Err(UnknownWord::new("metrics", &format!("{other:?}"))),
        }
        let filter = Filter::wanted(prefix, Some(tags));
        Ok(RequestMetrics {
            id: sdk.id.clone(),
            prefix: filter.prefix,
            tags: filter.tags,
            access_point_arn,
        })
    }

    /// The words say all that one has.
    fn overlay_one(words: RequestMetrics, _: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let arn = words.access_point_arn;
        let wanted = Filter::wanted(words.prefix, words.tags);
        let tags = wanted.tags()?;
        let and = aws::MetricsAndOperator::builder()
            .set_prefix(wanted.prefix.clone())
            .set_tags(Some(tags.clone()).filter(|tags| !tags.is_empty()))
            .set_access_point_arn(arn.clone())
            .build();
        let filter = match (wanted.prefix, &tags[..], arn) {
            (None, [], None) => None,
            (Some(prefix), [], None) => Some(aws::MetricsFilter::Prefix(prefix)),
            (None, [tag], None) => Some(aws::MetricsFilter::Tag(tag.clone())),
            (None, [], Some(arn)) => Some(aws::MetricsFilter::AccessPointArn(arn)),
            _ => Some(aws::MetricsFilter::And(and)),
        };
        aws::MetricsConfiguration::builder().id(words.id).set_filter(filter).build()
    }

    async fn put(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_metrics_configuration().bucket(bucket);
        let call = call.id(&sdk.id).metrics_configuration(sdk).send();
        session.write(Service::S3, "PutBucketMetricsConfiguration", call).await.map(drop)
    }

    async fn delete(session: &Session, bucket: &str, id: String) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_metrics_configuration().bucket(bucket).id(id).send();
        session.write(Service::S3, "DeleteBucketMetricsConfiguration", call).await.map(drop)
    }
}
