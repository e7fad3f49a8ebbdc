//! What a reply may be.
//!
//! Guarantees:
//! - A reply that does not say what was asked for is an error, and no absence: something in between may answer
//!   with an empty 200, and whoever takes that for "not set" writes over what is live.
//! - Of a reply that is longer than any of AWS's no more than [`REPLY_BYTES_MAX`] is kept, and the
//!   call fails: something that is not AWS answers at the endpoint.
//! - A setting of a bucket that says what the SDK does not know is an error (`elements.rs`).

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

use super::elements;

/// The longest that AWS sends us is a BatchGetItem of 16 MB:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Ends the reading of a reply at the bound, and refuses one that says nothing.
#[derive(Debug)]
pub(super) struct ReplyCheck;

/// What is in every reply of an operation, and what the SDK makes up where it is missing. From botocore's
/// models, and from AWS's replies where these leave it optional.
const SAYS: [(&str, &str); 18] = [
    ("BatchGetItem", "\"Responses\""),
    ("DescribeContinuousBackups", "\"ContinuousBackupsDescription\""),
    ("DescribeContributorInsights", "\"ContributorInsightsStatus\""),
    ("DescribeTable", "\"TableName\""),
    ("DescribeTimeToLive", "\"TimeToLiveDescription\""),
    ("GetBucketTagging", "TagSet"),
    ("GetFunctionEventInvokeConfig", "\"FunctionArn\""),
    ("GetFunctionUrlConfig", "\"FunctionUrl\""),
    ("ListApps", "\"apps\""),
    ("ListBranches", "\"branches\""),
    ("ListDomainAssociations", "\"domainAssociations\""),
    ("ListJobs", "\"jobSummaries\""),
    ("ListTagsOfResource", "\"Tags\""),
    ("Query", "\"Items\""),
    ("Scan", "\"Items\""),
    // Of writes: a job whose id is not known would be started again.
    ("StartDeployment", "\"jobSummary\""),
    ("StartJob", "\"jobSummary\""),
    ("PublishVersion", "\"Version\""),
];

/// Reads whose reply may say nothing: an item that is not there, a function without a reservation.
const MAY_BE_EMPTY: [&str; 2] = ["GetItem", "GetFunctionConcurrency"];

/// Why a reply of 2xx is none of AWS's, where it is not.
fn fault(operation: &str, body: &[u8]) -> Option<&'static str> {
    let says = SAYS.iter().find(|(of, _)| *of == operation).map(|(_, member)| member.as_bytes());
    if says.is_some_and(|member| !body.windows(member.len()).any(|part| part == member)) {
        return Some("it does not say what was asked for");
    }
    let is_read = ["Get", "List", "Describe"].iter().any(|verb| operation.starts_with(verb));
    if !is_read || MAY_BE_EMPTY.contains(&operation) {
        return None;
    }
    let text = body.trim_ascii();
    if text.is_empty() || text == b"{}" {
        return Some("it is empty");
    }
    // The SDK's reader takes a document that was cut off for a whole one.
    if text.starts_with(b"<") && !is_whole(text) {
        return Some("it was cut off");
    }
    None
}

/// Whether a document ends with the end of its root.
fn is_whole(document: &[u8]) -> bool {
    let document = String::from_utf8_lossy(document);
    let root = document.find("?>").map_or(&*document, |end| &document[end + 2..]).trim_start();
    let Some(root) = root.strip_prefix('<') else { return false };
    let name = root.split(['>', ' ', '/']).next().unwrap_or_default();
    let is_one_element = root.ends_with("/>") && root.matches('<').count() == 0;
    is_one_element || root.ends_with(&format!("</{name}>"))
}

#[dyn_dispatch_hint]
impl Intercept for ReplyCheck {
    fn name(&self) -> &'static str {
        "ReplyCheck"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        // What is in memory already needs no bound.
        if body.bytes().is_none() {
            let unbound = std::mem::replace(body, SdkBody::taken());
            *body = SdkBody::from_body_1_x(Limited::new(unbound, REPLY_BYTES_MAX));
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_owned());
        let (Some(operation), Some(body)) = (operation, response.body().bytes()) else {
            return Ok(());
        };
        if !response.status().is_success() {
            return Ok(());
        }
        if let Some(fault) = fault(&operation, body) {
            return Err(fault.into());
        }
        elements::unknown(&operation, body).map_or(Ok(()), |unknown| Err(unknown.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{Connection, Sessions};
    use crate::model::Clock;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn a_reply_that_says_nothing_is_told_from_one_that_says_none() {
        let namespace = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;
        let bare = format!("<VersioningConfiguration {namespace}/>");
        let whole = "<?xml version=\"1.0\"?>\n<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
        for (operation, body, expected) in [
            ("GetBucketVersioning", &*bare, None),
            ("GetBucketVersioning", "", Some("it is empty")),
            ("GetBucketTagging", whole, None),
            ("GetBucketTagging", &whole[..70], Some("it was cut off")),
            ("GetBucketTagging", "<Tagging/>", Some("it does not say what was asked for")),
            ("GetBucketPolicy", r#"{"Version":"2012-10-17"}"#, None),
            ("ListApps", r#"{"apps":[]}"#, None),
            ("ListApps", "{}", Some("it does not say what was asked for")),
            ("GetFunction", "{}", Some("it is empty")),
            ("GetFunctionConcurrency", "{}", None),
            ("GetItem", "{}", None),
            ("TagResource", "", None),
            ("StartJob", "{}", Some("it does not say what was asked for")),
        ] {
            assert_eq!(fault(operation, body.as_bytes()), expected, "{operation} {body}");
        }
    }

    /// Answers every request with more than any reply holds, and counts what was taken of it.
    async fn endless(listener: TcpListener, taken: std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
            let part = vec![b' '; 1024 * 1024];
            while stream.write_all(&part).await.is_ok() {
                taken.fetch_add(part.len(), std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[tokio::test]
    async fn a_reply_without_an_end_is_an_error_and_takes_no_more_than_the_bound() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = std::sync::Arc::default();
        tokio::spawn(endless(listener, std::sync::Arc::clone(&taken)));
        let connection = Connection {
            endpoint_url: Some(url),
            region: Some("us-east-1".to_owned()),
            credentials: Some(SharedCredentialsProvider::new(Credentials::new(
                "any", "any", None, None, "test",
            ))),
            ..Connection::default()
        };
        let sessions = Sessions::new(&connection, Clock::system(), None).await;
        let error = sessions.home().await.unwrap().account_id().await.unwrap_err();
        assert!(error.class.is_outage(), "{error}");
        let taken = taken.load(std::sync::atomic::Ordering::Relaxed);
        let tries = 3;
        assert!(taken > REPLY_BYTES_MAX, "the bound was reached: {taken}");
        assert!(taken < tries * (REPLY_BYTES_MAX + 16 * 1024 * 1024), "{taken} bytes were taken");
    }
}
