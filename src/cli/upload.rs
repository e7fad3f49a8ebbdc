//! Brings packages to the artifact bucket, each once, with a bar that shows how far it is.

use std::fs::File;
use std::io::Seek;
use std::time::Duration;

use indicatif::ProgressBar;

use super::{CliError, out};
use crate::aws::Session;
use crate::engine::release::{is_there, packages_in, put};
use crate::manifest::package::Package;
use crate::model::Object;

/// How often the bar moves.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Uploads what the current objects do not name, or what is not there. What no release names may be collected, unless
/// it is young: so it is put there anew.
pub(super) async fn upload(
    session: &Session,
    packages: &[Package],
    current: &[Object],
) -> Result<(), CliError> {
    let bytes: u64 = packages.iter().map(|p| p.bytes).sum();
    let bar = out::progress(bytes, "{msg:30} {wide_bar} {bytes}/{total_bytes}");
    let mut done = 0;
    for package in packages {
        bar.set_message(package.object.to_string());
        let is_named = current.iter().any(|object| names(object, package));
        if !is_named || !is_there(session, package).await? {
            let unreadable =
                |error| CliError::io(format!("the package of {}", package.object), error);
            let file = package.open().map_err(unreadable)?;
            // The two share their place in the file, which tells how far the upload is.
            let reader = file.try_clone().map_err(unreadable)?;
            shown(put(session, package, file), reader, &bar).await?;
        }
        done += package.bytes;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The object runs what the package holds, from where it lies.
fn names(object: &Object, package: &Package) -> bool {
    let mut places = packages_in(object).into_iter();
    places.any(|place| (place.bucket, place.key) == (package.bucket.clone(), package.key.clone()))
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
