//! What a verb can fail with, and how it is said.

use thiserror::Error;

use super::out::{self, note};
use crate::aws::{AwsError, Class};
use crate::engine::recovery::RecoveryError;
use crate::engine::release::{MoveError, Refused, TransferError};
use crate::manifest::package::PackageError;
use crate::manifest::{Problems, SourceError};
use crate::model::ObjectId;
use crate::store::{KeysError, StoreError};

/// Why a verb failed. What is printed of it says what to do next.
#[derive(Debug, Error)]
pub enum CliError {
    /// Manifests have mistakes, each with its place.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// Manifests could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Code could not be packaged.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The store failed, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A call to AWS failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A package is not where it has to be.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The head was not moved: a rule of releases is against it.
    #[error(transparent)]
    NotMoved(#[from] Refused),
    /// A backup or a restore could not be made.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// What was asked for cannot be done now.
    #[error("{0}")]
    Refused(String),
    /// A release that was waited for has no verdict that anybody could go by.
    #[error("{0}")]
    Undecided(String),
    /// The call itself is wrong.
    #[error("{0}")]
    Usage(String),
    /// Somebody pressed Ctrl-C. It says what was done until then.
    #[error("interrupted; {0}")]
    Interrupted(String),
    /// This machine failed: a file, a terminal.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl From<KeysError> for CliError {
    fn from(error: KeysError) -> Self {
        Self::refused(error.to_string())
    }
}

impl From<MoveError> for CliError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Refused(refused) => Self::NotMoved(refused),
            MoveError::Store(error) => Self::Store(error),
            MoveError::Transfer(error) => Self::Transfer(error),
        }
    }
}

impl CliError {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// Of an environment, or of all of them.
    pub(super) fn no_such_object(environment: Option<&str>, object: &ObjectId) -> Self {
        Self::Refused(match environment {
            Some(environment) => {
                format!(
                    "{environment} has no {object}; `trueup get {environment}` lists what it has"
                )
            }
            None => format!("no environment has a {object}; `trueup get` lists what there is"),
        })
    }

    pub(super) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// AWS did not answer, or was too busy: another try may find it otherwise.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Aws(error)
            | Self::Store(StoreError::Aws(error))
            | Self::Transfer(TransferError::Aws(error)) => {
                matches!(error.class, Class::Transient | Class::Throttled | Class::Unknown)
            }
            _ => false,
        }
    }

    /// The exit code of a verb that failed with it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Undecided(_) => 2,
            // As shells have it: 128, and the signal's number.
            Self::Interrupted(_) => 130,
            _ => 1,
        }
    }

    pub(super) fn print(&self) {
        match self {
            Self::Problems(problems) if out::has_colours() => {
                out::beside_in_colour(&problems.render(true));
            }
            Self::Problems(problems) => note!("{}", problems.render(false)),
            other => note!("error: {other}"),
        }
    }
}
