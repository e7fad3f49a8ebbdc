//! S3 around an emulator: each bucket is one of its own, since it copies its whole state after every
//! write; the settings of a bucket are kept here (`facets`), since it forgets parts of them; and a new
//! bucket gets what S3 gives it.
//!
//! A new bucket follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>: it blocks all public access,
//! has no ACLs, is encrypted with S3's own keys, and has the tags of the call.

mod copy;
mod facets;
mod objects;
mod parts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::header::LAST_MODIFIED;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;

use self::facets::Facets;
use super::call::Call;
use super::uri::{Query, path_of};
use super::{ACCOUNT_ID, REGION};
use crate::model::Clock;

pub(super) struct S3 {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Arc<S3Service>>,
    /// By bucket.
    facets: BTreeMap<String, Facets>,
    /// Where buckets are.
    regions: BTreeMap<String, String>,
    /// Buckets of other accounts.
    owners: BTreeMap<String, String>,
    /// When objects were put, by their places: the emulator's clock is not ours.
    put_at: BTreeMap<String, Timestamp>,
    /// What objects were put or copied with, by their places.
    checksums: BTreeMap<String, String>,
    /// What belongs to objects beside their bytes, by their places.
    headers: BTreeMap<String, HeaderMap>,
    uploads: parts::Uploads,
}

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

const DEFAULT_BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
const DEFAULT_OWNERSHIP: &str = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
const DEFAULT_ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";

/// What S3 gives a new bucket.
fn furnished() -> Facets {
    let mut facets = Facets::default();
    facets.give("publicAccessBlock", DEFAULT_BLOCK);
    facets.give("ownershipControls", DEFAULT_OWNERSHIP);
    facets.give("encryption", DEFAULT_ENCRYPTION);
    facets
}

