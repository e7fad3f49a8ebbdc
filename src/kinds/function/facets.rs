//! Those facets of a function that have calls of their own, each told once. The URL and the async settings
//! belong to a qualifier.

use std::marker::PhantomData;

use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::types as aws;

use super::qualifier::Qualifier;
use super::spec::*;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::{AnyFacet, Plain, Told, as_aws, word};

/// What the calls name a function by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionRef {
    /// The function's name in AWS.
    pub name: String,
    /// The alias that the facet is on; `None` is the function itself.
    pub qualifier: Qualifier,
    /// As GetFunction shows it.
    pub reserved_concurrency: Option<i32>,
}

pub(super) const RESERVATION: &dyn AnyFacet<FunctionRef> = &Told::<Reservation>(PhantomData);
pub(super) const RECURSION: &dyn AnyFacet<FunctionRef> = &Told::<Recursion>(PhantomData);
pub(super) const ALIAS_DESCRIPTION: &dyn AnyFacet<FunctionRef> =
    &Told::<AliasDescription>(PhantomData);
pub(super) const ASYNC: &dyn AnyFacet<FunctionRef> = &Told::<AsyncSettings>(PhantomData);
pub(super) const URL: &dyn AnyFacet<FunctionRef> = &Told::<super::url::Url>(PhantomData);

/// How many may run at once. -1 is no reservation, for which Lambda has a call of its own.
struct Reservation;

impl Plain for Reservation {
    type Of = FunctionRef;
    const FIELD: &'static str = "reservedConcurrency";
    const WHAT: &'static str = "reserved concurrency";
    const READ: (Service, &'static str) = (Service::Lambda, "GetFunction");
    type Words = i32;

    async fn read(_: &Session, of: &FunctionRef) -> Result<Option<i32>, AwsError> {
        Ok(Some(of.reserved_concurrency.unwrap_or(-1)))
    }

    async fn write(session: &Session, of: &FunctionRef, executions: i32) -> Result<(), AwsError> {
        if executions == -1 {
            return Self::clear(session, of).await;
        }
        let call = session.lambda().put_function_concurrency().function_name(&of.name);
        let call = call.reserved_concurrent_executions(executions).send();
        session.write(Service::Lambda, "PutFunctionConcurrency", call).await.map(drop)
    }

    async fn clear(session: &Session, of: &FunctionRef) -> Result<(), AwsError> {
        let call = session.lambda().delete_function_concurrency().function_name(&of.name).send();
        session.write(Service::Lambda, "DeleteFunctionConcurrency", call).await.map(drop)
    }
}

/// What Lambda does about a function that invokes itself in a loop. There is no call that takes the setting away: a
/// new function's loops are stopped.
struct Recursion;

impl Plain for Recursion {
    type Of = FunctionRef;
    const FIELD: &'static str = "recursiveLoop";
    const WHAT: &'static str = "recursive loop detection";
    const READ: (Service, &'static str) = (Service::Lambda, "GetFunctionRecursionConfig");
    type Words = RecursiveLoop;

    async fn read(session: &Session, of: &FunctionRef) -> Result<Option<RecursiveLoop>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.lambda().get_function_recursion_config().function_name(&of.name).send()
        });
        let read = read.await?;
        let read = AwsError::required(service, operation, read.recursive_loop())?;
        let known = word(Self::FIELD, read.as_str());
        known.map(Some).map_err(|unknown| unknown.in_reply(service, operation))
    }

    async fn write(
        session: &Session,
        of: &FunctionRef,
        words: RecursiveLoop,
    ) -> Result<(), AwsError> {
        let call = session.lambda().put_function_recursion_config().function_name(&of.name);
        let call = call.recursive_loop(as_aws(words)).send();
        session.write(Service::Lambda, "PutFunctionRecursionConfig", call).await.map(drop)
    }

    async fn clear(session: &Session, of: &FunctionRef) -> Result<(), AwsError> {
        Self::write(session, of, RecursiveLoop::Terminate).await
    }
}

/// The alias's own description. It is written in the revision that is read right before: what moves the alias
/// meanwhile is not lost.
struct AliasDescription;

