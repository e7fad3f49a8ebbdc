//! `trueup get`: objects and how they are, as kubectl lists them.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::labels::Labels;
use super::out::{self, note, say};
use super::selector::Selector;
use super::show::{self, Output, age, brief, table};
use super::{CliError, Connected, health, members, recovery, watching};
use crate::kinds::environment;
use crate::model::{Condition, ConditionStatus, Object, condition_type};
use crate::store::{Entry, Head, Hold, Lease, StatusRecord, StoreError};

/// What is said of an object that no daemon has ever observed, where none runs.
const NOBODY_FOLLOWS: &str = "no daemon runs for this environment; start one with `trueup run`";

/// Held content that is shown of an environment, the newest first.
const HOLDS_SHOWN: usize = 3;

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// One environment, all where it is not given; `members`, the daemons and what each has; `health`, whether
    /// environments work; or `recovery`, whether they could be brought back as they promise.
    environment: Option<String>,
    /// A kind (Function, functions, fn), or one object as Function/api.
    object: Option<Selector>,
    /// Only objects with these labels, as app=web,tier!=back.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<Labels>,
    /// Every environment, whatever `trueup.toml` or TRUEUP_ENVIRONMENT name.
    #[arg(short = 'A', long)]
    all_environments: bool,
    /// Print every change until interrupted.
    #[arg(short, long)]
    pub watch: bool,
    /// table, wide, json, yaml, name or jsonpath=TEMPLATE, as '{.items[*].metadata.name}'.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

fn nothing_found(args: &GetArgs) -> &'static str {
    match (&args.selector, &args.object) {
        (Some(_), _) => "no object has these labels",
        (None, Some(_)) => "there is no object of this kind",
        (None, None) => "nothing found; `trueup apply` records objects",
    }
}

pub(super) async fn run(connected: &Connected, args: &GetArgs) -> Result<(), CliError> {
    if args.environment.as_deref() == Some(members::MEMBERS) && args.object.is_none() {
        return members::run(connected, &args.output).await;
    }
    if args.environment.as_deref() == Some(health::HEALTH) && args.object.is_none() {
        return health::run(connected, &args.output).await;
    }
    if args.environment.as_deref() == Some(recovery::RECOVERY) && args.object.is_none() {
        return recovery::run(connected, &args.output).await;
    }
    let rows = rows(connected, args).await?;
    match &args.output {
        Output::Json => say!("{}", show::json(&list(connected, &rows, args).await?)),
        Output::Yaml => say!("{}", show::yaml(&list(connected, &rows, args).await?)),
        Output::JsonPath(template) => {
            say!("{}", template.fill(&list(connected, &rows, args).await?));
        }
        Output::Name => {
            for row in &rows {
                say!("{}/{}", row.environment, row.entry.id());
            }
        }
        Output::Table | Output::Wide if rows.is_empty() && !args.watch => {
            note!("{}", nothing_found(args));
        }
        Output::Table | Output::Wide => {
            say!("{}", print_table(connected, &rows, args));
            if args.object.is_none() && args.selector.is_none() {
                for line in heads(connected, args).await?.iter().flat_map(stands) {
                    say!("{line}");
                }
            }
        }
    }
    if args.watch {
        watch(connected, args, rows).await?;
    }
    Ok(())
}

/// Prints what changes, for ever: the whole table anew on a terminal, and elsewhere the rows that changed.
async fn watch(connected: &Connected, args: &GetArgs, first: Vec<Row>) -> Result<(), CliError> {
    let mut before: BTreeMap<String, Vec<String>> =
        first.iter().map(|row| (row.key(), row.state())).collect();
    let show = |rows: Vec<Row>| {
        if out::is_terminal() {
            return out::redraw(&print_table(connected, &rows, args));
        }
        let changed: Vec<_> =
            rows.into_iter().filter(|row| before.get(&row.key()) != Some(&row.state())).collect();
        if !changed.is_empty() {
            let shown = print_table(connected, &changed, args);
            // The header stands above the first table.
            say!("{}", shown.lines().skip(1).collect::<Vec<_>>().join("\n"));
        }
        before.extend(changed.iter().map(|row| (row.key(), row.state())));
        Ok(())
    };
    watching::watch(async || rows(connected, args).await, show).await
}

