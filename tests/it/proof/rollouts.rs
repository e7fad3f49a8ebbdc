//! Releases in random worlds: good and broken ones, one on top of another, decisions and rollbacks by people, faults,
//! stale reads and daemons that die, under virtual time from a seed. Once that stops, everything is of one release;
//! no version ever got a request that no release has; no part of the requests was taken back from a release that
//! succeeded; and no frontend moved before what it calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use trueup::aws::Sessions;
use trueup::engine::release::{Rollback, check_hold, current_or_head, roll_back};
use trueup::model::{Object, ObjectId};
use trueup::sandbox::{Fault, Lagging, Load, REGION};
use trueup::store::{
    Cause, Decision, DecisionRequest, Order, Release, Rollout, Stage, StoreError, Verdict,
};

use super::figure;
use super::live::{difference, rest};
use super::seeds::{every_seed, part_of, seeds};
use super::world::{ENVIRONMENT, environment, object, set, world};
use crate::harness::{ARTIFACTS, DAEMON, Harness, release, statuses};
use crate::witness::Turn;

/// Virtual time within which the last release is over, once nothing disturbs it any more.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Decisions that a person may have to make until then.
const DECISIONS_MAX: u32 = 6;
/// Looks until a person mends what counts as succeeded and is not ready: a backoff lasts up to five minutes.
const UNREADY_MAX: u32 = 60;
const FAULTS: [&str; 8] =
    ["throttle", "500", "timeout", "lost", "conflict", "denied", "notfound", "garbage"];
const SERVICES: [&str; 5] = ["lambda", "amplify", "dynamodb", "monitoring", "*"];
/// Releases that are kept: all of a world, and few where old versions are to go.
const HISTORY: usize = 1000;
const HISTORY_SHORT: usize = 2;
/// Sites that a world has, each by its number.
const SITES: u32 = 40;

/// What a release declares. Every part has a mark: the number of the edit that it comes from.
#[derive(Clone, Debug)]
struct Content {
    /// A function that gets its requests step by step.
    api: u32,
    /// A function that gets them at once.
    jobs: u32,
    web: u32,
    /// A function that comes and goes.
    extra: Option<u32>,
    defect: Option<Defect>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    /// The new version fails its requests.
    Errors,
    /// The code is not there.
    NoCode,
    /// The site is not there.
    NoSite,
}

struct Delivery {
    dice: StdRng,
    harness: Harness,
    content: Content,
    /// The edits so far.
    marks: u32,
    /// How the functions get their requests, and what the environment says of rollouts and of old releases.
    shifting: Value,
    policy: Value,
    history: usize,
    daemons: u64,
    story: Vec<String>,
}

/// What came of a world.
struct Told {
    disturbances: usize,
    releases: usize,
    verdicts: BTreeMap<&'static str, u64>,
    crashes: u64,
    struck: u64,
    /// Old versions that were deleted.
    deleted: usize,
}

fn function(mark: u32, key: &str, error_rate: &str, rollout: &Value) -> Value {
    json!({
        "runtime": "nodejs22.x", "handler": "main.handler",
        "role": "arn:aws:iam::123456789012:role/api",
        "code": {"s3": {"bucket": ARTIFACTS, "key": key}},
        "alias": "live",
        "env": [
            {"name": "MARK", "value": mark.to_string()},
            {"name": "SANDBOX_ERROR_RATE", "value": error_rate},
        ],
        "rollout": rollout,
    })
}

