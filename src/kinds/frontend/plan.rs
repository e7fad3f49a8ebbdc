//! What to do about a frontend.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::aws::tags as owner;
use crate::kinds::{Desired, FacetStep, S3Location, push_facets, split_off};
use crate::model::Path;
use crate::plan::{Blocked, Change, Plan, Verb, Waiting};

use super::compare::{AppSettings, BranchSettings, compare, lost_conditions};
use super::deployment::push_release;
use super::domain::{DOMAIN, DomainRef};
use super::observe::LiveFrontend;
use super::spec::*;

/// One call to Amplify, or one pair that may be repeated as a whole. Steps after the app's own
/// creation carry its id.
#[derive(Clone, Debug, PartialEq)]
pub enum FrontendStep {
    /// Makes the app.
    Create {
        /// Its name in AWS.
        name: String,
        /// All that is declared of it.
        settings: Box<AppSettings>,
        /// Every tag that it gets, those of ownership too.
        tags: BTreeMap<String, String>,
    },
    /// `reconnects` says that the repository changes.
    Update {
        /// The app's id.
        app: String,
        /// What changes; what is `None` in them stays as it is.
        settings: Box<AppSettings>,
        /// The repository and its token are sent, too.
        reconnects: bool,
    },
    /// Puts tags on the app.
    Tag {
        /// The app's ARN.
        arn: String,
        /// The tags that the app shall have; others stay.
        tags: BTreeMap<String, String>,
    },
    /// Makes a branch.
    CreateBranch {
        /// The app's id.
        app: String,
        /// All that is declared of it, and its name.
        branch: Box<BranchSettings>,
        /// The tags of ownership.
        tags: BTreeMap<String, String>,
    },
    /// Changes a branch.
    UpdateBranch {
        /// The app's id.
        app: String,
        /// What changes; what is `None` in them stays as it is.
        branch: Box<BranchSettings>,
    },
    /// Deletes a branch that the manifest does not name any more.
    DeleteBranch {
        /// The app's id.
        app: String,
        /// The branch's name.
        branch: String,
    },
    /// Starts a deployment of an artifact.
    Deploy {
        /// The app's id.
        app: String,
        /// The branch's name.
        branch: String,
        /// The zip file that is deployed.
        artifact: S3Location,
    },
    /// Starts a build of the repository.
    Build {
        /// The app's id.
        app: String,
        /// The branch's name.
        branch: String,
        /// The digest of all that the build depends on; the job's commit message says it.
        digest: String,
    },
    /// Writes on the branch what was deployed by which job.
    Remember {
        /// The ARN of the branch.
        branch_arn: String,
        /// Digest and job, as `<digest>@<job>`.
        deployed: String,
    },
    /// Stops a job that runs too long, or is of another release.
    StopJob {
        /// The app's id.
        app: String,
        /// The branch's name.
        branch: String,
        /// The job's id.
        job: String,
    },
    /// Makes, changes or removes a domain.
    Domain(DomainRef, FacetStep<DomainRef>),
    /// Deletes the app, and with it its branches and domain.
    Delete {
        /// The app's id.
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
    let (compared, settings) = match compare(desired, seen, live.is_some()) {
        Ok(compared) => compared,
        Err(blocked) => return Plan { blocked: Some(blocked), ..Plan::default() },
    };
    let wanted_tags = compared.tags(&desired.tags);
    let effective = compared.effective;
    let mut changes = compared.changes;
    let mut plan = Plan::default();
    let app = seen.app_id.clone();
    let tags = split_off(&mut changes, &["tags"]);
    let branch = split_off(&mut changes, BRANCH);
    let mut domain = split_off(&mut changes, &["domain"]);
    if live.is_none() {
        let settings = Box::new(settings.clone());
        let (name, tags) = (desired.aws_name.clone(), desired.tags.clone());
        let create = FrontendStep::Create { name, settings, tags };
        plan.push_whole(Verb::Create, "frontend", changes, create);
    } else {
        plan.changes = [&changes[..], &tags, &branch, &domain].concat();
        if seen.spec.repository.is_some() && desired.spec.artifact.is_some() {
            if desired.may_replace(|before| before["repository"].is_null()) {
                // The next observation finds nothing, and makes it anew.
                let changes = plan.changes.clone();
                plan.push_whole(Verb::Delete, "frontend", changes, FrontendStep::Delete { app });
            } else {
                plan.blocked = Some(replacement_needed());
            }
            return plan;
        }
        plan.partly_blocked = desired.ask(lost_conditions(desired, seen, &changes));
        // One request writes several fields: those that wait are left out of it.
        if plan.partly_blocked.is_some() {
            split_off(&mut changes, &["customRules"]);
        }
        push_app(&mut plan, &app, &settings, changes);
        if !tags.is_empty() {
            let step = FrontendStep::Tag { arn: seen.arn.clone(), tags: wanted_tags };
            plan.push(Verb::Update, "tags", tags, step).stands_alone();
        }
    }
    let mut wanted = Box::new(settings.branch.clone());
    if seen.branch.is_none() {
        // What nobody declares goes along to the new branch: its login would be open otherwise.
        if let Some(left) = &seen.left_branch {
            let login = left.basic_auth.clone().map(Some);
            wanted.basic_auth = wanted.basic_auth.or(login);
            wanted.env =
                wanted.env.or_else(|| Some(left.env.clone()).filter(|env| !env.is_empty()));
        }
        // The object's own tags belong to the app; a branch says whose it is.
        let tags = owner::ownership(&desired.key, &desired.uid);
        let step = FrontendStep::CreateBranch { app: app.clone(), branch: wanted, tags };
        let what = format!("branch {}", desired.spec.branch.name);
        plan.push(Verb::Create, what, branch, step);
    } else if !branch.is_empty() {
        let field = |change: &Change| change.path.fields().split('.').nth(1).map(str::to_owned);
        let fields: BTreeSet<_> = branch.iter().filter_map(field).collect();
        match wanted.only(&fields.iter().map(String::as_str).collect()) {
            Ok(wanted) => {
                let branch_settings = Box::new(wanted);
                let step = FrontendStep::UpdateBranch { app: app.clone(), branch: branch_settings };
                let what = format!("branch {}", desired.spec.branch.name);
                plan.push(Verb::Update, what, branch, step).stands_alone();
            }
            Err(blocked) => plan.blocked = Some(blocked),
        }
    }
    let of = DomainRef { app: app.clone(), name: seen.domain.clone() };
    let step = |step| FrontendStep::Domain(of.clone(), step);
    push_facets(&mut plan, [DOMAIN], &seen.facets, &effective, &mut domain, step);
    push_release(&mut plan, desired, seen, now);
    push_left_branch(&mut plan, &app, seen);
    push_left_domain(&mut plan, &app, seen);
    if plan.steps.is_empty() && plan.blocked.is_none() {
        judge_domain(&mut plan, seen);
    }
    plan
}

/// The branch of before goes once the new one serves what was released.
fn push_left_branch(plan: &mut Plan<FrontendStep>, app: &str, seen: &LiveFrontend) {
    let Some(left) = seen.left_branch.as_ref().filter(|_| plan.is_settled()) else { return };
    let branch = left.name.clone();
    let change = still_there("branch", &branch);
    plan.changes.push(change.clone());
    let what = format!("branch {branch}");
    let step = FrontendStep::DeleteBranch { app: app.to_owned(), branch };
    plan.push(Verb::Delete, what, vec![change], step);
}

/// The domain of before goes once the one that is named now serves.
fn push_left_domain(plan: &mut Plan<FrontendStep>, app: &str, seen: &LiveFrontend) {
    let Some(name) = seen.left_domain.clone() else { return };
    let is_settled = plan.is_settled();
    let change = still_there("domain", &name);
    plan.changes.push(change.clone());
    let serves = seen.domain_state.as_ref().is_some_and(|domain| domain.status == "AVAILABLE");
    if is_settled && serves {
        let what = format!("domain {name}");
        let of = DomainRef { app: app.to_owned(), name: Some(name) };
        let step = FrontendStep::Domain(of, FacetStep::clear(DOMAIN));
        plan.push(Verb::Delete, what, vec![change], step);
    }
}

/// Something of before that the manifest does not name any more.
fn still_there(field: &str, name: &str) -> Change {
    let path = Path::default().field(field).element(name);
    Change { path, live: Some(Value::String("still there".to_owned())), desired: None }
}

/// Fields of the app that are written together: what AWS refuses of the one does not hold the others back. Who
/// may see the app comes first.
const TOGETHER: [&[&str]; 3] = [&["basicAuth"], &["serviceRole"], &["computeRole"]];

fn push_app(
    plan: &mut Plan<FrontendStep>,
    app: &str,
    settings: &AppSettings,
    mut changes: Vec<Change>,
) {
    let groups = TOGETHER.map(|fields| split_off(&mut changes, fields));
    for changes in groups.into_iter().chain([changes]).filter(|changes| !changes.is_empty()) {
        let reconnects = changes.iter().any(|c| c.path.root() == "repository");
        let fields = changes.iter().map(|change| change.path.root()).collect();
        match settings.only(&fields) {
            Ok(settings) => {
                let (app, settings) = (app.to_owned(), Box::new(settings));
                let step = FrontendStep::Update { app, settings, reconnects };
                plan.push(Verb::Update, "app", changes, step).stands_alone();
            }
            Err(blocked) => plan.blocked = Some(blocked),
        }
    }
}

fn replacement_needed() -> Blocked {
    let message = "Amplify takes no artifacts for an app that is connected to a repository. To have it \
                   deleted and made again, annotate the manifest with trueup.dev/allow-replace: \"true\", and confirm it \
                   with `trueup apply --confirm` where the environment is protected or the frontend's deletionPolicy \
                   is Retain. What somebody changed by hand is not replaced";
    Blocked { reason: "ReplacementNeeded", message: message.to_owned() }
}

/// A domain waits for its certificate and for DNS records that people make:
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_DomainAssociation.html>.
fn judge_domain(plan: &mut Plan<FrontendStep>, seen: &LiveFrontend) {
    let Some(domain) = &seen.domain_state else { return };
    if !domain.is_known {
        let message = format!(
            "Amplify says that the domain is `{}`, which this version of trueup does not know; upgrade trueup",
            domain.status
        );
        plan.blocked = Some(Blocked { reason: "UnknownState", message });
        return;
    }
    if domain.status == "FAILED" {
        let message = format!("the domain failed: {}", domain.reason);
        plan.blocked = Some(Blocked { reason: "DomainFailed", message });
    } else if domain.status != "AVAILABLE" && plan.waiting.is_none() {
        let message = format!("the domain is {}{}", domain.status, domain.records);
        plan.waiting = Some(Waiting { reason: "DomainPending", message });
    }
}

pub(super) fn plan_deletion(live: &LiveFrontend) -> Plan<FrontendStep> {
    let mut plan = Plan::default();
    let step = FrontendStep::Delete { app: live.app_id.clone() };
    plan.push_whole(Verb::Delete, "frontend", Vec::new(), step);
    plan
}

#[cfg(test)]
mod tests {
    use super::super::compare::release_digest;
    use super::super::deployed::deployed_tag;
    use super::super::domain::DomainState;
    use super::super::observe::{LiveBranch, LiveJob};
    use super::*;
    use crate::model::{Secret, StartedJob, ValueFrom};
    use jiff::SignedDuration;
    use serde_json::json;
    use std::sync::Arc;

