//! The objects of buckets, and packages: copied by S3 itself, to the vault and back.
//!
//! Guarantees:
//! - A copy is of the content that was listed, and of no later one; what lies in the vault is never written over.
//! - A bucket of the environment is read and written only while it is the account's own: its name may have been taken by
//!   somebody else. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
//! - A copy is held against the checksum that S3 made of it before it comes back; it never overwrites what is there,
//!   however shortly before it came. One that is damaged keeps nothing else from coming back.
//! - A backup that shares a copy with the one before makes it anew where somebody has written over it.
//!
//! Left to others: earlier versions of objects; objects of more than 5 GB, which S3 copies only in parts (`large.rs`):
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::sleep;

use super::RecoveryError;
use super::copies::{self, Copy};
use super::large::{self, Destination, Source};
use super::manifest::{BucketCopy, Item, PackageCopy, copy_name};
use super::vault::{Listed, QUOTE, Vault, list};
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::S3Location;

/// Copies under way at once.
const COPIED_AT_ONCE: usize = 32;
/// Objects of one bucket. Above it, replication is the way: `spec.replication` of the Bucket.
const OBJECTS_MAX: usize = 1_000_000;
/// The longest object that one call copies.
const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// How often an object is tried that changes while it is copied, or that S3 fails to copy.
const TRIES_MAX: u32 = 3;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An object as it is.
pub(super) struct Head {
    pub etag: String,
    pub bytes: u64,
    /// As S3 writes it, where S3 made one.
    pub sha256: Option<String>,
}

/// What the vault has already.
pub(super) struct Known<'a> {
    /// The bucket's objects in the backup before.
    pub before: &'a BTreeMap<String, Item>,
    /// Every file under `data/`, by its key.
    pub there: &'a BTreeMap<String, Listed>,
}

