//! What is not ours is not touched.

use std::collections::BTreeMap;

use trueup::aws::tags;
use trueup::model::{ObjectId, ObjectKey};
use trueup::store::{NewRelease, Store};

use crate::harness::{Harness, parse, release, shop, with_shop};

/// A table of the name that the object would take, made by somebody else.
async fn foreign_table(harness: &Harness, tags: BTreeMap<String, String>) {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Tag,
    };
    let tags = tags.into_iter().map(|(k, v)| Tag::builder().key(k).value(v).build().unwrap());
    let key =
        KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let create = harness.session.dynamodb().create_table().table_name("shop-orders");
    create
        .key_schema(key)
        .attribute_definitions(attribute)
        .billing_mode(BillingMode::PayPerRequest)
        .set_tags(Some(tags.collect()))
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_foreign_resource_of_the_same_name_is_left_untouched() {
    left_untouched(BTreeMap::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_of_another_store_is_left_untouched_although_all_its_names_are_ours() {
    let key = ObjectKey { environment: "shop".into(), id: ObjectId::new("Table", "orders") };
    left_untouched(tags::ownership(&key, &Store::uid("another store", &key))).await;
}

async fn left_untouched(tags: BTreeMap<String, String>) {
    let mut harness = Harness::new().await;
    foreign_table(&harness, tags).await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.sandbox.calls().clear();
    harness.start().await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "NotOwned");
    assert!(message.contains("trueup.dev/adopt"), "{message}");
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let touched: Vec<_> =
        harness.mutations().into_iter().filter(|call| call.contains("orders")).collect();
    assert_eq!(touched, [""; 0]);
    // What refers to it waits; the others are made.
    assert!(harness.status("shop", "Function/api").await.unwrap().created_at.is_none());
    assert!(harness.status("shop", "Bucket/assets").await.unwrap().created_at.is_some());
    // Leaving the release does not delete it either.
    harness.apply(&only_environment()).await;
    harness.observe("shop").await;
    harness.session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

fn only_environment() -> String {
    shop().split("---").next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_adopt_annotation_takes_a_foreign_resource_over() {
    let mut harness = Harness::new().await;
    foreign_table(&harness, BTreeMap::new()).await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let adopting = shop().replace(
        "metadata: { name: orders, namespace: shop }",
        "metadata: { name: orders, namespace: shop, annotations: { trueup.dev/adopt: \"true\" } }",
    );
    harness.apply(&adopting).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-orders";
    let read =
        harness.session.dynamodb().list_tags_of_resource().resource_arn(arn).send().await.unwrap();
    assert!(read.tags().iter().any(|t| t.key() == "trueup.dev/uid"), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_failed_and_is_taken_back_leaves_the_object_to_its_owner() {
    let mut harness = Harness::new().await;
    foreign_table(&harness, BTreeMap::new()).await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    // Its key is another one, so that it can never become as declared.
    let adopting = shop()
        .replace(
            "metadata: { name: orders, namespace: shop }",
            "metadata: { name: orders, namespace: shop, annotations: { trueup.dev/adopt: \"true\" } }",
        )
        .replace("partitionKey: { name: id, type: S }", "partitionKey: { name: other, type: S }\n  deletionPolicy: Delete");
    harness.apply(&adopting).await;
    harness.start().await;
    let (reason, _) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "ReplacementNeeded");
    let table = "Table/orders".parse().unwrap();
    let confirmed = [table].into_iter().collect();
    let rest = parse(&only_environment()).objects().cloned().collect();
    let new = NewRelease { confirmed, ..release(rest) };
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.release("shop", 1).await.unwrap();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    harness
        .until("it is forgotten", || async {
            harness.status("shop", "Table/orders").await.is_none()
        })
        .await;
    let let_go = harness
        .events("shop")
        .await
        .into_iter()
        .find(|e| e.object == "Table/orders" && e.reason == "LetGo");
    assert!(let_go.is_some(), "{:#?}", harness.events("shop").await);
    harness.session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_account_gets_no_call_beyond_sts() {
    let mut harness = Harness::new().await;
    harness.apply(&shop().replace("123456789012\" }", "999999999999\" }")).await;
    harness.sandbox.calls().clear();
    harness.start().await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "WrongAccount");
    assert!(message.contains("123456789012") && message.contains("999999999999"), "{message}");
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let others: Vec<_> = harness
        .sandbox
        .calls()
        .all()
        .into_iter()
        .filter(|c| c.action() != "sts:GetCallerIdentity" && c.service != "dynamodb")
        .chain(harness.sandbox.calls().all().into_iter().filter(|c| c.operation == "DescribeTable"))
        .collect();
    assert_eq!(others, []);
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_stalls_and_the_table_stays() {
    let harness = with_shop().await;
    harness.sandbox.calls().clear();
    harness.apply(&shop().replace("{ name: id, type: S }", "{ name: orderId, type: S }")).await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "ReplacementNeeded");
    assert!(message.contains("partitionKey.name"), "{message}");
    assert!(
        !harness.mutations().iter().any(|call| call.contains("Table")),
        "{:?}",
        harness.mutations()
    );
}

#[tokio::test(start_paused = true)]
async fn a_renamed_table_stalls_and_no_empty_one_is_made() {
    let harness = with_shop().await;
    harness.sandbox.calls().clear();
    let named = "spec:\n  name: shop-orders-v2\n  partitionKey: { name: id, type: S }";
    harness.apply(&shop().replace("spec:\n  partitionKey: { name: id, type: S }", named)).await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "ReplacementNeeded");
    assert!(message.contains("shop-orders-v2"), "{message}");
    assert!(
        !harness.mutations().iter().any(|call| call.contains("Table")),
        "{:?}",
        harness.mutations()
    );
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_somebody_made_after_our_create_was_refused_is_not_ours() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.sandbox.faults().inject("s3:CreateBucket=denied*1".parse().unwrap());
    harness.start().await;
    harness.until_stalled("shop", "Bucket/assets").await;
    harness.session.s3().create_bucket().bucket("shop-assets").send().await.unwrap();
    harness.sandbox.calls().clear();
    harness.observe("shop").await;
    let (reason, _) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "NotOwned");
    let touched: Vec<_> =
        harness.mutations().into_iter().filter(|c| c.contains("shop-assets")).collect();
    assert_eq!(touched, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_move_to_another_region_stalls() {
    let harness = with_shop().await;
    harness.sandbox.calls().clear();
    harness.apply(&shop().replace("region: us-east-1", "region: eu-west-1")).await;
    let (reason, _) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "PlaceChanged");
    assert_eq!(harness.mutations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_name_another_account_took_is_not_written() {
    let harness = with_shop().await;
    harness.sandbox.give_away("shop-assets", "999999999999");
    // Its new owner lets us read and write it, and has no versions.
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let (status, _) =
        harness.sandbox.ask("s3", "PUT", "/shop-assets?versioning", "", suspended).await;
    assert_eq!(status, 200, "the bucket was changed");
    harness.sandbox.calls().clear();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let (_, seen) = harness.sandbox.ask("s3", "GET", "/shop-assets?versioning", "", "").await;
    assert!(seen.contains("Suspended"), "it is as its owner has it: {seen}");
    let (reason, message) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "AccessDenied");
    assert!(message.contains("another account"), "{message}");
}
