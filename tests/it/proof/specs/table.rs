use serde_json::{Value, json};

use super::scaling::{self, Scaled};
use super::{Proof, Request, Row, ours, rest, with};

fn call(operation: &'static str, mut body: Value) -> Request {
    body["TableName"] = json!("{name}");
    rest("dynamodb", "POST", operation, body)
}

fn update(field: &'static str, named: &'static str, body: Value) -> Row {
    Row::new(field, named, call("UpdateTable", body))
}

/// An index cannot be changed: somebody deletes it and makes another of its name.
fn index(field: &'static str, named: &'static str, changed: Value) -> Row {
    let index = json!({
        "IndexName": "byStatus",
        "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total", "items"]},
    });
    let attributes = json!([
        {"AttributeName": "status", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "other", "AttributeType": "S"},
    ]);
    let types = changed["types"].as_array().map_or(attributes, |types| json!(types));
    let made = with(&with(&index, &changed), &json!({ "types": null }));
    let create = json!({
        "AttributeDefinitions": types, "GlobalSecondaryIndexUpdates": [{ "Create": made }],
    });
    let delete = json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "byStatus"}}]});
    update(field, named, delete).then(call("UpdateTable", create))
}

fn capacity(read: i64, write: i64) -> Value {
    json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write})
}

fn bare() -> Value {
    json!({"partitionKey": {"name": "id", "type": "S"}})
}

fn by_status() -> Value {
    json!({
        "name": "byStatus", "partitionKey": {"name": "status", "type": "S"}, "sortKey": {"name": "at", "type": "N"},
        "projection": {"type": "INCLUDE", "nonKeyAttributes": ["total", "items"]},
    })
}

fn limits() -> Value {
    json!({
        "onDemandThroughput": {"maxReadRequestUnits": 100, "maxWriteRequestUnits": 50},
        "warmThroughput": {"readUnitsPerSecond": 20_000, "writeUnitsPerSecond": 8_000},
    })
}

fn several_keys() -> Value {
    let further = |name: &str, kind: &str| json!([{"name": name, "type": kind}]);
    with(
        &by_status(),
        &json!({
            "additionalPartitionKeys": further("shop", "S"), "additionalSortKeys": further("seq", "N"),
        }),
    )
}

fn full() -> Value {
    with(
        &bare(),
        &json!({
            "sortKey": {"name": "at", "type": "N"},
            "localSecondaryIndexes": [{"name": "byTotal", "sortKey": {"name": "total", "type": "N"}, "projection": {"type": "KEYS_ONLY"}}],
            "globalSecondaryIndexes": [by_status()],
            "billing": {"mode": "PAY_PER_REQUEST"},
            "onDemandThroughput": {"maxReadRequestUnits": 100, "maxWriteRequestUnits": 50},
            "stream": {"enabled": true, "viewType": "NEW_IMAGE"},
            "ttl": {"enabled": true, "attribute": "expiresAt"},
            "pointInTimeRecovery": {"enabled": true, "recoveryPeriodInDays": 7},
            "encryption": {"type": "KMS", "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/a"},
            "tableClass": "STANDARD",
            "deletionProtection": false,
            "resourcePolicy": policy("dynamodb:GetItem"),
            "contributorInsights": {"enabled": true, "mode": "THROTTLED_KEYS"},
            "autoScaling": {},
            "tags": {"team": "storefront"},
        }),
    )
}

fn policy(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "read", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": action,
        "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/proof-it",
    }]})
}

fn provisioned(read: i64, write: i64) -> Value {
    json!({"mode": "PROVISIONED", "throughput": {"readCapacityUnits": read, "writeCapacityUnits": write}})
}

/// Reads and writes of the table, and of its index.
fn scaled(table: Value, index: Value) -> Value {
    json!({
        "readCapacity": table, "writeCapacity": table,
        "indexes": [{"name": "byStatus", "readCapacity": index, "writeCapacity": index}],
    })
}

