//! What AWS holds, read by requests of the test's own, without what differs from one making to the
//! next: times, ids, version and job numbers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trueup::sandbox::{REGION, Sandbox};

use crate::harness::{ARTIFACTS, TABLE};

/// Resources by kind and name.
pub type Live = BTreeMap<String, Value>;

pub async fn live(sandbox: &Sandbox) -> Live {
    let mut all = Live::new();
    functions(sandbox, &mut all).await;
    tables(sandbox, &mut all).await;
    buckets(sandbox, &mut all).await;
    frontends(sandbox, &mut all).await;
    all
}

/// What differs between two states, for people.
pub fn difference(left: &Live, right: &Live) -> Option<String> {
    if left == right {
        return None;
    }
    let text = |live: &Live| {
        let mut live = json!(live);
        live.sort_all_objects();
        serde_json::to_string_pretty(&live).unwrap()
    };
    let (left, right) = (text(left), text(right));
    let diff = similar::TextDiff::from_lines(&left, &right);
    Some(diff.unified_diff().context_radius(6).to_string())
}

pub async fn rest(
    sandbox: &Sandbox,
    service: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, reply) = sandbox.ask(service, method, path, "", &body).await;
    (status < 300).then(|| serde_json::from_str(&reply).unwrap_or_default())
}

pub async fn dynamodb(sandbox: &Sandbox, operation: &str, body: Value) -> Option<Value> {
    let target = format!("DynamoDB_20120810.{operation}");
    let (status, reply) = sandbox.ask("dynamodb", "POST", "/", &target, &body.to_string()).await;
    (status < 300).then(|| serde_json::from_str(&reply).unwrap_or_default())
}

async fn get(sandbox: &Sandbox, service: &str, path: &str) -> Option<Value> {
    rest(sandbox, service, "GET", path, &Value::Null).await
}

fn without(mut value: Value, names: &[&str]) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

const VOLATILE: [&str; 4] = ["LastModified", "RevisionId", "Version", "FunctionArn"];

async fn functions(sandbox: &Sandbox, all: &mut Live) {
    let mut marker = String::new();
    loop {
        let path = format!("/2015-03-31/functions?Marker={marker}");
        let page = get(sandbox, "lambda", &path).await.unwrap();
        for listed in page["Functions"].as_array().unwrap() {
            let name = listed["FunctionName"].as_str().unwrap();
            all.insert(format!("function/{name}"), function(sandbox, name).await);
        }
        match page["NextMarker"].as_str() {
            Some(next) => marker = next.to_owned(),
            None => return,
        }
    }
}

async fn function(sandbox: &Sandbox, name: &str) -> Value {
    let base = format!("/2015-03-31/functions/{name}");
    let mut found = get(sandbox, "lambda", &base).await.unwrap();
    found["Configuration"] = without(found["Configuration"].take(), &VOLATILE);
    let mut qualifiers = vec![String::new()];
    let aliases = get(sandbox, "lambda", &format!("{base}/aliases")).await.unwrap();
    let recursion = format!("/2024-08-31/functions/{name}/recursion-config");
    found["Recursion"] = get(sandbox, "lambda", &recursion).await.unwrap();
    for alias in aliases["Aliases"].as_array().unwrap() {
        let description = alias["Description"].clone();
        let alias = alias["Name"].as_str().unwrap();
        let published = get(sandbox, "lambda", &format!("{base}?Qualifier={alias}")).await.unwrap();
        let is_published = published["Configuration"]["Version"] != "$LATEST";
        // A version keeps the description that it was published with.
        let published = without(published["Configuration"].clone(), &VOLATILE);
        found["Aliases"][alias] = without(published, &["Description"]);
        found["Aliases"][alias]["IsPublished"] = json!(is_published);
        found["Aliases"][alias]["AliasDescription"] = description;
        qualifiers.push(alias.to_owned());
    }
    found["Executions"] = executions(sandbox, name).await;
    for qualifier in qualifiers {
        let at =
            if qualifier.is_empty() { String::new() } else { format!("?Qualifier={qualifier}") };
        let facets = [
            ("Policy", format!("{base}/policy{at}")),
            ("Url", format!("/2021-10-31/functions/{name}/url{at}")),
            ("Async", format!("/2019-09-25/functions/{name}/event-invoke-config{at}")),
        ];
        for (facet, path) in facets {
            if let Some(read) = get(sandbox, "lambda", &path).await {
                let times = ["LastModified", "LastModifiedTime", "CreationTime", "RevisionId"];
                let mut read = without(read, &times);
                if let Some(policy) = read["Policy"].as_str() {
                    let mut policy: Value = serde_json::from_str(policy).unwrap();
                    sort(&mut policy["Statement"], "Sid");
                    read = policy;
                }
                found[facet][&qualifier] = read;
            }
        }
    }
    found
}

