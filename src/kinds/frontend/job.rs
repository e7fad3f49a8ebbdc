//! The jobs of a branch: reads the newest, starts and stops them.

use std::time::Duration;

use aws_sdk_amplify::types as aws;
use aws_sdk_s3::presigning::PresigningConfig;
use jiff::Timestamp;

use super::deployed::commit_message;
use super::observe::LiveJob;
use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::{Outcome, S3Location};

/// How long Amplify may take to fetch an artifact.
const PRESIGNED_FOR: Duration = Duration::from_secs(3600);

/// Amplify lists the newest job first.
pub(super) async fn newest(
    session: &Session,
    app: &str,
    branch: &str,
) -> Result<Option<LiveJob>, AwsError> {
    let page = session
        .read(Service::Amplify, "ListJobs", || {
            session.amplify().list_jobs().app_id(app).branch_name(branch).max_results(1).send()
        })
        .await?;
    let Some(job) = page.job_summaries().first() else { return Ok(None) };
    Ok(Some(LiveJob {
        id: job.job_id().to_owned(),
        status: job.status().as_str().to_owned(),
        started_at: Timestamp::from_second(job.start_time().secs()).unwrap_or_default(),
        commit_message: job.commit_message().to_owned(),
        source_url: job.source_url().unwrap_or_default().to_owned(),
    }))
}

/// Starts a deployment of an artifact, which Amplify fetches from an address that is good for an hour.
pub(super) async fn deploy(
    session: &Session,
    app: &str,
    branch: &str,
    artifact: &S3Location,
) -> Result<Outcome, AwsError> {
    let unsigned =
        |message: String| AwsError::new(Class::Invalid, Service::S3, "GetObject", message);
    let presigning =
        PresigningConfig::expires_in(PRESIGNED_FOR).map_err(|e| unsigned(e.to_string()))?;
    let object = session.s3().get_object().bucket(&artifact.bucket).key(&artifact.key);
    let object = object.set_version_id(artifact.version.clone());
    let url = object.presigned(presigning).await.map_err(|e| unsigned(e.to_string()))?;
    let call = session.amplify().start_deployment().app_id(app).branch_name(branch);
    let call = call.source_url(url.uri()).source_url_type(aws::SourceUrlType::Zip).send();
    let started = session.write(Service::Amplify, "StartDeployment", call).await?;
    let job = started.job_summary().map(|job| job.job_id().to_owned());
    Ok(Outcome { job, ..Outcome::in_progress() })
}

/// Starts a build of the branch's newest commit. A RELEASE builds no other one: it "starts a new job with the latest
/// change from the specified branch" (<https://docs.aws.amazon.com/amplify/latest/APIReference/API_StartJob.html>), and
/// a `commitId` is ignored (<https://github.com/aws-amplify/amplify-hosting/issues/2100>). Whether a RETRY builds the
/// commit of the earlier job, reports disagree (<https://github.com/aws-amplify/amplify-hosting/issues/1253>).
pub(super) async fn build(
    session: &Session,
    app: &str,
    branch: &str,
    digest: &str,
) -> Result<Outcome, AwsError> {
    let call = session.amplify().start_job().app_id(app).branch_name(branch);
    let call = call.job_type(aws::JobType::Release).job_reason("trueup release");
    let call = call.commit_message(commit_message(digest)).send();
    let started = session.write(Service::Amplify, "StartJob", call).await?;
    let job = started.job_summary().map(|job| job.job_id().to_owned());
    Ok(Outcome { job, ..Outcome::in_progress() })
}

pub(super) async fn stop(
    session: &Session,
    app: &str,
    branch: &str,
    job: &str,
) -> Result<Outcome, AwsError> {
    let call = session.amplify().stop_job().app_id(app).branch_name(branch).job_id(job).send();
    session.write(Service::Amplify, "StopJob", call).await?;
    Ok(Outcome::in_progress())
}
