use serde_json::{Value, json};

use super::{Proof, Row, ours, rest, with};
use crate::harness::ARTIFACTS;

fn app(field: &'static str, named: &'static str, body: Value) -> Row {
    Row::new(field, named, rest("amplify", "POST", "/apps/{app}", body))
}

fn branch(field: &'static str, named: &'static str, body: Value) -> Row {
    Row::new(field, named, rest("amplify", "POST", "/apps/{app}/branches/main", body))
}

fn domain(field: &'static str, named: &'static str, settings: Value) -> Row {
    let body = json!({ "subDomainSettings": settings });
    Row::new(field, named, rest("amplify", "POST", "/apps/{app}/domains/a.com", body))
}

/// Settings of the domain beside its subdomains.
fn certified(field: &'static str, settings: Value) -> Row {
    let subdomains = json!({"subDomainSettings": [{"prefix": "www", "branchName": "main"}]});
    let body = with(&subdomains, &settings);
    Row::new(field, field, rest("amplify", "POST", "/apps/{app}/domains/a.com", body))
}

fn bare() -> Value {
    json!({"artifact": {"s3": {"bucket": ARTIFACTS, "key": "web.zip"}}, "branch": {"name": "main"}})
}

fn secret(name: &str) -> Value {
    json!({"secretsManager": {"secretId": format!("proof/{name}"), "key": "login"}})
}

fn full() -> Value {
    with(
        &bare(),
        &json!({
            "description": "shop",
            "platform": "WEB",
            "build": {"command": "nx build web", "outputDirectory": "dist/apps/web"},
            "branch": {
                "name": "main", "stage": "PRODUCTION", "framework": "React", "autoBuild": false,
                "env": [{"name": "BRANCH", "value": "proof"}], "basicAuth": {"credentialsFrom": secret("second")},
            },
            "env": [{"name": "STAGE", "value": "proof"}, {"name": "LEVEL", "value": "1"}],
            "customRules": [{"source": "/<*>", "target": "/index.html", "status": "404-200", "condition": "<US>"}],
            "customHeaders": "customHeaders: []",
            "domain": {
                "name": "a.com", "subdomains": [{"prefix": "www", "branch": "main"}], "autoSubdomains": true,
                "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/a",
            },
            "computeRole": "arn:aws:iam::123456789012:role/render",
            "cacheConfig": {"type": "AMPLIFY_MANAGED"},
            "jobConfig": {"buildComputeType": "LARGE_16GB"},
            "basicAuth": {"credentialsFrom": secret("first")},
            "serviceRole": "arn:aws:iam::123456789012:role/amplify",
            "tags": {"team": "storefront"},
        }),
    )
}

fn connected() -> Value {
    json!({"artifact": null, "repository": {"url": "https://github.com/a/web"}})
}

