//! DynamoDB's control plane around an emulator whose tables never change and are never busy.
//!
//! The emulator keeps items, conditions and transactions; what DescribeTable shows of settings,
//! indexes and states is kept here. Follows
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>: a table is
//! CREATING or UPDATING for a while; meanwhile UpdateTable and DeleteTable get a
//! ResourceInUseException; one index may be created or deleted in one UpdateTable; a protected table
//! cannot be deleted.
//!
//! Not there: queries on an index that was added after the table was made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use winterbaume_core::{MockRequest, MockResponse, MockService, json_error_response};
use winterbaume_dynamodb::DynamoDbService;

use super::Behaviour;
use super::call::Call;
use super::dynamodb_backups::{self as backups, Backups, SYSTEM_SUFFIX};
use super::dynamodb_exports::{self as exports, Jobs};
use super::dynamodb_facets::{self as facets, TableFacets};
use super::items::Items;
use super::s3::S3;
use crate::model::Clock;

pub(super) struct DynamoDb {
    inner: DynamoDbService,
    busy_for: Duration,
    ttl_settles_for: Duration,
    restore_for: Duration,
    clock: Clock,
    tables: Mutex<HashMap<(String, String), Table>>,
    backups: Mutex<Backups>,
    jobs: Mutex<Jobs>,
    s3: Arc<S3>,
}

/// What the emulator does not know of a table.
#[derive(Clone)]
pub(super) struct Table {
    pub arn: String,
    pub id: String,
    pub created_at: Timestamp,
    /// Members that replace those of the emulator's description.
    pub shown: Map<String, Value>,
    /// The keys of the table and of its local indexes.
    pub own_keys: Vec<Value>,
    pub recovery_days: Option<Value>,
    /// Since when it can be restored to any point in time.
    pub recoverable_since: Option<Timestamp>,
    /// How many streams it has had: each that is turned on is another.
    pub streams: u32,
    pub busy_until: Instant,
    /// Until then its time to live takes no other change.
    pub ttl_settles_until: Instant,
    pub status: &'static str,
    /// An index that is being created.
    pub new_index: Option<String>,
    /// What it was restored from.
    pub restored: Option<Value>,
    pub facets: TableFacets,
}

impl Table {
    /// Definitions of attributes that are no key any more go with the index.
    fn forget_attributes(&mut self) {
        let global = indexes(&self.shown);
        let keys = |index: &Value| index["KeySchema"].as_array().cloned().unwrap_or_default();
        let mut used: Vec<Value> = global.iter().flat_map(keys).collect();
        used.extend(self.own_keys.iter().cloned());
        let is_used = |definition: &Value| {
            used.iter().any(|key| key["AttributeName"] == definition["AttributeName"])
        };
        if let Some(Value::Array(definitions)) = self.shown.get_mut("AttributeDefinitions") {
            definitions.retain(is_used);
        }
    }
}

impl DynamoDb {
    pub fn new(behaviour: &Behaviour, clock: Clock, s3: Arc<S3>) -> Self {
        Self {
            inner: DynamoDbService::with_backend(Arc::new(Items::new())),
            busy_for: behaviour.busy_for,
            restore_for: behaviour.restore_for,
            ttl_settles_for: behaviour.ttl_settles_for,
            clock,
            tables: Mutex::default(),
            backups: Mutex::default(),
            jobs: Mutex::default(),
            s3,
        }
    }

