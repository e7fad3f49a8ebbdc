//! What AWS holds is not harmed: what the manifest has no word for, or does not declare, goes through every
//! write; doors that were closed stay closed; what somebody does meanwhile is neither lost nor published.

use std::time::Duration;

use aws_sdk_s3::types as s3;
use serde_json::json;
use trueup::model::{ConditionStatus, condition_type};

use crate::harness::{DAEMON, Harness, shop, with_shop};

/// The small environment with something put into the spec of its bucket.
fn bucket(spec: &str) -> String {
    shop().replace("  versioning: Enabled", spec)
}

async fn ask(harness: &Harness, method: &str, path: &str, body: &str) -> String {
    let (status, body) = harness.sandbox.ask("s3", method, path, "", body).await;
    assert!(status < 300, "{method} {path}: {status} {body}");
    body
}

/// The daemon's successful writes since the log was cleared, by action.
fn wrote(harness: &Harness, action: &str) -> usize {
    harness.mutations().iter().filter(|call| call.starts_with(action)).count()
}

async fn condition(harness: &Harness, id: &str, kind: &str) -> (ConditionStatus, String, String) {
    let status = harness.status("shop", id).await.unwrap();
    let condition = status.conditions.get(kind).unwrap();
    (condition.status, condition.reason.clone(), condition.message.clone())
}

const BY_TAG: &str = "<Rule><ID>tmp</ID><Status>Enabled</Status><Filter><Tag><Key>temporary</Key><Value>true</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>";
const UPLOADS: &str = "<Rule><ID>uploads</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>";

