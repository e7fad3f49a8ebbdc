//! The pipeline of deploy/github on the sample application: what it builds is what is checked in, and its shell
//! steps do what they say, with the real binary on the sandbox.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::binary::Process;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The repository that the pipeline is for: the workspace, with the manifests beside it.
pub fn repository() -> tempfile::TempDir {
    let repository = tempfile::tempdir().unwrap();
    for name in ["apps", "build.mjs", "nx.json", "package.json", "package-lock.json"] {
        copy(&root().join("sample").join(name), &repository.path().join(name));
    }
    copy(&root().join("manifests"), &repository.path().join("manifests"));
    repository
}

/// Files by their paths, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
    let files = entries.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    files.map(|f| (f.path().strip_prefix(folder).unwrap().into(), read(f.path()))).collect()
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn what_the_sample_builds_is_what_is_checked_in() {
    if std::env::var_os("CI").is_none() && !has("npm") {
        eprintln!("SKIPPED: npm is not here");
        return;
    }
    let repository = repository();
    let built = repository.path().join("manifests/dist");
    let checked_in = files(&built);
    assert_eq!(checked_in.len(), 4, "{checked_in:?}");
    std::fs::remove_dir_all(&built).unwrap();
    for step in ["Install", "Test", "Build"] {
        let output = run(&repository, &script("build", step), |command| {
            command.env("NX_DAEMON", "false").env("CI", "true")
        });
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{step}: {said}");
    }
    assert_eq!(files(&built), checked_in);
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// What a step of the workflow runs.
fn script(job: &str, step: &str) -> String {
    named(&yaml("deploy/github/deploy.yml")["jobs"][job]["steps"], step)
}

/// What a step of the composite action runs.
fn script_of_action(step: &str) -> String {
    named(&yaml("deploy/github/action.yml")["runs"]["steps"], step)
}

fn named(steps: &Value, step: &str) -> String {
    let found = steps.as_array().unwrap().iter().find(|found| found["name"] == step);
    found.and_then(|found| found["run"].as_str()).expect("there is the step").to_owned()
}

/// A program that notes what it was called with, and then does something.
fn program(folder: &Path, name: &str, does: &str) {
    let noted = folder.join(format!("{name}.calls"));
    let text =
        format!("#!/bin/bash\nprintf '<%s>' \"$@\" >> {0}\necho >> {0}\n{does}\n", noted.display());
    let written = folder.join(format!("{name}.txt"));
    std::fs::write(&written, text).unwrap();
    // Another process writes what is to be run: a child that another test starts meanwhile would inherit our open
    // file, and the system runs nothing that is open for writing ("Text file busy").
    let mut copy = Command::new("install");
    copy.args(["-m", "755"]).arg(written).arg(folder.join(name));
    assert!(copy.status().unwrap().success());
}

fn calls(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{name}.calls"))).unwrap_or_default()
}

/// Runs a script as GitHub's runners do: https://docs.github.com/actions/reference/workflow-syntax (shell).
fn run(
    repository: &tempfile::TempDir,
    script: &str,
    with: impl FnOnce(&mut Command) -> &mut Command,
) -> Output {
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
    with(command.current_dir(repository.path())).output().unwrap()
}

/// The embedded AWS with the daemon and the repository's manifests, once all is Ready.
pub fn sandbox(repository: &tempfile::TempDir, more: &[&str]) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args(["sandbox", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--busy-ms", "50"])
        .arg("--manifests")
        .arg(repository.path().join("manifests"))
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process::of(child);
    let mut url = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some(rest) = line.strip_prefix("embedded AWS on ") {
            url = rest.split_whitespace().next().unwrap().to_owned();
        }
        if line.contains("objects are Ready after") {
            // It goes on telling: somebody has to read it.
            std::thread::spawn(move || lines.for_each(drop));
            return (process, url);
        }
    }
    panic!("the sandbox ended before all was Ready")
}

#[test]
fn the_steps_of_the_pipeline_take_what_was_built_through_staging_to_production() {
    let repository = repository();
    let at = |path: &str| repository.path().join("manifests").join(path);
    // A canary would take its five minutes.
    let api = std::fs::read_to_string(at("production/api.yaml")).unwrap();
    let plain = api.replace("  rollout:\n    strategy: Canary10Percent5Minutes\n", "");
    assert_ne!(api, plain);
    std::fs::write(at("production/api.yaml"), plain).unwrap();
    let (_sandbox, url) = sandbox(&repository, &[]);
    let step = |job: &str, name: &str| {
        let binary = Path::new(env!("CARGO_BIN_EXE_trueup")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let output = run(&repository, &script(job, name), |command| {
            command
                .env("PATH", path)
                .env("AWS_ENDPOINT_URL", &url)
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "any")
                .env("AWS_SECRET_ACCESS_KEY", "any")
                .env("TRUEUP_AUTHOR", "ada")
                .env("RELEASE", "2")
                .env("GITHUB_OUTPUT", repository.path().join("output"))
        });
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let build = std::fs::read_to_string(at("dist/apps/api/main.js")).unwrap();
    std::fs::write(at("dist/apps/api/main.js"), format!("{build}\n// another build\n")).unwrap();

    let (code, said) = step("diff", "Diff");
    assert_eq!(code, Some(0), "{said}");
    let comment = std::fs::read_to_string(repository.path().join("comment.md")).unwrap();
    assert!(comment.starts_with("<!-- trueup -->\n#### development\n"), "{comment}");
    let staging = comment.split("#### staging").nth(1).unwrap();
    assert!(staging.contains("**Function/api**") && staging.contains("code.sha256"), "{comment}");
    assert!(!comment.contains("could not tell"), "{comment}");

    let (code, said) = step("staging", "Apply");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("staging release 2: Succeeded"), "{said}");
    let output = std::fs::read_to_string(repository.path().join("output")).unwrap();
    assert_eq!(output, "release=2\n");
    let (code, said) = step("production", "Promote");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("production release 2: Succeeded"), "{said}");
    let again = step("diff", "Diff");
    assert_eq!(again.0, Some(0), "{}", again.1);
    let comment = std::fs::read_to_string(repository.path().join("comment.md")).unwrap();
    assert!(comment.contains("#### staging\n\n6 as declared\n"), "{comment}");
}

