//! `trueup rehydrate`: builds a whole environment again from a backup, also where nothing is left of it.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::out::{note, say};
use super::provenance::ProvenanceArgs;
use super::selector::object;
use super::vault::{LATEST, VaultArgs, account_id, chosen};
use super::{CliError, Connected};
use crate::engine::recovery::{Backup, Elsewhere, Prepared, Told, Wish, minutes, prepare};
use crate::model::{ObjectId, parse_duration};
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct RehydrateArgs {
    environment: String,
    /// The backup: its id, or `latest` for the newest whole one, and for tables that are gone what DynamoDB kept of them,
    /// where that is newer.
    #[arg(long, default_value = LATEST, value_name = "BACKUP")]
    from: String,
    /// Build a copy as another environment, beside the first.
    #[arg(long, value_name = "ENVIRONMENT", value_parser = dns_label)]
    into: Option<String>,
    /// Tables as they were then, as 2026-01-01T12:00:00Z. They have to be there, with point-in-time recovery.
    #[arg(long, value_name = "TIME", requires = "into")]
    at: Option<Timestamp>,
    /// The account that the copy is built in, where that is another one. Its tables come from exports.
    #[arg(long, value_name = "ACCOUNT-ID", requires = "into", value_parser = account_id)]
    into_account: Option<String>,
    /// The region that the copy is built in, where that is another one.
    #[arg(long, value_name = "REGION", requires = "into", value_parser = region)]
    into_region: Option<String>,
    /// The role that is assumed in that account.
    #[arg(long, value_name = "ROLE-ARN", requires = "into")]
    into_role: Option<String>,
    /// What that role's trust policy asks for as external id.
    #[arg(long, value_name = "ID", requires = "into_role")]
    into_external_id: Option<String>,
    /// An object whose data are not in the backup, and that may begin empty.
    #[arg(long, value_name = "KIND/NAME", value_parser = object)]
    allow_empty: Vec<ObjectId>,
    /// The bucket there for packages.
    #[arg(long, value_name = "BUCKET", requires = "into")]
    into_artifacts: Option<String>,
    #[command(flatten)]
    vault: VaultArgs,
    /// Show what would be done and how long it takes, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait at most. Asked for again, it goes on.
    #[arg(long, default_value = "24h", value_parser = parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

/// As Kubernetes' names of namespaces.
pub(super) fn dns_label(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = (1..=63).contains(&text.len())
        && text.chars().all(is_plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    match is_name {
        true => Ok(text.to_owned()),
        false => Err("a name has lower-case letters, digits and hyphens, at most 63, and neither begins nor ends with a hyphen"
            .to_owned()),
    }
}

fn region(text: &str) -> Result<String, String> {
    let is_word = |part: &str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_lowercase());
    let parts: Vec<_> = text.split('-').collect();
    match parts[..] {
        [ref words @ .., number]
            if words.len() > 1
                && words.iter().all(|word| is_word(word))
                && number.parse::<u8>().is_ok() =>
        {
            Ok(text.to_owned())
        }
        _ => Err("a region is written as eu-west-1".to_owned()),
    }
}

pub(super) async fn run(connected: &Connected, args: &RehydrateArgs) -> Result<(), CliError> {
    let name = &args.environment;
    let vault = args.vault.open(connected, name).await?;
    let elsewhere = Elsewhere {
        account_id: args.into_account.clone(),
        region: args.into_region.clone(),
        role_arn: args.into_role.clone(),
        external_id: args.into_external_id.clone(),
        artifacts: args.into_artifacts.clone(),
    };
    let elsewhere = Some(elsewhere).filter(|elsewhere| *elsewhere != Elsewhere::default());
    let has_enough = match elsewhere {
        Some(_) => Backup::has_exports,
        None => Backup::is_whole,
    };
    let backup = chosen(&vault, name, &args.from, has_enough).await?;
    let wish = Wish {
        into: args.into.clone(),
        is_scratch: false,
        at: args.at,
        elsewhere,
        allow_empty: args.allow_empty.iter().cloned().collect(),
        // Who names a backup may want what was in it.
        newest: args.from == LATEST,
    };
    let prepared = prepare(&connected.sessions, vault, &backup.id, &wish).await?;
    for line in planned(&prepared) {
        say!("{line}");
    }
    if args.dry_run {
        say!("dry run: nothing was done");
        return Ok(());
    }
    let author = args.provenance.release(Cause::Apply, &[]).author;
    let work = prepared.carry_out(&connected.store, &connected.sessions, &author, &tell);
    let done = tokio::time::timeout(args.timeout, work).await.map_err(|_| {
        CliError::refused(format!(
            "{0} is not whole after {1}; ask again to go on, and see what it waits for with `trueup get {0}`",
            prepared.environment,
            minutes(args.timeout)
        ))
    })??;
    say!("{} is whole: {} objects in {}", prepared.environment, done.objects, minutes(done.took));
    Ok(())
}

/// What will be done, in order.
pub(super) fn planned(prepared: &Prepared) -> Vec<String> {
    let (backup, plan) = (&prepared.backup, &prepared.plan);
    let mut lines = vec![format!(
        "{} from backup {} of {}, begun {}",
        prepared.environment, backup.id, backup.environment, backup.begun_at
    )];
    lines.push(format!("  1. packages, where they are missing: {}", plan.packages));
    lines.push(format!("  2. release {}, with what is restored from what", backup.release));
    let tables_from = match prepared.is_elsewhere() {
        true => "exports in the vault",
        false => "their backups",
    };
    lines.push(format!(
        "  3. tables from {tables_from}, beside each other: {}; and everything else that the daemon makes",
        plan.tables()
    ));
    lines.extend(prepared.newer.iter().map(|(id, at)| {
        format!(
            "     {id} as it was right before its deletion, {at}, which is newer than the backup"
        )
    }));
    lines.push(format!(
        "  4. objects into buckets, as these become ready: {} into {}",
        plan.contents,
        plan.buckets()
    ));
    lines.extend(plan.empty.iter().map(|(id, why)| format!("  {id} begins empty: {why}")));
    lines.extend(
        prepared
            .mentions
            .iter()
            .map(|mention| format!("  warning: {mention}, and the copy would use that")),
    );
    lines.extend(prepared.left_out.iter().map(|what| format!("  left out: {what}")));
    lines.extend(prepared.needed.iter().map(|what| format!("  to check there: {what}")));
    lines.push(format!("it takes at least {}", minutes(plan.takes)));
    lines
}

/// What happens, on standard error.
pub(super) fn tell(what: Told<'_>) {
    match what {
        Told::Package(key) => note!("package {key} is back"),
        Told::Recorded => note!("recorded; the daemon goes on from here"),
        Told::NoDaemon => {
            note!("no daemon has taken the environment; start one with `trueup run`");
        }
        Told::Stuck { object, why } => note!("{object} waits for you: {why}"),
        Told::Ready { object, ready, of } => note!("{ready}/{of} ready: {object}"),
        Told::Filled { object, restored } => {
            note!(
                "{object}: objects that are back: {}, that were there: {}",
                restored.copied,
                restored.there
            );
        }
    }
}