    pub async fn handle(&self, call: &Call, request: MockRequest) -> MockResponse {
        let key = (call.region.clone(), call.resource.clone());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let operation = call.operation.as_str();
        if facets::OPERATIONS.contains(&operation) {
            return self.facet(operation, &key, &body);
        }
        if exports::OPERATIONS.contains(&operation) {
            let again = Again { headers: &request.headers, uri: &request.uri };
            return self.job(operation, &call.region, &body, &again).await;
        }
        let refusal = self.refuse(operation, &key, &body);
        if let Some(refusal) = refusal.or_else(|| self.refuse_backup(operation, &key, &body)) {
            return refusal;
        }
        let (headers, uri) = (request.headers.clone(), request.uri.clone());
        let again = Again { headers: &headers, uri: &uri };
        if operation == "DeleteTable" {
            self.keep_deleted(&key, &again).await;
            self.forget(&key, &again).await;
        }
        let mut response = self.inner.handle(sourced(operation, request, &body)).await;
        if response.status != 200 {
            // The model of these two has no TableNotFoundException.
            let is_unnamed = ["DescribeTimeToLive", "UpdateTimeToLive"].contains(&operation)
                && String::from_utf8_lossy(&response.body).contains("TableNotFoundException");
            return if is_unnamed { not_found() } else { response };
        }
        match operation {
            "CreateTable" => {
                self.create(key.clone(), &body, &response, self.busy_for);
                self.tag(&body, &again, &response).await;
            }
            "CreateBackup" => self.backed_up(&key, &response),
            "RestoreTableFromBackup" | "RestoreTableToPointInTime" => {
                self.restore(&key, &body, &response);
                self.inner
                    .handle(again.ask(
                        "UpdateTable",
                        &json!({
                            "TableName": key.1, "StreamSpecification": {"StreamEnabled": false},
                        }),
                    ))
                    .await;
            }
            "UpdateTable" => self.update(&key, &body),
            "UpdateTimeToLive" => {
                if let Some(table) = self.lock().get_mut(&key) {
                    table.ttl_settles_until = Instant::now() + self.ttl_settles_for;
                }
            }
            "UpdateContinuousBackups" => {
                let asked = &body["PointInTimeRecoverySpecification"];
                let (is_on, days) =
                    (&asked["PointInTimeRecoveryEnabled"], asked["RecoveryPeriodInDays"].clone());
                if let Some(table) = self.lock().get_mut(&key) {
                    table.recovery_days = Some(days).filter(|d| *is_on == true && !d.is_null());
                    let since = table.recoverable_since.unwrap_or_else(|| self.clock.now());
                    table.recoverable_since = (*is_on == true).then_some(since);
                }
            }
            _ => {}
        }
        self.show(&key, &mut response);
        if operation.contains("Backup") {
            let mut shown: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            self.lock_backups().show(&body, &mut shown);
            response.body = shown.to_string().into();
        }
        if operation == "DeleteBackup" {
            self.lock_backups().deleted(body["BackupArn"].as_str().unwrap_or_default());
        }
        if operation == "DeleteTable" {
            self.lock().remove(&key);
        }
        response
    }

    /// A table is named by its name, or by its ARN.
    fn facet(&self, operation: &str, key: &(String, String), body: &Value) -> MockResponse {
        let mut tables = self.lock();
        let arn = body["ResourceArn"].as_str();
        let table = match arn {
            Some(arn) => tables.values_mut().find(|table| table.arn == arn),
            None => tables.get_mut(key),
        };
        let Some(table) = table else { return not_found() };
        table.facets.answer(operation, body)
    }

    /// What DynamoDB would not do now.
    fn refuse(
        &self,
        operation: &str,
        key: &(String, String),
        body: &Value,
    ) -> Option<MockResponse> {
        if !["UpdateTable", "DeleteTable", "UpdateTimeToLive"].contains(&operation) {
            return None;
        }
        let tables = self.lock();
        let table = tables.get(key)?;
        let refuse = |code: &str, message: String| Some(json_error_response(400, code, &message));
        if operation == "UpdateTimeToLive" {
            let message = "Time to live has been modified multiple times within a fixed interval";
            return (table.ttl_settles_until > Instant::now())
                .then(|| json_error_response(400, "ValidationException", message));
        }
        if let Some(index) = without_throughput(&table.shown, body) {
            let message = format!(
                "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: {index}"
            );
            return refuse("ValidationException", message);
        }
        if table.busy_until > Instant::now() {
            let message = format!(
                "Attempt to change a resource which is still in use: Table is being {}: {}",
                table.status, key.1
            );
            return refuse("ResourceInUseException", message);
        }
        if operation == "DeleteTable"
            && table.shown.get("DeletionProtectionEnabled") == Some(&json!(true))
        {
            let message = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.";
            return refuse("ValidationException", message.to_owned());
        }
        let changed =
            index_updates(body).filter(|u| !u["Create"].is_null() || !u["Delete"].is_null());
        if changed.count() > 1 {
            let message = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";
            return refuse("LimitExceededException", message.to_owned());
        }
        let known = |name: &Value| indexes(&table.shown).iter().any(|i| i["IndexName"] == *name);
        for update in index_updates(body) {
            if !update["Create"].is_null() && known(&update["Create"]["IndexName"]) {
                let message = "Attempting to create an index which already exists";
                return refuse("ValidationException", message.to_owned());
            }
            if !update["Delete"].is_null() && !known(&update["Delete"]["IndexName"]) {
                let message = "Requested resource not found".to_owned();
                return refuse("ResourceNotFoundException", message);
            }
        }
        None
    }

