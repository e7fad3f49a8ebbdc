//! trueup keeps AWS deployments true to their manifests. See ARCHITECTURE.md for the floor plan.

pub mod model;
pub mod plan;
pub mod aws;
