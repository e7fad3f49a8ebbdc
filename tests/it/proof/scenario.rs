//! What an operator does to one kind in its life, and the first apply of a whole environment: the
//! scenarios that crashes, faults and stale reads are tried on.

use std::collections::BTreeMap;
use std::slice::from_ref;

use serde_json::{Value, json};
use trueup::manifest::Set;

use super::live::Live;
use super::specs::{Proof, proof, with};
use super::world::{ENVIRONMENT, environment, object, set, world};
use crate::converge::make_secrets;
use crate::harness::{DAEMON, Harness, TABLE, manifests, statuses};

/// What is already there, and what is then applied.
pub struct Scenario {
    pub name: String,
    pub environment: &'static str,
    before: Option<Set>,
    after: Set,
}

/// What a run came to.
#[derive(Debug, PartialEq)]
pub struct End {
    pub live: Live,
    /// Creates and deletes that were sent, by action and resource.
    pub made: BTreeMap<String, u64>,
}

impl Scenario {
    /// The world just before the daemon starts.
    pub async fn begin(&self) -> Harness {
        let mut harness = world().await;
        make_secrets(&harness).await;
        if let Some(before) = &self.before {
            harness.apply_set(before.clone()).await;
            harness.start().await;
            harness.until_ready(self.environment).await;
            harness.stop().await;
        }
        harness.apply_set(self.after.clone()).await;
        harness.sandbox.calls().clear();
        harness
    }

    /// Waits until the daemon has done everything.
    pub async fn until_done(&self, harness: &Harness) {
        harness.until_ready(self.environment).await;
        harness
            .until("what left is forgotten", || async {
                let statuses = statuses(&harness.store, self.environment).await;
                let left = |s: &&trueup::store::StatusRecord| {
                    !self.after.objects().any(|o| o.id() == s.id())
                };
                statuses.iter().filter(left).count() == 0
            })
            .await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }

    /// Everything is taken out.
    pub fn is_teardown(&self) -> bool {
        self.after.objects().all(|object| object.kind == "Environment")
    }

    pub async fn end(&self, harness: &Harness) -> End {
        End { live: harness.live().await, made: made(harness) }
    }

    /// The run without anything in its way, and how many calls the daemon made in it.
    pub async fn reference(&self) -> (End, Vec<String>) {
        let mut harness = self.begin().await;
        harness.start().await;
        self.until_done(&harness).await;
        let calls = harness.sandbox.calls().all();
        let ours = calls.iter().filter(|c| c.caller == DAEMON).map(trueup::sandbox::Call::action);
        (self.end(&harness).await, ours.collect())
    }
}

/// Creates and deletes outside of the store, of wholes and of what is made on its own within one.
fn made(harness: &Harness) -> BTreeMap<String, u64> {
    let mut made = BTreeMap::new();
    for call in harness.sandbox.calls().mutations(TABLE) {
        // An index of a table is made and deleted by an UpdateTable.
        let counts = ["Create", "Delete", "AddPermission", "RemovePermission", "UpdateTable"];
        let counts = counts.iter().any(|verb| call.operation.starts_with(verb));
        if counts && call.caller == DAEMON {
            *made.entry(format!("{} {}", call.action(), call.resource)).or_default() += 1;
        }
    }
    made
}

fn deletable(proof: &Proof, variant: usize) -> Value {
    let fields = json!({"deletionPolicy": "Delete", "ignore": []});
    object(proof.kind, "it", &with(&proof.variants[variant].1, &fields))
}

/// A variant that differs from the full one in much.
fn other(proof: &Proof) -> Value {
    let mut spec = proof.full.clone();
    for (_, variant) in &proof.variants[1..] {
        let is_whole = proof.full.as_object().unwrap().keys().all(|k| !variant[k].is_null());
        if !is_whole {
            continue;
        }
        for (field, value) in variant.as_object().unwrap() {
            if *value != proof.full[field] && spec[field] == proof.full[field] {
                spec[field] = value.clone();
            }
        }
    }
    // Lambda provisions no executions for a function with SnapStart.
    if spec["provisionedConcurrency"] != proof.full["provisionedConcurrency"] {
        spec["snapStart"] = proof.full["snapStart"].clone();
    }
    spec
}

/// Create, updates there and back, delete of one kind, and its replacement where trueup replaces it.
pub fn of_kind(kind: &str) -> Vec<Scenario> {
    let proof = proof(kind);
    let here = |objects: &[Value]| set(environment(json!({})), objects);
    let first = deletable(&proof, 0);
    let fields = json!({"deletionPolicy": "Delete", "deletionProtection": null});
    let second = object(kind, "it", &with(&other(&proof), &fields));
    let scenario = |name: &str, before: Option<&[Value]>, after: &[Value]| Scenario {
        name: format!("{name} of a {kind}"),
        environment: ENVIRONMENT,
        before: before.map(here),
        after: here(after),
    };
    let replaced = ["an image", "a repository"];
    let replaced = proof.variants.iter().position(|(name, _)| replaced.contains(name));
    let replaced = replaced.map(|variant| deletable(&proof, variant));
    let replacement =
        replaced.map(|after| scenario("replacement", Some(from_ref(&first)), &[after]));
    let mut life = vec![
        scenario("create", None, from_ref(&first)),
        scenario("update", Some(from_ref(&first)), from_ref(&second)),
        scenario("update back", Some(&[second]), from_ref(&first)),
        scenario("delete", Some(&[first]), &[]),
    ];
    life.extend(replacement);
    life
}

/// The first apply of the production environment that the project ships.
pub fn production() -> Scenario {
    let name = "the first apply of production".to_owned();
    let after = manifests("manifests/production");
    Scenario { name, environment: "production", before: None, after }
}
