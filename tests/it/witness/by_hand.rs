//! Resources as somebody may have made them by hand, of all that AWS's models know: made, read and changed by
//! the calls of one table, [`FACETS`].

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::generate::{any, request, value};
use super::model::{Service, services};
use super::wire::document;
use crate::harness::Harness;
use crate::proof::world::ENVIRONMENT;

/// A facet by the calls that put and get it.
pub struct Facet {
    pub kind: &'static str,
    service: &'static str,
    put: &'static str,
    get: &'static str,
    /// Where the reply has it.
    at: &'static str,
    /// Members of the put that are not generated: they name the resource, or are not for this one.
    without: &'static [&'static str],
}

const fn bucket(put: &'static str, get: &'static str) -> Facet {
    Facet {
        kind: "Bucket",
        service: "s3",
        put,
        get,
        at: "",
        without: &[
            "ContentMD5",
            "ChecksumAlgorithm",
            "ExpectedBucketOwner",
            "MFA",
            "RequestPayer",
            "Token",
        ],
    }
}

const fn function(put: &'static str, get: &'static str) -> Facet {
    Facet {
        kind: "Function",
        service: "lambda",
        put,
        get,
        at: "",
        // The first three are not for a function of a zip that runs where Lambda likes.
        without: &[
            "ImageConfig",
            "CapacityProviderConfig",
            "DurableConfig",
            "RevisionId",
            "Qualifier",
        ],
    }
}

const fn frontend(put: &'static str, get: &'static str, at: &'static str) -> Facet {
    Facet {
        kind: "Frontend",
        service: "amplify",
        put,
        get,
        at,
        // Tokens are never read back; with a repository an archive cannot be deployed.
        without: &["oauthToken", "accessToken", "repository", "backend", "backendEnvironmentArn"],
    }
}

const fn table(put: &'static str, get: &'static str, at: &'static str) -> Facet {
    Facet { kind: "Table", service: "dynamodb", put, get, at, without: &[] }
}

pub const FACETS: &[Facet] = &[
    bucket("PutBucketVersioning", "GetBucketVersioning"),
    bucket("PutPublicAccessBlock", "GetPublicAccessBlock"),
    bucket("PutBucketOwnershipControls", "GetBucketOwnershipControls"),
    bucket("PutBucketEncryption", "GetBucketEncryption"),
    bucket("PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"),
    bucket("PutBucketCors", "GetBucketCors"),
    bucket("PutBucketWebsite", "GetBucketWebsite"),
    bucket("PutBucketLogging", "GetBucketLogging"),
    bucket("PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration"),
    bucket("PutBucketAccelerateConfiguration", "GetBucketAccelerateConfiguration"),
    bucket("PutObjectLockConfiguration", "GetObjectLockConfiguration"),
    bucket("PutBucketReplication", "GetBucketReplication"),
    bucket("PutBucketIntelligentTieringConfiguration", "GetBucketIntelligentTieringConfiguration"),
    bucket("PutBucketInventoryConfiguration", "GetBucketInventoryConfiguration"),
    bucket("PutBucketMetricsConfiguration", "GetBucketMetricsConfiguration"),
    function("UpdateFunctionConfiguration", "GetFunctionConfiguration"),
    function("CreateFunctionUrlConfig", "GetFunctionUrlConfig"),
    function("PutFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig"),
    function("PutFunctionConcurrency", "GetFunctionConcurrency"),
    function("PutFunctionRecursionConfig", "GetFunctionRecursionConfig"),
    frontend("UpdateApp", "GetApp", "/app"),
    frontend("UpdateBranch", "GetBranch", "/branch"),
    table("UpdateTable", "DescribeTable", "/Table"),
    table("UpdateTimeToLive", "DescribeTimeToLive", "/TimeToLiveDescription"),
    table("UpdateContinuousBackups", "DescribeContinuousBackups", "/ContinuousBackupsDescription"),
];

/// Members as they are, by the call that puts them and their path.
pub type Leaves = BTreeMap<String, Value>;

const BY_HAND: &str = "by-hand";

