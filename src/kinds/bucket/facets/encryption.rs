//! How new objects are encrypted. S3 takes exactly one rule, and a put replaces it with what blocks kinds of
//! encryption: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionRule.html>.

use aws_sdk_s3::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{BlockedEncryptionType, BucketEncryption, EncryptionAlgorithm};
use crate::kinds::{Facet, UnknownWord, as_aws, text, word};

pub(super) struct Encryption;

impl Facet for Encryption {
    type Of = str;
    const FIELD: &'static str = "encryption";
    const WHAT: &'static str = "encryption";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketEncryption");
    type Sdk = aws::ServerSideEncryptionConfiguration;
    type Words = BucketEncryption;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_encryption().bucket(bucket).send()
        });
        let read = read.await.absent("ServerSideEncryptionConfigurationNotFoundError")?;
        let Some(read) = read else { return Ok(None) };
        let configuration = read.server_side_encryption_configuration;
        AwsError::required(service, operation, configuration).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<BucketEncryption>, UnknownWord> {
        let Some(rule) = sdk.rules.first() else { return Ok(None) };
        let Some(default) = &rule.apply_server_side_encryption_by_default else { return Ok(None) };
        let blocked = rule.blocked_encryption_types.as_ref().map(|b| b.encryption_type());
        let blocked: Result<Vec<BlockedEncryptionType>, _> = blocked
            .unwrap_or_default()
            .iter()
            .map(|kind| word("encryption.blockedEncryptionTypes", kind))
            .collect();
        // What blocks nothing says so, or is not there.
        let blocked =
            Some(blocked?).filter(|blocked| !blocked.is_empty()).unwrap_or(NOTHING.to_vec());
        Ok(Some(BucketEncryption {
            algorithm: word("encryption.algorithm", &default.sse_algorithm)?,
            kms_key_arn: default.kms_master_key_id.clone(),
            bucket_key_enabled: Some(rule.bucket_key_enabled.unwrap_or(false)),
            blocked_encryption_types: Some(blocked),
        }))
    }

    /// Since January 2023 every bucket is encrypted, and removing the facet goes back to S3's own keys:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html>.
    fn is_unset(words: &BucketEncryption) -> bool {
        words.algorithm == EncryptionAlgorithm::AES256 && words.bucket_key_enabled != Some(true)
    }

    fn overlay(words: BucketEncryption, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let is_kms = words.algorithm != EncryptionAlgorithm::AES256;
        let algorithm: aws::ServerSideEncryption = as_aws(words.algorithm);
        // A key goes with KMS only, and a bucket key not with its dual-layer form.
        let is_dual = words.algorithm == EncryptionAlgorithm::AwsKmsDsse;
        refuse_what_does_not_go_together(&words, is_kms, is_dual, live.as_ref())?;
        let live_algorithm = live
            .as_ref()
            .and_then(|sdk| sdk.rules().first())
            .and_then(|rule| rule.apply_server_side_encryption_by_default())
            .map(|default| default.sse_algorithm().clone());
        // What stands beside an algorithm that stays is left, whatever it is.
        let is_same = live_algorithm.as_ref() == Some(&algorithm);
        let key = words.kms_key_arn.filter(|_| is_kms || is_same);
        let default = aws::ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm)
            .set_kms_master_key_id(key)
            .build()?;
        let rule = live.and_then(|sdk| sdk.rules.into_iter().next());
        let mut rule = rule.unwrap_or_else(|| aws::ServerSideEncryptionRule::builder().build());
        // A rule without a default was not said in words: what stands beside it stays.
        let was_said = rule.apply_server_side_encryption_by_default.is_some();
        rule.apply_server_side_encryption_by_default = Some(default);
        rule.bucket_key_enabled = match (words.bucket_key_enabled, rule.bucket_key_enabled) {
            (Some(true), live) if is_dual => live.filter(|_| is_same),
            // Off, and not said: the same.
            (Some(false), None) => None,
            (None, live) if !was_said => live.filter(|_| !is_dual),
            (words, _) => words,
        };
        // What blocks nothing already is left in the form that it has.
        let blocks_nothing = rule.blocked_encryption_types.as_ref().is_none_or(|live| {
            live.encryption_type().iter().all(|kind| kind.as_str() == text(&NOTHING[0]))
        });
        let wanted = words.blocked_encryption_types;
        if let Some(kinds) = wanted.filter(|kinds| !(blocks_nothing && is_nothing(kinds))) {
            rule.blocked_encryption_types = Some(blocked(kinds));
        }
        Self::Sdk::builder().rules(rule).build()
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_encryption().bucket(bucket);
        let call = call.server_side_encryption_configuration(sdk).send();
        session.write(Service::S3, "PutBucketEncryption", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_encryption().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketEncryption", call).await.map(drop)
    }
}

