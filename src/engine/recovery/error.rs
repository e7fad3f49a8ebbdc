//! Why a backup or a restore could not be made, and what a person can do about it.

use thiserror::Error;

use crate::aws::AwsError;
use crate::engine::release::{MoveError, TransferError};
use crate::store::StoreError;

/// Why a backup or a restore could not be made.
#[expect(missing_docs, reason = "the messages say what each is")]
#[derive(Debug, Error)]
pub enum RecoveryError {
    #[error(
        "the Environment {environment} does not say where its backups are kept; declare \
         spec.recovery.backups.bucket (what reads backups also takes the place as --vault s3://BUCKET/PREFIX)"
    )]
    NoPlace { environment: String },
    #[error(
        "there is no backup {id} of {environment} in {place}; see `trueup backup list {environment}`"
    )]
    NoSuchBackup { environment: String, id: String, place: String },
    #[error("there is no backup of {environment} in {place} that can be used")]
    NoBackup { environment: String, place: String },
    #[error("{what} of backup {id} cannot be used: {how}. Take another backup")]
    Damaged { id: String, what: String, how: String },
    #[error(
        "these objects of {object} did not come back from backup {id}: {}. All others did. An earlier backup may have \
         a sound copy (--from), and `trueup backup create` makes one of what is still there", some(.lost)
    )]
    Incomplete { id: String, object: String, lost: Vec<String> },
    #[error("nothing was done: {0}")]
    Refused(String),
    #[error("{0}")]
    Unfinished(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Things that a message names; the others are counted.
const NAMED_MAX: usize = 5;

fn some(lost: &[String]) -> String {
    let named = lost.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match lost.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

impl RecoveryError {
    /// Several buckets that did not come back in full, as one; `None` where all did.
    pub(super) fn incomplete(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() < 2 {
            return errors.pop();
        }
        let told = errors.iter().map(Self::to_string).collect::<Vec<_>>().join("\n");
        Some(Self::Unfinished(told))
    }

    /// The bucket of the backups is not there.
    pub(super) fn no_bucket(bucket: &str) -> Self {
        Self::Refused(format!(
            "the bucket {bucket} of the backups does not exist; make it with `trueup init --bucket {bucket}`, best in \
             another account or region"
        ))
    }
}
