//! What AWS does wrong.

use std::time::Duration;

use trueup::model::condition_type;
use trueup::sandbox::Fault;

use crate::harness::{Harness, shop, with_shop};

async fn with_fault(fault: &str) -> Harness {
    with_fault_among(0, fault).await
}

/// Where somebody else has so many apps.
async fn with_fault_among(others: u32, fault: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    for i in 0..others {
        let app = harness.session.amplify().create_app().name(format!("other-{i}"));
        app.send().await.unwrap();
    }
    harness.apply(&shop()).await;
    harness.sandbox.calls().clear();
    harness.sandbox.faults().inject(fault.parse().unwrap());
    harness.start().await;
    harness
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_a_create_makes_no_second_resource() {
    for create in
        ["lambda:CreateFunction", "dynamodb:CreateTable", "s3:CreateBucket", "amplify:CreateApp"]
    {
        let harness = with_fault(&format!("{create}=lost*1")).await;
        harness.until_ready("shop").await;
        let counts = harness.sandbox.calls().counts();
        assert_eq!(counts[create], 1, "{create}: observed before it wrote again");
        let apps = harness.session.amplify().list_apps().send().await.unwrap();
        assert_eq!(apps.apps().len(), 1, "{create}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_whose_create_had_no_reply_is_found_behind_hundreds_of_others() {
    let harness = with_fault_among(400, "amplify:CreateApp=lost*1").await;
    harness.until_ready("shop").await;
    let counts = harness.sandbox.calls().counts();
    let first_page = harness.session.amplify().list_apps().max_results(100).send().await.unwrap();
    let is_ours = |app: &aws_sdk_amplify::types::App| app.name() == "shop-web";
    assert!(!first_page.apps().iter().any(is_ours), "here the first page would do");
    assert_eq!(counts["amplify:CreateApp"], 1, "every page is observed before it is written again");
}

#[tokio::test(start_paused = true)]
async fn passing_faults_delay_and_do_no_harm() {
    for fault in ["throttle", "500", "timeout", "conflict", "garbage"] {
        let mut harness = Harness::new().await;
        harness.put_code("api.zip", b"code").await;
        harness.put_code("web.zip", b"site").await;
        harness.apply(&shop()).await;
        for service in ["lambda", "s3", "amplify"] {
            harness.sandbox.faults().inject(format!("{service}:*={fault}*4").parse().unwrap());
        }
        harness.start().await;
        harness.until_ready("shop").await;
        harness.stop_and_count(fault).await;
    }
}

impl Harness {
    async fn stop_and_count(mut self, fault: &str) {
        self.stop().await;
        let apps = self.session.amplify().list_apps().send().await.unwrap();
        assert_eq!(apps.apps().len(), 1, "{fault}");
        let functions = self.session.lambda().list_functions().send().await.unwrap();
        assert_eq!(functions.functions().len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_stalls_with_the_action_that_is_missing_and_recovers_when_it_is_granted() {
    let harness = with_fault("lambda:CreateFunction=denied").await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "AccessDenied");
    assert!(message.contains("lambda:CreateFunction"), "{message}");
    let tried = harness.sandbox.calls().counts()["lambda:CreateFunction"];
    assert!(tried <= 3, "named within three attempts, not {tried}");
    harness.sandbox.faults().clear();
    harness.until_ready("shop").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_progress_does_not_slow_the_others() {
    let harness = with_fault("dynamodb:DescribeTable=denied").await;
    harness.until_stalled("shop", "Table/orders").await;
    for id in ["Bucket/assets", "Frontend/web"] {
        harness
            .until(id, || async {
                let status = harness.status("shop", id).await;
                status.is_some_and(|s| s.conditions.is_true(condition_type::READY))
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_flap_guard_stops_a_change_that_never_takes() {
    let harness = with_shop().await;
    harness.sandbox.faults().inject("lambda:UpdateFunctionConfiguration=ignored".parse().unwrap());
    harness.sandbox.calls().clear();
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "Flapping");
    assert!(message.contains("memorySize: 512 -> 1024"), "{message}");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(harness.sandbox.calls().counts()["lambda:UpdateFunctionConfiguration"], 3);
    // Once it can take, a person asks for another try.
    harness.sandbox.faults().clear();
    harness.store.request_reconcile("shop", Some("Function/api".to_owned())).await.unwrap();
    harness.until_ready("shop").await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_outlived() {
    let harness = with_shop().await;
    harness.sandbox.faults().inject("dynamodb:Query=500*60".parse().unwrap());
    tokio::time::sleep(Duration::from_secs(120)).await;
    harness.sandbox.faults().clear();
    // The test shares the daemon's breaker.
    tokio::time::sleep(Duration::from_secs(60)).await;
    harness.session.lambda().delete_function().function_name("shop-api").send().await.unwrap();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_repeats_is_one_event_with_a_count() {
    let harness = with_fault("lambda:CreateFunction=denied").await;
    harness.until_stalled("shop", "Function/api").await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    let events = harness.events("shop").await;
    let denied: Vec<_> = events.iter().filter(|e| e.reason == "AccessDenied").collect();
    assert_eq!(denied.len(), 1, "{denied:#?}");
    assert!(denied[0].count > 3, "{denied:#?}");
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_named_and_recovery_is_an_event() {
    let harness = with_fault("lambda:*=expired").await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "CredentialsUnusable");
    assert!(message.contains("renew the AWS credentials"), "{message}");
    harness.sandbox.faults().clear();
    harness.until_ready("shop").await;
    let recovered = harness.events("shop").await.into_iter().any(|e| e.reason == "Recovered");
    assert!(recovered, "{:#?}", harness.events("shop").await);
}

/// Beside the environment that fails, one that needs nothing of what fails: `beside`, in `place`.
fn neighbour(place: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: beside }}\n\
         spec: {{ aws: {{ {place} }}, reconcile: {{ interval: 10s }} }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: notes, namespace: beside }}\n\
         spec: {{ partitionKey: {{ name: id, type: S }} }}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_stalls_and_says_so() {
    let mut harness = Harness::new().await;
    let assuming = shop().replace(
        "accountId: \"123456789012\" }",
        "accountId: \"123456789012\", roleArn: arn:aws:iam::123456789012:role/trueup }",
    );
    harness.apply(&assuming).await;
    harness.sandbox.faults().inject("sts:AssumeRole=denied".parse().unwrap());
    harness.apply(&neighbour("region: us-east-1")).await;
    harness.start().await;
    harness.until_ready("beside").await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "AccessDenied");
    assert!(message.contains("sts:AssumeRole"), "{message}");
    harness.sandbox.faults().clear();
    harness
        .until("the table is made once the role may be assumed", || async {
            harness
                .session
                .dynamodb()
                .describe_table()
                .table_name("shop-orders")
                .send()
                .await
                .is_ok()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn where_a_region_is_down_or_its_credentials_have_expired_one_environment_waits_alone() {
    let reasons = ["AwsUnavailable", "CallsPaused", "OutcomeUnknown", "CredentialsUnusable"];
    for fault in ["*:*=500", "*:*=timeout", "*:*=expired"] {
        let harness = with_shop().await;
        harness.until_ready("shop").await;
        let fault: Fault = fault.parse().unwrap();
        harness.sandbox.faults().inject(fault.clone().in_region("eu-west-1"));
        harness.apply(&neighbour("region: eu-west-1")).await;
        let waits = || async {
            let Some(notes) = harness.status("beside", "Table/notes").await else { return false };
            let ready = notes.conditions.get(condition_type::READY);
            ready.is_some_and(|ready| reasons.contains(&&*ready.reason))
        };
        harness.until("the environment there waits, and says why", waits).await;

        let changed = shop().replace("memorySize: 512", "memorySize: 1024");
        harness.apply(&changed).await;
        let begun = tokio::time::Instant::now();
        harness.until_ready("shop").await;
        assert!(begun.elapsed() < Duration::from_secs(20), "the other one waited too: {fault:?}");
        let counts = harness.sandbox.calls().counts();
        assert!(counts.contains_key("lambda:UpdateFunctionConfiguration"), "{fault:?}");
        assert!(waits().await, "{fault:?} lasts");

        assert_ne!(harness.sandbox.faults().struck(), 0);
        harness.sandbox.faults().clear();
        harness.until_ready("beside").await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_nobody_is_blind_for_longer_than_the_interval() {
    for fault in ["lambda:*=timeout", "lambda:*=500", "lambda:*=throttle"] {
        let harness = with_shop().await;
        harness.sandbox.faults().inject(fault.parse().unwrap());
        // Long enough for a backoff of five minutes.
        tokio::time::sleep(Duration::from_secs(1800)).await;
        assert_ne!(harness.sandbox.faults().struck(), 0, "{fault}");
        let blind = harness.status("shop", "Function/api").await.unwrap();
        let ready = blind.conditions.get(condition_type::READY).unwrap();
        assert_ne!(ready.status, trueup::model::ConditionStatus::True, "{fault}: it was seen");
        harness.sandbox.faults().clear();
        let begun = tokio::time::Instant::now();
        harness.until_ready("shop").await;
        // The interval, the breaker's pause, and the observations themselves.
        let blind = begun.elapsed();
        assert!(blind < Duration::from_secs(60 + 15 + 30), "{fault}: blind for {blind:?}");
    }
}