impl Delivery {
    async fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut harness = world().await;
        put_sites(&harness).await;
        harness.watch_every = Duration::from_secs(2);
        let steps = json!([{"weight": 10, "pause": "20s"}, {"weight": 50, "pause": "20s"}]);
        let probed = json!({"probes": [{"payload": {}}]});
        let shifting = match dice.random_range(0..3) {
            0 => json!({ "steps": steps, "keepVersions": 1 }),
            1 => json!({ "steps": steps, "analysis": probed, "keepVersions": 1 }),
            _ => json!({ "strategy": "AllAtOnce", "analysis": probed, "keepVersions": 1 }),
        };
        let policy = json!({
            "progressDeadline": "5m",
            "bakeTime": *["0s", "1m"].choose(&mut dice).unwrap(),
        });
        let content = Content { api: 1, jobs: 1, web: 1, extra: None, defect: None };
        let (daemons, story) = (seed, Vec::new());
        let history = HISTORY;
        Self { dice, harness, content, marks: 1, shifting, policy, history, daemons, story }
    }

    fn tell(&mut self, what: impl Into<String>) {
        let at = self.harness.store.clock().now();
        self.story.push(format!("{at} {}", what.into()));
    }

    fn objects(&self) -> Vec<Object> {
        let content = &self.content;
        let defect = |wanted: Defect| content.defect == Some(wanted);
        let code = if defect(Defect::NoCode) { "none.zip" } else { "api.zip" };
        let errors = if defect(Defect::Errors) { "1" } else { "0" };
        let site = if defect(Defect::NoSite) { 0 } else { content.web };
        let at_once = json!({"strategy": "AllAtOnce"});
        let artifact = json!({"s3": {"bucket": ARTIFACTS, "key": format!("site-{site}.zip")}});
        let mut objects = vec![
            object("Function", "api", &function(content.api, code, errors, &self.shifting)),
            object("Function", "jobs", &function(content.jobs, "api.zip", "0", &at_once)),
            object("Frontend", "web", &json!({ "artifact": artifact, "branch": {"name": "main"} })),
        ];
        if let Some(mark) = content.extra {
            objects.push(object("Function", "extra", &function(mark, "api.zip", "0", &at_once)));
        }
        let environment = environment(json!({
            "reconcile": {"interval": "10s"}, "rollout": self.policy,
            "revisionHistoryLimit": self.history,
        }));
        set(environment, &objects).objects().cloned().collect()
    }

    /// Records what is declared now, as `trueup apply` does.
    async fn apply(&mut self) {
        let store = &self.harness.store;
        let head = store.head(ENVIRONMENT).await.unwrap();
        let before = match &head {
            Some(head) => Some(store.current(head).await.unwrap()),
            None => None,
        };
        let objects = self.objects();
        if let Err(refused) = check_hold(ENVIRONMENT, head.as_ref(), &objects) {
            return self.tell(format!("refused: {refused}"));
        }
        let mut new = release(objects);
        new.holds = head.as_ref().map(|head| head.holds_after_apply()).unwrap_or_default();
        match store.record(ENVIRONMENT, head.as_ref(), before.as_ref(), new).await {
            Ok(release) => {
                self.tell(format!("release {}: {:?}", release.number, self.content));
            }
            // The daemon rolled back meanwhile.
            Err(StoreError::HeadMoved { .. }) => self.tell("somebody else was faster"),
            Err(error) => panic!("{error}"),
        }
    }

    fn edit(&mut self, may_break: bool) {
        self.marks += 1;
        let mark = self.marks;
        self.content.defect = None;
        match self.dice.random_range(0..5) {
            0 => self.content.api = mark,
            1 => self.content.web = mark,
            2 => (self.content.api, self.content.web) = (mark, mark),
            3 => (self.content.api, self.content.jobs, self.content.web) = (mark, mark, mark),
            _ => {
                self.content.extra = if self.content.extra.is_some() { None } else { Some(mark) };
                self.content.api = mark;
            }
        }
        if may_break && self.dice.random_bool(0.3) {
            let defect = [Defect::Errors, Defect::NoCode, Defect::NoSite];
            self.content.defect = defect.choose(&mut self.dice).copied();
            (self.content.api, self.content.web) = (mark, mark);
        }
    }

    async fn start(&mut self) {
        self.daemons += 1;
        self.harness.start_seeded(self.daemons).await;
    }

    /// The daemon dies at one of its next calls, and another one is started.
    async fn crash(&mut self) {
        let kind = *["stop", "stopafter"].choose(&mut self.dice).unwrap();
        let call = self.dice.random_range(0..60);
        let fault: Fault = format!("*:*={kind}*1@{call}").parse().unwrap();
        self.harness.sandbox.faults().inject_perhaps(fault.of(DAEMON));
        self.tell(format!("the daemon dies: {kind} at call {call} from now"));
        for _ in 0..self.dice.random_range(1..40) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.harness.sandbox.faults().has_stopped(DAEMON) {
                break;
            }
        }
        self.harness.kill();
        self.harness.sandbox.faults().clear();
        self.harness.sandbox.faults().revive(DAEMON);
        self.start().await;
    }

    async fn decide(&mut self, decision: Decision) {
        let head = self.harness.store.head(ENVIRONMENT).await.unwrap().unwrap();
        let (release, at) = (head.release, self.harness.store.clock().now());
        let (author, message) = ("ada".to_owned(), String::new());
        let request = DecisionRequest { release, decision, at, author, message };
        self.harness.store.decide(ENVIRONMENT, &request).await.unwrap();
        self.tell(format!("{decision:?} release {release}"));
    }

    async fn roll_back(&mut self) {
        let (store, sandbox) = (&self.harness.store, &self.harness.sandbox);
        let sessions = Sessions::new(&sandbox.connection(), store.clock(), None).await;
        let head = store.head(ENVIRONMENT).await.unwrap().unwrap();
        let now = current_or_head(store, ENVIRONMENT).await.unwrap();
        let is_gradual = self.dice.random_bool(0.5);
        let asked = Rollback { is_gradual, ..Rollback::default() };
        let done = roll_back(store, &sessions, &head, &now, asked, release(Vec::new())).await;
        self.tell(format!("rollback, gradual {is_gradual}: {done:?}"));
    }

    fn break_something(&mut self) {
        let fault = FAULTS.choose(&mut self.dice).unwrap();
        let service = SERVICES.choose(&mut self.dice).unwrap();
        let (times, skip) = (self.dice.random_range(1..12), self.dice.random_range(0..20));
        let text = format!("{service}:*={fault}*{times}@{skip}");
        self.harness.sandbox.faults().inject_perhaps(text.parse::<Fault>().unwrap().of(DAEMON));
        self.tell(text);
    }

    async fn step(&mut self) {
        match self.dice.random_range(0..14) {
            0..4 => {
                self.edit(true);
                self.apply().await;
            }
            4 => self.apply().await,
            5 => {
                let all = [Decision::Promote, Decision::Retry, Decision::Abort];
                let decision = *all.choose(&mut self.dice).unwrap();
                self.decide(decision).await;
            }
            6 => self.roll_back().await,
            7..10 => self.break_something(),
            10 => {
                let (writes, at_most) = (self.dice.random_range(0..4), Duration::from_secs(5));
                let lagging = Lagging { writes, at_most, caller: DAEMON.into() };
                self.harness.sandbox.lag().start(lagging);
                self.tell(format!("{writes} writes behind"));
            }
            _ => self.crash().await,
        }
        for _ in 0..self.dice.random_range(0..12) {
            self.serve();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    /// Users call the function.
    fn serve(&self) {
        let function = format!("{ENVIRONMENT}-api");
        let load = Load {
            region: REGION,
            function: &function,
            alias: "live",
            requests: 50,
            newest_error_rate: None,
        };
        // Before it is made there is nothing to call.
        let _ = self.harness.sandbox.load(&load);
    }

    /// Waits until the current release has succeeded and is over, with a person who decides what nobody else can.
    async fn until_over(&mut self) {
        let (since, mut decisions, mut quiet, mut unready) = (tokio::time::Instant::now(), 0, 0, 0);
        while quiet < 6 {
            assert!(since.elapsed() < LONGEST, "never over: {:#?}", self.story);
            assert!(decisions <= DECISIONS_MAX, "decided again and again: {:#?}", self.story);
            self.harness.sandbox.calls().clear();
            self.serve();
            tokio::time::sleep(Duration::from_secs(10)).await;
            self.harness.lift_flap_guards(&statuses(&self.harness.store, ENVIRONMENT).await).await;
            let head = self.harness.store.head(ENVIRONMENT).await.unwrap().unwrap();
            let rollout = self.harness.store.rollout(ENVIRONMENT, head.release).await.unwrap();
            let Some(rollout) = rollout else { continue };
            let is_quiet = self.harness.mutations().is_empty()
                && self.harness.not_ready(ENVIRONMENT).await.is_empty();
            let is_over = rollout.verdict == Verdict::Succeeded && rollout.stage() == Stage::Over;
            quiet = if is_over && is_quiet { quiet + 1 } else { 0 };
            unready = if is_over && !is_quiet { unready + 1 } else { 0 };
            if unready > UNREADY_MAX {
                // Somebody promoted what does not work.
                (unready, decisions) = (0, decisions + 1);
                self.edit(false);
                self.apply().await;
            }
            if rollout.stage() == Stage::Waiting {
                self.tell(format!("{} {}: {}", rollout.verdict, rollout.reason, rollout.message));
                decisions += 1;
                // `trueup rollout abort` refuses where there is nothing else to go back to.
                let goes_back = rollout.good.as_ref().is_some_and(|g| g.digest != rollout.digest);
                if goes_back && self.dice.random_bool(0.5) {
                    self.decide(Decision::Abort).await;
                } else {
                    self.edit(false);
                    self.apply().await;
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        }
    }

    async fn rollouts(&self) -> Vec<Rollout> {
        let rollouts = self.harness.store.rollouts(ENVIRONMENT, 1000).await.unwrap();
        rollouts.into_iter().map(|(_, rollout)| rollout.unwrap()).collect()
    }

    async fn releases(&self) -> BTreeMap<u64, Release> {
        let releases = self.harness.store.history(ENVIRONMENT, 1000).await.unwrap();
        releases.into_iter().map(Result::unwrap).map(|r| (r.number, r)).collect()
    }
}

async fn put_sites(harness: &Harness) {
    for site in 1..=SITES {
        harness.put_code(&format!("site-{site}.zip"), b"site").await;
    }
}

/// Which mark each version of a function has.
async fn marks(harness: &Harness, name: &str) -> BTreeMap<String, String> {
    let path = format!("/2015-03-31/functions/{ENVIRONMENT}-{name}/versions");
    let listed = rest(&harness.sandbox, "lambda", "GET", &path, &Value::Null).await;
    let listed = listed.unwrap_or_default();
    let versions = listed["Versions"].as_array().into_iter().flatten();
    let mark =
        |version: &Value| version["Environment"]["Variables"]["MARK"].as_str().map(str::to_owned);
    let named = versions.filter_map(|v| Some((v["Version"].as_str()?.to_owned(), mark(v)?)));
    named.filter(|(version, _)| version != "$LATEST").collect()
}

/// Every form of every object that any release has, by its digest.
async fn forms(harness: &Harness, releases: &BTreeMap<u64, Release>) -> BTreeMap<String, Object> {
    let digests = releases.values().flat_map(|r| &r.objects).map(|e| e.digest.clone()).collect();
    harness.store.objects(ENVIRONMENT, &digests).await.unwrap()
}

fn mark_of(object: &Object) -> Option<String> {
    let env = object.spec["env"].as_array()?;
    let mark = env.iter().find(|variable| variable["name"] == "MARK")?;
    mark["value"].as_str().map(str::to_owned)
}

/// A turn of an alias of a function.
struct Move<'a> {
    at: Timestamp,
    primary: &'a str,
    other: Option<(&'a str, f64)>,
}

fn moves<'a>(turns: &'a [(Timestamp, Turn)], name: &str) -> Vec<Move<'a>> {
    let path = format!("/functions/{ENVIRONMENT}-{name}/");
    let of_function =
        |turn: &Turn| turn.operation == "UpdateAlias" && turn.path.contains(path.as_str());
    let of_function = turns.iter().filter(|(_, turn)| of_function(turn));
    let moves = of_function.filter_map(|(at, turn)| {
        let weights = turn.body["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        let other = weights.and_then(|weights| weights.iter().next());
        Some(Move {
            at: *at,
            primary: turn.body["FunctionVersion"].as_str()?,
            other: other.map(|(version, weight)| (version.as_str(), weight.as_f64().unwrap())),
        })
    });
    moves.collect()
}

/// No version ever got a request that no release has, and none was taken back from a release that succeeded: but where
/// reads are several writes behind, and a release comes within that time, a version may seem to be what the function is
/// that was made of the form before.
async fn check_traffic(it: &Delivery, turns: &[(Timestamp, Turn)]) {
    let releases = it.releases().await;
    let forms = forms(&it.harness, &releases).await;
    for name in ["api", "jobs"] {
        let released: BTreeSet<_> =
            forms.values().filter(|o| o.metadata.name == name).filter_map(mark_of).collect();
        let (marks, moves) = (marks(&it.harness, name).await, moves(turns, name));
        for turn in &moves {
            for version in [Some(turn.primary), turn.other.map(|(version, _)| version)] {
                let Some(version) = version else { continue };
                let mark = marks.get(version);
                assert!(
                    mark.is_some_and(|mark| released.contains(mark)),
                    "version {version} of {name} with mark {mark:?} got requests: {:#?}",
                    it.story
                );
            }
        }
        for rollout in it.rollouts().await.iter().filter(|r| is_clear(r)) {
            let (from, to) = (rollout.begun_at().unwrap(), rollout.decided_at().unwrap());
            let within: Vec<_> = moves.iter().filter(|m| (from..=to).contains(&m.at)).collect();
            let Some(last) = within.last().map(|last| last.primary) else { continue };
            let part = |m: &&&Move<'_>| match m.other {
                _ if m.primary == last => 1.0,
                Some((version, weight)) if version == last => weight,
                _ => 0.0,
            };
            let parts: Vec<f64> = within.iter().map(|m| part(&m)).collect();
            let is_stale = it.story.iter().any(|told| told.ends_with("writes behind"));
            assert!(
                parts.is_sorted() || is_stale,
                "release {}, {from} to {to}: version {last} of {name} got {parts:?} by {:?}: {:#?}",
                rollout.release,
                within.iter().map(|m| (m.at, m.primary, m.other)).collect::<Vec<_>>(),
                it.story
            );
        }
    }
}

/// It went its way without a person.
fn is_clear(rollout: &Rollout) -> bool {
    rollout.verdict == Verdict::Succeeded
        && rollout.answered_at.is_none()
        && rollout.stages.iter().all(|passed| passed.stage != Stage::Waiting)
}

/// No frontend moved before the function that it calls: whenever one moves, requests go to the function of a release
/// that has this site. That may be the release before, whose last step is on its way when a newer one comes.
async fn check_order(it: &Delivery, turns: &[(Timestamp, Turn)]) -> u64 {
    let releases = it.releases().await;
    let forms = forms(&it.harness, &releases).await;
    let (marks, moves, mut checked) = (marks(&it.harness, "api").await, moves(turns, "api"), 0);
    let form = |release: &Release, name: &str| {
        let entry = release.objects.iter().find(|entry| entry.name == name)?;
        Some(&forms[&entry.digest])
    };
    let site_of = |release: &Release| {
        let web = form(release, "web")?;
        web.spec["artifact"]["s3"]["key"].as_str().map(str::to_owned)
    };
    for rollout in it.rollouts().await.iter().filter(|r| is_clear(r)) {
        let release = &releases[&rollout.release];
        let is_new = |name: &str| {
            let good = rollout.good.as_ref().map_or(0, |good| good.release);
            release.objects.iter().any(|e| e.name == name && e.generation > good)
        };
        let (true, true, Some(site)) = (is_new("api"), is_new("web"), site_of(release)) else {
            continue;
        };
        if rollout.order != Order::FrontendsLast {
            continue;
        }
        let with_site = releases.range(..=rollout.release).map(|(_, release)| release);
        let with_site = with_site.filter(|release| site_of(release).as_ref() == Some(&site));
        let wanted: BTreeSet<_> =
            with_site.filter_map(|release| mark_of(form(release, "api")?)).collect();
        let (from, to) = (rollout.begun_at().unwrap(), rollout.decided_at().unwrap());
        let jobs = turns.iter().filter(|(at, turn)| {
            let url = turn.body["sourceUrl"].as_str().unwrap_or_default();
            (from..=to).contains(at) && url.contains(&site)
        });
        for (at, _) in jobs {
            let now = moves.iter().rfind(|m| m.at <= *at);
            let Some(now) = now else { continue };
            let mark = marks.get(now.primary);
            assert!(
                now.other.is_none() && mark.is_some_and(|mark| wanted.contains(mark)),
                "release {}: the site moved at {at} while requests went to {mark:?}: {:#?}",
                rollout.release,
                it.story
            );
            checked += 1;
        }
    }
    checked
}

/// What failed was rolled back once.
async fn check_rollbacks(it: &Delivery) {
    let releases = it.releases().await;
    let mut undone = BTreeMap::new();
    for release in releases.values().filter(|r| r.author == "trueup") {
        assert!(matches!(release.cause, Cause::Rollback(_)));
        let failed = release.message.split(" failed").next().unwrap_or_default();
        *undone.entry(failed.to_owned()).or_insert(0) += 1;
    }
    assert!(undone.values().all(|times| *times == 1), "{undone:?}: {:#?}", it.story);
}

/// One more release, which says that few are kept, and hours in which versions that nothing needs are deleted: none is
/// that the history names. Returns how many went.
async fn check_versions(it: &mut Delivery) -> usize {
    it.history = HISTORY_SHORT;
    it.edit(false);
    it.apply().await;
    it.until_over().await;
    let rollouts = it.harness.store.rollouts(ENVIRONMENT, HISTORY_SHORT).await.unwrap();
    let rollouts: Vec<Rollout> = rollouts.into_iter().map(|(_, r)| r.unwrap()).collect();
    let functions = ["api", "jobs"];
    let mut before = Vec::new();
    for name in functions {
        before.push(marks(&it.harness, name).await);
    }
    // Without a daemon hours cost nothing.
    it.harness.stop().await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    it.start().await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    let mut deleted = 0;
    for (name, before) in functions.into_iter().zip(before) {
        let (id, after) = (ObjectId::new("Function", name), marks(&it.harness, name).await);
        deleted += before.len() - after.len();
        // A function that was deleted has no versions.
        for version in
            rollouts.iter().flat_map(|r| r.versions_of(&id)).filter(|_| !after.is_empty())
        {
            let is_lost = before.contains_key(version) && !after.contains_key(version);
            assert!(!is_lost, "version {version} of {name} is lost: {:#?}", it.story);
        }
    }
    deleted
}

/// One of so many worlds lasts until its old versions are deleted.
const COLLECTED_EVERY: u64 = 5;

async fn simulate(seed: u64) -> Told {
    let mut it = Delivery::new(seed).await;
    let begun = (tokio::time::Instant::now(), it.harness.store.clock().now());
    it.apply().await;
    it.start().await;
    let mut crashes = 0;
    for _ in 0..it.dice.random_range(6..16) {
        it.step().await;
    }
    crashes += it.daemons - seed - 1;
    let struck = it.harness.sandbox.faults().struck();
    it.harness.sandbox.faults().clear();
    it.harness.sandbox.lag().stop();
    it.until_over().await;
    let turns = it.harness.exchanges.turns().into_iter().map(|turn| {
        let since = SignedDuration::try_from(turn.at - begun.0).unwrap();
        (begun.1 + since, turn)
    });
    let turns: Vec<_> = turns.collect();
    check_traffic(&it, &turns).await;
    check_order(&it, &turns).await;
    check_rollbacks(&it).await;
    let store = &it.harness.store;
    let head = store.head(ENVIRONMENT).await.unwrap().unwrap();
    let current = store.current(&head).await.unwrap();
    let digests = current.objects.iter().map(|e| e.digest.clone()).collect();
    let objects = store.objects(ENVIRONMENT, &digests).await.unwrap();
    // The same release, with nothing before it.
    let mut fresh = world().await;
    put_sites(&fresh).await;
    fresh.record(ENVIRONMENT, objects.into_values().collect()).await.unwrap();
    fresh.start().await;
    fresh.settle().await;
    if let Some(difference) = difference(&fresh.live().await, &it.harness.live().await) {
        panic!("releases are mixed: {difference}\n{:#?}", it.story);
    }
    let mut verdicts = BTreeMap::new();
    for rollout in it.rollouts().await {
        *verdicts.entry(rollout.verdict.as_str()).or_default() += 1;
    }
    let (disturbances, releases) = (it.story.len(), it.releases().await.len());
    // Last, since old releases are forgotten there.
    let deleted =
        if seed.is_multiple_of(COLLECTED_EVERY) { check_versions(&mut it).await } else { 0 };
    Told { disturbances, releases, verdicts, crashes, struck, deleted }
}

#[test]
fn whatever_happens_to_releases_they_end_unmixed() {
    let seeds = seeds(part_of(200));
    let (told, took) = every_seed(&seeds, simulate);
    let sum = |of: &dyn Fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    for (verdict, count) in told.iter().flat_map(|told| &told.verdicts) {
        *verdicts.entry(verdict).or_default() += count;
    }
    let crashes = sum(&|told| told.crashes);
    let deleted = sum(&|told| told.deleted as u64);
    // One that is replayed need not have everything.
    if seeds.len() > 1 {
        assert!(verdicts.get("RolledBack").is_some_and(|count| *count > 0), "{verdicts:?}");
        assert!(crashes > 0, "no daemon died");
        assert!(deleted > 0, "no version was deleted");
    }
    figure(
        "rollouts",
        &format!(
            "{} seeds, {} releases, {} disturbances, {crashes} daemons that ended, {} faults struck, {} s: 0 ends with mixed releases, 0 versions that no release has got a request, 0 parts taken back, 0 versions lost that the history names ({deleted} others were deleted); {verdicts:?}",
            seeds.len(),
            sum(&|told| told.releases as u64),
            sum(&|told| told.disturbances as u64),
            sum(&|told| told.struck),
            took.as_secs(),
        ),
    );
}
