//! What hangs on a function or on one of its aliases: permissions, URL, async settings, tags,
//! reserved concurrency, recursive loops.

use serde_json::{Value, json};

use super::function::{Function, LATEST};
use super::{Answer, Asked, Refusal, missing};
use crate::model::sha256_hex;

impl Function {
    fn qualifier(&self, asked: &Asked) -> Result<String, Refusal> {
        let qualifier = asked.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
        if self.knows(&qualifier) {
            return Ok(qualifier);
        }
        Err(missing(&format!("{}:{qualifier}", self.arn)))
    }

    pub fn concurrency(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        match operation {
            "PutFunctionConcurrency" => {
                self.reserved = body["ReservedConcurrentExecutions"].as_i64();
            }
            "DeleteFunctionConcurrency" => {
                self.reserved = None;
                return (204, Value::Null);
            }
            _ => {}
        }
        (200, json!({"ReservedConcurrentExecutions": self.reserved}))
    }

    /// A new function stops loops:
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html>.
    pub fn recursion(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        if operation == "PutFunctionRecursionConfig" {
            self.recursive_loop = body["RecursiveLoop"].as_str().map(str::to_owned);
        }
        (200, json!({"RecursiveLoop": self.recursive_loop.as_deref().unwrap_or("Terminate")}))
    }

