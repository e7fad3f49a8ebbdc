//! Reads a function: one call, and one more for each declared extra. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::operation::get_function_url_config::GetFunctionUrlConfigOutput;
use aws_sdk_lambda::types as aws;
use serde_json::json;

use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{Desired, Live, UnknownWord, Unread, Variables, or_unread, word};
use crate::model::Secret;

use super::permission::{self, Statement};
use super::qualifier::{self, Leftover, Qualifier};
use super::spec::*;

/// A function as it is, in the words of its spec.
#[derive(Clone, Debug, Default)]
pub struct LiveFunction {
    pub spec: FunctionSpec,
    pub name: String,
    pub arn: String,
    /// Base64, as Lambda writes it.
    pub code_sha256: String,
    /// Changes with everything that changes the function.
    pub revision: String,
    pub image: Option<String>,
    pub env: Variables,
    pub tags: BTreeMap<String, String>,
    pub permissions: Vec<Statement>,
    pub alias: Option<LiveAlias>,
    /// An alias is declared and is not there yet.
    pub awaits_alias: bool,
    pub url: Option<String>,
    /// What is on qualifiers that are not declared any more.
    pub leftovers: Vec<Leftover>,
    /// What Lambda is still doing, where it is.
    pub busy: Option<String>,
    /// Why Lambda cannot run the function, where it cannot.
    pub failure: Option<String>,
    /// It is in a state that this version does not know: nothing is written.
    pub unknown_state: Option<String>,
    pub unread: Unread,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveAlias {
    pub arn: String,
    pub version: String,
    /// The version has the code and the configuration that the function has.
    pub is_current: bool,
}

impl Live for LiveFunction {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("functionArn".to_owned(), self.arn.clone()),
        ]);
        // While the alias is still to be made, there is no ARN that may be called.
        let arn = match &self.alias {
            Some(alias) => Some(&alias.arn),
            None => Some(&self.arn).filter(|_| !self.awaits_alias),
        };
        outputs.extend(arn.map(|arn| ("arn".to_owned(), arn.clone())));
        outputs.extend(self.url.iter().map(|url| ("url".to_owned(), url.clone())));
        let version = self.alias.iter().map(|a| ("version".to_owned(), a.version.clone()));
        outputs.extend(version);
        outputs
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }
}

pub(super) async fn observe(
    session: &Session,
    desired: &Desired<FunctionSpec>,
) -> Result<Option<LiveFunction>, AwsError> {
    let name = &desired.aws_name;
    let asked = &desired.spec;
    let Some(function) = get(session, name, None).await? else {
        return Ok(None);
    };
    let configuration =
        AwsError::required(Service::Lambda, "GetFunction", function.configuration())?;
    if configuration.function_name().is_some_and(|told| told != name) {
        let message = format!("AWS was asked for {name} and answered for another function");
        return Err(AwsError::new(Class::Transient, Service::Lambda, "GetFunction", message));
    }
    readable(&function)?;
    let (spec, words) = spec_of(configuration);
    let mut live = LiveFunction {
        spec,
        name: name.clone(),
        arn: configuration.function_arn().unwrap_or_default().to_owned(),
        code_sha256: configuration.code_sha256().unwrap_or_default().to_owned(),
        revision: configuration.revision_id().unwrap_or_default().to_owned(),
        image: function.code().and_then(|c| c.image_uri()).map(str::to_owned),
        env: env_of(configuration),
        tags: function.tags().cloned().unwrap_or_default().into_iter().collect(),
        busy: busy(configuration),
        failure: failure(configuration),
        unknown_state: unknown_state(configuration),
        ..LiveFunction::default()
    };
    let reserved = function.concurrency().and_then(|c| c.reserved_concurrent_executions());
    live.spec.reserved_concurrency = Some(reserved.unwrap_or(-1));
    let declared = json!(asked);
    let words = words.into_iter().filter(|(field, _)| declared.get(field).is_some());
    live.unread = words.map(|(field, word)| (field, unknown(word))).collect();
    let qualifier = asked.alias.as_deref();
    if let Some(alias) = qualifier {
        let published = get(session, name, Some(alias)).await?;
        live.alias = published.as_ref().map(|p| alias_of(&live.arn, alias, configuration, p));
        live.awaits_alias = live.alias.is_none();
        let version = published.as_ref().and_then(|p| p.configuration());
        live.failure = live.failure.or_else(|| version.and_then(failure));
    }
    if asked.async_invocation.is_some() {
        let read = async_settings(session, name, qualifier).await;
        live.spec.async_invocation = or_unread(read, "async", &mut live.unread)?;
    }
    if asked.url.is_some() {
        let read = url(session, name, qualifier).await;
        (live.spec.url, live.url) = or_unread(read, "url", &mut live.unread)?.unzip();
    }
    if permission::declared(asked).is_some() {
        let read = permissions(session, name, qualifier).await;
        live.permissions = or_unread(read, "permissions", &mut live.unread)?;
    }
    for qualifier in qualifier::left_behind(desired, &live.tags) {
        live.leftovers.push(leftover(session, desired, qualifier).await?);
    }
    Ok(Some(live))
}

