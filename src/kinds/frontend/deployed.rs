//! Which job deployed what, and how one is known again. Pure.
//!
//! The branch's tag says which artifact which job deployed. A job is started by one call and remembered by
//! another, and anything may happen in between: so the object's record has it first, and a job whose start was
//! not answered is known again by what it was given. Amplify shows a build's commit message as it was given
//! (aws-amplify/amplify-hosting, issue 599), and has a member for a deployment's source URL; where it shows
//! neither, the first job since the start is taken for it.

use jiff::{SignedDuration, Timestamp};

use super::observe::LiveJob;
use crate::model::StartedJob;

/// The tag of the branch that says what was deployed by which job.
pub(super) const DEPLOYED_TAG: &str = "trueup.dev/deployed";

/// AWS's clock may be behind ours by this much.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(60);

/// How long Amplify may take to show a job that was started.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// The value of [`DEPLOYED_TAG`].
pub(super) fn deployed_tag(digest: &str, job: &str) -> String {
    format!("{digest}@{job}")
}

/// What a build's commit message says, by which it is known again.
pub(super) fn commit_message(digest: &str) -> String {
    format!("trueup release {digest}")
}

/// Whether a job is the one that was started. `artifact` is the key of what it deploys.
pub(super) fn is_started(job: &LiveJob, started: &StartedJob, artifact: Option<&str>) -> bool {
    if let Some(id) = &started.id {
        return *id == job.id;
    }
    if job.started_at < started.at - CLOCKS_APART {
        return false;
    }
    let says_more = !job.commit_message.is_empty() || !job.source_url.is_empty();
    let is_build = job.commit_message == commit_message(&started.digest);
    let is_deployment = artifact.is_some_and(|key| job.source_url.contains(key));
    is_build || is_deployment || !says_more
}

/// Whether a job that was started may not be shown yet.
pub(super) fn may_be_unseen(started: &StartedJob, now: Timestamp) -> bool {
    now.duration_since(started.at) < SHOWN_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_again_by_its_id_or_by_what_it_was_given() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let job = |message: &str, url: &str, started| LiveJob {
            id: "7".to_owned(),
            started_at: at(started),
            commit_message: message.to_owned(),
            source_url: url.to_owned(),
            ..LiveJob::default()
        };
        let started = |id: Option<&str>| StartedJob {
            digest: "abc".to_owned(),
            at: at(0),
            id: id.map(str::to_owned),
        };
        for (what, job, started, expected) in [
            ("its id", job("by hand", "", 5), started(Some("7")), true),
            ("another's id", job("trueup release abc", "", 5), started(Some("6")), false),
            ("its message", job("trueup release abc", "", 5), started(None), true),
            ("another message", job("fix the header", "", 5), started(None), false),
            ("its artifact", job("", "https://s3/artifacts/site.zip", 5), started(None), true),
            (
                "another artifact",
                job("", "https://s3/artifacts/other.zip", 5),
                started(None),
                false,
            ),
            ("nothing but the time", job("", "", 5), started(None), true),
            ("clocks apart", job("", "", -30), started(None), true),
            ("long before", job("trueup release abc", "", -90), started(None), false),
        ] {
            assert_eq!(is_started(&job, &started, Some("artifacts/site.zip")), expected, "{what}");
        }
        assert!(may_be_unseen(&started(None), at(59)) && !may_be_unseen(&started(None), at(60)));
        assert!(may_be_unseen(&started(Some("7")), at(1)), "a list lags, whatever is known");
    }
}
