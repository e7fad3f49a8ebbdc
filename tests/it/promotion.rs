//! From one environment to another, and the exit codes that a pipeline goes by: with the real binary.

use std::path::Path;

use serde_json::Value;

use crate::binary::Aws;

const ENVIRONMENTS: [(&str, &str); 2] =
    [("staging", "shop-artifacts"), ("production", "live-artifacts")];

/// Both environments with one function; what it runs is packaged from a folder of each.
fn write(root: &Path, memory: u32) {
    for (name, bucket) in ENVIRONMENTS {
        let own = if name == "production" { memory * 2 } else { memory };
        let manifest = format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\nspec:\n  \
             aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  \
             artifacts: {{ bucket: {bucket}, prefix: {name}/ }}\n  reconcile: {{ interval: 1s }}\n---\n\
             apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: api, namespace: {name} }}\nspec:\n  \
             runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  \
             memorySize: {own}\n  alias: live\n  code: {{ path: {name} }}\n"
        );
        std::fs::create_dir_all(root.join(name)).unwrap();
        std::fs::write(root.join(format!("{name}.yaml")), manifest).unwrap();
    }
}

fn build(root: &Path, environment: &str, text: &str) {
    std::fs::write(root.join(environment).join("main.js"), text).unwrap();
}

struct World {
    aws: Aws,
    root: tempfile::TempDir,
}

impl World {
    fn file(&self, name: &str) -> String {
        self.root.path().join(format!("{name}.yaml")).to_str().unwrap().to_owned()
    }

    /// The exit code, and what was printed on both streams.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.aws.trueup(arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.aws.trueup(arguments).stdout).unwrap()
    }

    /// The digest of the function's code and its memory, by the objects of the current release.
    fn function(&self, environment: &str) -> (String, u64) {
        let shown = self.json(&["get", environment, "Function/api", "-o", "json"]);
        let spec = &shown["spec"];
        let sha256 = spec["code"]["s3"]["sha256"].as_str().unwrap().to_owned();
        (sha256, spec["memorySize"].as_u64().unwrap())
    }
}

#[test]
fn what_was_built_moves_from_staging_to_production_once_it_has_succeeded() {
    let world = World { aws: Aws::start(), root: tempfile::tempdir().unwrap() };
    write(world.root.path(), 128);
    for (name, bucket) in ENVIRONMENTS {
        build(world.root.path(), name, "exports.handler = async () => 1;\n");
        assert_eq!(world.says(&["init", "--bucket", bucket]).0, 0);
        assert_eq!(world.says(&["apply", "-f", &world.file(name)]).0, 0);
    }
    let (code, said) = world.says(&["promote", "staging", "--to", "production"]);
    assert!(code == 1 && said.contains("release 1 of staging is Pending"), "{said}");
    let (mut daemon, _) = world.aws.daemon();
    build(world.root.path(), "staging", "exports.handler = async () => 2;\n");
    let (code, said) = world.says(&["apply", "-f", &world.file("staging"), "--wait"]);
    assert!(code == 0 && said.contains("staging release 2: Succeeded"), "{said}");
    let (before, staging) = (world.function("production"), world.function("staging"));
    assert_ne!(before.0, staging.0);
    let dry = world.says(&["promote", "staging", "--to", "production", "--dry-run"]);
    assert!(dry.1.contains("production/Function/api: as in staging release 2"), "{}", dry.1);
    let (code, said) = world.says(&["promote", "staging", "--to", "production", "--wait"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        world.function("production"),
        (staging.0, before.1),
        "the code moved, the memory stayed"
    );
    let history = world.json(&["history", "production", "-o", "json"]);
    assert_eq!(history[0]["verdict"], "Succeeded");
    assert_eq!(history[0]["message"], "staging release 2 promoted");
    let (_, again) = world.says(&["promote", "staging", "--to", "production"]);
    assert!(again.contains("production has what staging has already"), "{again}");
    assert!(daemon.terminate().success());
}

/// A table's form of staging, which protects less, is no form for production without a word.
#[test]
fn a_form_that_protects_less_is_promoted_only_when_that_is_confirmed() {
    let world = World { aws: Aws::start(), root: tempfile::tempdir().unwrap() };
    write(world.root.path(), 128);
    for (name, bucket) in ENVIRONMENTS {
        build(world.root.path(), name, "exports.handler = async () => 1;\n");
        assert_eq!(world.says(&["init", "--bucket", bucket]).0, 0);
        let is_kept = name == "production";
        let policy = if is_kept { "Retain" } else { "Delete" };
        let table = format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: orders, namespace: {name} }}\nspec:\n  \
             partitionKey: {{ name: id, type: S }}\n  deletionPolicy: {policy}\n  deletionProtection: {is_kept}\n"
        );
        let manifest = std::fs::read_to_string(world.file(name)).unwrap() + &table;
        std::fs::write(world.file(name), manifest).unwrap();
    }
    let (mut daemon, _) = world.aws.daemon();
    for (name, _) in ENVIRONMENTS {
        let (code, said) = world.says(&["apply", "-f", &world.file(name), "--wait"]);
        assert_eq!(code, 0, "{said}");
    }
    let all = ["promote", "staging", "--to", "production", "--all-of", "Table/orders"];
    let (code, said) = world.says(&all);
    assert!(
        code == 1
            && said.contains("anybody may delete the table")
            && said.contains("--confirm Table/orders"),
        "{said}"
    );
    let (code, said) = world.says(&[&all[..], &["--confirm", "Table/orders", "--wait"]].concat());
    assert_eq!(code, 0, "{said}");
    let table = world.json(&["get", "production", "Table/orders", "-o", "json"]);
    assert_eq!(table["spec"]["deletionProtection"], false, "confirmed");
    assert_eq!(table["spec"]["deletionPolicy"], "Retain", "what keeps it stays all the same");
    assert!(daemon.terminate().success());
}

