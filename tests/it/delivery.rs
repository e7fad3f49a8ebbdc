//! Releases that prove themselves: verdicts, rollbacks without a person, quarantine.

use std::time::Duration;

use trueup::aws::Sessions;
use trueup::engine::release::{Rollback, RolledBack, check_hold, current_or_head, roll_back};
use trueup::model::ObjectId;
use trueup::sandbox::Fault;
use trueup::store::{Decision, DecisionRequest, Rollout, Stage, Verdict};

use crate::harness::{DAEMON, Harness, parse, release, shop, with_shop};

/// The shop with rollouts as they are by default, but for what is said.
pub fn delivered(policy: &str) -> String {
    shop().replace("rollout: { rollback: Manual }", &format!("rollout: {policy}"))
}

pub async fn until_verdict(harness: &Harness, number: u64, verdict: Verdict) -> Rollout {
    let rollout = || async { harness.store.rollout("shop", number).await.unwrap() };
    let what = format!("release {number} is {verdict}");
    harness.until(&what, || async { rollout().await.is_some_and(|r| r.verdict == verdict) }).await;
    rollout().await.unwrap()
}

/// A shop whose release 1 succeeded.
pub async fn succeeded(yaml: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(yaml).await;
    harness.start().await;
    until_verdict(&harness, 1, Verdict::Succeeded).await;
    harness
}

/// Every write of the function's configuration is refused, for good.
fn refuse_configuration(harness: &Harness) {
    let fault: Fault = "lambda:UpdateFunctionConfiguration=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
}

fn stages(rollout: &Rollout) -> Vec<&'static str> {
    rollout.stages.iter().map(|passed| passed.stage.as_str()).collect()
}

async fn reasons(harness: &Harness) -> Vec<String> {
    let mut events = harness.events("shop").await;
    events.reverse();
    let of_releases = events.into_iter().filter(|event| event.object == "Environment/shop");
    of_releases.map(|event| event.reason).collect()
}

