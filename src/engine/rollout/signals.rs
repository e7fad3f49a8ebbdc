//! What a rollout has to find out now, and what follows from what was found out.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ObjectState, Seen, later, shift};
use crate::kinds::{Hook, HookTarget};
use crate::model::{Counts, Evidence, Finding, Interval, ObjectId};
use crate::signals::{
    AlarmState, Answer, Call, CallTarget, Expected, Failure, Minute, Question, Reach, Traffic,
    TrafficQuestion,
};
use crate::store::{Rollout, Shift, Stage};

/// How often a version is probed that serves already.
const BESIDE_EVERY: Duration = Duration::from_secs(60);
/// Metrics are read once for each minute that is over; this is only the longest pause.
const TRAFFIC_EVERY: Duration = Duration::from_secs(60);
/// Metrics of requests that were served by then have arrived: users saw one to three minutes.
const METRICS_LATE: Duration = Duration::from_secs(5 * 60);
const ALARMS_EVERY: Duration = Duration::from_secs(30);
/// What a release waits for is asked more often than what is only watched.
const WAITED_FOR_EVERY: Duration = Duration::from_secs(10);
const WATCHED_EVERY: Duration = Duration::from_secs(30);
/// How long a new version may be slow after its first requests: its first instances load what they need.
const WARM_UP: Duration = Duration::from_secs(120);
/// One answer that is wrong may be chance: a page that is just being spread, a cold start.
const TRIES: u32 = 3;

const AFTER_TRAFFIC: &str = "afterTraffic";

/// Something that a rollout has to find out.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Tells it from every other one of the same environment.
    pub key: String,
    /// What has to be found out.
    pub question: Question,
    /// When it is asked again after an answer.
    every: Duration,
    /// It is asked until there is an answer, and never again.
    is_once: bool,
    /// An answer from before this is asked for again.
    fresh_from: Option<Timestamp>,
    /// Wrong answers in a row that fail the release.
    tries: u32,
    /// The reason of such a failure.
    reason: &'static str,
    /// What is asked, for people.
    about: String,
    role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Alarms,
    /// Before a new version of the object gets its first requests.
    Gate(ObjectId),
    /// While it gets a part of them.
    Beside(ObjectId),
    /// How both versions do.
    Traffic(ObjectId),
    /// Before the release has succeeded, or while it is watched afterwards.
    End,
}

/// What came of an ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// When it was asked.
    pub at: Timestamp,
    pub result: Result<Answer, Failure>,
    /// Wrong answers in a row.
    failures: u32,
    /// Times in a row that nobody was reached.
    unreached: u32,
}

/// What was found out so far, by the keys of the asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals(BTreeMap<String, Heard>);

impl Signals {
    /// Nothing was read yet.
    #[cfg(test)]
    pub const NONE: Self = Self(BTreeMap::new());

    /// Takes an answer. A wrong one counts as one more in a row; one that nobody could give changes no count.
    pub fn hear(&mut self, key: String, at: Timestamp, result: Result<Answer, Failure>) {
        let before = self.0.get(&key).map_or((0, 0), |heard| (heard.failures, heard.unreached));
        let (failures, unreached) = match &result {
            Ok(_) => (0, 0),
            Err(Failure::Unexpected(_)) => (before.0.saturating_add(1), 0),
            Err(Failure::Unreached(_)) => (0, before.1.saturating_add(1)),
            // Nobody can tell: it neither fails nor passes.
            Err(Failure::Unknown(_)) => before,
        };
        self.0.insert(key, Heard { at, result, failures, unreached });
    }

    /// Forgets what nobody asks for any more.
    pub fn keep(&mut self, asks: &[Ask]) {
        self.0.retain(|key, _| asks.iter().any(|ask| ask.key == *key));
    }

    fn of(&self, ask: &Ask) -> Option<&Heard> {
        self.0.get(&ask.key)
    }
}

/// How an ask stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// There is no answer yet, or it may have been chance.
    Open,
    Passed,
    Failed(String),
    Unknown(String),
}

impl Ask {
    /// It is to be asked now.
    pub fn is_due(&self, signals: &Signals, now: Timestamp) -> bool {
        let Some(heard) = signals.of(self) else { return true };
        if self.is_once && !matches!(heard.result, Err(Failure::Unknown(_))) {
            return false;
        }
        // Whether a wrong answer was chance is found out soon.
        let every = if heard.failures == 0 { self.every } else { self.every.min(WAITED_FOR_EVERY) };
        self.fresh_from.is_some_and(|from| heard.at < from) || now >= later(heard.at, every)
    }

