//! Every managed field, changed by hand to another valid value: seen, named, repaired, and nothing else
//! touched. The fields come from the schema: one without a row, or a reason, fails.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use trueup::kinds::kind;
use trueup::model::{ConditionStatus, condition_type};

use super::figure;
use super::live::{difference, live};
use super::specs::{Proof, Row, proofs, tag_of_theirs, with};
use super::world::{ENVIRONMENT, by_hand, environment, object, set, world};
use crate::harness::Harness;

/// Virtual time in which an observation, and AWS's own work after a write, are over.
const A_WHILE: Duration = Duration::from_secs(20);

/// The fields of a schema: leaves, lists as `[]`, maps as `*`.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    walk(schema, schema, "", &mut out);
    out
}

fn walk(root: &Value, schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return walk(root, root.pointer(pointer).unwrap(), path, out);
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        if let Some(all) = schema[alternatives].as_array() {
            for one in all.iter().filter(|one| one["type"] != "null" && one["const"].is_null()) {
                walk(root, one, path, out);
            }
            if schema["properties"].is_null() {
                if all.iter().all(|one| !one["const"].is_null() || one["type"] == "null") {
                    out.insert(path.to_owned());
                }
                return;
            }
        }
    }
    let is_reference = path.ends_with("From");
    if let (Some(properties), false) = (schema["properties"].as_object(), is_reference) {
        for (name, inner) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            walk(root, inner, &format!("{path}{dot}{name}"), out);
        }
    } else if schema["items"].is_object() {
        walk(root, &schema["items"], &format!("{path}[]"), out);
    } else if schema["additionalProperties"].is_object() {
        out.insert(format!("{path}.*"));
    } else {
        out.insert(path.to_owned());
    }
}

#[test]
fn every_field_of_the_schema_has_a_row_or_a_reason() {
    let (mut rows, mut exempt) = (0, 0);
    for proof in proofs() {
        let schema = kind(proof.kind).unwrap().schema().to_value();
        let known = fields(&schema);
        let tried: BTreeSet<String> = proof.rows.iter().map(|r| r.field.to_owned()).collect();
        let excused: BTreeSet<String> = proof.exempt.iter().map(|(f, _)| (*f).to_owned()).collect();
        let missing: Vec<_> =
            known.iter().filter(|f| !tried.contains(*f) && !excused.contains(*f)).collect();
        assert!(missing.is_empty(), "{} without a row: {missing:#?}", proof.kind);
        let stale: Vec<_> = tried.union(&excused).filter(|f| !known.contains(*f)).collect();
        assert!(stale.is_empty(), "{} has no such field: {stale:#?}", proof.kind);
        rows += tried.len();
        exempt += excused.len();
    }
    figure(
        "drift matrix",
        &format!("{rows} fields of the schemas are tried, {exempt} cannot drift"),
    );
}

async fn under(harness: &Harness, policy: &str, objects: &[Value]) {
    let environment = environment(json!({"reconcile": {"interval": "1h", "drift": policy}}));
    harness.apply_set(set(environment, objects)).await;
    tokio::time::sleep(A_WHILE).await;
}

async fn a_row_is_named_and_repaired(
    harness: &Harness,
    proof: &Proof,
    row: &Row,
    objects: &[Value],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let before = live(&harness.sandbox).await;
    if !by_hand(harness, proof.kind, "it", &row.requests).await {
        return vec!["AWS refused the change".to_owned()];
    }
    let changed = live(&harness.sandbox).await;
    if before == changed {
        wrong.push("the change by hand changed nothing".to_owned());
    }
    harness.sandbox.calls().clear();
    harness.store.request_reconcile(ENVIRONMENT, None).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    let status = harness.status(ENVIRONMENT, &format!("{}/it", proof.kind)).await.unwrap();
    let synced = status.conditions.get(condition_type::SYNCED).unwrap();
    let names: Vec<_> = synced.message.split(", ").collect();
    if synced.status != ConditionStatus::False
        || synced.reason != "Drifted"
        || !names.contains(&row.named)
    {
        wrong.push(format!("Synced is {:?} {}: {}", synced.status, synced.reason, synced.message));
    }
    if !harness.mutations().is_empty() {
        wrong.push(format!("written under Report: {:?}", harness.mutations()));
    }
    under(harness, "Correct", objects).await;
    if let Some(difference) = difference(&before, &live(&harness.sandbox).await) {
        wrong.push(format!("not as before:\n{difference}"));
    }
    under(harness, "Report", objects).await;
    wrong
}

