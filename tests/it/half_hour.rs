//! What somebody sees in a first half hour with trueup, mistakes included, and how each verb ends.

use std::fs;

use crate::binary::{Aws, SHOP, settings, write_shop};

#[test]
fn a_first_half_hour_reads_like_its_transcript() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let file = manifest.to_str().unwrap();
    let with = |changes: &[(&str, &str)]| {
        let edited = changes.iter().fold(SHOP.to_owned(), |yaml, (from, to)| {
            assert!(yaml.contains(from), "{from}");
            yaml.replace(from, to)
        });
        fs::write(&manifest, edited).unwrap();
    };
    let mut said = String::new();
    let mut say = |arguments: &[&str]| said.push_str(&(aws.transcript(arguments) + "\n"));
    say(&["new", "bucket", "assets", "-n", "shop"]);
    with(&[
        ("memorySize: 256", "memorySize: 256MB"),
        ("partitionKey:", "hashKey:"),
        ("\"123456789012\"", "123456789012"),
    ]);
    say(&["validate", "-f", file]);
    say(&["explain", "Function.memorySize"]);
    with(&[]);
    say(&["validate", "-f", file]);
    say(&["init", "--bucket", "shop-artifacts"]);
    say(&["apply", "-f", file]);
    let (mut daemon, _) = aws.daemon();
    say(&["wait", "shop", "--timeout", "100s"]);
    say(&["get", "shop", "functions"]);
    say(&["describe", "shop", "fn/nope"]);
    with(&[("memorySize: 256", "memorySize: 512")]);
    say(&["diff", "-f", file]);
    say(&["diff", "-f", file, "-o", "markdown"]);
    say(&["diff", "-f", file, "-o", "json"]);
    say(&["apply", "-f", file]);
    say(&["wait", "shop", "Function/api", "--timeout", "100s"]);
    say(&["rollback", "shop"]);
    say(&["wait", "shop", "Function/api", "--timeout", "100s"]);
    say(&["apply", "-f", file]);
    say(&["get", "shop"]);
    say(&["resume", "shop"]);
    say(&["apply", "-f", file]);
    say(&["wait", "shop", "Function/api", "--timeout", "100s"]);
    say(&["delete", "shop", "Table/orders"]);
    assert!(daemon.terminate().success());
    settings().bind(|| insta::assert_snapshot!(said));
}

/// docs/verbs.md has the table.
#[test]
fn every_verb_ends_with_a_documented_code() {
    let aws = Aws::start();
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let file = manifest.to_str().unwrap();
    // A secret that is not there.
    let stuck = manifest.with_file_name("stuck.yaml");
    let key = "    - { name: KEY, valueFrom: { secretsManager: { secretId: nope } } }\n";
    std::fs::write(&stuck, format!("{SHOP}{key}")).unwrap();
    let stuck = stuck.to_str().unwrap();
    let code = |arguments: &[&str]| aws.trueup(arguments).status.code();
    let help = String::from_utf8(aws.trueup(&["help"]).stdout).unwrap();
    let (_, verbs) = help.split_once("Commands:\n").unwrap();
    let verbs = verbs.lines().take_while(|line| line.starts_with("  "));
    let verbs: Vec<_> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        assert_eq!(code(&[verb, "--no-such-flag"]), Some(2), "{verb}");
        assert_eq!(code(&[verb, "--help"]), Some(0), "{verb}");
    }
    let before_init: [(&[&str], i32); 4] =
        [(&["get"], 1), (&["diff", "-f", file], 2), (&["apply", "-f", file], 1), (&["doctor"], 1)];
    for (arguments, expected) in before_init {
        assert_eq!(code(arguments), Some(expected), "before init: {arguments:?}");
    }
    let cases: [(&[&str], i32); 33] = [
        (&["init", "--bucket", "shop-artifacts"], 0),
        (&["validate", "-f", file], 0),
        (&["validate", "-f", "no-such-file.yaml"], 1),
        (&["validate"], 2),
        (&["schema", "Function"], 0),
        (&["new", "table", "orders"], 0),
        (&["new", "queue", "orders"], 2),
        (&["explain", "Function"], 0),
        (&["explain", "Function.nope"], 1),
        (&["completion", "bash"], 0),
        (&["diff", "-f", file], 1),
        (&["apply", "-f", file, "--dry-run"], 0),
        (&["apply", "-f", stuck, "--dry-run"], 1),
        (&["apply", "-f", file], 0),
        (&["get"], 0),
        (&["get", "shop"], 0),
        (&["get", "nowhere"], 1),
        (&["get", "shop", "Function/nope"], 1),
        (&["describe", "shop", "Function/api"], 0),
        (&["describe", "shop", "Function/nope"], 1),
        (&["events", "nowhere"], 1),
        (&["events", "shop", "Function/nope"], 1),
        (&["events", "shop", "Function/api", "-o", "wide"], 0),
        (&["history", "shop"], 0),
        (&["history", "nowhere"], 1),
        (&["rollback", "shop"], 1),
        (&["reconcile", "shop"], 0),
        (&["reconcile", "shop", "Function/nope"], 1),
        (&["wait", "shop", "--timeout", "1s"], 1),
        (&["suspend", "shop"], 0),
        (&["resume", "shop"], 0),
        (&["delete", "shop", "Table/orders"], 1),
        (&["diff", "nowhere"], 2),
    ];
    for (arguments, expected) in cases {
        assert_eq!(code(arguments), Some(expected), "{arguments:?}");
    }
}
