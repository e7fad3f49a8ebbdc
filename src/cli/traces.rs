//! A trace for each pass, with its AWS calls, sent by OTLP over HTTP to whoever collects them.
//!
//! Guarantees: off unless an endpoint is given; a collector that does not answer holds nothing up, and what it
//! does not take is dropped; no request of the SDK and no secret is in a trace. Left to others: what a span says
//! (`engine/runner.rs`, `aws/call.rs`).

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::CliError;
use crate::aws::CALL_SPANS;

/// How long the collector may take for one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where traces go.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// `endpoint` is the collector's base, as `http://127.0.0.1:4318`: OTLP's path is appended to it.
    pub(super) fn to(endpoint: &str) -> Result<Self, CliError> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.with_endpoint(url).with_timeout(EXPORT_TIMEOUT).build();
        let exporter = exporter.map_err(|error| {
            let hint = "give its base as http://HOST:4318 with --otlp-endpoint";
            CliError::refused(format!("the collector `{endpoint}` cannot be used: {error}; {hint}"))
        })?;
        let resource = Resource::builder().with_service_name(env!("CARGO_PKG_NAME")).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Self(provider.with_resource(resource).build()))
    }

    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.tracer(env!("CARGO_PKG_NAME"));
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false);
        layer.with_threads(false).with_filter(filter_fn(is_traced))
    }

    /// Sends what is left. It may wait for the collector, up to a limit.
    pub(super) fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(EXPORT_TIMEOUT) {
            warn!(%error, "the last traces could not be sent; look at what --otlp-endpoint names");
        }
    }
}

/// The passes and the calls of trueup, with what the log says of them; nothing of what it stands on.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let is_call = metadata.target() == CALL_SPANS;
    let is_ours = metadata.target().starts_with(env!("CARGO_PKG_NAME"));
    is_call || is_ours && *metadata.level() <= Level::INFO
}
