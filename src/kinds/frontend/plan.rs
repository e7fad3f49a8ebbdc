//! What to do about a frontend.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::aws::tags as owner;
use crate::kinds::{Desired, S3Location, split_off};
use crate::plan::{Blocked, Change, Plan, Verb, Waiting};

use super::compare::{AppSettings, compare, release_digest};
use super::deployed::deployed_tag;
use super::observe::{LiveFrontend, LiveJob};
use super::spec::*;

/// A job that runs longer than this is stopped.
const JOB_DEADLINE: SignedDuration = SignedDuration::from_mins(60);

/// One call to Amplify, or one pair that may be repeated as a whole. Steps after the app's own
/// creation carry its id.
#[derive(Clone, Debug, PartialEq)]
pub enum FrontendStep {
    Create {
        name: String,
        settings: Box<AppSettings>,
        tags: BTreeMap<String, String>,
    },
    /// `reconnects` says that the repository changes.
    Update {
        app: String,
        settings: Box<AppSettings>,
        reconnects: bool,
    },
    Tag {
        arn: String,
        tags: BTreeMap<String, String>,
    },
    CreateBranch {
        app: String,
        branch: BranchSpec,
        tags: BTreeMap<String, String>,
    },
    UpdateBranch {
        app: String,
        branch: BranchSpec,
    },
    /// Starts a deployment of an artifact and remembers it on the branch.
    Deploy {
        app: String,
        arn: String,
        branch: String,
        artifact: S3Location,
        digest: String,
    },
    /// Starts a build of the repository and remembers it on the branch.
    Build {
        app: String,
        arn: String,
        branch: String,
        digest: String,
    },
    StopJob {
        app: String,
        branch: String,
        job: String,
    },
    CreateDomain {
        app: String,
        domain: Domain,
    },
    UpdateDomain {
        app: String,
        domain: Domain,
    },
    DeleteDomain {
        app: String,
        name: String,
    },
    Delete {
        app: String,
    },
}

/// Fields of the branch; the rest belongs to the app.
const BRANCH: &[&str] = &["branch"];

pub(super) fn plan(
    desired: &Desired<FrontendSpec>,
    live: Option<&LiveFrontend>,
    now: Timestamp,
) -> Plan<FrontendStep> {
    let nothing = LiveFrontend::default();
    let seen = live.unwrap_or(&nothing);
    let (compared, settings) = compare(desired, seen);
    let wanted_tags = compared.tags(&desired.tags);
    let mut changes = compared.changes;
    let mut plan = Plan::default();
    let app = seen.app_id.clone();
    let tags = split_off(&mut changes, &["tags"]);
    let branch = split_off(&mut changes, BRANCH);
    let domain = split_off(&mut changes, &["domain"]);
    if live.is_none() {
        let settings = Box::new(settings.clone());
        let (name, tags) = (desired.aws_name.clone(), desired.tags.clone());
        let create = FrontendStep::Create { name, settings, tags };
        plan.push(Verb::Create, "frontend", changes, create);
    } else {
        plan.changes = [&changes[..], &tags, &branch, &domain].concat();
        if seen.spec.repository.is_some() && desired.spec.artifact.is_some() {
            if desired.allow_replace {
                // The next look finds nothing, and makes it anew.
                let changes = plan.changes.clone();
                plan.push(Verb::Delete, "frontend", changes, FrontendStep::Delete { app });
            } else {
                plan.blocked = Some(replacement_needed());
            }
            return plan;
        }
        if !changes.is_empty() {
            let reconnects = changes.iter().any(|c| c.path.root() == "repository");
            let (app, settings) = (app.clone(), Box::new(settings.clone()));
            let step = FrontendStep::Update { app, settings, reconnects };
            plan.push(Verb::Update, "app", changes, step);
        }
        if !tags.is_empty() {
            let step = FrontendStep::Tag { arn: seen.arn.clone(), tags: wanted_tags };
            plan.push(Verb::Update, "tags", tags, step);
        }
    }
    let wanted = settings.spec.branch.clone();
    if seen.branch.is_none() {
        // The object's own tags belong to the app; a branch says whose it is.
        let tags = owner::ownership(&desired.key, &desired.uid);
        let step = FrontendStep::CreateBranch { app: app.clone(), branch: wanted, tags };
        let what = format!("branch {}", desired.spec.branch.name);
        plan.push(Verb::Create, what, branch, step);
    } else if !branch.is_empty() {
        let step = FrontendStep::UpdateBranch { app: app.clone(), branch: wanted };
        plan.push(Verb::Update, format!("branch {}", desired.spec.branch.name), branch, step);
    }
    if !domain.is_empty() {
        push_domain(&mut plan, &app, &settings.spec, seen, domain);
    }
    push_release(&mut plan, desired, seen, now);
    if plan.steps.is_empty() && plan.blocked.is_none() {
        judge_domain(&mut plan, seen);
    }
    plan
}

