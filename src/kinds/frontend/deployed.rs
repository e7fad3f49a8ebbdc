//! What was deployed, as the branch remembers it.

/// The tag of the branch that says what was deployed by which job.
pub(super) const DEPLOYED_TAG: &str = "trueup.dev/deployed";

/// The value of [`DEPLOYED_TAG`].
pub(super) fn deployed_tag(digest: &str, job: &str) -> String {
    format!("{digest}@{job}")
}