/// What is provisioned and scaled of a function's versions, but for their numbers: the version of the alias `live`
/// is `live`.
async fn executions(sandbox: &Sandbox, name: &str) -> Value {
    let alias = get(sandbox, "lambda", &format!("/2015-03-31/functions/{name}/aliases/live")).await;
    let version = alias.and_then(|alias| alias["FunctionVersion"].as_str().map(str::to_owned));
    let path = format!("/2019-09-30/functions/{name}/provisioned-concurrency?List=ALL");
    let all = get(sandbox, "lambda", &path).await.unwrap();
    let times = [
        "LastModified",
        "AvailableProvisionedConcurrentExecutions",
        "AllocatedProvisionedConcurrentExecutions",
        "Status",
    ];
    let configs = all["ProvisionedConcurrencyConfigs"].as_array().unwrap().iter();
    let found = json!({
        "Configs": configs.map(|one| without(one.clone(), &times)).collect::<Vec<_>>(),
        "Scaling": scaling(sandbox, "lambda", &format!("function:{name}")).await,
    });
    let version = version.unwrap_or_default();
    let found =
        found.to_string().replace(&format!(":{name}:{version}\""), &format!(":{name}:live\""));
    serde_json::from_str(&found).unwrap()
}

/// Lists that AWS keeps in the order of the writes.
fn sort(list: &mut Value, by: &str) {
    if let Value::Array(items) = list {
        items.sort_by_key(|item| item[by].to_string());
    }
}

async fn tables(sandbox: &Sandbox, all: &mut Live) {
    let listed = dynamodb(sandbox, "ListTables", json!({})).await.unwrap();
    let names = listed["TableNames"].as_array().unwrap().clone();
    for name in names.iter().filter_map(Value::as_str).filter(|name| *name != TABLE) {
        all.insert(format!("table/{name}"), table(sandbox, name).await);
    }
}

async fn table(sandbox: &Sandbox, name: &str) -> Value {
    let named = json!({ "TableName": name });
    let described = dynamodb(sandbox, "DescribeTable", named.clone()).await.unwrap();
    let volatile = ["CreationDateTime", "TableId", "LatestStreamArn", "LatestStreamLabel"];
    let mut table = without(described["Table"].clone(), &volatile);
    sort(&mut table["AttributeDefinitions"], "AttributeName");
    sort(&mut table["GlobalSecondaryIndexes"], "IndexName");
    // What is on demand has no capacity, and what is provisioned no limits on demand.
    if table["BillingModeSummary"]["BillingMode"] != "PAY_PER_REQUEST" {
        table = without(table, &["OnDemandThroughput", "BillingModeSummary"]);
    }
    if table["StreamSpecification"]["StreamEnabled"] == false {
        table = without(table, &["StreamSpecification"]);
    }
    let arn = table["TableArn"].clone();
    let tags = dynamodb(sandbox, "ListTagsOfResource", json!({ "ResourceArn": arn })).await;
    table["Tags"] = tags.unwrap()["Tags"].clone();
    sort(&mut table["Tags"], "Key");
    let ttl = dynamodb(sandbox, "DescribeTimeToLive", named.clone()).await.unwrap();
    let ttl = ttl["TimeToLiveDescription"].clone();
    let is_on = ttl["TimeToLiveStatus"] == "ENABLED";
    table["TimeToLive"] = if is_on { ttl["AttributeName"].clone() } else { Value::Null };
    let backups = dynamodb(sandbox, "DescribeContinuousBackups", named.clone()).await.unwrap();
    let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    let is_on = recovery["PointInTimeRecoveryStatus"] == "ENABLED";
    let policy = dynamodb(sandbox, "GetResourcePolicy", json!({ "ResourceArn": arn })).await;
    table["Policy"] = policy.map_or(Value::Null, |found| found["Policy"].clone());
    let insights = dynamodb(sandbox, "DescribeContributorInsights", named.clone()).await.unwrap();
    table["Insights"] = without(insights, &["TableName"]);
    table["Scaling"] = scaling(sandbox, "dynamodb", &format!("table/{name}")).await;
    table["Recovery"] = if is_on { recovery["RecoveryPeriodInDays"].clone() } else { json!("off") };
    table
}

