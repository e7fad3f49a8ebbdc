//! Every ordered pair of at least twelve manifests a kind: the state after i -> j equals a fresh j, going
//! back equals i, and then nothing is written any more.

use std::time::Duration;

use serde_json::json;

use super::figure;
use super::live::{Live, difference};
use super::specs::{Proof, proof};
use super::world::{environment, object, set, world};
use crate::harness::Harness;

/// Passes that have to be quiet after each transition.
const QUIET_PASSES: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(10);

async fn apply(harness: &Harness, proof: &Proof, variant: usize) {
    let objects = [object(proof.kind, "it", &proof.variants[variant].1)];
    harness.apply_set(set(environment(json!({"reconcile": {"interval": "10s"}})), &objects)).await;
}

async fn fresh(proof: &Proof, variant: usize) -> Live {
    let mut harness = world().await;
    apply(&harness, proof, variant).await;
    harness.start().await;
    harness.settle().await;
    harness.live().await
}

/// The order in which every ordered pair is walked, each there and back.
fn walk(count: usize) -> Vec<usize> {
    let mut walk = vec![0];
    for home in 0..count {
        for away in home + 1..count {
            walk.extend([away, home]);
        }
        walk.extend((home + 1 < count).then_some(home + 1));
    }
    walk
}

async fn transitions_of(proof: &Proof) -> usize {
    assert!(proof.variants.len() >= 12, "{}", proof.kind);
    let mut references = Vec::new();
    for variant in 0..proof.variants.len() {
        references.push(fresh(proof, variant).await);
    }
    let mut harness = world().await;
    let walk = walk(proof.variants.len());
    apply(&harness, proof, walk[0]).await;
    harness.start().await;
    harness.settle().await;
    for pair in walk.windows(2) {
        let (from, to) = (proof.variants[pair[0]].0, proof.variants[pair[1]].0);
        apply(&harness, proof, pair[1]).await;
        harness.settle().await;
        harness.sandbox.calls().clear();
        tokio::time::sleep(INTERVAL * (QUIET_PASSES + 1)).await;
        assert_eq!(harness.mutations(), [""; 0], "{} {from} -> {to}: not quiet", proof.kind);
        let difference = difference(&references[pair[1]], &harness.live().await);
        assert!(difference.is_none(), "{} {from} -> {to}:\n{}", proof.kind, difference.unwrap());
    }
    walk.len() - 1
}

macro_rules! for_every_kind {
    ($($kind:ident $name:literal)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $kind() {
            let walked = transitions_of(&proof($name)).await;
            let variants = proof($name).variants.len();
            figure("transition matrix", &format!("{}: {variants} manifests, {walked} transitions", $name));
        }
    )* };
}

for_every_kind! {
    a_function_ends_as_if_made_fresh_whatever_it_was_before "Function"
    a_table_ends_as_if_made_fresh_whatever_it_was_before "Table"
    a_bucket_ends_as_if_made_fresh_whatever_it_was_before "Bucket"
    a_frontend_ends_as_if_made_fresh_whatever_it_was_before "Frontend"
}
