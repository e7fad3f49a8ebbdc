//! Lambda as an operator meets it: states, versions, aliases, pages.
//!
//! Follows the API reference, <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>, and
//! on states <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>: a new function is
//! Pending, an updated one InProgress; meanwhile writes get a ResourceConflictException. Code is
//! fetched from the embedded S3 and known by the base64 of its SHA-256.
//!
//! An invocation runs no code: what a version does, its environment variables say (`invoke.rs`).
//!
//! Not there: event source mappings, layers' contents.

mod configuration;
mod extras;
mod function;
mod invoke;
mod provisioned;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use winterbaume_core::{MockRequest, MockResponse};

use self::function::Function;
pub use self::invoke::{Invocations, Load};
use super::ACCOUNT_ID;
use super::call::Call;
use super::cloudwatch::CloudWatch;
use super::rest::{Answer, Refusal, body_of, parts, respond};
use super::s3::S3;
use super::uri::Query;
use crate::model::Clock;

pub(super) struct Lambda {
    busy_for: Duration,
    clock: Clock,
    s3: Arc<S3>,
    cloudwatch: Arc<CloudWatch>,
    chance: Mutex<invoke::Chance>,
    /// By region and name.
    functions: Mutex<BTreeMap<(String, String), Function>>,
}

/// A request, taken apart.
struct Asked<'a> {
    region: &'a str,
    /// The function's name, whether the path named it or its ARN.
    name: String,
    /// The second open part of the path: an alias, a statement.
    part: String,
    qualifier: Option<String>,
    body: Value,
    query: Query<'a>,
}

impl Lambda {
    pub fn new(busy_for: Duration, clock: Clock, s3: Arc<S3>, cloudwatch: Arc<CloudWatch>) -> Self {
        let (chance, functions) = Default::default();
        Self { busy_for, clock, s3, cloudwatch, chance, functions }
    }

    pub async fn handle(&self, call: &Call, request: &MockRequest) -> MockResponse {
        let mut open = parts("lambda", request).into_iter();
        let named = open.next().unwrap_or_default();
        let query = Query::of(&request.uri);
        let asked = Asked {
            region: &call.region,
            name: name_of(&named),
            part: open.next().unwrap_or_default(),
            qualifier: query.decoded("Qualifier"),
            body: body_of(request),
            query,
        };
        match call.operation.as_str() {
            "Invoke" => self.invoke(&asked),
            _ => respond(self.answer(call, &asked).await),
        }
    }

    async fn answer(&self, call: &Call, asked: &Asked<'_>) -> Answer {
        let code = match call.operation.as_str() {
            "CreateFunction" => Some(self.fetch(&asked.body["Code"]).await?),
            "UpdateFunctionCode" => Some(self.fetch(&asked.body).await?),
            _ => None,
        };
        match call.operation.as_str() {
            "CreateFunction" => self.create(asked, code),
            "ListFunctions" => self.list(asked),
            "DeleteFunction" => match &asked.qualifier {
                Some(version) => self.with(asked, |f| f.delete_version(version)),
                None => self.delete(asked),
            },
            "GetFunction" => self.with(asked, |f| f.describe(asked.qualifier.as_deref())),
            "GetFunctionConfiguration" => {
                self.with(asked, |f| Ok((200, f.configuration(asked.qualifier.as_deref())?)))
            }
            "UpdateFunctionConfiguration" => self.with_idle(asked, |f| f.configure(&asked.body)),
            "UpdateFunctionCode" => self.with_idle(asked, |f| f.update_code(&asked.body, code)),
            "PublishVersion" => self.with_idle(asked, |f| f.publish(&asked.body)),
            "ListVersionsByFunction" => self.with(asked, |f| Ok(f.list_versions())),
            "CreateAlias" => self.with(asked, |f| f.create_alias(&asked.body)),
            "ListAliases" => self.with(asked, |f| Ok(f.list_aliases())),
            "GetAlias" => self.with(asked, |f| f.alias(&asked.part)),
            "UpdateAlias" => self.with(asked, |f| f.update_alias(&asked.part, &asked.body)),
            "DeleteAlias" => self.with(asked, |f| f.delete_alias(&asked.part)),
            "PutFunctionConcurrency" | "DeleteFunctionConcurrency" | "GetFunctionConcurrency" => {
                self.with(asked, |f| Ok(f.concurrency(&call.operation, &asked.body)))
            }
            "PutFunctionRecursionConfig" | "GetFunctionRecursionConfig" => {
                self.with(asked, |f| Ok(f.recursion(&call.operation, &asked.body)))
            }
            // Nothing is signed here; Terraform asks.
            "GetFunctionCodeSigningConfig" => self.with(asked, |f| {
                Ok((200, json!({"FunctionName": f.name, "CodeSigningConfigArn": ""})))
            }),
            "AddPermission" => self.with(asked, |f| f.add_permission(asked)),
            "GetPolicy" => self.with(asked, |f| f.policy(asked)),
            "RemovePermission" => self.with(asked, |f| f.remove_permission(asked)),
            "PutFunctionEventInvokeConfig"
            | "GetFunctionEventInvokeConfig"
            | "DeleteFunctionEventInvokeConfig" => {
                self.with(asked, |f| f.event_invoke(&call.operation, asked))
            }
            "CreateFunctionUrlConfig"
            | "GetFunctionUrlConfig"
            | "UpdateFunctionUrlConfig"
            | "DeleteFunctionUrlConfig" => self.with(asked, |f| f.url(&call.operation, asked)),
            "PutProvisionedConcurrencyConfig"
            | "GetProvisionedConcurrencyConfig"
            | "DeleteProvisionedConcurrencyConfig"
            | "ListProvisionedConcurrencyConfigs" => {
                self.with(asked, |f| f.provisioned(&call.operation, asked))
            }
            "ListTags" | "TagResource" | "UntagResource" => {
                self.with(asked, |f| Ok(f.tags(&call.operation, asked)))
            }
            _ => Err(Refusal(404, "UnknownOperationException", "no such operation".to_owned())),
        }
    }

