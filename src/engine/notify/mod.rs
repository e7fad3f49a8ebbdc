//! Tells people and machines elsewhere what happens: Slack, webhooks, GitHub.
//!
//! Expected flow: the recorder hands over each event that it writes ([`Notifier::tell`]); a task of its own sends
//! it to whoever the environment names ([`Notifier::run`]).
//!
//! Guarantees: reconciling never waits for it. The same is not told twice within half an hour. What is not
//! taken is tried again five times with growing pauses; then it is given up, logged and counted. No secret is
//! logged.
//!
//! Left to others: what is worth an event (`engine`), the words of each service (`message`).

mod message;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::metrics::EngineMetrics;
use super::rng::Rng;
use super::secrets::Secrets;
use crate::aws::{Sessions, Target};
use crate::kinds::environment::{Notification, Topic};
use crate::model::{Clock, Secret};
use crate::store::EventRecord;
use crate::web::{NoAnswer, Web, WebAnswer, WebRequest};

use message::topic_of;

/// Something to tell.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub event: EventRecord,
    pub topic: Topic,
    /// The commit that the release was applied from; empty where it is not known.
    pub commit: String,
}

/// Whom an environment tells, and where its secrets are.
#[derive(Clone, Debug, Default)]
struct Told {
    notifications: Arc<Vec<Notification>>,
    target: Target,
    /// The commits of the newest releases, by number.
    commits: BTreeMap<u64, String>,
}

/// Takes what is to be told. Clones share it.
#[derive(Clone)]
pub struct Notifier {
    notices: mpsc::Sender<Notice>,
    told: Arc<Mutex<HashMap<Arc<str>, Told>>>,
    metrics: EngineMetrics,
}

/// What waits to be sent; what comes on top is lost, and counted.
const WAITING_MAX: usize = 1_000;
/// The same of one somebody.
const QUEUED_MAX: usize = 200;
/// Releases whose commits are known.
const COMMITS_MAX: usize = 20;
const TRIES: u32 = 6;
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);
const SAME_WITHIN: SignedDuration = SignedDuration::from_mins(30);
const REMEMBERED_MAX: usize = 10_000;

/// What the sending task needs.
pub(super) struct Outgoing {
    pub sessions: Sessions,
    pub secrets: Secrets,
    pub clock: Clock,
    pub rng: Rng,
    notices: mpsc::Receiver<Notice>,
}

impl Notifier {
    /// The one side, and what it takes to send.
    pub(super) fn new(
        sessions: Sessions,
        secrets: Secrets,
        clock: Clock,
        rng: Rng,
        metrics: EngineMetrics,
    ) -> (Self, Outgoing) {
        let (sender, notices) = mpsc::channel(WAITING_MAX);
        let notifier = Self { notices: sender, told: Arc::default(), metrics };
        (notifier, Outgoing { sessions, secrets, clock, rng, notices })
    }

    /// An environment tells these from now on.
    pub(super) fn follow(
        &self,
        environment: &Arc<str>,
        notifications: &[Notification],
        target: Target,
        (release, commit): (u64, &str),
    ) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if notifications.is_empty() {
            told.remove(environment);
            return;
        }
        let mut commits = told.remove(environment).map(|told| told.commits).unwrap_or_default();
        commits.insert(release, commit.to_owned());
        while commits.len() > COMMITS_MAX {
            commits.pop_first();
        }
        let notifications = Arc::new(notifications.to_vec());
        told.insert(Arc::clone(environment), Told { notifications, target, commits });
    }

    /// Hands an event over, where somebody is to be told. Never waits.
    pub(super) fn tell(&self, event: &EventRecord) {
        let Some(topic) = topic_of(event) else { return };
        let Some(Told { commits, .. }) = self.told(&event.environment) else { return };
        let commit = commits.get(&event.release).cloned().unwrap_or_default();
        let notice = Notice { event: event.clone(), topic, commit };
        if self.notices.try_send(notice).is_err() {
            self.lost("all", event);
        }
    }

    fn told(&self, environment: &str) -> Option<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get(environment).cloned()
    }

    /// Sends until it is stopped; then what is under way ends with it. Each somebody has a queue of its own and is
    /// told in order: one that hangs does not hold up the others.
    pub(super) async fn run(self, mut outgoing: Outgoing, stop: CancellationToken) {
        let mut sending = JoinSet::new();
        let mut queues: HashMap<(String, usize), mpsc::Sender<Notice>> = HashMap::new();
        let mut recent: HashMap<String, Timestamp> = HashMap::new();
        loop {
            let notice = tokio::select! {
                () = stop.cancelled() => return,
                notice = outgoing.notices.recv() => notice,
            };
            let Some(notice) = notice else { return };
            let now = outgoing.clock.now();
            recent.retain(|_, at| now.duration_since(*at) < SAME_WITHIN);
            if recent.len() >= REMEMBERED_MAX {
                recent.clear();
            }
            let Some(told) = self.told(&notice.event.environment) else { continue };
            for (i, notification) in told.notifications.iter().enumerate() {
                let is_wanted =
                    notification.on.as_ref().is_none_or(|topics| topics.contains(&notice.topic));
                let EventRecord { environment, object, release, message, reason, .. } =
                    &notice.event;
                let same = format!("{environment} {i} {object} {release} {reason} {message}");
                if !is_wanted || recent.insert(same, now).is_some() {
                    continue;
                }
                let queue = queues.entry((environment.clone(), i)).or_insert_with(|| {
                    let (queue, notices) = mpsc::channel(QUEUED_MAX);
                    let courier = Courier {
                        notifier: self.clone(),
                        sessions: outgoing.sessions.clone(),
                        secrets: outgoing.secrets.clone(),
                        clock: outgoing.clock,
                        rng: outgoing.rng.clone(),
                    };
                    sending.spawn(courier.in_order(i, notices));
                    queue
                });
                if queue.try_send(notice.clone()).is_err() {
                    self.lost(message::channel(notification), &notice.event);
                }
            }
        }
    }

    fn lost(&self, channel: &str, event: &EventRecord) {
        self.metrics.notifications.with_label_values(&[channel, "lost"]).inc();
        let EventRecord { environment, reason, .. } = event;
        warn!(%environment, %reason, channel, "a notification was lost: too many wait");
    }
}

