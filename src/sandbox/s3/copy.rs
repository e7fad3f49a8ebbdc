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
use winterbaume_core::protocol::percent_decode;
use winterbaume_core::{MockRequest, MockResponse, MockService};

use super::{S3, failed, place};

const SOURCE: &str = "x-amz-copy-source";
const SHA256: &str = "x-amz-checksum-sha256";
const MODE: &str = "x-amz-checksum-mode";
const ALGORITHM: &str = "x-amz-checksum-algorithm";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn checksum(body: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(body))
}

/// Whether what arrived is what was sent.
pub(super) fn is_altered(request: &MockRequest) -> bool {
    text(&request.headers, SHA256).is_some_and(|sum| sum != checksum(&request.body))
}

impl S3 {
    /// A copy from one bucket to another.
    pub(super) async fn copy(&self, bucket: &str, request: &MockRequest) -> MockResponse {
        let source = percent_decode(text(&request.headers, SOURCE).unwrap_or_default());
        let source = source.trim_start_matches('/');
        let source = source.split('?').next().unwrap_or_default();
        let Some((from, key)) = source.split_once('/') else {
            return failed(400, "InvalidArgument", "Invalid copy source");
        };
        let owner = request.headers.get("x-amz-source-expected-bucket-owner");
        if self.is_not_of(from, owner) {
            return failed(403, "AccessDenied", "Access Denied");
        }
        let (from, to) = {
            let state = self.lock();
            (state.buckets.get(from).cloned(), state.buckets.get(bucket).cloned())
        };
        let (Some(from), Some(to)) = (from, to) else {
            return failed(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        let read = from
            .handle(MockRequest {
                method: "GET".to_owned(),
                uri: format!("https://s3.amazonaws.com/{}", encoded(source)),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            })
            .await;
        if read.status != 200 {
            return failed(404, "NoSuchKey", &format!("The specified key {key} does not exist"));
        }
        let etag = text(&read.headers, "etag").unwrap_or_default().to_owned();
        let expected = text(&request.headers, "x-amz-copy-source-if-match");
        let is_same = |expected: &str| expected.trim_matches('"') == etag.trim_matches('"');
        if !expected.is_none_or(is_same) {
            let message = "At least one of the pre-conditions you specified did not hold";
            return failed(412, "PreconditionFailed", message);
        }
        let place = place(bucket, &request.uri);
        let to_key = place.split_once('/').map_or("", |(_, key)| key);
        let is_new_only = text(&request.headers, "if-none-match") == Some("*");
        if is_new_only && self.object(bucket, to_key).await.is_some() {
            let message = "At least one of the pre-conditions you specified did not hold";
            return failed(412, "PreconditionFailed", message);
        }
        let of_object = |name: &HeaderName| {
            name.as_str().starts_with("x-amz-meta-")
                || ["content-type", "cache-control", "content-encoding"].contains(&name.as_str())
        };
        let headers = read.headers.iter().filter(|(name, _)| of_object(name));
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        let body = read.body.clone();
        let uri = request.uri.clone();
        let put = MockRequest { method: "PUT".to_owned(), uri, headers, body };
        let written = to.handle(put).await;
        if written.status != 200 {
            return written;
        }
        let now = self.clock.now();
        let sum = text(&request.headers, ALGORITHM).map(|_| checksum(&read.body));
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

/// A path as a URI has it.
fn encoded(path: &str) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~/".contains(&c);
    path.bytes()
        .map(|c| if plain(c) { char::from(c).to_string() } else { format!("%{c:02X}") })
        .collect()
}