fn variants() -> Vec<(&'static str, Value)> {
    let full = full();
    let changed = [
        ("full", json!({})),
        (
            "another artifact",
            json!({"artifact": {"s3": {"bucket": ARTIFACTS, "key": "web-2.zip"}}}),
        ),
        (
            "another description",
            json!({
                "description": "", "serviceRole": "arn:aws:iam::123456789012:role/other", "computeRole": "",
                "cacheConfig": {"type": "AMPLIFY_MANAGED_NO_COOKIES"}, "jobConfig": {"buildComputeType": "XLARGE_72GB"},
            }),
        ),
        ("another platform", json!({"platform": "WEB_COMPUTE"})),
        (
            "another build",
            json!({"build": {"command": "npm run build", "outputDirectory": "build"}}),
        ),
        ("a build specification", json!({"build": {"spec": "version: 1\n"}})),
        (
            "another stage",
            json!({"branch": with(&full["branch"], &json!({"stage": "BETA", "framework": "Vue", "autoBuild": true}))}),
        ),
        (
            "other variables and another login of the branch",
            json!({"branch": {
                "name": "main", "stage": "PRODUCTION", "framework": "React", "autoBuild": false,
                "env": [{"name": "KEY", "valueFrom": {"secretsManager": {"secretId": "proof/first", "key": "key"}}}],
                "basicAuth": {"credentialsFrom": secret("first")},
            }}),
        ),
        (
            "nothing of the branch's own",
            json!({"branch": with(&full["branch"], &json!({"env": [], "basicAuth": {}}))}),
        ),
        (
            "other variables",
            json!({"env": [{"name": "STAGE", "value": "other"}, {"name": "KEY", "valueFrom": {"secretsManager": {"secretId": "proof/first", "key": "key"}}}]}),
        ),
        ("no variables", json!({"env": [], "customRules": []})),
        (
            "other rules",
            json!({"customRules": [{"source": "/a", "target": "/b", "status": "301"}, {"source": "/<*>", "target": "/index.html", "status": "200"}], "customHeaders": ""}),
        ),
        ("no domain", json!({"domain": {}, "basicAuth": {}})),
        (
            "more subdomains",
            json!({"domain": {"name": "a.com", "subdomains": [{"prefix": "", "branch": "main"}, {"prefix": "shop", "branch": "main"}], "autoSubdomains": false, "certificateArn": ""}}),
        ),
        (
            "another login",
            json!({"basicAuth": {"credentialsFrom": secret("second")}, "tags": {"team": "other"}}),
        ),
        ("a repository", connected()),
        (
            "another repository",
            with(
                &connected(),
                &json!({"repository": {"url": "https://github.com/a/shop"}, "description": "x"}),
            ),
        ),
    ];
    changed.into_iter().map(|(name, fields)| (name, with(&full, &fields))).collect()
}

