//! Frontend: an Amplify app, its branch, its domain, and what is deployed to them.
//!
//! AWS facts that shape it:
//! - App ids are made by Amplify and names are not unique: an app is found by the id that was
//!   recorded, and failing that by its tags.
//! - A deployment is a job (<https://docs.aws.amazon.com/amplify/latest/APIReference/API_JobSummary.html>)
//!   that may take hours. The branch's tag `trueup.dev/deployed` says which artifact which job
//!   deployed, so that another job, started by hand, is seen. A job that runs too long is stopped.
//! - StartDeployment with `sourceUrlType: ZIP` wants a URL that it can GET, so it gets a presigned
//!   one, and works only for apps without a repository.

mod app;
mod apply;
mod branch;
mod compare;
mod deployed;
mod deployment;
mod domain;
mod job;
mod observe;
mod plan;
mod spec;

pub use domain::DomainRef;
pub use observe::LiveFrontend;
pub use plan::FrontendStep;
pub use spec::*;

use jiff::Timestamp;
use serde_json::Value;

use super::{Desired, Kind, NameScope, Nulls, Outcome, SpecProblem};
use crate::aws::{AwsError, Service, Session};
use crate::plan::Plan;

/// The kind `Frontend`, by which the engine knows it.
pub struct Frontend;

impl Kind for Frontend {
    const NAME: &'static str = "Frontend";
    const SERVICE: Service = Service::Amplify;
    const WHOLE: &'static str = "frontend";
    const HOLDS_DATA: bool = false;
    const NAME_SCOPE: NameScope = NameScope::Nothing;
    const WHOLES: &'static [&'static str] =
        &["build", "artifact", "basicAuth", "branch.basicAuth", "repository"];
    const FIELDS: &'static [&'static str] = &["name", "appId", "arn", "defaultDomain", "url"];

    // What a new app has: https://docs.aws.amazon.com/amplify/latest/APIReference/API_CreateApp.html.
    const NULLS: Nulls = Nulls::StandFor(&[
        ("description", r#""""#),
        ("platform", r#""WEB""#),
        ("env", "[]"),
        ("branch.env", "[]"),
        ("branch.basicAuth", "{}"),
        ("customRules", "[]"),
        ("customHeaders", r#""""#),
        ("domain", "{}"),
        ("basicAuth", "{}"),
        ("domain.autoSubdomains", "false"),
        ("domain.certificateArn", r#""""#),
        ("serviceRole", r#""""#),
        ("computeRole", r#""""#),
        ("cacheConfig", r#"{"type": "AMPLIFY_MANAGED"}"#),
        ("jobConfig", r#"{"buildComputeType": "STANDARD_8GB"}"#),
    ]);

    type Spec = FrontendSpec;
    type Live = LiveFrontend;
    type Step = FrontendStep;

    fn check_name(name: &str) -> Result<(), String> {
        if (1..=255).contains(&name.len()) {
            return Ok(());
        }
        Err("an Amplify app's name has 1 to 255 characters".to_owned())
    }

    fn losses(before: &FrontendSpec, after: &FrontendSpec) -> Vec<String> {
        let has_login =
            |auth: &Option<BasicAuth>| auth.as_ref().map(|auth| auth.credentials_from.is_some());
        let is_lost =
            |before, after| has_login(before) == Some(true) && has_login(after) == Some(false);
        let whole = is_lost(&before.basic_auth, &after.basic_auth);
        let branch = is_lost(&before.branch.basic_auth, &after.branch.basic_auth);
        let lost = whole || branch;
        lost.then(|| "the pages ask for no login any more".to_owned()).into_iter().collect()
    }

    fn validate(spec: &FrontendSpec, _: &str) -> Vec<SpecProblem> {
        spec::validate(spec)
    }

    async fn observe(
        session: &Session,
        desired: &Desired<FrontendSpec>,
    ) -> Result<Option<LiveFrontend>, AwsError> {
        observe::observe(session, desired).await
    }

    fn plan(
        desired: &Desired<FrontendSpec>,
        live: Option<&LiveFrontend>,
        now: Timestamp,
    ) -> Plan<FrontendStep> {
        plan::plan(desired, live, now)
    }

    fn plan_deletion(_: &Desired<FrontendSpec>, live: &LiveFrontend) -> Plan<FrontendStep> {
        plan::plan_deletion(live)
    }

    async fn apply(
        session: &Session,
        _: &Desired<FrontendSpec>,
        step: &FrontendStep,
    ) -> Result<Outcome, AwsError> {
        apply::apply(session, step).await
    }

    fn schema() -> schemars::Schema {
        schemars::schema_for!(FrontendSpec)
    }

    fn crd() -> Value {
        super::crd::<spec::Frontend>()
    }
}
