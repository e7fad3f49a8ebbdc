//! Edits between two observations: v1 -> v2 -> v3 and delete -> recreate end as if straight to the last.

use serde_json::{Value, json};

use super::figure;
use super::live::{Live, difference};
use super::specs::{Proof, proof, with};
use super::world::{environment, object, set, world};
use crate::harness::{DAEMON, Harness};

/// Where the daemon is while somebody edits.
#[derive(Clone, Copy, Debug)]
enum Daemon {
    /// Down: the next one sees the last release only.
    Away,
    /// Up, between two observations of the heads: its memory has the first release.
    Running,
}

/// Applies releases one after another with no observation in between, over the first one.
async fn through(proof: &Proof, daemon: Daemon, releases: &[Option<usize>]) -> (Live, Vec<String>) {
    let mut harness = world().await;
    apply(&harness, proof, releases[0]).await;
    harness.start().await;
    harness.settle().await;
    if let Daemon::Away = daemon {
        harness.stop().await;
    }
    harness.sandbox.calls().clear();
    let begun = tokio::time::Instant::now();
    for release in &releases[1..] {
        apply(&harness, proof, *release).await;
    }
    assert!(begun.elapsed() < harness.watch_every, "the daemon may have observed in between");
    match daemon {
        Daemon::Away => harness.start().await,
        // What was ready before may still be said to be.
        Daemon::Running => tokio::time::sleep(harness.watch_every * 2).await,
    }
    harness.settle().await;
    let calls = harness.sandbox.calls().mutations(crate::harness::TABLE);
    let ours = calls
        .iter()
        .filter(|c| c.caller == DAEMON)
        .map(|c| format!("{} {}", c.action(), c.resource));
    (harness.live().await, ours.collect())
}

async fn apply(harness: &Harness, proof: &Proof, variant: Option<usize>) {
    let delete = json!({"deletionPolicy": "Delete"});
    let objects: Vec<Value> = variant
        .iter()
        .map(|v| object(proof.kind, "it", &with(&proof.variants[*v].1, &delete)))
        .collect();
    harness.apply_set(set(environment(json!({})), &objects)).await;
}

async fn as_if_straight(kind: &str) -> usize {
    let proof = proof(kind);
    let mut histories = 0;
    for last in 0..proof.variants.len() {
        let between = (last + 1) % proof.variants.len();
        // Back to where it was: as if nobody had edited anything.
        let straight = if last == 0 { vec![Some(0)] } else { vec![Some(0), Some(last)] };
        let straight = through(&proof, Daemon::Away, &straight).await;
        for between in [Some(between), None] {
            for daemon in [Daemon::Away, Daemon::Running] {
                let history = [Some(0), between, Some(last)];
                let (live, calls) = through(&proof, daemon, &history).await;
                let what = format!("{kind} {history:?}, the daemon {daemon:?}");
                if let Some(difference) = difference(&straight.0, &live) {
                    panic!("{what}:\n{difference}");
                }
                assert_eq!(calls, straight.1, "{what}: the same writes as straight to the last");
                histories += 1;
            }
        }
    }
    histories
}

macro_rules! for_every_kind {
    ($($test:ident $kind:literal)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            let histories = as_if_straight($kind).await;
            figure("unobserved edits", &format!("{}: {histories} histories end as if straight to the last", $kind));
        }
    )* };
}

for_every_kind! {
    a_function_edited_unseen_ends_as_if_straight_to_the_last "Function"
    a_table_edited_unseen_ends_as_if_straight_to_the_last "Table"
    a_bucket_edited_unseen_ends_as_if_straight_to_the_last "Bucket"
    a_frontend_edited_unseen_ends_as_if_straight_to_the_last "Frontend"
}
