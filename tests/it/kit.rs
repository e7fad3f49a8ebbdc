//! The kit under deploy/: alerts with their tests, a real Prometheus that evaluates every rule and every panel, and
//! policies that grant what is called and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trueup::sandbox::{Call, Fault};
use walkdir::WalkDir;

use crate::binary::get;
use crate::proof::kill::{MANIFESTS, shop_folder};
use crate::proof::served::Served;
use crate::telemetry::{promtool, said};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap()
}

/// The rules by their names, alerts and records alike, with their expressions.
fn rules() -> BTreeMap<String, String> {
    let rules: Value = serde_saphyr::from_str(&text("deploy/prometheus/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let all = groups.flat_map(|group| group["rules"].as_array().unwrap());
    all.map(|rule| {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        (name.to_owned(), rule["expr"].as_str().unwrap().to_owned())
    })
    .collect()
}

/// The panels of the dashboard by their titles, with one expression each.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter(|panel| panel["type"] != "row").flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let of =
            move |target: &Value| (title.to_owned(), target["expr"].as_str().unwrap().to_owned());
        panel["targets"].as_array().unwrap().iter().map(of)
    });
    targets.collect()
}

#[test]
fn the_alerts_do_what_their_tests_say_and_each_has_its_page() {
    let alerts: BTreeSet<_> =
        rules().into_keys().filter(|name| name.starts_with("Trueup")).collect();
    let page = text("docs/alerts.md");
    let documented: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(alerts, documented, "deploy/prometheus/rules.yaml and docs/alerts.md");
    let tests = text("deploy/prometheus/rules.test.yaml");
    let untested: Vec<_> = alerts
        .iter()
        .filter(|name| !tests.contains(&format!("alertname: {name}\n        eval_time")))
        .collect();
    assert!(untested.is_empty(), "no test sees them alert: {untested:?}");
    let path = project("deploy/prometheus/rules.test.yaml");
    let Some(output) = promtool(&["test", "rules", path.to_str().unwrap()], "") else { return };
    assert!(output.status.success(), "{}", said(&output));
}

struct Prometheus {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// One that scrapes a daemon every second. `None` where it is not there; CI has it.
    fn of(daemon: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let target = daemon.trim_start_matches("http://");
        let config = text("deploy/prometheus/prometheus.yaml")
            .replace("15s", "1s")
            .replace("trueup:8080", target);
        std::fs::write(folder.path().join("prometheus.yaml"), config).unwrap();
        let rules = text("deploy/prometheus/rules.yaml");
        std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let spawned = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={port}"))
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = spawned else {
            assert!(std::env::var_os("CI").is_none(), "CI needs prometheus");
            eprintln!("prometheus is not installed: the rules and panels are not evaluated");
            return None;
        };
        Some(Self { process, url: format!("http://{port}"), _folder: folder })
    }

