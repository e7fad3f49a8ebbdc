//! What hangs on a table and has calls of its own, which the emulator does not know: its resource policy and
//! its contributor insights.
//!
//! Follows <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html> (each
//! write is another revision, and a write may name the one that it expects) and
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContributorInsights.html>.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use winterbaume_core::{MockResponse, json_error_response};

#[derive(Clone, Default)]
pub(super) struct TableFacets {
    policy: Option<String>,
    revision: u64,
    /// The mode of what is on, by index; the table itself by an empty name.
    insights: BTreeMap<String, String>,
}

/// Calls that are answered here.
pub(super) const OPERATIONS: [&str; 5] = [
    "GetResourcePolicy",
    "PutResourcePolicy",
    "DeleteResourcePolicy",
    "DescribeContributorInsights",
    "UpdateContributorInsights",
];

impl TableFacets {
    pub fn answer(&mut self, operation: &str, body: &Value) -> MockResponse {
        let expected = body["ExpectedRevisionId"].as_str();
        let is_expected = match expected {
            None => true,
            Some("NO_POLICY") => self.policy.is_none(),
            Some(revision) => self.policy.is_some() && revision == self.revision_id(),
        };
        match operation {
            "GetResourcePolicy" => match &self.policy {
                Some(policy) => reply(&json!({"Policy": policy, "RevisionId": self.revision_id()})),
                None => no_policy(),
            },
            "PutResourcePolicy" | "DeleteResourcePolicy" if !is_expected => no_policy(),
            "PutResourcePolicy" => {
                self.policy = body["Policy"].as_str().map(str::to_owned);
                self.revision += 1;
                reply(&json!({"RevisionId": self.revision_id()}))
            }
            "DeleteResourcePolicy" => match self.policy.take() {
                Some(_) => reply(&json!({"RevisionId": self.revision_id()})),
                // The documentation says that it is empty, the model that it has a character at least:
                // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteResourcePolicy.html.
                None => reply(&json!({})),
            },
            _ => self.insights(operation, body),
        }
    }

    fn revision_id(&self) -> String {
        format!("{:013}", 1_700_000_000_000 + self.revision)
    }

    fn insights(&mut self, operation: &str, body: &Value) -> MockResponse {
        let index = body["IndexName"].as_str().unwrap_or_default().to_owned();
        if operation == "UpdateContributorInsights" {
            if body["ContributorInsightsAction"] == "ENABLE" {
                let mode = body["ContributorInsightsMode"].as_str();
                let mode = mode.unwrap_or("ACCESSED_AND_THROTTLED_KEYS").to_owned();
                self.insights.insert(index.clone(), mode);
            } else {
                self.insights.remove(&index);
            }
        }
        let mode = self.insights.get(&index);
        let status = if mode.is_some() { "ENABLED" } else { "DISABLED" };
        let mut shown = json!({
            "TableName": body["TableName"],
            "ContributorInsightsStatus": status,
        });
        if let Some(mode) = mode {
            shown["ContributorInsightsMode"] = json!(mode);
        }
        if !index.is_empty() {
            shown["IndexName"] = json!(index);
        }
        reply(&shown)
    }
}

fn reply(body: &Value) -> MockResponse {
    MockResponse::json(200, body.to_string())
}

fn no_policy() -> MockResponse {
    let message = "Resource-based policy not found for the provided ResourceArn";
    json_error_response(400, "PolicyNotFoundException", message)
}
