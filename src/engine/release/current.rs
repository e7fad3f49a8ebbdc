//! What an environment is now.

use std::collections::BTreeSet;

use super::super::decide::is_confirmed;
use crate::model::{Object, ObjectId};
use crate::store::{Head, Release, Store, StoreError};

/// An environment's head, its release and the release's objects; nothing where there is no such environment
/// yet.
#[derive(Default)]
pub struct Current {
    /// The head; `None` where there is no such environment yet.
    pub head: Option<Head>,
    /// The release that the head points to; `None` where there is none, or where it is damaged.
    pub release: Option<Release>,
    /// The objects of that release.
    pub objects: Vec<Object>,
    /// The objects whose form was confirmed by name and was not seen in accord since.
    pub confirmed: BTreeSet<ObjectId>,
    /// Those of them whose confirmation was used for something already.
    pub used: BTreeSet<ObjectId>,
    /// Why the current release cannot be read, where it cannot.
    pub damage: Option<StoreError>,
}

/// Reads what an environment is.
pub async fn current(store: &Store, environment: &str) -> Result<Current, StoreError> {
    let Some(head) = store.head(environment).await? else {
        return Ok(Current::default());
    };
    let release = store.current(&head).await?;
    store.trust(environment, &release).await?;
    let digests = release.objects.iter().map(|e| e.digest.clone()).collect();
    let objects = store.objects(environment, &digests).await?;
    let (mut confirmed, mut used) = (BTreeSet::new(), BTreeSet::new());
    for entry in release.objects.iter().filter(|entry| entry.confirmed) {
        // A record that cannot be read confirms nothing.
        let Ok(record) = store.status_of(environment, &entry.id()).await else { continue };
        if is_confirmed(true, entry.generation, record.as_ref()) {
            confirmed.insert(entry.id());
        }
        let confirmation = record.and_then(|record| record.confirmation);
        if confirmation.is_some_and(|before| before.generation == entry.generation) {
            used.insert(entry.id());
        }
    }
    Ok(Current {
        objects: objects.into_values().collect(),
        release: Some(release),
        head: Some(head),
        confirmed,
        used,
        damage: None,
    })
}

/// The same, for what needs nothing of the current release: where that is damaged, its head and the damage.
pub async fn current_or_head(store: &Store, environment: &str) -> Result<Current, StoreError> {
    match current(store, environment).await {
        Err(error) if error.is_damage() => {
            let head = store.head(environment).await?;
            Ok(Current { head, damage: Some(error), ..Current::default() })
        }
        result => result,
    }
}
