//! The rules of the house, held by a test: imports point only to a lower floor, planning is pure,
//! services' SDKs are called only where a kind observes and applies.

use std::path::{Path, PathBuf};

/// Rooms and their floors. The sandbox stands beside the house: only `cli` may look in.
const FLOORS: [(&str, u32); 11] = [
    ("model", 0),
    ("plan", 1),
    ("web", 1),
    ("aws", 2),
    ("signals", 3),
    ("kinds", 4),
    ("store", 5),
    ("manifest", 5),
    ("engine", 6),
    ("server", 7),
    ("cli", 8),
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

/// The rooms that a text names after `crate::`, also in a list: `crate::{aws, model::Path}`.
fn imported(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(char::is_ascii_lowercase).collect::<String>();
    let mut out = Vec::new();
    for (i, found) in text.match_indices("crate::") {
        let rest = &text[i + found.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            out.push(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 && begins && c.is_ascii_lowercase() => out.push(word(&list[at..])),
                _ => {}
            }
            begins = c == ',' || (begins && c.is_whitespace());
            if depth == 0 {
                break;
            }
        }
    }
    out
}

#[test]
fn a_list_of_imports_is_read_to_its_end() {
    let text = "use crate::{aws, kinds::{kind, Kind}, engine};\nlet a = crate::model::Path::new();";
    assert_eq!(imported(text), ["aws", "kinds", "engine", "model"]);
}

#[test]
fn imports_point_only_down() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let room = path.iter().next().unwrap().to_string_lossy().into_owned();
        let Some(own) = floor(&room) else { continue };
        for target in imported(code(&text)) {
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
        let is_plan = ["plan", "engine/rollout"].iter().any(|room| path.starts_with(room))
            || ["plan.rs", "compare.rs", "shift.rs"].iter().any(|file| path.ends_with(file));
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

/// Where a service's SDK may be named and a session's client of it be called.
const CALLERS: [(&str, &[&str]); 9] = [
    (
        "lambda",
        &[
            "kinds/function/observe.rs",
            "kinds/function/apply.rs",
            "kinds/function/concurrency.rs",
            "kinds/function/configuration.rs",
            "kinds/function/facets.rs",
            "kinds/function/statements.rs",
            "kinds/function/url.rs",
            "kinds/function/versions.rs",
            // A probe of a version, and a hook.
            "signals/call.rs",
        ],
    ),
    (
        "applicationautoscaling",
        &["kinds/scaling/apply.rs", "kinds/scaling/mod.rs", "kinds/scaling/observe.rs"],
    ),
    ("cloudwatch", &["signals/alarms.rs", "signals/traffic.rs"]),
    (
        "amplify",
        &[
            "kinds/frontend/observe.rs",
            "kinds/frontend/apply.rs",
            "kinds/frontend/app.rs",
            "kinds/frontend/branch.rs",
            "kinds/frontend/domain.rs",
            "kinds/frontend/job.rs",
        ],
    ),
    (
        "dynamodb",
        &[
            "kinds/table/observe.rs",
            "kinds/table/apply.rs",
            "kinds/table/facets.rs",
            "kinds/table/backups.rs",
            "kinds/table/exports.rs",
            "kinds/table/resource_policy.rs",
            "kinds/table/settings.rs",
            "store/",
        ],
    ),
    (
        "s3",
        &[
            "kinds/bucket/observe.rs",
            "kinds/bucket/apply.rs",
            "kinds/bucket/facets/",
            // A deployment is given a presigned address of its artifact.
            "kinds/frontend/job.rs",
            "engine/release/needs.rs",
            "cli/init.rs",
            "engine/release/packages.rs",
            "engine/recovery/vault.rs",
            "engine/recovery/contents.rs",
            "engine/recovery/large.rs",
        ],
    ),
    ("secretsmanager", &["engine/secrets.rs", "cli/sandbox.rs"]),
    ("ssm", &["engine/secrets.rs", "cli/sandbox.rs"]),
    ("sts", &[]),
];

#[test]
fn a_services_sdk_is_called_only_where_its_kind_observes_and_applies() {
    let mut strays = Vec::new();
    for (path, text) in sources() {
        let path = path.to_string_lossy().into_owned();
        for (service, callers) in CALLERS {
            let allowed = path == "aws/session.rs" || callers.iter().any(|c| path.starts_with(c));
            let names = [format!("aws_sdk_{service}"), format!(".{service}()")];
            if !allowed && names.iter().any(|name| code(&text).contains(name.as_str())) {
                strays.push(format!("{path} uses {service}"));
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
