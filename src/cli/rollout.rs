//! `trueup rollout`: how far a release is, and what a person makes of one that waits. What `apply --wait` follows
//! is followed here, too.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::approve::waits;
use super::out::{self, note, say};
use super::picture::{Picture, headline, stage_text};
use super::provenance::ProvenanceArgs;
use super::show::{self, Output, brief};
use super::{CliError, Connected, watching};
use crate::store::{Cause, Decision, DecisionRequest, Head, Rollout, Stage, StoreError, Verdict};

const OBSERVE_EVERY: Duration = Duration::from_millis(500);

/// A daemon that starts has the lease by then.
const DAEMON_STARTS_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct RolloutArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show the stages of the current release, or of an earlier one.
    Status(StatusArgs),
    /// Count a release as succeeded that waits for a person.
    Promote(DecisionArgs),
    /// Give the objects of a release that waits for a person their time once more.
    Retry(DecisionArgs),
    /// Count a release as failed, and go back to the one that succeeded last.
    Abort(DecisionArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    environment: String,
    /// The release; the current one where it is not given.
    release: Option<u64>,
    /// Show every change until interrupted.
    #[arg(short, long)]
    watch: bool,
    /// table, json, yaml or jsonpath=TEMPLATE, as '{.verdict}'.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

#[derive(Debug, Args)]
struct DecisionArgs {
    environment: String,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &RolloutArgs) -> Result<(), CliError> {
    match &args.act {
        Act::Status(args) => status(connected, args).await,
        Act::Promote(args) => decide(connected, args, Decision::Promote).await,
        Act::Retry(args) => decide(connected, args, Decision::Retry).await,
        Act::Abort(args) => decide(connected, args, Decision::Abort).await,
    }
}

async fn status(connected: &Connected, args: &StatusArgs) -> Result<(), CliError> {
    let now = || connected.store.clock().now();
    let head = connected.store.existing_head(&args.environment).await?;
    let release = args.release.unwrap_or(head.release);
    let picture = Picture::read(connected, &head, release).await?;
    let waiting = connected.store.proposed(&head).await?;
    if picture.rollout.is_none() && unbegun_verdict(&head, release) == Verdict::Superseded {
        // One that there never was is none that was replaced.
        connected.store.release(&args.environment, release).await?;
    }
    let known = picture.rollout.as_ref().map(|rollout| {
        let mut value = shown(&args.environment, rollout);
        for (i, shift) in rollout.shifts.iter().enumerate() {
            value["shifts"][i]["weight"] = json!(picture.weight(shift));
        }
        value
    });
    let value = known.unwrap_or_else(|| unbegun_value(&head, release));
    match &args.output {
        Output::Json => say!("{}", show::json(&value)),
        Output::Yaml => say!("{}", show::yaml(&value)),
        Output::JsonPath(template) => say!("{}", template.fill(&value)),
        Output::Name => say!("{release}"),
        Output::Table | Output::Wide => {
            say!("{}", picture.draw(&head, release, now()));
            if let Some(waiting) = &waiting {
                say!("{}", waits(&args.environment, waiting, &brief(&waiting.message, 60)));
            }
        }
    }
    if !args.watch {
        return Ok(());
    }
    let mut last = picture;
    let read = async || Picture::read(connected, &head, release).await;
    let show = |picture: Picture| {
        if picture != last {
            let text = picture.draw(&head, release, now());
            if out::is_terminal() {
                out::redraw(&text)?;
            } else {
                say!("\n{text}");
            }
            last = picture;
        }
        Ok(())
    };
    watching::watch(read, show).await
}

async fn decide(
    connected: &Connected,
    args: &DecisionArgs,
    decision: Decision,
) -> Result<(), CliError> {
    let name = &args.environment;
    let head = connected.store.existing_head(name).await?;
    let release = head.release;
    let rollout = connected.store.rollout(name, release).await?;
    let stage = rollout.as_ref().map(Rollout::stage);
    let is_open = match decision {
        Decision::Promote | Decision::Retry => stage == Some(Stage::Waiting),
        Decision::Abort => {
            matches!(stage, Some(stage) if !matches!(stage, Stage::RollingBack { .. } | Stage::Over))
        }
    };
    if !is_open {
        let verdict = rollout.map(|rollout| rollout.verdict).unwrap_or_default();
        let instead = match decision {
            Decision::Abort => format!("use `trueup rollback {name}`"),
            _ => "only a release that waits for a person can be decided".to_owned(),
        };
        return Err(CliError::refused(format!(
            "release {release} of {name} is {verdict}; {instead}"
        )));
    }
    if decision == Decision::Abort
        && let Some(rollout) = &rollout
        && rollout.good.as_ref().is_none_or(|good| good.digest == rollout.digest)
    {
        let why = match rollout.good {
            None => format!("no release of {name} succeeded before release {release}"),
            Some(_) => {
                format!("release {release} of {name} is itself the return to what succeeded last")
            }
        };
        return Err(CliError::refused(format!(
            "{why}, so there is nothing to go back to; `trueup rollback {name} NUMBER` takes any other release"
        )));
    }
    let signed = args.provenance.release(Cause::Apply, &[]);
    let request = DecisionRequest {
        release,
        decision,
        at: connected.store.clock().now(),
        author: signed.author,
        // Without one there is none: a commit's message says nothing of a decision.
        message: args.provenance.message().unwrap_or_default().to_owned(),
    };
    connected.store.decide(name, &request).await?;
    let word = match decision {
        Decision::Promote => "count it as succeeded",
        Decision::Retry => "give it its time once more",
        Decision::Abort => "roll it back",
    };
    say!("release {release} of {name}: the daemon is asked to {word}");
    Ok(())
}

/// A rollout for machines.
fn shown(environment: &str, rollout: &Rollout) -> Value {
    let mut value = json!(rollout);
    value["environment"] = json!(environment);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !["seal", "epoch", "answeredAt"].contains(&name.as_str()));
    }
    value
}

