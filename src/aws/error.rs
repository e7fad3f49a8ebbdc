//! One classification of everything that can go wrong in an AWS call, made once, at the edge.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use thiserror::Error;

use super::classify::classify;
use super::elements::UnknownElement;
use super::service::Service;
use super::session::CALL_TIMEOUT;
use crate::model::Secret;

/// What an error means for whoever made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// AWS asks to slow down; nothing was done.
    Throttled,
    /// AWS failed or could not be reached; nothing was done.
    Transient,
    /// Another change is under way; observe again soon.
    Conflict,
    /// Something that the call needs does not work yet, such as a role made a moment ago.
    NotReady,
    /// The credentials do not allow the call.
    Denied,
    /// The credentials are missing or have expired.
    Credentials,
    /// This machine's clock is not AWS's: no signature is taken.
    Clock,
    /// AWS will not take these values.
    Invalid,
    /// What the call names is not there.
    NotFound,
    /// The reply was lost: the effect may have happened. Observe before writing again.
    Unknown,
}

impl Class {
    /// The word that conditions, events and metrics use.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Throttled => "Throttled",
            Self::Transient => "AwsUnavailable",
            Self::Conflict => "Conflict",
            Self::NotReady => "NotReady",
            Self::Denied => "AccessDenied",
            Self::Credentials => "CredentialsUnusable",
            Self::Clock => "ClockSkewed",
            Self::Invalid => "InvalidRequest",
            Self::NotFound => "NotFound",
            Self::Unknown => "OutcomeUnknown",
        }
    }

    /// Only a person can mend it, though it is still tried again, slowly.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Denied | Self::Invalid | Self::Credentials | Self::Clock)
    }

    /// AWS itself is in trouble: what the breaker counts.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Transient | Self::Unknown)
    }
}

/// A failed AWS call.
#[derive(Clone, Debug, Error)]
#[error("{}", self.sentence())]
pub struct AwsError {
    /// What the error means for whoever made the call.
    pub class: Class,
    /// The service that was called.
    pub service: Service,
    /// The operation, by its name in AWS's API, such as `PutItem`.
    pub operation: &'static str,
    /// AWS's error code, or empty where no reply came.
    pub code: String,
    /// What AWS said, or what went wrong instead of a reply; for people.
    pub message: String,
    /// A write before this one, of the same step, was made: the step had an effect all the same.
    pub is_half_made: bool,
    /// For AWS's support; in logs only, since a message that differs each time cannot be recognized.
    pub request_id: Option<String>,
}

/// No code of AWS: the breaker's own.
const CALLS_PAUSED: &str = "CallsPaused";

