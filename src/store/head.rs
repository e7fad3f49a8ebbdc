//! The heads: for each environment, which release is current and whether it may move.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::{key, number, text};
use super::release::Promoted;
use super::{Store, StoreError};
use crate::aws::{Class, Service};

pub(super) const HEADS: &str = "environments";

/// The head of one environment: which release is current, and what people asked of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// The environment's name. It must be the one that the record stands under.
    pub environment: String,
    /// The number of the current release.
    pub release: u64,
    /// The current release's content.
    pub digest: String,
    /// When the head last moved to another release.
    pub updated_at: Timestamp,
    /// Nothing is written to the environment's resources.
    pub suspended: bool,
    /// The newest last.
    pub holds: Vec<Hold>,
    /// The last request to reconcile. It stays in the record once it was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<ReconcileRequest>,
    /// The last decision of a person on a rollout; `None` where nobody has decided yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRequest>,
    /// The newest release that was proposed, if any ever was. Every release after it has a higher number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<u64>,
    /// The newest release of another environment that the daemon has promoted here, or found that it need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub considered: Option<Promoted>,
}

/// Content that was rolled back: it does not come back until a person asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// The content that was left.
    pub digest: String,
    /// The release that was left.
    pub release: u64,
    /// It failed, and the daemon rolled it back: it stays away whatever else is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// Why content may not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quarantine {
    /// What failed, for people.
    pub why: String,
    /// Since when the content may not come back.
    pub at: Timestamp,
}

/// Holds that a head keeps; the oldest are forgotten.
const HOLDS_MAX: usize = 50;

impl Head {
    /// The head, if it can be the one of the environment that it stands under.
    fn checked(self, environment: &str) -> Result<Self, StoreError> {
        let how = if self.environment != environment {
            format!("it says that it is the head of `{}`", self.environment)
        } else if self.release == 0 {
            "it points to no release".to_owned()
        } else {
            return Ok(self);
        };
        Err(StoreError::Damaged { what: format!("the head of {environment}"), how })
    }

    /// The release that waits for an approval: what was proposed since the current one was recorded.
    pub fn waiting(&self) -> Option<u64> {
        self.proposed.filter(|proposed| *proposed > self.release)
    }

    /// The holds after a rollback away from what is current; with a quarantine where it failed.
    pub fn holds_after_rollback(&self, quarantine: Option<Quarantine>) -> Vec<Hold> {
        let mut holds = self.holds.clone();
        holds.retain(|hold| hold.digest != self.digest);
        holds.push(Hold { digest: self.digest.clone(), release: self.release, quarantine });
        let surplus = holds.len().saturating_sub(HOLDS_MAX);
        holds.drain(..surplus);
        holds
    }

    /// The holds that stay when other content is applied: what failed still fails.
    pub fn holds_after_apply(&self) -> Vec<Hold> {
        self.holds.iter().filter(|hold| hold.quarantine.is_some()).cloned().collect()
    }

    /// Whether content was rolled back and not asked for since.
    pub fn held(&self, digest: &str) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.digest == digest)
    }
}

/// Somebody asked to reconcile right now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcileRequest {
    /// When it was asked. A request with another time is a new one.
    pub at: Timestamp,
    /// `Kind/name`; every object where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// What a person says of a release whose rollout waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// It counts as succeeded.
    Promote,
    /// Its objects get their time once more.
    Retry,
    /// It counts as failed, and is rolled back.
    Abort,
}

/// Somebody decided what becomes of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionRequest {
    /// The number of the release that is meant. The decision counts for no other one.
    pub release: u64,
    /// What becomes of the release.
    pub decision: Decision,
    /// When it was decided. A decision with another time is a new one.
    pub at: Timestamp,
    /// Who decided.
    pub author: String,
    /// Why.
    pub message: String,
}

impl Store {
    /// Every environment by name, with its head or why that cannot be read.
    pub async fn heads(&self) -> Result<Vec<(String, Result<Head, StoreError>)>, StoreError> {
        let heads = self.query(HEADS, "", None).await?.into_iter();
        let checked = heads.map(|stored| {
            let head = stored.record.and_then(|head: Head| head.checked(&stored.sk));
            (stored.sk, head)
        });
        Ok(checked.collect())
    }

    /// The same, and the environments that a daemon once held and that have no head any more.
    pub async fn heads_and_lost(
        &self,
    ) -> Result<Vec<(String, Result<Head, StoreError>)>, StoreError> {
        let (mut heads, leases) = tokio::try_join!(self.heads(), self.leases())?;
        for (name, _) in leases {
            if !heads.iter().any(|(known, _)| *known == name) {
                let what = format!("the head of {name}");
                heads.push((name, Err(StoreError::Missing { what })));
            }
        }
        Ok(heads)
    }

