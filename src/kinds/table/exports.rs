//! Exports of tables to S3, and what came of an import: begun by a token, so that one that was begun is found again; read.
//! Decides nothing.

use aws_sdk_dynamodb::types as aws;
use jiff::Timestamp;
use serde::Deserialize;

use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::word;

/// Where a table is exported to.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The bucket's account.
    pub owner: &'a str,
    /// Without a slash at its end.
    pub prefix: &'a str,
    /// The KMS key that the files are encrypted by; as the bucket encrypts by itself where it is not given.
    pub kms_key: Option<&'a str>,
}

/// How far an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// DynamoDB writes.
    Running,
    /// Everything is there.
    Completed(Exported),
    /// DynamoDB's code and message.
    Failed(String),
}

/// An export that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The key of its summary: its files lie beside it.
    pub manifest: String,
    /// The time that its items are of: when it was begun.
    pub at: Timestamp,
    /// How many items it has.
    pub items: u64,
}

/// Begins an export of a table with point-in-time recovery, as it is now, and returns its ARN. The same token
/// within eight hours of its end names the same export:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html>.
pub async fn begin(
    session: &Session,
    table_arn: &str,
    to: Destination<'_>,
    token: &str,
) -> Result<String, AwsError> {
    let operation = "ExportTableToPointInTime";
    let call = session
        .dynamodb()
        .export_table_to_point_in_time()
        .table_arn(table_arn)
        .client_token(token)
        .s3_bucket(to.bucket)
        .s3_bucket_owner(to.owner)
        .s3_prefix(to.prefix)
        .set_s3_sse_algorithm(to.kms_key.map(|_| aws::S3SseAlgorithm::Kms))
        .set_s3_sse_kms_key_id(to.kms_key.map(str::to_owned))
        .export_format(aws::ExportFormat::DynamodbJson);
    let begun = session.write(Service::DynamoDb, operation, call.send()).await?;
    let arn = begun.export_description.and_then(|description| description.export_arn);
    AwsError::required(Service::DynamoDb, operation, arn)
}

/// How far an export is.
pub async fn export(session: &Session, arn: &str) -> Result<Export, AwsError> {
    let operation = "DescribeExport";
    let described = session.read(Service::DynamoDb, operation, || {
        session.dynamodb().describe_export().export_arn(arn).send()
    });
    let described = described.await?.export_description;
    let described = AwsError::required(Service::DynamoDb, operation, described)?;
    match status("ExportStatus", described.export_status().map(|s| s.as_str()), operation)? {
        JobStatus::InProgress | JobStatus::Cancelling => Ok(Export::Running),
        JobStatus::Failed | JobStatus::Cancelled => {
            Ok(Export::Failed(reason(described.failure_code(), described.failure_message())))
        }
        JobStatus::Completed => {
            let manifest = described.export_manifest().map(str::to_owned);
            let manifest = AwsError::required(Service::DynamoDb, operation, manifest)?;
            let at = described.export_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
            let at = AwsError::required(Service::DynamoDb, operation, at)?;
            // An import is held against it: without it nothing would be missed.
            let items = described.item_count().and_then(|items| u64::try_from(items).ok());
            let items = AwsError::required(Service::DynamoDb, operation, items)?;
            Ok(Export::Completed(Exported { manifest, at, items }))
        }
    }
}

/// What became of the items that a table was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// DynamoDB reads them.
    Running,
    /// DynamoDB is through.
    Completed {
        /// Items that are in the table.
        imported: u64,
        /// Items that it could not read or put.
        errors: u64,
    },
    /// DynamoDB's code and message. The table may be ACTIVE all the same, with a part of its items or none:
    /// <https://github.com/hashicorp/terraform-provider-aws/issues/34847>.
    Failed(String),
}

/// Imports into tables of one name that are asked after; more are of tables that are gone.
const IMPORTS_MAX: usize = 10;
/// Pages of one listing.
const PAGES_MAX: usize = 20;

/// The import that made a table; `None` where DynamoDB does not list it yet.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListImports.html> speaks of completed imports,
/// and has a status for those that are not. An earlier table of the same name may have had one, too: the id of the
/// table tells them apart.
pub(super) async fn import_into(
    session: &Session,
    table: &aws::TableDescription,
) -> Result<Option<Import>, AwsError> {
    let arn = table.table_arn().unwrap_or_default();
    let mut listed = Vec::new();
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let page = session.read(Service::DynamoDb, "ListImports", || {
            let call = session.dynamodb().list_imports().table_arn(arn);
            call.set_next_token(next.clone()).send()
        });
        let page = page.await?;
        listed.extend(page.import_summary_list.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            break;
        }
    }
    if next.is_some() {
        let message = format!("there are more than {PAGES_MAX} pages of imports into {arn}");
        return Err(AwsError::new(Class::Invalid, Service::DynamoDb, "ListImports", message));
    }
    listed.sort_by_key(|import| std::cmp::Reverse(import.start_time().map(|at| at.secs())));
    for arn in listed.into_iter().filter_map(|import| import.import_arn).take(IMPORTS_MAX) {
        let described = described(session, &arn).await?;
        if described.table_id.is_none() || described.table_id == table.table_id {
            return outcome(&described).map(Some);
        }
    }
    Ok(None)
}

const DESCRIBE_IMPORT: &str = "DescribeImport";

async fn described(session: &Session, arn: &str) -> Result<aws::ImportTableDescription, AwsError> {
    let described = session.read(Service::DynamoDb, DESCRIBE_IMPORT, || {
        session.dynamodb().describe_import().import_arn(arn).send()
    });
    let described = described.await?.import_table_description;
    AwsError::required(Service::DynamoDb, DESCRIBE_IMPORT, described)
}

fn outcome(described: &aws::ImportTableDescription) -> Result<Import, AwsError> {
    let status = described.import_status().map(|status| status.as_str());
    Ok(match self::status("ImportStatus", status, DESCRIBE_IMPORT)? {
        JobStatus::InProgress | JobStatus::Cancelling => Import::Running,
        JobStatus::Completed => Import::Completed {
            imported: count(described.imported_item_count()),
            errors: count(described.error_count()),
        },
        JobStatus::Cancelled | JobStatus::Failed => {
            Import::Failed(reason(described.failure_code(), described.failure_message()))
        }
    })
}

/// The words of both kinds of jobs. Only imports are cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum JobStatus {
    InProgress,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

fn status(
    field: &'static str,
    status: Option<&str>,
    operation: &'static str,
) -> Result<JobStatus, AwsError> {
    let status = word(field, status.unwrap_or_default());
    status.map_err(|unknown| unknown.in_reply(Service::DynamoDb, operation))
}

fn reason(code: Option<&str>, message: Option<&str>) -> String {
    let code = code.unwrap_or("Unknown");
    format!("{code}: {}", message.unwrap_or("DynamoDB gives no reason"))
}

fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
