//! trueup keeps AWS deployments true to their manifests. See ARCHITECTURE.md for the floor plan.

pub mod aws;
pub mod cli;
pub mod engine;
pub mod kinds;
pub mod manifest;
pub mod model;
pub mod plan;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod server;
pub mod signals;
pub mod store;
pub mod web;