    const APP: &str = "arn:aws:amplify:us-east-1:123456789012:apps/d1";

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn site(extra: Value) -> Value {
        let sha256 = "ab".repeat(32);
        let artifact = json!({"s3": {"bucket": "artifacts", "key": "site.zip", "sha256": sha256}});
        with(json!({"branch": {"name": "main"}, "artifact": artifact}), extra)
    }

    /// A site that Amplify builds from its repository.
    fn built(extra: Value) -> Value {
        let repository = json!({"url": "https://github.com/shop/web"});
        with(json!({"branch": {"name": "main"}, "repository": repository}), extra)
    }

    fn with(mut spec: Value, extra: Value) -> Value {
        for (field, value) in extra.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    }

    fn desired(spec: Value) -> Desired<FrontendSpec> {
        Desired::sample("Frontend", spec)
    }

    fn job(id: &str, status: &str, minutes_ago: i64) -> LiveJob {
        let started_at = now() - SignedDuration::from_mins(minutes_ago);
        LiveJob { id: id.to_owned(), status: status.to_owned(), started_at, ..LiveJob::default() }
    }

    /// An app as `spec` says, whose release was deployed by job 7.
    fn live(spec: Value, desired: &Desired<FrontendSpec>) -> LiveFrontend {
        let digest = release_digest(desired).unwrap();
        let domain = spec.get("domain").map(|words| (DOMAIN.field(), DOMAIN.saying(words)));
        LiveFrontend {
            domain: spec["domain"]["name"].as_str().map(str::to_owned),
            facets: domain.into_iter().collect(),
            spec: serde_json::from_value(spec).unwrap(),
            app_id: "d1".to_owned(),
            arn: APP.to_owned(),
            tags: desired.tags.clone(),
            branch: Some(LiveBranch {
                arn: format!("{APP}/branches/main"),
                display_name: "main".to_owned(),
                env: BTreeMap::new(),
                basic_auth: None,
                deployed: Some(deployed_tag(&digest, "7")),
                newest_job: Some(job("7", "SUCCEED", 90)),
            }),
            ..LiveFrontend::default()
        }
    }

