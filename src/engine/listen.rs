//! Listens to what tells whether a release works: asks what its rollout waits for, beside the loop, and hands the
//! answers to the rollout's plan.
//!
//! Guarantees: nothing is asked twice at once, nothing is asked without the environment's lease, and what was
//! asked under a lease that is gone is forgotten. Decides nothing: `rollout` says what to ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::pass::Context;
use super::rollout::{Ask, Signals};
use super::runner::Engine;
use super::watch::Answer;
use crate::aws::{CALL_TIMEOUT, Target};
use crate::signals::{self, Failure, Question};

/// What was found out about an environment's release, and what is being asked.
#[derive(Debug, Default)]
pub(super) struct Listening {
    pub signals: Signals,
    /// Until when an answer is waited for.
    under_way: BTreeMap<String, Instant>,
}

/// Questions of one environment at once.
const UNDER_WAY_MAX: usize = 20;
/// A call is retried, and waits for its turn.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// An answer, or why there is none.
pub(super) struct Heard {
    environment: Arc<str>,
    epoch: u64,
    key: String,
    at: Timestamp,
    result: Result<signals::Answer, Failure>,
}

impl Engine {
    /// Asks what is due.
    pub(super) fn listen(&mut self, name: &Arc<str>, asks: Vec<Ask>) {
        if self.world.environments.get(name).is_none_or(|e| e.head.suspended) {
            // A hook may do something.
            return;
        }
        let (now, present) = (self.cx.clock.now(), Instant::now());
        let listening = &mut self.environment(name).listening;
        listening.signals.keep(&asks);
        listening.under_way.retain(|_, until| present < *until);
        let mut due = Vec::new();
        for ask in asks {
            let is_free = listening.under_way.len() < UNDER_WAY_MAX;
            if !is_free
                || listening.under_way.contains_key(&ask.key)
                || !ask.is_due(&listening.signals, now)
            {
                continue;
            }
            let timeout = match &ask.question {
                Question::Call(call) => call.timeout,
                Question::Alarms(_) | Question::Traffic(_) => CALL_TIMEOUT,
            };
            listening.under_way.insert(ask.key.clone(), present + timeout + ANSWER_WITHIN);
            due.push(ask);
        }
        let Some(environment) = self.world.environments.get(name) else { return };
        let (epoch, target) = (environment.lease.epoch, environment.spec.target());
        for ask in due {
            let (cx, target, environment) =
                (Arc::clone(&self.cx), target.clone(), Arc::clone(name));
            self.ask(async move {
                let result = in_its_account(&cx, &target, &ask.question).await;
                Answer::Heard(Heard { environment, epoch, key: ask.key, at: now, result })
            });
        }
    }

    /// Takes an answer, and plans with it.
    pub(super) fn heard(&mut self, heard: Heard) {
        let Heard { environment: name, epoch, key, at, result } = heard;
        if self.world.environments.get(&name).is_none_or(|e| e.lease.epoch != epoch) {
            return;
        }
        let listening = &mut self.environment(&name).listening;
        // What nobody waits for any more is not kept: its rollout went on.
        if listening.under_way.remove(&key).is_some() {
            listening.signals.hear(key, at, result);
        }
        self.deliver(&name);
    }
}

/// Asks where the environment lives, and nowhere else: a probe or a hook in another account would be somebody's.
pub(super) async fn in_its_account(
    cx: &Context,
    target: &Target,
    question: &Question,
) -> Result<signals::Answer, Failure> {
    let session = cx.sessions.get_in_account(target).await?;
    signals::ask(&session, question).await
}
