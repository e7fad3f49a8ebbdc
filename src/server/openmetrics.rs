//! The metrics in OpenMetrics' text format, for who asks for it: with exemplars, which the older format lacks.
//!
//! Source: the OpenMetrics specification 1.0 (prometheus/OpenMetrics): a counter's family is called without
//! `_total`, `le` is a canonical float, and the text ends with `# EOF`.

use std::fmt::Write;

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::engine::{Exemplar, Exemplars};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether an `Accept` header asks for this format.
pub fn is_asked_for(accept: &str) -> bool {
    accept.split(',').any(|part| part.trim().starts_with("application/openmetrics-text"))
}

pub fn encode(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let exemplars = exemplars.all();
    let of = |name: &'static str, metric: &Metric| {
        let controller = metric.get_label().iter().find(|label| label.name() == "controller")?;
        exemplars.get(&(name, controller.value().to_owned()))
    };
    let mut text = String::new();
    for family in families {
        let kind = family.get_field_type();
        let name = match kind {
            MetricType::COUNTER => family.name().trim_end_matches("_total"),
            _ => family.name(),
        };
        line(&mut text, format_args!("# HELP {name} {}", escaped(family.help())));
        line(&mut text, format_args!("# TYPE {name} {}", word(kind)));
        let known = crate::engine::EXEMPLARS.into_iter().find(|known| *known == family.name());
        for metric in family.get_metric() {
            let exemplar = known.and_then(|known| of(known, metric));
            let labels = labels(metric.get_label(), None);
            match kind {
                MetricType::COUNTER => {
                    let value = metric.get_counter().get_value();
                    let shown = exemplar.map(shown).unwrap_or_default();
                    line(&mut text, format_args!("{name}_total{labels} {}{shown}", number(value)));
                }
                MetricType::HISTOGRAM => {
                    histogram(&mut text, name, metric, exemplar);
                }
                _ => {
                    let value = metric.get_gauge().get_value();
                    line(&mut text, format_args!("{name}{labels} {}", number(value)));
                }
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

fn histogram(text: &mut String, name: &str, metric: &Metric, exemplar: Option<&Exemplar>) {
    let histogram: &Histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let bounds = histogram.get_bucket().iter();
    let bounds = bounds.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    // Below this bound the exemplar was counted already.
    let mut below = f64::NEG_INFINITY;
    for (bound, counted) in bounds.chain([(f64::INFINITY, count)]) {
        let is_in = |e: &&Exemplar| e.value > below && e.value <= bound;
        let shown = exemplar.filter(is_in).map(shown).unwrap_or_default();
        let labels = labels(metric.get_label(), Some(&number(bound)));
        line(text, format_args!("{name}_bucket{labels} {counted}{shown}"));
        below = bound;
    }
    let labels = labels(metric.get_label(), None);
    line(text, format_args!("{name}_sum{labels} {}", number(histogram.get_sample_sum())));
    line(text, format_args!("{name}_count{labels} {count}"));
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content}");
}

fn shown(exemplar: &Exemplar) -> String {
    let at = exemplar.at.as_millisecond() as f64 / 1e3;
    format!(" # {{pass=\"{}\"}} {} {at}", exemplar.pass, number(exemplar.value))
}

fn word(kind: MetricType) -> &'static str {
    match kind {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY | MetricType::UNTYPED => "unknown",
    }
}

/// As Go prints it: a whole number has `.0`.
fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value => format!("{value:?}"),
    }
}

fn labels(pairs: &[LabelPair], le: Option<&str>) -> String {
    let pairs = pairs.iter().map(|pair| (pair.name(), pair.value()));
    let all = pairs.chain(le.map(|le| ("le", le)));
    let all: Vec<_> = all.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_the_format_gets_it() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        assert!(is_asked_for(prometheus));
        assert!(!is_asked_for("text/plain;version=0.0.4") && !is_asked_for("*/*"));
    }

    #[test]
    fn an_exemplar_stands_at_the_bucket_that_counted_it() {
        let registry = prometheus::Registry::new();
        let metrics = crate::engine::EngineMetrics::register(&registry).unwrap();
        metrics.pass_ended("Table", "error", 0.07, 42, "2026-01-01T00:00:00Z".parse().unwrap());
        let text = encode(&registry.gather(), &metrics.exemplars);
        let of_table: Vec<_> = text
            .lines()
            .filter(|line| line.contains("# {pass=") && line.contains("controller=\"Table\""))
            .collect();
        assert_eq!(
            of_table,
            [
                "controller_runtime_reconcile_errors_total{controller=\"Table\"} 1.0 # {pass=\"42\"} 1.0 1767225600",
                "controller_runtime_reconcile_time_seconds_bucket{controller=\"Table\",le=\"0.1\"} 1 # {pass=\"42\"} 0.07 1767225600",
            ]
        );
        assert!(text.contains("# TYPE controller_runtime_reconcile_errors counter\n"));
        assert!(text.contains("le=\"5.0\"") && text.contains("le=\"+Inf\""));
        assert!(text.ends_with("\n# EOF\n"));
    }
}
