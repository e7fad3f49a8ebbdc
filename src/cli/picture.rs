//! A release on its way, for people: its stages, what share of the requests its new versions get and why not more
//! yet, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::get::held;
use super::show::{age, brief, table};
use super::{CliError, Connected};
use crate::engine::rollout::said_slow;
use crate::kinds::{Shifting, environment, kind};
use crate::model::{ConditionStatus, Evidence, Guard, Object, ObjectId, condition_type};
use crate::store::{Head, Rollout, Shift, Stage};

/// Objects that are named as not ready; the others are counted.
const NAMED_MAX: usize = 10;
const MESSAGE_CHARS_MAX: usize = 100;

/// A rollout, and what the store says besides.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Picture {
    pub rollout: Option<Rollout>,
    /// How the new versions get their requests.
    shifting: BTreeMap<ObjectId, Shifting>,
    /// Objects that are not ready yet, and why.
    waits: Vec<(ObjectId, String)>,
    /// What could not be read.
    unknown: Vec<String>,
}

impl Picture {
    /// What is known of a release.
    pub async fn read(connected: &Connected, head: &Head, release: u64) -> Result<Self, CliError> {
        let Some(rollout) = connected.store.rollout(&head.environment, release).await? else {
            return Ok(Self::default());
        };
        let mut unknown = Vec::new();
        let shifting = shifting(connected, head, &rollout).await.unwrap_or_else(|error| {
            unknown.push(format!("the steps of its versions cannot be told: {error}"));
            BTreeMap::new()
        });
        let is_open = matches!(rollout.stage(), Stage::First | Stage::Second);
        let waits = if is_open && release == head.release {
            waits(connected, head).await.unwrap_or_else(|error| {
                unknown.push(format!("what it waits for cannot be told: {error}"));
                Vec::new()
            })
        } else {
            Vec::new()
        };
        Ok(Self { rollout: Some(rollout), shifting, waits, unknown })
    }

    /// What share of the requests a version has, or is about to get; in percent. `None` where its steps are unknown.
    pub fn weight(&self, shift: &Shift) -> Option<u8> {
        let shifting = self.shifting.get(&shift.id())?;
        Some(shifting.steps.get(shift.step).map_or(100, |step| step.weight))
    }

    /// When an object became ready for the release, in words. Empty where nobody knows, or it need not have.
    pub fn ready(&self, id: &ObjectId, is_changed: bool) -> String {
        let Some(rollout) = &self.rollout else { return String::new() };
        let arrived = rollout.arrived.iter().find(|arrived| arrived.id() == *id);
        match (arrived, rollout.begun_at()) {
            (Some(arrived), Some(begun)) if arrived.is_changed => {
                let version = arrived.version.as_ref().map(|v| format!(", version {v}"));
                format!("after {}{}", age(begun, arrived.at), version.unwrap_or_default())
            }
            (None, Some(_)) if is_changed => "no".to_owned(),
            _ => String::new(),
        }
    }

    /// Everything, in lines.
    pub fn draw(&self, head: &Head, release: u64, now: Timestamp) -> String {
        let name = &head.environment;
        let mut lines = Vec::new();
        match &self.rollout {
            None if head.waiting() == Some(release) => {
                lines.push(format!("{name} release {release}: not recorded yet"));
            }
            None if release < head.release => {
                lines.push(format!(
                    "{name} release {release}: Superseded; another release came before a daemon began with it"
                ));
            }
            None => {
                lines.push(format!(
                    "{name} release {release}: Pending; no daemon has begun with it"
                ));
            }
            Some(rollout) => {
                lines.push(headline(name, rollout));
                lines.push(stages(rollout, now));
                lines.extend(time_left(rollout, now));
                lines.extend(rollout.shifts.iter().flat_map(|shift| self.shift(shift, now)));
                lines.extend(self.waiting());
                lines.extend(self.unknown.iter().cloned());
                lines.extend(rollout.mixed_since.map(|since| {
                    let mixed = age(since, rollout.mixed_until.unwrap_or(now));
                    format!("frontends and functions were of different releases for {mixed}")
                }));
                lines.extend(arrivals(rollout, now));
            }
        }
        if head.suspended {
            let resume = format!("`trueup resume {name}` ends that");
            lines.push(format!("{name} is suspended, and nothing is written; {resume}"));
        }
        lines.extend(head.holds.iter().map(|hold| held(name, hold)));
        lines.join("\n")
    }

