//! What stands in the table beside releases and the records of objects: what objects are restored from, recovery,
//! health, events, and what no version that is known here wrote.

use std::collections::BTreeSet;

use super::super::event::{EventRecord, events_of};
use super::super::head::HEADS;
use super::super::health::HEALTH;
use super::super::item::Keys;
use super::super::lease::LEASES;
use super::super::member::MEMBERS;
use super::super::recovery::RECOVERY;
use super::super::release::{PROPOSED_PREFIX, RELEASE_PREFIX, page_key, partition, spec_key};
use super::super::rollout::ROLLOUT_PREFIX;
use super::super::source::SOURCE_PREFIX;
use super::super::status::STATUS_PREFIX;
use super::super::table::{IDENTITY, STORE};
use super::super::{Store, StoreError};
use super::{Verified, delete, person};
use crate::model::ObjectId;

impl Store {
    /// The records of an environment that no release names.
    pub(super) async fn verify_beside(
        &self,
        name: &str,
        keys: &Keys,
        verified: &mut Verified,
    ) -> Result<(), StoreError> {
        for (id, source) in self.data_sources(name).await? {
            verified.records += 1;
            if let Err(error) = source {
                let advice = format!(
                    "restore this record from a backup of the table: until then {id} is not made, since it says what \
                     {id} is restored from"
                );
                verified.found(name, error, person(advice))?;
            }
        }
        let own = keys.get(&partition(name));
        let has = |sk: &str| own.is_some_and(|keys| keys.contains(sk));
        if has(RECOVERY) {
            verified.records += 1;
            if let Err(error) = self.recoveries(name).await {
                let why = "the next backup and the next rehearsal write it again";
                verified.found(name, error, delete(partition(name), RECOVERY, why))?;
            }
        }
        if has(HEALTH) {
            verified.records += 1;
            if let Err(error) = self.health(name).await {
                let why = "the daemon writes it again";
                verified.found(name, error, delete(partition(name), HEALTH, why))?;
            }
        }
        for stored in self.query::<EventRecord>(&events_of(name), "", None).await? {
            verified.records += 1;
            if let Err(error) = stored.record {
                // Fields that a newer version adds are no damage of an event.
                let why = "it tells of something that happened, and nothing relies on it";
                verified.found("", error, delete(events_of(name), stored.sk, why))?;
            }
        }
        Ok(())
    }
}

/// The environments of which there is any record.
pub(super) fn environments_of(keys: &Keys) -> BTreeSet<String> {
    let all = keys.keys();
    let named = |pk: &String| {
        let (kind, name) = pk.split_once('#')?;
        let is_of_one = partition(name) == *pk || events_of(name) == *pk;
        (is_of_one && !kind.is_empty() && !name.is_empty()).then(|| name.to_owned())
    };
    all.filter_map(named).collect()
}

/// Finds records under keys that this version of trueup writes nothing under.
pub(super) fn verify_keys(keys: &Keys, verified: &mut Verified) -> Result<(), StoreError> {
    let environments = environments_of(keys);
    for (pk, all) in keys {
        for sk in all {
            let of = environments.iter().find(|name| partition(name) == *pk);
            let is_known = match pk.as_str() {
                STORE => sk == IDENTITY,
                HEADS | LEASES | MEMBERS => true,
                _ if of.is_some() => is_of_environment(sk),
                _ => environments.iter().any(|name| events_of(name) == *pk),
            };
            if is_known {
                continue;
            }
            let what = format!("the record {pk} {sk}");
            let advice = format!(
                "find out who wrote it: if no newer version of trueup did, delete the item `{pk}`/`{sk}` from the table"
            );
            let name = of.map_or("", String::as_str);
            verified.found(name, StoreError::Unknown { what }, person(advice))?;
        }
    }
    Ok(())
}

fn is_of_environment(sk: &str) -> bool {
    let of_object =
        |prefix: &str| sk.strip_prefix(prefix).is_some_and(|id| id.parse::<ObjectId>().is_ok());
    let of_release =
        |prefix: &str| sk.strip_prefix(prefix).is_some_and(|number| number.parse::<u64>().is_ok());
    [RECOVERY, HEALTH].contains(&sk)
        || [SOURCE_PREFIX, STATUS_PREFIX].into_iter().any(of_object)
        || [RELEASE_PREFIX, PROPOSED_PREFIX].into_iter().any(of_release)
        || [ROLLOUT_PREFIX, &spec_key(""), &page_key("")]
            .iter()
            .any(|prefix| sk.starts_with(prefix))
}
