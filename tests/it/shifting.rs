//! A function's new version gets its requests step by step, and loses them at once where its release fails.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use trueup::store::{Decision, DecisionRequest, Stage, Verdict};

use crate::delivery::{delivered, succeeded, until_verdict};
use crate::harness::{ARTIFACTS, DAEMON, Harness};

/// The shop, whose function gets its requests by a strategy or by steps.
pub fn shop(rollout: &str) -> String {
    delivered("{}").replace("  alias: live\n", &format!("  alias: live\n  rollout: {rollout}\n"))
}

pub fn changed(yaml: &str) -> String {
    yaml.replace("memorySize: 512", "memorySize: 1024")
}

/// Which version the alias points to, and what another one gets, as `1` or `1, 2: 10 %`.
pub async fn alias(harness: &Harness) -> String {
    let lambda = harness.session.lambda();
    let alias = lambda.get_alias().function_name("shop-api").name("live").send().await.unwrap();
    let primary = alias.function_version().unwrap_or_default().to_owned();
    let weights = alias.routing_config().and_then(|r| r.additional_version_weights());
    let others = weights.into_iter().flatten();
    let others = others.map(|(version, weight)| format!(", {version}: {:.0} %", weight * 100.0));
    format!("{primary}{}", others.collect::<String>())
}

async fn until_alias(harness: &Harness, expected: &str) {
    harness.until(expected, || async { alias(harness).await == expected }).await;
}

fn second(harness: &Harness, since: Timestamp) -> i64 {
    harness.store.clock().now().duration_since(since).as_secs()
}