    fn planned(declared: Value, seen: Value) -> Plan<FrontendStep> {
        let desired = desired(declared);
        plan(&desired, Some(&live(seen, &desired)), now())
    }

    /// The plan for a site as declared, with something about its branch that is not.
    fn with_branch(declared: Value, change: impl Fn(&mut LiveBranch)) -> Plan<FrontendStep> {
        let desired = desired(declared.clone());
        let mut live = live(declared, &desired);
        change(live.branch.as_mut().unwrap());
        plan(&desired, Some(&live), now())
    }

    #[test]
    fn a_new_site_is_made_from_the_app_down_to_its_deployment() {
        let plan = plan(&desired(site(json!({"description": "shop"}))), None, now());
        let steps = ["Create frontend", "Create branch main", "Create deployment of abababababab"];
        assert_eq!(plan.outline(), steps);
        assert_eq!(plan.changes, [], "what does not exist has not drifted");
        assert_eq!(plan.steps[0].changes[0].path.to_string(), "description");
    }

    #[test]
    fn each_part_is_written_by_its_own_step_and_only_when_it_differs() {
        let domain = |name: &str, prefix: &str| json!({"domain": {"name": name, "subdomains": [{"prefix": prefix}]}});
        let at = |prefix: &str| json!({"domain": {"name": "shop.com", "subdomains": [{"prefix": prefix, "branch": "main"}]}});
        let stage = |stage: &str| json!({"branch": {"name": "main", "stage": stage}});
        for (declared, seen, expected) in [
            (json!({}), json!({}), vec![]),
            (json!({"description": "a"}), json!({"description": "b"}), vec!["Update app"]),
            (stage("PRODUCTION"), stage("BETA"), vec!["Update branch main"]),
            (domain("shop.com", "www"), at("www"), vec![]),
            (domain("shop.com", "www"), json!({}), vec!["Create domain"]),
            (domain("shop.com", "www"), at("web"), vec!["Update domain"]),
            (json!({"domain": {}}), at("www"), vec!["Delete domain"]),
        ] {
            let plan = planned(site(declared.clone()), site(seen.clone()));
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
            assert_eq!(plan.changes.is_empty(), expected.is_empty(), "{:?}", plan.changes);
        }
    }

