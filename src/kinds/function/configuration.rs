//! A function's configuration, which Lambda reads and writes as one: each of its members in the words of the
//! spec, and back.

use std::collections::HashMap;

use aws_sdk_lambda::types as aws;

use super::compare::Settings;
use super::spec::*;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::{Outcome, UnknownWord, Variables, as_aws, word};
use crate::model::Secret;

/// Sets on CreateFunction or UpdateFunctionConfiguration what both take: they have the same members by the
/// same names, and no type in common. What is `None` is left out.
macro_rules! with_configuration {
    ($call:expr, $settings:expr) => {{
        let Settings { spec, env } = $settings;
        $call
            .set_description(spec.description.clone())
            .set_runtime(spec.runtime.as_deref().map(aws::Runtime::from))
            .set_handler(spec.handler.clone())
            .set_role(Some(spec.role.clone()).filter(|role| !role.is_empty()))
            .set_memory_size(spec.memory_size)
            .set_timeout(spec.timeout)
            .set_ephemeral_storage(spec.ephemeral_storage.map(storage).transpose()?)
            .set_environment(env.as_ref().map(environment))
            .set_layers(spec.layers.clone())
            .set_vpc_config(spec.vpc.clone().map(vpc))
            .set_tracing_config(spec.tracing.map(tracing))
            .set_logging_config(spec.logging.as_ref().map(logging))
            .set_dead_letter_config(spec.dead_letter.as_ref().map(dead_letter))
            .set_snap_start(spec.snap_start.map(snap_start))
            .set_kms_key_arn(spec.kms_key_arn.clone())
    }};
}

/// Makes the function, with its code and its tags.
pub(super) async fn create(
    session: &Session,
    name: &str,
    settings: &Settings,
    tags: HashMap<String, String>,
) -> Result<aws_sdk_lambda::operation::create_function::CreateFunctionOutput, AwsError> {
    let Code { image, s3, .. } = &settings.spec.code;
    let package = if image.is_some() { aws::PackageType::Image } else { aws::PackageType::Zip };
    let code = aws::FunctionCode::builder()
        .set_s3_bucket(s3.as_ref().map(|s3| s3.bucket.clone()))
        .set_s3_key(s3.as_ref().map(|s3| s3.key.clone()))
        .set_s3_object_version(s3.as_ref().and_then(|s3| s3.version.clone()))
        .set_image_uri(image.clone())
        .build();
    let call = session.lambda().create_function().function_name(name);
    let call = call.package_type(package).code(code).set_tags(Some(tags));
    let call = call.set_architectures(settings.spec.architectures.as_deref().map(architectures));
    let call = with_configuration!(call, settings);
    session.write(Service::Lambda, "CreateFunction", call.send()).await
}

/// Changes what `settings` has, guarded by the revision that was observed.
pub(super) async fn update(
    session: &Session,
    name: &str,
    settings: &Settings,
    revision: &str,
) -> Result<Outcome, AwsError> {
    let revision = Some(revision.to_owned()).filter(|revision| !revision.is_empty());
    let call = session.lambda().update_function_configuration().function_name(name);
    let call = with_configuration!(call.set_revision_id(revision), settings);
    session.write(Service::Lambda, "UpdateFunctionConfiguration", call.send()).await?;
    // What is published is observed again first, however fast Lambda was.
    Ok(Outcome::in_progress())
}

