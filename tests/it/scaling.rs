//! Capacities that follow their use: what a scaler sets is no drift, what anybody else sets is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use trueup::model::condition_type;

use crate::harness::{Harness, parse, release, shop, try_parse};

async fn scaling(harness: &Harness, operation: &str, body: Value) -> Value {
    let target = format!("AnyScaleFrontendService.{operation}");
    let (service, body) = ("application-autoscaling", body.to_string());
    let (status, body) = harness.sandbox.ask(service, "POST", "/", &target, &body).await;
    assert!(status < 300, "{operation}: {status} {body}");
    serde_json::from_str(&body).unwrap_or_default()
}

/// A table's provisioned capacity, reads first.
async fn capacity(harness: &Harness) -> (i64, i64) {
    let table = harness.dynamodb("DescribeTable", json!({"TableName": "shop-orders"})).await;
    let throughput = &table["Table"]["ProvisionedThroughput"];
    let units = |member: &str| throughput[member].as_i64().unwrap();
    (units("ReadCapacityUnits"), units("WriteCapacityUnits"))
}

/// What a scaler does, or a person by hand.
async fn set_capacity(harness: &Harness, read: i64, write: i64) {
    let throughput = json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let body = json!({"TableName": "shop-orders", "ProvisionedThroughput": throughput});
    harness.dynamodb("UpdateTable", body).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(capacity(harness).await, (read, write), "it was set");
}

fn reads() -> Value {
    json!({
        "ServiceNamespace": "dynamodb", "ResourceId": "table/shop-orders",
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
    })
}

fn with(mut body: Value, members: Value) -> Value {
    for (name, member) in members.as_object().unwrap() {
        body[name] = member.clone();
    }
    body
}

/// The least and the most of the table's reads; `None` where nobody scales them.
async fn bounds(harness: &Harness) -> Option<(i64, i64)> {
    let asked = json!({
        "ServiceNamespace": "dynamodb", "ResourceIds": ["table/shop-orders"],
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
    });
    let targets = scaling(harness, "DescribeScalableTargets", asked).await;
    let target = targets["ScalableTargets"].get(0)?;
    Some((target["MinCapacity"].as_i64()?, target["MaxCapacity"].as_i64()?))
}

