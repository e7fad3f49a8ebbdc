//! Failures that last: how often they are tried, and that nobody else waits for them.

use std::time::Duration;

use serde_json::json;
use trueup::engine::Rng;
use trueup::model::condition_type;

use super::figure;
use super::specs::proof;
use super::world::{ENVIRONMENT, environment, object, set, world};
use crate::harness::{DAEMON, Harness, statuses};

const DAY: Duration = Duration::from_secs(24 * 3600);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const SEED: u64 = 7;

fn attempts(harness: &Harness, action: &str) -> u64 {
    harness.sandbox.calls().counts().get(action).copied().unwrap_or(0)
}

/// What the policy makes of a day: full jitter below an interval that doubles from 1 s to 5 min.
fn formula(within: Duration) -> u64 {
    let dice = Rng::seeded(SEED);
    let (mut attempts, mut at, mut interval) = (0, Duration::ZERO, FIRST);
    while at <= within {
        attempts += 1;
        at += dice.up_to(interval);
        interval = (interval * 2).min(LONGEST);
    }
    attempts
}

/// One bucket that may not be made.
async fn denied() -> Harness {
    let mut harness = world().await;
    harness.look_every(Duration::from_secs(60));
    harness.sandbox.faults().inject("s3:CreateBucket=denied".parse().unwrap());
    let it = object("Bucket", "it", &json!({}));
    harness.apply_set(set(environment(json!({})), &[it])).await;
    harness.sandbox.calls().clear();
    harness.start_seeded(SEED).await;
    harness
}

#[tokio::test(start_paused = true)]
async fn a_day_of_one_failure_has_the_attempts_of_the_formula() {
    let harness = denied().await;
    let (mut before, mut longest, mut at) = (0, 0_u64, 0_u64);
    for second in 1..=DAY.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = attempts(&harness, "s3:CreateBucket");
        assert!(now - before <= 3, "a hot loop: {} attempts in a second", now - before);
        if now > before {
            longest = longest.max(second - at);
            at = second;
        }
        before = now;
    }
    let expected = formula(DAY);
    assert!(before.abs_diff(expected) <= 1, "{before} attempts, the formula has {expected}");
    assert!(longest <= LONGEST.as_secs() + 1, "a pause of {longest} s");
    // Reset by success: granted and denied anew, the first attempts come fast again.
    harness.sandbox.faults().clear();
    harness.settle().await;
    harness.sandbox.calls().clear();
    harness.sandbox.faults().inject("s3:GetBucketTagging=denied".parse().unwrap());
    tokio::time::sleep(Duration::from_secs(60 + 15)).await;
    let again = attempts(&harness, "s3:GetBucketTagging");
    assert!(again >= 3, "after a success it begins at 1 s: {again} attempts");
    figure(
        "backoff",
        &format!(
            "24 h of one failure: {before} attempts, the formula has {expected}; longest pause {longest} s"
        ),
    );
}

