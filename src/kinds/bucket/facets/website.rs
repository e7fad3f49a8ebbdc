//! The bucket as a website. A redirect of everything excludes all else:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html>.

use aws_sdk_s3::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{
    Redirect, RoutingCondition, RoutingRedirect, RoutingRule, Website,
};
use crate::kinds::{Facet, UnknownWord};

pub(super) struct Site;

impl Facet for Site {
    type Of = str;
    const FIELD: &'static str = "website";
    const WHAT: &'static str = "website";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketWebsite");
    type Sdk = aws::WebsiteConfiguration;
    type Words = Website;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session
            .read(service, operation, || session.s3().get_bucket_website().bucket(bucket).send());
        let read = read.await.absent("NoSuchWebsiteConfiguration")?;
        let Some(read) = read else { return Ok(None) };
        let site = Self::Sdk::builder()
            .set_index_document(read.index_document)
            .set_error_document(read.error_document)
            .set_redirect_all_requests_to(read.redirect_all_requests_to)
            .set_routing_rules(read.routing_rules)
            .build();
        // Every website has one of the two.
        let is_one = site.index_document.is_some() || site.redirect_all_requests_to.is_some();
        AwsError::required(service, operation, Some(site).filter(|_| is_one)).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Website>, UnknownWord> {
        let rules: Vec<_> = sdk.routing_rules().iter().map(in_words).collect();
        Ok(Some(Website {
            index_document: sdk.index_document.as_ref().map(|d| d.suffix.clone()),
            error_document: sdk.error_document.as_ref().map(|d| d.key.clone()),
            redirect_all_requests_to: sdk.redirect_all_requests_to.as_ref().map(|to| Redirect {
                host_name: to.host_name.clone(),
                protocol: to.protocol.as_ref().map(|p| p.as_str().to_owned()),
            }),
            routing_rules: Some(rules).filter(|rules| !rules.is_empty()),
        }))
    }

    fn overlay(words: Website, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        let index = words.index_document.filter(|suffix| !suffix.is_empty());
        let index = index.map(|suffix| aws::IndexDocument::builder().suffix(suffix).build());
        sdk.index_document = index.transpose()?;
        let error = words.error_document.filter(|key| !key.is_empty());
        let error = error.map(|key| aws::ErrorDocument::builder().key(key).build());
        sdk.error_document = error.transpose()?;
        let redirect = words.redirect_all_requests_to.map(|to| {
            aws::RedirectAllRequestsTo::builder()
                .host_name(to.host_name)
                .set_protocol(to.protocol.as_deref().map(aws::Protocol::from))
                .build()
        });
        sdk.redirect_all_requests_to = redirect.transpose()?;
        let rules = words.routing_rules.into_iter().flatten().map(rule).collect::<Vec<_>>();
        sdk.routing_rules = Some(rules).filter(|rules| !rules.is_empty());
        // S3 refuses a website without either, as one is whose index is ignored and whose redirect goes.
        if sdk.index_document.is_none() && sdk.redirect_all_requests_to.is_none() {
            let why = "a website has indexDocument or redirectAllRequestsTo; declare one of them";
            return Err(BuildError::other(why));
        }
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_website().bucket(bucket).website_configuration(sdk);
        session.write(Service::S3, "PutBucketWebsite", call.send()).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_website().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketWebsite", call).await.map(drop)
    }
}

fn in_words(rule: &aws::RoutingRule) -> RoutingRule {
    let redirect = rule.redirect();
    let text = |value: Option<&str>| value.map(str::to_owned);
    RoutingRule {
        condition: rule.condition().map(|c| RoutingCondition {
            http_error_code_returned_equals: text(c.http_error_code_returned_equals()),
            key_prefix_equals: text(c.key_prefix_equals()),
        }),
        redirect: RoutingRedirect {
            host_name: text(redirect.and_then(|r| r.host_name())),
            http_redirect_code: text(redirect.and_then(|r| r.http_redirect_code())),
            protocol: text(redirect.and_then(|r| r.protocol()).map(|p| p.as_str())),
            replace_key_prefix_with: text(redirect.and_then(|r| r.replace_key_prefix_with())),
            replace_key_with: text(redirect.and_then(|r| r.replace_key_with())),
        },
    }
}

/// The words say all that a rule has.
fn rule(words: RoutingRule) -> aws::RoutingRule {
    let condition = words.condition.map(|c| {
        aws::Condition::builder()
            .set_http_error_code_returned_equals(c.http_error_code_returned_equals)
            .set_key_prefix_equals(c.key_prefix_equals)
            .build()
    });
    let to = words.redirect;
    let redirect = aws::Redirect::builder()
        .set_host_name(to.host_name)
        .set_http_redirect_code(to.http_redirect_code)
        .set_protocol(to.protocol.as_deref().map(aws::Protocol::from))
        .set_replace_key_prefix_with(to.replace_key_prefix_with)
        .set_replace_key_with(to.replace_key_with)
        .build();
    aws::RoutingRule::builder().set_condition(condition).redirect(redirect).build()
}