/// A key or a bucket key that the manifest wants beside an algorithm that takes none, as where the algorithm
/// is ignored. What only the live rule has goes with the algorithm that it belonged to.
fn refuse_what_does_not_go_together(
    words: &BucketEncryption,
    is_kms: bool,
    is_dual: bool,
    live: Option<&aws::ServerSideEncryptionConfiguration>,
) -> Built<()> {
    let rule = live.and_then(|sdk| sdk.rules().first());
    let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default());
    let has_key = default.is_some_and(|default| default.kms_master_key_id().is_some());
    let algorithm = text(&words.algorithm);
    if words.kms_key_arn.is_some() && !is_kms && !has_key {
        let why = format!("the algorithm is {algorithm}, and kmsKeyArn goes with aws:kms");
        return Err(BuildError::other(why));
    }
    let has_bucket_key = rule.is_some_and(|rule| rule.bucket_key_enabled() == Some(true));
    if words.bucket_key_enabled == Some(true) && is_dual && !has_bucket_key {
        let why = format!("the algorithm is {algorithm}, which takes no bucket key");
        return Err(BuildError::other(why));
    }
    Ok(())
}

/// How S3 says that nothing is blocked.
const NOTHING: [BlockedEncryptionType; 1] = [BlockedEncryptionType::None];

fn is_nothing(kinds: &[BlockedEncryptionType]) -> bool {
    kinds.is_empty() || kinds == NOTHING
}

fn blocked(kinds: Vec<BlockedEncryptionType>) -> aws::BlockedEncryptionTypes {
    let kinds = kinds.iter().map(as_aws);
    aws::BlockedEncryptionTypes::builder().set_encryption_type(Some(kinds.collect())).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of what is written over a live rule with a key of its own.
    fn key(algorithm: EncryptionAlgorithm, key: Option<&str>) -> Option<String> {
        let before = BucketEncryption {
            algorithm: EncryptionAlgorithm::AwsKms,
            kms_key_arn: Some("arn:live".to_owned()),
            bucket_key_enabled: Some(true),
            blocked_encryption_types: Some(vec![BlockedEncryptionType::SseC]),
        };
        let live = Encryption::overlay(before.clone(), None).unwrap();
        let words = BucketEncryption { algorithm, kms_key_arn: key.map(str::to_owned), ..before };
        let sdk = Encryption::overlay(words, Some(live)).unwrap();
        let rule = &sdk.rules()[0];
        assert!(rule.blocked_encryption_types.is_some(), "what is blocked stays blocked");
        rule.apply_server_side_encryption_by_default().unwrap().kms_master_key_id.clone()
    }

    #[test]
    fn a_key_that_is_cleared_or_of_no_use_goes() {
        assert_eq!(key(EncryptionAlgorithm::AwsKms, Some("arn:new")).as_deref(), Some("arn:new"));
        assert_eq!(key(EncryptionAlgorithm::AwsKms, None), None);
        assert_eq!(key(EncryptionAlgorithm::AES256, Some("arn:new")), None);
    }

    #[test]
    fn a_key_beside_an_algorithm_that_takes_none_is_refused_and_not_dropped() {
        let words = |algorithm, kms_key_arn: Option<&str>, bucket_key| BucketEncryption {
            algorithm,
            kms_key_arn: kms_key_arn.map(str::to_owned),
            bucket_key_enabled: bucket_key,
            blocked_encryption_types: None,
        };
        for (words, said) in [
            (
                words(EncryptionAlgorithm::AES256, Some("arn:new"), None),
                "kmsKeyArn goes with aws:kms",
            ),
            (words(EncryptionAlgorithm::AwsKmsDsse, None, Some(true)), "takes no bucket key"),
        ] {
            let error = Encryption::overlay(words, None).unwrap_err();
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains(said), "{why}");
        }
    }
}
