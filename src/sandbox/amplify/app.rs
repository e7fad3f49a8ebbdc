//! One app with its branches, jobs and domains.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::domain::{self, Domain};
use super::{ACCOUNT_ID, Answer, Asked, Refusal, missing};
use crate::model::Clock;
use crate::web::WebAnswer;

pub(super) struct App {
    arn: String,
    clock: Clock,
    busy_for: Duration,
    fields: Map<String, Value>,
    tags: Map<String, Value>,
    branches: BTreeMap<String, Branch>,
    domains: BTreeMap<String, Domain>,
}

struct Branch {
    fields: Map<String, Value>,
    tags: Map<String, Value>,
    /// The newest last.
    jobs: Vec<Job>,
}

struct Job {
    fields: Map<String, Value>,
    /// What it puts under `/`.
    page: Option<String>,
    begun: Instant,
    stopped: bool,
}

/// Members of CreateApp and UpdateApp that are shown as they were given.
const APP: [&str; 17] = [
    "name",
    "description",
    "repository",
    "platform",
    "buildSpec",
    "customRules",
    "customHeaders",
    "iamServiceRoleArn",
    "basicAuthCredentials",
    "computeRoleArn",
    "cacheConfig",
    "jobConfig",
    "enableBranchAutoBuild",
    "enableBranchAutoDeletion",
    "enableAutoBranchCreation",
    "autoBranchCreationConfig",
    "autoBranchCreationPatterns",
];

/// Members of CreateBranch and UpdateBranch that are shown as they were given.
const BRANCH: [&str; 14] = [
    "description",
    "stage",
    "framework",
    "enableNotification",
    "enableAutoBuild",
    "enableSkewProtection",
    "basicAuthCredentials",
    "enableBasicAuth",
    "enablePerformanceMode",
    "buildSpec",
    "ttl",
    "displayName",
    "enablePullRequestPreview",
    "pullRequestEnvironmentName",
];

impl App {
    pub fn new(id: &str, asked: &Asked, clock: Clock, busy_for: Duration) -> Self {
        let arn = format!("arn:aws:amplify:{}:{ACCOUNT_ID}:apps/{id}", asked.region);
        let now = clock.now().as_second();
        let fields = json!({
            "appId": id,
            "appArn": arn,
            "name": "",
            "description": "",
            "repository": "",
            "platform": "WEB",
            "createTime": now,
            "updateTime": now,
            "environmentVariables": {},
            "defaultDomain": format!("{id}.amplifyapp.com"),
            "enableBranchAutoBuild": false,
            "cacheConfig": {"type": "AMPLIFY_MANAGED"},
            "jobConfig": {"buildComputeType": "STANDARD_8GB"},
            "enableBasicAuth": false,
        });
        let mut app = Self {
            arn,
            clock,
            busy_for,
            fields: fields.as_object().cloned().unwrap_or_default(),
            tags: asked.body["tags"].as_object().cloned().unwrap_or_default(),
            branches: BTreeMap::new(),
            domains: BTreeMap::new(),
        };
        app.merge(&asked.body);
        app
    }

    fn merge(&mut self, body: &Value) {
        for member in APP {
            if !body[member].is_null() {
                self.fields.insert(member.to_owned(), body[member].clone());
            }
        }
        // No role is not shown.
        self.fields.retain(|member, value| member != "computeRoleArn" || *value != json!(""));
        if let Some(on) = body["enableBasicAuth"].as_bool() {
            self.fields.insert("enableBasicAuth".to_owned(), json!(on));
        }
        put_variables(&mut self.fields, body);
    }

    pub fn describe(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("tags".to_owned(), Value::Object(self.tags.clone()));
        Value::Object(fields)
    }

    pub fn tags_of(&mut self, branch: Option<&str>) -> Option<&mut Map<String, Value>> {
        match branch {
            None => Some(&mut self.tags),
            Some(name) => Some(&mut self.branches.get_mut(name)?.tags),
        }
    }

    pub fn answer(&mut self, operation: &str, asked: &Asked) -> Answer {
        match operation {
            "GetApp" => Ok((200, json!({"app": self.describe()}))),
            "UpdateApp" => {
                self.merge(&asked.body);
                Ok((200, json!({"app": self.describe()})))
            }
            "CreateBranch" => self.create_branch(asked),
            "ListBranches" => {
                let all: Vec<_> = self.branches.values().map(Branch::describe).collect();
                Ok((200, json!({"branches": all})))
            }
            "CreateDomainAssociation" | "UpdateDomainAssociation" => {
                self.put_domain(operation, asked)
            }
            "ListDomainAssociations" => {
                let all = self.domains.values().map(|domain| domain.describe(self.busy_for));
                let all: Vec<_> = all.collect();
                Ok((200, json!({"domainAssociations": all})))
            }
            "GetDomainAssociation" => {
                let domain = self.domains.get(asked.part(1));
                let domain = domain.ok_or_else(|| missing("Domain association", asked.part(1)))?;
                domain::answer(domain, self.busy_for)
            }
            "DeleteDomainAssociation" => {
                let domain = self.domains.remove(asked.part(1));
                let domain = domain.ok_or_else(|| missing("Domain association", asked.part(1)))?;
                domain::answer(&domain, self.busy_for)
            }
            "DeleteBranch" => {
                let branch = self.branches.remove(asked.part(1));
                let branch = branch.ok_or_else(|| missing("Branch", asked.part(1)))?;
                Ok((200, json!({"branch": branch.describe()})))
            }
            _ => self.answer_branch(operation, asked),
        }
    }

