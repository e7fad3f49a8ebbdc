//! Reads a function: one call, and one more for each declared extra. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types as aws;
use serde_json::json;

use super::concurrency;
use super::configuration::{self, variables};
use super::facets::{ALIAS_DESCRIPTION, ASYNC, FunctionRef, RECURSION, RESERVATION};
use super::permission::{self, Statement};
use super::provisioned::{self, LiveConcurrency};
use super::qualifier::{self, Leftover};
use super::spec::*;
use super::statements;
use super::url::Url;
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{
    Desired, Facet, Live, Seen, SeenFacets, UnknownWord, Unread, VERSION, Variables, or_unread,
    read_facets,
};
use crate::model::ReadyVersion;

/// A function as it is, in the words of its spec.
#[derive(Clone, Debug, Default)]
pub struct LiveFunction {
    /// The configuration in the words of the spec, without what has a field of its own here.
    pub spec: FunctionSpec,
    /// The function's name in AWS.
    pub name: String,
    /// The function's own ARN, without an alias or version.
    pub arn: String,
    /// Base64, as Lambda writes it.
    pub code_sha256: String,
    /// Changes with everything that changes the function.
    pub revision: String,
    /// The URI of the container image; `None` where the code is a zip file.
    pub image: Option<String>,
    /// The key of one's own that the zip is encrypted with. No manifest names it.
    pub code_kms_key_arn: Option<String>,
    /// The environment variables, secrets too.
    pub env: Variables,
    /// The function's tags; they tell whose it is.
    pub tags: BTreeMap<String, String>,
    /// The statements of the resource policy, where the manifest speaks of permissions or of a URL.
    pub permissions: Vec<Statement>,
    /// The declared alias; `None` where it is not there yet, or none is declared.
    pub alias: Option<LiveAlias>,
    /// An alias is declared and is not there yet.
    pub awaits_alias: bool,
    /// Executions are declared: a new version has none at first.
    pub awaits_provisioning: bool,
    /// The address of the function's URL, where one is declared and there.
    pub url: Option<String>,
    /// The declared facets that have calls of their own, by their fields.
    pub facets: SeenFacets<FunctionRef>,
    /// What is provisioned of its versions, where the manifest speaks of that.
    pub concurrency: Option<LiveConcurrency>,
    /// What is on qualifiers that are not declared any more.
    pub leftovers: Vec<Leftover>,
    /// What Lambda is still doing, where it is.
    pub busy: Option<String>,
    /// Why Lambda cannot run the function, where it cannot.
    pub failure: Option<String>,
    /// It is in a state that this version does not know: nothing is written.
    pub unknown_state: Option<String>,
    /// Declared fields that could not be read, and why.
    pub unread: Unread,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveAlias {
    pub arn: String,
    pub version: String,
    /// The version has the code and the configuration that the function has.
    pub is_current: bool,
    /// The part of the requests, from 0 to 1, that other versions get. Read where a rollout is declared, or was.
    pub weights: BTreeMap<String, f64>,
    /// The role and the dead-letter target of the version; `None` where it has none.
    pub role: Option<String>,
    pub dead_letter: Option<String>,
    /// Another version that is what the function is now.
    pub next: Option<NextVersion>,
    /// Another version that was the declared form before, and can be called: [`Desired::served`].
    pub served: Option<String>,
}

/// What is not published.
pub(super) const LATEST: &str = "$LATEST";

/// A version that may take over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NextVersion {
    pub version: String,
    /// It cannot be called yet.
    pub is_pending: bool,
    /// Why it cannot run, where it cannot.
    pub failure: Option<String>,
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
        let version = self.alias.iter().map(|a| (VERSION.to_owned(), a.version.clone()));
        outputs.extend(version);
        outputs
    }

    fn next_version(&self) -> Option<ReadyVersion> {
        let alias = self.alias.as_ref()?;
        let next = alias.next.as_ref()?;
        // Its executions are there before its first request.
        let concurrency = self.concurrency.as_ref();
        let is_provisioned = !self.awaits_provisioning
            || alias.weights.contains_key(&next.version)
            || concurrency.is_some_and(|live| live.is_ready(&self.name, &next.version));
        let is_prepared = !next.is_pending && next.failure.is_none() && self.busy.is_none();
        let is_ready = is_prepared && is_provisioned;
        // AWS's parts are from 0 to 1.
        let percent = alias.weights.get(&next.version).map_or(0.0, |part| (part * 100.0).round());
        is_ready.then(|| ReadyVersion {
            version: next.version.clone(),
            from: alias.version.clone(),
            weight: percent as u8,
        })
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
    let (spec, words) = configuration::words(configuration);
    let reserved = function.concurrency().and_then(|c| c.reserved_concurrent_executions());
    let of = FunctionRef {
        name: name.clone(),
        qualifier: asked.alias.clone(),
        reserved_concurrency: reserved,
    };
    let mut live = LiveFunction {
        spec,
        name: name.clone(),
        arn: configuration.function_arn().unwrap_or_default().to_owned(),
        code_sha256: configuration.code_sha256().unwrap_or_default().to_owned(),
        revision: configuration.revision_id().unwrap_or_default().to_owned(),
        image: function.code().and_then(|c| c.image_uri()).map(str::to_owned),
        code_kms_key_arn: function
            .code()
            .and_then(|code| code.source_kms_key_arn())
            .map(str::to_owned),
        env: configuration::variables(configuration),
        tags: function.tags().cloned().unwrap_or_default().into_iter().collect(),
        busy: busy(configuration),
        failure: failure(configuration),
        unknown_state: unknown_state(configuration),
        awaits_provisioning: provisioned::is_wanted(desired),
        ..LiveFunction::default()
    };
    let declared = json!(asked);
    let is_declared = |field: &str| declared.get(field).is_some();
    let words = words.into_iter().filter(|(field, _)| is_declared(field));
    let in_reply = |word: UnknownWord| word.in_reply(Service::Lambda, "GetFunction");
    live.unread = words.map(|(field, word)| (field, in_reply(word))).collect();
    let unreadable = unreadable_variables(configuration).filter(|_| is_declared("env"));
    if let Some(error) = unreadable.filter(|_| !is_encrypted_anew(desired, &live.spec)) {
        live.unread.push(("env", error));
    }
    if let Some(alias) = &asked.alias {
        read_alias(session, desired, (alias, &of), configuration, &mut live).await?;
    }
    let facets = [RESERVATION, RECURSION, ASYNC, ALIAS_DESCRIPTION];
    live.facets = read_facets(session, &of, &facets, is_declared, &mut live.unread).await?;
    if asked.url.is_some() {
        let url = Url::read(session, &of).await;
        let url = or_unread(url, Url::FIELD, &mut live.unread)?;
        live.url = url.as_ref().and_then(|url| url.address.clone());
        live.facets.insert(Url::FIELD, Seen::of::<Url>(url)?);
    }
    if permission::declared(asked).is_some() {
        let read = statements::read(session, &of).await;
        live.permissions = or_unread(read, "permissions", &mut live.unread)?;
    }
    let mut unread = std::mem::take(&mut live.unread);
    live.concurrency = concurrency::read(session, desired, &live, &mut unread).await?;
    live.unread = unread;
    for qualifier in qualifier::left_behind(desired, &live.tags) {
        let of = FunctionRef { qualifier, ..of.clone() };
        live.leftovers.push(leftover(session, desired, of).await?);
    }
    Ok(Some(live))
}

