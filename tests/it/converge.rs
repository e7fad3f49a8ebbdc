//! From nothing to everything, and then quiet.

use std::time::Duration;

use trueup::model::condition_type;

use crate::harness::{Harness, samples, shop, with_shop};

/// The secrets that the samples take for granted.
pub async fn make_secrets(harness: &Harness) {
    for environment in ["staging", "production"] {
        let create = harness.session.secretsmanager().create_secret();
        create
            .name(format!("{environment}/payment"))
            .secret_string(r#"{"apiKey": "hunter2"}"#)
            .send()
            .await
            .unwrap();
    }
    let bucket = harness.session.s3().create_bucket().bucket("ecommerce-artifacts");
    bucket.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_sample_environments_converge_and_then_three_passes_write_nothing() {
    let mut harness = Harness::new().await;
    make_secrets(&harness).await;
    harness.apply_set(samples()).await;
    harness.start().await;
    for environment in ["development", "staging", "production"] {
        harness.until_ready(environment).await;
    }
    harness.sandbox.calls().clear();
    tokio::time::sleep(Duration::from_secs(4 * 60)).await;
    assert_eq!(harness.mutations(), [""; 0]);
    let observed = harness.sandbox.calls().counts();
    assert!(observed["dynamodb:DescribeTable"] >= 3 * 9, "it observed all the while: {observed:?}");
    let environment = harness.session.lambda().get_function().function_name("production-api");
    let function = environment.send().await.unwrap();
    let variables = function.configuration().unwrap().environment().unwrap().variables().unwrap();
    assert_eq!(variables["ORDERS_TABLE"], "production-orders");
    assert_eq!(variables["PAYMENT_KEY"], "hunter2");
}

#[tokio::test(start_paused = true)]
async fn a_no_op_pass_costs_one_call_a_function_and_one_for_each_declared_facet() {
    let harness = with_shop().await;
    let hourly = shop().replace("  artifacts:", "  reconcile: { interval: 1h }\n  artifacts:");
    harness.apply(&hourly).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    harness.sandbox.calls().clear();
    harness.observe("shop").await;
    let mut counts = harness.sandbox.calls().counts();
    counts.retain(|action, _| {
        let is_store = ["Query", "GetItem", "PutItem", "UpdateItem", "BatchGetItem"];
        !is_store.iter().any(|op| *action == format!("dynamodb:{op}"))
    });
    insta::assert_json_snapshot!(counts, @r#"
    {
      "amplify:GetApp": 1,
      "amplify:GetBranch": 1,
      "amplify:ListJobs": 1,
      "dynamodb:DescribeTable": 1,
      "dynamodb:DescribeTimeToLive": 1,
      "dynamodb:ListTagsOfResource": 1,
      "lambda:GetFunction": 2,
      "s3:GetBucketTagging": 1,
      "s3:GetBucketVersioning": 1
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_edit_reaches_the_alias_as_a_new_version_and_what_was_not_edited_stays() {
    let harness = with_shop().await;
    harness.sandbox.calls().clear();
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    assert_eq!(
        harness.mutations(),
        [
            "lambda:UpdateFunctionConfiguration shop-api",
            "lambda:PublishVersion shop-api",
            "lambda:UpdateAlias shop-api",
        ]
    );
    let live = harness.session.lambda().get_function().function_name("shop-api").qualifier("live");
    let live = live.send().await.unwrap();
    let configuration = live.configuration().unwrap();
    assert_eq!((configuration.memory_size(), configuration.version()), (Some(1024), Some("2")));
}

#[tokio::test(start_paused = true)]
async fn unset_is_unmanaged_and_an_explicit_empty_value_clears() {
    let harness = with_shop().await;
    let lambda = harness.session.lambda();
    let by_hand =
        lambda.update_function_configuration().function_name("shop-api").description("by hand");
    by_hand.send().await.unwrap();
    harness.observe("shop").await;
    let read = || async {
        let read =
            lambda.get_function_configuration().function_name("shop-api").send().await.unwrap();
        read.description().unwrap_or_default().to_owned()
    };
    assert_eq!(read().await, "by hand");
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 512\n  description: ''")).await;
    harness.until_ready("shop").await;
    assert_eq!(read().await, "");
}

#[tokio::test(start_paused = true)]
async fn an_ignored_path_is_left_alone_by_diff_and_write() {
    let harness = with_shop().await;
    let ignoring =
        shop().replace("memorySize: 512", "memorySize: 512\n  timeout: 5\n  ignore: [memorySize]");
    harness.apply(&ignoring).await;
    harness.until_ready("shop").await;
    let lambda = harness.session.lambda();
    let by_hand = lambda.update_function_configuration().function_name("shop-api");
    by_hand.memory_size(2048).timeout(9).send().await.unwrap();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let read = lambda.get_function_configuration().function_name("shop-api").send().await.unwrap();
    assert_eq!((read.memory_size(), read.timeout()), (Some(2048), Some(5)));
}

#[tokio::test(start_paused = true)]
async fn index_changes_are_made_one_at_a_time_and_in_order() {
    let harness = with_shop().await;
    let index = |name: &str| {
        format!(
            "    - {{ name: {name}, partitionKey: {{ name: {name}, type: S }}, projection: {{ type: ALL }} }}\n"
        )
    };
    let with = |names: &[&str]| {
        let indexes: String = names.iter().map(|n| index(n)).collect();
        let spec = format!("ttl: {{ attribute: expiresAt }}\n  globalSecondaryIndexes:\n{indexes}");
        shop().replace("ttl: { attribute: expiresAt }", &spec)
    };
    let names = || async {
        let described = harness.session.dynamodb().describe_table().table_name("shop-orders");
        let table = described.send().await.unwrap().table.unwrap();
        let indexes = table.global_secondary_indexes().iter();
        indexes.map(|i| i.index_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The states that are seen on the way, each once.
    let walked = async |to: &[&str]| {
        harness.apply(&with(to)).await;
        let mut seen = vec![names().await];
        let begun = tokio::time::Instant::now();
        while seen.last().unwrap() != to {
            assert!(begun.elapsed() < Duration::from_secs(600), "{seen:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = names().await;
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        harness.until_ready("shop").await;
        seen.into_iter().map(|names| names.join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(
        walked(&["byA00", "byB00", "byC00"]).await,
        ["", "byA00", "byA00 byB00", "byA00 byB00 byC00"]
    );
    // What goes makes room for what comes.
    assert_eq!(
        walked(&["byC00", "byD00"]).await,
        ["byA00 byB00 byC00", "byB00 byC00", "byC00", "byC00 byD00"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_killed_daemon_is_succeeded_once_its_lease_expires() {
    let mut harness = with_shop().await;
    harness.kill();
    harness.session.lambda().delete_function().function_name("shop-api").send().await.unwrap();
    harness.start().await;
    let lambda = harness.session.lambda();
    harness
        .until("the function is made again", || async {
            lambda.get_function().function_name("shop-api").send().await.is_ok()
        })
        .await;
    harness.until_ready("shop").await;
    let status = harness.status("shop", "Function/api").await.unwrap();
    assert_eq!(status.epoch, 2, "the new daemon fences the old one");
    assert!(status.conditions.is_true(condition_type::SYNCED));
}

#[tokio::test(start_paused = true)]
async fn allow_replace_makes_a_function_anew_where_aws_cannot_change_it() {
    let harness = with_shop().await;
    let image = "code: { image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/api:1 }";
    let as_image = shop()
        .replace("code: { s3: { bucket: artifacts, key: api.zip } }", image)
        .replace("  runtime: nodejs22.x\n  handler: main.handler\n", "");
    harness.apply(&as_image).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "ReplacementNeeded");
    assert!(message.contains("trueup.dev/allow-replace"), "{message}");
    let allowing = as_image.replace(
        "{ name: api, namespace: shop }",
        "{ name: api, namespace: shop, annotations: { trueup.dev/allow-replace: \"true\" } }",
    );
    harness.apply(&allowing).await;
    harness.until_ready("shop").await;
    let function =
        harness.session.lambda().get_function().function_name("shop-api").send().await.unwrap();
    let uri = function.code().unwrap().image_uri().unwrap();
    assert!(uri.ends_with("api:1"), "{uri}");
}
