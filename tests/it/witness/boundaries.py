"""Values at and beyond the limits of AWS's own service models, as JSON lines.

One line a value: {"kind", "path", "value", "accepted", "shape"}. `path` is a pointer below `spec`, into a
manifest that is valid otherwise. The models are botocore's.
"""

import json
import re
import sys

import botocore.loaders

LOADER = botocore.loaders.Loader()
MODELS = {name: LOADER.load_service_model(name, "service-2")["shapes"] for name in ("lambda", "dynamodb", "amplify", "s3")}

# Where a field of a manifest goes: the kind, the pointer, the service and the shape of its member.
FIELDS = [
    ("Function", "/description", "lambda", "Description"),
    ("Function", "/handler", "lambda", "Handler"),
    ("Function", "/role", "lambda", "RoleArn"),
    ("Function", "/timeout", "lambda", "Timeout"),
    ("Function", "/memorySize", "lambda", "MemorySize"),
    ("Function", "/ephemeralStorage/size", "lambda", "EphemeralStorageSize"),
    ("Function", "/architectures/0", "lambda", "Architecture"),
    ("Function", "/layers/0", "lambda", "LayerVersionArn"),
    ("Function", "/kmsKeyArn", "lambda", "KMSKeyArn"),
    ("Function", "/deadLetter/targetArn", "lambda", "ResourceArn"),
    ("Function", "/env/0/name", "lambda", "EnvironmentVariableName"),
    ("Function", "/tracing/mode", "lambda", "TracingMode"),
    ("Function", "/snapStart/applyOn", "lambda", "SnapStartApplyOn"),
    ("Function", "/logging/logFormat", "lambda", "LogFormat"),
    ("Function", "/logging/applicationLogLevel", "lambda", "ApplicationLogLevel"),
    ("Function", "/logging/systemLogLevel", "lambda", "SystemLogLevel"),
    ("Function", "/logging/logGroup", "lambda", "LogGroup"),
    ("Function", "/alias", "lambda", "Alias"),
    ("Function", "/reservedConcurrency", "lambda", "ReservedConcurrentExecutions"),
    ("Function", "/async/maximumRetryAttempts", "lambda", "MaximumRetryAttempts"),
    ("Function", "/async/maximumEventAgeInSeconds", "lambda", "MaximumEventAgeInSeconds"),
    ("Function", "/async/onSuccess", "lambda", "DestinationArn"),
    ("Function", "/async/onFailure", "lambda", "DestinationArn"),
    ("Function", "/url/authType", "lambda", "FunctionUrlAuthType"),
    ("Function", "/url/invokeMode", "lambda", "InvokeMode"),
    ("Function", "/url/cors/allowHeaders/0", "lambda", "Header"),
    ("Function", "/url/cors/allowMethods/0", "lambda", "Method"),
    ("Function", "/url/cors/allowOrigins/0", "lambda", "Origin"),
    ("Function", "/url/cors/exposeHeaders/0", "lambda", "Header"),
    ("Function", "/url/cors/maxAge", "lambda", "MaxAge"),
    ("Function", "/permissions/0/id", "lambda", "StatementId"),
    ("Function", "/permissions/0/action", "lambda", "Action"),
    ("Function", "/permissions/0/principal", "lambda", "Principal"),
    ("Function", "/permissions/0/sourceArn", "lambda", "Arn"),
    ("Function", "/permissions/0/sourceAccount", "lambda", "SourceOwner"),
    ("Function", "/permissions/0/principalOrgId", "lambda", "PrincipalOrgID"),
    ("Function", "/permissions/0/eventSourceToken", "lambda", "EventSourceToken"),
    ("Function", "/code/s3/bucket", "lambda", "S3Bucket"),
    ("Function", "/code/s3/key", "lambda", "S3Key"),
    ("Function", "/code/s3/version", "lambda", "S3ObjectVersion"),
    ("Table", "/partitionKey/name", "dynamodb", "KeySchemaAttributeName"),
    ("Table", "/partitionKey/type", "dynamodb", "ScalarAttributeType"),
    ("Table", "/globalSecondaryIndexes/0/name", "dynamodb", "IndexName"),
    ("Table", "/globalSecondaryIndexes/0/projection/nonKeyAttributes/0", "dynamodb", "NonKeyAttributeName"),
    ("Table", "/globalSecondaryIndexes/0/additionalPartitionKeys/0/name", "dynamodb", "KeySchemaAttributeName"),
    ("Table", "/ttl/attribute", "dynamodb", "TimeToLiveAttributeName"),
    ("Table", "/pointInTimeRecovery/recoveryPeriodInDays", "dynamodb", "RecoveryPeriodInDays"),
    ("Table", "/tableClass", "dynamodb", "TableClass"),
    ("Table", "/stream/viewType", "dynamodb", "StreamViewType"),
    ("Frontend", "/description", "amplify", "Description"),
    ("Frontend", "/platform", "amplify", "Platform"),
    ("Frontend", "/customHeaders", "amplify", "CustomHeaders"),
    ("Frontend", "/serviceRole", "amplify", "ServiceRoleArn"),
    ("Frontend", "/build/spec", "amplify", "BuildSpec"),
    ("Frontend", "/computeRole", "amplify", "ComputeRoleArn"),
    ("Frontend", "/cacheConfig/type", "amplify", "CacheConfigType"),
    ("Frontend", "/jobConfig/buildComputeType", "amplify", "BuildComputeType"),
    ("Frontend", "/branch/name", "amplify", "BranchName"),
    ("Frontend", "/branch/stage", "amplify", "Stage"),
    ("Frontend", "/branch/framework", "amplify", "Framework"),
    ("Frontend", "/customRules/0/source", "amplify", "Source"),
    ("Frontend", "/customRules/0/target", "amplify", "Target"),
    ("Frontend", "/customRules/0/condition", "amplify", "Condition"),
    ("Frontend", "/domain/name", "amplify", "DomainName"),
    ("Frontend", "/domain/subdomains/0/prefix", "amplify", "DomainPrefix"),
    ("Frontend", "/domain/subdomains/0/branch", "amplify", "BranchName"),
    ("Frontend", "/env/0/value", "amplify", "EnvValue"),
    ("Frontend", "/branch/env/0/value", "amplify", "EnvValue"),
    ("Table", "/contributorInsights/mode", "dynamodb", "ContributorInsightsMode"),
    ("Table", "/globalSecondaryIndexes/0/projection/type", "dynamodb", "ProjectionType"),
    ("Bucket", "/versioning", "s3", "BucketVersioningStatus"),
    ("Bucket", "/objectOwnership", "s3", "ObjectOwnership"),
    ("Bucket", "/accelerate", "s3", "BucketAccelerateStatus"),
    ("Bucket", "/encryption/blockedEncryptionTypes/0", "s3", "EncryptionType"),
    ("Bucket", "/lifecycle/0/transitions/0/storageClass", "s3", "TransitionStorageClass"),
    ("Bucket", "/lifecycle/0/noncurrentVersionTransitions/0/storageClass", "s3", "TransitionStorageClass"),
    ("Bucket", "/logging/partitionDateSource", "s3", "PartitionDateSource"),
    ("Bucket", "/notifications/functions/0/events/0", "s3", "Event"),
    ("Bucket", "/objectLock/defaultRetention/mode", "s3", "ObjectLockRetentionMode"),
    ("Bucket", "/website/routingRules/0/redirect/protocol", "s3", "Protocol"),
    ("Bucket", "/replication/rules/0/destination/storageClass", "s3", "StorageClass"),
    ("Bucket", "/intelligentTiering/0/tierings/0/accessTier", "s3", "IntelligentTieringAccessTier"),
    ("Bucket", "/inventory/0/includedObjectVersions", "s3", "InventoryIncludedObjectVersions"),
    ("Bucket", "/inventory/0/frequency", "s3", "InventoryFrequency"),
    ("Bucket", "/inventory/0/optionalFields/0", "s3", "InventoryOptionalField"),
    ("Bucket", "/inventory/0/destination/format", "s3", "InventoryFormat"),
]