    /// It was answered wrongly, and that may have been chance.
    fn is_in_doubt(&self, signals: &Signals) -> bool {
        signals.of(self).is_some_and(|heard| (1..self.tries).contains(&heard.failures))
    }

    fn standing(&self, signals: &Signals) -> Standing {
        match signals.of(self) {
            None => Standing::Open,
            Some(heard) => match &heard.result {
                Ok(_) => Standing::Passed,
                Err(Failure::Unexpected(why)) if heard.failures >= self.tries => {
                    Standing::Failed(format!("{}: {why}", self.about))
                }
                Err(Failure::Unexpected(_)) => Standing::Open,
                Err(Failure::Unreached(_)) if heard.unreached >= self.unreached_tries() => {
                    Standing::Passed
                }
                Err(Failure::Unreached(_)) => Standing::Open,
                Err(Failure::Unknown(why)) => Standing::Unknown(format!("{}: {why}", self.about)),
            },
        }
    }

    /// After so many times in a row it is done without an answer.
    fn unreached_tries(&self) -> u32 {
        match &self.question {
            Question::Call(Call { reach: Reach::Hoped(tries), .. }) => *tries,
            _ => u32::MAX,
        }
    }

    /// How long one answer may take.
    fn timeout(&self) -> Duration {
        match &self.question {
            Question::Call(call) => call.timeout,
            Question::Alarms(_) | Question::Traffic(_) => Duration::ZERO,
        }
    }
}

/// Everything that the rollout has to find out now, in its present stage.
pub fn asks(rollout: &Rollout, seen: &Seen<'_>, now: Timestamp) -> Vec<Ask> {
    let stage = rollout.stage();
    let mut asks = Vec::new();
    if !is_listening(stage) {
        return asks;
    }
    if !seen.watched.alarms.is_empty() {
        let question = Question::Alarms(seen.watched.alarms.to_vec());
        let about = "CloudWatch's alarms".to_owned();
        let ask = ask("alarms", question, ALARMS_EVERY, "AlarmBreached", about, Role::Alarms);
        // Whoever succeeds has looked.
        let fresh_from = (stage == Stage::Checking).then(|| stage_since(rollout, now));
        asks.push(Ask { fresh_from, ..ask });
    }
    match stage {
        Stage::Checking | Stage::Baking => asks.extend(at_end(rollout, seen, now)),
        _ => {
            let shifted = seen.objects.iter().filter(|object| is_shifting(rollout, object));
            asks.extend(shifted.flat_map(|object| of_shift(rollout, object, seen, now)));
        }
    }
    asks
}

fn is_listening(stage: Stage) -> bool {
    matches!(stage, Stage::First | Stage::Second | Stage::Checking | Stage::Baking)
}

fn ask(
    key: impl Into<String>,
    question: Question,
    every: Duration,
    reason: &'static str,
    about: String,
    role: Role,
) -> Ask {
    let (key, is_once, fresh_from, tries) = (key.into(), false, None, TRIES);
    Ask { key, question, every, is_once, fresh_from, tries, reason, about, role }
}

/// A new version of the object is ready, and has not everything yet.
pub(super) fn is_shifting(rollout: &Rollout, object: &ObjectState) -> bool {
    object.next_version.is_some()
        && shift::weight(rollout, &object.id, object.generation, &object.shifting).is_some()
}

fn stage_since(rollout: &Rollout, now: Timestamp) -> Timestamp {
    rollout.stages.last().map_or(now, |passed| passed.since)
}

