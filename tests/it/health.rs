//! Whether an environment works: its pages, and the objects that it does without.

use std::time::Duration;

use trueup::model::{ConditionStatus, condition_type};
use trueup::store::{EventKind, Verdict};

use crate::delivery::{succeeded, until_verdict};
use crate::harness::{Harness, shop};

const PAGE: &str = "https://shop.example/health";

fn probed() -> String {
    let health =
        format!("health: {{ interval: 10s, probes: [{{ url: \"{PAGE}\", contains: up }}] }}");
    shop().replace("rollout: { rollback: Manual }", &health)
}

async fn healthy(harness: &Harness) -> Option<ConditionStatus> {
    let record = harness.store.health("shop").await.unwrap()?;
    record.conditions.get(condition_type::HEALTHY).map(|condition| condition.status)
}

async fn told(harness: &Harness) -> Vec<(EventKind, String)> {
    let mut events = harness.events("shop").await;
    events.reverse();
    let of_health = |reason: &str| reason == "Healthy" || reason == "Unhealthy";
    let told = events.into_iter().filter(|event| of_health(&event.reason));
    told.map(|event| (event.kind, event.message)).collect()
}

/// A shop whose page answers, with one release.
async fn working() -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.sandbox.pages().set(PAGE, 200, "shop is up");
    harness.apply(&probed()).await;
    harness.start().await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness
        .until("it is healthy", || async { healthy(&harness).await == Some(ConditionStatus::True) })
        .await;
    harness
}

#[tokio::test(start_paused = true)]
async fn an_environment_is_unhealthy_after_wrong_answers_in_a_row_and_healthy_again() {
    let mut harness = working().await;
    assert_eq!(told(&harness).await, [], "nothing has changed");
    harness.sandbox.pages().set(PAGE, 503, "down");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(healthy(&harness).await, Some(ConditionStatus::True), "once may be chance");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(healthy(&harness).await, Some(ConditionStatus::False));
    let down = told(&harness).await;
    assert_eq!(down.len(), 1);
    assert_eq!(down[0].0, EventKind::Warning);
    assert!(down[0].1.contains(PAGE) && down[0].1.contains("503"), "{}", down[0].1);

    // Who takes over tells nothing anew.
    harness.stop().await;
    harness.start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(told(&harness).await.len(), 1);
    let gauge = || {
        let families = harness.registry.gather();
        let healthy = families.iter().find(|family| family.name() == "trueup_environment_healthy");
        healthy.map(|family| family.get_metric()[0].get_gauge().get_value())
    };
    assert_eq!(gauge(), Some(0.0));

    harness.sandbox.pages().set(PAGE, 200, "shop is up");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!((healthy(&harness).await, gauge()), (Some(ConditionStatus::True), Some(1.0)));
    let again = told(&harness).await;
    assert_eq!(again[1..], [(EventKind::Normal, "every page answers".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_breaks_the_page_is_rolled_back() {
    let harness = working().await;
    harness.sandbox.pages().set(PAGE, 500, "broken");
    harness.apply(&probed().replace("memorySize: 512", "memorySize: 1024")).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert!(failed.message.contains("500"), "{}", failed.message);
}

/// The bucket is optional, and its versioning is refused from release 2 on.
async fn without_bucket(policy: &str) -> (Harness, String) {
    let policy = format!("rollout: {policy}");
    let yaml = shop().replace("rollout: { rollback: Manual }", &policy).replace(
        "metadata: { name: assets, namespace: shop }",
        "metadata: { name: assets, namespace: shop, annotations: { trueup.dev/criticality: optional } }",
    );
    let harness = succeeded(&yaml).await;
    harness.sandbox.faults().inject("s3:PutBucketVersioning=invalid".parse().unwrap());
    harness.apply(&yaml.replace("Enabled", "Suspended")).await;
    (harness, yaml)
}

#[tokio::test(start_paused = true)]
async fn an_optional_object_that_fails_degrades_its_environment_and_not_its_release() {
    let (harness, _) = without_bucket("{}").await;
    let release = until_verdict(&harness, 2, Verdict::Succeeded).await;
    assert!(
        release.message.starts_with("the environment is degraded, without: Bucket/assets: "),
        "{}",
        release.message
    );
    let families = harness.registry.gather();
    let degraded = families.iter().find(|f| f.name() == "trueup_environment_degraded").unwrap();
    assert_eq!(degraded.get_metric()[0].get_gauge().get_value(), 1.0);
    harness.sandbox.faults().clear();
    harness.until_ready("shop").await;
}

#[tokio::test(start_paused = true)]
async fn an_optional_object_fails_its_release_where_the_environment_says_so() {
    let (harness, _) = without_bucket("{ optionalObjects: Require }").await;
    let release = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert!(release.message.contains("Bucket/assets"), "{}", release.message);
}

#[tokio::test(start_paused = true)]
async fn an_optional_object_that_comes_too_late_holds_up_nothing_that_follows() {
    let yaml = shop()
        .replace("rollout: { rollback: Manual }", "rollout: { progressDeadline: 60s }")
        .replace(
            "metadata: { name: assets, namespace: shop }",
            "metadata: { name: assets, namespace: shop, annotations: { trueup.dev/criticality: optional } }",
        );
    let harness = succeeded(&yaml).await;
    harness.put_code("web2.zip", b"site 2").await;
    harness.sandbox.faults().inject("s3:PutBucketVersioning=throttle".parse().unwrap());
    let begun = tokio::time::Instant::now();
    harness.apply(&yaml.replace("Enabled", "Suspended").replace("web.zip", "web2.zip")).await;
    let release = until_verdict(&harness, 2, Verdict::Succeeded).await;
    assert!(
        release.message.starts_with("the environment is degraded, without: Bucket/assets: "),
        "{}",
        release.message
    );
    assert!(begun.elapsed() > Duration::from_secs(55), "it had the time that it may take");
    assert!(release.frontends_moved, "the frontend followed");
    assert!(harness.sandbox.faults().struck() > 0);
    harness.sandbox.faults().clear();
}
