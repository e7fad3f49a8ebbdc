//! Code and artifacts on disk become zip files that are addressed by what they hold.
//!
//! Guarantees:
//! - The same files give the same bytes (sorted names, fixed times and modes, one compression level), so
//!   that an apply of unchanged code changes nothing.
//! - What was hashed is what is uploaded: every package is a copy of its own, in a file without a name,
//!   which goes with the process however that ends.
//! - Nothing is packaged but regular files, within limits, and none from outside of the directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;
use walkdir::WalkDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::Set;
use crate::kinds::environment::Artifacts;
use crate::model::{Object, ObjectId};

/// What Lambda takes unzipped: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
/// A zip is not larger than that either.
pub(super) const UNPACKED_BYTES_MAX: u64 = 250 * 1024 * 1024;
const FILES_MAX: usize = 50_000;

/// Why code or an artifact could not be packaged.
#[expect(missing_docs, reason = "the messages say what each is")]
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
    #[error("{object}: {path} is neither a directory nor a regular file; give one of them")]
    NoFile { object: ObjectId, path: String },
    #[error("{object}: {path} is no zip archive ({source}); give a zip file, or a directory")]
    NoArchive { object: ObjectId, path: String, source: zip::result::ZipError },
    #[error(
        "{object}: {link} is a link to {target}, outside of {path}; put the file itself there, or take the \
         link out"
    )]
    Outside { object: ObjectId, path: String, link: String, target: String },
    #[error(
        "{object}: {path} has the entry {entry}, which would be unpacked outside of the function's folder; build \
         the zip again without it"
    )]
    Leaves { object: ObjectId, path: String, entry: String },
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
    /// The environment of the object. The package lies in its artifact bucket.
    pub environment: String,
    /// The object that runs what is in the package.
    pub object: ObjectId,
    /// The name of the artifact bucket.
    pub bucket: String,
    /// The key in the bucket.
    pub key: String,
    /// Of the file's bytes.
    pub sha256: [u8; 32],
    /// The length of the file.
    pub bytes: u64,
    file: File,
}

impl Package {
    /// A zip that is there already, with its digest and its length. `place` is the bucket and the key that it goes
    /// to.
    pub fn of_file(
        environment: &str,
        object: ObjectId,
        place: (String, String),
        file: File,
        sha256: [u8; 32],
        bytes: u64,
    ) -> Self {
        let (bucket, key) = place;
        Self { environment: environment.to_owned(), object, bucket, key, sha256, bytes, file }
    }

    /// The packaged bytes, from the beginning. Of two readers at once neither reads them whole.
    pub fn open(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
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
            Arc::make_mut(&mut object.spec)[field] = json!({"s3": {
                "bucket": package.bucket, "key": package.key, "sha256": hex::encode(package.sha256),
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
    let shown = || path.display().to_string();
    let failed = |source| PackageError::Io { object: object.clone(), path: shown(), source };
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PackageError::Missing { object: object.clone(), path: shown() });
        }
        metadata => metadata.map_err(failed)?,
    };
    let mut file = if metadata.is_dir() {
        let files = files_below(object, path)?;
        let mut file = tempfile::tempfile().map_err(failed)?;
        let inside = path.canonicalize().map_err(failed)?;
        zip(&files, &inside, &mut file).map_err(failed)?;
        file
    } else if metadata.is_file() {
        copy_of_archive(object, path)?
    } else {
        return Err(PackageError::NoFile { object: object.clone(), path: shown() });
    };
    file.rewind().map_err(failed)?;
    let (sha256, bytes) = digest(&mut file).map_err(failed)?;
    let prefix = artifacts.prefix.clone().unwrap_or_default();
    Ok(Package {
        environment: String::new(),
        object: object.clone(),
        bucket: artifacts.bucket.clone(),
        key: format!("{prefix}{}.zip", hex::encode(sha256)),
        sha256,
        bytes,
        file,
    })
}

/// A copy of a zip file that somebody may write to while it is read.
fn copy_of_archive(object: &ObjectId, path: &Path) -> Result<File, PackageError> {
    let shown = || path.display().to_string();
    let failed = |source| PackageError::Io { object: object.clone(), path: shown(), source };
    let mut copy = tempfile::tempfile().map_err(failed)?;
    let given = File::open(path).map_err(failed)?;
    let length = given.metadata().map_err(failed)?.len();
    // It may grow while it is read.
    let mut given = given.take(UNPACKED_BYTES_MAX + 1);
    if length > UNPACKED_BYTES_MAX
        || io::copy(&mut given, &mut copy).map_err(failed)? > UNPACKED_BYTES_MAX
    {
        let limit = megabytes(UNPACKED_BYTES_MAX);
        return Err(PackageError::TooLarge { object: object.clone(), path: shown(), limit });
    }
    let no_archive =
        |source| PackageError::NoArchive { object: object.clone(), path: shown(), source };
    let mut archive = ZipArchive::new(&copy).map_err(no_archive)?;
    if archive.is_empty() {
        return Err(PackageError::Empty { object: object.clone(), path: shown() });
    }
    let mut left = UNPACKED_BYTES_MAX;
    for i in 0..archive.len() {
        // Read to its end, so that what is damaged shows; and no further than it may be large.
        let file = archive.by_index(i).map_err(no_archive)?;
        if file.enclosed_name().is_none() {
            let entry = file.name().to_owned();
            return Err(PackageError::Leaves { object: object.clone(), path: shown(), entry });
        }
        let mut file = file.take(left + 1);
        let unpacked = io::copy(&mut file, &mut io::sink())
            .map_err(|source| no_archive(zip::result::ZipError::Io(source)))?;
        left = left.checked_sub(unpacked).ok_or_else(|| {
            let limit = format!("{} unpacked", megabytes(UNPACKED_BYTES_MAX));
            PackageError::TooLarge { object: object.clone(), path: shown(), limit }
        })?;
    }
    Ok(copy)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1024 / 1024)
}

