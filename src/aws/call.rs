//! One place through which every AWS call of the program goes.

use std::future::Future;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;
use tracing::{Instrument, field, trace_span};

use super::breaker::Phase;
use super::error::{AwsError, Class};
use super::service::Service;
use super::session::Session;
use super::slot::Slot;

/// The target of the spans of single calls, for traces: no log has them.
pub const CALL_SPANS: &str = "trueup_calls";

/// Tries of one read, the first included.
const READ_TRIES_MAX: u32 = 3;
const READ_RETRY_AFTER: Duration = Duration::from_millis(200);

impl Session {
    /// Makes a call that changes nothing. Throttling and outages get a short, bounded retry.
    pub async fn read<T, E, F>(
        &self,
        service: Service,
        operation: &'static str,
        mut call: impl FnMut() -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut tried = 1;
        loop {
            match self.attempt(service, operation, false, call()).await {
                Err(error)
                    if tried < READ_TRIES_MAX
                        && matches!(error.class, Class::Throttled | Class::Transient) =>
                {
                    tokio::time::sleep(READ_RETRY_AFTER * tried).await;
                    if let Some(metrics) = self.metrics() {
                        metrics.retries.with_label_values(&[service.name()]).inc();
                    }
                    tried += 1;
                }
                result => return result,
            }
        }
    }

    /// Makes a call that changes something. Never retried here.
    pub async fn write<T, E>(
        &self,
        service: Service,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.attempt(service, operation, true, call).await
    }

    async fn attempt<T, E>(
        &self,
        service: Service,
        operation: &'static str,
        is_write: bool,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let limiter = self.guards().limiter(service, operation);
        let breaker = self.guards().breaker(service);
        let Some(admitted) = breaker.admits() else {
            return Err(AwsError::paused(service, operation));
        };
        self.tell_breaker(service, breaker.phase());
        let asked = Instant::now();
        if !limiter.try_take() {
            let _waiting = self.slot().map(Slot::wait);
            limiter.take(self.slot().is_some_and(Slot::gives_way)).await;
        }
        let begun = Instant::now();
        let _calling = self.slot().map(Slot::call);
        if let Some(metrics) = self.metrics() {
            let waited = (begun - asked).as_secs_f64();
            metrics.limiter_wait_seconds.with_label_values(&[service.name()]).observe(waited);
        }
        // The calls of a pass's trace.
        let span = trace_span!(
            target: CALL_SPANS,
            "call",
            otel.name = %format_args!("{}.{operation}", service.name()),
            otel.kind = "client",
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
            aws.region = self.region(),
        );
        let result = call.instrument(span.clone()).await.map_err(|error| {
            let place = self.place(service);
            AwsError::from_sdk(service, operation, is_write, &place, &error)
        });
        if let Err(error) = &result {
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", error.class.reason());
        }
        if matches!(&result, Err(error) if error.class == Class::Throttled) {
            limiter.throttled();
        }
        // How long a function runs is its own making: it says nothing of Lambda.
        let is_of_service = operation != "Invoke";
        let failed = is_of_service && matches!(&result, Err(e) if e.class.is_outage());
        if breaker.record(admitted, failed) {
            self.guards().closed.notify_waiters();
        }
        self.tell_breaker(service, breaker.phase());
        self.observe(service, operation, begun, result.as_ref().err());
        result
    }

    fn observe(&self, service: Service, operation: &str, begun: Instant, error: Option<&AwsError>) {
        let Some(metrics) = self.metrics() else {
            return;
        };
        let service = service.name();
        let code = error.map_or("OK", |e| e.class.reason());
        metrics.requests.with_label_values(&[service, operation, code]).inc();
        let seconds = begun.elapsed().as_secs_f64();
        metrics.seconds.with_label_values(&[service, operation]).observe(seconds);
        if error.is_some_and(|e| e.class == Class::Throttled) {
            metrics.throttles.with_label_values(&[service]).inc();
        }
    }

    fn tell_breaker(&self, service: Service, phase: Phase) {
        let Some(metrics) = self.metrics() else {
            return;
        };
        let labels = [service.name(), &self.guards().account, self.region()];
        let (paused, tried) = (phase != Phase::Closed, phase == Phase::HalfOpen);
        metrics.breaker_open.with_label_values(&labels).set(i64::from(paused));
        metrics.breaker_half_open.with_label_values(&labels).set(i64::from(tried));
    }
}

/// Turns an answer that says "absent" into `None`. Only the code by which the operation itself says so
/// counts: what any other 404 means is not known, least of all that something is gone.
pub trait Absent<T> {
    /// `None` for the error whose code is `code`. Every other error stays one.
    fn absent(self, code: &str) -> Result<Option<T>, AwsError>;
}

impl<T> Absent<T> for Result<T, AwsError> {
    fn absent(self, code: &str) -> Result<Option<T>, AwsError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code == code => Ok(None),
            Err(error) => Err(error),
        }
    }
}