    #[test]
    fn a_condition_that_no_manifest_ever_had_is_asked_about() {
        let rule = |condition: Value| {
            let mut rule = json!({"source": "/old", "target": "/new", "status": "301"});
            if condition.is_string() {
                rule["condition"] = condition;
            }
            site(json!({"customRules": [rule]}))
        };
        let none = || rule(Value::Null);
        for (what, declared, earlier, confirmed, is_asked) in [
            ("by hand", none(), None, false, true),
            ("by hand, after another edit of ours", none(), Some(none()), false, true),
            ("confirmed", none(), None, true, false),
            ("declared before", none(), Some(rule(json!("<US>"))), false, false),
            ("declared otherwise", rule(json!("<DE>")), None, false, false),
            ("cleared", rule(json!("")), None, false, false),
        ] {
            let mut desired = desired(declared);
            desired.previous = earlier.map(Arc::new);
            desired.confirmed = confirmed;
            let plan = plan(&desired, Some(&live(rule(json!("<US>")), &desired)), now());
            let asked = plan.obstacle().map(|blocked| blocked.reason);
            assert_eq!(asked, is_asked.then_some("ConfirmationNeeded"), "{what}");
            assert!(plan.changes.iter().any(|c| c.path.root() == "customRules"), "{what}");
        }
    }

