//! Every request and every reply of the tests' sandboxes, held against AWS's models.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use trueup::sandbox::{Exchange, Sandbox};

use super::model::{Service, services};
use super::wire;

/// What was found in one sandbox.
#[derive(Clone, Default)]
pub struct Exchanges(Arc<Mutex<Found>>);

#[derive(Default)]
struct Found {
    violations: BTreeSet<String>,
    /// How many of each operation were observed.
    counts: BTreeMap<String, u64>,
    /// What changed which version users meet, in order.
    turns: Vec<Turn>,
}

/// A call that changed which version users meet: of a function's alias, or of a frontend.
#[derive(Clone)]
pub struct Turn {
    pub at: Instant,
    /// The name of the function or the id of the app, by the path.
    pub path: String,
    pub operation: String,
    pub body: serde_json::Value,
}

/// Exchanges that were observed before, in any sandbox of the process, by their digests.
static SEEN: Mutex<Option<HashSet<u64>>> = Mutex::new(None);
/// Beyond so many digests, exchanges are observed again.
const SEEN_MAX: usize = 2_000_000;

impl Exchanges {
    /// Watches a sandbox; without Python 3 nothing is held against the models.
    pub fn of(sandbox: &Sandbox) -> Self {
        let (exchanges, services) = (Self::default(), services());
        let found = exchanges.clone();
        sandbox.watch(move |exchange| {
            found.note_turn(exchange);
            if let Some(services) = services {
                found.check(services, exchange);
            }
        });
        exchanges
    }

    /// What aliases were told to be, in order: the version, and what another one gets.
    pub fn moves(&self) -> Vec<serde_json::Value> {
        let turns = self.turns().into_iter().filter(|turn| turn.operation == "UpdateAlias");
        turns.map(|turn| turn.body).collect()
    }

    /// What changed which version users meet, in order.
    pub fn turns(&self) -> Vec<Turn> {
        self.0.lock().unwrap().turns.clone()
    }

    fn note_turn(&self, exchange: &Exchange) {
        let operation = &exchange.call.operation;
        if ["UpdateAlias", "StartDeployment"].contains(&operation.as_str())
            && exchange.status == 200
        {
            let (operation, path) = (operation.clone(), exchange.uri.clone());
            let body = serde_json::from_slice(&exchange.body).unwrap();
            let turn = Turn { at: Instant::now(), path, operation, body };
            self.0.lock().unwrap().turns.push(turn);
        }
    }

    /// Passes over what was found about a member that no model has: a test has AWS say something newer.
    pub fn pass_over(&self, member: &str) {
        self.0.lock().unwrap().violations.retain(|violation| !violation.contains(member));
    }

    pub fn violations(&self) -> Vec<String> {
        self.0.lock().unwrap().violations.iter().cloned().collect()
    }

    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().counts.clone()
    }

    fn check(&self, services: &BTreeMap<String, Service>, exchange: &Exchange) {
        *self.0.lock().unwrap().counts.entry(exchange.call.action()).or_default() += 1;
        if is_new(exchange) {
            let wrong = violations(services, exchange);
            self.0.lock().unwrap().violations.extend(wrong);
        }
    }
}

fn is_new(exchange: &Exchange) -> bool {
    let mut digest = DefaultHasher::new();
    (exchange.call.action(), &exchange.uri, &exchange.body).hash(&mut digest);
    (exchange.status, &exchange.reply).hash(&mut digest);
    let mut seen = SEEN.lock().unwrap();
    let seen = seen.get_or_insert_default();
    if seen.len() >= SEEN_MAX {
        seen.clear();
    }
    seen.insert(digest.finish())
}

fn violations(services: &BTreeMap<String, Service>, exchange: &Exchange) -> Vec<String> {
    let call = &exchange.call;
    let Some(service) = services.get(&call.service) else {
        return vec![format!("{}: no such service", call.action())];
    };
    let Some(operation) = service.operations.get(&call.operation) else {
        return vec![format!("{} ({}): no such operation", call.action(), exchange.uri)];
    };
    let mut wrong = Vec::new();
    let mut hold = |what: &str, shape: &str, read: Result<serde_json::Value, String>| {
        let found = match read {
            Ok(members) => service.wrong(shape, &members),
            Err(refused) => vec![format!(": {refused}")],
        };
        wrong.extend(found.into_iter().map(|w| format!("{} {what}{w}", call.action())));
    };
    // What AWS refuses may be wrong.
    if exchange.status < 300 {
        let input = service.target(&operation["input"]).0;
        hold("request", input, wire::request(service, exchange));
        let output = service.target(&operation["output"]).0;
        if !output.is_empty() {
            hold("reply", output, wire::reply(service, exchange));
        }
    }
    wrong.extend(
        framing(service, operation, exchange).map(|w| format!("{} reply: {w}", call.action())),
    );
    wrong.retain(|w| !OF_AWS.iter().any(|(of_aws, _)| w.contains(of_aws)));
    wrong
}

