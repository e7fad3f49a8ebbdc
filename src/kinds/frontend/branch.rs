//! The app's branch: its settings in the words of the spec, and back.

use std::collections::BTreeMap;

use aws_sdk_amplify::types as aws;

use super::app::{environment, revealed, variables};
use super::compare::BranchSettings;
use super::deployed::DEPLOYED_TAG;
use super::observe::LiveBranch;
use super::spec::*;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::{UnknownWord, Unread, as_aws, or_unread, word};
use crate::model::Secret;

/// Sets on CreateBranch or UpdateBranch what both take. What is `None` is left out.
macro_rules! with_settings {
    ($call:expr, $app:expr, $branch:expr) => {{
        let BranchSettings { spec, env, basic_auth } = $branch;
        $call
            .app_id($app)
            .branch_name(&spec.name)
            .set_stage(spec.stage.map(as_aws))
            .set_framework(spec.framework.clone())
            .set_enable_auto_build(spec.auto_build)
            .set_environment_variables(env.as_ref().map(environment))
            .set_enable_basic_auth(basic_auth.as_ref().map(Option::is_some))
            .set_basic_auth_credentials(revealed(basic_auth))
    }};
}

pub(super) async fn create(
    session: &Session,
    app: &str,
    branch: &BranchSettings,
    tags: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let call = with_settings!(session.amplify().create_branch(), app, branch);
    let call = call.set_tags(Some(tags.clone().into_iter().collect())).send();
    session.write(Service::Amplify, "CreateBranch", call).await.map(drop)
}

pub(super) async fn update(
    session: &Session,
    app: &str,
    branch: &BranchSettings,
) -> Result<(), AwsError> {
    let call = with_settings!(session.amplify().update_branch(), app, branch).send();
    session.write(Service::Amplify, "UpdateBranch", call).await.map(drop)
}

pub(super) async fn delete(session: &Session, app: &str, branch: &str) -> Result<(), AwsError> {
    let call = session.amplify().delete_branch().app_id(app).branch_name(branch).send();
    session.write(Service::Amplify, "DeleteBranch", call).await.map(drop)
}

pub(super) async fn read(
    session: &Session,
    app: &str,
    name: &str,
) -> Result<Option<aws::Branch>, AwsError> {
    let (service, operation) = (Service::Amplify, "GetBranch");
    let read = session.read(service, operation, || {
        session.amplify().get_branch().app_id(app).branch_name(name).send()
    });
    let Some(read) = read.await.absent("NotFoundException")? else { return Ok(None) };
    AwsError::required(service, operation, read.branch).map(Some)
}

pub(super) fn words(live: &aws::Branch, unread: &mut Unread) -> Result<BranchSpec, AwsError> {
    let stage = stage(live.stage().as_str())
        .map_err(|unknown| unknown.in_reply(Service::Amplify, "GetBranch"));
    Ok(BranchSpec {
        name: live.branch_name().to_owned(),
        stage: or_unread(stage, "branch.stage", unread)?,
        framework: Some(live.framework().to_owned()),
        auto_build: Some(live.enable_auto_build()),
        ..BranchSpec::default()
    })
}

/// What of a branch its spec has no plain words for; its jobs are read by others.
pub(super) fn live(live: &aws::Branch) -> LiveBranch {
    let login = live.basic_auth_credentials().filter(|_| live.enable_basic_auth());
    LiveBranch {
        arn: live.branch_arn().to_owned(),
        display_name: live.display_name().to_owned(),
        env: variables(live.environment_variables()),
        basic_auth: login.map(Secret::new),
        deployed: live.tags().and_then(|tags| tags.get(DEPLOYED_TAG)).cloned(),
        newest_job: None,
    }
}

/// A branch that was given none says `NONE`, which is no word of the model.
fn stage(text: &str) -> Result<Option<Stage>, UnknownWord> {
    if text == "NONE" { Ok(None) } else { word("branch.stage", text).map(Some) }
}
