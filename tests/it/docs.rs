//! docs/ says what is so: the pages that can be generated are, and the others are held against the code.
//!
//! `UPDATE_DOCS=1 cargo test docs` writes the generated page anew.

use std::fmt::Write;
use std::path::PathBuf;

use trueup::manifest::{Field, fields, json_schema, kind_names};

use trueup::engine::release::{Confirmed, Refused, check_removals};
use trueup::model::{ConditionStatus, Object, ObjectId};

use crate::harness::{ARTIFACTS, Harness, parse, shop};

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn row(field: &Field) -> String {
    let path = field.path.trim_start_matches("spec.");
    let needed = if field.is_required { ", required" } else { "" };
    let (description, limits) = (cell(&field.description), cell(&field.limits.join("; ")));
    let gap = if description.is_empty() || limits.is_empty() { "" } else { " " };
    let limits = if limits.is_empty() { limits } else { format!("({limits})") };
    format!("| `{path}` | {}{needed} | {description}{gap}{limits} |\n", field.kind)
}

fn manifests() -> String {
    let mut text = String::from(
        "# Manifests, kind by kind\n\n\
         This page is generated from the schema that manifests are checked against; a test holds it up to date. \
         `trueup explain Function.memorySize` says the same on the command line, and `trueup schema` prints the \
         schemas for editors. The paths begin below `spec`; `[]` is an element of a list.\n",
    );
    for kind in kind_names() {
        let description = json_schema(kind).unwrap()["description"].as_str().unwrap_or_default();
        write!(text, "\n## {kind}\n\n").unwrap();
        if !description.is_empty() {
            write!(text, "{}\n\n", description.replace('\n', " ")).unwrap();
        }
        text.push_str("| field | type | what it is |\n|---|---|---|\n");
        fields(kind).iter().for_each(|field| text.push_str(&row(field)));
    }
    text
}

#[test]
fn every_field_of_every_kind_is_documented() {
    let (page, generated) = (page("manifests.md"), manifests());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    let first = written.lines().zip(generated.lines()).find(|(written, now)| written != now);
    assert!(
        written == generated,
        "docs/manifests.md is out of date, first at {first:?}; UPDATE_DOCS=1 cargo test docs writes it anew"
    );
}