    fn answer_branch(&mut self, operation: &str, asked: &Asked) -> Answer {
        let connected = self.fields["repository"].as_str().is_some_and(|r| !r.is_empty());
        let (busy_for, now) = (self.busy_for, self.clock.now().as_second());
        let arn = self.arn.clone();
        let name = asked.part(1);
        let branch = self.branches.get_mut(name).ok_or_else(|| missing("Branch", name))?;
        match operation {
            "GetBranch" => Ok((200, json!({"branch": branch.describe()}))),
            "UpdateBranch" => {
                branch.merge(&asked.body);
                Ok((200, json!({"branch": branch.describe()})))
            }
            "ListJobs" => {
                let newest = branch.jobs.iter().rev().map(|job| job.describe(busy_for));
                let size = asked.query.get("maxResults").and_then(|m| m.parse().ok()).unwrap_or(10);
                let begin = asked.query.decoded("nextToken");
                let (jobs, next) = super::page(newest.collect(), begin.as_deref(), size);
                Ok((200, json!({"jobSummaries": jobs, "nextToken": next})))
            }
            "StartDeployment" if connected => {
                let message =
                    "Operation not supported. App is already connected to a repository.".to_owned();
                Err(Refusal(400, "BadRequestException", message))
            }
            "StartDeployment" => branch.start(&arn, name, "MANUAL", asked, busy_for, now),
            "StartJob" => {
                let kind = asked.body["jobType"].as_str().unwrap_or("RELEASE").to_owned();
                branch.start(&arn, name, &kind, asked, busy_for, now)
            }
            "GetJob" | "StopJob" => {
                let id = asked.part(2);
                let job = branch.jobs.iter_mut().find(|job| job.fields["jobId"] == id);
                let job = job.ok_or_else(|| missing("Job", id))?;
                if operation == "StopJob" {
                    job.stopped = true;
                    return Ok((200, json!({"jobSummary": job.describe(busy_for)})));
                }
                Ok((200, json!({"job": {"summary": job.describe(busy_for), "steps": []}})))
            }
            _ => Err(Refusal(404, "UnknownOperationException", "no such operation".to_owned())),
        }
    }

    fn create_branch(&mut self, asked: &Asked) -> Answer {
        let name = asked.body["branchName"].as_str().unwrap_or_default().to_owned();
        if self.branches.contains_key(&name) {
            let message = format!("Branch {name} already exists.");
            return Err(Refusal(400, "BadRequestException", message));
        }
        let now = self.clock.now().as_second();
        let fields = json!({
            "branchArn": format!("{}/branches/{name}", self.arn),
            "branchName": name,
            "description": "",
            "stage": "NONE",
            "displayName": name,
            "enableNotification": false,
            "createTime": now,
            "updateTime": now,
            "environmentVariables": {},
            "enableAutoBuild": true,
            "customDomains": [],
            "framework": "",
            "activeJobId": "",
            "totalNumberOfJobs": "0",
            "enableBasicAuth": false,
            "ttl": "5",
            "enablePullRequestPreview": false,
        });
        let mut branch = Branch {
            fields: fields.as_object().cloned().unwrap_or_default(),
            tags: asked.body["tags"].as_object().cloned().unwrap_or_default(),
            jobs: Vec::new(),
        };
        branch.merge(&asked.body);
        let described = branch.describe();
        self.branches.insert(name, branch);
        Ok((200, json!({"branch": described})))
    }

    fn put_domain(&mut self, operation: &str, asked: &Asked) -> Answer {
        let creates = operation == "CreateDomainAssociation";
        let given = asked.body["domainName"].as_str().unwrap_or_default();
        let name = if creates { given } else { asked.part(1) }.to_owned();
        if creates && self.domains.contains_key(&name) {
            return Err(domain::exists(&name));
        }
        let before = self.domains.get(&name);
        let put = Domain::put(&self.arn, &name, asked, before, self.busy_for);
        let answer = domain::answer(&put, self.busy_for);
        self.domains.insert(name, put);
        answer
    }