fn replacement_needed() -> Blocked {
    let message = "Amplify takes no artifacts for an app that is connected to a repository. To have it \
                   deleted and made again, annotate the manifest with trueup.dev/allow-replace: \"true\"";
    Blocked { reason: "ReplacementNeeded", message: message.to_owned() }
}

fn push_domain(
    plan: &mut Plan<FrontendStep>,
    app: &str,
    spec: &FrontendSpec,
    seen: &LiveFrontend,
    changes: Vec<Change>,
) {
    let app = app.to_owned();
    let domain = spec.domain.clone().unwrap_or_default();
    let before = seen.spec.domain.as_ref().and_then(|d| d.name.clone());
    match (&domain.name, before) {
        (None, Some(name)) => {
            let what = format!("domain {name}");
            plan.push(Verb::Delete, what, changes, FrontendStep::DeleteDomain { app, name });
        }
        (Some(name), Some(before)) if *name == before => {
            let what = format!("domain {name}");
            plan.push(Verb::Update, what, changes, FrontendStep::UpdateDomain { app, domain });
        }
        (Some(name), _) => {
            let what = format!("domain {name}");
            plan.push(Verb::Create, what, changes, FrontendStep::CreateDomain { app, domain });
        }
        (None, None) => {}
    }
}

/// A domain waits for its certificate and for DNS records that people make:
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_DomainAssociation.html>.
fn judge_domain(plan: &mut Plan<FrontendStep>, seen: &LiveFrontend) {
    let Some(domain) = &seen.domain_state else { return };
    if domain.status == "FAILED" {
        let message = format!("the domain failed: {}", domain.reason);
        plan.blocked = Some(Blocked { reason: "DomainFailed", message });
    } else if domain.status != "AVAILABLE" && plan.waiting.is_none() {
        let message = format!("the domain is {}{}", domain.status, domain.records);
        plan.waiting = Some(Waiting { reason: "DomainPending", message });
    }
}

/// Deploys what the release asks for, and follows the job to its end.
fn push_release(
    plan: &mut Plan<FrontendStep>,
    desired: &Desired<FrontendSpec>,
    seen: &LiveFrontend,
    now: Timestamp,
) {
    let Some(digest) = release_digest(desired) else {
        return;
    };
    let (app, branch) = (seen.app_id.clone(), desired.spec.branch.name.clone());
    let newest = seen.branch.as_ref().and_then(|b| b.newest_job.as_ref());
    let deployed = seen.branch.as_ref().and_then(|b| b.deployed.as_deref());
    if let Some(job) = newest.filter(|job| !job.is_over()) {
        if now.duration_since(job.started_at) > JOB_DEADLINE {
            let what = format!("job {} that has run too long", job.id);
            let step = FrontendStep::StopJob { app, branch, job: job.id.clone() };
            plan.push(Verb::Delete, what, Vec::new(), step);
        } else {
            let message = format!("Amplify job {} is {}", job.id, job.status);
            plan.waiting = Some(Waiting { reason: "Deploying", message });
        }
        return;
    }
    let arn = seen.arn.clone();
    // Where Amplify builds every push by itself, the newest job need not be ours.
    let builds_itself = desired.spec.artifact.is_none()
        && seen.spec.branch.auto_build == Some(true)
        && deployed.is_some_and(|tag| tag.starts_with(&format!("{digest}@")));
    match newest {
        Some(job) if builds_itself || deployed == Some(deployed_tag(&digest, &job.id).as_str()) => {
            if !job.succeeded() && plan.steps.is_empty() {
                plan.blocked = Some(failed(job));
            }
        }
        _ => {
            let short = digest.get(..12).unwrap_or(&digest).to_owned();
            let artifact = desired.spec.artifact.as_ref().and_then(|a| a.s3.clone());
            let field = if artifact.is_some() { "artifact" } else { "repository" };
            let change = Change::of(field, newest.map(|job| format!("job {}", job.id)), &*short);
            if seen.branch.is_some() {
                plan.changes.push(change.clone());
            }
            let step = match artifact {
                Some(artifact) => FrontendStep::Deploy { app, arn, branch, artifact, digest },
                None => FrontendStep::Build { app, arn, branch, digest },
            };
            plan.push(Verb::Create, format!("deployment of {short}"), vec![change], step);
        }
    }
}

fn failed(job: &LiveJob) -> Blocked {
    Blocked {
        reason: "DeploymentFailed",
        message: format!(
            "Amplify job {} ended as {}. Read its log in the Amplify console, then apply a frontend \
             that deploys, or `trueup rollback`",
            job.id, job.status
        ),
    }
}

pub(super) fn plan_deletion(live: &LiveFrontend) -> Plan<FrontendStep> {
    let mut plan = Plan::default();
    let step = FrontendStep::Delete { app: live.app_id.clone() };
    plan.push(Verb::Delete, "frontend", Vec::new(), step);
    plan
}
