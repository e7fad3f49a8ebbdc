//! What most verbs start from: the store and the sessions.

use std::collections::BTreeSet;

use crate::aws::{AwsMetrics, Connection, Sessions};
use crate::model::{Clock, Object, ObjectId};
use crate::store::{Entry, Head, Release, StatusRecord, Store, StoreError};

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
        let release = self.store.current(&head).await?;
        let digests = release.objects.iter().map(|e| e.digest.clone()).collect();
        let objects = self.store.objects(environment, &digests).await?;
        Ok(Current {
            objects: objects.into_values().collect(),
            release: Some(release),
            head: Some(head),
            damage: None,
        })
    }

    /// The same, for what needs nothing of the current release: where that is damaged, its head alone.
    /// Says so to the person at the terminal.
    pub(super) async fn current_or_damage(&self, environment: &str) -> Result<Current, CliError> {
        match self.current(environment).await {
            Err(CliError::Store(error)) if error.is_damage() => {
                note!(
                    "warning: {error}. What is recorded now does not need it; what it had beside is \
                     left alone until it is taken out by name with `trueup delete {environment}`"
                );
                let head = self.store.head(environment).await?;
                Ok(Current { head, damage: Some(error), ..Current::default() })
            }
            result => result,
        }
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

impl Current {
    /// The objects whose form was confirmed by name.
    pub fn confirmed(&self) -> BTreeSet<ObjectId> {
        let entries = self.release.iter().flat_map(|release| &release.objects);
        entries.filter(|entry| entry.confirmed).map(Entry::id).collect()
    }
}

/// What an environment is now.
#[derive(Default)]
pub(super) struct Current {
    pub head: Option<Head>,
    pub release: Option<Release>,
    pub objects: Vec<Object>,
    /// Why the current release cannot be read, where it cannot.
    pub damage: Option<StoreError>,
}
