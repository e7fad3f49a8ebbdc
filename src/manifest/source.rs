//! Where manifests come from: files, directories, standard input, a kustomization.

use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;
use walkdir::WalkDir;

use super::kustomize;

/// A manifest file is text for people; beyond this it is something else.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FILES_MAX: usize = 20_000;

/// Why manifests could not be read.
#[expect(missing_docs, reason = "the messages say what each is")]
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
    #[error(
        "{path} is a link to a directory, which is not followed; give that directory with -f of its own, or take \
         the link out"
    )]
    LinkedDirectory { path: String },
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
    /// The whole text: YAML with one or more documents, or JSON.
    pub text: String,
    /// What relative paths in it are relative to.
    pub directory: PathBuf,
}

/// All texts of one call, in a stable order.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Vec<Source>);

impl Sources {
    /// Reads a file, a directory with everything below it, or `-` for standard input. In a directory everything
    /// that is named as a manifest is read, links to files too; what cannot be is an error, and none is passed
    /// over: with `--prune`, what is passed over leaves.
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
        let walk = WalkDir::new(path).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| !is_mounts_own(entry)) {
            let entry = entry.map_err(|error| SourceError::Unreadable {
                path: path.display().to_string(),
                source: error.into(),
            })?;
            if entry.file_type().is_symlink() && entry.path().is_dir() {
                return Err(SourceError::LinkedDirectory {
                    path: entry.path().display().to_string(),
                });
            }
            if entry.file_type().is_dir() || !is_manifest(entry.path()) {
                continue;
            }
            if self.0.len() >= FILES_MAX {
                return Err(SourceError::TooMany { path: path.display().to_string() });
            }
            self.read_file(entry.path())?;
            let is_kustomization = entry.path().file_stem().is_some_and(|s| s == "kustomization");
            self.0.pop_if(|source| is_kustomization && !has_objects(&source.text));
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

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| matches!(e.as_str(), "yaml" | "yml" | "json"))
}

/// Kubernetes mounts a ConfigMap as links into a directory of such a name, which it replaces as a whole:
/// <https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically>.
fn is_mounts_own(entry: &walkdir::DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with("..")
}

/// A kustomization says how to build manifests, and is none; but a manifest may have its file's name.
fn has_objects(text: &str) -> bool {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("kind:")).map(str::trim);
    let mut kinds = kinds.map(|kind| kind.trim_matches(['"', '\'']));
    kinds.any(|kind| !matches!(kind, "Kustomization" | "Component"))
}

/// A pipe that the shell made for this call, as of `-f <(kustomize build)`: it ends when its writer does.
fn is_given_by_shell(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn read(root: &Path) -> Result<Vec<String>, String> {
        let mut sources = Sources::default();
        sources.read(root).map_err(|error| error.to_string())?;
        let name = |source: &Source| {
            Path::new(&source.name).file_name().map(|n| n.to_string_lossy().into_owned())
        };
        Ok(sources.0.iter().filter_map(name).collect())
    }

    #[test]
    fn nothing_that_is_named_as_a_manifest_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        // As Kubernetes mounts a ConfigMap.
        std::fs::create_dir(at("..2026")).unwrap();
        std::fs::write(at("..2026/linked.yaml"), "kind: Table").unwrap();
        std::os::unix::fs::symlink("..2026", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/linked.yaml", at("linked.yaml")).unwrap();
        std::fs::write(at("UPPER.YAML"), "kind: Table").unwrap();
        std::fs::write(at("notes.txt"), "not one").unwrap();
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("sub/kustomization.yaml"), "resources: [a.yaml]").unwrap();
        std::fs::write(at("sub/kustomization.yml"), "kind: Table").unwrap();
        let names = ["UPPER.YAML", "linked.yaml", "kustomization.yml"];
        assert_eq!(read(root.path()).unwrap(), names);
        std::os::unix::fs::symlink("nowhere.yaml", at("dangling.yaml")).unwrap();
        assert!(read(root.path()).unwrap_err().contains("dangling.yaml"));
        std::fs::remove_file(at("dangling.yaml")).unwrap();
        std::os::unix::fs::symlink("sub", at("more")).unwrap();
        assert!(read(root.path()).unwrap_err().contains("is a link to a directory"));
    }
}
