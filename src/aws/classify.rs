//! What an error of AWS means, by its code and, where codes are too few, by its text.

use super::error::Class;
use super::service::Service;

/// What AWS says while something that was just made has not reached all of it: a role that cannot be
/// assumed, a permission or a principal that is not seen. From
/// <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html>, the retries of Terraform's
/// AWS provider (internal/service/{lambda,dynamodb,s3}), and its issue 41617. No such list is complete; see
/// `engine/patience.rs`.
const PROPAGATING: [&str; 9] = [
    "cannot be assumed by Lambda",
    "role does not have permissions",
    "does not have permissions to call",
    "throttled by EC2",
    "KMS key is invalid for CreateGrant",
    "available life cycle state yet",
    "Unable to validate the following destination configurations",
    "modified multiple times within a fixed interval",
    "Cannot describe time to live while table is in",
];

/// What AWS says where something has changed between an observation and a write that was guarded against that.
const MOVED_MEANWHILE: [&str; 2] =
    ["is different from current CodeSHA256", "does not match the latest Revision Id"];

/// What AWS says of a signature whose time is not its own:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>.
const CLOCK: [&str; 2] = ["Signature expired", "Signature not yet current"];

/// Limits of DynamoDB that waiting does not lift:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
const LIMITS: [&str; 4] = [
    "per-table limit",
    "per table maximum",
    "to be exceeded for the account",
    "OnDemandThroughput for table exceeds",
];

/// Codes that mean the same in every service. They are those of
/// <https://docs.aws.amazon.com/awssupport/latest/user/common-errors.html> and of each service's API reference.
const CODES: [(&[&str], Class); 9] = [
    (
        &[
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "SlowDown",
            "ProvisionedThroughputExceededException",
            "RequestThrottled",
            "EC2ThrottledException",
        ],
        Class::Throttled,
    ),
    (
        &[
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedException",
            "UnauthorizedOperation",
            "AllAccessDisabled",
        ],
        Class::Denied,
    ),
    (
        &[
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "RequestExpired",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "TokenRefreshRequired",
        ],
        Class::Credentials,
    ),
    (
        &[
            "ResourceConflictException",
            "ResourceInUseException",
            "ConflictException",
            "OperationAborted",
            "ConditionalCheckFailedException",
            "PreconditionFailedException",
            "TransactionCanceledException",
            "TransactionConflictException",
            "TransactionInProgressException",
            "ReplicatedWriteConflictException",
            "ConditionalRequestConflict",
            "ConcurrentUpdateException",
            "TooManyUpdates",
            "BucketAlreadyOwnedByYou",
            "BackupInUseException",
            "TableAlreadyExistsException",
            "TableInUseException",
        ],
        Class::Conflict,
    ),
    (
        &[
            "ResourceNotFoundException",
            "NotFoundException",
            "NoSuchBucket",
            "NotFound",
            "NoSuchKey",
            "ParameterNotFound",
            "TableNotFoundException",
            "BackupNotFoundException",
            "404",
        ],
        Class::NotFound,
    ),
    (&["ResourceNotReadyException", "ContinuousBackupsUnavailableException"], Class::NotReady),
    // 409s that do not pass by themselves.
    (&["BucketNotEmpty", "BucketAlreadyExists", "InvalidBucketState"], Class::Invalid),
    // S3 calls a request that came too slowly a bad one.
    (&["RequestTimeout"], Class::Transient),
    (&["RequestTimeTooSkewed"], Class::Clock),
];

/// Sorts a service's error: by its text where that says more, then by its code, then by the HTTP status.
pub(super) fn classify(
    service: Service,
    code: &str,
    message: &str,
    status: u16,
    is_write: bool,
) -> Class {
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if says(&PROPAGATING) {
        return Class::NotReady;
    }
    if says(&MOVED_MEANWHILE) {
        return Class::Conflict;
    }
    if says(&CLOCK) {
        return Class::Clock;
    }
    if let Some((_, class)) = CODES.iter().find(|(codes, _)| codes.contains(&code)) {
        return *class;
    }
    match code {
        // A scalable target that was registered just now is not everywhere yet:
        // https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html.
        "ObjectNotFoundException" if service == Service::AutoScaling => Class::NotReady,
        // In DynamoDB too many operations at once, and sometimes a limit that no waiting lifts.
        "LimitExceededException" if service == Service::DynamoDb && !says(&LIMITS) => {
            Class::NotReady
        }
        // In Amplify another job of the branch; elsewhere a quota, which a person has to raise.
        "LimitExceededException" if says(&["pending or running jobs"]) => Class::Conflict,
        "LimitExceededException" => Class::Invalid,
        // S3 answers with these where a sub-resource was never set.
        code if code.starts_with("NoSuch") || code.ends_with("NotFoundError") => Class::NotFound,
        // S3's HEAD has no body, and so no code.
        "" if service == Service::S3 && status == 403 => Class::Denied,
        "" if service == Service::S3 && status == 301 => Class::Invalid,
        // What AWS answers has a code. A page of something in between says nothing of what AWS did.
        "" if status != 429 => if_lost(is_write),
        _ => by_status(status, is_write),
    }
}

