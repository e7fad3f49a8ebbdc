//! What most verbs start from: the store and the sessions.

use crate::aws::{AwsMetrics, Connection, Sessions};
use crate::engine::release::{self, Current};
use crate::model::Clock;
use crate::store::{SigningKeys, StatusRecord, Store, StoreError};

use super::CliError;
use super::config::Settings;
use super::out::note;

/// Where the store is, as far as the command line says it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The DynamoDB table's name.
    pub table: String,
    /// The SDK's own configuration decides where it is `None`.
    pub region: Option<String>,
    /// What releases are signed with.
    pub keys: Option<SigningKeys>,
    /// Nothing is taken over from a release that is not signed.
    pub builds_on_signed: bool,
}

impl Home {
    /// As environment variables and `trueup.toml` say, for whoever has no command line.
    pub(super) fn of_variables() -> Self {
        // A file with a mistake is told by the next verb; whoever completes a word cannot be told.
        Settings::find().unwrap_or_default().home()
    }
}

/// A connection to the store and to AWS.
pub struct Connected {
    /// Connections to every account and region that environments name.
    pub sessions: Sessions,
    /// The DynamoDB table.
    pub store: Store,
}

impl Connected {
    /// By the standard AWS configuration: environment variables, profile, instance role.
    pub async fn new(home: &Home) -> Result<Self, CliError> {
        let connection = Connection { region: home.region.clone(), ..Connection::default() };
        Self::through(&connection, home, Clock::system(), None).await
    }

    /// The same, to a store that this version of trueup understands.
    pub async fn open(home: &Home) -> Result<Self, CliError> {
        let connected = Self::new(home).await?;
        match connected.store.id().await {
            Ok(_) => Ok(connected),
            Err(StoreError::TableMissing { table, region, .. }) => {
                // Which account the credentials belong to says whether they are the wrong ones.
                let account = connected.sessions.home().await?.account_id().await.ok();
                Err(StoreError::TableMissing { table, region, account }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// By a given connection, as to an embedded AWS.
    pub async fn through(
        connection: &Connection,
        home: &Home,
        clock: Clock,
        metrics: Option<AwsMetrics>,
    ) -> Result<Self, CliError> {
        let sessions = Sessions::new(connection, clock, metrics).await;
        let store = Store::new(sessions.home().await?, &*home.table, clock);
        let store = store.with_keys(home.keys.clone(), home.builds_on_signed);
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