/// Puts the tags of a CreateBucket on.
async fn tag(service: &S3Service, bucket: &str, request: &Bytes) {
    let request = String::from_utf8_lossy(request);
    let tags = request.split_once("<Tags>").and_then(|(_, rest)| rest.split_once("</Tags>"));
    let Some((tags, _)) = tags else { return };
    let request = MockRequest {
        method: "PUT".to_owned(),
        uri: format!("https://s3.amazonaws.com/{bucket}?tagging"),
        headers: HeaderMap::new(),
        body: Bytes::from(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")),
    };
    service.handle(request).await;
}

/// A document whose root is in S3's namespace, as every reply's is.
fn in_namespace(document: &str) -> String {
    let declared = document.find("?>").map_or(0, |end| end + 2);
    let root = &document[declared..];
    let Some(end) = root.find('>').filter(|_| !root.starts_with("<Error")) else {
        return document.to_owned();
    };
    if root[..end].contains("xmlns=") {
        return document.to_owned();
    }
    let name = root[..end].find(['/', ' ']).unwrap_or(end);
    let (before, after) = document.split_at(declared + name);
    format!("{before} xmlns=\"{NAMESPACE}\"{after}")
}

/// An object's bucket and key; the bucket is in the path, or in the host.
fn place(bucket: &str, uri: &str) -> String {
    let path = path_of(uri).trim_start_matches('/');
    let key = path.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
    format!("{bucket}/{key}")
}

fn failed(status: u16, code: &str, message: &str) -> MockResponse {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    MockResponse::xml(status, body)
}

impl S3 {
    pub fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    pub async fn handle(&self, call: &Call, request: MockRequest) -> MockResponse {
        if call.operation == "ListBuckets" {
            return self.list();
        }
        if self.is_of_another(&call.resource, &request.headers) {
            return failed(403, "AccessDenied", "Access Denied");
        }
        if let Some(response) = self.facet(call, &request) {
            return response;
        }
        let bucket = call.resource.as_str();
        if call.operation == "PutBucketVersioning" && self.needs_versions(bucket, &request.body) {
            let message = "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.";
            return failed(409, "InvalidBucketState", message);
        }
        if let Some(response) = self.in_parts(call, &request).await {
            return response;
        }
        if call.operation == "CopyObject" {
            return self.copy(bucket, &request).await;
        }
        if call.operation == "PutObject" && copy::is_altered(&request) {
            let message = "The SHA256 you specified did not match the calculated checksum.";
            return failed(400, "BadDigest", message);
        }
        // A bucket that does not exist is asked for in an account without any.
        let service = self.lock().buckets.get(bucket).cloned().unwrap_or_default();
        let (body, uri) = (request.body.clone(), request.uri.clone());
        let headers = request.headers.clone();
        let mut response = service.handle(request).await;
        if response.status >= 300 {
            return response;
        }
        match call.operation.as_str() {
            "CreateBucket" => {
                tag(&service, bucket, &body).await;
                let mut state = self.lock();
                state.buckets.insert(bucket.to_owned(), service);
                state.regions.insert(bucket.to_owned(), call.region.clone());
                state.facets.insert(bucket.to_owned(), furnished());
            }
            "DeleteBucket" => {
                let mut state = self.lock();
                state.buckets.remove(bucket);
                state.regions.remove(bucket);
                state.facets.remove(bucket);
            }
            "PutObject" => {
                objects::tag(&service, &uri, &headers).await;
                let (place, now) = (place(bucket, &uri), self.clock.now());
                self.lock().put_at.insert(place.clone(), now);
                self.note_headers(place.clone(), &headers);
                self.note_checksum(place, &headers);
            }
            "GetObject" | "HeadObject" => {
                let place = place(bucket, &uri);
                self.date(&place, &mut response);
                let is_head = call.operation == "HeadObject";
                self.show_headers(&place, is_head, &mut response);
                self.show_checksum(&place, &headers, &mut response);
            }
            "GetBucketPolicy" => {}
            "ListObjectsV2" => {
                if let Ok(document) = std::str::from_utf8(&response.body) {
                    response.body = in_namespace(&self.show_sizes(bucket, document)).into();
                }
            }
            _ => {
                if let Ok(document) = std::str::from_utf8(&response.body) {
                    response.body = in_namespace(document).into();
                }
            }
        }
        response
    }

    /// Says when an object was put, by our clock.
    fn date(&self, place: &str, response: &mut MockResponse) {
        let Some(at) = self.lock().put_at.get(place).copied() else { return };
        let date = DateTime::from_secs(at.as_second()).fmt(Format::HttpDate).ok();
        let date = date.and_then(|date| HeaderValue::from_str(&date).ok());
        // In place of the emulator's own.
        response.headers.remove(LAST_MODIFIED);
        response.headers.extend(date.map(|date| (LAST_MODIFIED, date)));
    }

    /// The bucket belongs to another account from now on.
    pub fn give_away(&self, bucket: &str, account: &str) {
        self.lock().owners.insert(bucket.to_owned(), account.to_owned());
    }

    /// Whether the request names another owner than the bucket's:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>.
    fn is_of_another(&self, bucket: &str, headers: &HeaderMap) -> bool {
        self.is_not_of(bucket, headers.get("x-amz-expected-bucket-owner"))
    }

    fn is_not_of(&self, bucket: &str, expected: Option<&HeaderValue>) -> bool {
        let Some(expected) = expected else { return false };
        let state = self.lock();
        let owner = state.owners.get(bucket).map_or(ACCOUNT_ID, String::as_str);
        expected.as_bytes() != owner.as_bytes()
    }

    /// Whether a bucket is of an account.
    pub fn is_owned_by(&self, bucket: &str, account: &str) -> bool {
        self.lock().owners.get(bucket).map_or(ACCOUNT_ID, String::as_str) == account
    }

    /// A call to a setting of a bucket that exists; `None` for any other.
    fn facet(&self, call: &Call, request: &MockRequest) -> Option<MockResponse> {
        let query = Query::of(&request.uri);
        let mut state = self.lock();
        let facets = state.facets.get_mut(&call.resource)?;
        let response = facets.answer(&request.method, |name| query.decoded(name), &request.body)?;
        if call.operation == "DeleteBucketEncryption" {
            facets.give("encryption", DEFAULT_ENCRYPTION);
        }
        Some(response)
    }

    /// Versioning would be suspended that replication needs:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-and-other-bucket-configs.html>.
    fn needs_versions(&self, bucket: &str, asked: &Bytes) -> bool {
        let suspends = String::from_utf8_lossy(asked).contains("Suspended");
        suspends && self.lock().facets.get(bucket).is_some_and(|facets| facets.has("replication"))
    }

    /// A request's URI in the region of the bucket.
    fn uri(&self, bucket: &str, rest: &str) -> String {
        let state = self.lock();
        let region = state.regions.get(bucket).map_or(REGION, String::as_str);
        format!("https://s3.{region}.amazonaws.com/{bucket}{rest}")
    }

    /// An object, for another service that reads it; `None` where there is none.
    pub async fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let service = self.lock().buckets.get(bucket).cloned()?;
        let request = MockRequest {
            method: "GET".to_owned(),
            uri: self.uri(bucket, &format!("/{key}")),
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
            "<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\">{owner}<Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
        );
        MockResponse::xml(200, body)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
