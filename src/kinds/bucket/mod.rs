//! Bucket: an S3 bucket, each of its sub-resources a facet.
//!
//! AWS facts that shape it: a facet is read and written whole, so a write is an overlay of what was read
//! (`facets`); S3 gives a new bucket protections and defaults of its own, so that its facets are read before
//! they are written; `GetBucketTagging` tells a bucket without tags (NoSuchTagSet) from none
//! (NoSuchBucket), so that existence costs no call of its own; PutBucketTagging replaces all tags,
//! so it carries the live ones along.

mod apply;
mod check;
mod facets;
mod losses;
mod observe;
mod plan;
mod spec;

pub use observe::LiveBucket;
pub use plan::BucketStep;
pub use spec::*;

use jiff::Timestamp;
use serde_json::Value;

use super::{Desired, Kind, NameScope, Nulls, Outcome, SpecProblem};
use crate::aws::{AwsError, Service, Session};
use crate::plan::Plan;

/// The kind `Bucket`, by which the engine knows it.
pub struct Bucket;

impl Kind for Bucket {
    const NAME: &'static str = "Bucket";
    const SERVICE: Service = Service::S3;
    const WHOLE: &'static str = "bucket";
    const HOLDS_DATA: bool = true;
    const TAGS_SEEN_AT_ONCE: bool = false;
    const NAME_SCOPE: NameScope = NameScope::Partition;
    // What S3 gives a new bucket, and what it shows where nothing is set:
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html.
    const NULLS: Nulls = Nulls::AbsentBut(&[
        (
            "publicAccessBlock",
            r#"{"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": true, "restrictPublicBuckets": true}"#,
        ),
        ("publicAccessBlock.blockPublicAcls", "true"),
        ("publicAccessBlock.ignorePublicAcls", "true"),
        ("publicAccessBlock.blockPublicPolicy", "true"),
        ("publicAccessBlock.restrictPublicBuckets", "true"),
        ("objectOwnership", r#""BucketOwnerEnforced""#),
        ("encryption.bucketKeyEnabled", "false"),
        // Since April 2026:
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-s3-c-encryption-setting-faq.html.
        ("encryption.blockedEncryptionTypes", r#"["SSE-C"]"#),
        ("notifications.eventBridge", "false"),
    ]);
    const WHOLES: &'static [&'static str] = &["policy"];
    const FIELDS: &'static [&'static str] = &["name", "arn", "domainName"];

    type Spec = BucketSpec;
    type Live = LiveBucket;
    type Step = BucketStep;

    fn check_name(name: &str) -> Result<(), String> {
        check::check_name(name)
    }

    fn losses(before: &BucketSpec, after: &BucketSpec) -> Vec<String> {
        losses::losses(before, after)
    }

    fn validate(spec: &BucketSpec, name: &str) -> Vec<SpecProblem> {
        check::validate(spec, name)
    }

    async fn observe(
        session: &Session,
        desired: &Desired<BucketSpec>,
    ) -> Result<Option<LiveBucket>, AwsError> {
        observe::observe(session, desired).await
    }

    fn plan(
        desired: &Desired<BucketSpec>,
        live: Option<&LiveBucket>,
        _: Timestamp,
    ) -> Plan<BucketStep> {
        plan::plan(desired, live)
    }

    fn plan_deletion(_: &Desired<BucketSpec>, _: &LiveBucket) -> Plan<BucketStep> {
        plan::plan_deletion()
    }

    async fn apply(
        session: &Session,
        desired: &Desired<BucketSpec>,
        step: &BucketStep,
    ) -> Result<Outcome, AwsError> {
        apply::apply(session, &desired.aws_name, step).await
    }

    fn schema() -> schemars::Schema {
        schemars::schema_for!(BucketSpec)
    }

    fn crd() -> Value {
        super::crd::<spec::Bucket>()
    }
}
