//! Reads a frontend. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_amplify::types as aws;
use jiff::Timestamp;

use crate::aws::{Absent, AwsError, Class, Service, Session, tags};
use crate::kinds::{Desired, Facet, Live, Seen, SeenFacets, Unread, Variables, or_unread};
use crate::model::Secret;

use super::domain::{CustomDomain, DomainRef, DomainState};
use super::spec::*;
use super::{app, branch, job};

/// Pages of apps that are searched: 100 apps each; an account may have 25 by default.
const APP_PAGES_MAX: usize = 50;

/// A frontend as it is, in the words of its spec.
#[derive(Clone, Debug, Default)]
pub struct LiveFrontend {
    /// The app and its branch in the words of the spec, without what has a field of its own here.
    pub spec: FrontendSpec,
    /// The id that Amplify made for the app.
    pub app_id: String,
    /// The app's ARN.
    pub arn: String,
    /// The domain that Amplify gave the app; its branches are subdomains of it.
    pub default_domain: String,
    /// The app's build specification, as Amplify has it; empty where there is none.
    pub build_spec: String,
    /// The environment variables of the app, secrets too.
    pub env: Variables,
    /// Base64 of `user:password`, where basic authentication is on.
    pub basic_auth: Option<Secret>,
    /// The app's tags; they tell whose it is.
    pub tags: BTreeMap<String, String>,
    /// The declared branch; `None` where the app does not have it.
    pub branch: Option<LiveBranch>,
    /// The name of the declared domain, or of whichever the app has.
    pub domain: Option<String>,
    /// How far that domain has come; `None` where none is declared, or the app has none.
    pub domain_state: Option<DomainState>,
    /// The declared domain, by its field.
    pub facets: SeenFacets<DomainRef>,
    /// A branch of the object's that its manifest does not name any more.
    pub left_branch: Option<LeftBranch>,
    /// The domain that its manifest named before, where the app still has it.
    pub left_domain: Option<String>,
    /// Declared fields that could not be read, and why.
    pub unread: Unread,
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

/// A branch that the object's manifest named before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftBranch {
    pub name: String,
    pub env: Variables,
    /// Base64 of `user:password`, where it has a login.
    pub basic_auth: Option<Secret>,
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
    /// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_JobSummary.html>, and CREATED of its model.
    pub fn is_known(&self) -> bool {
        let runs = ["CREATED", "PENDING", "PROVISIONING", "RUNNING", "CANCELLING"];
        self.is_over() || runs.contains(&self.status.as_str())
    }

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
        let domain = self.domain_state.as_ref().filter(|domain| domain.status == "AVAILABLE");
        let custom = domain.and_then(|domain| domain.url.clone());
        let default = self
            .branch
            .as_ref()
            .map(|b| format!("https://{}.{}", b.display_name, self.default_domain));
        let url = custom.or(default);
        let mut outputs = BTreeMap::from([
            ("name".to_owned(), self.spec.common.name.clone().unwrap_or_default()),
            ("appId".to_owned(), self.app_id.clone()),
            ("arn".to_owned(), self.arn.clone()),
            ("defaultDomain".to_owned(), self.default_domain.clone()),
        ]);
        outputs.extend(url.map(|url| ("url".to_owned(), url)));
        outputs
    }

    fn physical_id(&self) -> Option<String> {
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
    let mut live = app::words(&app, &desired.spec);
    let name = &desired.spec.branch.name;
    if let Some(found) = branch::read(session, &live.app_id, name).await? {
        live.spec.branch = branch::words(&found, &mut live.unread)?;
        let newest_job = job::newest(session, &live.app_id, name).await?;
        live.branch = Some(LiveBranch { newest_job, ..branch::live(&found) });
    }
    live.left_branch = left_branch(session, desired, &live.app_id).await?;
    if let Some(domain) = &desired.spec.domain {
        let of = DomainRef { app: live.app_id.clone(), name: domain.name.clone() };
        let read = CustomDomain::read(session, &of).await;
        let read = or_unread(read, CustomDomain::FIELD, &mut live.unread)?;
        live.domain_state = read.as_ref().and_then(|domain| domain.state.clone());
        live.domain = read.as_ref().and_then(|domain| domain.words.name.clone());
        live.facets.insert(CustomDomain::FIELD, Seen::of::<CustomDomain>(read)?);
        live.left_domain = left_domain(session, desired, &of).await?;
    }
    Ok(Some(live))
}

/// By the recorded id; failing that by the tags, and for an adoption by the name.
async fn find(
    session: &Session,
    desired: &Desired<FrontendSpec>,
) -> Result<Option<aws::App>, AwsError> {
    if let Some(id) = &desired.physical_id {
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

pub(super) fn tags_of(
    tags: Option<&std::collections::HashMap<String, String>>,
) -> BTreeMap<String, String> {
    tags.cloned().unwrap_or_default().into_iter().collect()
}

/// A branch that the manifest named before, where it is still there and this object's.
async fn left_branch(
    session: &Session,
    desired: &Desired<FrontendSpec>,
    app: &str,
) -> Result<Option<LeftBranch>, AwsError> {
    let is_ours =
        |branch: &aws::Branch| tags::owned_by(&tags_of(branch.tags()), &desired.key, &desired.uid);
    for name in earlier_names(desired, "branch", &desired.spec.branch.name) {
        if let Some(found) = branch::read(session, app, &name).await?.filter(is_ours) {
            let LiveBranch { env, basic_auth, .. } = branch::live(&found);
            return Ok(Some(LeftBranch { name, env, basic_auth }));
        }
    }
    Ok(None)
}

async fn left_domain(
    session: &Session,
    desired: &Desired<FrontendSpec>,
    of: &DomainRef,
) -> Result<Option<String>, AwsError> {
    let Some(now) = &of.name else { return Ok(None) };
    for name in earlier_names(desired, "domain", now) {
        let of = DomainRef { app: of.app.clone(), name: Some(name) };
        if let Some(found) = CustomDomain::read(session, &of).await? {
            return Ok(found.words.name);
        }
    }
    Ok(None)
}

/// What earlier forms of the manifest called the app's branch or domain, but for its name now.
fn earlier_names(desired: &Desired<FrontendSpec>, field: &str, now: &str) -> BTreeSet<String> {
    let names = desired.earlier().filter_map(|spec| spec[field]["name"].as_str());
    names.filter(|name| *name != now).map(str::to_owned).collect()
}
