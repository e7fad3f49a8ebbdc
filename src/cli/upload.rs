//! Brings packages to the artifact bucket, each once, and fetches them for another environment.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::{CliError, out};
use crate::aws::{Absent, Class, Service, Session};
use crate::engine::release::Copied;
use crate::manifest::package::Package;

/// The longest that one upload may take; a stalled one is given up by the SDK much sooner.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3600);

/// How often the bar moves.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Uploads what is not there yet. Returns how many were.
pub(super) async fn upload(session: &Session, packages: &[Package]) -> Result<usize, CliError> {
    let bytes: u64 = packages.iter().map(|p| p.bytes).sum();
    let bar = out::progress(bytes, "{msg:30} {wide_bar} {bytes}/{total_bytes}");
    let (mut uploaded, mut done) = (0, 0);
    for package in packages {
        bar.set_message(package.object.to_string());
        if !exists(session, package).await? {
            put(session, package, &bar).await?;
            uploaded += 1;
        }
        done += package.bytes;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    Ok(uploaded)
}

/// Fetches a package for another environment from the bucket that it lies in. `to` is that environment.
pub(super) async fn fetch(
    session: &Session,
    to: &str,
    copied: &Copied,
) -> Result<Package, CliError> {
    let Copied { object, from, to: place } = copied;
    let failed = |error| CliError::io(format!("the package of {object}"), error);
    let call = session.s3().get_object().bucket(&from.bucket).key(&from.key);
    let call = call.set_version_id(from.version.clone()).send();
    let mut body = session.write(Service::S3, "GetObject", call).await?.body;
    let (mut file, mut digest, mut bytes) =
        (tempfile::tempfile().map_err(failed)?, Sha256::new(), 0_u64);
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| failed(std::io::Error::other(error)))?;
        digest.update(&part);
        bytes += part.len() as u64;
        file.write_all(&part).map_err(failed)?;
    }
    file.rewind().map_err(failed)?;
    let sha256: [u8; 32] = digest.finalize().into();
    if from.sha256.as_deref() != Some(&hex::encode(sha256)) {
        return Err(CliError::refused(format!(
            "s3://{}/{} is not what {object} was released with: its SHA-256 is {}; nothing was recorded",
            from.bucket,
            from.key,
            hex::encode(sha256)
        )));
    }
    let (bucket, key) = (place.bucket.clone(), place.key.clone());
    Ok(Package::of_file(to, object.clone(), (bucket, key), file, sha256, bytes))
}

/// Whether what is there is what would be put there. The key is the content's digest; an upload that went
/// wrong before digests were checked may have left something else under it.
async fn exists(session: &Session, package: &Package) -> Result<bool, CliError> {
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

/// As S3 writes it.
fn checksum(package: &Package) -> String {
    BASE64_STANDARD.encode(package.sha256)
}

/// S3 checks the digest, and refuses what does not have it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
async fn put(session: &Session, package: &Package, bar: &ProgressBar) -> Result<(), CliError> {
    let unreadable = |error| CliError::io(format!("the package of {}", package.object), error);
    let file = package.open().map_err(unreadable)?;
    // The two share their place in the file, which tells how far the upload is.
    let reader = file.try_clone().map_err(unreadable)?;
    let file = tokio::fs::File::from_std(file);
    let body = ByteStream::read_from().file(file).build().await;
    let body = body.map_err(|error| unreadable(std::io::Error::other(error)))?;
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
    let put = session.write(Service::S3, "PutObject", call);
    match shown(put, reader, bar).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == Class::NotFound => Err(CliError::refused(format!(
            "the artifact bucket {} does not exist; make it with `trueup init --bucket {}`",
            package.bucket, package.bucket
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Moves the bar along with what is read of the file, until the upload has ended.
async fn shown<T>(upload: impl Future<Output = T>, mut reader: File, bar: &ProgressBar) -> T {
    let before = bar.position();
    let mut upload = std::pin::pin!(upload);
    let mut tick = tokio::time::interval(SHOWN_EVERY);
    loop {
        tokio::select! {
            ended = &mut upload => return ended,
            _ = tick.tick() => {
                // A place that cannot be told leaves the bar where it is.
                bar.set_position(before + reader.stream_position().unwrap_or_default());
            }
        }
    }
}
