//! Pages that show whether an environment works: as a check of each release, and all the time.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Urls;
use crate::kinds::SpecProblem;
use crate::model::parse_duration;
use crate::signals::{Call, CallTarget, Expected, Reach};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
const INTERVAL_MIN: Duration = Duration::from_secs(5);
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
const FAILURES_DEFAULT: u32 = 3;
const SUCCESSES_DEFAULT: u32 = 1;
/// After so many times in a row that nobody was reached, a release does without the check of its frontend.
const UNREACHED_TRIES: u32 = 3;
/// Stands for a release's commit in what a page has to contain.
const COMMIT: &str = "{commit}";
/// In its place where the release has none: no page contains it, and the check says what is missing.
const NO_COMMIT: &str = "(the release was applied without a commit)";

/// A page, and what it has to answer. It fails a release when it fails three times in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// The page's address, which gets a GET.
    #[schemars(regex(pattern = r"^https?://\S+$"), length(max = 2000))]
    pub url: String,
    /// The status; any of 200 to 299 where it is not given. Redirects are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// A text in the first MiB of the body. In `rollout.checks`, `{commit}` stands for the commit that the release
    /// was applied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub contains: Option<String>,
    /// How long the answer may take at most, as `800ms`: a slower page fails the check. 10s where it is not given; 100ms
    /// to 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// Pages that are probed all the time: the condition `Healthy` says whether they answer. They are checks of each
/// release, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthPolicy {
    /// The pause between two probes of a page, as `30s`, which it is where it is not given; 5s to 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Wrong answers in a row after which a page is not healthy; 3 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<u32>,
    /// Right answers in a row after which it is healthy again; 1 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: Option<u32>,
    /// The pages; `urls.frontend` and `urls.backend` where none is given. At most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub probes: Option<Vec<HttpCheck>>,
}

impl HttpCheck {
    /// The call of a release that was applied from a commit.
    pub(super) fn call(&self, commit: &str) -> Call {
        let commit = if commit.is_empty() { NO_COMMIT } else { commit };
        let timeout = self.timeout.as_deref().and_then(|text| parse_duration(text).ok());
        Call {
            target: CallTarget::Page { url: self.url.clone(), body: None },
            expected: Expected {
                status: self.status,
                contains: self.contains.as_ref().map(|text| text.replace(COMMIT, commit)),
                ..Expected::default()
            },
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            reach: Reach::Must,
        }
    }

    pub(super) fn problem(&self, at: &str) -> Option<SpecProblem> {
        let at = format!("{at}.timeout");
        match parse_duration(self.timeout.as_deref()?) {
            Err(message) => Some(SpecProblem::new(at, message)),
            Ok(timeout) if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) => {
                Some(SpecProblem::new(at, "a check takes 100ms to 60s"))
            }
            Ok(_) => None,
        }
    }
}

/// How an environment's frontend is checked where nobody says how. What serves it answers every request, and be it
/// with an error; so who reaches nobody stands where the page cannot be reached from, or before its DNS records are
/// made, and the release is not to blame.
pub(super) fn of_frontend(url: &str) -> Call {
    let tries = if is_this_machine(url) { 1 } else { UNREACHED_TRIES };
    Call {
        target: CallTarget::Page { url: url.to_owned(), body: None },
        // As Kubernetes' probes see it, a page may lead to another; and a frontend may have `basicAuth`.
        expected: Expected { is_lenient: true, ..Expected::default() },
        timeout: TIMEOUT_DEFAULT,
        reach: Reach::Hoped(tries),
    }
}

/// Where nothing listens on the daemon's own machine, asking again finds out nothing more.
fn is_this_machine(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    // An address of IPv6 has colons of its own, in brackets.
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl HealthPolicy {
    /// The pause between two probes of a page; 30 seconds where it is not declared or cannot be read.
    pub fn interval(&self) -> Duration {
        let text = self.interval.as_deref();
        text.and_then(|text| parse_duration(text).ok()).unwrap_or(INTERVAL_DEFAULT)
    }

    /// Wrong answers in a row after which a page is not healthy; 3 where it is not declared.
    pub fn failure_threshold(&self) -> u32 {
        self.failure_threshold.unwrap_or(FAILURES_DEFAULT)
    }

    /// Right answers in a row after which a page is healthy again; 1 where it is not declared.
    pub fn success_threshold(&self) -> u32 {
        self.success_threshold.unwrap_or(SUCCESSES_DEFAULT)
    }

    pub(super) fn calls(&self, urls: Option<&Urls>) -> Vec<Call> {
        let of_urls = || {
            let urls = urls.into_iter().flat_map(|urls| [&urls.frontend, &urls.backend]);
            let urls =
                urls.flatten().map(|url| HttpCheck { url: url.clone(), ..HttpCheck::default() });
            urls.collect()
        };
        let probes = self.probes.clone().unwrap_or_else(of_urls);
        probes.iter().map(|probe| probe.call("")).collect()
    }

    pub(super) fn problems(&self, urls: Option<&Urls>) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        match self.interval.as_deref().map(parse_duration) {
            Some(Err(message)) => problems.push(SpecProblem::new("health.interval", message)),
            Some(Ok(interval)) if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) => {
                problems.push(SpecProblem::new("health.interval", "the interval is 5s to 1h"));
            }
            _ => {}
        }
        if self.calls(urls).is_empty() {
            let problem = SpecProblem::new("health", "there is nothing to probe");
            problems.push(problem.help("add `probes`, or `urls.frontend` or `urls.backend`"));
        }
        for (i, probe) in self.probes.iter().flatten().enumerate() {
            let at = format!("health.probes[{i}]");
            let earlier = self.probes.iter().flatten().take(i);
            if earlier.clone().any(|other| other.url == probe.url) {
                let problem = SpecProblem::new(format!("{at}.url"), "the page is probed twice");
                problems.push(problem.help("one probe has all that the page has to answer"));
            }
            let host = probe.url.split('/').nth(2).unwrap_or_default();
            if host.contains('@') {
                let message = "the address has credentials, and it is shown in metrics and events";
                problems.push(SpecProblem::new(format!("{at}.url"), message));
            }
            problems.extend(probe.problem(&at));
            if probe.contains.as_ref().is_some_and(|text| text.contains(COMMIT)) {
                let message = format!(
                    "`{COMMIT}` differs between releases, and a probe goes on through them"
                );
                let problem = SpecProblem::new(format!("{at}.contains"), message);
                problems
                    .push(problem.help("put the page into rollout.checks, too, with that text"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_known_in_every_form() {
        for (url, expected) in [
            ("http://localhost:4200", true),
            ("http://127.0.0.1/shop", true),
            ("https://[::1]", true),
            ("https://[::1]:8443/shop", true),
            ("https://shop.example.com", false),
            ("https://localhost.example.com", false),
            ("https://[2001:db8::1]:8443", false),
        ] {
            assert_eq!(is_this_machine(url), expected, "{url}");
        }
    }
}