/// What is asked about a version that is about to take over.
fn of_shift(rollout: &Rollout, object: &ObjectState, seen: &Seen<'_>, now: Timestamp) -> Vec<Ask> {
    let Some(ready) = &object.next_version else { return Vec::new() };
    let (id, shifting) = (&object.id, &object.shifting);
    let shift = rollout.shifts.iter().find(|s| s.is_of(id) && s.version == ready.version);
    let (is_gate, every) = match shift {
        None => (true, WAITED_FOR_EVERY),
        Some(_) => (false, BESIDE_EVERY),
    };
    let role = if is_gate { Role::Gate(id.clone()) } else { Role::Beside(id.clone()) };
    // Who tries again asks again.
    let since = stage_since(rollout, now);
    let mut asks = probe_asks(object, &ready.version, every, &role, since);
    match shift {
        None => {
            let hook = shifting.before_traffic.as_ref();
            asks.extend(hook.map(|hook| {
                let hook = ("beforeTraffic", hook);
                hook_ask(rollout, object, seen, hook, &ready.version, now)
            }));
        }
        Some(shift) => {
            if let Some(first_at) = shift.first_at {
                asks.push(traffic_ask(shift, object, &ready.from, first_at, now));
            }
        }
    }
    asks
}

/// The invocations of a version that show whether it works.
fn probe_asks(
    object: &ObjectState,
    version: &str,
    every: Duration,
    role: &Role,
    since: Timestamp,
) -> Vec<Ask> {
    let id = &object.id;
    let probes = object.shifting.probes.iter().enumerate();
    let ask = probes.map(|(i, probe)| {
        let target = CallTarget::Function {
            name: object.aws_name.clone(),
            qualifier: Some(version.to_owned()),
            payload: probe.payload.clone(),
        };
        let (expected, timeout) = (probe.expected.clone(), probe.timeout);
        let question = Question::Call(Call { target, expected, timeout, reach: Reach::Must });
        let key = format!("probe {i} of version {version} of {id} {since}");
        let about = format!("{id}: probe {}", i + 1);
        ask(key, question, every, "ProbeFailed", about, role.clone())
    });
    ask.collect()
}

fn traffic_ask(
    shift: &Shift,
    object: &ObjectState,
    old: &str,
    first_at: Timestamp,
    now: Timestamp,
) -> Ask {
    let id = &object.id;
    // The minute that is not over is not told in full.
    let minute = Timestamp::from_second(now.as_second().div_euclid(60) * 60).unwrap_or(now);
    let question = Question::Traffic(TrafficQuestion {
        function: object.aws_name.clone(),
        alias: object.shifting.alias.clone(),
        new: shift.version.clone(),
        old: old.to_owned(),
        since: first_at,
        until: minute,
        slow_over_ms: shift.slow_over_ms,
        finds_slow: now < later(first_at, METRICS_LATE),
    });
    let key = format!("traffic of version {} of {id} {first_at}", shift.version);
    let about = format!("{id}: the metrics of version {}", shift.version);
    let reason = "NewVersionWorse";
    let ask = ask(key, question, TRAFFIC_EVERY, reason, about, Role::Traffic(id.clone()));
    let pause_end = pause_end(shift, object).filter(|end| *end <= now);
    Ask { fresh_from: Some(pause_end.unwrap_or(minute).max(minute)), ..ask }
}

/// When the pause of a shift's step is over; `None` until its part was seen.
pub(super) fn pause_end(shift: &Shift, object: &ObjectState) -> Option<Timestamp> {
    let step = object.shifting.steps.get(shift.step)?;
    Some(later(shift.since?, step.pause))
}

