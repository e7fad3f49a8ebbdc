//! Probes the pages of each environment, and says whether it is healthy.
//!
//! Guarantees: a page is probed once per interval and never twice at once, only under the environment's lease; one
//! wrong answer is no verdict. Nothing is decided by it but what is shown: a release has checks of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::listen::in_its_account;
use super::runner::Engine;
use super::watch::Answer;
use crate::kinds::environment::{self, HealthPolicy};
use crate::model::{ConditionStatus, Conditions, ObjectId, ObjectKey, condition_type};
use crate::signals::{Call, CallTarget, Failure, Question};
use crate::store::{EventKind, HealthRecord, PageHealth};

/// What is known of the pages of one environment.
#[derive(Debug, Default)]
pub(super) struct Probing {
    /// By address.
    pages: BTreeMap<String, Page>,
    /// What was told to the store last.
    told: Vec<PageHealth>,
    /// It is being told, until then at most.
    telling_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Page {
    standing: Standing,
    next_at: Option<Instant>,
    /// Until when an answer is waited for.
    under_way_until: Option<Instant>,
}

/// Whether a page answers.
#[derive(Debug)]
struct Standing {
    healthy: ConditionStatus,
    since: Option<Timestamp>,
    /// The last answer, and how many in a row were so.
    last: ConditionStatus,
    run: u32,
    /// What was wrong with the last wrong answer.
    message: String,
}

impl Default for Standing {
    fn default() -> Self {
        let (healthy, last) = (ConditionStatus::Unknown, ConditionStatus::Unknown);
        Self { healthy, since: None, last, run: 0, message: String::new() }
    }
}

impl Standing {
    /// Nobody could ask. After as many misses in a row as wrong answers would have to be, nobody knows.
    fn miss(&mut self, why: String, policy: &HealthPolicy, at: Timestamp) {
        self.message = why;
        self.count(ConditionStatus::Unknown, policy.failure_threshold(), at);
    }

    /// Counts an answer. It turns once enough of them in a row say so.
    fn hear(&mut self, answer: Result<(), String>, policy: &HealthPolicy, at: Timestamp) {
        let (found, threshold) = match answer {
            Ok(()) => (ConditionStatus::True, policy.success_threshold()),
            Err(message) => {
                self.message = message;
                (ConditionStatus::False, policy.failure_threshold())
            }
        };
        self.count(found, threshold, at);
    }