/// Buckets that are ready, and how many passes the daemon made until all but the poisoned were.
async fn passes_of(poisoned: bool) -> u64 {
    let mut harness = world().await;
    let spec = json!({"versioning": "Enabled"});
    let objects: Vec<_> = (0..100).map(|i| object("Bucket", &format!("b{i}"), &spec)).collect();
    harness.apply_set(set(environment(json!({})), &objects)).await;
    if poisoned {
        // Somebody else has a bucket of this name.
        harness.session.s3().create_bucket().bucket("proof-b42").send().await.unwrap();
    }
    harness.start_seeded(SEED).await;
    let expected = if poisoned { 99 } else { 100 };
    harness
        .until("the others are ready", || async {
            let statuses = statuses(&harness.store, ENVIRONMENT).await;
            statuses.iter().filter(|s| s.conditions.is_true(condition_type::READY)).count()
                == expected
        })
        .await;
    let families = harness.registry.gather();
    let total = families.iter().find(|f| f.name() == "controller_runtime_reconcile_total").unwrap();
    total.get_metric().iter().map(|m| m.get_counter().get_value()).sum::<f64>() as u64
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_among_a_hundred_does_not_slow_the_others() {
    let (with, without) = (passes_of(true).await, passes_of(false).await);
    assert!(with * 10 <= without * 11, "{with} passes with, {without} without");
    figure(
        "isolation",
        &format!("99 converge in {with} passes beside a poisoned one, 100 in {without} without"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_takes_is_stopped_for_every_kind() {
    let writes = [
        ("Function", "lambda:UpdateFunctionConfiguration", 1),
        ("Table", "dynamodb:UpdateTable", 3),
        ("Bucket", "s3:PutBucketLifecycleConfiguration", 5),
        ("Frontend", "amplify:UpdateApp", 4),
    ];
    for (kind, action, variant) in writes {
        let proof = proof(kind);
        let mut harness = world().await;
        let it = object(kind, "it", &proof.variants[0].1);
        harness.apply_set(set(environment(json!({})), &[it])).await;
        harness.start().await;
        harness.settle().await;
        harness.sandbox.faults().inject(
            format!("{action}=ignored").parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON),
        );
        let it = object(kind, "it", &proof.variants[variant].1);
        harness.apply_set(set(environment(json!({})), &[it])).await;
        let (reason, _) = harness.until_stalled(ENVIRONMENT, &format!("{kind}/it")).await;
        assert_eq!(reason, "Flapping", "{kind}");
        harness.sandbox.calls().clear();
        tokio::time::sleep(DAY / 24).await;
        assert_eq!(attempts(&harness, action), 0, "{kind}: written after the flap guard");
    }
    figure("flap guard", "a change that never takes is stopped for every kind");
}

#[tokio::test(start_paused = true)]
async fn changes_that_take_turns_are_stopped() {
    // One change never takes; somebody keeps making another, so that no plan is that of the pass before.
    let mut harness = world().await;
    let it = |days: u32| {
        let rule = json!({"id": "old", "enabled": true, "expirationDays": days});
        object("Bucket", "it", &json!({"versioning": "Enabled", "lifecycle": [rule]}))
    };
    harness.apply_set(set(environment(json!({})), &[it(30)])).await;
    harness.start().await;
    harness.settle().await;
    let ignored = "s3:PutBucketLifecycleConfiguration=ignored".parse::<trueup::sandbox::Fault>();
    harness.sandbox.faults().inject(ignored.unwrap().of(DAEMON));
    harness.sandbox.calls().clear();
    harness.apply_set(set(environment(json!({})), &[it(60)])).await;
    let begun = tokio::time::Instant::now();
    let stalled = async |harness: &Harness| {
        let status = harness.status(ENVIRONMENT, "Bucket/it").await.unwrap();
        status.conditions.is_true(condition_type::STALLED)
    };
    while !stalled(&harness).await {
        assert!(begun.elapsed() < DAY / 24, "never stopped");
        tokio::time::sleep(Duration::from_secs(4)).await;
        let suspended =
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
        harness.sandbox.ask("s3", "PUT", "/proof-it?versioning", "", suspended).await;
    }
    let (reason, message) = harness.until_stalled(ENVIRONMENT, "Bucket/it").await;
    assert_eq!(reason, "Flapping", "{message}");
    let written = attempts(&harness, "s3:PutBucketLifecycleConfiguration");
    assert!(written <= 6, "{written} writes of two plans");
}

#[tokio::test(start_paused = true)]
async fn deployments_that_leave_no_trace_are_stopped() {
    let mut harness = world().await;
    let ignored = "amplify:TagResource=ignored".parse::<trueup::sandbox::Fault>().unwrap();
    harness.sandbox.faults().inject(ignored.of(DAEMON));
    let it = object("Frontend", "it", &proof("Frontend").bare);
    harness.apply_set(set(environment(json!({})), &[it])).await;
    harness.start().await;
    let (reason, _) = harness.until_stalled(ENVIRONMENT, "Frontend/it").await;
    assert_eq!(reason, "Flapping");
    tokio::time::sleep(DAY / 24).await;
    let begun = attempts(&harness, "amplify:StartDeployment");
    assert!(begun <= 4, "{begun} deployments of the same artifact");
}
