//! What a comparison of an environment came to, in the forms that `diff` prints.
//!
//! Guarantees: all forms say the same, and none says the value of a secret.

use serde::Serialize;

use crate::aws::AwsError;
use crate::engine::{HeldBack, Preview};
use crate::kinds::AnyStep;
use crate::model::ObjectId;
use crate::plan::{Blocked, Change, Plan, Waiting, render_plan};

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Same,
    Differs,
    /// The daemon would do nothing until a person has acted.
    Stuck,
    /// Something could not be observed: whether it differs is not known.
    Failed,
}

/// One environment beside what is declared.
pub(super) struct Comparison {
    environment: String,
    suspended: bool,
    same: usize,
    not_compared: usize,
    differing: Vec<Differing>,
}

/// An object that is not as declared, or of which nothing is known.
struct Differing {
    id: ObjectId,
    held_back: Option<HeldBack>,
    plan: Result<Plan<AnyStep>, AwsError>,
}

/// The form for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    environment: &'a str,
    suspended: bool,
    as_declared: usize,
    not_compared: usize,
    objects: Vec<ObjectReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectReport<'a> {
    kind: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<&'static str>,
    changes: &'a [Change],
    steps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<&'a Blocked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<&'a Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Comparison {
    /// `resources` is how many the environment has, compared or not.
    pub fn of(
        environment: &str,
        suspended: bool,
        resources: usize,
        previews: Vec<Preview>,
    ) -> Self {
        let not_compared = resources.saturating_sub(previews.len());
        let is_same = |preview: &Preview| preview.plan.as_ref().is_ok_and(Plan::is_settled);
        let same = previews.iter().filter(|preview| is_same(preview)).count();
        let differing = previews.into_iter().filter(|preview| !is_same(preview));
        let differing = differing.map(|Preview { id, plan, held_back }| {
            // That the environment is suspended is said once.
            let held_back = held_back.filter(|why| *why != HeldBack::EnvironmentSuspended);
            Differing { id, held_back, plan }
        });
        let environment = environment.to_owned();
        Self { environment, suspended, same, not_compared, differing: differing.collect() }
    }

    pub fn found(&self) -> Found {
        let of = |differing: &Differing| match &differing.plan {
            Ok(plan) if plan.obstacle().is_some() => Found::Stuck,
            Ok(_) => Found::Differs,
            Err(_) => Found::Failed,
        };
        self.differing.iter().map(of).max().unwrap_or(Found::Same)
    }

    /// What a person has to see to, a line an object.
    pub fn obstacles(&self) -> Vec<String> {
        let of = |differing: &Differing| {
            let obstacle = differing.plan.as_ref().ok()?.obstacle()?;
            let (environment, id) = (&self.environment, &differing.id);
            Some(format!("{environment}/{id}: {}: {}", obstacle.reason, obstacle.message))
        };
        self.differing.iter().filter_map(of).collect()
    }

    pub fn text(&self) -> String {
        let environment = &self.environment;
        let mut text = String::new();
        if self.suspended {
            text.push_str(&format!("{environment} is suspended: nothing of this is written\n"));
        }
        for differing in &self.differing {
            let (id, not_written) = (&differing.id, differing.not_written());
            text.push_str(&format!("{environment}/{id}{not_written}\n{}", differing.plan_text()));
        }
        text.push_str(&format!("{environment}: {}\n", self.rest()));
        text
    }

    /// For a comment on a pull request.
    pub fn markdown(&self) -> String {
        let mut text = format!("#### {}\n\n", self.environment);
        if self.suspended {
            text.push_str("The environment is suspended: nothing of this is written.\n\n");
        }
        for differing in &self.differing {
            let plan = differing.plan_text();
            let fence = fence(&plan);
            let (id, not_written) = (&differing.id, differing.not_written());
            text.push_str(&format!("**{id}**{not_written}\n\n{fence}text\n{plan}{fence}\n\n"));
        }
        text.push_str(&format!("{}\n", self.rest()));
        text
    }

    pub fn report(&self) -> Report<'_> {
        Report {
            environment: &self.environment,
            suspended: self.suspended,
            as_declared: self.same,
            not_compared: self.not_compared,
            objects: self.differing.iter().map(Differing::report).collect(),
        }
    }

    fn rest(&self) -> String {
        let others = match self.not_compared {
            0 => String::new(),
            others => {
                format!("; {others} others were not compared (`trueup diff --all` compares them)")
            }
        };
        format!("{} as declared{others}", self.same)
    }
}

impl Differing {
    fn not_written(&self) -> String {
        self.held_back.map_or_else(String::new, |why| format!(" (not written: {})", why.text()))
    }

    fn plan_text(&self) -> String {
        match &self.plan {
            Ok(plan) => render_plan(plan),
            Err(error) => format!("  ! {error}\n"),
        }
    }

    fn report(&self) -> ObjectReport<'_> {
        let plan = self.plan.as_ref().ok();
        let steps = plan.iter().flat_map(|plan| &plan.steps);
        ObjectReport {
            kind: &self.id.kind,
            name: &self.id.name,
            not_written: self.held_back.map(HeldBack::text),
            changes: plan.map_or(&[], |plan| &plan.changes),
            steps: steps.map(|step| format!("{:?} {}", step.verb, step.what)).collect(),
            blocked: plan.and_then(Plan::obstacle),
            waiting: plan.and_then(|plan| plan.waiting.as_ref()),
            error: self.plan.as_ref().err().map(ToString::to_string),
        }
    }
}

/// A fence that the text does not end: longer than its longest run of backticks.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_backticks_does_not_end_its_fence() {
        for (text, expected) in [("a", "```"), ("a `b` ``c``", "```"), ("```x", "````")] {
            assert_eq!(fence(text), expected, "{text}");
        }
    }
}
