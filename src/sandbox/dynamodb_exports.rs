//! Exports of tables to S3, and tables that are made from them.
//!
//! Follows <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html> (a table
//! with point-in-time recovery, idempotent by its client token),
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html> (the files),
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ImportTable.html> (always a new table, at most 50
//! at once) and <https://github.com/hashicorp/terraform-provider-aws/issues/34847> (the table of an import that failed is
//! ACTIVE all the same).
//!
//! Not there: incremental exports, other formats than DynamoDB JSON in gzip, and what was at an earlier time.

use std::io::{Read, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use winterbaume_core::{MockResponse, json_error_response};

use super::ACCOUNT_ID;
use super::s3::S3;

pub(super) const OPERATIONS: [&str; 5] =
    ["ExportTableToPointInTime", "DescribeExport", "ImportTable", "DescribeImport", "ListImports"];

/// Imports of one account at once:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Validation.html>.
const IMPORTS_MAX: usize = 50;

#[derive(Default)]
pub(super) struct Jobs {
    exports: Vec<Job>,
    imports: Vec<Job>,
}

/// An export or an import: what is shown of it once it is over, and when that is.
struct Job {
    described: Value,
    ends_at: Instant,
}

impl Job {
    /// Until it is over nothing of its end is shown.
    fn shown(&self, status: &str) -> Value {
        let mut shown = self.described.clone();
        if self.ends_at > Instant::now() {
            shown[status] = json!("IN_PROGRESS");
            if let Value::Object(members) = &mut shown {
                for end in ["EndTime", "FailureCode", "FailureMessage", "ExportManifest"] {
                    members.remove(end);
                }
            }
        }
        shown
    }

    fn is_running(&self) -> bool {
        self.ends_at > Instant::now()
    }
}

/// What an export writes, and what came of it.
pub(super) struct Written {
    /// The summary's key; `None` where nothing could be written.
    manifest: Option<String>,
    bytes: usize,
}

/// Writes the items of a table as DynamoDB exports them.
pub(super) async fn write(s3: &S3, body: &Value, id: &str, items: &[Value]) -> Written {
    let text = |member: &str| body[member].as_str().unwrap_or_default().trim_end_matches('/');
    let bucket = text("S3Bucket");
    let prefix = match text("S3Prefix") {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let folder = format!("{prefix}AWSDynamoDB/{id}");
    let lines: String = items.iter().map(|item| format!("{}\n", json!({"Item": item}))).collect();
    let data = zipped(lines.as_bytes());
    let owner = body["S3BucketOwner"].as_str().unwrap_or(ACCOUNT_ID);
    if !s3.is_owned_by(bucket, owner) {
        return Written { manifest: None, bytes: data.len() };
    }
    let key = format!("{folder}/data/{id}.json.gz");
    let bytes = data.len();
    let Some(etag) = s3.put(bucket, &key, data.into()).await else {
        return Written { manifest: None, bytes };
    };
    // The ETag of an object that was put as a whole is its MD5.
    let md5 = hex::decode(&etag).map(|md5| BASE64_STANDARD.encode(md5)).unwrap_or_default();
    let files = json!({
        "itemCount": items.len(), "md5Checksum": md5, "etag": etag, "dataFileS3Key": key,
    });
    let summary = json!({
        "version": "2020-06-30",
        "tableArn": body["TableArn"],
        "s3Bucket": bucket,
        "s3Prefix": body["S3Prefix"],
        "manifestFilesS3Key": format!("{folder}/manifest-files.json"),
        "itemCount": items.len(),
        "outputFormat": "DYNAMODB_JSON",
    });
    for (name, content) in [
        ("_started", String::new()),
        ("manifest-files.json", format!("{files}\n")),
        ("manifest-summary.json", summary.to_string()),
    ] {
        s3.put(bucket, &format!("{folder}/{name}"), content.into_bytes().into()).await;
    }
    Written { manifest: Some(format!("{folder}/manifest-summary.json")), bytes }
}

/// The items below a prefix, or why none can be read.
pub(super) async fn read(s3: &S3, body: &Value) -> Result<Vec<Value>, (&'static str, String)> {
    let source = &body["S3BucketSource"];
    let bucket = source["S3Bucket"].as_str().unwrap_or_default();
    if source["S3BucketOwner"].as_str().is_some_and(|owner| !s3.is_owned_by(bucket, owner)) {
        return Err(("AccessDenied", "Access Denied".to_owned()));
    }
    let prefix = source["S3KeyPrefix"].as_str().unwrap_or_default();
    let keys = s3.keys(bucket, prefix).await;
    let keys = keys.ok_or(("S3NoSuchBucket", "The specified bucket does not exist".to_owned()))?;
    if keys.is_empty() {
        let message = format!("No S3 objects with the prefix {prefix} were found");
        return Err(("ItemValidationError", message));
    }
    let mut items = Vec::new();
    for key in keys {
        let data = s3.object(bucket, &key).await.unwrap_or_default();
        let mut text = String::new();
        if GzDecoder::new(&*data).read_to_string(&mut text).is_err() {
            return Err(("ItemValidationError", format!("{key} is not in gzip")));
        }
        let lines =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_default());
        items.extend(lines.map(|line| line["Item"].clone()));
    }
    Ok(items)
}

fn zipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Neither fails in memory; what is missing is seen when it is read.
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

impl Jobs {
    /// Tells one job from the next of the same instant.
    pub fn count(&self) -> usize {
        self.exports.len() + self.imports.len()
    }

    /// The export that was begun with the same token, or has such an ARN.
    pub fn export(&self, member: &str, is: &Value) -> Option<Value> {
        let job = self.exports.iter().find(|job| job.described[member] == *is && !is.is_null())?;
        Some(json!({"ExportDescription": job.shown("ExportStatus")}))
    }

    pub fn import(&self, member: &str, is: &Value) -> Option<Value> {
        let job = self.imports.iter().find(|job| job.described[member] == *is && !is.is_null())?;
        Some(json!({"ImportTableDescription": job.shown("ImportStatus")}))
    }

    /// The completed imports into a table, the newest one first.
    pub fn imports(&self, table_arn: &Value) -> Value {
        let of_table = self
            .imports
            .iter()
            .rev()
            .filter(|job| job.described["TableArn"] == *table_arn && !job.is_running());
        let summary = |job: &Job| {
            let shown = job.shown("ImportStatus");
            let mut summary = json!({});
            for member in [
                "ImportArn",
                "ImportStatus",
                "TableArn",
                "S3BucketSource",
                "InputFormat",
                "StartTime",
            ] {
                summary[member] = shown[member].clone();
            }
            summary
        };
        json!({"ImportSummaryList": of_table.map(summary).collect::<Vec<_>>()})
    }

    pub fn refuse_import(&self) -> Option<MockResponse> {
        let message =
            "Subscriber limit exceeded: There is a limit of 50 concurrent imports per subscriber.";
        (self.imports.iter().filter(|job| job.is_running()).count() >= IMPORTS_MAX)
            .then(|| json_error_response(400, "LimitExceededException", message))
    }

    /// An export that was begun, with the number of its items.
    pub fn exported(
        &mut self,
        (body, arn, table_id): (&Value, &str, &str),
        (written, items): (&Written, usize),
        (now, ends_at): (Timestamp, Instant),
    ) -> Value {
        let mut described = json!({
            "ExportArn": arn,
            "ExportStatus": "COMPLETED",
            "StartTime": now.as_second(),
            "EndTime": now.as_second(),
            "ExportTime": now.as_second(),
            "TableArn": body["TableArn"],
            "TableId": table_id,
            "S3Bucket": body["S3Bucket"],
            "S3BucketOwner": body["S3BucketOwner"].as_str().unwrap_or(ACCOUNT_ID),
            "S3Prefix": body["S3Prefix"].as_str().unwrap_or_default(),
            "S3SseAlgorithm": "AES256",
            "ExportFormat": "DYNAMODB_JSON",
            "ExportType": "FULL_EXPORT",
            "ItemCount": items,
            "BilledSizeBytes": written.bytes,
        });
        if !body["ClientToken"].is_null() {
            described["ClientToken"] = body["ClientToken"].clone();
        }
        match &written.manifest {
            Some(manifest) => described["ExportManifest"] = json!(manifest),
            None => {
                described["ExportStatus"] = json!("FAILED");
                described["FailureCode"] = json!("S3NoSuchBucket");
                described["FailureMessage"] = json!("The specified bucket does not exist");
            }
        }
        self.exports.push(Job { described, ends_at });
        self.export("ExportArn", &json!(arn)).unwrap_or_default()
    }

    /// An import that was begun: how many of the items it read it could put, or why it failed.
    pub fn imported(
        &mut self,
        (body, table_arn, table_id): (&Value, &str, &str),
        (read, put): (Result<usize, &(&'static str, String)>, usize),
        (now, ends_at): (Timestamp, Instant),
    ) -> Value {
        let arn =
            format!("{table_arn}/import/{:014}-{:08x}", now.as_millisecond(), self.imports.len());
        let mut described = json!({
            "ImportArn": arn,
            "ImportStatus": "COMPLETED",
            "StartTime": now.as_second(),
            "EndTime": now.as_second(),
            "TableArn": table_arn,
            "TableId": table_id,
            "S3BucketSource": body["S3BucketSource"],
            "InputFormat": body["InputFormat"],
            "InputCompressionType": body["InputCompressionType"],
            "TableCreationParameters": body["TableCreationParameters"],
            "ProcessedItemCount": read.unwrap_or(0),
            "ImportedItemCount": put,
            "ErrorCount": read.unwrap_or(0) - put,
        });
        if !body["ClientToken"].is_null() {
            described["ClientToken"] = body["ClientToken"].clone();
        }
        if let Err((code, message)) = read {
            described["ImportStatus"] = json!("FAILED");
            described["FailureCode"] = json!(code);
            described["FailureMessage"] = json!(message);
        }
        self.imports.push(Job { described, ends_at });
        self.import("ImportArn", &json!(arn)).unwrap_or_default()
    }
}
