//! Amplify Hosting as an operator meets it: apps, branches, domains, and jobs that take time.
//!
//! Follows the API reference, <https://docs.aws.amazon.com/amplify/latest/APIReference/API_Operations.html>:
//! ids are made by the server, names are not unique, StartDeployment is for apps without a repository
//! and fetches its ZIP from a URL (here: from the embedded S3), jobs go from PENDING over RUNNING to
//! SUCCEED or FAILED, and the newest is listed first.

mod app;
mod domain;
mod site;

pub(super) use site::Sites;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use winterbaume_core::{MockRequest, MockResponse};

use self::app::App;
use super::ACCOUNT_ID;
use super::call::Call;
use super::rest::{Answer, Refusal, body_of, page, parts, respond};
use super::s3::S3;
use super::uri::{Query, path_of};
use crate::model::{Clock, sha256_hex};
use crate::web::WebAnswer;

pub(super) struct Amplify {
    busy_for: Duration,
    clock: Clock,
    s3: Arc<S3>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    made: u64,
    /// By region and id.
    apps: BTreeMap<(String, String), App>,
}

struct Asked<'a> {
    region: &'a str,
    parts: Vec<String>,
    body: Value,
    query: Query<'a>,
    /// The page of the archive that is deployed.
    page: Option<String>,
}

impl Asked<'_> {
    fn part(&self, index: usize) -> &str {
        self.parts.get(index).map_or("", String::as_str)
    }
}

impl Amplify {
    pub fn new(busy_for: Duration, clock: Clock, s3: Arc<S3>) -> Self {
        Self { busy_for, clock, s3, state: Mutex::default() }
    }

    pub async fn handle(&self, call: &Call, request: &MockRequest) -> MockResponse {
        let mut asked = Asked {
            region: &call.region,
            parts: parts("amplify", request),
            body: body_of(request),
            query: Query::of(&request.uri),
            page: None,
        };
        if call.operation == "StartDeployment" {
            match self.fetch(&asked).await {
                Ok(archive) => asked.page = site::index_of(&archive),
                Err(refusal) => return respond(Err(refusal)),
            }
        }
        respond(self.answer(call, &asked))
    }

    fn answer(&self, call: &Call, asked: &Asked) -> Answer {
        match call.operation.as_str() {
            "CreateApp" => self.create(asked),
            "ListApps" => self.list(asked),
            "DeleteApp" => {
                let removed =
                    self.lock().apps.remove(&(asked.region.to_owned(), asked.part(0).to_owned()));
                let app = removed.ok_or_else(|| missing("App", asked.part(0)))?;
                Ok((200, json!({"app": app.describe()})))
            }
            "ListTagsForResource" | "TagResource" | "UntagResource" => self.tags(call, asked),
            operation => {
                let mut state = self.lock();
                let key = (asked.region.to_owned(), asked.part(0).to_owned());
                let app = state.apps.get_mut(&key).ok_or_else(|| missing("App", asked.part(0)))?;
                app.answer(operation, asked)
            }
        }
    }

    fn create(&self, asked: &Asked) -> Answer {
        let mut state = self.lock();
        state.made += 1;
        let name = asked.body["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal(400, "BadRequestException", "name is missing".to_owned()));
        }
        let id = format!("d{}", &sha256_hex(format!("{name}{}", state.made))[..12]);
        let app = App::new(&id, asked, self.clock, self.busy_for);
        let described = app.describe();
        state.apps.insert((asked.region.to_owned(), id), app);
        Ok((200, json!({"app": described})))
    }

    fn list(&self, asked: &Asked) -> Answer {
        let state = self.lock();
        let here = state.apps.iter().filter(|((region, _), _)| region == asked.region);
        let all = here.map(|(_, app)| app.describe()).collect();
        let size =
            asked.query.get("maxResults").and_then(|m| m.parse().ok()).unwrap_or(10).min(100);
        let begin = asked.query.decoded("nextToken");
        let (apps, next) = page(all, begin.as_deref(), size);
        Ok((200, json!({"apps": apps, "nextToken": next})))
    }

    /// `arn:aws:amplify:<region>:<account>:apps/<id>[/branches/<name>]`.
    fn tags(&self, call: &Call, asked: &Asked) -> Answer {
        let arn = asked.part(0);
        let path = arn.split(":apps/").nth(1).unwrap_or_default();
        // A branch's name may have slashes: all of the rest is the name, as CloudFormation's handlers read it.
        let (id, branch) = match path.split_once("/branches/") {
            Some((id, branch)) => (id, Some(branch)),
            None => (path, None),
        };
        let mut state = self.lock();
        let key = (asked.region.to_owned(), id.to_owned());
        let app = state.apps.get_mut(&key).ok_or_else(|| missing("Resource", arn))?;
        let tags = app.tags_of(branch).ok_or_else(|| missing("Resource", arn))?;
        match call.operation.as_str() {
            "TagResource" => {
                tags.extend(asked.body["tags"].as_object().cloned().unwrap_or_default());
            }
            "UntagResource" => {
                if let Some(key) = asked.query.decoded("tagKeys") {
                    tags.remove(&key);
                }
            }
            _ => return Ok((200, json!({"tags": tags}))),
        }
        Ok((200, json!({})))
    }

    /// Fetches the archive of a deployment, as Amplify would.
    async fn fetch(&self, asked: &Asked<'_>) -> Result<Bytes, Refusal> {
        let url = asked.body["sourceUrl"].as_str().unwrap_or_default();
        // Either of the two ways to sign a URL.
        let query = Query::of(url);
        let signed = query.get("X-Amz-Signature").or(query.get("Signature")).is_some();
        let path = path_of(url);
        let host = url.split("://").nth(1).and_then(|r| r.split('/').next()).unwrap_or_default();
        let path = match host.find(".s3.") {
            Some(cut) => format!("/{}{path}", &host[..cut]),
            None => path.to_owned(),
        };
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let object = self.s3.object(bucket, key).await.filter(|_| signed);
        object.ok_or_else(|| {
            let message = format!("the archive cannot be fetched from {path}");
            Refusal(400, "BadRequestException", message)
        })
    }

    /// What users see at an address; `None` where Amplify serves nothing.
    pub fn page(&self, host: &str, path: &str) -> Option<WebAnswer> {
        self.lock().apps.values().find_map(|app| app.page(host, path))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(what: &str, name: &str) -> Refusal {
    Refusal(404, "NotFoundException", format!("{what} {name} not found."))
}
