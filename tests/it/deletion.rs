//! What leaves a release is deleted or let go, in the right order.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use trueup::model::condition_type;
use trueup::sandbox::Fault;
use trueup::store::{Cause, NewRelease, Stage, Verdict};

use crate::delivery::{delivered, succeeded, until_verdict};
use crate::harness::{DAEMON, Harness, parse, release, shop, with_shop};

/// The small environment without some of its documents.
fn without(kinds: &[&str]) -> String {
    let all = shop();
    let kept = all
        .split("---")
        .filter(|doc| !kinds.iter().any(|k| doc.contains(&format!("kind: {k}\nmetadata"))));
    kept.collect::<Vec<_>>().join("---")
}

async fn until_forgotten(harness: &Harness, id: &str) {
    harness
        .until(&format!("{id} is forgotten"), || async {
            harness.status("shop", id).await.is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_is_deleted_and_a_table_is_retained() {
    let harness = with_shop().await;
    harness.apply(&without(&["Function", "Table", "Frontend"])).await;
    for id in ["Function/api", "Table/orders", "Frontend/web"] {
        until_forgotten(&harness, id).await;
    }
    let session = &harness.session;
    assert!(session.lambda().get_function().function_name("shop-api").send().await.is_err());
    assert_eq!(session.amplify().list_apps().send().await.unwrap().apps().len(), 0);
    session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retained_table_is_taken_back_when_its_manifest_returns() {
    let harness = with_shop().await;
    harness.apply(&without(&["Function", "Table"])).await;
    until_forgotten(&harness, "Table/orders").await;
    harness.sandbox.calls().clear();
    harness.apply(&shop()).await;
    harness.until_ready("shop").await;
    assert!(
        !harness.mutations().iter().any(|c| c.contains("CreateTable")),
        "{:?}",
        harness.mutations()
    );
}

#[tokio::test(start_paused = true)]
async fn deletes_run_backwards_along_the_references() {
    let harness = with_shop().await;
    let deleting = shop().replace(
        "  partitionKey: { name: id, type: S }",
        "  deletionPolicy: Delete\n  partitionKey: { name: id, type: S }",
    );
    harness.apply(&deleting).await;
    harness.until_ready("shop").await;
    harness.sandbox.calls().clear();
    // However long it takes.
    harness.sandbox.faults().inject("lambda:DeleteFunction=500*4".parse().unwrap());
    harness.apply(&without(&["Function", "Table"])).await;
    harness
        .until("the table says what it waits for", || async {
            let status = harness.status("shop", "Table/orders").await.unwrap();
            let ready = status.conditions.get(condition_type::READY).unwrap();
            ready.reason == "DependentsRemain" && ready.message.ends_with(": Function/api")
        })
        .await;
    until_forgotten(&harness, "Table/orders").await;
    let mut calls = harness.mutations();
    calls.dedup();
    let expected = [
        "lambda:DeleteFunction shop-api",
        "dynamodb:CreateBackup shop-orders",
        "dynamodb:DeleteTable shop-orders",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test(start_paused = true)]
async fn a_protected_table_is_not_deleted_and_says_what_to_do() {
    let harness = with_shop().await;
    let protected = shop().replace(
        "  partitionKey: { name: id, type: S }",
        "  deletionPolicy: Delete\n  deletionProtection: true\n  partitionKey: { name: id, type: S }",
    );
    harness.apply(&protected).await;
    harness.until_ready("shop").await;
    harness.apply(&without(&["Function", "Table"])).await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "DeletionProtected");
    assert!(message.contains("deletionProtection: false"), "{message}");
    harness.session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bucket_with_objects_in_it_stays() {
    let harness = with_shop().await;
    let deleting =
        shop().replace("  versioning: Enabled", "  versioning: Enabled\n  deletionPolicy: Delete");
    harness.apply(&deleting).await;
    harness.until_ready("shop").await;
    let put = harness.session.s3().put_object().bucket("shop-assets").key("logo.svg");
    put.body(aws_sdk_s3::primitives::ByteStream::from_static(b"<svg/>")).send().await.unwrap();
    harness.apply(&without(&["Bucket"])).await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    harness.session.s3().head_object().bucket("shop-assets").key("logo.svg").send().await.unwrap();
    assert!(harness.status("shop", "Bucket/assets").await.is_some(), "it is still to be deleted");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_seems_gone_while_it_leaves_is_deleted_all_the_same() {
    // Its record says that something was written, and not that it was deleted.
    let mut harness = with_shop().await;
    let fault = |text: &str| text.parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON);
    harness.sandbox.faults().inject(fault("lambda:UpdateFunctionConfiguration=ignored"));
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 256")).await;
    harness
        .until("something is written", || async {
            harness.status("shop", "Function/api").await.is_some_and(|s| !s.flap_guard.is_empty())
        })
        .await;
    // The very first observation of what leaves is one of those that do not see it.
    harness.stop().await;
    harness.apply(&without(&["Function"])).await;
    harness.sandbox.faults().inject(fault("lambda:GetFunction=notfound*3"));
    harness.start().await;
    until_forgotten(&harness, "Function/api").await;
    let gone = harness.session.lambda().get_function().function_name("shop-api").send().await;
    assert!(gone.is_err(), "left behind");
}

/// The environment without its bucket, as an apply or a deletion records it.
async fn without_bucket(harness: &Harness, yaml: &str, cause: Cause) {
    let kept = parse(yaml).objects().filter(|o| o.kind != "Bucket").cloned().collect();
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let new = NewRelease { cause, ..release(kept) };
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_goes_at_once_where_no_frontend_moves() {
    let yaml = delivered("{ bakeTime: 10m }");
    let harness = succeeded(&yaml).await;
    without_bucket(&harness, &yaml, Cause::Delete).await;
    let gone = || async { harness.status("shop", "Bucket/assets").await.is_none() };
    harness.until("it goes", gone).await;
    let second = harness.store.rollout("shop", 2).await.unwrap().unwrap();
    assert_ne!(second.stage(), Stage::Over, "not only once the release is over");
}

#[tokio::test(start_paused = true)]
async fn what_an_apply_takes_out_stays_until_the_release_can_be_undone_no_more() {
    let yaml = delivered("{ bakeTime: 10m }");
    let harness = succeeded(&yaml).await;
    without_bucket(&harness, &yaml, Cause::Apply).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(harness.status("shop", "Bucket/assets").await.is_some(), "it is watched still");
    let gone = || async { harness.status("shop", "Bucket/assets").await.is_none() };
    harness.until("it goes", gone).await;
    let second = harness.store.rollout("shop", 2).await.unwrap().unwrap();
    assert_eq!(second.stage(), Stage::Over);
}

/// A table that somebody confirmed by name, in a release that fails for another reason, and no frontend anywhere.
#[tokio::test(start_paused = true)]
async fn a_release_that_fails_has_deleted_nothing() {
    let parts: Vec<_> = delivered("{}").split("---\n").map(str::to_owned).collect();
    let without = |kind: &str, parts: &[String]| -> Vec<String> {
        parts.iter().filter(|part| !part.contains(&format!("kind: {kind}\n"))).cloned().collect()
    };
    let backend = without("Frontend", &parts);
    assert_eq!(backend.len() + 1, parts.len());
    let yaml = backend.join("---\n").replace(
        "kind: Table\nmetadata: { name: orders, namespace: shop }\nspec:\n",
        "kind: Table\nmetadata: { name: orders, namespace: shop }\nspec:\n  deletionPolicy: Delete\n",
    );
    assert!(yaml.contains("deletionPolicy: Delete"), "{yaml}");
    let harness = succeeded(&yaml).await;
    let item = [("id".to_owned(), AttributeValue::S("1".to_owned()))];
    let put = harness.session.dynamodb().put_item().table_name("shop-orders");
    put.set_item(Some(item.into())).send().await.unwrap();
    let fault: Fault = "lambda:UpdateFunctionConfiguration=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let env = "  env:\n    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }\n";
    let rest = without("Table", &backend).join("---\n").replace(env, "  memorySize: 1024\n");
    let rest = rest.replace("  memorySize: 512\n", "");
    assert!(!rest.contains("orders") && rest.contains("1024"), "{rest}");
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let mut new = release(parse(&rest).objects().cloned().collect());
    new.confirmed = ["Table/orders".parse().unwrap()].into();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    until_verdict(&harness, 2, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 3, Verdict::Succeeded).await;
    let items = harness.session.dynamodb().scan().table_name("shop-orders").send().await.unwrap();
    assert_eq!(items.count(), 1, "the item of before");
    let deletes = harness.mutations().iter().filter(|call| call.contains("DeleteTable")).count();
    assert_eq!(deletes, 0);
}

/// It was let go before, and is in AWS as somebody may use it.
#[tokio::test(start_paused = true)]
async fn what_was_left_and_comes_back_in_a_release_that_fails_is_not_deleted_with_it() {
    let old = |policy: &str| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: old, namespace: shop }}\nspec:\n  \
             runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  \
             deletionPolicy: {policy}\n  code: {{ s3: {{ bucket: artifacts, key: api.zip }} }}\n"
        )
    };
    let yaml = delivered("{}");
    let harness = succeeded(&format!("{yaml}{}", old("Retain"))).await;
    harness.apply(&yaml).await;
    until_forgotten(&harness, "Function/old").await;
    let fault: Fault = "lambda:UpdateFunctionConfiguration=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let broken = yaml.replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&format!("{broken}{}", old("Delete"))).await;
    until_verdict(&harness, 3, Verdict::RolledBack).await;
    harness.sandbox.faults().clear();
    until_verdict(&harness, 4, Verdict::Succeeded).await;
    harness.observe("shop").await;
    let status = harness.status("shop", "Function/old").await.expect("it stays in the release");
    assert!(status.was_found);
    let session = &harness.session;
    session.lambda().get_function().function_name("shop-old").send().await.unwrap();
}

/// Somebody deletes another object while the release that took the first one out is still watched.
#[tokio::test(start_paused = true)]
async fn a_deletion_deletes_what_it_names_and_not_what_an_open_release_took_out() {
    let yaml = delivered("{ bakeTime: 10m }");
    let more = "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: { name: old, namespace: shop }\nspec:\n  \
                runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  \
                code: { s3: { bucket: artifacts, key: api.zip } }\n";
    let more = format!("{more}{}", more.replace("name: old", "name: older"));
    let harness = succeeded(&format!("{yaml}{more}")).await;
    let old = more.split("---\n").nth(1).unwrap();
    harness.apply(&format!("{yaml}---\n{old}")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let kept: Vec<_> = parse(&yaml).objects().cloned().collect();
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let new = NewRelease { cause: Cause::Delete, ..release(kept) };
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    until_forgotten(&harness, "Function/old").await;
    let is_there = async || {
        let lambda = harness.session.lambda();
        lambda.get_function().function_name("shop-older").send().await.is_ok()
    };
    assert!(is_there().await, "nobody named it, and the release may still be undone");
    until_forgotten(&harness, "Function/older").await;
    assert!(!is_there().await);
    assert_eq!(harness.store.rollout("shop", 3).await.unwrap().unwrap().stage(), Stage::Over);
}

/// The new object can be made only once the old one has given its name back.
#[tokio::test(start_paused = true)]
async fn a_function_whose_object_is_renamed_gives_its_name_to_the_new_object() {
    let named = |object: &str| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: {object}, namespace: shop }}\nspec:\n  \
             name: shop-job\n  runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  \
             code: {{ s3: {{ bucket: artifacts, key: api.zip }} }}\n"
        )
    };
    let yaml = delivered("{}");
    let harness = succeeded(&format!("{yaml}{}", named("job"))).await;
    harness.apply(&format!("{yaml}{}", named("worker"))).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    let job = harness.session.lambda().get_function().function_name("shop-job").send().await;
    assert_eq!(job.unwrap().tags.unwrap()["trueup.dev/object"], "Function/worker");
}
