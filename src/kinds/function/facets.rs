//! Those facets of a function that have calls of their own, each told once. The URL and the async settings
//! belong to a qualifier.

use std::marker::PhantomData;

use aws_sdk_lambda::types as aws;

use super::qualifier::Qualifier;
use super::spec::*;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::{AnyFacet, Plain, Told};

/// What the calls name a function by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionRef {
    pub name: String,
    pub qualifier: Qualifier,
    /// As GetFunction shows it.
    pub reserved_concurrency: Option<i32>,
}

pub(super) const RESERVATION: &dyn AnyFacet<FunctionRef> = &Told::<Reservation>(PhantomData);
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
