//! Second opinions: Function, Table and Bucket against moto and ministack, emulators that others wrote,
//! and against moto through microburst, a proxy that makes calls fail.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use trueup::aws::{AwsMetrics, Connection, Session, Sessions};
use trueup::engine::{Config, Engine, EngineMetrics, Health};
use trueup::model::{Clock, ObjectId, condition_type};
use trueup::store::Store;

use crate::harness::{ARTIFACTS, parse, release};
use crate::python;

/// What a busy machine may take; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server of one of the packages, on loopback, that does not outlive its test.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, url: format!("http://127.0.0.1:{port}") };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{command:?} did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn moto(bin: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(bin.join("moto_server"));
        let moto =
            Self::start(command.args(["--host", "127.0.0.1", "--port", &port.to_string()]), port);
        moto.make_role(bin);
        moto
    }

    fn ministack(bin: &Path, home: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(bin.join("ministack"));
        // It binds every address, looks for Docker and opens other ports unless it is told not to.
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_ACCOUNT_ID", "123456789012")
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            .env("LAMBDA_EXECUTOR", "local")
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("HOME", home)
            .env("TMPDIR", home);
        Self::start(&mut command, port)
    }

    /// A proxy in front of another server.
    fn microburst(bin: &Path, upstream: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(bin.join("microburst"));
        command.args(["--no-resign", "--host", "127.0.0.1", "--port", &port.to_string()]);
        Self::start(command.args(["--upstream", upstream]), port)
    }

    /// What microburst does to calls from now on.
    fn rules(&self, rules: &serde_json::Value) {
        let body = rules.to_string();
        let host = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let length = body.len();
        let request = format!(
            "POST /_microburst/rules HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }

    /// Lambda wants its role to exist.
    fn make_role(&self, bin: &Path) {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let output = Command::new(bin.join("aws"))
            .args([
                "iam",
                "create-role",
                "--role-name",
                "api",
                "--assume-role-policy-document",
                trust,
            ])
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "any")
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn connection(&self) -> Connection {
        let credentials = Credentials::new("any", "any", None, None, "test");
        Connection {
            endpoint_url: Some(self.url.clone()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            http_client: None,
            web: None,
            quota_scale: None,
        }
    }
}

const SCALING: &str = "  autoScaling:
    readCapacity:
      minCapacity: 5
      maxCapacity: 50
      targetUtilization: 70
      scheduledActions:
        - { name: day, schedule: cron(0 8 * * ? *), minCapacity: 20 }
";

/// Every facet of the kinds but versioning: moto 5.2 answers GetBucketVersioning of a new bucket with a
/// root element that is not S3's, which the SDK refuses.
fn manifests(scaling: &str) -> String {
    format!(
        r#"
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: moto }}
spec:
  aws: {{ region: us-east-1, accountId: "123456789012" }}
  reconcile: {{ interval: 1s }}
  tags: {{ team: storefront }}
---
apiVersion: trueup.dev/v1alpha1
kind: Table
metadata: {{ name: orders, namespace: moto }}
spec:
  partitionKey: {{ name: customerId, type: S }}
  sortKey: {{ name: orderId, type: S }}
  globalSecondaryIndexes:
    - {{ name: byStatus, partitionKey: {{ name: status, type: S }}, projection: {{ type: ALL }}, throughput: {{ readCapacityUnits: 2, writeCapacityUnits: 2 }} }}
  stream: {{ enabled: true, viewType: NEW_IMAGE }}
  ttl: {{ attribute: expiresAt }}
  pointInTimeRecovery: {{ enabled: true }}
  billing: {{ mode: PROVISIONED, throughput: {{ readCapacityUnits: 5, writeCapacityUnits: 5 }} }}
{scaling}---
apiVersion: trueup.dev/v1alpha1
kind: Bucket
metadata: {{ name: assets, namespace: moto }}
spec:
  encryption: {{ algorithm: AES256 }}
  publicAccessBlock: {{ blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true }}
  lifecycle:
    - {{ id: old, noncurrentVersionExpirationDays: 30 }}
  cors:
    - {{ allowedOrigins: ["https://www.ecommerce.com"], allowedMethods: [GET] }}
  policy:
    Version: "2012-10-17"
    Statement: [{{ Effect: Deny, Principal: "*", Action: "s3:*", Resource: "arn:aws:s3:::moto-assets/*", Condition: {{ Bool: {{ "aws:SecureTransport": "false" }} }} }}]
---
apiVersion: trueup.dev/v1alpha1
kind: Function
metadata: {{ name: api, namespace: moto }}
spec:
  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/api
  memorySize: 256
  code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}
  env:
    - {{ name: ORDERS, valueFrom: {{ objectRef: {{ kind: Table, name: orders, field: name }} }} }}
  alias: live
"#
    )
}

