//! S3's server access logging around an emulator that forgets it. Follows
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html>: the whole status is put,
//! and reads back as it was put.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;

use super::call::Call;

pub(super) struct S3 {
    inner: Arc<S3Service>,
    /// The status of each bucket that was given one.
    logging: Mutex<HashMap<String, Bytes>>,
}

impl S3 {
    pub fn new(inner: Arc<S3Service>) -> Self {
        Self { inner, logging: Mutex::default() }
    }

    pub async fn handle(&self, call: &Call, request: MockRequest) -> MockResponse {
        let body = request.body.clone();
        let response = self.inner.handle(request).await;
        if response.status >= 300 {
            return response;
        }
        let mut logging = self.logging.lock().unwrap_or_else(PoisonError::into_inner);
        match call.operation.as_str() {
            "PutBucketLogging" => {
                logging.insert(call.resource.clone(), body);
            }
            "GetBucketLogging" => {
                if let Some(status) = logging.get(&call.resource) {
                    return MockResponse::xml(200, status.clone());
                }
            }
            "DeleteBucket" => {
                logging.remove(&call.resource);
            }
            _ => {}
        }
        response
    }
}
