"""AWS's own Python client against the embedded AWS. Fails by assertion."""

import io
import zipfile

import boto3
from botocore.exceptions import ClientError


def refused(call, code):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
    else:
        raise AssertionError(f"{code} was expected")


def settled(call, ready, tries=200):
    for _ in range(tries):
        try:
            value = call()
        except ClientError as error:
            value = error
        if ready(value):
            return value
    raise AssertionError(f"never: {value}")


def zipped(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("main.js", text)
    return out.getvalue()


def s3():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="boto-bucket")
    s3.put_object(Bucket="boto-bucket", Key="api.zip", Body=zipped("1"))
    assert s3.get_object(Bucket="boto-bucket", Key="api.zip")["Body"].read() == zipped("1")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="boto-bucket")["Contents"]] == ["api.zip"]
    s3.put_bucket_versioning(Bucket="boto-bucket", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="boto-bucket")["Status"] == "Enabled"
    refused(lambda: s3.get_bucket_policy(Bucket="boto-bucket"), "NoSuchBucketPolicy")
    refused(lambda: s3.get_bucket_tagging(Bucket="boto-bucket"), "NoSuchTagSet")
    refused(lambda: s3.get_bucket_tagging(Bucket="no-such-bucket"), "NoSuchBucket")


def dynamodb():
    db = boto3.client("dynamodb")
    db.create_table(
        TableName="boto",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "a", "Value": "b"}],
        DeletionProtectionEnabled=True,
    )
    assert db.describe_table(TableName="boto")["Table"]["TableStatus"] == "CREATING"
    table = settled(
        lambda: db.describe_table(TableName="boto")["Table"], lambda t: t["TableStatus"] == "ACTIVE"
    )
    assert table["DeletionProtectionEnabled"] is True
    assert db.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    db.put_item(TableName="boto", Item={"id": {"S": "1"}, "n": {"N": "2"}})
    assert db.get_item(TableName="boto", Key={"id": {"S": "1"}})["Item"]["n"] == {"N": "2"}
    refused(
        lambda: db.put_item(
            TableName="boto", Item={"id": {"S": "1"}}, ConditionExpression="attribute_not_exists(id)"
        ),
        "ConditionalCheckFailedException",
    )
    refused(lambda: db.delete_table(TableName="boto"), "ValidationException")


def functions():
    functions = boto3.client("lambda")
    role = "arn:aws:iam::123456789012:role/api"
    common = {"Runtime": "nodejs22.x", "Handler": "main.handler", "Role": role}
    code = {"S3Bucket": "boto-bucket", "S3Key": "api.zip"}
    made = functions.create_function(FunctionName="boto", Code=code, **common)
    assert made["State"] == "Pending"
    refused(lambda: functions.publish_version(FunctionName="boto"), "ResourceConflictException")
    settled(
        lambda: functions.get_function_configuration(FunctionName="boto"), lambda c: c["State"] == "Active"
    )
    first = functions.publish_version(FunctionName="boto")
    assert first["Version"] == functions.publish_version(FunctionName="boto")["Version"] == "1"
    functions.create_alias(FunctionName="boto", Name="live", FunctionVersion="1")
    assert functions.get_function(FunctionName="boto", Qualifier="live")["Configuration"]["Version"] == "1"
    url = functions.create_function_url_config(FunctionName="boto", Qualifier="live", AuthType="NONE")
    assert url["FunctionUrl"].startswith("https://")
    functions.add_permission(
        FunctionName="boto", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    assert '"Sid":"s3"' in functions.get_policy(FunctionName="boto")["Policy"].replace(" ", "")
    for i in range(60):
        functions.create_function(FunctionName=f"page-{i:02}", Code={"ZipFile": zipped(str(i))}, **common)
    pages = list(functions.get_paginator("list_functions").paginate())
    assert [len(p["Functions"]) for p in pages] == [50, 11], [len(p["Functions"]) for p in pages]
    assert "State" not in pages[0]["Functions"][0]
    functions.delete_function(FunctionName="boto")
    refused(lambda: functions.get_function(FunctionName="boto"), "ResourceNotFoundException")


def amplify():
    amplify = boto3.client("amplify")
    rules = [{"source": "/<*>", "target": "/index.html", "status": "404-200"}]
    app = amplify.create_app(name="boto", customRules=rules, tags={"a": "b"})["app"]
    assert amplify.get_app(appId=app["appId"])["app"]["customRules"] == rules
    amplify.create_branch(appId=app["appId"], branchName="main", stage="PRODUCTION")
    source = boto3.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": "boto-bucket", "Key": "api.zip"}
    )
    job = amplify.start_deployment(
        appId=app["appId"], branchName="main", sourceUrl=source, sourceUrlType="ZIP"
    )["jobSummary"]
    assert job["status"] in ("PENDING", "RUNNING")
    settled(
        lambda: amplify.get_job(appId=app["appId"], branchName="main", jobId=job["jobId"])["job"]["summary"],
        lambda summary: summary["status"] == "SUCCEED",
    )
    assert len(amplify.list_apps()["apps"]) == 1
    amplify.delete_app(appId=app["appId"])
    refused(lambda: amplify.get_app(appId=app["appId"]), "NotFoundException")


assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
s3()
dynamodb()
functions()
amplify()
print("ok")