/// Copies what is new in a bucket, and writes down what is in it. The error in the reply says what cannot be backed up,
/// for people.
pub(super) async fn back_up(
    source: &Session,
    bucket: &str,
    vault: &Vault,
    known: &Known<'_>,
) -> Result<Result<Vec<Item>, String>, RecoveryError> {
    let owner = source.account_id().await?;
    let listed = list(source, bucket, "", OBJECTS_MAX, Some(&owner)).await?;
    if listed.len() > OBJECTS_MAX {
        return Ok(Err(format!(
            "it has more than {OBJECTS_MAX} objects; replicate it instead (spec.replication)"
        )));
    }
    let copies = stream::iter(listed)
        .map(|object| back_up_one(source, (bucket, &owner), vault, known, object));
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
    (bucket, owner): (&str, &str),
    vault: &Vault,
    known: &Known<'_>,
    mut object: Listed,
) -> Result<Result<Option<Item>, String>, RecoveryError> {
    for _ in 0..TRIES_MAX {
        let name = copy_name(bucket, &object.key, &object.etag, object.bytes);
        let data = vault.data(&name);
        let before = known.before.get(&object.key).filter(|item| item.copy == name);
        let item = |sha256, copy_etag| Item {
            key: object.key.clone(),
            etag: object.etag.clone(),
            bytes: object.bytes,
            sha256,
            copy: name.clone(),
            copy_etag,
        };
        if let Some(there) = known.there.get(&data) {
            if let Some(before) = before.filter(|before| copies::is_as_made(before, there)) {
                return Ok(Ok(Some(before.clone())));
            }
            // An earlier try has copied it, or it was written over since.
            let found = head(&vault.session, &vault.bucket, &data).await?;
            let sha256 = before.and_then(|before| before.sha256.clone());
            let sha256 = sha256.or_else(|| found.as_ref().and_then(|f| f.sha256.clone()));
            match copies::judge(found, object.bytes, sha256.as_deref()) {
                Copy::Sound(found) if found.sha256.is_some() => {
                    return Ok(Ok(Some(item(found.sha256, Some(found.etag)))));
                }
                // It is copied anew; one in parts only to where nothing is.
                _ if object.bytes > OBJECT_BYTES_MAX => {
                    vault.delete(std::slice::from_ref(&data)).await?;
                }
                _ => {}
            }
        }
        let copied = match object.bytes {
            ..=OBJECT_BYTES_MAX => {
                let call = || {
                    from(&vault.session, bucket, &object.key, None)
                        .copy_source_if_match(format!("{QUOTE}{}{QUOTE}", object.etag))
                        .expected_source_bucket_owner(owner)
                        .bucket(&vault.bucket)
                        .key(&data)
                };
                copied(&vault.session, call).await.map(|made| (made.sha256, made.etag))
            }
            _ => match back_up_large(source, (bucket, owner), vault, &object, &data).await {
                // The rest of the backup does not wait for what takes so long.
                Err(error) if error.class.is_outage() => {
                    return Ok(Err(format!("its object {}: {error}", object.key)));
                }
                copied => copied.map(|sha256| (sha256, None)),
            },
        };
        match copied {
            Ok((sha256, copy_etag)) => return Ok(Ok(Some(item(sha256, copy_etag)))),
            // It changed or went since it was listed.
            Err(error) if ["PreconditionFailed", "NoSuchKey"].contains(&error.code.as_str()) => {
                match head(source, bucket, &object.key).await? {
                    Some(Head { etag, bytes, .. }) => object = Listed { etag, bytes, ..object },
                    None => return Ok(Ok(None)),
                }
            }
            Err(error) if error.code == "InvalidObjectState" => {
                let key = &object.key;
                return Ok(Err(format!("its object {key} is archived: S3 copies none of those")));
            }
            Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {
                return Ok(Err(format!("its object {}: {error}", object.key)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Err(format!("its object {} changes faster than it is copied", object.key)))
}

async fn back_up_large(
    session: &Session,
    (bucket, owner): (&str, &str),
    vault: &Vault,
    object: &Listed,
    data: &str,
) -> Result<Option<String>, AwsError> {
    let Listed { key, etag, bytes, .. } = object;
    let (version, etag, owner, bytes) = (None, Some(etag.as_str()), Some(owner), *bytes);
    let source = Source { session, bucket, key, version, etag, owner, bytes };
    let (session, bucket, key) = (&vault.session, vault.bucket.as_str(), data);
    let destination = Destination { session, bucket, key, owner: None, is_ours: true };
    large::copy(source, destination).await
}

/// Copies a package to the vault. The error in the reply says why it cannot be backed up.
pub(super) async fn back_up_package(
    source: &Session,
    package: &S3Location,
    vault: &Vault,
) -> Result<Result<PackageCopy, String>, RecoveryError> {
    let place = format!("s3://{}/{}", package.bucket, package.key);
    let found = match head_of(source, package).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Err(format!("{place} is gone"))),
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {
            return Ok(Err(format!("{place}: {error}")));
        }
        Err(error) => return Err(error.into()),
    };
    let declared = declared_sha256(package);
    if let (Some(declared), Some(found)) = (&declared, &found.sha256)
        && declared != found
    {
        return Ok(Err(format!("{place} is not what was released: its SHA-256 is another one")));
    }
    let what = package.version.as_ref().or(package.sha256.as_ref()).unwrap_or(&found.etag);
    let name = copy_name(&package.bucket, &package.key, what, 0);
    let data = vault.data(&name);
    let there = head(&vault.session, &vault.bucket, &data).await?;
    // One that was uploaded in parts has a checksum of their checksums, and its copy one of the whole.
    let whole = found.sha256.as_ref().filter(|sha256| !sha256.contains('-'));
    let sha256 = declared.as_ref().or(whole);
    let bytes = match copies::judge(there, found.bytes, sha256.map(String::as_str)) {
        Copy::Sound(there) => there.bytes,
        // It is not there yet, or somebody has written over it.
        Copy::Damaged(_) => {
            let call = || {
                from(&vault.session, &package.bucket, &package.key, package.version.as_deref())
                    .copy_source_if_match(format!("{QUOTE}{}{QUOTE}", found.etag))
                    .bucket(&vault.bucket)
                    .key(&data)
            };
            copied(&vault.session, call).await.map(drop)?;
            found.bytes
        }
    };
    Ok(Ok(PackageCopy { from: package.clone(), key: name, bytes }))
}

/// The SHA-256 that releases name a package by, as S3 writes it.
pub(super) fn declared_sha256(package: &S3Location) -> Option<String> {
    let digest = hex::decode(package.sha256.as_deref()?).ok()?;
    Some(BASE64_STANDARD.encode(digest))
}

/// Puts a package back where releases say that it lies, unless something lies there. Returns whether it was missing.
pub(super) async fn restore_package(
    destination: &Session,
    vault: &Vault,
    package: &PackageCopy,
) -> Result<bool, RecoveryError> {
    let (bucket, key) = (&package.from.bucket, &package.from.key);
    if head(destination, bucket, key).await?.is_some() {
        return Ok(false);
    }
    let data = vault.data(&package.key);
    match into(destination, vault, (&data, None), (bucket, None), key).await {
        Ok(()) => Ok(true),
        Err(error) if error.code == "PreconditionFailed" => Ok(false),
        Err(error) if error.code == "NoSuchKey" => {
            let why = format!("the copy of s3://{bucket}/{key} is gone from {}", vault.place());
            Err(RecoveryError::Unfinished(why))
        }
        Err(error) => Err(error.into()),
    }
}

/// What came back into a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Objects that the bucket lacked, and that were copied into it.
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
    backed_up: &BucketCopy,
) -> Result<Restored, RecoveryError> {
    let mut items = items(vault, id, backed_up).await?;
    let all = items.len();
    let owner = destination.account_id().await?;
    let live = list(destination, bucket, "", usize::MAX, Some(&owner)).await?;
    let live: BTreeSet<&str> = live.iter().map(|object| object.key.as_str()).collect();
    items.retain(|item| !live.contains(item.key.as_str()));
    let copies = stream::iter(items)
        .map(|item| restore_one(destination, (bucket, &owner), vault, item))
        .buffer_unordered(COPIED_AT_ONCE);
    let made: Vec<Result<bool, String>> = copies.try_collect().await?;
    let copied = made.iter().filter(|made| **made == Ok(true)).count();
    let lost: Vec<String> = made.into_iter().filter_map(Result::err).collect();
    match lost.is_empty() {
        true => Ok(Restored { copied, there: all - copied }),
        false => {
            let (id, object) = (id.to_owned(), backed_up.object.clone());
            Err(RecoveryError::Incomplete { id, object, lost })
        }
    }
}

/// Returns whether the object was missing; or why it does not come back, for people.
async fn restore_one(
    destination: &Session,
    (bucket, owner): (&str, &str),
    vault: &Vault,
    item: Item,
) -> Result<Result<bool, String>, RecoveryError> {
    let lost = |how: &str| Ok(Err(format!("{}: {how}", item.key)));
    // Before anything is written: users must not meet what somebody has put into the vault.
    let sound = match copies::look(vault, &item).await? {
        Copy::Sound(found) => found,
        Copy::Damaged(how) => return lost(how),
    };
    let data = vault.data(&item.copy);
    let copied = match item.bytes {
        ..=OBJECT_BYTES_MAX => {
            let to = (bucket, Some(owner));
            into(destination, vault, (&data, Some(&sound.etag)), to, &item.key).await
        }
        bytes => {
            let (session, key) = (&vault.session, data.as_str());
            let source = Source {
                session,
                bucket: &vault.bucket,
                key,
                version: None,
                etag: Some(&sound.etag),
                owner: None,
                bytes,
            };
            // Others may upload there.
            let (session, owner, is_ours) = (destination, Some(owner), false);
            let destination = Destination { session, bucket, key: &item.key, owner, is_ours };
            large::copy(source, destination).await.map(drop)
        }
    };
    match copied {
        Ok(_) => Ok(Ok(true)),
        // Somebody has written it meanwhile, or its copy.
        Err(error) if error.code == "PreconditionFailed" => {
            match head(destination, bucket, &item.key).await? {
                Some(_) => Ok(Ok(false)),
                None => lost("its copy was written over a moment ago"),
            }
        }
        Err(error) if error.code == "NoSuchKey" => lost("its copy is gone"),
        Err(error) => Err(error.into()),
    }
}

/// The objects of a bucket in a backup, by their keys.
pub(super) async fn items(
    vault: &Vault,
    id: &str,
    backed_up: &BucketCopy,
) -> Result<Vec<Item>, RecoveryError> {
    let lines = vault.lines(id, &backed_up.listing).await?;
    let read = lines.iter().map(|line| serde_json::from_str(line));
    read.collect::<Result<_, _>>().map_err(|error| RecoveryError::Damaged {
        id: id.to_owned(),
        what: backed_up.listing.key.clone(),
        how: error.to_string(),
    })
}

/// Whether a bucket is there; one of another account's is an error.
pub(super) async fn bucket_exists(session: &Session, bucket: &str) -> Result<bool, AwsError> {
    let owner = session.account_id().await?;
    let found = session
        .read(Service::S3, "HeadBucket", || {
            session.s3().head_bucket().bucket(bucket).expected_bucket_owner(&owner).send()
        })
        .await
        .absent("NotFound")?;
    Ok(found.is_some())
}

pub(super) async fn head(
    session: &Session,
    bucket: &str,
    key: &str,
) -> Result<Option<Head>, AwsError> {
    let place =
        S3Location { bucket: bucket.to_owned(), key: key.to_owned(), ..S3Location::default() };
    head_of(session, &place).await
}

async fn head_of(session: &Session, place: &S3Location) -> Result<Option<Head>, AwsError> {
    let found = session
        .read(Service::S3, "HeadObject", || {
            let head = session.s3().head_object().bucket(&place.bucket).key(&place.key);
            let head = head.set_version_id(place.version.clone());
            head.checksum_mode(ChecksumMode::Enabled).send()
        })
        .await
        .absent("NotFound")?;
    Ok(found.map(|found| Head {
        etag: found.e_tag().unwrap_or_default().trim_matches(QUOTE).to_owned(),
        bytes: found.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        sha256: found.checksum_sha256().map(str::to_owned),
    }))
}

/// A copy of an object. The call is made in the region of the destination.
fn from(
    session: &Session,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> CopyObjectFluentBuilder {
    let copy = session.s3().copy_object().copy_source(source_of(bucket, key, version));
    copy.checksum_algorithm(ChecksumAlgorithm::Sha256)
}

/// As the header that names a copy's source has it.
pub(super) fn source_of(bucket: &str, key: &str, version: Option<&str>) -> String {
    let version = version.map(|version| format!("?versionId={version}")).unwrap_or_default();
    format!("{bucket}/{}{version}", encoded(key))
}

/// Copies a file of the vault, of that ETag where one is given, to where nothing is.
async fn into(
    session: &Session,
    vault: &Vault,
    (data, etag): (&str, Option<&str>),
    (bucket, owner): (&str, Option<&str>),
    key: &str,
) -> Result<(), AwsError> {
    let call = || {
        from(session, &vault.bucket, data, None)
            .set_copy_source_if_match(etag.map(|etag| format!("{QUOTE}{etag}{QUOTE}")))
            .if_none_match("*")
            .bucket(bucket)
            .set_expected_bucket_owner(owner.map(str::to_owned))
            .key(key)
    };
    copied(session, call).await.map(drop)
}

/// What S3 says of a copy that it made.
struct Copied {
    sha256: Option<String>,
    etag: Option<String>,
}

/// Makes a copy. The same one may be made twice.
async fn copied(
    session: &Session,
    call: impl Fn() -> CopyObjectFluentBuilder,
) -> Result<Copied, AwsError> {
    let made = retried(|| session.write(Service::S3, "CopyObject", call().send())).await?;
    let made = made.copy_object_result;
    let etag = made.as_ref().and_then(|made| made.e_tag());
    let etag = etag.map(|etag| etag.trim_matches(QUOTE).to_owned());
    let sha256 = made.as_ref().and_then(|made| made.checksum_sha256()).map(str::to_owned);
    Ok(Copied { sha256, etag })
}

/// What S3 fails to do, or does not do yet, is tried again.
pub(super) async fn retried<T, F: Future<Output = Result<T, AwsError>>>(
    call: impl Fn() -> F,
) -> Result<T, AwsError> {
    let mut tried = 1;
    loop {
        match call().await {
            Err(error)
                if tried < TRIES_MAX
                    && (error.class.is_outage() || error.class == Class::Throttled) =>
            {
                sleep(RETRY_AFTER * tried).await;
                tried += 1;
            }
            result => return result,
        }
    }
}

/// A key as the header that names a copy's source has it: in UTF-8, with percent signs.
pub(super) fn encoded(key: &str) -> String {
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
