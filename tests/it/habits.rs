//! Habits that people have from other command lines, with the real binary: a pager, a screen that is drawn again,
//! labels, names from the store at Tab, and settings that a team shares.

use std::process::{Command, Output};

use crate::binary::{Aws, write_shop};

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// An AWS on which the shop was applied, without a daemon.
fn applied() -> (Aws, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let manifest = write_shop(root.path());
    let labelled = std::fs::read_to_string(&manifest).unwrap().replace(
        "metadata: { name: orders, namespace: shop }",
        "metadata: { name: orders, namespace: shop, labels: { tier: data } }",
    );
    assert!(labelled.contains("tier: data"), "the shop has a table: {labelled}");
    std::fs::write(&manifest, labelled).unwrap();
    (Aws::with(&manifest), root)
}

/// Runs a verb on a terminal of its own, which Python makes, for at most so many seconds.
fn on_a_terminal(aws: &Aws, seconds: u32, arguments: &str) -> String {
    let program = format!(
        "import pty, signal, sys\n\
         signal.alarm({seconds})\n\
         pty.spawn(['timeout', '-s', 'INT', '{seconds}', '{}'] + '{arguments}'.split())\n",
        env!("CARGO_BIN_EXE_trueup")
    );
    let mut python = aws.client("python3");
    python.args(["-c", &program]).env("TRUEUP_PAGER", "sed s/^/paged:/").env("TERM", "xterm");
    text(&python.output().unwrap())
}

/// Whether this machine has Python; CI has.
fn has_python() -> bool {
    let is_there = Command::new("python3").arg("--version").output().is_ok();
    assert!(is_there || std::env::var_os("CI").is_none(), "CI needs python3");
    is_there
}

#[test]
fn a_terminal_gets_a_pager_and_a_screen_that_is_drawn_again() {
    if !has_python() {
        return;
    }
    let (aws, _root) = applied();
    let paged = on_a_terminal(&aws, 60, "get shop");
    assert!(paged.contains("paged:ENVIRONMENT") || paged.contains("paged:NAME"), "{paged}");
    let plain = on_a_terminal(&aws, 60, "--no-pager get shop");
    assert!(!plain.contains("paged:") && plain.contains("orders"), "{plain}");
    let watched = on_a_terminal(&aws, 5, "get shop --watch");
    assert!(watched.matches("\u{1b}[H\u{1b}[J").count() >= 2, "{watched:?}");
    let piped = text(&aws.trueup(&["get", "shop"]));
    assert!(!piped.contains('\u{1b}') && !piped.contains("paged:"), "{piped:?}");
}

#[test]
fn a_person_is_warned_of_what_cannot_be_carried_out_before_it_is_recorded() {
    if !has_python() {
        return;
    }
    let (aws, root) = applied();
    // Somebody else's bucket.
    assert!(aws.trueup(&["init", "--bucket", "taken-by-others"]).status.success());
    let manifest = root.path().join("taken.yaml");
    let bucket = "apiVersion: trueup.dev/v1alpha1\nkind: Bucket\nmetadata: { name: taken, namespace: shop }\n\
                  spec: { name: taken-by-others }\n";
    std::fs::write(&manifest, bucket).unwrap();
    let said = on_a_terminal(&aws, 60, &format!("apply -f {}", manifest.display()));
    assert!(said.contains("warning: shop/Bucket/taken: NotOwned: "), "{said}");
    assert!(said.contains("recorded"), "it is recorded all the same: {said}");
}

#[test]
fn labels_choose_objects() {
    let (aws, root) = applied();
    let names = |labels: &str| text(&aws.trueup(&["get", "shop", "-o", "name", "-l", labels]));
    assert_eq!(names("tier=data"), "shop/Table/orders\n");
    assert!(!names("tier!=data").contains("orders"));
    assert!(text(&aws.trueup(&["get", "shop", "-l", "=x"])).contains("chooses by no label"));
    let manifest = root.path().join("shop.yaml");
    let diff = aws.trueup(&["diff", "-f", manifest.to_str().unwrap(), "-l", "tier=data"]);
    assert!(text(&diff).contains("Table/orders") && !text(&diff).contains("Function/api"));
}

#[test]
fn a_shell_completes_names_from_the_store() {
    let (aws, _root) = applied();
    let complete = |words: &[&str]| {
        let mut shell = aws.client(env!("CARGO_BIN_EXE_trueup"));
        let index = (words.len() - 1).to_string();
        shell.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
        shell.args(["--"]).args(words);
        text(&shell.output().unwrap())
    };
    assert!(complete(&["trueup", "describe", ""]).lines().any(|name| name == "shop"));
    assert_eq!(complete(&["trueup", "describe", "shop", "Tab"]), "Table/orders");
    assert!(complete(&["trueup", "his"]).contains("history"));
}

#[test]
fn a_file_of_the_team_sets_what_nobody_says_otherwise() {
    let (aws, root) = applied();
    let file =
        "table = \"trueup\"\nregion = \"us-east-1\"\nenvironment = \"shop\"\noutput = \"name\"\n";
    std::fs::write(root.path().join("trueup.toml"), file).unwrap();
    let here = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = aws.client(env!("CARGO_BIN_EXE_trueup"));
        command.current_dir(root.path()).env_remove("AWS_DEFAULT_REGION").args(arguments);
        text(&command.envs(variables.iter().copied()).output().unwrap())
    };
    assert!(here(&["get"], &[]).contains("shop/Table/orders\n"), "the environment and the output");
    assert!(here(&["get"], &[("TRUEUP_OUTPUT", "json")]).contains("\"items\""), "a variable");
    let wide = here(&["get", "-o", "table"], &[("TRUEUP_OUTPUT", "json")]);
    assert!(wide.contains("READY"), "a flag: {wide}");
    assert!(here(&["get", "shop", "tables"], &[]).contains("shop/Table/orders"), "in their order");
    let other = here(&["get"], &[("TRUEUP_ENVIRONMENT", "nowhere")]);
    assert!(other.contains("nowhere"), "a variable beats the file: {other}");
    assert!(here(&["get", "-A"], &[]).contains("shop/Table/orders"));
    let dry = here(&["apply", "-f", "shop.yaml"], &[("TRUEUP_DRY_RUN", "1")]);
    assert!(dry.contains("dry run: nothing was recorded"), "a variable switches a flag on: {dry}");
    let view = here(&["config", "view"], &[("TRUEUP_TABLE", "other")]);
    let line = |name: &str| view.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("table").contains("other") && line("table").contains("TRUEUP_TABLE"), "{view}");
    assert!(line("environment").contains("shop") && line("environment").contains("trueup.toml"));
    assert!(line("color").contains("the default"), "{view}");
    std::fs::write(root.path().join("trueup.toml"), "tabel = \"trueup\"\n").unwrap();
    let wrong = here(&["get"], &[]);
    assert!(wrong.contains("trueup.toml") && wrong.contains("unknown field `tabel`"), "{wrong}");
}
