//! Where backups lie, as far as the command line says it.

use std::str::FromStr;

use clap::Args;

use super::out::note;
use super::{CliError, Connected};
use crate::aws::Target;
use crate::engine::recovery::{Backup, RecoveryError, Vault};
use crate::engine::release::spec_of;
use crate::kinds::environment::BackupPolicy;

/// The word for the newest backup that is whole.
pub(super) const LATEST: &str = "latest";

#[derive(Debug, Default, Args)]
pub(super) struct VaultArgs {
    /// Where the backups lie, where no store says it: s3://BUCKET/PREFIX, as spec.recovery.backups had it.
    #[arg(long, env = "TRUEUP_VAULT", value_name = "S3-URL")]
    vault: Option<Place>,
    /// The region of that bucket.
    #[arg(long, value_name = "REGION", requires = "vault")]
    vault_region: Option<String>,
    /// The account of that bucket, where it is not the one that reads it.
    #[arg(long, value_name = "ACCOUNT-ID", requires = "vault", value_parser = account_id)]
    vault_account: Option<String>,
}

/// As AWS writes it.
pub(super) fn account_id(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account id has 12 digits".to_owned()),
    }
}

/// A bucket and a prefix in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    bucket: String,
    prefix: Option<String>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help =
            || format!("`{text}` is no place in S3; write s3://BUCKET or s3://BUCKET/PREFIX");
        let rest = text.strip_prefix("s3://").ok_or_else(help)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(help());
        }
        let prefix = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

impl VaultArgs {
    /// The command line says where the backups lie.
    pub fn is_given(&self) -> bool {
        self.vault.is_some()
    }

    /// Opens the vault of an environment: as it is given, or as its Environment says.
    pub async fn open(&self, connected: &Connected, environment: &str) -> Result<Vault, CliError> {
        if let Some(Place { bucket, prefix }) = self.vault.clone() {
            let policy = BackupPolicy {
                bucket,
                prefix,
                region: self.vault_region.clone(),
                account_id: self.vault_account.clone(),
                ..BackupPolicy::default()
            };
            let target = Target::default();
            return Ok(Vault::open(&connected.sessions, environment, &target, &policy).await?);
        }
        connected.store.existing_head(environment).await?;
        let spec = spec_of(&connected.current(environment).await?.objects).unwrap_or_default();
        Ok(Vault::of(&connected.sessions, environment, &spec).await?)
    }
}

/// A backup by its id, or the newest that has what is needed.
pub(super) async fn chosen(
    vault: &Vault,
    environment: &str,
    id: &str,
    has_enough: impl Fn(&Backup) -> bool,
) -> Result<Backup, CliError> {
    if id != LATEST {
        return Ok(vault.backup(id).await?);
    }
    let mut backups = vault.sound_backups().await?;
    let newest = backups.last().map(|backup| backup.id.clone());
    let Some(found) = backups.iter().rposition(has_enough) else {
        let (environment, place) = (environment.to_owned(), vault.place());
        return Err(match newest {
            None => RecoveryError::NoBackup { environment, place }.into(),
            Some(newest) => CliError::refused(format!(
                "no backup of {environment} in {place} has all that this needs (in another account or region that is an \
                 export of each table: `exportTables`). The newest one that can be read is {newest}; name it with --from, \
                 and what it lacks is said"
            )),
        });
    };
    let found = backups.swap_remove(found);
    if newest.is_some_and(|newest| newest != found.id) {
        note!(
            "{} is the newest backup that has everything; `trueup backup list` names newer ones",
            found.id
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_what_comes_before_an_environments_name() {
        for (text, expected) in [
            ("s3://kept", Some(("kept", None))),
            ("s3://kept/", Some(("kept", None))),
            ("s3://kept/trueup/", Some(("kept", Some("trueup/")))),
            ("kept", None),
            ("s3://", None),
        ] {
            let place = text.parse::<Place>().ok();
            let place = place.as_ref().map(|p| (p.bucket.as_str(), p.prefix.as_deref()));
            assert_eq!(place, expected, "{text}");
        }
    }
}
