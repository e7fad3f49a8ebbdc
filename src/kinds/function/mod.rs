//! Function: a Lambda function with its alias, URL, permissions and settings.
//!
//! AWS facts that shape it:
//! - After UpdateFunctionCode or UpdateFunctionConfiguration the function is InProgress and the next
//!   write gets a ResourceConflictException: <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>.
//!   A plan names every step; execution stops after the one that AWS is busy with.
//! - Lambda never returns where its code came from, only `CodeSha256`, the base64 of the zip's
//!   SHA-256. Code that `apply` packaged is compared by that; code given as a bare S3 location is
//!   remembered in the tag `trueup.dev/code` together with the digest that it had.
//! - PublishVersion makes nothing new when neither code nor configuration was updated since the last one:
//!   <https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>. So publishing and moving
//!   the alias is one step that may be taken twice. It is guarded, so that neither what somebody uploads
//!   meanwhile is published, nor an alias that somebody moves meanwhile is moved again.
//! - With an alias, the URL, the permissions and the async settings belong to the alias (`qualifier.rs`). They are
//!   other calls than those that change the code: what lets more callers in comes after it (`opening.rs`).

mod apply;
mod check;
mod compare;
mod concurrency;
mod configuration;
mod facets;
mod observe;
mod obstacle;
mod opening;
mod permission;
mod plan;
mod planner;
mod provisioned;
mod qualifier;
mod rollout;
mod shift;
mod spec;
mod statements;
mod url;
mod versions;

pub use facets::FunctionRef;
pub use observe::LiveFunction;
pub use plan::FunctionStep;
pub use rollout::{FunctionRollout, Step, Strategy};
pub use spec::*;

use jiff::Timestamp;
use serde_json::Value;

use super::{Desired, KeptVersions, Kind, Nulls, Outcome, Shifting, SpecProblem};
use crate::aws::{AwsError, Service, Session};
use crate::plan::{Change, Plan};

/// The kind `Function`, by which the engine knows it.
pub struct Function;

impl Kind for Function {
    const NAME: &'static str = "Function";
    const SERVICE: Service = Service::Lambda;
    const WHOLE: &'static str = "function";
    const HOLDS_DATA: bool = false;
    const WHOLES: &'static [&'static str] = &["code"];
    const FIELDS: &'static [&'static str] = &["name", "arn", "functionArn", "url", "version"];

    // What a new function has:
    // https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html, API_PutFunctionEventInvokeConfig.html,
    // API_PutFunctionRecursionConfig.html and API_CreateFunctionUrlConfig.html.
    const NULLS: Nulls = Nulls::StandFor(&[
        ("description", r#""""#),
        ("architectures", r#"["x86_64"]"#),
        ("memorySize", "128"),
        ("timeout", "3"),
        ("ephemeralStorage", r#"{"size": 512}"#),
        ("env", "[]"),
        ("layers", "[]"),
        ("vpc", "{}"),
        ("vpc.ipv6AllowedForDualStack", "false"),
        ("tracing", r#"{"mode": "PassThrough"}"#),
        ("logging", r#"{"logFormat": "Text", "logGroup": "/aws/lambda/{name}"}"#),
        ("logging.logFormat", r#""Text""#),
        ("logging.logGroup", r#""/aws/lambda/{name}""#),
        ("deadLetter", "{}"),
        ("deadLetter.targetArn", r#""""#),
        ("snapStart", r#"{"applyOn": "None"}"#),
        ("kmsKeyArn", r#""""#),
        ("reservedConcurrency", "-1"),
        ("provisionedConcurrency", "{}"),
        ("provisionedConcurrency.autoScaling", "{}"),
        ("recursiveLoop", r#""Terminate""#),
        ("aliasDescription", r#""""#),
        ("async", "{}"),
        ("async.maximumRetryAttempts", "2"),
        ("async.maximumEventAgeInSeconds", "21600"),
        ("async.onSuccess", r#""""#),
        ("async.onFailure", r#""""#),
        ("url", "{}"),
        ("url.cors", "{}"),
        ("url.cors.allowCredentials", "false"),
        ("url.cors.allowHeaders", "[]"),
        ("url.cors.allowMethods", "[]"),
        ("url.cors.allowOrigins", "[]"),
        ("url.cors.exposeHeaders", "[]"),
        ("url.cors.maxAge", "0"),
        ("url.invokeMode", r#""BUFFERED""#),
        ("permissions", "[]"),
    ]);

    type Spec = FunctionSpec;
    type Live = LiveFunction;
    type Step = FunctionStep;

    fn check_name(name: &str) -> Result<(), String> {
        check::check_name(name)
    }

    fn validate(spec: &FunctionSpec, _: &str) -> Vec<SpecProblem> {
        let mut problems = check::validate(spec);
        problems.extend(rollout::validate(spec));
        problems
    }

    fn shifting(spec: &FunctionSpec) -> Shifting {
        rollout::shifting(spec)
    }

    fn is_of_version(change: &Change) -> bool {
        shift::is_of_version(change)
    }

    fn versions_kept(spec: &FunctionSpec) -> usize {
        rollout::versions_kept(spec)
    }

    async fn collect_versions(
        session: &Session,
        name: &str,
        published: &[String],
        kept: &KeptVersions,
    ) -> Result<Vec<String>, AwsError> {
        versions::collect(session, name, published, kept).await
    }

    async fn observe(
        session: &Session,
        desired: &Desired<FunctionSpec>,
    ) -> Result<Option<LiveFunction>, AwsError> {
        observe::observe(session, desired).await
    }

    fn plan(
        desired: &Desired<FunctionSpec>,
        live: Option<&LiveFunction>,
        _: Timestamp,
    ) -> Plan<FunctionStep> {
        plan::plan(desired, live)
    }

    fn plan_deletion(desired: &Desired<FunctionSpec>, live: &LiveFunction) -> Plan<FunctionStep> {
        plan::plan_deletion(desired, live)
    }

    async fn apply(
        session: &Session,
        desired: &Desired<FunctionSpec>,
        step: &FunctionStep,
    ) -> Result<Outcome, AwsError> {
        apply::apply(session, &desired.aws_name, step).await
    }

    fn schema() -> schemars::Schema {
        schemars::schema_for!(FunctionSpec)
    }

    fn crd() -> Value {
        super::crd::<spec::Function>()
    }
}