fn table(auto_scaling: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: shop }}\n\
         spec: {{ aws: {{ region: us-east-1, accountId: \"123456789012\" }} }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: orders, namespace: shop }}\n\
         spec:\n  partitionKey: {{ name: id, type: S }}\n  \
         billing: {{ mode: PROVISIONED, throughput: {{ readCapacityUnits: 2, writeCapacityUnits: 3 }} }}\n\
         {auto_scaling}"
    )
}

const SCALED: &str = "  autoScaling:\n    readCapacity:\n      minCapacity: 5\n      maxCapacity: 50\n      \
                      targetUtilization: 70\n      scheduledActions:\n      \
                      - { name: day, schedule: cron(0 8 * * ? *), timezone: Europe/Berlin, minCapacity: 20 }\n      \
                      - { name: night, schedule: cron(0 20 * * ? *), timezone: Europe/Berlin, minCapacity: 5 }\n";

async fn applied(yaml: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.apply(yaml).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness
}

/// Lets trueup observe some times, and says what it has written meanwhile.
async fn written(harness: &Harness) -> Vec<String> {
    let before = harness.mutations().len();
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    harness.mutations()[before..].to_vec()
}

#[tokio::test(start_paused = true)]
async fn what_the_scaler_sets_is_no_drift() {
    let harness = applied(&table(SCALED)).await;
    assert_eq!(bounds(&harness).await, Some((5, 50)));
    assert_eq!(capacity(&harness).await, (5, 3), "registered, it came between its bounds");
    let policies = scaling(&harness, "DescribeScalingPolicies", reads()).await;
    let policies = policies["ScalingPolicies"].as_array().unwrap().clone();
    let tracking = &policies[0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!((policies.len(), tracking["TargetValue"].as_f64()), (1, Some(70.0)), "{policies:?}");
    let actions = scaling(&harness, "DescribeScheduledActions", reads()).await;
    assert_eq!(actions["ScheduledActions"].as_array().unwrap().len(), 2, "{actions}");
    // It scales out, and in the morning its least becomes another one.
    set_capacity(&harness, 33, 3).await;
    scaling(&harness, "RegisterScalableTarget", with(reads(), json!({"MinCapacity": 20}))).await;
    assert_eq!(bounds(&harness).await, Some((20, 50)), "it was changed");
    assert_eq!(written(&harness).await, [""; 0]);
    assert_eq!((capacity(&harness).await, bounds(&harness).await), ((33, 3), Some((20, 50))));
    let status = harness.status("shop", "Table/orders").await.unwrap();
    assert!(status.conditions.is_true(condition_type::SYNCED), "{:?}", status.conditions);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_sets_is_repaired() {
    let harness = applied(&table(SCALED)).await;
    set_capacity(&harness, 33, 9).await;
    // Bounds that neither the manifest nor a scheduled action names.
    let by_hand = json!({"MinCapacity": 7, "MaxCapacity": 99});
    scaling(&harness, "RegisterScalableTarget", with(reads(), by_hand)).await;
    let policies = scaling(&harness, "DescribeScalingPolicies", reads()).await;
    let mut policy = policies["ScalingPolicies"][0].clone();
    policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = json!(20.0);
    scaling(&harness, "PutScalingPolicy", policy).await;
    let night = with(reads(), json!({"ScheduledActionName": "night"}));
    scaling(&harness, "DeleteScheduledAction", night).await;
    let noon = json!({"ScheduledActionName": "noon", "Schedule": "rate(1 day)", "ScalableTargetAction": {"MaxCapacity": 99}});
    scaling(&harness, "PutScheduledAction", with(reads(), noon)).await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(capacity(&harness).await, (33, 3), "writes are nobody's but the manifest's");
    let policies = scaling(&harness, "DescribeScalingPolicies", reads()).await;
    let tracking = &policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(tracking["TargetValue"], json!(70.0));
    let actions = scaling(&harness, "DescribeScheduledActions", reads()).await;
    let named = |action: &Value| action["ScheduledActionName"].as_str().unwrap().to_owned();
    let mut names: Vec<_> =
        actions["ScheduledActions"].as_array().unwrap().iter().map(named).collect();
    names.sort();
    assert_eq!(names, ["day", "night"]);
    // The most that `noon` would have set was seen beside it, and is repaired once that is gone.
    assert_eq!(bounds(&harness).await, Some((5, 50)));
}

#[tokio::test(start_paused = true)]
async fn a_capacity_beyond_its_bounds_comes_back_between_them() {
    let harness = applied(&table(SCALED)).await;
    set_capacity(&harness, 1, 3).await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(capacity(&harness).await, (5, 3));
}

#[tokio::test(start_paused = true)]
async fn other_bounds_of_the_manifest_are_set_whatever_a_schedule_has_set_before() {
    let harness = applied(&table(SCALED)).await;
    harness.apply(&table(&SCALED.replace("minCapacity: 5\n", "minCapacity: 8\n"))).await;
    harness.until_ready("shop").await;
    assert_eq!(
        bounds(&harness).await,
        Some((8, 50)),
        "5 is what `night` sets, and what was declared before"
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_ends_when_it_is_declared_to() {
    let harness = applied(&table(SCALED)).await;
    set_capacity(&harness, 33, 3).await;
    harness.apply(&table("  autoScaling: {}\n")).await;
    harness.until_ready("shop").await;
    assert_eq!(bounds(&harness).await, None);
    assert_eq!(capacity(&harness).await, (2, 3), "what is declared holds again");
}

#[tokio::test(start_paused = true)]
async fn no_scaler_outlives_its_table() {
    let harness = applied(&table(&format!("{SCALED}  deletionPolicy: Delete\n"))).await;
    let environment = table("").split("---").next().unwrap().to_owned();
    harness.apply(&environment).await;
    harness
        .until("the table is gone", || async {
            harness.status("shop", "Table/orders").await.is_none()
        })
        .await;
    assert_eq!(bounds(&harness).await, None, "DynamoDB would have left it");
    let order = harness.mutations();
    let at = |action: &str| order.iter().rposition(|call| call.contains(action)).unwrap();
    assert!(at("DeregisterScalableTarget") < at("DeleteTable"), "{order:?}");
}

/// As the console, Terraform and Serverless plugins make them: the manifest says nothing of scaling.
#[tokio::test(start_paused = true)]
async fn a_scaler_that_no_manifest_declares_is_not_fought() {
    let harness = applied(&table("")).await;
    let by_hand = json!({"MinCapacity": 2, "MaxCapacity": 40});
    scaling(&harness, "RegisterScalableTarget", with(reads(), by_hand)).await;
    set_capacity(&harness, 30, 3).await;
    assert_eq!(written(&harness).await, [""; 0]);
    assert_eq!(capacity(&harness).await, (30, 3));
    // Of the writes nobody is the scaler.
    set_capacity(&harness, 30, 9).await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(capacity(&harness).await, (30, 3));
    // Once nobody scales it, the manifest holds.
    scaling(&harness, "DeregisterScalableTarget", reads()).await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(capacity(&harness).await, (2, 3));
}

/// Who scales a table is not known then: its capacity may be the scaler's.
#[tokio::test(start_paused = true)]
async fn a_capacity_is_left_alone_where_nobody_may_ask_who_scales_it() {
    let harness = applied(&table("")).await;
    let faults = harness.sandbox.faults();
    faults.inject("application-autoscaling:*=denied".parse().unwrap());
    set_capacity(&harness, 30, 3).await;
    assert_eq!(written(&harness).await, [""; 0]);
    assert!(faults.struck() > 0);
    let status = harness.status("shop", "Table/orders").await.unwrap();
    let said = format!("{:?}", status.conditions);
    assert!(said.contains("DescribeScalableTargets"), "{said}");
    faults.clear();
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(capacity(&harness).await, (2, 3));
}

const EXECUTIONS: &str = "/2019-09-30/functions/shop-api/provisioned-concurrency";

/// What is kept ready, by qualifier.
async fn executions(harness: &Harness) -> BTreeMap<String, i64> {
    let path = format!("{EXECUTIONS}?List=ALL");
    let all = harness.lambda("GET", &path, Value::Null).await;
    let all = all["ProvisionedConcurrencyConfigs"].as_array().unwrap().iter();
    let of = |config: &Value| {
        let qualifier = config["FunctionArn"].as_str().unwrap().rsplit(':').next().unwrap();
        let executions = config["RequestedProvisionedConcurrentExecutions"].as_i64().unwrap();
        (qualifier.to_owned(), executions)
    };
    all.map(of).collect()
}

fn kept<const N: usize>(all: [(&str, i64); N]) -> BTreeMap<String, i64> {
    all.map(|(qualifier, executions)| (qualifier.to_owned(), executions)).into()
}

/// The versions that are scaled.
async fn scaled_versions(harness: &Harness) -> Vec<String> {
    let asked = json!({"ServiceNamespace": "lambda"});
    let targets = scaling(harness, "DescribeScalableTargets", asked).await;
    let targets = targets["ScalableTargets"].as_array().unwrap().iter();
    targets.map(|target| target["ResourceId"].as_str().unwrap().to_owned()).collect()
}

fn function(fields: &str) -> String {
    shop().replace("  alias: live\n", &format!("  alias: live\n{fields}"))
}

async fn with_function(fields: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&function(fields)).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness
}

const FIVE: &str = "  provisionedConcurrency: { executions: 5 }\n";
const STEPWISE: &str = "  rollout: { steps: [{ weight: 10, pause: 1m }] }\n";

#[tokio::test(start_paused = true)]
async fn a_new_version_is_provisioned_before_its_first_request() {
    let harness = with_function(&format!("{FIVE}{STEPWISE}")).await;
    assert_eq!(executions(&harness).await, kept([("1", 5)]));
    let before = harness.mutations().len();
    let changed =
        function(&format!("{FIVE}{STEPWISE}")).replace("memorySize: 512", "memorySize: 256");
    harness.apply(&changed).await;
    harness
        .until("both have their executions", || async {
            executions(&harness).await == kept([("1", 5), ("2", 5)])
        })
        .await;
    let moved = |calls: &[String]| calls.iter().filter(|c| c.contains("UpdateAlias")).count();
    assert_eq!(moved(&harness.mutations()[before..]), 0, "no request before they are asked for");
    harness
        .until("it has its first requests", || async { moved(&harness.mutations()[before..]) > 0 })
        .await;
    let path = format!("{EXECUTIONS}?Qualifier=2");
    let second = harness.lambda("GET", &path, Value::Null).await;
    assert_eq!(second["Status"], "READY", "nor before they are there");
    harness
        .until("the first one has lost them", || async {
            executions(&harness).await == kept([("2", 5)])
        })
        .await;
    harness.until_ready("shop").await;
    assert_eq!(written(&harness).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_a_rollout_the_executions_follow_the_alias() {
    let harness = with_function(FIVE).await;
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("2", 5)]));
    // A person changes their number, and takes them away.
    let path = format!("{EXECUTIONS}?Qualifier=2");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 9})).await;
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("2", 5)]));
    harness.lambda("DELETE", &path, Value::Null).await;
    assert_eq!(executions(&harness).await, kept([]), "they were taken away");
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("2", 5)]));
    harness
        .apply(
            &function("  provisionedConcurrency: {}\n")
                .replace("memorySize: 512", "memorySize: 256"),
        )
        .await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([]));
}

