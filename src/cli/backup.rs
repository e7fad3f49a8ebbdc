//! `trueup backup`: makes, lists, checks and deletes backups of environments. The daemon makes them by the schedule of
//! the Environment.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::out::{self, note, say};
use super::show::{Output, age, table};
use super::vault::{VaultArgs, chosen};
use super::{CliError, Connected};
use crate::engine::recovery::{Backup, back_up, delete, id_of, in_use, sweep, verify};
use crate::engine::release::{own_session, spec_of};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(subcommand)]
    verb: BackupVerb,
}

impl BackupArgs {
    /// Whether a store has to be there: it may be gone with the environment whose backups are listed.
    pub fn needs_store(&self) -> bool {
        !matches!(&self.verb, BackupVerb::List(args) if args.vault.is_given())
    }
}

#[derive(Debug, Subcommand)]
enum BackupVerb {
    /// Make a backup now.
    Create(CreateArgs),
    /// List backups, the newest last.
    List(ListArgs),
    /// Check that a backup could be restored from.
    Verify(VerifyArgs),
    /// Delete a backup, and what no other one needs.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    environment: String,
    /// Go on with a backup that was interrupted.
    #[arg(long, value_name = "BACKUP")]
    resume: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    environment: String,
    #[command(flatten)]
    vault: VaultArgs,
    /// table, wide, json, yaml, name or jsonpath=TEMPLATE.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    environment: String,
    /// Its id, or `latest` for the newest whole one.
    #[arg(default_value = "latest")]
    backup: String,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    environment: String,
    backup: String,
    /// Also where it is the newest whole backup.
    #[arg(long)]
    even_the_newest: bool,
}

pub(super) async fn run(connected: &Connected, args: &BackupArgs) -> Result<(), CliError> {
    match &args.verb {
        BackupVerb::Create(args) => create(connected, args).await,
        BackupVerb::List(args) => list(connected, args).await,
        BackupVerb::Verify(args) => check(connected, args).await,
        BackupVerb::Delete(args) => remove(connected, args).await,
    }
}

async fn create(connected: &Connected, args: &CreateArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    // Before anything is said of a backup that may be gone on with.
    store.existing_head(name).await?;
    VaultArgs::default().open(connected, name).await?;
    let id = args.resume.clone().unwrap_or_else(|| id_of(store.clock().now(), rand::random()));
    note!("backup {id} of {name}; if it is interrupted, go on with --resume {id}");
    let backup = back_up(store, sessions, name, &id).await?;
    say!("{}", told(&backup));
    match backup.missing().next() {
        None => Ok(()),
        Some(_) => Err(lacking(&backup)),
    }
}

fn told(backup: &Backup) -> String {
    let objects: u64 = backup.buckets.iter().map(|bucket| bucket.listing.records).sum();
    format!(
        "{} of {}: release {}; tables: {}, objects of buckets: {objects}, buckets: {}, packages: {}",
        backup.id,
        backup.environment,
        backup.release,
        backup.tables.len(),
        backup.buckets.len(),
        backup.packages.len()
    )
}

fn lacking(backup: &Backup) -> CliError {
    let lacking = backup.missing().collect::<Vec<_>>().join("; ");
    CliError::refused(format!("backup {} lacks {lacking}", backup.id))
}

/// One backup as it is listed.
struct Row {
    id: String,
    backup: Option<Backup>,
    state: &'static str,
    message: String,
}

async fn list(connected: &Connected, args: &ListArgs) -> Result<(), CliError> {
    let vault = args.vault.open(connected, &args.environment).await?;
    let mut rows = Vec::new();
    for (id, manifest) in vault.backups().await? {
        let (state, message, backup) = match manifest {
            None => ("Unfinished", "it is being made, or was interrupted".to_owned(), None),
            Some(Err(error)) => ("Damaged", error.to_string(), None),
            Some(Ok(backup)) if backup.deleting => {
                ("Deleting", "parts of it are gone".to_owned(), Some(backup))
            }
            Some(Ok(backup)) if backup.missing().next().is_some() => {
                ("Incomplete", lacking(&backup).to_string(), Some(backup))
            }
            Some(Ok(backup)) => ("Whole", String::new(), Some(backup)),
        };
        rows.push(Row { id, backup, state, message });
    }
    let now = connected.store.clock().now();
    if let Some(text) =
        args.output.for_scripts(|| items(&rows), || rows.iter().map(|row| row.id.clone()).collect())
    {
        out::lines(&text)?;
    } else if rows.is_empty() {
        note!("there is no backup of {} in {}", args.environment, vault.place());
    } else {
        say!("{}", printed(&rows, now));
    }
    Ok(())
}

fn printed(rows: &[Row], now: Timestamp) -> String {
    let cells = |row: &Row| {
        let of =
            |text: &dyn Fn(&Backup) -> String| row.backup.as_ref().map_or("-".to_owned(), text);
        vec![
            row.id.clone(),
            row.state.to_owned(),
            of(&|backup| age(backup.begun_at, now)),
            of(&|backup| backup.release.to_string()),
            of(&|backup| backup.tables.len().to_string()),
            of(&|backup| {
                let objects: u64 = backup.buckets.iter().map(|b| b.listing.records).sum();
                objects.to_string()
            }),
            row.message.clone(),
        ]
    };
    let header = ["BACKUP", "STATE", "AGE", "RELEASE", "TABLES", "OBJECTS", "MESSAGE"];
    table(&header, rows.iter().map(cells).collect())
}

fn items(rows: &[Row]) -> Value {
    let item = |row: &Row| json!({"id": row.id, "state": row.state, "message": row.message, "backup": row.backup});
    json!({ "items": rows.iter().map(item).collect::<Vec<_>>() })
}

async fn check(connected: &Connected, args: &VerifyArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    let spec = spec_of(&connected.current(name).await?.objects).unwrap_or_default();
    let vault = VaultArgs::default().open(connected, name).await?;
    let backup = chosen(&vault, name, &args.backup, Backup::is_whole).await?;
    let session = own_session(sessions, name, &spec.target()).await?;
    let checked = verify(store, &session, &vault, &backup).await?;
    for problem in &checked.problems {
        say!("damaged  {problem}");
    }
    say!(
        "checked {}; records: {}, packages: {}, tables: {}, objects of buckets: {}; damaged: {}",
        backup.id,
        checked.records,
        checked.packages,
        checked.tables,
        checked.objects,
        checked.problems.len()
    );
    match checked.problems.is_empty() {
        true => Ok(()),
        false => Err(CliError::refused(format!("backup {} cannot be relied on", backup.id))),
    }
}

async fn remove(connected: &Connected, args: &DeleteArgs) -> Result<(), CliError> {
    let (name, Connected { store, sessions }) = (&args.environment, connected);
    let spec = spec_of(&connected.current(name).await?.objects).unwrap_or_default();
    let vault = VaultArgs::default().open(connected, name).await?;
    let backup = vault.backup(&args.backup).await?;
    let newest = vault.sound_backups().await?.into_iter().rev().find(Backup::is_whole);
    if newest.is_some_and(|newest| newest.id == backup.id) && !args.even_the_newest {
        return Err(CliError::refused(format!(
            "{} is the newest whole backup of {name}; nothing was deleted. Make another one first, or add \
             --even-the-newest",
            backup.id
        )));
    }
    let session = own_session(sessions, name, &spec.target()).await?;
    delete(&vault, &session, &backup, &in_use(store).await?).await?;
    let swept = sweep(store, &vault, &session, name).await?;
    say!("{} deleted; copies that no other backup names: {}", backup.id, swept.copies);
    Ok(())
}