    fn create(&self, asked: &Asked, code: Option<Code>) -> Answer {
        let name = asked.body["FunctionName"].as_str().unwrap_or_default().to_owned();
        let key = (asked.region.to_owned(), name.clone());
        let mut functions = self.lock();
        if functions.contains_key(&key) {
            let message = format!("Function already exist: {name}");
            return Err(Refusal(409, "ResourceConflictException", message));
        }
        let arn = format!("arn:aws:lambda:{}:{ACCOUNT_ID}:function:{name}", asked.region);
        let mut function = Function::new(&name, arn, self.clock, self.busy_for);
        function.create(&asked.body, code)?;
        let configuration = function.configuration(None)?;
        functions.insert(key, function);
        Ok((201, configuration))
    }

    /// Fifty a page, without the states:
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>.
    fn list(&self, asked: &Asked) -> Answer {
        let functions = self.lock();
        let here = functions.iter().filter(|((region, _), _)| region == asked.region);
        let all: Result<Vec<_>, _> = here
            .map(|(_, f)| {
                let mut configuration = f.configuration(None)?;
                if let Value::Object(fields) = &mut configuration {
                    fields.retain(|name, _| {
                        !name.starts_with("State") && !name.starts_with("LastUpdateStatus")
                    });
                }
                Ok(configuration)
            })
            .collect();
        let size = asked.query.get("MaxItems").and_then(|m| m.parse().ok()).unwrap_or(50).min(50);
        let (page, next) = super::rest::page(all?, asked.query.get("Marker"), size);
        Ok((200, json!({"Functions": page, "NextMarker": next})))
    }

    /// The model says 200; Lambda answered 204 for years. Clients take both.
    fn delete(&self, asked: &Asked) -> Answer {
        let removed = self.lock().remove(&(asked.region.to_owned(), asked.name.clone()));
        removed.map(|_| (200, json!({}))).ok_or_else(|| missing(&asked.name))
    }

    fn with(&self, asked: &Asked, act: impl FnOnce(&mut Function) -> Answer) -> Answer {
        let mut functions = self.lock();
        let key = (asked.region.to_owned(), asked.name.clone());
        act(functions.get_mut(&key).ok_or_else(|| missing(&asked.name))?)
    }

    /// For what Lambda refuses while the function is Pending or InProgress.
    fn with_idle(&self, asked: &Asked, act: impl FnOnce(&mut Function) -> Answer) -> Answer {
        self.with(asked, |function| {
            if let Some(doing) = function.busy() {
                let message = format!(
                    "The operation cannot be performed at this time. {doing} in progress for resource: {}",
                    function.arn
                );
                return Err(Refusal(409, "ResourceConflictException", message));
            }
            act(function)
        })
    }

    /// Reads code from the embedded S3, or takes it from the request.
    async fn fetch(&self, code: &Value) -> Result<Code, Refusal> {
        if let Some(image) = code["ImageUri"].as_str() {
            let sha256 = hex::encode(Sha256::digest(image));
            return Ok(Code { sha256, image: Some(image.to_owned()), ..Code::default() });
        }
        if let Some(zip) = code["ZipFile"].as_str() {
            let bytes = BASE64_STANDARD.decode(zip).unwrap_or_default();
            return Ok(Code::of(&bytes));
        }
        let (bucket, key) = (code["S3Bucket"].as_str(), code["S3Key"].as_str());
        let (Some(bucket), Some(key)) = (bucket, key) else {
            return Err(invalid("Please provide a source for function code.".to_owned()));
        };
        let Some(object) = self.s3.object(bucket, key).await else {
            let message = format!(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: {bucket}/{key}"
            );
            return Err(invalid(message));
        };
        let kms_key_arn = code["SourceKMSKeyArn"].as_str().map(str::to_owned);
        Ok(Code { kms_key_arn, ..Code::of(&object) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Function>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Code that was handed over.
#[derive(Default)]
struct Code {
    /// Base64 for a zip, as Lambda writes it.
    sha256: String,
    size: usize,
    image: Option<String>,
    /// The key of one's own that a zip is encrypted with.
    kms_key_arn: Option<String>,
}

impl Code {
    fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: BASE64_STANDARD.encode(Sha256::digest(bytes)),
            size: bytes.len(),
            image: None,
            kms_key_arn: None,
        }
    }
}

fn invalid(message: String) -> Refusal {
    Refusal(400, "InvalidParameterValueException", message)
}

fn missing(what: &str) -> Refusal {
    Refusal(404, "ResourceNotFoundException", format!("Function not found: {what}"))
}

/// A path names a function by name, by ARN, or by ARN and qualifier.
fn name_of(named: &str) -> String {
    match named.split(":function:").nth(1) {
        Some(rest) => rest.split(':').next().unwrap_or(rest).to_owned(),
        None => named.split(':').next().unwrap_or(named).to_owned(),
    }
}
