//! What an error of AWS means, by its code and, where codes are too few, by its text.

use super::error::Class;

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

/// What AWS says where something has changed between a look and a write that was guarded against that.
const MOVED_MEANWHILE: [&str; 2] =
    ["is different from current CodeSHA256", "does not match the latest Revision Id"];

/// Limits of DynamoDB that waiting does not lift:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
const LIMITS: [&str; 4] = [
    "per-table limit",
    "per table maximum",
    "to be exceeded for the account",
    "OnDemandThroughput for table exceeds",
];

/// Sorts a service's error by its code. The codes are those of
/// https://docs.aws.amazon.com/awssupport/latest/user/common-errors.html and of each service's API
/// reference.
pub(super) fn classify(
    service: &str,
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
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "ProvisionedThroughputExceededException"
        | "RequestThrottled"
        | "EC2ThrottledException" => Class::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedException"
        | "UnauthorizedOperation"
        | "AllAccessDisabled" => Class::Denied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "TokenRefreshRequired" => Class::Credentials,
        "ResourceConflictException"
        | "ResourceInUseException"
        | "ConflictException"
        | "OperationAborted"
        | "ConditionalCheckFailedException"
        | "PreconditionFailedException"
        | "TransactionCanceledException"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException"
        | "ConditionalRequestConflict"
        | "TooManyUpdates"
        | "BucketAlreadyOwnedByYou" => Class::Conflict,
        "ResourceNotFoundException"
        | "NotFoundException"
        | "NoSuchBucket"
        | "NotFound"
        | "NoSuchKey"
        | "ParameterNotFound"
        | "TableNotFoundException"
        | "404" => Class::NotFound,
        "ResourceNotReadyException" | "ContinuousBackupsUnavailableException" => Class::NotReady,
        // In DynamoDB too many operations at once, and sometimes a limit that no waiting lifts.
        "LimitExceededException" if service == "dynamodb" && !says(&LIMITS) => Class::NotReady,
        // In Amplify another job of the branch; elsewhere a quota, which a person has to raise.
        "LimitExceededException" if says(&["pending or running jobs"]) => Class::Conflict,
        "LimitExceededException" => Class::Invalid,
        // 409s that do not pass by themselves.
        "BucketNotEmpty" | "BucketAlreadyExists" | "InvalidBucketState" => Class::Invalid,
        // S3 calls a request that came too slowly a bad one.
        "RequestTimeout" => Class::Transient,
        "RequestTimeTooSkewed" => Class::Credentials,
        // S3 answers with these where a sub-resource was never set.
        code if code.starts_with("NoSuch") || code.ends_with("NotFoundError") => Class::NotFound,
        _ => match status {
            429 => Class::Throttled,
            401 | 403 => Class::Denied,
            // Absence is said by a code of AWS's own. A page of something in between says nothing.
            404 => Class::Transient,
            409 | 412 => Class::Conflict,
            300..=499 => Class::Invalid,
            // A server error may come after the effect.
            _ if is_write => Class::Unknown,
            _ => Class::Transient,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do_next() {
        let invalid = "InvalidParameterValueException";
        let cases = [
            ("lambda", "TooManyRequestsException", "", 429, Class::Throttled),
            ("lambda", "ResourceConflictException", "", 409, Class::Conflict),
            ("lambda", "AccessDeniedException", "", 403, Class::Denied),
            ("lambda", "ExpiredToken", "", 400, Class::Credentials),
            (
                "lambda",
                invalid,
                "The role defined for the function cannot be assumed by Lambda.",
                400,
                Class::NotReady,
            ),
            ("lambda", invalid, "Memory is too big", 400, Class::Invalid),
            (
                "lambda",
                invalid,
                "CodeSHA256 (a) is different from current CodeSHA256 in $LATEST (b).",
                400,
                Class::Conflict,
            ),
            ("s3", "NoSuchBucketPolicy", "", 404, Class::NotFound),
            ("s3", "ServerSideEncryptionConfigurationNotFoundError", "", 404, Class::NotFound),
            ("s3", "BucketNotEmpty", "", 409, Class::Invalid),
            ("s3", "PermanentRedirect", "", 301, Class::Invalid),
            (
                "dynamodb",
                "ValidationException",
                "Time to live has been modified multiple times within a fixed interval",
                400,
                Class::NotReady,
            ),
            (
                "dynamodb",
                "LimitExceededException",
                "Subscriber limit exceeded",
                400,
                Class::NotReady,
            ),
            (
                "dynamodb",
                "LimitExceededException",
                "Number of global secondary indexes exceeds per-table limit of 20",
                400,
                Class::Invalid,
            ),
            (
                "amplify",
                "LimitExceededException",
                "The requested branch main already have pending or running jobs",
                429,
                Class::Conflict,
            ),
            (
                "amplify",
                "LimitExceededException",
                "You have reached the number of apps",
                429,
                Class::Invalid,
            ),
            ("lambda", "InternalError", "", 500, Class::Unknown),
            ("lambda", "", "", 503, Class::Unknown),
            // Pages of proxies, and of gateways that know no such path.
            ("lambda", "", "", 404, Class::Transient),
            ("lambda", "MissingAuthenticationTokenException", "", 404, Class::Transient),
        ];
        for (service, code, message, status, expected) in cases {
            let class = classify(service, code, message, status, true);
            assert_eq!(class, expected, "{service} {code} {message} {status}");
        }
        assert_eq!(classify("s3", "InternalError", "", 500, false), Class::Transient);
    }
}
