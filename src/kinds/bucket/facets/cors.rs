//! Which origins may read the bucket from a browser. Rules are tried in order, and each is a whole.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{CorsMethod, CorsRule};
use crate::kinds::{Facet, UnknownWord, text, word};

pub(super) struct Cors;

impl Facet for Cors {
    type Of = str;
    const FIELD: &'static str = "cors";
    const WHAT: &'static str = "cors";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketCors");
    type Sdk = Vec<aws::CorsRule>;
    type Words = Vec<CorsRule>;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session
            .read(service, operation, || session.s3().get_bucket_cors().bucket(bucket).send());
        let read = read.await.absent("NoSuchCORSConfiguration")?;
        let Some(read) = read else { return Ok(None) };
        AwsError::required(service, operation, read.cors_rules).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Vec<CorsRule>>, UnknownWord> {
        let some = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
        let rule = |rule: &aws::CorsRule| {
            let methods = rule.allowed_methods.iter().map(|m| word("cors.allowedMethods", m));
            Ok(CorsRule {
                id: rule.id.clone(),
                allowed_methods: methods.collect::<Result<Vec<CorsMethod>, _>>()?,
                allowed_origins: rule.allowed_origins.clone(),
                allowed_headers: some(rule.allowed_headers()),
                expose_headers: some(rule.expose_headers()),
                max_age_seconds: rule.max_age_seconds,
            })
        };
        sdk.iter().map(rule).collect::<Result<_, _>>().map(Some)
    }

    /// The words say all that a rule has.
    fn overlay(words: Vec<CorsRule>, _: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let rule = |rule: CorsRule| {
            aws::CorsRule::builder()
                .set_id(rule.id)
                .set_allowed_origins(Some(rule.allowed_origins))
                .set_allowed_methods(Some(rule.allowed_methods.iter().map(text).collect()))
                .set_allowed_headers(rule.allowed_headers)
                .set_expose_headers(rule.expose_headers)
                .set_max_age_seconds(rule.max_age_seconds)
                .build()
        };
        words.into_iter().map(rule).collect()
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let rules = aws::CorsConfiguration::builder().set_cors_rules(Some(sdk)).build();
        let rules =
            rules.map_err(|error| AwsError::incomplete(Service::S3, "PutBucketCors", &error))?;
        let call = session.s3().put_bucket_cors().bucket(bucket).cors_configuration(rules).send();
        session.write(Service::S3, "PutBucketCors", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_cors().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketCors", call).await.map(drop)
    }
}
