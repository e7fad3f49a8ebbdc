//! Whether what a release needs and does not hold is there, before a head is moved to it: code and artifacts in
//! S3, and secrets.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::Value;

use super::super::secrets::Secrets;
use super::{MoveError, Refused};
use crate::aws::{Absent, AwsError, Class, Service, Session, Sessions, Target};
use crate::kinds::S3Location;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{Object, ObjectId, SecretRef, secret_references};

/// Things that are looked for at once.
const AT_ONCE: usize = 16;

/// Something that an object needs.
enum Need {
    S3(S3Location),
    Secret(SecretRef),
}

/// Refuses objects whose code, artifact or secret is not there: what cannot be deployed is not made current.
/// `environments` are objects among which the Environment is, which says where to look.
pub async fn check_needs<'a>(
    sessions: &Sessions,
    environment: &str,
    objects: impl Iterator<Item = &'a Object>,
    environments: &[Object],
) -> Result<(), MoveError> {
    let spec = environments.iter().find(|o| o.kind == environment::NAME).map(|o| &o.spec);
    let spec = spec.and_then(|spec| EnvironmentSpec::deserialize(spec).ok()).unwrap_or_default();
    let needs: Vec<_> = objects.flat_map(needs_of).collect();
    if needs.is_empty() {
        return Ok(());
    }
    let target = spec.target();
    let session = sessions.get(&target).await?;
    let looks = needs.into_iter().map(|(id, need)| {
        let (session, target) = (&session, &target);
        async move {
            missing(session, target, &need).await.map(|why| Some(format!("{id} needs {}", why?)))
        }
    });
    let looks = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    let gone: BTreeSet<_> = looks.into_iter().flatten().collect();
    if gone.is_empty() {
        return Ok(());
    }
    let gone = gone.into_iter().collect();
    Err(Refused::NeedsGone { environment: environment.to_owned(), gone }.into())
}

fn needs_of(object: &Object) -> Vec<(ObjectId, Need)> {
    let secrets = secret_references(&object.spec).into_iter().map(Need::Secret);
    let all = location(&object.spec).map(Need::S3).into_iter().chain(secrets);
    all.map(|need| (object.id(), need)).collect()
}

fn location(spec: &Value) -> Option<S3Location> {
    let source = spec.get("code").or_else(|| spec.get("artifact"))?.get("s3")?;
    S3Location::deserialize(source).ok()
}

/// What is missing, for people. What may not be looked at is left to AWS.
async fn missing(
    session: &Session,
    target: &Target,
    need: &Need,
) -> Result<Option<String>, AwsError> {
    let found = match need {
        Need::S3(place) => session
            .read(Service::S3, "HeadObject", || {
                let head = session.s3().head_object().bucket(&place.bucket).key(&place.key);
                head.set_version_id(place.version.clone()).send()
            })
            .await
            .absent("NotFound")
            .map(|found| found.is_none().then(|| format!("s3://{}/{}", place.bucket, place.key))),
        Need::Secret(reference) => match Secrets::default().get(session, target, reference).await {
            Ok(_) => Ok(None),
            Err(error) if error.class == Class::Invalid => {
                Ok(Some(format!("the secret {reference}: {}", error.message)))
            }
            Err(error) => Err(error),
        },
    };
    match found {
        Err(error) if error.class == Class::Denied => Ok(None),
        found => found,
    }
}