    fn count(&mut self, found: ConditionStatus, threshold: u32, at: Timestamp) {
        self.run = if self.last == found { self.run.saturating_add(1) } else { 1 };
        self.last = found;
        if self.healthy != found && self.run >= threshold {
            (self.healthy, self.since) = (found, Some(at));
        }
    }
}

/// How long an answer may take beside its own timeout, and the store.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// An answer of a page.
pub(super) struct Probed {
    environment: Arc<str>,
    epoch: u64,
    url: String,
    at: Timestamp,
    seconds: f64,
    result: Result<(), Failure>,
}

/// The condition `Healthy` of some pages.
fn judge(pages: &[PageHealth]) -> (ConditionStatus, &'static str, String) {
    let is = |status: ConditionStatus| pages.iter().filter(move |page| page.healthy == status);
    let wrong: Vec<_> =
        is(ConditionStatus::False).map(|page| format!("{}: {}", page.url, page.message)).collect();
    if !wrong.is_empty() {
        return (ConditionStatus::False, "Unhealthy", wrong.join("; "));
    }
    let unknown: Vec<_> = is(ConditionStatus::Unknown)
        .map(|page| format!("{}: {}", page.url, page.message))
        .collect();
    if !unknown.is_empty() {
        let message = format!("nobody can tell whether it answers: {}", unknown.join("; "));
        return (ConditionStatus::Unknown, "NotProbed", message);
    }
    (ConditionStatus::True, "Healthy", "every page answers".to_owned())
}

impl Probing {
    /// What is known of each page.
    fn known(&self) -> Vec<PageHealth> {
        let page = |(url, page): (&String, &Page)| PageHealth {
            url: url.clone(),
            healthy: page.standing.healthy,
            since: page.standing.since,
            message: match (page.standing.healthy, page.standing.message.as_str()) {
                (ConditionStatus::True, _) => String::new(),
                (_, "") => "not probed often enough yet".to_owned(),
                (_, message) => message.to_owned(),
            },
        };
        self.pages.iter().map(page).collect()
    }
}

impl Engine {
    /// Probes what is due of an environment whose lease is held.
    pub(super) fn probe(&mut self, name: &Arc<str>) {
        let Some(environment) = self.world.environments.get(name).filter(|e| e.is_loaded()) else {
            return;
        };
        if environment.is_leaving || environment.lease_end.is_over() {
            return;
        }
        let (spec, epoch) = (Arc::clone(&environment.spec), environment.lease.epoch);
        let interval = spec.health.as_ref().map(HealthPolicy::interval).unwrap_or_default();
        let (now, clock) = (Instant::now(), self.cx.clock);
        let calls: BTreeMap<String, Call> =
            spec.probes().into_iter().filter_map(|call| Some((url_of(&call)?, call))).collect();
        let metrics = self.cx.metrics.probes.clone();
        let pages = &mut self.environment(name).probing.pages;
        pages.retain(|url, _| {
            let is_kept = calls.contains_key(url);
            if !is_kept {
                metrics.forget_page(name, url);
            }
            is_kept
        });
        if calls.is_empty() {
            return metrics.publish(name, ConditionStatus::Unknown);
        }
        let mut due = Vec::new();
        for (url, call) in calls {
            let page = pages.entry(url.clone()).or_default();
            let is_under_way = page.under_way_until.is_some_and(|until| now < until);
            if !is_under_way && page.next_at.is_none_or(|at| at <= now) {
                page.under_way_until = Some(now + call.timeout + ANSWER_WITHIN);
                page.next_at = Some(now + interval);
                due.push((url, call));
            }
        }
        for (url, call) in due {
            let (cx, target) = (Arc::clone(&self.cx), spec.target());
            let environment = Arc::clone(name);
            self.ask(async move {
                let begun = Instant::now();
                let question = Question::Call(call);
                let result = in_its_account(&cx, &target, &question).await.map(drop);
                let (at, seconds) = (clock.now(), begun.elapsed().as_secs_f64());
                Answer::Probed(Probed { environment, epoch, url, at, seconds, result })
            });
        }
    }

    /// Takes the answer of a page, and tells where something has changed.
    pub(super) fn probed(&mut self, probed: Probed) {
        let Probed { environment: name, epoch, url, at, seconds, result } = probed;
        let Some(environment) = self.world.environments.get(&name) else { return };
        let (is_ours, release) = (environment.lease.epoch == epoch, environment.head.release);
        let Some(policy) = environment.spec.health.clone() else { return };
        let metrics = self.cx.metrics.probes.clone();
        let probing = &mut self.environment(&name).probing;
        let Some(page) = probing.pages.get_mut(&url) else { return };
        page.under_way_until = None;
        if !is_ours {
            return;
        }
        match result {
            // It was not asked: that says nothing of the page.
            Err(Failure::Unknown(why) | Failure::Unreached(why)) => {
                warn!(environment = %name, url, why, "a page cannot be probed");
                metrics.forget_page(&name, &url);
                page.standing.miss(why, &policy, at);
            }
            result => {
                let answer = result.map_err(|failure| failure.to_string());
                metrics.answered(&name, &url, answer.is_ok(), seconds);
                page.standing.hear(answer, &policy, at);
            }
        }
        let known = probing.known();
        let (healthy, ..) = judge(&known);
        metrics.publish(&name, healthy);
        // A daemon that took over does not know yet: what the one before it told stands until then.
        let is_new = probing.pages.values().any(|page| page.standing.since.is_none());
        let is_silent = is_new && healthy == ConditionStatus::Unknown;
        let is_telling = probing.telling_until.is_some_and(|until| Instant::now() < until);
        if is_silent || is_telling || probing.told == known {
            return;
        }
        probing.told.clone_from(&known);
        probing.telling_until = Some(Instant::now() + ANSWER_WITHIN);
        self.tell_health(&name, epoch, release, known, at);
    }

