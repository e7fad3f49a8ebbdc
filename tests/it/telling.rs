//! Who is told what happens: Slack, a signed webhook, GitHub; and that nobody waits for them.

use std::time::Duration;

use serde_json::Value;
use trueup::sandbox::Fault;
use trueup::store::Verdict;
use trueup::web::WebRequest;

use crate::delivery::{delivered, until_verdict};
use crate::harness::{DAEMON, Harness};

const SLACK: &str = "https://hooks.example.com/T0/secret-path";
const WEBHOOK: &str = "https://ops.example.com/trueup";
const API: &str = "https://github.example.com/api/v3";

/// The shop, which tells three.
fn shop() -> String {
    delivered("{}").replace(
        "  artifacts: { bucket: artifacts }\n",
        &format!(
            "  artifacts: {{ bucket: artifacts }}\n  notifications:\n    \
             - slack: {{ urlFrom: {{ ssm: {{ name: /shop/slack }} }} }}\n      \
               on: [Succeeded, Failed, RolledBack]\n    \
             - webhook: {{ url: \"{WEBHOOK}\", secretFrom: {{ ssm: {{ name: /shop/key }} }} }}\n    \
             - github: {{ repository: example/shop, apiUrl: \"{API}\", tokenFrom: {{ ssm: {{ name: /shop/token }} }} }}\n"
        ),
    )
}

async fn started(yaml: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    for (name, value) in [("slack", SLACK), ("key", "signing-key"), ("token", "gh-token")] {
        let put = harness.session.ssm().put_parameter();
        put.name(format!("/shop/{name}")).value(value).send().await.unwrap();
    }
    harness.apply(yaml).await;
    harness.start().await;
    harness
}

fn to(harness: &Harness, url: &str) -> Vec<WebRequest> {
    let requests = harness.sandbox.pages().requests().into_iter();
    requests.filter(|request| request.url.starts_with(url)).collect()
}

fn body(request: &WebRequest) -> Value {
    serde_json::from_str(request.body.as_ref().unwrap()).unwrap()
}