/// The declared alias: what it points to, and what of a rollout is to be known.
async fn read_alias(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    (alias, of): (&str, &FunctionRef),
    configuration: &aws::FunctionConfiguration,
    live: &mut LiveFunction,
) -> Result<(), AwsError> {
    let published = get(session, &of.name, Some(alias)).await?;
    live.alias = published.as_ref().map(|p| alias_of(&live.arn, alias, configuration, p));
    live.awaits_alias = live.alias.is_none();
    let version = published.as_ref().and_then(|p| p.configuration());
    live.failure = live.failure.take().or_else(|| version.and_then(failure));
    let Some(alias) = &mut live.alias else { return Ok(()) };
    alias.served = read_served(session, desired, &of.name, &alias.version).await?;
    if has_rollout(desired) {
        read_shift(session, desired, of, configuration, alias).await?;
    }
    Ok(())
}

/// What is on a qualifier, declared now or not.
async fn leftover(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    of: FunctionRef,
) -> Result<Leftover, AwsError> {
    let url = Url::read(session, &of).await?.and_then(|url| url.words.auth_type);
    let has_async = ASYNC.read(session, &of).await?.words.is_object();
    let ids = statements::read(session, &of).await?.into_iter();
    let ids = ids.map(|statement| statement.permission.id).collect();
    let statements = qualifier::ours(desired, ids);
    Ok(Leftover { of, url, has_async, statements })
}

/// A rollout is declared, or was when something of it may have been written.
fn has_rollout(desired: &Desired<FunctionSpec>) -> bool {
    desired.spec.rollout.is_some() || desired.earlier().any(|spec| spec.get("rollout").is_some())
}

