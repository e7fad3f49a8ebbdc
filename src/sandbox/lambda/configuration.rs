//! What a function's configuration is made of, and what Lambda fills in by itself.

use serde_json::{Map, Value, json};

use super::{Refusal, invalid};

/// Members that CreateFunction and UpdateFunctionConfiguration take over as they are.
const PLAIN: [&str; 11] = [
    "Description",
    "Runtime",
    "Handler",
    "Role",
    "MemorySize",
    "Timeout",
    "EphemeralStorage",
    "KMSKeyArn",
    "TracingConfig",
    "FileSystemConfigs",
    "TenancyConfig",
];

/// Lambda's own values for what CreateFunction is not given:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>.
pub(super) fn defaults(name: &str) -> Map<String, Value> {
    let defaults = json!({
        "Description": "",
        "MemorySize": 128,
        "Timeout": 3,
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}")},
        "Architectures": ["x86_64"],
    });
    defaults.as_object().cloned().unwrap_or_default()
}

/// Takes the members of a request over.
pub(super) fn merge(into: &mut Map<String, Value>, body: &Value) -> Result<(), Refusal> {
    check(body)?;
    for name in PLAIN {
        match &body[name] {
            Value::Null => {}
            Value::String(text) if text.is_empty() && name == "KMSKeyArn" => {
                into.remove(name);
            }
            value => {
                into.insert(name.to_owned(), value.clone());
            }
        }
    }
    if !body["Environment"].is_null() {
        merge_environment(into, &body["Environment"]);
    }
    if let Some(layers) = body["Layers"].as_array() {
        let layers: Vec<_> = layers.iter().map(|arn| json!({"Arn": arn, "CodeSize": 0})).collect();
        if layers.is_empty() {
            into.remove("Layers");
        } else {
            into.insert("Layers".to_owned(), Value::Array(layers));
        }
    }
    if let Some(vpc) = body["VpcConfig"].as_object() {
        let has = |list: &str| {
            vpc.get(list).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        if has("SubnetIds") != has("SecurityGroupIds") {
            let message = "SubnetIds and SecurityIds must coexist or be both empty list.";
            return Err(invalid(message.to_owned()));
        }
        let in_vpc = has("SubnetIds");
        let mut vpc = vpc.clone();
        let id = if in_vpc { "vpc-0sandbox" } else { "" };
        vpc.insert("VpcId".to_owned(), json!(id));
        for list in ["SubnetIds", "SecurityGroupIds"] {
            vpc.entry(list).or_insert_with(|| json!([]));
        }
        vpc.entry("Ipv6AllowedForDualStack").or_insert(json!(false));
        into.insert("VpcConfig".to_owned(), Value::Object(vpc));
    }
    if let Some(target) = body["DeadLetterConfig"]["TargetArn"].as_str() {
        if target.is_empty() {
            into.remove("DeadLetterConfig");
        } else {
            into.insert("DeadLetterConfig".to_owned(), json!({"TargetArn": target}));
        }
    }
    if let Some(apply_on) = body["SnapStart"]["ApplyOn"].as_str() {
        into["SnapStart"] = json!({"ApplyOn": apply_on, "OptimizationStatus": "Off"});
    }
    if let Some(logging) = body["LoggingConfig"].as_object() {
        merge_logging(into, logging);
    }
    Ok(())
}

fn merge_environment(into: &mut Map<String, Value>, environment: &Value) {
    let variables = environment["Variables"].as_object().cloned().unwrap_or_default();
    if variables.is_empty() {
        into.remove("Environment");
    } else {
        into.insert("Environment".to_owned(), json!({"Variables": variables}));
    }
}

/// JSON logs have levels, INFO where none are given; text logs have none.
fn merge_logging(into: &mut Map<String, Value>, logging: &Map<String, Value>) {
    let mut merged = into["LoggingConfig"].as_object().cloned().unwrap_or_default();
    merged
        .extend(logging.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())));
    let levels = ["ApplicationLogLevel", "SystemLogLevel"];
    if merged.get("LogFormat") == Some(&json!("JSON")) {
        for level in levels {
            merged.entry(level).or_insert_with(|| json!("INFO"));
        }
    } else {
        merged.retain(|name, _| !levels.contains(&name.as_str()));
    }
    into.insert("LoggingConfig".to_owned(), Value::Object(merged));
}

/// The limits that Lambda checks.
fn check(body: &Value) -> Result<(), Refusal> {
    let within = |value: &Value, least: i64, most: i64| {
        value.as_i64().is_none_or(|v| (least..=most).contains(&v))
    };
    if !within(&body["MemorySize"], 128, 10240) {
        return Err(invalid("'MemorySize' value failed to satisfy constraint".to_owned()));
    }
    if !within(&body["Timeout"], 1, 900) {
        return Err(invalid("'Timeout' value failed to satisfy constraint".to_owned()));
    }
    let variables = body["Environment"]["Variables"].as_object();
    let bytes: usize = variables
        .into_iter()
        .flatten()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > 4096 {
        let message = "Lambda was unable to configure your environment variables because the environment \
                       variables you have provided exceeded the 4KB limit.";
        return Err(invalid(message.to_owned()));
    }
    Ok(())
}
