//! Three daemons in one world, and what happens to them and around them: started, stopped, killed, paused at calls,
//! cut off from the store, with clocks that are apart, while people apply and change things by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use trueup::engine::Config;
use trueup::sandbox::Fault;

use super::live::rest;
use crate::harness::{Harness, Replica, statuses};

pub const REPLICAS: usize = 3;

/// A place for a daemon: who signs its calls, and which daemon runs there.
struct Place {
    caller: String,
    replica: Option<Replica>,
}

pub struct Crowd {
    pub harness: Harness,
    pub dice: StdRng,
    environments: Vec<String>,
    /// What an environment declares, whose functions have so much memory. It has the function `api`.
    manifests: fn(&str, u32) -> String,
    /// What each environment declares by now.
    pub declared: BTreeMap<String, u32>,
    places: Vec<Place>,
    pub started: u64,
    /// Epochs of leases and of statuses, as they were seen last.
    epochs: BTreeMap<String, u64>,
    pub story: Vec<String>,
}

impl Crowd {
    /// Nobody is there yet.
    pub fn new(
        harness: Harness,
        seed: u64,
        environments: Vec<String>,
        manifests: fn(&str, u32) -> String,
    ) -> Self {
        let place = |i| Place { caller: format!("place-{i}"), replica: None };
        Self {
            harness,
            environments,
            manifests,
            dice: StdRng::seed_from_u64(seed),
            places: (0..REPLICAS).map(place).collect(),
            started: 0,
            epochs: BTreeMap::new(),
            declared: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    /// Who signs the daemons' calls.
    pub fn callers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.caller.as_str())
    }

    /// Everybody declares so much.
    pub async fn apply(&mut self, memory_mib: u32) {
        for name in self.environments.clone() {
            self.apply_to(&name, memory_mib).await;
        }
    }

    async fn apply_to(&mut self, name: &str, memory_mib: u32) {
        self.harness.apply(&(self.manifests)(name, memory_mib)).await;
        self.declared.insert(name.to_owned(), memory_mib);
    }

    /// Starts a daemon wherever there is none.
    pub fn start_all(&mut self) {
        for place in 0..REPLICAS {
            if self.places[place].replica.is_none() {
                self.start(place);
            }
        }
    }

    fn start(&mut self, place: usize) {
        self.started += 1;
        let config = Config::new(format!("daemon-{}", self.started), self.dice.random());
        let ahead = SignedDuration::from_secs(self.dice.random_range(-600..=600));
        let caller = self.places[place].caller.clone();
        self.places[place].replica = Some(self.harness.replica(config, &caller, ahead));
    }

    /// One thing happens, and some time passes.
    pub async fn step(&mut self) {
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
                let name = self.some_environment();
                let memory_mib = self.dice.random_range(128..2048);
                self.apply_to(&name, memory_mib).await;
                "sees an apply"
            }
            6 => {
                let name = self.some_environment();
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

    fn some_environment(&mut self) -> String {
        self.environments[self.dice.random_range(0..self.environments.len())].clone()
    }

    /// No lease and no status ever has an older epoch than it had.
    pub async fn check_epochs(&mut self) {
        let store = &self.harness.store;
        let mut seen = BTreeMap::new();
        for (name, lease) in store.leases().await.unwrap() {
            seen.insert(format!("lease {name}"), lease.unwrap().epoch);
        }
        for name in &self.environments {
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
