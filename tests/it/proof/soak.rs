//! A soak: a fleet of objects, three daemons, and for minutes AWS fails, daemons are killed, people apply and change
//! things by hand. Small as it is run always; with `PROOF_SOAK=1`, 2,000 objects in 20 environments for 10 minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use trueup::sandbox::Fault;

use super::crowd::Crowd;
use super::figure;
use super::live::{Live, difference, live, rest};
use super::seeds::{in_virtual_time, seeds};
use crate::harness::{ARTIFACTS, Harness};

/// The least of AWS's quotas lets a fleet of this size be looked at once a minute.
const QUOTA_SCALE: f64 = 20.0;
/// What the fleet has to be in accord again after the last fault.
const CONVERGED_WITHIN: Duration = Duration::from_secs(60);

/// What the undisturbed fleets declare: this, and one more.
const REFERENCE_MIB: u32 = 1024;

#[derive(Clone, Copy)]
struct Size {
    environments: usize,
    lasts: Duration,
}

impl Size {
    fn chosen() -> Self {
        if std::env::var("PROOF_SOAK").is_ok_and(|soak| soak == "1") {
            Self { environments: 20, lasts: Duration::from_secs(600) }
        } else {
            Self { environments: 2, lasts: Duration::from_secs(180) }
        }
    }

    fn names(self) -> Vec<String> {
        (0..self.environments).map(|i| format!("soak{i}")).collect()
    }
}

const FUNCTIONS: usize = 30;
/// Functions that come and go with the applies.
const LEAVING: usize = 3;
const TABLES: usize = 30;
const BUCKETS: usize = 35;
const FRONTENDS: usize = 5;
const OBJECTS: usize = FUNCTIONS + TABLES + BUCKETS + FRONTENDS;

/// An environment that declares an odd number of MiB has some functions less.
fn manifests(environment: &str, memory_mib: u32) -> String {
    let mut yaml = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {environment} }}\n\
         spec: {{ reconcile: {{ interval: 30s }}, rollout: {{ rollback: Manual }} }}\n"
    );
    let mut add = |kind: &str, name: String, spec: String| {
        yaml += &format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\n\
             metadata: {{ name: {name}, namespace: {environment} }}\nspec: {{ {spec} }}\n"
        );
    };
    for i in 0..FUNCTIONS {
        if memory_mib % 2 == 1 && (1..=LEAVING).contains(&i) {
            continue;
        }
        let name = if i == 0 { "api".to_owned() } else { format!("f{i}") };
        let code = format!("code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}");
        let spec = format!(
            "runtime: nodejs22.x, handler: main.handler, role: \"arn:aws:iam::123456789012:role/api\", \
             memorySize: {memory_mib}, {code}, alias: live"
        );
        add("Function", name, spec);
    }
    for i in 0..TABLES {
        add("Table", format!("t{i}"), "partitionKey: { name: id, type: S }".to_owned());
    }
    for i in 0..BUCKETS {
        add("Bucket", format!("b{i}"), "versioning: Enabled".to_owned());
    }
    for i in 0..FRONTENDS {
        let artifact = format!("artifact: {{ s3: {{ bucket: {ARTIFACTS}, key: web.zip }} }}");
        add("Frontend", format!("w{i}"), format!("{artifact}, branch: {{ name: main }}"));
    }
    yaml
}

async fn world() -> Harness {
    let mut harness = Harness::new().await;
    harness.quota_scale = Some(QUOTA_SCALE);
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness
}

/// What the world comes to with one daemon that nobody disturbs.
async fn undisturbed(size: Size, memory_mib: u32) -> Live {
    let mut harness = world().await;
    for name in size.names() {
        harness.apply(&manifests(&name, memory_mib)).await;
    }
    harness.start().await;
    for name in size.names() {
        harness.until_ready(&name).await;
    }
    live(&harness.sandbox).await
}

/// What the fleet has to come to: what each environment declared last, nobody having written it again since.
fn expected(references: &[Live; 2], declared: &BTreeMap<String, u32>) -> Live {
    let mut all = Live::new();
    for (name, memory_mib) in declared {
        let reference = &references[*memory_mib as usize % 2];
        let is_its = |key: &&String| key.contains(&format!("/{name}-"));
        for (key, value) in reference.iter().filter(|(key, _)| is_its(key)) {
            let said = format!("\"MemorySize\":{}", REFERENCE_MIB + memory_mib % 2);
            let value = value.to_string().replace(&said, &format!("\"MemorySize\":{memory_mib}"));
            all.insert(key.clone(), serde_json::from_str(&value).unwrap());
        }
    }
    // What belongs to no environment, as the artifacts.
    let of_nobody = references[0]
        .iter()
        .filter(|(key, _)| !declared.keys().any(|name| key.contains(&format!("/{name}-"))));
    all.extend(of_nobody.map(|(key, value)| (key.clone(), value.clone())));
    all
}

