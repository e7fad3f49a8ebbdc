//! Brings packages to the artifact bucket, each once.

use aws_sdk_s3::primitives::ByteStream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::CliError;
use crate::aws::{Class, Optional, Session};
use crate::manifest::package::Package;

/// Uploads what is not there yet. Returns how many were.
pub(super) async fn upload(session: &Session, packages: &[Package]) -> Result<usize, CliError> {
    let bar = ProgressBar::with_draw_target(
        Some(packages.iter().map(|p| p.bytes).sum()),
        ProgressDrawTarget::stderr(),
    );
    // The template is ours and does parse; without it the bar is merely plainer.
    if let Ok(style) = ProgressStyle::with_template("{msg:30} {wide_bar} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    let mut uploaded = 0;
    for package in packages {
        bar.set_message(package.object.to_string());
        if !exists(session, package).await? {
            put(session, package).await?;
            uploaded += 1;
        }
        bar.inc(package.bytes);
    }
    bar.finish_and_clear();
    Ok(uploaded)
}

/// The key is the content's digest: what is there is the same.
async fn exists(session: &Session, package: &Package) -> Result<bool, CliError> {
    let head = session
        .read("s3", "HeadObject", || {
            session.s3().head_object().bucket(&package.bucket).key(&package.key).send()
        })
        .await
        .optional()?;
    Ok(head.is_some())
}

async fn put(session: &Session, package: &Package) -> Result<(), CliError> {
    let path = package.path();
    let body = ByteStream::from_path(path)
        .await
        .map_err(|error| CliError::io(path.display().to_string(), std::io::Error::other(error)))?;
    let call = session
        .s3()
        .put_object()
        .bucket(&package.bucket)
        .key(&package.key)
        .content_type("application/zip")
        .body(body)
        .send();
    match session.write("s3", "PutObject", call).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == Class::NotFound => Err(CliError::refused(format!(
            "the artifact bucket {} does not exist; make it with `trueup init --bucket {}`",
            package.bucket, package.bucket
        ))),
        Err(error) => Err(error.into()),
    }
}
