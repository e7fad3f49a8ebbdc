//! What each service is told, in its own form.

use hmac::Mac;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Failure, Notice, TIMEOUT, send};
use crate::kinds::environment::{GitHub, Notification, Topic};
use crate::model::{Secret, hmac_sha256};
use crate::store::{EventKind, EventRecord};
use crate::web::{Web, WebRequest};

/// What an event is about; `None` where nobody is told of it.
pub(super) fn topic_of(event: &EventRecord) -> Option<Topic> {
    match event.reason.as_str() {
        "ReleaseStarted" => Some(Topic::Started),
        "ReleaseSucceeded" => Some(Topic::Succeeded),
        "ReleaseFailed" | "RollbackFailed" => Some(Topic::Failed),
        "ReleaseRolledBack" => Some(Topic::RolledBack),
        "ReleaseInconclusive" | "ApprovalNeeded" => Some(Topic::Waiting),
        "DriftDetected" | "DriftCorrected" => Some(Topic::Drift),
        _ if event.kind == EventKind::Warning => Some(Topic::Trouble),
        _ => None,
    }
}

/// How metrics and logs call it.
pub(super) fn channel(notification: &Notification) -> &'static str {
    match notification {
        Notification { slack: Some(_), .. } => "slack",
        Notification { webhook: Some(_), .. } => "webhook",
        _ => "github",
    }
}

/// The request to Slack or a webhook.
pub(super) fn request(
    notification: &Notification,
    notice: &Notice,
    secret: &Secret,
    now: Timestamp,
) -> Option<WebRequest> {
    let EventRecord { environment, object, reason, message, release, .. } = &notice.event;
    let timeout = TIMEOUT;
    if notification.slack.is_some() {
        // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, and how text is escaped:
        // https://docs.slack.dev/messaging/formatting-message-text.
        let escaped = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let text = format!("*{environment}* {object} {reason}: {escaped}");
        let body = Some(json!({"text": text}).to_string());
        return Some(WebRequest {
            url: secret.reveal().to_owned(),
            body,
            headers: Vec::new(),
            timeout,
        });
    }
    let webhook = notification.webhook.as_ref()?;
    let body = json!({
        "environment": environment,
        "object": object,
        "topic": notice.topic,
        "reason": reason,
        "message": message,
        "release": release,
        "commit": notice.commit,
        "at": notice.event.last_seen,
    })
    .to_string();
    let timestamp = now.as_second().to_string();
    let signature = format!("sha256={}", signature(secret, &timestamp, &body));
    let headers = vec![
        ("x-trueup-timestamp".to_owned(), Secret::new(timestamp)),
        ("x-trueup-signature".to_owned(), Secret::new(signature)),
    ];
    Some(WebRequest { url: webhook.url.clone(), body: Some(body), headers, timeout })
}

/// HMAC-SHA256 of the time, a point and the body.
fn signature(secret: &Secret, timestamp: &str, body: &str) -> String {
    let mac = hmac_sha256(secret.reveal().as_bytes(), &format!("{timestamp}.{body}"));
    hex::encode(mac.finalize().into_bytes())
}

const GITHUB_API: &str = "https://api.github.com";
/// Of a deployment status: <https://docs.github.com/rest/deployments/statuses>. Those of commits:
/// <https://docs.github.com/rest/commits/statuses>.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// The states of a commit status and of a deployment status.
fn states(topic: Topic) -> Option<(&'static str, &'static str)> {
    match topic {
        Topic::Started => Some(("pending", "in_progress")),
        Topic::Succeeded => Some(("success", "success")),
        Topic::Failed | Topic::RolledBack => Some(("failure", "failure")),
        Topic::Waiting => Some(("pending", "queued")),
        Topic::Drift | Topic::Trouble => None,
    }
}

/// Tells GitHub of a release: a status of its commit, and one of the deployment of it to the environment, which is
/// made where there is none.
pub(super) async fn to_github(
    web: &dyn Web,
    github: &GitHub,
    notice: &Notice,
    token: &Secret,
) -> Result<(), Failure> {
    let Some((commit_state, deployment_state)) = states(notice.topic) else { return Ok(()) };
    let sha = &notice.commit;
    if sha.len() != 40 || !sha.chars().all(|c| c.is_ascii_hexdigit()) {
        // It was applied from no commit, or from one with changes of its own.
        return Ok(());
    }
    let EventRecord { environment, message, .. } = &notice.event;
    let description: String = message.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let api = github.api_url.as_deref().unwrap_or(GITHUB_API).trim_end_matches('/');
    let repository = format!("{api}/repos/{}", github.repository);
    let call = async |path: String, body: Option<Value>| {
        let request = github_request(format!("{repository}/{path}"), body, token);
        let answer = send(web, request, token).await?;
        let read = serde_json::from_str::<Value>(&answer.body);
        read.map_err(|error| Failure::Passing(format!("it did not answer with JSON: {error}")))
    };
    let status = json!({
        "state": commit_state, "context": format!("trueup/{environment}"), "description": description,
    });
    call(format!("statuses/{sha}"), Some(status)).await?;
    let known =
        call(format!("deployments?sha={sha}&environment={environment}&per_page=1"), None).await?;
    let id = match known[0]["id"].as_u64() {
        Some(id) => id,
        None => {
            let deployment = json!({
                "ref": sha, "environment": environment, "auto_merge": false, "required_contexts": [],
                "description": description,
            });
            let made = call("deployments".to_owned(), Some(deployment)).await?;
            made["id"]
                .as_u64()
                .ok_or_else(|| Failure::Final("the deployment has no id".to_owned()))?
        }
    };
    let status = json!({"state": deployment_state, "description": description});
    call(format!("deployments/{id}/statuses"), Some(status)).await.map(drop)
}

fn github_request(url: String, body: Option<Value>, token: &Secret) -> WebRequest {
    let header = |name: &str, value: String| (name.to_owned(), Secret::new(value));
    let headers = vec![
        header("authorization", format!("Bearer {}", token.reveal())),
        header("accept", "application/vnd.github+json".to_owned()),
    ];
    WebRequest { url, body: body.map(|body| body.to_string()), headers, timeout: TIMEOUT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_any_library_computes() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let signed = signature(&Secret::new("key"), "1700000000", "{}");
        assert_eq!(signed, SIGNED);
    }

    const SIGNED: &str = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
}
