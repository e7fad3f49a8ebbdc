//! The parts of a plan.

use serde::Serialize;

use super::Change;
use crate::model::Path;

/// What a step does to the resource or to a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verb {
    /// It makes what was not there.
    Create,
    /// It changes what is there.
    Update,
    /// It takes away what is there.
    Delete,
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A part of the resource.
    Part,
    /// The resource itself.
    Whole,
    /// A job that works for the content of this digest. Its start is recorded before it is made.
    Job(String),
}

/// One AWS write (or one pair of writes that is idempotent as a whole), with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<S> {
    /// What it does.
    pub verb: Verb,
    /// What it does that to.
    pub scope: Scope,
    /// The steps after it do not need it: should AWS refuse it, they are taken all the same.
    pub stands_alone: bool,
    /// What is written, in the kind's own words: "function", "code", "index byStatus".
    pub what: String,
    /// The changes that the step makes; empty where it creates or deletes a whole.
    pub changes: Vec<Change>,
    /// The kind's own description of the call.
    pub call: S,
}

/// Something that AWS or another object is still busy with; observe again later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// One word, for machines: docs/reasons.md explains each.
    pub reason: &'static str,
    /// A sentence, for people.
    pub message: String,
}

/// A new version is ready, and the rollout says when it gets more of its requests.
pub const SHIFTING: &str = "Shifting";
/// The rollout says when the object moves.
pub const WAITING_FOR_RELEASE: &str = "WaitingForRelease";

/// Nothing that AWS does ends what is waited for: the rollout goes on by itself, and wakes the object.
pub fn is_for_rollout(reason: &str) -> bool {
    [SHIFTING, WAITING_FOR_RELEASE].contains(&reason)
}

/// Something that only a person can resolve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// One word, for machines: docs/reasons.md explains each.
    pub reason: &'static str,
    /// A sentence, for people.
    pub message: String,
}

/// What would be done to one resource. `S` is the kind's own step.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// Every declared field that differs, whether or not a step can mend it.
    pub changes: Vec<Change>,
    /// What is done about it, in this order.
    pub steps: Vec<Step<S>>,
    /// Observed after the steps: why the resource is not ready even when nothing differs.
    pub waiting: Option<Waiting>,
    /// When set, no step is taken.
    pub blocked: Option<Blocked>,
    /// When set, the steps that make these changes are not taken, nor those that need them; all others are.
    pub partly_blocked: Option<PartlyBlocked>,
}

/// Changes that wait for a person while the rest of the plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyBlocked {
    /// What is not changed, with everything below and above it.
    pub paths: Vec<Path>,
    /// Why.
    pub why: Blocked,
}

impl PartlyBlocked {
    /// Nothing is changed at this path.
    pub fn holds(&self, path: &Path) -> bool {
        let meets = |other: &Path| path.0.starts_with(&other.0) || other.0.starts_with(&path.0);
        self.paths.iter().any(meets)
    }

    fn holds_step<S>(&self, step: &Step<S>) -> bool {
        step.changes.iter().any(|change| self.holds(&change.path))
    }
}

impl<S> Step<S> {
    /// The steps after it do not need it.
    pub fn stands_alone(&mut self) {
        self.stands_alone = true;
    }
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            steps: Vec::new(),
            waiting: None,
            blocked: None,
            partly_blocked: None,
        }
    }
}