impl AliasDescription {
    async fn get(session: &Session, of: &FunctionRef) -> Result<Option<GetAliasOutput>, AwsError> {
        // Without a qualifier there is no alias to describe; validation refuses that.
        let Some(alias) = &of.qualifier else { return Ok(None) };
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.lambda().get_alias().function_name(&of.name).name(alias).send()
        });
        read.await.absent("ResourceNotFoundException")
    }
}

impl Plain for AliasDescription {
    type Of = FunctionRef;
    const FIELD: &'static str = "aliasDescription";
    const WHAT: &'static str = "description of the alias";
    const READ: (Service, &'static str) = (Service::Lambda, "GetAlias");
    type Words = String;

    async fn read(session: &Session, of: &FunctionRef) -> Result<Option<String>, AwsError> {
        let alias = Self::get(session, of).await?;
        Ok(alias.map(|alias| alias.description().unwrap_or_default().to_owned()))
    }

    /// What the call leaves out stays: the version, the weights
    /// (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html>).
    async fn write(session: &Session, of: &FunctionRef, words: String) -> Result<(), AwsError> {
        let seen = Self::get(session, of).await?;
        let call = session.lambda().update_alias().function_name(&of.name).description(words);
        let call = call.set_name(of.qualifier.clone());
        let revision = seen.and_then(|alias| alias.revision_id().map(str::to_owned));
        let call = call.set_revision_id(revision).send();
        session.write(Service::Lambda, "UpdateAlias", call).await.map(drop)
    }

    async fn clear(session: &Session, of: &FunctionRef) -> Result<(), AwsError> {
        Self::write(session, of, String::new()).await
    }
}

/// How often an event is tried, and where it ends. A put removes what it leaves out.
pub(super) struct AsyncSettings;

impl Plain for AsyncSettings {
    type Of = FunctionRef;
    const FIELD: &'static str = "async";
    const WHAT: &'static str = "async settings";
    const READ: (Service, &'static str) = (Service::Lambda, "GetFunctionEventInvokeConfig");
    type Words = AsyncInvocation;

    async fn read(
        session: &Session,
        of: &FunctionRef,
    ) -> Result<Option<AsyncInvocation>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            let call = session.lambda().get_function_event_invoke_config();
            call.function_name(&of.name).set_qualifier(of.qualifier.clone()).send()
        });
        let Some(read) = read.await.absent("ResourceNotFoundException")? else { return Ok(None) };
        let destinations = read.destination_config();
        let success = destinations.and_then(|d| d.on_success()).and_then(|o| o.destination());
        let failure = destinations.and_then(|d| d.on_failure()).and_then(|o| o.destination());
        Ok(Some(AsyncInvocation {
            maximum_retry_attempts: read.maximum_retry_attempts(),
            maximum_event_age_in_seconds: read.maximum_event_age_in_seconds(),
            on_success: success.map(str::to_owned),
            on_failure: failure.map(str::to_owned),
        }))
    }

    async fn write(
        session: &Session,
        of: &FunctionRef,
        words: AsyncInvocation,
    ) -> Result<(), AwsError> {
        let given = |arn: Option<String>| arn.filter(|arn| !arn.is_empty());
        let success = given(words.on_success);
        let failure = given(words.on_failure);
        let destinations = aws::DestinationConfig::builder()
            .set_on_success(success.map(|arn| aws::OnSuccess::builder().destination(arn).build()))
            .set_on_failure(failure.map(|arn| aws::OnFailure::builder().destination(arn).build()))
            .build();
        let call = session
            .lambda()
            .put_function_event_invoke_config()
            .function_name(&of.name)
            .set_qualifier(of.qualifier.clone())
            .set_maximum_retry_attempts(words.maximum_retry_attempts)
            .set_maximum_event_age_in_seconds(words.maximum_event_age_in_seconds)
            .destination_config(destinations);
        session.write(Service::Lambda, "PutFunctionEventInvokeConfig", call.send()).await.map(drop)
    }

    async fn clear(session: &Session, of: &FunctionRef) -> Result<(), AwsError> {
        let call = session.lambda().delete_function_event_invoke_config().function_name(&of.name);
        let call = call.set_qualifier(of.qualifier.clone()).send();
        session.write(Service::Lambda, "DeleteFunctionEventInvokeConfig", call).await.map(drop)
    }
}
