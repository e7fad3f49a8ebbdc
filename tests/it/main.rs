//! Everything that needs more than one module: the engine on the embedded AWS under virtual time, the
//! real binary, other AWS clients, and the rules of the house.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used)]

/// A world allocates all day long: a tenth of the proofs' time is the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod habits;
mod half_hour;
mod harness;

mod analysis;
mod approval;
mod asking;
mod binary;
mod canary;
mod clients;
mod converge;
mod damage;
mod damaged_vault;
mod deletion;
mod delivery;
mod docs;
mod drift;
mod elsewhere;
mod emulators;
mod far;
mod faults;
mod gc;
mod harm;
mod health;
mod house;
mod kit;
mod limits;
mod manifests;
mod more_harm;
mod ownership;
mod pipeline;

mod promotion;
mod proof;
mod python;
mod recovering;
mod recovery;
mod releases;
mod replicas;
mod rollback_fails;
mod scaling;
mod shifting;
mod signing;
mod sites;
mod starting;
mod store_verify;
mod sweep;
mod telemetry;
mod telling;
mod windows;
mod witness;
