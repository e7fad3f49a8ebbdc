//! What most verbs start from: the store and the sessions.

use crate::aws::{AwsMetrics, Connection, Sessions};
use crate::engine::release::{self, Current};
use crate::model::Clock;
use crate::store::{StatusRecord, Store};

use super::CliError;
use super::out::note;

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

    /// The same, to a store that this version of trueup understands.
    pub async fn open(table: &str) -> Result<Self, CliError> {
        let connected = Self::new(table).await?;
        connected.store.id().await?;
        Ok(connected)
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

    pub(super) async fn current(&self, environment: &str) -> Result<Current, CliError> {
        Ok(release::current(&self.store, environment).await?)
    }

    /// For what needs nothing of the current release. Tells the person at the terminal where that is damaged.
    pub(super) async fn current_or_damage(&self, environment: &str) -> Result<Current, CliError> {
        let current = release::current_or_head(&self.store, environment).await?;
        if let Some(error) = &current.damage {
            note!(
                "warning: {error}. What is recorded now does not need it; what it had beside is \
                 left alone until it is taken out by name with `trueup delete {environment}`"
            );
        }
        Ok(current)
    }

    /// The records of an environment's objects; those that cannot be read are named on standard error.
    pub(super) async fn sound_statuses(
        &self,
        environment: &str,
    ) -> Result<Vec<StatusRecord>, CliError> {
        let mut sound = Vec::new();
        for (id, record) in self.store.statuses(environment).await? {
            match record {
                Ok(record) => sound.push(record),
                Err(error) => note!("warning: {environment}/{id}: {error}"),
            }
        }
        Ok(sound)
    }
}
