//! What Prometheus' own tool says of the metrics and of the alerts in docs/.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::binary::{Aws, get, write_shop};

/// Runs promtool with a text. `None` where it is not there; CI has it.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
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

fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s).into_owned());
    streams.concat()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    assert!(aws.trueup(&["init", "--bucket", "shop-artifacts"]).status.success());
    assert!(aws.trueup(&["apply", "-f", manifest.to_str().unwrap()]).status.success());
    let (mut daemon, http) = aws.daemon();
    assert!(aws.trueup(&["wait", "shop", "--timeout", "100s"]).status.success());
    let (status, metrics) = get(&http, "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("trueup_resources_ready{environment=\"shop\""), "{metrics}");
    assert!(daemon.terminate().success());
    let Some(output) = promtool(&["check", "metrics"], &metrics) else { return };
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

#[test]
fn the_alerts_of_the_documents_are_rules() {
    let page = include_str!("../../docs/metrics.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (rules, _) = rest.split_once("```").unwrap();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let path = file.path().to_str().unwrap();
    let Some(output) = promtool(&["check", "rules", path], "") else { return };
    assert!(output.status.success(), "{}", said(&output));
}