const FOLLOWING: &str = "  provisionedConcurrency:\n    autoScaling: { minCapacity: 2, maxCapacity: 20, targetUtilization: 70 }\n";

#[tokio::test(start_paused = true)]
async fn a_new_version_begins_with_as_many_executions_as_the_scaler_gave_the_one_before() {
    let fields = format!("{FOLLOWING}{STEPWISE}");
    let harness = with_function(&fields).await;
    assert_eq!(executions(&harness).await, kept([("1", 2)]));
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:1"]);
    let path = format!("{EXECUTIONS}?Qualifier=1");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 12})).await;
    let second = harness.lambda("GET", &path, Value::Null).await;
    assert_eq!(second["Status"], "IN_PROGRESS");
    assert_eq!(harness.not_ready("shop").await, [""; 0], "it serves meanwhile");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(written(&harness).await, [""; 0], "the number is the scaler's");
    assert_eq!(executions(&harness).await, kept([("1", 12)]));
    harness.apply(&function(&fields).replace("memorySize: 512", "memorySize: 256")).await;
    harness
        .until("it is provisioned", || async {
            executions(&harness).await == kept([("1", 12), ("2", 12)])
        })
        .await;
    harness
        .until("the first one has lost all", || async {
            executions(&harness).await == kept([("2", 12)])
        })
        .await;
    harness.until_ready("shop").await;
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:2"]);
    let asked = json!({"ServiceNamespace": "lambda", "ResourceId": "function:shop-api:2"});
    let policies = scaling(&harness, "DescribeScalingPolicies", asked).await;
    let tracking = &policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(tracking["TargetValue"], json!(0.7), "Lambda's utilization is a part of 1");
    // The function goes, and nobody scales it any more.
    let documents = shop();
    let without: Vec<_> =
        documents.split("---").filter(|document| !document.contains("kind: Function")).collect();
    let without = without.join("---");
    harness.apply(&without).await;
    harness
        .until("the function is gone", || async {
            harness.status("shop", "Function/api").await.is_none()
        })
        .await;
    assert_eq!(scaled_versions(&harness).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_version_whose_executions_cannot_be_had_gets_no_request() {
    let harness = with_function(&format!("{FIVE}{STEPWISE}")).await;
    let failing = "  env:\n    - { name: SANDBOX_PROVISIONING, value: fail }\n";
    let changed = function(&format!("{FIVE}{STEPWISE}")).replace("  env:\n", failing);
    let before = harness.mutations().len();
    harness.apply(&changed).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "ProvisioningFailed");
    assert!(message.contains("FUNCTION_ERROR_INIT_FAILURE"), "{message}");
    let moved = |calls: &[String]| calls.iter().filter(|c| c.contains("UpdateAlias")).count();
    assert_eq!(moved(&harness.mutations()[before..]), 0);
    assert_eq!(executions(&harness).await["1"], 5, "the version that serves keeps its own");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_another_alias_names_keeps_its_executions() {
    let harness = with_function(FIVE).await;
    let beta = json!({"Name": "beta", "FunctionVersion": "1"});
    harness.lambda("POST", "/2015-03-31/functions/shop-api/aliases", beta).await;
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    assert_eq!(written(&harness).await, [""; 0]);
    assert_eq!(executions(&harness).await, kept([("1", 5), ("2", 5)]));
}

#[tokio::test(start_paused = true)]
async fn executions_of_the_alias_itself_are_asked_about() {
    let harness = with_function("").await;
    let path = format!("{EXECUTIONS}?Qualifier=live");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 3})).await;
    harness.apply(&function(FIVE)).await;
    let (_, message) = harness.until_stalled("shop", "Function/api").await;
    assert!(message.contains("delete-provisioned-concurrency-config"), "{message}");
    assert_eq!(executions(&harness).await, kept([("live", 3)]), "nothing was written");
    harness.lambda("DELETE", &path, Value::Null).await;
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("1", 5)]));
}

