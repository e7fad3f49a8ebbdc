//! What a verb can fail with, and how it is said.

use std::io::IsTerminal;

use thiserror::Error;

use super::out::{self, note};
use crate::aws::{AwsError, Class};
use crate::engine::release::{MoveError, Refused};
use crate::manifest::package::PackageError;
use crate::manifest::{Problems, SourceError};
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum CliError {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    NotMoved(#[from] Refused),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Usage(String),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl From<MoveError> for CliError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Refused(refused) => Self::NotMoved(refused),
            MoveError::Store(error) => Self::Store(error),
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

    pub(super) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// AWS did not answer, or was too busy: another try may find it otherwise.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Aws(error) | Self::Store(StoreError::Aws(error)) => {
                matches!(error.class, Class::Transient | Class::Throttled | Class::Unknown)
            }
            _ => false,
        }
    }

    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    pub(super) fn print(&self) {
        match self {
            Self::Problems(problems) if std::io::stderr().is_terminal() => {
                out::beside_in_colour(&problems.render(true));
            }
            Self::Problems(problems) => note!("{}", problems.render(false)),
            other => note!("error: {other}"),
        }
    }
}
