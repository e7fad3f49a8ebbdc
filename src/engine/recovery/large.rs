//! Objects of more than 5 GB: S3 copies them in parts, and takes along nothing but their bytes.
//!
//! Guarantees:
//! - A copy has the headers, the metadata and the tags of its source, as one made by CopyObject has.
//! - Every part is of the content that was named, and of no later one.
//! - A copy that cannot be finished is aborted: its parts would be paid for. What a crash leaves of one in the vault is
//!   aborted before the next copy to the same place, or once it is a day old.
//!
//! Left to others: what a crash leaves in a bucket that was being filled. Nothing tells it from what users upload.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html>

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::contents::{head, retried, source_of};
use super::vault::{QUOTE, Vault};
use crate::aws::{Absent, AwsError, Service, Session};

/// Parts of one object under way at once.
const PARTS_AT_ONCE: usize = 8;
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>: a part has at most 5 GiB, an object at most
/// 10,000 of them.
const PARTS_MAX: u64 = 10_000;
const PART_BYTES: u64 = 64 * 1024 * 1024;
/// Pages of uploads that one sweep reads; a page has 1,000.
const PAGES_MAX: usize = 20;
/// Other calls have seconds. S3 reads a part, and may need minutes to put many together:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>.
const CALL_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What is copied: an object as it was seen.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// In the region of its bucket.
    pub session: &'a Session,
    pub bucket: &'a str,
    pub key: &'a str,
    pub version: Option<&'a str>,
    /// Only while it has this content.
    pub etag: Option<&'a str>,
    /// Only while its bucket is this account's.
    pub owner: Option<&'a str>,
    pub bytes: u64,
}

/// Where to.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// In the region of its bucket.
    pub session: &'a Session,
    pub bucket: &'a str,
    pub key: &'a str,
    pub owner: Option<&'a str>,
    /// Nothing else is uploaded there: uploads that a crash has left are aborted.
    pub is_ours: bool,
}

/// Copies to where nothing is, and returns the SHA-256 that S3 made of the parts' own.
pub(super) async fn copy(
    source: Source<'_>,
    destination: Destination<'_>,
) -> Result<Option<String>, AwsError> {
    if destination.is_ours {
        abort_left(destination).await?;
    }
    let upload = begin(source, destination).await?;
    match parts(source, destination, &upload).await {
        Ok(copied) => match finish(destination, &upload, copied).await {
            Ok(sha256) => Ok(sha256),
            Err(error) => made(destination, source.bytes).await.ok_or(error),
        },
        Err(error) => {
            // Why it failed says more than why it could not be aborted.
            let _ = abort(destination, &upload).await;
            Err(error)
        }
    }
}

/// First and last byte of each part.
fn ranges(bytes: u64, part_bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let part = part_bytes.max(bytes.div_ceil(PARTS_MAX));
    (0..bytes.div_ceil(part)).map(move |i| (i * part, ((i + 1) * part).min(bytes) - 1))
}

async fn begin(source: Source<'_>, to: Destination<'_>) -> Result<String, AwsError> {
    let seen = seen(source).await?;
    let tags = tags(source).await?;
    // What is no date was never one that a browser read.
    let expires =
        seen.expires_string().and_then(|at| DateTime::from_str(at, DateTimeFormat::HttpDate).ok());
    let operation = "CreateMultipartUpload";
    let begun = retried(|| {
        let call = to.session.s3().create_multipart_upload().bucket(to.bucket).key(to.key);
        let call = call
            .set_expected_bucket_owner(to.owner.map(str::to_owned))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_cache_control(seen.cache_control.clone())
            .set_content_disposition(seen.content_disposition.clone())
            .set_content_encoding(seen.content_encoding.clone())
            .set_content_language(seen.content_language.clone())
            .set_content_type(seen.content_type.clone())
            .set_expires(expires)
            .set_website_redirect_location(seen.website_redirect_location.clone())
            .set_metadata(seen.metadata.clone())
            .set_tagging(Some(tags.clone()).filter(|tags| !tags.is_empty()));
        to.session.write(Service::S3, operation, call.send())
    });
    AwsError::required(Service::S3, operation, begun.await?.upload_id)
}

async fn seen(source: Source<'_>) -> Result<HeadObjectOutput, AwsError> {
    let read = source.session.read(Service::S3, "HeadObject", || {
        let head = source.session.s3().head_object().bucket(source.bucket).key(source.key);
        head.set_version_id(source.version.map(str::to_owned))
            .set_expected_bucket_owner(source.owner.map(str::to_owned))
            .send()
    });
    read.await
}

/// As the header has them: a query.
async fn tags(source: Source<'_>) -> Result<String, AwsError> {
    let read = source.session.read(Service::S3, "GetObjectTagging", || {
        let call = source.session.s3().get_object_tagging().bucket(source.bucket).key(source.key);
        call.set_version_id(source.version.map(str::to_owned))
            .set_expected_bucket_owner(source.owner.map(str::to_owned))
            .send()
    });
    let read = read.await?;
    let pairs = read.tag_set().iter().map(|tag| (tag.key(), tag.value()));
    Ok(pairs
        .map(|(key, value)| format!("{}={}", query(key), query(value)))
        .collect::<Vec<_>>()
        .join("&"))
}

/// As in a query, where a slash is written by its number, too.
fn query(text: &str) -> String {
    super::contents::encoded(text).replace('/', "%2F")
}

