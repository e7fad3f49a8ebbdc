//! Other AWS clients, other AWS emulators and a fault proxy, from PyPI, in a venv below target/.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const CLIENTS: [&str; 4] =
    ["boto3==1.43.11", "awscli==1.45.11", "moto[server]==5.2.1", "prometheus_client==0.26.0"];
/// What these depend on does not go with the others.
const EMULATORS: [&str; 2] = ["ministack==1.5.33", "microburst==0.10.0"];

/// The programs of boto3, the aws CLI and moto, and Prometheus' parser of OpenMetrics. `None` where there is no Python 3, which CI must have.
pub fn bin() -> Option<PathBuf> {
    static BIN: OnceLock<Option<PathBuf>> = OnceLock::new();
    BIN.get_or_init(|| make("python", &CLIENTS)).clone()
}

/// The programs of ministack and microburst.
pub fn emulators() -> Option<PathBuf> {
    static BIN: OnceLock<Option<PathBuf>> = OnceLock::new();
    BIN.get_or_init(|| make("emulators", &EMULATORS)).clone()
}

fn make(venv: &str, packages: &[&str]) -> Option<PathBuf> {
    let has_python =
        Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    if !has_python {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs python3 for the tests with other AWS clients"
        );
        crate::proof::figure(
            "second opinions",
            "SKIPPED: there is no python3, so other AWS clients and emulators are not tried",
        );
        return None;
    }
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(venv);
    let stamp = root.join("packages.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Some(root.join("bin"));
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&root));
    run(Command::new(root.join("bin/pip")).args(["install", "--quiet"]).args(packages));
    std::fs::write(stamp, wanted).unwrap();
    Some(root.join("bin"))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
