//! Objects that nobody reads are archived.

use aws_sdk_s3::types as aws;

use super::Built;
use super::configurations::{Configuration, Page};
use super::filter::{Filter, Parts};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::{IntelligentTiering, Tiering};
use crate::kinds::{UnknownWord, as_aws, word};

pub(super) struct Tierings;

impl Configuration for Tierings {
    const FIELD: &'static str = "intelligentTiering";
    const WHAT: &'static str = "intelligent tiering";
    const LIST: &'static str = "ListBucketIntelligentTieringConfigurations";
    type Sdk = aws::IntelligentTieringConfiguration;
    type Words = IntelligentTiering;

    async fn page(
        session: &Session,
        bucket: &str,
        from: Option<String>,
    ) -> Result<Page<Self::Sdk>, AwsError> {
        let read = session.read(Service::S3, Self::LIST, || {
            let call = session.s3().list_bucket_intelligent_tiering_configurations();
            call.bucket(bucket).set_continuation_token(from.clone()).send()
        });
        let page = read.await?;
        let all = page.intelligent_tiering_configuration_list.unwrap_or_default();
        Ok((all, page.next_continuation_token))
    }

    fn id(sdk: &Self::Sdk) -> &str {
        &sdk.id
    }

    fn id_in_words(words: &IntelligentTiering) -> &str {
        &words.id
    }

    fn in_words(sdk: &Self::Sdk) -> Result<IntelligentTiering, UnknownWord> {
        let filter = filter_of(sdk);
        let tiering = |tiering: &aws::Tiering| {
            let field = "intelligentTiering.tierings.accessTier";
            let access_tier = word(field, &tiering.access_tier)?;
            Ok(Tiering { days: tiering.days, access_tier })
        };
        let status = sdk.status.as_str();
        Ok(IntelligentTiering {
            id: sdk.id.clone(),
            enabled: Some(super::is_enabled("intelligentTiering.enabled", status)?),
            prefix: filter.prefix,
            tags: filter.tags,
            tierings: sdk.tierings.iter().map(tiering).collect::<Result<_, _>>()?,
        })
    }

    fn overlay_one(words: IntelligentTiering, before: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let tierings = words.tierings.iter().map(|tiering| {
            let tier: aws::IntelligentTieringAccessTier = as_aws(tiering.access_tier);
            aws::Tiering::builder().days(tiering.days).access_tier(tier).build()
        });
        let tierings = tierings.collect::<Built<Vec<_>>>()?;
        let status = aws::IntelligentTieringStatus::from(super::status(words.enabled));
        let mut sdk = match before {
            Some(sdk) => sdk,
            None => aws::IntelligentTieringConfiguration::builder()
                .id(&words.id)
                .status(status.clone())
                .set_tierings(Some(tierings.clone()))
                .build()?,
        };
        (sdk.status, sdk.tierings) = (status, tierings);
        let wanted = Filter::wanted(words.prefix, words.tags);
        if wanted != filter_of(&sdk) {
            sdk.filter = filter(wanted)?;
        }
        Ok(sdk)
    }

    async fn put(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_intelligent_tiering_configuration();
        let call = call.bucket(bucket).id(&sdk.id).intelligent_tiering_configuration(sdk).send();
        let operation = "PutBucketIntelligentTieringConfiguration";
        session.write(Service::S3, operation, call).await.map(drop)
    }

    async fn delete(session: &Session, bucket: &str, id: String) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_intelligent_tiering_configuration();
        let call = call.bucket(bucket).id(id).send();
        let operation = "DeleteBucketIntelligentTieringConfiguration";
        session.write(Service::S3, operation, call).await.map(drop)
    }
}

fn filter_of(sdk: &aws::IntelligentTieringConfiguration) -> Filter {
    let filter = sdk.filter();
    let and = filter.and_then(|f| f.and());
    Filter::of(&Parts {
        prefix: filter.and_then(|f| f.prefix()),
        tag: filter.and_then(|f| f.tag()),
        and_prefix: and.and_then(|a| a.prefix()),
        and_tags: and.map(|a| a.tags()).unwrap_or_default(),
    })
}

fn filter(wanted: Filter) -> Built<Option<aws::IntelligentTieringFilter>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let (tags, filter) = (wanted.tags()?, aws::IntelligentTieringFilter::builder());
    if wanted.is_composed() {
        let and = aws::IntelligentTieringAndOperator::builder();
        let and = and.set_prefix(wanted.prefix).set_tags(Some(tags)).build();
        return Ok(Some(filter.and(and).build()));
    }
    Ok(Some(filter.set_prefix(wanted.prefix).set_tag(tags.into_iter().next()).build()))
}
