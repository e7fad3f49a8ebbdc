//! Copies of objects between buckets, which the emulator makes only within one, and checksums, which it does not
//! keep.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html> (metadata goes along; a copy may be
//! bound to the source's ETag; more than 5 GB is refused) and
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
//!
//! Not there: tags and versions of objects in a copy.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use winterbaume_core::{MockRequest, MockResponse, MockService};

use super::{S3, failed, objects, place};

/// What one CopyObject copies at most.
const COPIED_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

const SOURCE: &str = "x-amz-copy-source";
const SHA256: &str = "x-amz-checksum-sha256";
const MODE: &str = "x-amz-checksum-mode";
const ALGORITHM: &str = "x-amz-checksum-algorithm";

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn checksum(body: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(body))
}

/// Whether what arrived is what was sent.
pub(super) fn is_altered(request: &MockRequest) -> bool {
    text(&request.headers, SHA256).is_some_and(|sum| sum != checksum(&request.body))
}

impl S3 {
    /// What a copy is made of, bound to its ETag where the request names one: its bytes, its ETag and its headers.
    pub(super) async fn read_source(
        &self,
        request: &MockRequest,
    ) -> Result<(Bytes, String, HeaderMap), MockResponse> {
        // It is written as a URI's path, by which the emulator knows objects.
        let source = text(&request.headers, SOURCE).unwrap_or_default().trim_start_matches('/');
        let source = source.split('?').next().unwrap_or_default();
        let Some((from, key)) = source.split_once('/') else {
            return Err(failed(400, "InvalidArgument", "Invalid copy source"));
        };
        let owner = request.headers.get("x-amz-source-expected-bucket-owner");
        if self.is_not_of(from, owner) {
            return Err(failed(403, "AccessDenied", "Access Denied"));
        }
        let Some(from) = self.lock().buckets.get(from).cloned() else {
            return Err(failed(404, "NoSuchBucket", "The specified bucket does not exist"));
        };
        let read = from
            .handle(MockRequest {
                method: "GET".to_owned(),
                uri: format!("https://s3.amazonaws.com/{source}"),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            })
            .await;
        if read.status != 200 {
            let message = format!("The specified key {key} does not exist");
            return Err(failed(404, "NoSuchKey", &message));
        }
        let etag = text(&read.headers, "etag").unwrap_or_default().to_owned();
        let expected = text(&request.headers, "x-amz-copy-source-if-match");
        let is_same = |expected: &str| expected.trim_matches('"') == etag.trim_matches('"');
        if !expected.is_none_or(is_same) {
            let message = "At least one of the pre-conditions you specified did not hold";
            return Err(failed(412, "PreconditionFailed", message));
        }
        // The emulator keeps some of an object's headers only.
        let mut headers = objects::of_object(&read.headers);
        headers.extend(self.headers_of(source));
        Ok((read.body, etag, headers))
    }

    /// A copy from one bucket to another.
    pub(super) async fn copy(&self, bucket: &str, request: &MockRequest) -> MockResponse {
        let (body, etag, headers) = match self.read_source(request).await {
            Ok(read) => read,
            Err(response) => return response,
        };
        let Some(to) = self.lock().buckets.get(bucket).cloned() else {
            return failed(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        let place = place(bucket, &request.uri);
        let to_key = place.split_once('/').map_or("", |(_, key)| key);
        let is_new_only = text(&request.headers, "if-none-match") == Some("*");
        if is_new_only && self.object(bucket, to_key).await.is_some() {
            let message = "At least one of the pre-conditions you specified did not hold";
            return failed(412, "PreconditionFailed", message);
        }
        if objects::said_bytes(&headers).is_some_and(|bytes| bytes > COPIED_BYTES_MAX) {
            let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
            return failed(400, "InvalidRequest", message);
        }
        let sum = text(&request.headers, ALGORITHM).map(|_| checksum(&body));
        let uri = request.uri.clone();
        let put = MockRequest { method: "PUT".to_owned(), uri, headers: headers.clone(), body };
        let written = to.handle(put).await;
        if written.status != 200 {
            return written;
        }
        let now = self.clock.now();
        self.note_headers(place.clone(), &headers);
        let mut state = self.lock();
        state.put_at.insert(place.clone(), now);
        let shown = sum.as_ref().map(|sum| format!("<ChecksumSHA256>{sum}</ChecksumSHA256>"));
        match sum {
            Some(sum) => state.checksums.insert(place, sum),
            None => state.checksums.remove(&place),
        };
        let etag = text(&written.headers, "etag").unwrap_or(&etag);
        let body = format!(
            "<CopyObjectResult xmlns=\"{}\"><ETag>{}</ETag><LastModified>{}</LastModified>{}</CopyObjectResult>",
            super::NAMESPACE,
            etag.replace('"', "&quot;"),
            now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            shown.unwrap_or_default()
        );
        MockResponse::xml(200, body)
    }

    /// Remembers the checksum that an object was put with.
    pub(super) fn note_checksum(&self, place: String, headers: &HeaderMap) {
        let sum = text(headers, SHA256).map(str::to_owned);
        let mut state = self.lock();
        match sum {
            Some(sum) => state.checksums.insert(place, sum),
            None => state.checksums.remove(&place),
        };
    }

    /// Shows the checksum to who asks for it.
    pub(super) fn show_checksum(
        &self,
        place: &str,
        asked: &HeaderMap,
        response: &mut MockResponse,
    ) {
        if text(asked, MODE).is_none() {
            return;
        }
        let sum = self.lock().checksums.get(place).cloned();
        let sum = sum.and_then(|sum| HeaderValue::from_str(&sum).ok());
        response.headers.extend(sum.map(|sum| (HeaderName::from_static(SHA256), sum)));
    }
}
