"""Every member that a caller of AWS can set in the calls by which trueup writes its kinds, one a line:
`service Operation member.path`. The models are botocore's."""

import botocore.loaders

LOADER = botocore.loaders.Loader()
CALLS = {
    "lambda": [
        "CreateFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode", "PublishVersion", "CreateAlias", "UpdateAlias",
        "PutFunctionConcurrency", "PutFunctionRecursionConfig", "PutFunctionEventInvokeConfig", "CreateFunctionUrlConfig", "UpdateFunctionUrlConfig",
        "AddPermission", "PutProvisionedConcurrencyConfig",
    ],
    "dynamodb": [
        "CreateTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "TagResource",
        "PutResourcePolicy", "UpdateContributorInsights", "ImportTable",
    ],
    "application-autoscaling": ["RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction"],
    "amplify": [
        "CreateApp", "UpdateApp", "CreateBranch", "UpdateBranch", "CreateDomainAssociation", "UpdateDomainAssociation",
        "StartDeployment", "StartJob",
    ],
    "s3": [
        "CreateBucket", "PutBucketVersioning", "PutBucketEncryption", "PutPublicAccessBlock", "PutBucketOwnershipControls",
        "PutBucketLifecycleConfiguration", "PutBucketCors", "PutBucketPolicy", "PutBucketWebsite", "PutBucketLogging",
        "PutBucketNotificationConfiguration", "PutBucketTagging", "PutBucketAccelerateConfiguration",
        "PutObjectLockConfiguration", "PutBucketReplication", "PutBucketIntelligentTieringConfiguration",
        "PutBucketInventoryConfiguration", "PutBucketMetricsConfiguration",
    ],
}


def walk(shapes, name, path, seen):
    shape = shapes[name]
    if name in seen or shape["type"] not in ("structure", "list"):
        return
    if shape["type"] == "list":
        yield from walk(shapes, shape["member"]["shape"], path + "[]", seen)
        return
    for member, reference in shape["members"].items():
        here = f"{path}.{member}" if path else member
        inner = list(walk(shapes, reference["shape"], here, seen | {name}))
        yield from inner or [here]


for service, operations in CALLS.items():
    model = LOADER.load_service_model(service, "service-2")
    for operation in operations:
        for member in walk(model["shapes"], model["operations"][operation]["input"]["shape"], "", frozenset()):
            print(service, operation, member)