/// Every row of every capacity that is scaled.
fn scaled_rows() -> Vec<Row> {
    let base = json!({
        "billing": provisioned(10, 10), "onDemandThroughput": null,
        "globalSecondaryIndexes": [provisioned_index("byStatus", 7, 7)],
        "autoScaling": scaled(scaling::declared(10), scaling::declared(7)),
    });
    let (table, index) = ("table/{name}", "table/{name}/index/byStatus");
    let (reads, writes) = ("DynamoDBReadCapacityUtilization", "DynamoDBWriteCapacityUtilization");
    let all = [
        (
            "autoScaling.readCapacity",
            "autoScaling.readCapacity",
            table,
            "dynamodb:table:ReadCapacityUnits",
            reads,
        ),
        (
            "autoScaling.writeCapacity",
            "autoScaling.writeCapacity",
            table,
            "dynamodb:table:WriteCapacityUnits",
            writes,
        ),
        (
            "autoScaling.indexes[].readCapacity",
            "autoScaling.indexes[byStatus].readCapacity",
            index,
            "dynamodb:index:ReadCapacityUnits",
            reads,
        ),
        (
            "autoScaling.indexes[].writeCapacity",
            "autoScaling.indexes[byStatus].writeCapacity",
            index,
            "dynamodb:index:WriteCapacityUnits",
            writes,
        ),
    ];
    let rows = |(field, named, resource, dimension, metric)| {
        let capacity = if resource == index { 7 } else { 10 };
        let namespace = "dynamodb";
        Scaled { field, named, namespace, resource, dimension, metric, whole: 100.0, capacity }
            .rows(&base)
    };
    all.into_iter().flat_map(rows).collect()
}

fn provisioned_index(name: &str, read: i64, write: i64) -> Value {
    json!({
        "name": name, "partitionKey": {"name": "status", "type": "S"}, "projection": {"type": "ALL"},
        "throughput": {"readCapacityUnits": read, "writeCapacityUnits": write},
    })
}

fn variants() -> Vec<(&'static str, Value)> {
    let full = full();
    let on_provision = |read, write, indexes: Value| json!({"billing": provisioned(read, write), "onDemandThroughput": null, "globalSecondaryIndexes": indexes});
    let changed = [
        ("full", json!({})),
        ("no indexes", json!({"globalSecondaryIndexes": []})),
        (
            "another index",
            json!({"globalSecondaryIndexes": [{"name": "byDay", "partitionKey": {"name": "day", "type": "S"}, "projection": {"type": "ALL"}}]}),
        ),
        (
            "two indexes",
            json!({"globalSecondaryIndexes": [by_status(), {"name": "byDay", "partitionKey": {"name": "day", "type": "S"}, "projection": {"type": "KEYS_ONLY"}}]}),
        ),
        (
            "a changed index",
            json!({"globalSecondaryIndexes": [with(&by_status(), &json!({"projection": {"type": "ALL"}, "sortKey": null}))]}),
        ),
        // Warm throughput is never lowered: what a table had before it would show.
        (
            "an index with limits",
            json!({"globalSecondaryIndexes": [with(&by_status(), &with(&limits(), &json!({"warmThroughput": null})))]}),
        ),
        ("an index of several keys", json!({"globalSecondaryIndexes": [several_keys()]})),
        ("provisioned", on_provision(5, 5, json!([]))),
        (
            "provisioned with an index",
            on_provision(10, 2, json!([provisioned_index("byStatus", 3, 3)])),
        ),
        (
            "provisioned with more",
            on_provision(
                10,
                4,
                json!([provisioned_index("byStatus", 7, 1), provisioned_index("other", 1, 1)]),
            ),
        ),
        (
            "scaled",
            with(
                &on_provision(10, 4, json!([provisioned_index("byStatus", 7, 1)])),
                &json!({"autoScaling": scaled(scaling::declared(10), scaling::declared(7))}),
            ),
        ),
        (
            "scaled otherwise",
            with(
                &on_provision(10, 4, json!([provisioned_index("byStatus", 7, 1)])),
                &json!({"autoScaling": scaled(scaling::other(10), scaling::other(7))}),
            ),
        ),
        (
            "another stream",
            json!({"stream": {"enabled": true, "viewType": "KEYS_ONLY"}, "ttl": {"attribute": "other"}}),
        ),
        (
            "no stream",
            json!({"stream": {"enabled": false}, "ttl": {"enabled": false, "attribute": "expiresAt"}}),
        ),
        (
            "no recovery",
            json!({"pointInTimeRecovery": {"enabled": false}, "deletionProtection": true}),
        ),
        (
            "another policy",
            json!({
                "resourcePolicy": policy("dynamodb:Query"),
                "contributorInsights": {"enabled": true, "mode": "ACCESSED_AND_THROTTLED_KEYS"},
            }),
        ),
        ("no policy", json!({"resourcePolicy": {}, "contributorInsights": {"enabled": false}})),
        (
            "another key",
            json!({"encryption": {"type": "KMS", "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/b"}, "tableClass": "STANDARD_INFREQUENT_ACCESS"}),
        ),
        (
            "AWS's own key",
            json!({"encryption": {"type": "AWS_OWNED"}, "pointInTimeRecovery": {"enabled": true, "recoveryPeriodInDays": 35}}),
        ),
        (
            "no limits",
            json!({"onDemandThroughput": {"maxReadRequestUnits": -1, "maxWriteRequestUnits": -1}, "tags": {"team": "other"}}),
        ),
    ];
    changed.into_iter().map(|(name, fields)| (name, with(&full, &fields))).collect()
}

