//! Reads that are one to five writes behind, wherever AWS is eventually consistent: nothing is deleted or
//! made that the run without them does not delete or make.

use std::collections::BTreeSet;
use std::time::Duration;

use trueup::sandbox::{Call, Lagging};

use super::crash::dies_at;
use super::figure;
use super::live::difference;
use super::ownership::KINDS;
use super::scenario::{Scenario, of_kind, production};
use crate::harness::DAEMON;

fn lagging(writes: usize) -> Lagging {
    Lagging { writes, at_most: Duration::from_secs(8), caller: DAEMON.to_owned() }
}

async fn survives(scenario: &Scenario) -> usize {
    let mut first = scenario.begin().await;
    // Nothing is behind yet; the reads are learned.
    first.sandbox.lag().start(lagging(0));
    first.start().await;
    scenario.until_done(&first).await;
    let reference = scenario.end(&first).await;
    for writes in 1..=5 {
        let mut harness = scenario.begin().await;
        harness.sandbox.follow(first.sandbox.lag().reads()).await;
        harness.sandbox.lag().start(lagging(writes));
        harness.start().await;
        scenario.until_done(&harness).await;
        // What was believed too early would be undone now.
        tokio::time::sleep(Duration::from_secs(180)).await;
        let (what, end) =
            (format!("{}, {writes} behind", scenario.name), scenario.end(&harness).await);
        if let Some(difference) = difference(&reference.live, &end.live) {
            panic!("{what}:\n{difference}");
        }
        assert_ne!(harness.sandbox.lag().shown(), 0, "{what}: nothing was seen late");
        // What is not seen yet may be asked for once more, which AWS refuses; nothing else may.
        let more: Vec<_> =
            end.made.keys().filter(|made| !reference.made.contains_key(*made)).collect();
        assert!(more.is_empty(), "{what}: {more:?}");
    }
    5
}

/// The daemon dies right after a create. The next one, which waits for the lease of the first, does not see
/// for a while what was made.
async fn survives_a_crash(scenario: &Scenario) -> usize {
    let mut first = scenario.begin().await;
    first.sandbox.lag().start(lagging(0));
    first.start().await;
    scenario.until_done(&first).await;
    let reference = scenario.end(&first).await;
    let creates: BTreeSet<_> = first.sandbox.calls().all().iter().map(Call::action).collect();
    let creates: Vec<_> = creates.into_iter().filter(|a| a.contains(":Create")).collect();
    for create in &creates {
        let harness = scenario.begin().await;
        harness.sandbox.follow(first.sandbox.lag().reads()).await;
        let at_most = Duration::from_secs(55);
        harness.sandbox.lag().start(Lagging { at_most, ..lagging(3) });
        let died = dies_at(harness, scenario, &format!("{create}=stopafter")).await;
        let harness = died.expect("it was made in the reference run");
        assert_ne!(harness.sandbox.lag().shown(), 0, "nothing was seen late");
        tokio::time::sleep(Duration::from_secs(180)).await;
        if let Some(difference) = difference(&reference.live, &scenario.end(&harness).await.live) {
            panic!("{}, dead after {create}:\n{difference}", scenario.name);
        }
    }
    creates.len()
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_daemon_made_and_the_next_one_sees_late_is_not_made_twice() {
    let mut creates = 0;
    for kind in KINDS {
        for scenario in of_kind(kind) {
            creates += survives_a_crash(&scenario).await;
        }
    }
    figure("stale reads", &format!("{creates} creates of a dead daemon are seen late by the next"));
}

macro_rules! for_every_scenario {
    ($($test:ident $scenarios:expr;)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            for scenario in $scenarios {
                let depths = survives(&scenario).await;
                figure("stale reads", &format!("{}: {depths} depths, nothing more deleted", scenario.name));
            }
        }
    )* };
}

for_every_scenario! {
    a_function_that_is_seen_late_is_neither_made_twice_nor_deleted of_kind("Function");
    a_table_that_is_seen_late_is_neither_made_twice_nor_deleted of_kind("Table");
    a_bucket_that_is_seen_late_is_neither_made_twice_nor_deleted of_kind("Bucket");
    a_frontend_that_is_seen_late_is_neither_made_twice_nor_deleted of_kind("Frontend");
    an_environment_that_is_seen_late_is_neither_made_twice_nor_deleted [production()];
}
