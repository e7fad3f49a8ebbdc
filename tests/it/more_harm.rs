//! Other cases of the kinds of faults that `harm.rs` has: found by people who tried, each with what they did.

use std::time::Duration;

use serde_json::{Value, json};
use trueup::model::{ConditionStatus, condition_type};

use crate::harness::{DAEMON, Harness, parse, release, shop, with_shop};

/// Records a form of the environment in which an object is confirmed by name.
async fn confirm(harness: &Harness, yaml: &str, id: &str) {
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let mut new = release(parse(yaml).objects().cloned().collect());
    new.confirmed = [id.parse().unwrap()].into();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
}

async fn synced(harness: &Harness, id: &str) -> ConditionStatus {
    let status = harness.status("shop", id).await.unwrap();
    status.conditions.get(condition_type::SYNCED).unwrap().status
}

const LIMITED: &str = "<LifecycleConfiguration><Rule><ID>tmp</ID><Status>Enabled</Status><Filter><Tag><Key>temporary</Key><Value>true</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";

#[tokio::test(start_paused = true)]
async fn a_confirmation_is_spent_and_what_somebody_limits_afterwards_is_asked_about_again() {
    let harness = with_shop().await;
    let rules = shop()
        .replace("  versioning: Enabled", "  lifecycle:\n    - { id: tmp, expirationDays: 1 }");
    harness.s3("PUT", "/shop-assets?lifecycle", LIMITED).await;
    confirm(&harness, &rules, "Bucket/assets").await;
    harness.until_ready("shop").await;
    assert!(!harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("<Tag>"), "confirmed");
    // The same by hand, later: nobody has confirmed that.
    harness.s3("PUT", "/shop-assets?lifecycle", LIMITED).await;
    harness.observe("shop").await;
    let (reason, _) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "ConfirmationNeeded");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("<Tag>"), "kept");
    // And again, in the same form.
    confirm(&harness, &rules, "Bucket/assets").await;
    harness.until_ready("shop").await;
    assert!(!harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("<Tag>"));
}

/// Another part of the object may never become as declared: the confirmation is used up all the same.
#[tokio::test(start_paused = true)]
async fn a_confirmation_is_good_once_also_where_aws_refuses_another_part_for_good() {
    let harness = with_shop().await;
    harness.apply(&shop()).await;
    harness.until_ready("shop").await;
    harness.sandbox.faults().inject("s3:PutBucketTagging=denied".parse().unwrap());
    let rules = shop().replace(
        "  versioning: Enabled",
        "  tags: { team: a }\n  lifecycle:\n    - { id: tmp, expirationDays: 1 }",
    );
    let limited = async || harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("<Tag>");
    harness.s3("PUT", "/shop-assets?lifecycle", LIMITED).await;
    confirm(&harness, &rules, "Bucket/assets").await;
    harness.until_stalled("shop", "Bucket/assets").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let status = harness.status("shop", "Bucket/assets").await.unwrap();
    let ready = status.conditions.get(condition_type::READY).unwrap();
    assert_ne!(
        ready.reason, "ConfirmationNeeded",
        "it is confirmed, and the tags are refused: {ready:?}"
    );
    assert_ne!(ready.status, ConditionStatus::True);
    assert!(!limited().await, "confirmed");
    harness.s3("PUT", "/shop-assets?lifecycle", LIMITED).await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(limited().await, "nobody confirmed that");
    let told = harness.events("shop").await;
    let asked = told.iter().filter(|event| event.reason == "ConfirmationNeeded");
    assert!(asked.count() > 0, "it is asked about");
    confirm(&harness, &rules, "Bucket/assets").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!limited().await, "confirmed anew");
}

#[tokio::test(start_paused = true)]
async fn whose_a_resource_is_cannot_be_ignored() {
    let mut harness = Harness::new().await;
    harness.session.s3().create_bucket().bucket("shop-assets").send().await.unwrap();
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let yaml = shop()
        .replace("  versioning: Enabled", "  versioning: Enabled\n  ignore: [tags]")
        .replace(
            "metadata: { name: assets, namespace: shop }",
            "metadata: { name: assets, namespace: shop, annotations: { trueup.dev/adopt: \"true\" } }",
        );
    harness.apply(&yaml).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let tags = harness.s3("GET", "/shop-assets?tagging", "").await;
    assert!(tags.contains("trueup.dev/uid"), "{tags}");
    harness
        .s3(
            "PUT",
            "/shop-assets?tagging",
            &tags.replace("</TagSet>", "<Tag><Key>team</Key><Value>by hand</Value></Tag></TagSet>"),
        )
        .await;
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let tags = harness.s3("GET", "/shop-assets?tagging", "").await;
    assert!(tags.contains("by hand"), "what is ignored stays: {tags}");
}