fn rows() -> Vec<Row> {
    let metered = json!({
        "billing": provisioned(5, 6), "onDemandThroughput": null,
        "globalSecondaryIndexes": [provisioned_index("byStatus", 3, 4)],
    });
    let throughput = |read, write| json!({"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "byStatus", "ProvisionedThroughput": capacity(read, write)}}]});
    let limit = |limits: Value| json!({"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "byStatus", "OnDemandThroughput": limits}}]});
    let limited = json!({"globalSecondaryIndexes": [with(&by_status(), &limits())]});
    let several = json!({"globalSecondaryIndexes": [several_keys()]});
    let four_keys = |shop: (&str, &str), seq: (&str, &str)| {
        let all = [
            ("status", "S", "HASH"),
            (shop.0, shop.1, "HASH"),
            ("at", "N", "RANGE"),
            (seq.0, seq.1, "RANGE"),
        ];
        let schema: Value = all
            .iter()
            .map(|(name, _, part)| json!({"AttributeName": name, "KeyType": part}))
            .collect();
        let types: Value = all
            .iter()
            .map(|(name, kind, _)| json!({"AttributeName": name, "AttributeType": kind}))
            .collect();
        json!({"KeySchema": schema, "types": types})
    };
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let status_is = |kind: &str, at: &str| json!([{"AttributeName": "status", "AttributeType": kind}, {"AttributeName": "at", "AttributeType": at}]);
    let ttl = |on: bool, attribute: &str| {
        call(
            "UpdateTimeToLive",
            json!({"TimeToLiveSpecification": {"Enabled": on, "AttributeName": attribute}}),
        )
    };
    let recovery = |on: bool, days: i64| {
        call(
            "UpdateContinuousBackups",
            json!({"PointInTimeRecoverySpecification": if on { json!({"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": days}) } else { json!({"PointInTimeRecoveryEnabled": false}) }}),
        )
    };
    let mut rows = scaled_rows();
    rows.extend([
        update("globalSecondaryIndexes[].name", "globalSecondaryIndexes[byStatus]", json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "byStatus"}}]})),
        index("globalSecondaryIndexes[].partitionKey.name", "globalSecondaryIndexes[byStatus].partitionKey.name", json!({"KeySchema": keys("other", "at")})),
        index("globalSecondaryIndexes[].partitionKey.type", "globalSecondaryIndexes[byStatus].partitionKey.type", json!({"types": status_is("N", "N")})),
        index("globalSecondaryIndexes[].sortKey.name", "globalSecondaryIndexes[byStatus].sortKey.name", json!({"KeySchema": keys("status", "other")})),
        index("globalSecondaryIndexes[].sortKey.type", "globalSecondaryIndexes[byStatus].sortKey.type", json!({"types": [{"AttributeName": "status", "AttributeType": "S"}, {"AttributeName": "when", "AttributeType": "B"}], "KeySchema": keys("status", "when")}))
            .on(&json!({"globalSecondaryIndexes": [with(&by_status(), &json!({"sortKey": {"name": "when", "type": "N"}}))]})),
        index("globalSecondaryIndexes[].projection.type", "globalSecondaryIndexes[byStatus].projection.type", json!({"Projection": {"ProjectionType": "ALL"}})),
        index("globalSecondaryIndexes[].projection.nonKeyAttributes[]", "globalSecondaryIndexes[byStatus].projection.nonKeyAttributes", json!({"Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"]}})),
        update("globalSecondaryIndexes[].throughput.readCapacityUnits", "globalSecondaryIndexes[byStatus].throughput.readCapacityUnits", throughput(9, 4)).on(&metered),
        update("globalSecondaryIndexes[].throughput.writeCapacityUnits", "globalSecondaryIndexes[byStatus].throughput.writeCapacityUnits", throughput(3, 9)).on(&metered),
        update("globalSecondaryIndexes[].onDemandThroughput.maxReadRequestUnits", "globalSecondaryIndexes[byStatus].onDemandThroughput.maxReadRequestUnits", limit(json!({"MaxReadRequestUnits": 7}))).on(&limited),
        update("globalSecondaryIndexes[].onDemandThroughput.maxWriteRequestUnits", "globalSecondaryIndexes[byStatus].onDemandThroughput.maxWriteRequestUnits", limit(json!({"MaxWriteRequestUnits": -1}))).on(&limited),
        index("globalSecondaryIndexes[].additionalPartitionKeys[].name", "globalSecondaryIndexes[byStatus].additionalPartitionKeys[0].name", four_keys(("other", "S"), ("seq", "N"))).on(&several),
        index("globalSecondaryIndexes[].additionalPartitionKeys[].type", "globalSecondaryIndexes[byStatus].additionalPartitionKeys[0].type", four_keys(("shop", "N"), ("seq", "N"))).on(&several),
        index("globalSecondaryIndexes[].additionalSortKeys[].name", "globalSecondaryIndexes[byStatus].additionalSortKeys[0].name", four_keys(("shop", "S"), ("other", "N"))).on(&several),
        index("globalSecondaryIndexes[].additionalSortKeys[].type", "globalSecondaryIndexes[byStatus].additionalSortKeys[0].type", four_keys(("shop", "S"), ("seq", "S"))).on(&several),
        update("billing.mode", "billing.mode", json!({
            "BillingMode": "PROVISIONED", "ProvisionedThroughput": capacity(5, 5),
            "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "byStatus", "ProvisionedThroughput": capacity(5, 5)}}],
        })),
        update("billing.throughput.readCapacityUnits", "billing.throughput.readCapacityUnits", json!({"ProvisionedThroughput": capacity(9, 6)})).on(&metered),
        update("billing.throughput.writeCapacityUnits", "billing.throughput.writeCapacityUnits", json!({"ProvisionedThroughput": capacity(5, 9)})).on(&metered),
        update("onDemandThroughput.maxReadRequestUnits", "onDemandThroughput.maxReadRequestUnits", json!({"OnDemandThroughput": {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": 50}})),
        update("onDemandThroughput.maxWriteRequestUnits", "onDemandThroughput.maxWriteRequestUnits", json!({"OnDemandThroughput": {"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": -1}})),
        update("stream.enabled", "stream.enabled", json!({"StreamSpecification": {"StreamEnabled": false}})),
        update("stream.viewType", "stream.viewType", json!({"StreamSpecification": {"StreamEnabled": false}}))
            .then(call("UpdateTable", json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "OLD_IMAGE"}}))),
        Row::new("ttl.enabled", "ttl.enabled", ttl(false, "expiresAt")),
        Row::new("ttl.attribute", "ttl.attribute", ttl(false, "expiresAt")).then(ttl(true, "byHand")),
        Row::new("pointInTimeRecovery.enabled", "pointInTimeRecovery.enabled", recovery(false, 0)),
        Row::new("pointInTimeRecovery.recoveryPeriodInDays", "pointInTimeRecovery.recoveryPeriodInDays", recovery(true, 8)),
        update("encryption.type", "encryption.type", json!({"SSESpecification": {"Enabled": false}})),
        update("encryption.kmsKeyArn", "encryption.kmsKeyArn", json!({"SSESpecification": {"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "arn:aws:kms:us-east-1:123456789012:key/c"}})),
        update("tableClass", "tableClass", json!({"TableClass": "STANDARD_INFREQUENT_ACCESS"})),
        update("deletionProtection", "deletionProtection", json!({"DeletionProtectionEnabled": true})),
        Row::new("resourcePolicy", "resourcePolicy", rest("dynamodb", "POST", "PutResourcePolicy", json!({"ResourceArn": "{arn}", "Policy": policy("dynamodb:*").to_string()}))),
        Row::new("resourcePolicy", "resourcePolicy", rest("dynamodb", "POST", "DeleteResourcePolicy", json!({"ResourceArn": "{arn}"}))),
        Row::new("contributorInsights.enabled", "contributorInsights.enabled", call("UpdateContributorInsights", json!({"ContributorInsightsAction": "DISABLE"}))),
        Row::new("contributorInsights.mode", "contributorInsights.mode", call("UpdateContributorInsights", json!({"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"}))),
        Row::new("tags.*", "tags.team", rest("dynamodb", "POST", "TagResource", json!({"ResourceArn": "{arn}", "Tags": [{"Key": "team", "Value": "by hand"}]}))),
        Row::new("tags.*", "tags.team", rest("dynamodb", "POST", "UntagResource", json!({"ResourceArn": "{arn}", "TagKeys": ["team"]}))),
    ]);
    rows
}

pub fn proof() -> Proof {
    let mut exempt = ours();
    let floor = "is a floor: AWS never lowers it, and what is above it is no drift";
    exempt.extend(
        [
            "warmThroughput.readUnitsPerSecond",
            "warmThroughput.writeUnitsPerSecond",
            "globalSecondaryIndexes[].warmThroughput.readUnitsPerSecond",
            "globalSecondaryIndexes[].warmThroughput.writeUnitsPerSecond",
        ]
        .map(|field| (field, floor)),
    );
    let whose = "names the index; what is scaled of it drifts, and a scaler of an index that the list leaves out is \
                 asked about: see tests/it/scaling.rs";
    exempt.push(("autoScaling.indexes[].name", whose));
    let for_life = "is made with the table; DynamoDB has no call that changes it";
    exempt.extend(
        [
            "partitionKey.name",
            "partitionKey.type",
            "sortKey.name",
            "sortKey.type",
            "localSecondaryIndexes[].name",
            "localSecondaryIndexes[].sortKey.name",
            "localSecondaryIndexes[].sortKey.type",
            "localSecondaryIndexes[].projection.type",
            "localSecondaryIndexes[].projection.nonKeyAttributes[]",
        ]
        .map(|field| (field, for_life)),
    );
    Proof { kind: "Table", full: full(), bare: bare(), variants: variants(), rows: rows(), exempt }
}