    /// The series that an expression has now.
    fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        // It takes a moment to listen.
        let address = self.url.trim_start_matches("http://");
        std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let (status, body) = get(&self.url, &format!("/api/v1/query?query={encoded}"));
        let answer: Value =
            serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["data"]["result"].as_array() {
            Some(series) if status == 200 => Ok(series.clone()),
            _ => Err(body),
        }
    }

    /// The same, as soon as there is one: a rate needs two scrapes.
    fn query_within(&self, patience: Duration, expression: &str) -> Result<Vec<Value>, String> {
        let begun = Instant::now();
        loop {
            match self.query(expression) {
                Ok(series) if series.is_empty() && begun.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                answer => return answer,
            }
        }
    }

    fn until(&self, what: &str, expression: &str) {
        let begun = Instant::now();
        while self.query(expression).map_or(true, |series| series.is_empty()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let is_metric = |word: &&str| {
        let known = ["trueup_", "trueup:", "workqueue_", "controller_runtime_", "process_"];
        known.iter().any(|prefix| word.starts_with(prefix)) || *word == "up"
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// An alert's expression with a value whether its bounds are kept or not: a comparison answers 0 or 1.
fn without_bounds(expression: &str) -> String {
    [" == ", " > ", " < "]
        .iter()
        .fold(expression.to_owned(), |told, sign| told.replace(sign, &format!("{sign}bool ")))
}

/// A daemon to which all happened that the rules and panels tell of: a drift that it repaired, an object that waits
/// for a person, a release, calls that were throttled.
#[test]
fn a_real_prometheus_finds_every_metric_of_the_rules_and_panels() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = "recovery: { rpo: 24h, backups: { bucket: artifacts, prefix: vault/, schedule: \"0 * * * *\" } }";
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The page that is probed is the daemon's own.
    let health =
        format!("health: {{ interval: 5s, probes: [{{ url: \"http://{port}/livez\" }}] }}");
    let quick = format!("reconcile: {{ interval: 1s }}\n  {recovery}\n  {health}");
    let manifests = MANIFESTS.replace("reconcile: { interval: 10s }", &quick);
    assert_ne!(manifests, MANIFESTS);
    let manifests = shop_folder(folder.path(), &manifests);
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    aws.apply(&manifests);
    for fault in ["s3:PutBucketVersioning=denied", "dynamodb:DescribeTable=throttle*2"] {
        aws.sandbox.faults().inject(fault.parse::<Fault>().unwrap().of("a"));
    }
    let daemon = aws.replica_on("a", &port.to_string(), &[]);
    let Some(prometheus) = Prometheus::of(&format!("http://{port}")) else { return };
    prometheus.until("an object waits", "trueup_object_condition{condition=\"Stalled\"}");
    prometheus.until("the others are ready", "sum(trueup_resources_ready) == 3");
    let path = "/2015-03-31/functions/proof-api/configuration";
    aws.ask("lambda", "PUT", path, "", r#"{"Handler":"other.handler"}"#);
    prometheus.until("a drift is repaired", "trueup_drift_repair_seconds_count > 0");
    let denied: Fault = "lambda:UpdateFunctionConfiguration=denied".parse().unwrap();
    aws.sandbox.faults().inject(denied.of("a"));
    aws.ask("lambda", "PUT", path, "", r#"{"Handler":"third.handler"}"#);
    prometheus.until("a drift stays", "trueup_oldest_drift_timestamp_seconds");
    for window in ["5m", "30m", "1h", "6h"] {
        let record = format!("trueup:drift_repairs_late:ratio_rate{window}");
        prometheus.until("repairs are summed up", &record);
    }
    prometheus.until("the recovery is measured", "trueup_recovery_objectives_met");
    prometheus.until("its page is probed", "trueup_environment_healthy == 1");
    let jsonpath = "jsonpath={.items[0].conditions[0].type}={.items[0].conditions[0].status}";
    let health = aws.trueup(&["get", "health", "-o", jsonpath]);
    assert_eq!(String::from_utf8_lossy(&health.stdout).trim(), "Healthy=True");
    prometheus.until("calls were throttled", "trueup_aws_throttles_total > 0");
    prometheus.until("a rate can be taken", "rate(trueup_aws_requests_total[1m]) > 0");
    let mut missing = BTreeSet::new();
    for (name, expression) in rules() {
        for metric in metrics(&expression) {
            if prometheus.query(&metric).unwrap().is_empty() {
                missing.insert(format!("{name}: {metric}"));
            }
        }
        // These two have a value only once a series is missing.
        let is_of_absence = ["absent(", "unless"].iter().any(|word| expression.contains(word));
        let patience = if is_of_absence { Duration::ZERO } else { Duration::from_secs(20) };
        match prometheus.query_within(patience, &without_bounds(&expression)) {
            Ok(series) if series.is_empty() && !is_of_absence => {
                missing.insert(format!("{name}: {expression} has no value"));
            }
            Ok(_) => {}
            Err(error) => drop(missing.insert(format!("{name}: {error}"))),
        }
    }
    for (title, expression) in panels() {
        let expression = expression.replace("$environment", ".*").replace("$__rate_interval", "1m");
        match prometheus.query(&expression) {
            Ok(series) if series.is_empty() => {
                missing.insert(format!("{title}: {expression} is empty"));
            }
            Ok(_) => {}
            Err(error) => drop(missing.insert(format!("{title}: {error}"))),
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    daemon.terminate();
}

/// The actions that a policy grants.
fn granted(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(&text(&format!("deploy/iam/{policy}"))).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        actions => {
            actions.as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect()
        }
    });
    actions.collect()
}

/// What S3 asks for where the action is not named as the operation is.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>.
const S3_ACTIONS: [(&str, &str); 42] = [
    ("CreateMultipartUpload", "PutObject"),
    ("UploadPartCopy", "PutObject"),
    ("CompleteMultipartUpload", "PutObject"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("DeleteObjects", "DeleteObject"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("DeleteBucketCors", "PutBucketCORS"),
    ("DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("DeleteBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("DeleteBucketMetricsConfiguration", "PutMetricsConfiguration"),
    ("DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DeleteBucketReplication", "PutReplicationConfiguration"),
    ("DeleteBucketTagging", "PutBucketTagging"),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("GetBucketCors", "GetBucketCORS"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("GetBucketReplication", "GetReplicationConfiguration"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("HeadBucket", "ListBucket"),
    ("HeadObject", "GetObject"),
    ("ListObjectsV2", "ListBucket"),
    ("ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration"),
    ("ListBucketInventoryConfigurations", "GetInventoryConfiguration"),
    ("ListBucketMetricsConfigurations", "GetMetricsConfiguration"),
    ("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("PutBucketCors", "PutBucketCORS"),
    ("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("PutBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("PutBucketMetricsConfiguration", "PutMetricsConfiguration"),
    ("PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("PutBucketReplication", "PutReplicationConfiguration"),
    ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("CopyObject", "PutObject"),
];

/// The action that a call needs, as `service:Action`; `None` where that is none of its own.
fn action_of(service: &str, operation: &str) -> Option<String> {
    let action = match (service, operation) {
        // Its parts are authorized as PutItem and UpdateItem:
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html.
        ("dynamodb", "TransactWriteItems") => return None,
        ("lambda", "Invoke") => "InvokeFunction",
        ("s3", operation) => {
            let renamed = S3_ACTIONS.iter().find(|(from, _)| *from == operation);
            renamed.map_or(operation, |(_, to)| to)
        }
        (_, operation) => operation,
    };
    Some(format!("{service}:{action}"))
}

/// What is granted because of a call that is named otherwise.
/// Sources: the service authorization reference, and the pages of the calls.
const BESIDES: [(&str, &str); 20] = [
    ("dynamodb:Scan", "a restore of a table, which reads and writes it"),
    ("s3:GetObjectTagging", "CopyObject, which takes the tags along"),
    ("s3:PutObjectTagging", "CopyObject, which takes the tags along"),
    ("iam:PassRole", "a function's, a frontend's or a replication's role"),
    // https://docs.aws.amazon.com/autoscaling/application/userguide/security_iam_id-based-policy-examples.html.
    ("iam:CreateServiceLinkedRole", "the first RegisterScalableTarget of an account"),
    ("cloudwatch:PutMetricAlarm", "PutScalingPolicy, whose alarms are made for the caller"),
    ("cloudwatch:DeleteAlarms", "the end of a policy, whose alarms go with it"),
    ("lambda:GetProvisionedConcurrencyConfig", "RegisterScalableTarget of a version"),
    ("s3:GetObjectVersion", "GetObject and HeadObject of a version"),
    ("s3:DeleteObjectVersion", "DeleteObject of a version"),
    ("s3:TagResource", "CreateBucket with tags"),
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html and
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Requesting.html: made for the caller.
    ("s3:PutObjectAcl", "ExportTableToPointInTime"),
    ("logs:CreateLogGroup", "ImportTable"),
    ("logs:CreateLogStream", "ImportTable"),
    ("logs:DescribeLogGroups", "ImportTable"),
    ("logs:DescribeLogStreams", "ImportTable"),
    ("logs:PutLogEvents", "ImportTable"),
    ("logs:PutRetentionPolicy", "ImportTable"),
    ("s3:PutBucketTagging", "CreateBucket with tags, and tags afterwards"),
    ("s3:ListBucket", "HeadObject says `not found` only to whoever may list"),
];

/// Every name of an operation that the sources have, by service, outside of the sandbox.
fn called() -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    let files = WalkDir::new(project("src")).into_iter().map(Result::unwrap);
    let sources = files.filter(|file| {
        let is_sandbox = file.path().components().any(|part| part.as_os_str() == "sandbox");
        file.path().extension().is_some_and(|ext| ext == "rs") && !is_sandbox
    });
    for file in sources {
        let source = std::fs::read_to_string(file.path()).unwrap();
        let words = source.split('"').skip(1).step_by(2);
        let is_operation = |word: &&str| {
            word.len() > 4
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_alphanumeric())
        };
        for word in words.filter(is_operation) {
            for service in [
                "lambda",
                "amplify",
                "application-autoscaling",
                "cloudwatch",
                "dynamodb",
                "s3",
                "secretsmanager",
                "ssm",
                "sts",
            ] {
                called.extend(action_of(service, word));
            }
        }
    }
    called
}

#[test]
fn policies_grant_nothing_that_is_never_called() {
    let called = called();
    let besides: BTreeSet<_> = BESIDES.iter().map(|(action, _)| (*action).to_owned()).collect();
    for policy in [
        "daemon.json",
        "daemon-home.json",
        "managed-account.json",
        "recovery.json",
        "ci.json",
        "read-only.json",
    ] {
        let all = granted(policy);
        let idle: Vec<_> =
            all.iter().filter(|a| !called.contains(*a) && !besides.contains(*a)).collect();
        assert!(idle.is_empty(), "{policy} grants what nothing calls: {idle:?}");
    }
    // With the home's rights, the managed account's are all that the daemon has in one account.
    let mut both = granted("managed-account.json");
    both.extend(granted("daemon-home.json"));
    both.remove("sts:AssumeRole");
    assert_eq!(both, granted("daemon.json"));
    let ecs = text("deploy/ecs/trueup.yaml");
    for action in granted("daemon-home.json") {
        assert!(ecs.contains(&action), "deploy/ecs/trueup.yaml lacks {action}");
    }
    let writes = |action: &&String| {
        let (_, operation) = action.split_once(':').unwrap();
        let reads = ["Get", "List", "Describe", "BatchGet", "Query", "Scan", "AssumeRole"];
        !reads.iter().any(|prefix| operation.starts_with(prefix))
    };
    let reads = granted("read-only.json");
    assert_eq!(reads.iter().filter(writes).collect::<Vec<_>>(), [""; 0], "it only reads");
}

/// What was called without being granted.
pub fn ungranted<'a>(policies: &[&str], calls: impl Iterator<Item = &'a Call>) -> BTreeSet<String> {
    let mut granted: BTreeSet<_> = policies.iter().flat_map(|policy| granted(policy)).collect();
    // An environment may name a role.
    granted.insert("sts:AssumeRole".to_owned());
    let needed = calls.filter_map(|call| action_of(&call.service, &call.operation));
    needed.filter(|action| !granted.contains(action)).collect()
}

#[test]
fn a_pipeline_and_a_reader_get_by_with_their_policies() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = shop_folder(folder.path(), MANIFESTS);
    let manifests = manifests.to_str().unwrap();
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    for verb in
        [&["apply", "-f", manifests][..], &["rollout", "status", "proof"], &["history", "proof"]]
    {
        assert!(aws.trueup_as("pipeline", verb).status.success(), "{verb:?}");
    }
    let daemon = aws.replica("a", &[]);
    aws.done(&["wait", "proof", "--timeout", "100s"]);
    for verb in [
        &["get", "proof"][..],
        &["get", "members"],
        &["describe", "proof", "Function/api"],
        &["events", "proof"],
        &["history", "proof"],
        &["diff", "-f", manifests],
        &["rollout", "status", "proof"],
        &["doctor", "proof"],
        &["store", "verify"],
    ] {
        let output = aws.trueup_as("reader", verb);
        assert!(output.status.success(), "{verb:?}: {}", said(&output));
    }
    daemon.terminate();
    let calls = aws.sandbox.calls().all();
    for (caller, policy) in
        [("pipeline", "ci.json"), ("reader", "read-only.json"), ("a", "daemon.json")]
    {
        let theirs = || calls.iter().filter(|call| call.caller == caller);
        assert!(theirs().count() > 5, "{caller} has called");
        assert_eq!(ungranted(&[policy], theirs()), BTreeSet::new(), "{policy}");
    }
}

#[test]
fn the_kustomization_holds_together() {
    let folder = project("deploy/kubernetes");
    let read = |name: &str| -> Value {
        serde_saphyr::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let kustomization = read("kustomization.yaml");
    let named: BTreeSet<String> = kustomization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    let files = files.map(|entry| entry.file_name()).map(|name| name.into_string().unwrap());
    let files: BTreeSet<_> = files.filter(|name| name != "kustomization.yaml").collect();
    assert_eq!(named, files);

    let (service, monitor) = (read("service.yaml"), read("service-monitor.yaml"));
    let deployment = read("deployment.yaml");
    let pods = &deployment["spec"]["template"];
    let labels = &service["spec"]["selector"];
    assert_eq!(
        &deployment["spec"]["selector"]["matchLabels"], labels,
        "the service finds the pods"
    );
    for policy in ["disruption-budget.yaml", "network-policy.yaml"] {
        let policy = read(policy);
        let selector = [&policy["spec"]["selector"], &policy["spec"]["podSelector"]];
        assert!(selector.iter().any(|s| s["matchLabels"] == *labels), "{policy:#}");
    }
    let of = |field: &str| pods["metadata"]["labels"][field].clone();
    for (label, value) in labels.as_object().unwrap() {
        assert_eq!(&of(label), value);
    }
    let selected = &monitor["spec"]["selector"]["matchLabels"];
    assert_eq!(selected, &service["metadata"]["labels"], "Prometheus finds the service");
    let port = &service["spec"]["ports"][0];
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], port["name"]);
    let container = &pods["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], port["targetPort"]);
    let images = kustomization["images"][0]["name"].as_str().unwrap();
    assert!(container["image"].as_str().unwrap().starts_with(images), "its image can be set");

    let mut kubectl = Command::new("kubectl");
    match kubectl.args(["kustomize", "deploy/kubernetes"]).current_dir(project("")).output() {
        Ok(built) => {
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            let told = String::from_utf8_lossy(&built.stdout);
            assert_eq!(told.matches("\nkind: ").count(), files.len(), "{told}");
            assert!(told.contains("/trueup:0.1.0"), "{told}");
            signed_daemons_have_the_key(&folder);
        }
        Err(_) => eprintln!("SKIPPED: kubectl is not here"),
    }
}

/// The component in an overlay, as somebody would write it.
fn signed_daemons_have_the_key(folder: &Path) {
    let overlay = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(folder).arg(overlay.path().join("base")).status();
    assert!(copied.unwrap().success());
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
                         resources: [base]\ncomponents: [base/signed]\n";
    std::fs::write(overlay.path().join("kustomization.yaml"), kustomization).unwrap();
    let built = Command::new("kubectl").arg("kustomize").arg(overlay.path()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let told = String::from_utf8_lossy(&built.stdout);
    let deployment = told.split("---\n").find(|one| one.contains("kind: Deployment")).unwrap();
    let deployment: Value = serde_saphyr::from_str(deployment).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let file = container["env"].as_array().unwrap().iter();
    let file = file.clone().find(|one| one["name"] == "TRUEUP_SIGNING_KEY_FILE").unwrap();
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert!(file["value"].as_str().unwrap().starts_with(mount), "{container:#}");
    assert_eq!(container["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
    assert!(container["args"].as_array().unwrap().contains(&"--require-signature".into()));
    assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsGroup"]);
}
