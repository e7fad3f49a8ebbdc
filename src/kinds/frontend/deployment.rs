//! The job that deploys what a release asks for: followed to its end, remembered, and started once.

use jiff::{SignedDuration, Timestamp};

use super::compare::release_digest;
use super::deployed::{self, deployed_tag};
use super::observe::{LiveFrontend, LiveJob};
use super::plan::FrontendStep;
use super::spec::*;
use crate::kinds::Desired;
use crate::model::{ObjectKey, Path};
use crate::plan::{Blocked, Change, Plan, Verb, Waiting};

/// A job that runs longer than this is stopped.
const JOB_DEADLINE: SignedDuration = SignedDuration::from_mins(60);

/// Deploys what the release asks for, and follows the job to its end.
pub(super) fn push_release(
    plan: &mut Plan<FrontendStep>,
    desired: &Desired<FrontendSpec>,
    seen: &LiveFrontend,
    now: Timestamp,
) {
    let Some(digest) = release_digest(desired) else {
        return;
    };
    // Whoever ignores the artifact deploys others, once there is something.
    let ignores = |path: &Path| path.to_string() == "artifact";
    let is_deployed = seen.branch.as_ref().is_some_and(|branch| branch.newest_job.is_some());
    if is_deployed && desired.create_begun.is_none() && desired.ignore.iter().any(ignores) {
        return;
    }
    let newest = seen.branch.as_ref().and_then(|b| b.newest_job.as_ref());
    let is_followed = match newest {
        Some(job) if !job.is_known() => {
            if plan.steps.is_empty() {
                plan.blocked = Some(unknown_state(job));
            }
            true
        }
        Some(job) if !job.is_over() => {
            follow(plan, desired, seen, &digest, job, now);
            true
        }
        newest => is_accounted_for(plan, desired, seen, &digest, newest, now),
    };
    if is_followed {
        return;
    }
    let (app, branch) = (seen.app_id.clone(), desired.spec.branch.name.clone());
    let artifact = desired.spec.artifact.as_ref().and_then(|a| a.s3.clone());
    let short = digest.get(..12).unwrap_or(&digest).to_owned();
    let field = if artifact.is_some() { "artifact" } else { "repository" };
    // Without the job's number: the flap guard knows the same plan again by its text.
    let other = newest.map(|_| "another deployment".to_owned());
    let change = Change::of(field, other, &*short);
    if seen.branch.is_some() {
        plan.changes.push(change.clone());
    }
    let what = format!("deployment of {short}");
    let step = match artifact {
        Some(artifact) => FrontendStep::Deploy { app, branch, artifact },
        None => FrontendStep::Build { app, branch, digest: digest.clone() },
    };
    plan.push_job(&digest, what, vec![change], step);
}

/// Waits for a job that runs, or stops it.
fn follow(
    plan: &mut Plan<FrontendStep>,
    desired: &Desired<FrontendSpec>,
    seen: &LiveFrontend,
    digest: &str,
    job: &LiveJob,
    now: Timestamp,
) {
    // trueup started it, by its record.
    let is_of_another_release = desired.job.as_ref().is_some_and(|started| {
        started.digest != digest && started.id.as_deref() == Some(job.id.as_str())
    });
    let is_too_long = now.duration_since(job.started_at) > JOB_DEADLINE;
    if !is_of_another_release && !is_too_long {
        let message = format!("Amplify job {} is {}", job.id, job.status);
        plan.waiting = Some(Waiting { reason: "Deploying", message });
        return;
    }
    let why = if is_of_another_release { "of another release" } else { "that has run too long" };
    let what = format!("job {} {why}", job.id);
    let (app, branch) = (seen.app_id.clone(), desired.spec.branch.name.clone());
    let step = FrontendStep::StopJob { app, branch, job: job.id.clone() };
    plan.push(Verb::Delete, what, Vec::new(), step);
}

/// Whether what the release asks for was deployed by a job that is over, or by one that is not seen yet: no other is
/// started then.
fn is_accounted_for(
    plan: &mut Plan<FrontendStep>,
    desired: &Desired<FrontendSpec>,
    seen: &LiveFrontend,
    digest: &str,
    newest: Option<&LiveJob>,
    now: Timestamp,
) -> bool {
    let deployed = seen.branch.as_ref().and_then(|b| b.deployed.as_deref());
    // Where Amplify builds every push by itself, the newest job need not be ours.
    let builds_itself = desired.spec.artifact.is_none()
        && seen.spec.branch.auto_build == Some(true)
        && deployed.is_some_and(|tag| tag.starts_with(&format!("{digest}@")));
    // A branch that is made anew numbers its jobs anew: what ran for the one before is none of them.
    let of_this_branch = desired.job.as_ref().filter(|_| seen.branch.is_some());
    let started = of_this_branch.filter(|started| started.digest == digest);
    let artifact = desired.spec.artifact.as_ref().and_then(|a| a.s3.as_ref());
    let is_started = |job: &LiveJob| {
        let key = artifact.map(|a| a.key.as_str());
        started.is_some_and(|started| deployed::is_started(job, started, key))
    };
    let remembered = |job: &LiveJob| {
        let tag = deployed_tag(digest, &job.id);
        let is_remembered = deployed == Some(&*tag);
        (tag, is_remembered || builds_itself)
    };
    if let Some(job) = newest.filter(|job| remembered(job).1 || is_started(job)) {
        if job.succeeded() {
            let (tag, is_remembered) = remembered(job);
            remember(plan, seen, tag, is_remembered);
            return true;
        }
        // Somebody who asks for another try gets one.
        let is_given_up = desired.asked_at.is_none_or(|at| at <= job.started_at);
        if is_given_up && plan.steps.is_empty() {
            plan.blocked = Some(failed(job, &desired.key));
        }
        return is_given_up;
    }
    let may_come = started.is_some_and(|started| deployed::may_be_unseen(started, now));
    if may_come {
        plan.waiting = Some(unseen());
    }
    may_come
}

/// What a state means that this version does not know, it does not guess.
fn unknown_state(job: &LiveJob) -> Blocked {
    let message = format!(
        "Amplify says that job {} is `{}`, which this version of trueup does not know; upgrade trueup",
        job.id, job.status
    );
    Blocked { reason: "UnknownState", message }
}

fn unseen() -> Waiting {
    let message = "a deployment was started a moment ago, and Amplify does not show it yet";
    Waiting { reason: "NotSeenYet", message: message.to_owned() }
}

/// Writes on the branch what was deployed, for whoever has no record of it.
fn remember(plan: &mut Plan<FrontendStep>, seen: &LiveFrontend, tag: String, is_remembered: bool) {
    let arn = seen.branch.as_ref().map(|branch| branch.arn.clone());
    if let (false, Some(branch_arn)) = (is_remembered, arn) {
        let step = FrontendStep::Remember { branch_arn, deployed: tag };
        plan.push(Verb::Update, "tag of the deployment", Vec::new(), step);
    }
}

fn failed(job: &LiveJob, key: &ObjectKey) -> Blocked {
    Blocked {
        reason: "DeploymentFailed",
        message: format!(
            "Amplify job {} ended as {}. Read its log in the Amplify console, then apply a frontend \
             that deploys, try it again with `trueup reconcile {} {}`, or `trueup rollback {2}`",
            job.id, job.status, key.environment, key.id
        ),
    }
}
