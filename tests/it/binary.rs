//! The real binary: transcripts of its verbs, and the daemon as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::sweep::leak;

/// What a start or a convergence may take on a busy machine; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that does not outlive its test.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub fn of(child: Child) -> Self {
        Self(child)
    }

    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "SIGTERM was not heeded");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The embedded AWS as a process, on a free port.
pub struct Aws {
    _process: Process,
    pub url: String,
}

impl Aws {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
            .args(["sandbox", "--no-daemon", "--listen", "127.0.0.1:0", "--busy-ms", "50"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|w| w.starts_with("http://")).unwrap().to_owned();
        Self { _process: Process(child), url }
    }

    /// One on which manifests were applied, and no daemon runs.
    pub fn with(manifest: &Path) -> Self {
        let aws = Self::start();
        assert!(aws.trueup(&["init", "--bucket", "shop-artifacts"]).status.success());
        assert!(aws.trueup(&["apply", "-f", manifest.to_str().unwrap()]).status.success());
        aws
    }

    /// An AWS client's environment: this endpoint, any credentials, and nothing of the machine's own.
    pub fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "any")
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("USER", "tester")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_REGION")
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }

    pub fn trueup(&self, arguments: &[&str]) -> Output {
        let signed = ["apply", "rollback", "delete"].contains(&arguments[0]);
        let mut command = self.client(env!("CARGO_BIN_EXE_trueup"));
        command.args(arguments);
        if signed {
            command.args(["--author", "ada", "--commit", "c0ffee", "--message", "why"]);
        }
        let output = command.output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert_eq!(leak(&String::from_utf8_lossy(said)), None, "{arguments:?}");
        }
        output
    }

    /// Waits until the current release has a verdict.
    fn until_decided(&self, environment: &str) {
        let begun = Instant::now();
        loop {
            let status = ["rollout", "status", environment, "-o", "jsonpath={.verdict}"];
            let verdict = String::from_utf8(self.trueup(&status).stdout).unwrap();
            if !["Pending", "Progressing"].contains(&verdict.trim()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{environment} is {verdict}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A verb's transcript: the call, what it printed, how it ended.
    pub fn transcript(&self, arguments: &[&str]) -> String {
        let output = self.trueup(arguments);
        let shown = arguments.iter().filter(|a| !a.contains('\n')).copied();
        let call = shown.collect::<Vec<_>>().join(" ");
        let code = output.status.code().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        let ended = if code == 0 { String::new() } else { format!("[exit {code}]\n") };
        format!("$ trueup {call}\n{out}{err}{ended}")
    }

    pub fn daemon(&self) -> (Process, String) {
        self.daemon_with(&[])
    }

    /// A daemon with arguments of its own, and where it serves.
    pub fn daemon_with(&self, arguments: &[&str]) -> (Process, String) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = self
            .client(env!("CARGO_BIN_EXE_trueup"))
            .args(["run", "--http", &port.to_string(), "--log-format", "json", "--seed", "7"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (Process(child), format!("http://{port}"))
    }
}

/// The little environment, in files, with the code that it packages.
pub fn write_shop(root: &Path) -> PathBuf {
    std::fs::create_dir_all(root.join("dist")).unwrap();
    std::fs::write(root.join("dist/main.js"), "exports.handler = async () => 'ok';\n").unwrap();
    let manifest = root.join("shop.yaml");
    std::fs::write(&manifest, SHOP).unwrap();
    manifest
}

pub const SHOP: &str = r#"apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: { name: shop }
spec:
  aws: { region: us-east-1, accountId: "123456789012" }
  artifacts: { bucket: shop-artifacts }
  reconcile: { interval: 1s }
---
apiVersion: trueup.dev/v1alpha1
kind: Table
metadata: { name: orders, namespace: shop }
spec:
  partitionKey: { name: id, type: S }
---
apiVersion: trueup.dev/v1alpha1
kind: Function
metadata: { name: api, namespace: shop }
spec:
  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/api
  memorySize: 256
  code: { path: dist }
  env:
    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }
"#;

/// Times, ids and digests differ from run to run.
pub fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(?m) {2,}", "  ");
    settings.add_filter(r"\b\d+(s|m|h)\b", "[age]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{12}\b", "[digest]");
    settings.add_filter(r"/tmp/[^ /]+", "[dir]");
    settings
}

#[test]
fn the_verbs_read_like_their_transcripts() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let file = manifest.to_str().unwrap();
    let mut said = String::new();
    let mut say = |arguments: &[&str]| said.push_str(&(aws.transcript(arguments) + "\n"));
    say(&["get"]);
    say(&["init"]);
    say(&["init"]);
    say(&["apply", "-f", file]);
    say(&["init", "--bucket", "shop-artifacts"]);
    say(&["diff", "-f", file]);
    say(&["apply", "-f", file, "--dry-run"]);
    say(&["apply", "-f", file]);
    say(&["apply", "-f", file]);
    say(&["get", "shop"]);
    let (mut daemon, _) = aws.daemon();
    say(&["wait", "shop", "--timeout", "100s"]);
    say(&["get", "shop"]);
    aws.until_decided("shop");
    say(&["diff", "shop"]);
    let edited = SHOP.replace("memorySize: 256", "memorySize: 512");
    std::fs::write(&manifest, &edited).unwrap();
    say(&["diff", "-f", file]);
    say(&["apply", "-f", file]);
    say(&["wait", "shop", "Function/api", "--timeout", "100s"]);
    aws.until_decided("shop");
    say(&["history", "shop"]);
    say(&["rollback", "shop"]);
    say(&["apply", "-f", file]);
    say(&["wait", "shop", "--timeout", "100s"]);
    aws.until_decided("shop");
    say(&["delete", "shop", "Table/orders"]);
    say(&["delete", "shop", "Function/api", "Table/orders"]);
    say(&["delete", "shop", "Function/api", "Table/orders", "--confirm", "Table/orders"]);
    say(&["wait", "shop", "--for", "delete", "--timeout", "100s"]);
    aws.until_decided("shop");
    say(&["history", "shop"]);
    say(&["suspend", "shop"]);
    say(&["resume", "shop"]);
    say(&["get", "nowhere"]);
    say(&["describe", "shop", "Table/orders"]);
    say(&["wait", "shop", "--for", "nonsense"]);
    assert!(daemon.terminate().success());
    settings().bind(|| insta::assert_snapshot!(said));
}