#[test]
fn a_pipeline_goes_by_the_verdict_and_what_failed_stays_away() {
    let world = World { aws: Aws::start(), root: tempfile::tempdir().unwrap() };
    write(world.root.path(), 128);
    build(world.root.path(), "staging", "exports.handler = async () => 1;\n");
    assert_eq!(world.says(&["init", "--bucket", "shop-artifacts"]).0, 0);
    let file = world.file("staging");
    let (mut daemon, _) = world.aws.daemon();
    assert_eq!(world.says(&["apply", "-f", &file, "--wait"]).0, 0);
    // A function cannot become an image in place.
    let good = std::fs::read_to_string(&file).unwrap();
    let image = "code: { image: \"123456789012.dkr.ecr.us-east-1.amazonaws.com/api:1\" }\n";
    let bad = good.replace("code: { path: staging }\n", image);
    let bad = bad.replace("  runtime: nodejs22.x\n  handler: main.handler\n", "");
    std::fs::write(&file, &bad).unwrap();
    let (code, said) = world.says(&["apply", "-f", &file, "--wait", "-o", "json"]);
    assert!(code == 1 && said.contains("\"verdict\": \"RolledBack\""), "{said}");
    let (code, said) = world.says(&["describe", "staging", "release/2"]);
    let line = said.lines().find(|line| line.starts_with("Function/api")).unwrap_or_default();
    assert!(code == 0 && line.ends_with("changed  no"), "{said}");
    let (code, said) = world.says(&["rollout", "status", "staging", "2"]);
    assert!(
        code == 0 && said.contains("release 2: RolledBack (ObjectFailed): Function/api"),
        "{said}"
    );
    assert!(said.contains("quarantined: release 2"), "{said}");
    let (code, said) = world.says(&["apply", "-f", &file]);
    assert!(code == 1 && said.contains("is quarantined"), "{said}");
    let (code, _) = world.says(&["rollback", "staging", "2"]);
    assert_eq!(code, 1, "a rollback to it is refused, too");
    let (code, said) = world.says(&["apply", "-f", &file, "--release-quarantine", "--wait"]);
    assert!(code == 1 && said.contains("recorded"), "it is let through, and fails again: {said}");
    let (code, said) = world.says(&["rollout", "promote", "staging"]);
    assert!(code == 1 && said.contains("only a release that waits"), "{said}");
    assert!(daemon.terminate().success());
    // Without a daemon there is no verdict.
    std::fs::write(&file, good.replace("memorySize: 128", "memorySize: 256")).unwrap();
    let (code, said) = world.says(&["apply", "-f", &file, "--wait", "--timeout", "2s"]);
    assert!(code == 2 && said.contains("no verdict"), "{said}");
}

