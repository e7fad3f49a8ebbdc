//! Bad manifests: a corpus of hand-made ones and mutations of good ones. Never a panic, always a place and
//! a reason, and nothing stored.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use trueup::manifest::{Scope, Source, Sources, load};

use super::figure;
use super::served::Served;

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/bad");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_bad_manifest_is_refused_with_a_place_and_a_reason_and_nothing_is_stored() {
    let files = corpus();
    assert!(files.len() >= 60, "{} files", files.len());
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    aws.sandbox.calls().clear();
    let mut wrong = Vec::new();
    for file in &files {
        let output = aws.trueup(&["apply", "-f", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        let name = file.file_name().unwrap().to_str().unwrap();
        // As `--> tests/corpus/bad/01-name.yaml:3:5`.
        let has_place = said.lines().any(|line| {
            let place = line.split_once(&format!("{name}:")).map_or("", |(_, rest)| rest.trim());
            let mut numbers = place.split(':').map(|n| n.parse::<u32>().is_ok());
            numbers.next() == Some(true) && numbers.next() == Some(true)
        });
        let has_reason =
            said.lines().any(|l| l.strip_prefix("error: ").is_some_and(|r| r.len() > 10));
        if output.status.code() != Some(2) && output.status.code() != Some(1)
            || !has_place
            || !has_reason
        {
            wrong.push(format!("{name}: {:?}\n{said}", output.status.code()));
        }
        if said.contains("panicked") {
            wrong.push(format!("{name}: a panic\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    let written: Vec<_> = aws.sandbox.calls().all().into_iter().filter(|c| c.mutates).collect();
    assert_eq!(written, []);
    figure(
        "bad input",
        &format!("{} bad manifests refused with place and reason, nothing stored", files.len()),
    );
}

/// One way to spoil a text.
#[derive(Clone, Debug)]
enum Spoil {
    Cut(usize, usize),
    Insert(usize, String),
    SwapLines(usize, usize),
    Repeat(usize),
    Indent(usize, usize),
}

fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let scrap = prop_oneof![
        "[ -~]{1,8}",
        Just("\t".to_owned()),
        Just("\n---\n".to_owned()),
        Just("{{".to_owned()),
        Just("*a &a".to_owned()),
        Just("\u{0}".to_owned()),
        Just("ü\u{202e}".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("[[[[[[[[[[".to_owned()),
        Just("<<: *x".to_owned()),
        Just("null".to_owned()),
        Just("!Ref ".to_owned()),
    ];
    let one = prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (any::<usize>(), scrap).prop_map(|(at, text)| Spoil::Insert(at, text)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Spoil::SwapLines(a, b)),
        any::<usize>().prop_map(Spoil::Repeat),
        (any::<usize>(), 0..9_usize).prop_map(|(line, spaces)| Spoil::Indent(line, spaces)),
    ];
    prop::collection::vec(one, 1..5)
}

fn spoiled(text: &str, spoils: &[Spoil]) -> String {
    let mut text = text.to_owned();
    for spoil in spoils {
        let at = |at: usize, text: &str| {
            let wanted = at % (text.len() + 1);
            (0..=wanted).rev().find(|i| text.is_char_boundary(*i)).unwrap()
        };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let count = lines.len().max(1);
        match spoil {
            Spoil::Cut(begin, length) => {
                let begin = at(*begin, &text);
                let end = at((begin + length).min(text.len()), &text).max(begin);
                text.replace_range(begin..end, "");
                continue;
            }
            Spoil::Insert(place, scrap) => {
                text.insert_str(at(*place, &text), scrap);
                continue;
            }
            _ if lines.is_empty() => continue,
            Spoil::SwapLines(a, b) => lines.swap(a % count, b % count),
            Spoil::Repeat(line) => {
                let line = line % count;
                lines.insert(line, lines[line].clone());
            }
            Spoil::Indent(line, spaces) => {
                let line = line % count;
                lines[line] = format!("{}{}", " ".repeat(*spaces), lines[line].trim_start());
            }
        }
        text = lines.join("\n");
    }
    text
}

#[test]
fn spoiled_manifests_never_panic_and_always_say_where_and_why() {
    let mut good: Vec<String> = Vec::new();
    for file in ["api", "assets", "environment", "tables", "web"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("manifests/production/{file}.yaml"));
        good.push(std::fs::read_to_string(path).unwrap());
    }
    let good = good.join("\n---\n");
    let cases = std::env::var("PROOF_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(3000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, dice);
    let refused = std::cell::Cell::new(0);
    let checked = runner.run(&spoils(), |spoils| {
        let text = spoiled(&good, &spoils);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/production");
        let source = Source { name: "spoiled.yaml".to_owned(), text, directory };
        let result = load(Sources(vec![source]), None, Scope::Whole);
        if let Err(problems) = result.and_then(|set| set.check_with(&[]).map(|()| set)) {
            refused.set(refused.get() + 1);
            prop_assert!(!problems.problems.is_empty());
            for problem in &problems.problems {
                prop_assert!(problem.title.len() > 5, "no reason: {problem:?}");
            }
            let shown = problems.render(false);
            prop_assert!(shown.contains("--> spoiled.yaml:"), "no place: {shown}");
        }
        Ok(())
    });
    checked.unwrap();
    figure("bad input", &format!("{cases} spoiled manifests, {} refused, no panic", refused.get()));
}
