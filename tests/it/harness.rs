//! A whole operator with its AWS in one test: single-threaded, under virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use jiff::{SignedDuration, Timestamp};
use prometheus::Registry;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trueup::aws::{Connection, Session, Sessions};
use trueup::engine::{Config, Engine, EngineMetrics, Health, LEASE_DURATION};
use trueup::kinds::environment::EnvironmentSpec;
use trueup::manifest::package::package;
use trueup::manifest::{Problems, Scope, Set, Source, Sources, load};
use trueup::model::{Clock, ConditionStatus, Object, ObjectId, condition_type};
use trueup::sandbox::{Behaviour, Call, REGION, Sandbox};
use trueup::store::{
    Cause, Entry, EventRecord, NewRelease, Release, SigningKeys, StatusRecord, Store, StoreError,
};

use crate::kit::ungranted;
use crate::sweep::{leaks, undocumented};
use crate::witness::Exchanges;

pub const TABLE: &str = "trueup";
pub const ARTIFACTS: &str = "artifacts";
/// Virtual time within which everything that can become ready has.
pub const SOON: Duration = Duration::from_secs(600);

/// What the daemon signs its calls with; the tests sign theirs otherwise.
pub const DAEMON: &str = "DAEMON";

pub struct Harness {
    pub sandbox: Sandbox,
    /// What AWS's models say of all that goes to and fro.
    pub exchanges: Exchanges,
    /// The test's own, with a call budget and breakers of its own.
    pub session: Session,
    pub store: Store,
    pub registry: Registry,
    /// The daemon's own.
    pub health: Health,
    daemon: Option<Replica>,
    daemons: u64,
    /// How often a daemon that is started reads the heads.
    pub watch_every: Duration,
    /// How long the leases of a daemon that is started last.
    pub lease_for: Duration,
    /// What daemons check releases by.
    pub keys: Option<SigningKeys>,
    /// How many times AWS's quotas daemons take.
    pub quota_scale: Option<f64>,
}

/// One daemon. Dropped, it ends as by SIGKILL.
pub struct Replica {
    task: JoinHandle<()>,
    stop: CancellationToken,
    pub health: Health,
    pub registry: Registry,
}

impl Replica {
    /// As SIGTERM does.
    pub async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Harness {
    /// A daemon whose world is gone would go on in the test's next one.
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let leaks = leaks(&self.sandbox, TABLE, &self.registry);
            assert!(leaks.is_empty(), "secrets leaked: {leaks:#?}");
            let calls = self.sandbox.calls().all();
            let calls = calls.iter().filter(|call| call.caller == DAEMON);
            let ungranted = ungranted(&["daemon.json", "recovery.json"], calls);
            assert!(ungranted.is_empty(), "deploy/iam/daemon.json lacks {ungranted:?}");
            let undocumented = undocumented(&self.sandbox, TABLE, &self.registry);
            assert!(undocumented.is_empty(), "not in docs/: {undocumented:?}");
            let missed = self.sandbox.faults().missed();
            assert!(missed.is_empty(), "nothing was disturbed by {missed:?}");
            let violations = self.exchanges.violations();
            assert!(violations.is_empty(), "against AWS's models: {violations:#?}");
        }
    }
}

impl Harness {
    /// An empty account with an initialized store, at a fixed time.
    pub async fn new() -> Self {
        Self::far(Duration::ZERO).await
    }

    /// The same, where every call takes some time on its way.
    pub async fn far(latency: Duration) -> Self {
        // The proofs have a time to live changed many times an hour; what AWS does then has a test of its own.
        let ttl_settles_for = Duration::ZERO;
        Self::of(Behaviour { latency, ttl_settles_for, ..Behaviour::default() }).await
    }

