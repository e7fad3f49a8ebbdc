//! Reads and writes what Lambda keeps ready of a function's versions. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::types as aws;
use jiff::Timestamp;
use jiff::fmt::strtime;
use serde_json::json;

use super::observe::LiveFunction;
use super::provisioned::{self, LiveConcurrency, LiveProvisioned, ProvisioningState};
use super::spec::FunctionSpec;
use super::versions;
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::scaling::{self, Dimension, Target};
use crate::kinds::{Desired, Unread, or_unread};

/// Pages of a function's configurations; a page has 50.
const PAGES_MAX: usize = 20;
/// Versions whose scalers are asked for: one call's. Of those before, the older ones are gone
/// (`rollout.keepVersions`).
const VERSIONS_MAX: usize = 40;

/// Reads it, where the manifest speaks of it.
pub(super) async fn read(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    unread: &mut Unread,
) -> Result<Option<LiveConcurrency>, AwsError> {
    if !provisioned::is_managed(desired) {
        return Ok(None);
    }
    let configs = configs(session, &desired.aws_name).await.map(Some);
    let Some(configs) = or_unread(configs, provisioned::FIELD, unread)? else { return Ok(None) };
    let mut concurrency = LiveConcurrency { configs, ..LiveConcurrency::default() };
    let resources = scaled(desired, live, &concurrency);
    if !resources.is_empty() {
        let targets = scaling::read(session, Dimension::Executions, &resources).await.map(Some);
        let targets = or_unread(targets, provisioned::FIELD, unread)?;
        let Some(targets) = targets else { return Ok(None) };
        concurrency.targets = targets;
    }
    let in_use = provisioned::in_use(live);
    if !concurrency.left_over(&desired.aws_name, &desired.versions, &in_use).is_empty() {
        let named = versions::named_by_aliases(session, &desired.aws_name).await.map(Some);
        let Some(named) = or_unread(named, provisioned::FIELD, unread)? else { return Ok(None) };
        concurrency.named = named;
    }
    Ok(Some(concurrency))
}

/// What may be scaled, where that matters: where scaling is declared, or a version has another number than is declared,
/// has none, or is not in use any more.
fn scaled(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    concurrency: &LiveConcurrency,
) -> Vec<String> {
    let field = provisioned::FIELD;
    let declared = json!(desired.spec);
    let says_scaling = |spec: &serde_json::Value| !spec[field]["autoScaling"].is_null();
    let is_scaled = says_scaling(&declared) || desired.earlier().any(says_scaling);
    let fixed = declared[field]["executions"].as_i64();
    let (configs, in_use) = (&concurrency.configs, provisioned::in_use(live));
    let differs = configs.iter().any(|(version, config)| {
        Some(i64::from(config.executions)) != fixed || !in_use.contains(&version.as_str())
    });
    let lacks = in_use.iter().any(|version| !configs.contains_key(*version));
    let mut asked = BTreeSet::new();
    if is_scaled || differs || lacks {
        asked.extend(configs.keys().cloned());
        asked.extend(in_use.into_iter().map(str::to_owned));
    }
    if is_scaled {
        asked.extend(desired.versions.iter().rev().take(VERSIONS_MAX).cloned());
    }
    let named = asked.iter().map(|version| Target::of_version(&desired.aws_name, version).resource);
    named.collect()
}

async fn configs(
    session: &Session,
    name: &str,
) -> Result<BTreeMap<String, LiveProvisioned>, AwsError> {
    let operation = "ListProvisionedConcurrencyConfigs";
    let (mut all, mut next) = (BTreeMap::new(), None);
    for _ in 0..PAGES_MAX {
        let read = session.read(Service::Lambda, operation, || {
            let call = session.lambda().list_provisioned_concurrency_configs();
            call.function_name(name).set_marker(next.clone()).send()
        });
        let Some(page) = read.await.absent("ResourceNotFoundException")? else { return Ok(all) };
        for config in page.provisioned_concurrency_configs() {
            let qualifier = config.function_arn().and_then(|arn| arn.rsplit(':').next());
            if let Some(qualifier) = qualifier {
                all.insert(qualifier.to_owned(), words(config)?);
            }
        }
        next = page.next_marker;
        if next.is_none() {
            return Ok(all);
        }
    }
    let message = format!("{name} has more than {PAGES_MAX} pages of provisioned versions");
    Err(AwsError::new(Class::Invalid, Service::Lambda, operation, message))
}

fn words(config: &aws::ProvisionedConcurrencyConfigListItem) -> Result<LiveProvisioned, AwsError> {
    let why = || config.status_reason().unwrap_or("no reason given").to_owned();
    let state = match config.status() {
        Some(aws::ProvisionedConcurrencyStatusEnum::Ready) => ProvisioningState::Ready,
        None | Some(aws::ProvisionedConcurrencyStatusEnum::InProgress) => {
            ProvisioningState::InProgress
        }
        Some(aws::ProvisionedConcurrencyStatusEnum::Failed) => ProvisioningState::Failed(why()),
        Some(other) => ProvisioningState::Unknown(other.as_str().to_owned()),
    };
    let (service, operation) = (Service::Lambda, "ListProvisionedConcurrencyConfigs");
    let requested = config.requested_provisioned_concurrent_executions();
    let executions = AwsError::required(service, operation, requested)?;
    let available = config.available_provisioned_concurrent_executions();
    let available = AwsError::required(service, operation, available)?;
    let modified_at = config.last_modified().map(time).transpose().map_err(|error| {
        let message = format!("the time of a provisioned version cannot be read: {error}");
        AwsError::new(Class::Invalid, service, operation, message)
    })?;
    Ok(LiveProvisioned { executions, available, state, modified_at })
}

/// As `2026-01-01T00:00:00+0000`.
fn time(text: &str) -> Result<Timestamp, jiff::Error> {
    strtime::parse("%Y-%m-%dT%H:%M:%S%z", text)?.to_timestamp()
}

pub(super) async fn put(
    session: &Session,
    name: &str,
    version: &str,
    executions: i32,
) -> Result<(), AwsError> {
    let call = session.lambda().put_provisioned_concurrency_config().function_name(name);
    let call = call.qualifier(version).provisioned_concurrent_executions(executions).send();
    session.write(Service::Lambda, "PutProvisionedConcurrencyConfig", call).await.map(drop)
}

pub(super) async fn delete(session: &Session, name: &str, qualifier: &str) -> Result<(), AwsError> {
    let call = session.lambda().delete_provisioned_concurrency_config().function_name(name);
    let call = call.qualifier(qualifier).send();
    session.write(Service::Lambda, "DeleteProvisionedConcurrencyConfig", call).await.map(drop)
}
