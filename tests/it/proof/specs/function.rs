use serde_json::{Value, json};

use super::scaling::{self, Scaled};
use super::{Proof, Request, Row, ours, rest, with};
use crate::harness::ARTIFACTS;

const CONFIGURATION: &str = "/2015-03-31/functions/{name}/configuration";
const CODE: &str = "/2015-03-31/functions/{name}/code";
const ASYNC: &str = "/2019-09-25/functions/{name}/event-invoke-config?Qualifier=live";
const URL: &str = "/2021-10-31/functions/{name}/url?Qualifier=live";
const POLICY: &str = "/2015-03-31/functions/{name}/policy?Qualifier=live";
const STATEMENT: &str = "/2015-03-31/functions/{name}/policy/s3?Qualifier=live";

fn configure(field: &'static str, named: &'static str, body: Value) -> Row {
    Row::new(field, named, rest("lambda", "PUT", CONFIGURATION, body))
}

fn asynchronous(field: &'static str, named: &'static str, changed: Value) -> Row {
    let body = json!({
        "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 600,
        "DestinationConfig": {
            "OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:123456789012:done"},
            "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:failed"},
        },
    });
    Row::new(field, named, rest("lambda", "PUT", ASYNC, with(&body, &changed)))
}

fn url(field: &'static str, named: &'static str, body: Value) -> Row {
    Row::new(field, named, rest("lambda", "PUT", URL, body))
}

fn cors(field: &'static str, named: &'static str, changed: Value) -> Row {
    let cors = json!({
        "AllowCredentials": false, "AllowHeaders": ["x-a"], "AllowMethods": ["GET", "POST"],
        "AllowOrigins": ["https://a.com"], "ExposeHeaders": ["x-b"], "MaxAge": 60,
    });
    url(field, named, json!({ "Cors": with(&cors, &changed) }))
}

/// A statement cannot be changed: somebody removes it and adds another of its name.
fn permission(field: &'static str, named: &'static str, changed: Value) -> Row {
    let statement = json!({
        "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::uploads", "SourceAccount": "123456789012",
        "PrincipalOrgID": "o-abcdefghij",
    });
    let remove: Request = rest("lambda", "DELETE", STATEMENT, Value::Null);
    let add = rest("lambda", "POST", POLICY, with(&statement, &changed));
    Row::new(field, named, remove).then(add)
}

/// A statement with no other conditions than these: others would be asked about, not repaired.
fn alone(changed: Value) -> Value {
    let without = json!({"SourceArn": null, "SourceAccount": null, "PrincipalOrgID": null});
    with(&without, &changed)
}

pub fn bare() -> Value {
    json!({
        "runtime": "nodejs22.x", "handler": "main.handler",
        "role": "arn:aws:iam::123456789012:role/api",
        "code": {"s3": {"bucket": ARTIFACTS, "key": "api.zip"}},
    })
}

fn full() -> Value {
    with(
        &bare(),
        &json!({
            "description": "orders",
            "architectures": ["x86_64"],
            "memorySize": 512,
            "timeout": 15,
            "ephemeralStorage": {"size": 1024},
            "env": [{"name": "STAGE", "value": "proof"}, {"name": "LEVEL", "value": "1"}],
            "layers": ["arn:aws:lambda:us-east-1:123456789012:layer:a:1", "arn:aws:lambda:us-east-1:123456789012:layer:b:2"],
            "vpc": {"subnetIds": ["subnet-a", "subnet-b"], "securityGroupIds": ["sg-a"], "ipv6AllowedForDualStack": false},
            "tracing": {"mode": "Active"},
            "logging": {"logFormat": "JSON", "applicationLogLevel": "WARN", "systemLogLevel": "WARN", "logGroup": "/proof/a"},
            "deadLetter": {"targetArn": "arn:aws:sqs:us-east-1:123456789012:dead"},
            "snapStart": {"applyOn": "None"},
            "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/a",
            "reservedConcurrency": 5,
            "provisionedConcurrency": {},
            "recursiveLoop": "Allow",
            "aliasDescription": "what is served",
            "async": {
                "maximumRetryAttempts": 1, "maximumEventAgeInSeconds": 600,
                "onSuccess": "arn:aws:sqs:us-east-1:123456789012:done",
                "onFailure": "arn:aws:sqs:us-east-1:123456789012:failed",
            },
            "url": {
                "authType": "AWS_IAM", "invokeMode": "BUFFERED",
                "cors": {
                    "allowCredentials": false, "allowHeaders": ["x-a"], "allowMethods": ["GET", "POST"],
                    "allowOrigins": ["https://a.com"], "exposeHeaders": ["x-b"], "maxAge": 60,
                },
            },
            "permissions": [{
                "id": "s3", "principal": "s3.amazonaws.com", "action": "lambda:InvokeFunction",
                "sourceArn": "arn:aws:s3:::uploads", "sourceAccount": "123456789012",
                "principalOrgId": "o-abcdefghij",
            }],
            "alias": "live",
            "tags": {"team": "storefront"},
        }),
    )
}

