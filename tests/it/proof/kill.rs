//! The real binary, `kill -9` at boundaries of AWS calls, every create among them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trueup::model::condition_type;

use super::figure;
use super::live::{Live, difference, live};
use super::seeds::{is_tried, part_of};
use super::served::Served;
use crate::harness::{DAEMON, statuses};

pub const MANIFESTS: &str = r#"
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: { name: proof }
spec:
  aws: { region: us-east-1, accountId: "123456789012" }
  artifacts: { bucket: artifacts }
  reconcile: { interval: 10s }
  rollout: { rollback: Manual }
---
apiVersion: trueup.dev/v1alpha1
kind: Function
metadata: { name: api, namespace: proof }
spec:
  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/api
  code: { path: code }
  env:
    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }
  alias: live
  url: { authType: NONE }
---
apiVersion: trueup.dev/v1alpha1
kind: Table
metadata: { name: orders, namespace: proof }
spec:
  partitionKey: { name: id, type: S }
  ttl: { attribute: expiresAt }
---
apiVersion: trueup.dev/v1alpha1
kind: Bucket
metadata: { name: assets, namespace: proof }
spec: { versioning: Enabled, cors: [{ allowedOrigins: ["*"], allowedMethods: [GET] }] }
---
apiVersion: trueup.dev/v1alpha1
kind: Frontend
metadata: { name: web, namespace: proof }
spec:
  artifact: { path: code }
  branch: { name: main }
  domain: { name: a.com, subdomains: [{ prefix: www }] }
"#;

pub const CREATES: [&str; 8] = [
    "lambda:CreateFunction",
    "lambda:CreateAlias",
    "lambda:CreateFunctionUrlConfig",
    "dynamodb:CreateTable",
    "s3:CreateBucket",
    "amplify:CreateApp",
    "amplify:CreateBranch",
    "amplify:CreateDomainAssociation",
];

/// Puts the manifests and the code that they name into a folder. Returns the manifests' path.
pub fn shop_folder(folder: &Path, manifests: &str) -> PathBuf {
    std::fs::create_dir(folder.join("code")).unwrap();
    std::fs::write(folder.join("code/main.js"), "exports.handler = async () => 1;\n").unwrap();
    let path = folder.join("proof.yaml");
    std::fs::write(&path, manifests).unwrap();
    path
}

/// Applies the manifests to an account of their own, and kills the daemon where the fault says.
fn run(manifests: &Path, fault: Option<&str>) -> (Live, Vec<String>) {
    let aws = Served::with(manifests);
    if let Some(fault) = fault {
        aws.sandbox.faults().inject(fault.parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON));
        let first = aws.daemon();
        aws.until(&format!("the daemon comes to {fault}"), || aws.sandbox.faults().struck() > 0);
        first.kill();
        aws.sandbox.faults().clear();
    }
    let _daemon = aws.daemon();
    aws.until("everything is ready", || {
        let statuses = aws.runtime.block_on(statuses(&aws.store, "proof"));
        let ready = statuses.iter().filter(|s| s.conditions.is_true(condition_type::READY));
        ready.count() == 4
    });
    let calls = aws.sandbox.calls().all();
    let ours = calls.iter().filter(|c| c.caller == DAEMON).map(trueup::sandbox::Call::action);
    (aws.runtime.block_on(live(&aws.sandbox)), ours.collect())
}

#[test]
fn the_binary_killed_at_any_call_leaves_nothing_double_or_behind() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = shop_folder(folder.path(), MANIFESTS);
    let (reference, calls) = run(&manifests, None);
    let count = |calls: &[String], action: &str| calls.iter().filter(|c| *c == action).count();
    for create in CREATES {
        assert_eq!(count(&calls, create), 1, "{create} in the reference run");
    }
    let other = calls.iter().find(|c| c.contains(":Create") && !CREATES.contains(&c.as_str()));
    assert_eq!(other, None, "every create is among those that are tried");
    let mut faults: Vec<String> = CREATES
        .iter()
        .flat_map(|create| [format!("{create}=stop"), format!("{create}=stopafter")])
        .collect();
    let step = (calls.len() / 30).max(1);
    let kinds = ["stop", "stopafter"].into_iter().cycle();
    let boundaries = (0..calls.len() / step).zip(kinds).filter(|(i, _)| is_tried("killed", *i));
    faults.extend(boundaries.map(|(i, kind)| format!("*:*={kind}@{}", i * step)));
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (end, calls) = run(&manifests, Some(fault));
            let twice: Vec<_> =
                CREATES.iter().filter(|create| count(&calls, create) != 1).collect();
            let difference = difference(&reference, &end).unwrap_or_default();
            if !twice.is_empty() || !difference.is_empty() {
                wrong.lock().unwrap().push(format!("{fault}: {twice:?} not once\n{difference}"));
            }
        }
    };
    // Most of a run is waiting.
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(faults.len() >= CREATES.len() * 2 + part_of(20) as usize, "{}", faults.len());
    figure(
        "kill -9",
        &format!(
            "the real binary survives {} of {} boundaries, every create among them",
            faults.len(),
            faults.len()
        ),
    );
}