/// As SAM and Serverless leave a function: the number is somebody else's, and so are the alias's own executions.
#[tokio::test(start_paused = true)]
async fn an_ignored_number_is_given_once_and_never_taken_away() {
    let ignored = "  provisionedConcurrency: { executions: 5 }\n  ignore: [provisionedConcurrency.executions]\n";
    let harness = with_function(ignored).await;
    assert_eq!(executions(&harness).await, kept([("1", 5)]));
    let path = format!("{EXECUTIONS}?Qualifier=1");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 80})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(written(&harness).await, [""; 0]);
    harness.apply(&function(ignored).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("2", 80)]), "it goes along");
    // All of it is somebody else's: a rollout does not wait for executions that nobody provides.
    let left = format!("{FIVE}{STEPWISE}  ignore: [provisionedConcurrency]\n");
    harness.apply(&function(&left).replace("memorySize: 512", "memorySize: 128")).await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("2", 80)]));
    let alias =
        harness.lambda("GET", "/2015-03-31/functions/shop-api/aliases/live", Value::Null).await;
    assert_eq!(alias["FunctionVersion"], "3");
}

#[tokio::test(start_paused = true)]
async fn what_a_scaler_has_set_goes_along_however_the_alias_moves() {
    let harness = with_function(FIVE).await;
    // The manifest says nothing of scaling, and somebody scales the version.
    let target = json!({
        "ServiceNamespace": "lambda", "ResourceId": "function:shop-api:1",
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
    });
    let bounds = json!({"MinCapacity": 5, "MaxCapacity": 100});
    scaling(&harness, "RegisterScalableTarget", with(target, bounds)).await;
    let path = format!("{EXECUTIONS}?Qualifier=1");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 80})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(written(&harness).await, [""; 0]);
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:2"]);
    assert_eq!(executions(&harness).await, kept([("2", 80)]));
    // And a refusal on the way costs nothing.
    harness
        .sandbox
        .faults()
        .inject("lambda:PutProvisionedConcurrencyConfig=conflict*2".parse().unwrap());
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 128")).await;
    harness.until_ready("shop").await;
    assert_eq!(harness.sandbox.faults().struck(), 2);
    assert_eq!(executions(&harness).await, kept([("3", 80)]));
}

