//! Provisioned concurrency of versions and aliases.
//!
//! Follows <https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html>: it is allocated
//! for a while, and fails where the version cannot start (serverless/serverless, issue 7250). An alias that shares
//! its requests among versions has none (hashicorp/terraform, issue 24957).
//!
//! A version whose variable `SANDBOX_PROVISIONING` is `fail` cannot start.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::function::{Function, LATEST};
use super::{Answer, Asked, Lambda, Refusal, invalid, missing};

/// What was asked for, and when it is there.
#[derive(Clone)]
pub(super) struct Provisioned {
    executions: i64,
    /// Those that stay while others come.
    before: i64,
    ready_at: Instant,
    modified: String,
}

impl Function {
    pub fn provisioned(&mut self, operation: &str, asked: &Asked) -> Answer {
        if operation == "ListProvisionedConcurrencyConfigs" {
            return self.list_provisioned(asked);
        }
        let qualifier = asked.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
        if !self.knows(&qualifier) {
            return Err(missing(&format!("{}:{qualifier}", self.arn)));
        }
        let none = || {
            let message = "No Provisioned Concurrency Config found for this function";
            Refusal(404, "ProvisionedConcurrencyConfigNotFoundException", message.to_owned())
        };
        match operation {
            "PutProvisionedConcurrencyConfig" => {
                let executions = asked.body["ProvisionedConcurrentExecutions"].as_i64();
                self.refuse_provisioning(&qualifier, executions.unwrap_or_default())?;
                self.provision(&qualifier, executions.unwrap_or_default());
                Ok((202, self.show_provisioned(&qualifier).ok_or_else(none)?))
            }
            "GetProvisionedConcurrencyConfig" => {
                Ok((200, self.show_provisioned(&qualifier).ok_or_else(none)?))
            }
            // What is not there is gone: the model of this operation has no error for it.
            _ => {
                self.provisioned.remove(&qualifier);
                Ok((204, Value::Null))
            }
        }
    }

    fn refuse_provisioning(&self, qualifier: &str, executions: i64) -> Result<(), Refusal> {
        if qualifier == LATEST {
            let message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
            return Err(invalid(message.to_owned()));
        }
        if executions < 1 {
            return Err(invalid("ProvisionedConcurrentExecutions is at least 1".to_owned()));
        }
        let alias = self.alias(qualifier).ok().map(|(_, alias)| alias);
        if alias.is_some_and(|alias| !alias["RoutingConfig"].is_null()) {
            let message = "Alias with weights can not be used with Provisioned Concurrency";
            return Err(invalid(message.to_owned()));
        }
        let others = self.provisioned.iter().filter(|(other, _)| *other != qualifier);
        let in_all = others.map(|(_, other)| other.executions).sum::<i64>() + executions;
        if self.reserved.is_some_and(|reserved| in_all > reserved) {
            let message = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
            return Err(invalid(message.to_owned()));
        }
        Ok(())
    }

    pub fn provision(&mut self, qualifier: &str, executions: i64) {
        let there = self.provisioned.get(qualifier);
        let before = there.filter(|there| Instant::now() >= there.ready_at).map(|p| p.executions);
        let provisioned = Provisioned {
            executions,
            before: before.unwrap_or_default().min(executions),
            ready_at: Instant::now() + self.busy_for,
            modified: self.clock.now().strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
        };
        self.provisioned.insert(qualifier.to_owned(), provisioned);
    }

    fn show_provisioned(&self, qualifier: &str) -> Option<Value> {
        let provisioned = self.provisioned.get(qualifier)?;
        let configuration = self.configuration(Some(qualifier)).unwrap_or_default();
        let fails = configuration["Environment"]["Variables"]["SANDBOX_PROVISIONING"] == "fail";
        let is_over = Instant::now() >= provisioned.ready_at;
        let status = match (is_over, fails) {
            (false, _) => "IN_PROGRESS",
            (true, true) => "FAILED",
            (true, false) => "READY",
        };
        let there = match status {
            "READY" => provisioned.executions,
            "FAILED" => 0,
            _ => provisioned.before,
        };
        let mut shown = json!({
            "RequestedProvisionedConcurrentExecutions": provisioned.executions,
            "AvailableProvisionedConcurrentExecutions": there,
            "AllocatedProvisionedConcurrentExecutions": there,
            "Status": status,
            "LastModified": provisioned.modified,
        });
        if status == "FAILED" {
            shown["StatusReason"] = json!("FUNCTION_ERROR_INIT_FAILURE");
        }
        Some(shown)
    }

    fn list_provisioned(&self, asked: &Asked) -> Answer {
        let all = self.provisioned.keys().filter_map(|qualifier| {
            let mut shown = self.show_provisioned(qualifier)?;
            shown["FunctionArn"] = json!(format!("{}:{qualifier}", self.arn));
            Some(shown)
        });
        let size = asked.query.get("MaxItems").and_then(|m| m.parse().ok()).unwrap_or(50).min(50);
        let marker = asked.query.get("Marker");
        let (page, next) = crate::sandbox::rest::page(all.collect(), marker, size);
        Ok((200, json!({"ProvisionedConcurrencyConfigs": page, "NextMarker": next})))
    }
}

impl Lambda {
    /// What is provisioned for a qualifier of a function; `None` where there is no such thing.
    pub fn provisioned(&self, region: &str, function: &str, qualifier: &str) -> Option<i64> {
        let functions = self.lock();
        let function = functions.get(&(region.to_owned(), function.to_owned()))?;
        let executions = function.provisioned.get(qualifier).map(|p| p.executions);
        function.knows(qualifier).then_some(executions.unwrap_or_default())
    }

    /// What a scaler sets; 0 takes it away.
    pub fn provision(&self, region: &str, function: &str, qualifier: &str, executions: i64) {
        let mut functions = self.lock();
        let Some(function) = functions.get_mut(&(region.to_owned(), function.to_owned())) else {
            return;
        };
        match executions {
            0 => drop(function.provisioned.remove(qualifier)),
            _ => function.provision(qualifier, executions),
        }
    }
}
