//! Three daemons in one world: started, stopped, killed, paused at calls, cut off from the store, with clocks that
//! are apart, while people apply and change things by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use trueup::engine::Config;
use trueup::sandbox::Fault;

use super::figure;
use super::live::{Live, difference, live, rest};
use super::seeds::{every_seed, in_virtual_time, part_of, seeds};
use crate::harness::{Harness, Replica, shop, statuses};

const ENVIRONMENTS: [&str; 4] = ["one", "two", "three", "four"];
const REPLICAS: usize = 3;
/// A lease, what it takes to notice, and a look at everything.
const LONG: Duration = Duration::from_secs(120);

fn manifests(environment: &str, memory_mib: u32) -> String {
    shop()
        .replace("namespace: shop", &format!("namespace: {environment}"))
        .replace("metadata: { name: shop }", &format!("metadata: {{ name: {environment} }}"))
        .replace("memorySize: 512", &format!("memorySize: {memory_mib}"))
        .replace("rollout: {", "reconcile: { interval: 20s }\n  rollout: {")
}

async fn world() -> Harness {
    let harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness
}

/// What the world comes to with one daemon that nobody disturbs.
async fn undisturbed() -> Live {
    let mut harness = world().await;
    for name in ENVIRONMENTS {
        harness.apply(&manifests(name, 1024)).await;
    }
    harness.start().await;
    for name in ENVIRONMENTS {
        harness.until_ready(name).await;
    }
    live(&harness.sandbox).await
}

/// A place for a daemon: who signs its calls, and which daemon runs there.
struct Place {
    caller: String,
    replica: Option<Replica>,
}

struct Crowd {
    harness: Harness,
    dice: StdRng,
    places: Vec<Place>,
    started: u64,
    /// Epochs of leases and of statuses, as they were seen last.
    epochs: BTreeMap<String, u64>,
    story: Vec<String>,
}

