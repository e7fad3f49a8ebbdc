//! The app itself, which Amplify reads and writes as one: each of its members in the words of the spec, and
//! back.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_amplify::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::compare::AppSettings;
use super::observe::{LiveFrontend, tags_of};
use super::spec::*;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::{Outcome, UnknownWord, Unread, Variables, as_aws, word};
use crate::model::Secret;

/// Sets on CreateApp or UpdateApp what both take: they have the same members by the same names, and no type in
/// common. What is `None` is left out.
macro_rules! with_settings {
    ($call:expr, $settings:expr) => {{
        let AppSettings { spec, build_spec, env, .. } = $settings;
        let refused = |e: BuildError| AwsError::incomplete(Service::Amplify, "UpdateApp", &e);
        let rules = spec.custom_rules.as_deref().map(rules).transpose().map_err(refused)?;
        $call
            .set_description(spec.description.clone())
            .set_platform(spec.platform.map(as_aws))
            .set_build_spec(build_spec.clone())
            .set_environment_variables(env.as_ref().map(environment))
            .set_custom_rules(rules)
            .set_custom_headers(spec.custom_headers.clone())
            .set_cache_config(spec.cache_config.map(cache).transpose().map_err(refused)?)
            .set_job_config(spec.job_config.map(job).transpose().map_err(refused)?)
    }};
}

