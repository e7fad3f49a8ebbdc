//! Whether what a release refers to in S3 is still there, before a head is moved to it.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::Value;

use super::{MoveError, Refused};
use crate::aws::{Absent, AwsError, Class, Service, Session, Sessions};
use crate::kinds::S3Location;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::Object;

/// Objects of S3 that are looked for at once.
const AT_ONCE: usize = 16;

/// Refuses objects whose code or artifact is gone: what cannot be deployed is not made current.
pub(super) async fn check_artifacts(
    sessions: &Sessions,
    environment: &str,
    objects: &[Object],
) -> Result<(), MoveError> {
    let spec = objects.iter().find(|o| o.kind == environment::NAME).map(|o| &o.spec);
    let spec = spec.and_then(|spec| EnvironmentSpec::deserialize(spec).ok()).unwrap_or_default();
    let located: Vec<_> =
        objects.iter().filter_map(|o| Some((o.id(), location(&o.spec)?))).collect();
    if located.is_empty() {
        return Ok(());
    }
    let session = sessions.get(&spec.target()).await?;
    let looks = located.into_iter().map(|(id, place)| {
        let session = &session;
        async move {
            let needs = format!("{id} needs s3://{}/{}", place.bucket, place.key);
            is_there(session, &place).await.map(|found| (!found).then_some(needs))
        }
    });
    let looks = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    let mut gone: Vec<_> = looks.into_iter().flatten().collect();
    gone.sort();
    if gone.is_empty() {
        return Ok(());
    }
    Err(Refused::ArtifactsGone { environment: environment.to_owned(), gone }.into())
}

fn location(spec: &Value) -> Option<S3Location> {
    let source = spec.get("code").or_else(|| spec.get("artifact"))?.get("s3")?;
    S3Location::deserialize(source).ok()
}

/// What may not be looked at is left to AWS.
async fn is_there(session: &Session, place: &S3Location) -> Result<bool, AwsError> {
    let read = session
        .read(Service::S3, "HeadObject", || {
            let head = session.s3().head_object().bucket(&place.bucket).key(&place.key);
            head.set_version_id(place.version.clone()).send()
        })
        .await
        .absent("NotFound");
    match read {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.class == Class::Denied => Ok(true),
        Err(error) => Err(error),
    }
}