/// Errors that S3 documents beside its model, which lists few:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
const S3_ERRORS: &[(&str, u16)] = &[
    ("AccessDenied", 403),
    ("BucketNotEmpty", 409),
    ("InvalidBucketState", 409),
    ("InvalidArgument", 400),
    ("InvalidRequest", 400),
    ("MalformedPolicy", 400),
    ("MalformedXML", 400),
    ("NoSuchBucket", 404),
    ("NoSuchBucketPolicy", 404),
    ("NoSuchCORSConfiguration", 404),
    ("NoSuchConfiguration", 404),
    ("NoSuchKey", 404),
    ("NoSuchLifecycleConfiguration", 404),
    ("NoSuchPublicAccessBlockConfiguration", 404),
    ("NoSuchTagSet", 404),
    ("NoSuchWebsiteConfiguration", 404),
    ("ObjectLockConfigurationNotFoundError", 404),
    ("OwnershipControlsNotFoundError", 404),
    ("ReplicationConfigurationNotFoundError", 404),
    ("ServerSideEncryptionConfigurationNotFoundError", 404),
];

/// Errors that every operation of the other services may have:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html>.
const COMMON_ERRORS: &[(&str, u16)] = &[("ValidationException", 400), ("ThrottlingException", 400)];

/// What AWS itself answers and its model does not allow, by a part of the violation.
const OF_AWS: &[(&str, &str)] = &[
    // Its examples have both: https://docs.aws.amazon.com/cli/latest/reference/dynamodb/batch-write-item.html.
    (
        "BatchWriteItem reply.UnprocessedItems: 0 entries is outside of 1 to 25",
        "all were processed",
    ),
    ("BatchGetItem reply.UnprocessedKeys: 0 entries is outside of 1 to 100", "all were processed"),
    // https://docs.aws.amazon.com/cli/latest/reference/dynamodb/describe-table.html.
    ("NumberOfDecreasesToday: 0  is outside of 1 to null", "none today"),
    // Of an app that is gone; the model names no error for it.
    ("ListJobs reply: status 404 with the error `NotFoundException`", "the app is gone"),
    // A branch that was given no stage, in the example of
    // https://docs.aws.amazon.com/cli/latest/reference/amplify/create-branch.html; a list has the same record.
    (".stage: `NONE` is no word of", "no stage"),
];

/// Status, request ids and the error's name.
fn framing(
    service: &Service,
    operation: &serde_json::Value,
    exchange: &Exchange,
) -> impl Iterator<Item = String> {
    let mut wrong = Vec::new();
    let ids: &[&str] = match service.protocol.as_str() {
        "rest-xml" => &["x-amz-request-id", "x-amz-id-2"],
        _ => &["x-amzn-requestid"],
    };
    for id in ids.iter().filter(|id| !exchange.reply_headers.contains_key(**id)) {
        wrong.push(format!("no header {id}"));
    }
    let asked = operation["http"]["responseCode"].as_u64().unwrap_or(200);
    // S3's model leaves out the 204 of its deletions, of PutBucketTagging and of PutBucketPolicy.
    let is_any = service.protocol == "rest-xml" && exchange.status == 204;
    if exchange.status < 300 && u64::from(exchange.status) != asked && !is_any {
        wrong.push(format!("status {} and not {asked}", exchange.status));
    }
    if exchange.status >= 300 && !exchange.call.operation.starts_with("Head") {
        wrong.extend(refusal(service, operation, exchange));
    }
    wrong.into_iter()
}

/// What is wrong with the error of a reply.
fn refusal(
    service: &Service,
    operation: &serde_json::Value,
    exchange: &Exchange,
) -> Option<String> {
    let text = String::from_utf8_lossy(&exchange.reply);
    let code = if service.protocol == "rest-xml" {
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned())
    } else {
        let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let header = exchange.reply_headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok());
        header.or(body["__type"].as_str()).map(|code| {
            let code = code.split(':').next().unwrap_or(code);
            code.rsplit('#').next().unwrap_or(code).to_owned()
        })
    };
    let Some(code) = code else { return Some(format!("an error without a code: {text}")) };
    let others = if service.protocol == "rest-xml" { S3_ERRORS } else { COMMON_ERRORS };
    if others.contains(&(code.as_str(), exchange.status)) {
        return None;
    }
    let declared = operation["errors"].as_array().into_iter().flatten();
    let Some(shape) = declared.filter_map(|e| e["shape"].as_str()).find(|e| *e == code) else {
        return Some(format!(
            "status {} with the error `{code}`, which is none of the operation's",
            exchange.status
        ));
    };
    // DynamoDB's model leaves out that its errors come with 400, S3's that a conflict is one.
    let status = service.shape(shape)["error"]["httpStatusCode"].as_u64();
    let status = status.unwrap_or(if service.protocol == "rest-xml" { 409 } else { 400 });
    (status != u64::from(exchange.status))
        .then(|| format!("`{code}` has status {} and not {status}", exchange.status))
}