fn rows() -> Vec<Row> {
    let specified = json!({"build": {"spec": "version: 1\n"}});
    let deploy = || {
        rest(
            "amplify",
            "POST",
            "/apps/{app}/branches/main/deployments/start",
            json!({"sourceUrl": "https://artifacts.s3.us-east-1.amazonaws.com/web-2.zip?X-Amz-Signature=byhand", "sourceUrlType": "ZIP"}),
        )
    };
    vec![
        app("description", "description", json!({"description": "by hand"})),
        app("platform", "platform", json!({"platform": "WEB_DYNAMIC"})),
        app("build.command", "build", json!({"buildSpec": "version: 1\n# npm run build\n"})),
        app("build.outputDirectory", "build", json!({"buildSpec": "version: 1\n# other\n"})),
        app("build.spec", "build", json!({"buildSpec": "version: 2\n"})).on(&specified),
        app(
            "repository.url",
            "repository.url",
            json!({"repository": "https://github.com/by/hand", "accessToken": "x"}),
        )
        .on(&connected()),
        app(
            "env[].name",
            "env[BY_HAND]",
            json!({"environmentVariables": {"STAGE": "proof", "LEVEL": "1", "BY_HAND": "1"}}),
        ),
        app(
            "env[].value",
            "env[STAGE].value",
            json!({"environmentVariables": {"STAGE": "by hand", "LEVEL": "1"}}),
        ),
        app(
            "customRules[].source",
            "customRules[0].source",
            json!({"customRules": [{"source": "/x", "target": "/index.html", "status": "404-200", "condition": "<US>"}]}),
        ),
        app(
            "customRules[].target",
            "customRules[0].target",
            json!({"customRules": [{"source": "/<*>", "target": "/x.html", "status": "404-200", "condition": "<US>"}]}),
        ),
        app(
            "customRules[].status",
            "customRules[0].status",
            json!({"customRules": [{"source": "/<*>", "target": "/index.html", "status": "200", "condition": "<US>"}]}),
        ),
        app(
            "customRules[].condition",
            "customRules[0].condition",
            json!({"customRules": [{"source": "/<*>", "target": "/index.html", "status": "404-200", "condition": "<CA>"}]}),
        ),
        app("customRules[].source", "customRules", json!({"customRules": []})),
        app("customHeaders", "customHeaders", json!({"customHeaders": "customHeaders: [x]"})),
        app("basicAuth.credentialsFrom", "basicAuth", json!({"enableBasicAuth": false})),
        app(
            "basicAuth.credentialsFrom",
            "basicAuth",
            json!({"basicAuthCredentials": "YnlIYW5kOnNlY3JldA=="}),
        ),
        app(
            "serviceRole",
            "serviceRole",
            json!({"iamServiceRoleArn": "arn:aws:iam::123456789012:role/by-hand"}),
        ),
        app(
            "computeRole",
            "computeRole",
            json!({"computeRoleArn": "arn:aws:iam::123456789012:role/by-hand"}),
        ),
        app(
            "cacheConfig.type",
            "cacheConfig.type",
            json!({"cacheConfig": {"type": "AMPLIFY_MANAGED_NO_COOKIES"}}),
        ),
        app(
            "jobConfig.buildComputeType",
            "jobConfig.buildComputeType",
            json!({"jobConfig": {"buildComputeType": "STANDARD_8GB"}}),
        ),
        certified("domain.autoSubdomains", json!({"enableAutoSubDomain": false})),
        certified(
            "domain.certificateArn",
            json!({"certificateSettings": {"type": "AMPLIFY_MANAGED"}}),
        ),
        branch("branch.stage", "branch.stage", json!({"stage": "DEVELOPMENT"})),
        branch("branch.framework", "branch.framework", json!({"framework": "Svelte"})),
        branch(
            "branch.env[].name",
            "branch.env[BY_HAND]",
            json!({"environmentVariables": {"BRANCH": "proof", "BY_HAND": "1"}}),
        ),
        branch(
            "branch.env[].value",
            "branch.env[BRANCH].value",
            json!({"environmentVariables": {"BRANCH": "by hand"}}),
        ),
        branch(
            "branch.basicAuth.credentialsFrom",
            "branch.basicAuth",
            json!({"enableBasicAuth": false}),
        ),
        branch("branch.autoBuild", "branch.autoBuild", json!({"enableAutoBuild": true})),
        Row::new(
            "branch.name",
            "branch.name",
            rest("amplify", "DELETE", "/apps/{app}/branches/main", Value::Null),
        ),
        domain(
            "domain.subdomains[].prefix",
            "domain.subdomains[www]",
            json!([{"prefix": "shop", "branchName": "main"}]),
        ),
        domain(
            "domain.subdomains[].branch",
            "domain.subdomains[www].branch",
            json!([{"prefix": "www", "branchName": "other"}]),
        ),
        Row::new(
            "domain.name",
            "domain",
            rest("amplify", "DELETE", "/apps/{app}/domains/a.com", Value::Null),
        ),
        Row::new("artifact.s3.key", "artifact", deploy()),
        Row::new(
            "tags.*",
            "tags.team",
            rest("amplify", "POST", "/tags/{arn}", json!({"tags": {"team": "by hand"}})),
        ),
        Row::new(
            "tags.*",
            "tags.team",
            rest("amplify", "DELETE", "/tags/{arn}?tagKeys=team", Value::Null),
        ),
    ]
}

pub fn proof() -> Proof {
    let mut exempt = ours();
    let by_key =
        "Amplify never says what was deployed; a deployment by hand does, see artifact.s3.key";
    exempt.extend([
        ("artifact.path", "apply packages it into artifact.s3"),
        ("artifact.s3.bucket", by_key),
        ("artifact.s3.version", by_key),
        ("artifact.s3.sha256", by_key),
        ("repository.tokenFrom", "Amplify never shows a token"),
        ("env[].valueFrom", "is resolved to env[].value"),
        ("branch.env[].valueFrom", "is resolved to branch.env[].value"),
    ]);
    Proof {
        kind: "Frontend",
        full: full(),
        bare: bare(),
        variants: variants(),
        rows: rows(),
        exempt,
    }
}
