//! S3 around an emulator: each bucket is one of its own, since it copies its whole state after every
//! write, and server access logging is kept here, since it forgets it.
//!
//! Logging follows <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html>: the whole
//! status is put, and reads back as it was put.

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
        let mut state = self.lock();
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
                if let Some(status) = state.logging.get(bucket) {
                    return MockResponse::xml(200, status.clone());
                }
            }
            _ => {}
        }
        response
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