    /// What users see under a host's name; `None` where this app is not served there.
    pub fn page(&self, host: &str, path: &str) -> Option<WebAnswer> {
        let own = host.strip_suffix(".amplifyapp.com").and_then(|host| {
            let (branch, app) = host.rsplit_once('.')?;
            (self.fields["appId"] == app).then(|| branch.to_owned())
        });
        let of_domains = || self.domains.values().find_map(|d| d.branch_of(host, self.busy_for));
        let name = own.or_else(of_domains)?;
        // A branch's name is a label of the host's: what is no letter or digit is a hyphen there.
        let is_it = |(branch, _): &(&String, &Branch)| {
            **branch == name || branch.replace(|c: char| !c.is_ascii_alphanumeric(), "-") == name
        };
        let (_, branch) = self.branches.iter().find(is_it)?;
        let missing = WebAnswer { status: 404, body: String::new() };
        let Some(job) = branch.served(self.busy_for) else { return Some(missing) };
        // Rules of single-page applications lead every path to the one page.
        let rules = self.fields.get("customRules").and_then(Value::as_array);
        let leads = rules.into_iter().flatten().any(|rule| rule["target"] == "/index.html");
        let page = job.page.clone().filter(|_| leads || ["", "index.html"].contains(&path));
        Some(page.map_or(missing, |body| WebAnswer { status: 200, body }))
    }
}

/// An empty map is read as "unchanged"; a name that is a space clears.
fn put_variables(fields: &mut Map<String, Value>, body: &Value) {
    let Some(variables) = body["environmentVariables"].as_object().filter(|v| !v.is_empty()) else {
        return;
    };
    let mut variables = variables.clone();
    variables.retain(|name, _| !name.trim().is_empty());
    fields.insert("environmentVariables".to_owned(), Value::Object(variables));
}

impl Branch {
    fn merge(&mut self, body: &Value) {
        for member in BRANCH {
            if !body[member].is_null() {
                self.fields.insert(member.to_owned(), body[member].clone());
            }
        }
        put_variables(&mut self.fields, body);
    }

    fn describe(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("tags".to_owned(), Value::Object(self.tags.clone()));
        fields.insert("totalNumberOfJobs".to_owned(), json!(self.jobs.len().to_string()));
        if let Some(job) = self.jobs.last() {
            fields.insert("activeJobId".to_owned(), job.fields["jobId"].clone());
        }
        Value::Object(fields)
    }

    fn served(&self, busy_for: Duration) -> Option<&Job> {
        self.jobs.iter().rev().find(|job| job.status(busy_for) == "SUCCEED")
    }

    /// One job of a branch at a time.
    fn start(
        &mut self,
        app: &str,
        branch: &str,
        kind: &str,
        asked: &Asked,
        busy_for: Duration,
        now: i64,
    ) -> Answer {
        let body = &asked.body;
        if self.jobs.last().is_some_and(|job| !job.is_over(busy_for)) {
            let message = "The last job hasn't finished yet. Please wait for it.".to_owned();
            return Err(Refusal(400, "BadRequestException", message));
        }
        let id = (self.jobs.len() + 1).to_string();
        let mut fields = json!({
            "jobArn": format!("{app}/branches/{branch}/jobs/{id}"),
            "jobId": id,
            "commitId": body["commitId"].as_str().unwrap_or("HEAD"),
            "commitMessage": body["commitMessage"].as_str().unwrap_or_default(),
            "commitTime": now,
            "startTime": now,
            "jobType": kind,
        });
        for member in ["sourceUrl", "sourceUrlType"] {
            if let Some(text) = body[member].as_str() {
                fields[member] = json!(text.split('?').next());
            }
        }
        let fields = fields.as_object().cloned().unwrap_or_default();
        let page = match body["sourceUrl"].as_str() {
            Some(_) => asked.page.clone(),
            None => Some(format!("branch {branch}, commit {}", fields["commitId"])),
        };
        self.jobs.push(Job { fields, page, begun: Instant::now(), stopped: false });
        let summary = self.jobs.last().map(|job| job.describe(busy_for));
        Ok((200, json!({"jobSummary": summary})))
    }
}

impl Job {
    fn status(&self, busy_for: Duration) -> &'static str {
        let elapsed = self.begun.elapsed();
        match () {
            () if self.stopped => "CANCELLED",
            () if elapsed < busy_for / 4 => "PENDING",
            () if self.is_of("hangs.zip") => "RUNNING",
            () if elapsed < busy_for => "RUNNING",
            () if self.is_of("fails.zip") => "FAILED",
            () => "SUCCEED",
        }
    }

    /// A job of `hangs.zip` runs until it is stopped, as jobs of Amplify sometimes do; one of `fails.zip` fails.
    fn is_of(&self, archive: &str) -> bool {
        let url = self.fields.get("sourceUrl").and_then(Value::as_str);
        url.is_some_and(|url| url.rsplit('/').next() == Some(archive))
    }

    fn is_over(&self, busy_for: Duration) -> bool {
        matches!(self.status(busy_for), "SUCCEED" | "FAILED" | "CANCELLED")
    }

    fn describe(&self, busy_for: Duration) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("status".to_owned(), json!(self.status(busy_for)));
        Value::Object(fields)
    }
}