/// The configuration in the words of the spec, and the fields whose words this version does not know.
pub(super) fn words(
    c: &aws::FunctionConfiguration,
) -> (FunctionSpec, Vec<(&'static str, UnknownWord)>) {
    let mut unknown = Vec::new();
    let architectures = c.architectures().iter().map(|a| word("architectures", a));
    let architectures = known("architectures", architectures.collect(), &mut unknown);
    let tracing = c.tracing_config().and_then(tracing_words).transpose();
    let logging = c.logging_config().map(logging_words).transpose();
    let snap_start = c.snap_start().and_then(snap_start_words).transpose();
    let spec = FunctionSpec {
        description: c.description().map(str::to_owned),
        runtime: c.runtime().map(|runtime| runtime.as_str().to_owned()),
        handler: c.handler().map(str::to_owned),
        architectures,
        role: c.role().unwrap_or_default().to_owned(),
        memory_size: c.memory_size(),
        timeout: c.timeout(),
        ephemeral_storage: c.ephemeral_storage().map(|s| EphemeralStorage { size: s.size() }),
        layers: Some(c.layers().iter().filter_map(|l| l.arn()).map(str::to_owned).collect()),
        vpc: c.vpc_config().and_then(vpc_words),
        tracing: known("tracing", tracing, &mut unknown).flatten(),
        logging: known("logging", logging, &mut unknown).flatten(),
        dead_letter: c.dead_letter_config().and_then(dead_letter_words),
        snap_start: known("snapStart", snap_start, &mut unknown).flatten(),
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

pub(super) fn variables(c: &aws::FunctionConfiguration) -> Variables {
    let variables = c.environment().and_then(|environment| environment.variables());
    let variables = variables.into_iter().flatten();
    variables.map(|(name, value)| (name.clone(), Secret::new(value))).collect()
}

fn environment(variables: &Variables) -> aws::Environment {
    let variables = variables.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned()));
    aws::Environment::builder().set_variables(Some(variables.collect())).build()
}

pub(super) fn architectures(wanted: &[Architecture]) -> Vec<aws::Architecture> {
    wanted.iter().map(as_aws).collect()
}

fn storage(wanted: EphemeralStorage) -> Result<aws::EphemeralStorage, AwsError> {
    let built = aws::EphemeralStorage::builder().size(wanted.size).build();
    built.map_err(|e| AwsError::incomplete(Service::Lambda, "UpdateFunctionConfiguration", &e))
}

/// A function that is in no VPC has a configuration without an id.
fn vpc_words(live: &aws::VpcConfigResponse) -> Option<Vpc> {
    live.vpc_id().filter(|id| !id.is_empty())?;
    Some(Vpc {
        subnet_ids: Some(live.subnet_ids().to_vec()),
        security_group_ids: Some(live.security_group_ids().to_vec()),
        ipv6_allowed_for_dual_stack: live.ipv6_allowed_for_dual_stack(),
    })
}

/// Empty lists take a function out of its VPC.
fn vpc(wanted: Vpc) -> aws::VpcConfig {
    aws::VpcConfig::builder()
        .set_subnet_ids(Some(wanted.subnet_ids.unwrap_or_default()))
        .set_security_group_ids(Some(wanted.security_group_ids.unwrap_or_default()))
        .set_ipv6_allowed_for_dual_stack(wanted.ipv6_allowed_for_dual_stack)
        .build()
}

fn tracing_words(live: &aws::TracingConfigResponse) -> Option<Result<Tracing, UnknownWord>> {
    let mode = word("tracing.mode", live.mode()?.as_str());
    Some(mode.map(|mode| Tracing { mode }))
}

fn tracing(wanted: Tracing) -> aws::TracingConfig {
    let mode: aws::TracingMode = as_aws(wanted.mode);
    aws::TracingConfig::builder().mode(mode).build()
}

fn logging_words(live: &aws::LoggingConfig) -> Result<FunctionLogging, UnknownWord> {
    let format = live.log_format().map(|format| word("logging.logFormat", format));
    let application = live.application_log_level();
    let application = application.map(|level| word("logging.applicationLogLevel", level));
    let system = live.system_log_level().map(|level| word("logging.systemLogLevel", level));
    Ok(FunctionLogging {
        log_format: format.transpose()?,
        application_log_level: application.transpose()?,
        system_log_level: system.transpose()?,
        log_group: live.log_group().map(str::to_owned),
    })
}

/// Levels go with JSON only.
fn logging(wanted: &FunctionLogging) -> aws::LoggingConfig {
    let is_json = wanted.log_format == Some(LogFormat::Json);
    let application = wanted.application_log_level.filter(|_| is_json);
    let system = wanted.system_log_level.filter(|_| is_json);
    aws::LoggingConfig::builder()
        .set_log_format(wanted.log_format.map(as_aws))
        .set_application_log_level(application.map(as_aws))
        .set_system_log_level(system.map(as_aws))
        .set_log_group(wanted.log_group.clone())
        .build()
}

fn dead_letter_words(live: &aws::DeadLetterConfig) -> Option<DeadLetter> {
    let target = live.target_arn().filter(|arn| !arn.is_empty())?;
    Some(DeadLetter { target_arn: Some(target.to_owned()) })
}

fn dead_letter(wanted: &DeadLetter) -> aws::DeadLetterConfig {
    let target = wanted.target_arn.clone().unwrap_or_default();
    aws::DeadLetterConfig::builder().target_arn(target).build()
}

fn snap_start_words(live: &aws::SnapStartResponse) -> Option<Result<SnapStart, UnknownWord>> {
    let apply_on = word("snapStart.applyOn", live.apply_on()?.as_str());
    Some(apply_on.map(|apply_on| SnapStart { apply_on }))
}

fn snap_start(wanted: SnapStart) -> aws::SnapStart {
    let apply_on: aws::SnapStartApplyOn = as_aws(wanted.apply_on);
    aws::SnapStart::builder().apply_on(apply_on).build()
}