# Texts that are tried for every pattern, beside those that are made from it.
TEXTS = [
    "", "a", "ab", "a b", "a-b", "a_b", "a.b", "A1", "1a", "1", "12", "é", "a\n", "*", "$LATEST", "-", "_", ".", "a/b",
    "lambda:InvokeFunction", "lambda:*", "lambda:", "s3.amazonaws.com", "123456789012", "12345678901",
    "o-a1b2c3d4e5", "o-a1b2c3d4e", "O-a1b2c3d4e5", "example.com", "example", "-a.example.com", "a.example.com.",
    "arn:aws:iam::123456789012:role/api", "arn:aws-cn:iam::123456789012:role/path/api", "arn:aws:iam::1:role/api",
    "arn:aws:iam::123456789012:user/api", "arn:aws:iam::123456789012:role/a b",
    "arn:aws:lambda:us-east-1:123456789012:layer:tools:3", "arn:aws:lambda:us-east-1:123456789012:layer:tools",
    "arn:aws:kms:us-east-1:123456789012:key/a", "arn:aws:sqs:us-east-1:123456789012:dead", "queue", "arn:aws:s3:::b",
    "arn:aws:sqs:us-gov-west-1:123456789012:q", "kafka://topic", "kafka://.topic", "key/a",
]


def accepts(shape, value):
    kind = shape["type"]
    if kind in ("integer", "long"):
        return isinstance(value, int) and shape.get("min", value) <= value <= shape.get("max", value)
    if "enum" in shape:
        return value in shape["enum"]
    if not shape.get("min", 0) <= len(value) <= shape.get("max", len(value)):
        return False
    return "pattern" not in shape or re.fullmatch(shape["pattern"], value) is not None


def candidates(shape):
    low, high = shape.get("min"), shape.get("max")
    if shape["type"] in ("integer", "long"):
        edges = [edge for edge in (low, high) if edge is not None]
        return sorted({edge + step for edge in edges for step in (-1, 0, 1)} | {1})
    if "enum" in shape:
        return shape["enum"] + [shape["enum"][0].lower() + "x", ""]
    lengths = {edge + step for edge in (low, high) if edge is not None and edge <= 26000 for step in (-1, 0, 1)}
    stretched = ["a" * length for length in sorted(lengths) if length >= 0]
    # A text that fits, stretched to the limits.
    fitting = next((text for text in TEXTS if len(text) > 1 and accepts({**shape, "min": 0, "max": 1 << 20}, text)), None)
    if fitting and high:
        stretched += [fitting + fitting[-1] * (length - len(fitting)) for length in (high, high + 1) if length > len(fitting)]
    return TEXTS + stretched


for kind, path, service, name in FIELDS:
    shape = MODELS[service][name]
    for value in candidates(shape):
        line = {"kind": kind, "path": path, "value": value, "shape": name, "accepted": accepts(shape, value)}
        json.dump(line, sys.stdout)
        print()
