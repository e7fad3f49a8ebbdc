//! The objects of buckets: copied by S3 itself, from the bucket to the vault and back.
//!
//! Guarantees: a copy is of the content that was listed, and of no later one; a copy that comes back is held against
//! the checksum that S3 made of it. What is in a bucket is never overwritten by what comes back.
//!
//! Left to others: earlier versions of objects, and objects of more than 5 GB, which S3 copies only in parts:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::ChecksumAlgorithm;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::RecoveryError;
use super::manifest::{BucketCopy, Item, copy_name};
use super::vault::{Listed, Vault, list};
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::S3Location;

/// Copies under way at once.
const COPIED_AT_ONCE: usize = 32;
/// Objects of one bucket. Above it, replication is the way: `spec.replication` of the Bucket.
const OBJECTS_MAX: usize = 1_000_000;
/// The longest object that one call copies.
const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// How often an object is tried that changes while it is copied.
const COPIES_MAX: u32 = 3;

/// What S3 made of a copy.
struct Made {
    sha256: Option<String>,
}

/// Copies what is new in a bucket, and writes down what is in it. `before` are the objects of the backup before. The
/// error in the reply says what cannot be backed up, for people.
pub(super) async fn back_up(
    source: &Session,
    bucket: &str,
    vault: &Vault,
    before: &BTreeMap<String, Item>,
) -> Result<Result<Vec<Item>, String>, RecoveryError> {
    let listed = list(source, bucket, "", OBJECTS_MAX).await?;
    if listed.len() > OBJECTS_MAX {
        return Ok(Err(format!(
            "it has more than {OBJECTS_MAX} objects; replicate it instead (spec.replication)"
        )));
    }
    if let Some(large) = listed.iter().find(|object| object.bytes > OBJECT_BYTES_MAX) {
        return Ok(Err(format!("its object {} is larger than 5 GB", large.key)));
    }
    let copies =
        stream::iter(listed).map(|object| back_up_one(source, bucket, vault, before, object));
    let mut items = Vec::new();
    let mut copies = copies.buffer_unordered(COPIED_AT_ONCE);
    while let Some(copied) = copies.try_next().await? {
        match copied {
            Ok(item) => items.extend(item),
            Err(why) => return Ok(Err(why)),
        }
    }
    items.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Ok(items))
}

/// `None` where the object was deleted meanwhile.
async fn back_up_one(
    source: &Session,
    bucket: &str,
    vault: &Vault,
    before: &BTreeMap<String, Item>,
    mut object: Listed,
) -> Result<Result<Option<Item>, String>, RecoveryError> {
    for _ in 0..COPIES_MAX {
        let name = copy_name(bucket, &object.key, &object.etag, object.bytes);
        let known = before.get(&object.key).filter(|item| item.copy == name);
        if let Some(known) = known {
            return Ok(Ok(Some(known.clone())));
        }
        let to = (vault.bucket.as_str(), vault.data(&name));
        let made = copy(&vault.session, (bucket, &object.key, None), &object.etag, to).await;
        match made {
            Ok(made) => {
                return Ok(Ok(Some(Item {
                    key: object.key,
                    etag: object.etag,
                    bytes: object.bytes,
                    sha256: made.sha256,
                    copy: name,
                })));
            }
            // It changed or went since it was listed.
            Err(error) if ["PreconditionFailed", "NoSuchKey"].contains(&error.code.as_str()) => {
                match head(source, bucket, &object.key).await? {
                    Some((etag, bytes)) => object = Listed { etag, bytes, ..object },
                    None => return Ok(Ok(None)),
                }
            }
            Err(error) if error.code == "InvalidObjectState" => {
                return Ok(Err(format!(
                    "its object {} is archived: S3 copies none of those",
                    object.key
                )));
            }
            Err(error) if error.code == "NoSuchBucket" => {
                return Err(RecoveryError::no_bucket(&vault.bucket));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Err(format!("its object {} changes faster than it is copied", object.key)))
}

/// Copies a package to the vault. Returns its length, or why it cannot be backed up.
pub(super) async fn back_up_package(
    source: &Session,
    package: &S3Location,
    vault: &Vault,
    name: &str,
) -> Result<Result<u64, String>, RecoveryError> {
    let (bucket, key, version) = (&package.bucket, &package.key, package.version.as_deref());
    let found = source
        .read(Service::S3, "HeadObject", || {
            let head = source.s3().head_object().bucket(bucket).key(key);
            head.set_version_id(package.version.clone()).send()
        })
        .await
        .absent("NotFound");
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Err(format!("s3://{bucket}/{key} is gone"))),
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {
            return Ok(Err(format!("s3://{bucket}/{key}: {error}")));
        }
        Err(error) => return Err(error.into()),
    };
    let bytes = found.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
    let to = vault.data(name);
    if head(&vault.session, &vault.bucket, &to).await?.is_some_and(|(_, there)| there == bytes) {
        return Ok(Ok(bytes));
    }
    let etag = found.e_tag().unwrap_or_default().trim_matches('"').to_owned();
    copy(&vault.session, (bucket, key, version), &etag, (vault.bucket.as_str(), to)).await?;
    Ok(Ok(bytes))
}