/// Members that name the resource in a call.
fn names(kind: &str, name: &str, id: &str) -> Value {
    match kind {
        // What has an id is one of the test's own.
        "Bucket" => json!({"Bucket": name, "Id": BY_HAND}),
        "Function" => json!({"FunctionName": name}),
        "Table" => json!({"TableName": name}),
        _ => json!({"appId": id, "branchName": "main"}),
    }
}

/// A resource of the test's, and the object that adopts it.
pub struct Resource {
    pub kind: &'static str,
    /// Its object.
    pub object: String,
    name: String,
    /// Amplify's own.
    id: String,
}

impl Facet {
    fn service(&self) -> &'static Service {
        &services().unwrap()[self.service]
    }

    /// A request of the test's own. `None` where AWS refuses it, or has nothing to say.
    async fn ask(&self, harness: &Harness, operation: &str, members: &Value) -> Option<String> {
        let service = self.service();
        // The branch has no part in a call for the app.
        let known = &service.target(&service.operations[operation]["input"]).1["members"];
        let mut members = members.clone();
        members.as_object_mut().unwrap().retain(|member, _| known.get(member).is_some());
        let (method, path, body) = request(service, operation, &members);
        let target = match self.service {
            "dynamodb" => format!("DynamoDB_20120810.{operation}"),
            _ => String::new(),
        };
        let asked = harness.sandbox.ask(self.service, &method, &path, &target, &body).await;
        (asked.0 < 300).then_some(asked.1)
    }

    /// Puts a generated value. Returns whether AWS took it.
    pub async fn put(&self, harness: &Harness, resource: &Resource, dice: &mut StdRng) -> bool {
        let service = self.service();
        let (shape, input) = service.target(&service.operations[self.put]["input"]);
        let mut members = value(service, shape, dice);
        if let Some(payload) = input["payload"].as_str() {
            let (of, _) = service.target(&input["members"][payload]);
            members[payload] = value(service, of, dice);
        }
        for member in self.without {
            members.as_object_mut().unwrap().remove(*member);
        }
        tidy(self.put, &mut members, dice);
        let named = names(self.kind, &resource.name, &resource.id);
        members.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        if self.put == "UpdateApp" {
            members["name"] = json!(resource.name);
        }
        let taken = self.ask(harness, self.put, &members).await.is_some();
        tokio::time::sleep(Duration::from_secs(2)).await;
        taken
    }

    /// Reads it in the members of the call that puts it.
    async fn read(&self, harness: &Harness, resource: &Resource, out: &mut Leaves) {
        let service = self.service();
        let named = names(self.kind, &resource.name, &resource.id);
        let Some(reply) = self.ask(harness, self.get, &named).await else { return };
        // UpdateTable has other members for what CreateTable has in whole.
        let call = if self.put == "UpdateTable" { "CreateTable" } else { self.put };
        let (_, input) = service.target(&service.operations[call]["input"]);
        let members = match input["payload"].as_str() {
            Some(payload) => {
                let (_, shape) = service.target(&input["members"][payload]);
                json!({payload: document(service, shape, &reply).unwrap()})
            }
            None => {
                let reply: Value = serde_json::from_str(&reply).unwrap();
                as_put(self.put, reply.pointer(self.at).unwrap().clone())
            }
        };
        flatten(service, input, &members, &mut format!("{call} "), out);
    }
}

