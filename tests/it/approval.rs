//! Releases that go on by themselves once they were well for long enough, and those that wait for a second person.

use std::time::Duration;

use sha2::{Digest, Sha256};
use trueup::aws::Sessions;
use trueup::engine::release::{
    Approving, MoveError, Refused, Rollback, RolledBack, Submitted, approve, current,
    needs_approval, roll_back, submit,
};
use trueup::model::Object;
use trueup::sandbox::Fault;
use trueup::store::{Release, Rollout, Verdict};

use crate::harness::{ARTIFACTS, DAEMON, Harness, parse, release};

/// One environment with one function, which runs this code.
pub fn environment(name: &str, code: &'static [u8], more: &str) -> String {
    let sha256 = hex::encode(Sha256::digest(code));
    let prefix = if name == "production" { "production/" } else { "" };
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  \
         artifacts: {{ bucket: {ARTIFACTS}, prefix: {name}/ }}\n  reconcile: {{ interval: 10s }}\n{more}---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: api, namespace: {name} }}\nspec:\n  \
         runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  alias: live\n  \
         code: {{ s3: {{ bucket: {ARTIFACTS}, key: {prefix}{sha256}.zip, sha256: {sha256} }} }}\n"
    )
    .replace(&format!("prefix: {name}/"), &format!("prefix: \"{prefix}\""))
}

async fn put(harness: &Harness, prefix: &str, code: &'static [u8]) {
    let key = format!("{prefix}{}.zip", hex::encode(Sha256::digest(code)));
    harness.put_code(&key, code).await;
}

pub async fn rollout(harness: &Harness, environment: &str, number: u64) -> Option<Rollout> {
    harness.store.rollout(environment, number).await.unwrap()
}

async fn until_succeeded(harness: &Harness, environment: &str, number: u64) {
    let what = format!("{environment} release {number} succeeds");
    let is_there = || async {
        let rollout = rollout(harness, environment, number).await;
        rollout.is_some_and(|rollout| rollout.verdict == Verdict::Succeeded)
    };
    harness.until(&what, is_there).await;
}

pub async fn head(harness: &Harness, environment: &str) -> u64 {
    harness.store.head(environment).await.unwrap().unwrap().release
}

pub const AUTO: &str = "  promotion: { from: staging, auto: true, soak: 5m }\n";

/// Staging and production with the first code, both well. Production takes by itself what does well in staging.
pub async fn two(production: &str) -> Harness {
    let mut harness = Harness::new().await;
    put(&harness, "", b"first").await;
    put(&harness, "", b"second").await;
    put(&harness, "production/", b"first").await;
    harness.apply(&environment("staging", b"first", "")).await;
    harness.apply(&environment("production", b"first", production)).await;
    harness.start().await;
    until_succeeded(&harness, "staging", 1).await;
    until_succeeded(&harness, "production", 1).await;
    harness
}