/// One object of a release with what is known of it.
pub(super) struct Row {
    pub environment: String,
    pub entry: Entry,
    pub status: Option<StatusRecord>,
    /// Why the status cannot be read, where it cannot.
    pub damage: Option<String>,
    pub looked_at: Option<Timestamp>,
    /// It is not in the release any more, and not gone yet.
    pub leaves: bool,
    /// A daemon holds the lease of its environment.
    pub is_followed: bool,
}

impl Row {
    fn key(&self) -> String {
        format!("{}/{}", self.environment, self.entry.id())
    }

    /// What `--watch` takes for a change.
    fn state(&self) -> Vec<String> {
        vec![
            self.condition(condition_type::READY),
            self.condition(condition_type::SYNCED),
            self.message(),
        ]
    }

    /// The condition has been set for the object as it is now.
    pub fn is_current(&self) -> bool {
        self.status.as_ref().is_some_and(|s| s.observed_generation >= self.entry.generation)
    }

    fn is_of_this_form(&self, condition: &Condition) -> bool {
        condition.observed_generation >= self.entry.generation
    }

    /// Stalled in the form that it has now, whether or not it could be observed.
    pub fn is_stalled(&self) -> bool {
        if self.damage.is_some() {
            return true;
        }
        let conditions = self.status.as_ref().map(|s| &s.conditions);
        conditions.and_then(|c| c.get(condition_type::STALLED)).is_some_and(|c| {
            c.status == ConditionStatus::True && c.observed_generation >= self.entry.generation
        })
    }