/// AWS fails in one of the ways that pass, for some of the next calls to a service.
fn inject(crowd: &mut Crowd) {
    let services = ["lambda", "dynamodb", "s3", "amplify"];
    let faults = ["throttle", "500", "timeout", "lost", "conflict"];
    let service = services[crowd.dice.random_range(0..services.len())];
    let fault = faults[crowd.dice.random_range(0..faults.len())];
    let times = crowd.dice.random_range(1..200);
    let fault = format!("{service}:*={fault}*{times}");
    // Not for the test's own calls.
    for caller in crowd.callers() {
        let fault = fault.parse::<Fault>().unwrap().of(caller);
        crowd.harness.sandbox.faults().inject_perhaps(fault);
    }
    crowd.story.push(format!("AWS: {fault}"));
}

/// Somebody changes a bucket and deletes a function.
async fn by_hand(crowd: &mut Crowd, size: Size) {
    let name = &size.names()[crowd.dice.random_range(0..size.environments)];
    let function = crowd.dice.random_range(1..FUNCTIONS);
    let path = format!("/2015-03-31/functions/{name}-f{function}");
    rest(&crowd.harness.sandbox, "lambda", "DELETE", &path, &Value::Null).await;
    let path = format!("/2015-03-31/functions/{name}-api/configuration");
    rest(&crowd.harness.sandbox, "lambda", "PUT", &path, &json!({"MemorySize": 222})).await;
    crowd.story.push(format!("by hand: {name}, function {function}"));
}

/// How much memory the process has, in MiB.
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4 / 1024
}

/// What a run came to.
struct End {
    happened: usize,
    started: u64,
    converged_in: Duration,
    /// The memory at each minute.
    resident_mib: Vec<u64>,
}

async fn soak(seed: u64, size: Size, references: &[Live; 2]) -> End {
    let mut crowd = Crowd::new(world().await, seed, size.names(), manifests);
    crowd.apply(512).await;
    crowd.start_all();
    let (begun, mut memory) = (Instant::now(), Vec::new());
    while begun.elapsed() < size.lasts {
        inject(&mut crowd);
        if crowd.dice.random_bool(0.3) {
            by_hand(&mut crowd, size).await;
        }
        crowd.step().await;
        if begun.elapsed().as_secs() / 60 > memory.len() as u64 {
            // What the sandbox keeps of calls is not the daemons'.
            crowd.harness.sandbox.calls().clear();
            memory.push(resident_mib());
        }
    }
    assert!(crowd.harness.sandbox.faults().struck() > 0, "AWS never failed");
    crowd.step().await;
    // Nobody applies anything again: what was declared last, however disturbed, is what has to be there.
    by_hand(&mut crowd, size).await;
    crowd.harness.sandbox.faults().clear();
    crowd.harness.sandbox.faults().let_go();
    crowd.start_all();

    let last_fault_at = Instant::now();
    let reference = expected(references, &crowd.declared);
    let mut seen = None;
    while seen != Some(None) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(
            last_fault_at.elapsed() <= CONVERGED_WITHIN,
            "seed {seed}: {seen:?}: {:#?}",
            crowd.story
        );
        let mut waiting = Vec::new();
        for name in size.names() {
            waiting.extend(crowd.harness.not_ready(&name).await);
        }
        seen = Some(match waiting.is_empty() {
            true => difference(&reference, &live(&crowd.harness.sandbox).await),
            false => Some(format!("not ready: {waiting:#?}")),
        });
    }
    let converged_in = last_fault_at.elapsed();
    crowd.check_epochs().await;
    let apps = rest(&crowd.harness.sandbox, "amplify", "GET", "/apps?maxResults=100", &Value::Null);
    let apps = apps.await.unwrap()["apps"].as_array().unwrap().len();
    assert_eq!(apps, size.environments * FRONTENDS, "a frontend was made twice");
    let (happened, started) = (crowd.story.len(), crowd.started);
    End { happened, started, converged_in, resident_mib: memory }
}

#[test]
fn a_fleet_in_trouble_for_minutes_loses_and_doubles_nothing_and_is_in_accord_within_a_minute() {
    let size = Size::chosen();
    let references = [0, 1].map(|odd| in_virtual_time(undisturbed(size, REFERENCE_MIB + odd)));
    for seed in seeds(1) {
        let end = in_virtual_time(soak(seed, size, &references));
        // The first minutes make the fleet.
        let settled = end.resident_mib.len() / 3;
        let (early, last) = (end.resident_mib.get(settled), end.resident_mib.last());
        figure(
            "soak",
            &format!(
                "seed {seed}: {} objects in {} environments, {} s, {} events, {} daemons started: in accord {} s after the \
                 last fault, 0 lost, 0 doubled; {early:?} MiB after minute {}, {last:?} at the end",
                size.environments * OBJECTS,
                size.environments,
                size.lasts.as_secs(),
                end.happened,
                end.started,
                end.converged_in.as_secs(),
                settled + 1,
            ),
        );
        if let (Some(early), Some(last), true) = (early, last, size.environments > 2) {
            assert!(last * 4 <= early * 5, "memory grows: {:?} MiB", end.resident_mib);
        }
    }
}