/// The following steps need the app's id, so the outcome asks for another observation.
pub(super) async fn create(
    session: &Session,
    name: &str,
    settings: &AppSettings,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, AwsError> {
    let spec = &settings.spec;
    let given = |role: &Option<String>| role.clone().filter(|role| !role.is_empty());
    let (access, oauth) = tokens(settings);
    let call = session
        .amplify()
        .create_app()
        .name(name)
        .set_repository(spec.repository.as_ref().map(|r| r.url.clone()))
        .set_access_token(access)
        .set_oauth_token(oauth)
        .set_iam_service_role_arn(given(&spec.service_role))
        .set_compute_role_arn(given(&spec.compute_role))
        .set_enable_basic_auth(settings.basic_auth.iter().flatten().next().map(|_| true))
        .set_basic_auth_credentials(revealed(&settings.basic_auth))
        .set_tags(Some(tags.clone().into_iter().collect()));
    let call = with_settings!(call, settings).send();
    let created = session.write(Service::Amplify, "CreateApp", call).await?;
    // A reply without an id says nothing: the tags will.
    let physical_id = created.app().map(|app| app.app_id().to_owned()).filter(|id| !id.is_empty());
    Ok(Outcome { physical_id, ..Outcome::in_progress() })
}

/// A repository is given again only when it changes, since its token has to come with it.
pub(super) async fn update(
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
        .set_repository(repository.map(|r| r.url.clone()))
        .set_access_token(access)
        .set_oauth_token(oauth)
        .set_iam_service_role_arn(spec.service_role.clone())
        .set_compute_role_arn(spec.compute_role.clone())
        .set_enable_basic_auth(settings.basic_auth.as_ref().map(Option::is_some))
        .set_basic_auth_credentials(revealed(&settings.basic_auth));
    let call = with_settings!(call, settings).send();
    session.write(Service::Amplify, "UpdateApp", call).await.map(drop)
}

/// GitHub takes an access token, every other host an OAuth token:
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_CreateApp.html>.
fn tokens(settings: &AppSettings) -> (Option<String>, Option<String>) {
    let token = settings.token.as_ref().map(|t| t.reveal().to_owned());
    let url = settings.spec.repository.as_ref().map(|r| r.url.as_str()).unwrap_or_default();
    if url.contains("://github.com/") { (token, None) } else { (None, token) }
}

/// The app in the words of the spec. Its branch and its domain are read by others.
pub(super) fn words(app: &aws::App, asked: &FrontendSpec) -> LiveFrontend {
    let rules = app.custom_rules().iter().map(|rule| CustomRule {
        source: rule.source().to_owned(),
        target: rule.target().to_owned(),
        status: rule.status().map(str::to_owned),
        condition: rule.condition().map(str::to_owned),
    });
    let mut unread = Unread::new();
    let platform = asked.platform.map(|_| word("platform", app.platform()));
    let cache = app.cache_config().filter(|_| asked.cache_config.is_some());
    let cache = cache.map(|cache| word("cacheConfig.type", cache.r#type().as_str()));
    let job = app.job_config().filter(|_| asked.job_config.is_some());
    let job = job.map(|job| word("jobConfig.buildComputeType", job.build_compute_type()));
    let mut spec = FrontendSpec {
        description: Some(app.description().to_owned()),
        platform: known("platform", platform, &mut unread),
        repository: Some(Repository { url: app.repository().to_owned(), token_from: None })
            .filter(|r| !r.url.is_empty()),
        custom_rules: Some(rules.collect()),
        custom_headers: Some(app.custom_headers().unwrap_or_default().to_owned()),
        service_role: Some(app.iam_service_role_arn().unwrap_or_default().to_owned()),
        compute_role: Some(app.compute_role_arn().unwrap_or_default().to_owned()),
        cache_config: known("cacheConfig", cache, &mut unread).map(|kind| CacheConfig { kind }),
        job_config: known("jobConfig", job, &mut unread)
            .map(|build_compute_type| JobConfig { build_compute_type }),
        ..FrontendSpec::default()
    };
    spec.common.name = Some(app.name().to_owned());
    let login = app.basic_auth_credentials().filter(|_| app.enable_basic_auth());
    LiveFrontend {
        spec,
        app_id: app.app_id().to_owned(),
        arn: app.app_arn().to_owned(),
        default_domain: app.default_domain().to_owned(),
        build_spec: app.build_spec().unwrap_or_default().to_owned(),
        env: variables(app.environment_variables()),
        basic_auth: login.map(Secret::new),
        tags: tags_of(app.tags()),
        unread,
        ..LiveFrontend::default()
    }
}

/// A field whose word is known.
fn known<T>(
    field: &'static str,
    read: Option<Result<T, UnknownWord>>,
    unread: &mut Unread,
) -> Option<T> {
    let told =
        read?.map_err(|word| unread.push((field, word.in_reply(Service::Amplify, "GetApp"))));
    told.ok()
}

/// A variable without a name is what is left of a list that was cleared.
pub(super) fn variables(shown: &HashMap<String, String>) -> Variables {
    let named = shown.iter().filter(|(name, _)| !name.trim().is_empty());
    named.map(|(name, value)| (name.clone(), Secret::new(value))).collect()
}

/// UpdateApp and UpdateBranch read an empty map as "unchanged"; one variable whose name is a space, with no value, is
/// how it is told to clear.
pub(super) fn environment(env: &Variables) -> HashMap<String, String> {
    if env.is_empty() {
        return HashMap::from([(" ".to_owned(), String::new())]);
    }
    env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect()
}

pub(super) fn revealed(login: &Option<Option<Secret>>) -> Option<String> {
    login.iter().flatten().next().map(|login| login.reveal().to_owned())
}

fn rules(wanted: &[CustomRule]) -> Result<Vec<aws::CustomRule>, BuildError> {
    let rule = |rule: &CustomRule| {
        aws::CustomRule::builder()
            .source(&rule.source)
            .target(&rule.target)
            .set_status(rule.status.clone())
            .set_condition(rule.condition.clone())
            .build()
    };
    wanted.iter().map(rule).collect()
}

fn cache(wanted: CacheConfig) -> Result<aws::CacheConfig, BuildError> {
    let kind: aws::CacheConfigType = as_aws(wanted.kind);
    aws::CacheConfig::builder().r#type(kind).build()
}

fn job(wanted: JobConfig) -> Result<aws::JobConfig, BuildError> {
    let kind: aws::BuildComputeType = as_aws(wanted.build_compute_type);
    aws::JobConfig::builder().build_compute_type(kind).build()
}