fn hook_ask(
    rollout: &Rollout,
    object: &ObjectState,
    seen: &Seen<'_>,
    (name, hook): (&'static str, &Hook),
    version: &str,
    now: Timestamp,
) -> Ask {
    let id = &object.id;
    let body: Value = json!({
        "hook": name,
        "environment": seen.environment,
        "release": rollout.release,
        "function": object.aws_name,
        "alias": object.shifting.alias,
        "version": version,
    });
    let target = match &hook.target {
        HookTarget::Function(function) => {
            CallTarget::Function { name: function.clone(), qualifier: None, payload: body }
        }
        HookTarget::Url(url) => CallTarget::Page { url: url.clone(), body: Some(body) },
    };
    let (expected, timeout, reach) = (Expected::default(), hook.timeout, Reach::Again);
    let call = Call { target, expected, timeout, reach };
    let key = format!("{name} of {id} {version} {}", stage_since(rollout, now));
    let about = format!("{id}: {name}");
    let role = if name == AFTER_TRAFFIC { Role::End } else { Role::Gate(id.clone()) };
    let ask = ask(key, Question::Call(call), WAITED_FOR_EVERY, "HookFailed", about, role);
    // Whoever is called may do something: one answer is enough.
    Ask { is_once: true, tries: 1, ..ask }
}

/// What is asked once everything is ready.
fn at_end(rollout: &Rollout, seen: &Seen<'_>, now: Timestamp) -> Vec<Ask> {
    let since = stage_since(rollout, now);
    let is_waited_for = rollout.stage() == Stage::Checking;
    let every = if is_waited_for { WAITED_FOR_EVERY } else { WATCHED_EVERY };
    let checks = seen.watched.checks.iter().enumerate().map(|(i, call)| {
        let page = match &call.target {
            // What stands behind a question mark may be a key.
            CallTarget::Page { url, .. } => url.split(['?', '#']).next().unwrap_or_default(),
            CallTarget::Function { name, .. } => name.as_str(),
        };
        let (key, about) = (format!("check {i} {since}"), format!("check {} ({page})", i + 1));
        ask(key, Question::Call(call.clone()), every, "CheckFailed", about, Role::End)
    });
    // Only what this rollout gave its requests.
    let shifted = rollout.shifts.iter().filter_map(|shift| {
        let object = seen.objects.iter().find(|object| shift.is_of(&object.id))?;
        Some((shift, object))
    });
    let beside = shifted.flat_map(|(shift, object)| {
        let version = &shift.version;
        if !is_waited_for {
            return probe_asks(object, version, every, &Role::End, since);
        }
        let hooks = object.shifting.after_traffic.iter().map(|hook| (AFTER_TRAFFIC, hook));
        hooks.map(|hook| hook_ask(rollout, object, seen, hook, version, now)).collect()
    });
    checks.chain(beside).collect()
}

/// Something has to be found out before the release has succeeded.
pub(super) fn has_end(rollout: &Rollout, seen: &Seen<'_>) -> bool {
    let has_hook = |shift: &Shift| {
        let object = seen.objects.iter().find(|object| shift.is_of(&object.id));
        object.is_some_and(|object| object.shifting.after_traffic.is_some())
    };
    !seen.watched.checks.is_empty()
        || !seen.watched.alarms.is_empty()
        || rollout.shifts.iter().any(has_hook)
}

/// Why the release has failed by what was found out: the reason, and what happened.
pub(super) fn failed(
    rollout: &Rollout,
    seen: &Seen<'_>,
    asks: &[Ask],
) -> Option<(&'static str, String)> {
    if !is_listening(rollout.stage()) {
        return None;
    }
    let called = asks.iter().find_map(|ask| match ask.standing(seen.signals) {
        Standing::Failed(why) => Some((ask.reason, why)),
        _ => None,
    });
    let alarm = || {
        let begun_at = rollout.begun_at().map_or(0, Timestamp::as_second);
        alarms(asks, seen.signals).find_map(|(name, state)| match state {
            // What went off before says nothing of this release, which may be what mends it.
            AlarmState::InAlarm { since, why } if since.as_second() >= begun_at => {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                Some(("AlarmBreached", format!("alarm {name} went off{why}")))
            }
            _ => None,
        })
    };
    let worse = || rollout.shifts.iter().find_map(|shift| worse(shift, seen.objects));
    called.or_else(alarm).or_else(worse)
}

fn alarms<'a>(
    asks: &'a [Ask],
    signals: &'a Signals,
) -> impl Iterator<Item = (&'a str, &'a AlarmState)> {
    let asked = asks.iter().filter(|ask| ask.role == Role::Alarms);
    let heard = asked.filter_map(|ask| match &signals.of(ask)?.result {
        Ok(Answer::Alarms(alarms)) => Some(alarms),
        _ => None,
    });
    heard.flatten().map(|alarm| (alarm.name.as_str(), &alarm.state))
}

fn worse(shift: &Shift, objects: &[ObjectState]) -> Option<(&'static str, String)> {
    let object = objects.iter().find(|object| shift.is_of(&object.id))?;
    let guard = &object.shifting.analysis.guard;
    let is_worse = |e: &&Evidence| e.finding(guard) == Finding::Worse;
    let (id, version) = (shift.id(), &shift.version);
    if let Some(errors) = shift.errors.as_ref().filter(is_worse) {
        let message = format!("{id}: version {version} fails more often: {errors}");
        return Some(("NewVersionWorse", message));
    }
    // Each step starts new instances, which are slow at first: that alone rolls nothing back unasked.
    let slow = shift.slow.as_ref().filter(|_| object.shifting.analysis.is_required);
    let slow = slow.filter(is_worse)?;
    Some((
        "NewVersionWorse",
        format!("{id}: version {version} is slower: {}", said_slow(shift, slow)),
    ))
}

