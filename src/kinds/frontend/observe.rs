//! Reads a frontend. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_amplify::types as aws;
use jiff::Timestamp;

use crate::aws::{Absent, AwsError, Class, Service, Session, tags};
use crate::kinds::{Desired, Live, UnknownWord, Unread, Variables, or_unread, word};
use crate::model::Secret;

use super::deployed::DEPLOYED_TAG;
use super::spec::*;

/// Pages of apps that are searched: 100 apps each; an account may have 25 by default.
const APP_PAGES_MAX: usize = 50;

/// A frontend as it is, in the words of its spec.
#[derive(Clone, Debug, Default)]
pub struct LiveFrontend {
    pub spec: FrontendSpec,
    pub app_id: String,
    pub arn: String,
    pub default_domain: String,
    pub build_spec: String,
    pub env: Variables,
    /// Base64 of `user:password`, where basic authentication is on.
    pub basic_auth: Option<Secret>,
    pub tags: BTreeMap<String, String>,
    pub branch: Option<LiveBranch>,
    pub domain_state: Option<DomainState>,
    /// A branch of the object's that its manifest does not name any more.
    pub left_branch: Option<String>,
    pub unread: Unread,
}

/// How far a domain has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainState {
    /// Amplify's own word.
    pub status: String,
    pub reason: String,
    /// The DNS records that are to be made, as text to append.
    pub records: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveBranch {
    pub arn: String,
    /// The branch's part of the default domain.
    pub display_name: String,
    pub env: Variables,
    /// Base64 of `user:password`, where the branch has a login of its own.
    pub basic_auth: Option<Secret>,
    /// What was deployed by which job, as we remembered it.
    pub deployed: Option<String>,
    pub newest_job: Option<LiveJob>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveJob {
    pub id: String,
    /// Amplify's own word.
    pub status: String,
    pub started_at: Timestamp,
    /// What its start was given, as far as Amplify shows it.
    pub commit_message: String,
    pub source_url: String,
}

impl LiveJob {
    pub fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "SUCCEED" | "FAILED" | "CANCELLED")
    }

    pub fn succeeded(&self) -> bool {
        self.status == "SUCCEED"
    }
}

impl Live for LiveFrontend {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let domain = self.spec.domain.as_ref();
        let custom = domain.and_then(|d| {
            let first = d.subdomains.as_ref()?.first()?;
            let name = d.name.as_ref()?;
            let dot = if first.prefix.is_empty() { "" } else { "." };
            Some(format!("https://{}{dot}{name}", first.prefix))
        });
        let is_available = self.domain_state.as_ref().is_some_and(|d| d.status == "AVAILABLE");
        let default = self
            .branch
            .as_ref()
            .map(|b| format!("https://{}.{}", b.display_name, self.default_domain));
        let url = custom.filter(|_| is_available).or(default);
        let mut outputs = BTreeMap::from([
            ("name".to_owned(), self.spec.common.name.clone().unwrap_or_default()),
            ("appId".to_owned(), self.app_id.clone()),
            ("arn".to_owned(), self.arn.clone()),
            ("defaultDomain".to_owned(), self.default_domain.clone()),
        ]);
        outputs.extend(url.map(|url| ("url".to_owned(), url)));
        outputs
    }

    fn identity(&self) -> Option<String> {
        Some(self.app_id.clone())
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }
}

pub(super) async fn observe(
    session: &Session,
    desired: &Desired<FrontendSpec>,
) -> Result<Option<LiveFrontend>, AwsError> {
    let Some(app) = find(session, desired).await? else {
        return Ok(None);
    };
    let mut live = live_of(&app, &desired.spec);
    let name = &desired.spec.branch.name;
    if let Some(found) = branch(session, &live.app_id, name).await? {
        live.spec.branch = BranchSpec {
            name: found.branch_name().to_owned(),
            stage: stage(found.stage().as_str())
                .map_err(|e| e.in_reply(Service::Amplify, "GetBranch"))?,
            framework: Some(found.framework().to_owned()),
            auto_build: Some(found.enable_auto_build()),
            ..BranchSpec::default()
        };
        live.branch = Some(LiveBranch {
            arn: found.branch_arn().to_owned(),
            display_name: found.display_name().to_owned(),
            env: variables(found.environment_variables()),
            basic_auth: found
                .basic_auth_credentials()
                .filter(|_| found.enable_basic_auth())
                .map(Secret::new),
            deployed: found.tags().and_then(|tags| tags.get(DEPLOYED_TAG)).cloned(),
            newest_job: newest_job(session, &live.app_id, name).await?,
        });
    }
    live.left_branch = left_branch(session, desired, &live.app_id).await?;
    if let Some(domain) = &desired.spec.domain {
        let read = live_domain(session, &live.app_id, domain).await;
        let found = or_unread(read, "domain", &mut live.unread)?;
        (live.spec.domain, live.domain_state) = found.unzip();
    }
    Ok(Some(live))
}

