//! Releases are judged by what their users meet: metrics of both versions, probes, alarms, checks and hooks.

use std::time::Duration;

use serde_json::{Value, json};
use trueup::sandbox::{Fault, Load, REGION};
use trueup::store::{Decision, DecisionRequest, Rollout, Stage, Verdict};

use crate::delivery::{delivered, succeeded, until_verdict};
use crate::harness::{DAEMON, Harness};

/// The shop: what its function and its environment say of rollouts.
fn shop(function: &str, environment: &str) -> String {
    delivered(environment)
        .replace("  alias: live\n", &format!("  alias: live\n  rollout: {function}\n"))
}

/// The next version, which fails so many of its requests, or does something else of its own.
fn next(yaml: &str, name: &str, value: &str) -> String {
    let env = format!("    - {{ name: {name}, value: \"{value}\" }}\n  alias: live\n");
    yaml.replace("  alias: live\n", &env)
}

/// Users make so many requests.
fn call(harness: &Harness, requests: u32) {
    let load = Load {
        region: REGION,
        function: "shop-api",
        alias: "live",
        requests,
        newest_error_rate: None,
    };
    harness.sandbox.load(&load).expect("the function is there");
}

/// Users make so many requests a minute until the release is decided, or so many minutes are over.
async fn serve(harness: &Harness, release: u64, per_minute: u32, minutes: u32) -> Rollout {
    for _ in 0..minutes * 6 {
        call(harness, per_minute / 6);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let rollout = harness.store.rollout("shop", release).await.unwrap();
        if let Some(rollout) = rollout.filter(|r| r.verdict != Verdict::Progressing) {
            return rollout;
        }
    }
    panic!("release {release} is undecided after {minutes} minutes")
}

/// Which version the alias points to, and whether another gets a part.
async fn alias(harness: &Harness) -> (String, bool) {
    let lambda = harness.session.lambda();
    let alias = lambda.get_alias().function_name("shop-api").name("live").send().await.unwrap();
    let others = alias.routing_config().and_then(|r| r.additional_version_weights());
    (alias.function_version().unwrap().to_owned(), others.is_some_and(|o| !o.is_empty()))
}

async fn decide(harness: &Harness, release: u64, decision: Decision) {
    let at = harness.store.clock().now();
    let (author, message) = ("ada".to_owned(), "I looked".to_owned());
    let request = DecisionRequest { release, decision, at, author, message };
    harness.store.decide("shop", &request).await.unwrap();
}

