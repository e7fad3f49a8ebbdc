//! Writes a function, one call a step. Decides nothing.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::types as aws;
use aws_smithy_types::error::operation::BuildError;

use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::{Outcome, Variables, text};

use super::compare::{CODE_TAG, Settings, code_tag};
use super::plan::{FunctionStep, Publication};
use super::spec::*;

pub(super) async fn apply(
    session: &Session,
    name: &str,
    step: &FunctionStep,
) -> Result<Outcome, AwsError> {
    let lambda = session.lambda();
    match step {
        FunctionStep::Create(settings, tags) => create(session, name, settings, tags).await,
        FunctionStep::Configure(settings, revision) => {
            configure(session, name, settings, revision).await
        }
        FunctionStep::UpdateCode(code, architectures) => {
            update_code(session, name, code, architectures.as_deref()).await
        }
        FunctionStep::Publish(publication) => publish(session, name, publication).await,
        FunctionStep::ReserveConcurrency(executions) => {
            let call = lambda
                .put_function_concurrency()
                .function_name(name)
                .reserved_concurrent_executions(*executions);
            session.write(Service::Lambda, "PutFunctionConcurrency", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::RemoveReservation => {
            let call = lambda.delete_function_concurrency().function_name(name);
            session.write(Service::Lambda, "DeleteFunctionConcurrency", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::PutAsync(qualifier, wanted) => {
            put_async(session, name, qualifier.as_deref(), wanted).await
        }
        FunctionStep::DeleteAsync(qualifier) => {
            let call = lambda
                .delete_function_event_invoke_config()
                .function_name(name)
                .set_qualifier(qualifier.clone());
            session.write(Service::Lambda, "DeleteFunctionEventInvokeConfig", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::CreateUrl(qualifier, wanted) => {
            let call = lambda
                .create_function_url_config()
                .function_name(name)
                .set_qualifier(qualifier.clone())
                .set_auth_type(wanted.auth_type.map(auth_type))
                .set_cors(wanted.cors.as_ref().map(cors))
                .set_invoke_mode(wanted.invoke_mode.map(invoke_mode));
            session.write(Service::Lambda, "CreateFunctionUrlConfig", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::UpdateUrl(qualifier, wanted) => {
            let call = lambda
                .update_function_url_config()
                .function_name(name)
                .set_qualifier(qualifier.clone())
                .set_auth_type(wanted.auth_type.map(auth_type))
                .set_cors(wanted.cors.as_ref().map(cors))
                .set_invoke_mode(wanted.invoke_mode.map(invoke_mode));
            session.write(Service::Lambda, "UpdateFunctionUrlConfig", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::DeleteUrl(qualifier) => {
            let call = lambda
                .delete_function_url_config()
                .function_name(name)
                .set_qualifier(qualifier.clone());
            session.write(Service::Lambda, "DeleteFunctionUrlConfig", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::AddPermission(qualifier, wanted) => {
            add_permission(session, name, qualifier.as_deref(), wanted).await
        }
        FunctionStep::RemovePermission(qualifier, id) => {
            let call = lambda
                .remove_permission()
                .function_name(name)
                .set_qualifier(qualifier.clone())
                .statement_id(id);
            session.write(Service::Lambda, "RemovePermission", call.send()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::Tag(arn, tags) => {
            tag(session, arn, tags.clone()).await?;
            Ok(Outcome::done())
        }
        FunctionStep::Delete => {
            let call = lambda.delete_function().function_name(name);
            session.write(Service::Lambda, "DeleteFunction", call.send()).await?;
            Ok(Outcome::done())
        }
    }
}

fn incomplete(operation: &'static str, error: &BuildError) -> AwsError {
    AwsError::new(Class::Invalid, Service::Lambda, operation, error.to_string())
}

async fn tag(session: &Session, arn: &str, tags: BTreeMap<String, String>) -> Result<(), AwsError> {
    let call =
        session.lambda().tag_resource().resource(arn).set_tags(Some(tags.into_iter().collect()));
    session.write(Service::Lambda, "TagResource", call.send()).await.map(drop)
}

async fn create(
    session: &Session,
    name: &str,
    settings: &Settings,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, AwsError> {
    let spec = &settings.spec;
    let is_image = spec.code.image.is_some();
    let package = if is_image { aws::PackageType::Image } else { aws::PackageType::Zip };
    let s3 = spec.code.s3.as_ref();
    let code = aws::FunctionCode::builder()
        .set_s3_bucket(s3.map(|s| s.bucket.clone()))
        .set_s3_key(s3.map(|s| s.key.clone()))
        .set_s3_object_version(s3.and_then(|s| s.version.clone()))
        .set_image_uri(spec.code.image.clone())
        .build();
    let mut call = session
        .lambda()
        .create_function()
        .function_name(name)
        .package_type(package)
        .code(code)
        .set_description(spec.description.clone())
        .set_runtime(spec.runtime.as_deref().map(aws::Runtime::from))
        .set_handler(spec.handler.clone())
        .role(&spec.role)
        .set_architectures(spec.architectures.as_deref().map(architectures))
        .set_memory_size(spec.memory_size)
        .set_timeout(spec.timeout)
        .set_environment(settings.env.as_ref().map(environment))
        .set_layers(spec.layers.clone())
        .set_vpc_config(spec.vpc.as_ref().map(vpc))
        .set_tracing_config(spec.tracing.map(tracing))
        .set_logging_config(spec.logging.as_ref().map(logging))
        .set_dead_letter_config(spec.dead_letter.as_ref().map(dead_letter))
        .set_snap_start(spec.snap_start.map(snap_start))
        .set_kms_key_arn(spec.kms_key_arn.clone())
        .set_tags(Some(tags.clone().into_iter().collect()));
    if let Some(storage) = spec.ephemeral_storage {
        call = call.ephemeral_storage(ephemeral_storage(storage)?);
    }
    let created = session.write(Service::Lambda, "CreateFunction", call.send()).await?;
    let arn = created.function_arn().unwrap_or_default();
    remember_code(session, arn, &spec.code, created.code_sha256()).await?;
    let in_progress = created.state() == Some(&aws::State::Pending);
    Ok(Outcome { in_progress, ..Outcome::done() })
}

/// Code from a bare S3 location is remembered by a tag; see the module's text.
async fn remember_code(
    session: &Session,
    arn: &str,
    code: &Code,
    code_sha256: Option<&str>,
) -> Result<(), AwsError> {
    match &code.s3 {
        Some(location) if location.sha256.is_none() => {
            let value = code_tag(location, code_sha256.unwrap_or_default());
            let tagged = tag(session, arn, BTreeMap::from([(CODE_TAG.to_owned(), value)])).await;
            tagged.map_err(AwsError::half_made)
        }
        _ => Ok(()),
    }
}

async fn configure(
    session: &Session,
    name: &str,
    settings: &Settings,
    revision: &str,
) -> Result<Outcome, AwsError> {
    let spec = &settings.spec;
    let mut call = session
        .lambda()
        .update_function_configuration()
        .function_name(name)
        .set_revision_id(Some(revision.to_owned()).filter(|revision| !revision.is_empty()))
        .set_description(spec.description.clone())
        .set_runtime(spec.runtime.as_deref().map(aws::Runtime::from))
        .set_handler(spec.handler.clone())
        .set_role(Some(spec.role.clone()).filter(|role| !role.is_empty()))
        .set_memory_size(spec.memory_size)
        .set_timeout(spec.timeout)
        .set_environment(settings.env.as_ref().map(environment))
        .set_layers(spec.layers.clone())
        .set_vpc_config(spec.vpc.as_ref().map(vpc))
        .set_tracing_config(spec.tracing.map(tracing))
        .set_logging_config(spec.logging.as_ref().map(logging))
        .set_dead_letter_config(spec.dead_letter.as_ref().map(dead_letter))
        .set_snap_start(spec.snap_start.map(snap_start))
        .set_kms_key_arn(spec.kms_key_arn.clone());
    if let Some(storage) = spec.ephemeral_storage {
        call = call.ephemeral_storage(ephemeral_storage(storage)?);
    }
    session.write(Service::Lambda, "UpdateFunctionConfiguration", call.send()).await?;
    // What is published is looked at again first, however fast Lambda was.
    Ok(Outcome::in_progress())
}

async fn update_code(
    session: &Session,
    name: &str,
    code: &Code,
    wanted: Option<&[Architecture]>,
) -> Result<Outcome, AwsError> {
    let s3 = code.s3.as_ref();
    let call = session
        .lambda()
        .update_function_code()
        .function_name(name)
        .set_s3_bucket(s3.map(|s| s.bucket.clone()))
        .set_s3_key(s3.map(|s| s.key.clone()))
        .set_s3_object_version(s3.and_then(|s| s.version.clone()))
        .set_image_uri(code.image.clone())
        .set_architectures(wanted.map(architectures));
    let updated = session.write(Service::Lambda, "UpdateFunctionCode", call.send()).await?;
    let arn = updated.function_arn().unwrap_or_default();
    remember_code(session, arn, code, updated.code_sha256()).await?;
    Ok(Outcome::in_progress())
}

/// Publishes what was looked at and nothing else, and moves the alias from where it was looked at:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>.
async fn publish(session: &Session, name: &str, wanted: &Publication) -> Result<Outcome, AwsError> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let call = session
        .lambda()
        .publish_version()
        .function_name(name)
        .set_code_sha256(some(&wanted.code_sha256))
        .set_revision_id(some(&wanted.revision));
    let published = session.write(Service::Lambda, "PublishVersion", call.send()).await?;
    let version = published.version().unwrap_or_default();
    match published.state() {
        // With SnapStart a version is Pending while its snapshot is taken, and cannot be called yet:
        // https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html.
        Some(aws::State::Pending | aws::State::Deactivating) => return Ok(Outcome::waiting()),
        Some(aws::State::Failed) => {
            let reason = published.state_reason().unwrap_or("no reason given");
            let stays = wanted.from.as_ref().map_or_else(
                || format!("the alias {} is not made", wanted.alias),
                |from| format!("the alias {} stays on version {from}", wanted.alias),
            );
            let message = format!(
                "version {version} cannot run: {reason} So {stays}. Correct the code or the configuration"
            );
            return Err(AwsError::new(Class::Invalid, Service::Lambda, "PublishVersion", message));
        }
        None | Some(aws::State::Active | aws::State::Inactive | aws::State::ActiveNonInvocable) => {
        }
        Some(other) => {
            let message = format!(
                "version {version} is `{other}`, which this version of trueup does not know, and gets no \
                 alias; upgrade trueup"
            );
            return Err(AwsError::new(Class::Invalid, Service::Lambda, "PublishVersion", message));
        }
    }
    match &wanted.from {
        Some(from) => move_alias(session, name, &wanted.alias, from, version).await?,
        None => {
            let call = session.lambda().create_alias().function_name(name);
            let call = call.name(&wanted.alias).function_version(version).send();
            session.write(Service::Lambda, "CreateAlias", call).await?;
        }
    }
    Ok(Outcome::done())
}

/// Moves an alias, unless somebody has moved it since it was looked at.
async fn move_alias(
    session: &Session,
    name: &str,
    alias: &str,
    from: &str,
    to: &str,
) -> Result<(), AwsError> {
    let lambda = session.lambda();
    let seen = session
        .read(Service::Lambda, "GetAlias", || {
            lambda.get_alias().function_name(name).name(alias).send()
        })
        .await?;
    if seen.function_version() != Some(from) {
        let now = seen.function_version().unwrap_or("nothing");
        let message = format!("somebody has moved the alias {alias} from version {from} to {now}");
        return Err(AwsError::new(Class::Conflict, Service::Lambda, "UpdateAlias", message));
    }
    // Whoever shifted a part of the traffic by hand would keep it on a version of before.
    let all = aws::AliasRoutingConfiguration::builder()
        .set_additional_version_weights(Some(HashMap::new()))
        .build();
    let call = lambda
        .update_alias()
        .function_name(name)
        .name(alias)
        .function_version(to)
        .routing_config(all)
        .set_revision_id(seen.revision_id);
    session.write(Service::Lambda, "UpdateAlias", call.send()).await.map(drop)
}

async fn put_async(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
    wanted: &AsyncInvocation,
) -> Result<Outcome, AwsError> {
    // What is left out of this call is removed.
    let given = |arn: &Option<String>| arn.clone().filter(|arn| !arn.is_empty());
    let success =
        given(&wanted.on_success).map(|arn| aws::OnSuccess::builder().destination(arn).build());
    let failure =
        given(&wanted.on_failure).map(|arn| aws::OnFailure::builder().destination(arn).build());
    let destinations =
        aws::DestinationConfig::builder().set_on_success(success).set_on_failure(failure).build();
    let call = session
        .lambda()
        .put_function_event_invoke_config()
        .function_name(name)
        .set_qualifier(qualifier.map(str::to_owned))
        .set_maximum_retry_attempts(wanted.maximum_retry_attempts)
        .set_maximum_event_age_in_seconds(wanted.maximum_event_age_in_seconds)
        .destination_config(destinations);
    session.write(Service::Lambda, "PutFunctionEventInvokeConfig", call.send()).await?;
    Ok(Outcome::done())
}

async fn add_permission(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
    wanted: &Permission,
) -> Result<Outcome, AwsError> {
    let call = session
        .lambda()
        .add_permission()
        .function_name(name)
        .set_qualifier(qualifier.map(str::to_owned))
        .statement_id(&wanted.id)
        .set_action(wanted.action.clone())
        .principal(&wanted.principal)
        .set_source_arn(wanted.source_arn.clone())
        .set_source_account(wanted.source_account.clone())
        .set_principal_org_id(wanted.principal_org_id.clone())
        .set_function_url_auth_type(wanted.function_url_auth_type.map(auth_type))
        .set_invoked_via_function_url(wanted.invoked_via_function_url)
        .set_event_source_token(wanted.event_source_token.clone());
    session.write(Service::Lambda, "AddPermission", call.send()).await?;
    Ok(Outcome::done())
}

fn environment(variables: &Variables) -> aws::Environment {
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    aws::Environment::builder().set_variables(Some(variables)).build()
}

fn architectures(wanted: &[Architecture]) -> Vec<aws::Architecture> {
    wanted.iter().map(|kind| aws::Architecture::from(text(kind).as_str())).collect()
}

fn ephemeral_storage(wanted: EphemeralStorage) -> Result<aws::EphemeralStorage, AwsError> {
    aws::EphemeralStorage::builder()
        .size(wanted.size)
        .build()
        .map_err(|e| incomplete("UpdateFunctionConfiguration", &e))
}

/// Empty lists take a function out of its VPC.
fn vpc(wanted: &Vpc) -> aws::VpcConfig {
    aws::VpcConfig::builder()
        .set_subnet_ids(Some(wanted.subnet_ids.clone().unwrap_or_default()))
        .set_security_group_ids(Some(wanted.security_group_ids.clone().unwrap_or_default()))
        .set_ipv6_allowed_for_dual_stack(wanted.ipv6_allowed_for_dual_stack)
        .build()
}

fn tracing(wanted: Tracing) -> aws::TracingConfig {
    let mode = aws::TracingMode::from(text(&wanted.mode).as_str());
    aws::TracingConfig::builder().mode(mode).build()
}

/// Levels go with JSON only.
fn logging(wanted: &FunctionLogging) -> aws::LoggingConfig {
    let is_json = wanted.log_format == Some(LogFormat::Json);
    aws::LoggingConfig::builder()
        .set_log_format(wanted.log_format.map(|f| aws::LogFormat::from(text(&f).as_str())))
        .set_application_log_level(
            wanted
                .application_log_level
                .filter(|_| is_json)
                .map(|level| aws::ApplicationLogLevel::from(text(&level).as_str())),
        )
        .set_system_log_level(
            wanted
                .system_log_level
                .filter(|_| is_json)
                .map(|level| aws::SystemLogLevel::from(text(&level).as_str())),
        )
        .set_log_group(wanted.log_group.clone())
        .build()
}

fn dead_letter(wanted: &DeadLetter) -> aws::DeadLetterConfig {
    let target = wanted.target_arn.clone().unwrap_or_default();
    aws::DeadLetterConfig::builder().target_arn(target).build()
}

fn snap_start(wanted: SnapStart) -> aws::SnapStart {
    let apply_on = aws::SnapStartApplyOn::from(text(&wanted.apply_on).as_str());
    aws::SnapStart::builder().apply_on(apply_on).build()
}

fn auth_type(wanted: UrlAuthType) -> aws::FunctionUrlAuthType {
    aws::FunctionUrlAuthType::from(text(&wanted).as_str())
}

fn invoke_mode(wanted: InvokeMode) -> aws::InvokeMode {
    aws::InvokeMode::from(text(&wanted).as_str())
}

fn cors(wanted: &UrlCors) -> aws::Cors {
    aws::Cors::builder()
        .set_allow_credentials(wanted.allow_credentials)
        .set_allow_headers(wanted.allow_headers.clone())
        .set_allow_methods(wanted.allow_methods.clone())
        .set_allow_origins(wanted.allow_origins.clone())
        .set_expose_headers(wanted.expose_headers.clone())
        .set_max_age(wanted.max_age)
        .build()
}