/// Everything that scales a resource or a part of it.
async fn scaling(sandbox: &Sandbox, namespace: &str, resource: &str) -> Value {
    let mut found = json!({});
    for (operation, list) in [
        ("DescribeScalableTargets", "ScalableTargets"),
        ("DescribeScalingPolicies", "ScalingPolicies"),
        ("DescribeScheduledActions", "ScheduledActions"),
    ] {
        let target = format!("AnyScaleFrontendService.{operation}");
        let asked = json!({ "ServiceNamespace": namespace }).to_string();
        let service = "application-autoscaling";
        let (_, reply) = sandbox.ask(service, "POST", "/", &target, &asked).await;
        let reply: Value = serde_json::from_str(&reply).unwrap();
        let is_its = |one: &&Value| {
            let of = one["ResourceId"].as_str().unwrap();
            of.strip_prefix(resource)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
        };
        let times = ["CreationTime", "PolicyARN", "ScheduledActionARN", "ScalableTargetARN"];
        let all = reply[list].as_array().unwrap().iter().filter(is_its);
        found[list] = all.map(|one| without(one.clone(), &times)).collect();
    }
    found
}

const FACETS: [&str; 17] = [
    "tagging",
    "versioning",
    "encryption",
    "publicAccessBlock",
    "ownershipControls",
    "lifecycle",
    "cors",
    "policy",
    "website",
    "logging",
    "notification",
    "accelerate",
    "object-lock",
    "replication",
    "intelligent-tiering",
    "inventory",
    "metrics",
];

const BLOCKS_NOTHING: &str =
    "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>";

async fn buckets(sandbox: &Sandbox, all: &mut Live) {
    let (_, listed) = sandbox.ask("s3", "GET", "/", "", "").await;
    let names = listed.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next());
    for name in names.filter(|name| *name != ARTIFACTS) {
        let mut bucket = json!({});
        for facet in FACETS {
            let (status, body) =
                sandbox.ask("s3", "GET", &format!("/{name}?{facet}"), "", "").await;
            let body = body.replace(r#" xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#, "");
            // Absent and off are the same.
            let body = body.replace("<BucketKeyEnabled>false</BucketKeyEnabled>", "");
            let body = body.replace(BLOCKS_NOTHING, "");
            // What was turned off reads as what was never on.
            let is_off = body.contains("<Status>Suspended</Status>")
                || body.ends_with("/>")
                || body.matches('<').count() == 2;
            if status < 300 && !is_off {
                bucket[facet] = json!(body);
            }
        }
        all.insert(format!("bucket/{name}"), bucket);
    }
}

async fn frontends(sandbox: &Sandbox, all: &mut Live) {
    let listed = get(sandbox, "amplify", "/apps?maxResults=100").await.unwrap();
    for app in listed["apps"].as_array().unwrap() {
        let (id, name) = (app["appId"].as_str().unwrap(), app["name"].as_str().unwrap());
        let mut found = without(app.clone(), &["createTime", "updateTime"]);
        if found["enableBasicAuth"] == false {
            found = without(found, &["basicAuthCredentials"]);
        }
        let branches = get(sandbox, "amplify", &format!("/apps/{id}/branches")).await.unwrap();
        for branch in branches["branches"].as_array().unwrap() {
            let branch_name = branch["branchName"].as_str().unwrap();
            let volatile = ["createTime", "updateTime", "activeJobId", "totalNumberOfJobs"];
            let mut branch = without(branch.clone(), &volatile);
            if branch["enableBasicAuth"] == false {
                branch = without(branch, &["basicAuthCredentials"]);
            }
            if let Some(deployed) = branch["tags"]["trueup.dev/deployed"].as_str() {
                branch["tags"]["trueup.dev/deployed"] = json!(deployed.split('@').next());
            }
            let path = format!("/apps/{id}/branches/{branch_name}/jobs");
            let jobs = get(sandbox, "amplify", &path).await.unwrap();
            let newest = &jobs["jobSummaries"][0];
            // The archive's key; the rest of the URL is how it is reached.
            let url = newest["sourceUrl"].as_str().unwrap_or_default();
            let archive = url.rsplit('/').next().unwrap_or_default();
            branch["deployed"] = json!([newest["status"], newest["jobType"], archive]);
            found["branches"][branch_name] = branch;
        }
        let domains = get(sandbox, "amplify", &format!("/apps/{id}/domains")).await.unwrap();
        found["domains"] = domains["domainAssociations"].clone();
        let found = found.to_string().replace(id, "<app>");
        // Two of one name are two.
        let count = all.keys().filter(|k| k.starts_with(&format!("frontend/{name}"))).count();
        let twin = if count == 0 { String::new() } else { format!(" #{count}") };
        all.insert(format!("frontend/{name}{twin}"), serde_json::from_str(&found).unwrap());
    }
}

/// The ARN of a resource by its kind and name.
pub fn arn(kind: &str, name: &str) -> String {
    let account = trueup::sandbox::ACCOUNT_ID;
    match kind {
        "Function" => format!("arn:aws:lambda:{REGION}:{account}:function:{name}"),
        "Table" => format!("arn:aws:dynamodb:{REGION}:{account}:table/{name}"),
        "Frontend" => format!("arn:aws:amplify:{REGION}:{account}:apps/{name}"),
        _ => format!("arn:aws:s3:::{name}"),
    }
}