/// A facet that may not be read holds no other back.
#[tokio::test(start_paused = true)]
async fn a_door_is_closed_behind_a_facet_that_cannot_be_read() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let yaml = shop().replace(
        "  versioning: Enabled",
        "  versioning: Enabled\n  publicAccessBlock: { blockPublicAcls: true }\n  cors: []",
    );
    harness.apply(&yaml).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness.sandbox.faults().inject("s3:GetBucketCors=denied*1000".parse().unwrap());
    let open = "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    harness.s3("PUT", "/shop-assets?publicAccessBlock", open).await;
    harness.observe("shop").await;
    let (reason, message) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "AccessDenied");
    assert!(message.contains("GetBucketCORS"), "{message}");
    assert_eq!(synced(&harness, "Bucket/assets").await, ConditionStatus::Unknown);
    let block = harness.s3("GET", "/shop-assets?publicAccessBlock", "").await;
    assert!(!block.contains("false"), "closed all the same: {block}");
}

/// An index that has to be made again is not deleted before what AWS refuses.
#[tokio::test(start_paused = true)]
async fn an_index_is_made_again_whatever_else_aws_refuses() {
    let index = |projection: &str| {
        format!(
            "  globalSecondaryIndexes:\n    - {{ name: byDay, partitionKey: {{ name: day, type: S }}, projection: {{ type: {projection} }} }}\n"
        )
    };
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let with = |extra: &str| {
        shop().replace(
            "  partitionKey: { name: id, type: S }\n",
            &format!("  partitionKey: {{ name: id, type: S }}\n{extra}"),
        )
    };
    harness.apply(&with(&index("ALL"))).await;
    harness.start().await;
    harness.until_ready("shop").await;
    // What is refused is the change of the class, for ever.
    harness.sandbox.faults().inject("dynamodb:UpdateTable=invalid*1".parse().unwrap());
    let changed = format!("{}  tableClass: STANDARD_INFREQUENT_ACCESS\n", index("KEYS_ONLY"));
    harness.apply(&with(&changed)).await;
    harness.until_ready("shop").await;
    let table = harness.dynamodb("DescribeTable", json!({"TableName": "shop-orders"})).await;
    let made = &table["Table"]["GlobalSecondaryIndexes"][0];
    assert_eq!(made["Projection"]["ProjectionType"], "KEYS_ONLY", "{made}");
    let calls = harness.sandbox.calls().all();
    let writes: Vec<_> =
        calls.iter().filter(|c| c.caller == DAEMON && c.operation == "UpdateTable").collect();
    assert_eq!(writes.len(), 4, "refused once, then class, delete and create: {writes:?}");
}