    /// The head of an environment; `None` where there is no such environment.
    pub async fn head(&self, environment: &str) -> Result<Option<Head>, StoreError> {
        let head: Option<Head> = self.get(HEADS, environment).await?;
        head.map(|head| head.checked(environment)).transpose()
    }

    /// The head of an environment that must exist.
    pub async fn existing_head(&self, environment: &str) -> Result<Head, StoreError> {
        if let Some(head) = self.head(environment).await? {
            return Ok(head);
        }
        let known: Vec<_> = self.heads().await?.into_iter().map(|(name, _)| name).collect();
        Err(StoreError::NoSuchEnvironment {
            environment: environment.to_owned(),
            known: if known.is_empty() { "none yet".to_owned() } else { known.join(", ") },
        })
    }

    /// Stops or resumes all writes to an environment's resources. Fails where there is no such environment.
    pub async fn set_suspended(&self, environment: &str, on: bool) -> Result<(), StoreError> {
        self.existing_head(environment).await?;
        self.update_head(environment, "suspended", AttributeValue::Bool(on)).await
    }

    /// Lets content come back that a person rolled back; what failed stays away. Returns the releases whose
    /// content may come back.
    pub async fn lift_holds(&self, environment: &str) -> Result<Vec<u64>, StoreError> {
        let head = self.existing_head(environment).await?;
        let lifted = head.holds.iter().filter(|hold| hold.quarantine.is_none());
        let lifted: Vec<_> = lifted.map(|hold| hold.release).collect();
        if lifted.is_empty() {
            return Ok(lifted);
        }
        let left = serde_dynamo::to_attribute_value(head.holds_after_apply())
            .map_err(|source| StoreError::Unreadable { what: "holds".to_owned(), source })?;
        let call = self
            .session()
            .dynamodb()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(HEADS, environment)))
            .update_expression("SET holds = :left")
            // Whoever moved the head meanwhile knows better what is held.
            .condition_expression("#release = :seen")
            .expression_attribute_names("#release", "release")
            .expression_attribute_values(":left", left)
            .expression_attribute_values(":seen", number(head.release))
            .send();
        match self.session().write(Service::DynamoDb, "UpdateItem", call).await {
            Ok(_) => Ok(lifted),
            Err(error) if error.class == Class::Conflict => Err(StoreError::HeadMoved {
                environment: environment.to_owned(),
                seen: head.release,
            }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Asks the daemon to reconcile one object, or all of them.
    pub async fn request_reconcile(
        &self,
        environment: &str,
        object: Option<String>,
    ) -> Result<Timestamp, StoreError> {
        self.existing_head(environment).await?;
        let at = self.clock.now();
        let request = ReconcileRequest { at, object };
        self.put_in_head(environment, "reconcile", &request).await?;
        Ok(at)
    }

    /// Notes that a release of another environment is not offered again.
    pub async fn set_considered(
        &self,
        environment: &str,
        considered: &Promoted,
    ) -> Result<(), StoreError> {
        self.put_in_head(environment, "considered", considered).await
    }

    /// Tells the daemon what becomes of a release.
    pub async fn decide(
        &self,
        environment: &str,
        request: &DecisionRequest,
    ) -> Result<(), StoreError> {
        self.put_in_head(environment, "decision", request).await
    }

    async fn put_in_head(
        &self,
        environment: &str,
        field: &str,
        value: &impl Serialize,
    ) -> Result<(), StoreError> {
        let value = serde_dynamo::to_attribute_value(value).map_err(|source| {
            let what = format!("the field {field} of the head of {environment}");
            StoreError::Unreadable { what, source }
        })?;
        self.update_head(environment, field, value).await
    }

    async fn update_head(
        &self,
        environment: &str,
        field: &str,
        value: AttributeValue,
    ) -> Result<(), StoreError> {
        let call = self
            .session()
            .dynamodb()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(HEADS, environment)))
            .update_expression("SET #field = :value")
            .condition_expression("environment = :environment")
            .expression_attribute_names("#field", field)
            .expression_attribute_values(":value", value)
            .expression_attribute_values(":environment", text(environment))
            .send();
        match self.session().write(Service::DynamoDb, "UpdateItem", call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == Class::Conflict => Err(StoreError::NoSuchEnvironment {
                environment: environment.to_owned(),
                known: "it was removed meanwhile".to_owned(),
            }),
            Err(error) => Err(self.failed(error)),
        }
    }
}
