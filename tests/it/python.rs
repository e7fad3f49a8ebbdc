//! Other AWS clients and a second AWS emulator, from PyPI, in a venv below target/.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const PACKAGES: [&str; 3] = ["boto3==1.43.11", "awscli==1.45.11", "moto[server]==5.2.1"];

/// The venv's programs. `None` where there is no Python 3, which CI must have.
pub fn bin() -> Option<PathBuf> {
    static BIN: OnceLock<Option<PathBuf>> = OnceLock::new();
    BIN.get_or_init(make).clone()
}

fn make() -> Option<PathBuf> {
    let has_python =
        Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    if !has_python {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs python3 for the tests with other AWS clients"
        );
        eprintln!(
            "\n*** SKIPPED: there is no python3, so boto3, the aws CLI and moto are not tried ***\n"
        );
        return None;
    }
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
    let stamp = root.join("packages.txt");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Some(root.join("bin"));
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&root));
    run(Command::new(root.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES));
    std::fs::write(stamp, wanted).unwrap();
    Some(root.join("bin"))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
