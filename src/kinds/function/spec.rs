//! What a Function manifest may say. Limits are AWS's:
//! <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provisioned::ProvisionedConcurrency;
use super::rollout::FunctionRollout;
use crate::kinds::{EnvVar, S3Location};
use crate::model::Common;

/// A Lambda function.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Function", namespaced, shortname = "fn")]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "A Lambda function.")]
#[serde(rename_all = "camelCase")]
pub struct FunctionSpec {
    /// What the manifests of all kinds have: `name`, `deletionPolicy`, `ignore` and `tags`.
    #[serde(flatten)]
    pub common: Common,
    /// What the function is for, in words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// As `nodejs22.x`; not with `code.image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        regex(pattern = r"^(nodejs|python|java|dotnet|dotnetcore|ruby|go|provided)[0-9a-z.-]*$")
    )]
    pub runtime: Option<String>,
    /// As `main.handler`; not with `code.image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = r"^\S+$"))]
    pub handler: Option<String>,
    /// The instruction set that the code runs on, one of the two; a new function has x86_64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub architectures: Option<Vec<Architecture>>,
    /// The ARN of the execution role.
    #[schemars(regex(
        pattern = r"^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$"
    ))]
    pub role: String,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 128, max = 10240))]
    pub memory_size: Option<i32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 900))]
    pub timeout: Option<i32>,
    /// The size of /tmp; a new function has 512 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// Environment variables: the whole list. Variables that are not named here are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// ARNs of layer versions, in the order in which they are merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 5),
        inner(
            length(max = 140),
            regex(
                pattern = r"^arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+$"
            )
        )
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub layers: Option<Vec<String>>,
    /// `{}` takes the function out of its VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<Vpc>,
    /// Whether requests are traced by AWS X-Ray.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// In which format the function's logs are written, how much of them, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<FunctionLogging>,
    /// `{}` removes the dead-letter target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// Whether a published version starts from a snapshot that Lambda took beforehand, and so faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snap_start: Option<SnapStart>,
    /// The ARN of the key that encrypts the environment variables; `""` goes back to Lambda's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)?$"))]
    pub kms_key_arn: Option<String>,
    /// Executions set aside for this function; 0 stops it, -1 removes the reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub reserved_concurrency: Option<i32>,
    /// Executions that are kept ready for the alias's version, fixed or following their use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_concurrency: Option<ProvisionedConcurrency>,
    /// What Lambda does when it detects that the function invokes itself in a loop, as by a queue or a bucket:
    /// Terminate stops the loop, Allow lets it go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recursive_loop: Option<RecursiveLoop>,
    /// How asynchronous invocations are retried; `{}` goes back to Lambda's own.
    #[serde(rename = "async", skip_serializing_if = "Option::is_none")]
    pub async_invocation: Option<AsyncInvocation>,
    /// The function's own HTTPS endpoint; `{}` removes it. With authType NONE trueup also lets
    /// everybody call it, which AWS asks for apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<FunctionUrl>,
    /// Who else may call the function: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub permissions: Option<Vec<Permission>>,
    /// A version is published for each change, and this alias moved to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = r"^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$"))]
    pub alias: Option<String>,
    /// The alias's own description, at most 256 characters; `""` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub alias_description: Option<String>,
    /// How a new version gets the traffic of the alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<FunctionRollout>,
    /// Where the code comes from: one of `path`, `s3` and `image`.
    pub code: Code,
}

/// An instruction set that Lambda runs code on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Architecture {
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

/// The space that a running function has in /tmp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EphemeralStorage {
    /// MB in /tmp.
    #[schemars(range(min = 512, max = 10240))]
    pub size: i32,
}

/// The function's way into a VPC: subnets and security groups together. `{}` takes the function out of its VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// The subnets that the function is connected to; with `securityGroupIds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub subnet_ids: Option<Vec<String>>,
    /// The security groups of the connection; with `subnetIds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Option<Vec<String>>,
    /// Whether the function may send over IPv6, from subnets that have both IPv4 and IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_allowed_for_dual_stack: Option<bool>,
}

/// Whether requests are traced by AWS X-Ray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tracing {
    /// Active has Lambda sample and trace a part of the requests; a new function has PassThrough.
    pub mode: TracingMode,
}

/// Whether Lambda samples requests for AWS X-Ray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum TracingMode {
    Active,
    PassThrough,
}

/// In which format the function's logs are written, how much of them, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionLogging {
    /// Text, which a new function has, or JSON, which the log levels need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
    /// Only with logFormat JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_log_level: Option<ApplicationLogLevel>,
    /// Only with logFormat JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log_level: Option<SystemLogLevel>,
    /// The log group in CloudWatch Logs; a new function has `/aws/lambda/` and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^[.\-_/#A-Za-z0-9]+$"))]
    pub log_group: Option<String>,
}

/// The format that Lambda writes logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum LogFormat {
    Text,
    #[serde(rename = "JSON")]
    Json,
}

