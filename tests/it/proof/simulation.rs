//! Eventually stable: random worlds, edits, changes by hand, faults, stale reads and restarts under virtual
//! time from a seed. Once faults stop, everything becomes as declared within a stated number of passes,
//! and nothing is written for twenty more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use trueup::model::{ConditionStatus, condition_type};
use trueup::sandbox::{Fault, Lagging};
use trueup::store::{Entry, StatusRecord};

use super::figure;
use super::live::{difference, dynamodb, rest};
use super::seeds::{every_seed, part_of, seeds};
use super::specs::{Proof, Request, proofs, with};
use super::world::{ENVIRONMENT, by_hand, environment, object, set, world};
use crate::harness::{DAEMON, Harness, release, statuses};

const INTERVAL: Duration = Duration::from_secs(10);
/// Passes, divided by objects, within which everything is as declared once faults have stopped.
/// A table changes one thing at a time, and DynamoDB is busy after each: indexes, limits, a stream that goes off
/// and on again.
const PASSES_MAX: u64 = 30;
const QUIET_PASSES: u32 = 20;
/// Virtual time in which that is: some backoffs of five minutes.
const LONGEST: Duration = Duration::from_secs(3600);
const FAULTS: [&str; 10] = [
    "throttle", "500", "timeout", "lost", "conflict", "denied", "expired", "notfound", "garbage",
    "ignored",
];
const SERVICES: [&str; 5] = ["lambda", "s3", "amplify", "dynamodb", "*"];
/// Those of them that do not hold the store: of a write that is answered and not made there, nobody could
/// ever know.
const APART_FROM_THE_STORE: usize = 3;

struct Simulation {
    dice: StdRng,
    proofs: Vec<Proof>,
    harness: Harness,
    /// What the release has: kind and variant by name.
    objects: BTreeMap<&'static str, (usize, usize)>,
    /// What somebody changed by hand.
    touched: BTreeSet<&'static str>,
    daemons: u64,
    story: Vec<String>,
}

