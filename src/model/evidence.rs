//! Whether a new version fails more often than the old one: a sequential test on counts. Pure.
//!
//! Both versions serve at the same time, so an error comes from the new version with the probability of its
//! share of the requests, as long as both fail equally often. The test weighs that against a new version that
//! fails `ratio` times as often, and may be asked after every interval: looking often does not make it wrong more
//! often. What hits both versions alike, as an outage behind them, says nothing and counts for nothing.
//!
//! Source: Lindon, Sanden, Shirikian, "Rapid Regression Detection in Software Deployments through Sequential
//! Testing" (KDD 2022, arXiv 2205.14762), and Wald's boundaries for a sequential probability ratio test.
//!
//! Slow requests are judged by the same test: a slow one counts as an error.
//!
//! Left to others: where the counts come from (`signals`), what follows from a finding (`engine/rollout`).

use serde::{Deserialize, Serialize};

/// What is guarded against, and how often the test may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// The new version shall not fail this many times as often as the old one; more than 1.
    pub ratio: f64,
    /// How often a version that fails no more often may be found worse; a share below a half.
    pub alpha: f64,
    /// How often a version that fails `ratio` times as often may be missed; a share below a half.
    pub beta: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { ratio: 5.0, alpha: 0.01, beta: 0.05 }
    }
}

impl Guard {
    /// The evidence at which the new version is found no worse, and that at which it is found worse.
    pub fn bounds(&self) -> (f64, f64) {
        ((self.beta / (1.0 - self.alpha)).ln(), self.alpha.recip().ln())
    }
}

/// Requests to one version, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All requests to the version, those that failed too.
    pub requests: u64,
    /// The requests that failed, or that were slow where slowness is judged.
    pub errors: u64,
}

/// What both versions did during one interval, as a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// The version that is to take over.
    pub new: Counts,
    /// The version that serves besides, and from which the new one takes over.
    pub old: Counts,
}

/// What all intervals so far say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The logarithm of how much likelier the counts are if the new version is worse.
    pub log_likelihood: f64,
    /// All requests to the new version so far, also those of intervals that compare nothing.
    pub new: Counts,
    /// All requests to the old version in the same time.
    pub old: Counts,
}

/// What the evidence says about the new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// The counts are too few to tell.
    Undecided,
    /// The new version fails more often.
    Worse,
    /// It does not fail `ratio` times as often.
    NoWorse,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
    }
}

impl Evidence {
    /// Adds an interval. One in which only one version was called compares nothing, and is only counted.
    pub fn add(&mut self, guard: &Guard, interval: Interval) {
        self.new.add(interval.new);
        self.old.add(interval.old);
        if interval.new.requests == 0 || interval.old.requests == 0 {
            return;
        }
        let (new, old) = (interval.new.requests as f64, interval.old.requests as f64);
        let share = new / (new + old);
        // The share of errors that the new version has if it fails `ratio` times as often.
        let if_worse = guard.ratio * share / (guard.ratio * share + 1.0 - share);
        self.log_likelihood += interval.new.errors as f64 * (if_worse / share).ln()
            + interval.old.errors as f64 * ((1.0 - if_worse) / (1.0 - share)).ln();
    }

    /// Holds the evidence against both bounds of the guard. May be asked after every interval.
    pub fn finding(&self, guard: &Guard) -> Finding {
        let (no_worse, worse) = guard.bounds();
        if self.log_likelihood >= worse {
            Finding::Worse
        } else if self.log_likelihood <= no_worse {
            Finding::NoWorse
        } else {
            Finding::Undecided
        }
    }
}

impl std::fmt::Display for Evidence {
    /// As `after 312 requests, 14 errors, beside 3 in 2890`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { new, old, .. } = self;
        write!(
            f,
            "after {} requests, {} errors, beside {} in {}",
            new.requests, new.errors, old.errors, old.requests
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64, errors: u64) -> Counts {
        Counts { requests, errors }
    }

    /// Minutes until the test decides, with what it finds.
    fn decided(new: Counts, old: Counts) -> (Finding, u32) {
        let (guard, mut evidence) = (Guard::default(), Evidence::default());
        for minute in 1..=100 {
            evidence.add(&guard, Interval { new, old });
            match evidence.finding(&guard) {
                Finding::Undecided => {}
                finding => return (finding, minute),
            }
        }
        (Finding::Undecided, 100)
    }

    #[test]
    fn what_fails_more_often_is_found_worse_and_what_does_not_is_let_go_on() {
        use Finding::*;
        for (what, new, old, expected) in [
            ("five times as often", counts(100, 5), counts(900, 9), (Worse, 2)),
            ("as often", counts(100, 1), counts(900, 9), (NoWorse, 2)),
            ("never, where the old one does", counts(100, 0), counts(900, 9), (NoWorse, 1)),
            ("an outage of both", counts(100, 60), counts(900, 540), (NoWorse, 1)),
            ("both work", counts(100, 0), counts(900, 0), (Undecided, 100)),
            ("only the new one is called", counts(100, 50), counts(0, 0), (Undecided, 100)),
            ("only the old one is called", counts(0, 0), counts(900, 90), (Undecided, 100)),
        ] {
            assert_eq!(decided(new, old), expected, "{what}");
        }
    }

    #[test]
    fn evidence_is_said_in_requests_and_errors() {
        let mut evidence = Evidence::default();
        let interval = Interval { new: counts(156, 7), old: counts(1445, 1) };
        evidence.add(&Guard::default(), interval);
        evidence.add(&Guard::default(), interval);
        assert_eq!(evidence.to_string(), "after 312 requests, 14 errors, beside 2 in 2890");
    }
}
