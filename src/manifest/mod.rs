//! Manifests: from YAML to objects that are ready for a release.
//!
//! Expected flow: [`Sources`] are read, [`load`] parses and validates them into a [`Set`] or into
//! [`Problems`], and [`package`] turns code and artifacts on disk into digests and uploads.
//!
//! Guarantees:
//! - Every problem of a set is found before any is reported, each with file, line and column.
//! - What comes out conforms to its kind's schema, to AWS's limits, and to the rules between objects.
//! - Nothing here writes to the store.

mod advice;
mod document;
mod explain;
mod fields;
mod forms;
mod handler;
mod kustomize;
mod load;
mod objectives;
pub mod package;
mod problem;
mod promotions;
mod schema;
mod shape;
mod source;
mod validate;

pub use fields::{Field, field, fields};
pub use load::{Scope, Set, load};
pub use problem::{Problem, Problems, nearest};
pub use schema::{crds, json_schema, kind_names};
pub use source::{Source, SourceError, Sources};
