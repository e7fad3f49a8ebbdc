//! The engine: observes every object again and again, and does what its plan says.
//!
//! Expected flow: [`Engine::run`] watches the heads, keeps the desired state in memory
//! (`world`), and takes objects from a deduplicating delay queue (`queue`). For each it makes one
//! pass (`pass`): observe, plan, check, execute, observe again, record.
//!
//! Guarantees:
//! - Level-triggered: a pass takes no hint of what changed, so that start-up, edits, drift and
//!   resyncs go one way.
//! - An object is never worked on twice at once, and one that cannot progress takes a slot only
//!   while it is observed.
//! - Edits go before resyncs, and resyncs age, so that nothing starves.
//! - All that the engine knows can be lost at any moment: the store and AWS hold the rest.
//!
//! Left to others: what to do about a resource (`kinds`), what is desired (`store`).

pub mod backoff;
mod backup_schedule;
mod decide;
mod deliver;
mod events;
mod execute;
mod exemplars;
mod follow;
mod gauges;
mod health;
mod lease;
mod leave;
mod listen;
mod members;
mod metrics;
mod notify;
mod outcome;
mod pass;
mod patience;
mod prepare;
mod preview;
mod probe_metrics;
mod probing;
mod promote;
mod queue;
pub mod recovery;
mod recovery_metrics;
pub mod release;
mod removal;
mod repeats;
mod rng;
pub mod rollout;
mod rollout_metrics;
mod runner;
mod secrets;
mod share;
mod sharing;
mod tracked;
mod unwell;
mod watch;
mod world;

pub use decide::HeldBack;
pub use exemplars::{Exemplar, Exemplars, METRICS as EXEMPLARS};
pub use health::{Check, Health};
pub use metrics::EngineMetrics;
pub use preview::{Known, Preview, preview};
pub use rng::Rng;
pub use runner::{Config, Engine, LEASE_DURATION};
