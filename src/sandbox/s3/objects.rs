//! What the emulator does not keep of objects: their headers, and that some are larger than memory.
//!
//! An object with the metadata `sandbox-bytes` is said to have so many bytes; those that it really has are its first.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};
use winterbaume_core::protocol::percent_decode;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;

use super::S3;
use super::copy::text;

const BYTES: &str = "x-amz-meta-sandbox-bytes";

/// A header that belongs to the object:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>.
pub(super) fn is_of_object(name: &HeaderName) -> bool {
    const SYSTEM: [&str; 7] = [
        "content-type",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "expires",
        "x-amz-website-redirect-location",
    ];
    name.as_str().starts_with("x-amz-meta-") || SYSTEM.contains(&name.as_str())
}

pub(super) fn of_object(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| is_of_object(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// How many bytes an object is said to have.
pub(super) fn said_bytes(headers: &HeaderMap) -> Option<u64> {
    text(headers, BYTES).and_then(|bytes| bytes.parse().ok())
}

/// Puts the tags of an upload's header on the object, which the emulator passes over.
pub(super) async fn tag(service: &S3Service, uri: &str, headers: &HeaderMap) {
    let Some(tags) = text(headers, "x-amz-tagging").filter(|tags| !tags.is_empty()) else { return };
    let pairs = tags.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let shown = pairs.map(|(key, value)| {
        let value = percent_decode(value).replace('&', "&amp;").replace('<', "&lt;");
        format!("<Tag><Key>{}</Key><Value>{value}</Value></Tag>", percent_decode(key))
    });
    let body = format!("<Tagging><TagSet>{}</TagSet></Tagging>", shown.collect::<String>());
    let path = uri.split('?').next().unwrap_or_default();
    let uri = format!("{path}?tagging");
    let headers = HeaderMap::new();
    service.handle(MockRequest { method: "PUT".to_owned(), uri, headers, body: body.into() }).await;
}

impl S3 {
    /// Puts an object for another service, and returns its ETag; `None` where there is no such bucket.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Option<String> {
        let service = self.lock().buckets.get(bucket).cloned()?;
        let uri = self.uri(bucket, &format!("/{key}"));
        let place = super::place(bucket, &uri);
        let (method, headers) = ("PUT".to_owned(), HeaderMap::new());
        let response = service.handle(MockRequest { method, uri, headers, body }).await;
        let now = self.clock.now();
        self.lock().put_at.insert(place, now);
        text(&response.headers, "etag").map(|etag| etag.trim_matches('"').to_owned())
    }

    /// The keys below a prefix, for another service; `None` where there is no such bucket.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Option<Vec<String>> {
        let service = self.lock().buckets.get(bucket).cloned()?;
        let uri = self.uri(bucket, &format!("?list-type=2&prefix={prefix}"));
        let (method, headers, body) = ("GET".to_owned(), HeaderMap::new(), Bytes::new());
        let response = service.handle(MockRequest { method, uri, headers, body }).await;
        let listing = String::from_utf8_lossy(&response.body).into_owned();
        let keys = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        Some(keys.map(|(key, _)| key.to_owned()).collect())
    }

    /// Remembers the headers that an object was made with.
    pub(super) fn note_headers(&self, place: String, headers: &HeaderMap) {
        self.lock().headers.insert(place, of_object(headers));
    }

    pub(super) fn headers_of(&self, place: &str) -> HeaderMap {
        self.lock().headers.get(place).cloned().unwrap_or_default()
    }

    /// Shows them. The length is shown where no bytes follow.
    pub(super) fn show_headers(&self, place: &str, is_head: bool, response: &mut MockResponse) {
        let headers = self.headers_of(place);
        for name in headers.keys() {
            response.headers.remove(name);
        }
        if let Some(bytes) = said_bytes(&headers).filter(|_| is_head) {
            response.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        response.headers.extend(headers);
    }

    /// Lists objects with as many bytes as they are said to have.
    pub(super) fn show_sizes(&self, bucket: &str, listing: &str) -> String {
        // Places are as URIs have them, listings as people do.
        let said: BTreeMap<String, u64> = {
            let state = self.lock();
            let said = state.headers.iter();
            said.filter_map(|(place, headers)| Some((percent_decode(place), said_bytes(headers)?)))
                .collect()
        };
        let mut shown = String::new();
        let mut rest = listing;
        while let Some((before, after)) = rest.split_once("<Key>") {
            let key = after.split_once("</Key>").map_or("", |(key, _)| key);
            let bytes = said.get(&format!("{bucket}/{key}"));
            let end = after.find("</Contents>").unwrap_or(after.len());
            let (object, further) = after.split_at(end);
            shown.push_str(before);
            shown.push_str("<Key>");
            shown.push_str(&match bytes {
                Some(bytes) => sized(object, *bytes),
                None => object.to_owned(),
            });
            rest = further;
        }
        shown.push_str(rest);
        shown
    }
}

fn sized(object: &str, bytes: u64) -> String {
    let Some((before, after)) = object.split_once("<Size>") else { return object.to_owned() };
    let after = after.split_once("</Size>").map_or("", |(_, after)| after);
    format!("{before}<Size>{bytes}</Size>{after}")
}
