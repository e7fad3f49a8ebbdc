//! Values at and beyond the limits of AWS's models: what AWS refuses, validation refuses, and what AWS takes,
//! it takes.

use serde_json::{Value, json};
use trueup::manifest::{Scope, Source, Sources, load};

use crate::proof::figure;

type Is = fn(&Value) -> bool;

/// Where validation is on purpose another than the model, and why.
const ON_PURPOSE: &[(&str, Is, &str)] = &[
    (
        "/memorySize",
        |value| value.as_i64().is_some_and(|mb| mb > 10_240),
        "more than 10,240 MB is for functions on capacity providers, which trueup does not make: \
         https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
    ),
    (
        "/replication/rules/0/destination/storageClass",
        |value| OF_OTHERS.iter().any(|class| value == class),
        "copies go into buckets of the general kind: \
         https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html",
    ),
    (
        "/reservedConcurrency",
        |value| *value == json!(-1),
        "-1 removes the reservation: a call of its own",
    ),
    (
        "/url/cors/allowMethods/0",
        |value| value.as_str().is_some(),
        "the model has a length, CloudFormation the six methods",
    ),
    (
        "/deadLetter/targetArn",
        |value| !is_of(value, &["sqs", "sns"]),
        "the model has any ARN, Lambda takes queues and topics",
    ),
    (
        "/async/onSuccess",
        |value| !is_of(value, &["sqs", "sns", "lambda", "events"]),
        "the model has any ARN, the guide names four services",
    ),
    (
        "/async/onFailure",
        |value| !is_of(value, &["sqs", "sns", "lambda", "events", "s3"]),
        "the model has any ARN, the guide names five services",
    ),
];

/// Whether a value is an ARN of one of some services.
fn is_of(value: &Value, services: &[&str]) -> bool {
    let service = value.as_str().and_then(|arn| arn.split(':').nth(2));
    service.is_some_and(|service| services.contains(&service))
}

/// Classes of storage that only other kinds of buckets have, or other services.
const OF_OTHERS: [&str; 5] = ["OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"];

/// A valid spec of a kind that has every field that is tried.
fn base(kind: &str) -> Value {
    match kind {
        "Function" => json!({
            "description": "d", "runtime": "python3.13", "handler": "main.handler", "timeout": 3, "memorySize": 128,
            "role": "arn:aws:iam::123456789012:role/api", "ephemeralStorage": {"size": 512},
            "architectures": ["arm64"], "layers": ["arn:aws:lambda:us-east-1:123456789012:layer:l:1"],
            "kmsKeyArn": "", "deadLetter": {"targetArn": ""}, "env": [{"name": "NAME", "value": "v"}],
            "tracing": {"mode": "Active"}, "snapStart": {"applyOn": "None"}, "alias": "live",
            "logging": {"logFormat": "JSON"}, "reservedConcurrency": 1, "async": {},
            "url": {"authType": "NONE", "cors": {
                "allowHeaders": ["*"], "allowMethods": ["*"], "allowOrigins": ["*"], "exposeHeaders": ["*"],
            }},
            "permissions": [{"id": "s3", "principal": "s3.amazonaws.com"}],
            "code": {"s3": {"bucket": "artifacts", "key": "api.zip"}},
        }),
        "Table" => json!({
            "partitionKey": {"name": "zz-id", "type": "S"}, "ttl": {"attribute": "zz-until"},
            "globalSecondaryIndexes": [{
                "name": "zz-by", "partitionKey": {"name": "zz-shop", "type": "S"},
                "additionalPartitionKeys": [{"name": "zz-market", "type": "S"}],
                "projection": {"type": "INCLUDE", "nonKeyAttributes": ["zz-total"]},
            }],
            "contributorInsights": {"enabled": true}, "pointInTimeRecovery": {"enabled": true}, "stream": {"enabled": true, "viewType": "KEYS_ONLY"},
        }),
        "Bucket" => json!({
            "versioning": "Enabled", "objectOwnership": "ObjectWriter", "accelerate": "Enabled",
            "encryption": {"algorithm": "AES256", "blockedEncryptionTypes": ["NONE"]},
            "lifecycle": [{
                "id": "old", "transitions": [{"days": 30, "storageClass": "GLACIER"}],
                "noncurrentVersionTransitions": [{"days": 30, "storageClass": "GLACIER"}],
            }],
            "logging": {"targetBucket": "logs", "partitionDateSource": "EventTime"},
            "notifications": {"functions": [{
                "id": "f", "arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "events": ["s3:ObjectCreated:*"],
            }]},
            "objectLock": {"enabled": true, "defaultRetention": {"mode": "GOVERNANCE", "days": 1}},
            "website": {"indexDocument": "i.html", "routingRules": [{"redirect": {"protocol": "https"}}]},
            "replication": {"role": "arn:aws:iam::123456789012:role/copy", "rules": [{
                "id": "r", "priority": 1, "destination": {"bucketArn": "arn:aws:s3:::b", "storageClass": "GLACIER"},
            }]},
            "intelligentTiering": [{"id": "t", "tierings": [{"days": 180, "accessTier": "ARCHIVE_ACCESS"}]}],
            "inventory": [{
                "id": "i", "includedObjectVersions": "All", "frequency": "Daily", "optionalFields": ["Size"],
                "destination": {"bucketArn": "arn:aws:s3:::b", "format": "CSV"},
            }],
        }),
        _ => json!({
            "description": "d", "branch": {"name": "main", "env": [{"name": "NAME", "value": "v"}]}, "build": {"spec": "version: 1"},
            "customRules": [{"source": "/a", "target": "/b"}], "env": [{"name": "NAME", "value": "v"}],
            "domain": {"name": "example.com", "subdomains": [{"prefix": "www", "branch": "main"}]},
        }),
    }
}