/// What is on a qualifier, declared now or not.
async fn leftover(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    qualifier: Qualifier,
) -> Result<Leftover, AwsError> {
    let (name, on) = (&desired.aws_name, qualifier.as_deref());
    let url = url(session, name, on).await?.and_then(|(url, _)| url.auth_type);
    let has_async = async_settings(session, name, on).await?.is_some();
    let ids = permissions(session, name, on).await?.into_iter();
    let ids = ids.map(|statement| statement.permission.id).collect();
    let statements = qualifier::ours(desired, ids);
    Ok(Leftover { qualifier, url, has_async, statements })
}

async fn get(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Option<GetFunctionOutput>, AwsError> {
    session
        .read(Service::Lambda, "GetFunction", || {
            let call = session.lambda().get_function().function_name(name);
            call.set_qualifier(qualifier.map(str::to_owned)).send()
        })
        .await
        .absent("ResourceNotFoundException")
}

/// What the caller may not read is not absent: taking it so would write over it.
fn readable(function: &GetFunctionOutput) -> Result<(), AwsError> {
    if let Some(error) = function.tags_error() {
        return Err(AwsError::new(Class::Denied, Service::Lambda, "ListTags", error.message()));
    }
    let environment = function.configuration().and_then(|c| c.environment());
    if let Some(error) = environment.and_then(|e| e.error()) {
        let told = error.message().unwrap_or("the variables cannot be decrypted");
        let message = format!("{told}; not authorized to perform: kms:Decrypt");
        return Err(AwsError::new(Class::Denied, Service::Lambda, "GetFunction", message));
    }
    Ok(())
}

fn busy(configuration: &aws::FunctionConfiguration) -> Option<String> {
    match configuration.state() {
        Some(aws::State::Pending) => return Some("Lambda is creating the function".to_owned()),
        // What is busy with itself takes no writes.
        Some(state @ (aws::State::Deleting | aws::State::Deactivating)) => {
            return Some(format!("the function is {state}"));
        }
        _ => {}
    }
    (configuration.last_update_status() == Some(&aws::LastUpdateStatus::InProgress))
        .then(|| "Lambda is updating the function".to_owned())
}

fn failure(configuration: &aws::FunctionConfiguration) -> Option<String> {
    if configuration.state() == Some(&aws::State::Failed) {
        let reason = configuration.state_reason().unwrap_or("no reason given");
        return Some(format!("Lambda cannot run the function: {reason}"));
    }
    if configuration.last_update_status() == Some(&aws::LastUpdateStatus::Failed) {
        let reason = configuration.last_update_status_reason().unwrap_or("no reason given");
        return Some(format!("Lambda's last update of the function failed: {reason}"));
    }
    None
}

/// What a state means that this version does not know, it does not guess.
fn unknown_state(configuration: &aws::FunctionConfiguration) -> Option<String> {
    let state = match configuration.state() {
        None
        | Some(
            aws::State::Active
            | aws::State::Inactive
            | aws::State::ActiveNonInvocable
            | aws::State::Pending
            | aws::State::Failed
            | aws::State::Deleting
            | aws::State::Deactivating
            | aws::State::Deactivated,
        ) => None,
        Some(state) => Some(state.as_str()),
    };
    let update = match configuration.last_update_status() {
        None
        | Some(
            aws::LastUpdateStatus::Successful
            | aws::LastUpdateStatus::InProgress
            | aws::LastUpdateStatus::Failed,
        ) => None,
        Some(update) => Some(update.as_str()),
    };
    state.or(update).map(|word| {
        format!("Lambda says that the function is `{word}`, which this version of trueup does not know; upgrade trueup")
    })
}

fn alias_of(
    arn: &str,
    alias: &str,
    latest: &aws::FunctionConfiguration,
    published: &GetFunctionOutput,
) -> LiveAlias {
    let version = published.configuration();
    // A description belongs to a version, not to what it runs.
    let runs = |c: &aws::FunctionConfiguration| FunctionSpec { description: None, ..spec_of(c).0 };
    let is_current = match version {
        // What is not published moves with every write.
        Some(v) if v.version() != Some("$LATEST") => {
            v.code_sha256() == latest.code_sha256()
                && env_of(v) == env_of(latest)
                && runs(v) == runs(latest)
        }
        _ => false,
    };
    LiveAlias {
        arn: format!("{arn}:{alias}"),
        version: version.and_then(|v| v.version()).unwrap_or_default().to_owned(),
        is_current,
    }
}

fn unknown(word: UnknownWord) -> AwsError {
    word.in_reply(Service::Lambda, "GetFunction")
}

fn env_of(configuration: &aws::FunctionConfiguration) -> Variables {
    let variables = configuration.environment().and_then(|e| e.variables());
    variables
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), Secret::new(value)))
        .collect()
}

