//! Exchanges as they go over the wire, shown to whoever watches: the tests hold them against AWS's models.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderMap;
use winterbaume_core::{MockRequest, MockResponse};

use super::call::Call;

/// A request that was served, and its reply, also where that is lost on its way. What an injected fault answers is no
/// exchange.
pub struct Exchange {
    /// What the request asked for.
    pub call: Call,
    /// The path and the query as they were sent.
    pub uri: String,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// Without the framing of `aws-chunked`.
    pub body: Bytes,
    /// The HTTP status of the reply.
    pub status: u16,
    /// The headers of the reply.
    pub reply_headers: HeaderMap,
    /// The body of the reply.
    pub reply: Bytes,
}

type Watch = Box<dyn Fn(&Exchange) + Send + Sync>;

/// Who watches: nobody, until one is set, for as long as the sandbox lives.
#[derive(Default)]
pub(super) struct Watcher(OnceLock<Watch>);

impl Watcher {
    /// Whoever is first stays.
    pub fn set(&self, watch: Watch) {
        let _ = self.0.set(watch);
    }

    /// What is kept of a request until its reply is there; `None` while nobody watches.
    pub fn begin(&self, request: &MockRequest) -> Option<MockRequest> {
        self.0.get().map(|_| request.clone())
    }

    pub fn end(&self, call: &Call, request: Option<MockRequest>, response: &MockResponse) {
        let (Some(watch), Some(request)) = (self.0.get(), request) else { return };
        watch(&Exchange {
            call: call.clone(),
            uri: request.uri,
            headers: request.headers,
            body: request.body,
            status: response.status,
            reply_headers: response.headers.clone(),
            reply: response.body.clone(),
        });
    }
}