/// What AWS wants beyond its model.
fn tidy(put: &str, members: &mut Value, dice: &mut StdRng) {
    match put {
        "PutBucketLifecycleConfiguration" => {
            let rules = members["LifecycleConfiguration"]["Rules"].as_array_mut().unwrap();
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["ID"] = json!(format!("{}{index}", any(dice, &["old", "tmp", "by-hand"])));
                tidy_rule(rule, dice);
            }
        }
        "PutBucketNotificationConfiguration" => {
            let lists =
                ["Topic", "Queue", "LambdaFunction"].map(|of| format!("{of}Configurations"));
            for (list, name) in lists.iter().zip(["t", "q", "f"]) {
                let notices = members["NotificationConfiguration"].get_mut(list);
                for (index, notice) in
                    notices.and_then(Value::as_array_mut).into_iter().flatten().enumerate()
                {
                    notice["Id"] = json!(format!("{name}{index}"));
                    // Each name once.
                    let rules = [("prefix", "logs/"), ("suffix", ".json")];
                    let rules = rules.map(|(name, value)| json!({"Name": name, "Value": value}));
                    let begin = dice.random_range(0..2);
                    notice["Filter"] = json!({"Key": {"FilterRules": rules[begin..]}});
                }
            }
        }
        "PutBucketCors" => {
            let rules = members["CORSConfiguration"]["CORSRules"].as_array_mut().unwrap();
            for rule in rules {
                rule["AllowedMethods"] = json!([any(dice, &["GET", "PUT", "HEAD"])]);
            }
        }
        "PutBucketWebsite" => {
            let website = members["WebsiteConfiguration"].as_object_mut().unwrap();
            if website.contains_key("RedirectAllRequestsTo") && dice.random_bool(0.5) {
                website.retain(|member, _| member == "RedirectAllRequestsTo");
            } else {
                website.remove("RedirectAllRequestsTo");
                website.insert("IndexDocument".to_owned(), json!({"Suffix": "by-hand.html"}));
            }
        }
        "PutBucketEncryption" | "PutBucketOwnershipControls" => {
            let of = put.trim_start_matches("PutBucket");
            let of = if of == "Encryption" { "ServerSideEncryptionConfiguration" } else { of };
            let rules = members[of]["Rules"].as_array_mut().unwrap();
            rules.truncate(1);
            // Every bucket has a default.
            if put == "PutBucketEncryption" {
                let default = &mut rules[0]["ApplyServerSideEncryptionByDefault"];
                if default["SSEAlgorithm"].is_null() {
                    *default = json!({"SSEAlgorithm": "AES256"});
                }
            }
        }
        "PutBucketReplication" => {
            let rules = members["ReplicationConfiguration"]["Rules"].as_array_mut().unwrap();
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["ID"] = json!(format!("{BY_HAND}-{index}"));
                rule["Priority"] = json!(index);
                rule["Filter"] = tidy_filter(dice);
                rule.as_object_mut().unwrap().remove("Prefix");
                let destination = rule["Destination"].as_object_mut().unwrap();
                // S3 takes 15 minutes and nothing else.
                for timed in ["ReplicationTime", "Metrics"] {
                    let minutes = if timed == "Metrics" { "EventThreshold" } else { "Time" };
                    let on = json!({"Status": "Enabled", minutes: {"Minutes": 15}});
                    destination.insert(timed.to_owned(), on);
                }
            }
        }
        "PutBucketIntelligentTieringConfiguration" => {
            let configuration = &mut members["IntelligentTieringConfiguration"];
            configuration["Id"] = json!(BY_HAND);
            configuration["Filter"] = tidy_filter(dice);
        }
        "PutBucketInventoryConfiguration" => {
            let configuration = &mut members["InventoryConfiguration"];
            configuration["Id"] = json!(BY_HAND);
        }
        "PutBucketMetricsConfiguration" => {
            let configuration = &mut members["MetricsConfiguration"];
            configuration["Id"] = json!(BY_HAND);
            configuration["Filter"] = tidy_filter(dice);
        }
        "PutObjectLockConfiguration" => {
            let retention = json!({"Mode": "GOVERNANCE", "Days": dice.random_range(1..90)});
            let rule = json!({"DefaultRetention": retention});
            let lock = json!({"ObjectLockEnabled": "Enabled", "Rule": rule});
            members["ObjectLockConfiguration"] = lock;
        }
        "UpdateFunctionConfiguration" => {
            let fields = members.as_object_mut().unwrap();
            // 128 to 10,240 MB; the model has room for functions on capacity providers.
            fields.insert("MemorySize".to_owned(), json!(dice.random_range(128..1024)));
            fields.insert("Handler".to_owned(), json!("by.hand"));
            // Both or neither.
            if let Some(vpc) = fields.get_mut("VpcConfig") {
                vpc["SubnetIds"] = json!(["subnet-0123456789abcdef0"]);
                vpc["SecurityGroupIds"] = json!(["sg-0123456789abcdef0"]);
            }
            fields.insert("Runtime".to_owned(), json!("nodejs20.x"));
        }
        "UpdateTimeToLive" => {
            // What is off cannot be turned off.
            members["TimeToLiveSpecification"]["Enabled"] = json!(true);
        }
        "UpdateTable" => {
            let keep = [
                "DeletionProtectionEnabled",
                "OnDemandThroughput",
                "WarmThroughput",
                "TableClass",
                "StreamSpecification",
                "SSESpecification",
            ];
            let fields = members.as_object_mut().unwrap();
            fields.retain(|member, _| keep.contains(&member.as_str()));
            if let Some(stream) = fields.get_mut("StreamSpecification") {
                stream["StreamEnabled"] = json!(true);
                stream["StreamViewType"] = json!(any(dice, &["KEYS_ONLY", "NEW_IMAGE"]));
            }
            if let Some(sse) = fields.get_mut("SSESpecification") {
                *sse = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "arn:aws:kms:us-east-1:123456789012:key/by-hand"});
            }
        }
        _ => {}
    }
}