/// What a run tells, to be compared with the same seed's next one.
#[derive(Debug, PartialEq)]
struct Told {
    story: Vec<String>,
    events: Vec<String>,
    passes: u64,
    /// A flap guard had stopped an object when faults stopped.
    asked: bool,
    struck: u64,
    stale: u64,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let mut proofs = proofs();
        for proof in &mut proofs {
            // Where all declare the same fields, what somebody changes by hand is declared.
            let whole = proof.full.as_object().unwrap().clone();
            proof.variants.retain(|(_, v)| whole.keys().all(|k| !v[k].is_null()));
            // A table that somebody protects and that then leaves the release waits for a person.
            proof.rows.retain(|row| row.base == json!({}) && row.field != "deletionProtection");
        }
        let dice = StdRng::seed_from_u64(seed);
        let mut harness = world().await;
        harness.watch_every = Duration::from_secs(5);
        Self {
            dice,
            proofs,
            harness,
            objects: BTreeMap::new(),
            touched: BTreeSet::new(),
            daemons: seed,
            story: Vec::new(),
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    fn manifests(&self) -> Vec<Value> {
        let of = |(name, (kind, variant)): (&&str, &(usize, usize))| {
            let proof = &self.proofs[*kind];
            // Only then can what left the release be told from what never was.
            let fields = json!({"deletionPolicy": "Delete"});
            let mut spec = with(&proof.variants[*variant].1, &fields);
            if proof.kind == "Table" {
                spec["deletionProtection"] = json!(false);
            }
            object(proof.kind, name, &spec)
        };
        self.objects.iter().map(of).collect()
    }

    async fn apply(&mut self) {
        let environment = environment(json!({"reconcile": {"interval": "10s"}}));
        self.harness.apply_set(set(environment, &self.manifests())).await;
    }

    async fn start(&mut self) {
        self.daemons += 1;
        self.harness.start_seeded(self.daemons).await;
    }

    fn edit(&mut self) {
        let name = *["a", "b", "c"].choose(&mut self.dice).unwrap();
        if self.dice.random_bool(0.2) && self.objects.len() > 1 {
            self.objects.remove(name);
            return self.tell(format!("remove {name}"));
        }
        let kinds = self.proofs.len();
        // A name keeps its kind: objects of two kinds are two objects.
        let of_name = name.bytes().map(usize::from).sum::<usize>() + self.daemons as usize;
        let kind = self.objects.get(name).map_or(of_name % kinds, |(kind, _)| *kind);
        let variant = self.dice.random_range(0..self.proofs[kind].variants.len());
        self.objects.insert(name, (kind, variant));
        self.tell(format!(
            "{name} is {} {}",
            self.proofs[kind].kind, self.proofs[kind].variants[variant].0
        ));
    }

    fn any(&mut self) -> Option<(&'static str, usize)> {
        let all: Vec<_> = self.objects.iter().map(|(name, (kind, _))| (*name, *kind)).collect();
        all.choose(&mut self.dice).copied()
    }

    async fn change_by_hand(&mut self) {
        let Some((name, kind)) = self.any() else { return };
        let row = self.proofs[kind].rows.choose(&mut self.dice).unwrap();
        let (field, requests): (_, Vec<Request>) = (row.field, row.requests.clone());
        let kind = self.proofs[kind].kind;
        let done = by_hand(&self.harness, kind, name, &requests).await;
        self.touched.insert(name);
        self.tell(format!("somebody changes {kind} {name} {field}: {done}"));
    }

    async fn delete_by_hand(&mut self) {
        let Some((name, kind)) = self.any() else { return };
        let kind = self.proofs[kind].kind;
        delete(&self.harness, kind, name).await;
        self.tell(format!("somebody deletes {kind} {name}"));
    }

    fn break_something(&mut self) {
        let fault = FAULTS.choose(&mut self.dice).unwrap();
        let services = if *fault == "ignored" { APART_FROM_THE_STORE } else { SERVICES.len() };
        let service = SERVICES[..services].choose(&mut self.dice).unwrap();
        let (times, skip) = (self.dice.random_range(1..12), self.dice.random_range(0..20));
        let text = format!("{service}:*={fault}*{times}@{skip}");
        self.harness.sandbox.faults().inject_perhaps(text.parse::<Fault>().unwrap().of(DAEMON));
        self.tell(text);
    }

    async fn step(&mut self) {
        match self.dice.random_range(0..10) {
            0..3 => {
                self.edit();
                self.apply().await;
            }
            3 | 4 => self.change_by_hand().await,
            5 => self.delete_by_hand().await,
            6 | 7 => self.break_something(),
            8 => {
                let writes = self.dice.random_range(0..4);
                let at_most = Duration::from_secs(5);
                self.harness.sandbox.lag().start(Lagging {
                    writes,
                    at_most,
                    caller: DAEMON.into(),
                });
                self.tell(format!("{writes} writes behind"));
            }
            _ => {
                match self.dice.random_bool(0.5) {
                    true => self.harness.kill(),
                    false => self.harness.stop().await,
                }
                self.start().await;
                self.tell("another daemon");
            }
        }
        let pause = Duration::from_millis(self.dice.random_range(0..10_000));
        tokio::time::sleep(pause).await;
    }

    /// Waits until everything was observed and is as declared and nothing is written any more; returns how
    /// many passes that took for each object, and whether a person had to lift a flap guard.
    async fn until_quiet(&self) -> (u64, bool) {
        let (before, begun) = (self.passes(), self.harness.store.clock().now());
        let known = statuses(&self.harness.store, ENVIRONMENT).await;
        let known = known.iter().map(|s| format!("{}/{}", s.kind, s.name));
        let declared = self.objects.iter();
        let declared =
            declared.map(|(name, (kind, _))| format!("{}/{name}", self.proofs[*kind].kind));
        // What left the release is observed, too, until it is gone.
        let objects = known.chain(declared).collect::<BTreeSet<_>>().len() as u64;
        let since = tokio::time::Instant::now();
        let mut asked = false;
        loop {
            self.harness.sandbox.calls().clear();
            tokio::time::sleep(Duration::from_secs(5)).await;
            let passes = (self.passes() - before).div_ceil(objects);
            assert!(passes <= PASSES_MAX, "{passes} passes: {:#?}", self.story);
            assert!(since.elapsed() < LONGEST, "not quiet: {:#?}", self.story);
            let statuses = statuses(&self.harness.store, ENVIRONMENT).await;
            asked |= self.harness.lift_flap_guards(&statuses).await;
            asked |= self.confirm(&statuses).await;
            let all_forgotten = statuses.len() == self.objects.len();
            if !all_forgotten || !self.harness.mutations().is_empty() {
                continue;
            }
            let lease = self.harness.store.lease(ENVIRONMENT).await.unwrap();
            let all_seen = lease.and_then(|l| l.oldest_observation).is_some_and(|at| at > begun);
            if all_seen && self.harness.not_ready(ENVIRONMENT).await.is_empty() {
                return (passes, asked);
            }
        }
    }

    /// What somebody changed by hand may limit what no form of the manifest does: whether that goes is asked,
    /// and a person says yes. Of what nobody touched nothing is asked. Returns whether there was any need.
    async fn confirm(&self, statuses: &[StatusRecord]) -> bool {
        let asks = |s: &&StatusRecord| {
            let stalled = s.conditions.get(condition_type::STALLED);
            let is_asked = stalled.is_some_and(|c| {
                c.status == ConditionStatus::True && c.reason == "ConfirmationNeeded"
            });
            is_asked && self.touched.contains(&*s.name)
        };
        let asked: BTreeSet<_> = statuses.iter().filter(asks).map(StatusRecord::id).collect();
        if asked.is_empty() {
            return false;
        }
        let head = self.harness.store.head(ENVIRONMENT).await.unwrap();
        let before = self.harness.store.current(head.as_ref().unwrap()).await.unwrap();
        let is_confirmed = |entry: &&Entry| entry.confirmed;
        let confirmed = before.objects.iter().filter(is_confirmed).map(Entry::id);
        let digests = before.objects.iter().map(|entry| entry.digest.clone()).collect();
        let objects = self.harness.store.objects(ENVIRONMENT, &digests).await.unwrap();
        let mut again = release(objects.into_values().collect());
        again.confirmed = confirmed.chain(asked).collect();
        self.harness.store.record(ENVIRONMENT, head.as_ref(), Some(&before), again).await.unwrap();
        true
    }

    /// Passes of the daemon that runs.
    fn passes(&self) -> u64 {
        let families = self.harness.registry.gather();
        let total = families.iter().find(|f| f.name() == "controller_runtime_reconcile_total");
        let counts = total.iter().flat_map(|f| f.get_metric()).map(|m| m.get_counter().get_value());
        counts.sum::<f64>() as u64
    }
}

/// Somebody deletes a whole resource.
async fn delete(harness: &Harness, kind: &str, name: &str) {
    let status = harness.status(ENVIRONMENT, &format!("{kind}/{name}")).await;
    let (app, name) = (status.and_then(|s| s.physical_id), format!("{ENVIRONMENT}-{name}"));
    let sandbox = &harness.sandbox;
    match kind {
        "Function" => {
            let path = format!("/2015-03-31/functions/{name}");
            rest(sandbox, "lambda", "DELETE", &path, &Value::Null).await;
        }
        "Table" => drop(dynamodb(sandbox, "DeleteTable", json!({ "TableName": name })).await),
        "Bucket" => drop(sandbox.ask("s3", "DELETE", &format!("/{name}"), "", "").await),
        _ => {
            let path = format!("/apps/{}", app.unwrap_or_default());
            rest(sandbox, "amplify", "DELETE", &path, &Value::Null).await;
        }
    }
}

async fn simulate(seed: u64) -> Told {
    let mut it = Simulation::new(seed).await;
    it.edit();
    it.edit();
    it.apply().await;
    it.start().await;
    for _ in 0..it.dice.random_range(4..12) {
        it.step().await;
    }
    let (struck, stale) = (it.harness.sandbox.faults().struck(), it.harness.sandbox.lag().shown());
    it.harness.sandbox.faults().clear();
    it.harness.sandbox.lag().stop();
    let (passes, asked) = it.until_quiet().await;
    tokio::time::sleep(INTERVAL).await;
    it.harness.sandbox.calls().clear();
    // The interval is a tenth longer or shorter.
    tokio::time::sleep(INTERVAL * QUIET_PASSES * 11 / 10).await;
    assert_eq!(it.harness.mutations(), [""; 0], "not quiet: {:#?}", it.story);
    let mut fresh = world().await;
    // Nothing disturbs it: one observation until all is as declared is enough.
    let environment = environment(json!({"reconcile": {"interval": "1h"}}));
    fresh.apply_set(set(environment, &it.manifests())).await;
    fresh.start().await;
    fresh.settle().await;
    if let Some(difference) = difference(&fresh.live().await, &it.harness.live().await) {
        panic!("{difference}\n{:#?}", it.story);
    }
    let events = it.harness.events(ENVIRONMENT).await;
    let events =
        events.iter().map(|e| format!("{} {} {} {}", e.last_seen, e.object, e.reason, e.message));
    Told { events: events.collect(), story: it.story.clone(), passes, asked, struck, stale }
}

#[test]
fn once_faults_stop_everything_becomes_as_declared_and_stays_so() {
    let seeds = seeds(part_of(500));
    let (told, took) = every_seed(&seeds, simulate);
    let most = told.iter().map(|t| t.passes).max().unwrap_or(0);
    let steps: usize = told.iter().map(|t| t.story.len()).sum();
    let struck: u64 = told.iter().map(|t| t.struck).sum();
    let stale: u64 = told.iter().map(|t| t.stale).sum();
    let asked = told.iter().filter(|t| t.asked).count();
    figure(
        "simulation",
        &format!(
            "{} seeds, {steps} disturbances, {struck} faults struck, {stale} stale replies, {} s: converged within {most} passes an object, {asked} seeds once a person lifted a flap guard, quiet for {QUIET_PASSES}",
            seeds.len(),
            took.as_secs()
        ),
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let seeds = seeds(part_of(100));
    let (same, _) =
        every_seed(&seeds, |seed| async move { (simulate(seed).await, simulate(seed).await) });
    for (once, again) in &same {
        let (once, again) = (format!("{once:#?}"), format!("{again:#?}"));
        let diff = similar::TextDiff::from_lines(&once, &again);
        assert!(once == again, "{}", diff.unified_diff().context_radius(2));
    }
    figure(
        "simulation",
        &format!("{} of {} seeds tell the same story twice", same.len(), seeds.len()),
    );
}