    fn create(
        &self,
        key: (String, String),
        body: &Value,
        response: &MockResponse,
        takes: Duration,
    ) {
        let response: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let arn = response["TableDescription"]["TableArn"].as_str().unwrap_or_default();
        let mut shown = Map::new();
        let created = body["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let described: Vec<_> = created.map(|index| describe_index(index, arn)).collect();
        shown.insert("GlobalSecondaryIndexes".to_owned(), json!(described));
        shown.insert("AttributeDefinitions".to_owned(), body["AttributeDefinitions"].clone());
        settings(&mut shown, body);
        let keys = |of: &Value| of["KeySchema"].as_array().cloned().unwrap_or_default();
        let local = body["LocalSecondaryIndexes"].as_array().into_iter().flatten();
        let id = response["TableDescription"]["TableId"].as_str().unwrap_or_default();
        let table = Table {
            arn: arn.to_owned(),
            id: as_uuid(id),
            created_at: self.clock.now(),
            shown,
            own_keys: keys(body).into_iter().chain(local.flat_map(keys)).collect(),
            recovery_days: None,
            recoverable_since: None,
            streams: u32::from(body["StreamSpecification"]["StreamEnabled"] == true),
            ttl_settles_until: Instant::now(),
            busy_until: Instant::now() + takes,
            status: "CREATING",
            new_index: None,
            restored: None,
            facets: TableFacets::default(),
        };
        self.lock().insert(key, table);
    }

    /// Why no table is backed up or restored now.
    fn refuse_backup(
        &self,
        operation: &str,
        key: &(String, String),
        body: &Value,
    ) -> Option<MockResponse> {
        let tables = self.lock();
        match operation {
            "CreateBackup" => {
                let is_busy = tables.get(key).is_some_and(|table| {
                    table.status == "CREATING" && table.busy_until > Instant::now()
                });
                let message = "Table is being created";
                is_busy.then(|| json_error_response(400, "TableInUseException", message))
            }
            "RestoreTableToPointInTime" => {
                let source = tables.get(&(key.0.clone(), source_of(body)));
                backups::refuse_point(source, body, self.clock.now())
                    .or_else(|| backups::refuse_further(tables.values()))
            }
            "RestoreTableFromBackup" => {
                let refusal = self.lock_backups().refuse(operation, body);
                refusal.or_else(|| backups::refuse_further(tables.values()))
            }
            _ => self.lock_backups().refuse(operation, body),
        }
    }

    fn backed_up(&self, key: &(String, String), response: &MockResponse) {
        let reply: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if let Some(table) = self.lock().get(key) {
            let ready_at = Instant::now() + self.busy_for;
            self.lock_backups().made(&reply, table, self.clock.now(), ready_at);
        }
    }

    /// A table with point-in-time recovery leaves a backup behind.
    async fn keep_deleted(&self, key: &(String, String), again: &Again<'_>) {
        if self.lock().get(key).is_none_or(|table| table.recoverable_since.is_none()) {
            return;
        }
        let body = json!({"TableName": key.1, "BackupName": format!("{}{SYSTEM_SUFFIX}", key.1)});
        let made = self.inner.handle(again.ask("CreateBackup", &body)).await;
        self.backed_up(key, &made);
    }

    /// The emulator would give a table's settings and tags to the next one of its name.
    async fn forget(&self, key: &(String, String), again: &Again<'_>) {
        let Some(arn) = self.lock().get(key).map(|table| table.arn.clone()) else { return };
        let off = json!({
            "TableName": key.1,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": false},
        });
        self.inner.handle(again.ask("UpdateContinuousBackups", &off)).await;
        let ttl = self.inner.handle(again.ask("DescribeTimeToLive", &json!({"TableName": key.1})));
        let ttl: Value = serde_json::from_slice(&ttl.await.body).unwrap_or_default();
        if let Some(attribute) = ttl["TimeToLiveDescription"]["AttributeName"].as_str() {
            let off = json!({
                "TableName": key.1,
                "TimeToLiveSpecification": {"Enabled": false, "AttributeName": attribute},
            });
            self.inner.handle(again.ask("UpdateTimeToLive", &off)).await;
        }
        let tags = self.inner.handle(again.ask("ListTagsOfResource", &json!({"ResourceArn": arn})));
        let tags: Value = serde_json::from_slice(&tags.await.body).unwrap_or_default();
        let tags = tags["Tags"].as_array().into_iter().flatten().map(|tag| tag["Key"].clone());
        let untag = json!({"ResourceArn": arn, "TagKeys": tags.collect::<Vec<_>>()});
        self.inner.handle(again.ask("UntagResource", &untag)).await;
    }

    fn restore(&self, key: &(String, String), body: &Value, response: &MockResponse) {
        let reply: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let arn = reply["TableDescription"]["TableArn"].as_str().unwrap_or_default();
        let mut tables = self.lock();
        let backups = self.lock_backups();
        let source = match body["BackupArn"].as_str() {
            Some(backup) => backups.table(backup),
            None => tables.get(&(key.0.clone(), source_of(body))),
        };
        let Some(source) = source else { return };
        let restored = source.restored(arn, body, self.clock.now(), self.restore_for);
        tables.insert(key.clone(), restored);
    }

    fn update(&self, key: &(String, String), body: &Value) {
        let mut tables = self.lock();
        let Some(table) = tables.get_mut(key) else { return };
        settings(&mut table.shown, body);
        table.streams += u32::from(body["StreamSpecification"]["StreamEnabled"] == true);
        if let Some(new) = body["AttributeDefinitions"].as_array() {
            merge_attributes(&mut table.shown, new);
        }
        table.new_index = None;
        let mut all = indexes(&table.shown);
        for update in index_updates(body) {
            if !update["Create"].is_null() {
                table.new_index = update["Create"]["IndexName"].as_str().map(str::to_owned);
                all.push(describe_index(&update["Create"], &table.arn));
            }
            all.retain(|index| {
                update["Delete"].is_null() || index["IndexName"] != update["Delete"]["IndexName"]
            });
            let changed = &update["Update"];
            for index in all.iter_mut().filter(|i| i["IndexName"] == changed["IndexName"]) {
                if !changed["ProvisionedThroughput"].is_null() {
                    index["ProvisionedThroughput"] = throughput(&changed["ProvisionedThroughput"]);
                }
                limit(index, changed);
            }
        }
        if body["BillingMode"] == "PAY_PER_REQUEST" {
            for index in &mut all {
                index["ProvisionedThroughput"] = throughput(&Value::Null);
            }
        }
        table.shown.insert("GlobalSecondaryIndexes".to_owned(), json!(all));
        table.forget_attributes();
        table.status = "UPDATING";
        table.busy_until = Instant::now() + self.busy_for;
    }

    /// Writes what is kept here into a description.
    fn show(&self, key: &(String, String), response: &mut MockResponse) {
        let tables = self.lock();
        let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let Some(table) = tables.get(key) else {
            // It was deleted while this call was answered.
            if body.get("Table").is_some() {
                *response = not_found();
            }
            return;
        };
        let is_busy = table.busy_until > Instant::now();
        for description in ["Table", "TableDescription"] {
            let Some(described) = body.get_mut(description).and_then(Value::as_object_mut) else {
                continue;
            };
            described.extend(table.shown.clone());
            described.insert("TableId".to_owned(), json!(table.id));
            if let Some(restored) = &table.restored {
                let mut summary = restored.clone();
                summary["RestoreInProgress"] = json!(is_busy && table.status == "CREATING");
                described.insert("RestoreSummary".to_owned(), summary);
            }
            if described.contains_key("LatestStreamArn") {
                // The emulator's label is of the time outside.
                let label = format!(
                    "2026-01-01T00:{:02}:{:02}.000",
                    table.streams / 60,
                    table.streams % 60
                );
                described["LatestStreamArn"] = json!(format!("{}/stream/{label}", table.arn));
                described["LatestStreamLabel"] = json!(label);
            }
            described.retain(|_, value| !value.is_null() && *value != json!([]));
            if !is_busy {
                continue;
            }
            described.insert("TableStatus".to_owned(), json!(table.status));
            let indexes = described.get_mut("GlobalSecondaryIndexes");
            for index in indexes.and_then(Value::as_array_mut).into_iter().flatten() {
                if index["IndexName"].as_str() == table.new_index.as_deref() {
                    index["IndexStatus"] = json!("CREATING");
                }
            }
        }
        let recovery =
            body.pointer_mut("/ContinuousBackupsDescription/PointInTimeRecoveryDescription");
        if let (Some(recovery), Some(days)) = (recovery, &table.recovery_days) {
            recovery["RecoveryPeriodInDays"] = days.clone();
        }
        let recovery =
            body.pointer_mut("/ContinuousBackupsDescription/PointInTimeRecoveryDescription");
        if let (Some(recovery), Some((earliest, latest))) =
            (recovery, table.restorable(self.clock.now()))
        {
            recovery["EarliestRestorableDateTime"] = json!(earliest.as_second());
            recovery["LatestRestorableDateTime"] = json!(latest.as_second());
        }
        response.body = body.to_string().into();
    }

    /// The emulator forgets the tags of CreateTable; they are put on by a call of their own.
    async fn tag(&self, body: &Value, again: &Again<'_>, created: &MockResponse) {
        let created: Value = serde_json::from_slice(&created.body).unwrap_or_default();
        let (tags, arn) = (&body["Tags"], &created["TableDescription"]["TableArn"]);
        if tags.is_null() || arn.is_null() {
            return;
        }
        let request = again.ask("TagResource", &json!({"ResourceArn": arn, "Tags": tags}));
        self.inner.handle(request).await;
    }

    /// Exports and imports.
    async fn job(
        &self,
        operation: &str,
        region: &str,
        body: &Value,
        again: &Again<'_>,
    ) -> MockResponse {
        let reply = |shown: Option<Value>, code: &str| match shown {
            Some(shown) => MockResponse::json(200, shown.to_string()),
            None => json_error_response(400, code, "Requested resource not found"),
        };
        let known = |jobs: &Jobs| match operation {
            "ExportTableToPointInTime" => jobs.export("ClientToken", &body["ClientToken"]),
            "DescribeExport" => jobs.export("ExportArn", &body["ExportArn"]),
            "ImportTable" => jobs.import("ClientToken", &body["ClientToken"]),
            "DescribeImport" => jobs.import("ImportArn", &body["ImportArn"]),
            _ => Some(jobs.imports(&body["TableArn"])),
        };
        let shown = known(&self.lock_jobs());
        match operation {
            "ExportTableToPointInTime" if shown.is_none() => self.export(region, body, again).await,
            "ImportTable" if shown.is_none() => self.import(region, body, again).await,
            "DescribeImport" => reply(shown, "ImportNotFoundException"),
            _ => reply(shown, "ExportNotFoundException"),
        }
    }

    async fn export(&self, region: &str, body: &Value, again: &Again<'_>) -> MockResponse {
        let arn = body["TableArn"].as_str().unwrap_or_default();
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let now = self.clock.now();
        let source = self.lock().get(&(region.to_owned(), name.clone())).cloned();
        if let Some(refusal) = backups::refuse_point(source.as_ref(), &json!({}), now) {
            return refusal;
        }
        let id = format!("{:014}-{:08x}", now.as_millisecond(), self.lock_jobs().count());
        let items = self.items(&name, again).await;
        let written = exports::write(&self.s3, body, &id, &items).await;
        let ends_at = Instant::now() + self.busy_for;
        let table_id = source.map(|table| table.id).unwrap_or_default();
        let described = self.lock_jobs().exported(
            (body, &format!("{arn}/export/{id}"), &table_id),
            (&written, items.len()),
            (now, ends_at),
        );
        MockResponse::json(200, described.to_string())
    }

    async fn items(&self, name: &str, again: &Again<'_>) -> Vec<Value> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut ask = json!({"TableName": name});
            if !start.is_null() {
                ask["ExclusiveStartKey"] = start;
            }
            let page = self.inner.handle(again.ask("Scan", &ask)).await;
            let page: Value = serde_json::from_slice(&page.body).unwrap_or_default();
            items.extend(page["Items"].as_array().cloned().unwrap_or_default());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                return items;
            }
        }
    }

    async fn import(&self, region: &str, body: &Value, again: &Again<'_>) -> MockResponse {
        if let Some(refusal) = self.lock_jobs().refuse_import() {
            return refusal;
        }
        let wanted = &body["TableCreationParameters"];
        let name = wanted["TableName"].as_str().unwrap_or_default().to_owned();
        let created = self.inner.handle(again.ask("CreateTable", wanted)).await;
        if created.status != 200 {
            return created;
        }
        let key = (region.to_owned(), name.clone());
        self.create(key.clone(), wanted, &created, self.restore_for);
        let read = exports::read(&self.s3, body).await;
        let mut put = 0;
        for item in read.iter().flatten() {
            let ask = json!({"TableName": name, "Item": item});
            put += usize::from(self.inner.handle(again.ask("PutItem", &ask)).await.status == 200);
        }
        let table = self.lock().get(&key).cloned();
        let (arn, id) = table.map(|table| (table.arn, table.id)).unwrap_or_default();
        let ends_at = Instant::now() + self.restore_for;
        let described = self.lock_jobs().imported(
            (body, &arn, &id),
            (read.as_ref().map(Vec::len), put),
            (self.clock.now(), ends_at),
        );
        MockResponse::json(200, described.to_string())
    }

    fn lock_jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_backups(&self) -> MutexGuard<'_, Backups> {
        self.backups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes further requests as one that was made.