    #[test]
    fn a_login_without_a_colon_is_not_written() {
        let login = json!({"secretsManager": {"secretId": "shop/login"}});
        let declared = site(json!({"basicAuth": {"credentialsFrom": login}}));
        for (secret, reason) in [
            ("ada:s3cret", None),
            ("no-colon", Some("SecretMalformed")),
            (":", Some("SecretMalformed")),
        ] {
            let mut desired = desired(declared.clone());
            let from: ValueFrom = serde_json::from_value(login.clone()).unwrap();
            desired.resolved.secrets.insert(from.secret().unwrap(), Secret::new(secret));
            let plan = plan(&desired, Some(&live(site(json!({})), &desired)), now());
            assert_eq!(plan.obstacle().map(|blocked| blocked.reason), reason, "{secret}");
            assert_eq!(plan.steps.is_empty(), reason.is_some(), "{secret}");
        }
    }

    #[test]
    fn tags_are_put_back() {
        let desired = desired(site(json!({})));
        let mut seen = live(site(json!({})), &desired);
        seen.tags.clear();
        let plan = plan(&desired, Some(&seen), now());
        let FrontendStep::Tag { arn, tags } = &plan.steps[0].call else { panic!("{plan:?}") };
        assert_eq!((arn.as_str(), tags), (APP, &desired.tags));
    }

    #[test]
    fn another_repository_is_connected_anew() {
        let other = json!({"repository": {"url": "https://github.com/shop/other"}});
        for (seen, expected) in [(other, true), (json!({"description": "by hand"}), false)] {
            let plan = planned(built(json!({"description": "shop"})), built(seen));
            let FrontendStep::Update { reconnects, .. } = plan.steps[0].call else {
                panic!("{plan:?}")
            };
            assert_eq!(reconnects, expected);
        }
    }

    #[test]
    fn an_artifact_for_a_connected_app_needs_a_replacement_that_is_allowed() {
        let mut desired = desired(site(json!({})));
        let seen = live(built(json!({})), &desired);
        let refused = plan(&desired, Some(&seen), now());
        assert_eq!(refused.outline(), ["! ReplacementNeeded"]);
        assert!(refused.blocked.unwrap().message.contains("allow-replace"));
        desired.allow_replace = true;
        assert_eq!(plan(&desired, Some(&seen), now()).outline(), ["Delete frontend"]);
        assert_eq!(planned(built(json!({})), built(json!({}))).outline(), [""; 0]);
    }

    #[test]
    fn a_job_that_runs_is_waited_for_and_stopped_after_an_hour() {
        for (minutes, expected) in
            [(1, "… Deploying"), (60, "… Deploying"), (61, "Delete job 8 that has run too long")]
        {
            let plan = with_branch(site(json!({})), |branch| {
                branch.newest_job = Some(job("8", "RUNNING", minutes));
            });
            assert_eq!(plan.outline(), [expected], "{minutes} minutes");
        }
    }

    #[test]
    fn a_job_of_another_release_is_stopped_and_one_of_somebody_else_is_waited_for() {
        let ours = "ab".repeat(32);
        for (what, of, id, expected) in [
            ("another release's", "0000", Some("8"), "Delete job 8 of another release"),
            ("this one's", ours.as_str(), Some("8"), "… Deploying"),
            ("somebody's", "0000", Some("7"), "… Deploying"),
            ("nobody knows whose", "0000", None, "… Deploying"),
        ] {
            let mut desired = desired(site(json!({})));
            let mut live = live(site(json!({})), &desired);
            live.branch.as_mut().unwrap().newest_job = Some(job("8", "RUNNING", 1));
            let (digest, id) = (of.to_owned(), id.map(str::to_owned));
            desired.job = Some(StartedJob { digest, at: now(), id });
            assert_eq!(plan(&desired, Some(&live), now()).outline(), [expected], "{what}");
        }
    }

