//! Leases: one daemon at a time reconciles an environment. The epoch grows with every new owner and
//! fences the writes of the old one.
//!
//! Guarantees: a lease is taken only as it was seen, so that one that its owner renewed meanwhile is not free
//! any more. No clock of another machine is believed: the record says how long it holds after a renewal, and
//! whoever sees it unchanged for so long, by a clock of its own, knows that it is over. The times in it are for
//! people.
//!
//! Left to others: when a lease is over (`engine/lease.rs`), and whose it should be (`engine/share.rs`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, item, number, read, text};
use super::{Store, StoreError};
use crate::aws::{Class, Service};

pub(super) const LEASES: &str = "leases";

/// An environment's lease, as its owner wrote it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// The environment that the lease is of.
    pub environment: String,
    /// A daemon's name with something of its own: no two processes are the same owner.
    #[serde(rename = "holder")]
    pub owner: String,
    /// A number that grows with every new owner. Writes under an earlier epoch are refused.
    pub epoch: u64,
    /// One more at each renewal: others see by it that the owner lives.
    pub renewals: u64,
    /// It holds for so long after each renewal.
    pub duration_ms: u64,
    /// By its owner's clock, for people.
    pub renewed_at: Timestamp,
    /// Its owner gave it back: whoever should have it may take it at once.
    pub is_released: bool,
    /// How many objects the environment has, once its owner knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Every object of the environment that could be read was observed no longer ago than this.
    #[serde(default, rename = "oldestLook", skip_serializing_if = "Option::is_none")]
    pub oldest_observation: Option<Timestamp>,
    /// Its end, where a daemon of the first schema wrote it.
    #[serde(skip)]
    first_end: Option<Timestamp>,
}

/// A lease as the first schema had it: renewed by moving its end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FirstLease {
    environment: String,
    holder: String,
    epoch: u64,
    expires_at: Timestamp,
    #[serde(default, rename = "oldestLook")]
    oldest_observation: Option<Timestamp>,
}

/// What the first schema's daemons took their leases for.
const FIRST_DURATION: Duration = Duration::from_secs(45);

/// What the owner says at a renewal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Renewal {
    /// How many objects the environment has; `None` leaves the number as it was.
    pub objects: Option<u64>,
    /// Every object was observed no longer ago than this; `None` while that is not known.
    pub oldest_observation: Option<Timestamp>,
}

/// Epochs grow by one with each new owner of a lease; none that large is ever given out.
pub(super) const EPOCH_MAX: u64 = 1 << 40;

/// No daemon takes a lease for longer.
const LEASE_DURATION_MAX: Duration = Duration::from_secs(3600);

/// People's clocks may be apart by so much before a daemon that lives is taken for one that does not.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(30);

/// What a daemon says every so often was said lately, for people.
pub(super) fn is_recent(said_at: Timestamp, every: Duration, now: Timestamp) -> bool {
    let lasts = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    now.duration_since(said_at) <= lasts.saturating_add(CLOCKS_APART)
}

fn damaged(environment: &str, how: String) -> StoreError {
    StoreError::Damaged { what: format!("the lease of {environment}"), how }
}

fn after(environment: &str, epoch: u64) -> Result<u64, StoreError> {
    let next = epoch.checked_add(1).filter(|next| *next < EPOCH_MAX);
    next.ok_or_else(|| damaged(environment, format!("its epoch is {epoch}")))
}

/// In milliseconds, which is what the record has.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<FirstLease> for Lease {
    fn from(first: FirstLease) -> Self {
        Self {
            environment: first.environment,
            owner: first.holder,
            epoch: first.epoch,
            renewals: 0,
            duration_ms: milliseconds(FIRST_DURATION),
            renewed_at: first.expires_at,
            is_released: false,
            objects: None,
            oldest_observation: first.oldest_observation,
            first_end: Some(first.expires_at),
        }
    }
}

impl Lease {
    /// A record of either schema, if it can be the lease of the environment that it stands under.
    fn of(environment: &str, record: Item) -> Result<Self, StoreError> {
        let lease = match record.contains_key("expiresAt") {
            true => read::<FirstLease>(record)?.into(),
            false => read::<Self>(record)?,
        };
        lease.checked(environment)
    }

    fn checked(self, environment: &str) -> Result<Self, StoreError> {
        let how = if self.environment != environment {
            format!("it says that it is the lease of `{}`", self.environment)
        } else if self.epoch >= EPOCH_MAX {
            format!("its epoch is {}", self.epoch)
        } else if self.duration() > LEASE_DURATION_MAX {
            format!("it holds for {} ms, longer than any lease does", self.duration_ms)
        } else {
            return Ok(self);
        };
        Err(damaged(environment, how))
    }