/// Puts a value at a pointer; objects on the way are made.
fn put(spec: &mut Value, pointer: &str, value: Value) {
    let (first, rest) = pointer[1..].split_once('/').unwrap_or((&pointer[1..], ""));
    let inner = match spec {
        Value::Array(items) => &mut items[first.parse::<usize>().unwrap()],
        other => &mut other[first],
    };
    match rest {
        "" => *inner = value,
        rest => put(inner, &format!("/{rest}"), value),
    }
}

/// Takes away what goes with the base's value alone: replication and object lock need versioning, and only an INCLUDE
/// projection has attributes of its own.
fn without_what_needs_another(spec: &mut Value, path: &str) {
    match path {
        "/versioning" => {
            let spec = spec.as_object_mut().unwrap();
            spec.retain(|field, _| !["replication", "objectLock"].contains(&field.as_str()));
        }
        "/globalSecondaryIndexes/0/projection/type" => {
            let projection = &mut spec["globalSecondaryIndexes"][0]["projection"];
            if projection["type"] != "INCLUDE" {
                projection.as_object_mut().unwrap().remove("nonKeyAttributes");
            }
        }
        _ => {}
    }
}

/// Why a spec is refused; `None` where it is taken.
fn refusal(kind: &str, spec: &Value) -> Option<String> {
    let manifest = json!({
        "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "metadata": {"name": "it", "namespace": "dev"},
        "spec": spec,
    });
    let text = manifest.to_string();
    let source = Source { name: "it.json".to_owned(), text, directory: ".".into() };
    load(Sources(vec![source]), None, Scope::Part).err().map(|problems| problems.to_string())
}

#[test]
fn what_aws_refuses_is_refused_and_what_it_takes_is_taken() {
    let Some(models) = super::models("boundaries.py") else { return };
    for kind in ["Function", "Table", "Frontend", "Bucket"] {
        assert_eq!(refusal(kind, &base(kind)), None, "the base of {kind}");
    }
    let (mut tried, mut on_purpose, mut wrong) = (0, 0, Vec::new());
    for line in models.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (kind, path) = (line["kind"].as_str().unwrap(), line["path"].as_str().unwrap());
        let mut spec = base(kind);
        put(&mut spec, path, line["value"].clone());
        without_what_needs_another(&mut spec, path);
        let refusal = refusal(kind, &spec);
        tried += 1;
        if refusal.is_none() == line["accepted"].as_bool().unwrap() {
            continue;
        }
        if ON_PURPOSE.iter().any(|(at, is_it, _)| *at == path && is_it(&line["value"])) {
            on_purpose += 1;
            continue;
        }
        let value: String = line["value"].to_string().chars().take(60).collect();
        let said = refusal.map_or("is taken", |_| "is refused");
        wrong.push(format!("{kind} {path} ({}): {value} {said}", line["shape"]));
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    figure(
        "boundaries",
        &format!(
            "{tried} values at the limits of AWS's models: 0 differences, {on_purpose} on purpose"
        ),
    );
}