#[test]
fn a_second_person_lets_a_release_through_and_everybody_sees_what_waits() {
    let world = World { aws: Aws::start(), root: tempfile::tempdir().unwrap() };
    write(world.root.path(), 128);
    for (name, bucket) in ENVIRONMENTS {
        build(world.root.path(), name, "exports.handler = async () => 1;\n");
        assert_eq!(world.says(&["init", "--bucket", bucket]).0, 0);
    }
    let production = world.file("production");
    let manifest = std::fs::read_to_string(&production).unwrap();
    let guarded = "spec:\n  approval: Required\n  promotion: { from: staging, soak: 1s }\n  aws";
    std::fs::write(&production, manifest.replacen("spec:\n  aws", guarded, 1)).unwrap();
    let (mut daemon, _) = world.aws.daemon();
    for name in ["staging", "production"] {
        let (code, said) = world.says(&["apply", "-f", &world.file(name), "--wait"]);
        assert_eq!(code, 0, "the first release of {name} waits for nobody: {said}");
    }
    build(world.root.path(), "staging", "exports.handler = async () => 2;\n");
    let staging = world.file("staging");
    assert_eq!(world.says(&["apply", "-f", &staging, "--wait"]).0, 0);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let verify = ["promote", "staging", "--to", "production", "--verify"];
    let (code, said) = world.says(&verify);
    assert!(code == 0 && said.contains("1 objects would change"), "{said}");
    let (code, said) = world.says(&["promote", "staging", "--to", "production", "--author", "ada"]);
    assert!(code == 0 && said.contains("production release 2 waits for an approval"), "{said}");
    for verb in [&["get", "production"][..], &["rollout", "status", "production"]] {
        let (_, said) = world.says(verb);
        assert!(said.contains("release 2 waits for an approval"), "{verb:?}: {said}");
    }
    let (code, said) = world.says(&["describe", "production", "release/2"]);
    assert!(code == 0 && said.contains("Promoted from:") && said.contains("changed"), "{said}");
    let (code, said) = world.says(&["approve", "production", "2", "--author", "Ada"]);
    assert!(code == 1 && said.contains("somebody else has to approve it"), "{said}");
    let grace = ["approve", "production", "2", "--author", "grace", "-m", "looked at it", "--wait"];
    let (code, said) = world.says(&grace);
    assert!(code == 0 && said.contains("production release 2: Succeeded"), "{said}");
    let (_, said) = world.says(&["describe", "production/release/2"]);
    assert!(said.contains("grace: looked at it"), "{said}");
    // Releases that go round would bring back older ones.
    let manifest = std::fs::read_to_string(&staging).unwrap();
    let circle =
        manifest.replacen("spec:\n  aws", "spec:\n  promotion: { from: production }\n  aws", 1);
    std::fs::write(&staging, &circle).unwrap();
    let (code, said) = world.says(&["apply", "-f", &staging]);
    let round = "releases would go round: staging <- production <- staging";
    assert!(code == 1 && circle != manifest && said.contains(round), "{said}");
    std::fs::write(&staging, manifest).unwrap();
    // Nothing moves where the object is not: a pipeline must not take that for done.
    let nowhere = ["promote", "staging", "--to", "production", "--only", "Function/nowhere"];
    let (code, said) = world.says(&nowhere);
    assert!(code == 1 && said.contains("has no Function/nowhere"), "{said}");
    let (code, said) = world.says(&["rollout", "status", "production", "77"]);
    assert!(code == 1 && said.contains("77"), "there never was such a release: {said}");
    // From elsewhere nothing is taken.
    let (code, said) = world.says(&["promote", "production", "--to", "staging"]);
    assert_eq!(code, 0, "staging does not say where from: {said}");
    assert!(daemon.terminate().success());
}
