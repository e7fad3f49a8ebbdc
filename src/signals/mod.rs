//! What tells whether a release works: the requests that its functions serve, alarms, answers to probes, checks
//! and hooks.
//!
//! Expected flow: `engine/rollout` says which [`Question`]s are open, [`ask`] answers one of them, and the
//! rollout's plan takes the answer into account.
//!
//! Guarantees:
//! - Observes only: nothing is decided here, and nothing is written but by a hook that a manifest declares.
//! - Every question ends within a time that it says itself, or within that of one AWS call.
//! - What could not be found out is never taken for an answer: it is [`Failure::Unknown`].
//!
//! Left to others: when to ask, and what follows from an answer (`engine/rollout`).

mod alarms;
mod call;
mod traffic;

pub use alarms::{Alarm, AlarmState};
pub use call::{Call, CallTarget, Expected, Match, Reach};
pub use traffic::{Counts, Minute, Traffic, TrafficQuestion};

use crate::aws::Session;

/// One thing to find out.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// The states of alarms, by their names.
    Alarms(Vec<String>),
    /// How both versions of a function do.
    Traffic(TrafficQuestion),
    /// A probe, a check or a hook.
    Call(Call),
}

/// What was found out.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The alarms that were asked for, each with its state.
    Alarms(Vec<Alarm>),
    /// What both versions did, minute by minute.
    Traffic(Traffic),
    /// It was called, and answered as expected.
    AsExpected,
}

/// Why there is no such answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It answered, and not as expected.
    #[error("{0}")]
    Unexpected(String),
    /// A page that a release may do without was not reached from here: that says nothing of the release.
    #[error("{0}")]
    Unreached(String),
    /// Nobody can tell: it could not be asked.
    #[error("{0}")]
    Unknown(String),
}

impl From<crate::aws::AwsError> for Failure {
    fn from(error: crate::aws::AwsError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// Answers one question.
pub async fn ask(session: &Session, question: &Question) -> Result<Answer, Failure> {
    match question {
        Question::Alarms(names) => Ok(Answer::Alarms(alarms::read(session, names).await?)),
        Question::Traffic(asked) => Ok(Answer::Traffic(traffic::read(session, asked).await?)),
        Question::Call(call) => call::make(session, call).await.map(|()| Answer::AsExpected),
    }
}
