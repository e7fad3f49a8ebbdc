//! AWS's own service models, from botocore, as the witness: what trueup and its authors believe of AWS is
//! held against what AWS publishes of itself.

mod boundaries;
mod by_hand;
mod exchanges;
mod generate;
mod lives;
mod members;
mod model;
mod unharmed;
mod wire;

use std::path::Path;
use std::process::Command;

use crate::python;

pub use exchanges::{Exchanges, Turn};

/// What a script of this folder prints of the models. `None` where there is no Python 3.
fn models(script: &str) -> Option<String> {
    let bin = python::bin()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/witness").join(script);
    let output = Command::new(bin.join("python")).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