/// An index that somebody makes by hand is asked about, also where the manifest lists the indexes: to make it again
/// takes hours in a large table.
#[tokio::test(start_paused = true)]
async fn an_index_that_somebody_makes_is_deleted_only_once_that_is_confirmed() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let listing = |lists: &str| {
        shop().replace(
            "  partitionKey: { name: id, type: S }\n",
            &format!(
                "  partitionKey: {{ name: id, type: S }}\n  globalSecondaryIndexes: {lists}\n"
            ),
        )
    };
    let by_day = "{ name: byDay, partitionKey: { name: day, type: S }, projection: { type: ALL } }";
    harness.apply(&listing(&format!("[{by_day}]"))).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let by_hand = json!({
        "TableName": "shop-orders",
        "AttributeDefinitions": [{"AttributeName": "sku", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "bySku", "KeySchema": [{"AttributeName": "sku", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }}],
    });
    harness.dynamodb("UpdateTable", by_hand).await;
    harness.observe("shop").await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "ConfirmationNeeded");
    assert!(message.contains("globalSecondaryIndexes[bySku]"), "{message}");
    // The declared one leaves in the same moment: neither goes.
    harness.apply(&listing("[]")).await;
    harness.until_stalled("shop", "Table/orders").await;
    let live = async |harness: &Harness| {
        let table = harness.dynamodb("DescribeTable", json!({"TableName": "shop-orders"})).await;
        let indexes = table["Table"]["GlobalSecondaryIndexes"].as_array().cloned();
        indexes
            .unwrap_or_default()
            .iter()
            .map(|index| index["IndexName"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(live(&harness).await, ["byDay", "bySku"]);
    let listed = format!("[{by_day}, {}]", by_day.replace("byDay", "bySku").replace("day", "sku"));
    harness.apply(&listing(&listed)).await;
    harness.until_ready("shop").await;
    assert_eq!(live(&harness).await, ["byDay", "bySku"], "it is declared now");
    harness.apply(&listing("[]")).await;
    harness.until_ready("shop").await;
    assert_eq!(live(&harness).await, [""; 0], "it was declared, and leaves");
}

/// No manifest names the key of a zip; an update of the code that leaves it out would go back to AWS's own.
#[tokio::test(start_paused = true)]
async fn the_key_of_a_zip_stays_when_the_code_changes() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let key = "arn:aws:kms:us-east-1:123456789012:key/zip";
    let code = json!({"S3Bucket": "artifacts", "S3Key": "api.zip", "SourceKMSKeyArn": key});
    let (status, _) = harness.ask_lambda("PUT", "/2015-03-31/functions/shop-api/code", code).await;
    assert_eq!(status, 200);
    harness.put_code("api2.zip", b"other code").await;
    harness.apply(&shop().replace("key: api.zip", "key: api2.zip")).await;
    harness.until_ready("shop").await;
    let (_, live) = harness.ask_lambda("GET", "/2015-03-31/functions/shop-api", Value::Null).await;
    assert_eq!(live["Code"]["SourceKMSKeyArn"], key);
    let updates = harness.sandbox.calls().all();
    let is_ours =
        |c: &&trueup::sandbox::Call| c.caller == DAEMON && c.operation == "UpdateFunctionCode";
    assert!(updates.iter().any(|call| is_ours(&call)), "the code was updated");
}

/// What is ignored is given once, to what trueup makes, and left alone from then on.
#[tokio::test(start_paused = true)]
async fn an_ignored_value_is_given_at_the_creation_and_never_again() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let yaml = shop()
        .replace("  memorySize: 512", "  memorySize: 512\n  ignore: [\"env[FLAGS]\", reservedConcurrency]\n  reservedConcurrency: 5")
        .replace("  env:\n", "  env:\n    - { name: FLAGS, value: \"first\" }\n");
    harness.apply(&yaml).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let (_, made) = harness.ask_lambda("GET", "/2015-03-31/functions/shop-api", Value::Null).await;
    assert_eq!(made["Configuration"]["Environment"]["Variables"]["FLAGS"], "first");
    assert_eq!(made["Concurrency"]["ReservedConcurrentExecutions"], 5);
    let mut variables = made["Configuration"]["Environment"]["Variables"].clone();
    variables["FLAGS"] = json!("second");
    let body = json!({"Environment": {"Variables": variables}});
    harness.ask_lambda("PUT", "/2015-03-31/functions/shop-api/configuration", body).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let (_, live) = harness.ask_lambda("GET", "/2015-03-31/functions/shop-api", Value::Null).await;
    assert_eq!(live["Configuration"]["Environment"]["Variables"]["FLAGS"], "second");
}

/// A URL on an alias that is not declared any more, whatever else was declared in between.
#[tokio::test(start_paused = true)]
async fn a_public_url_is_found_again_on_an_alias_of_long_ago() {
    let function = |extra: &str| shop().replace("  alias: live", extra);
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness
        .apply(&function(
            "  alias: first\n  url: { authType: NONE }\n  async: { maximumRetryAttempts: 1 }",
        ))
        .await;
    harness.start().await;
    harness.until_ready("shop").await;
    let url = |alias: &str| format!("/2021-10-31/functions/shop-api/url?Qualifier={alias}");
    assert_eq!(harness.ask_lambda("GET", &url("first"), Value::Null).await.0, 200);
    for extra in [
        "  alias: second\n  async: { maximumRetryAttempts: 1 }",
        "  alias: second\n  async: { maximumRetryAttempts: 1 }\n  url: {}",
    ] {
        harness.apply(&function(extra)).await;
        harness.until_ready("shop").await;
    }
    assert_eq!(harness.ask_lambda("GET", &url("first"), Value::Null).await.0, 404, "it is closed");
}