    #[test]
    fn a_deployment_that_is_not_the_releases_is_followed_by_one_that_is() {
        let expected = ["Create deployment of abababababab"];
        let somebody = with_branch(site(json!({})), |branch| {
            branch.newest_job = Some(job("8", "SUCCEED", 1));
        });
        assert_eq!(somebody.outline(), expected);
        assert_eq!(somebody.changes, somebody.steps[0].changes);
        let none = with_branch(site(json!({})), |branch| branch.newest_job = None);
        assert_eq!(none.outline(), expected);
        assert!(matches!(none.steps[0].call, FrontendStep::Deploy { .. }));
    }

    #[test]
    fn builds_of_later_pushes_count_where_amplify_builds_by_itself() {
        let auto = |on: bool| json!({"branch": {"name": "main", "autoBuild": on}});
        let pushed = |branch: &mut LiveBranch| branch.newest_job = Some(job("9", "SUCCEED", 1));
        let rebuilds = |declared: Value, change: &dyn Fn(&mut LiveBranch)| {
            let plan = with_branch(declared, change);
            plan.steps.iter().any(|s| s.what.starts_with("deployment of"))
        };
        assert!(!rebuilds(built(auto(true)), &pushed));
        assert!(rebuilds(built(auto(false)), &pushed));
        assert!(rebuilds(site(auto(true)), &pushed), "an artifact is not pushed");
        let of_another_release = |branch: &mut LiveBranch| {
            pushed(branch);
            branch.deployed = Some("0000@7".to_owned());
        };
        assert!(rebuilds(built(auto(true)), &of_another_release));
    }

    #[test]
    fn a_release_that_failed_is_said_to_have_once_nothing_else_is_to_be_done() {
        let failed = |branch: &mut LiveBranch| branch.newest_job = Some(job("7", "FAILED", 1));
        let plan = with_branch(site(json!({})), failed);
        assert_eq!(plan.outline(), ["! DeploymentFailed"]);
        assert!(plan.blocked.unwrap().message.contains("job 7 ended as FAILED"));
        let desired = desired(site(json!({"description": "mended"})));
        let mut seen = live(site(json!({})), &desired);
        failed(seen.branch.as_mut().unwrap());
        assert_eq!(super::plan(&desired, Some(&seen), now()).outline(), ["Update app"]);
    }

    /// A job that the object's record knows, and what is planned about it.
    #[test]
    fn a_job_that_was_started_is_not_started_again() {
        let start = "Create deployment of abababababab";
        for (what, id, minutes_ago, newest, expected) in [
            ("it runs", Some("8"), 1, Some(job("8", "RUNNING", 1)), "… Deploying"),
            (
                "it is over, its tag was lost",
                Some("8"),
                2,
                Some(job("8", "SUCCEED", 2)),
                "Update tag of the deployment",
            ),
            (
                "it failed, its tag was lost",
                Some("8"),
                2,
                Some(job("8", "FAILED", 2)),
                "! DeploymentFailed",
            ),
            (
                "its start was not answered",
                None,
                2,
                Some(job("8", "SUCCEED", 2)),
                "Update tag of the deployment",
            ),
            ("it may not be shown yet", None, 0, Some(job("7", "SUCCEED", 90)), "… NotSeenYet"),
            ("it may be the first one", None, 0, None, "… NotSeenYet"),
            ("it was never made", None, 2, Some(job("7", "SUCCEED", 90)), start),
            ("somebody started another one", Some("8"), 9, Some(job("9", "SUCCEED", 1)), start),
        ] {
            let mut desired = desired(site(json!({})));
            let mut seen = live(site(json!({})), &desired);
            let branch = seen.branch.as_mut().unwrap();
            branch.deployed = Some("0000@7".to_owned());
            branch.newest_job = newest;
            desired.job = Some(StartedJob {
                digest: release_digest(&desired).unwrap(),
                at: now() - SignedDuration::from_mins(minutes_ago),
                id: id.map(str::to_owned),
            });
            assert_eq!(plan(&desired, Some(&seen), now()).outline(), [expected], "{what}");
        }
    }

