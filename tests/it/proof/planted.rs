//! Is the proof itself strong? Bugs that operators of this kind really had, planted one at a time in a copy
//! of the sources: the named tests must fail.
//!
//! `cargo test` only sees to it that the passages are still there. To plant the bugs, which builds the
//! program once for each (and leaves the binary of the last build behind; not together with other tests):
//!
//! ```text
//! cargo test planted -- --ignored --nocapture
//! ```
//!
//! `PLANTED=words,words` in the environment plants only the bugs whose names contain such words. The pure planners
//! are hunted more finely, by `cargo mutants` (see `.cargo/mutants.toml`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod bugs;
mod latest;
mod scaling;

use super::figure;
use bugs::{BUGS, Bug};
use latest::LATEST;
use scaling::SCALING;

fn all() -> impl Iterator<Item = &'static Bug> {
    BUGS.iter().chain(&SCALING).chain(&LATEST)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_bug_can_still_be_planted() {
    for bug in all() {
        let text = std::fs::read_to_string(root().join("src").join(bug.file)).unwrap();
        let times = text.matches(bug.good).count();
        assert_eq!(times, 1, "{}: {:?} in {}", bug.name, bug.good, bug.file);
    }
}

/// A copy of the sources, whose build shares the dependencies of this one.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let it = Self {
            root: Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted"),
            // .../target/debug/deps/it-...
            target: std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned(),
        };
        // One from before may be there.
        let _ = std::fs::remove_dir_all(&it.root);
        for part in [
            "Cargo.toml",
            "Cargo.lock",
            "src",
            "tests",
            "manifests",
            "benches",
            "examples",
            "docs",
            "deploy",
        ] {
            for entry in walkdir::WalkDir::new(root().join(part)) {
                let entry = entry.unwrap();
                let to = it.root.join(entry.path().strip_prefix(root()).unwrap());
                if entry.file_type().is_file() {
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    std::fs::copy(entry.path(), to).unwrap();
                }
            }
        }
        it
    }

    fn test(&self, caught_by: &str) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&self.root).arg("test");
        match caught_by {
            "--lib" => cargo.arg("--lib"),
            filters => cargo.args(["--test", "it", "--"]).args(filters.split(' ')),
        };
        // A few tests run once: optimizing would take longer than they do.
        cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        // Without optimization the longest tests' futures overflow a thread's usual stack.
        cargo.env("RUST_MIN_STACK", (64 << 20).to_string());
        cargo.env("CARGO_TARGET_DIR", &self.target).env("INSTA_UPDATE", "no");
        cargo.env("RUST_BACKTRACE", "0").output().unwrap()
    }

    /// The tests that fail with the bug.
    fn plant(&self, bug: &Bug) -> Vec<String> {
        let file = self.root.join("src").join(bug.file);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(bug.good, bug.bad)).unwrap();
        let output = self.test(bug.caught_by);
        std::fs::write(&file, text).unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("running "), "{} does not build:\n{err}", bug.name);
        let failed = out.lines().filter_map(|line| line.strip_suffix(" ... FAILED"));
        failed.map(|line| line.trim_start_matches("test ").to_owned()).collect()
    }
}

#[test]
#[ignore = "builds the program once for each bug"]
fn every_planted_bug_is_caught() {
    let wanted = std::env::var("PLANTED").unwrap_or_default();
    let chosen: Vec<_> =
        all().filter(|bug| wanted.split(',').any(|words| bug.name.contains(words))).collect();
    assert!(!chosen.is_empty(), "no bug is named so");
    let copy = Copy::new();
    let mut survivors = Vec::new();
    for bug in &chosen {
        let failed = copy.plant(bug);
        if failed.is_empty() {
            survivors.push(bug.name);
        }
        let by = if failed.is_empty() { "SURVIVED".to_owned() } else { failed.join(", ") };
        figure("planted", &format!("{}: {by}", bug.name));
    }
    // Without a bug they pass: it was the bugs that they caught.
    let filters: BTreeSet<_> = chosen.iter().flat_map(|bug| bug.caught_by.split(' ')).collect();
    let (lib, it): (Vec<_>, Vec<_>) = filters.into_iter().partition(|f| *f == "--lib");
    for sound in [lib.join(" "), it.join(" ")].iter().filter(|f| !f.is_empty()) {
        assert!(copy.test(sound).status.success(), "{sound} fail without any bug");
    }
    figure("planted", &format!("{} of {} caught", chosen.len() - survivors.len(), chosen.len()));
    assert_eq!(survivors, [""; 0]);
}