/// Somebody's Deny is no difference to be repaired without a word.
#[tokio::test(start_paused = true)]
async fn a_deny_that_somebody_put_into_a_policy_is_asked_about() {
    let statement = |sid: &str, effect: &str| json!({"Sid": sid, "Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-assets/*"});
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    let declared = policy(&[statement("read", "Allow")]);
    let yaml = shop().replace("  versioning: Enabled", &format!("  policy: {declared}"));
    harness.apply(&yaml).await;
    harness.start().await;
    harness.until_ready("shop").await;
    let by_hand = policy(&[statement("read", "Allow"), statement("locked", "Deny")]);
    harness.s3("PUT", "/shop-assets?policy", &by_hand.to_string()).await;
    harness.observe("shop").await;
    let (reason, message) = harness.until_stalled("shop", "Bucket/assets").await;
    assert_eq!(reason, "ConfirmationNeeded");
    assert!(message.contains("policy.Statement[locked]"), "{message}");
    assert!(harness.s3("GET", "/shop-assets?policy", "").await.contains("locked"));
}

/// trueup's own table is nobody's object.
#[tokio::test(start_paused = true)]
async fn the_stores_own_table_is_neither_adopted_nor_deleted() {
    let mut harness = Harness::new().await;
    let table = |policy: &str| {
        format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: shop }}\nspec: {{}}\n---\n\
             apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata:\n  name: own\n  namespace: shop\n  annotations: {{ trueup.dev/adopt: \"true\" }}\n\
             spec:\n  name: {}\n  deletionPolicy: {policy}\n  partitionKey: {{ name: pk, type: S }}\n  sortKey: {{ name: sk, type: S }}\n",
            crate::harness::TABLE
        )
    };
    harness.apply(&table("Delete")).await;
    harness.start().await;
    let (reason, _) = harness.until_stalled("shop", "Table/own").await;
    assert_eq!(reason, "OwnStore");
    assert_eq!(harness.mutations(), [""; 0]);
}

/// A branch that is named otherwise does not serve on under its old name.
#[tokio::test(start_paused = true)]
async fn a_branch_of_before_goes_once_the_new_one_serves() {
    let harness = with_shop().await;
    harness.apply(&shop().replace("branch: { name: main }", "branch: { name: release }")).await;
    harness.until_ready("shop").await;
    let apps = harness.session.amplify().list_apps().send().await.unwrap();
    let app = apps.apps()[0].app_id().to_owned();
    let branches = harness.session.amplify().list_branches().app_id(app).send().await.unwrap();
    let names: Vec<_> =
        branches.branches().iter().map(aws_sdk_amplify::types::Branch::branch_name).collect();
    assert_eq!(names, ["release"]);
}

