//! From an object of a release to the [`Desired`] that a kind plans with.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::secrets::Secrets;
use crate::aws::{AwsError, Session, Target, tags};
use crate::kinds::environment::EnvironmentSpec;
use crate::kinds::{AnyKind, Desired, Resolved};
use crate::model::{
    DeletionPolicy, Object, ObjectFieldRef, ObjectKey, Part, Path, annotation, digest_of,
    object_references, secrets_by_field, sha256_hex,
};
use crate::plan::Blocked;
use crate::store::{StatusRecord, Store};

/// An object and everything around it that its desired state depends on.
pub struct Subject<'a> {
    pub key: ObjectKey,
    pub kind: &'static dyn AnyKind,
    pub object: &'a Object,
    pub environment: &'a EnvironmentSpec,
    pub status: Option<&'a StatusRecord>,
    /// The form in which the resource was last seen to be in full accord.
    pub previous: Option<&'a Object>,
    /// Other forms that writes were begun for since then.
    pub begun: Vec<&'a Object>,
    /// This form was confirmed by the object's name.
    pub confirmed: bool,
    /// What the confirmation was used for.
    pub used: Vec<Path>,
    /// When somebody last asked for another try.
    pub asked_at: Option<Timestamp>,
    /// A last backup counts if it was made since then.
    pub backed_up_since: Option<Timestamp>,
    /// The part of the requests that a new version may have; `None` where it gets all at once.
    pub weight: Option<Part>,
    pub store_id: &'a str,
}

/// The references of an object that cannot be resolved yet.
pub fn unresolved(
    object: &Object,
    resolve: impl Fn(&ObjectFieldRef) -> Option<String>,
) -> Vec<ObjectFieldRef> {
    object_references(&object.spec).into_iter().filter(|r| resolve(r).is_none()).collect()
}

/// The resource's name in AWS.
pub fn aws_name(kind: &dyn AnyKind, object: &Object, key: &ObjectKey) -> String {
    let given = kind.common(&object.spec).name;
    given.unwrap_or_else(|| format!("{}-{}", key.environment, key.id.name))
}

/// Why an object may not be acted on where it now says that it lives, or under the name that it now
/// has: its resource exists elsewhere, and trueup neither moves nor renames. `place` is
/// `account/region`.
pub fn misplaced(record: &StatusRecord, place: &str, aws_name: &str) -> Option<Blocked> {
    record.created_at?;
    if record.place != place {
        let message = format!(
            "the resource lives in {}, and the environment now says {place}; trueup does not move \
             resources. Change it back, or remove the object first",
            record.place
        );
        return Some(Blocked { reason: "PlaceChanged", message });
    }
    if record.aws_name != aws_name {
        let message = format!(
            "the resource is named {} in AWS, and the manifest now says {aws_name}; trueup does not \
             rename resources. Change it back, or make a new object and remove this one",
            record.aws_name
        );
        return Some(Blocked { reason: "ReplacementNeeded", message });
    }
    None
}

/// What an object's desired state depends on besides its own manifest: tags of the environment,
/// fields of other objects, secrets. A change of these is no drift.
pub fn inputs<S>(desired: &Desired<S>) -> String {
    let mut fields: Vec<_> = desired.resolved.fields.iter().collect();
    fields.sort();
    let secrets = desired.resolved.secrets.iter();
    let mut secrets: Vec<_> = secrets.map(|(r, secret)| (r, sha256_hex(secret.reveal()))).collect();
    secrets.sort();
    digest_of(&format!("{:?} {fields:?} {secrets:?}", desired.tags))
}

impl Subject<'_> {
    /// Resolves references and secrets. A reference that `resolve` does not know is left out.
    pub async fn desired(
        &self,
        session: &Session,
        secrets: &Secrets,
        resolve: impl Fn(&ObjectFieldRef) -> Option<String>,
    ) -> Result<Desired<Arc<Value>>, AwsError> {
        let target = self.environment.target();
        let mut resolved = self.secrets(session, secrets, &target).await?;
        for reference in object_references(&self.object.spec) {
            if let Some(value) = resolve(&reference) {
                resolved.fields.insert(reference, value);
            }
        }
        let common = self.kind.common(&self.object.spec);
        let ignore = common.ignore.iter().flatten();
        let uid = Store::uid(self.store_id, &self.key);
        let mut desired = Desired {
            aws_name: aws_name(self.kind, self.object, &self.key),
            tags: self.tags(common.tags.as_ref(), &uid),
            uid,
            key: self.key.clone(),
            spec: Arc::clone(&self.object.spec),
            cleared: Vec::new(),
            previous: self.previous.map(|object| Arc::clone(&object.spec)),
            begun: self.begun.iter().map(|object| Arc::clone(&object.spec)).collect(),
            confirmed: self.confirmed,
            used: self.used.clone(),
            // Validation has refused paths that do not parse.
            ignore: ignore.filter_map(|path| path.parse::<Path>().ok()).collect(),
            unread: Vec::new(),
            physical_id: self.status.and_then(|s| s.physical_id.clone()),
            job: self.status.and_then(|s| s.job.clone()),
            published: self.status.and_then(|s| s.published.clone()),
            versions: self.status.map(|s| s.versions.clone()).unwrap_or_default(),
            served: None,
            proven: None,
            weight: self.weight.clone(),
            asked_at: self.asked_at,
            create_begun: self.status.and_then(|s| s.phase.create_begun()),
            is_known: self.status.is_some_and(|s| s.created_at.is_some()),
            resolved,
            source: None,
            adopt: self.object.annotated(annotation::ADOPT),
            adopt_from: self.object.metadata.annotations.get(annotation::ADOPT_FROM).cloned(),
            allow_replace: self.object.annotated(annotation::ALLOW_REPLACE),
            keeps_last_backup: !self.object.denies(annotation::LAST_BACKUP),
            backed_up_since: self.backed_up_since,
            is_kept: self.environment.protected == Some(true)
                || common.deletion_policy == Some(DeletionPolicy::Retain),
        };
        // Few objects have versions; the others need no digests.
        if let Some(status) = self.status.filter(|status| !status.served.is_empty()) {
            let digest = self.object.digest();
            let served = status.served_by(&digest, &inputs(&desired));
            desired.proven = served.map(str::to_owned);
            // Where it is this form already, what differs is drift.
            if status.synced_digest != digest {
                desired.served.clone_from(&desired.proven);
            }
        }
        Ok(desired)
    }

    async fn secrets(
        &self,
        session: &Session,
        secrets: &Secrets,
        target: &Target,
    ) -> Result<Resolved, AwsError> {
        let mut resolved = Resolved::default();
        for (field, reference) in secrets_by_field(&self.object.spec) {
            let secret = secrets.get(session, target, &reference).await.map_err(|error| {
                let message = format!("{field}: {}", error.message);
                AwsError { message, ..error }
            })?;
            resolved.secrets.insert(reference, secret);
        }
        Ok(resolved)
    }

    /// The environment's tags, the object's over them, and ours over all.
    fn tags(&self, own: Option<&BTreeMap<String, String>>, uid: &str) -> BTreeMap<String, String> {
        let mut all = self.environment.tags.clone().unwrap_or_default();
        all.extend(own.cloned().unwrap_or_default());
        all.extend(tags::ownership(&self.key, uid));
        all
    }
}
