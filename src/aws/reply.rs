//! A bound on what a reply may hold.
//!
//! Guarantees: of a reply that is longer than any of AWS's no more than [`REPLY_BYTES_MAX`] is kept, and the
//! call fails: something that is not AWS answers at the endpoint.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// The longest that AWS sends us is a BatchGetItem of 16 MB:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Ends the reading of a reply at the bound.
#[derive(Debug)]
pub(super) struct ReplyLimit;

#[dyn_dispatch_hint]
impl Intercept for ReplyLimit {
    fn name(&self) -> &'static str {
        "ReplyLimit"
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