/// What it takes to tell one somebody.
struct Courier {
    notifier: Notifier,
    sessions: Sessions,
    secrets: Secrets,
    clock: Clock,
    rng: Rng,
}

/// Why it did not arrive.
enum Failure {
    /// It may later.
    Passing(String),
    Final(String),
}

impl Courier {
    /// Tells one after the other whoever is the `i`-th at that time.
    async fn in_order(self, i: usize, mut notices: mpsc::Receiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            let Some(told) = self.notifier.told(&notice.event.environment) else { continue };
            if let Some(notification) = told.notifications.get(i) {
                self.all(&notice, notification, &told.target).await;
            }
        }
    }

    async fn all(&self, notice: &Notice, notification: &Notification, target: &Target) {
        let channel = message::channel(notification);
        let mut pause = PAUSE_FIRST;
        for tried in 1..=TRIES {
            let failure = match self.once(notice, notification, target).await {
                Ok(()) => return self.count(channel, "sent"),
                Err(failure) => failure,
            };
            let (why, is_last) = match failure {
                Failure::Passing(why) => (why, tried == TRIES),
                Failure::Final(why) => (why, true),
            };
            let EventRecord { environment, reason, .. } = &notice.event;
            if is_last {
                self.count(channel, "failed");
                warn!(%environment, %reason, channel, error = why, "a notification was not taken, and is given up");
                return;
            }
            info!(%environment, %reason, channel, error = why, "a notification was not taken; tried again");
            tokio::time::sleep(self.rng.around(pause)).await;
            pause *= 3;
        }
    }

    fn count(&self, channel: &str, result: &str) {
        self.notifier.metrics.notifications.with_label_values(&[channel, result]).inc();
    }

    async fn once(
        &self,
        notice: &Notice,
        notification: &Notification,
        target: &Target,
    ) -> Result<(), Failure> {
        let passing = |error: crate::aws::AwsError| Failure::Passing(error.to_string());
        let session = self.sessions.get_in_account(target).await.map_err(passing)?;
        // Validation has refused what has none.
        let reference = notification.secret();
        let reference = reference.ok_or_else(|| Failure::Final("it has no secret".to_owned()))?;
        let secret = self.secrets.get(&session, target, &reference).await.map_err(passing)?;
        let web = session.web();
        if let Some(github) = &notification.github {
            return message::to_github(web, github, notice, &secret).await;
        }
        let Some(request) = message::request(notification, notice, &secret, self.clock.now())
        else {
            return Ok(());
        };
        send(web, request, &secret).await.map(drop)
    }
}

/// Sends one request; an answer that is no success says whether it may become one.
async fn send(web: &dyn Web, request: WebRequest, secret: &Secret) -> Result<WebAnswer, Failure> {
    let answer = tokio::time::timeout(TIMEOUT, web.send(request)).await;
    let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Broken("no answer in time".to_owned())));
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Ok(WebAnswer { status, .. }) if status == 429 || status >= 500 => {
            Err(Failure::Passing(format!("it answered with status {status}")))
        }
        Ok(WebAnswer { status, .. }) => {
            Err(Failure::Final(format!("it answered with status {status}")))
        }
        Err(why) => Err(Failure::Passing(secret.concealed_in(&why.to_string()))),
    }
}