/// The evidence on slow requests, for people.
pub fn said_slow(shift: &Shift, slow: &Evidence) -> String {
    let over = shift.slow_over_ms.unwrap_or_default();
    let Evidence { new, old, .. } = slow;
    format!(
        "after {} requests, {} longer than {over} ms, beside {} in {}",
        new.requests, new.errors, old.errors, old.requests
    )
}

/// What could not be found out, and what is waited for.
pub(super) fn unknown(seen: &Seen<'_>, asks: &[Ask]) -> Vec<String> {
    let waits_for_alarms = seen.watched.waits_for_alarms;
    let counts = |ask: &&Ask| match ask.role {
        Role::Alarms => waits_for_alarms,
        // What a step does without its metrics, its analysis says.
        Role::Traffic(_) => false,
        Role::Gate(_) | Role::Beside(_) | Role::End => true,
    };
    let calls = asks.iter().filter(counts).filter_map(|ask| match ask.standing(seen.signals) {
        Standing::Unknown(why) => Some(why),
        _ => None,
    });
    let unreadable = alarms(asks, seen.signals).filter(|_| waits_for_alarms);
    let unreadable = unreadable.filter_map(|(name, state)| match state {
        AlarmState::Unreadable(why) => Some(format!("alarm {name}: {why}")),
        _ => None,
    });
    calls.chain(unreadable).collect()
}

/// Everything was found out that a success waits for.
pub(super) fn end_is_passed(
    rollout: &Rollout,
    seen: &Seen<'_>,
    asks: &[Ask],
    now: Timestamp,
) -> bool {
    let since = stage_since(rollout, now);
    let passed = |ask: &Ask| match ask.role {
        Role::End => ask.standing(seen.signals) == Standing::Passed,
        Role::Alarms => {
            !seen.watched.waits_for_alarms
                || seen
                    .signals
                    .of(ask)
                    .is_some_and(|heard| heard.result.is_ok() && heard.at >= since)
        }
        Role::Gate(_) | Role::Beside(_) | Role::Traffic(_) => true,
    };
    asks.iter().all(passed) && unknown(seen, asks).is_empty()
}

/// A page has answered wrongly, and is asked once more before the release is no longer watched.
pub(super) fn end_is_in_doubt(seen: &Seen<'_>, asks: &[Ask]) -> bool {
    asks.iter().any(|ask| ask.role == Role::End && ask.is_in_doubt(seen.signals))
}

/// What the release did without, for people; empty where it was all reached.
pub(super) fn done_without(seen: &Seen<'_>, asks: &[Ask]) -> String {
    let unreached = asks.iter().filter_map(|ask| match &seen.signals.of(ask)?.result {
        Err(Failure::Unreached(why)) => Some(why.as_str()),
        _ => None,
    });
    let unreached: Vec<_> = unreached.collect();
    match unreached[..] {
        [] => String::new(),
        _ => format!("not checked: {}", unreached.join("; ")),
    }
}

/// The gates before the first requests of a version are open.
pub(super) fn gates_are_passed(id: &ObjectId, seen: &Seen<'_>, asks: &[Ask]) -> bool {
    let mut gates = asks.iter().filter(|ask| ask.role == Role::Gate(id.clone()));
    gates.all(|ask| ask.standing(seen.signals) == Standing::Passed)
}

/// How much longer than its deadline a release may take, for the answers that it waits for.
pub(super) fn longest_answer(asks: &[Ask]) -> Duration {
    asks.iter().map(Ask::timeout).max().unwrap_or_default()
}