#[tokio::test(start_paused = true)]
async fn a_release_succeeds_once_all_its_objects_were_seen_as_declared() {
    let harness = succeeded(&delivered("{ bakeTime: 1m }")).await;
    let first = harness.store.rollout("shop", 1).await.unwrap().unwrap();
    assert_eq!(stages(&first), ["First", "Baking"]);
    assert_eq!(first.arrived.len(), 4, "{:?}", first.arrived);
    tokio::time::sleep(Duration::from_secs(70)).await;
    let first = harness.store.rollout("shop", 1).await.unwrap().unwrap();
    assert_eq!(
        (stages(&first), first.verdict),
        (vec!["First", "Baking", "Over"], Verdict::Succeeded)
    );
    assert_eq!(reasons(&harness).await, ["ReleaseStarted", "ReleaseSucceeded", "ReleaseBaked"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_is_rolled_back_as_one_and_its_content_stays_away() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    refuse_configuration(&harness);
    let broken =
        yaml.replace("memorySize: 512", "memorySize: 1024").replace("Enabled", "Suspended");
    harness.apply(&broken).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert!(failed.message.contains("Function/api: "), "{}", failed.message);
    assert!(
        failed.message.ends_with("release 3 has the content of release 1 again"),
        "{}",
        failed.message
    );
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    harness.until_ready("shop").await;
    let status =
        harness.session.s3().get_bucket_versioning().bucket("shop-assets").send().await.unwrap();
    assert_eq!(
        status.status().unwrap().as_str(),
        "Enabled",
        "the bucket went back with the function"
    );

    let head = harness.store.head("shop").await.unwrap().unwrap();
    let objects: Vec<_> = parse(&broken).objects().cloned().collect();
    let refused = check_hold("shop", Some(&head), &objects).unwrap_err().to_string();
    assert!(
        refused.contains("quarantined: release 2 failed: ObjectFailed")
            || refused.contains("quarantined: release 2 failed: Function/api"),
        "{refused}"
    );
    // Other content is let through, and the quarantine stays.
    let mut other = release(
        parse(&yaml.replace("memorySize: 512", "memorySize: 256")).objects().cloned().collect(),
    );
    other.holds = head.holds_after_apply();
    let before = harness.store.release("shop", 3).await.unwrap();
    harness.sandbox.faults().clear();
    harness.store.record("shop", Some(&head), Some(&before), other).await.unwrap();
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    let head = harness.store.head("shop").await.unwrap();
    assert!(check_hold("shop", head.as_ref(), &objects).is_err());
}

#[tokio::test(start_paused = true)]
async fn frontends_wait_for_what_they_call_and_a_failure_before_them_leaves_them_alone() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    harness.put_code("web2.zip", b"other site").await;
    let jobs = || harness.mutations().iter().filter(|m| m.contains("StartDeployment")).count();
    let before = jobs();
    refuse_configuration(&harness);
    let next = yaml.replace("web.zip", "web2.zip").replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&next).await;
    harness
        .until("the frontend waits", || async {
            let status = harness.status("shop", "Frontend/web").await.unwrap();
            let ready = status.conditions.get("Ready").unwrap();
            ready.reason == "WaitingForRelease"
        })
        .await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(stages(&failed), ["First", "RollingBack", "Over"]);
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    assert_eq!(jobs(), before, "no frontend moved");
    // The same release, let through, moves both.
    harness.sandbox.faults().clear();
    harness.apply(&next).await;
    let moved = until_verdict(&harness, 4, Verdict::Succeeded).await;
    assert_eq!(stages(&moved), ["First", "Second", "Over"]);
    assert_eq!(jobs(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_fails_ends_there() {
    let yaml = delivered("{ progressDeadline: 5m }");
    let harness = succeeded(&yaml).await;
    let fault: Fault = "lambda:UpdateFunctionConfiguration=invalid@1".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    // The first change of the function is let through, and the bucket's never; so is nothing after that.
    let fault: Fault = "s3:PutBucketVersioning=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let broken =
        yaml.replace("memorySize: 512", "memorySize: 1024").replace("Enabled", "Suspended");
    harness.apply(&broken).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    let stuck = until_verdict(&harness, 3, Verdict::Failed).await;
    assert_eq!(stuck.stage(), Stage::Waiting);
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(harness.store.head("shop").await.unwrap().unwrap().release, 3, "no loop");
    assert!(reasons(&harness).await.contains(&"RollbackFailed".to_owned()));
    // A person mends what stood in the way.
    harness.sandbox.faults().clear();
    harness.observe("shop").await;
    assert_eq!(until_verdict(&harness, 3, Verdict::Succeeded).await.reason, "Recovered");
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_fails_stays_and_may_still_succeed() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let fault: Fault = "s3:PutBucketVersioning=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    harness.apply(&delivered("{}")).await;
    harness.start().await;
    assert_eq!(until_verdict(&harness, 1, Verdict::Failed).await.stage(), Stage::Waiting);
    harness.sandbox.faults().clear();
    until_verdict(&harness, 1, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_fails_at_the_deadline() {
    let yaml = delivered("{ progressDeadline: 1m }");
    let harness = succeeded(&yaml).await;
    let fault: Fault = "lambda:UpdateFunctionConfiguration=conflict".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert!(
        failed.message.starts_with("not ready within 60 s: Function/api"),
        "{}",
        failed.message
    );
    assert_eq!(failed.reason, "DeadlineExceeded");
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_deadline_waits_for_a_person_who_may_decide() {
    let yaml = delivered("{ progressDeadline: 1m }");
    let harness = succeeded(&yaml).await;
    let fault: Fault = "lambda:GetFunction=500".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
    let open = until_verdict(&harness, 2, Verdict::Inconclusive).await;
    assert_eq!((open.reason.as_str(), open.stage()), ("NotObserved", Stage::Waiting));
    let at = harness.store.clock().now();
    let (author, message) = ("ada".to_owned(), "not today".to_owned());
    let request = DecisionRequest { release: 2, decision: Decision::Abort, at, author, message };
    harness.store.decide("shop", &request).await.unwrap();
    let aborted = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert!(aborted.message.starts_with("aborted by ada: not today"), "{}", aborted.message);
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_supersedes_one_that_is_not_over() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    let fault: Fault = "lambda:UpdateFunctionConfiguration=conflict".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
    until_verdict(&harness, 2, Verdict::Progressing).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    harness.sandbox.faults().clear();
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 2048")).await;
    until_verdict(&harness, 2, Verdict::Superseded).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn what_holds_data_and_came_with_a_failed_release_stays() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    refuse_configuration(&harness);
    let table = "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: { name: carts, namespace: shop }\n\
                 spec: { partitionKey: { name: id, type: S }, deletionPolicy: Delete }\n";
    harness.apply(&format!("{}{table}", yaml.replace("memorySize: 512", "memorySize: 1024"))).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let release = harness.store.release("shop", 3).await.unwrap();
    assert!(release.objects.iter().any(|entry| entry.name == "carts"), "{:?}", release.objects);
    harness.session.dynamodb().describe_table().table_name("shop-carts").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_never_made_goes_with_the_release_that_brought_it() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    let fault: Fault = "dynamodb:CreateTable=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let table = "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: { name: carts, namespace: shop }\n\
                 spec: { partitionKey: { name: id, type: S }, deletionPolicy: Delete }\n";
    harness.apply(&format!("{yaml}{table}")).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let release = harness.store.release("shop", 3).await.unwrap();
    assert!(!release.objects.iter().any(|entry| entry.name == "carts"), "{:?}", release.objects);
    let gone = || async { harness.status("shop", "Table/carts").await.is_none() };
    harness.until("nothing of it is left", gone).await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_rolls_back_is_told_in_the_verdict() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 1024")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let clock = harness.store.clock();
    let sessions = Sessions::new(&harness.sandbox.connection(), clock, None).await;
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let now = current_or_head(&harness.store, "shop").await.unwrap();
    let new = release(Vec::new());
    roll_back(
        &harness.store,
        &sessions,
        &head,
        &now,
        Rollback { to: Some(1), ..Rollback::default() },
        new,
    )
    .await
    .unwrap();
    let back = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(back.reason, "RolledBackByPerson");
    until_verdict(&harness, 3, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_without_a_number_goes_to_what_succeeded_and_its_abort_stays() {
    // Release 2 waits for a frontend that hangs, and release 3 takes its place: neither has shown that it works.
    let yaml = delivered("{ bakeTime: 10m }");
    let harness = succeeded(&yaml).await;
    harness.put_code("hangs.zip", b"site").await;
    let second =
        yaml.replace("web.zip", "hangs.zip").replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&second).await;
    until_verdict(&harness, 2, Verdict::Progressing).await;
    harness.apply(&second.replace("memorySize: 1024", "memorySize: 2048")).await;
    until_verdict(&harness, 2, Verdict::Superseded).await;
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let now = current_or_head(&harness.store, "shop").await.unwrap();
    let (store, asked, new) = (&harness.store, Rollback::default(), release(Vec::new()));
    let back = roll_back(store, &sessions, &head, &now, asked, new).await.unwrap();
    let RolledBack::Moved { to, release, .. } = back else { panic!("{back:?}") };
    assert_eq!((to, release), (1, 4), "not release 2, which was replaced before it was over");
    // It succeeds, and a person does not want it after all: nothing is behind it, and it is not undone by itself.
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    let at = harness.store.clock().now();
    let (author, message) = ("ada".to_owned(), "not this one".to_owned());
    let request = DecisionRequest { release: 4, decision: Decision::Abort, at, author, message };
    harness.store.decide("shop", &request).await.unwrap();
    until_verdict(&harness, 4, Verdict::Failed).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let aborted = until_verdict(&harness, 4, Verdict::Failed).await;
    assert_eq!(aborted.reason, "Aborted");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_never_saw_a_release_begins_with_it() {
    // As after an upgrade: there is a release, and no record of its rollout.
    let harness = with_shop().await;
    assert_eq!(until_verdict(&harness, 1, Verdict::Succeeded).await.release, 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_takes_one_object_back_and_what_would_be_lost_is_listed_first() {
    let yaml = delivered("{}");
    let indexed = yaml.replace(
        "  ttl: { attribute: expiresAt }\n",
        "  ttl: { attribute: expiresAt }\n  globalSecondaryIndexes:\n    - { name: by-day, partitionKey: { name: day, type: S }, projection: { type: ALL } }\n",
    );
    let none = yaml.replace(
        "  ttl: { attribute: expiresAt }\n",
        "  ttl: { attribute: expiresAt }\n  globalSecondaryIndexes: []\n",
    );
    let harness = succeeded(&none).await;
    harness.apply(&indexed.replace("memorySize: 512", "memorySize: 1024")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    let back = async |asked: Rollback<'_>| {
        let head = harness.store.head("shop").await.unwrap().unwrap();
        let now = current_or_head(&harness.store, "shop").await.unwrap();
        roll_back(&harness.store, &sessions, &head, &now, asked, release(Vec::new())).await
    };
    let all = Rollback { to: Some(1), ..Rollback::default() };
    let refused = back(all).await.unwrap_err().to_string();
    assert!(
        refused.contains("Table/orders: index by-day is deleted")
            && refused.ends_with("add: --confirm Table/orders"),
        "{refused}"
    );
    let unknown = ["Function/none".parse().unwrap()];
    let refused = back(Rollback { only: &unknown, ..all }).await.unwrap_err().to_string();
    assert!(refused.contains("release 1 of shop has no Function/none"), "{refused}");
    let function = ["Function/api".parse().unwrap()];
    back(Rollback { only: &function, ..all }).await.unwrap();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let lambda = harness.session.lambda();
    let api = lambda.get_function_configuration().function_name("shop-api").send().await.unwrap();
    assert_eq!(api.memory_size(), Some(512), "it went back");
    let table = harness.session.dynamodb().describe_table().table_name("shop-orders");
    let table = table.send().await.unwrap();
    assert_eq!(table.table().unwrap().global_secondary_indexes().len(), 1, "it stayed");
    let table = ["Table/orders".parse().unwrap()];
    back(Rollback { confirmed: &table, ..all }).await.unwrap();
    until_verdict(&harness, 4, Verdict::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_without_a_person_loses_no_index() {
    let yaml = delivered("{}").replace(
        "  ttl: { attribute: expiresAt }\n",
        "  ttl: { attribute: expiresAt }\n  globalSecondaryIndexes: []\n",
    );
    let harness = succeeded(&yaml).await;
    refuse_configuration(&harness);
    let broken = yaml.replace("memorySize: 512", "memorySize: 1024").replace(
        "  globalSecondaryIndexes: []\n",
        "  globalSecondaryIndexes:\n    - { name: by-day, partitionKey: { name: day, type: S }, projection: { type: ALL } }\n",
    );
    harness.apply(&broken).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let table = harness.session.dynamodb().describe_table().table_name("shop-orders");
    let table = table.send().await.unwrap();
    assert_eq!(table.table().unwrap().global_secondary_indexes().len(), 1, "it stayed");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_takes_back_no_protection_that_came_with_the_failed_release() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    refuse_configuration(&harness);
    let broken = yaml.replace("memorySize: 512", "memorySize: 1024\n  deletionPolicy: Retain");
    harness.apply(&broken).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let declared = harness.store.current(&head).await.unwrap();
    let digests = declared.objects.into_iter().map(|entry| entry.digest).collect();
    let objects = harness.store.objects("shop", &digests).await.unwrap();
    let api = objects.values().find(|object| object.kind == "Function").unwrap();
    assert_eq!(
        (&api.spec["memorySize"], &api.spec["deletionPolicy"]),
        (&512.into(), &"Retain".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_seems_gone_for_a_moment_keeps_the_versions_that_the_history_names() {
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 256")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    harness.until_ready("shop").await;
    let before = harness.status("shop", "Function/api").await.unwrap();
    assert_eq!(before.served.len(), 2);

    harness.sandbox.calls().clear();
    let gone: Fault = "lambda:GetFunction=notfound*1".parse().unwrap();
    harness.sandbox.faults().inject(gone.of(DAEMON));
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let created = harness.mutations().iter().filter(|call| call.contains("CreateFunction")).count();
    assert!(created > 0, "it was taken for gone: {:?}", harness.mutations());
    let after = harness.status("shop", "Function/api").await.unwrap();
    assert_eq!((after.served, after.published_for), (before.served, before.published_for));
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_release_took_over_is_not_deleted_by_its_rollback() {
    use aws_sdk_lambda::types::FunctionCode;
    let yaml = delivered("{}");
    let harness = succeeded(&yaml).await;
    let code = FunctionCode::builder().s3_bucket("artifacts").s3_key("api.zip").build();
    let made = harness.session.lambda().create_function().function_name("shop-old").code(code);
    let made = made.runtime("nodejs22.x".into()).handler("main.handler");
    made.role("arn:aws:iam::123456789012:role/api").send().await.unwrap();
    refuse_configuration(&harness);
    let taken_over = "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\n\
        metadata: { name: old, namespace: shop, annotations: { trueup.dev/adopt: \"true\" } }\n\
        spec:\n  runtime: nodejs22.x\n  handler: main.handler\n  \
        role: arn:aws:iam::123456789012:role/api\n  \
        code: { s3: { bucket: artifacts, key: api.zip } }\n";
    let broken = yaml.replace("memorySize: 512", "memorySize: 1024") + taken_over;
    harness.apply(&broken).await;
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    harness.observe("shop").await;
    let old =
        async || harness.session.lambda().get_function().function_name("shop-old").send().await;
    let tags = old().await.expect("it was there before trueup").tags.unwrap_or_default();
    assert_eq!(tags["trueup.dev/object"], "Function/old", "it was taken over");

    // A person is asked first.
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    let back = async |confirmed: &[ObjectId]| {
        let head = harness.store.head("shop").await.unwrap().unwrap();
        let now = current_or_head(&harness.store, "shop").await.unwrap();
        let asked = Rollback { to: Some(1), confirmed, ..Rollback::default() };
        roll_back(&harness.store, &sessions, &head, &now, asked, release(Vec::new())).await
    };
    let refused = back(&[]).await.unwrap_err().to_string();
    assert!(refused.ends_with("add: --confirm Function/old"), "{refused}");
    back(&["Function/old".parse().unwrap()]).await.unwrap();
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    harness.until("it is deleted", async || old().await.is_err()).await;
}

#[tokio::test(start_paused = true)]
async fn what_leaves_is_there_until_the_frontend_that_calls_it_has_moved() {
    let old = "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: { name: old, namespace: shop }\nspec:\n  \
               runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  \
               code: { s3: { bucket: artifacts, key: api.zip } }\n";
    let yaml = delivered("{ bakeTime: 1m }");
    let harness = succeeded(&format!("{yaml}{old}")).await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    harness.put_code("web2.zip", b"other site").await;
    let is_there = async || {
        let lambda = harness.session.lambda();
        lambda.get_function().function_name("shop-old").send().await.is_ok()
    };
    // Its frontend's job does not start for a while.
    let fault: Fault = "amplify:StartDeployment=500*2".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let next = yaml.replace("web.zip", "web2.zip").replace("memorySize: 512", "memorySize: 1024");
    let pruned = release(parse(&next).objects().cloned().collect());
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    harness.store.record("shop", head.as_ref(), Some(&before), pruned).await.unwrap();
    let waits = || async {
        let status = harness.status("shop", "Function/old").await;
        let ready = status.and_then(|status| status.conditions.get("Ready").cloned());
        ready.is_some_and(|ready| ready.reason == "WaitingForRelease")
    };
    harness.until("it waits", waits).await;
    let moved = until_verdict(&harness, 2, Verdict::Succeeded).await;
    assert!(is_there().await, "the release may still be undone");
    assert_eq!(stages(&moved), ["First", "Second", "Baking"]);
    let (since, until) = (moved.mixed_since.unwrap(), moved.mixed_until.unwrap());
    assert!(until > since, "{since} {until}");
    harness.until("it goes", || async { !is_there().await }).await;
    let over = harness.store.rollout("shop", 2).await.unwrap().unwrap();
    assert_eq!(over.stage(), Stage::Over);
    let families = harness.registry.gather();
    let count = |name: &str| {
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let counts = family.get_metric().iter().map(|m| m.get_histogram().get_sample_count());
        counts.sum::<u64>()
    };
    assert_eq!(count("trueup_release_mixed_seconds"), 1);
    assert!(count("trueup_rollout_stage_seconds") >= 4, "First and Second, Baking twice");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_fails_its_release_and_does_not_hold_the_rollback_up() {
    let yaml = delivered("{ progressDeadline: 5m }");
    let harness = succeeded(&yaml).await;
    harness.put_code("hangs.zip", b"site").await;
    let next = yaml.replace("web.zip", "hangs.zip").replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&next).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "DeadlineExceeded");
    assert!(failed.message.contains("Frontend/web"), "{}", failed.message);
    let back = until_verdict(&harness, 3, Verdict::Succeeded).await;
    let lasted = back.decided_at().unwrap().duration_since(back.begun_at().unwrap()).as_secs();
    assert!(lasted < 120, "after {lasted} s");
    harness.until_ready("shop").await;
    let stops = harness.mutations().iter().filter(|call| call.contains("StopJob")).count();
    assert_eq!(stops, 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_rolls_its_release_back() {
    let yaml = delivered("{ progressDeadline: 15m }");
    let harness = succeeded(&yaml).await;
    harness.put_code("fails.zip", b"site").await;
    let next = yaml.replace("web.zip", "fails.zip").replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&next).await;
    let failed = until_verdict(&harness, 2, Verdict::RolledBack).await;
    assert_eq!(failed.reason, "ObjectFailed");
    assert!(failed.message.contains("Frontend/web"), "{}", failed.message);
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let back = harness.store.release("shop", 3).await.unwrap();
    assert!(back.message.starts_with("release 2 failed: Frontend/web"), "{}", back.message);
    harness.until_ready("shop").await;
    let stops = harness.mutations().iter().filter(|call| call.contains("StopJob")).count();
    assert_eq!(stops, 0, "it was over");
}
