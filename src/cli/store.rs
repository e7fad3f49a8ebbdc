//! `trueup store verify`: checks every record of the store, and mends what can be mended.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::out::say;
use super::show::{self, Output};
use super::{CliError, Connected};
use crate::store::{Finding, Mend, Verified};

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Check every record against its digest, and say how to mend what is damaged.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Delete damaged records that nothing needs, and collect what nothing refers to.
    #[arg(long)]
    mend: bool,
    /// table, json, yaml or jsonpath=TEMPLATE.
    #[arg(short, long, default_value = "table", hide_default_value = true)]
    output: Output,
}

pub(super) async fn run(connected: &Connected, args: &StoreArgs) -> Result<(), CliError> {
    let StoreVerb::Verify(args) = &args.verb;
    let store = &connected.store;
    let verified = store.verify().await?;
    let (mut rows, mut left) = (Vec::new(), 0);
    for finding in &verified.findings {
        let is_mended = args.mend && store.mend(finding).await?;
        left += usize::from(!is_mended);
        rows.push((finding, is_mended));
    }
    let mut collected = 0;
    if args.mend {
        for name in verified.orphans.iter().filter(|(_, count)| **count > 0).map(|(name, _)| name) {
            collected += store.collect(name).await?;
        }
    }
    match &args.output {
        Output::Json => say!("{}", show::json(&shape(&verified, &rows))),
        Output::Yaml => say!("{}", show::yaml(&shape(&verified, &rows))),
        Output::JsonPath(template) => say!("{}", template.fill(&shape(&verified, &rows))),
        Output::Table | Output::Wide | Output::Name => tell(&verified, &rows, collected)?,
    }
    match left {
        0 => Ok(()),
        1 => Err(CliError::refused("one record is damaged")),
        many => Err(CliError::refused(format!("{many} records are damaged"))),
    }
}

fn tell(verified: &Verified, rows: &[(&Finding, bool)], collected: usize) -> Result<(), CliError> {
    for (finding, is_mended) in rows {
        let place = match finding.environment.as_str() {
            "" => String::new(),
            name => format!("{name}: "),
        };
        let sign = if *is_mended { "mended" } else { "damaged" };
        say!("{sign}  {place}{}", finding.error);
        say!("         {}", helps(&finding.mend, *is_mended));
    }
    let orphans: usize = verified.orphans.values().sum();
    if orphans > 0 {
        say!(
            "{orphans} records are referred to by nothing; {collected} were deleted now, and the daemon deletes \
             others once they are a day old"
        );
    }
    say!(
        "checked: {} environments, {} releases, {} objects, {} other records; damaged: {}",
        verified.environments,
        verified.releases,
        verified.objects,
        verified.records,
        rows.iter().filter(|(_, is_mended)| !is_mended).count()
    );
    Ok(())
}

fn helps(mend: &Mend, is_mended: bool) -> String {
    let with = if is_mended { "" } else { "`trueup store verify --mend` deletes it: " };
    match mend {
        Mend::Delete { why, .. } => format!("{with}{why}"),
        Mend::Forget { release } if is_mended => {
            format!("release {release} is forgotten; it is nothing to go back to any more")
        }
        Mend::Forget { release } => format!(
            "release {release} is not current: `trueup store verify --mend` forgets it, and it is nothing to go back \
             to any more. Or restore this record from a backup of the table"
        ),
        Mend::Person { advice } => advice.clone(),
    }
}

fn shape(verified: &Verified, rows: &[(&Finding, bool)]) -> Value {
    let finding = |(finding, is_mended): &(&Finding, bool)| {
        json!({
            "environment": finding.environment,
            "message": finding.error.to_string(),
            "isMended": is_mended,
            "advice": helps(&finding.mend, *is_mended),
        })
    };
    json!({
        "environments": verified.environments,
        "releases": verified.releases,
        "objects": verified.objects,
        "records": verified.records,
        "orphans": verified.orphans,
        "items": rows.iter().map(finding).collect::<Vec<_>>(),
    })
}