#[test]
fn the_daemon_serves_health_and_metrics_repairs_drift_and_stops_on_sigterm() {
    let root = tempfile::tempdir().unwrap();
    let aws = Aws::with(&write_shop(root.path()));
    let (mut daemon, http) = aws.daemon();
    assert!(aws.trueup(&["wait", "shop", "--timeout", "100s"]).status.success());
    assert_eq!(get(&http, "/livez"), (200, "ok".to_owned()));
    let livez = format!("{http}/livez");
    let healthcheck = |url: &str| {
        // Nothing listens there: what is on this machine is asked without a proxy.
        let proxy = [("HTTP_PROXY", "http://127.0.0.1:9"), ("http_proxy", "http://127.0.0.1:9")];
        let mut command = aws.client(env!("CARGO_BIN_EXE_trueup"));
        command.args(["healthcheck", url]).envs(proxy).output().unwrap()
    };
    let output = healthcheck(&livez);
    assert_eq!((output.status.code(), output.stdout), (Some(0), b"ok\n".to_vec()));
    let output = healthcheck(&format!("{http}/nothing"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("answers 404"), "{output:?}");
    let (status, ready) = get(&http, "/readyz?verbose");
    assert_eq!(status, 200);
    assert!(ready.contains("[+]store ok") && ready.ends_with("readyz check passed\n"), "{ready}");
    assert_eq!(get(&http, "/healthz").0, 200);
    assert!(get(&http, "/version").1.contains(env!("CARGO_PKG_VERSION")));
    let before = metric(&http, "trueup_drift_corrected_total{environment=\"shop\",kind=\"Table\"}");
    assert_eq!(before, Some(0.0), "a counter begins at 0");
    // Another client deletes the table.
    let store =
        aws.client(env!("CARGO_BIN_EXE_trueup")).args(["get", "-o", "json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&store.stdout).contains("\"shop-orders\""));
    delete_table(&aws, "shop-orders");
    let begun = Instant::now();
    let drift = "trueup_drift_corrected_total{environment=\"shop\",kind=\"Table\"}";
    while metric(&http, drift) != Some(1.0) {
        assert!(begun.elapsed() < PATIENCE, "the table did not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    for name in [
        "controller_runtime_reconcile_total{controller=\"Table\",result=\"error\"}",
        "controller_runtime_active_workers{controller=\"Table\"}",
        "workqueue_depth{name=\"trueup\"}",
        "workqueue_adds_total{name=\"trueup\"}",
        "workqueue_unfinished_work_seconds{name=\"trueup\"}",
        "workqueue_longest_running_processor_seconds{name=\"trueup\"}",
        "workqueue_retries_total{name=\"trueup\"}",
        "trueup_resources_ready{environment=\"shop\",kind=\"Table\"}",
        "trueup_resources_synced{environment=\"shop\",kind=\"Function\"}",
        "trueup_rollouts_total{environment=\"shop\",verdict=\"Succeeded\"}",
        "trueup_release_info{environment=\"shop\",release=\"1\",verdict=\"Succeeded\"}",
        "trueup_oldest_observation_timestamp_seconds{environment=\"shop\"}",
        "trueup_aws_requests_total{code=\"OK\",operation=\"GetFunction\",service=\"lambda\"}",
        "trueup_build_info{version=\"0.1.0\"}",
    ] {
        assert!(metric(&http, name).is_some(), "{name} is missing");
    }
    let stderr = daemon.0.stderr.take().unwrap();
    assert!(daemon.terminate().success());
    let output = healthcheck(&livez);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"), "{output:?}");
    let lines: Vec<_> = BufReader::new(stderr).lines().map(Result::unwrap).collect();
    for line in &lines {
        let keys = |key: &str| line.matches(&format!("\"{key}\":")).count();
        assert!(keys("message") == 1 && keys("name") <= 1, "a key is there twice: {line}");
    }
    let read = |line: &String| serde_json::from_str(line).unwrap();
    let logs: Vec<serde_json::Value> = lines.iter().map(read).collect();
    let step = logs.iter().find(|l| l["message"] == "step taken").unwrap();
    for field in ["environment", "kind", "object", "release", "pass"] {
        assert!(!step["span"][field].is_null(), "{field} is missing: {step}");
    }
    assert_eq!(logs.last().unwrap()["message"], "stopped");
}

#[test]
fn a_watching_get_prints_what_changes() {
    let root = tempfile::tempdir().unwrap();
    let aws = Aws::with(&write_shop(root.path()));
    let mut watch = Process(
        aws.client(env!("CARGO_BIN_EXE_trueup"))
            .args(["get", "shop", "-w"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let (send, shown) = std::sync::mpsc::channel();
    let stdout = watch.0.stdout.take().unwrap();
    std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.take_while(|line| send.send(line.clone()).is_ok()).for_each(drop);
    });
    let until = |words: [&str; 2]| {
        let found = |line: &String| words.iter().all(|word| line.contains(word));
        while !found(&shown.recv_timeout(PATIENCE).unwrap()) {}
    };
    until(["orders", "no daemon runs"]);
    let _daemon = aws.daemon();
    until(["orders", "True"]);
}

#[test]
fn manifests_come_from_standard_input_and_from_kustomizations_too() {
    use std::io::Write;
    let run = |arguments: &[&str], input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(run(&["validate", "-f", "-"], SHOP).1, "3 objects are valid\n");
    let (ok, _, said) = run(&["validate", "-f", "-"], "kind: Tabel");
    assert!(!ok && said.contains(" --> stdin:1:7"), "{said}");
    let root = tempfile::tempdir().unwrap();
    write_shop(root.path());
    let kustomization = "resources: [shop.yaml]
patches:
  - target: { kind: Function }
    patch: |-
      - op: replace
        path: /spec/memorySize
        value: 64
";
    std::fs::write(root.path().join("kustomization.yaml"), kustomization).unwrap();
    let (ok, _, said) = run(&["validate", "-k", root.path().to_str().unwrap()], "");
    // Where neither tool is installed, that is what is said.
    let expected = ["spec.memorySize is below 128", "neither `kubectl` nor `kustomize`"];
    assert!(!ok && expected.iter().any(|e| said.contains(e)), "{said}");
}

#[test]
fn the_sandbox_tells_what_it_makes_until_all_is_ready_and_ends_on_ctrl_c() {
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args([
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--http",
            &free(),
            "--fault",
            "lambda:*=throttle*2",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut process = Process(child);
    let mut told = Vec::new();
    for line in lines.by_ref() {
        told.push(line.unwrap());
        if told.last().unwrap().starts_with("Ctrl-C ends it") {
            break;
        }
    }
    let told = told.join("\n");
    for expected in [
        "production   Function/api     Created         function",
        "all 18 objects are Ready",
        "Try, in another terminal",
    ] {
        assert!(told.contains(expected), "{expected} is missing: {told}");
    }
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert_eq!(rest.last().map(String::as_str), Some("sandbox ended; nothing is left behind"));
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn a_disk_that_takes_no_more_stops_the_packaging_and_records_nothing() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    // Bytes that do not compress.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(200_000)
    .collect();
    std::fs::write(root.path().join("dist/noise.bin"), noise).unwrap();
    assert!(aws.trueup(&["init", "--bucket", "shop-artifacts"]).status.success());
    // No file may grow beyond some kilobytes; the signal that goes with it is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} apply -f {}",
        env!("CARGO_BIN_EXE_trueup"),
        manifest.display()
    );
    let output = aws.client("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Function/api: cannot package") && said.contains("dist"), "{said}");
    let history = aws.trueup(&["history", "shop"]);
    assert!(String::from_utf8_lossy(&history.stderr).contains("there is no environment `shop`"));
}

#[test]
fn waiting_for_what_is_stalled_fails_at_once_with_the_reason() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let elsewhere = SHOP
        .replace("123456789012\" }", "999999999999\" }")
        .replace("  code: { path: dist }", "  code: { s3: { bucket: b-b, key: k } }");
    std::fs::write(&manifest, elsewhere).unwrap();
    assert!(aws.trueup(&["init"]).status.success());
    assert!(aws.trueup(&["apply", "-f", manifest.to_str().unwrap()]).status.success());
    let (mut daemon, _) = aws.daemon();
    let waited = aws.trueup(&["wait", "shop", "--timeout", "1h"]);
    let said = String::from_utf8_lossy(&waited.stderr);
    assert!(said.contains("is stalled: WrongAccount: "), "{said}");
    assert_eq!(waited.status.code(), Some(1));
    assert!(daemon.terminate().success());
}

#[test]
fn a_daemon_without_its_table_says_to_run_init() {
    let aws = Aws::start();
    let output = aws
        .client(env!("CARGO_BIN_EXE_trueup"))
        .args(["run", "--http", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("run `trueup init`"), "{said}");
}

#[test]
fn an_unreachable_store_is_said_in_one_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .arg("get")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("error: dynamodb GetItem: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn schemas_crds_and_completions_are_printed() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trueup")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all: serde_json::Value = serde_json::from_str(&run(&["schema"])).unwrap();
    let validator = jsonschema::validator_for(&all).unwrap();
    let sample = run(&["schema", "Table"]);
    assert!(
        serde_json::from_str::<serde_json::Value>(&sample).unwrap()["properties"]["spec"]
            .is_object()
    );
    let table = serde_json::json!({
        "apiVersion": "trueup.dev/v1alpha1", "kind": "Table", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"partitionKey": {"name": "id", "type": "S"}},
    });
    assert!(validator.is_valid(&table));
    let mut wrong = table;
    wrong["spec"]["partitionkey"] = serde_json::json!(1);
    assert!(!validator.is_valid(&wrong));
    let crds = run(&["schema", "--crd"]);
    assert_eq!(crds.matches("kind: CustomResourceDefinition").count(), 5, "{crds:.300}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completion", shell]).contains("COMPLETE"), "{shell}");
    }
}

