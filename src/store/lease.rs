//! Leases: one daemon at a time reconciles an environment. The epoch grows with every new owner and
//! fences the writes of the old one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{item, number, text};
use super::{Store, StoreError};
use crate::aws::{Class, Service};

const LEASES: &str = "leases";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    pub environment: String,
    #[serde(rename = "holder")]
    pub owner: String,
    pub epoch: u64,
    pub expires_at: Timestamp,
    /// Every object of the environment that could be read was observed no longer ago than this.
    #[serde(default, rename = "oldestLook", skip_serializing_if = "Option::is_none")]
    pub oldest_observation: Option<Timestamp>,
}

/// Epochs grow by one with each new owner of a lease; none that large is ever given out.
pub(super) const EPOCH_MAX: u64 = 1 << 40;

/// No daemon takes a lease for longer, and no clock is off by more.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

fn damaged(environment: &str, how: String) -> StoreError {
    StoreError::Damaged { what: format!("the lease of {environment}"), how }
}

fn after(environment: &str, epoch: u64) -> Result<u64, StoreError> {
    let next = epoch.checked_add(1).filter(|next| *next < EPOCH_MAX);
    next.ok_or_else(|| damaged(environment, format!("its epoch is {epoch}")))
}

impl Lease {
    /// The lease, if it can be one of the environment that it stands under.
    fn checked(self, environment: &str, now: Timestamp) -> Result<Self, StoreError> {
        if self.environment != environment {
            let how = format!("it says that it is the lease of `{}`", self.environment);
            return Err(damaged(environment, how));
        }
        if self.epoch >= EPOCH_MAX {
            return Err(damaged(environment, format!("its epoch is {}", self.epoch)));
        }
        if self.expires_at.duration_since(now) > LONGEST {
            let how = format!("it ends at {}, later than any lease does", self.expires_at);
            return Err(damaged(environment, how));
        }
        Ok(self)
    }
}

impl Store {
    pub async fn lease(&self, environment: &str) -> Result<Option<Lease>, StoreError> {
        let lease: Option<Lease> = self.get(LEASES, environment).await?;
        lease.map(|lease| lease.checked(environment, self.clock.now())).transpose()
    }

    /// The environments that have a lease, held or not.
    pub(super) async fn leased(&self) -> Result<Vec<String>, StoreError> {
        let leases = self.query::<Lease>(LEASES, "", None).await?;
        Ok(leases.into_iter().map(|stored| stored.sk).collect())
    }

    /// Takes the lease if it is free or has expired. `None` while another holds it.
    pub async fn acquire_lease(
        &self,
        environment: &str,
        owner: &str,
        duration: SignedDuration,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.clock.now();
        let before = self.lease(environment).await?;
        if before.as_ref().is_some_and(|l| l.owner != owner && l.expires_at > now) {
            return Ok(None);
        }
        let seen = before.as_ref().map_or(0, |l| l.epoch);
        let lease = Lease {
            environment: environment.to_owned(),
            owner: owner.to_owned(),
            epoch: after(environment, seen)?,
            expires_at: now.saturating_add(duration).unwrap_or(now),
            oldest_observation: before.as_ref().and_then(|l| l.oldest_observation),
        };
        let taken = self.put_lease(&lease, before.as_ref()).await?;
        Ok(taken.then_some(lease))
    }

    /// Raises the epoch of a lease that is held above one that a status record has: whoever deletes a
    /// lease by hand makes its epochs begin anew, and every status write would be fenced off for ever.
    pub async fn raise_lease(&self, lease: &Lease, above: u64) -> Result<Lease, StoreError> {
        let raised = Lease { epoch: after(&lease.environment, above)?, ..lease.clone() };
        if self.put_lease(&raised, Some(lease)).await? {
            return Ok(raised);
        }
        Err(StoreError::LeaseLost { environment: lease.environment.clone() })
    }

    /// Prolongs a lease that is held.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        duration: SignedDuration,
        oldest_observation: Option<Timestamp>,
    ) -> Result<Lease, StoreError> {
        let now = self.clock.now();
        let renewed = Lease {
            expires_at: now.saturating_add(duration).unwrap_or(now),
            oldest_observation,
            ..lease.clone()
        };
        if self.put_lease(&renewed, Some(lease)).await? {
            return Ok(renewed);
        }
        Err(StoreError::LeaseLost { environment: lease.environment.clone() })
    }

    /// Gives a lease back, so that the next daemon need not wait for it to expire.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let released = Lease { expires_at: self.clock.now(), ..lease.clone() };
        self.put_lease(&released, Some(lease)).await.map(drop)
    }

    /// Writes a lease if it is still as it was seen: one that its owner has renewed meanwhile is not
    /// free any more.
    async fn put_lease(&self, lease: &Lease, seen: Option<&Lease>) -> Result<bool, StoreError> {
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(LEASES, &lease.environment, lease)?));
        let call = match seen {
            None => call.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => call
                .condition_expression("epoch = :epoch AND holder = :owner AND expiresAt = :until")
                .expression_attribute_values(":epoch", number(seen.epoch))
                .expression_attribute_values(":owner", text(&seen.owner))
                .expression_attribute_values(":until", text(seen.expires_at.to_string())),
        };
        match self.session().write(Service::DynamoDb, "PutItem", call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}