    /// The statement that AddPermission makes:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-services.html>.
    pub fn add_permission(&mut self, asked: &Asked) -> Answer {
        let qualifier = self.qualifier(asked)?;
        let body = &asked.body;
        let sid = body["StatementId"].as_str().unwrap_or_default();
        let resource = match qualifier.as_str() {
            LATEST => self.arn.clone(),
            qualifier => format!("{}:{qualifier}", self.arn),
        };
        let statements = self.policies.entry(qualifier).or_default();
        if statements.iter().any(|s| s["Sid"] == sid) {
            let message = format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
            );
            return Err(Refusal(409, "ResourceConflictException", message));
        }
        let mut statement = json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": principal(body["Principal"].as_str().unwrap_or_default()),
            "Action": body["Action"],
            "Resource": resource,
        });
        let conditions = [
            ("SourceArn", "ArnLike", "AWS:SourceArn"),
            ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
            ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
            ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
            ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
            ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
        ];
        for (member, operator, key) in conditions {
            match &body[member] {
                Value::Null => {}
                Value::String(text) => statement["Condition"][operator][key] = json!(text),
                other => statement["Condition"][operator][key] = json!(other.to_string()),
            }
        }
        statements.push(statement.clone());
        Ok((201, json!({"Statement": statement.to_string()})))
    }

    pub fn policy(&self, asked: &Asked) -> Answer {
        let qualifier = self.qualifier(asked)?;
        let statements = self.policies.get(&qualifier).filter(|s| !s.is_empty());
        let Some(statements) = statements else {
            let message = "The resource you requested does not exist.".to_owned();
            return Err(Refusal(404, "ResourceNotFoundException", message));
        };
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        let revision = sha256_hex(policy.to_string());
        Ok((200, json!({"Policy": policy.to_string(), "RevisionId": &revision[..32]})))
    }

    pub fn remove_permission(&mut self, asked: &Asked) -> Answer {
        let qualifier = self.qualifier(asked)?;
        let statements = self.policies.entry(qualifier).or_default();
        let before = statements.len();
        statements.retain(|s| s["Sid"] != asked.part.as_str());
        if statements.len() == before {
            let message = format!("Statement {} is not found in resource policy.", asked.part);
            return Err(Refusal(404, "ResourceNotFoundException", message));
        }
        Ok((204, Value::Null))
    }

    pub fn event_invoke(&mut self, operation: &str, asked: &Asked) -> Answer {
        let qualifier = self.qualifier(asked)?;
        let absent = || missing(&format!("{}:{}'s EventInvokeConfig", self.name, asked.name));
        match operation {
            "PutFunctionEventInvokeConfig" => {
                let mut settings = json!({
                    "FunctionArn": format!("{}:{qualifier}", self.arn),
                    "LastModified": 0,
                    "DestinationConfig": asked.body.get("DestinationConfig").cloned().unwrap_or_else(|| json!({})),
                });
                for member in ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"] {
                    if !asked.body[member].is_null() {
                        settings[member] = asked.body[member].clone();
                    }
                }
                self.async_settings.insert(qualifier, settings.clone());
                Ok((200, settings))
            }
            "DeleteFunctionEventInvokeConfig" => {
                self.async_settings.remove(&qualifier).ok_or_else(absent)?;
                Ok((204, Value::Null))
            }
            _ => Ok((200, self.async_settings.get(&qualifier).cloned().ok_or_else(absent)?)),
        }
    }

    /// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunctionUrlConfig.html>.
    pub fn url(&mut self, operation: &str, asked: &Asked) -> Answer {
        let qualifier = self.qualifier(asked)?;
        let before = self.urls.get(&qualifier).cloned();
        let absent = || missing(&format!("{}'s FunctionUrlConfig", self.name));
        let mut settings = match (operation, before) {
            ("CreateFunctionUrlConfig", Some(_)) => {
                let message = "Failed to create function url config for [functionArn = ]. Error message: FunctionUrlConfig exists for this Lambda function".to_owned();
                return Err(Refusal(409, "ResourceConflictException", message));
            }
            ("CreateFunctionUrlConfig", None) => {
                let host = &sha256_hex(format!("{}:{qualifier}", self.arn))[..32];
                json!({
                    "FunctionUrl": format!("https://{host}.lambda-url.{}.on.aws/", asked.region),
                    "FunctionArn": self.arn,
                    "CreationTime": "2026-01-01T00:00:00Z",
                    "LastModifiedTime": "2026-01-01T00:00:00Z",
                    "InvokeMode": "BUFFERED",
                })
            }
            ("DeleteFunctionUrlConfig", before) => {
                before.ok_or_else(absent)?;
                self.urls.remove(&qualifier);
                return Ok((204, Value::Null));
            }
            ("GetFunctionUrlConfig", before) => return Ok((200, before.ok_or_else(absent)?)),
            (_, before) => before.ok_or_else(absent)?,
        };
        for member in ["AuthType", "Cors", "InvokeMode"] {
            if !asked.body[member].is_null() {
                settings[member] = asked.body[member].clone();
            }
        }
        if let Some(cors) = settings.get_mut("Cors") {
            lower_headers(cors);
        }
        self.urls.insert(qualifier, settings.clone());
        if operation != "CreateFunctionUrlConfig" {
            return Ok((200, settings));
        }
        // The reply to the creation has one time, not two.
        if let Value::Object(members) = &mut settings {
            members.remove("LastModifiedTime");
        }
        Ok((201, settings))
    }

    pub fn tags(&mut self, operation: &str, asked: &Asked) -> (u16, Value) {
        match operation {
            "TagResource" => {
                let tags = asked.body["Tags"].as_object().cloned().unwrap_or_default();
                self.tags.extend(tags);
                (204, Value::Null)
            }
            "UntagResource" => {
                if let Some(key) = asked.query.decoded("tagKeys") {
                    self.tags.remove(&key);
                }
                (204, Value::Null)
            }
            _ => (200, json!({"Tags": self.tags})),
        }
    }
}

/// A service, everybody, or an account or ARN, which is an AWS principal.
fn principal(given: &str) -> Value {
    match given {
        "*" => json!("*"),
        service if service.ends_with(".amazonaws.com") => json!({"Service": service}),
        account if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
            json!({"AWS": format!("arn:aws:iam::{account}:root")})
        }
        arn => json!({"AWS": arn}),
    }
}

/// Lambda keeps names of headers in lower case: go-to-k/cdk-real-drift, issue 874.
fn lower_headers(cors: &mut Value) {
    for member in ["AllowHeaders", "ExposeHeaders"] {
        for header in cors[member].as_array_mut().into_iter().flatten() {
            if let Value::String(name) = header {
                *name = name.to_lowercase();
            }
        }
    }
}