fn version_target(version: u32) -> Value {
    json!({
        "ServiceNamespace": "lambda", "ResourceId": format!("function:shop-api:{version}"),
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
    })
}

/// Somebody scales version 1, whose manifest says nothing of that.
async fn scale_by_hand(harness: &Harness, policy: Value) {
    let bounds = json!({"MinCapacity": 5, "MaxCapacity": 100});
    scaling(harness, "RegisterScalableTarget", with(version_target(1), bounds)).await;
    let policy =
        with(json!({"PolicyName": "by hand", "PolicyType": "TargetTrackingScaling"}), policy);
    scaling(harness, "PutScalingPolicy", with(version_target(1), policy)).await;
}

/// At rest the number is the declared one, and a handover may be interrupted.
#[tokio::test(start_paused = true)]
async fn a_scaler_goes_along_whole_or_not_at_all() {
    let harness = with_function(FIVE).await;
    let tracking = json!({
        "TargetValue": 0.6,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
    });
    scale_by_hand(&harness, json!({"TargetTrackingScalingPolicyConfiguration": tracking})).await;
    let action = json!({
        "ScheduledActionName": "summer", "Schedule": "rate(1 day)", "EndTime": 1_800_000_000,
        "ScalableTargetAction": {"MaxCapacity": 100},
    });
    scaling(&harness, "PutScheduledAction", with(version_target(1), action)).await;
    for fault in ["PutScalingPolicy", "PutScheduledAction"] {
        let fault = format!("application-autoscaling:{fault}=conflict*2");
        harness.sandbox.faults().inject(fault.parse().unwrap());
    }
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_ready("shop").await;
    assert_eq!(harness.sandbox.faults().struck(), 4);
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:2"]);
    assert_eq!(executions(&harness).await, kept([("2", 5)]));
    let asked = json!({"ServiceNamespace": "lambda", "ResourceId": "function:shop-api:2"});
    let policies = scaling(&harness, "DescribeScalingPolicies", asked.clone()).await;
    let tracking = &policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(tracking["TargetValue"], json!(0.6));
    let actions = scaling(&harness, "DescribeScheduledActions", asked).await;
    assert_eq!(
        actions["ScheduledActions"][0]["EndTime"].as_f64(),
        Some(1_800_000_000.0),
        "{actions}"
    );
    assert_eq!(written(&harness).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_no_manifest_can_say_is_asked_about() {
    let harness = with_function(FIVE).await;
    let metric = json!({"MetricName": "Load", "Namespace": "Shop", "Statistic": "Average"});
    let tracking = json!({"TargetValue": 7.0, "CustomizedMetricSpecification": metric});
    scale_by_hand(&harness, json!({"TargetTrackingScalingPolicyConfiguration": tracking})).await;
    let changed = function(FIVE).replace("memorySize: 512", "memorySize: 256");
    harness.apply(&changed).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "ConfirmationNeeded");
    assert!(message.contains("by hand"), "{message}");
    let scaled = scaled_versions(&harness).await;
    assert!(scaled.contains(&"function:shop-api:1".to_owned()), "{scaled:?}");
    assert_eq!(executions(&harness).await["2"], 5, "the version that serves has its own");
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let mut new = release(parse(&changed).objects().cloned().collect());
    new.confirmed = ["Function/api".parse().unwrap()].into();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    harness.until_ready("shop").await;
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:2"]);
}

/// What is reserved is just enough for one version.
#[tokio::test(start_paused = true)]
async fn a_fixed_number_moves_where_two_do_not_fit() {
    let tight = format!("{FIVE}  reservedConcurrency: 5\n");
    let harness = with_function(&tight).await;
    for memory in ["256", "128"] {
        let to = format!("memorySize: {memory}");
        harness.apply(&function(&tight).replace("memorySize: 512", &to)).await;
        harness.until_ready("shop").await;
    }
    assert_eq!(executions(&harness).await, kept([("3", 5)]));
    // Step by step both have to fit.
    let problems = try_parse(&function(&format!("{tight}{STEPWISE}"))).unwrap_err().to_string();
    assert!(problems.contains("10 executions"), "{problems}");
    let ended = "  provisionedConcurrency: { autoScaling: {} }\n";
    let problems = try_parse(&function(ended)).unwrap_err().to_string();
    assert!(problems.contains("how many executions"), "{problems}");
}

/// Three do not fit: what was on its way gives way.
#[tokio::test(start_paused = true)]
async fn an_abandoned_version_gives_its_executions_to_the_next() {
    let tight = format!("{FIVE}{STEPWISE}  reservedConcurrency: 10\n").replace("1m", "10m");
    let harness = with_function(&tight).await;
    let with_memory = |memory: &str| function(&tight).replace("memorySize: 512", memory);
    harness.apply(&with_memory("memorySize: 256")).await;
    harness
        .until("the second one is provisioned", || async {
            executions(&harness).await == kept([("1", 5), ("2", 5)])
        })
        .await;
    harness.apply(&with_memory("memorySize: 128")).await;
    harness
        .until("the third one is, in its place", || async {
            executions(&harness).await == kept([("1", 5), ("3", 5)])
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_list_aliases_a_function_is_repaired_all_the_same() {
    let harness = with_function(FIVE).await;
    harness.sandbox.faults().inject("lambda:ListAliases=denied".parse().unwrap());
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    let configuration = "/2015-03-31/functions/shop-api/configuration?Qualifier=live";
    harness
        .until("the alias has moved", || async {
            harness.lambda("GET", configuration, Value::Null).await["MemorySize"] == json!(256)
        })
        .await;
    harness
        .lambda("PUT", "/2015-03-31/functions/shop-api/configuration", json!({"Timeout": 77}))
        .await;
    harness.observe("shop").await;
    assert!(harness.sandbox.faults().struck() > 0);
    assert_eq!(executions(&harness).await["1"], 5, "who names it is not known");
    harness.sandbox.faults().clear();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    // The repair has published another one.
    assert_eq!(executions(&harness).await, kept([("3", 5)]));
}

#[tokio::test(start_paused = true)]
async fn a_function_whose_scalers_cannot_be_read_is_not_deleted() {
    let harness = with_function(FOLLOWING).await;
    let denied = "application-autoscaling:DescribeScalableTargets=denied";
    harness.sandbox.faults().inject(denied.parse().unwrap());
    let documents = shop();
    let without: Vec<_> =
        documents.split("---").filter(|document| !document.contains("kind: Function")).collect();
    harness.apply(&without.join("---")).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "AccessDenied", "{message}");
    assert_eq!(scaled_versions(&harness).await, ["function:shop-api:1"]);
    harness.sandbox.faults().clear();
    harness.observe("shop").await;
    harness
        .until("the function is gone", || async {
            harness.status("shop", "Function/api").await.is_none()
        })
        .await;
    assert_eq!(scaled_versions(&harness).await, [""; 0]);
}

const INDEXED: &str = "  globalSecondaryIndexes:\n  - name: byDay\n    partitionKey: { name: day, type: S }\n    \
                       projection: { type: ALL }\n    throughput: { readCapacityUnits: 5, writeCapacityUnits: 1 }\n";

/// A scaler of an index that is gone would scale the next one of its name.
#[tokio::test(start_paused = true)]
async fn an_index_takes_its_scaler_with_it() {
    let scaled = "  autoScaling:\n    indexes:\n    - name: byDay\n      readCapacity: { minCapacity: 5, maxCapacity: 50, targetUtilization: 70 }\n";
    for left in [
        "  globalSecondaryIndexes: []\n  autoScaling: { indexes: [] }\n",
        "  globalSecondaryIndexes: []\n",
    ] {
        let harness = applied(&table(&format!("{INDEXED}{scaled}"))).await;
        let targets = || async {
            let asked = json!({"ServiceNamespace": "dynamodb"});
            let targets = scaling(&harness, "DescribeScalableTargets", asked).await;
            targets["ScalableTargets"].as_array().unwrap().len()
        };
        assert_eq!(targets().await, 1);
        harness.apply(&table(left)).await;
        harness.until_ready("shop").await;
        assert_eq!(targets().await, 0, "{left}");
        let order = harness.mutations();
        let at = |action: &str| order.iter().rposition(|call| call.contains(action)).unwrap();
        assert!(at("DeregisterScalableTarget") < at("UpdateTable"), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn executions_that_somebody_takes_from_a_scaler_come_back() {
    let harness = with_function(FOLLOWING).await;
    let path = format!("{EXECUTIONS}?Qualifier=1");
    harness.lambda("DELETE", &path, Value::Null).await;
    assert_eq!(executions(&harness).await, kept([]), "they were taken away");
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    assert_eq!(executions(&harness).await, kept([("1", 2)]));
    // Where a schedule leaves none for the night, none is as it shall be.
    let night = json!({
        "ServiceNamespace": "lambda", "ResourceId": "function:shop-api:1",
        "ScalableDimension": "lambda:function:ProvisionedConcurrency", "MinCapacity": 0, "MaxCapacity": 0,
    });
    let action = "\n      scheduledActions: [{ name: night, schedule: cron(0 20 * * ? *), minCapacity: 0, maxCapacity: 0 }]\n";
    let scheduled = FOLLOWING
        .replace("autoScaling: { ", "autoScaling:\n      ")
        .replace(", ", "\n      ")
        .replace(" }\n", action);
    harness.apply(&function(&scheduled)).await;
    harness.until_ready("shop").await;
    scaling(&harness, "RegisterScalableTarget", night).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(executions(&harness).await, kept([]), "it is night");
    assert_eq!(written(&harness).await, [""; 0]);
}

/// What stands in the way of executions stands in the way of nothing else.
#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_be_provisioned_is_repaired_and_moved_all_the_same() {
    let harness = with_function("").await;
    let path = format!("{EXECUTIONS}?Qualifier=live");
    harness.lambda("PUT", &path, json!({"ProvisionedConcurrentExecutions": 3})).await;
    harness.apply(&function(FIVE).replace("memorySize: 512", "memorySize: 256")).await;
    harness.until_stalled("shop", "Function/api").await;
    let configuration = "/2015-03-31/functions/shop-api/configuration";
    let live = format!("{configuration}?Qualifier=live");
    let memory = || async {
        harness.lambda("GET", &live, Value::Null).await["MemorySize"].as_i64().unwrap()
    };
    assert_eq!(memory().await, 256, "the alias has moved");
    harness.lambda("PUT", configuration, json!({"MemorySize": 1024})).await;
    harness.observe("shop").await;
    harness
        .until("it is repaired", || async {
            let latest = harness.lambda("GET", configuration, Value::Null).await;
            latest["MemorySize"] == json!(256)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_table_waits_for_the_end_of_its_scalers() {
    let harness = applied(&table(&format!("{SCALED}  deletionPolicy: Delete\n"))).await;
    let faults = harness.sandbox.faults();
    faults.inject("application-autoscaling:DeregisterScalableTarget=conflict*2".parse().unwrap());
    let environment = table("").split("---").next().unwrap().to_owned();
    harness.apply(&environment).await;
    harness
        .until("the table is gone", || async {
            harness.status("shop", "Table/orders").await.is_none()
        })
        .await;
    assert_eq!((faults.struck(), bounds(&harness).await), (2, None));
}

#[tokio::test(start_paused = true)]
async fn the_capacity_of_an_index_is_left_alone_too_where_nobody_may_ask() {
    let index = "  globalSecondaryIndexes:\n  - name: byDay\n    partitionKey: { name: day, type: S }\n    \
                 projection: { type: ALL }\n    throughput: { readCapacityUnits: 1, writeCapacityUnits: 1 }\n";
    let harness = applied(&table(index)).await;
    let faults = harness.sandbox.faults();
    faults.inject("application-autoscaling:*=denied".parse().unwrap());
    set_capacity(&harness, 30, 3).await;
    let throughput = json!({"ReadCapacityUnits": 40, "WriteCapacityUnits": 1});
    let update = json!({"Update": {"IndexName": "byDay", "ProvisionedThroughput": throughput}});
    harness
        .dynamodb(
            "UpdateTable",
            json!({"TableName": "shop-orders", "GlobalSecondaryIndexUpdates": [update]}),
        )
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(written(&harness).await, [""; 0]);
    assert!(faults.struck() > 0);
    faults.clear();
}

#[tokio::test(start_paused = true)]
async fn scaling_that_is_ignored_is_somebody_elses() {
    let harness = applied(&table(&format!("{SCALED}  ignore: [autoScaling]\n"))).await;
    assert_eq!(bounds(&harness).await, Some((5, 50)), "given once");
    scaling(&harness, "RegisterScalableTarget", with(reads(), json!({"MaxCapacity": 9}))).await;
    set_capacity(&harness, 40, 3).await;
    assert_eq!(written(&harness).await, [""; 0]);
}