/// Reads how the requests of an alias are shared, and whether a version is there that may take over. GetAlias is
/// one of the calls that Lambda allows 15 times a second
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), so that it is read only where a
/// rollout may have set weights.
async fn read_shift(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    of: &FunctionRef,
    latest: &aws::FunctionConfiguration,
    alias: &mut LiveAlias,
) -> Result<(), AwsError> {
    let read = session.read(Service::Lambda, "GetAlias", || {
        let call = session.lambda().get_alias().function_name(&of.name);
        call.set_name(of.qualifier.clone()).send()
    });
    let Some(seen) = read.await.absent("ResourceNotFoundException")? else { return Ok(()) };
    let weights = seen.routing_config().and_then(|routing| routing.additional_version_weights());
    alias.weights = weights.cloned().unwrap_or_default().into_iter().collect();
    if alias.is_current {
        return Ok(());
    }
    let published = desired.published.iter().filter(|version| **version != alias.version);
    let candidates: BTreeSet<_> = alias.weights.keys().chain(published).cloned().collect();
    for version in candidates {
        let found = get(session, &of.name, Some(&version)).await?;
        let Some(found) = found.as_ref().and_then(|found| found.configuration()) else { continue };
        if is_same(found, latest) {
            alias.next = Some(NextVersion {
                version,
                is_pending: found.state() == Some(&aws::State::Pending),
                failure: failure(found),
            });
        }
    }
    Ok(())
}

/// The version that was the declared form before, where the alias points to another one and it can be called.
async fn read_served(
    session: &Session,
    desired: &Desired<FunctionSpec>,
    name: &str,
    pointed_to: &str,
) -> Result<Option<String>, AwsError> {
    let Some(version) = desired.served.as_deref().filter(|version| *version != pointed_to) else {
        return Ok(None);
    };
    let found = match get(session, name, Some(version)).await {
        // The rights may name the function and its alias alone: then a version is published anew.
        Err(error) if error.class == Class::Denied => return Ok(None),
        found => found?,
    };
    let found = found.as_ref().and_then(|found| found.configuration());
    let is_callable = |c: &&aws::FunctionConfiguration| c.state() == Some(&aws::State::Active);
    Ok(found.filter(is_callable).map(|_| version.to_owned()))
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
    Ok(())
}

/// Why the variables cannot be read, although Lambda answers: it could not decrypt them.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html>
fn unreadable_variables(configuration: &aws::FunctionConfiguration) -> Option<AwsError> {
    let error = configuration.environment()?.error()?;
    let told = error.message().unwrap_or("Lambda cannot decrypt the variables");
    let told = told.trim_end_matches('.');
    let (class, message) = match error.error_code() {
        Some("KMSAccessDeniedException") => {
            (Class::Denied, format!("{told}; not authorized to perform: kms:Decrypt"))
        }
        code => (
            Class::Invalid,
            format!(
                "{} ({told}): the variables cannot be compared. Bring the key back, or declare another `kmsKeyArn` with \
                 all of `env`",
                code.unwrap_or("KMS")
            ),
        ),
    };
    Some(AwsError::new(class, Service::Lambda, "GetFunction", message))
}

/// The manifest has another key and every variable: they are written without having been read.
fn is_encrypted_anew(desired: &Desired<FunctionSpec>, live: &FunctionSpec) -> bool {
    let key = desired.spec.kms_key_arn.as_ref();
    let is_another =
        key.is_some_and(|key| *key != *live.kms_key_arn.as_deref().unwrap_or_default());
    is_another && !desired.ignore.iter().any(|path| path.root() == "env")
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
    // What is not published moves with every write.
    let is_current = version.is_some_and(|v| v.version() != Some(LATEST) && is_same(v, latest));
    LiveAlias {
        arn: format!("{arn}:{alias}"),
        version: version.and_then(|v| v.version()).unwrap_or_default().to_owned(),
        is_current,
        role: version.and_then(|v| v.role()).map(str::to_owned),
        dead_letter: version
            .and_then(|v| v.dead_letter_config())
            .and_then(|config| config.target_arn())
            .map(str::to_owned),
        ..LiveAlias::default()
    }
}

/// A version has the code and the configuration that the function has.
fn is_same(version: &aws::FunctionConfiguration, latest: &aws::FunctionConfiguration) -> bool {
    // A description belongs to a version, not to what it runs.
    let runs = |c: &aws::FunctionConfiguration| FunctionSpec {
        description: None,
        ..configuration::words(c).0
    };
    version.code_sha256() == latest.code_sha256()
        && variables(version) == variables(latest)
        && runs(version) == runs(latest)
}