/// S3 would expire every object of the bucket.
#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_limited_by_a_tag_is_not_widened_until_somebody_confirms_it() {
    let harness = with_shop().await;
    let rules = |days: u32| {
        bucket(&format!(
            "  lifecycle:\n    - {{ id: tmp, expirationDays: 1 }}\n    - {{ id: uploads, abortIncompleteMultipartUploadDays: {days} }}"
        ))
    };
    let put = |rules: String| format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
    ask(&harness, "PUT", "/shop-assets?lifecycle", &put(format!("{BY_TAG}{UPLOADS}"))).await;
    harness.sandbox.calls().clear();
    for days in [7, 14] {
        harness.apply(&rules(days)).await;
        let (reason, message) = harness.until_stalled("shop", "Bucket/assets").await;
        assert_eq!(reason, "ConfirmationNeeded");
        assert!(
            message.contains("lifecycle[tmp].tags") && message.contains("--confirm Bucket/assets"),
            "{message}"
        );
        let (synced, _, fields) =
            condition(&harness, "Bucket/assets", condition_type::SYNCED).await;
        assert!(
            synced == ConditionStatus::False && fields.contains("lifecycle[tmp].tags"),
            "{fields}"
        );
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    assert_eq!(wrote(&harness, "s3:PutBucketLifecycle"), 1, "the rule beside it, of 14 days");
    let live = ask(&harness, "GET", "/shop-assets?lifecycle", "").await;
    assert!(live.contains("<Tag>") && live.contains("14"), "{live}");
    // Somebody says so.
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let mut new =
        crate::harness::release(crate::harness::parse(&rules(14)).objects().cloned().collect());
    new.confirmed = ["Bucket/assets".parse().unwrap()].into();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    harness.until_ready("shop").await;
    let live = ask(&harness, "GET", "/shop-assets?lifecycle", "").await;
    assert!(!live.contains("<Tag>") && live.contains(">14<"), "{live}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_one_rule_sends_the_others_back_as_they_were() {
    let harness = with_shop().await;
    let rules = |days: u32| {
        bucket(&format!(
            "  lifecycle:\n    - {{ id: tmp, tags: {{ temporary: \"true\" }}, expirationDays: 1 }}\n    - {{ id: uploads, abortIncompleteMultipartUploadDays: {days} }}"
        ))
    };
    harness.apply(&rules(7)).await;
    harness.until_ready("shop").await;
    let before = ask(&harness, "GET", "/shop-assets?lifecycle", "").await;
    harness.apply(&rules(14)).await;
    harness.until_ready("shop").await;
    let after = ask(&harness, "GET", "/shop-assets?lifecycle", "").await;
    assert_eq!(after, before.replace(">7<", ">14<"));
    assert_ne!(after, before);
}

/// A facet, what AWS holds of it, what the manifest declares, and what must still be there afterwards.
#[tokio::test(start_paused = true)]
async fn what_the_manifest_does_not_say_of_a_facet_goes_through_a_write() {
    let routing = "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>";
    let grants = "<TargetGrants><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI></Grantee><Permission>WRITE</Permission></Grant></TargetGrants>";
    for (facet, root, live, declared, kept) in [
        (
            "website",
            "WebsiteConfiguration",
            format!("<IndexDocument><Suffix>old.html</Suffix></IndexDocument>{routing}"),
            "  website: { indexDocument: index.html }",
            vec!["docs/", "documents/", "index.html"],
        ),
        (
            "logging",
            "BucketLoggingStatus",
            format!("<LoggingEnabled><TargetBucket>artifacts</TargetBucket>{grants}<TargetPrefix>old/</TargetPrefix><TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled>"),
            "  logging: { targetBucket: artifacts, targetPrefix: new/ }",
            vec!["LogDelivery", "WRITE", "EventTime", "new/"],
        ),
        (
            "encryption",
            "ServerSideEncryptionConfiguration",
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>".to_owned(),
            "  encryption: { algorithm: \"aws:kms\" }",
            vec!["SSE-C", "aws:kms"],
        ),
    ] {
        let harness = with_shop().await;
        let path = format!("/shop-assets?{facet}");
        ask(&harness, "PUT", &path, &format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{live}</{root}>")).await;
        harness.apply(&bucket(declared)).await;
        harness.until_ready("shop").await;
        let after = ask(&harness, "GET", &path, "").await;
        for text in kept {
            assert!(after.contains(text), "{facet} has lost {text}: {after}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_public_access_block_turns_nothing_off() {
    let policy = "  policy: { Version: \"2012-10-17\", Statement: [{ Sid: a, Effect: Deny, Principal: \"*\", Action: \"s3:*\", Resource: \"arn:aws:s3:::shop-assets\" }] }";
    for beside in ["", policy] {
        // A new bucket, and one that exists.
        let harness = Harness::new().await;
        let spec = format!("  publicAccessBlock: {{ blockPublicPolicy: false }}\n{beside}");
        let mut harness = harness;
        harness.put_code("api.zip", b"code").await;
        harness.put_code("web.zip", b"site").await;
        harness.apply(&bucket(&spec)).await;
        harness.start().await;
        harness.until_ready("shop").await;
        let block = || async {
            let get = harness.session.s3().get_public_access_block().bucket("shop-assets");
            get.send().await.unwrap().public_access_block_configuration.unwrap()
        };
        let closed = s3::PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .block_public_policy(false)
            .build();
        assert_eq!(block().await, closed, "a new bucket, beside {beside:?}");
        let open = closed.clone();
        let mut open = open;
        open.block_public_policy = Some(true);
        let put = harness.session.s3().put_public_access_block().bucket("shop-assets");
        put.public_access_block_configuration(open).send().await.unwrap();
        harness.observe("shop").await;
        harness.until_ready("shop").await;
        assert_eq!(block().await, closed, "one that drifted, beside {beside:?}");
    }
}

fn function(extra: &str) -> String {
    shop().replace("  alias: live\n", extra)
}

/// The URL and the statements at a qualifier, by count.
async fn open_doors(harness: &Harness, qualifier: Option<&str>) -> (bool, usize) {
    let lambda = harness.session.lambda();
    let qualifier = qualifier.map(str::to_owned);
    let url = lambda.get_function_url_config().function_name("shop-api");
    let url = url.set_qualifier(qualifier.clone()).send().await.is_ok();
    let policy = lambda.get_policy().function_name("shop-api").set_qualifier(qualifier);
    let policy = policy.send().await.ok().and_then(|p| p.policy).unwrap_or_default();
    (url, policy.matches("\"Sid\"").count())
}

#[tokio::test(start_paused = true)]
async fn a_url_follows_the_alias_and_stays_open_nowhere_else() {
    let open = (true, 2);
    let closed = (false, 0);
    let none = "  url: { authType: NONE }\n";
    let live = "  url: { authType: NONE }\n  alias: live\n";
    let other = "  url: { authType: NONE }\n  alias: other\n";
    let tight = "  url: { authType: AWS_IAM }\n  alias: other\n";
    for (first, second, old, new, expected) in [
        (none, live, None, Some("live"), open),
        (live, none, Some("live"), None, open),
        (live, other, Some("live"), Some("other"), open),
        (live, tight, Some("live"), Some("other"), (true, 0)),
    ] {
        let harness = with_shop().await;
        harness.apply(&function(first)).await;
        harness.until_ready("shop").await;
        assert_eq!(open_doors(&harness, old).await, open, "{first}");
        harness.apply(&function(second)).await;
        harness.until_ready("shop").await;
        assert_eq!(open_doors(&harness, old).await, closed, "{first} -> {second}: the old one");
        assert_eq!(open_doors(&harness, new).await, expected, "{first} -> {second}: the new one");
        harness
            .apply(&function(
                &second
                    .replace("url: { authType: NONE }", "url: {}")
                    .replace("url: { authType: AWS_IAM }", "url: {}"),
            ))
            .await;
        harness.until_ready("shop").await;
        for qualifier in [old, new] {
            assert_eq!(open_doors(&harness, qualifier).await, closed, "{second} without its URL");
        }
        harness.sandbox.calls().clear();
        harness.observe("shop").await;
        assert_eq!(harness.mutations(), [""; 0], "then nothing is written");
    }
}

/// The daemon dies wherever it can between the one form and the other.
#[tokio::test(start_paused = true)]
async fn an_alias_renamed_twice_leaves_no_url_behind() {
    for skip in 0..12 {
        let mut harness = with_shop().await;
        harness.apply(&function("  url: { authType: NONE }\n  alias: a\n")).await;
        harness.until_ready("shop").await;
        harness.sandbox.faults().inject(
            format!("lambda:*=stop@{skip}").parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON),
        );
        harness.apply(&function("  url: { authType: NONE }\n  alias: b\n")).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_ne!(harness.sandbox.faults().struck(), 0, "it died at call {skip}");
        harness.kill();
        harness.sandbox.faults().clear();
        harness.apply(&function("  url: { authType: NONE }\n  alias: c\n")).await;
        harness.start().await;
        harness.until_ready("shop").await;
        for alias in ["a", "b"] {
            assert_eq!(
                open_doors(&harness, Some(alias)).await,
                (false, 0),
                "{alias}, died at {skip}"
            );
        }
        assert_eq!(open_doors(&harness, Some("c")).await, (true, 2), "died at {skip}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_uploads_before_the_version_is_published_is_not_published() {
    let harness = with_shop().await;
    let foreign = "{\"ZipFile\":\"Zm9yZWlnbg==\"}";
    let path = "/2015-03-31/functions/shop-api/code";
    harness.sandbox.intrude("lambda:PublishVersion", DAEMON, ["lambda", "PUT", path, "", foreign]);
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    let lambda = harness.session.lambda();
    let versions =
        lambda.list_versions_by_function().function_name("shop-api").send().await.unwrap();
    let codes: std::collections::BTreeSet<_> =
        versions.versions().iter().filter_map(|v| v.code_sha256()).collect();
    assert_eq!(
        codes.len(),
        1,
        "the foreign code is in no version, and not in the function: {codes:?}"
    );
    let counts = harness.sandbox.calls().counts();
    assert!(counts["lambda:PublishVersion"] > 2, "the first one was refused");
    assert_eq!(
        counts["lambda:UpdateFunctionCode"], 1,
        "the foreign code was there, and is repaired"
    );
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_somebody_moves_meanwhile_is_observed_again() {
    let harness = with_shop().await;
    let other = "{\"FunctionVersion\":\"$LATEST\"}";
    let path = "/2015-03-31/functions/shop-api/aliases/live";
    harness.sandbox.intrude("lambda:UpdateAlias", DAEMON, ["lambda", "PUT", path, "", other]);
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    let alias = harness.session.lambda().get_alias().function_name("shop-api").name("live");
    assert_eq!(alias.send().await.unwrap().function_version(), Some("2"));
    let counts = harness.sandbox.calls().counts();
    assert_eq!(counts["lambda:UpdateAlias"], 2, "one is refused, one made");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_before_it_is_removed_is_observed_again() {
    let with = |policy: &str| {
        shop().replace("ttl: { attribute: expiresAt }", &format!("resourcePolicy: {policy}"))
    };
    let statement = |action: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "{action}", "Resource": "*"}}]}}"#
        )
    };
    let harness = with_shop().await;
    harness.apply(&with(&statement("dynamodb:GetItem"))).await;
    harness.until_ready("shop").await;
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/shop-orders";
    let theirs = json!({"ResourceArn": arn, "Policy": statement("dynamodb:Query")}).to_string();
    let put = "DynamoDB_20120810.PutResourcePolicy";
    let request = ["dynamodb", "POST", "/", put, &theirs];
    harness.sandbox.intrude("dynamodb:DeleteResourcePolicy", DAEMON, request);
    harness.apply(&with("{}")).await;
    harness.until_ready("shop").await;
    let counts = harness.sandbox.calls().counts();
    assert_eq!(counts["dynamodb:DeleteResourcePolicy"], 2, "one is refused, one made");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_something_in_between_is_no_absence() {
    for service in ["lambda", "s3", "dynamodb", "amplify"] {
        let harness = with_shop().await;
        harness.sandbox.calls().clear();
        harness.sandbox.faults().inject(
            format!("{service}:*=page").parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON),
        );
        harness.store.request_reconcile("shop", None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert!(harness.sandbox.faults().struck() > 0, "{service}");
        let made = harness.mutations();
        assert_eq!(made, [""; 0], "{service}");
        let told = harness.events("shop").await;
        assert!(!told.iter().any(|e| e.reason == "DriftDetected"), "{service}: {told:?}");
        // What leaves meanwhile is not forgotten.
        let without =
            shop().split("---").filter(|d| d.contains("kind: Environment")).collect::<String>();
        harness.apply(&without).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        harness.sandbox.faults().clear();
        harness
            .until("everything is gone", || async {
                harness.store.statuses("shop").await.unwrap().is_empty()
            })
            .await;
        assert!(
            harness.session.lambda().get_function().function_name("shop-api").send().await.is_err(),
            "{service}"
        );
        assert_eq!(
            harness.session.amplify().list_apps().send().await.unwrap().apps().len(),
            0,
            "{service}"
        );
    }
}

/// A repository that Amplify builds, on a branch with a slash in its name.
fn built() -> String {
    shop().replace(
        "  artifact: { s3: { bucket: artifacts, key: web.zip } }\n  branch: { name: main }",
        "  repository: { url: \"https://github.com/shop/web\" }\n  branch: { name: release/one }",
    )
}

#[tokio::test(start_paused = true)]
async fn a_job_is_started_once_whatever_fails_after_it() {
    for (what, start, yaml) in [
        ("a build", "amplify:StartJob", built()),
        ("a deployment", "amplify:StartDeployment", shop()),
    ] {
        for (fault, starts_max) in [
            ("amplify:TagResource=500*20", 1),
            ("amplify:TagResource=denied", 1),
            ("amplify:TagResource=notfound*20", 1),
            // Its reply is lost: it is found again by what it was given.
            (&*format!("{start}=lost*1"), 1),
            // Never made, and never answered: a few tries, and a person is asked.
            (&*format!("{start}=timeout"), 3),
        ] {
            let mut harness = Harness::new().await;
            harness.look_every(Duration::from_secs(10));
            harness.put_code("api.zip", b"code").await;
            harness.put_code("web.zip", b"site").await;
            harness.apply(&yaml).await;
            harness.sandbox.faults().inject(fault.parse().unwrap());
            harness.start().await;
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_ne!(harness.sandbox.faults().struck(), 0, "{what}: {fault}");
            let counts = harness.sandbox.calls().counts();
            assert!(counts[start] <= starts_max, "{what}: {fault}: {} starts", counts[start]);
            harness.sandbox.faults().clear();
            harness.store.request_reconcile("shop", None).await.unwrap();
            harness.until_ready("shop").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_or_a_principal_that_was_made_a_moment_ago_is_waited_for() {
    let harness = with_shop().await;
    let permitted = function(
        "  alias: live\n  permissions: [{ id: caller, principal: \"arn:aws:iam::123456789012:role/new\" }]\n",
    );
    harness.sandbox.faults().inject("lambda:AddPermission=invalid*3".parse().unwrap());
    harness.apply(&permitted).await;
    let mut stalled = false;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stalled |= condition(&harness, "Function/api", condition_type::STALLED).await.0
            == ConditionStatus::True;
    }
    assert_eq!(harness.sandbox.faults().struck(), 3);
    assert!(!stalled, "it passes by itself");
    harness.until_ready("shop").await;
    // One that lasts does not.
    harness.sandbox.faults().inject("lambda:AddPermission=invalid".parse().unwrap());
    harness.apply(&permitted.replace("role/new", "role/wrong")).await;
    let (reason, message) = harness.until_stalled("shop", "Function/api").await;
    assert_eq!(reason, "InvalidRequest");
    assert!(message.contains("role/wrong"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_step_does_not_hold_back_those_that_do_not_need_it() {
    let permitted = function(
        "  alias: live\n  reservedConcurrency: 7\n  permissions: [{ id: s3, principal: s3.amazonaws.com }]\n",
    );
    for refused in ["PutFunctionConcurrency", "AddPermission"] {
        let harness = with_shop().await;
        let fault = format!("lambda:{refused}=invalid");
        harness.sandbox.faults().inject(fault.parse().unwrap());
        harness.apply(&permitted).await;
        harness.until_stalled("shop", "Function/api").await;
        assert_ne!(harness.sandbox.faults().struck(), 0, "{refused} was refused");
        let lambda = harness.session.lambda();
        let seen = lambda.get_function_concurrency().function_name("shop-api").send().await;
        let reserved = seen.unwrap().reserved_concurrent_executions();
        let (_, statements) = open_doors(&harness, Some("live")).await;
        match refused {
            "AddPermission" => assert_eq!((reserved, statements), (Some(7), 0)),
            _ => assert_eq!((reserved, statements), (None, 1)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_description_sends_nothing_else() {
    let harness = with_shop().await;
    harness.sandbox.calls().clear();
    harness.apply(&function("  alias: live\n  description: other\n")).await;
    harness.until_ready("shop").await;
    let counts = harness.sandbox.calls().counts();
    assert_eq!(counts["lambda:UpdateFunctionConfiguration"], 1);
    assert!(!counts.contains_key("lambda:PutFunctionConcurrency"), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_adoption_takes_nothing_from_another_trueup_object() {
    let mut harness = Harness::new().await;
    let environment = |name: &str, days: u32| {
        format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\nspec: {{}}\n---\napiVersion: trueup.dev/v1alpha1\nkind: Bucket\n\
             metadata: {{ name: data, namespace: {name}, annotations: {{ trueup.dev/adopt: \"true\" }} }}\n\
             spec: {{ name: one-bucket, lifecycle: [{{ id: x, expirationDays: {days} }}] }}\n"
        )
    };
    harness.apply(&environment("first", 1)).await;
    harness.start().await;
    harness.until_ready("first").await;
    harness.apply(&environment("second", 9)).await;
    let (reason, message) = harness.until_stalled("second", "Bucket/data").await;
    assert_eq!(reason, "NotOwned");
    assert!(message.contains("belongs to first/Bucket/data"), "{message}");
    harness.sandbox.calls().clear();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(harness.mutations(), [""; 0], "they do not take turns");
    // Named by its owner's uid, it is taken over for good.
    let uid = harness.status("first", "Bucket/data").await.unwrap().uid;
    harness
        .apply(&environment("second", 9).replace(
            "adopt: \"true\" }",
            &format!("adopt: \"true\", trueup.dev/adopt-from: \"{uid}\" }}"),
        ))
        .await;
    harness.until_ready("second").await;
    harness.observe("first").await;
    assert_eq!(harness.until_stalled("first", "Bucket/data").await.0, "NotOwned");
}
