//! Whom an environment tells what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::SpecProblem;
use crate::model::{SecretRef, ValueFrom};

/// Somebody to tell: one of `slack`, `webhook` and `github`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// An incoming webhook of Slack, or of who takes the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackChannel>,
    /// A POST of JSON, signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Statuses of the commit that a release was applied from, and of a deployment of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHub>,
    /// What is told; everything where it is not given. GitHub is told of releases alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 7))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub on: Option<Vec<Topic>>,
}

/// An incoming webhook of Slack, or of who takes the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlackChannel {
    /// The address, which is a secret.
    pub url_from: ValueFrom,
}

/// A POST of JSON, signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The address that gets the POST.
    #[schemars(regex(pattern = r"^https?://\S+$"), length(max = 2000))]
    pub url: String,
    /// The key of its signature: the header `X-Trueup-Signature` has `sha256=` and the hexadecimal HMAC-SHA256 of
    /// the header `X-Trueup-Timestamp`, a point and the body.
    pub secret_from: ValueFrom,
}

/// Statuses of the commit that a release was applied from, and of a deployment of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitHub {
    /// As `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"))]
    pub repository: String,
    /// A token that may write statuses and deployments of the repository.
    pub token_from: ValueFrom,
    /// Of a server of one's own, as `https://github.example.com/api/v3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"), length(max = 2000))]
    pub api_url: Option<String>,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words of the manifest")]
pub enum Topic {
    /// A release begins.
    Started,
    Succeeded,
    Failed,
    RolledBack,
    /// A release waits for a person.
    Waiting,
    /// Drift was found, or repaired.
    Drift,
    /// An object cannot become as declared, or something else went wrong.
    Trouble,
}

impl Notification {
    /// Where the secret of it is.
    pub fn secret(&self) -> Option<SecretRef> {
        let slack = self.slack.as_ref().map(|slack| &slack.url_from);
        let webhook = self.webhook.as_ref().map(|webhook| &webhook.secret_from);
        let github = self.github.as_ref().map(|github| &github.token_from);
        slack.or(webhook).or(github)?.secret()
    }
}

/// What the schema cannot check.
pub(super) fn validate(notifications: &[Notification]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (i, notification) in notifications.iter().enumerate() {
        let Notification { slack, webhook, github, .. } = notification;
        let given = [slack.is_some(), webhook.is_some(), github.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "one of `slack`, `webhook` and `github` is given";
            problems.push(SpecProblem::new(format!("notifications[{i}]"), message));
        } else if notification.secret().is_none() {
            let message = "a secret comes from `secretsManager` or `ssm`";
            problems.push(SpecProblem::new(format!("notifications[{i}]"), message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_tells_one_somebody_with_a_secret_from_elsewhere() {
        let secret = json!({"ssm": {"name": "/shop/hook"}});
        let object = json!({"objectRef": {"kind": "Table", "name": "a", "field": "arn"}});
        for (spec, is_fine) in [
            (json!({"slack": {"urlFrom": secret}}), true),
            (json!({"webhook": {"url": "https://a", "secretFrom": secret}}), true),
            (json!({"github": {"repository": "a/b", "tokenFrom": secret}, "on": ["Failed"]}), true),
            (json!({"on": ["Failed"]}), false),
            (json!({"slack": {"urlFrom": object}}), false),
            (
                json!({"slack": {"urlFrom": secret}, "webhook": {"url": "https://a", "secretFrom": secret}}),
                false,
            ),
        ] {
            let read = |spec: &Value| serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(validate(&[read(&spec)]).is_empty(), is_fine, "{spec}");
        }
    }
}