async fn decide(harness: &Harness, release: u64, decision: Decision) {
    let at = harness.store.clock().now();
    let (author, message) = ("ada".to_owned(), String::new());
    let request = DecisionRequest { release, decision, at, author, message };
    harness.store.decide("shop", &request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_strategy_shifts_as_its_name_says() {
    let mut lines = Vec::new();
    for strategy in [
        "{ strategy: AllAtOnce }",
        "{ strategy: Canary10Percent5Minutes }",
        "{ strategy: Canary10Percent10Minutes }",
        "{ strategy: Canary10Percent15Minutes }",
        "{ strategy: Canary10Percent30Minutes }",
        "{ strategy: Linear10PercentEvery1Minute }",
        "{ strategy: Linear10PercentEvery2Minutes }",
        "{ strategy: Linear10PercentEvery3Minutes }",
        "{ strategy: Linear10PercentEvery10Minutes }",
        "{ steps: [{ weight: 1, pause: 30s }, { weight: 50, pause: 2m }] }",
    ] {
        let yaml = shop(strategy);
        let harness = succeeded(&yaml).await;
        harness.apply(&changed(&yaml)).await;
        let (begun, mut last) = (harness.store.clock().now(), String::new());
        lines.push(strategy.to_owned());
        while harness
            .store
            .rollout("shop", 2)
            .await
            .unwrap()
            .is_none_or(|r| r.verdict != Verdict::Succeeded)
        {
            let now = alias(&harness).await;
            if now != last {
                // What AWS and the daemon take is some seconds.
                let seconds = second(&harness, begun);
                lines.push(format!(
                    "  after {} min {:02} s: {now}",
                    seconds / 60,
                    seconds % 60 / 10 * 10
                ));
                last = now;
            }
            assert!(second(&harness, begun) < 3 * 3600, "never over");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        lines.push(format!("  succeeded: {}", alias(&harness).await));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// Who may call the function's URL, and what its policy says.
async fn doors(harness: &Harness) -> (String, String) {
    let lambda = harness.session.lambda();
    let url = lambda.get_function_url_config().function_name("shop-api").qualifier("live").send();
    let url = url.await.map_or_else(|_| "none".to_owned(), |url| url.auth_type().to_string());
    let policy = lambda.get_policy().function_name("shop-api").qualifier("live").send().await;
    (url, policy.ok().and_then(|read| read.policy).unwrap_or_default())
}

/// Code that asks who calls it comes with a door for everybody: the code of before, which does not ask, is never
/// behind that door.
#[tokio::test(start_paused = true)]
async fn a_door_opens_once_the_new_version_has_all_requests() {
    let steps = "{ steps: [{ weight: 10, pause: 1m }, { weight: 50, pause: 1m }] }";
    let door = |auth: &str| {
        let url = format!("  alias: live\n  url: {{ authType: {auth} }}\n");
        shop(steps).replace("  alias: live\n", &url)
    };
    let s3 = "{ id: s3, principal: s3.amazonaws.com, sourceArn: \"arn:aws:s3:::shop-assets\" }";
    for (before, meanwhile) in [(shop(steps), "AWS_IAM"), (door("AWS_IAM"), "AWS_IAM")] {
        let harness = succeeded(&before).await;
        let open = changed(&door("NONE"))
            .replace("  alias: live\n", &format!("  alias: live\n  permissions: [{s3}]\n"));
        harness.apply(&open).await;
        let mut shares = Vec::new();
        while alias(&harness).await != "2" {
            let share = alias(&harness).await;
            let (url, policy) = doors(&harness).await;
            // Another look at the alias: it may just have moved.
            if alias(&harness).await == share {
                assert_ne!(url, "NONE", "at {share}");
                assert!(!policy.contains("s3.amazonaws.com"), "at {share}: {policy}");
                if share != "1" {
                    assert_eq!(url, meanwhile, "its address is known at {share}");
                }
            }
            if shares.last() != Some(&share) {
                shares.push(share);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(shares, ["1", "1, 2: 10 %", "1, 2: 50 %"]);
        until_verdict(&harness, 2, Verdict::Succeeded).await;
        let (url, policy) = doors(&harness).await;
        assert_eq!(url, "NONE");
        assert!(
            policy.contains("s3.amazonaws.com") && policy.contains("trueup-public-url"),
            "{policy}"
        );
    }
}

/// The version of the release before is on its way, and may look like the next one until the function has changed.
#[tokio::test(start_paused = true)]
async fn a_newer_release_shifts_its_own_version_alone() {
    let yaml = shop("{ strategy: Linear10PercentEvery1Minute }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "1, 2: 20 %").await;
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 768")).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(alias(&harness).await, "3");
    let told = harness.events("shop").await;
    let of_third = told.iter().filter(|event| event.reason == "TrafficShifted");
    let of_third: Vec<_> = of_third.filter(|event| event.release == 3).collect();
    assert!(!of_third.is_empty());
    let wrong = of_third.iter().filter(|event| !event.message.ends_with("version 3"));
    let wrong: Vec<_> = wrong.map(|event| &event.message).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_its_way_loses_its_requests_at_once() {
    let yaml = shop("{ strategy: Linear10PercentEvery1Minute }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "1, 2: 30 %").await;
    let aborted = harness.store.clock().now();
    decide(&harness, 2, Decision::Abort).await;
    while alias(&harness).await != "1" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The heads are read each second: one look sees the decision, the next one the release that undoes it.
    assert!(second(&harness, aborted) <= 3, "after {} s", second(&harness, aborted));
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    harness.until_ready("shop").await;
    assert_eq!(alias(&harness).await, "1", "the version of before serves again");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_loses_its_requests_also_where_nothing_can_be_gone_back_to() {
    let yaml = shop("{ strategy: Linear10PercentEvery1Minute }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "1, 2: 30 %").await;
    let s3 = harness.session.s3();
    s3.delete_object().bucket(ARTIFACTS).key("api.zip").send().await.unwrap();
    decide(&harness, 2, Decision::Abort).await;
    until_alias(&harness, "1").await;
    let failed = until_verdict(&harness, 2, Verdict::Failed).await;
    assert_eq!(failed.reason, "Aborted");
    assert!(failed.message.contains("it was not rolled back: "), "{}", failed.message);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(alias(&harness).await, "1");
    assert_eq!(until_verdict(&harness, 2, Verdict::Failed).await.stage(), Stage::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_somebody_gives_all_requests_waits_for_a_person() {
    let yaml = shop("{ steps: [{ weight: 20, pause: 5m }] }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "1, 2: 20 %").await;
    let lambda = harness.session.lambda();
    let none = aws_sdk_lambda::types::AliasRoutingConfiguration::builder();
    let none = none.set_additional_version_weights(Some(HashMap::new())).build();
    let by_hand = lambda.update_alias().function_name("shop-api").name("live");
    by_hand.function_version("2").routing_config(none).send().await.unwrap();
    assert_eq!(alias(&harness).await, "2", "it was shifted");
    let waits = until_verdict(&harness, 2, Verdict::Inconclusive).await;
    assert_eq!(waits.reason, "ShiftedByHand");
    assert_eq!(
        waits.message,
        "somebody gave version 2 of Function/api all requests, of which it had 20 % to show that it works"
    );
    decide(&harness, 2, Decision::Abort).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    until_alias(&harness, "1").await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_takes_the_requests_of_one_that_was_on_its_way() {
    let yaml = shop("{ strategy: Canary10Percent5Minutes }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "1, 2: 10 %").await;
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 2048")).await;
    until_alias(&harness, "1, 3: 10 %").await;
    until_verdict(&harness, 2, Verdict::Superseded).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(alias(&harness).await, "3");
    let seen: Vec<_> = harness.exchanges.moves().iter().map(moved).collect();
    assert_eq!(seen, ["1, 2: 10 %", "1", "1, 3: 10 %", "3"]);
}

/// What an alias was told to be.
pub fn moved(body: &Value) -> String {
    let weights = body["RoutingConfig"]["AdditionalVersionWeights"].as_object();
    let others = weights
        .into_iter()
        .flatten()
        .map(|(version, weight)| format!(", {version}: {:.0} %", weight.as_f64().unwrap() * 100.0));
    format!("{}{}", body["FunctionVersion"].as_str().unwrap(), others.collect::<String>())
}

#[tokio::test(start_paused = true)]
async fn requests_that_somebody_shifts_by_hand_are_drift() {
    let yaml = shop("{ strategy: AllAtOnce }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    until_alias(&harness, "2").await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let routing = aws_sdk_lambda::types::AliasRoutingConfiguration::builder();
    let routing = routing.additional_version_weights("1", 0.5).build();
    let lambda = harness.session.lambda();
    let by_hand =
        lambda.update_alias().function_name("shop-api").name("live").routing_config(routing);
    by_hand.send().await.unwrap();
    assert_eq!(alias(&harness).await, "2, 1: 50 %", "it was shifted");
    until_alias(&harness, "2").await;
    harness
        .until("it is told", || async {
            let events = harness.events("shop").await;
            events.iter().any(|e| e.reason == "DriftCorrected" && e.object == "Function/api")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_waits_while_requests_are_shifted() {
    let yaml = shop("{ strategy: Canary10Percent30Minutes }");
    let harness = succeeded(&yaml).await;
    harness.apply(&changed(&yaml)).await;
    tokio::time::sleep(Duration::from_secs(25 * 60)).await;
    assert_eq!(alias(&harness).await, "1, 2: 10 %");
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    assert_eq!(alias(&harness).await, "2");
}

#[tokio::test(start_paused = true)]
async fn old_versions_go_but_for_the_newest_and_what_somebody_else_needs() {
    let yaml = shop("{ strategy: AllAtOnce, keepVersions: 2 }");
    let harness = succeeded(&yaml).await;
    let lambda = harness.session.lambda();
    let versions = async || -> Vec<String> {
        let listed = lambda.list_versions_by_function().function_name("shop-api").send().await;
        let listed = listed.unwrap();
        let numbers = listed.versions().iter().filter_map(|version| version.version());
        numbers.filter(|number| *number != "$LATEST").map(str::to_owned).collect()
    };
    // Somebody's own alias keeps the first one.
    let own = lambda.create_alias().function_name("shop-api").name("own").function_version("1");
    own.send().await.unwrap();
    for (release, memory) in [(2, "640"), (3, "768"), (4, "896"), (5, "1024")] {
        harness.apply(&yaml.replace("memorySize: 512", &format!("memorySize: {memory}"))).await;
        until_verdict(&harness, release, Verdict::Succeeded).await;
    }
    assert_eq!(versions().await.len(), 5, "an hour has to pass between two collections");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(versions().await.len(), 5, "the history names them all");
    let last = yaml.replace("memorySize: 512", "memorySize: 1024");
    let short = last.replace("  artifacts:", "  revisionHistoryLimit: 2\n  artifacts:");
    assert_ne!(short, last);
    harness.apply(&short).await;
    until_verdict(&harness, 6, Verdict::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(versions().await, ["1", "4", "5"]);
    assert_eq!(alias(&harness).await, "5");
    let told = harness.events("shop").await;
    assert!(told.iter().any(|event| event.reason == "VersionsDeleted"), "it is told");
}

/// What a canary of five minutes costs, beside the observations that any five minutes cost.
#[tokio::test(start_paused = true)]
async fn a_rollout_asks_for_no_more_than_it_needs() {
    let yaml = shop("{ strategy: Canary10Percent5Minutes }");
    let harness = succeeded(&yaml).await;
    harness.sandbox.calls().clear();
    harness.apply(&changed(&yaml)).await;
    let begun = harness.store.clock().now();
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let minutes = second(&harness, begun).unsigned_abs() / 60 + 1;
    let calls = harness.sandbox.calls().all();
    let mut counts = std::collections::BTreeMap::new();
    for call in calls.iter().filter(|call| call.caller == DAEMON) {
        *counts.entry(call.action()).or_insert(0_u64) += 1;
    }
    let of = |action: &str| counts.get(action).copied().unwrap_or_default();
    // What is slow is asked for beside, for five minutes, as long as nobody has called the old version.
    assert!((minutes..=2 * minutes + 2).contains(&of("cloudwatch:GetMetricData")), "{counts:?}");
    assert_eq!(of("lambda:PublishVersion"), 1, "{counts:?}");
    assert_eq!(of("lambda:UpdateAlias"), 2, "{counts:?}");
    // An observation a minute, and some around each of the two writes.
    assert!((1..=2 * minutes + 8).contains(&of("lambda:GetAlias")), "{counts:?}");
    crate::proof::figure("calls of a canary", &format!("{minutes} minutes: {counts:?}"));
}

#[tokio::test(start_paused = true)]
async fn a_version_of_a_function_that_is_gone_is_not_taken_for_one_of_the_new_function() {
    let yaml = shop("{ strategy: AllAtOnce }");
    let harness = succeeded(&yaml).await;
    let with = |memory: &str| yaml.replace("memorySize: 512", &format!("memorySize: {memory}"));
    harness.apply(&with("640")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let lambda = harness.session.lambda();
    lambda.delete_function().function_name("shop-api").send().await.unwrap();
    let creates = || harness.sandbox.calls().counts()["lambda:CreateFunction"];
    harness.until("it is made anew", || async { creates() == 2 }).await;
    harness.until_ready("shop").await;
    assert_eq!(alias(&harness).await, "1", "which has 640 MB now");
    harness.apply(&with("768")).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(alias(&harness).await, "2");

    let before = harness.exchanges.moves().len();
    harness.apply(&yaml).await;
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    let moved: Vec<_> = harness.exchanges.moves()[before..].iter().map(moved).collect();
    assert_eq!(moved, ["3"], "version 1 was this form once, of another function");
    let served = lambda.get_function_configuration().function_name("shop-api").qualifier("live");
    assert_eq!(served.send().await.unwrap().memory_size(), Some(512));
}