impl Crowd {
    async fn new(seed: u64) -> Self {
        let place = |i| Place { caller: format!("place-{i}"), replica: None };
        Self {
            harness: world().await,
            dice: StdRng::seed_from_u64(seed),
            places: (0..REPLICAS).map(place).collect(),
            started: 0,
            epochs: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    fn start(&mut self, place: usize) {
        self.started += 1;
        let config = Config::new(format!("daemon-{}", self.started), self.dice.random());
        let ahead = SignedDuration::from_secs(self.dice.random_range(-600..=600));
        let caller = self.places[place].caller.clone();
        self.places[place].replica = Some(self.harness.replica(config, &caller, ahead));
    }

    async fn step(&mut self) {
        let place = self.dice.random_range(0..REPLICAS);
        let caller = self.places[place].caller.clone();
        let seconds = self.dice.random_range(1..40);
        let faults = self.harness.sandbox.faults();
        let done = match self.dice.random_range(0..8) {
            0 => {
                self.places[place].replica = None;
                "is killed"
            }
            1 => match self.places[place].replica.take() {
                Some(replica) => {
                    replica.stop().await;
                    "stops"
                }
                None => "is not there",
            },
            2 | 3 if self.places[place].replica.is_none() => {
                self.start(place);
                "starts"
            }
            2 => {
                // Its calls come to AWS, and it does not hear of them for a while.
                faults.inject_perhaps("*:*=hold".parse::<Fault>().unwrap().of(&caller));
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                faults.clear();
                faults.let_go();
                "was paused"
            }
            3 => {
                let cut = ["timeout", "500", "lost"][self.dice.random_range(0..3)];
                let fault: Fault = format!("dynamodb:*={cut}").parse().unwrap();
                faults.inject_perhaps(fault.of(&caller));
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                faults.clear();
                "did not reach the store"
            }
            4 | 5 => {
                let name = ENVIRONMENTS[self.dice.random_range(0..ENVIRONMENTS.len())];
                let memory_mib = self.dice.random_range(128..2048);
                self.harness.apply(&manifests(name, memory_mib)).await;
                "sees an apply"
            }
            6 => {
                let name = ENVIRONMENTS[self.dice.random_range(0..ENVIRONMENTS.len())];
                let path = format!("/2015-03-31/functions/{name}-api/configuration");
                // It may not be there yet.
                rest(&self.harness.sandbox, "lambda", "PUT", &path, &json!({"MemorySize": 333}))
                    .await;
                "sees a change by hand"
            }
            _ => "goes on",
        };
        self.story.push(format!("place {place} {done}, {seconds} s"));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.check_epochs().await;
    }

    /// No lease and no status ever has an older epoch than it had.
    async fn check_epochs(&mut self) {
        let store = &self.harness.store;
        let mut seen = BTreeMap::new();
        for (name, lease) in store.leases().await.unwrap() {
            seen.insert(format!("lease {name}"), lease.unwrap().epoch);
        }
        for name in ENVIRONMENTS {
            for status in statuses(store, name).await {
                seen.insert(format!("{name} {}", status.id()), status.epoch);
            }
        }
        for (what, epoch) in seen {
            let before = self.epochs.insert(what.clone(), epoch).unwrap_or_default();
            assert!(epoch >= before, "{what} went from {before} to {epoch}: {:#?}", self.story);
        }
    }
}

async fn simulate(seed: u64, reference: &Live) -> (usize, u64) {
    let mut crowd = Crowd::new(seed).await;
    for name in ENVIRONMENTS {
        crowd.harness.apply(&manifests(name, 512)).await;
    }
    (0..REPLICAS).for_each(|place| crowd.start(place));
    for _ in 0..crowd.dice.random_range(8..20) {
        crowd.step().await;
    }
    for place in 0..REPLICAS {
        if crowd.places[place].replica.is_none() {
            crowd.start(place);
        }
    }
    for name in ENVIRONMENTS {
        crowd.harness.apply(&manifests(name, 1024)).await;
    }
    for name in ENVIRONMENTS {
        crowd.harness.until_ready(name).await;
    }
    tokio::time::sleep(LONG).await;
    crowd.check_epochs().await;
    // Whoever is left finds nothing to do.
    crowd.harness.sandbox.calls().clear();
    tokio::time::sleep(LONG).await;
    let writes = crowd.harness.sandbox.calls().mutations(crate::harness::TABLE);
    assert!(writes.is_empty(), "{writes:?}: {:#?}", crowd.story);
    let apps = rest(&crowd.harness.sandbox, "amplify", "GET", "/apps", &Value::Null).await.unwrap();
    let apps = apps["apps"].as_array().unwrap().len();
    assert_eq!(apps, ENVIRONMENTS.len(), "{:#?}", crowd.story);
    if let Some(difference) = difference(reference, &live(&crowd.harness.sandbox).await) {
        panic!("{difference}\n{:#?}", crowd.story);
    }
    let mut owners = BTreeMap::new();
    for (_, lease) in crowd.harness.store.leases().await.unwrap() {
        let lease = lease.unwrap();
        assert!(!lease.is_released, "somebody has it: {lease:?}");
        *owners.entry(lease.owner).or_insert(0) += 1;
    }
    assert!(owners.values().all(|has| *has <= 2), "{owners:?}: {:#?}", crowd.story);
    (crowd.story.len(), crowd.started)
}

#[test]
fn whatever_happens_to_three_daemons_nothing_is_double_or_behind() {
    let seeds = seeds(part_of(200));
    let reference = in_virtual_time(undisturbed());
    let (told, took) = every_seed(&seeds, |seed| simulate(seed, &reference));
    let started: u64 = told.iter().map(|(_, started)| started).sum();
    assert!(started > REPLICAS as u64 * seeds.len() as u64, "no daemon ended");
    figure(
        "members",
        &format!(
            "{} seeds of three daemons, {} disturbances, {started} daemons started, {} s: 0 duplicates, 0 epochs that went back, everything as declared",
            seeds.len(),
            told.iter().map(|(steps, _)| steps).sum::<usize>(),
            took.as_secs(),
        ),
    );
}