async fn parts(
    source: Source<'_>,
    to: Destination<'_>,
    upload: &str,
) -> Result<CompletedMultipartUpload, AwsError> {
    let numbered = (1..).zip(ranges(source.bytes, PART_BYTES));
    let copies =
        stream::iter(numbered).map(|(number, range)| part(source, to, upload, (number, range)));
    let copied: Vec<_> = copies.buffered(PARTS_AT_ONCE).try_collect().await?;
    Ok(CompletedMultipartUpload::builder().set_parts(Some(copied)).build())
}

async fn part(
    source: Source<'_>,
    to: Destination<'_>,
    upload: &str,
    (number, (first, last)): (i32, (u64, u64)),
) -> Result<CompletedPart, AwsError> {
    let copied = retried(|| {
        let call = to.session.s3().upload_part_copy().bucket(to.bucket).key(to.key);
        let call = call
            .upload_id(upload)
            .part_number(number)
            .copy_source(source_of(source.bucket, source.key, source.version))
            .copy_source_range(format!("bytes={first}-{last}"))
            .set_copy_source_if_match(source.etag.map(|etag| format!("{QUOTE}{etag}{QUOTE}")))
            .set_expected_source_bucket_owner(source.owner.map(str::to_owned))
            .set_expected_bucket_owner(to.owner.map(str::to_owned));
        to.session.write(
            Service::S3,
            "UploadPartCopy",
            call.customize().config_override(patient()).send(),
        )
    });
    let copied = AwsError::required(Service::S3, "UploadPartCopy", copied.await?.copy_part_result)?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(copied.e_tag)
        .set_checksum_sha256(copied.checksum_sha256)
        .build())
}

async fn finish(
    to: Destination<'_>,
    upload: &str,
    parts: CompletedMultipartUpload,
) -> Result<Option<String>, AwsError> {
    let finished = retried(|| {
        let call = to.session.s3().complete_multipart_upload().bucket(to.bucket).key(to.key);
        let call = call
            .upload_id(upload)
            .multipart_upload(parts.clone())
            .if_none_match("*")
            .set_expected_bucket_owner(to.owner.map(str::to_owned))
            .customize()
            .config_override(patient());
        to.session.write(Service::S3, "CompleteMultipartUpload", call.send())
    });
    match finished.await {
        Ok(finished) => Ok(finished.checksum_sha256),
        Err(error) => {
            let _ = abort(to, upload).await;
            Err(error)
        }
    }
}

/// A copy that was finished although the answer was lost: in the vault nobody else puts anything where it lies.
async fn made(to: Destination<'_>, bytes: u64) -> Option<Option<String>> {
    let there = head(to.session, to.bucket, to.key).await.ok().flatten();
    there.filter(|there| to.is_ours && there.bytes == bytes).map(|there| there.sha256)
}

fn patient() -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
    aws_sdk_s3::Config::builder().timeout_config(timeouts)
}

async fn abort(to: Destination<'_>, upload: &str) -> Result<(), AwsError> {
    let call = to.session.s3().abort_multipart_upload().bucket(to.bucket).key(to.key);
    let call = call.upload_id(upload).set_expected_bucket_owner(to.owner.map(str::to_owned));
    let gone = to.session.write(Service::S3, "AbortMultipartUpload", call.send()).await;
    gone.absent("NoSuchUpload").map(drop)
}

/// Aborts what crashes have left below a folder of the vault: [`PAGES_MAX`] pages of uploads a call, the rest by a
/// later one.
pub(super) async fn abort_old(
    vault: &Vault,
    is_old: impl Fn(Timestamp) -> bool,
) -> Result<usize, AwsError> {
    let (root, mut aborted, mut after) = (vault.data(""), 0, (None, None));
    for _ in 0..PAGES_MAX {
        let page = vault.session.read(Service::S3, "ListMultipartUploads", || {
            let call =
                vault.session.s3().list_multipart_uploads().bucket(&vault.bucket).prefix(&root);
            let (key, upload) = after.clone();
            call.set_key_marker(key).set_upload_id_marker(upload).send()
        });
        let page = page.await?;
        for left in page.uploads() {
            let begun = left.initiated().and_then(|at| Timestamp::from_second(at.secs()).ok());
            if begun.is_some_and(&is_old) {
                let (session, bucket) = (&vault.session, vault.bucket.as_str());
                let key = left.key().unwrap_or_default();
                let to = Destination { session, bucket, key, owner: None, is_ours: true };
                abort(to, left.upload_id().unwrap_or_default()).await?;
                aborted += 1;
            }
        }
        if page.is_truncated() != Some(true) {
            break;
        }
        after = (page.next_key_marker, page.next_upload_id_marker);
    }
    Ok(aborted)
}

async fn abort_left(to: Destination<'_>) -> Result<(), AwsError> {
    let listed = to.session.read(Service::S3, "ListMultipartUploads", || {
        let call = to.session.s3().list_multipart_uploads().bucket(to.bucket).prefix(to.key);
        call.set_expected_bucket_owner(to.owner.map(str::to_owned)).send()
    });
    for left in listed.await?.uploads().iter().filter(|left| left.key() == Some(to.key)) {
        abort(to, left.upload_id().unwrap_or_default()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once_and_are_not_too_many() {
        let all = |bytes, part| ranges(bytes, part).collect::<Vec<_>>();
        assert_eq!(all(10, 4), [(0, 3), (4, 7), (8, 9)]);
        assert_eq!(all(8, 4), [(0, 3), (4, 7)]);
        // The largest object that S3 takes.
        let largest = 50 * 1000_u64.pow(4);
        let parts = all(largest, PART_BYTES);
        assert!(parts.len() as u64 <= PARTS_MAX, "{}", parts.len());
        assert!(parts[0].1 < 5 * 1024_u64.pow(3), "a part has 5 GiB at most");
        assert_eq!(parts.last().unwrap().1, largest - 1);
    }
}
