//! Making the table, once.

use std::time::Duration;

use aws_sdk_dynamodb::types as aws;
use serde::{Deserialize, Serialize};
use tracing::info;
use uuid::Uuid;

use super::item::{item, key, number, text};
use super::{Store, StoreError};
use crate::aws::{Absent, Class, Service};
use crate::model::sha256_hex;

/// How long `init` waits for the table to become active.
const ACTIVE_TRIES_MAX: u32 = 120;
const ACTIVE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The key of the store's own record.
pub(super) const STORE: &str = "store";
pub(super) const IDENTITY: &str = "identity";

/// Tells this store from every other one, so that two stores with an environment of the same name
/// never take each other's resources for their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub id: String,
    /// Which schema the store's records have.
    #[serde(default = "first")]
    pub schema: u32,
}

/// The schema that this version writes. A change that an older version would misread makes it one more.
///
/// 1: leases end by their owner's clock. 2: they are over when they are seen unchanged for their duration.
pub(super) const SCHEMA: u32 = 2;

/// Stores that were made before the number was have the first.
fn first() -> u32 {
    1
}

impl Store {
    /// Makes what is missing of the table. Returns whether anything was.
    pub async fn init(&self) -> Result<bool, StoreError> {
        self.init_as(&Uuid::new_v4().to_string()).await
    }

    /// The same, and a store that has no id gets this one: resources that carry it are its own again.
    pub async fn init_as(&self, id: &str) -> Result<bool, StoreError> {
        let made = match self.status().await? {
            Some(_) => false,
            None => {
                self.create_table().await?;
                true
            }
        };
        self.wait_until_active().await?;
        self.protect().await?;
        let named = self.name_store(id).await?;
        Ok(made || named)
    }

    /// The store's own id; part of every object's uid. An error where the store is of a newer version.
    pub async fn id(&self) -> Result<String, StoreError> {
        Ok(self.identity().await?.id)
    }

    async fn identity(&self) -> Result<Identity, StoreError> {
        let identity: Option<Identity> = self.get(STORE, IDENTITY).await?;
        let table = self.table.clone();
        let identity = identity.ok_or(StoreError::NotInitialized { table })?;
        if identity.schema > SCHEMA {
            let (table, schema) = (self.table.clone(), identity.schema);
            return Err(StoreError::Newer { table, schema, known: SCHEMA });
        }
        Ok(identity)
    }

