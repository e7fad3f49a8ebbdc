//! `trueup get members`: the daemons of the store, and who has which environments.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::out::{self, note, say};
use super::show::{Output, age, table};
use super::{CliError, Connected};
use crate::store::{Lease, Member};

/// The word that stands where an environment's name would.
pub(super) const MEMBERS: &str = "members";

pub(super) async fn run(connected: &Connected, output: &Output) -> Result<(), CliError> {
    let members = connected.store.members().await?;
    let mut leases = Vec::new();
    for (environment, lease) in connected.store.leases().await? {
        match lease {
            Ok(lease) => leases.push(lease),
            Err(error) => note!("warning: {environment}: {error}"),
        }
    }
    let now = connected.store.clock().now();
    let has = |member: &Member| {
        let held = leases.iter().filter(|l| !l.is_released && l.owner == member.owner);
        held.cloned().collect::<Vec<_>>()
    };
    let rows: Vec<(Member, Vec<Lease>)> =
        members.into_iter().map(|member| (member.clone(), has(&member))).collect();
    if let Some(text) = output.for_scripts(
        || list(&rows, now),
        || rows.iter().map(|(member, _)| member.owner.clone()).collect(),
    ) {
        out::lines(&text)?;
    } else if rows.is_empty() {
        note!("no daemon runs; start one with `trueup run`");
    } else {
        say!("{}", print(&rows, now));
    }
    Ok(())
}

fn state(member: &Member, now: Timestamp) -> &'static str {
    match (member.is_leaving, member.is_heard(now)) {
        (true, _) => "Leaving",
        (false, true) => "Live",
        (false, false) => "Silent",
    }
}

fn objects(leases: &[Lease]) -> u64 {
    leases.iter().filter_map(|lease| lease.objects).sum()
}

fn print(rows: &[(Member, Vec<Lease>)], now: Timestamp) -> String {
    let cells = |(member, leases): &(Member, Vec<Lease>)| {
        let names: Vec<_> = leases.iter().map(|lease| lease.environment.as_str()).collect();
        vec![
            member.owner.clone(),
            state(member, now).to_owned(),
            age(member.started_at, now),
            age(member.beat_at, now),
            member.version.clone(),
            objects(leases).to_string(),
            if names.is_empty() { "-".to_owned() } else { names.join(",") },
        ]
    };
    let header = ["NAME", "STATE", "AGE", "LAST BEAT", "VERSION", "OBJECTS", "ENVIRONMENTS"];
    table(&header, rows.iter().map(cells).collect())
}

fn list(rows: &[(Member, Vec<Lease>)], now: Timestamp) -> Value {
    let item = |(member, leases): &(Member, Vec<Lease>)| {
        json!({
            "name": member.owner,
            "state": state(member, now),
            "startedAt": member.started_at,
            "lastBeatAt": member.beat_at,
            "version": member.version,
            "objects": objects(leases),
            "environments": leases.iter().map(|l| l.environment.as_str()).collect::<Vec<_>>(),
        })
    };
    json!({ "items": rows.iter().map(item).collect::<Vec<_>>() })
}
