//! Environments that are built again from nothing, by an operator and a daemon that are killed again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use trueup::engine::recovery::{Wish, prepare};

use super::seeds::{every_seed, part_of, seeds};
use crate::harness::ARTIFACTS;
use crate::recovery::{
    Shop, backed_up, items, lose_everything, objects, put_item, sessions, shop_of, state, vault,
};

/// Kills of one world: after them it may end.
const KILLS_MAX: u32 = 8;
/// The first calls are made within this time; then AWS restores for twenty minutes.
const EARLY: Duration = Duration::from_secs(4);
const LATE: Duration = Duration::from_secs(23 * 60);

/// What came of one world.
struct Ended {
    kills: u32,
    daemons_killed: u32,
}

async fn world(seed: u64) -> Ended {
    let mut rng = StdRng::seed_from_u64(seed);
    let shop = Shop { latency: Duration::from_millis(20), watch_every: Duration::from_secs(5) };
    let mut harness = shop_of(&shop).await;
    let backup = backed_up(&harness).await;
    let before = state(&harness).await;
    let assets = objects(&harness, "production-assets").await;
    let artifacts = objects(&harness, ARTIFACTS).await;
    put_item(&harness, "production-orders", "after the backup").await;
    harness.kill();
    lose_everything(&harness).await;
    let lost_at = harness.sandbox.calls().all().len();
    harness.start_seeded(seed).await;
    let mut ended = Ended { kills: 0, daemons_killed: 0 };
    loop {
        // Each is a process of its own: nothing is remembered from the one before.
        let sessions = sessions(&harness).await;
        let store = harness.store.clone();
        let vault = vault(&harness, "production").await;
        let work = async {
            let prepared = prepare(&sessions, vault, &backup.id, &Wish::default()).await.unwrap();
            prepared.carry_out(&store, &sessions, "sre", &|_| {}).await.unwrap()
        };
        let longest = if rng.random_bool(0.7) { EARLY } else { LATE };
        let lives_for = match ended.kills < KILLS_MAX {
            true => longest.mul_f64(rng.random()),
            false => LATE * 4,
        };
        tokio::select! {
            _ = work => break,
            () = tokio::time::sleep(lives_for) => ended.kills += 1,
        }
        if rng.random_bool(0.4) {
            harness.kill();
            harness.start_seeded(rng.random()).await;
            ended.daemons_killed += 1;
        }
    }
    assert_eq!(items(&harness, "production-orders").await, ["o1", "o2", "o3"], "seed {seed}");
    assert_eq!(items(&harness, "production-carts").await, ["c1"], "seed {seed}");
    assert_eq!(objects(&harness, "production-assets").await, assets, "seed {seed}");
    assert_eq!(objects(&harness, ARTIFACTS).await, artifacts, "seed {seed}");
    assert_eq!(state(&harness).await, before, "seed {seed}");
    assert!(harness.store.data_sources("production").await.unwrap().is_empty(), "seed {seed}");
    harness.until_ready("production").await;
    let calls = harness.sandbox.calls().all().split_off(lost_at);
    let of = |operation: &str| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.map(|call| call.resource.clone()).collect::<Vec<_>>()
    };
    assert!(!of("CreateTable").iter().any(|table| table.starts_with("production")), "never empty");
    let listed = harness.session.dynamodb().list_tables().send().await.unwrap();
    let tables: BTreeSet<_> = listed.table_names().iter().map(String::as_str).collect();
    assert_eq!(tables, BTreeSet::from(["production-carts", "production-orders", "trueup"]));
    let functions = harness.session.lambda().list_functions().send().await.unwrap();
    assert_eq!(functions.functions().len(), 1, "seed {seed}");
    ended
}

#[test]
fn an_environment_comes_back_whoever_is_killed_while_it_is_built() {
    let seeds = seeds(part_of(60));
    let (ended, took) = every_seed(&seeds, world);
    let kills: u32 = ended.iter().map(|ended| ended.kills).sum();
    let daemons: u32 = ended.iter().map(|ended| ended.daemons_killed).sum();
    println!(
        "{} environments rebuilt from nothing, operators killed: {kills}, daemons killed: {daemons}: data, packages \
         and releases byte-equal, no empty table, no orphan ({took:.1?})",
        seeds.len()
    );
    assert!(kills as usize >= seeds.len(), "{kills} kills");
}