    /// The same for a daemon, which moves an older store to this version's schema first: from then on, older
    /// daemons and command lines refuse it. What they wrote is read as it is.
    pub async fn upgrade(&self) -> Result<String, StoreError> {
        let Identity { id, schema } = self.identity().await?;
        if schema == SCHEMA {
            return Ok(id);
        }
        let call = self
            .session()
            .dynamodb()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(STORE, IDENTITY)))
            .update_expression("SET #schema = :new")
            // One without a number is of the first schema.
            .condition_expression("id = :id AND (attribute_not_exists(#schema) OR #schema < :new)")
            .expression_attribute_names("#schema", "schema")
            .expression_attribute_values(":id", text(&id))
            .expression_attribute_values(":new", number(SCHEMA));
        match self.session().write(Service::DynamoDb, "UpdateItem", call.send()).await {
            Ok(_) => {
                info!(table = self.table, schema = SCHEMA, "the store was moved to a newer schema");
            }
            // Another daemon was faster.
            Err(error) if error.class == Class::Conflict => {}
            Err(error) => return Err(self.failed(error)),
        }
        Ok(id)
    }

    /// An object's uid: the same for this object of this store, whenever it is made again.
    pub fn uid(store_id: &str, key: &crate::model::ObjectKey) -> String {
        sha256_hex(format!("{store_id}/{key}"))[..32].to_owned()
    }

    async fn status(&self) -> Result<Option<aws::TableStatus>, StoreError> {
        let described = self
            .session()
            .read(Service::DynamoDb, "DescribeTable", || {
                self.session().dynamodb().describe_table().table_name(&self.table).send()
            })
            .await
            .absent("ResourceNotFoundException")
            .map_err(StoreError::Aws)?;
        Ok(described.and_then(|d| d.table).and_then(|t| t.table_status))
    }

    async fn create_table(&self) -> Result<(), StoreError> {
        let attribute = |name: &str| {
            aws::AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(aws::ScalarAttributeType::S)
                .build()
                .map_err(|e| self.incomplete("CreateTable", &e))
        };
        let key = |name: &str, kind: aws::KeyType| {
            aws::KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .map_err(|e| self.incomplete("CreateTable", &e))
        };
        let call = self
            .session()
            .dynamodb()
            .create_table()
            .table_name(&self.table)
            .attribute_definitions(attribute("pk")?)
            .attribute_definitions(attribute("sk")?)
            .key_schema(key("pk", aws::KeyType::Hash)?)
            .key_schema(key("sk", aws::KeyType::Range)?)
            .billing_mode(aws::BillingMode::PayPerRequest)
            .send();
        match self.session().write(Service::DynamoDb, "CreateTable", call).await {
            Ok(_) => Ok(()),
            // Somebody else is making it at this moment.
            Err(error) if error.class == Class::Conflict => Ok(()),
            Err(error) => Err(StoreError::Aws(error)),
        }
    }

    async fn wait_until_active(&self) -> Result<(), StoreError> {
        for _ in 0..ACTIVE_TRIES_MAX {
            if self.status().await? == Some(aws::TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(ACTIVE_RETRY_AFTER).await;
        }
        Err(self.table_missing())
    }

    /// Events expire by themselves; everything else can be restored to any second.
    ///
    /// Backups cannot be switched on for some seconds after a table became active.
    async fn protect(&self) -> Result<(), StoreError> {
        for _ in 0..ACTIVE_TRIES_MAX {
            match self.try_protect().await {
                Err(StoreError::Aws(error)) if error.class == Class::NotReady => {
                    tokio::time::sleep(ACTIVE_RETRY_AFTER).await;
                }
                done => return done,
            }
        }
        self.try_protect().await
    }

    async fn has_ttl(&self) -> Result<bool, StoreError> {
        let described = self
            .session()
            .read(Service::DynamoDb, "DescribeTimeToLive", || {
                self.session().dynamodb().describe_time_to_live().table_name(&self.table).send()
            })
            .await
            .map_err(StoreError::Aws)?;
        let status = described.time_to_live_description.and_then(|d| d.time_to_live_status);
        Ok(matches!(status, Some(aws::TimeToLiveStatus::Enabled | aws::TimeToLiveStatus::Enabling)))
    }

    async fn has_recovery(&self) -> Result<bool, StoreError> {
        let described = self
            .session()
            .read(Service::DynamoDb, "DescribeContinuousBackups", || {
                self.session()
                    .dynamodb()
                    .describe_continuous_backups()
                    .table_name(&self.table)
                    .send()
            })
            .await
            .map_err(StoreError::Aws)?;
        let recovery = described
            .continuous_backups_description
            .and_then(|d| d.point_in_time_recovery_description)
            .and_then(|d| d.point_in_time_recovery_status);
        Ok(recovery == Some(aws::PointInTimeRecoveryStatus::Enabled))
    }

    async fn try_protect(&self) -> Result<(), StoreError> {
        if !self.has_ttl().await? {
            self.set_ttl().await?;
        }
        if !self.has_recovery().await? {
            self.set_recovery().await?;
        }
        Ok(())
    }

    async fn set_ttl(&self) -> Result<(), StoreError> {
        let ttl = aws::TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name("expiresAt")
            .build()
            .map_err(|e| self.incomplete("UpdateTimeToLive", &e))?;
        let call = self
            .session()
            .dynamodb()
            .update_time_to_live()
            .table_name(&self.table)
            .time_to_live_specification(ttl)
            .send();
        self.session()
            .write(Service::DynamoDb, "UpdateTimeToLive", call)
            .await
            .map_err(StoreError::Aws)?;
        Ok(())
    }

    async fn set_recovery(&self) -> Result<(), StoreError> {
        let recovery = aws::PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(true)
            .build()
            .map_err(|e| self.incomplete("UpdateContinuousBackups", &e))?;
        let call = self
            .session()
            .dynamodb()
            .update_continuous_backups()
            .table_name(&self.table)
            .point_in_time_recovery_specification(recovery)
            .send();
        self.session()
            .write(Service::DynamoDb, "UpdateContinuousBackups", call)
            .await
            .map_err(StoreError::Aws)?;
        Ok(())
    }

    /// Makes a table that holds records for a while, unless an earlier try has left it.
    pub(super) async fn make_scratch(&self, id: &str) -> Result<(), StoreError> {
        if self.status().await?.is_none() {
            self.create_table().await?;
        }
        self.wait_until_active().await?;
        self.name_store(id).await.map(drop)
    }

    pub(super) async fn drop_scratch(&self) -> Result<(), StoreError> {
        let call = self.session().dynamodb().delete_table().table_name(&self.table).send();
        let deleted = self.session().write(Service::DynamoDb, "DeleteTable", call).await;
        deleted.map(drop).map_err(StoreError::Aws)
    }

    /// Gives the store its id, unless it has one.
    async fn name_store(&self, id: &str) -> Result<bool, StoreError> {
        let has_id = self.get::<Identity>(STORE, IDENTITY).await?.is_some();
        if !has_id && !self.heads().await?.is_empty() {
            return Err(StoreError::Damaged {
                what: format!("the id of the store in {}", self.table),
                how: "it is missing, and there are environments whose resources are known by it"
                    .to_owned(),
            });
        }
        let identity = Identity { id: id.to_owned(), schema: SCHEMA };
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(STORE, IDENTITY, &identity)?))
            .condition_expression("attribute_not_exists(pk)")
            .send();
        match self.session().write(Service::DynamoDb, "PutItem", call).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}