/// A filter by one limit, or by several in an `And`.
fn tidy_filter(dice: &mut StdRng) -> Value {
    let tag = json!({"Key": "team", "Value": BY_HAND});
    match dice.random_range(0..3) {
        0 => json!({"Prefix": "logs/"}),
        1 => json!({"Tag": tag}),
        _ => json!({"And": {"Prefix": "logs/", "Tags": [tag]}}),
    }
}

/// A lifecycle rule has one filter, and each action by days or by a date:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>.
fn tidy_rule(rule: &mut Value, dice: &mut StdRng) {
    let tag = json!({"Key": "team", "Value": "by-hand"});
    rule["Filter"] = match dice.random_range(0..5) {
        0 => json!({"Prefix": "logs/"}),
        1 => json!({"Tag": tag}),
        2 => json!({"ObjectSizeGreaterThan": 1000}),
        3 => json!({"And": {"Prefix": "logs/", "Tags": [tag], "ObjectSizeLessThan": 9000}}),
        _ => json!({"Prefix": ""}),
    };
    let rule = rule.as_object_mut().unwrap();
    rule.remove("Prefix");
    rule.insert("Expiration".to_owned(), json!({"Days": dice.random_range(400..500)}));
    for list in ["Transitions", "NoncurrentVersionTransitions"] {
        for transition in rule.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let transition = transition.as_object_mut().unwrap();
            transition.remove("Date");
            transition.entry("StorageClass").or_insert(json!("GLACIER"));
        }
    }
}

/// A reply's members as the call that puts them has them.
fn as_put(put: &str, mut shown: Value) -> Value {
    match put {
        "UpdateFunctionConfiguration" => {
            let layers = shown["Layers"].as_array().into_iter().flatten();
            let layers: Vec<_> = layers.map(|layer| layer["Arn"].clone()).collect();
            // Lambda shows it as soon as there is anything of a VPC.
            if shown["VpcConfig"]["Ipv6AllowedForDualStack"] == false {
                shown["VpcConfig"]["Ipv6AllowedForDualStack"] = Value::Null;
            }
            shown["Layers"] = if layers.is_empty() { Value::Null } else { json!(layers) };
        }
        "UpdateTable" => {
            shown["TableClass"] = shown["TableClassSummary"]["TableClass"].clone();
            shown["BillingMode"] = shown["BillingModeSummary"]["BillingMode"].clone();
            let sse = shown["SSEDescription"].clone();
            shown["SSESpecification"] =
                json!({"SSEType": sse["SSEType"], "KMSMasterKeyId": sse["KMSMasterKeyArn"]});
        }
        "UpdateTimeToLive" => {
            // DynamoDB may show the attribute of what is off.
            let is_on = shown["TimeToLiveStatus"] == "ENABLED";
            let attribute = if is_on { shown["AttributeName"].take() } else { Value::Null };
            shown =
                json!({"TimeToLiveSpecification": {"Enabled": is_on, "AttributeName": attribute}});
        }
        "UpdateContinuousBackups" => {
            let recovery = &shown["PointInTimeRecoveryDescription"];
            let on = recovery["PointInTimeRecoveryStatus"] == "ENABLED";
            shown = json!({"PointInTimeRecoverySpecification": {
                "PointInTimeRecoveryEnabled": on, "RecoveryPeriodInDays": recovery["RecoveryPeriodInDays"],
            }});
        }
        _ => {}
    }
    shown
}

