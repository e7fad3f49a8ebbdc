//! DynamoDB's own backups of tables: made by name, so that one that was begun is found again; listed and deleted. Decides
//! nothing.

use aws_sdk_dynamodb::types::{BackupStatus, BackupTypeFilter};
use jiff::Timestamp;

use crate::aws::{Absent, AwsError, Class, Service, Session};

/// Pages of one listing of backups.
const PAGES_MAX: usize = 1_000;
const BACKUP_NOT_FOUND: &str = "BackupNotFoundException";

/// A backup that DynamoDB has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The backup's ARN, by which it is restored from and deleted.
    pub arn: String,
    /// The name that it was made with; others may have the same.
    pub name: String,
    /// The name of the table that was backed up.
    pub table: String,
    /// When it was made, to the second.
    pub at: Timestamp,
}

/// Where a table can be restored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restorable {
    /// The first second that it can be restored to.
    pub earliest: Timestamp,
    /// The last second that it can be restored to.
    pub latest: Timestamp,
}

/// Backs a table up. The backup is not ready yet, and a second one may have the same name.
pub async fn make(session: &Session, table: &str, name: &str) -> Result<Found, AwsError> {
    let call = session.dynamodb().create_backup().table_name(table).backup_name(name).send();
    let made = session.write(Service::DynamoDb, "CreateBackup", call).await?;
    let details = AwsError::required(Service::DynamoDb, "CreateBackup", made.backup_details)?;
    Ok(Found {
        arn: details.backup_arn,
        name: name.to_owned(),
        table: table.to_owned(),
        at: timestamp(details.backup_creation_date_time.secs()),
    })
}

/// Whether a backup can be restored from; `None` where there is none.
pub async fn is_ready(session: &Session, arn: &str) -> Result<Option<bool>, AwsError> {
    let described = session
        .read(Service::DynamoDb, "DescribeBackup", || {
            session.dynamodb().describe_backup().backup_arn(arn).send()
        })
        .await
        .absent(BACKUP_NOT_FOUND)?;
    let details = described.and_then(|d| d.backup_description).and_then(|d| d.backup_details);
    Ok(details.map(|details| details.backup_status == BackupStatus::Available))
}

/// The backups of a table that somebody made, or of all tables.
pub async fn all(session: &Session, table: Option<&str>) -> Result<Vec<Found>, AwsError> {
    listed(session, table, BackupTypeFilter::User).await
}

async fn listed(
    session: &Session,
    table: Option<&str>,
    of: BackupTypeFilter,
) -> Result<Vec<Found>, AwsError> {
    let mut found = Vec::new();
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let page = session
            .read(Service::DynamoDb, "ListBackups", || {
                session
                    .dynamodb()
                    .list_backups()
                    .set_table_name(table.map(str::to_owned))
                    .backup_type(of.clone())
                    .set_exclusive_start_backup_arn(next.clone())
                    .send()
            })
            .await?;
        for summary in page.backup_summaries() {
            let at = summary.backup_creation_date_time().map_or(0, |at| at.secs());
            found.push(Found {
                arn: summary.backup_arn().unwrap_or_default().to_owned(),
                name: summary.backup_name().unwrap_or_default().to_owned(),
                table: summary.table_name().unwrap_or_default().to_owned(),
                at: timestamp(at),
            });
        }
        next = page.last_evaluated_backup_arn().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
    let message =
        format!("there are more than {PAGES_MAX} pages of backups; delete those that nobody needs");
    Err(AwsError::new(Class::Invalid, Service::DynamoDb, "ListBackups", message))
}

/// The backup that DynamoDB itself keeps of a table that was deleted while it could be restored to any point in time:
/// the state right before its deletion, for 35 days.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BackupDetails.html>
pub async fn of_deleted(session: &Session, table: &str) -> Result<Option<Found>, AwsError> {
    let mut found = listed(session, Some(table), BackupTypeFilter::System).await?;
    found.sort_by_key(|found| found.at);
    Ok(found.pop())
}

/// Whether a table is there.
pub async fn exists(session: &Session, table: &str) -> Result<bool, AwsError> {
    let described = session
        .read(Service::DynamoDb, "DescribeTable", || {
            session.dynamodb().describe_table().table_name(table).send()
        })
        .await
        .absent("ResourceNotFoundException")?;
    Ok(described.is_some())
}

/// Deletes a backup. One that is gone is no error.
pub async fn delete(session: &Session, arn: &str) -> Result<(), AwsError> {
    let call = session.dynamodb().delete_backup().backup_arn(arn).send();
    session.write(Service::DynamoDb, "DeleteBackup", call).await.absent(BACKUP_NOT_FOUND)?;
    Ok(())
}

/// Between which times a table can be restored to any second; `None` where it cannot, or is not there.
pub async fn restorable(session: &Session, table: &str) -> Result<Option<Restorable>, AwsError> {
    let described = session
        .read(Service::DynamoDb, "DescribeContinuousBackups", || {
            session.dynamodb().describe_continuous_backups().table_name(table).send()
        })
        .await
        .absent("TableNotFoundException")?;
    let recovery = described
        .and_then(|d| d.continuous_backups_description)
        .and_then(|d| d.point_in_time_recovery_description);
    let Some(recovery) = recovery else { return Ok(None) };
    let (earliest, latest) =
        (recovery.earliest_restorable_date_time, recovery.latest_restorable_date_time);
    let (Some(earliest), Some(latest)) = (earliest, latest) else { return Ok(None) };
    Ok(Some(Restorable { earliest: timestamp(earliest.secs()), latest: timestamp(latest.secs()) }))
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}
