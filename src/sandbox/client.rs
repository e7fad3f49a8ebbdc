//! The sandbox as the SDK's HTTP client: calls stay in this process.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use winterbaume_core::{MockRequest, MockResponse};

use super::router::{Reply, Router};

#[derive(Clone)]
pub(super) struct InProcess(Arc<Router>);

impl InProcess {
    pub fn new(router: Arc<Router>) -> Self {
        Self(router)
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let router = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let body = std::mem::replace(request.body_mut(), SdkBody::taken());
            let body = ByteStream::new(body)
                .collect()
                .await
                .map_err(|e| ConnectorError::io(e.into()))?
                .into_bytes();
            let mut headers = http::HeaderMap::new();
            for (name, value) in request.headers() {
                if let (Ok(name), Ok(value)) = (
                    name.parse::<http::header::HeaderName>(),
                    http::header::HeaderValue::from_str(value),
                ) {
                    headers.insert(name, value);
                }
            }
            let request = MockRequest {
                method: request.method().to_owned(),
                uri: request.uri().to_owned(),
                headers,
                body,
            };
            match router.handle(request).await {
                Reply::Response(response) => response_of(response),
                Reply::Lost => Err(ConnectorError::io("connection reset by peer".into())),
            }
        })
    }
}

fn response_of(response: MockResponse) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(response.status)
        .map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut out = HttpResponse::new(status, SdkBody::from(response.body));
    for (name, value) in &response.headers {
        if let Ok(value) = value.to_str() {
            out.headers_mut().insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(out)
}
