//! Where manifests come from: files, directories, standard input, a kustomization.

use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;
use walkdir::WalkDir;

use super::kustomize;

/// A manifest file is text for people; beyond this it is something else.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FILES_MAX: usize = 20_000;

#[derive(Debug, Error)]
pub enum SourceError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path} has {bytes} bytes; a manifest may have {FILE_BYTES_MAX}")]
    TooLarge { path: String, bytes: u64 },
    #[error("{path}:{line}:{column} is not UTF-8 text; save the file as UTF-8")]
    NotText { path: String, line: usize, column: usize },
    #[error("{path} is neither a file nor a directory; give a file, or - for standard input")]
    NoFile { path: String },
    #[error("{path} holds no .yaml, .yml or .json file")]
    Empty { path: String },
    #[error("{path} holds more than {FILES_MAX} manifests")]
    TooMany { path: String },
    #[error(
        "neither `kubectl` nor `kustomize` could be started; install one, or give -f what it builds"
    )]
    NoKustomize,
    #[error("`{command}` failed: {message}")]
    Kustomize { command: String, message: String },
}

/// One text with manifests.
#[derive(Clone, Debug)]
pub struct Source {
    /// How problems call it.
    pub name: String,
    pub text: String,
    /// What relative paths in it are relative to.
    pub directory: PathBuf,
}

/// All texts of one call, in a stable order.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Vec<Source>);

impl Sources {
    /// Reads a file, a directory with everything below it, or `-` for standard input.
    pub fn read(&mut self, path: &Path) -> Result<(), SourceError> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin()
                .take(FILE_BYTES_MAX + 1)
                .read_to_end(&mut bytes)
                .map_err(|source| SourceError::Unreadable { path: "stdin".to_owned(), source })?;
            return self.add("stdin".to_owned(), bytes, PathBuf::from("."));
        }
        if !path.is_dir() {
            return self.read_file(path);
        }
        let before = self.0.len();
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(|error| SourceError::Unreadable {
                path: path.display().to_string(),
                source: error.into(),
            })?;
            let is_manifest = entry
                .path()
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| matches!(e, "yaml" | "yml" | "json"));
            let is_kustomization = entry.path().file_stem().is_some_and(|s| s == "kustomization");
            if entry.file_type().is_file() && is_manifest && !is_kustomization {
                if self.0.len() >= FILES_MAX {
                    return Err(SourceError::TooMany { path: path.display().to_string() });
                }
                self.read_file(entry.path())?;
            }
        }
        if self.0.len() == before {
            return Err(SourceError::Empty { path: path.display().to_string() });
        }
        Ok(())
    }

    /// Builds a kustomization with whichever of the two tools is installed.
    pub fn kustomize(&mut self, directory: &Path) -> Result<(), SourceError> {
        let built = match kustomize::with_origins(directory)? {
            Some(documents) => documents,
            // A tool that is too old for origins, or what cannot be built, which it says itself.
            None => vec![kustomize::plain(directory)?],
        };
        for Source { name, text, directory } in built {
            self.add(name, text.into_bytes(), directory)?;
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), SourceError> {
        let name = path.display().to_string();
        let unreadable = |source| SourceError::Unreadable { path: name.clone(), source };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() && !is_given_by_shell(path) {
            return Err(SourceError::NoFile { path: name });
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(SourceError::TooLarge { path: name, bytes: metadata.len() });
        }
        let mut text = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        let directory = if metadata.is_file() { directory } else { PathBuf::from(".") };
        self.add(name, text, directory)
    }

    fn add(&mut self, name: String, bytes: Vec<u8>, directory: PathBuf) -> Result<(), SourceError> {
        let length = bytes.len() as u64;
        if length > FILE_BYTES_MAX {
            return Err(SourceError::TooLarge { path: name, bytes: length });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let before = String::from_utf8_lossy(valid);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
            SourceError::NotText { path: name.clone(), line, column }
        })?;
        self.0.push(Source { name, text, directory });
        Ok(())
    }
}

/// A pipe that the shell made for this call, as of `-f <(kustomize build)`: it ends when its writer does.
fn is_given_by_shell(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}
