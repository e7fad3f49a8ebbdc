//! An embedded AWS, for trying trueup, testing it and measuring it.
//!
//! It stands in two places: in process, as the SDK's HTTP client ([`Sandbox::connection`]), and on
//! a loopback port, for every other AWS client ([`Sandbox::serve`]).
//!
//! DynamoDB, S3, STS, Secrets Manager and SSM are the `winterbaume` crates'. Lambda, Amplify, CloudWatch and
//! Application Auto Scaling are ours, since what matters to an operator is what those do over time: states, jobs, versions,
//! pages. Around all of it stand the call log, the faults, the latency and DynamoDB's own busy states
//! (`router`). Each rule of behaviour cites the AWS page that it follows.
//!
//! Nothing above depends on it but `cli` and the tests.

mod amplify;
mod call;
mod cbor;
mod client;
mod cloudwatch;
mod dynamodb;
mod dynamodb_backups;
mod dynamodb_exports;
mod dynamodb_facets;
mod exchange;
mod fault;
mod intrusion;
mod items;
mod lag;
mod lambda;
mod listen;
mod pages;
mod rest;
mod router;
mod s3;
mod scaling;
mod uri;

pub use call::{Call, CallLog};
pub use exchange::Exchange;
pub use fault::{Fault, FaultKind, Faults};
pub use lag::{Lag, Lagging, Reads};
pub use lambda::{Invocations, Load};
pub use listen::ServeError;
pub use pages::Pages;

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use http::{HeaderMap, HeaderValue};
use winterbaume_core::MockRequest;

use crate::aws::Connection;
use crate::model::Clock;
use crate::web::Web;
use amplify::Sites;
use client::InProcess;
use router::Router;

/// The account that everything in the sandbox belongs to.
pub const ACCOUNT_ID: &str = "123456789012";
/// The region of [`Sandbox::connection`], and of requests that name none.
pub const REGION: &str = "us-east-1";

/// How the sandbox behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How long Lambda, DynamoDB and Amplify stay busy after a change.
    pub busy_for: Duration,
    /// How long the restore of a table takes.
    pub restore_for: Duration,
    /// How long after a change of a table's time to live DynamoDB refuses another:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html>.
    pub ttl_settles_for: Duration,
    /// Added to every call.
    pub latency: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            busy_for: Duration::from_millis(500),
            // AWS names no time; at least so long is what its users report, however small the table.
            restore_for: Duration::from_secs(20 * 60),
            ttl_settles_for: Duration::from_secs(3600),
            latency: Duration::ZERO,
        }
    }
}

/// The embedded AWS. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    router: Arc<Router>,
    pages: Pages,
}

impl Sandbox {
    /// An empty AWS. What it does later, it does by `clock`.
    pub fn new(behaviour: Behaviour, clock: Clock) -> Self {
        Self { router: Arc::new(Router::new(behaviour, clock)), pages: Pages::default() }
    }

    /// Reaches the sandbox from this process, without a network.
    pub fn connection(&self) -> Connection {
        self.connection_as("AKIDSANDBOX")
    }

    /// The same, with an access key that tells this caller from others.
    pub fn connection_as(&self, access_key: &str) -> Connection {
        let credentials = Credentials::new(access_key, "sandbox", None, None, "sandbox");
        Connection {
            http_client: Some(SharedHttpClient::new(InProcess::new(Arc::clone(&self.router)))),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            region: Some(REGION.to_owned()),
            endpoint_url: None,
            web: Some(self.web(Arc::new(self.pages.clone()))),
            quota_scale: None,
        }
    }

    /// Every call that was made.
    pub fn calls(&self) -> &CallLog {
        &self.router.calls
    }

    /// Shows every exchange from now on. Whoever watches first stays.
    pub fn watch(&self, watch: impl Fn(&Exchange) + Send + Sync + 'static) {
        self.router.watcher.set(Box::new(watch));
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.router.faults
    }

    /// How far reads are behind.
    pub fn lag(&self) -> &Lag {
        &self.router.lag
    }

    /// Follows reads that another sandbox has seen, as they are now.
    pub async fn follow(&self, reads: Reads) {
        for request in reads.0 {
            self.router.follow(request).await;
        }
    }

    /// Makes a request as any HTTP client would, past the log, the faults and the lag. `target` is what
    /// JSON services are asked for: `DynamoDB_20120810.UpdateTable`. Returns the status and the body.
    pub async fn ask(
        &self,
        service: &str,
        method: &str,
        path: &str,
        target: &str,
        body: &str,
    ) -> (u16, String) {
        let request = by_hand(service, method, path, target, body);
        let response = self.router.serve_truly(request).await;
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    }

    /// What users of the web meet: the sites that Amplify serves, and `beyond` for every other address.
    pub fn web(&self, beyond: Arc<dyn Web>) -> Arc<dyn Web> {
        Arc::new(Sites { router: Arc::clone(&self.router), beyond })
    }

    /// What answers to requests that are not AWS's, and not of a site that Amplify serves.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Makes requests of a function through one of its aliases or versions, as its users would, and counts what
    /// became of them. `None` where there is no such function.
    pub fn load(&self, load: &Load<'_>) -> Option<Invocations> {
        self.router.lambda.load(load)
    }

    /// The aliases of all functions, as `(region, function, alias)`.
    pub fn aliases(&self) -> Vec<(String, String, String)> {
        self.router.lambda.aliases()
    }

    /// A bucket belongs to another account from now on: it was deleted, and somebody took its name.
    pub fn give_away(&self, bucket: &str, account: &str) {
        self.router.s3.give_away(bucket, account);
    }

    /// Makes such a request right before the next call that `caller` makes of an action, as
    /// `lambda:PublishVersion`.
    pub fn intrude(&self, before: &str, caller: &str, request: [&str; 5]) {
        let [service, method, path, target, body] = request;
        let request = by_hand(service, method, path, target, body);
        self.router.intrusions.add(before, caller, request);
    }
}

fn by_hand(service: &str, method: &str, path: &str, target: &str, body: &str) -> MockRequest {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=BYHAND/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut headers = HeaderMap::new();
    for (name, text) in [("authorization", scope.as_str()), ("x-amz-target", target)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    MockRequest {
        method: method.to_owned(),
        uri: format!("http://sandbox{path}"),
        headers,
        body: body.to_owned().into(),
    }
}
