//! How often plans were carried out without effect.
//!
//! Guarantees: two plans that undo each other in turn are each counted, as one that repeats is, and the record stays
//! small. Left to others: what a plan is, and how often is too often (`engine/execute.rs`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Plans remembered at most; the one carried out longest ago is forgotten first.
const PLANS_MAX: usize = 8;

/// The plans that were carried out since the resource was last seen as declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlapGuard(Vec<CarriedOut>);

/// A plan that was carried out, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedOut {
    /// The plan, by digest.
    pub plan: String,
    /// How often it was carried out, at least 1.
    pub count: u32,
    /// When it was last carried out.
    pub at: Timestamp,
}

impl FlapGuard {
    /// Whether no plan is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is remembered of a plan, by its digest; `None` where it was not carried out.
    pub fn of(&self, plan: &str) -> Option<&CarriedOut> {
        self.0.iter().find(|carried| carried.plan == plan)
    }

    /// Counts that a plan was carried out once more. Where there are too many plans, the oldest one is forgotten.
    pub fn count(&mut self, plan: &str, at: Timestamp) {
        let before = self.0.iter().position(|carried| carried.plan == plan);
        let before = before.map(|i| self.0.remove(i));
        if self.0.len() >= PLANS_MAX {
            self.0.remove(0);
        }
        let count = before.map_or(0, |carried| carried.count) + 1;
        self.0.push(CarriedOut { plan: plan.to_owned(), count, at });
    }

    /// Forgets all; says whether there was anything.
    pub fn lift(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(plans: &[&str]) -> FlapGuard {
        let mut guard = FlapGuard::default();
        for plan in plans {
            guard.count(plan, Timestamp::UNIX_EPOCH);
        }
        guard
    }

    #[test]
    fn plans_that_take_turns_are_counted_like_one_that_repeats() {
        for (plans, expected) in [
            (vec!["a", "a", "a"], 3),
            (vec!["a", "b", "a", "b", "a"], 3),
            (vec!["b", "c", "a"], 1),
            (vec!["b"], 0),
        ] {
            let count = counted(&plans).of("a").map_or(0, |carried| carried.count);
            assert_eq!(count, expected, "{plans:?}");
        }
    }

    #[test]
    fn only_the_latest_plans_are_remembered() {
        let plans: Vec<_> = (0..100).map(|i| i.to_string()).collect();
        let plans: Vec<_> = plans.iter().flat_map(|plan| ["kept", plan]).collect();
        let guard = counted(&plans);
        assert_eq!((guard.0.len(), guard.of("kept").map(|c| c.count)), (PLANS_MAX, Some(100)));
        assert!(guard.of("0").is_none() && guard.of("99").is_some());
    }

    #[test]
    fn a_flap_guard_that_is_lifted_says_whether_it_had_counted() {
        let mut guard = counted(&["a"]);
        assert!(guard.lift() && !guard.lift() && guard.is_empty());
    }
}
