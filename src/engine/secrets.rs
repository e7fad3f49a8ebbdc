//! Reads secrets, and keeps them for a minute, so that a pass over many functions that share one
//! does not read it many times.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::{AwsError, Class, Service, Session, Target};
use crate::model::{Secret, SecretRef, SecretsManagerRef, SsmRef};

const KEPT_FOR: Duration = Duration::from_secs(60);
const KEPT_MAX: usize = 10_000;

type Kept = HashMap<(Target, SecretRef), (Instant, Secret)>;

#[derive(Clone, Default)]
pub struct Secrets {
    kept: Arc<Mutex<Kept>>,
}

impl Secrets {
    pub async fn get(
        &self,
        session: &Session,
        target: &Target,
        reference: &SecretRef,
    ) -> Result<Secret, AwsError> {
        let key = (target.clone(), reference.clone());
        if let Some((at, secret)) = self.kept.lock().await.get(&key)
            && at.elapsed() < KEPT_FOR
        {
            return Ok(secret.clone());
        }
        let secret = match reference {
            SecretRef::SecretsManager(reference) => secrets_manager(session, reference).await,
            SecretRef::Ssm(reference) => parameter(session, reference).await,
        };
        let secret = secret.map_err(|error| named(error, reference))?;
        let mut kept = self.kept.lock().await;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), secret.clone()));
        Ok(secret)
    }
}

/// A secret that is not there will not come by waiting. Which one it is, AWS does not say.
fn named(error: AwsError, reference: &SecretRef) -> AwsError {
    let class = match error.class {
        Class::NotFound => Class::Invalid,
        class => class,
    };
    let message = format!("the secret {reference} cannot be read: {}", error.message);
    AwsError { class, message, ..error }
}

async fn secrets_manager(
    session: &Session,
    reference: &SecretsManagerRef,
) -> Result<Secret, AwsError> {
    let id = &reference.secret_id;
    let read = session
        .read(Service::SecretsManager, "GetSecretValue", || {
            session.secretsmanager().get_secret_value().secret_id(id).send()
        })
        .await?;
    let invalid = |message: String| {
        AwsError::new(Class::Invalid, Service::SecretsManager, "GetSecretValue", message)
    };
    let text = read.secret_string().ok_or_else(|| invalid(format!("the secret {id} is binary")))?;
    let Some(key) = &reference.key else {
        return Ok(Secret::new(text));
    };
    let value = serde_json::from_str::<Value>(text).ok().and_then(|v| v.get(key).cloned());
    match value {
        Some(Value::String(text)) => Ok(Secret::new(text)),
        Some(other) => Ok(Secret::new(other.to_string())),
        None => Err(invalid(format!("the secret {id} has no key `{key}`"))),
    }
}

async fn parameter(session: &Session, reference: &SsmRef) -> Result<Secret, AwsError> {
    let read = session
        .read(Service::Ssm, "GetParameter", || {
            session.ssm().get_parameter().name(&reference.name).with_decryption(true).send()
        })
        .await?;
    Ok(Secret::new(read.parameter().and_then(|p| p.value()).unwrap_or_default()))
}