    /// A version on its way, with what is known of it.
    fn shift(&self, shift: &Shift, now: Timestamp) -> Vec<String> {
        let none = Shifting::default();
        let shifting = self.shifting.get(&shift.id()).unwrap_or(&none);
        let (id, version) = (shift.id(), &shift.version);
        let weight = self.weight(shift).map_or("?".to_owned(), |weight| weight.to_string());
        let place = match shifting.steps.len() {
            0 => String::new(),
            steps if shift.step >= steps => String::new(),
            steps => format!(" (step {} of {steps})", shift.step + 1),
        };
        let line = match (shift.since, shifting.steps.get(shift.step)) {
            (None, _) => {
                format!("{id}: version {version} is to get {weight} % of the requests{place}")
            }
            (Some(since), step) => {
                let pause = step.map(|step| step.pause.as_secs()).unwrap_or_default();
                let left = pause.saturating_sub(now.duration_since(since).as_secs().unsigned_abs());
                let next = match step {
                    None => String::new(),
                    Some(_) if left > 0 => format!(", at least {left}s more"),
                    Some(_) => ", until it is clear whether it may go on".to_owned(),
                };
                let since = age(since, now);
                format!(
                    "{id}: version {version} gets {weight} % of the requests{place} for {since}{next}"
                )
            }
        };
        let is_on_its_way = self.rollout.as_ref().is_some_and(|rollout| {
            matches!(rollout.stage(), Stage::First | Stage::Second | Stage::Waiting)
        });
        let line = if is_on_its_way {
            line
        } else {
            format!("{id}: version {version} got as far as {weight} % of the requests{place}")
        };
        let guard = &shifting.analysis.guard;
        let errors =
            shift.errors.map(|errors| format!("  errors: {errors}; {}", scale(&errors, guard)));
        let slow = shift
            .slow
            .map(|slow| format!("  slow: {}; {}", said_slow(shift, &slow), scale(&slow, guard)));
        [Some(line), errors, slow].into_iter().flatten().collect()
    }

    fn waiting(&self) -> Vec<String> {
        let named = self.waits.iter().take(NAMED_MAX);
        let mut lines: Vec<_> = named.map(|(id, why)| format!("waits for {id}: {why}")).collect();
        if self.waits.len() > NAMED_MAX {
            lines.push(format!("and for {} more objects", self.waits.len() - NAMED_MAX));
        }
        lines
    }
}

/// Where the evidence lies between the two findings.
fn scale(evidence: &Evidence, guard: &Guard) -> String {
    let (no_worse, worse) = guard.bounds();
    format!(
        "evidence {:.1} (no worse at {no_worse:.1}, worse at {worse:.1})",
        evidence.log_likelihood
    )
}

/// How the new versions of a release get their requests.
async fn shifting(
    connected: &Connected,
    head: &Head,
    rollout: &Rollout,
) -> Result<BTreeMap<ObjectId, Shifting>, CliError> {
    if rollout.shifts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let release = connected.store.release(&head.environment, rollout.release).await?;
    let is_shifted = |id: &ObjectId| rollout.shifts.iter().any(|shift| shift.is_of(id));
    let entries = release.objects.iter().filter(|entry| is_shifted(&entry.id()));
    let digests: BTreeSet<_> = entries.map(|entry| entry.digest.clone()).collect();
    let objects = connected.store.objects(&head.environment, &digests).await?;
    let of =
        |object: &Object| kind(&object.kind).map(|kind| (object.id(), kind.shifting(&object.spec)));
    Ok(objects.values().filter_map(of).collect())
}

