//! What can go wrong with the store, and what a person can do about it.

use thiserror::Error;

use crate::aws::{AwsError, Class};

/// Why the store did not do what it was asked for.
#[expect(missing_docs, reason = "the messages say what each is")]
#[derive(Debug, Error)]
pub enum StoreError {
    #[error(
        "the table `{table}` does not exist in {region} in {}. If it exists elsewhere, correct the region or the \
         credentials. To make a new, empty store here, run `trueup init`",
        account.as_ref().map_or("the account of these credentials".to_owned(), |id| format!("account {id}"))
    )]
    TableMissing { table: String, region: String, account: Option<String> },
    #[error(
        "the table `{table}` was written by a newer version of trueup (its schema is {schema}, this version \
         knows up to {known}); nothing was done. Upgrade trueup"
    )]
    Newer { table: String, schema: u32, known: u32 },
    #[error(
        "the table `{table}` was not made by `trueup init`; run it, or name another with --table"
    )]
    NotInitialized { table: String },
    #[error(
        "somebody else moved {environment} meanwhile (you saw release {seen}); nothing of yours was \
         recorded. Look at `trueup diff`, then apply again"
    )]
    HeadMoved { environment: String, seen: u64 },
    #[error("there is no environment `{environment}`; known are: {known}")]
    NoSuchEnvironment { environment: String, known: String },
    #[error("{environment} has no release {number}; see `trueup history {environment}`")]
    NoSuchRelease { environment: String, number: u64 },
    #[error("another daemon reconciles {environment} now")]
    LeaseLost { environment: String },
    #[error(
        "{what} cannot be read: {source}. If a newer version of trueup wrote it, run that version; \
         otherwise restore it from a backup of the table"
    )]
    Unreadable { what: String, source: serde_dynamo::Error },
    #[error("{what} is missing from the store; restore it from a backup of the table")]
    Missing { what: String },
    #[error("{what} is damaged: {how}; restore it from a backup of the table")]
    Damaged { what: String, how: String },
    #[error("{what} is nothing that this version of trueup writes")]
    Unknown { what: String },
    #[error(
        "release {number} of {environment} is not taken: {why}. Who applies and every daemon need \
         --signing-key-file; where they have it, find out who writes the table"
    )]
    Unsigned { environment: String, number: u64, why: String },
    #[error(
        "{environment} takes signed releases only (`requireSignature`), and there is no key; nothing was recorded. \
         Give the file with --signing-key-file"
    )]
    NoKey { environment: String },
    #[error(transparent)]
    Aws(AwsError),
}

impl StoreError {
    /// A record is missing, altered, or of a newer version. Nothing may be concluded from it, least of
    /// all that something is to be deleted.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::Missing { .. }
                | Self::Damaged { .. }
                | Self::Unknown { .. }
                | Self::NoSuchRelease { .. }
                | Self::Unsigned { .. }
        )
    }

    /// Another writer was there first, which is no fault of the store.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::HeadMoved { .. } | Self::LeaseLost { .. })
            || matches!(self, Self::Aws(error) if error.class == Class::Conflict)
    }
}
