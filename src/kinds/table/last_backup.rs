//! The last backup of a table that is about to be deleted. It stays until somebody deletes it.

use aws_sdk_dynamodb::types::{BackupStatus, BackupTypeFilter};

use crate::aws::{AwsError, Service, Session};
use crate::kinds::Outcome;

/// Pages of one listing.
const PAGES_MAX: usize = 100;

/// What it is called: `id` tells this table from an earlier one of the same name.
pub(super) fn name_of(table: &str, id: &str) -> String {
    // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html: at most 255 letters.
    let table: String = table.chars().take(230).collect();
    format!("trueup-last-{table}-{}", id.chars().take(8).collect::<String>())
}

/// Makes it, unless it is there, and says whether it can be restored from.
pub(super) async fn make(session: &Session, table: &str, name: &str) -> Result<Outcome, AwsError> {
    if let Some(status) = status(session, table, name).await? {
        let is_ready = status == BackupStatus::Available;
        return Ok(if is_ready { Outcome::done() } else { Outcome::waiting() });
    }
    let call = session.dynamodb().create_backup().table_name(table).backup_name(name).send();
    session.write(Service::DynamoDb, "CreateBackup", call).await?;
    Ok(Outcome::waiting())
}

async fn status(
    session: &Session,
    table: &str,
    name: &str,
) -> Result<Option<BackupStatus>, AwsError> {
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let page = session
            .read(Service::DynamoDb, "ListBackups", || {
                session
                    .dynamodb()
                    .list_backups()
                    .table_name(table)
                    .backup_type(BackupTypeFilter::User)
                    .set_exclusive_start_backup_arn(next.clone())
                    .send()
            })
            .await?;
        let found = page.backup_summaries().iter().find(|b| b.backup_name() == Some(name));
        if let Some(found) = found {
            return Ok(found.backup_status().cloned());
        }
        next = page.last_evaluated_backup_arn().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(None)
}