/// Puts what the metrics say into the shifts.
pub(super) fn note_evidence(rollout: &mut Rollout, seen: &Seen<'_>, asks: &[Ask]) {
    for ask in asks {
        let (Role::Traffic(id), Some(heard)) = (&ask.role, seen.signals.of(ask)) else { continue };
        let Ok(Answer::Traffic(Traffic { minutes, slow_over_ms })) = &heard.result else {
            continue;
        };
        let Some(object) = seen.objects.iter().find(|object| object.id == *id) else { continue };
        let Some(shift) = rollout.shifts.iter_mut().find(|shift| shift.is_of(id)) else { continue };
        let guard = &object.shifting.analysis.guard;
        // A version that was just started is slow for a while, whatever is in it.
        let warm_at = shift.first_at.map_or(i64::MAX, |at| later(at, WARM_UP).as_second());
        let (mut errors, mut slow) = (Evidence::default(), Evidence::default());
        for Minute { at, new, old } in minutes {
            let interval = |failed: fn(&crate::signals::Counts) -> u64| Interval {
                new: Counts { requests: new.requests, errors: failed(new) },
                old: Counts { requests: old.requests, errors: failed(old) },
            };
            errors.add(guard, interval(|counts| counts.errors));
            if *at >= warm_at {
                slow.add(guard, interval(|counts| counts.slow));
            }
        }
        shift.errors = Some(errors);
        shift.slow_over_ms = *slow_over_ms;
        shift.slow = slow_over_ms.map(|_| slow);
    }
}

/// Whether a version may have more, once the pause of its step is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// And why nothing could be found out, where it could not.
    GoOn(Option<String>),
    /// It is not clear yet.
    Wait,
    /// It takes too long: a person decides.
    GiveUp(String),
}

pub(super) fn judge(
    shift: &Shift,
    object: &ObjectState,
    seen: &Seen<'_>,
    asks: &[Ask],
    now: Timestamp,
) -> Judgement {
    let id = &object.id;
    let traffic = asks.iter().find(|ask| ask.role == Role::Traffic(id.clone()));
    // Without a part there is nothing to compare.
    let Some(traffic) = traffic else { return Judgement::GoOn(None) };
    let fresh = |heard: &&Heard| traffic.fresh_from.is_none_or(|from| heard.at >= from);
    let Some(heard) = seen.signals.of(traffic).filter(fresh) else { return Judgement::Wait };
    let analysis = &object.shifting.analysis;
    let unread = match traffic.standing(seen.signals) {
        Standing::Unknown(why) => Some(why),
        _ => None,
    };
    let unknown = unknown(seen, asks);
    let open = match (&unread, analysis.is_required) {
        _ if !unknown.is_empty() => unknown.join("; "),
        (_, false) => return Judgement::GoOn(unread),
        (Some(why), true) => why.clone(),
        (None, true) if heard.result.is_ok() && has_shown_enough(shift, object, seen, asks) => {
            return Judgement::GoOn(None);
        }
        (None, true) => said(shift),
    };
    let since = shift.since.unwrap_or(now);
    let pause = object.shifting.steps.get(shift.step).map_or(Duration::ZERO, |step| step.pause);
    if now < later(since, pause.max(analysis.max_duration)) {
        return Judgement::Wait;
    }
    let minutes = pause.max(analysis.max_duration).as_secs() / 60;
    Judgement::GiveUp(format!("{id}: undecided after {minutes} min: {open}"))
}

/// Both tests found the version no worse, or it did nothing wrong and was called often enough.
fn has_shown_enough(shift: &Shift, object: &ObjectState, seen: &Seen<'_>, asks: &[Ask]) -> bool {
    let analysis = &object.shifting.analysis;
    let mut probes =
        asks.iter().filter(|ask| ask.role == Role::Beside(object.id.clone())).peekable();
    let is_probed =
        probes.peek().is_some() && probes.all(|ask| ask.standing(seen.signals) == Standing::Passed);
    let is_fine = |evidence: &Evidence| {
        let is_called = is_probed || evidence.new.requests >= analysis.min_requests;
        evidence.finding(&analysis.guard) == Finding::NoWorse
            || evidence.new.errors == 0 && is_called
    };
    shift.errors.as_ref().is_some_and(is_fine) && shift.slow.as_ref().is_none_or(is_fine)
}

fn said(shift: &Shift) -> String {
    match (&shift.errors, &shift.slow) {
        (Some(errors), _) if errors.new.requests == 0 => {
            format!("no request reached version {}", shift.version)
        }
        (Some(errors), Some(slow)) => format!("{errors}; {}", said_slow(shift, slow)),
        (Some(errors), None) => errors.to_string(),
        (None, _) => "there are no metrics yet".to_owned(),
    }
}