impl AwsError {
    /// An error without a code of AWS's.
    pub fn new(
        class: Class,
        service: Service,
        operation: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            service,
            operation,
            code: String::new(),
            message: message.into(),
            is_half_made: false,
            request_id: None,
        }
    }

    /// The breaker is open: nothing was sent.
    pub(super) fn paused(service: Service, operation: &'static str) -> Self {
        let message =
            "calls to it are paused: half of the last ones failed. One is tried every 5 s";
        let code = CALLS_PAUSED.to_owned();
        Self { code, ..Self::new(Class::Transient, service, operation, message) }
    }

    /// One word for conditions: the class's, or that nothing was sent because the breaker is open.
    pub fn reason(&self) -> &'static str {
        if self.is_paused() { CALLS_PAUSED } else { self.class.reason() }
    }

    /// Whether nothing was sent because the breaker is open.
    pub fn is_paused(&self) -> bool {
        self.code == CALLS_PAUSED
    }

    /// A request that lacks something that AWS asks for: nothing was sent.
    pub fn incomplete(
        service: Service,
        operation: &'static str,
        error: &impl std::fmt::Display,
    ) -> Self {
        Self::new(Class::Invalid, service, operation, error.to_string())
    }

    /// The part of a reply that says whether something is there. A reply without it says nothing, and is
    /// no absence: taken for one, it would have something made that exists.
    pub fn required<T>(
        service: Service,
        operation: &'static str,
        part: Option<T>,
    ) -> Result<T, Self> {
        let message = "the reply does not say what was asked for";
        part.ok_or_else(|| Self::new(Class::Transient, service, operation, message))
    }

    /// Of the second of two writes that make one step.
    pub fn half_made(self) -> Self {
        Self { is_half_made: true, ..self }
    }

    /// The error without texts that must not be printed, should AWS have repeated one.
    pub fn without<'a>(mut self, secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        for secret in secrets {
            self.message = secret.concealed_in(&self.message);
        }
        self
    }

    /// The IAM action that the call needs.
    pub fn action(&self) -> String {
        let operation = match (self.service, self.operation) {
            // S3's IAM actions are not always named after its operations:
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
            (Service::S3, "HeadBucket") => "ListBucket",
            (Service::S3, "HeadObject") => "GetObject",
            (Service::DynamoDb, "TransactWriteItems") => "PutItem",
            (Service::S3, "GetBucketEncryption") => "GetEncryptionConfiguration",
            (Service::S3, "PutBucketEncryption" | "DeleteBucketEncryption") => {
                "PutEncryptionConfiguration"
            }
            (Service::S3, "GetBucketAccelerateConfiguration") => "GetAccelerateConfiguration",
            (Service::S3, "PutBucketAccelerateConfiguration") => "PutAccelerateConfiguration",
            (Service::S3, "GetObjectLockConfiguration") => "GetBucketObjectLockConfiguration",
            (Service::S3, "PutObjectLockConfiguration") => "PutBucketObjectLockConfiguration",
            (Service::S3, "GetBucketLifecycleConfiguration") => "GetLifecycleConfiguration",
            (Service::S3, "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle") => {
                "PutLifecycleConfiguration"
            }
            (Service::S3, "GetPublicAccessBlock") => "GetBucketPublicAccessBlock",
            (Service::S3, "PutPublicAccessBlock" | "DeletePublicAccessBlock") => {
                "PutBucketPublicAccessBlock"
            }
            (Service::S3, "DeleteBucketCors") => "PutBucketCORS",
            (Service::S3, "GetBucketCors") => "GetBucketCORS",
            (Service::S3, "PutBucketCors") => "PutBucketCORS",
            (Service::S3, "GetBucketNotificationConfiguration") => "GetBucketNotification",
            (Service::S3, "PutBucketNotificationConfiguration") => "PutBucketNotification",
            (Service::S3, "DeleteBucketTagging") => "PutBucketTagging",
            (Service::S3, "DeleteBucketOwnershipControls") => "PutBucketOwnershipControls",
            (Service::S3, "GetBucketReplication") => "GetReplicationConfiguration",
            (Service::S3, "PutBucketReplication" | "DeleteBucketReplication") => {
                "PutReplicationConfiguration"
            }
            (Service::S3, "ListBucketIntelligentTieringConfigurations") => {
                "GetIntelligentTieringConfiguration"
            }
            (
                Service::S3,
                "PutBucketIntelligentTieringConfiguration"
                | "DeleteBucketIntelligentTieringConfiguration",
            ) => "PutIntelligentTieringConfiguration",
            (Service::S3, "ListBucketInventoryConfigurations") => "GetInventoryConfiguration",
            (
                Service::S3,
                "PutBucketInventoryConfiguration" | "DeleteBucketInventoryConfiguration",
            ) => "PutInventoryConfiguration",
            (Service::S3, "ListBucketMetricsConfigurations") => "GetMetricsConfiguration",
            (Service::S3, "PutBucketMetricsConfiguration" | "DeleteBucketMetricsConfiguration") => {
                "PutMetricsConfiguration"
            }
            (Service::Lambda, "Invoke") => "InvokeFunction",
            (_, operation) => operation,
        };
        format!("{}:{operation}", self.service)
    }

    /// The action that AWS itself names, which may be another one, as iam:PassRole; failing that,
    /// the call's own.
    fn needed(&self) -> String {
        let named = self.message.split("not authorized to perform: ").nth(1);
        let named = named.and_then(|rest| rest.split_whitespace().next());
        named.map_or_else(|| self.action(), |n| n.trim_end_matches(['.', ',']).to_owned())
    }

    fn sentence(&self) -> String {
        let AwsError { service, operation, code, message, .. } = self;
        let what = match (code.is_empty(), message.is_empty()) {
            (true, _) => message.clone(),
            (false, true) => code.clone(),
            (false, false) => format!("{code}: {message}"),
        };
        // A line end of AWS's is not to be taken for one of ours.
        let what = what.replace('\n', "\\n");
        let advice = match self.class {
            Class::Denied => format!("; the credentials need {}", self.needed()),
            Class::Credentials => credentials_advice(std::env::var("AWS_PROFILE").ok().as_deref()),
            Class::Clock => "; set this machine's clock, as by NTP".to_owned(),
            Class::Unknown => {
                "; the outcome is unknown, so trueup reads the resource before it writes again"
                    .to_owned()
            }
            _ => String::new(),
        };
        format!("{service} {operation}: {what}{advice}")
    }

    /// `place` is where the call went.
    pub(super) fn from_sdk<E>(
        service: Service,
        operation: &'static str,
        is_write: bool,
        place: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let lost = if is_write { Class::Unknown } else { Class::Transient };
        let mut out = Self::new(lost, service, operation, "");
        match error {
            SdkError::ConstructionFailure(_) => {
                out.class = Class::Invalid;
                out.message = cause(error);
            }
            SdkError::TimeoutError(_) => {
                let seconds = CALL_TIMEOUT.as_secs();
                out.message = format!("no reply from {place} within {seconds} s");
            }
            SdkError::DispatchFailure(failure) => {
                out.message = cause(error);
                let whole = chain(error);
                if whole.contains("AccessDenied") {
                    // A role that cannot be assumed shows in the first call that would use it.
                    (out.class, out.service, out.operation) =
                        (Class::Denied, Service::Sts, "AssumeRole");
                } else if whole.contains("redential") || whole.contains("ExpiredToken") {
                    out.class = Class::Credentials;
                    // Every place that was tried, a line each: the advice names them.
                    out.message.truncate(
                        out.message.find(" in chain. Attempted:").unwrap_or(out.message.len()),
                    );
                } else {
                    if failure.is_io() && UNSENT.iter().any(|text| out.message.contains(text)) {
                        // Refused before anything was sent.
                        out.class = Class::Transient;
                    }
                    out.message = format!("no connection to {place}: {}", out.message);
                }
            }
            SdkError::ResponseError(_) if let Some(unknown) = found::<UnknownElement>(error) => {
                out.class = Class::Invalid;
                out.message = unknown.to_string();
            }
            SdkError::ResponseError(_) => {
                out.message = format!("the reply could not be read: {}", cause(error));
            }
            SdkError::ServiceError(service_error) => {
                let status = service_error.raw().status().as_u16();
                let meta = service_error.err();
                meta.code().unwrap_or_default().clone_into(&mut out.code);
                meta.message().unwrap_or_default().clone_into(&mut out.message);
                out.request_id = service_error
                    .raw()
                    .headers()
                    .get("x-amzn-requestid")
                    .or_else(|| service_error.raw().headers().get("x-amz-request-id"))
                    .map(str::to_owned);
                if out.code.is_empty() && out.message.is_empty() {
                    out.message = format!("HTTP status {status}");
                }
                out.class = classify(service, &out.code, &out.message, status, is_write);
                if out.class == Class::Invalid && (300..400).contains(&status) {
                    "it lives in another region than the environment".clone_into(&mut out.message);
                }
            }
            _ => out.message = cause(error),
        }
        out
    }
}