    /// The same, of an AWS that behaves so.
    pub async fn of(behaviour: Behaviour) -> Self {
        crate::sweep::install();
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let sandbox = Sandbox::new(behaviour, clock);
        let exchanges = Exchanges::of(&sandbox);
        let own = Sessions::new(&sandbox.connection(), clock, None).await;
        let session = own.home().await.unwrap();
        let store = Store::new(session.clone(), TABLE, clock);
        assert!(store.init().await.unwrap(), "the table is made");
        name_store(&session).await;
        session.s3().create_bucket().bucket(ARTIFACTS).send().await.unwrap();
        Self {
            sandbox,
            exchanges,
            session,
            store,
            registry: Registry::new(),
            health: Health::default(),
            daemon: None,
            daemons: 0,
            watch_every: Duration::from_secs(1),
            lease_for: LEASE_DURATION,
            keys: None,
            quota_scale: None,
        }
    }

    /// Starts a daemon with a seed of its own.
    /// How often the daemon looks at its store, where hours go by in a test; its lease lasts as much longer.
    pub fn look_every(&mut self, watch_every: Duration) {
        self.watch_every = watch_every;
        self.lease_for = watch_every * 15;
    }

    pub async fn start(&mut self) {
        self.start_seeded(self.daemons + 1).await;
    }

    pub async fn start_seeded(&mut self, seed: u64) {
        self.daemons += 1;
        let mut config = Config::new(format!("daemon-{}", self.daemons), seed);
        config.watch_every = self.watch_every;
        config.lease_for = self.lease_for;
        let replica = self.replica(config, DAEMON, SignedDuration::ZERO);
        (self.registry, self.health) = (replica.registry.clone(), replica.health.clone());
        self.daemon = Some(replica);
    }