struct Again<'a> {
    headers: &'a HeaderMap,
    uri: &'a str,
}

impl Again<'_> {
    fn ask(&self, operation: &str, body: &Value) -> MockRequest {
        let mut headers = self.headers.clone();
        if let Ok(target) = HeaderValue::from_str(&format!("DynamoDB_20120810.{operation}")) {
            headers.insert("x-amz-target", target);
        }
        MockRequest {
            method: "POST".to_owned(),
            uri: self.uri.to_owned(),
            headers,
            body: body.to_string().into(),
        }
    }
}

/// The table that is restored to a point in time; DynamoDB takes its name or its ARN.
fn source_of(body: &Value) -> String {
    let named = |member: &str| body[member].as_str().map(str::to_owned);
    let of_arn = named("SourceTableArn").and_then(|arn| Some(arn.rsplit_once('/')?.1.to_owned()));
    named("SourceTableName").or(of_arn).unwrap_or_default()
}

/// The emulator knows a restored table's source by its name alone.
fn sourced(operation: &str, request: MockRequest, body: &Value) -> MockRequest {
    if operation != "RestoreTableToPointInTime" {
        return request;
    }
    let mut body = body.clone();
    body["SourceTableName"] = json!(source_of(&body));
    MockRequest { body: body.to_string().into(), ..request }
}

