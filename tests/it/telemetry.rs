//! What a daemon tells machines, read by other programs: metrics by promtool and by Prometheus' parser of
//! OpenMetrics, and traces by a collector that decodes OTLP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::binary::{Aws, get, get_as, write_shop};
use crate::sweep::leak;

/// Runs promtool with a text. `None` where it is not there; CI has it.
pub fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs promtool");
        eprintln!("promtool is not installed: the metrics are not checked");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

pub fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s).into_owned());
    streams.concat()
}

/// A collector of traces on a port of its own, and the requests that it got.
fn collector() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            while let Some(request) = stream.as_ref().ok().and_then(collect) {
                // The test may have seen enough.
                let _ = send.send(request);
            }
        }
    });
    (url, received)
}

/// Reads one request and answers it. `None` where the client has closed the connection.
fn collect(stream: &TcpStream) -> Option<ExportTraceServiceRequest> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    assert_eq!(first.trim_end(), "POST /v1/traces HTTP/1.1");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", number)) => length = number.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    Some(ExportTraceServiceRequest::decode(&*body).unwrap())
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    span.attributes.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

/// Runs the shop to Ready with a daemon that is watched, and gives what it told.
fn told() -> ([String; 2], Vec<Span>) {
    let (url, traces) = collector();
    let root = tempfile::tempdir().unwrap();
    let aws = Aws::with(&write_shop(root.path()));
    let (mut daemon, http) = aws.daemon_with(&["--otlp-endpoint", &url, "--lease-owner", "one"]);
    assert!(aws.trueup(&["wait", "shop", "--timeout", "100s"]).status.success());
    let (status, metrics) = get(&http, "/metrics");
    assert_eq!(status, 200);
    let (_, open) = get_as(&http, "/metrics", "application/openmetrics-text; version=1.0.0");
    // What is left is sent before it ends.
    assert!(daemon.terminate().success());
    let spans = traces.try_iter().flat_map(|request| request.resource_spans);
    let spans = spans.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    ([metrics, open], spans.collect())
}

#[test]
fn other_programs_understand_what_the_daemon_tells() {
    let ([metrics, open], spans) = told();
    assert!(metrics.contains("trueup_resources_ready{environment=\"shop\""), "{metrics}");
    assert!(metrics.contains("trueup_lease_owner_info{lease_owner=\"one-"), "{metrics}");
    if let Some(output) = promtool(&["check", "metrics"], &metrics) {
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    }
    openmetrics_are_read(&open);
    traces_have_a_pass_and_its_calls(&spans);
}

/// By Prometheus' own parser; the exemplars say which pass.
fn openmetrics_are_read(open: &str) {
    let Some(python) = crate::python::bin() else { return };
    let program = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        for family in parse(sys.stdin.read()):\n\
        \x20   for s in family.samples:\n\
        \x20       if s.exemplar: print(s.name, s.labels['controller'], s.exemplar.labels['pass'])\n";
    let mut parser = Command::new(python.join("python"))
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    parser.stdin.take().unwrap().write_all(open.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let exemplars = String::from_utf8(output.stdout).unwrap();
    let of_function = "controller_runtime_reconcile_time_seconds_bucket Function ";
    let pass = exemplars.lines().find_map(|line| line.strip_prefix(of_function)).unwrap();
    assert!(pass.parse::<u64>().unwrap() > 0, "{exemplars}");
}

fn traces_have_a_pass_and_its_calls(spans: &[Span]) {
    let is_of_function = |span: &&Span| {
        let attributes = attributes(span);
        let says =
            |name: &str, value: &str| attributes.get(name).is_some_and(|v| v.contains(value));
        span.name == "pass" && says("environment", "shop") && says("kind", "Function")
    };
    let passes: Vec<_> = spans.iter().filter(is_of_function).collect();
    assert!(!passes.is_empty(), "{:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    let calls: Vec<_> = spans
        .iter()
        .filter(|span| passes.iter().any(|pass| pass.span_id == span.parent_span_id))
        .map(|span| span.name.as_str())
        .collect();
    assert!(calls.contains(&"lambda.CreateFunction"), "{calls:?}");
    // The store and the secrets are called, too; what they say is in no trace.
    for span in spans {
        assert_eq!(leak(&format!("{span:?}")), None);
    }
}
