//! DynamoDB's busy states around an emulator that is never busy.
//!
//! Follows <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>: a
//! table is CREATING or UPDATING for a while; meanwhile UpdateTable and DeleteTable get a
//! ResourceInUseException; one index may be created or deleted in one UpdateTable.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use winterbaume_core::{MockRequest, MockResponse, MockService, json_error_response};
use winterbaume_dynamodb::DynamoDbService;

use super::call::Call;

pub(super) struct DynamoDb {
    inner: DynamoDbService,
    busy_for: Duration,
    busy: Mutex<HashMap<(String, String), Busy>>,
}

struct Busy {
    until: Instant,
    status: &'static str,
    /// An index that is being created.
    index: Option<String>,
}

impl DynamoDb {
    pub fn new(busy_for: Duration) -> Self {
        Self {
            inner: DynamoDbService::new(),
            busy_for,
            busy: Mutex::default(),
        }
    }

    pub async fn handle(&self, call: &Call, request: MockRequest) -> MockResponse {
        let key = (call.region.clone(), call.resource.clone());
        let changes =
            ["CreateTable", "UpdateTable", "DeleteTable"].contains(&call.operation.as_str());
        if changes && let Some(status) = self.busy_status(&key).map(|(status, _)| status) {
            let message = format!("Table is being {status}: {}", call.resource);
            return json_error_response(400, "ResourceInUseException", &message);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if call.operation == "UpdateTable"
            && let Some(refusal) = too_many_indexes(&body)
        {
            return refusal;
        }
        let mut response = self.inner.handle(request).await;
        if response.status != 200 {
            return response;
        }
        match call.operation.as_str() {
            "CreateTable" => self.begin(key.clone(), "CREATING", None),
            "UpdateTable" => self.begin(key.clone(), "UPDATING", created_index(&body)),
            "DeleteTable" => {
                self.lock().remove(&key);
            }
            _ => {}
        }
        if changes || call.operation == "DescribeTable" {
            self.show(&key, &mut response);
        }
        response
    }

    fn begin(&self, key: (String, String), status: &'static str, index: Option<String>) {
        let until = Instant::now() + self.busy_for;
        self.lock().insert(
            key,
            Busy {
                until,
                status,
                index,
            },
        );
    }

    fn busy_status(&self, key: &(String, String)) -> Option<(&'static str, Option<String>)> {
        let busy = self.lock();
        let state = busy.get(key).filter(|b| b.until > Instant::now())?;
        Some((state.status, state.index.clone()))
    }

    /// Writes the busy state into a description.
    fn show(&self, key: &(String, String), response: &mut MockResponse) {
        let Some((status, index)) = self.busy_status(key) else {
            return;
        };
        let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        for description in ["Table", "TableDescription"] {
            let Some(table) = body.get_mut(description) else {
                continue;
            };
            table["TableStatus"] = Value::from(status);
            for described in table["GlobalSecondaryIndexes"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                if described["IndexName"].as_str() == index.as_deref() {
                    described["IndexStatus"] = Value::from("CREATING");
                }
            }
        }
        response.body = body.to_string().into();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Busy>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index_updates(body: &Value) -> impl Iterator<Item = &Value> {
    body["GlobalSecondaryIndexUpdates"]
        .as_array()
        .into_iter()
        .flatten()
}

fn created_index(body: &Value) -> Option<String> {
    index_updates(body)
        .find_map(|u| u["Create"]["IndexName"].as_str())
        .map(str::to_owned)
}

fn too_many_indexes(body: &Value) -> Option<MockResponse> {
    let changed = index_updates(body).filter(|u| !u["Create"].is_null() || !u["Delete"].is_null());
    let message = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";
    (changed.count() > 1).then(|| json_error_response(400, "LimitExceededException", message))
}
