//! What the schema of a Function cannot say. Pure.

use super::provisioned;
use super::spec::*;
use crate::kinds::{EnvVar, SpecProblem};

pub(super) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err("a function's name has 1 to 64 letters, digits, `-` or `_`".to_owned())
}

/// All variables together: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
const ENV_BYTES_MAX: usize = 4096;

/// Variables that Lambda sets itself and refuses to take.
const RESERVED_ENV: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Rules of AWS's that stand in no model.
fn check_code(spec: &FunctionSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    // "Source image public.ecr.aws/... is not valid": https://github.com/grafana/loki/issues/7218; other
    // registries: https://github.com/aws/containers-roadmap/issues/1217.
    let image = spec.code.image.as_deref();
    if let Some(image) =
        image.filter(|image| ![".dkr.ecr", ".dkr-ecr."].iter().any(|ecr| image.contains(ecr)))
    {
        let message = format!(
            "`{image}` is not in a private repository of Amazon ECR, and Lambda takes no other"
        );
        let problem = SpecProblem::new("code.image", message);
        let help = "write it as 123456789012.dkr.ecr.us-east-1.amazonaws.com/name:tag";
        problems.push(problem.help(help));
    }
    problems
}

pub(super) fn validate(spec: &FunctionSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let is_image = spec.code.image.is_some();
    for (field, given) in [("runtime", spec.runtime.is_some()), ("handler", spec.handler.is_some())]
    {
        if is_image && given {
            let message = format!("{field} does not go with code.image: the image brings its own");
            problems.push(SpecProblem::new(field, message));
        }
        if !is_image && !given {
            let message = format!("code in a zip needs {field}");
            problems.push(SpecProblem::new("", message).help(format!("add {field} to spec")));
        }
    }
    // https://github.com/aws/serverless-application-model/issues/1890.
    if is_image && spec.layers.as_ref().is_some_and(|layers| !layers.is_empty()) {
        let message = "layers do not go with code.image: put what they hold into the image";
        problems.push(SpecProblem::new("layers", message));
    }
    problems.extend(check_code(spec));
    problems.extend(check_snap_start(spec));
    problems.extend(check_targets(spec));
    problems.extend(provisioned::validate(spec));
    problems.extend(check_env(spec.env.as_deref().unwrap_or_default()));
    let mut seen = Vec::new();
    for (i, permission) in spec.permissions.iter().flatten().enumerate() {
        if seen.contains(&&permission.id) {
            let message = format!("permission id `{}` is used twice", permission.id);
            problems.push(SpecProblem::new(format!("permissions[{i}].id"), message));
        }
        seen.push(&permission.id);
        problems.extend(check_permission(&format!("permissions[{i}]"), permission));
    }
    if spec.alias.is_none() && spec.alias_description.is_some() {
        let message = "aliasDescription describes an alias, and there is none";
        problems.push(SpecProblem::new("aliasDescription", message).help("add alias to spec"));
    }
    if let Some(url) = &spec.url
        && url.auth_type.is_none()
        && (url.cors.is_some() || url.invoke_mode.is_some())
    {
        let problem = SpecProblem::new("url", "a function URL needs authType");
        problems.push(problem.help("add authType: NONE (anybody) or AWS_IAM (signed calls)"));
    }
    let cors = spec.url.as_ref().and_then(|url| url.cors.as_ref());
    let methods = cors.and_then(|cors| cors.allow_methods.as_deref()).unwrap_or_default();
    for (i, method) in methods.iter().enumerate() {
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-url-cors.html; a
        // browser's OPTIONS is answered by Lambda itself.
        if !["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"].contains(&method.as_str()) {
            let message =
                format!("`{method}` is none of GET, PUT, HEAD, POST, PATCH, DELETE and *");
            problems.push(SpecProblem::new(format!("url.cors.allowMethods[{i}]"), message));
        }
    }
    if let Some(logging) = &spec.logging
        && logging.log_format != Some(LogFormat::Json)
        && (logging.application_log_level.is_some() || logging.system_log_level.is_some())
    {
        let message = "log levels need logFormat: JSON";
        problems.push(SpecProblem::new("logging", message));
    }
    problems
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html>. Which runtimes have snapshots changes, and is left to
/// Lambda.
fn check_snap_start(spec: &FunctionSpec) -> Option<SpecProblem> {
    let snap = spec.snap_start.as_ref()?;
    let is_large = spec.ephemeral_storage.is_some_and(|storage| storage.size > 512);
    (snap.apply_on == SnapStartOn::PublishedVersions && is_large).then(|| {
        let message = "a function that starts from a snapshot has 512 MB of storage";
        SpecProblem::new("ephemeralStorage.size", message)
    })
}

/// "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action": Lambda's answer, in many reports. The other
/// one is of <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>.
fn check_permission(at: &str, permission: &Permission) -> Vec<SpecProblem> {
    let action = permission.action.as_deref().unwrap_or("lambda:InvokeFunction");
    let given = [
        (
            "functionUrlAuthType",
            permission.function_url_auth_type.is_some(),
            "lambda:InvokeFunctionUrl",
        ),
        (
            "invokedViaFunctionUrl",
            permission.invoked_via_function_url.is_some(),
            "lambda:InvokeFunction",
        ),
    ];
    given
        .into_iter()
        .filter(|(_, is_given, needed)| *is_given && action != *needed)
        .map(|(field, _, needed)| {
            SpecProblem::new(format!("{at}.{field}"), format!("{field} goes with action {needed}"))
        })
        .collect()
}

/// Where events go that a function did not take: queues and topics for dead letters
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>), and for what became of an event
/// functions and event buses, too, and buckets where it failed. None of them in order (FIFO): "FIFO SQS queue is not
/// supported for dead letter configuration".
fn check_targets(spec: &FunctionSpec) -> Vec<SpecProblem> {
    let dead = spec.dead_letter.as_ref().and_then(|dead| dead.target_arn.as_deref());
    let events = spec.async_invocation.as_ref();
    let success = events.and_then(|events| events.on_success.as_deref());
    let failure = events.and_then(|events| events.on_failure.as_deref());
    let all = [
        ("deadLetter.targetArn", dead, &["sqs", "sns"][..]),
        ("async.onSuccess", success, &["sqs", "sns", "lambda", "events"]),
        ("async.onFailure", failure, &["sqs", "sns", "lambda", "events", "s3"]),
    ];
    let mut problems = Vec::new();
    for (path, arn, services) in all {
        // The model lets Kafka's own addresses through, too.
        let Some(arn) = arn.filter(|arn| arn.starts_with("arn:")) else { continue };
        let service = arn.split(':').nth(2).unwrap_or_default();
        if !services.contains(&service) {
            let message = format!("Lambda does not send events to `{service}` here");
            let problem = SpecProblem::new(path, message);
            problems.push(problem.help(format!("give the ARN of one of: {}", services.join(", "))));
        } else if ["sqs", "sns"].contains(&service) && arn.ends_with(".fifo") {
            let message = "Lambda sends nothing to FIFO queues and topics";
            problems.push(SpecProblem::new(path, message));
        }
    }
    problems
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html>.
fn is_env_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    begins && name.len() >= 2 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_env(env: &[EnvVar]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    let mut bytes = 0;
    for (i, variable) in env.iter().enumerate() {
        let path = format!("env[{i}]");
        let name = variable.name.as_str();
        bytes += name.len() + variable.value.as_ref().map_or(0, String::len);
        if seen.contains(&name) {
            let message = format!("variable `{name}` is set twice");
            problems.push(SpecProblem::new(format!("{path}.name"), message));
        }
        seen.push(name);
        if !is_env_name(name) {
            let problem = SpecProblem::new(
                format!("{path}.name"),
                format!("`{name}` is not a legal name of a variable"),
            );
            problems.push(
                problem
                    .help("it has at least two letters, digits or `_`, and begins with a letter"),
            );
        }
        if RESERVED_ENV.contains(&name) {
            let message = format!("`{name}` is set by Lambda itself and cannot be given");
            problems.push(SpecProblem::new(format!("{path}.name"), message));
        }
        if let Some(message) = variable.problem() {
            problems.push(SpecProblem::new(path, message));
        }
    }
    if bytes > ENV_BYTES_MAX {
        let message = format!("the variables take {bytes} bytes; Lambda allows {ENV_BYTES_MAX}");
        problems.push(SpecProblem::new("env", message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn against(extra: Value) -> Vec<String> {
        let mut spec = json!({
            "runtime": "python3.13", "handler": "a.b", "role": "arn:aws:iam::123456789012:role/api",
            "code": {"path": "."},
        });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let spec: FunctionSpec = serde_json::from_value(spec).unwrap();
        validate(&spec).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn what_lambda_alone_would_refuse_is_refused_before() {
        let snapped = |extra: Value| {
            let mut spec = json!({"snapStart": {"applyOn": "PublishedVersions"}});
            spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            spec
        };
        let let_in = |extra: Value| {
            let mut permission = json!({"id": "a", "principal": "*"});
            permission.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            json!({"permissions": [permission]})
        };
        let arn =
            |service: &str, name: &str| format!("arn:aws:{service}:us-east-1:123456789012:{name}");
        let dead =
            |service: &str, name: &str| json!({"deadLetter": {"targetArn": arn(service, name)}});
        let sent =
            |field: &str, service: &str, name: &str| json!({"async": {field: arn(service, name)}});
        let methods = |methods: &[&str]| json!({"url": {"authType": "NONE", "cors": {"allowMethods": methods}}});
        for (spec, expected) in [
            (snapped(json!({})), None),
            (json!({"ephemeralStorage": {"size": 513}}), None),
            (snapped(json!({"ephemeralStorage": {"size": 513}})), Some("ephemeralStorage.size")),
            (
                let_in(json!({"functionUrlAuthType": "NONE"})),
                Some("permissions[0].functionUrlAuthType"),
            ),
            (
                let_in(
                    json!({"functionUrlAuthType": "NONE", "action": "lambda:InvokeFunctionUrl"}),
                ),
                None,
            ),
            (let_in(json!({"invokedViaFunctionUrl": true})), None),
            (
                let_in(
                    json!({"invokedViaFunctionUrl": true, "action": "lambda:InvokeFunctionUrl"}),
                ),
                Some("permissions[0].invokedViaFunctionUrl"),
            ),
            (dead("sqs", "q"), None),
            (dead("sns", "t"), None),
            (dead("lambda", "function:f"), Some("deadLetter.targetArn")),
            (dead("sqs", "q.fifo"), Some("deadLetter.targetArn")),
            (sent("onSuccess", "lambda", "function:f"), None),
            (sent("onSuccess", "s3", "b"), Some("async.onSuccess")),
            (sent("onFailure", "s3", "b"), None),
            (sent("onFailure", "events", "event-bus/default"), None),
            (sent("onFailure", "kinesis", "stream/s"), Some("async.onFailure")),
            (json!({"async": {"onFailure": "kafka://topic"}}), None),
            (methods(&["GET", "*"]), None),
            (methods(&["GET", "GETT"]), Some("url.cors.allowMethods[1]")),
        ] {
            assert_eq!(
                against(spec.clone()),
                expected.iter().copied().collect::<Vec<_>>(),
                "{spec}"
            );
        }
    }
}
