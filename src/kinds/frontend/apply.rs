//! Writes a frontend, one call a step. Decides nothing.

use std::collections::BTreeMap;

use super::deployed::DEPLOYED_TAG;
use super::plan::FrontendStep;
use super::{app, branch, job};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::Outcome;

pub(super) async fn apply(session: &Session, step: &FrontendStep) -> Result<Outcome, AwsError> {
    match step {
        FrontendStep::Create { name, settings, tags } => {
            return app::create(session, name, settings, tags).await;
        }
        FrontendStep::Update { app, settings, reconnects } => {
            app::update(session, app, settings, *reconnects).await?;
        }
        FrontendStep::Tag { arn, tags } => tag(session, arn, tags.clone()).await?,
        FrontendStep::CreateBranch { app, branch, tags } => {
            branch::create(session, app, branch, tags).await?;
        }
        FrontendStep::UpdateBranch { app, branch } => branch::update(session, app, branch).await?,
        FrontendStep::DeleteBranch { app, branch } => branch::delete(session, app, branch).await?,
        FrontendStep::Deploy { app, branch, artifact } => {
            return job::deploy(session, app, branch, artifact).await;
        }
        FrontendStep::Build { app, branch, digest } => {
            return job::build(session, app, branch, digest).await;
        }
        FrontendStep::StopJob { app, branch, job } => {
            return job::stop(session, app, branch, job).await;
        }
        FrontendStep::Remember { branch_arn, deployed } => {
            let deployed = (DEPLOYED_TAG.to_owned(), deployed.clone());
            tag(session, branch_arn, BTreeMap::from([deployed])).await?;
        }
        FrontendStep::Domain(of, facet) => return facet.take(session, of).await,
        FrontendStep::Delete { app } => {
            let call = session.amplify().delete_app().app_id(app).send();
            session.write(Service::Amplify, "DeleteApp", call).await?;
        }
    }
    Ok(Outcome::done())
}

async fn tag(session: &Session, arn: &str, tags: BTreeMap<String, String>) -> Result<(), AwsError> {
    let tags = tags.into_iter().collect();
    let call = session.amplify().tag_resource().resource_arn(arn).set_tags(Some(tags)).send();
    session.write(Service::Amplify, "TagResource", call).await.map(drop)
}
