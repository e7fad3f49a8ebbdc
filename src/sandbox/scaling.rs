//! Application Auto Scaling: scalable targets, their policies and their scheduled actions.
//!
//! Follows <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html>: a new target needs
//! both bounds; registering brings the capacity of an active resource between them; policies and scheduled actions
//! need a target, and go with it. A table that is deleted leaves its targets behind.
//!
//! Not there: the scaling itself. Whoever plays the scaler changes the capacity by hand.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use winterbaume_core::{MockRequest, MockResponse, json_error_response};

use super::ACCOUNT_ID;
use super::call::Call;
use super::dynamodb::DynamoDb;
use super::lambda::Lambda;
use crate::model::Clock;

/// Region, namespace, resource and dimension.
type Key = [String; 4];

pub(super) struct Scaling {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    targets: BTreeMap<Key, Value>,
    /// By target and name.
    policies: BTreeMap<(Key, String), Value>,
    actions: BTreeMap<(Key, String), Value>,
}

struct Refusal(&'static str, String);

type Answer = Result<Value, Refusal>;

impl Scaling {
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub async fn handle(
        &self,
        call: &Call,
        request: &MockRequest,
        (dynamodb, lambda): (&DynamoDb, &Lambda),
    ) -> MockResponse {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let scaled = Scaled { region: &call.region, dynamodb, lambda };
        let is_registered = call.operation == "RegisterScalableTarget";
        if is_registered && let Err(refusal) = scaled.capacity(&body).await {
            return refused(refusal);
        }
        let answer = self.answer(call, &body);
        if is_registered && answer.is_ok() {
            let target = self.lock().targets.get(&key_of(&call.region, &body)).cloned();
            scaled.bring_within(&target.unwrap_or_default()).await;
        }
        match answer {
            Ok(answer) => MockResponse::json(200, answer.to_string()),
            Err(refusal) => refused(refusal),
        }
    }

    fn answer(&self, call: &Call, body: &Value) -> Answer {
        let mut state = self.lock();
        let key = key_of(&call.region, body);
        let now = self.clock.now().as_second();
        match call.operation.as_str() {
            "RegisterScalableTarget" => state.register(&key, body, now),
            "DeregisterScalableTarget" => state.deregister(&key),
            "DescribeScalableTargets" => Ok(json!({"ScalableTargets": state.targets(&key, body)})),
            "PutScalingPolicy" => state.put_policy(&key, body, now),
            "DeleteScalingPolicy" => {
                let name = text(body, "PolicyName");
                state
                    .policies
                    .remove(&(key, name))
                    .map(|_| json!({}))
                    .ok_or_else(|| missing("policy"))
            }
            "DescribeScalingPolicies" => {
                Ok(json!({"ScalingPolicies": of_resource(&state.policies, &key)}))
            }
            "PutScheduledAction" => state.put_action(&key, body, now),
            "DeleteScheduledAction" => {
                let name = text(body, "ScheduledActionName");
                state
                    .actions
                    .remove(&(key, name))
                    .map(|_| json!({}))
                    .ok_or_else(|| missing("action"))
            }
            "DescribeScheduledActions" => {
                Ok(json!({"ScheduledActions": of_resource(&state.actions, &key)}))
            }
            // Nothing is tagged here; Terraform asks.
            "ListTagsForResource" => Ok(json!({"Tags": {}})),
            other => Err(invalid(format!("the sandbox has no operation {other}"))),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn register(&mut self, key: &Key, body: &Value, now: i64) -> Answer {
        let mut target = self.targets.get(key).cloned().unwrap_or_else(|| {
            json!({
                "ServiceNamespace": key[1], "ResourceId": key[2], "ScalableDimension": key[3],
                "RoleARN": format!("arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/AWSServiceRoleForApplicationAutoScaling"),
                "CreationTime": now,
                "ScalableTargetARN": arn(key, "scalable-target"),
                "SuspendedState": {
                    "DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false,
                    "ScheduledScalingSuspended": false,
                },
            })
        });
        for bound in ["MinCapacity", "MaxCapacity"] {
            if body[bound].is_i64() {
                target[bound] = body[bound].clone();
            }
        }
        let (Some(min), Some(max)) =
            (target["MinCapacity"].as_i64(), target["MaxCapacity"].as_i64())
        else {
            return Err(invalid("MinCapacity and MaxCapacity are required".to_owned()));
        };
        if min > max {
            let message = "Maximum capacity cannot be less than minimum capacity";
            return Err(invalid(message.to_owned()));
        }
        if min < 1 && key[1] == "dynamodb" {
            return Err(invalid("Minimum capacity must be at least 1".to_owned()));
        }
        let arn = target["ScalableTargetARN"].clone();
        self.targets.insert(key.clone(), target);
        Ok(json!({"ScalableTargetARN": arn}))
    }

    fn deregister(&mut self, key: &Key) -> Answer {
        self.targets.remove(key).ok_or_else(|| missing("scalable target"))?;
        self.policies.retain(|(of, _), _| of != key);
        self.actions.retain(|(of, _), _| of != key);
        Ok(json!({}))
    }

    fn targets(&self, key: &Key, body: &Value) -> Vec<&Value> {
        let named = body["ResourceIds"].as_array();
        let is_asked = |(of, _): &(&Key, &Value)| {
            let is_named = named.is_none_or(|named| named.contains(&json!(of[2])));
            let is_dimension = body["ScalableDimension"].is_null() || of[3] == key[3];
            of[..2] == key[..2] && is_named && is_dimension
        };
        self.targets.iter().filter(is_asked).map(|(_, target)| target).collect()
    }

    fn put_policy(&mut self, key: &Key, body: &Value, now: i64) -> Answer {
        if !self.targets.contains_key(key) {
            return Err(missing("scalable target"));
        }
        let name = text(body, "PolicyName");
        let metric = |policy: &Value| {
            policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
                .clone()
        };
        let others = self.policies.iter().filter(|((of, other), _)| of == key && *other != name);
        if others.map(|(_, policy)| metric(policy)).any(|m| !m.is_null() && m == metric(body)) {
            let message =
                "Only one TargetTrackingScaling policy for a given metric specification is allowed";
            return Err(invalid(message.to_owned()));
        }
        let arn = arn(key, &format!("policyName/{name}"));
        let mut policy = given(body);
        policy.insert("PolicyARN".to_owned(), json!(arn));
        policy.insert("CreationTime".to_owned(), json!(now));
        policy.insert("Alarms".to_owned(), json!([]));
        self.policies.insert((key.clone(), name), Value::Object(policy));
        Ok(json!({"PolicyARN": arn, "Alarms": []}))
    }

    /// What is not sent along goes.
    fn put_action(&mut self, key: &Key, body: &Value, now: i64) -> Answer {
        if !self.targets.contains_key(key) {
            return Err(missing("scalable target"));
        }
        let name = text(body, "ScheduledActionName");
        let mut action = given(body);
        action.insert("ScheduledActionARN".to_owned(), json!(arn(key, &format!("action/{name}"))));
        action.insert("CreationTime".to_owned(), json!(now));
        self.actions.insert((key.clone(), name), Value::Object(action));
        Ok(json!({}))
    }
}

/// What is scaled, in the services that have it.
struct Scaled<'a> {
    region: &'a str,
    dynamodb: &'a DynamoDb,
    lambda: &'a Lambda,
}

impl Scaled<'_> {
    /// The capacity of what a request names; `None` where it is not active.
    async fn capacity(&self, body: &Value) -> Result<Option<i64>, Refusal> {
        let resource = text(body, "ResourceId");
        if let Some((function, qualifier)) = function_of(&resource) {
            return match self.lambda.provisioned(self.region, function, qualifier) {
                Some(executions) => Ok(Some(executions)),
                None => Err(invalid(format!("Lambda function does not exist: {resource}"))),
            };
        }
        let (table, index) = table_of(&resource);
        let described = self.dynamodb_says("DescribeTable", &json!({"TableName": table})).await;
        let described = &described["Table"];
        let indexes = described["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let place = match index {
            None => Some(described),
            Some(name) => indexes.into_iter().find(|index| index["IndexName"] == name),
        };
        let Some(place) = place.filter(|place| !place.is_null()) else {
            return Err(invalid(format!("DynamoDB table does not exist: {resource}")));
        };
        let is_active = described["TableStatus"] == "ACTIVE";
        Ok(place["ProvisionedThroughput"][units_of(body)].as_i64().filter(|_| is_active))
    }

    async fn bring_within(&self, target: &Value) {
        let bounds = (target["MinCapacity"].as_i64(), target["MaxCapacity"].as_i64());
        let (Some(min), Some(max)) = bounds else { return };
        let Ok(Some(now)) = self.capacity(target).await else { return };
        let wanted = now.clamp(min, max);
        // A table on demand has none.
        let resource = text(target, "ResourceId");
        if let Some((function, qualifier)) = function_of(&resource) {
            if wanted != now {
                self.lambda.provision(self.region, function, qualifier, wanted);
            }
            return;
        }
        if wanted == now || now == 0 {
            return;
        }
        let (table, index) = table_of(&resource);
        let described = self.dynamodb_says("DescribeTable", &json!({"TableName": table})).await;
        let mut indexes =
            described["Table"]["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let place = match index {
            None => &described["Table"],
            Some(name) => indexes.find(|index| index["IndexName"] == name).unwrap_or(&Value::Null),
        };
        let mut throughput = json!({
            "ReadCapacityUnits": place["ProvisionedThroughput"]["ReadCapacityUnits"],
            "WriteCapacityUnits": place["ProvisionedThroughput"]["WriteCapacityUnits"],
        });
        throughput[units_of(target)] = json!(wanted);
        let update = match index {
            None => json!({"TableName": table, "ProvisionedThroughput": throughput}),
            Some(name) => json!({
                "TableName": table,
                "GlobalSecondaryIndexUpdates": [
                    {"Update": {"IndexName": name, "ProvisionedThroughput": throughput}},
                ],
            }),
        };
        self.dynamodb_says("UpdateTable", &update).await;
    }

    async fn dynamodb_says(&self, operation: &str, body: &Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let mut request = super::by_hand("dynamodb", "POST", "/", &target, &body.to_string());
        request.uri = format!("https://dynamodb.{}.amazonaws.com/", self.region);
        let call = Call { region: self.region.to_owned(), ..Call::of(&request) };
        let response = self.dynamodb.handle(&call, request).await;
        serde_json::from_slice(&response.body).unwrap_or_default()
    }
}

fn units_of(body: &Value) -> &'static str {
    let dimension = body["ScalableDimension"].as_str().unwrap_or_default();
    if dimension.contains("Read") { "ReadCapacityUnits" } else { "WriteCapacityUnits" }
}

