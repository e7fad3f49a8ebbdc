//! Writes a frontend, one call a step. Decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_amplify::types as aws;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_types::error::operation::BuildError;

use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::{Outcome, S3Location, Variables, text};
use crate::model::Secret;

use super::compare::AppSettings;
use super::deployed::{DEPLOYED_TAG, commit_message};
use super::plan::FrontendStep;
use super::spec::*;

/// How long Amplify may take to fetch an artifact.
const PRESIGNED_FOR: Duration = Duration::from_secs(3600);

pub(super) async fn apply(session: &Session, step: &FrontendStep) -> Result<Outcome, AwsError> {
    let amplify = session.amplify();
    match step {
        FrontendStep::Create { name, settings, tags } => {
            return create(session, name, settings, tags).await;
        }
        FrontendStep::Update { app, settings, reconnects } => {
            update(session, app, settings, *reconnects).await?;
        }
        FrontendStep::Tag { arn, tags } => tag(session, arn, tags.clone()).await?,
        FrontendStep::CreateBranch { app, branch, tags } => {
            let call = amplify
                .create_branch()
                .app_id(app)
                .branch_name(&branch.spec.name)
                .set_stage(branch.spec.stage.map(stage))
                .set_framework(branch.spec.framework.clone())
                .set_enable_auto_build(branch.spec.auto_build)
                .set_environment_variables(branch.env.as_ref().map(variables))
                .set_enable_basic_auth(branch.basic_auth.as_ref().map(Option::is_some))
                .set_basic_auth_credentials(revealed(&branch.basic_auth))
                .set_tags(Some(tags.clone().into_iter().collect()));
            session.write(Service::Amplify, "CreateBranch", call.send()).await?;
        }
        FrontendStep::UpdateBranch { app, branch } => {
            let call = amplify
                .update_branch()
                .app_id(app)
                .branch_name(&branch.spec.name)
                .set_stage(branch.spec.stage.map(stage))
                .set_framework(branch.spec.framework.clone())
                .set_enable_auto_build(branch.spec.auto_build)
                .set_environment_variables(branch.env.as_ref().map(variables))
                .set_enable_basic_auth(branch.basic_auth.as_ref().map(Option::is_some))
                .set_basic_auth_credentials(revealed(&branch.basic_auth));
            session.write(Service::Amplify, "UpdateBranch", call.send()).await?;
        }
        FrontendStep::DeleteBranch { app, branch } => {
            let call = amplify.delete_branch().app_id(app).branch_name(branch);
            session.write(Service::Amplify, "DeleteBranch", call.send()).await?;
        }
        FrontendStep::Deploy { app, branch, artifact } => {
            let job = deploy(session, app, branch, artifact).await?;
            return Ok(Outcome { job, ..Outcome::in_progress() });
        }
        FrontendStep::Build { app, branch, digest } => {
            let call = amplify
                .start_job()
                .app_id(app)
                .branch_name(branch)
                .job_type(aws::JobType::Release)
                .job_reason("trueup release")
                .commit_message(commit_message(digest));
            let started = session.write(Service::Amplify, "StartJob", call.send()).await?;
            let job = started.job_summary().map(|j| j.job_id().to_owned());
            return Ok(Outcome { job, ..Outcome::in_progress() });
        }
        FrontendStep::Remember { branch_arn, deployed } => {
            let deployed = (DEPLOYED_TAG.to_owned(), deployed.clone());
            tag(session, branch_arn, BTreeMap::from([deployed])).await?;
        }
        FrontendStep::StopJob { app, branch, job } => {
            let call = amplify.stop_job().app_id(app).branch_name(branch).job_id(job);
            session.write(Service::Amplify, "StopJob", call.send()).await?;
            return Ok(Outcome::in_progress());
        }
        FrontendStep::CreateDomain { app, domain } => {
            let call = amplify
                .create_domain_association()
                .app_id(app)
                .domain_name(domain.name.clone().unwrap_or_default())
                .set_sub_domain_settings(Some(subdomains(domain)?))
                .set_enable_auto_sub_domain(domain.auto_subdomains)
                .set_certificate_settings(certificate(domain)?);
            session.write(Service::Amplify, "CreateDomainAssociation", call.send()).await?;
        }
        FrontendStep::UpdateDomain { app, domain } => {
            let call = amplify
                .update_domain_association()
                .app_id(app)
                .domain_name(domain.name.clone().unwrap_or_default())
                .set_sub_domain_settings(Some(subdomains(domain)?))
                .set_enable_auto_sub_domain(domain.auto_subdomains)
                .set_certificate_settings(certificate(domain)?);
            session.write(Service::Amplify, "UpdateDomainAssociation", call.send()).await?;
        }
        FrontendStep::DeleteDomain { app, name } => {
            let call = amplify.delete_domain_association().app_id(app).domain_name(name);
            session.write(Service::Amplify, "DeleteDomainAssociation", call.send()).await?;
        }
        FrontendStep::Delete { app } => {
            let call = amplify.delete_app().app_id(app);
            session.write(Service::Amplify, "DeleteApp", call.send()).await?;
        }
    }
    Ok(Outcome::done())
}

