//! What all AWS calls share: sessions, error classes, the rate limits, the breakers, ownership tags.
//!
//! Expected flow: [`Sessions`] gives a [`Session`] for an environment's account, region and role.
//! A kind then makes each call through [`Session::read`] or [`Session::write`].
//!
//! Guarantees:
//! - The SDK's own retries are off. A read gets a few quick ones here; a write gets none, because
//!   a lost reply means that its effect is unknown and the resource must be observed first.
//! - Every error comes out as an [`AwsError`]: its [`Class`] says what to do, its text names the
//!   IAM action and what a person can do.
//! - Calls per second are bounded for each account, region and service, and each call has a timeout.
//! - Before the first write to an environment its account has been checked against the manifest.
//!
//! Left to others: deciding what to call (`kinds`), backing off (`engine`).

mod breaker;
mod call;
mod classify;
mod division;
mod elements;
mod error;
mod guards;
mod metrics;
mod owner;
mod partition;
mod rate_limit;
mod reply;
mod service;
mod session;
mod slot;
pub mod tags;

pub use call::{Absent, CALL_SPANS};
pub use division::Workers;
pub use error::{AwsError, Class};
pub use metrics::AwsMetrics;
pub use partition::partition;
pub use service::Service;
pub use session::{CALL_TIMEOUT, Connection, Session, Sessions, Target};
pub use slot::Slot;