fn by_status(status: u16, is_write: bool) -> Class {
    match status {
        429 => Class::Throttled,
        401 | 403 => Class::Denied,
        404 => Class::Transient,
        409 | 412 => Class::Conflict,
        300..=499 => Class::Invalid,
        // A server error may come after the effect.
        _ => if_lost(is_write),
    }
}

/// Whether a write took effect, nobody knows.
fn if_lost(is_write: bool) -> Class {
    if is_write { Class::Unknown } else { Class::Transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do_next() {
        let invalid = "InvalidParameterValueException";
        let cases = [
            (Service::Lambda, "TooManyRequestsException", "", 429, Class::Throttled),
            (Service::Lambda, "ResourceConflictException", "", 409, Class::Conflict),
            (Service::Lambda, "AccessDeniedException", "", 403, Class::Denied),
            (Service::Lambda, "ExpiredToken", "", 400, Class::Credentials),
            (
                Service::Lambda,
                invalid,
                "The role defined for the function cannot be assumed by Lambda.",
                400,
                Class::NotReady,
            ),
            (Service::Lambda, invalid, "Memory is too big", 400, Class::Invalid),
            (
                Service::Lambda,
                invalid,
                "CodeSHA256 (a) is different from current CodeSHA256 in $LATEST (b).",
                400,
                Class::Conflict,
            ),
            (Service::S3, "NoSuchBucketPolicy", "", 404, Class::NotFound),
            (
                Service::S3,
                "ServerSideEncryptionConfigurationNotFoundError",
                "",
                404,
                Class::NotFound,
            ),
            (Service::S3, "BucketNotEmpty", "", 409, Class::Invalid),
            (Service::S3, "PermanentRedirect", "", 301, Class::Invalid),
            (
                Service::DynamoDb,
                "ValidationException",
                "Time to live has been modified multiple times within a fixed interval",
                400,
                Class::NotReady,
            ),
            (
                Service::DynamoDb,
                "LimitExceededException",
                "Subscriber limit exceeded",
                400,
                Class::NotReady,
            ),
            (
                Service::DynamoDb,
                "LimitExceededException",
                "Number of global secondary indexes exceeds per-table limit of 20",
                400,
                Class::Invalid,
            ),
            (
                Service::Amplify,
                "LimitExceededException",
                "The requested branch main already have pending or running jobs",
                429,
                Class::Conflict,
            ),
            (
                Service::Amplify,
                "LimitExceededException",
                "You have reached the number of apps",
                429,
                Class::Invalid,
            ),
            (Service::Lambda, "InternalError", "", 500, Class::Unknown),
            (Service::Lambda, "", "", 503, Class::Unknown),
            // Pages of proxies, and of gateways that know no such path.
            (Service::Lambda, "", "", 404, Class::Unknown),
            (Service::Lambda, "", "", 400, Class::Unknown),
            (Service::Lambda, "", "", 403, Class::Unknown),
            (Service::S3, "", "", 403, Class::Denied),
            (Service::Lambda, "MissingAuthenticationTokenException", "", 404, Class::Transient),
        ];
        for (service, code, message, status, expected) in cases {
            let class = classify(service, code, message, status, true);
            assert_eq!(class, expected, "{service} {code} {message} {status}");
        }
        assert_eq!(classify(Service::S3, "InternalError", "", 500, false), Class::Transient);
        for status in [302, 400, 403, 404, 407] {
            assert_eq!(
                classify(Service::Lambda, "", "", status, false),
                Class::Transient,
                "{status}"
            );
        }
    }
}
