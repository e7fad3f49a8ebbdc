//! S3 around an emulator: each bucket is one of its own, since it copies its whole state after every
//! write; server access logging is kept here, since it forgets it; and a new bucket gets what S3 gives it.
//!
//! Logging follows <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html>: the whole
//! status is put, and reads back as it was put. A new bucket follows
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>: it blocks all public access,
//! has no ACLs, is encrypted with S3's own keys, and has the tags of the call.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;

use super::call::Call;

#[derive(Default)]
pub(super) struct S3(Mutex<State>);

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Arc<S3Service>>,
    /// The logging status of each bucket that was given one.
    logging: HashMap<String, Bytes>,
}

const DEFAULT_BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
const DEFAULT_OWNERSHIP: &str = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
const DEFAULT_ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";

/// What S3 gives a new bucket.
async fn furnish(service: &S3Service, bucket: &str, request: &Bytes) {
    put(service, bucket, "publicAccessBlock", DEFAULT_BLOCK).await;
    put(service, bucket, "ownershipControls", DEFAULT_OWNERSHIP).await;
    put(service, bucket, "encryption", DEFAULT_ENCRYPTION).await;
    let request = String::from_utf8_lossy(request);
    let tags = request.split_once("<Tags>").and_then(|(_, rest)| rest.split_once("</Tags>"));
    if let Some((tags, _)) = tags {
        let tagging = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        put(service, bucket, "tagging", &tagging).await;
    }
}

async fn put(service: &S3Service, bucket: &str, facet: &str, body: &str) {
    let request = MockRequest {
        method: "PUT".to_owned(),
        uri: format!("https://s3.amazonaws.com/{bucket}?{facet}"),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_owned()),
    };
    service.handle(request).await;
}

impl S3 {
    pub async fn handle(&self, call: &Call, request: MockRequest) -> MockResponse {
        if call.operation == "ListBuckets" {
            return self.list();
        }
        let bucket = call.resource.as_str();
        // A bucket that does not exist is asked for in an account without any.
        let service = self.lock().buckets.get(bucket).cloned().unwrap_or_default();
        let body = request.body.clone();
        let response = service.handle(request).await;
        if response.status >= 300 {
            return response;
        }
        match call.operation.as_str() {
            "CreateBucket" => furnish(&service, bucket, &body).await,
            "DeleteBucketEncryption" => {
                put(&service, bucket, "encryption", DEFAULT_ENCRYPTION).await;
            }
            _ => {}
        }
        self.keep(call, service, body).unwrap_or(response)
    }

    /// What a successful call leaves behind here, and the reply where it is ours.
    fn keep(&self, call: &Call, service: Arc<S3Service>, body: Bytes) -> Option<MockResponse> {
        let (mut state, bucket) = (self.lock(), call.resource.as_str());
        match call.operation.as_str() {
            "CreateBucket" => {
                state.buckets.insert(bucket.to_owned(), service);
            }
            "DeleteBucket" => {
                state.buckets.remove(bucket);
                state.logging.remove(bucket);
            }
            "PutBucketLogging" => {
                state.logging.insert(bucket.to_owned(), body);
            }
            "GetBucketLogging" => {
                let status = state.logging.get(bucket)?;
                return Some(MockResponse::xml(200, status.clone()));
            }
            _ => {}
        }
        None
    }

    /// An object, for another service that reads it; `None` where there is none.
    pub async fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let service = self.lock().buckets.get(bucket).cloned()?;
        let request = MockRequest {
            method: "GET".to_owned(),
            uri: format!("https://s3.amazonaws.com/{bucket}/{key}"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let response = service.handle(request).await;
        (response.status == 200).then_some(response.body)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>.
    fn list(&self) -> MockResponse {
        let bucket = |name: &String| {
            format!(
                "<Bucket><Name>{name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>"
            )
        };
        let buckets: String = self.lock().buckets.keys().map(bucket).collect();
        let owner = "<Owner><ID>sandbox</ID></Owner>";
        let body = format!(
            "<ListAllMyBucketsResult>{owner}<Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
        );
        MockResponse::xml(200, body)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
