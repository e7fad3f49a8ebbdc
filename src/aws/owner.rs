//! Whose a bucket is, said with every call about it.
//!
//! Names of buckets are taken by anybody once they are free. S3 refuses a call that names another owner than the
//! bucket's: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>. Buckets of
//! artifacts may belong to others; only calls about a bucket itself name its owner, and none about its objects.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::OnceCell;

const HEADER: &str = "x-amz-expected-bucket-owner";

/// Names the session's account as the owner, once it is known.
#[derive(Debug)]
pub(super) struct BucketOwner(pub Arc<OnceCell<String>>);

/// Whether an operation is about a bucket that has to be there, and not about its objects. In botocore's model of
/// S3 each of these takes the owner, but CreateBucket and ListBuckets.
fn is_about_a_bucket(operation: &str) -> bool {
    let parts = ["Bucket", "PublicAccessBlock", "ObjectLockConfiguration"];
    // HeadBucket asks after buckets of artifacts.
    let others = ["CreateBucket", "ListBuckets", "HeadBucket"];
    parts.iter().any(|part| operation.contains(part)) && !others.contains(&operation)
}

#[dyn_dispatch_hint]
impl Intercept for BucketOwner {
    fn name(&self) -> &'static str {
        "BucketOwner"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_meant = config.load::<Metadata>().is_some_and(|m| is_about_a_bucket(m.name()));
        let account = self.0.get().filter(|account| !account.is_empty());
        if let (true, Some(account)) = (is_meant, account) {
            context.request_mut().headers_mut().try_insert(HEADER, account.clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_about_objects_and_new_buckets_name_no_owner() {
        for (operation, expected) in [
            ("PutBucketLifecycleConfiguration", true),
            ("GetBucketTagging", true),
            ("PutPublicAccessBlock", true),
            ("GetObjectLockConfiguration", true),
            ("DeleteBucket", true),
            ("CreateBucket", false),
            ("ListBuckets", false),
            ("HeadBucket", false),
            ("PutObject", false),
            ("GetObject", false),
        ] {
            assert_eq!(is_about_a_bucket(operation), expected, "{operation}");
        }
    }
}