/// The configuration in the words of the spec, and the fields whose words this version does not know.
fn spec_of(c: &aws::FunctionConfiguration) -> (FunctionSpec, Vec<(&'static str, UnknownWord)>) {
    let mut unknown = Vec::new();
    let vpc = c.vpc_config().filter(|v| v.vpc_id().is_some_and(|id| !id.is_empty()));
    let architectures = c.architectures().iter().map(|a| word("architectures", a.as_str()));
    let architectures = known("architectures", architectures.collect(), &mut unknown);
    let mode = c.tracing_config().and_then(|t| t.mode());
    let mode = mode.map(|mode| word("tracing.mode", mode.as_str())).transpose();
    let apply_on = c.snap_start().and_then(|s| s.apply_on());
    let apply_on = apply_on.map(|on| word("snapStart.applyOn", on.as_str())).transpose();
    let logging = c.logging_config().map(logging_of).transpose();
    let spec = FunctionSpec {
        description: c.description().map(str::to_owned),
        runtime: c.runtime().map(|r| r.as_str().to_owned()),
        handler: c.handler().map(str::to_owned),
        architectures,
        role: c.role().unwrap_or_default().to_owned(),
        memory_size: c.memory_size(),
        timeout: c.timeout(),
        ephemeral_storage: c.ephemeral_storage().map(|s| EphemeralStorage { size: s.size() }),
        layers: Some(c.layers().iter().filter_map(|l| l.arn()).map(str::to_owned).collect()),
        vpc: vpc.map(|v| Vpc {
            subnet_ids: Some(v.subnet_ids().to_vec()),
            security_group_ids: Some(v.security_group_ids().to_vec()),
            ipv6_allowed_for_dual_stack: v.ipv6_allowed_for_dual_stack(),
        }),
        tracing: known("tracing", mode, &mut unknown).flatten().map(|mode| Tracing { mode }),
        logging: known("logging", logging, &mut unknown).flatten(),
        dead_letter: c
            .dead_letter_config()
            .and_then(|d| d.target_arn())
            .filter(|arn| !arn.is_empty())
            .map(|arn| DeadLetter { target_arn: Some(arn.to_owned()) }),
        snap_start: known("snapStart", apply_on, &mut unknown)
            .flatten()
            .map(|apply_on| SnapStart { apply_on }),
        kms_key_arn: c.kms_key_arn().map(str::to_owned),
        ..FunctionSpec::default()
    };
    (spec, unknown)
}

/// A field whose words are known.
fn known<T>(
    field: &'static str,
    read: Result<T, UnknownWord>,
    unknown: &mut Vec<(&'static str, UnknownWord)>,
) -> Option<T> {
    read.map_err(|word| unknown.push((field, word))).ok()
}

fn logging_of(l: &aws::LoggingConfig) -> Result<FunctionLogging, UnknownWord> {
    let format = l.log_format().map(|f| word("logging.logFormat", f.as_str()));
    let application = l.application_log_level();
    let application = application.map(|v| word("logging.applicationLogLevel", v.as_str()));
    let system = l.system_log_level().map(|v| word("logging.systemLogLevel", v.as_str()));
    Ok(FunctionLogging {
        log_format: format.transpose()?,
        application_log_level: application.transpose()?,
        system_log_level: system.transpose()?,
        log_group: l.log_group().map(str::to_owned),
    })
}

async fn async_settings(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Option<AsyncInvocation>, AwsError> {
    let read = session
        .read(Service::Lambda, "GetFunctionEventInvokeConfig", || {
            let call = session.lambda().get_function_event_invoke_config().function_name(name);
            call.set_qualifier(qualifier.map(str::to_owned)).send()
        })
        .await
        .absent("ResourceNotFoundException")?;
    Ok(read.map(|r| {
        let destinations = r.destination_config();
        AsyncInvocation {
            maximum_retry_attempts: r.maximum_retry_attempts(),
            maximum_event_age_in_seconds: r.maximum_event_age_in_seconds(),
            on_success: destinations
                .and_then(|d| d.on_success())
                .and_then(|o| o.destination())
                .map(str::to_owned),
            on_failure: destinations
                .and_then(|d| d.on_failure())
                .and_then(|o| o.destination())
                .map(str::to_owned),
        }
    }))
}

async fn url(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Option<(FunctionUrl, String)>, AwsError> {
    let read = session
        .read(Service::Lambda, "GetFunctionUrlConfig", || {
            let call = session.lambda().get_function_url_config().function_name(name);
            call.set_qualifier(qualifier.map(str::to_owned)).send()
        })
        .await
        .absent("ResourceNotFoundException")?;
    let url = |r: GetFunctionUrlConfigOutput| {
        let cors = r.cors().map(|c| UrlCors {
            allow_credentials: c.allow_credentials(),
            allow_headers: Some(c.allow_headers().to_vec()),
            allow_methods: Some(c.allow_methods().to_vec()),
            allow_origins: Some(c.allow_origins().to_vec()),
            expose_headers: Some(c.expose_headers().to_vec()),
            max_age: c.max_age(),
        });
        // Without any rule there is no CORS, however Lambda writes that.
        let nothing = UrlCors {
            allow_headers: Some(Vec::new()),
            allow_methods: Some(Vec::new()),
            allow_origins: Some(Vec::new()),
            expose_headers: Some(Vec::new()),
            ..UrlCors::default()
        };
        let mode = r.invoke_mode().map(|m| word("url.invokeMode", m.as_str())).transpose()?;
        let url = FunctionUrl {
            auth_type: Some(word("url.authType", r.auth_type().as_str())?),
            cors: cors.filter(|cors| *cors != nothing),
            invoke_mode: mode,
        };
        Ok((url, r.function_url().to_owned()))
    };
    let told = read.map(url).transpose();
    told.map_err(|word: UnknownWord| word.in_reply(Service::Lambda, "GetFunctionUrlConfig"))
}

async fn permissions(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Vec<Statement>, AwsError> {
    let read = session
        .read(Service::Lambda, "GetPolicy", || {
            let call = session.lambda().get_policy().function_name(name);
            call.set_qualifier(qualifier.map(str::to_owned)).send()
        })
        .await
        .absent("ResourceNotFoundException")?;
    let Some(read) = read else { return Ok(Vec::new()) };
    let policy = AwsError::required(Service::Lambda, "GetPolicy", read.policy)?;
    permission::from_policy(&policy).map_err(|error| {
        AwsError::new(Class::Invalid, Service::Lambda, "GetPolicy", error.to_string())
    })
}