/// One GET, without an HTTP library: the status and the body.
pub fn get(http: &str, path: &str) -> (u16, String) {
    get_as(http, path, "*/*")
}

/// Asks for one format.
pub fn get_as(http: &str, path: &str, accept: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let address = http.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn metric(http: &str, name: &str) -> Option<f64> {
    let body = get(http, "/metrics").1;
    let line = body.lines().find(|l| l.starts_with(name))?;
    line[name.len()..].trim().parse().ok()
}

async fn client_config(aws: &Aws) -> aws_config::SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(&aws.url)
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(aws_credential_types::Credentials::new(
            "any", "any", None, None, "test",
        ))
        .load()
        .await
}

fn delete_table(aws: &Aws, table: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = client_config(aws).await;
        let client = aws_sdk_dynamodb::Client::new(&config);
        client.delete_table().table_name(table).send().await.unwrap();
    });
}

/// Nobody waits for what the environment does without.
#[test]
fn wait_does_not_wait_for_what_is_optional_and_names_it() {
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    // Somebody else has a bucket of that name.
    let optional = "---\napiVersion: trueup.dev/v1alpha1\nkind: Bucket\nmetadata: { name: extras, namespace: shop, \
                    annotations: { trueup.dev/criticality: optional } }\nspec: {}\n";
    std::fs::write(&manifest, format!("{SHOP}{optional}")).unwrap();
    let aws = Aws::with(&manifest);
    make_bucket(&aws, "shop-extras");
    let (_daemon, _) = aws.daemon();
    let output = aws.trueup(&["wait", "shop", "--timeout", "100s"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("without Bucket/extras, which is optional"), "{said}");
    let output = aws.trueup(&["wait", "shop", "Bucket/extras", "--timeout", "5s"]);
    assert_eq!(output.status.code(), Some(1), "by its name it is waited for");
}

fn make_bucket(aws: &Aws, bucket: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = client_config(aws).await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let client = aws_sdk_s3::Client::from_conf(s3);
        client.create_bucket().bucket(bucket).send().await.unwrap();
    });
}