/// By the recorded id; failing that by the tags, and for an adoption by the name.
async fn find(
    session: &Session,
    desired: &Desired<FrontendSpec>,
) -> Result<Option<aws::App>, AwsError> {
    if let Some(id) = &desired.identity {
        let read = session
            .read(Service::Amplify, "GetApp", || session.amplify().get_app().app_id(id).send())
            .await
            .absent("NotFoundException")?;
        if let Some(reply) = read {
            let app = AwsError::required(Service::Amplify, "GetApp", reply.app)?;
            if app.app_id() != id {
                let message = format!("AWS was asked for {id} and answered for another app");
                return Err(AwsError::new(Class::Transient, Service::Amplify, "GetApp", message));
            }
            return Ok(Some(app));
        }
    }
    let mut next = None;
    let mut named: Vec<aws::App> = Vec::new();
    for _ in 0..APP_PAGES_MAX {
        let page = session
            .read(Service::Amplify, "ListApps", || {
                let call = session.amplify().list_apps().max_results(100);
                call.set_next_token(next.clone()).send()
            })
            .await?;
        for app in page.apps() {
            let tags = tags_of(app.tags());
            if tags::owned_by(&tags, &desired.key, &desired.uid) {
                return Ok(Some(app.clone()));
            }
            if desired.adopt && app.name() == desired.aws_name {
                named.push(app.clone());
            }
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return adoptable(desired, named);
        }
    }
    let message = format!("the account has more than {APP_PAGES_MAX} pages of apps");
    Err(AwsError::new(Class::Invalid, Service::Amplify, "ListApps", message))
}

/// Amplify takes any number of apps of one name: of several that may be meant, none is taken.
fn adoptable(
    desired: &Desired<FrontendSpec>,
    named: Vec<aws::App>,
) -> Result<Option<aws::App>, AwsError> {
    let is_free = |app: &&aws::App| {
        let tags = tags_of(app.tags());
        !tags::is_claimed_by_another(&tags, &desired.key, &desired.uid)
    };
    let free: Vec<_> = named.iter().filter(is_free).cloned().collect();
    match &free[..] {
        [] => Ok(named.into_iter().next()),
        [one] => Ok(Some(one.clone())),
        several => {
            let ids: Vec<_> = several.iter().map(|app| app.app_id()).collect();
            let message = format!(
                "the apps {} are all named {}; nothing was adopted. Rename those that are not meant, or tag the \
                 one that is as this object's",
                ids.join(", "),
                desired.aws_name
            );
            Err(AwsError::new(Class::Invalid, Service::Amplify, "ListApps", message))
        }
    }
}

/// A variable without a name is what is left of a list that was cleared.
fn variables(shown: &std::collections::HashMap<String, String>) -> Variables {
    let named = shown.iter().filter(|(name, _)| !name.trim().is_empty());
    named.map(|(name, value)| (name.clone(), Secret::new(value))).collect()
}

fn tags_of(tags: Option<&std::collections::HashMap<String, String>>) -> BTreeMap<String, String> {
    tags.cloned().unwrap_or_default().into_iter().collect()
}

/// A branch that was given none says `NONE`, which is no word of the model.
fn stage(text: &str) -> Result<Option<Stage>, UnknownWord> {
    if text == "NONE" { Ok(None) } else { word("branch.stage", text).map(Some) }
}

