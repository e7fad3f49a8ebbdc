//! The hunt: the operator under every drift, transition, crash and fault that can be enumerated, and
//! under random ones from a seed.
//!
//! Each module is one item of the proof and prints its figure. All of it is the real engine, store and
//! kinds on the embedded AWS under virtual time; `specs` holds what the worlds are made of, `live` what
//! AWS holds.

mod crowd;
mod large;
mod live;
mod scenario;
pub mod seeds;
pub mod served;
pub mod specs;
pub mod world;

mod backoff;
mod bad_input;
pub mod crash;
mod drift;
mod half;
mod halfway;
pub mod kill;
mod members;
mod ownership;
mod planted;
mod rehydration;
mod replicas;
mod rollouts;
mod secrets;
mod simulation;
mod single_fault;
mod soak;
mod stale;
mod transition;
mod unobserved;
mod verdicts;

use std::io::Write;

/// Prints what was counted, also where the test passes: `print!` would be captured.
pub fn figure(item: &str, text: &str) {
    let line = format!("\nproof: {item}: {text}\n");
    // A closed standard output is no reason to fail.
    let _ = std::io::stdout().write_all(line.as_bytes());
}