fn not_found() -> MockResponse {
    json_error_response(400, "ResourceNotFoundException", "Requested resource not found")
}

/// The emulator's ids are UUIDs without their hyphens.
fn as_uuid(id: &str) -> String {
    uuid::Uuid::try_parse(id).map_or_else(|_| id.to_owned(), |uuid| uuid.to_string())
}

fn index_updates(body: &Value) -> impl Iterator<Item = &Value> {
    body["GlobalSecondaryIndexUpdates"].as_array().into_iter().flatten()
}

fn indexes(shown: &Map<String, Value>) -> Vec<Value> {
    shown.get("GlobalSecondaryIndexes").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// An index of a table on demand that becomes provisioned without a throughput for it:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>.
fn without_throughput(shown: &Map<String, Value>, body: &Value) -> Option<String> {
    if body["BillingMode"] != "PROVISIONED" {
        return None;
    }
    let is_given = |name: &Value| {
        index_updates(body).any(|update| {
            update["Update"]["IndexName"] == *name
                && !update["Update"]["ProvisionedThroughput"].is_null()
        })
    };
    let on_demand = indexes(shown);
    let on_demand = on_demand.iter().filter(|index| {
        index["ProvisionedThroughput"]["ReadCapacityUnits"].as_i64().unwrap_or_default() == 0
    });
    let mut names = on_demand.map(|index| &index["IndexName"]);
    names.find(|name| !is_given(name)).and_then(Value::as_str).map(str::to_owned)
}

fn describe_index(index: &Value, arn: &str) -> Value {
    let mut described = index.clone();
    let name = index["IndexName"].as_str().unwrap_or_default();
    described["IndexStatus"] = json!("ACTIVE");
    described["IndexArn"] = json!(format!("{arn}/index/{name}"));
    described["ProvisionedThroughput"] = throughput(&index["ProvisionedThroughput"]);
    described["WarmThroughput"] = usual_warm_throughput();
    limit(&mut described, index);
    described
}

/// What every table and index can serve at once, on demand:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html>.
fn usual_warm_throughput() -> Value {
    json!({"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"})
}

/// The limits of a table or an index, as they are described. A limit that was taken away with -1 is not
/// shown.
fn limit(described: &mut Value, given: &Value) {
    let mut limits = described["OnDemandThroughput"].as_object().cloned().unwrap_or_default();
    limits.extend(given["OnDemandThroughput"].as_object().cloned().unwrap_or_default());
    limits.retain(|_, limit| *limit != json!(-1));
    described["OnDemandThroughput"] = if limits.is_empty() { Value::Null } else { json!(limits) };
    for (member, units) in given["WarmThroughput"].as_object().into_iter().flatten() {
        described["WarmThroughput"][member] = units.clone();
    }
    if let Value::Object(members) = described {
        members.retain(|_, value| !value.is_null());
    }
}

/// Under PAY_PER_REQUEST the capacity reads as 0.
fn throughput(given: &Value) -> Value {
    json!({
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": given["ReadCapacityUnits"].as_i64().unwrap_or(0),
        "WriteCapacityUnits": given["WriteCapacityUnits"].as_i64().unwrap_or(0),
    })
}

/// Settings of CreateTable and UpdateTable as DescribeTable shows them.
pub(super) fn settings(shown: &mut Map<String, Value>, body: &Value) {
    if let Some(on) = body["DeletionProtectionEnabled"].as_bool() {
        shown.insert("DeletionProtectionEnabled".to_owned(), json!(on));
    }
    if let Some(class) = body["TableClass"].as_str() {
        shown.insert("TableClassSummary".to_owned(), json!({"TableClass": class}));
    }
    let mut table = json!({
        "OnDemandThroughput": shown.get("OnDemandThroughput"),
        "WarmThroughput": shown.get("WarmThroughput").cloned().unwrap_or_else(usual_warm_throughput),
    });
    limit(&mut table, body);
    for member in ["OnDemandThroughput", "WarmThroughput"] {
        shown.insert(member.to_owned(), table[member].clone());
    }
    if let Some(mode) = body["BillingMode"].as_str() {
        shown.insert("BillingModeSummary".to_owned(), json!({"BillingMode": mode}));
    }
    let capacity = &body["ProvisionedThroughput"];
    if !capacity.is_null() || body["BillingMode"] == "PAY_PER_REQUEST" {
        shown.insert("ProvisionedThroughput".to_owned(), throughput(capacity));
    }
    let sse = &body["SSESpecification"];
    if sse["Enabled"] == true {
        let key = sse["KMSMasterKeyId"].as_str();
        let key = key.unwrap_or("arn:aws:kms:us-east-1:123456789012:alias/aws/dynamodb");
        let description = json!({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key});
        shown.insert("SSEDescription".to_owned(), description);
    } else if sse["Enabled"] == false {
        shown.insert("SSEDescription".to_owned(), Value::Null);
    }
}

fn merge_attributes(shown: &mut Map<String, Value>, new: &[Value]) {
    let mut all = shown["AttributeDefinitions"].as_array().cloned().unwrap_or_default();
    for attribute in new {
        all.retain(|a| a["AttributeName"] != attribute["AttributeName"]);
        all.push(attribute.clone());
    }
    shown.insert("AttributeDefinitions".to_owned(), json!(all));
}
