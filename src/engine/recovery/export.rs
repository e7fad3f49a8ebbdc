//! The items of tables in the vault: DynamoDB exports them, so that a table can be made from them in any account and
//! region.
//!
//! Guarantees: asking again for the same backup within eight hours begins no second export of a table. A table that
//! cannot be exported is named with the reason; the rest of the backup is made all the same, and its manifest waits for
//! the exports.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::create::is_of_one;
use super::manifest::{TableCopy, TableExport};
use super::vault::Vault;
use super::{LOOK_EVERY, RecoveryError};
use crate::aws::{AwsError, Session};
use crate::kinds::table::exports::{self, Destination, Export};
use crate::model::sha256_hex;

/// An export of many terabytes takes hours; users' reports name minutes for a small one. After this the backup goes
/// without it.
const EXPORTED_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// DynamoDB has a limit of exports at once: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html>
/// names its error, not its number. Others end within this time.
const BEGUN_WITHIN: Duration = Duration::from_secs(3600);
const LIMIT: &str = "LimitExceededException";
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Exports that were begun.
pub(super) struct Begun {
    /// Their ARNs, by the ARNs of their tables.
    arns: BTreeMap<String, String>,
    /// What may help where one fails.
    hint: &'static str,
}

/// How tables are exported.
#[derive(Clone, Copy)]
pub(super) struct Exporting<'a> {
    /// The backup's.
    pub id: &'a str,
    /// The account of the vault's bucket, where the environment says it.
    pub owner: Option<&'a str>,
    pub kms_key: Option<&'a str>,
}

/// What a table's export is asked by again: the same for each try of a backup.
fn token(id: &str, table_arn: &str) -> String {
    format!("trueup-{}", &sha256_hex(format!("{id}\n{table_arn}"))[..40])
}

/// Begins the exports of tables. Those that are refused are noted with the reason.
pub(super) async fn begin(
    session: &Session,
    vault: &Vault,
    how: Exporting<'_>,
    tables: &mut [TableCopy],
) -> Result<Begun, AwsError> {
    let hint = match how.owner {
        Some(_) => "",
        None => "; a bucket of another account is named by spec.recovery.backups.accountId, too",
    };
    let own = session.account_id().await?;
    let mut begun = Begun { arns: BTreeMap::new(), hint };
    for table in tables {
        let name = table.object.rsplit('/').next().unwrap_or_default();
        let prefix = format!("{}tables/{name}", vault.folder(how.id));
        let to = Destination {
            bucket: &vault.bucket,
            owner: how.owner.unwrap_or(&own),
            prefix: &prefix,
            kms_key: how.kms_key,
        };
        match begin_one(session, &table.arn, to, &token(how.id, &table.arn)).await {
            Ok(arn) => {
                begun.arns.insert(table.arn.clone(), arn);
            }
            Err(error) if is_of_one(&error) => {
                table.not_exported = Some(format!("{error}{hint}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(begun)
}

/// Waits for others to end where DynamoDB has as many exports as it takes.
async fn begin_one(
    session: &Session,
    table_arn: &str,
    to: Destination<'_>,
    token: &str,
) -> Result<String, AwsError> {
    let asked = Instant::now();
    loop {
        match exports::begin(session, table_arn, to, token).await {
            Err(error) if error.code == LIMIT && asked.elapsed() < BEGUN_WITHIN => {
                sleep(BEGIN_AGAIN_AFTER).await;
            }
            begun => return begun,
        }
    }
}

impl Begun {
    /// Waits until they are over, and notes what came of them.
    pub async fn finish(
        mut self,
        session: &Session,
        tables: &mut [TableCopy],
    ) -> Result<(), AwsError> {
        let begun = Instant::now();
        for table in tables {
            let Some(arn) = self.arns.remove(&table.arn) else { continue };
            loop {
                match exports::export(session, &arn).await {
                    Ok(Export::Completed(done)) => {
                        let (manifest, at, items) = (done.manifest, done.at, done.items);
                        table.export = Some(TableExport { manifest, at, items });
                    }
                    Ok(Export::Failed(why)) => {
                        table.not_exported = Some(format!("{why}{}", self.hint));
                    }
                    Ok(Export::Running) if begun.elapsed() > EXPORTED_WITHIN => {
                        let hours = EXPORTED_WITHIN.as_secs() / 3600;
                        let why = format!("{arn} is not over after {hours} hours");
                        table.not_exported = Some(why);
                    }
                    Ok(Export::Running) => {
                        sleep(LOOK_EVERY).await;
                        continue;
                    }
                    Err(error) if is_of_one(&error) => table.not_exported = Some(error.to_string()),
                    Err(error) => return Err(error),
                }
                break;
            }
        }
        Ok(())
    }
}

/// One of an export's files, as its list has it:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    item_count: u64,
    etag: String,
    data_file_s3_key: String,
}

/// What is wrong with an export, for people.
pub(super) async fn wrong(
    vault: &Vault,
    export: &TableExport,
) -> Result<Option<String>, RecoveryError> {
    let list = format!("{}manifest-files.json", export.folder());
    let Some(text) = vault.get(&list).await? else {
        return Ok(Some(format!("{list} is gone")));
    };
    let text = String::from_utf8_lossy(&text);
    let files: Result<Vec<File>, _> =
        text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect();
    let Ok(files) = files else { return Ok(Some(format!("{list} is no list of files"))) };
    let there = vault.list(&export.data()).await?;
    let there: BTreeMap<&str, &str> =
        there.iter().map(|file| (file.key.as_str(), file.etag.as_str())).collect();
    for file in &files {
        let key = file.data_file_s3_key.as_str();
        match there.get(key) {
            None => return Ok(Some(format!("{key} is gone"))),
            Some(etag) if *etag != file.etag => {
                return Ok(Some(format!("{key} is not what DynamoDB wrote")));
            }
            Some(_) => {}
        }
    }
    let items: u64 = files.iter().map(|file| file.item_count).sum();
    let is_other = items != export.items;
    Ok(is_other.then(|| format!("its files have {items} items instead of {}", export.items)))
}
