//! Nothing undeclared is harmed: resources of generated shapes, of all that AWS's models know, are adopted by
//! manifests that declare a random part, edited and drifted. What no manifest declared is afterwards as it
//! was, member by member, whether the object became Ready or stalled.
//!
//! Which word declares which member is what docs/coverage.md says.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use trueup::model::{ConditionStatus, condition_type};

use super::generate::{any, pruned, request, value};
use super::members::{Row, rows};
use super::model::{Service, services};
use super::wire::document;
use crate::harness::{Harness, statuses, try_parse};
use crate::proof::figure;
use crate::proof::seeds::{every_seed, seeds};
use crate::proof::specs::{proof, with};
use crate::proof::world::{ENVIRONMENT, documents, environment, object, world};

/// Resources of a world, all of one kind.
const RESOURCES: usize = 10;

/// A facet by the calls that put and get it.
struct Facet {
    kind: &'static str,
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

const FACETS: &[Facet] = &[
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
    function("UpdateFunctionConfiguration", "GetFunctionConfiguration"),
    function("CreateFunctionUrlConfig", "GetFunctionUrlConfig"),
    function("PutFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig"),
    function("PutFunctionConcurrency", "GetFunctionConcurrency"),
    frontend("UpdateApp", "GetApp", "/app"),
    frontend("UpdateBranch", "GetBranch", "/branch"),
    table("UpdateTable", "DescribeTable", "/Table"),
    table("UpdateContinuousBackups", "DescribeContinuousBackups", "/ContinuousBackupsDescription"),
];

/// Members as they are, by the call that puts them and their path.
type Leaves = BTreeMap<String, Value>;

/// Members that name the resource in a call.
fn names(kind: &str, name: &str, id: &str) -> Value {
    match kind {
        "Bucket" => json!({"Bucket": name}),
        "Function" => json!({"FunctionName": name}),
        "Table" => json!({"TableName": name}),
        _ => json!({"appId": id, "branchName": "main"}),
    }
}

struct Resource {
    kind: &'static str,
    /// Its object.
    object: String,
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
    async fn put(&self, harness: &Harness, resource: &Resource, dice: &mut StdRng) -> bool {
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

/// Members, by their beginnings, that cannot but follow the words of others, and why.
const ALONG: &[(&str, &[&str], &str)] = &[
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html.
    (
        "LoggingConfig.ApplicationLogLevel",
        &["logging.logFormat"],
        "JSON logs have levels, text logs none",
    ),
    (
        "LoggingConfig.SystemLogLevel",
        &["logging.logFormat"],
        "JSON logs have levels, text logs none",
    ),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html.
    (
        "WebsiteConfiguration.RedirectAllRequestsTo.",
        &["website.indexDocument", "website.errorDocument", "website.routingRules"],
        "a redirect of everything stands alone",
    ),
    (
        "WebsiteConfiguration.",
        &["website.redirectAllRequestsTo"],
        "a redirect of everything stands alone",
    ),
    (
        "WebsiteConfiguration.IndexDocument.",
        &["website.errorDocument", "website.routingRules"],
        "a website has one",
    ),
    (
        "ServerSideEncryptionConfiguration.Rules[].ApplyServerSideEncryptionByDefault.KMSMasterKeyID",
        &["encryption.algorithm"],
        "a key goes with KMS alone",
    ),
    (
        "ServerSideEncryptionConfiguration.Rules[].BucketKeyEnabled",
        &["encryption.algorithm"],
        "dual-layer encryption takes no bucket key",
    ),
    ("ProvisionedThroughput.", &["billing.mode"], "what is on demand has no capacity"),
    (
        "GlobalSecondaryIndexes[].ProvisionedThroughput.",
        &["billing.mode"],
        "what is on demand has no capacity",
    ),
    ("StreamSpecification.StreamViewType", &["stream.enabled"], "goes with the stream"),
    (
        "PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        &["pointInTimeRecovery.enabled"],
        "goes with the recovery",
    ),
    ("SSESpecification.KMSMasterKeyId", &["encryption.type"], "AWS's own key, or none"),
    (
        "AttributeDefinitions[].",
        &["partitionKey", "globalSecondaryIndexes"],
        "the attributes of the keys",
    ),
];

/// Whether a manifest's spec declares a word: a value, an empty one, or a list on the way to it.
fn declares(spec: &Value, word: &str) -> bool {
    let mut at = spec;
    for field in word.split('.') {
        match at.get(field) {
            None => return false,
            Some(Value::Object(fields)) if !fields.is_empty() => at = &at[field],
            Some(_) => return true,
        }
    }
    true
}

/// The member of a path, as the coverage page writes it.
fn member(path: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for c in path.chars() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                out.push_str("[]");
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// What changed and was declared by nobody.
fn harmed(kind: &str, spec: &Value, before: &Leaves, after: &Leaves) -> Vec<String> {
    let rows = rows();
    let words_of = |row: &Row| -> Vec<String> {
        row.says.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut harmed = Vec::new();
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for path in paths {
        if before.get(path) == after.get(path) {
            continue;
        }
        let (call, at) = path.split_once(' ').unwrap();
        let at_member = member(at);
        let row = rows.iter().find(|row| row.kind == kind && row.names(call, &at_member));
        let words = row.map(words_of).unwrap_or_default();
        // What was not there at all could not be harmed: AWS fills in what it makes.
        let of_facet = rows.iter().filter(|row| row.kind == kind && row.calls.contains(&call));
        let is_declared =
            of_facet.flat_map(words_of).any(|word| word != "name" && declares(spec, &word));
        let is_new = !before.keys().any(|path| path.starts_with(&format!("{call} ")));
        if is_new && is_declared {
            continue;
        }
        let along = ALONG.iter().any(|(begins, words, _)| {
            at_member.starts_with(begins) && words.iter().any(|word| declares(spec, word))
        });
        if along || words.iter().any(|word| declares(spec, word)) {
            continue;
        }
        // An element that comes or goes takes its members along; so does a facet that is removed.
        let of_call = rows.iter().filter(|row| row.kind == kind && row.calls.contains(&call));
        let element = at.rfind(']').map(|end| &at[..=end]);
        let is_whole = |leaves: &Leaves| {
            element.is_some_and(|element| {
                leaves.keys().any(|p| p.starts_with(&format!("{call} {element}")))
            })
        };
        let element_moves = element.is_some() && !(is_whole(before) && is_whole(after));
        let declared_list = of_call.clone().any(|row| {
            let list = element.map(member).unwrap_or_default();
            row.member.starts_with(&list) && words_of(row).iter().any(|w| declares(spec, w))
        });
        let removed = of_call.clone().flat_map(words_of).any(|word| {
            let root = word.split('.').next().unwrap().to_owned();
            spec.get(&root).is_some_and(|v| v.is_null() || *v == json!({}) || *v == json!([]))
        });
        if !(removed || element_moves && declared_list) {
            harmed.push(format!("{path}: {:?} -> {:?}", before.get(path), after.get(path)));
        }
    }
    harmed
}

/// A random part of a random manifest of the kind.
fn declared(kind: &str, dice: &mut StdRng) -> Value {
    let mut proof = proof(kind);
    if kind == "Table" {
        // Keys are for life, and so are local indexes.
        for field in ["sortKey", "localSecondaryIndexes"] {
            proof.bare[field] = proof.full[field].clone();
        }
    }
    // What would have to be made anew is not adopted.
    proof.variants.retain(|(name, _)| !["an image", "a repository"].contains(name));
    loop {
        let variant = &any(dice, &proof.variants).1;
        let spec = with(
            &with(&proof.bare, &pruned(variant, dice)),
            &json!({"ignore": null, "deletionPolicy": "Retain", "name": null}),
        );
        let spec = ignoring(spec, dice);
        let it = object(kind, "it", &spec);
        if try_parse(&documents(&environment(json!({})), &[it])).is_ok() {
            return spec;
        }
    }
}

/// Two manifests out of five ignore one of the fields that they declare.
fn ignoring(mut spec: Value, dice: &mut StdRng) -> Value {
    let mut paths = Vec::new();
    for (field, value) in spec.as_object().into_iter().flatten() {
        // What a resource is, and what says something to trueup alone.
        let is_fixed = ["code", "artifact", "branch", "partitionKey", "sortKey", "deletionPolicy"];
        if is_fixed.contains(&field.as_str()) {
            continue;
        }
        paths.push(field.clone());
        let inner = value.as_object().into_iter().flatten();
        paths.extend(inner.map(|(name, _)| format!("{field}.{name}")));
    }
    if dice.random_bool(0.4) && !paths.is_empty() {
        spec["ignore"] = json!([any(dice, &paths)]);
    }
    spec
}

/// The spec without what it ignores: what is ignored is declared by nobody.
fn without_ignored(spec: &Value) -> Value {
    let mut declared = spec.clone();
    for path in spec["ignore"].as_array().into_iter().flatten() {
        let (outer, inner) =
            path.as_str().unwrap().split_once('.').unwrap_or(("", path.as_str().unwrap()));
        let at = if outer.is_empty() { Some(&mut declared) } else { declared.get_mut(outer) };
        if let Some(fields) = at.and_then(Value::as_object_mut) {
            fields.remove(inner);
        }
    }
    declared
}

/// The manifest of a resource. Its alias, or that it has none, is for life: with another one, what hangs on
/// it is made anew of what is declared.
fn adopting(resource: &Resource, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if resource.kind == "Function" {
        let has_alias = resource.object.ends_with(['1', '3', '5', '7', '9']);
        spec = with(&spec, &json!({"alias": has_alias.then_some("live")}));
    }
    let mut object = object(resource.kind, &resource.object, &spec);
    object["metadata"]["annotations"] = json!({"trueup.dev/adopt": "true"});
    object
}

async fn make(harness: &Harness, kind: &'static str, index: usize, dice: &mut StdRng) -> Resource {
    let object = format!("it{index}");
    let name = format!("{ENVIRONMENT}-{object}");
    let facet = FACETS.iter().find(|facet| facet.kind == kind).unwrap();
    let mut resource = Resource { kind, object, name: name.clone(), id: String::new() };
    match kind {
        "Bucket" => {
            drop(facet.ask(harness, "CreateBucket", &json!({"Bucket": name})).await.unwrap())
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

async fn read(harness: &Harness, resource: &Resource) -> Leaves {
    let mut leaves = Leaves::new();
    for facet in FACETS.iter().filter(|facet| facet.kind == resource.kind) {
        facet.read(harness, resource, &mut leaves).await;
    }
    leaves
}

/// What came of a world.
#[derive(Default)]
struct Tally {
    facets: usize,
    ready: usize,
    stalled: usize,
    changed: usize,
}

async fn lives(kind: &'static str, seed: u64) -> Tally {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut harness = world().await;
    let mut resources = Vec::new();
    for index in 0..RESOURCES {
        resources.push(make(&harness, kind, index, &mut dice).await);
    }
    let mut tally = Tally::default();
    let mut specs: Vec<_> = resources.iter().map(|_| declared(kind, &mut dice)).collect();
    for step in ["adopted", "edited", "drifted"] {
        if step == "edited" {
            specs = resources.iter().map(|_| declared(kind, &mut dice)).collect();
        }
        if step == "drifted" {
            for resource in &resources {
                let facets: Vec<_> = FACETS.iter().filter(|facet| facet.kind == kind).collect();
                any(&mut dice, &facets).put(&harness, resource, &mut dice).await;
            }
        }
        let mut before = Vec::new();
        for resource in &resources {
            before.push(read(&harness, resource).await);
        }
        if step != "drifted" {
            let objects: Vec<_> =
                resources.iter().zip(&specs).map(|(r, spec)| adopting(r, spec)).collect();
            let set = try_parse(&documents(&environment(json!({})), &objects)).unwrap();
            harness.apply_set(set).await;
        }
        if step == "adopted" {
            harness.start().await;
        }
        harness.look(ENVIRONMENT).await;
        tokio::time::sleep(Duration::from_secs(150)).await;
        for ((resource, spec), before) in resources.iter().zip(&specs).zip(&before) {
            let after = read(&harness, resource).await;
            tally.changed += usize::from(*before != after);
            let harmed = harmed(kind, &without_ignored(spec), before, &after);
            assert!(
                harmed.is_empty(),
                "{kind} {} {step}: {harmed:#?}\ndeclared: {spec:#}\nseed {seed}",
                resource.object
            );
        }
    }
    tally.facets = resources.len() * FACETS.iter().filter(|facet| facet.kind == kind).count();
    for status in statuses(&harness.store, ENVIRONMENT).await {
        tally.ready += usize::from(status.conditions.is_true(condition_type::READY));
        let stalled = status.conditions.get(condition_type::STALLED);
        let Some(stalled) = stalled.filter(|c| c.status == ConditionStatus::True) else { continue };
        tally.stalled += 1;
        // What is written must read back as it was written.
        assert_ne!(stalled.reason, "Flapping", "{}: {}\nseed {seed}", status.id(), stalled.message);
    }
    tally
}

/// Worlds of a kind, each with ten resources: a hundred generated values of each facet in the suite.
const WORLDS: u64 = 10;

fn unharmed(kind: &'static str) {
    if services().is_none() {
        return;
    }
    let seeds = seeds(WORLDS);
    let (tallies, _) = every_seed(&seeds, |seed| lives(kind, seed));
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (resources, ready) = (seeds.len() * RESOURCES, sum(|t| t.ready));
    let (stalled, changed) = (sum(|t| t.stalled), sum(|t| t.changed));
    assert!(ready * 2 > resources, "{kind}: {ready} of {resources} became ready");
    assert!(changed * 2 > resources, "{kind}: trueup changed {changed} of {resources}");
    figure(
        "unharmed",
        &format!(
            "{kind}: {resources} generated resources, {} facets, each adopted, edited and drifted: {changed} were changed, \
             in what was declared alone; {ready} ready at the end, {stalled} stalled with the reason",
            sum(|t| t.facets)
        ),
    );
}

#[test]
fn what_no_bucket_manifest_declares_stays_as_it_was() {
    unharmed("Bucket");
}

#[test]
fn what_no_function_manifest_declares_stays_as_it_was() {
    unharmed("Function");
}

#[test]
fn what_no_frontend_manifest_declares_stays_as_it_was() {
    unharmed("Frontend");
}

#[test]
fn what_no_table_manifest_declares_stays_as_it_was() {
    unharmed("Table");
}
