//! What docs/delivery.md tells a newcomer to try: a canary that fails, as it is told on its way and in the end.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::pipeline::{repository, sandbox};

/// What a busy machine may take; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_newcomer_sees_a_canary_get_its_part_and_be_rolled_back() {
    let repository = repository();
    let (_process, url) = sandbox(&repository, &["--traffic", "600", "--error-rate", "0.3"]);
    let trueup = |arguments: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command
            .envs([
                ("AWS_ENDPOINT_URL", url.as_str()),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "any"),
                ("AWS_SECRET_ACCESS_KEY", "any"),
            ])
            .env_remove("AWS_PROFILE")
            .current_dir(repository.path());
        command.args(arguments).output().unwrap()
    };
    let said = |arguments: &[&str]| String::from_utf8(trueup(arguments).stdout).unwrap();
    let api = repository.path().join("manifests/production/api.yaml");
    let yaml = std::fs::read_to_string(&api).unwrap();
    let changed = yaml.replace("memorySize: 1024", "memorySize: 1536");
    assert_ne!(changed, yaml);
    std::fs::write(&api, changed).unwrap();
    let applied = trueup(&["apply", "-f", "manifests/production"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));

    let begun = Instant::now();
    let mut pictures = Vec::new();
    loop {
        let picture = said(&["rollout", "status", "production", "2"]);
        let is_over = picture.starts_with("production release 2: RolledBack");
        if pictures.last() != Some(&picture) {
            pictures.push(picture);
        }
        if is_over {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it is not rolled back: {pictures:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("rolled back {:?} after it was applied", begun.elapsed());
    let has = |parts: &[&str]| {
        pictures
            .iter()
            .any(|picture| picture.lines().any(|line| parts.iter().all(|part| line.contains(part))))
    };
    for expected in [
        &["waits for Function/api: "][..],
        &["Function/api: version 2 gets 10 % of the requests (step 1 of 1) for ", "s more"],
        &["it may take ", " more, until "],
        &["errors: after ", " requests, ", " errors, beside 0 in ", "; evidence ", "worse at 4.6)"],
        &["RolledBack (NewVersionWorse): Function/api: version 2 fails more often: after "],
    ] {
        assert!(has(expected), "nothing said {expected:?}: {pictures:#?}");
    }
    let weight = ["rollout", "status", "production", "2", "-o", "jsonpath={.shifts[0].weight}"];
    assert_eq!(said(&weight).trim(), "10", "for machines");
    let history = said(&["history", "production"]);
    assert!(history.contains("RolledBack"), "{history}");
}
