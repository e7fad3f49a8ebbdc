//! Reads that are behind: AWS's control planes are eventually consistent.
//!
//! Of every read that was made, or is expected to be, the reply after each write of its service is
//! kept. A read then shows the state of some writes ago, as long as those writes are young. What AWS
//! promises to be consistent is never behind: DynamoDB's consistent reads and transactions, S3's
//! objects (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>), and
//! secrets and identities, which nobody writes here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use winterbaume_core::{MockRequest, MockResponse};

use super::call::Call;

/// Replies kept of one read.
const KEPT_MAX: usize = 16;
/// Reads that are followed; further ones are never behind.
const READS_MAX: usize = 10_000;

/// How far reads are behind.
#[derive(Clone, Debug)]
pub struct Lagging {
    /// Writes that are not seen yet.
    pub writes: usize,
    /// How long a write may stay unseen.
    pub at_most: Duration,
    /// Whose reads are behind.
    pub caller: String,
}

/// Reads that were made, to be followed in another sandbox from its beginning.
pub struct Reads(pub(super) Vec<MockRequest>);

/// The replies of the past. Clones share them.
#[derive(Clone, Default)]
pub struct Lag(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lagging: Option<Lagging>,
    reads: BTreeMap<String, Read>,
    shown: u64,
}

struct Read {
    call: Call,
    request: MockRequest,
    /// Since when it replies so; the newest last.
    replies: Vec<(Instant, MockResponse)>,
}

impl Lag {
    /// Lets reads be behind from now on.
    pub fn start(&self, lagging: Lagging) {
        self.lock().lagging = Some(lagging);
    }

    /// Lets reads show the newest state from now on.
    pub fn stop(&self) {
        self.lock().lagging = None;
    }

    /// The reads that were followed.
    pub fn reads(&self) -> Reads {
        Reads(self.lock().reads.values().map(|r| r.request.clone()).collect())
    }

    /// Replies of the past that were shown for newer ones.
    pub fn shown(&self) -> u64 {
        self.lock().shown
    }

    pub(super) fn is_on(&self) -> bool {
        self.lock().lagging.is_some()
    }

    /// The reads that a write may change.
    pub(super) fn reads_of(&self, write: &Call) -> Vec<(Call, MockRequest)> {
        let state = self.lock();
        let same = state.reads.values().filter(|r| r.call.service == write.service);
        same.map(|r| (r.call.clone(), r.request.clone())).collect()
    }

    pub(super) fn wrote(&self, request: &MockRequest, response: MockResponse) {
        let mut state = self.lock();
        let Some(read) = state.reads.get_mut(&key(request)) else { return };
        if read.replies.last().is_none_or(|(_, last)| !is_same(last, &response)) {
            read.replies.push((Instant::now(), response));
        }
        if read.replies.len() > KEPT_MAX {
            read.replies.remove(0);
        }
    }

    /// What the caller is shown; `fresh` is the truth.
    pub(super) fn read(
        &self,
        call: &Call,
        request: MockRequest,
        fresh: MockResponse,
    ) -> MockResponse {
        let mut state = self.lock();
        let Some(lagging) = state.lagging.clone() else { return fresh };
        if is_consistent(call, &request) || call.caller != lagging.caller {
            return fresh;
        }
        let Some(read) = state.reads.get(&key(&request)) else {
            state.follow(call.clone(), request, fresh.clone());
            return fresh;
        };
        let newest = read.replies.len().saturating_sub(1);
        let settled = |(since, _): &(Instant, _)| since.elapsed() >= lagging.at_most;
        let seen = read.replies.iter().rposition(settled).unwrap_or(0);
        let shown = seen.max(newest.saturating_sub(lagging.writes));
        if shown >= newest {
            return fresh;
        }
        let old = read.replies[shown].1.clone();
        state.shown += 1;
        old
    }

    pub(super) fn follow(&self, call: Call, request: MockRequest, now: MockResponse) {
        self.lock().follow(call, request, now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn follow(&mut self, call: Call, request: MockRequest, now: MockResponse) {
        if self.reads.len() < READS_MAX {
            let replies = vec![(Instant::now(), now)];
            self.reads.insert(key(&request), Read { call, request, replies });
        }
    }
}

/// Members of JSON may come in any order.
fn is_same(a: &MockResponse, b: &MockResponse) -> bool {
    let json = |r: &MockResponse| serde_json::from_slice::<serde_json::Value>(&r.body).ok();
    a.body == b.body || json(a).is_some_and(|a| json(b) == Some(a))
}

fn key(request: &MockRequest) -> String {
    let target = request.headers.get("x-amz-target").and_then(|t| t.to_str().ok());
    let body = String::from_utf8_lossy(&request.body);
    format!("{} {} {} {body}", request.method, request.uri, target.unwrap_or_default())
}

fn is_consistent(call: &Call, request: &MockRequest) -> bool {
    match call.service.as_str() {
        "lambda" | "amplify" => false,
        "s3" => call.operation.ends_with("Object") || call.operation.starts_with("ListObjects"),
        "dynamodb" => {
            let body = serde_json::from_slice::<serde_json::Value>(&request.body);
            let asked = body.is_ok_and(|body| body.to_string().contains("\"ConsistentRead\":true"));
            asked || call.operation.starts_with("Transact")
        }
        _ => true,
    }
}