/// The members below a structure; lists of words and maps are one each. Elements are known by their ids.
fn flatten(service: &Service, shape: &Value, value: &Value, path: &mut String, out: &mut Leaves) {
    match (shape["type"].as_str().unwrap_or_default(), value) {
        ("structure", Value::Object(members)) => {
            for (member, inner) in members {
                // What a reply has beside the members of the put cannot be put.
                let Some(reference) = shape["members"].get(member) else { continue };
                // Every write makes a new one.
                if member == "RevisionId" {
                    continue;
                }
                let length = path.len();
                if !path.ends_with(' ') {
                    path.push('.');
                }
                path.push_str(member);
                flatten(service, service.target(reference).1, inner, path, out);
                path.truncate(length);
            }
        }
        ("list", Value::Array(items)) if items.iter().any(Value::is_object) => {
            let member = service.target(&shape["member"]).1;
            for (index, item) in items.iter().enumerate() {
                let id = ["ID", "Id", "IndexName"].iter().find_map(|id| item[*id].as_str());
                let length = path.len();
                path.push_str(&format!("[{}]", id.map_or(index.to_string(), str::to_owned)));
                flatten(service, member, item, path, out);
                path.truncate(length);
            }
        }
        (_, Value::Null) => {}
        // An empty list and none say the same.
        (_, Value::Array(items)) if items.is_empty() => {}
        (_, leaf) => {
            out.insert(path.clone(), leaf.clone());
        }
    }
}

pub async fn make(
    harness: &Harness,
    kind: &'static str,
    index: usize,
    dice: &mut StdRng,
) -> Resource {
    let object = format!("it{index}");
    let name = format!("{ENVIRONMENT}-{object}");
    let facet = FACETS.iter().find(|facet| facet.kind == kind).unwrap();
    let mut resource = Resource { kind, object, name: name.clone(), id: String::new() };
    match kind {
        "Bucket" => {
            drop(facet.ask(harness, "CreateBucket", &json!({"Bucket": name})).await.unwrap());
        }
        "Function" => {
            let role = "arn:aws:iam::123456789012:role/by-hand";
            let body = json!({"FunctionName": name, "Role": role, "Runtime": "nodejs20.x", "Handler": "by.hand",
                "Code": {"S3Bucket": crate::harness::ARTIFACTS, "S3Key": "api.zip"}});
            facet.ask(harness, "CreateFunction", &body).await.unwrap();
        }
        "Table" => {
            let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
            let attribute =
                |name: &str, of: &str| json!({"AttributeName": name, "AttributeType": of});
            let by_hand = json!({"IndexName": "byHand", "KeySchema": [key("hand", "HASH")],
                "Projection": {"ProjectionType": "ALL"},
                "OnDemandThroughput": {"MaxReadRequestUnits": dice.random_range(1..90)}});
            // As the manifests of the proof have it: keys are for life.
            let body = json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [key("id", "HASH"), key("at", "RANGE")],
                "LocalSecondaryIndexes": [{"IndexName": "byTotal", "KeySchema": [key("id", "HASH"), key("total", "RANGE")],
                    "Projection": {"ProjectionType": "KEYS_ONLY"}}],
                "GlobalSecondaryIndexes": [by_hand],
                "AttributeDefinitions": [attribute("id", "S"), attribute("at", "N"), attribute("total", "N"), attribute("hand", "S")]});
            facet.ask(harness, "CreateTable", &body).await.unwrap();
        }
        _ => {
            let made = facet.ask(harness, "CreateApp", &json!({"name": name})).await.unwrap();
            let made: Value = serde_json::from_str(&made).unwrap();
            resource.id = made["app"]["appId"].as_str().unwrap().to_owned();
            let branch = json!({"appId": resource.id, "branchName": "main"});
            facet.ask(harness, "CreateBranch", &branch).await.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for facet in FACETS.iter().filter(|facet| facet.kind == kind) {
        if dice.random_bool(0.8) {
            facet.put(harness, &resource, dice).await;
        }
    }
    resource
}

pub async fn read(harness: &Harness, resource: &Resource) -> Leaves {
    let mut leaves = Leaves::new();
    for facet in FACETS.iter().filter(|facet| facet.kind == resource.kind) {
        facet.read(harness, resource, &mut leaves).await;
    }
    leaves
}
