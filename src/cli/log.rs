//! The log on standard error.
//!
//! Guarantees: whatever filter is asked for, what the SDK and its HTTP client say of the requests that they
//! send stays out: it has every secret in plain text. Colours only on a terminal.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    #[default]
    Human,
    Json,
}

/// What may say more than that something happened, as the beginnings of its targets.
const WIRE: [&str; 9] = [
    "aws_config",
    "aws_credential",
    "aws_runtime",
    "aws_sdk",
    "aws_sigv4",
    "aws_smithy",
    "h2",
    "hyper",
    "rustls",
];

/// Whether a record may be logged at all.
fn is_no_wire_log(metadata: &Metadata<'_>) -> bool {
    let is_wire = WIRE.iter().any(|target| metadata.target().starts_with(target));
    !is_wire || *metadata.level() <= Level::WARN
}

pub(super) fn log_to_stderr(format: LogFormat, default: &str) {
    let asked = EnvFilter::try_from_env("TRUEUP_LOG")
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new(default));
    let filter = asked.and(filter_fn(is_no_wire_log));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Human => {
            let ansi = std::io::stderr().is_terminal();
            lines.with_ansi(ansi).with_target(false).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let json = lines.json().flatten_event(true);
            json.with_current_span(true).with_span_list(false).with_filter(filter).boxed()
        }
    };
    // Fails only where a subscriber is set already, which then stays.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}