    /// Another daemon, whose calls are signed by `caller` and whose clock is `ahead`.
    pub fn replica(&self, config: Config, caller: &str, ahead: SignedDuration) -> Replica {
        let (registry, health) = (Registry::new(), Health::default());
        let (metrics, seen) = (EngineMetrics::register(&registry).unwrap(), health.clone());
        let clock = Clock::starting_at(self.store.clock().now() + ahead);
        let quota_scale = self.quota_scale;
        let connection = Connection { quota_scale, ..self.sandbox.connection_as(caller) };
        let (keys, signed_only) = (self.keys.clone(), config.requires_signature);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            // A process of its own has sessions of its own.
            let sessions = Sessions::new(&connection, clock, None).await;
            let store = Store::new(sessions.home().await.unwrap(), TABLE, clock)
                .with_keys(keys, signed_only);
            let open = || {
                let (config, store) = (config.clone(), store.clone());
                Engine::new(config, store, sessions.clone(), metrics.clone(), seen.clone())
            };
            // As `trueup run` does, it waits for its store.
            loop {
                match open().await {
                    Ok(engine) => return engine.run(stopped).await,
                    Err(_) => tokio::time::sleep(Duration::from_secs(2)).await,
                }
            }
        });
        Replica { task, stop, health, registry }
    }

    /// Stops the daemon as SIGTERM would.
    pub async fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
    }

    /// Stops the daemon as SIGKILL would; its lease has to end.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Records manifests as the environment's exact content.
    pub async fn apply(&self, yaml: &str) -> Release {
        self.apply_set(parse(yaml)).await
    }

    pub async fn apply_set(&self, set: Set) -> Release {
        set.check_with(&[]).unwrap();
        let environments: BTreeMap<String, EnvironmentSpec> = set
            .objects()
            .filter(|o| o.kind == "Environment")
            .map(|o| (o.metadata.name.clone(), EnvironmentSpec::deserialize(&*o.spec).unwrap()))
            .collect();
        let artifacts = |name: &str| environments.get(name)?.artifacts.clone();
        let (objects, packages) = package(&set, artifacts).unwrap();
        for package in &packages {
            let mut bytes = Vec::new();
            package.open().unwrap().read_to_end(&mut bytes).unwrap();
            let body = ByteStream::from(bytes);
            let put = self.session.s3().put_object().bucket(&package.bucket).key(&package.key);
            put.body(body).send().await.unwrap();
        }
        let mut last = None;
        for name in environments.keys() {
            let ours: Vec<_> =
                objects.iter().filter(|o| o.environment() == name).cloned().collect();
            last = Some(self.record(name, ours).await.unwrap());
        }
        last.expect("an Environment among the manifests")
    }

    pub async fn record(&self, name: &str, objects: Vec<Object>) -> Result<Release, StoreError> {
        let head = self.store.head(name).await?;
        let before = match &head {
            Some(head) => Some(self.store.release(name, head.release).await?),
            None => None,
        };
        let kept: BTreeSet<_> = objects.iter().map(Object::id).collect();
        let mut new = release(objects);
        // The tests mean it when they take something out.
        new.confirmed = before.iter().flat_map(|r| &r.objects).map(Entry::id).collect();
        new.confirmed.retain(|id| !kept.contains(id));
        self.store.record(name, head.as_ref(), before.as_ref(), new).await
    }

    /// Puts a zip-like object where manifests of the tests say their code is.
    pub async fn put_code(&self, key: &str, bytes: &'static [u8]) {
        let put = self.session.s3().put_object().bucket(ARTIFACTS).key(key);
        put.body(ByteStream::from_static(bytes)).send().await.unwrap();
    }

    /// What somebody does to a bucket by hand, as S3's own request. The reply's body.
    pub async fn s3(&self, method: &str, path: &str, body: &str) -> String {
        let (status, body) = self.sandbox.ask("s3", method, path, "", body).await;
        assert!(status < 300, "{method} {path}: {status} {body}");
        body
    }

    /// What somebody does to a function by hand, as Lambda's own request: the reply's status and body. A `null` is
    /// no body.
    pub async fn ask_lambda(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.sandbox.ask("lambda", method, path, "", &body).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// As [`Self::ask_lambda`], and Lambda takes it.
    pub async fn lambda(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.ask_lambda(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {body}");
        body
    }

    /// What somebody does to a table by hand, as DynamoDB's own request.
    pub async fn dynamodb(&self, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let body = body.to_string();
        let (status, body) = self.sandbox.ask("dynamodb", "POST", "/", &target, &body).await;
        assert!(status < 300, "{operation}: {status} {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    pub async fn status(&self, environment: &str, id: &str) -> Option<StatusRecord> {
        let id: ObjectId = id.parse().unwrap();
        self.store.status_of(environment, &id).await.unwrap()
    }

    pub async fn events(&self, environment: &str) -> Vec<EventRecord> {
        self.store.events(environment, 10_000).await.unwrap()
    }

    /// Lets virtual time pass until a condition holds.
    pub async fn until<F>(&self, what: &str, mut holds: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let begun = tokio::time::Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < SOON, "never: {what}");
            pause(begun).await;
        }
    }

    /// Waits until every object of the current release is Ready.
    pub async fn until_ready(&self, environment: &str) {
        let begun = tokio::time::Instant::now();
        loop {
            let waiting = self.not_ready(environment).await;
            if waiting.is_empty() {
                return;
            }
            assert!(begun.elapsed() < SOON, "not ready: {waiting:#?}");
            pause(begun).await;
        }
    }

    /// What is not Ready, and why.
    pub async fn not_ready(&self, environment: &str) -> Vec<String> {
        let head = self.store.head(environment).await.unwrap().unwrap();
        let release = self.store.release(environment, head.release).await.unwrap();
        let statuses = self.store.statuses(environment).await.unwrap();
        let statuses: Vec<_> = statuses.into_values().flatten().collect();
        let mut waiting = Vec::new();
        for entry in release.objects.iter().filter(|e| e.kind != "Environment") {
            let status = statuses.iter().find(|s| s.id() == entry.id());
            let ready = status.is_some_and(|s| {
                s.observed_generation >= entry.generation
                    && s.conditions.is_true(condition_type::READY)
            });
            if !ready {
                let ready = status.and_then(|s| s.conditions.get(condition_type::READY));
                let why = ready.map(|c| format!("{}: {}", c.reason, c.message));
                waiting.push(format!("{} {}", entry.id(), why.unwrap_or_default()));
            }
        }
        waiting
    }

    /// Waits until an object is stalled, and returns the reason and the message.
    pub async fn until_stalled(&self, environment: &str, id: &str) -> (String, String) {
        let begun = tokio::time::Instant::now();
        loop {
            if let Some(status) = self.status(environment, id).await
                && let Some(stalled) = status.conditions.get(condition_type::STALLED)
                && stalled.status == ConditionStatus::True
            {
                return (stalled.reason.clone(), stalled.message.clone());
            }
            assert!(begun.elapsed() < SOON, "{id} never stalled");
            pause(begun).await;
        }
    }

    /// Asks the daemon to reconcile everything, and lets it.
    pub async fn observe(&self, environment: &str) {
        self.store.request_reconcile(environment, None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
    }

    /// Calls of the daemon that changed something outside of the store.
    pub fn mutations(&self) -> Vec<String> {
        let calls = self.sandbox.calls().mutations(TABLE);
        let ours = calls.iter().filter(|c| c.caller == DAEMON);
        ours.map(|c: &Call| format!("{} {}", c.action(), c.resource)).collect()
    }
}

/// A pause between two observations of what goes on, longer the longer it takes.
async fn pause(begun: tokio::time::Instant) {
    let least = Duration::from_millis(100);
    tokio::time::sleep((begun.elapsed() / 2).clamp(least, Duration::from_secs(5))).await;
}

/// Every world's store has the same id, so that uids repeat.
async fn name_store(session: &Session) {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let update = session.dynamodb().update_item().table_name(TABLE);
    let update = update.key("pk", S("store".to_owned())).key("sk", S("identity".to_owned()));
    let update = update.update_expression("SET id = :id");
    update.expression_attribute_values(":id", S("the-store".to_owned())).send().await.unwrap();
}

pub fn release(objects: Vec<Object>) -> NewRelease {
    NewRelease { author: "test".to_owned(), ..NewRelease::new(Cause::Apply, objects) }
}

/// Every record of an environment; all of them are sound.
pub async fn statuses(store: &Store, environment: &str) -> Vec<StatusRecord> {
    let all = store.statuses(environment).await.unwrap();
    all.into_values().map(Result::unwrap).collect()
}

pub fn parse(yaml: &str) -> Set {
    try_parse(yaml).unwrap()
}

pub fn try_parse(yaml: &str) -> Result<Set, Problems> {
    let source = Source {
        name: "test.yaml".to_owned(),
        text: yaml.to_owned(),
        directory: env!("CARGO_MANIFEST_DIR").into(),
    };
    load(Sources(vec![source]), None, Scope::Whole)
}

/// The manifests that the project ships.
pub fn samples() -> Set {
    manifests("manifests")
}

/// The manifests below a folder of the project.
pub fn manifests(folder: &str) -> Set {
    let mut sources = Sources::default();
    sources.read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    load(sources, None, Scope::Whole).unwrap()
}

/// A small environment with one object of each kind; the function refers to the table. What fails stays, as
/// most tests look at it; `delivery.rs` has it rolled back.
pub fn shop() -> String {
    format!(
        r#"
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {{ name: shop }}
spec:
  aws: {{ region: {REGION}, accountId: "123456789012" }}
  artifacts: {{ bucket: {ARTIFACTS} }}
  rollout: {{ rollback: Manual }}
---
apiVersion: trueup.dev/v1alpha1
kind: Function
metadata: {{ name: api, namespace: shop }}
spec:
  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/api
  memorySize: 512
  code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}
  env:
    - {{ name: ORDERS, valueFrom: {{ objectRef: {{ kind: Table, name: orders, field: name }} }} }}
  alias: live
---
apiVersion: trueup.dev/v1alpha1
kind: Table
metadata: {{ name: orders, namespace: shop }}
spec:
  partitionKey: {{ name: id, type: S }}
  ttl: {{ attribute: expiresAt }}
---
apiVersion: trueup.dev/v1alpha1
kind: Bucket
metadata: {{ name: assets, namespace: shop }}
spec:
  versioning: Enabled
---
apiVersion: trueup.dev/v1alpha1
kind: Frontend
metadata: {{ name: web, namespace: shop }}
spec:
  artifact: {{ s3: {{ bucket: {ARTIFACTS}, key: web.zip }} }}
  branch: {{ name: main }}
"#
    )
}

/// A harness with the small environment applied and its code in place.
pub async fn with_shop() -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness
}