    pub fn condition(&self, kind: &str) -> String {
        let condition = self.status.as_ref().and_then(|s| s.conditions.get(kind));
        // What was seen of an earlier form says nothing of this one.
        let condition = condition.filter(|c| self.leaves || self.is_of_this_form(c));
        match condition.map_or(ConditionStatus::Unknown, |c| c.status) {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
        .to_owned()
    }

    pub fn message(&self) -> String {
        if self.leaves {
            return format!("leaving: {}", self.state_message()).trim_end_matches(": ").to_owned();
        }
        self.state_message()
    }

    fn state_message(&self) -> String {
        if let Some(damage) = &self.damage {
            return damage.clone();
        }
        let Some(status) = &self.status else {
            let waits = if self.is_followed { "waiting for the daemon" } else { NOBODY_FOLLOWS };
            return waits.to_owned();
        };
        let ready = status.conditions.get(condition_type::READY);
        if !self.leaves && !ready.is_some_and(|ready| self.is_of_this_form(ready)) {
            let waits = if self.is_followed { "waiting for the daemon" } else { NOBODY_FOLLOWS };
            return format!("not applied yet: {waits}");
        }
        let conditions = &status.conditions;
        let ready =
            conditions.get(condition_type::READY).filter(|c| c.status != ConditionStatus::True);
        let synced =
            conditions.get(condition_type::SYNCED).filter(|c| c.status == ConditionStatus::False);
        match (ready, synced) {
            (Some(ready), _) if !ready.message.is_empty() => {
                format!("{}: {}", ready.reason, ready.message)
            }
            (Some(ready), _) => ready.reason.clone(),
            (None, Some(synced)) => format!("differs: {}", synced.message),
            (None, None) => String::new(),
        }
    }
}

async fn rows(connected: &Connected, args: &GetArgs) -> Result<Vec<Row>, CliError> {
    let environment = args.environment.as_ref().filter(|_| !args.all_environments);
    let environments = heads(connected, args).await?;
    let mut rows = Vec::new();
    for head in environments {
        match environment_rows(connected, &head).await {
            // The others are worth showing.
            Err(CliError::Store(error)) if error.is_damage() && environment.is_none() => {
                note!("warning: {}: {error}", head.environment);
            }
            found => rows.extend(chosen(connected, args, &head.environment, found?).await?),
        }
    }
    if let Some(wanted) = &args.object {
        rows.retain(|row| wanted.is_met(&row.entry.id()));
    }
    if let (Some(Selector::Object(object)), true) = (&args.object, rows.is_empty()) {
        return Err(CliError::no_such_object(environment.map(String::as_str), object));
    }
    Ok(rows)
}

/// The environments that are asked for.
async fn heads(connected: &Connected, args: &GetArgs) -> Result<Vec<Head>, CliError> {
    match args.environment.as_ref().filter(|_| !args.all_environments) {
        Some(name) => Ok(vec![connected.store.existing_head(name).await?]),
        None => sound_heads(connected).await,
    }
}

/// What a person has said of an environment, and what waits for one.
fn stands(head: &Head) -> Vec<String> {
    let (name, mut lines) = (&head.environment, Vec::new());
    if head.suspended {
        lines.push(format!("{name} is suspended: nothing is written until `trueup resume {name}`"));
    }
    if let Some(release) = head.waiting() {
        lines.push(format!(
            "{name} release {release} waits for an approval: `trueup rollout status {name}`"
        ));
    }
    lines.extend(head.holds.iter().rev().take(HOLDS_SHOWN).map(|hold| held(name, hold)));
    lines
}

/// Content that does not come back, and how it may.
pub(super) fn held(environment: &str, hold: &Hold) -> String {
    let release = hold.release;
    match &hold.quarantine {
        Some(quarantine) => format!(
            "{environment}: the content of release {release} is quarantined: {}",
            quarantine.why
        ),
        None => format!(
            "{environment}: the content of release {release} is held: it was rolled back. Other content, or \
             `trueup resume {environment}`, lifts it"
        ),
    }
}

/// The rows whose objects have the labels that are asked for.
async fn chosen(
    connected: &Connected,
    args: &GetArgs,
    environment: &str,
    mut rows: Vec<Row>,
) -> Result<Vec<Row>, CliError> {
    let Some(labels) = &args.selector else { return Ok(rows) };
    let digests = rows.iter().map(|row| row.entry.digest.clone()).filter(|d| !d.is_empty());
    let objects = connected.store.objects(environment, &digests.collect()).await?;
    rows.retain(|row| objects.get(&row.entry.digest).is_some_and(|object| labels.choose(object)));
    Ok(rows)
}

async fn sound_heads(connected: &Connected) -> Result<Vec<Head>, CliError> {
    let mut sound = Vec::new();
    for (environment, head) in connected.store.heads_and_lost().await? {
        match head {
            Ok(head) => sound.push(head),
            Err(error) => note!("warning: {environment}: {error}"),
        }
    }
    Ok(sound)
}

/// Every object of an environment's release but the Environment itself, and what is leaving.
pub(super) async fn environment_rows(
    connected: &Connected,
    head: &Head,
) -> Result<Vec<Row>, CliError> {
    let environment = &head.environment;
    let release = connected.store.current(head).await?;
    let mut statuses = connected.store.statuses(environment).await?;
    let lease = match connected.store.lease(environment).await {
        Err(error) if error.is_damage() => {
            note!("warning: {environment}: {error}");
            None
        }
        read => read?,
    };
    let now = connected.store.clock().now();
    let is_followed = lease.as_ref().is_some_and(|lease| lease.is_held(now));
    let row = |entry, record: Option<Result<StatusRecord, StoreError>>, leaves: bool| {
        let (status, damage) = match record.transpose() {
            Ok(status) => (status, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let lease = lease.as_ref().filter(|_| !leaves);
        let looked_at = looked_at(status.as_ref(), lease);
        let environment = environment.clone();
        Row { environment, entry, status, damage, looked_at, leaves, is_followed }
    };
    let mut rows = Vec::new();
    for entry in release.objects.into_iter().filter(|e| e.kind != environment::NAME) {
        let record = statuses.remove(&entry.id());
        rows.push(row(entry, record, false));
    }
    for (id, record) in statuses {
        let sound = record.as_ref().ok();
        let entry = Entry {
            kind: id.kind.to_string(),
            name: id.name.to_string(),
            digest: sound.map(|s| s.spec_digest.clone()).unwrap_or_default(),
            generation: sound.map_or(0, |s| s.observed_generation),
            confirmed: false,
        };
        rows.push(row(entry, Some(record), true));
    }
    Ok(rows)
}

/// Status records are written when something changes; the lease says that all that can be read was observed since.
fn looked_at(status: Option<&StatusRecord>, lease: Option<&Lease>) -> Option<Timestamp> {
    let own = status.and_then(|s| s.looked_at)?;
    let lease = lease.filter(|_| status.is_some_and(StatusRecord::is_readable));
    Some(lease.and_then(|l| l.oldest_observation).map_or(own, |oldest| oldest.max(own)))
}

fn print_table(connected: &Connected, rows: &[Row], args: &GetArgs) -> String {
    let now = connected.store.clock().now();
    let wide = matches!(args.output, Output::Wide);
    let many = args.environment.is_none();
    let mut header = vec!["NAME", "KIND", "READY", "SYNCED", "AGE", "MESSAGE"];
    if many {
        header.insert(0, "ENVIRONMENT");
    }
    if wide {
        header.splice(header.len() - 1..header.len() - 1, ["AWS NAME", "GENERATION", "OBSERVED"]);
    }
    let since = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| age(at, now));
    let lines = rows.iter().map(|row| {
        let mut line = vec![
            row.entry.name.clone(),
            row.entry.kind.clone(),
            row.condition(condition_type::READY),
            row.condition(condition_type::SYNCED),
            since(row.status.as_ref().and_then(|s| s.created_at)),
        ];
        if many {
            line.insert(0, row.environment.clone());
        }
        if wide {
            line.push(row.status.as_ref().map(|s| s.aws_name.clone()).unwrap_or_default());
            line.push(row.entry.generation.to_string());
            line.push(since(row.looked_at));
        }
        line.push(if wide { row.message() } else { brief(&row.message(), 100) });
        line
    });
    table(&header, lines.collect())
}

/// Objects with their status, in the Kubernetes form: a List, however many there are, or the object that
/// was asked for by its name.
async fn list(connected: &Connected, rows: &[Row], args: &GetArgs) -> Result<Value, CliError> {
    let mut items = Vec::new();
    for row in rows {
        if row.entry.digest.is_empty() {
            continue;
        }
        let digests = [row.entry.digest.clone()].into();
        let objects = connected.store.objects(&row.environment, &digests).await?;
        for object in objects.values() {
            items.push(with_status(object, row));
        }
    }
    let is_named = matches!(args.object, Some(Selector::Object(_)));
    Ok(match &items[..] {
        [one] if is_named && args.environment.is_some() => one.clone(),
        _ => json!({"apiVersion": "v1", "kind": "List", "items": items}),
    })
}

pub(super) fn with_status(object: &Object, row: &Row) -> Value {
    let mut value = json!(object);
    value["metadata"]["generation"] = json!(row.entry.generation);
    if let Some(status) = &row.status {
        value["metadata"]["uid"] = json!(status.uid);
        if let Some(created) = status.created_at {
            value["metadata"]["creationTimestamp"] = json!(created);
        }
        value["status"] = json!({
            "observedGeneration": status.observed_generation,
            "lookedAt": row.looked_at,
            "awsName": status.aws_name,
            "physicalId": status.physical_id,
            "outputs": status.outputs,
            "conditions": status.conditions,
        });
    }
    value
}
