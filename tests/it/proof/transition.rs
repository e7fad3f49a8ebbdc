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

async fn transitions_of(proof: &Proof) -> usize {
    assert!(proof.variants.len() >= 12, "{}", proof.kind);
    let mut references = Vec::new();
    for variant in 0..proof.variants.len() {
        references.push(fresh(proof, variant).await);
    }
    let mut walked = 0;
    for home in 0..references.len() {
        // There and back, in a world of its own: what a store remembers slows it down.
        let mut harness = world().await;
        apply(&harness, proof, home).await;
        harness.start().await;
        harness.settle().await;
        for away in home + 1..references.len() {
            for (from, to) in [(home, away), (away, home)] {
                let what = format!(
                    "{} {} -> {}",
                    proof.kind, proof.variants[from].0, proof.variants[to].0
                );
                arrives(&harness, proof, to, &references[to], &what).await;
                walked += 1;
            }
        }
    }
    walked
}

async fn arrives(harness: &Harness, proof: &Proof, to: usize, reference: &Live, what: &str) {
    apply(harness, proof, to).await;
    harness.settle().await;
    harness.sandbox.calls().clear();
    tokio::time::sleep(INTERVAL * (QUIET_PASSES + 1)).await;
    // Versions that nothing points to any more go, but for the newest, at most once an hour.
    let is_old_version = |write: &String| {
        let version = write.strip_prefix("lambda:DeleteFunction proof-it:");
        version.is_some_and(|version| version.parse::<u64>().is_ok())
    };
    let mut writes = harness.mutations();
    writes.retain(|write| !is_old_version(write));
    assert_eq!(writes, [""; 0], "{what}: not quiet");
    if let Some(difference) = difference(reference, &harness.live().await) {
        panic!("{what}:\n{difference}");
    }
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
