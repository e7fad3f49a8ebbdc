//! The rules of the house, held by a test: imports point only to a lower floor, planning is pure,
//! services' SDKs are called only where a kind observes and applies.

use std::path::{Path, PathBuf};

/// Rooms and their floors. The sandbox stands beside the house: only `cli` may look in.
const FLOORS: [(&str, u32); 9] = [
    ("model", 0),
    ("plan", 1),
    ("aws", 2),
    ("kinds", 3),
    ("store", 4),
    ("manifest", 4),
    ("engine", 5),
    ("server", 6),
    ("cli", 7),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut out = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            out.push((entry.path().strip_prefix(&root).unwrap().to_owned(), text));
        }
    }
    assert!(out.len() > 50, "the sources are there");
    out
}

/// The code without its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[test]
fn imports_point_only_down() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let room = path.iter().next().unwrap().to_string_lossy().into_owned();
        let Some(own) = floor(&room) else { continue };
        for (i, _) in code(&text).match_indices("crate::") {
            let target: String =
                text[i + 7..].chars().take_while(|c| c.is_ascii_lowercase()).collect();
            let upward = match floor(&target) {
                Some(theirs) => theirs > own || (theirs == own && target != room),
                None => target == "sandbox" && room != "cli",
            };
            if upward {
                broken.push(format!("{} imports {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn planning_is_pure() {
    let mut impure = Vec::new();
    for (path, text) in sources() {
        let is_plan =
            path.starts_with("plan") || path.ends_with("plan.rs") || path.ends_with("compare.rs");
        for word in
            ["async fn", "async move", ".await", "aws_sdk", "tokio::", "std::fs", "Timestamp::now"]
        {
            if is_plan && code(&text).contains(word) {
                impure.push(format!("{} has {word}", path.display()));
            }
        }
    }
    assert_eq!(impure, [""; 0]);
}

#[test]
fn a_services_sdk_is_called_only_where_its_kind_observes_and_applies() {
    let mut strays = Vec::new();
    for (path, text) in sources() {
        let may = path.ends_with("observe.rs") || path.ends_with("apply.rs");
        for sdk in ["aws_sdk_lambda", "aws_sdk_amplify"] {
            let allowed = may || path.ends_with("aws/session.rs");
            if !allowed && code(&text).contains(sdk) {
                strays.push(format!("{} uses {sdk}", path.display()));
            }
        }
    }
    assert_eq!(strays, [""; 0]);
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 800)
        .collect();
    assert_eq!(long, []);
}
