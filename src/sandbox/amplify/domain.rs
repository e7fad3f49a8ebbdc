//! An app's own domains, and how far they have come.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, Asked, Refusal};

pub(super) struct Domain {
    fields: Value,
    /// When it was last changed.
    changed: Instant,
    /// It was not served before that change.
    is_new: bool,
}

/// The words of `DomainStatus` that a new domain passes through, in this order, before it is AVAILABLE:
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_DomainAssociation.html>. The model names no order;
/// the console's guide has SSL creation, SSL configuration and domain activation:
/// <https://docs.aws.amazon.com/amplify/latest/userguide/custom-domain-troubleshoot-guide.html>.
const BEFORE_AVAILABLE: [&str; 4] =
    ["CREATING", "REQUESTING_CERTIFICATE", "PENDING_VERIFICATION", "PENDING_DEPLOYMENT"];

impl Domain {
    /// What CreateDomainAssociation or UpdateDomainAssociation makes of the domain of before.
    pub fn put(
        app: &str,
        name: &str,
        asked: &Asked,
        before: Option<&Self>,
        busy: Duration,
    ) -> Self {
        let settings = asked.body["subDomainSettings"].as_array().cloned().unwrap_or_default();
        let subdomains: Vec<_> = settings
            .into_iter()
            .map(
                |s| json!({"subDomainSetting": s, "verified": true, "dnsRecord": " CNAME sandbox"}),
            )
            .collect();
        // What an update leaves out stays.
        let fields = before.map(|before| before.fields.clone()).unwrap_or_default();
        let certificate = match &asked.body["certificateSettings"] {
            Value::Null => fields["certificate"].clone(),
            settings => settings.clone(),
        };
        let automatic = asked.body["enableAutoSubDomain"].as_bool();
        let automatic = automatic.or(fields["enableAutoSubDomain"].as_bool()).unwrap_or(false);
        let mut domain = json!({
            "domainAssociationArn": format!("{app}/domains/{name}"),
            "domainName": name,
            "enableAutoSubDomain": automatic,
            "statusReason": "",
            "subDomains": subdomains,
            "certificate": {"type": "AMPLIFY_MANAGED"},
        });
        if !certificate.is_null() {
            domain["certificate"] = certificate;
        }
        let is_new = before.is_none_or(|before| !before.is_served(busy));
        Self { fields: domain, changed: Instant::now(), is_new }
    }

    fn status(&self, busy: Duration) -> &'static str {
        let elapsed = self.changed.elapsed();
        let share = busy / u32::try_from(BEFORE_AVAILABLE.len()).unwrap_or(1);
        let passed = (1..).zip(BEFORE_AVAILABLE).find(|(i, _)| elapsed < share * *i);
        match passed {
            Some((_, status)) if self.is_new => status,
            Some(_) => "UPDATING",
            None => "AVAILABLE",
        }
    }

    fn is_served(&self, busy: Duration) -> bool {
        !self.is_new || self.status(busy) == "AVAILABLE"
    }

    pub fn describe(&self, busy: Duration) -> Value {
        let mut fields = self.fields.clone();
        fields["domainStatus"] = json!(self.status(busy));
        fields
    }

    /// The branch that is served under a host's name.
    pub fn branch_of(&self, host: &str, busy: Duration) -> Option<String> {
        let name = self.fields["domainName"].as_str()?;
        let subdomains = self.fields["subDomains"].as_array().filter(|_| self.is_served(busy))?;
        let settings = subdomains.iter().map(|subdomain| &subdomain["subDomainSetting"]);
        let found = settings.into_iter().find(|setting| match setting["prefix"].as_str() {
            None | Some("") => host == name,
            Some(prefix) => {
                host.strip_prefix(prefix).and_then(|h| h.strip_prefix('.')) == Some(name)
            }
        })?;
        found["branchName"].as_str().map(str::to_owned)
    }
}

/// An answer with a domain in it.
pub(super) fn answer(domain: &Domain, busy: Duration) -> Answer {
    Ok((200, json!({"domainAssociation": domain.describe(busy)})))
}

pub(super) fn exists(name: &str) -> Refusal {
    let message = format!("Domain association {name} already exists.");
    Refusal(400, "BadRequestException", message)
}