/// `function:api:7`.
fn function_of(resource: &str) -> Option<(&str, &str)> {
    resource.strip_prefix("function:")?.split_once(':')
}

/// `table/orders`, `table/orders/index/byState`.
fn table_of(resource: &str) -> (&str, Option<&str>) {
    let table = resource.strip_prefix("table/").unwrap_or(resource);
    table.split_once("/index/").map_or((table, None), |(table, index)| (table, Some(index)))
}

fn key_of(region: &str, body: &Value) -> Key {
    [
        region.to_owned(),
        text(body, "ServiceNamespace"),
        text(body, "ResourceId"),
        text(body, "ScalableDimension"),
    ]
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_default().to_owned()
}

fn given(body: &Value) -> Map<String, Value> {
    body.as_object().cloned().unwrap_or_default()
}

fn of_resource<'a>(all: &'a BTreeMap<(Key, String), Value>, key: &Key) -> Vec<&'a Value> {
    let is_asked = |of: &Key| of[..2] == key[..2] && (key[2].is_empty() || of[2] == key[2]);
    all.iter().filter(|((of, _), _)| is_asked(of)).map(|(_, one)| one).collect()
}

fn arn(key: &Key, what: &str) -> String {
    format!("arn:aws:application-autoscaling:{}:{ACCOUNT_ID}:{what}:{}/{}", key[0], key[2], key[3])
}

fn invalid(message: String) -> Refusal {
    Refusal("ValidationException", message)
}

fn missing(what: &str) -> Refusal {
    Refusal("ObjectNotFoundException", format!("No {what} found"))
}

fn refused(Refusal(code, message): Refusal) -> MockResponse {
    json_error_response(400, code, &message)
}
