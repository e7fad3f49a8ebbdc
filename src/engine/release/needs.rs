//! Whether what a release needs and does not hold is there, before a head is moved to it: code and artifacts in
//! S3, and secrets.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::Value;

use super::super::prepare::aws_name;
use super::super::secrets::Secrets;
use super::{MoveError, Refused};
use crate::aws::{Absent, Class, Service, Session, Sessions, Target};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::{S3Location, kind};
use crate::model::{Object, ObjectId, ObjectKey, Path, SecretRef, secrets_by_field};

/// Things that are checked at once.
const AT_ONCE: usize = 16;

/// Something that an object needs.
enum Need {
    S3(S3Location),
    /// With the field that gets its value.
    Secret(Path, SecretRef),
}

impl Need {
    fn is_in(&self, buckets: &BTreeSet<String>) -> bool {
        matches!(self, Self::S3(place) if buckets.contains(&place.bucket))
    }
}

/// Refuses a release of which an object that is not `before` needs code, an artifact or a secret that is surely not
/// there: what cannot be deployed is not made current. What cannot be observed, in an outage or without the
/// right, stops nobody who rolls back. Nor does what can only come later: an object in a bucket that the
/// release itself makes.
pub async fn check_needs(
    sessions: &Sessions,
    environment: &str,
    before: &[Object],
    objects: &[Object],
) -> Result<(), MoveError> {
    let spec = objects.iter().find(|o| o.kind == environment::NAME).map(|o| &*o.spec);
    // Without it nobody knows where to look.
    let Some(Ok(spec)) = spec.map(EnvironmentSpec::deserialize) else { return Ok(()) };
    let own = own_buckets(environment, objects);
    let changed = objects.iter().filter(|object| !before.contains(object));
    let needs: Vec<_> = changed.flat_map(needs_of).filter(|(_, need)| !need.is_in(&own)).collect();
    if needs.is_empty() {
        return Ok(());
    }
    let target = spec.target();
    let Some(session) = reached(sessions, &target).await else { return Ok(()) };
    let searches = needs.into_iter().map(|(id, need)| {
        let (session, target) = (&session, &target);
        async move {
            let why = missing(session, target, &need).await?;
            Some(format!("{id}: {why}"))
        }
    });
    let found = stream::iter(searches).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let gone: BTreeSet<_> = found.into_iter().flatten().collect();
    if gone.is_empty() {
        return Ok(());
    }
    let gone = gone.into_iter().collect();
    Err(Refused::NeedsGone { environment: environment.to_owned(), gone }.into())
}

fn needs_of(object: &Object) -> Vec<(ObjectId, Need)> {
    let secrets = secrets_by_field(&object.spec).into_iter();
    let secrets = secrets.map(|(field, secret)| Need::Secret(field, secret));
    let all = location(&object.spec).map(Need::S3).into_iter().chain(secrets);
    all.map(|need| (object.id(), need)).collect()
}

fn location(spec: &Value) -> Option<S3Location> {
    let source = spec.get("code").or_else(|| spec.get("artifact"))?.get("s3")?;
    S3Location::deserialize(source).ok()
}

/// The buckets that a release declares, by their names in AWS.
fn own_buckets(environment: &str, objects: &[Object]) -> BTreeSet<String> {
    let name = |object: &Object| {
        let kind = kind(&object.kind).filter(|kind| kind.service() == Service::S3)?;
        let key = ObjectKey { environment: environment.into(), id: object.id() };
        Some(aws_name(kind, object, &key))
    };
    objects.iter().filter_map(name).collect()
}

/// The environment's account, where it can be reached with these credentials: in another one everything
/// would seem to be missing.
async fn reached(sessions: &Sessions, target: &Target) -> Option<Session> {
    let session = sessions.get(target).await.ok()?;
    let account = session.account_id().await.ok()?;
    target.account_id.as_ref().is_none_or(|wanted| *wanted == account).then_some(session)
}

/// What is surely missing, for people.
async fn missing(session: &Session, target: &Target, need: &Need) -> Option<String> {
    match need {
        Need::S3(place) => {
            let found = session
                .read(Service::S3, "HeadObject", || {
                    let head = session.s3().head_object().bucket(&place.bucket).key(&place.key);
                    head.set_version_id(place.version.clone()).send()
                })
                .await
                .absent("NotFound");
            matches!(found, Ok(None))
                .then(|| format!("s3://{}/{} is not there", place.bucket, place.key))
        }
        Need::Secret(field, reference) => {
            let error = Secrets::default().get(session, target, reference).await.err()?;
            let is_gone = error.class == Class::Invalid;
            is_gone.then(|| format!("{field}: {}", error.message))
        }
    }
}