async fn until_ready(store: &Store) {
    let begun = Instant::now();
    loop {
        let mut waiting = Vec::new();
        for id in ["Table/orders", "Bucket/assets", "Function/api"] {
            let id: ObjectId = id.parse().unwrap();
            let status = store.status_of("moto", &id).await.unwrap();
            let ready = status.as_ref().and_then(|s| s.conditions.get(condition_type::READY));
            if !status.as_ref().is_some_and(|s| s.conditions.is_true(condition_type::READY)) {
                waiting.push(format!("{id}: {ready:?}"));
            }
        }
        if waiting.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{waiting:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Calls that change something, by the daemon's own count.
fn writes(registry: &Registry) -> Vec<String> {
    let families = registry.gather();
    let requests = families.iter().find(|f| f.name() == "trueup_aws_requests_total").unwrap();
    let mut writes = Vec::new();
    for metric in requests.get_metric() {
        let label = |name: &str| {
            let pair = metric.get_label().iter().find(|l| l.name() == name);
            pair.map(|l| l.value().to_owned()).unwrap_or_default()
        };
        let (service, operation) = (label("service"), label("operation"));
        let reads =
            ["Get", "List", "Describe", "Query", "Batch"].iter().any(|r| operation.starts_with(r));
        let is_store = service == "dynamodb" && operation == "PutItem";
        if !reads && !is_store {
            writes.push(format!("{service}:{operation} {}", metric.get_counter().get_value()));
        }
    }
    writes
}

#[tokio::test]
async fn they_converge_stay_quiet_and_come_back_on_moto() {
    let Some(bin) = python::bin() else { return };
    lives_through(&Server::moto(&bin), SCALING, None).await;
}

#[tokio::test]
async fn they_converge_stay_quiet_and_come_back_on_ministack() {
    let Some(bin) = python::emulators() else { return };
    let home = tempfile::tempdir().unwrap();
    // It has no Application Auto Scaling.
    lives_through(&Server::ministack(&bin, home.path()), "", None).await;
}

/// Throttled, reset, failed, and replies that are lost after their effect.
#[tokio::test]
async fn they_converge_stay_quiet_and_come_back_through_microburst() {
    let (Some(bin), Some(emulators)) = (python::bin(), python::emulators()) else { return };
    let moto = Server::moto(&bin);
    let proxy = Server::microburst(&emulators, &moto.url);
    let faults = serde_json::json!([
        {"service": "lambda", "operation": "CreateFunction", "times": 1, "response": {"abort_bytes": 0}},
        {"service": "dynamodb", "operation": "DescribeTable", "times": 3, "reset": true},
        {"service": "dynamodb", "operation": "PutItem", "sequence": {"fail": 1, "pass": 6}, "error": {"code": "InternalServerError", "status": 500}},
        {"service": "s3", "sequence": {"fail": 1, "pass": 3}, "error": {"code": "SlowDown", "status": 503}},
        {"service": "lambda", "sequence": {"fail": 1, "pass": 2}, "error": {"code": "TooManyRequestsException", "status": 429}},
    ]);
    lives_through(&proxy, SCALING, Some(&faults)).await;
}

async fn lives_through(aws: &Server, scaling: &str, faults: Option<&serde_json::Value>) {
    let registry = Registry::new();
    let aws_metrics = AwsMetrics::register(&registry).unwrap();
    let clock = Clock::system();
    let sessions = Sessions::new(&aws.connection(), clock, Some(aws_metrics)).await;
    let session: Session = sessions.home().await.unwrap();
    let store = Store::new(session.clone(), "trueup", clock);
    store.init().await.unwrap();
    session.s3().create_bucket().bucket(ARTIFACTS).send().await.unwrap();
    let code = zip_of_one_file();
    let put = session.s3().put_object().bucket(ARTIFACTS).key("api.zip");
    put.body(code.into()).send().await.unwrap();
    let set = parse(&manifests(scaling));
    set.check_with(&[]).unwrap();
    store.record("moto", None, None, release(set.objects().cloned().collect())).await.unwrap();
    let metrics = EngineMetrics::register(&registry).unwrap();
    if let Some(faults) = faults {
        aws.rules(faults);
    }
    let config = Config::new("moto", 1);
    let engine =
        Engine::new(config, store.clone(), sessions, metrics, Health::default()).await.unwrap();
    let stop = CancellationToken::new();
    let daemon = tokio::spawn(engine.run(stop.clone()));

    // The test's own calls go through the same faults.
    let calm = async || {
        if faults.is_some() {
            tokio::time::sleep(Duration::from_secs(15)).await;
            aws.rules(&serde_json::json!([]));
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    calm().await;
    until_ready(&store).await;
    let before = writes(&registry);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(writes(&registry), before, "several passes later");

    session.lambda().delete_function().function_name("moto-api").send().await.unwrap();
    let tag = session.s3().delete_bucket_cors().bucket("moto-assets");
    tag.send().await.unwrap();
    session.dynamodb().delete_table().table_name("moto-orders").send().await.unwrap();
    if let Some(faults) = faults {
        aws.rules(faults);
    }
    calm().await;
    let begun = Instant::now();
    while session.lambda().get_function().function_name("moto-api").send().await.is_err()
        || session.s3().get_bucket_cors().bucket("moto-assets").send().await.is_err()
        || session.dynamodb().describe_table().table_name("moto-orders").send().await.is_err()
    {
        assert!(begun.elapsed() < PATIENCE, "what was deleted did not come back");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until_ready(&store).await;
    stop.cancel();
    daemon.await.unwrap();
}

fn zip_of_one_file() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("main.js", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"exports.handler = async () => 'ok';\n").unwrap();
    writer.finish().unwrap().into_inner()
}
