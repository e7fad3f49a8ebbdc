//! Which pass a metric speaks of, so that whoever sees a slow or a failed one finds its log lines (`pass=...`).
//!
//! Guarantees: one exemplar a series, the newest; series are kinds, so that their number is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The series that have exemplars, by their names in the text format. Each has one label, `controller`.
pub(super) const PASS_SECONDS: &str = "controller_runtime_reconcile_time_seconds";
pub(super) const PASS_ERRORS: &str = "controller_runtime_reconcile_errors_total";

/// The metrics that have exemplars, by their names in the text format.
pub const METRICS: [&str; 2] = [PASS_SECONDS, PASS_ERRORS];

/// One observation of a metric, with the pass that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// The number of the pass, as its log lines have it.
    pub pass: u64,
    /// What was observed, in the metric's unit; what a counter grew by.
    pub value: f64,
    /// When the pass ended.
    pub at: Timestamp,
}

/// The newest exemplar of each series. Clones share it.
#[derive(Clone, Default)]
pub struct Exemplars(Arc<Mutex<HashMap<(&'static str, String), Exemplar>>>);

impl Exemplars {
    pub(super) fn note(&self, metric: &'static str, controller: &str, exemplar: Exemplar) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((metric, controller.to_owned()), exemplar);
    }

    /// By metric and controller.
    pub fn all(&self) -> HashMap<(&'static str, String), Exemplar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
