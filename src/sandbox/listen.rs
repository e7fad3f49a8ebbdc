//! The sandbox on a port, for any AWS client.

use std::net::SocketAddr;

use axum::Router as Http;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use winterbaume_core::MockRequest;

use super::Sandbox;
use super::router::Reply;

/// The largest request; an artifact of 250 MB fits.
const BODY_BYTES_MAX: usize = 300 * 1024 * 1024;

/// Why the sandbox does not listen.
#[expect(missing_docs, reason = "the messages say what each is")]
#[derive(Debug, Error)]
pub enum ServeError {
    #[error("the sandbox listens on loopback only; {0} is reachable from elsewhere")]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}; give another with --listen")]
    Bind { address: SocketAddr, source: std::io::Error },
}

impl Sandbox {
    /// Binds the port. Port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })
    }

    /// Serves AWS until `stop` is cancelled.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let app = Http::new().fallback(answer).with_state(self);
        let served = axum::serve(listener, app)
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the sandbox stopped listening");
        }
    }
}

async fn answer(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, HeaderMap::new(), Body::empty());
    };
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let request = MockRequest {
        method: parts.method.to_string(),
        uri: format!("http://sandbox{path}"),
        headers: parts.headers,
        body,
    };
    match sandbox.router.handle(request).await {
        Reply::Response(response) => {
            let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
            plain(status, response.headers, Body::from(response.body))
        }
        // A body that breaks off ends the connection before the reply is whole.
        Reply::Lost => {
            let broken =
                futures::stream::once(async { Err::<&[u8], _>(std::io::Error::other("lost")) });
            plain(StatusCode::OK, HeaderMap::new(), Body::from_stream(broken))
        }
    }
}

fn plain(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