/// Asks the sandbox's CloudWatch by hand.
pub async fn cloudwatch(harness: &Harness, operation: &str, body: Value) {
    let target = format!("GraniteServiceVersion20100801.{operation}");
    let (status, answer) =
        harness.sandbox.ask("monitoring", "POST", "/", &target, &body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
}

async fn put_alarm(harness: &Harness, name: &str) {
    let alarm = json!({
        "AlarmName": name,
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "shop-api"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 20.0,
        "ComparisonOperator": "GreaterThanThreshold",
    });
    cloudwatch(harness, "PutMetricAlarm", alarm).await;
}

const CANARY: &str = "{ strategy: Canary10Percent5Minutes }";
const ANALYSED: &str = "{ strategy: Canary10Percent5Minutes, analysis: {} }";

/// The manifest of before says nothing of variables. Those of the bad release stay in the function, and no version
/// that has them gets a request.
#[tokio::test(start_paused = true)]
async fn what_a_failed_release_declared_anew_is_named_and_served_to_nobody() {
    let env = "  env:\n    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }\n";
    let yaml = shop(CANARY, "{}").replace(env, "");
    assert!(!yaml.contains("env:"), "{yaml}");
    let harness = succeeded(&yaml).await;
    let bad = "  env:\n    - { name: SANDBOX_ERROR_RATE, value: \"0.3\" }\n  alias: live\n";
    harness.apply(&yaml.replace("  alias: live\n", bad)).await;
    let failed = serve(&harness, 2, 600, 8).await;
    assert_eq!(failed.reason, "NewVersionWorse", "{}", failed.message);
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(alias(&harness).await, ("1".to_owned(), false), "the version of before goes on");
    }
    let events = harness.events("shop").await;
    let left = events.iter().find(|event| event.reason == "NotRolledBack");
    let left = &left.expect("what stays is told").message;
    assert!(left.contains("Function/api: env"), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_fails_more_often_is_rolled_back_with_the_evidence() {
    for rollout in [CANARY, ANALYSED] {
        let yaml = shop(rollout, "{}");
        let harness = succeeded(&yaml).await;
        harness.apply(&next(&yaml, "SANDBOX_ERROR_RATE", "0.3")).await;
        let failed = serve(&harness, 2, 600, 8).await;
        assert_eq!(failed.reason, "NewVersionWorse");
        assert!(
            failed.message.starts_with("Function/api: version 2 fails more often: after "),
            "{}",
            failed.message
        );
        assert!(failed.message.contains(" errors, beside 0 in "), "{}", failed.message);
        until_verdict(&harness, 2, Verdict::RolledBack).await;
        until_verdict(&harness, 3, Verdict::Succeeded).await;
        assert_eq!(alias(&harness).await, ("1".to_owned(), false));
        let lasted = failed.decided_at().unwrap().duration_since(failed.begun_at().unwrap());
        assert!(lasted.as_secs() < 300, "before its pause was over: {lasted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_slower_is_rolled_back() {
    let yaml = shop(ANALYSED, "{}");
    let harness = succeeded(&yaml).await;
    for _ in 0..3 {
        call(&harness, 600);
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    harness.apply(&next(&yaml, "SANDBOX_DURATION_MS", "400")).await;
    let failed = serve(&harness, 2, 600, 8).await;
    assert_eq!(failed.reason, "NewVersionWorse", "{}", failed.message);
    assert!(failed.message.contains("version 2 is slower: after "), "{}", failed.message);
    assert!(failed.message.contains(" longer than 24 ms"), "{}", failed.message);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_works_goes_on_also_where_both_fail_as_often() {
    for (what, rate) in [("neither fails", "0"), ("both fail", "0.05")] {
        let plain = shop(ANALYSED, "{}");
        let yaml = next(&plain, "SANDBOX_ERROR_RATE", rate);
        let harness = succeeded(&yaml).await;
        harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
        let succeeded = serve(&harness, 2, 1200, 40).await;
        assert_eq!(succeeded.verdict, Verdict::Succeeded, "{what}: {}", succeeded.message);
        assert_eq!(alias(&harness).await, ("2".to_owned(), false), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_nobody_calls_waits_for_a_person_where_an_analysis_is_declared() {
    let analysis = "{ strategy: Canary10Percent5Minutes, analysis: { maxDuration: 10m } }";
    let yaml = shop(analysis, "{}");
    let harness = succeeded(&yaml).await;
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    let still = harness.store.rollout("shop", 2).await.unwrap().unwrap();
    assert_eq!(still.verdict, Verdict::Progressing, "its pause is over, and it is not clear");
    let waiting = until_verdict(&harness, 2, Verdict::Inconclusive).await;
    assert_eq!(waiting.reason, "AnalysisUndecided");
    assert_eq!(
        waiting.message,
        "Function/api: undecided after 10 min: no request reached version 2"
    );
    assert_eq!(alias(&harness).await, ("1".to_owned(), true), "it keeps its part meanwhile");
    decide(&harness, 2, Decision::Promote).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    harness.until_ready("shop").await;
    assert_eq!(alias(&harness).await, ("2".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn probes_stand_in_for_requests_and_stop_a_version_before_anybody_meets_it() {
    let probes = "{ strategy: Canary10Percent5Minutes, analysis: { probes: [{ payload: { path: /health }, status: 200 }] } }";
    let yaml = shop(probes, "{}");
    let harness = succeeded(&yaml).await;
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let invoked = harness.sandbox.calls().counts()["lambda:Invoke"];
    assert!(invoked >= 2, "before the first request, and beside them: {invoked}");
    harness.apply(&next(&yaml, "SANDBOX_ANSWER", "{\\\"statusCode\\\": 500}")).await;
    let failed = until_verdict(&harness, 3, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "ProbeFailed");
    assert!(
        failed
            .message
            .starts_with("Function/api: probe 1: expected statusCode 200, and the answer was 500"),
        "{}",
        failed.message
    );
    let moves = harness.exchanges.moves();
    let shows = |body: &Value| body["RoutingConfig"]["AdditionalVersionWeights"].clone();
    assert!(
        moves.iter().all(|body| shows(body).get("3").is_none()),
        "it got no request: {moves:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn probes_go_on_while_a_release_that_succeeded_is_watched() {
    let probes = "{ strategy: AllAtOnce, analysis: { probes: [{ payload: { path: /health }, status: 200 }] } }";
    let yaml = shop(probes, "{ bakeTime: 10m }");
    let harness = succeeded(&yaml).await;
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    // What answered well at first stops doing so.
    harness.sandbox.faults().inject("lambda:Invoke=garbage*1000".parse().unwrap());
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "ProbeFailed");
    assert!(harness.sandbox.faults().struck() >= 3, "once may be chance");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_goes_off_rolls_back_at_every_step_and_one_from_before_does_not() {
    let yaml = shop("{ strategy: Linear10PercentEvery1Minute }", "{ alarms: [shop-errors] }");
    let harness = succeeded_with_alarm(&yaml).await;
    let mut slowest = (Duration::ZERO, Duration::ZERO);
    for step in 1..=9 {
        let release = harness.store.existing_head("shop").await.unwrap().release + 1;
        cloudwatch(
            &harness,
            "SetAlarmState",
            json!({"AlarmName": "shop-errors", "StateValue": "OK", "StateReason": ""}),
        )
        .await;
        harness.apply(&next(&yaml, "STEP", &step.to_string())).await;
        let at_step = || async {
            let rollout = harness.store.rollout("shop", release).await.unwrap();
            rollout.is_some_and(|r| {
                r.shifts.iter().any(|shift| shift.step + 1 == step && shift.since.is_some())
            })
        };
        harness.until("it is at its step", at_step).await;
        cloudwatch(
            &harness,
            "SetAlarmState",
            json!({"AlarmName": "shop-errors", "StateValue": "ALARM", "StateReason": "too many"}),
        )
        .await;
        let reads = || harness.sandbox.calls().counts().get("cloudwatch:DescribeAlarms").copied();
        let (set_at, read_before) = (tokio::time::Instant::now(), reads());
        while reads() == read_before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen_at = tokio::time::Instant::now();
        let failed = until_verdict(&harness, release, Verdict::RolledBack).await;
        assert_eq!(failed.reason, "AlarmBreached");
        assert!(failed.message.starts_with("alarm shop-errors went off: too many"));
        // The rollback meets the alarm as it was before it.
        until_verdict(&harness, release + 1, Verdict::Succeeded).await;
        assert_eq!(alias(&harness).await, ("1".to_owned(), false), "step {step}");
        let back = harness.exchanges.turns().into_iter().rfind(|t| t.operation == "UpdateAlias");
        let back = back.unwrap().at;
        let (since_set, since_seen) = (back - set_at, back - seen_at);
        // Alarms are read every half a minute.
        assert!(since_set < Duration::from_secs(35), "step {step}: after {since_set:?}");
        assert!(since_seen < Duration::from_secs(5), "step {step}: after {since_seen:?}");
        slowest = (slowest.0.max(since_set), slowest.1.max(since_seen));
    }
    let (since_set, since_seen) = slowest;
    let text = format!(
        "nine steps, all requests at the old version within {since_set:?}, {since_seen:?} of them after it was seen"
    );
    crate::proof::figure("an alarm goes off", &text);
}

/// The same with an alarm on the function's errors.
pub async fn succeeded_with_alarm(yaml: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    put_alarm(&harness, "shop-errors").await;
    harness.apply(yaml).await;
    harness.start().await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness
}

#[tokio::test(start_paused = true)]
async fn an_alarm_on_metrics_follows_from_requests() {
    let yaml = shop("{ strategy: AllAtOnce }", "{ alarms: [shop-errors], bakeTime: 10m }");
    let harness = succeeded_with_alarm(&yaml).await;
    call(&harness, 600);
    harness.apply(&next(&yaml, "SANDBOX_ERROR_RATE", "0.5")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    call(&harness, 100);
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "AlarmBreached");
    assert!(failed.message.contains("Threshold Crossed"), "{}", failed.message);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_cannot_be_read_makes_a_release_wait_unless_it_is_told_otherwise() {
    let environment = "{ alarms: [none], progressDeadline: 1m }";
    let harness = succeeded_with(&shop(CANARY, environment), Verdict::Inconclusive).await;
    let waiting = harness.store.rollout("shop", 1).await.unwrap().unwrap();
    assert_eq!((waiting.reason.as_str(), waiting.stage()), ("SignalsUnreadable", Stage::Waiting));
    assert_eq!(waiting.message, "alarm none: there is no alarm none in us-east-1");
    // The alarm is made, and a person tries again.
    put_alarm(&harness, "none").await;
    decide(&harness, 1, Decision::Retry).await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;

    let environment = "{ alarms: [none], unreadableAlarms: Ignore }";
    succeeded(&shop(CANARY, environment)).await;
}

async fn succeeded_with(yaml: &str, verdict: Verdict) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(yaml).await;
    harness.start().await;
    until_verdict(&harness, 1, verdict).await;
    harness
}

const PAGE: &str = "https://shop.example.com/";

#[tokio::test(start_paused = true)]
async fn a_release_succeeds_when_its_pages_answer_and_is_rolled_back_when_they_stop() {
    let environment =
        format!("{{ bakeTime: 10m, checks: [{{ url: \"{PAGE}\", contains: \"shop is up\" }}] }}");
    let yaml = shop(CANARY, &environment);
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.sandbox.pages().set(PAGE, 200, "<p>shop is up</p>");
    harness.apply(&yaml).await;
    harness.start().await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness.sandbox.pages().set(PAGE, 200, "<p>shop is down</p>");
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "CheckFailed");
    assert!(
        failed.message.starts_with(
            &format!("check 1 ({PAGE}): expected a body with `shop is up`, and the answer was <p>shop is down</p>")
        ),
        "{}",
        failed.message
    );
    harness.sandbox.pages().set(PAGE, 200, "<p>shop is up</p>");
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    harness.apply(&next(&yaml, "SETTING", "c")).await;
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    harness.sandbox.pages().set(PAGE, 503, "down");
    let failed = until_verdict(&harness, 4, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "CheckFailed");
    assert!(failed.message.contains("an answer with status 2xx"), "{}", failed.message);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_wrong_in_the_last_look_of_the_bake_time_is_looked_at_again() {
    let checks = format!("{{ bakeTime: 40s, checks: [{{ url: \"{PAGE}\" }}] }}");
    let yaml = shop("{ strategy: AllAtOnce }", &checks);
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.sandbox.pages().set(PAGE, 200, "up");
    harness.apply(&yaml).await;
    harness.start().await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    // Between the first look of the bake time and the second one, which is its last.
    tokio::time::sleep(Duration::from_secs(15)).await;
    harness.sandbox.pages().set(PAGE, 500, "down");
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "CheckFailed");
}

const HOOK: &str = "https://hooks.example.com/before";

/// Nobody was called: that is no answer of the hook's.
#[tokio::test(start_paused = true)]
async fn a_hook_that_is_not_reached_is_called_again() {
    let yaml = shop(&format!("{{ beforeTraffic: {{ url: \"{HOOK}\" }} }}"), "{}");
    let harness = succeeded(&yaml).await;
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let rollout = harness.store.rollout("shop", 2).await.unwrap().unwrap();
    assert_eq!(rollout.verdict, Verdict::Progressing, "{}", rollout.message);
    assert!(!harness.sandbox.pages().requests().is_empty(), "it was tried");
    harness.sandbox.pages().set(HOOK, 204, "");
    until_verdict(&harness, 2, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_called_once_and_one_that_fails_keeps_a_version_from_its_users() {
    let hooks = format!(
        "{{ beforeTraffic: {{ url: \"{HOOK}\" }}, afterTraffic: {{ function: shop-api, timeout: 5s }} }}"
    );
    let yaml = shop(&hooks, "{}");
    let harness = succeeded(&yaml).await;
    harness.sandbox.pages().set(HOOK, 204, "");
    harness.apply(&next(&yaml, "SETTING", "b")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let requests = harness.sandbox.pages().requests();
    let bodies: Vec<Value> =
        requests.iter().map(|r| serde_json::from_str(r.body.as_ref().unwrap()).unwrap()).collect();
    let expected = json!({
        "hook": "beforeTraffic", "environment": "shop", "release": 2,
        "function": "shop-api", "alias": "live", "version": "2",
    });
    assert_eq!(bodies, [expected]);
    assert_eq!(harness.sandbox.calls().counts()["lambda:Invoke"], 1, "the hook after, once");
    // What changes no version calls nobody.
    harness
        .apply(&next(&yaml, "SETTING", "b").replace("versioning: Enabled", "versioning: Suspended"))
        .await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(harness.sandbox.calls().counts()["lambda:Invoke"], 1);
    harness.sandbox.pages().set(HOOK, 500, "no");
    harness.apply(&next(&yaml, "SETTING", "c")).await;
    let failed = until_verdict(&harness, 4, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "HookFailed");
    until_verdict(&harness, 5, Verdict::Succeeded).await;
    assert_eq!(alias(&harness).await, ("2".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn metrics_that_cannot_be_read_stop_only_a_version_that_has_to_show_something() {
    for (rollout, verdict) in [
        (CANARY, Verdict::Succeeded),
        (
            "{ strategy: Canary10Percent5Minutes, analysis: { maxDuration: 6m } }",
            Verdict::Inconclusive,
        ),
    ] {
        let yaml = shop(rollout, "{}");
        let harness = succeeded(&yaml).await;
        let fault: Fault = "cloudwatch:GetMetricData=denied".parse().unwrap();
        harness.sandbox.faults().inject(fault.of(DAEMON));
        harness.apply(&next(&yaml, "SETTING", "b")).await;
        let ended = until_verdict(&harness, 2, verdict).await;
        let told = harness.events("shop").await;
        let told = told.iter().map(|event| event.message.clone()).chain([ended.message]);
        let told: Vec<_> = told.filter(|m| m.contains("cloudwatch:GetMetricData")).collect();
        assert!(!told.is_empty(), "the missing right is named");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_lambda_cannot_start_fails_its_release_and_gets_no_request() {
    for rollout in ["{ strategy: AllAtOnce }", CANARY] {
        let yaml = shop(rollout, "{}");
        let harness = succeeded(&yaml).await;
        harness.apply(&next(&yaml, "SANDBOX_VERSION", "fail")).await;
        let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
        assert!(
            failed.message.contains("the function did not start in time"),
            "{}",
            failed.message
        );
        until_verdict(&harness, 3, Verdict::Succeeded).await;
        assert_eq!(alias(&harness).await, ("1".to_owned(), false), "{rollout}");
        let moves = harness.exchanges.moves();
        assert!(moves.iter().all(|m| !m.to_string().contains("\"2\"")), "{rollout}: {moves:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_on_its_way_is_seen_in_the_metrics() {
    let plain = shop(CANARY, "{}");
    let yaml = next(&plain, "SANDBOX_ERROR_RATE", "0.05");
    let harness = succeeded(&yaml).await;
    let value = |name: &str| {
        let gathered = harness.registry.gather();
        let family = gathered.iter().find(|family| family.name() == name)?;
        let metric = family.get_metric().first()?;
        Some(metric.get_gauge().get_value())
    };
    assert_eq!(value("trueup_rollout_weight_percent"), None, "nothing is on its way");
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
    for _ in 0..24 {
        call(&harness, 200);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(value("trueup_rollout_weight_percent"), Some(10.0));
    let evidence = value("trueup_rollout_evidence").expect("both versions were called");
    assert!(evidence != 0.0 && evidence < 4.6, "{evidence}");
    serve(&harness, 2, 1200, 40).await;
    let gone = || async { value("trueup_rollout_weight_percent").is_none() };
    harness.until("it is not on its way any more", gone).await;
}