    /// For how long it holds after a renewal.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    /// Somebody seems to hold it, for people: their clock and the owner's may be apart.
    pub fn is_held(&self, now: Timestamp) -> bool {
        !self.is_released && is_recent(self.renewed_at, self.duration(), now)
    }
}

/// What a lease is written over.
enum Over<'a> {
    None,
    /// One's own, at whatever renewal it is: the answer to the last one may be lost.
    Own(&'a Lease),
    /// Another's, and nobody wrote it since.
    Seen(&'a Lease),
}

impl Store {
    /// The lease as it was written last; `None` where the store has none of this environment.
    pub async fn lease(&self, environment: &str) -> Result<Option<Lease>, StoreError> {
        let record: Option<Item> = self.get_item(LEASES, environment).await?;
        record.map(|record| Lease::of(environment, record)).transpose()
    }

    /// Every lease that was ever taken, by environment. One that cannot be read does not hide the others.
    pub async fn leases(&self) -> Result<Vec<(String, Result<Lease, StoreError>)>, StoreError> {
        let records = self.query_items(LEASES).await?;
        let of = |(environment, record): (String, Item)| {
            let lease = Lease::of(&environment, record);
            (environment, lease)
        };
        Ok(records.into_iter().map(of).collect())
    }

    /// Takes a lease that is free, as it was seen when that was found. `None` where it is not as it was any
    /// more.
    ///
    /// `seen` is `None` where there was none.
    pub async fn acquire_lease(
        &self,
        environment: &str,
        owner: &str,
        duration: Duration,
        seen: Option<&Lease>,
    ) -> Result<Option<Lease>, StoreError> {
        let lease = Lease {
            environment: environment.to_owned(),
            owner: owner.to_owned(),
            epoch: after(environment, seen.map_or(0, |lease| lease.epoch))?,
            renewals: 0,
            duration_ms: milliseconds(duration),
            renewed_at: self.clock.now(),
            is_released: false,
            objects: seen.and_then(|lease| lease.objects),
            oldest_observation: seen.and_then(|lease| lease.oldest_observation),
            first_end: None,
        };
        let taken = self.put_lease(&lease, seen.map_or(Over::None, Over::Seen)).await?;
        Ok(taken.then_some(lease))
    }

    /// Raises the epoch of a lease that is held above one that a status record has: whoever deletes a
    /// lease by hand makes its epochs begin anew, and every status write would be fenced off for ever.
    pub async fn raise_lease(&self, lease: &Lease, above: u64) -> Result<Lease, StoreError> {
        let raised = Lease { epoch: after(&lease.environment, above)?, ..lease.clone() };
        self.put_own(raised, lease).await
    }

    /// Prolongs a lease that is held.
    pub async fn renew_lease(&self, lease: &Lease, said: Renewal) -> Result<Lease, StoreError> {
        let renewed = Lease {
            renewals: lease.renewals.saturating_add(1),
            renewed_at: self.clock.now(),
            objects: said.objects.or(lease.objects),
            oldest_observation: said.oldest_observation,
            ..lease.clone()
        };
        self.put_own(renewed, lease).await
    }

    /// Gives a lease back, so that the next daemon need not wait until it is over.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let renewals = lease.renewals.saturating_add(1);
        let released =
            Lease { renewals, renewed_at: self.clock.now(), is_released: true, ..lease.clone() };
        self.put_lease(&released, Over::Own(lease)).await.map(drop)
    }

    async fn put_own(&self, lease: Lease, before: &Lease) -> Result<Lease, StoreError> {
        if self.put_lease(&lease, Over::Own(before)).await? {
            return Ok(lease);
        }
        Err(StoreError::LeaseLost { environment: lease.environment })
    }

    async fn put_lease(&self, lease: &Lease, over: Over<'_>) -> Result<bool, StoreError> {
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(LEASES, &lease.environment, lease)?));
        let of = |seen: &Lease, condition: &str| {
            call.clone()
                .condition_expression(condition)
                .expression_attribute_values(":epoch", number(seen.epoch))
                .expression_attribute_values(":owner", text(&seen.owner))
        };
        let call = match over {
            Over::None => call.condition_expression("attribute_not_exists(pk)"),
            Over::Own(before) => of(before, "epoch = :epoch AND holder = :owner"),
            Over::Seen(seen) => match seen.first_end {
                Some(end) => of(seen, "epoch = :epoch AND holder = :owner AND expiresAt = :end")
                    .expression_attribute_values(":end", text(end.to_string())),
                // The number alone may come twice: the answer to a renewal that gave it may be lost.
                None => {
                    let same = "epoch = :epoch AND holder = :owner AND renewals = :renewals AND renewedAt = :at";
                    of(seen, same)
                        .expression_attribute_values(":renewals", number(seen.renewals))
                        .expression_attribute_values(":at", text(seen.renewed_at.to_string()))
                }
            },
        };
        match self.session().write(Service::DynamoDb, "PutItem", call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}
