//! What somebody changes behind trueup's back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::{TableClass, TimeToLiveStatus};
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use trueup::aws::Sessions;
use trueup::engine::{HeldBack, Known, preview};
use trueup::model::{ConditionStatus, condition_type};
use trueup::sandbox::Behaviour;
use trueup::store::{EventKind, EventRecord};

use crate::harness::{Harness, parse, shop, statuses, with_shop};

fn reasons(events: &[EventRecord], object: &str) -> Vec<String> {
    let ours = events.iter().filter(|e| e.object == object).rev();
    ours.map(|e| e.reason.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_changed_field_is_named_and_repaired() {
    let harness = with_shop().await;
    let by_hand =
        harness.session.lambda().update_function_configuration().function_name("shop-api");
    by_hand.memory_size(128).send().await.unwrap();
    // Nobody asks for it: the next observation comes every minute, give or take a tenth.
    tokio::time::sleep(Duration::from_secs(70)).await;
    harness.until_ready("shop").await;
    let read = harness.session.lambda().get_function_configuration().function_name("shop-api");
    assert_eq!(read.send().await.unwrap().memory_size(), Some(512));
    let events = harness.events("shop").await;
    let drift = events.iter().find(|e| e.reason == "DriftDetected").unwrap();
    assert_eq!(
        (drift.kind, drift.message.as_str()),
        (EventKind::Warning, "memorySize: 128 -> 512")
    );
    let story = reasons(&events, "Function/api");
    let end = ["DriftDetected", "Updated", "DriftCorrected"];
    assert_eq!(story[story.len() - 3..], end, "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn every_kind_that_is_deleted_comes_back() {
    let harness = with_shop().await;
    let session = &harness.session;
    session.lambda().delete_function().function_name("shop-api").send().await.unwrap();
    session.dynamodb().delete_table().table_name("shop-orders").send().await.unwrap();
    session.s3().delete_bucket().bucket("shop-assets").send().await.unwrap();
    let app = harness.status("shop", "Frontend/web").await.unwrap().physical_id.unwrap();
    session.amplify().delete_app().app_id(&app).send().await.unwrap();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    session.lambda().get_function().function_name("shop-api").send().await.unwrap();
    session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
    session.s3().head_bucket().bucket("shop-assets").send().await.unwrap();
    let again = harness.status("shop", "Frontend/web").await.unwrap().physical_id.unwrap();
    assert_ne!(app, again);
    assert_eq!(session.amplify().list_apps().send().await.unwrap().apps().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn undeclared_tags_and_settings_are_left_alone() {
    let harness = with_shop().await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:shop-api";
    let tag = harness.session.lambda().tag_resource().resource(arn).tags("cost-center", "42");
    tag.send().await.unwrap();
    let untag =
        harness.session.lambda().untag_resource().resource(arn).tag_keys("trueup.dev/object");
    untag.send().await.unwrap();
    harness.observe("shop").await;
    let read = harness.session.lambda().list_tags().resource(arn).send().await.unwrap();
    assert_eq!(read.tags().unwrap()["cost-center"], "42");
    // Without its tags the function is not ours any more, and nothing of it is written.
    assert!(!read.tags().unwrap().contains_key("trueup.dev/object"));
    let (reason, _) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "NotOwned");
}

#[tokio::test(start_paused = true)]
async fn a_job_started_by_hand_is_followed_by_the_declared_artifact() {
    let harness = with_shop().await;
    let amplify = harness.session.amplify();
    let app = harness.status("shop", "Frontend/web").await.unwrap().physical_id.unwrap();
    let by_hand = amplify.start_job().app_id(&app).branch_name("main");
    by_hand.job_type(aws_sdk_amplify::types::JobType::Release).send().await.unwrap();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let jobs = amplify.list_jobs().app_id(&app).branch_name("main").send().await.unwrap();
    let ids: Vec<_> =
        jobs.job_summaries().iter().map(aws_sdk_amplify::types::JobSummary::job_id).collect();
    assert_eq!(ids, ["3", "2", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_version_gets_all_of_the_alias_traffic() {
    let harness = with_shop().await;
    let lambda = harness.session.lambda();
    let half = AliasRoutingConfiguration::builder().additional_version_weights("1", 0.5).build();
    lambda.publish_version().function_name("shop-api").send().await.unwrap();
    let by_hand = lambda.update_alias().function_name("shop-api").name("live");
    by_hand.routing_config(half).send().await.unwrap();
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    let alias = lambda.get_alias().function_name("shop-api").name("live").send().await.unwrap();
    assert!(alias.routing_config().is_none(), "{alias:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_only_busy_has_not_drifted() {
    // The class of a table is not declared; it may be changed, and for a while the table is UPDATING.
    let harness = with_shop().await;
    harness.store.request_reconcile("shop", None).await.unwrap();
    let mut seen_busy = false;
    for class in [TableClass::StandardInfrequentAccess, TableClass::Standard].iter().cycle().take(6)
    {
        let update = harness.session.dynamodb().update_table().table_name("shop-orders");
        update.table_class(class.clone()).send().await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let status = harness.status("shop", "Table/orders").await.unwrap();
        seen_busy |= !status.conditions.is_true(condition_type::READY);
        assert!(status.conditions.is_true(condition_type::SYNCED));
    }
    assert!(seen_busy);
    harness.until_ready("shop").await;
    let story = reasons(&harness.events("shop").await, "Table/orders");
    assert!(!story.iter().any(|reason| reason.starts_with("Drift")), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn the_policy_report_publishes_drift_and_writes_nothing() {
    let harness = with_shop().await;
    let reporting = shop().replace("  artifacts:", "  reconcile: { drift: Report }\n  artifacts:");
    harness.apply(&reporting).await;
    harness.observe("shop").await;
    let by_hand =
        harness.session.lambda().update_function_configuration().function_name("shop-api");
    by_hand.memory_size(128).send().await.unwrap();
    harness.sandbox.calls().clear();
    harness.observe("shop").await;
    assert_eq!(harness.mutations(), [""; 0]);
    let status = harness.status("shop", "Function/api").await.unwrap();
    let synced = status.conditions.get(condition_type::SYNCED).unwrap();
    assert_eq!((synced.status, synced.message.as_str()), (ConditionStatus::False, "memorySize"));
    // A new release is still carried out.
    harness.apply(&reporting.replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    let read = harness.session.lambda().get_function_configuration().function_name("shop-api");
    assert_eq!(read.send().await.unwrap().memory_size(), Some(256));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_environment_is_observed_and_not_written_to() {
    let harness = with_shop().await;
    harness.store.set_suspended("shop", true).await.unwrap();
    harness.session.dynamodb().delete_table().table_name("shop-orders").send().await.unwrap();
    harness.sandbox.calls().clear();
    harness.observe("shop").await;
    assert_eq!(harness.mutations(), [""; 0]);
    let status = harness.status("shop", "Table/orders").await.unwrap();
    let ready = status.conditions.get(condition_type::READY).unwrap();
    assert_eq!(
        (ready.status, ready.reason.as_str()),
        (ConditionStatus::False, "EnvironmentSuspended")
    );
    harness.store.set_suspended("shop", false).await.unwrap();
    harness.until_ready("shop").await;
    harness.session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_secret_reaches_the_function_and_nothing_else() {
    let mut harness = crate::harness::Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let create =
        harness.session.secretsmanager().create_secret().name("pay").secret_string("hunter2");
    create.send().await.unwrap();
    let secret =
        "    - { name: KEY, valueFrom: { secretsManager: { secretId: pay } } }\n  alias: live";
    harness.apply(&shop().replace("  alias: live", secret)).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let lambda = harness.session.lambda();
    let read = lambda.get_function_configuration().function_name("shop-api").send().await.unwrap();
    assert_eq!(read.environment().unwrap().variables().unwrap()["KEY"], "hunter2");
    // The value drifts, and the variable becomes a plain one.
    let variables =
        aws_sdk_lambda::types::Environment::builder().variables("KEY", "hunter3").build();
    let by_hand = lambda.update_function_configuration().function_name("shop-api");
    by_hand.environment(variables).send().await.unwrap();
    harness.observe("shop").await;
    let plain = "    - { name: KEY, value: none }\n  alias: live";
    harness.apply(&shop().replace("  alias: live", plain)).await;
    harness.until_ready("shop").await;
    let statuses = statuses(&harness.store, "shop").await;
    let said = format!(
        "{} {}",
        serde_json::to_string(&harness.events("shop").await).unwrap(),
        serde_json::to_string(&statuses).unwrap()
    );
    assert!(said.contains("env[KEY]") && said.contains("(sensitive)"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_an_object_refers_to_may_change_and_that_is_no_drift() {
    let harness = with_shop().await;
    let reporting = shop().replace("  artifacts:", "  reconcile: { drift: Report }\n  artifacts:");
    let from_stream =
        reporting.replace("name: orders, field: name", "name: orders, field: streamArn");
    let stream = |view: &str| {
        from_stream
            .replace("  ttl:", &format!("  stream: {{ enabled: true, viewType: {view} }}\n  ttl:"))
    };
    let variable = async |name: &str| {
        let read = harness.session.lambda().get_function_configuration();
        let read = read.function_name("shop-api").send().await.unwrap();
        read.environment().unwrap().variables().unwrap()[name].clone()
    };
    let secret = harness.session.secretsmanager().create_secret().name("pay");
    secret.secret_string("hunter2-first").send().await.unwrap();
    let with_secret = |yaml: String| {
        let secret =
            "    - { name: KEY, valueFrom: { secretsManager: { secretId: pay } } }\n  alias: live";
        yaml.replace("  alias: live", secret)
    };
    harness.apply(&with_secret(stream("KEYS_ONLY"))).await;
    harness.until_ready("shop").await;
    let before = variable("ORDERS").await;
    // A stream with another view is another stream, with another ARN: the function's manifest is as it was.
    harness.apply(&with_secret(stream("NEW_IMAGE"))).await;
    harness.until_ready("shop").await;
    harness.observe("shop").await;
    let described = harness.session.dynamodb().describe_table().table_name("shop-orders");
    let arn = described.send().await.unwrap().table.unwrap().latest_stream_arn.unwrap();
    assert_ne!(arn, before, "the stream is another");
    assert_eq!(variable("ORDERS").await, arn);
    // A secret is rotated: nothing of the release changed.
    let rotated = harness.session.secretsmanager().put_secret_value().secret_id("pay");
    rotated.secret_string("hunter2-second").send().await.unwrap();
    harness
        .until("the rotated secret is there", || async {
            variable("KEY").await == "hunter2-second"
        })
        .await;
    // The environment's tags change; under Report that is carried out all the same.
    let tagged = stream("NEW_IMAGE").replace("  artifacts:", "  tags: { team: a }\n  artifacts:");
    let tagged = with_secret(tagged);
    assert_eq!(held_back(&harness, &tagged).await, None, "the preview says so");
    let drifted = tagged.replace("  tags: { team: a }\n", "");
    let by_hand = harness.session.lambda().update_function_configuration();
    by_hand.function_name("shop-api").memory_size(1024).send().await.unwrap();
    let held = held_back(&harness, &drifted).await;
    assert_eq!(held, Some(HeldBack::DriftReported), "what only drifted is reported");
    let back = harness.session.lambda().update_function_configuration();
    tokio::time::sleep(Duration::from_secs(2)).await;
    back.function_name("shop-api").memory_size(512).send().await.unwrap();
    harness.apply(&tagged).await;
    harness.observe("shop").await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:shop-api";
    let tags = harness.session.lambda().list_tags().resource(arn).send().await.unwrap();
    assert_eq!(tags.tags().unwrap()["team"], "a");
    let drifted: Vec<_> =
        harness.events("shop").await.into_iter().filter(|e| e.reason == "DriftDetected").collect();
    assert_eq!(drifted, []);
}

/// Why the preview of an apply would not write the function, where it would not.
async fn held_back(harness: &Harness, yaml: &str) -> Option<HeldBack> {
    let objects: Vec<_> = parse(yaml).objects().cloned().collect();
    let statuses = statuses(&harness.store, "shop").await;
    let clock = harness.store.clock();
    let sessions = Sessions::new(&harness.sandbox.connection(), clock, None).await;
    let known = Known {
        sources: BTreeMap::new(),
        store_id: "the-store",
        statuses: &statuses,
        clock,
        suspended: false,
        objects: BTreeMap::new(),
        confirmed: BTreeSet::new(),
        confirmed_anew: BTreeSet::new(),
        only: None,
        rollout: None,
        is_current: false,
        looked_at: &|| (),
    };
    let previews = preview(&sessions, "shop", &objects, &[], &known).await.unwrap();
    let function = previews.into_iter().find(|p| p.id.to_string() == "Function/api").unwrap();
    assert!(!function.plan.unwrap().is_settled(), "something differs");
    function.held_back
}

/// DynamoDB changes a time to live once an hour. Its other attribute means off, an hour, and on.
#[tokio::test(start_paused = true)]
async fn a_time_to_live_that_changes_waits_for_the_hour_that_dynamodb_takes() {
    let mut harness = Harness::of(Behaviour::default()).await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness.apply(&shop().replace("expiresAt", "goneAt")).await;
    let live = async || {
        let asked = harness.session.dynamodb().describe_time_to_live().table_name("shop-orders");
        let told = asked.send().await.unwrap().time_to_live_description.unwrap();
        let is_on = told.time_to_live_status() == Some(&TimeToLiveStatus::Enabled);
        is_on.then(|| told.attribute_name.unwrap_or_default())
    };
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    let status = harness.status("shop", "Table/orders").await.unwrap();
    let ready = status.conditions.get(condition_type::READY).unwrap();
    assert!(ready.message.contains("modified multiple times"), "{}", ready.message);
    assert!(!status.conditions.is_true(condition_type::STALLED), "it passes by itself");
    assert_ne!(live().await.as_deref(), Some("goneAt"), "the hour is not over");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    harness.until_ready("shop").await;
    assert_eq!(live().await.as_deref(), Some("goneAt"));
}