fn incomplete(operation: &'static str, error: &BuildError) -> AwsError {
    AwsError::new(Class::Invalid, Service::Amplify, operation, error.to_string())
}

async fn tag(session: &Session, arn: &str, tags: BTreeMap<String, String>) -> Result<(), AwsError> {
    let call = session
        .amplify()
        .tag_resource()
        .resource_arn(arn)
        .set_tags(Some(tags.into_iter().collect()));
    session.write(Service::Amplify, "TagResource", call.send()).await.map(drop)
}

/// The following steps need the app's id, so the outcome asks for another look.
async fn create(
    session: &Session,
    name: &str,
    settings: &AppSettings,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, AwsError> {
    let spec = &settings.spec;
    let (access, oauth) = tokens(settings);
    let call = session
        .amplify()
        .create_app()
        .name(name)
        .set_description(spec.description.clone())
        .set_platform(spec.platform.map(platform))
        .set_repository(spec.repository.as_ref().map(|r| r.url.clone()))
        .set_access_token(access)
        .set_oauth_token(oauth)
        .set_build_spec(settings.build_spec.clone())
        .set_environment_variables(settings.env.as_ref().map(variables))
        .set_custom_rules(spec.custom_rules.as_deref().map(rules).transpose()?)
        .set_custom_headers(spec.custom_headers.clone())
        .set_iam_service_role_arn(spec.service_role.clone().filter(|r| !r.is_empty()))
        .set_compute_role_arn(spec.compute_role.clone().filter(|r| !r.is_empty()))
        .set_cache_config(spec.cache_config.map(cache).transpose()?)
        .set_job_config(spec.job_config.map(job).transpose()?)
        .set_enable_basic_auth(settings.basic_auth.iter().flatten().next().map(|_| true))
        .set_basic_auth_credentials(revealed(&settings.basic_auth))
        .set_tags(Some(tags.clone().into_iter().collect()));
    let created = session.write(Service::Amplify, "CreateApp", call.send()).await?;
    // A reply without an id says nothing: the tags will.
    let identity = created.app().map(|app| app.app_id().to_owned()).filter(|id| !id.is_empty());
    Ok(Outcome { identity, ..Outcome::in_progress() })
}

/// GitHub takes an access token, every other host an OAuth token:
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_CreateApp.html>.
fn tokens(settings: &AppSettings) -> (Option<String>, Option<String>) {
    let token = settings.token.as_ref().map(|t| t.reveal().to_owned());
    let url = settings.spec.repository.as_ref().map(|r| r.url.as_str()).unwrap_or_default();
    if url.contains("://github.com/") { (token, None) } else { (None, token) }
}

/// A repository is given again only when it changes, since its token has to come with it.
async fn update(
    session: &Session,
    app: &str,
    settings: &AppSettings,
    reconnects: bool,
) -> Result<(), AwsError> {
    let spec = &settings.spec;
    let repository = spec.repository.as_ref().filter(|_| reconnects);
    let (access, oauth) = if reconnects { tokens(settings) } else { (None, None) };
    let call = session
        .amplify()
        .update_app()
        .app_id(app)
        .set_description(spec.description.clone())
        .set_platform(spec.platform.map(platform))
        .set_repository(repository.map(|r| r.url.clone()))
        .set_access_token(access)
        .set_oauth_token(oauth)
        .set_build_spec(settings.build_spec.clone())
        .set_environment_variables(settings.env.as_ref().map(variables))
        .set_custom_rules(spec.custom_rules.as_deref().map(rules).transpose()?)
        .set_custom_headers(spec.custom_headers.clone())
        .set_iam_service_role_arn(spec.service_role.clone())
        .set_compute_role_arn(spec.compute_role.clone())
        .set_cache_config(spec.cache_config.map(cache).transpose()?)
        .set_job_config(spec.job_config.map(job).transpose()?)
        .set_enable_basic_auth(settings.basic_auth.as_ref().map(Option::is_some))
        .set_basic_auth_credentials(revealed(&settings.basic_auth));
    session.write(Service::Amplify, "UpdateApp", call.send()).await.map(drop)
}

/// Starts a deployment, and returns its job.
async fn deploy(
    session: &Session,
    app: &str,
    branch: &str,
    artifact: &S3Location,
) -> Result<Option<String>, AwsError> {
    let unsigned =
        |message: String| AwsError::new(Class::Invalid, Service::S3, "GetObject", message);
    let presigning =
        PresigningConfig::expires_in(PRESIGNED_FOR).map_err(|e| unsigned(e.to_string()))?;
    let url = session
        .s3()
        .get_object()
        .bucket(&artifact.bucket)
        .key(&artifact.key)
        .set_version_id(artifact.version.clone())
        .presigned(presigning)
        .await
        .map_err(|e| unsigned(e.to_string()))?;
    let call = session
        .amplify()
        .start_deployment()
        .app_id(app)
        .branch_name(branch)
        .source_url(url.uri())
        .source_url_type(aws::SourceUrlType::Zip);
    let started = session.write(Service::Amplify, "StartDeployment", call.send()).await?;
    Ok(started.job_summary().map(|j| j.job_id().to_owned()))
}

fn revealed(login: &Option<Option<Secret>>) -> Option<String> {
    login.iter().flatten().next().map(|login| login.reveal().to_owned())
}

/// UpdateApp and UpdateBranch read an empty map as "unchanged"; one variable whose name is a space, with no value, is
/// how it is told to clear.
fn variables(env: &Variables) -> HashMap<String, String> {
    if env.is_empty() {
        return HashMap::from([(" ".to_owned(), String::new())]);
    }
    env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect()
}

fn rules(wanted: &[CustomRule]) -> Result<Vec<aws::CustomRule>, AwsError> {
    wanted
        .iter()
        .map(|rule| {
            aws::CustomRule::builder()
                .source(&rule.source)
                .target(&rule.target)
                .set_status(rule.status.clone())
                .set_condition(rule.condition.clone())
                .build()
                .map_err(|e| incomplete("UpdateApp", &e))
        })
        .collect()
}

fn subdomains(domain: &Domain) -> Result<Vec<aws::SubDomainSetting>, AwsError> {
    domain
        .subdomains
        .iter()
        .flatten()
        .map(|s| {
            aws::SubDomainSetting::builder()
                .prefix(&s.prefix)
                .branch_name(s.branch.clone().unwrap_or_default())
                .build()
                .map_err(|e| incomplete("UpdateDomainAssociation", &e))
        })
        .collect()
}

/// What nobody declares is left out, and stays.
fn certificate(domain: &Domain) -> Result<Option<aws::CertificateSettings>, AwsError> {
    let Some(arn) = &domain.certificate_arn else { return Ok(None) };
    let settings = match arn.as_str() {
        "" => aws::CertificateSettings::builder().r#type(aws::CertificateType::AmplifyManaged),
        arn => aws::CertificateSettings::builder()
            .r#type(aws::CertificateType::Custom)
            .custom_certificate_arn(arn),
    };
    settings.build().map(Some).map_err(|e| incomplete("UpdateDomainAssociation", &e))
}

fn cache(wanted: CacheConfig) -> Result<aws::CacheConfig, AwsError> {
    let kind = aws::CacheConfigType::from(text(&wanted.kind).as_str());
    aws::CacheConfig::builder().r#type(kind).build().map_err(|e| incomplete("UpdateApp", &e))
}

fn job(wanted: JobConfig) -> Result<aws::JobConfig, AwsError> {
    let kind = aws::BuildComputeType::from(text(&wanted.build_compute_type).as_str());
    let built = aws::JobConfig::builder().build_compute_type(kind).build();
    built.map_err(|e| incomplete("UpdateApp", &e))
}

fn platform(wanted: Platform) -> aws::Platform {
    aws::Platform::from(text(&wanted).as_str())
}

fn stage(wanted: Stage) -> aws::Stage {
    aws::Stage::from(text(&wanted).as_str())
}