#[test]
fn every_action_of_the_workflow_is_pinned_and_no_job_has_a_right_too_many() {
    let workflow = yaml("deploy/github/deploy.yml");
    assert_eq!(workflow["permissions"], serde_json::json!({}), "jobs ask for their own");
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        let rights = job["permissions"].as_object().unwrap();
        let expected: &[&str] = match name.as_str() {
            "build" => &["contents"],
            "diff" => &["contents", "id-token", "pull-requests"],
            _ => &["contents", "id-token"],
        };
        assert_eq!(rights.keys().collect::<Vec<_>>(), expected, "{name}");
        assert!(job["concurrency"]["group"].is_string(), "{name}");
        assert!(job["timeout-minutes"].is_u64(), "{name}");
        for used in job["steps"].as_array().unwrap().iter().filter_map(|s| s["uses"].as_str()) {
            let pin = used.split_once('@').map_or("", |(_, pin)| pin);
            let is_commit = pin.len() == 40 && pin.chars().all(|c| c.is_ascii_hexdigit());
            assert!(used.starts_with("./") || is_commit, "{used}");
        }
    }
}

#[test]
fn the_action_installs_what_has_the_digest_and_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    program(folder.path(), "trueup", "echo trueup 0");
    let mut tar = Command::new("tar");
    let packed = tar.args(["-czf", "trueup.tar.gz", "trueup"]).current_dir(folder.path()).status();
    assert!(packed.unwrap().success());
    std::fs::remove_file(at("trueup")).unwrap();
    let digest = sha256(&std::fs::read(at("trueup.tar.gz")).unwrap());
    let install = |digest: &str| {
        run(&folder, &script_of_action("Install"), |command| {
            command
                .env("PATH", "/usr/bin:/bin")
                .env("URL", format!("file://{}", at("trueup.tar.gz").display()))
                .env("SHA256", digest)
                .env("RUNNER_TEMP", at("temp"))
                .env("GITHUB_PATH", at("path"))
        })
    };
    let other = install(&"0".repeat(64));
    assert!(!other.status.success(), "another archive is not installed");
    assert!(!at("path").exists() && !at("temp/trueup/trueup").exists());
    let output = install(&digest);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let installed = std::fs::read_to_string(at("path")).unwrap();
    let key = run(&folder, &script_of_action("Signing key"), |command| {
        command
            .env("SIGNING_KEY", "k".repeat(64))
            .env("RUNNER_TEMP", at("temp"))
            .env("GITHUB_ENV", at("env"))
    });
    assert!(key.status.success(), "{}", String::from_utf8_lossy(&key.stderr));
    let told = std::fs::read_to_string(at("env")).unwrap();
    let file = told.trim().strip_prefix("TRUEUP_SIGNING_KEY_FILE=").unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "k".repeat(64) + "\n");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads it: {mode:o}");
    let path = format!("{}:/usr/bin:/bin", installed.trim());
    let ran = run(&folder, &script_of_action("Run"), |command| {
        command.env("PATH", path).env("ARGS", "apply -f *.yaml $(id)\n--wait")
    });
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(
        calls(folder.path(), "trueup"),
        "<--version>\n<apply><-f><*.yaml><$(id)><--wait>\n",
        "words, and nothing is executed"
    );
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_pull_request_gets_one_comment_which_the_next_push_updates() {
    for (known, expected) in [
        ("", "<api><--method><POST><repos/example/shop/issues/7/comments>"),
        ("41\n43", "<api><--method><PATCH><repos/example/shop/issues/comments/41>"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("comment.md"), "<!-- trueup -->\n").unwrap();
        let lists = format!("case \"$*\" in *--paginate*) printf '{known}' ;; esac");
        program(folder.path(), "gh", &lists);
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = run(&folder, &script("diff", "Comment"), |command| {
            command
                .env("PATH", path)
                .env("COMMENTS", "repos/example/shop/issues/7/comments")
                .env("REPOSITORY", "example/shop")
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let calls = calls(folder.path(), "gh");
        let written: Vec<_> = calls.lines().filter(|call| call.contains("--method")).collect();
        assert_eq!(written.len(), 1, "{calls}");
        assert!(written[0].starts_with(expected), "{calls}");
        assert!(written[0].contains("<body=@comment.md>"), "{calls}");
    }
}

#[test]
fn the_pipeline_of_gitlab_takes_the_same_way() {
    let pipeline = yaml("deploy/gitlab/.gitlab-ci.yml");
    assert_eq!(pipeline["stages"], serde_json::json!(["build", "diff", "staging", "production"]));
    let repository = repository();
    let diff = pipeline["diff"]["script"][0].as_str().unwrap();
    program(
        repository.path(),
        "trueup",
        "echo \"#### $5\"; case $5 in *production) echo why >&2; exit 2 ;; *) exit 1 ;; esac",
    );
    let path = format!("{}:{}", repository.path().display(), std::env::var("PATH").unwrap());
    let output = run(&repository, diff, |command| command.env("PATH", path));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = std::fs::read_to_string(repository.path().join("diff.md")).unwrap();
    assert!(told.contains("#### manifests/development\n#### manifests/staging\n"), "{told}");
    assert!(told.ends_with("**production**: trueup could not tell everything:\nwhy\n"), "{told}");
    for (job, verb) in [("staging", "trueup apply "), ("production", "trueup promote staging ")] {
        let script = pipeline[job]["script"][0].as_str().unwrap();
        assert!(script.starts_with(verb) && script.contains("--wait"), "{script}");
    }
}