/// The least severe of the function's own messages that are logged. Only with logFormat JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ApplicationLogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// The least severe of Lambda's messages that are logged. Only with logFormat JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum SystemLogLevel {
    Debug,
    Info,
    Warn,
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum RecursiveLoop {
    Allow,
    Terminate,
}

/// Where Lambda sends the events of asynchronous invocations that it gave up. `{}` removes the dead-letter target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The ARN of a queue or topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)?$"))]
    pub target_arn: Option<String>,
}

/// Whether a published version starts from a snapshot that Lambda took beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapStart {
    /// PublishedVersions takes the snapshots; a new function has None.
    pub apply_on: SnapStartOn,
}

/// What of the function starts from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum SnapStartOn {
    PublishedVersions,
    None,
}

/// How asynchronous invocations are retried, and where their outcome is recorded; `{}` goes back to Lambda's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AsyncInvocation {
    /// How often an invocation that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2))]
    pub maximum_retry_attempts: Option<i32>,
    /// Seconds after which an event that still waits is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 21600))]
    pub maximum_event_age_in_seconds: Option<i32>,
    /// The ARN of where successful invocations are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 350),
        regex(
            pattern = r"^$|^kafka://[^.][a-zA-Z0-9\-_.]{0,248}$|^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:([a-z]{2,}(-[a-z]+)+-\d+)?:(\d{12})?:.*$"
        )
    )]
    pub on_success: Option<String>,
    /// The ARN of where failed invocations are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 350),
        regex(
            pattern = r"^$|^kafka://[^.][a-zA-Z0-9\-_.]{0,248}$|^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:([a-z]{2,}(-[a-z]+)+-\d+)?:(\d{12})?:.*$"
        )
    )]
    pub on_failure: Option<String>,
}

/// The function's own HTTPS endpoint; `{}` removes it. With authType NONE trueup also lets everybody call it, which AWS
/// asks for apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUrl {
    /// Needed unless the URL is to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<UrlAuthType>,
    /// What browsers may do with the URL from pages of other origins; `{}` forbids it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<UrlCors>,
    /// BUFFERED, which a new URL has, answers once the function is done; RESPONSE_STREAM answers while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoke_mode: Option<InvokeMode>,
}

/// Who may call a function URL: with NONE everybody, with AWS_IAM those who sign the request and are allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum UrlAuthType {
    NONE,
    #[serde(rename = "AWS_IAM")]
    AwsIam,
}

/// How a function URL answers: as a whole, or as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum InvokeMode {
    Buffered,
    ResponseStream,
}

/// What browsers may do with the URL from pages of other origins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlCors {
    /// Whether these pages may send cookies and other credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// The headers that these pages may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(max = 1024), regex(pattern = r"^[^\n]*$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allow_headers: Option<Vec<String>>,
    /// The HTTP methods that these pages may use, as `GET`; `*` is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 6), inner(length(max = 6), regex(pattern = r"^[^\n]*$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allow_methods: Option<Vec<String>>,
    /// The origins of the pages, as `https://shop.example.com`; `*` is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253), regex(pattern = r"^[^\n]*$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allow_origins: Option<Vec<String>>,
    /// The headers of the answer that these pages may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(max = 1024), regex(pattern = r"^[^\n]*$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub expose_headers: Option<Vec<String>>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub max_age: Option<i32>,
}

/// A statement of the function's resource policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Permission {
    /// The statement's id.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub id: String,
    /// `lambda:InvokeFunction`, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(lambda:[*]|lambda:[a-zA-Z]+|[*])$"))]
    pub action: Option<String>,
    /// A service as `s3.amazonaws.com`, an account's number, the ARN of a principal, or `*`.
    #[schemars(regex(pattern = r"^\S+$"))]
    pub principal: String,
    /// Only calls on behalf of the resource of this ARN, as a bucket's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:([a-z]{2,}(-[a-z]+)+-\d+)?:(\d{12})?:.*$"
    ))]
    pub source_arn: Option<String>,
    /// Only calls on behalf of resources of this account, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub source_account: Option<String>,
    /// Only callers of this organization in AWS Organizations, as `o-a1b2c3d4e5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^o-[a-z0-9]{10,32}$"))]
    pub principal_org_id: Option<String>,
    /// Only calls of a function URL with this authType.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_url_auth_type: Option<UrlAuthType>,
    /// Whether only calls that come by the function's URL are let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_via_function_url: Option<bool>,
    /// A token that an Alexa Smart Home skill has to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^[a-zA-Z0-9._\-]+$"))]
    pub event_source_token: Option<String>,
}

/// Where the code comes from. Exactly one of the fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Code {
    /// A directory or a zip file, relative to the manifest. `apply` packages and uploads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub path: Option<String>,
    /// A zip file that lies in S3 already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Location>,
    /// The URI of a container image in Amazon ECR.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
}
