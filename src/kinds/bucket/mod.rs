//! Bucket: an S3 bucket, each of its sub-resources a facet.
//!
//! AWS facts that shape it: a facet is read and written whole, so a write carries the whole
//! effective value; `GetBucketTagging` tells a bucket without tags (NoSuchTagSet) from none
//! (NoSuchBucket), so that existence costs no call of its own; PutBucketTagging replaces all tags,
//! so it carries the live ones along.

mod apply;
mod observe;
mod plan;
mod spec;

pub use observe::LiveBucket;
pub use plan::{BucketStep, Facet};
pub use spec::*;

use jiff::Timestamp;
use serde_json::Value;

use super::{Desired, Kind, NameScope, Outcome, Problem};
use crate::aws::{AwsError, Session};
use crate::plan::Plan;

pub struct Bucket;

impl Kind for Bucket {
    const NAME: &'static str = "Bucket";
    const WHOLE: &'static str = "bucket";
    const HOLDS_DATA: bool = true;
    const TAGS_SEEN_AT_ONCE: bool = false;
    const NAME_SCOPE: NameScope = NameScope::Partition;
    const FIELDS: &'static [&'static str] = &["name", "arn", "domainName"];

    type Spec = BucketSpec;
    type Live = LiveBucket;
    type Step = BucketStep;

    fn check_name(name: &str) -> Result<(), String> {
        spec::check_name(name)
    }

    fn validate(spec: &BucketSpec) -> Vec<Problem> {
        spec::validate(spec)
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