fn header(request: &WebRequest, name: &str) -> String {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.reveal().to_owned()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn each_is_told_in_its_own_form_and_a_signature_can_be_checked() {
    let harness = started(&shop()).await;
    harness.sandbox.pages().set(SLACK, 200, "ok");
    harness.sandbox.pages().set(WEBHOOK, 204, "");
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness
        .until("both are told", || async {
            !to(&harness, SLACK).is_empty() && to(&harness, WEBHOOK).len() >= 2
        })
        .await;
    let slack = to(&harness, SLACK);
    assert_eq!(
        body(&slack[0])["text"],
        "*shop* Environment/shop ReleaseSucceeded: release 1 succeeded"
    );
    let told = to(&harness, WEBHOOK);
    let topics: Vec<_> =
        told.iter().map(|r| body(r)["topic"].as_str().unwrap().to_owned()).collect();
    assert!(topics.contains(&"Started".to_owned()) && topics.contains(&"Succeeded".to_owned()));
    for request in &told {
        let (timestamp, text) =
            (header(request, "x-trueup-timestamp"), request.body.clone().unwrap());
        let expected = hmac_by_python("signing-key", &format!("{timestamp}.{text}"));
        assert_eq!(header(request, "x-trueup-signature"), format!("sha256={expected}"));
    }
}

/// Somebody else's implementation.
pub fn hmac_by_python(key: &str, text: &str) -> String {
    let script = "import hashlib, hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), hashlib.sha256).hexdigest())";
    let output = std::process::Command::new("python3").args(["-c", script, key, text]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_tried_again_and_nobody_waits_for_it() {
    let harness = started(&shop()).await;
    harness.sandbox.pages().set(SLACK, 503, "");
    harness.sandbox.pages().set(WEBHOOK, 400, "");
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(to(&harness, SLACK).len() >= 2, "it is tried again");
    harness.sandbox.pages().set(SLACK, 200, "ok");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let tries = to(&harness, SLACK).len();
    assert!((3..=6).contains(&tries), "until it is taken, and no more: {tries}");
    let refused = to(&harness, WEBHOOK);
    let first = refused[0].body.clone();
    assert_eq!(refused.iter().filter(|r| r.body == first).count(), 1, "400 is final");
    let gathered = harness.registry.gather();
    let sums = |result: &str| -> f64 {
        let metric = gathered.iter().find(|m| m.name() == "trueup_notifications_total").unwrap();
        let of = |m: &&prometheus::proto::Metric| m.get_label().iter().any(|l| l.value() == result);
        metric.get_metric().iter().filter(of).map(|m| m.get_counter().get_value()).sum()
    };
    assert!(sums("sent") >= 1.0 && sums("failed") >= 1.0);
}

#[tokio::test(start_paused = true)]
async fn github_gets_a_status_of_the_commit_and_of_a_deployment() {
    let sha = "c0ffee".repeat(7)[..40].to_owned();
    let harness = started(&shop()).await;
    let pages = harness.sandbox.pages();
    let repository = format!("{API}/repos/example/shop");
    pages.set(&format!("{repository}/statuses/{sha}"), 201, "{}");
    pages.set(
        &format!("{repository}/deployments?sha={sha}&environment=shop&per_page=1"),
        200,
        "[]",
    );
    pages.set(&format!("{repository}/deployments"), 201, "{\"id\": 7}");
    pages.set(&format!("{repository}/deployments/7/statuses"), 201, "{}");
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    assert_eq!(to(&harness, API).len(), 0, "release 1 is of no commit");
    let set = crate::harness::parse(&shop().replace("memorySize: 512", "memorySize: 1024"));
    let objects = set.objects().cloned().collect();
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.release("shop", 1).await.unwrap();
    let new = trueup::store::NewRelease { commit: sha.clone(), ..crate::harness::release(objects) };
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let is_told = || async {
        let deployments = to(&harness, &format!("{repository}/deployments/7/statuses"));
        deployments.iter().any(|request| body(request)["state"] == "success")
    };
    harness.until("GitHub is told", is_told).await;
    let statuses = to(&harness, &format!("{repository}/statuses/"));
    let states: Vec<_> =
        statuses.iter().map(|r| body(r)["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["pending", "success"]);
    assert_eq!(body(&statuses[0])["context"], "trueup/shop");
    assert_eq!(header(&statuses[0], "authorization"), "Bearer gh-token");
}

/// What the webhook was told of a topic, as `object reason`.
fn told(harness: &Harness, topic: &str) -> Vec<String> {
    let told = to(harness, WEBHOOK).iter().map(body).collect::<Vec<_>>();
    let told = told.iter().filter(|told| told["topic"] == topic);
    let text = |told: &Value, field: &str| told[field].as_str().unwrap().to_owned();
    told.map(|told| format!("{} {}", text(told, "object"), text(told, "reason"))).collect()
}

#[tokio::test(start_paused = true)]
async fn drift_a_rollback_and_what_waits_for_a_person_are_told_each_once() {
    let harness = started(&shop()).await;
    harness.sandbox.pages().set(SLACK, 200, "ok");
    harness.sandbox.pages().set(WEBHOOK, 204, "");
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    let lambda = harness.session.lambda();
    let edit = lambda.update_function_configuration().function_name("shop-api").memory_size(128);
    edit.send().await.unwrap();
    let is_told = || async { told(&harness, "Drift").len() >= 2 };
    harness.until("the drift is told, and its end", is_told).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        told(&harness, "Drift"),
        ["Function/api DriftDetected", "Function/api DriftCorrected"]
    );

    let refused: Fault = "lambda:UpdateFunctionConfiguration=invalid".parse().unwrap();
    harness.sandbox.faults().inject(refused.of(DAEMON));
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(told(&harness, "Failed"), ["Environment/shop ReleaseFailed"]);
    assert_eq!(told(&harness, "RolledBack"), ["Environment/shop ReleaseRolledBack"]);
    let slack: Vec<_> = to(&harness, SLACK).iter().map(|r| body(r)["text"].to_string()).collect();
    assert!(slack.iter().any(|text| text.contains("ReleaseRolledBack")), "{slack:?}");
    assert!(!slack.iter().any(|text| text.contains("Drift")), "not what it did not ask for");

    // It is tried again and again.
    let before = told(&harness, "Trouble").len();
    let denied: Fault = "s3:GetBucketVersioning=denied".parse().unwrap();
    harness.sandbox.faults().inject(denied.of(DAEMON));
    harness.until_stalled("shop", "Bucket/assets").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(harness.sandbox.faults().struck() > 5);
    assert_eq!(told(&harness, "Trouble")[before..], ["Bucket/assets AccessDenied"]);
    harness.sandbox.faults().clear();
    harness.until_ready("shop").await;
}