pub async fn code_of(harness: &Harness, environment: &str) -> String {
    let lambda = harness.session.lambda();
    let name = format!("{environment}-api");
    let found = lambda.get_function().function_name(name).qualifier("live").send().await.unwrap();
    found.configuration().and_then(|c| c.code_sha256()).unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_was_well_for_long_enough_goes_on_by_itself() {
    let harness = two(AUTO).await;
    harness.apply(&environment("staging", b"second", "")).await;
    until_succeeded(&harness, "staging", 2).await;
    let decided = rollout(&harness, "staging", 2).await.unwrap().decided_at().unwrap();
    tokio::time::sleep(Duration::from_secs(280)).await;
    assert_eq!(head(&harness, "production").await, 1, "it has not soaked yet");
    until_succeeded(&harness, "production", 2).await;
    let promoted = harness.store.release("production", 2).await.unwrap();
    let soaked = promoted.created_at.duration_since(decided).as_secs();
    assert!((300..330).contains(&soaked), "after {soaked} s");
    assert_eq!(promoted.message, "staging release 2 promoted by trueup");
    assert_eq!(code_of(&harness, "production").await, code_of(&harness, "staging").await);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_ready_meanwhile_begins_the_soak_anew() {
    let harness = two(AUTO).await;
    harness.apply(&environment("staging", b"second", "")).await;
    until_succeeded(&harness, "staging", 2).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let fault: Fault = "lambda:GetFunction=denied*20".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let unwell = || async { !harness.not_ready("staging").await.is_empty() };
    harness.until("it is unwell", unwell).await;
    harness.sandbox.faults().clear();
    harness.until_ready("staging").await;
    let well = harness.store.clock().now();
    until_succeeded(&harness, "production", 2).await;
    let promoted = harness.store.release("production", 2).await.unwrap();
    assert!(promoted.created_at.duration_since(well).as_secs() >= 290, "{}", promoted.created_at);
}

#[tokio::test(start_paused = true)]
async fn what_was_rolled_back_is_not_offered_again() {
    let harness = two(&AUTO.replace("5m", "1m")).await;
    let fault: Fault = "lambda:UpdateFunctionCode=invalid".parse().unwrap();
    harness.apply(&environment("staging", b"second", "")).await;
    until_succeeded(&harness, "staging", 2).await;
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let back = || async {
        let second = rollout(&harness, "production", 2).await;
        second.is_some_and(|rollout| rollout.verdict == Verdict::RolledBack)
    };
    harness.until("production is rolled back", back).await;
    harness.sandbox.faults().clear();
    until_succeeded(&harness, "production", 3).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(head(&harness, "production").await, 3);
    // Something newer is.
    put(&harness, "", b"third").await;
    harness.apply(&environment("staging", b"third", "")).await;
    until_succeeded(&harness, "production", 4).await;
    assert_eq!(code_of(&harness, "production").await, code_of(&harness, "staging").await);
}

#[tokio::test(start_paused = true)]
async fn what_production_had_already_is_not_promoted_over_a_later_hotfix() {
    let mut harness = two(&AUTO.replace("5m", "0s")).await;
    // Production has the code of staging's release already.
    harness.apply(&memory(&environment("staging", b"first", ""), 256)).await;
    until_succeeded(&harness, "staging", 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let yaml = environment("production", b"second", &AUTO.replace("5m", "0s"));
    put(&harness, "production/", b"second").await;
    harness.apply(&yaml).await;
    until_succeeded(&harness, "production", 2).await;
    let hotfix = code_of(&harness, "production").await;
    for _ in 0..2 {
        harness.stop().await;
        harness.start().await;
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    assert_eq!(code_of(&harness, "production").await, hotfix);
    assert_eq!(head(&harness, "production").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_proposal_of_a_person_is_not_replaced_by_a_promotion() {
    let production = format!("{}{APPROVED}", AUTO.replace("5m", "0s"));
    let harness = two(&production).await;
    propose(&harness, &memory(&environment("production", b"first", &production), 256)).await;
    harness.apply(&environment("staging", b"second", "")).await;
    until_succeeded(&harness, "staging", 2).await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    approved(&harness, 2, "grace").await.unwrap();
    until_succeeded(&harness, "production", 2).await;
    let waits = || async {
        let head = harness.store.head("production").await.unwrap().unwrap();
        head.waiting() == Some(3)
    };
    harness.until("then the promotion is proposed", waits).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_take_the_approval_away() {
    let harness = two("").await;
    let guarded = environment("production", b"first", APPROVED);
    harness.apply(&guarded).await;
    until_succeeded(&harness, "production", 2).await;
    let (store, sandbox) = (&harness.store, &harness.sandbox);
    let sessions = Sessions::new(&sandbox.connection(), store.clock(), None).await;
    let back = async || {
        let now = current(store, "production").await.unwrap();
        let (head, new) = (now.head.clone().unwrap(), release(Vec::new()));
        let asked = Rollback { to: Some(1), ..Rollback::default() };
        roll_back(store, &sessions, &head, &now, asked, new).await.unwrap()
    };
    let done = back().await;
    assert!(matches!(done, RolledBack::Already { .. }), "there was nothing else: {done:?}");
    harness.record("production", objects(&memory(&guarded, 256))).await.unwrap();
    back().await;
    let now = current(store, "production").await.unwrap();
    assert_eq!(now.release.as_ref().unwrap().number, 4);
    assert!(needs_approval(&now));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_promoted_into_what_is_suspended_or_has_no_open_window() {
    // The world begins at midnight.
    let window = "  windows: { allow: [{ schedule: \"0 1 * * *\", duration: 1h }] }\n";
    let harness = two(&format!("{}{window}", AUTO.replace("5m", "0s"))).await;
    harness.apply(&environment("staging", b"second", "")).await;
    until_succeeded(&harness, "staging", 2).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(head(&harness, "production").await, 1, "no window is open");
    harness.store.set_suspended("production", true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2400)).await;
    assert_eq!(head(&harness, "production").await, 1, "it is suspended");
    harness.store.set_suspended("production", false).await.unwrap();
    until_succeeded(&harness, "production", 2).await;
}

const APPROVED: &str = "  approval: Required\n";

fn objects(yaml: &str) -> Vec<Object> {
    parse(yaml).objects().cloned().collect()
}

async fn propose(harness: &Harness, yaml: &str) -> Release {
    let now = current(&harness.store, "production").await.unwrap();
    match submit(&harness.store, "production", &now, release(objects(yaml))).await.unwrap() {
        Submitted::Proposed(release) => release,
        Submitted::Recorded(release) => panic!("release {} did not wait", release.number),
    }
}

async fn approved(harness: &Harness, release: u64, by: &str) -> Result<Release, MoveError> {
    let (sandbox, store) = (&harness.sandbox, &harness.store);
    let sessions = Sessions::new(&sandbox.connection(), store.clock(), None).await;
    let asked = Approving { release, by, said: by, overrides_window: false };
    approve(store, &sessions, "production", asked).await
}

fn memory(yaml: &str, megabytes: u32) -> String {
    yaml.replace("  alias: live\n", &format!("  alias: live\n  memorySize: {megabytes}\n"))
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_for_somebody_else_than_its_author() {
    let harness = two(APPROVED).await;
    let yaml = environment("production", b"first", APPROVED);
    let first = propose(&harness, &memory(&yaml, 256)).await;
    let again = propose(&harness, &memory(&yaml, 256)).await;
    assert_eq!((first.number, again.number), (2, 2), "the same content is proposed once");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(head(&harness, "production").await, 1, "nothing happens by itself");
    let told = harness.events("production").await;
    assert_eq!(told.iter().filter(|event| event.reason == "ApprovalNeeded").count(), 1);
    let own = approved(&harness, 2, "Test").await.unwrap_err();
    assert!(matches!(own, MoveError::Refused(Refused::OwnRelease { .. })), "{own}");

    // What is approved is what was looked at: a later proposal is another release.
    let later = propose(&harness, &memory(&yaml, 512)).await;
    assert_eq!(later.number, 3);
    let stale = approved(&harness, 2, "grace").await.unwrap_err();
    assert!(stale.to_string().contains("release 3 does"), "{stale}");
    let recorded = approved(&harness, 3, "grace").await.unwrap();
    assert_eq!((recorded.number, recorded.approved_by.as_deref()), (3, Some("grace")));
    assert_eq!(recorded, harness.store.release("production", 3).await.unwrap());
    until_succeeded(&harness, "production", 3).await;
    let twice = approved(&harness, 3, "grace").await.unwrap_err();
    assert!(matches!(twice, MoveError::Refused(Refused::NothingToApprove { .. })), "{twice}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_void_once_the_head_has_moved_and_is_kept_until_then() {
    let mut harness = two(APPROVED).await;
    let yaml = environment("production", b"first", APPROVED);
    propose(&harness, &memory(&yaml, 256)).await;
    harness.stop().await;
    tokio::time::sleep(Duration::from_secs(48 * 3600)).await;
    harness.store.collect("production").await.unwrap();
    let head_now = harness.store.head("production").await.unwrap().unwrap();
    assert_eq!(harness.store.proposed(&head_now).await.unwrap().unwrap().number, 2);
    // Somebody goes another way, as a rollback does: it takes no number that was given.
    let moved = harness.record("production", objects(&memory(&yaml, 1024))).await.unwrap();
    assert_eq!(moved.number, 3);
    let void = approved(&harness, 2, "grace").await.unwrap_err();
    assert!(matches!(void, MoveError::Refused(Refused::NothingToApprove { .. })), "{void}");
    assert_eq!(harness.store.collect("production").await.unwrap(), 2, "it, and its function");
}

#[tokio::test(start_paused = true)]
async fn of_a_proposal_and_a_release_at_once_one_wins() {
    let harness = two(APPROVED).await;
    let yaml = environment("production", b"first", APPROVED);
    let (store, before) = (&harness.store, current(&harness.store, "production").await.unwrap());
    propose(&harness, &memory(&yaml, 256)).await;
    // Who saw the head before that would take its number.
    let new = release(objects(&memory(&yaml, 512)));
    let late = store.record("production", before.head.as_ref(), before.release.as_ref(), new).await;
    assert_eq!(late.unwrap().number, 2);
    let void = approved(&harness, 2, "grace").await.unwrap_err();
    assert!(matches!(void, MoveError::Refused(Refused::NothingToApprove { .. })), "{void}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_by_itself_waits_for_an_approval_too() {
    let harness = two(&format!("{}{APPROVED}", AUTO.replace("5m", "0s"))).await;
    harness.apply(&environment("staging", b"second", "")).await;
    let waits = || async {
        let head = harness.store.head("production").await.unwrap().unwrap();
        head.waiting() == Some(2)
    };
    harness.until("it is proposed", waits).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    let head_now = harness.store.head("production").await.unwrap().unwrap();
    assert_eq!((head_now.release, head_now.waiting()), (1, Some(2)), "it is proposed once");
    let own = approved(&harness, 2, "test").await.unwrap_err();
    assert!(matches!(own, MoveError::Refused(Refused::OwnRelease { .. })), "{own}");
    approved(&harness, 2, "grace").await.unwrap();
    until_succeeded(&harness, "production", 2).await;
    assert_eq!(code_of(&harness, "production").await, code_of(&harness, "staging").await);
}