/// Puts a package back where releases say that it lies. Returns whether it was not there.
pub(super) async fn restore_package(
    destination: &Session,
    vault: &Vault,
    name: &str,
    package: &S3Location,
    bytes: u64,
) -> Result<bool, RecoveryError> {
    let (bucket, key) = (package.bucket.as_str(), package.key.as_str());
    if head(destination, bucket, key).await?.is_some_and(|(_, there)| there == bytes) {
        return Ok(false);
    }
    let from = vault.data(name);
    let Some((etag, _)) = head(&vault.session, &vault.bucket, &from).await? else {
        let why = format!("the copy of s3://{bucket}/{key} is gone from {}", vault.place());
        return Err(RecoveryError::Unfinished(why));
    };
    copy(destination, (&vault.bucket, &from, None), &etag, (bucket, key.to_owned())).await?;
    Ok(true)
}

/// What came back into a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub copied: usize,
    /// Those of the backup that were there already: they stay as they are.
    pub there: usize,
}

/// Copies into a bucket what a backup has of it and the bucket lacks. What is there is never overwritten: it may have
/// been written since.
pub(super) async fn restore(
    destination: &Session,
    bucket: &str,
    vault: &Vault,
    id: &str,
    copied: &BucketCopy,
) -> Result<Restored, RecoveryError> {
    let items = items(vault, id, copied).await?;
    let live = list(destination, bucket, "", usize::MAX).await?;
    let live: BTreeSet<&str> = live.iter().map(|object| object.key.as_str()).collect();
    let (there, missing): (Vec<_>, Vec<_>) =
        items.iter().partition(|item| live.contains(item.key.as_str()));
    let copied_all = missing.len();
    let copies = missing.into_iter().map(|item| async move {
        let from = vault.data(&item.copy);
        let damaged = |how: &str| RecoveryError::Damaged {
            id: id.to_owned(),
            what: format!("the object {} of {}", item.key, copied.object),
            how: how.to_owned(),
        };
        // The copy's own ETag may be another one, as where the vault is encrypted otherwise.
        let found = head(&vault.session, &vault.bucket, &from).await?;
        let (etag, _) = found.ok_or_else(|| damaged("its copy is gone"))?;
        let to = (bucket, item.key.clone());
        let made = copy(destination, (&vault.bucket, &from, None), &etag, to).await?;
        match (&item.sha256, &made.sha256) {
            (Some(then), Some(now)) if then != now => Err(damaged("it is not what was backed up")),
            _ => Ok(()),
        }
    });
    let copies: Vec<_> = copies.collect();
    stream::iter(copies).buffer_unordered(COPIED_AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(Restored { copied: copied_all, there: there.len() })
}

/// The objects of a bucket in a backup, by their keys.
pub(super) async fn items(
    vault: &Vault,
    id: &str,
    copied: &BucketCopy,
) -> Result<Vec<Item>, RecoveryError> {
    let lines = vault.lines(id, &copied.listing).await?;
    let read = lines.iter().map(|line| serde_json::from_str(line));
    read.collect::<Result<_, _>>().map_err(|error| RecoveryError::Damaged {
        id: id.to_owned(),
        what: copied.listing.key.clone(),
        how: error.to_string(),
    })
}

/// What a copy is of and how long it is, where there is one.
pub(super) async fn head(
    session: &Session,
    bucket: &str,
    key: &str,
) -> Result<Option<(String, u64)>, AwsError> {
    let head = session
        .read(Service::S3, "HeadObject", || {
            session.s3().head_object().bucket(bucket).key(key).send()
        })
        .await
        .absent("NotFound")?;
    Ok(head.map(|head| {
        let etag = head.e_tag().unwrap_or_default().trim_matches('"').to_owned();
        let bytes = head.content_length().and_then(|length| u64::try_from(length).ok());
        (etag, bytes.unwrap_or(0))
    }))
}

/// Copies one object, if it still is what it was. The call is made in the region of the destination.
async fn copy(
    session: &Session,
    (from, key, version): (&str, &str, Option<&str>),
    etag: &str,
    (to, to_key): (&str, String),
) -> Result<Made, AwsError> {
    let version = version.map(|version| format!("?versionId={version}")).unwrap_or_default();
    let call = session
        .s3()
        .copy_object()
        .copy_source(format!("{from}/{}{version}", encoded(key)))
        .copy_source_if_match(format!("\"{etag}\""))
        .bucket(to)
        .key(to_key)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send();
    let copied = session.write(Service::S3, "CopyObject", call).await?;
    let result = copied.copy_object_result.as_ref();
    Ok(Made { sha256: result.and_then(|r| r.checksum_sha256()).map(str::to_owned) })
}

/// A key as the header that names a copy's source has it: in UTF-8, with percent signs.
fn encoded(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    key.bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_encoded_for_the_header() {
        for (key, expected) in [
            ("images/a-1_b.png", "images/a-1_b.png"),
            ("a b+c?d", "a%20b%2Bc%3Fd"),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(encoded(key), expected);
        }
    }
}