async fn drift_of(proof: &Proof) -> usize {
    let mut bases: Vec<&Value> = Vec::new();
    for row in &proof.rows {
        if !bases.contains(&&row.base) {
            bases.push(&row.base);
        }
    }
    let mut wrong = Vec::new();
    for base in bases {
        let mut harness = world().await;
        let it = object(proof.kind, "it", &with(&proof.full, base));
        let objects = [it, object(proof.kind, "neighbour", &proof.bare)];
        under(&harness, "Report", &objects).await;
        harness.start().await;
        harness.settle().await;
        assert!(by_hand(&harness, proof.kind, "it", &[tag_of_theirs(proof.kind)]).await);
        for row in proof.rows.iter().filter(|row| row.base == *base) {
            let found = a_row_is_named_and_repaired(&harness, proof, row, &objects).await;
            wrong.extend(
                found
                    .into_iter()
                    .map(|w| format!("{} {} {}: {w}", proof.kind, row.field, row.named)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    proof.rows.len()
}

/// The same changes where the fields are not declared: unset is unmanaged.
async fn undeclared_of(proof: &Proof) -> usize {
    let mut harness = world().await;
    let objects = [object(proof.kind, "it", &proof.bare)];
    let often = environment(json!({"reconcile": {"interval": "10s"}}));
    harness.apply_set(set(often, &objects)).await;
    harness.start().await;
    harness.settle().await;
    harness.sandbox.calls().clear();
    let mut effective = 0;
    for row in proof.rows.iter().filter(|row| !declared(&proof.bare, row.field)) {
        let before = live(&harness.sandbox).await;
        by_hand(&harness, proof.kind, "it", &row.requests).await;
        let changed = live(&harness.sandbox).await;
        effective += usize::from(before != changed);
        tokio::time::sleep(Duration::from_secs(12)).await;
        let after = live(&harness.sandbox).await;
        assert!(difference(&changed, &after).is_none(), "{} {}: touched", proof.kind, row.field);
    }
    assert_eq!(harness.mutations(), [""; 0], "{}", proof.kind);
    effective
}

fn declared(spec: &Value, field: &str) -> bool {
    // An artifact and a repository exclude each other, and code is declared one way or another.
    let of_either = field.starts_with("repository") || field.starts_with("code");
    let fields = field.split('.').map(|f| f.trim_end_matches("[]"));
    of_either || !fields.fold(spec, |at, field| &at[field]).is_null()
}

macro_rules! for_every_kind {
    ($($kind:ident $name:literal)*) => { $(
        mod $kind {
            #[tokio::test(start_paused = true)]
            async fn every_managed_field_that_somebody_changes_is_named_and_repaired() {
                let rows = super::drift_of(&super::super::specs::proof($name)).await;
                super::figure("drift matrix", &format!("{}: {rows} changes by hand named and repaired", $name));
            }

            #[tokio::test(start_paused = true)]
            async fn a_field_that_is_not_declared_is_left_to_whoever_changes_it() {
                let rows = super::undeclared_of(&super::super::specs::proof($name)).await;
                super::figure("drift matrix", &format!("{}: {rows} changes of undeclared fields left alone", $name));
            }
        }
    )* };
}

for_every_kind! { function "Function" table "Table" bucket "Bucket" frontend "Frontend" }