    /// The store was told of an environment's health, or was not.
    pub(super) fn told_health(&mut self, name: &Arc<str>, is_recorded: bool) {
        let probing = &mut self.environment(name).probing;
        probing.telling_until = None;
        if !is_recorded {
            // With the next answer.
            probing.told.clear();
        }
    }

    /// Records what has changed, and tells people where the environment became healthy or ceased to be.
    fn tell_health(
        &mut self,
        name: &Arc<str>,
        epoch: u64,
        release: u64,
        pages: Vec<PageHealth>,
        at: Timestamp,
    ) {
        let id = ObjectId::new(environment::NAME, Arc::clone(name));
        let key = ObjectKey { environment: Arc::clone(name), id };
        let cx = Arc::clone(&self.cx);
        self.ask(async move {
            let told = |is_recorded| Answer::HealthTold(Arc::clone(&key.environment), is_recorded);
            let before = match cx.store.health(&key.environment).await {
                Ok(before) => before,
                // Overwritten: it says nothing that is not found out again.
                Err(error) if error.is_damage() => None,
                Err(error) => {
                    warn!(environment = %key.environment, %error, "its health is not recorded");
                    return told(false);
                }
            };
            let mut conditions: Conditions = before.map(|b| b.conditions).unwrap_or_default();
            let was = conditions.get(condition_type::HEALTHY).map(|condition| condition.status);
            let (status, reason, message) = judge(&pages);
            conditions.set(condition_type::HEALTHY, status, reason, message.clone(), release, at);
            let record = HealthRecord { epoch, conditions, pages };
            if let Err(error) = cx.store.put_health(&key.environment, &record).await {
                warn!(environment = %key.environment, %error, "its health is not recorded");
                return told(false);
            }
            let kind = match (was, status) {
                (was, ConditionStatus::False) if was != Some(status) => Some(EventKind::Warning),
                (Some(ConditionStatus::False), ConditionStatus::True) => Some(EventKind::Normal),
                _ => None,
            };
            if let Some(kind) = kind {
                cx.recorder.record(&key, release, kind, reason, &message).await;
            }
            told(true)
        });
    }

    /// Another daemon probes the environment now.
    pub(super) fn forget_probes(&mut self, name: &Arc<str>) {
        let probing = std::mem::take(&mut self.environment(name).probing);
        let metrics = &self.cx.metrics.probes;
        for url in probing.pages.keys() {
            metrics.forget_page(name, url);
        }
        metrics.publish(name, ConditionStatus::Unknown);
    }
}

fn url_of(call: &Call) -> Option<String> {
    match &call.target {
        CallTarget::Page { url, .. } => Some(url.clone()),
        CallTarget::Function { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConditionStatus::{False, True, Unknown};

    /// What answers come to: `+` is a right one, `-` a wrong one, `?` none.
    fn heard(answers: &str) -> ConditionStatus {
        let policy = HealthPolicy {
            failure_threshold: Some(3),
            success_threshold: Some(2),
            ..HealthPolicy::default()
        };
        let mut standing = Standing::default();
        for answer in answers.chars() {
            let (at, why) = (Timestamp::UNIX_EPOCH, "status 500".to_owned());
            match answer {
                '+' => standing.hear(Ok(()), &policy, at),
                '?' => standing.miss(why, &policy, at),
                _ => standing.hear(Err(why), &policy, at),
            }
        }
        standing.healthy
    }

    #[test]
    fn a_page_turns_after_enough_answers_in_a_row() {
        for (answers, expected) in [
            ("", Unknown),
            ("+", Unknown),
            ("++", True),
            ("--", Unknown),
            ("---", False),
            ("--+--", Unknown),
            ("+-+-+-", Unknown),
            ("-++", True),
            ("+---", False),
            ("++--", True),
            ("++--+--", True),
            ("++---", False),
            ("---+", False),
            ("---+-+", False),
            ("---++", True),
            ("++??", True),
            ("++???", Unknown),
            ("---???", Unknown),
            ("++???++", True),
        ] {
            assert_eq!(heard(answers), expected, "{answers}");
        }
    }
}
