//! `trueup doctor`: what stands between this machine and a reconciled environment.
//!
//! Guarantees: only reads; every finding says what to do.

use std::collections::BTreeMap;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::diff::observations;
use super::out::say;
use super::show::age;
use super::{CliError, Connected, Home};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::ObjectId;
use crate::store::{Head, StoreError};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// One environment; all where it is not given.
    environment: Option<String>,
}

/// What was found, printed as it is found.
#[derive(Default)]
struct Findings {
    failed: usize,
}

impl Findings {
    fn good(&self, what: &str) -> Result<(), CliError> {
        say!("[ok]     {what}");
        Ok(())
    }

    fn bad(&mut self, what: &str) -> Result<(), CliError> {
        self.failed += 1;
        say!("[failed] {what}");
        Ok(())
    }
}

pub(super) async fn run(at: &Home, args: &DoctorArgs) -> Result<(), CliError> {
    let mut findings = Findings::default();
    findings.good(&format!("trueup {}", env!("CARGO_PKG_VERSION")))?;
    let connected = Connected::new(at).await?;
    let home = connected.sessions.home().await?;
    match home.account_id().await {
        Ok(account) => {
            findings
                .good(&format!("credentials of account {account}, region {}", home.region()))?;
        }
        // Without them nothing else can be asked.
        Err(error) => {
            findings.bad(&error.to_string())?;
            return Err(summary(&findings));
        }
    }
    match heads(&connected, args).await {
        Ok(heads) => {
            let environments = heads.len();
            findings.good(&format!("table {}: {environments} environments", at.table))?;
            daemons(&connected, &mut findings).await?;
            for (name, head) in heads {
                match head {
                    Ok(head) => environment(&connected, &head, &mut findings).await?,
                    Err(error) => findings.bad(&format!("{name}: {error}"))?,
                }
            }
        }
        Err(error) => findings.bad(&error.to_string())?,
    }
    if findings.failed > 0 {
        return Err(summary(&findings));
    }
    Ok(())
}

/// How far a daemon's clock and this one may be apart: a beat is seconds old when it is read.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(30);

/// The daemons that live: their versions, and their clocks beside this machine's.
async fn daemons(connected: &Connected, findings: &mut Findings) -> Result<(), CliError> {
    let members = match connected.store.members().await {
        Ok(members) => members,
        Err(error) => return findings.bad(&format!("the daemons' records: {error}")),
    };
    let now = connected.store.clock().now();
    let own = env!("CARGO_PKG_VERSION");
    let mut live = 0;
    for member in members.iter().filter(|member| member.is_heard(now) && !member.is_leaving) {
        live += 1;
        let (owner, version) = (&member.owner, &member.version);
        if version != own {
            findings.bad(&format!(
                "the daemon {owner} is trueup {version}, and this is trueup {own}: use one version of both"
            ))?;
        }
        let ahead = member.beat_at.duration_since(now);
        if ahead > CLOCKS_APART {
            findings.bad(&format!(
                "the clock of the daemon {owner} is {} s ahead of this machine's: set both by NTP; AWS refuses requests \
                 of a clock that is minutes off",
                ahead.as_secs()
            ))?;
        }
    }
    match live {
        0 => Ok(()),
        live => findings.good(&format!("daemons that live: {live}")),
    }
}

fn summary(findings: &Findings) -> CliError {
    CliError::refused(format!("{} of the checks failed", findings.failed))
}

type Heads = Vec<(String, Result<Head, StoreError>)>;

async fn heads(connected: &Connected, args: &DoctorArgs) -> Result<Heads, StoreError> {
    connected.store.id().await?;
    match &args.environment {
        Some(name) => Ok(vec![(name.clone(), connected.store.existing_head(name).await)]),
        None => connected.store.heads_and_lost().await,
    }
}

async fn environment(
    connected: &Connected,
    head: &Head,
    findings: &mut Findings,
) -> Result<(), CliError> {
    let name = &head.environment;
    let current = match connected.current(name).await {
        Ok(current) => current,
        Err(error) => return findings.bad(&format!("{name}: {error}")),
    };
    let spec = current.objects.iter().find(|object| object.kind == environment::NAME);
    let spec = spec.and_then(|object| EnvironmentSpec::deserialize(&*object.spec).ok());
    let place = match account(connected, &spec.unwrap_or_default()).await {
        Ok(place) => place,
        Err(why) => return findings.bad(&format!("{name}: {why}")),
    };
    let suspended = if head.suspended { ", suspended" } else { "" };
    findings.good(&format!("{name}: release {}, {place}{suspended}", head.release))?;
    lease(connected, name, findings).await?;
    // The same reads that the daemon makes: a right that is missing is named by its action.
    let mut failures: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
    let observations = observations(connected, name).await?;
    let objects = observations.len();
    for observation in observations {
        if let Err(error) = observation.plan {
            failures.entry(error.to_string()).or_default().push(observation.id);
        }
    }
    if failures.is_empty() {
        findings.good(&format!("{name}: all of its {objects} objects can be read"))?;
    }
    for (error, ids) in failures {
        let others = match ids.len() {
            1 => String::new(),
            many => format!(" and {} others", many - 1),
        };
        findings.bad(&format!("{name}: {}{others} cannot be read: {error}", ids[0]))?;
    }
    Ok(())
}

/// The account and the region that an environment lives in, if the credentials lead there.
async fn account(connected: &Connected, spec: &EnvironmentSpec) -> Result<String, String> {
    let target = spec.target();
    let session = connected.sessions.get(&target).await.map_err(|error| error.to_string())?;
    let account = session.account_id().await.map_err(|error| error.to_string())?;
    match target.account_id.filter(|wanted| *wanted != account) {
        Some(wanted) => Err(format!(
            "the credentials belong to account {account}, and spec.aws.accountId is {wanted}; correct one of \
             them, or give spec.aws.roleArn"
        )),
        None => Ok(format!("account {account} in {}", session.region())),
    }
}

async fn lease(connected: &Connected, name: &str, findings: &mut Findings) -> Result<(), CliError> {
    let now: Timestamp = connected.store.clock().now();
    match connected.store.lease(name).await {
        Ok(Some(lease)) if lease.is_held(now) => {
            let seen = lease.oldest_observation.map_or_else(
                || "it has not observed every object yet, or there is none".to_owned(),
                |at| format!("every object was observed within {}", age(at, now)),
            );
            findings.good(&format!("{name}: the daemon {} reconciles it; {seen}", lease.owner))
        }
        Ok(_) => {
            findings.bad(&format!("{name}: no daemon runs for it; start one with `trueup run`"))
        }
        Err(error) => findings.bad(&format!("{name}: {error}")),
    }
}