impl<S> Plan<S> {
    /// Nothing to do but to wait.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { waiting: Some(Waiting { reason, message }), ..Self::default() }
    }

    /// Nothing to do before a person has acted.
    pub fn blocked(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { blocked: Some(Blocked { reason, message }), ..Self::default() }
    }

    /// Adds a step that makes some changes in a part of the resource.
    pub fn push(
        &mut self,
        verb: Verb,
        what: impl Into<String>,
        changes: Vec<Change>,
        call: S,
    ) -> &mut Step<S> {
        self.add(verb, Scope::Part, what.into(), changes, call)
    }

    fn add(
        &mut self,
        verb: Verb,
        scope: Scope,
        what: String,
        changes: Vec<Change>,
        call: S,
    ) -> &mut Step<S> {
        self.steps.push(Step { verb, scope, stands_alone: false, what, changes, call });
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// Adds a step that makes or deletes the resource itself.
    pub fn push_whole(&mut self, verb: Verb, what: &str, changes: Vec<Change>, call: S) {
        self.add(verb, Scope::Whole, what.to_owned(), changes, call);
    }

    /// Adds a step that starts a job for the content of a digest.
    pub fn push_job(&mut self, digest: &str, what: String, changes: Vec<Change>, call: S) {
        self.add(Verb::Create, Scope::Job(digest.to_owned()), what, changes, call);
    }

    /// Some changes wait for a person: the first reason is told, and all the paths wait.
    pub fn block_part(&mut self, part: PartlyBlocked) {
        match &mut self.partly_blocked {
            Some(known) => known.paths.extend(part.paths),
            none => *none = Some(part),
        }
    }

    /// What a person has to see to, of the whole or of a part.
    pub fn obstacle(&self) -> Option<&Blocked> {
        let of_part = self.partly_blocked.as_ref().map(|part| &part.why);
        self.blocked.as_ref().or(of_part)
    }

    /// Takes out the steps that may not be taken, and those after them that may need them.
    pub(super) fn drop_blocked_steps(&mut self) {
        if self.blocked.is_some() {
            self.steps.clear();
        }
        let Some(part) = &self.partly_blocked else { return };
        let is_needed = |step: &Step<S>| part.holds_step(step) && !step.stands_alone;
        if let Some(first) = self.steps.iter().position(is_needed) {
            self.steps.truncate(first);
        }
        self.steps.retain(|step| !part.holds_step(step));
    }

    /// Nothing to write, nothing to wait for, nothing in the way.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none() && self.obstacle().is_none()
    }

    /// The same plan with its steps' calls wrapped or replaced.
    pub fn map<T>(self, mut f: impl FnMut(S) -> T) -> Plan<T> {
        Plan {
            changes: self.changes,
            steps: self
                .steps
                .into_iter()
                .map(|s| Step {
                    verb: s.verb,
                    scope: s.scope,
                    stands_alone: s.stands_alone,
                    what: s.what,
                    changes: s.changes,
                    call: f(s.call),
                })
                .collect(),
            waiting: self.waiting,
            blocked: self.blocked,
            partly_blocked: self.partly_blocked,
        }
    }
}

#[cfg(test)]
impl<S> Plan<S> {
    /// The plan in few words, for planners' tests: its steps, and what stands in their way.
    pub fn outline(&self) -> Vec<String> {
        let steps = self.steps.iter().map(|step| format!("{:?} {}", step.verb, step.what));
        let blocked = self.obstacle().map(|blocked| format!("! {}", blocked.reason));
        let waiting = self.waiting.iter().map(|waiting| format!("… {}", waiting.reason));
        steps.chain(blocked).chain(waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_settled_when_nothing_is_left_of_it() {
        let mut step = Plan::default();
        step.push(Verb::Update, "tags", Vec::new(), ());
        for (plan, settled) in [
            (Plan::default(), true),
            (step, false),
            (Plan::waiting("TableUpdating", "the table is UPDATING"), false),
            (Plan::blocked("NotOwned", "somebody else's"), false),
        ] {
            assert_eq!(plan.is_settled(), settled, "{:?}", plan.outline());
        }
    }

    #[test]
    fn what_waits_for_a_person_holds_back_nothing_but_what_needs_it() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let change = |at: &str| Change { path: path(at), live: None, desired: None };
        let planned = |paths: &[&str]| {
            let mut plan = Plan::default();
            for (at, stands_alone) in
                [("block", true), ("rules[a].prefix", true), ("code", false), ("alias", false)]
            {
                plan.push(Verb::Update, at, vec![change(at)], ()).stands_alone = stands_alone;
            }
            let why = Blocked { reason: "ConfirmationNeeded", message: String::new() };
            for at in paths {
                plan.block_part(PartlyBlocked { paths: vec![path(at)], why: why.clone() });
            }
            plan.drop_blocked_steps();
            plan.steps.into_iter().map(|step| step.what).collect::<Vec<_>>()
        };
        assert_eq!(planned(&["rules[a]"]), ["block", "code", "alias"]);
        assert_eq!(planned(&["rules"]), ["block", "code", "alias"]);
        assert_eq!(planned(&["rules[a].prefix.of"]), ["block", "code", "alias"]);
        assert_eq!(planned(&["rules[b]"]), ["block", "rules[a].prefix", "code", "alias"]);
        assert_eq!(planned(&["code"]), ["block", "rules[a].prefix"], "the alias needs the code");
        assert_eq!(planned(&["code", "block"]), ["rules[a].prefix"]);
    }

    #[test]
    fn the_calls_of_a_plan_are_wrapped_and_the_rest_of_it_kept() {
        let mut plan = Plan::blocked("NotOwned", "somebody else's");
        plan.changes.push(Change::of("alias", None, "version 2"));
        plan.push(Verb::Update, "tags", Vec::new(), 7);
        let wrapped = plan.clone().map(Some);
        assert_eq!(wrapped.steps[0].call, Some(7));
        assert_eq!(wrapped.map(Option::unwrap), plan);
    }
}