/// A release that no daemon has begun with: one will, or another release took its place.
pub(super) fn unbegun_verdict(head: &Head, release: u64) -> Verdict {
    let may_begin = release == head.release || head.waiting() == Some(release);
    if may_begin { Verdict::Pending } else { Verdict::Superseded }
}

fn unbegun_value(head: &Head, release: u64) -> Value {
    let verdict = unbegun_verdict(head, release);
    json!({"environment": head.environment, "release": release, "verdict": verdict})
}

/// One release that is followed to its verdict.
pub(super) struct Followed {
    pub environment: String,
    pub release: u64,
}

/// Follows releases to their verdicts, and tells of every stage on standard error. Returns what they came to, for
/// machines; fails where one did not succeed.
pub(super) async fn follow(
    connected: &Connected,
    releases: &[Followed],
    timeout: Duration,
) -> Result<Ended, CliError> {
    let ends = join_all(releases.iter().map(|followed| follow_one(connected, followed, timeout)));
    let mut ended = Ended { shown: Vec::new(), verdicts: Vec::new() };
    for (followed, end) in releases.iter().zip(ends.await) {
        let rollout = end?;
        let name = &followed.environment;
        let head = connected.store.existing_head(name).await?;
        let verdict = match &rollout {
            Some(rollout) => Some(rollout.verdict).filter(|_| is_decided(rollout)),
            None => Some(unbegun_verdict(&head, followed.release))
                .filter(|verdict| *verdict == Verdict::Superseded),
        };
        ended.verdicts.push((format!("{name} release {}", followed.release), verdict));
        let known = rollout.as_ref().map(|rollout| shown(name, rollout));
        ended.shown.push(known.unwrap_or_else(|| unbegun_value(&head, followed.release)));
    }
    Ok(ended)
}

/// What releases that were followed came to.
pub(super) struct Ended {
    /// For machines.
    pub shown: Vec<Value>,
    /// `None` where there was none in time.
    verdicts: Vec<(String, Option<Verdict>)>,
}

