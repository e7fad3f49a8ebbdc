//! The log on standard error.
//!
//! Guarantees: whatever filter is asked for, what the SDK and its HTTP client say of the requests that they
//! send stays out: it has every secret in plain text. Colours only on a terminal. What is hidden in the texts
//! of others is shown.

use std::io::{self, Write};

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::out;
use super::traces::Traces;
use crate::aws::CALL_SPANS;
use crate::model::{visible, visible_in_colour};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    #[default]
    Human,
    Json,
}

/// What may say more than that something happened, as the beginnings of its targets.
const WIRE: [&str; 11] = [
    "aws_config",
    "aws_credential",
    "aws_runtime",
    "aws_sdk",
    "aws_sigv4",
    "aws_smithy",
    "h2",
    "hyper",
    "opentelemetry",
    "reqwest",
    "rustls",
];

/// Whether a record may be logged at all. Spans of single calls are for traces alone.
fn is_no_wire_log(metadata: &Metadata<'_>) -> bool {
    let is_wire = WIRE.iter().any(|target| metadata.target().starts_with(target));
    let is_traced_only = metadata.target() == CALL_SPANS;
    !is_traced_only && (!is_wire || *metadata.level() <= Level::WARN)
}

pub(super) fn log_to_stderr(format: LogFormat, default: &str, traces: Option<&Traces>) {
    let asked = EnvFilter::try_from_env("TRUEUP_LOG")
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new(default));
    let filter = asked.and(filter_fn(is_no_wire_log));
    let ansi = format == LogFormat::Human && out::has_colours();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || Log { has_colours: ansi });
    let layer = match format {
        LogFormat::Human => lines.with_ansi(ansi).with_target(false).with_filter(filter).boxed(),
        LogFormat::Json => {
            let json = lines.json().flatten_event(true);
            json.with_current_span(true).with_span_list(false).with_filter(filter).boxed()
        }
    };
    // Fails only where a subscriber is set already, which then stays.
    let _ = tracing_subscriber::registry().with(layer).with(traces.map(Traces::layer)).try_init();
}

/// A record is one line: a line end in a text of others would look like the next record.
fn one_line(record: &str) -> String {
    let (text, end) = record.strip_suffix('\n').map_or((record, ""), |text| (text, "\n"));
    format!("{}{end}", text.replace('\n', "\\n"))
}

/// Standard error. A record comes as one write.
struct Log {
    /// Sequences of colours are our own: tracing shows those of others.
    has_colours: bool,
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = one_line(&String::from_utf8_lossy(bytes));
        let shown = match self.has_colours {
            true => visible_in_colour(&text),
            false => visible(&text).into_owned(),
        };
        io::stderr().lock().write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
