//! Who makes a release, and from which commit: flags first, then git, then the CI's environment.
//!
//! Guarantees: the commit is that of the repository that has the manifests, wherever the verb is called; it
//! ends in `-dirty` where the manifests, or a file that git tracks, are not as committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::store::{Cause, NewRelease};

#[derive(Debug, Default, Args)]
pub(super) struct ProvenanceArgs {
    /// Who makes the release.
    #[arg(long)]
    author: Option<String>,
    /// The source commit.
    #[arg(long)]
    commit: Option<String>,
    /// Why the release is made.
    #[arg(short, long)]
    message: Option<String>,
}

/// Variables of GitHub Actions, GitLab CI, CircleCI, Buildkite and CodeBuild.
const CI_AUTHOR: [&str; 4] =
    ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "CIRCLE_USERNAME", "BUILDKITE_BUILD_AUTHOR"];
const CI_COMMIT: [&str; 5] = [
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
];
const CI_MESSAGE: [&str; 2] = ["CI_COMMIT_TITLE", "BUILDKITE_MESSAGE"];
/// Who makes a release that nobody gives a name with.
pub(super) const UNKNOWN: &str = "unknown";
/// A message longer than this is cut: a release is one item.
const MESSAGE_CHARS_MAX: usize = 1000;

impl ProvenanceArgs {
    pub fn has_no_commit(&self) -> bool {
        self.commit.is_none()
    }

    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// A release without objects, signed. `manifests` are the files and folders that it comes from; none is
    /// the current folder.
    pub fn release(&self, cause: Cause, manifests: &[PathBuf]) -> NewRelease {
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        let folder = manifests.iter().find_map(|path| folder_of(path));
        let folder = folder.unwrap_or_else(|| PathBuf::from("."));
        let git = |arguments: &[&str]| git(&folder, arguments);
        let author = self.author.clone().filter(|author| !author.is_empty());
        let author = author.or_else(|| git(&["config", "user.name"]));
        let commit = self.commit.clone().or_else(|| commit(&folder, manifests));
        let message = self.message.clone().or_else(|| git(&["log", "-1", "--format=%s"]));
        NewRelease {
            author: author
                .or_else(|| first(&CI_AUTHOR))
                .or_else(user)
                .unwrap_or_else(|| UNKNOWN.to_owned()),
            commit: commit.or_else(|| first(&CI_COMMIT)).unwrap_or_default(),
            message: message
                .or_else(|| first(&CI_MESSAGE))
                .map(|m| m.chars().take(MESSAGE_CHARS_MAX).collect())
                .unwrap_or_default(),
            ..NewRelease::new(cause, Vec::new())
        }
    }
}

/// The folder of a file, or the folder itself. Standard input is in none.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    if path.is_dir() { Some(path) } else { path.parent().map(Path::to_owned) }
}

fn commit(folder: &Path, manifests: &[PathBuf]) -> Option<String> {
    let head = git(folder, &["rev-parse", "HEAD"])?;
    let paths = manifests.iter().filter_map(|path| path.canonicalize().ok());
    let paths: Vec<_> = paths.map(|path| path.to_string_lossy().into_owned()).collect();
    let mut beside = vec!["status", "--porcelain", "--"];
    beside.extend(paths.iter().map(String::as_str));
    let is_dirty = git(folder, &["status", "--porcelain", "--untracked-files=no"]).is_some()
        || !paths.is_empty() && git(folder, &beside).is_some();
    Some(if is_dirty { format!("{head}-dirty") } else { head })
}

/// What git prints, where it prints anything.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn first(variables: &[&str]) -> Option<String> {
    variables.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_that_of_the_manifests_and_says_whether_they_are_as_committed() {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args(identity).args(arguments).output()
        };
        if run(&["init", "-q"]).is_err() {
            eprintln!("skipped: there is no git here");
            return;
        }
        let manifest = folder.path().join("api.yaml");
        let release = || {
            ProvenanceArgs::default().release(Cause::Apply, std::slice::from_ref(&manifest)).commit
        };
        std::fs::write(&manifest, "kind: Function\n").unwrap();
        run(&["add", "."]).unwrap();
        run(&["commit", "-q", "-m", "first"]).unwrap();
        let head = run(&["rev-parse", "HEAD"]).unwrap().stdout;
        let head = String::from_utf8(head).unwrap().trim().to_owned();
        assert_eq!((head.len(), release()), (40, head.clone()));
        std::fs::write(&manifest, "kind: Table\n").unwrap();
        assert_eq!(release(), format!("{head}-dirty"), "changed");
        run(&["checkout", "-q", "."]).unwrap();
        let new = folder.path().join("new.yaml");
        std::fs::write(&new, "kind: Bucket\n").unwrap();
        assert_eq!(release(), head, "what is not given does not count");
        let given = ProvenanceArgs::default().release(Cause::Apply, &[new]).commit;
        assert_eq!(given, format!("{head}-dirty"), "never committed");
    }
}