impl Ended {
    /// Fails where one did not succeed, by what is worst.
    pub fn result(&self) -> Result<(), CliError> {
        let with = |is_meant: fn(Option<Verdict>) -> bool| {
            let meant = self.verdicts.iter().filter(move |(_, verdict)| is_meant(*verdict));
            meant.map(|(what, verdict)| {
                let verdict = verdict.map_or("no verdict", Verdict::as_str);
                format!("{what}: {verdict}")
            })
        };
        let failed: Vec<_> =
            with(|v| matches!(v, Some(Verdict::Failed | Verdict::RolledBack))).collect();
        if !failed.is_empty() {
            return Err(CliError::refused(failed.join("; ")));
        }
        let open: Vec<_> = with(|v| v != Some(Verdict::Succeeded)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let is_settled =
            |v: &Option<Verdict>| matches!(v, Some(Verdict::Succeeded | Verdict::Superseded));
        let next = match self.verdicts.iter().all(|(_, verdict)| is_settled(verdict)) {
            true => {
                "a newer release took its place; `trueup rollout status ENV -w` follows that one"
            }
            false => "`trueup rollout status ENV` shows what is waited for",
        };
        Err(CliError::Undecided(format!("{}; {next}", open.join("; "))))
    }
}

async fn follow_one(
    connected: &Connected,
    followed: &Followed,
    timeout: Duration,
) -> Result<Option<Rollout>, CliError> {
    let (name, begun) = (&followed.environment, Instant::now());
    let (mut last, mut told, mut is_warned): (Option<Rollout>, usize, bool) = (None, 0, false);
    let mut is_proposed = false;
    while begun.elapsed() < timeout {
        match connected.store.rollout(name, followed.release).await {
            Ok(Some(rollout)) => {
                for passed in rollout.stages.iter().skip(told) {
                    let text = stage_text(&rollout, passed.stage);
                    note!("{name} release {}: {text}", followed.release);
                }
                told = rollout.stages.len();
                let is_over = is_decided(&rollout);
                last = Some(rollout);
                if is_over {
                    break;
                }
            }
            Ok(None) => match unbegun(connected, followed).await? {
                Unbegun::Replaced => break,
                Unbegun::Proposed if !std::mem::replace(&mut is_proposed, true) => {
                    note!("{name} release {}: waiting for an approval", followed.release);
                }
                Unbegun::Proposed => {}
                Unbegun::Current => is_proposed = false,
            },
            Err(error) => {
                let error = CliError::from(error);
                if !error.may_pass() {
                    return Err(error);
                }
            }
        }
        let is_left_alone =
            last.is_none() && !is_proposed && begun.elapsed() > DAEMON_STARTS_WITHIN;
        if is_left_alone && !std::mem::replace(&mut is_warned, true) {
            warn_without_daemon(connected, name).await?;
        }
        tokio::time::sleep(OBSERVE_EVERY).await;
    }
    if let Some(rollout) = &last {
        note!("{}", headline(name, rollout));
    }
    Ok(last)
}

/// What becomes of a release that no daemon has begun with.
enum Unbegun {
    /// A daemon will begin with it.
    Current,
    /// It waits for an approval.
    Proposed,
    /// Another release took its place.
    Replaced,
}

async fn unbegun(connected: &Connected, followed: &Followed) -> Result<Unbegun, StoreError> {
    let head = connected.store.existing_head(&followed.environment).await?;
    Ok(match followed.release {
        release if release == head.release => Unbegun::Current,
        release if head.waiting() == Some(release) => Unbegun::Proposed,
        _ => Unbegun::Replaced,
    })
}

async fn warn_without_daemon(connected: &Connected, name: &str) -> Result<(), StoreError> {
    let now: Timestamp = connected.store.clock().now();
    let lease = connected.store.lease(name).await?;
    if lease.is_none_or(|lease| !lease.is_held(now)) {
        note!("warning: no daemon holds the lease of {name}; start one with `trueup run`");
    }
    Ok(())
}

/// Nothing more becomes of it by itself, but that it is watched.
fn is_decided(rollout: &Rollout) -> bool {
    match rollout.verdict {
        Verdict::Pending | Verdict::Progressing => false,
        Verdict::Failed => !matches!(rollout.stage(), Stage::RollingBack { .. }),
        _ => true,
    }
}