/// The objects of the current release that are not ready.
async fn waits(connected: &Connected, head: &Head) -> Result<Vec<(ObjectId, String)>, CliError> {
    let release = connected.store.current(head).await?;
    let statuses = connected.store.statuses(&head.environment).await?;
    // What an environment's own spec says is no resource that anybody makes ready.
    let objects = release.objects.iter().filter(|entry| entry.kind != environment::NAME);
    let waits = objects.filter_map(|entry| {
        let id = entry.id();
        let status = match statuses.get(&id) {
            None => return Some((id, "no daemon has looked at it yet".to_owned())),
            Some(Err(error)) => return Some((id, error.to_string())),
            Some(Ok(status)) => status,
        };
        if status.observed_generation < entry.generation {
            return Some((id, "its new form has not been looked at yet".to_owned()));
        }
        let ready = status.conditions.get(condition_type::READY)?;
        let why = format!("{}: {}", ready.reason, brief(&ready.message, MESSAGE_CHARS_MAX));
        (ready.status != ConditionStatus::True).then_some((id, why))
    });
    Ok(waits.collect())
}

fn stages(rollout: &Rollout, now: Timestamp) -> String {
    let stages = rollout.stages.iter().map(|passed| {
        let lasted = age(passed.since, passed.until.unwrap_or(now));
        let is_over = passed.stage == Stage::Over;
        vec![
            stage_text(rollout, passed.stage),
            age(passed.since, now),
            if is_over { String::new() } else { lasted },
        ]
    });
    table(&["STAGE", "SINCE", "LASTED"], stages.collect())
}

/// How long the present stage may last still.
fn time_left(rollout: &Rollout, now: Timestamp) -> Option<String> {
    let until = rollout.deadline;
    // Whoever waits for an answer, or for a step's pause, gets somewhat more.
    let is_open = rollout.stage().has_deadline() && now < until;
    is_open.then(|| format!("it may take {} more, until {until:.0}", age(now, until)))
}

/// The objects that the release changed, with when they were ready.
fn arrivals(rollout: &Rollout, now: Timestamp) -> Vec<String> {
    let begun = rollout.begun_at().unwrap_or(now);
    let arrived = rollout.arrived.iter().filter(|arrived| arrived.is_changed);
    let arrived: Vec<_> = arrived.map(|a| vec![a.id().to_string(), age(begun, a.at)]).collect();
    if arrived.is_empty() {
        return Vec::new();
    }
    vec![String::new(), table(&["OBJECT", "READY AFTER"], arrived)]
}

/// One line about a rollout.
pub(super) fn headline(environment: &str, rollout: &Rollout) -> String {
    let Rollout { release, verdict, reason, message, .. } = rollout;
    let told = match message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    format!("{environment} release {release}: {verdict} ({reason}){told}")
}

/// What a stage is for, by the order in which the parts of the release move.
pub(super) fn stage_text(rollout: &Rollout, stage: Stage) -> String {
    use crate::store::Order::*;
    match (stage, rollout.order) {
        (Stage::First, Together) => "everything is made ready".to_owned(),
        (Stage::First, FrontendsLast) => "everything but the frontends is made ready".to_owned(),
        (Stage::First, FrontendsFirst) => "everything but the functions goes back".to_owned(),
        (Stage::Second, FrontendsFirst) => "the functions go back".to_owned(),
        (Stage::Second, _) => "the frontends follow".to_owned(),
        (Stage::Checking, _) => "its checks are made".to_owned(),
        (Stage::Baking, _) => "it succeeded, and is watched".to_owned(),
        (Stage::RollingBack { to }, _) => format!("going back to release {to}"),
        (Stage::Waiting, _) => "waiting for a person".to_owned(),
        (Stage::Over, _) => "over".to_owned(),
    }
}
