//! An embedded AWS, for trying trueup, testing it and measuring it.
//!
//! It stands in two places: in process, as the SDK's HTTP client ([`Sandbox::connection`]), and on
//! a loopback port, for every other AWS client ([`Sandbox::serve`]).
//!
//! DynamoDB, S3, STS, Secrets Manager and SSM are the `winterbaume` crates'. Lambda and Amplify are
//! ours, since what matters to an operator is what those two do over time: states, jobs, versions,
//! pages. Around all of it stand the call log, the faults, the latency and DynamoDB's own busy states
//! (`router`). Each rule of behaviour cites the AWS page that it follows.
//!
//! Nothing above depends on it but `cli` and the tests.

mod amplify;
mod call;
mod client;
mod dynamodb;
mod fault;
mod lambda;
mod listen;
mod rest;
mod router;
mod uri;

pub use call::{Call, CallLog};
pub use fault::{Fault, FaultKind, Faults};
pub use listen::ServeError;

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::aws::Connection;
use crate::model::Clock;
use client::InProcess;
use router::Router;

/// The account that everything in the sandbox belongs to.
pub const ACCOUNT_ID: &str = "123456789012";
pub const REGION: &str = "us-east-1";

/// How the sandbox behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How long Lambda, DynamoDB and Amplify stay busy after a change.
    pub busy_for: Duration,
    /// Added to every call.
    pub latency: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { busy_for: Duration::from_millis(500), latency: Duration::ZERO }
    }
}

/// The embedded AWS. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    router: Arc<Router>,
}

impl Sandbox {
    pub fn new(behaviour: Behaviour, clock: Clock) -> Self {
        Self { router: Arc::new(Router::new(behaviour, clock)) }
    }

    /// Reaches the sandbox from this process, without a network.
    pub fn connection(&self) -> Connection {
        let credentials = Credentials::new("AKIDSANDBOX", "sandbox", None, None, "sandbox");
        Connection {
            http_client: Some(SharedHttpClient::new(InProcess::new(Arc::clone(&self.router)))),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            region: Some(REGION.to_owned()),
            endpoint_url: None,
        }
    }

    /// Every call that was made.
    pub fn calls(&self) -> &CallLog {
        &self.router.calls
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.router.faults
    }
}