/// The binary with its standard output put somewhere.
fn into(stdout: impl Into<Stdio>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_verb_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = into(writer, &["schema", "Function"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{:?} {err}", output.status);
}

#[test]
fn an_output_that_takes_nothing_is_an_error_and_no_panic() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = into(full, &["schema", "Function"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("error: cannot write to standard output"), "{err}");
}

#[test]
fn nothing_that_is_given_works_on_the_terminal() {
    let root = tempfile::tempdir().unwrap();
    let manifest = root.path().join("a.yaml");
    let text = "apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: { name: \"\\e]0;t\\a\", namespace: dev }\nspec: { partitionKey: { name: id, type: S }, \"\\e[2J\": 1 }\n";
    std::fs::write(&manifest, text).unwrap();
    let path = manifest.to_str().unwrap();
    for arguments in [
        &["validate", "-f", path][..],
        &["validate", "-f", "\u{1b}[31m.yaml"],
        &["\u{1b}]0;title\u{7}"],
        &["schema", "\u{202e}Function"],
    ] {
        let output = into(Stdio::piped(), arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        // Of a whole sequence clap shows nothing.
        let shows = arguments.len() == 1 || err.contains("\\u");
        assert!(!trueup::model::has_hidden(&err) && shows, "{arguments:?}: {err:?}");
    }
}

#[test]
fn doctor_says_what_is_wrong_and_what_is_well() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let doctor = |expected: i32, words: &[&str]| {
        let output = aws.trueup(&["doctor"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    doctor(1, &["[ok]     credentials of account 123456789012", "[failed] the table `trueup`"]);
    assert!(aws.trueup(&["init", "--bucket", "shop-artifacts"]).status.success());
    assert!(aws.trueup(&["apply", "-f", manifest.to_str().unwrap()]).status.success());
    doctor(1, &["[ok]     shop: release 1", "[failed] shop: no daemon runs for it"]);
    let (mut daemon, _) = aws.daemon();
    assert!(aws.trueup(&["wait", "shop", "--timeout", "100s"]).status.success());
    doctor(0, &["reconciles it", "[ok]     shop: all of its 2 objects can be read"]);
    // What was seen of the form before says nothing of one that no daemon has applied.
    assert!(daemon.terminate().success());
    std::fs::write(&manifest, SHOP.replace("nodejs22.x", "nodejs24.x")).unwrap();
    assert!(aws.trueup(&["apply", "-f", manifest.to_str().unwrap()]).status.success());
    let shown = String::from_utf8(aws.trueup(&["get", "shop", "Function/api"]).stdout).unwrap();
    let line = shown.lines().find(|line| line.contains("api")).unwrap();
    assert!(line.contains("Unknown") && line.contains("no daemon runs"), "{shown}");
}

#[test]
fn what_is_not_there_is_an_error_whatever_it_is_called() {
    let root = tempfile::tempdir().unwrap();
    let aws = Aws::with(&write_shop(root.path()));
    for (arguments, code, said) in [
        (&["get", "shop", "functions"][..], 0, "api"),
        (&["get", "shop", "fn/api"], 0, "api"),
        (&["get", "shop", "Function/nope"], 1, "shop has no Function/nope"),
        (&["get", "shop", "queues"], 2, "there is no kind `queues`"),
        (&["reconcile", "shop", "Function/nope"], 1, "shop has no Function/nope"),
        (&["describe", "shop/tables/orders"], 0, "partitionKey"),
        (&["describe", "shop"], 2, "name the object"),
        (&["explain", "Function.memorySize"], 0, "128 to 10240"),
        (&["explain", "fn.memroySize"], 1, "did you mean `memorySize`?"),
    ] {
        let output = aws.trueup(arguments);
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

/// The commands and files of docs/getting-started.md: those blocks that are marked as shell, YAML and JavaScript.
#[test]
fn a_first_half_hour_goes_as_the_page_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/getting-started.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = |language: &str| -> Vec<String> {
        let begin = format!("```{language}\n");
        let parts = page.split(&begin).skip(1);
        parts.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let root = tempfile::tempdir().unwrap();
    let shop = root.path().join("shop");
    std::fs::create_dir_all(shop.join("dist")).unwrap();
    std::fs::write(shop.join("dist/main.js"), &blocks("js")[0]).unwrap();
    std::fs::write(shop.join("shop.yaml"), &blocks("yaml")[0]).unwrap();
    let aws = Aws::start();
    let mut daemon = None;
    let lines: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|b| b.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        if line.starts_with("trueup wait") && daemon.is_none() {
            daemon = Some(aws.daemon());
        }
        let shop = shop.to_str().unwrap();
        let words = line.split(' ').skip(1);
        let words: Vec<_> = words
            .scan("", |before, word| {
                let word = if *before == "-f" { shop } else { word };
                *before = word;
                Some(word)
            })
            .collect();
        let output = aws.trueup(&words);
        let text = [&output.stdout[..], &output.stderr].concat();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn a_release_that_would_delete_many_things_at_once_is_refused_until_their_number_is_confirmed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("code")).unwrap();
    let source = "exports.handler = async () => 1;\n";
    std::fs::write(root.path().join("code/main.js"), source).unwrap();
    let function = |i| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\n\
             metadata: {{ name: f{i}, namespace: shop }}\n\
             spec: {{ runtime: nodejs22.x, handler: main.handler, code: {{ path: code }}, \
             role: \"arn:aws:iam::123456789012:role/api\" }}\n"
        )
    };
    let manifests = |functions: usize| {
        let path = root.path().join("shop.yaml");
        let environment = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\n\
            metadata: { name: shop }\nspec:\n  aws: { region: us-east-1 }\n  \
            artifacts: { bucket: shop-artifacts }\n";
        let functions: String = (0..functions).map(function).collect();
        std::fs::write(&path, environment.to_owned() + &functions).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let aws = Aws::with(Path::new(&manifests(12)));
    let few = manifests(1);
    let refused = aws.trueup(&["apply", "-f", &few, "--prune"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("would delete 11 resources at once"), "{said}");
    assert!(said.contains("add: --confirm-deletions 11"), "{said}");
    let release = ["get", "shop", "-o", "jsonpath={.items[*].metadata.name}"];
    assert_eq!(
        aws.trueup(&release).stdout.split(|b| *b == b' ').count(),
        12,
        "nothing was recorded"
    );
    let applied = aws.trueup(&["apply", "-f", &few, "--prune", "--confirm-deletions", "11"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}
