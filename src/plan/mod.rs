//! Plans as plain values: what differs, what would be written and why, what is waited for.
//!
//! Expected flow: a kind observes a resource, and its planner compares it with the desired spec
//! through [`diff`] and returns a [`Plan`]. [`check`] reads the plan once more and refuses what a
//! rule of the house forbids. Only then does an executor take the steps, in order.
//!
//! Guarantees: everything here is synchronous and pure; equal inputs give equal plans. Fields that
//! the desired spec does not set never appear in a plan.
//!
//! Left to others: talking to AWS (`kinds/*/observe.rs`, `apply.rs`), deciding when to plan again
//! (`engine`).

#![warn(missing_docs)]

mod check;
mod diff;
mod order;
mod render;
mod shape;
mod step;
mod value;

pub use check::{Facts, check};
pub use diff::{Change, IgnoredAbsent, complete, diff, fill_ignored};
pub use order::{Cycle, dependency_order};
pub use render::{render_changes, render_plan};
pub use shape::{ListRule, Shape};
pub use step::{
    Blocked, PartlyBlocked, Plan, SHIFTING, Scope, Step, Verb, WAITING_FOR_RELEASE, Waiting,
    is_for_rollout,
};
pub use value::{is_empty, sensitive, show};
