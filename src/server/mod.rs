//! Health, metrics and version over HTTP, for probes, load balancers and Prometheus.
//!
//! `/livez` fails when the loop has stopped turning: restart the process. `/readyz` fails while the
//! store cannot be read, the releases are not loaded, or an environment's records are damaged. Both list
//! their checks with `?verbose`, as Kubernetes' API server does. Nothing here changes anything or shows a
//! manifest.

#![warn(missing_docs)]

mod access;
mod listen;
mod openmetrics;

pub use access::{Access, AccessError};

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Token;
use crate::engine::{Check, Exemplars, Health};
use crate::model::visible;

/// The port is taken, or not ours to take.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}; give another address with --http")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

#[derive(Clone)]
struct Served {
    health: Health,
    registry: Registry,
    exemplars: Exemplars,
    token: Option<Token>,
}

impl Served {
    /// More than "ok" may be told to who asks.
    fn trusts(&self, headers: &HeaderMap) -> bool {
        self.token.as_ref().is_none_or(|token| token.is_in(headers))
    }
}

/// Takes the port, before anything else is begun.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Serves until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    registry: Registry,
    exemplars: Exemplars,
    access: Access,
    stop: CancellationToken,
) {
    let Access { tls, token } = access;
    let app = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(Served { health, registry, exemplars, token });
    listen::serve(listener, app, tls, stop).await;
}

async fn livez(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    report("livez", served.health.live(), query.as_deref(), served.trusts(&headers))
}

async fn readyz(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    report("readyz", served.health.ready(), query.as_deref(), served.trusts(&headers))
}

/// A probe learns whether all is well; who has the token, or where none is asked for, what is not.
fn report(name: &str, checks: Vec<Check>, query: Option<&str>, is_trusted: bool) -> Response {
    let ok = checks.iter().all(|(_, check)| check.is_ok());
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|q| q.split('&').any(|p| p.split('=').next() == Some("verbose")));
    if ok && !verbose {
        return (status, "ok").into_response();
    }
    if !is_trusted {
        return (status, if ok { "ok" } else { "not ok" }).into_response();
    }
    let mut body = String::new();
    for (check, result) in &checks {
        match result {
            Ok(()) => body.push_str(&format!("[+]{check} ok\n")),
            Err(reason) => {
                body.push_str(&format!("[-]{check} failed: {}\n", visible(reason)));
            }
        }
    }
    body.push_str(&format!("{name} check {}\n", if ok { "passed" } else { "failed" }));
    (status, body).into_response()
}

/// In the format that the `Accept` header asks for: OpenMetrics, or Prometheus' older text format.
async fn metrics(State(served): State<Served>, headers: HeaderMap) -> Response {
    if !served.trusts(&headers) {
        return unauthorized();
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(openmetrics::is_asked_for) {
        let body = openmetrics::encode(&served.registry.gather(), &served.exemplars);
        return ([(header::CONTENT_TYPE, openmetrics::CONTENT_TYPE)], body).into_response();
    }
    let mut body = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&served.registry.gather(), &mut body) {
        Ok(()) => {
            ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The answer to who has no token: <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "give the token\n")
        .into_response()
}

async fn version(State(served): State<Served>, headers: HeaderMap) -> Response {
    if !served.trusts(&headers) {
        return unauthorized();
    }
    let body = format!("{{\"name\":\"trueup\",\"version\":\"{}\"}}\n", env!("CARGO_PKG_VERSION"));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