/// Nor does a domain; one that nobody ever declared stays.
#[tokio::test(start_paused = true)]
async fn a_domain_of_before_goes_once_the_new_one_serves() {
    let harness = with_shop().await;
    let named = |name: &str| {
        let domain = format!(
            "branch: {{ name: main }}\n  domain: {{ name: {name}, subdomains: [{{ prefix: www }}] }}"
        );
        shop().replace("branch: { name: main }", &domain)
    };
    harness.apply(&named("shop.example")).await;
    harness.until_ready("shop").await;
    let amplify = harness.session.amplify();
    let apps = amplify.list_apps().send().await.unwrap();
    let app = apps.apps()[0].app_id().to_owned();
    let by_hand =
        aws_sdk_amplify::types::SubDomainSetting::builder().prefix("").branch_name("main");
    let call = amplify.create_domain_association().app_id(&app).domain_name("by-hand.example");
    call.sub_domain_settings(by_hand.build().unwrap()).send().await.unwrap();
    let domains = async || {
        let listed = amplify.list_domain_associations().app_id(&app).send().await.unwrap();
        let names = listed.domain_associations().iter().map(|d| d.domain_name().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(domains().await, ["by-hand.example", "shop.example"]);
    harness.apply(&named("new.example")).await;
    harness.until_ready("shop").await;
    assert_eq!(domains().await, ["by-hand.example", "new.example"]);
}

#[tokio::test(start_paused = true)]
async fn an_element_of_s3_that_the_sdk_does_not_know_is_not_lost() {
    let harness = with_shop().await;
    let newer = LIMITED.replace("<Tag>", "<AccessedBefore>30</AccessedBefore><Tag>");
    assert_ne!(newer, LIMITED);
    harness.s3("PUT", "/shop-assets?lifecycle", &newer).await;
    let rules = shop()
        .replace("  versioning: Enabled", "  lifecycle:\n    - { id: tmp, expirationDays: 1 }");
    confirm(&harness, &rules, "Bucket/assets").await;
    let (reason, message) = harness.until_stalled("shop", "Bucket/assets").await;
    assert!(
        reason == "InvalidRequest" && message.contains("AccessedBefore"),
        "{reason}: {message}"
    );
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(
        harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("AccessedBefore"),
        "kept, although the change is confirmed"
    );
    harness.exchanges.pass_over("<AccessedBefore>");
}

/// The bucket's rules; an error's text where there are none yet.
async fn lifecycle(harness: &Harness) -> String {
    harness.sandbox.ask("s3", "GET", "/shop-assets?lifecycle", "", "").await.1
}

/// A form that was begun and not finished has left something on the resource; nobody else put it there.
#[tokio::test(start_paused = true)]
async fn what_an_unfinished_release_limited_is_taken_away_by_the_next_one_unasked() {
    let mut harness = with_shop().await;
    let with = |rule: &str| {
        let rule = format!(
            "  versioning: Suspended\n  lifecycle:\n    - {{ id: tmp, expirationDays: 1{rule} }}"
        );
        shop().replace("  versioning: Enabled", &rule)
    };
    // Of this release the versioning is refused, and the rule is written.
    harness.sandbox.faults().inject("s3:PutBucketVersioning=denied".parse().unwrap());
    for tag in ["a", "b"] {
        harness.apply(&with(&format!(", tags: {{ {tag}: \"1\" }}"))).await;
        let key = &format!("<Key>{tag}</Key>");
        let is_written = async || lifecycle(&harness).await.contains(key);
        harness.until("the rule is written", is_written).await;
    }
    harness.until_stalled("shop", "Bucket/assets").await;
    let status = harness.status("shop", "Bucket/assets").await.unwrap();
    assert_eq!(status.begun_digests.len(), 2, "both forms are remembered");
    // Another daemon knows it, too.
    harness.stop().await;
    harness.start().await;
    harness.apply(&with("")).await;
    let is_taken = async || !lifecycle(&harness).await.contains("<Tag>");
    harness.until("what limited the rule is gone", is_taken).await;
    harness.sandbox.faults().clear();
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    let status = harness.status("shop", "Bucket/assets").await.unwrap();
    assert!(status.begun_digests.is_empty(), "all is as declared");
}

const CONFIGURATION: &str = "/2015-03-31/functions/shop-api/configuration";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key";

#[tokio::test(start_paused = true)]
async fn a_function_whose_variables_cannot_be_decrypted_is_repaired_but_for_them_and_goes() {
    let harness = with_shop().await;
    let by_hand = json!({"KMSKeyArn": format!("{KEY}/gone"), "MemorySize": 3000});
    assert_eq!(harness.ask_lambda("PUT", CONFIGURATION, by_hand).await.0, 200);
    let read = || async { harness.ask_lambda("GET", CONFIGURATION, Value::Null).await.1 };
    assert_eq!(read().await["Environment"]["Error"]["ErrorCode"], "KMSNotFoundException");
    harness.until("the rest is repaired", || async { read().await["MemorySize"] == 512 }).await;
    let status = harness.status("shop", "Function/api").await.unwrap();
    let synced = status.conditions.get(condition_type::SYNCED).unwrap();
    assert_eq!(synced.status, ConditionStatus::Unknown);
    let ready = status.conditions.get(condition_type::READY).unwrap();
    assert!(ready.message.contains("declare another `kmsKeyArn`"), "{}", ready.message);
    // Nothing was written over: with the key they are there again.
    let back = json!({"KMSKeyArn": ""});
    assert_eq!(harness.ask_lambda("PUT", CONFIGURATION, back).await.0, 200);
    assert_eq!(read().await["Environment"]["Variables"]["ORDERS"], "shop-orders");
    harness.until_ready("shop").await;

    let gone = json!({"KMSKeyArn": format!("{KEY}/gone")});
    assert_eq!(harness.ask_lambda("PUT", CONFIGURATION, gone.clone()).await.0, 200);
    let other = format!("  memorySize: 512\n  kmsKeyArn: {KEY}/other\n");
    harness.apply(&shop().replace("  memorySize: 512\n", &other)).await;
    harness
        .until("they are encrypted anew", || async {
            read().await["Environment"]["Variables"]["ORDERS"] == "shop-orders"
        })
        .await;
    harness.until_ready("shop").await;

    assert_eq!(harness.ask_lambda("PUT", CONFIGURATION, gone).await.0, 200);
    let yaml = shop();
    let rest = yaml.split("---").filter(|document| !document.contains("kind: Function"));
    harness.apply(&rest.collect::<Vec<_>>().join("---")).await;
    let is_gone = || async {
        harness.ask_lambda("GET", "/2015-03-31/functions/shop-api", Value::Null).await.0 == 404
    };
    harness.until("it is deleted", is_gone).await;
}
