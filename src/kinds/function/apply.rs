//! Writes a function, one call a step. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::publish_version::PublishVersionOutput;
use aws_sdk_lambda::types as aws;

use super::compare::{CODE_TAG, Settings, code_tag};
use super::concurrency;
use super::configuration::{self, architectures};
use super::plan::FunctionStep;
use super::shift::{Move, Publication};
use super::spec::*;
use super::statements;
use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::Outcome;

pub(super) async fn apply(
    session: &Session,
    name: &str,
    step: &FunctionStep,
) -> Result<Outcome, AwsError> {
    match step {
        FunctionStep::Create(settings, tags) => {
            return create(session, name, settings, tags).await;
        }
        FunctionStep::Configure(settings, revision) => {
            return configuration::update(session, name, settings, revision).await;
        }
        FunctionStep::UpdateCode { code, architectures, kms_key_arn, revision } => {
            let key = kms_key_arn.clone();
            return update_code(session, name, code, architectures.as_deref(), key, revision).await;
        }
        FunctionStep::Publish(publication) => return publish(session, name, publication).await,
        FunctionStep::PublishVersion { code_sha256, revision } => {
            let published = publish_version(session, name, code_sha256, revision).await?;
            // It is observed, and waited for, before anything points to it.
            return Ok(Outcome { version: published.version, ..Outcome::in_progress() });
        }
        FunctionStep::Move(wanted) => move_alias(session, name, wanted).await?,
        FunctionStep::Facet(of, facet) => return facet.take(session, of).await,
        FunctionStep::Provision { version, executions } => {
            concurrency::put(session, name, version, *executions).await?;
        }
        FunctionStep::Unprovision(qualifier) => {
            concurrency::delete(session, name, qualifier).await?;
        }
        FunctionStep::Scale(step) => return step.take(session).await,
        FunctionStep::AddPermission(of, wanted) => statements::add(session, of, wanted).await?,
        FunctionStep::RemovePermission(of, id) => statements::remove(session, of, id).await?,
        FunctionStep::Tag(arn, tags) => tag(session, arn, tags.clone()).await?,
        FunctionStep::Delete => {
            let call = session.lambda().delete_function().function_name(name).send();
            session.write(Service::Lambda, "DeleteFunction", call).await?;
        }
    }
    Ok(Outcome::done())
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
    let tags = tags.clone().into_iter().collect();
    let created = configuration::create(session, name, settings, tags).await?;
    let arn = created.function_arn().unwrap_or_default();
    remember_code(session, arn, &settings.spec.code, created.code_sha256()).await?;
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

/// A key that is not given would be replaced by AWS's own:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>.
async fn update_code(
    session: &Session,
    name: &str,
    code: &Code,
    wanted: Option<&[Architecture]>,
    kms_key_arn: Option<String>,
    revision: &str,
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
        .set_source_kms_key_arn(kms_key_arn)
        .set_revision_id(Some(revision.to_owned()).filter(|revision| !revision.is_empty()))
        .set_architectures(wanted.map(architectures));
    let updated = session.write(Service::Lambda, "UpdateFunctionCode", call.send()).await?;
    let arn = updated.function_arn().unwrap_or_default();
    remember_code(session, arn, code, updated.code_sha256()).await?;
    Ok(Outcome::in_progress())
}

/// Publishes what was observed and nothing else:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>.
async fn publish_version(
    session: &Session,
    name: &str,
    code_sha256: &str,
    revision: &str,
) -> Result<PublishVersionOutput, AwsError> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let call = session
        .lambda()
        .publish_version()
        .function_name(name)
        .set_code_sha256(some(code_sha256))
        .set_revision_id(some(revision));
    session.write(Service::Lambda, "PublishVersion", call.send()).await
}

/// Publishes what was observed, and moves the alias from where it was observed.
async fn publish(session: &Session, name: &str, wanted: &Publication) -> Result<Outcome, AwsError> {
    let published = publish_version(session, name, &wanted.code_sha256, &wanted.revision).await?;
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
    let outcome = Outcome { version: Some(version.to_owned()), ..Outcome::done() };
    match &wanted.from {
        Some(from) => {
            // Whoever shifted a part of the traffic by hand would keep it on a version of before.
            let (alias, from, to) = (wanted.alias.clone(), from.clone(), version.to_owned());
            let all = Move { alias, from, to, weights: BTreeMap::new() };
            move_alias(session, name, &all).await?;
        }
        None => {
            let call = session.lambda().create_alias().function_name(name);
            let call = call.name(&wanted.alias).function_version(version).send();
            session.write(Service::Lambda, "CreateAlias", call).await?;
        }
    }
    Ok(outcome)
}

/// Moves an alias, unless somebody has moved it since it was observed.
async fn move_alias(session: &Session, name: &str, wanted: &Move) -> Result<(), AwsError> {
    let Move { alias, from, to, weights } = wanted;
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
    // No weights take away those that there are.
    let routing = aws::AliasRoutingConfiguration::builder()
        .set_additional_version_weights(Some(weights.clone().into_iter().collect()))
        .build();
    let call = lambda
        .update_alias()
        .function_name(name)
        .name(alias)
        .function_version(to)
        .routing_config(routing)
        .set_revision_id(seen.revision_id);
    session.write(Service::Lambda, "UpdateAlias", call.send()).await.map(drop)
}