fn variants() -> Vec<(&'static str, Value)> {
    let full = full();
    let image = json!({"runtime": null, "handler": null, "layers": null, "code": {"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/api:1"}});
    let secret =
        |name: &str| json!({"secretsManager": {"secretId": format!("proof/{name}"), "key": "key"}});
    let changed = [
        ("full", json!({})),
        ("bigger", json!({"memorySize": 1024, "timeout": 60, "ephemeralStorage": {"size": 2048}})),
        (
            "other variables",
            json!({"env": [{"name": "STAGE", "value": "other"}, {"name": "NEW", "value": "1"}]}),
        ),
        (
            "a secret",
            json!({"env": [{"name": "STAGE", "value": "proof"}, {"name": "KEY", "valueFrom": secret("first")}]}),
        ),
        ("another secret", json!({"env": [{"name": "KEY", "valueFrom": secret("second")}]})),
        (
            "cleared settings",
            json!({"env": [], "layers": [], "vpc": {}, "deadLetter": {}, "kmsKeyArn": "", "description": ""}),
        ),
        (
            "cleared extras",
            json!({"url": {}, "async": {}, "permissions": [], "reservedConcurrency": -1, "recursiveLoop": "Terminate", "aliasDescription": ""}),
        ),
        (
            "an open URL",
            json!({"url": {"authType": "NONE", "invokeMode": "RESPONSE_STREAM", "cors": {"allowCredentials": true, "allowHeaders": [], "allowMethods": ["*"], "allowOrigins": ["https://b.com"], "exposeHeaders": [], "maxAge": 0}}}),
        ),
        (
            "other permissions",
            json!({"permissions": [
                {"id": "s3", "principal": "s3.amazonaws.com", "action": "lambda:InvokeFunction", "sourceArn": "arn:aws:s3:::others"},
                {"id": "sns", "principal": "sns.amazonaws.com", "action": "lambda:InvokeFunction"},
            ]}),
        ),
        ("other code", json!({"code": {"s3": {"bucket": ARTIFACTS, "key": "api-2.zip"}}})),
        (
            "another runtime",
            json!({"runtime": "python3.13", "handler": "main.run", "role": "arn:aws:iam::123456789012:role/other", "architectures": ["arm64"]}),
        ),
        (
            "text logs",
            json!({"logging": {"logFormat": "Text", "logGroup": "/proof/b"}, "tracing": {"mode": "PassThrough"}, "runtime": "python3.13", "ephemeralStorage": {"size": 512}, "snapStart": {"applyOn": "PublishedVersions"}}),
        ),
        (
            "other async settings",
            json!({"async": {"maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60, "onSuccess": "arn:aws:sqs:us-east-1:123456789012:other", "onFailure": "arn:aws:sqs:us-east-1:123456789012:done"}, "reservedConcurrency": 0, "tags": {"team": "other"}}),
        ),
        (
            "scaled",
            json!({"provisionedConcurrency": {"autoScaling": scaling::declared(2)}, "memorySize": 256}),
        ),
        ("scaled otherwise", json!({"provisionedConcurrency": {"autoScaling": scaling::other(2)}})),
        ("provisioned", json!({"provisionedConcurrency": {"executions": 2, "autoScaling": {}}})),
        ("an image", image.clone()),
        (
            "an image with other settings",
            with(&image, &json!({"memorySize": 128, "env": [], "tags": {"team": "images"}})),
        ),
    ];
    changed.into_iter().map(|(name, fields)| (name, with(&full, &fields))).collect()
}

fn rows() -> Vec<Row> {
    let open = json!({"url": {"authType": "NONE", "cors": {}}});
    let image = json!({"runtime": null, "handler": null, "layers": null, "code": {"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/api:1"}});
    let digest = trueup::model::sha256_hex("code");
    let pinned = json!({"code": {"s3": {"bucket": ARTIFACTS, "key": "api.zip", "sha256": digest}}});
    let other_code =
        || rest("lambda", "PUT", CODE, json!({"S3Bucket": ARTIFACTS, "S3Key": "api-2.zip"}));
    let mut rows = executions();
    rows.extend([
        configure("description", "description", json!({"Description": "by hand"})),
        configure("runtime", "runtime", json!({"Runtime": "nodejs20.x"})),
        configure("handler", "handler", json!({"Handler": "other.handler"})),
        configure("role", "role", json!({"Role": "arn:aws:iam::123456789012:role/other"})),
        configure("memorySize", "memorySize", json!({"MemorySize": 256})),
        configure("timeout", "timeout", json!({"Timeout": 30})),
        configure("ephemeralStorage.size", "ephemeralStorage.size", json!({"EphemeralStorage": {"Size": 4096}})),
        configure("env[].name", "env[BY_HAND]", json!({"Environment": {"Variables": {"STAGE": "proof", "LEVEL": "1", "BY_HAND": "1"}}})),
        configure("env[].value", "env[STAGE].value", json!({"Environment": {"Variables": {"STAGE": "by hand", "LEVEL": "1"}}})),
        configure("env[].value", "env[LEVEL]", json!({"Environment": {"Variables": {"STAGE": "proof"}}})),
        configure("layers[]", "layers[0]", json!({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:c:1", "arn:aws:lambda:us-east-1:123456789012:layer:b:2"]})),
        configure("layers[]", "layers", json!({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:a:1"]})),
        configure("vpc.subnetIds[]", "vpc.subnetIds", json!({"VpcConfig": {"SubnetIds": ["subnet-c"], "SecurityGroupIds": ["sg-a"], "Ipv6AllowedForDualStack": false}})),
        configure("vpc.securityGroupIds[]", "vpc.securityGroupIds", json!({"VpcConfig": {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-b"], "Ipv6AllowedForDualStack": false}})),
        configure("vpc.ipv6AllowedForDualStack", "vpc.ipv6AllowedForDualStack", json!({"VpcConfig": {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-a"], "Ipv6AllowedForDualStack": true}})),
        configure("tracing.mode", "tracing.mode", json!({"TracingConfig": {"Mode": "PassThrough"}})),
        configure("logging.logFormat", "logging.logFormat", json!({"LoggingConfig": {"LogFormat": "Text"}})),
        configure("logging.applicationLogLevel", "logging.applicationLogLevel", json!({"LoggingConfig": {"ApplicationLogLevel": "TRACE"}})),
        configure("logging.systemLogLevel", "logging.systemLogLevel", json!({"LoggingConfig": {"SystemLogLevel": "DEBUG"}})),
        configure("logging.logGroup", "logging.logGroup", json!({"LoggingConfig": {"LogGroup": "/by/hand"}})),
        configure("deadLetter.targetArn", "deadLetter.targetArn", json!({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:other"}})),
        configure("snapStart.applyOn", "snapStart.applyOn", json!({"SnapStart": {"ApplyOn": "PublishedVersions"}})),
        configure("kmsKeyArn", "kmsKeyArn", json!({"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/b"})),
        Row::new("reservedConcurrency", "reservedConcurrency", rest("lambda", "PUT", "/2017-10-31/functions/{name}/concurrency", json!({"ReservedConcurrentExecutions": 9}))),
        Row::new("reservedConcurrency", "reservedConcurrency", rest("lambda", "DELETE", "/2017-10-31/functions/{name}/concurrency", Value::Null)),
        Row::new("recursiveLoop", "recursiveLoop", rest("lambda", "PUT", "/2024-08-31/functions/{name}/recursion-config", json!({"RecursiveLoop": "Terminate"}))),
        Row::new("aliasDescription", "aliasDescription", rest("lambda", "PUT", "/2015-03-31/functions/{name}/aliases/live", json!({"Description": "by hand"}))),
        asynchronous("async.maximumRetryAttempts", "async.maximumRetryAttempts", json!({"MaximumRetryAttempts": 2})),
        asynchronous("async.maximumEventAgeInSeconds", "async.maximumEventAgeInSeconds", json!({"MaximumEventAgeInSeconds": 90})),
        asynchronous("async.onSuccess", "async.onSuccess", json!({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:failed"}}})),
        asynchronous("async.onFailure", "async.onFailure", json!({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:123456789012:done"}, "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:other"}}})),
        Row::new("async.onFailure", "async", rest("lambda", "DELETE", ASYNC, Value::Null)),
        url("url.authType", "url.authType", json!({"AuthType": "NONE"})),
        url("url.authType", "url.authType", json!({"AuthType": "AWS_IAM"})).on(&open),
        url("url.invokeMode", "url.invokeMode", json!({"InvokeMode": "RESPONSE_STREAM"})),
        Row::new("url.authType", "url", rest("lambda", "DELETE", URL, Value::Null)),
        cors("url.cors.allowCredentials", "url.cors.allowCredentials", json!({"AllowCredentials": true})),
        cors("url.cors.allowHeaders[]", "url.cors.allowHeaders", json!({"AllowHeaders": ["x-a", "x-c"]})),
        cors("url.cors.allowMethods[]", "url.cors.allowMethods", json!({"AllowMethods": ["GET"]})),
        cors("url.cors.allowOrigins[]", "url.cors.allowOrigins", json!({"AllowOrigins": ["*"]})),
        cors("url.cors.exposeHeaders[]", "url.cors.exposeHeaders", json!({"ExposeHeaders": []})),
        cors("url.cors.maxAge", "url.cors.maxAge", json!({"MaxAge": 61})),
        permission("permissions[].principal", "permissions[s3].principal", json!({"Principal": "sns.amazonaws.com"})),
        permission("permissions[].action", "permissions[s3].action", json!({"Action": "lambda:GetFunction"})),
        permission("permissions[].sourceArn", "permissions[s3].sourceArn", json!({"SourceArn": "arn:aws:s3:::others"})),
        permission("permissions[].sourceAccount", "permissions[s3].sourceAccount", json!({"SourceAccount": "999999999999"})),
        permission("permissions[].principalOrgId", "permissions[s3].principalOrgId", json!({"PrincipalOrgID": "o-zzzzzzzzzz"})),
        permission("permissions[].functionUrlAuthType", "permissions[s3].functionUrlAuthType", alone(json!({"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"})))
            .on(&json!({"permissions": [{"id": "s3", "principal": "s3.amazonaws.com", "action": "lambda:InvokeFunctionUrl", "functionUrlAuthType": "AWS_IAM"}]})),
        permission("permissions[].invokedViaFunctionUrl", "permissions[s3].invokedViaFunctionUrl", alone(json!({"InvokedViaFunctionUrl": false})))
            .on(&json!({"permissions": [{"id": "s3", "principal": "s3.amazonaws.com", "action": "lambda:InvokeFunction", "invokedViaFunctionUrl": true}]})),
        permission("permissions[].eventSourceToken", "permissions[s3].eventSourceToken", alone(json!({"Principal": "alexa-connectedhome.amazon.com", "EventSourceToken": "by-hand"})))
            .on(&json!({"permissions": [{"id": "s3", "principal": "alexa-connectedhome.amazon.com", "action": "lambda:InvokeFunction", "eventSourceToken": "token"}]})),
        Row::new("permissions[].id", "permissions[s3]", rest("lambda", "DELETE", STATEMENT, Value::Null)),
        Row::new("permissions[].id", "permissions[by-hand]", rest("lambda", "POST", POLICY, json!({"StatementId": "by-hand", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"}))),
        Row::new("alias", "alias", rest("lambda", "DELETE", "/2015-03-31/functions/{name}/aliases/live", Value::Null)),
        Row::new("alias", "alias", rest("lambda", "PUT", "/2015-03-31/functions/{name}/aliases/live", json!({"FunctionVersion": "$LATEST"}))),
        Row::new("architectures[]", "architectures[0]", rest("lambda", "PUT", CODE, json!({"S3Bucket": ARTIFACTS, "S3Key": "api.zip", "Architectures": ["arm64"]}))),
        Row::new("code.s3.key", "code.s3.key", other_code()),
        Row::new("code.s3.sha256", "code.sha256", other_code()).on(&pinned),
        Row::new("code.image", "code.image", rest("lambda", "PUT", CODE, json!({"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/api:2"}))).on(&image),
        Row::new("tags.*", "tags.team", rest("lambda", "POST", "/2017-03-31/tags/{arn}", json!({"Tags": {"team": "by hand"}}))),
        Row::new("tags.*", "tags.team", rest("lambda", "DELETE", "/2017-03-31/tags/{arn}?tagKeys=team", Value::Null)),
    ]);
    rows
}

/// What is kept ready of the alias's version.
fn executions() -> Vec<Row> {
    let scaled = Scaled {
        field: "provisionedConcurrency.autoScaling",
        named: "provisionedConcurrency.autoScaling",
        namespace: "lambda",
        resource: "function:{name}:{version}",
        dimension: "lambda:function:ProvisionedConcurrency",
        metric: "LambdaProvisionedConcurrencyUtilization",
        whole: 1.0,
        capacity: 2,
    };
    let mut rows =
        scaled.rows(&json!({"provisionedConcurrency": {"autoScaling": scaling::declared(2)}}));
    let fixed = json!({"provisionedConcurrency": {"executions": 2}});
    let path = "/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier={version}";
    let field = "provisionedConcurrency.executions";
    for (method, body) in
        [("PUT", json!({"ProvisionedConcurrentExecutions": 4})), ("DELETE", Value::Null)]
    {
        rows.push(Row::new(field, field, rest("lambda", method, path, body)).on(&fixed));
    }
    rows
}

pub fn proof() -> Proof {
    let mut exempt = ours();
    exempt.extend([
        ("code.path", "apply packages it into code.s3"),
        ("rollout.strategy", "it says how trueup shifts, see tests/it/shifting.rs"),
        ("rollout.steps[].weight", "it says how trueup shifts, see tests/it/shifting.rs"),
        ("rollout.steps[].pause", "it says how trueup shifts, see tests/it/shifting.rs"),
        ("rollout.keepVersions", "it says what trueup deletes, see tests/it/shifting.rs"),
        ("rollout.analysis.ratio", "it says what trueup judges by, see tests/it/analysis.rs"),
        ("rollout.analysis.alpha", "it says what trueup judges by, see tests/it/analysis.rs"),
        ("rollout.analysis.beta", "it says what trueup judges by, see tests/it/analysis.rs"),
        ("rollout.analysis.minRequests", "it says what trueup judges by, see tests/it/analysis.rs"),
        ("rollout.analysis.maxDuration", "it says what trueup judges by, see tests/it/analysis.rs"),
        ("rollout.analysis.probes[].payload", "trueup sends it, see tests/it/analysis.rs"),
        ("rollout.analysis.probes[].status", "it is asked of an answer, see tests/it/analysis.rs"),
        ("rollout.analysis.probes[].contains", "it is asked of an answer, see signals/call.rs"),
        (
            "rollout.analysis.probes[].matches[].path",
            "it is asked of an answer, see signals/call.rs",
        ),
        (
            "rollout.analysis.probes[].matches[].equals",
            "it is asked of an answer, see signals/call.rs",
        ),
        ("rollout.analysis.probes[].timeout", "it is asked of an answer, see signals/call.rs"),
        ("rollout.beforeTraffic.function", "trueup calls it, see tests/it/analysis.rs"),
        ("rollout.beforeTraffic.url", "trueup calls it, see tests/it/analysis.rs"),
        ("rollout.beforeTraffic.timeout", "trueup calls it, see tests/it/analysis.rs"),
        ("rollout.afterTraffic.function", "trueup calls it, see tests/it/analysis.rs"),
        ("rollout.afterTraffic.url", "trueup calls it, see tests/it/analysis.rs"),
        ("rollout.afterTraffic.timeout", "trueup calls it, see tests/it/analysis.rs"),
        (
            "code.s3.bucket",
            "Lambda never says where code came from; its digest drifts, see code.s3.key",
        ),
        (
            "code.s3.version",
            "Lambda never says where code came from; its digest drifts, see code.s3.key",
        ),
        ("env[].valueFrom", "is resolved to env[].value"),
    ]);
    Proof {
        kind: "Function",
        full: full(),
        bare: bare(),
        variants: variants(),
        rows: rows(),
        exempt,
    }
}
