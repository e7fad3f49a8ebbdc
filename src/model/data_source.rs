//! Where the data of a resource come from that has to be made again.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A recovery point: what a resource is restored from, instead of being made empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "from",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum DataSource {
    /// A backup that DynamoDB keeps of a table.
    #[expect(missing_docs, reason = "the ARN of that backup")]
    TableBackup { arn: String },
    /// Another table as it was at a time, or at the newest one that it can be restored to.
    PointInTime {
        /// The table that the data come from. It is not changed.
        table_arn: String,
        /// The time that the data come back to; `None` is the newest one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// The items of a table as DynamoDB exported them: a table in any account and region can be made from them.
    TableExport {
        /// The id of the environment's backup that they belong to.
        backup: String,
        /// The bucket that they lie in.
        bucket: String,
        /// The account of the bucket, where it is known: AWS asks for it where that is not the table's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// Below which its files lie.
        prefix: String,
        /// How many there are.
        items: u64,
    },
    /// Objects of a bucket in a backup of the environment: whoever restores them copies them into the bucket once it
    /// is there.
    #[expect(missing_docs, reason = "the id of that backup")]
    Contents { backup: String },
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableBackup { arn } => write!(f, "backup {arn}"),
            Self::PointInTime { table_arn, at: Some(at) } => write!(f, "{table_arn} as of {at}"),
            Self::PointInTime { table_arn, at: None } => {
                write!(f, "{table_arn} at its newest point in time")
            }
            Self::TableExport { backup, .. } => write!(f, "the export in backup {backup}"),
            Self::Contents { backup } => write!(f, "the contents in backup {backup}"),
        }
    }
}
