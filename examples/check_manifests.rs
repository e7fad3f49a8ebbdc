//! Checks manifests from a program of one's own, as a pre-commit hook or an editor would:
//! `cargo run --example check_manifests -- manifests/development`.

use std::path::PathBuf;
use std::process::ExitCode;

use trueup::manifest::{Scope, Sources, load};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut sources = Sources::default();
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        sources.read(&path)?;
    }
    let set = match load(sources, None, Scope::Whole) {
        Ok(set) => set,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::FAILURE);
        }
    };
    for object in set.objects() {
        println!("{} of {}", object.id(), object.environment());
    }
    if let Some(advice) = set.advice() {
        eprintln!("{}", advice.warnings());
    }
    Ok(ExitCode::SUCCESS)
}
