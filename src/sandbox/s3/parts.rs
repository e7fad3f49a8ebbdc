//! Uploads in parts, which may be copied from other buckets: the emulator keeps each bucket apart.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>: nothing is there before the upload
//! is completed; every part but the last has 5 MiB at least; what belongs to the object is said at the beginning; the
//! checksum is one of the parts' own.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use winterbaume_core::{MockRequest, MockResponse, MockService};

use super::copy::{checksum, text};
use super::objects::{is_of_object, said_bytes, tag};
use super::{NAMESPACE, S3, failed, place};
use crate::sandbox::call::Call;
use crate::sandbox::uri::Query;

const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// An upload that is neither completed nor aborted.
pub(super) struct Upload {
    /// Bucket and key.
    place: String,
    headers: HeaderMap,
    parts: BTreeMap<u32, Bytes>,
    begun_at: Timestamp,
}

/// The uploads by their ids.
#[derive(Default)]
pub(super) struct Uploads {
    begun: u64,
    all: BTreeMap<String, Upload>,
}

impl S3 {
    /// A call about an upload; `None` for any other.
    pub(super) async fn in_parts(
        &self,
        call: &Call,
        request: &MockRequest,
    ) -> Option<MockResponse> {
        let bucket = call.resource.as_str();
        let query = Query::of(&request.uri);
        let id = query.decoded("uploadId").unwrap_or_default();
        let number = query.get("partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
        Some(match call.operation.as_str() {
            "CreateMultipartUpload" => self.begin_upload(bucket, request),
            "UploadPart" => self.take_part(&id, number, request.body.clone(), false),
            "UploadPartCopy" => match self.read_source(request).await {
                Ok((body, _, headers)) => match range(request, &body, said_bytes(&headers)) {
                    Some(part) => self.take_part(&id, number, part, true),
                    None => failed(416, "InvalidRange", "The requested range is not satisfiable"),
                },
                Err(response) => response,
            },
            "CompleteMultipartUpload" => self.complete(&id, bucket, request).await,
            "AbortMultipartUpload" => match self.lock().uploads.all.remove(&id) {
                Some(_) => MockResponse::xml(204, ""),
                None => no_upload(),
            },
            "ListMultipartUploads" => {
                self.list_uploads(bucket, &query.decoded("prefix").unwrap_or_default())
            }
            _ => return None,
        })
    }

    fn begin_upload(&self, bucket: &str, request: &MockRequest) -> MockResponse {
        let begun_at = self.clock.now();
        let mut state = self.lock();
        if !state.buckets.contains_key(bucket) {
            return failed(404, "NoSuchBucket", "The specified bucket does not exist");
        }
        let of_object = |name: &HeaderName| is_of_object(name) || name == "x-amz-tagging";
        let headers = request.headers.iter().filter(|(name, _)| of_object(name));
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        let uploads = &mut state.uploads;
        uploads.begun += 1;
        let (id, place) = (format!("upload-{}", uploads.begun), place(bucket, &request.uri));
        let key = place.split_once('/').map_or("", |(_, key)| key).to_owned();
        uploads.all.insert(id.clone(), Upload { place, headers, parts: BTreeMap::new(), begun_at });
        let body = format!(
            "<InitiateMultipartUploadResult xmlns=\"{NAMESPACE}\"><Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        MockResponse::xml(200, body)
    }

    fn take_part(&self, id: &str, number: u32, part: Bytes, is_copy: bool) -> MockResponse {
        let (etag, sum) = (etag(&part), checksum(&part));
        let mut state = self.lock();
        let Some(upload) = state.uploads.all.get_mut(id) else { return no_upload() };
        upload.parts.insert(number, part);
        if !is_copy {
            let mut response = MockResponse::xml(200, "");
            let value = HeaderValue::from_str(&format!("\"{etag}\"")).ok();
            response.headers.extend(value.map(|value| (http::header::ETAG, value)));
            return response;
        }
        let at = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z");
        let body = format!(
            "<CopyPartResult xmlns=\"{NAMESPACE}\"><ETag>&quot;{etag}&quot;</ETag><LastModified>{at}</LastModified><ChecksumSHA256>{sum}</ChecksumSHA256></CopyPartResult>"
        );
        MockResponse::xml(200, body)
    }

    async fn complete(&self, id: &str, bucket: &str, request: &MockRequest) -> MockResponse {
        let asked = String::from_utf8_lossy(&request.body).into_owned();
        let numbers = asked.split("<PartNumber>").skip(1);
        let numbers = numbers.filter_map(|rest| rest.split('<').next()?.trim().parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        let (service, place, headers, parts) = {
            let state = self.lock();
            let Some(upload) = state.uploads.all.get(id) else { return no_upload() };
            let parts: Option<Vec<_>> =
                numbers.iter().map(|number| upload.parts.get(number).cloned()).collect();
            let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
                return failed(400, "InvalidPart", "One or more of the parts could not be found");
            };
            let service = state.buckets.get(bucket).cloned().unwrap_or_default();
            (service, upload.place.clone(), upload.headers.clone(), parts)
        };
        let is_small = |part: &Bytes| part.len() < PART_BYTES_MIN;
        if said_bytes(&headers).is_none() && parts[..parts.len() - 1].iter().any(is_small) {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return failed(400, "EntityTooSmall", message);
        }
        let key = place.split_once('/').map_or("", |(_, key)| key).to_owned();
        let is_new_only = text(&request.headers, "if-none-match") == Some("*");
        if is_new_only && self.object(bucket, &key).await.is_some() {
            let message = "At least one of the pre-conditions you specified did not hold";
            return failed(412, "PreconditionFailed", message);
        }
        let uri = request.uri.split('?').next().unwrap_or_default().to_owned();
        let body = Bytes::from(parts.concat());
        let put = MockRequest { method: "PUT".to_owned(), uri, headers: headers.clone(), body };
        let written = service.handle(put).await;
        if written.status != 200 {
            return written;
        }
        tag(&service, &request.uri, &headers).await;
        let sums: Vec<u8> = parts.iter().flat_map(Sha256::digest).collect();
        let sum = format!("{}-{}", BASE64_STANDARD.encode(Sha256::digest(&sums)), parts.len());
        let etag = text(&written.headers, "etag").unwrap_or_default().replace('"', "&quot;");
        self.note_headers(place.clone(), &headers);
        let mut state = self.lock();
        state.uploads.all.remove(id);
        state.put_at.insert(place.clone(), self.clock.now());
        state.checksums.insert(place, sum.clone());
        let body = format!(
            "<CompleteMultipartUploadResult xmlns=\"{NAMESPACE}\"><Location>https://{bucket}.s3.amazonaws.com/{key}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256></CompleteMultipartUploadResult>"
        );
        MockResponse::xml(200, body)
    }

    fn list_uploads(&self, bucket: &str, prefix: &str) -> MockResponse {
        let state = self.lock();
        let here = format!("{bucket}/{prefix}");
        let is_asked = |(_, upload): &(&String, &Upload)| upload.place.starts_with(&here);
        let shown = state.uploads.all.iter().filter(is_asked).map(|(id, upload)| {
            let key = upload.place.split_once('/').map_or("", |(_, key)| key);
            let begun = upload.begun_at.strftime("%Y-%m-%dT%H:%M:%S.000Z");
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>")
        });
        let shown: String = shown.collect();
        let body = format!(
            "<ListMultipartUploadsResult xmlns=\"{NAMESPACE}\"><Bucket>{bucket}</Bucket><IsTruncated>false</IsTruncated>{shown}</ListMultipartUploadsResult>"
        );
        MockResponse::xml(200, body)
    }
}

fn etag(part: &Bytes) -> String {
    hex::encode(&Sha256::digest(part)[..16])
}

/// The part that the request names: `bytes=0-99`. Beyond the bytes that an object really has it is empty.
fn range(request: &MockRequest, body: &Bytes, said: Option<u64>) -> Option<Bytes> {
    let Some(range) = text(&request.headers, "x-amz-copy-source-range") else {
        return Some(body.clone());
    };
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    let bytes = said.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(body.len());
    let is_there = first <= last && last < bytes;
    is_there.then(|| body.slice(first.min(body.len())..(last + 1).min(body.len())))
}

fn no_upload() -> MockResponse {
    failed(404, "NoSuchUpload", "The specified upload does not exist")
}
