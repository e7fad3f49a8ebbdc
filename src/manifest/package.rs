//! Code and artifacts on disk become zip files that are addressed by what they hold.
//!
//! Guarantees: the same files give the same bytes (sorted names, fixed times and modes, one
//! compression level), so that an apply of unchanged code changes nothing; and an upload that is
//! already there is not made again.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;
use walkdir::WalkDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Set;
use crate::kinds::environment::Artifacts;
use crate::model::{Object, ObjectId};

/// What Lambda takes unzipped: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const UNPACKED_BYTES_MAX: u64 = 250 * 1024 * 1024;
const FILES_MAX: usize = 50_000;

#[derive(Debug, Error)]
pub enum PackageError {
    #[error(
        "{object}: nothing is at {path}; build it first, or correct the path (it is relative to the manifest)"
    )]
    Missing { object: ObjectId, path: String },
    #[error("{object}: {path} is empty; build it first")]
    Empty { object: ObjectId, path: String },
    #[error("{object}: {path} has more than {limit}")]
    TooLarge { object: ObjectId, path: String, limit: String },
    #[error("{object}: cannot package {path}: {source}{}", hint(source))]
    Io { object: ObjectId, path: String, source: io::Error },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space, or point TMPDIR to another disk",
        _ => "",
    }
}

/// A zip file that is ready for upload.
#[derive(Debug)]
pub struct Package {
    pub environment: String,
    pub object: ObjectId,
    pub bucket: String,
    pub key: String,
    /// Lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    file: PackageFile,
}

#[derive(Debug)]
enum PackageFile {
    /// Removed when it is dropped.
    Made(NamedTempFile),
    Given(PathBuf),
}

impl Package {
    pub fn path(&self) -> &Path {
        match &self.file {
            PackageFile::Made(file) => file.path(),
            PackageFile::Given(path) => path,
        }
    }
}

/// Packages every path of a set and writes into the objects where the package will lie. `artifacts`
/// gives an environment's bucket; validation has made sure that there is one.
pub fn package(
    set: &Set,
    artifacts: impl Fn(&str) -> Option<Artifacts>,
) -> Result<(Vec<Object>, Vec<Package>), PackageError> {
    let mut objects = Vec::new();
    let mut packages = Vec::new();
    for (object, directory) in set.with_directories() {
        let mut object = object.clone();
        for field in ["code", "artifact"] {
            let path = object.spec.get(field).and_then(|f| f.get("path")).and_then(Value::as_str);
            let (Some(path), Some(artifacts)) = (path, artifacts(object.environment())) else {
                continue;
            };
            let mut package = package_one(&object.id(), &directory.join(path), &artifacts)?;
            object.environment().clone_into(&mut package.environment);
            object.spec[field] = json!({"s3": {
                "bucket": package.bucket, "key": package.key, "sha256": package.sha256,
            }});
            packages.push(package);
        }
        objects.push(object);
    }
    Ok((objects, packages))
}

fn package_one(
    object: &ObjectId,
    path: &Path,
    artifacts: &Artifacts,
) -> Result<Package, PackageError> {
    let shown = path.display().to_string();
    let failed = |source| PackageError::Io { object: object.clone(), path: shown.clone(), source };
    if !path.exists() {
        return Err(PackageError::Missing { object: object.clone(), path: shown });
    }
    let (file, sha256, bytes) = if path.is_dir() {
        let files = files_below(object, path)?;
        let mut made = NamedTempFile::new().map_err(failed)?;
        zip(&files, made.as_file_mut()).map_err(failed)?;
        made.as_file_mut().rewind().map_err(failed)?;
        let (sha256, bytes) = digest(made.as_file_mut()).map_err(failed)?;
        (PackageFile::Made(made), sha256, bytes)
    } else {
        let (sha256, bytes) = digest(&mut File::open(path).map_err(failed)?).map_err(failed)?;
        (PackageFile::Given(path.to_owned()), sha256, bytes)
    };
    let prefix = artifacts.prefix.clone().unwrap_or_default();
    Ok(Package {
        environment: String::new(),
        object: object.clone(),
        bucket: artifacts.bucket.clone(),
        key: format!("{prefix}{sha256}.zip"),
        sha256,
        bytes,
        file,
    })
}

/// Every file below a directory, by its name in the zip, sorted. Links are followed, as a build's
/// output should not depend on how it was laid out.
fn files_below(object: &ObjectId, root: &Path) -> Result<Vec<(String, PathBuf)>, PackageError> {
    let shown = || root.display().to_string();
    let too_large =
        |limit: String| PackageError::TooLarge { object: object.clone(), path: shown(), limit };
    let mut files = Vec::new();
    let mut bytes = 0;
    for entry in WalkDir::new(root).follow_links(true) {
        let entry = entry.map_err(|error| PackageError::Io {
            object: object.clone(),
            path: shown(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        bytes += entry.metadata().map_or(0, |m| m.len());
        if bytes > UNPACKED_BYTES_MAX {
            return Err(too_large(format!("{} MB", UNPACKED_BYTES_MAX / 1024 / 1024)));
        }
        if files.len() >= FILES_MAX {
            return Err(too_large(format!("{FILES_MAX} files")));
        }
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let parts: Vec<_> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        files.push((parts.join("/"), entry.path().to_owned()));
    }
    if files.is_empty() {
        return Err(PackageError::Empty { object: object.clone(), path: shown() });
    }
    files.sort();
    Ok(files)
}

fn zip(files: &[(String, PathBuf)], out: &mut File) -> io::Result<()> {
    let mut writer = ZipWriter::new(out);
    for (name, path) in files {
        let mut file = File::open(path)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::default())
            .unix_permissions(mode(&file)?);
        writer.start_file(name, options).map_err(io::Error::other)?;
        io::copy(&mut file, &mut writer)?;
    }
    writer.finish().map_err(io::Error::other)?.flush()
}

/// Who may run it is part of what a file is; who may read it is not.
#[cfg(unix)]
fn mode(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    let is_executable = file.metadata()?.permissions().mode() & 0o100 != 0;
    Ok(if is_executable { 0o755 } else { 0o644 })
}

#[cfg(not(unix))]
fn mode(_: &File) -> io::Result<u32> {
    Ok(0o644)
}

fn digest(file: &mut File) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex::encode(hasher.finalize()), bytes));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifacts() -> Artifacts {
        Artifacts { bucket: "artifacts".to_owned(), prefix: Some("dev/".to_owned()) }
    }

    #[test]
    fn the_same_files_give_the_same_bytes_whatever_their_times() {
        let digest_of_copy = |order: [&str; 2]| {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("lib")).unwrap();
            for name in order {
                std::fs::write(root.path().join(name), name).unwrap();
            }
            let id = ObjectId::new("Function", "api");
            package_one(&id, root.path(), &artifacts()).unwrap().key
        };
        let first = digest_of_copy(["main.js", "lib/a.js"]);
        assert_eq!(first, digest_of_copy(["lib/a.js", "main.js"]));
        assert!(first.starts_with("dev/") && first.ends_with(".zip"), "{first}");
        assert_ne!(first, digest_of_copy(["main.js", "lib/b.js"]));
    }

    #[test]
    fn what_is_missing_or_empty_says_to_build_first() {
        let root = tempfile::tempdir().unwrap();
        let id = ObjectId::new("Function", "api");
        let empty = package_one(&id, root.path(), &artifacts()).unwrap_err();
        assert!(empty.to_string().contains("build it first"), "{empty}");
        let missing = package_one(&id, &root.path().join("dist"), &artifacts()).unwrap_err();
        assert!(missing.to_string().contains("build it first"), "{missing}");
    }
}
