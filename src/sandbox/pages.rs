//! Pages and services that are not AWS's, in process: what a check or a webhook meets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::web::{NoAnswer, Web, WebAnswer, WebRequest};

/// Answers by address. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Pages(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: BTreeMap<String, WebAnswer>,
    /// How long each answer takes.
    takes: Duration,
    requests: Vec<WebRequest>,
}

/// Requests that are kept.
const KEPT_MAX: usize = 10_000;

impl Pages {
    /// An address answers so from now on.
    pub fn set(&self, url: &str, status: u16, body: &str) {
        let answer = WebAnswer { status, body: body.to_owned() };
        self.lock().answers.insert(url.to_owned(), answer);
    }

    /// Every page takes so long to answer from now on.
    pub fn slow_down(&self, takes: Duration) {
        self.lock().takes = takes;
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<WebRequest> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Web for Pages {
    fn send(&self, request: WebRequest) -> BoxFuture<'static, Result<WebAnswer, NoAnswer>> {
        let mut state = self.lock();
        let (answer, takes) = (state.answers.get(&request.url).cloned(), state.takes);
        if state.requests.len() < KEPT_MAX {
            state.requests.push(request);
        }
        let refused = || NoAnswer::Unreached("connection refused".to_owned());
        async move {
            tokio::time::sleep(takes).await;
            answer.ok_or_else(refused)
        }
        .boxed()
    }
}