/// The error of a type in an error chain.
fn found<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Every message of an error chain, for what only an outer or only an inner one says.
fn chain(error: &dyn std::error::Error) -> String {
    let mut whole = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        whole.push_str(&format!(": {inner} {inner:?}"));
        next = inner.source();
    }
    whole
}

/// The innermost message of an error chain: the SDK's own outer texts only say "dispatch failure".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        innermost = inner.to_string();
        next = inner.source();
    }
    innermost
}

/// What the network says where a call cannot have left: anything else may have had its effect.
const UNSENT: [&str; 4] = ["Connection refused", "failed to lookup", "dns error", "unreachable"];

/// Which credentials were asked for, and where they come from.
fn credentials_advice(profile: Option<&str>) -> String {
    match profile {
        Some(profile) => format!(
            "; AWS_PROFILE is `{profile}`: see that ~/.aws/config or ~/.aws/credentials has it, and renew its \
             credentials"
        ),
        None => {
            "; give or renew the AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, or the role of the instance or \
             container)"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_aws_repeats_is_masked() {
        let message = "value 'hunter2' (aHVudGVyMg==) is not valid";
        let error = AwsError::new(Class::Invalid, Service::Amplify, "UpdateApp", message);
        let said = error.without(&[Secret::new("hunter2"), Secret::new("")]).to_string();
        assert_eq!(said, "amplify UpdateApp: value '(sensitive)' ((sensitive)) is not valid");
    }

    #[test]
    fn a_denied_call_names_the_action_that_is_missing() {
        let mut error = AwsError::new(Class::Denied, Service::S3, "GetBucketEncryption", "no");
        error.code = "AccessDenied".to_owned();
        assert_eq!(
            error.to_string(),
            "s3 GetBucketEncryption: AccessDenied: no; the credentials need s3:GetEncryptionConfiguration"
        );
    }
}
