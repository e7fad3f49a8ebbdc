//! Who makes a release, and from which commit: flags first, then git, then the CI's environment.

use std::collections::{BTreeMap, BTreeSet};
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
/// A message longer than this is cut: a release is one item.
const MESSAGE_CHARS_MAX: usize = 1000;

impl ProvenanceArgs {
    /// A release without objects, signed.
    pub fn release(&self, cause: Cause) -> NewRelease {
        let user = || std::env::var("USER").ok();
        let author = self.author.clone().or_else(|| git(&["config", "user.name"]));
        let commit = self.commit.clone().or_else(|| git(&["rev-parse", "HEAD"]));
        let message = self.message.clone().or_else(|| git(&["log", "-1", "--format=%s"]));
        NewRelease {
            author: author.or_else(|| first(&CI_AUTHOR)).or_else(user).unwrap_or_default(),
            commit: commit.or_else(|| first(&CI_COMMIT)).unwrap_or_default(),
            message: message
                .or_else(|| first(&CI_MESSAGE))
                .map(|m| m.chars().take(MESSAGE_CHARS_MAX).collect())
                .unwrap_or_default(),
            cause,
            objects: Vec::new(),
            moves_all: false,
            holds: Vec::new(),
            confirmed: BTreeSet::new(),
            taken_out: BTreeMap::new(),
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn first(variables: &[&str]) -> Option<String> {
    variables.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
}
