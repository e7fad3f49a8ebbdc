//! An environment of many objects, its AWS and its daemon.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::runtime::Runtime;
use trueup::aws::{Connection, Session, Sessions};
use trueup::model::Clock;

use crate::process::{Process, Usage, free_port};

const BINARY: &str = env!("CARGO_BIN_EXE_trueup");
const ENVIRONMENT: &str = "bench";
const ARTIFACTS: &str = "artifacts";
/// Beyond this a measurement has failed.
const PATIENCE: Duration = Duration::from_secs(1800);
const OBSERVE_EVERY: Duration = Duration::from_millis(20);

/// Of each seven objects, five functions, a table and a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Objects {
    pub functions: u64,
    pub tables: u64,
    pub buckets: u64,
}

impl Objects {
    pub fn of(total: u64) -> Self {
        let group = total / 7;
        Self { functions: total - 2 * group, tables: group, buckets: group }
    }

    pub fn total(self) -> u64 {
        self.functions + self.tables + self.buckets
    }
}

pub struct Fleet {
    objects: Objects,
    url: String,
    runtime: Runtime,
    session: Session,
    manifests: tempfile::TempDir,
    daemon: Option<(Process, u16)>,
    _sandbox: Process,
}

impl Fleet {
    /// An embedded AWS with an initialized store and the functions' code.
    pub fn new(objects: Objects) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["sandbox", "--no-daemon", "--listen", "127.0.0.1:0", "--busy-ms", "50"]);
        let (sandbox, line) = Process::start_and_read(&mut command, "embedded AWS on ");
        let url = line.split_whitespace().find(|w| w.starts_with("http://")).expect("its URL");
        let runtime = Runtime::new().expect("a runtime");
        let connection = Connection {
            endpoint_url: Some(url.to_owned()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(SharedCredentialsProvider::new(Credentials::new(
                "bench", "bench", None, None, "bench",
            ))),
            quota_scale: Some(1000.0),
            web: None,
            http_client: None,
        };
        let session = runtime.block_on(async {
            let sessions = Sessions::new(&connection, Clock::system(), None).await;
            sessions.home().await.expect("a region is given")
        });
        let manifests = tempfile::tempdir().expect("a folder for the manifests");
        let fleet = Self {
            objects,
            url: url.to_owned(),
            runtime,
            session,
            manifests,
            daemon: None,
            _sandbox: sandbox,
        };
        fleet.trueup(&["init", "--bucket", ARTIFACTS]);
        fleet.runtime.block_on(async {
            let put = fleet.session.s3().put_object().bucket(ARTIFACTS).key("api.zip");
            put.body(b"code".to_vec().into()).send().await.expect("the code is put");
        });
        fleet
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench");
        command
    }

    /// Runs a verb to its end.
    fn trueup(&self, args: &[&str]) {
        let status = self.command().args(args).stdout(Stdio::null()).status().expect("it runs");
        assert!(status.success(), "trueup {args:?}: {status}");
    }

    /// Records the environment, with 512 MB for every function.
    pub fn apply(&self) {
        self.apply_with(512);
    }

    fn apply_with(&self, first_memory: u32) {
        let text = self.manifest(first_memory);
        std::fs::write(self.manifests.path().join("bench.yaml"), text).expect("it is written");
        let folder: &Path = self.manifests.path();
        self.trueup(&["apply", "-f", &folder.display().to_string()]);
    }

    fn manifest(&self, first_memory: u32) -> String {
        let mut text = format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {ENVIRONMENT} }}\nspec:\n  \
             aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
             reconcile: {{ interval: 24h }}\n"
        );
        let mut add = |kind: &str, name: String, spec: &str| {
            let _ = write!(
                text,
                "---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: {ENVIRONMENT} }}\nspec: {spec}\n"
            );
        };
        for i in 0..self.objects.functions {
            let memory = if i == 0 { first_memory } else { 512 };
            let spec = format!(
                "{{ runtime: nodejs22.x, handler: main.handler, role: \"arn:aws:iam::123456789012:role/api\", memorySize: {memory}, \
                 timeout: 15, code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}, env: [{{ name: STAGE, value: bench }}] }}"
            );
            add("Function", format!("f{i}"), &spec);
        }
        for i in 0..self.objects.tables {
            add(
                "Table",
                format!("t{i}"),
                "{ partitionKey: { name: id, type: S }, ttl: { attribute: expiresAt } }",
            );
        }
        for i in 0..self.objects.buckets {
            add(
                "Bucket",
                format!("b{i}"),
                "{ versioning: Enabled, objectOwnership: BucketOwnerEnforced }",
            );
        }
        text
    }

    /// Starts the daemon and waits until it says that it is ready. AWS's default quotas are lifted: the
    /// embedded AWS has none, and it is the daemon that is measured.
    pub fn start(&mut self) {
        let port = free_port();
        let mut command = self.command();
        command.args(["run", "--http", &format!("127.0.0.1:{port}"), "--quota-scale", "1000"]);
        command.env("TRUEUP_LOG", "error").stderr(Stdio::null());
        self.daemon = Some((Process::start(&mut command), port));
        self.until("the daemon is ready", || self.http("/readyz").starts_with("HTTP/1.1 200"));
    }

    /// Ends the daemon and starts another; returns how long that one took to be ready.
    pub fn restart(&mut self) -> Duration {
        if let Some((daemon, _)) = self.daemon.take() {
            daemon.terminate();
        }
        let begun = Instant::now();
        self.start();
        begun.elapsed()
    }

    pub fn usage(&self) -> Usage {
        self.daemon.as_ref().map(|(daemon, _)| daemon.usage()).unwrap_or_default()
    }

    pub fn until_ready(&self) {
        let all = self.objects.total();
        self.until_every("all are ready", Duration::from_millis(200), || {
            self.sum("trueup_resources_ready{") == all
        });
    }

    /// Asks the daemon to observe everything; returns how long it took.
    pub fn pass(&self) -> Duration {
        let target = self.sum("controller_runtime_reconcile_total{") + self.objects.total();
        self.trueup(&["reconcile", ENVIRONMENT]);
        let begun = Instant::now();
        self.until_every("everything was observed", Duration::from_millis(100), || {
            self.sum("controller_runtime_reconcile_total{") >= target
        });
        begun.elapsed()
    }

    /// Somebody changes a function, and asks for a look at it; returns how long its repair took.
    pub fn repair(&self) -> Duration {
        self.runtime.block_on(async {
            let update = self.session.lambda().update_function_configuration();
            update.function_name("bench-f0").memory_size(128).send().await.expect("it is changed");
        });
        // Lambda is done with the change before anybody looks.
        std::thread::sleep(Duration::from_millis(200));
        self.trueup(&["reconcile", ENVIRONMENT, "Function/f0"]);
        let begun = Instant::now();
        self.until("the function is repaired", || self.memory() == Some(512));
        begun.elapsed()
    }

    /// Applies a change of one function; returns how long after the apply AWS saw it.
    pub fn first_write_after_apply(&self) -> Duration {
        self.apply_with(1024);
        let begun = Instant::now();
        self.until("the release is carried out", || self.memory() == Some(1024));
        begun.elapsed()
    }

    fn memory(&self) -> Option<i32> {
        self.runtime.block_on(async {
            let read = self.session.lambda().get_function_configuration().function_name("bench-f0");
            read.send().await.ok()?.memory_size()
        })
    }

    /// Calls of the daemon by service and operation, but for those to its store.
    pub fn aws_calls(&self) -> Vec<(String, u64)> {
        let metrics = self.http("/metrics");
        let mut calls: Vec<(String, u64)> = Vec::new();
        for line in metrics.lines().filter(|l| l.starts_with("trueup_aws_requests_total{")) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                rest.split('"').next()
            };
            let (Some(operation), Some(service)) = (label("operation"), label("service")) else {
                continue;
            };
            let is_store =
                service == "dynamodb" && (operation.contains("Item") || operation == "Query");
            let count =
                line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) as u64;
            let name = format!("{service}:{operation}");
            match calls.iter_mut().find(|(n, _)| *n == name) {
                _ if is_store => {}
                Some((_, before)) => *before += count,
                None => calls.push((name, count)),
            }
        }
        calls
    }

    /// The sum of a metric over its labels.
    fn sum(&self, prefix: &str) -> u64 {
        let metrics = self.http("/metrics");
        let values = metrics.lines().filter(|l| l.starts_with(prefix));
        values.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    fn http(&self, path: &str) -> String {
        let Some((_, port)) = &self.daemon else { return String::new() };
        let mut reply = String::new();
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", *port)) else { return reply };
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        if stream.write_all(request.as_bytes()).is_ok() {
            // A reply that breaks off is observed again.
            let _ = stream.read_to_string(&mut reply);
        }
        reply
    }

    fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.until_every(what, OBSERVE_EVERY, holds);
    }

    fn until_every(&self, what: &str, every: Duration, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(every);
        }
    }
}
