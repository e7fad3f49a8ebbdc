//! What most verbs start from: the store and the sessions.

use crate::aws::{AwsMetrics, Connection, Sessions};
use crate::model::{Clock, Object};
use crate::store::{Head, Release, Store};

use super::CliError;

/// A connection to the store and to AWS.
pub struct Connected {
    pub sessions: Sessions,
    pub store: Store,
}

impl Connected {
    /// By the standard AWS configuration: environment variables, profile, instance role.
    pub async fn new(table: &str) -> Result<Self, CliError> {
        Self::through(&Connection::default(), table, Clock::system(), None).await
    }

    /// By a given connection, as to an embedded AWS.
    pub async fn through(
        connection: &Connection,
        table: &str,
        clock: Clock,
        metrics: Option<AwsMetrics>,
    ) -> Result<Self, CliError> {
        let sessions = Sessions::new(connection, clock, metrics).await;
        let store = Store::new(sessions.home().await?, table, clock);
        Ok(Self { sessions, store })
    }

    /// An environment's head, its release and the release's objects; nothing where there is no such
    /// environment yet.
    pub(super) async fn current(&self, environment: &str) -> Result<Current, CliError> {
        let Some(head) = self.store.head(environment).await? else {
            return Ok(Current::default());
        };
        let release = self.store.release(environment, head.release).await?;
        let digests = release.objects.iter().map(|e| e.digest.clone()).collect();
        let objects = self.store.objects(environment, &digests).await?;
        Ok(Current {
            objects: objects.into_values().collect(),
            release: Some(release),
            head: Some(head),
        })
    }
}

/// What an environment is now.
#[derive(Default)]
pub(super) struct Current {
    pub head: Option<Head>,
    pub release: Option<Release>,
    pub objects: Vec<Object>,
}
