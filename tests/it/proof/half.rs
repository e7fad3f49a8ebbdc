//! Facets that a manifest declares in part: AWS takes most of them as a whole, and what the manifest leaves
//! out stays as it was.

use serde_json::{Value, json};

use super::figure;
use super::live::difference;
use super::specs::{Proof, proofs, with};
use super::world::{documents, environment, object, set, world};
use crate::harness::{Harness, try_parse};

/// One field of a facet, declared without the others.
struct Half {
    what: String,
    /// The facet as a whole.
    before: Value,
    /// One field of it, with another value.
    half: Value,
    /// The whole with that value.
    expected: Value,
}

/// Pointers to the facets of a spec, and to the objects within them.
fn facets(spec: &Value, at: &str, out: &mut Vec<String>) {
    for (field, value) in spec.as_object().into_iter().flatten() {
        let pointer = format!("{at}/{field}");
        facets(value, &pointer, out);
        if value.as_object().is_some_and(|fields| fields.len() > 1) {
            out.push(pointer);
        }
    }
}

fn is_valid(proof: &Proof, spec: &Value) -> bool {
    let it = object(proof.kind, "it", spec);
    try_parse(&documents(&environment(json!({})), &[it])).is_ok()
}

fn halves(proof: &Proof) -> Vec<Half> {
    let mut pointers = Vec::new();
    facets(&proof.full, "", &mut pointers);
    // A policy is a document, and a reference one value: declared as wholes.
    let is_document = |pointer: &String| {
        ["/policy", "/resourcePolicy"].iter().any(|document| pointer.starts_with(document))
    };
    pointers.retain(|pointer| !is_document(pointer) && !pointer.contains("From/"));
    let mut out = Vec::new();
    for pointer in pointers {
        let top = pointer.split('/').nth(1).unwrap();
        for field in proof.full.pointer(&pointer).unwrap().as_object().unwrap().keys() {
            let wanted = &proof.full.pointer(&pointer).unwrap()[field];
            let other = proof.variants.iter().find(|(_, variant)| {
                let value = variant.pointer(&pointer).and_then(|facet| facet.get(field));
                value.is_some_and(|value| value != wanted)
            });
            let Some((_, variant)) = other else { continue };
            // Alone, and beside everything else.
            for (beside, base) in [("alone", &proof.bare), ("in full", &proof.full)] {
                let before = with(base, &json!({top: variant[top]}));
                let (mut half, mut expected) = (before.clone(), before.clone());
                *half.pointer_mut(&pointer).unwrap() = json!({field: wanted});
                expected.pointer_mut(&pointer).unwrap()[field] = wanted.clone();
                if [&before, &half, &expected].iter().all(|spec| is_valid(proof, spec)) {
                    let what = format!("{} {pointer}/{field} {beside}", proof.kind);
                    out.push(Half { what, before, half, expected });
                }
            }
        }
    }
    out
}

async fn apply(harness: &Harness, proof: &Proof, spec: &Value) {
    harness.apply_set(set(environment(json!({})), &[object(proof.kind, "it", spec)])).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_declared_facet_leaves_out_stays_as_it_was() {
    let mut tried = 0;
    for proof in proofs() {
        let halves = halves(&proof);
        for Half { what, before, half, expected } in &halves {
            let mut whole = world().await;
            apply(&whole, &proof, expected).await;
            whole.start().await;
            whole.settle().await;
            let mut harness = world().await;
            apply(&harness, &proof, before).await;
            harness.start().await;
            harness.settle().await;
            apply(&harness, &proof, half).await;
            harness.settle().await;
            if let Some(difference) = difference(&whole.live().await, &harness.live().await) {
                panic!("{what}:\n{difference}");
            }
        }
        tried += halves.len();
    }
    assert!(tried > 40, "{tried}");
    figure("half a facet", &format!("{tried} fields declared alone, the others left as they were"));
}
