//! Packages in artifact buckets: putting one there, and bringing one from another environment's.
//!
//! Guarantees: what lies there has the digest that it is named by; S3 checks it, and so does who fetches.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Copied, MoveError};
use crate::aws::{Absent, AwsError, Class, Service, Session, Sessions, Target};
use crate::kinds::S3Location;
use crate::manifest::package::Package;
use crate::model::ObjectId;

/// The longest that one upload may take; a stalled one is given up by the SDK much sooner.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3600);

/// Why a package is not where it has to be. Nothing was recorded.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum TransferError {
    #[error(
        "the artifact bucket {bucket} does not exist; make it with `trueup init --bucket {bucket}`"
    )]
    NoBucket { bucket: String },
    #[error(
        "s3://{bucket}/{key} is not what {object} was released with: its SHA-256 is {sha256}; nothing was recorded. \
         Apply it to its own environment again"
    )]
    Altered { object: ObjectId, bucket: String, key: String, sha256: String },
    #[error(
        "the credentials belong to account {account}, {environment} to {wanted}; nothing was uploaded"
    )]
    WrongAccount { environment: String, account: String, wanted: String },
    #[error("the package of {object}: {source}")]
    Io { object: ObjectId, source: std::io::Error },
    #[error(transparent)]
    Aws(#[from] AwsError),
}

fn unreadable(object: &ObjectId) -> impl Fn(std::io::Error) -> TransferError {
    move |source| TransferError::Io { object: object.clone(), source }
}

/// The session to an environment's account, if the credentials are that account's.
pub async fn own_session(
    sessions: &Sessions,
    environment: &str,
    target: &Target,
) -> Result<Session, TransferError> {
    let session = sessions.get(target).await?;
    let account = session.account_id().await?;
    match target.account_id.as_ref().filter(|wanted| **wanted != account) {
        None => Ok(session),
        Some(wanted) => Err(TransferError::WrongAccount {
            environment: environment.to_owned(),
            account,
            wanted: wanted.clone(),
        }),
    }
}

/// Brings packages from one environment's bucket to another's, each checked against its digest.
pub(super) async fn copy_all(
    sessions: &Sessions,
    from: &Target,
    (to, target): (&str, &Target),
    copies: &[Copied],
) -> Result<(), MoveError> {
    if copies.is_empty() {
        return Ok(());
    }
    let source = sessions.get(from).await.map_err(TransferError::from)?;
    let destination = own_session(sessions, to, target).await?;
    for copied in copies {
        // Also where it is there: what no current release names may be collected, unless it is young.
        let package = fetch(&source, to, copied).await?;
        let file = package.open().map_err(unreadable(&package.object))?;
        put(&destination, &package, file).await?;
    }
    Ok(())
}

/// Fetches a package for another environment from the bucket that it lies in. `to` is that environment.
async fn fetch(session: &Session, to: &str, copied: &Copied) -> Result<Package, TransferError> {
    let Copied { object, from, to: place } = copied;
    let failed = unreadable(object);
    let call = session.s3().get_object().bucket(&from.bucket).key(&from.key);
    let call = call.set_version_id(from.version.clone()).send();
    let mut body = session.write(Service::S3, "GetObject", call).await?.body;
    let (mut file, mut digest, mut bytes) =
        (tempfile::tempfile().map_err(&failed)?, Sha256::new(), 0_u64);
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| failed(std::io::Error::other(error)))?;
        digest.update(&part);
        bytes += part.len() as u64;
        file.write_all(&part).map_err(&failed)?;
    }
    file.rewind().map_err(&failed)?;
    let sha256: [u8; 32] = digest.finalize().into();
    if from.sha256.as_deref() != Some(&hex::encode(sha256)) {
        return Err(TransferError::Altered {
            object: object.clone(),
            bucket: from.bucket.clone(),
            key: from.key.clone(),
            sha256: hex::encode(sha256),
        });
    }
    let (bucket, key) = (place.bucket.clone(), place.key.clone());
    Ok(Package::of_file(to, object.clone(), (bucket, key), file, sha256, bytes))
}

/// Whether what is there is what would be put there. The key is the content's digest; an upload that went
/// wrong before digests were checked may have left something else under it.
pub async fn is_there(session: &Session, package: &Package) -> Result<bool, TransferError> {
    let head = session
        .read(Service::S3, "HeadObject", || {
            let head = session.s3().head_object().bucket(&package.bucket).key(&package.key);
            head.checksum_mode(ChecksumMode::Enabled).send()
        })
        .await
        .absent("NotFound");
    match head {
        Ok(None) => Ok(false),
        Ok(Some(head)) => {
            let size = head.content_length().and_then(|size| u64::try_from(size).ok());
            let is_other = head.checksum_sha256().is_some_and(|sum| sum != checksum(package));
            Ok(size.is_none_or(|size| size == package.bytes) && !is_other)
        }
        // Without s3:ListBucket, S3 says "denied" for what is not there. Putting the same content
        // again does no harm.
        Err(error) if error.class == Class::Denied => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a package that nobody put there since. Returns whether it is gone by this. Of a bucket with versions the
/// version goes that was seen: what is put there meanwhile stays.
pub(super) async fn delete_package(
    session: &Session,
    package: &S3Location,
    before: Timestamp,
) -> Result<bool, TransferError> {
    let (bucket, key) = (&package.bucket, &package.key);
    let head = session
        .read(Service::S3, "HeadObject", || {
            session.s3().head_object().bucket(bucket).key(key).send()
        })
        .await
        .absent("NotFound")?;
    let Some(head) = head else { return Ok(false) };
    let is_old = head.last_modified().is_some_and(|at| at.secs() < before.as_second());
    if !is_old {
        return Ok(false);
    }
    let version = head.version_id().filter(|version| *version != "null").map(str::to_owned);
    let call = session.s3().delete_object().bucket(bucket).key(key).set_version_id(version);
    session.write(Service::S3, "DeleteObject", call.send()).await?;
    Ok(true)
}

/// As S3 writes it.
fn checksum(package: &Package) -> String {
    BASE64_STANDARD.encode(package.sha256)
}

/// Puts a package, read from `file`, where it belongs. S3 checks the digest, and refuses what does not have it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
pub async fn put(session: &Session, package: &Package, file: File) -> Result<(), TransferError> {
    let file = tokio::fs::File::from_std(file);
    let body = ByteStream::read_from().file(file).build().await;
    let body = body.map_err(|error| unreadable(&package.object)(std::io::Error::other(error)))?;
    let timeouts = TimeoutConfig::builder().operation_timeout(UPLOAD_TIMEOUT).build();
    let call = session
        .s3()
        .put_object()
        .bucket(&package.bucket)
        .key(&package.key)
        .content_type("application/zip")
        .checksum_sha256(checksum(package))
        .body(body)
        .customize()
        .config_override(aws_sdk_s3::config::Config::builder().timeout_config(timeouts))
        .send();
    match session.write(Service::S3, "PutObject", call).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == Class::NotFound => {
            Err(TransferError::NoBucket { bucket: package.bucket.clone() })
        }
        Err(error) => Err(error.into()),
    }
}