/// Markdown files of the project that people read.
fn readable() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["", "docs"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let pages = readable();
    assert!(pages.len() > 5, "{} pages", pages.len());
    let mut broken = Vec::new();
    for (name, text) in &pages {
        let folder = root.join(name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let is_elsewhere = link.contains("://") || file.is_empty();
            if !is_elsewhere && !folder.join(file).exists() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_is_an_entrance() {
    let readme = std::fs::read_to_string(page("../README.md")).unwrap();
    assert!(readme.lines().count() <= 120, "{} lines", readme.lines().count());
}

/// An example of docs/semantics.md by its name, with the small environment around it.
fn example(name: &str) -> String {
    let page = std::fs::read_to_string(page("semantics.md")).unwrap();
    let begin = format!("```yaml\n# example: {name}\n");
    let (_, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no example {name}"));
    let (example, _) = rest.split_once("```").unwrap();
    let shop = shop();
    let (environment, _) = shop.split_once("---").unwrap();
    format!("{environment}---\n{example}").replace("shop-artifacts", ARTIFACTS)
}

/// What a bucket's sub-resource says.
async fn sub_resource(harness: &Harness, name: &str) -> String {
    harness.sandbox.ask("s3", "GET", &format!("/shop-assets?{name}"), "", "").await.1
}

async fn put(harness: &Harness, service: &str, path: &str, body: &str) {
    let (status, reply) = harness.sandbox.ask(service, "PUT", path, "", body).await;
    assert!(status < 300, "{path}: {status} {reply}");
}

/// The world after an example was applied, somebody disturbed it, and trueup observed again.
async fn after(name: &str, disturbances: &[(&str, &str, &str)]) -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.apply(&example(name)).await;
    harness.start().await;
    harness.until_ready("shop").await;
    for (service, path, body) in disturbances {
        put(&harness, service, path, body).await;
    }
    harness.observe("shop").await;
    harness.until_ready("shop").await;
    harness
}

const RULE: &str = "<LifecycleConfiguration><Rule><ID>by-hand</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
const SUSPENDED: &str =
    "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

#[tokio::test(start_paused = true)]
async fn the_examples_of_buckets_are_true() {
    let unset =
        [("s3", "/shop-assets?lifecycle", RULE), ("s3", "/shop-assets?versioning", SUSPENDED)];
    let harness = after("unset", &unset).await;
    assert!(sub_resource(&harness, "lifecycle").await.contains("by-hand"));
    assert!(sub_resource(&harness, "versioning").await.contains("Enabled"));
    let harness = after("empty", &[("s3", "/shop-assets?cors", CORS)]).await;
    assert!(sub_resource(&harness, "cors").await.contains("NoSuchCORSConfiguration"));
}

#[tokio::test(start_paused = true)]
async fn the_examples_of_functions_are_true() {
    let path = "/2015-03-31/functions/shop-api/configuration";
    let harness = after("null", &[("lambda", path, r#"{"MemorySize":512}"#)]).await;
    let function = harness.session.lambda().get_function().function_name("shop-api");
    let function = function.send().await.unwrap();
    assert_eq!(function.configuration().unwrap().memory_size(), Some(128));
    let path = "/2017-10-31/functions/shop-api/concurrency";
    let by_hand = r#"{"ReservedConcurrentExecutions":9}"#;
    for (disturbances, expected) in [(vec![], 5), (vec![("lambda", path, by_hand)], 9)] {
        let harness = after("ignore", &disturbances).await;
        let function = harness.session.lambda().get_function().function_name("shop-api");
        let reserved = function.send().await.unwrap().concurrency;
        let reserved = reserved.and_then(|c| c.reserved_concurrent_executions);
        assert_eq!(reserved, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn the_example_of_taking_over_is_true() {
    for (name, versioning) in [("adopt", true), ("unset", false)] {
        let mut harness = Harness::new().await;
        harness.session.s3().create_bucket().bucket("shop-assets").send().await.unwrap();
        put(&harness, "s3", "/shop-assets?lifecycle", RULE).await;
        harness.apply(&example(name)).await;
        harness.start().await;
        match versioning {
            true => harness.until_ready("shop").await,
            false => {
                let (reason, _) = harness.until_stalled("shop", "Bucket/assets").await;
                assert_eq!(reason, "NotOwned");
            }
        }
        assert!(sub_resource(&harness, "lifecycle").await.contains("by-hand"), "{name}");
        let is_enabled = sub_resource(&harness, "versioning").await.contains("Enabled");
        assert_eq!(is_enabled, versioning, "{name}");
        let is_ours = sub_resource(&harness, "tagging").await.contains("trueup.dev/uid");
        assert_eq!(is_ours, versioning, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_example_of_an_object_that_leaves_and_stays_is_true() {
    let harness = after("retain", &[]).await;
    let (environment, _) = shop().split_once("---").map(|(e, o)| (e.to_owned(), o.len())).unwrap();
    harness.apply(&environment).await;
    let is_forgotten = || async { harness.status("shop", "Function/api").await.is_none() };
    harness.until("it is forgotten", is_forgotten).await;
    let function = harness.session.lambda().get_function().function_name("shop-api");
    assert!(function.send().await.is_ok(), "it goes on running");
}

#[tokio::test(start_paused = true)]
async fn the_example_of_a_suspended_object_is_true() {
    let harness = after("unset", &[]).await;
    harness.apply(&example("suspend")).await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    put(&harness, "s3", "/shop-assets?versioning", SUSPENDED).await;
    harness.observe("shop").await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert!(sub_resource(&harness, "versioning").await.contains("Suspended"), "it is left alone");
    let status = harness.status("shop", "Bucket/assets").await.unwrap();
    let synced = status.conditions.get("Synced").unwrap();
    assert_eq!(synced.status, ConditionStatus::False, "and shown: {synced:?}");
}

#[test]
fn the_example_of_a_protected_environment_is_true() {
    let page = example("protected");
    let (_, protected) = page.split_once("---").unwrap();
    let objects = |yaml: &str| -> Vec<Object> { parse(yaml).objects().cloned().collect() };
    let function = example("retain");
    let (environment, function) = function.split_once("---").unwrap();
    for (environment, is_free) in [(protected, false), (environment, true)] {
        let (before, after) =
            (objects(&format!("{environment}\n---\n{function}")), objects(environment));
        let check = |confirmed: &[ObjectId]| {
            let confirmed = Confirmed { objects: confirmed, ..Confirmed::default() };
            check_removals("shop", &before, &after, confirmed)
        };
        let removed = check(&[]);
        match is_free {
            true => assert_eq!(removed.unwrap().len(), 1),
            false => {
                let is_refused =
                    matches!(removed, Err(Refused::Unconfirmed { is_protected: true, .. }));
                assert!(is_refused);
            }
        }
        assert_eq!(check(&["Function/api".parse().unwrap()]).unwrap().len(), 1, "it is confirmed");
    }
}