/// Every file below a directory, by its name in the zip, sorted. Links within it are followed, as a
/// build's output should not depend on how it was laid out.
fn files_below(object: &ObjectId, root: &Path) -> Result<Vec<(String, PathBuf)>, PackageError> {
    let shown = || root.display().to_string();
    let failed = |source| PackageError::Io { object: object.clone(), path: shown(), source };
    let too_large = |limit| PackageError::TooLarge { object: object.clone(), path: shown(), limit };
    let inside = root.canonicalize().map_err(failed)?;
    let mut files = Vec::new();
    let mut bytes = 0;
    for entry in WalkDir::new(root).follow_links(true) {
        let entry = entry.map_err(|error| failed(error.into()))?;
        if entry.path_is_symlink() && entry.depth() > 0 {
            let target = entry.path().canonicalize().map_err(failed)?;
            if !target.starts_with(&inside) {
                return Err(PackageError::Outside {
                    object: object.clone(),
                    path: shown(),
                    link: entry.path().display().to_string(),
                    target: target.display().to_string(),
                });
            }
        }
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            let path = entry.path().display().to_string();
            return Err(PackageError::NoFile { object: object.clone(), path });
        }
        bytes += entry.metadata().map_err(|error| failed(error.into()))?.len();
        if bytes > UNPACKED_BYTES_MAX {
            return Err(too_large(megabytes(UNPACKED_BYTES_MAX)));
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

/// The limit holds while the files are read, too: they may grow meanwhile.
fn zip(files: &[(String, PathBuf)], inside: &Path, out: &mut File) -> io::Result<()> {
    let mut writer = ZipWriter::new(out);
    let mut left = UNPACKED_BYTES_MAX;
    for (name, path) in files {
        let mut file = open_inside(path, inside)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::default())
            .unix_permissions(mode(&file)?);
        writer.start_file(name, options).map_err(io::Error::other)?;
        let copied = io::copy(&mut (&mut file).take(left + 1), &mut writer)?;
        left = left.checked_sub(copied).ok_or_else(|| {
            io::Error::other(format!("more than {} in all", megabytes(UNPACKED_BYTES_MAX)))
        })?;
    }
    writer.finish().map_err(io::Error::other)?.flush()
}

/// Opens a file, which may have become a link since it was found. What was opened has to be what stands inside.
fn open_inside(path: &Path, inside: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let real = path.canonicalize()?;
    if real.starts_with(inside) && is_same(&file.metadata()?, &std::fs::metadata(&real)?) {
        return Ok(file);
    }
    Err(io::Error::other(format!("{} changed while it was packaged; run it again", path.display())))
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    true
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

fn digest(file: &mut File) -> io::Result<([u8; 32], u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finalize().into(), bytes));
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

    /// An archive with one file.
    fn archive(text: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        writer.start_file("main.js", SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn an_archive_that_is_rewritten_meanwhile_is_uploaded_as_it_was_hashed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("code.zip");
        let first = archive("first");
        std::fs::write(&path, &first).unwrap();
        let package = package_one(&ObjectId::new("Function", "api"), &path, &artifacts()).unwrap();
        std::fs::write(&path, archive("second, and longer")).unwrap();
        let mut sent = Vec::new();
        package.open().unwrap().read_to_end(&mut sent).unwrap();
        assert_eq!(sent, first);
        assert_eq!(package.sha256[..], Sha256::digest(&sent)[..]);
        assert_eq!(package.bytes, sent.len() as u64);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_archive_or_leaves_the_tree_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("notes.txt"), "no archive").unwrap();
        std::fs::create_dir_all(at("code/lib")).unwrap();
        std::fs::write(at("code/lib/a.js"), "a").unwrap();
        std::os::unix::fs::symlink("lib/a.js", at("code/inside.js")).unwrap();
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let refused = |path: &Path| {
            let id = ObjectId::new("Function", "api");
            package_one(&id, path, &artifacts()).map(|_| ()).unwrap_err().to_string()
        };
        package_one(&ObjectId::new("Function", "api"), &at("code"), &artifacts()).unwrap();
        for (path, expected) in [
            (at("notes.txt"), "is no zip archive"),
            (at("socket"), "neither a directory nor a regular file"),
            (PathBuf::from("/dev/zero"), "neither a directory nor a regular file"),
        ] {
            let said = refused(&path);
            assert!(said.contains(expected), "{said}");
        }
        let mut zip = ZipWriter::new(File::create(at("slip.zip")).unwrap());
        zip.start_file("../../etc/x", SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap();
        let said = refused(&at("slip.zip"));
        assert!(said.contains("has the entry ../../etc/x"), "{said}");
        std::os::unix::fs::symlink(at("notes.txt"), at("code/outside.txt")).unwrap();
        let said = refused(&at("code"));
        assert!(said.contains("outside.txt is a link to") && said.contains("notes.txt"), "{said}");
    }
}