fn live_of(app: &aws::App, asked: &FrontendSpec) -> LiveFrontend {
    let rules = app.custom_rules().iter().map(|rule| CustomRule {
        source: rule.source().to_owned(),
        target: rule.target().to_owned(),
        status: rule.status().map(str::to_owned),
        condition: rule.condition().map(str::to_owned),
    });
    let mut unread = Unread::new();
    let platform = asked.platform.map(|_| word("platform", app.platform().as_str()));
    let cache = app.cache_config().filter(|_| asked.cache_config.is_some());
    let cache = cache.map(|cache| word("cacheConfig.type", cache.r#type().as_str()));
    let job = app.job_config().filter(|_| asked.job_config.is_some());
    let job = job.map(|job| word("jobConfig.buildComputeType", job.build_compute_type().as_str()));
    let mut spec = FrontendSpec {
        description: Some(app.description().to_owned()),
        platform: known("platform", platform, &mut unread),
        repository: Some(Repository { url: app.repository().to_owned(), token_from: None })
            .filter(|r| !r.url.is_empty()),
        custom_rules: Some(rules.collect()),
        custom_headers: Some(app.custom_headers().unwrap_or_default().to_owned()),
        service_role: Some(app.iam_service_role_arn().unwrap_or_default().to_owned()),
        compute_role: Some(app.compute_role_arn().unwrap_or_default().to_owned()),
        cache_config: known("cacheConfig", cache, &mut unread).map(|kind| CacheConfig { kind }),
        job_config: known("jobConfig", job, &mut unread)
            .map(|build_compute_type| JobConfig { build_compute_type }),
        ..FrontendSpec::default()
    };
    spec.common.name = Some(app.name().to_owned());
    LiveFrontend {
        spec,
        app_id: app.app_id().to_owned(),
        arn: app.app_arn().to_owned(),
        default_domain: app.default_domain().to_owned(),
        build_spec: app.build_spec().unwrap_or_default().to_owned(),
        env: variables(app.environment_variables()),
        basic_auth: app
            .basic_auth_credentials()
            .filter(|_| app.enable_basic_auth())
            .map(Secret::new),
        tags: tags_of(app.tags()),
        branch: None,
        domain_state: None,
        left_branch: None,
        unread,
    }
}

/// A field whose word is known.
fn known<T>(
    field: &'static str,
    read: Option<Result<T, UnknownWord>>,
    unread: &mut Unread,
) -> Option<T> {
    let told =
        read?.map_err(|word| unread.push((field, word.in_reply(Service::Amplify, "GetApp"))));
    told.ok()
}

/// The branch that the manifest named before, where it is still there and this object's.
async fn left_branch(
    session: &Session,
    desired: &Desired<FrontendSpec>,
    app: &str,
) -> Result<Option<String>, AwsError> {
    let before = desired.previous.as_ref().and_then(|spec| spec["branch"]["name"].as_str());
    let Some(before) = before.filter(|before| *before != desired.spec.branch.name) else {
        return Ok(None);
    };
    let found = branch(session, app, before).await?;
    let is_ours =
        |branch: &aws::Branch| tags::owned_by(&tags_of(branch.tags()), &desired.key, &desired.uid);
    Ok(found.filter(is_ours).map(|_| before.to_owned()))
}

async fn branch(session: &Session, app: &str, name: &str) -> Result<Option<aws::Branch>, AwsError> {
    let read = session
        .read(Service::Amplify, "GetBranch", || {
            session.amplify().get_branch().app_id(app).branch_name(name).send()
        })
        .await
        .absent("NotFoundException")?;
    read.map(|r| AwsError::required(Service::Amplify, "GetBranch", r.branch)).transpose()
}

/// Amplify lists the newest job first.
async fn newest_job(
    session: &Session,
    app: &str,
    branch: &str,
) -> Result<Option<LiveJob>, AwsError> {
    let page = session
        .read(Service::Amplify, "ListJobs", || {
            session.amplify().list_jobs().app_id(app).branch_name(branch).max_results(1).send()
        })
        .await?;
    let Some(job) = page.job_summaries().first() else { return Ok(None) };
    if !JOB_STATES.contains(&job.status().as_str()) {
        let unknown = UnknownWord::new("the status of a job", job.status().as_str());
        return Err(unknown.in_reply(Service::Amplify, "ListJobs"));
    }
    Ok(Some(LiveJob {
        id: job.job_id().to_owned(),
        status: job.status().as_str().to_owned(),
        started_at: Timestamp::from_second(job.start_time().secs()).unwrap_or_default(),
        commit_message: job.commit_message().to_owned(),
        source_url: job.source_url().unwrap_or_default().to_owned(),
    }))
}

/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_JobSummary.html>, and CREATED of its model.
const JOB_STATES: [&str; 8] = [
    "CREATED",
    "PENDING",
    "PROVISIONING",
    "RUNNING",
    "FAILED",
    "SUCCEED",
    "CANCELLING",
    "CANCELLED",
];

/// The declared domain; where it is declared empty, whichever the app has.
async fn live_domain(
    session: &Session,
    app: &str,
    declared: &Domain,
) -> Result<Option<(Domain, DomainState)>, AwsError> {
    let association = match &declared.name {
        Some(name) => {
            let operation = "GetDomainAssociation";
            let read = session
                .read(Service::Amplify, operation, || {
                    session.amplify().get_domain_association().app_id(app).domain_name(name).send()
                })
                .await
                .absent("NotFoundException")?;
            read.map(|r| AwsError::required(Service::Amplify, operation, r.domain_association))
                .transpose()?
        }
        None => session
            .read(Service::Amplify, "ListDomainAssociations", || {
                session.amplify().list_domain_associations().app_id(app).send()
            })
            .await?
            .domain_associations
            .into_iter()
            .next(),
    };
    Ok(association.map(|a| {
        let settings = a.sub_domains().iter().filter_map(|s| s.sub_domain_setting());
        let subdomains = settings.map(|s| Subdomain {
            prefix: s.prefix().to_owned(),
            branch: Some(s.branch_name().to_owned()),
        });
        let domain = Domain {
            name: Some(a.domain_name().to_owned()),
            subdomains: Some(subdomains.collect()),
            auto_subdomains: Some(a.enable_auto_sub_domain()),
            // A certificate that Amplify makes has no ARN of ours.
            certificate_arn: Some(
                a.certificate()
                    .and_then(|certificate| certificate.custom_certificate_arn())
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        let unverified = a.sub_domains().iter().filter(|s| !s.verified()).map(|s| s.dns_record());
        let certificate = a.certificate_verification_dns_record();
        let records: Vec<_> = certificate.into_iter().chain(unverified).map(str::trim).collect();
        let state = DomainState {
            status: a.domain_status().as_str().to_owned(),
            reason: a.status_reason().to_owned(),
            records: match records[..] {
                [] => String::new(),
                _ => format!("; it waits for the DNS records {}", records.join(", ")),
            },
        };
        (domain, state)
    }))
}
