//! How a release moves into its environment, and what it came to. Pure: no call, no clock, no AWS type.
//!
//! Expected flow: [`begin`] makes the rollout of a release that became current, and closes the one before.
//! Then [`plan`] is asked whenever something may have changed, and says what the rollout becomes and what is to be
//! done. `engine/deliver.rs` does it. [`asks`] says what has to be found out meanwhile; `engine/listen.rs` does.
//!
//! Guarantees:
//! - A rollout is in one stage, which says how long it may last and what follows ([`crate::store::Stage`]).
//! - The same rollout, objects and time give the same plan: whoever takes over goes on.
//! - A rollback is never rolled back, and what never succeeded is nothing to go back to.
//!
//! Left to others: moving a head (`engine::release`), reading and writing records (`store`), asking (`signals`).

mod arrivals;
mod begin;
mod plan;
mod progress;
mod shift;
mod signals;
mod told;

pub use begin::{Begun, begin, give_time};
pub use plan::{Action, Policy, Seen, Watched, plan};
pub use progress::{
    ObjectState, Progress, has_frontend, leaves_late, object_state, waits_for_second,
};
pub use shift::{is_changed, weight, weight_to_come};
pub use signals::{Ask, Signals, asks, said_slow};

use std::time::Duration;

use jiff::Timestamp;

fn later(at: Timestamp, pause: Duration) -> Timestamp {
    // Past the end of time is the end of time.
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}