    #[test]
    fn a_branch_that_is_made_anew_gets_a_deployment_of_its_own() {
        let mut desired = desired(site(json!({})));
        let mut seen = live(site(json!({})), &desired);
        seen.branch = None;
        desired.job = Some(StartedJob {
            digest: release_digest(&desired).unwrap(),
            at: now(),
            id: Some("1".to_owned()),
        });
        let outline = plan(&desired, Some(&seen), now()).outline();
        assert!(outline.contains(&"Create deployment of abababababab".to_owned()), "{outline:?}");
    }

    #[test]
    fn a_job_that_failed_is_tried_again_when_somebody_asks() {
        for (asked_minutes_ago, expected) in [
            (None, "! DeploymentFailed"),
            (Some(9), "! DeploymentFailed"),
            (Some(3), "Create deployment of abababababab"),
        ] {
            let mut desired = desired(site(json!({})));
            let mut seen = live(site(json!({})), &desired);
            seen.branch.as_mut().unwrap().newest_job = Some(job("7", "FAILED", 5));
            desired.asked_at =
                asked_minutes_ago.map(|minutes| now() - SignedDuration::from_mins(minutes));
            let plan = plan(&desired, Some(&seen), now());
            assert_eq!(plan.outline(), [expected], "{asked_minutes_ago:?}");
        }
    }

    #[test]
    fn a_job_in_a_state_that_is_not_known_is_left_alone() {
        let (declared, seen) = (json!({"description": "a"}), json!({"description": "b"}));
        for (declared, expected) in
            [(&seen, vec!["! UnknownState"]), (&declared, vec!["Update app"])]
        {
            let desired = desired(site(declared.clone()));
            let mut seen = live(site(seen.clone()), &desired);
            seen.branch.as_mut().unwrap().newest_job = Some(job("8", "PAUSED", 90));
            assert_eq!(plan(&desired, Some(&seen), now()).outline(), expected);
        }
    }

    fn state(status: &str) -> DomainState {
        let (status, reason) = (status.to_owned(), "no CNAME".to_owned());
        DomainState { status, reason, is_known: true, ..DomainState::default() }
    }

    #[test]
    fn a_domain_of_before_serves_until_the_new_one_does() {
        let desired = desired(site(json!({"domain": {"name": "shop.org"}})));
        for (status, expected) in [
            ("PENDING_VERIFICATION", vec!["… DomainPending"]),
            ("FAILED", vec!["! DomainFailed"]),
            ("AVAILABLE", vec!["Delete domain shop.com"]),
        ] {
            let mut seen = live(site(json!({"domain": {"name": "shop.org"}})), &desired);
            seen.domain_state = Some(state(status));
            seen.left_domain = Some("shop.com".to_owned());
            let plan = plan(&desired, Some(&seen), now());
            assert_eq!(plan.outline(), expected);
            let drift: Vec<_> = plan.changes.iter().map(|c| c.path.to_string()).collect();
            assert_eq!(drift, ["domain[shop.com]"], "{status}: it is named until it is gone");
        }
    }

    #[test]
    fn a_domain_is_judged_once_nothing_else_is_to_be_done() {
        let desired = desired(site(json!({})));
        let outline = |status: &str, change: &dyn Fn(&mut LiveFrontend)| {
            let mut seen = live(site(json!({})), &desired);
            seen.domain_state = Some(state(status));
            change(&mut seen);
            plan(&desired, Some(&seen), now()).outline()
        };
        let running = |seen: &mut LiveFrontend| {
            seen.branch.as_mut().unwrap().newest_job = Some(job("8", "RUNNING", 1));
        };
        let untagged = |seen: &mut LiveFrontend| seen.tags.clear();
        assert_eq!(outline("AVAILABLE", &|_| {}), [""; 0]);
        assert_eq!(outline("PENDING_VERIFICATION", &|_| {}), ["… DomainPending"]);
        assert_eq!(outline("FAILED", &|_| {}), ["! DomainFailed"]);
        assert_eq!(outline("PENDING_VERIFICATION", &running), ["… Deploying"]);
        assert_eq!(outline("FAILED", &untagged), ["Update tags"]);
    }

    #[test]
    fn a_frontend_goes_as_a_whole() {
        let desired = desired(site(json!({})));
        let plan = plan_deletion(&live(site(json!({})), &desired));
        assert_eq!(plan.outline(), ["Delete frontend"]);
        assert_eq!(plan.steps[0].call, FrontendStep::Delete { app: "d1".to_owned() });
    }
}
