//! Sends each request to its service, through the log, the faults and the latency.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_ssm::SsmService;
use winterbaume_sts::StsService;

use super::Behaviour;
use super::amplify::Amplify;
use super::call::{Call, CallLog};
use super::cbor;
use super::cloudwatch::CloudWatch;
use super::dynamodb::DynamoDb;
use super::exchange::Watcher;
use super::fault::{FaultKind, Faults, reply};
use super::intrusion::Intrusions;
use super::lag::Lag;
use super::lambda::Lambda;
use super::s3::S3;
use super::scaling::Scaling;
use super::uri::path_of;
use crate::model::Clock;

/// Longer than any client of ours waits for a reply.
const NO_REPLY_FOR: Duration = Duration::from_secs(90);

pub(super) struct Router {
    pub calls: CallLog,
    pub faults: Faults,
    pub lag: Lag,
    pub intrusions: Intrusions,
    pub watcher: Watcher,
    latency: Duration,
    busy_for: Duration,
    pub s3: Arc<S3>,
    dynamodb: DynamoDb,
    pub lambda: Lambda,
    pub amplify: Amplify,
    scaling: Scaling,
    pub cloudwatch: Arc<CloudWatch>,
    sts: StsService,
    secretsmanager: SecretsManagerService,
    ssm: SsmService,
}

/// What a client gets.
pub(super) enum Reply {
    Response(MockResponse),
    /// The connection ends without one.
    Lost,
}

impl Router {
    pub fn new(behaviour: Behaviour, clock: Clock) -> Self {
        let s3 = Arc::new(S3::new(clock));
        let cloudwatch = Arc::new(CloudWatch::new(clock));
        Self {
            calls: CallLog::default(),
            faults: Faults::default(),
            lag: Lag::default(),
            intrusions: Intrusions::default(),
            watcher: Watcher::default(),
            latency: behaviour.latency,
            busy_for: behaviour.busy_for,
            dynamodb: DynamoDb::new(&behaviour, clock, Arc::clone(&s3)),
            lambda: Lambda::new(
                behaviour.busy_for,
                clock,
                Arc::clone(&s3),
                Arc::clone(&cloudwatch),
            ),
            cloudwatch,
            amplify: Amplify::new(behaviour.busy_for, clock, Arc::clone(&s3)),
            scaling: Scaling::new(clock),
            s3,
            sts: StsService::new(),
            secretsmanager: SecretsManagerService::new(),
            ssm: SsmService::new(),
        }
    }

    /// Everything behind this speaks JSON, where a client may speak CBOR.
    pub async fn handle(&self, mut request: MockRequest) -> Reply {
        let is_cbor = request.headers.get("smithy-protocol").is_some_and(|p| p == "rpc-v2-cbor");
        if is_cbor {
            let asked = cbor::read(&request.body).unwrap_or_default();
            request.body = asked.to_string().into();
        }
        match self.handle_json(request).await {
            Reply::Response(response) if is_cbor => Reply::Response(cbor::response(response)),
            reply => reply,
        }
    }

    async fn handle_json(&self, mut request: MockRequest) -> Reply {
        request.body = unchunked(&request);
        let sent = self.watcher.begin(&request);
        let (call, request) = addressed(request);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let fault = self.faults.strike(&call);
        if fault == Some(FaultKind::Stop) {
            // It never arrived.
            return std::future::pending().await;
        }
        self.calls.push(call.clone());
        if let Some(first) = self.intrusions.take(&call) {
            self.serve_truly(first).await;
            // It was made a while ago: what it changed is not busy any more.
            tokio::time::sleep(self.busy_for).await;
        }
        match fault {
            Some(FaultKind::Timeout) => {
                tokio::time::sleep(NO_REPLY_FOR).await;
                return Reply::Lost;
            }
            None | Some(FaultKind::Hold | FaultKind::LostReply | FaultKind::StopAfter) => {}
            Some(kind) => return Reply::Response(reply(kind, &call, &request.body)),
        }
        let mut response = self.lagged(&call, request).await;
        identify(&mut response, &call, self.calls.total());
        // An effect is one, whether or not anybody hears of it.
        self.watcher.end(&call, sent, &response);
        match fault {
            Some(FaultKind::Hold) => self.faults.held().await,
            Some(FaultKind::LostReply) => return Reply::Lost,
            Some(FaultKind::StopAfter) => std::future::pending().await,
            _ => {}
        }
        Reply::Response(response)
    }

    /// Serves a request past the log and everything that goes wrong.
    pub async fn serve_truly(&self, request: MockRequest) -> MockResponse {
        let (call, request) = addressed(request);
        let response = self.serve(&call, request).await;
        if call.mutates {
            self.remember(&call).await;
        }
        response
    }

    pub async fn follow(&self, request: MockRequest) {
        let (call, request) = addressed(request);
        let now = self.serve(&call, request.clone()).await;
        self.lag.follow(call, request, now);
    }

    /// Serves a request, an eventually consistent read as it was some writes ago.
    async fn lagged(&self, call: &Call, request: MockRequest) -> MockResponse {
        if !self.lag.is_on() {
            return self.serve(call, request).await;
        }
        if call.mutates {
            let response = self.serve(call, request).await;
            self.remember(call).await;
            return response;
        }
        let response = self.serve(call, request.clone()).await;
        self.lag.read(call, request, response)
    }

    /// What every read of the service shows after a write.
    async fn remember(&self, write: &Call) {
        for (call, request) in self.lag.reads_of(write) {
            let response = self.serve(&call, request.clone()).await;
            self.lag.wrote(&request, response);
        }
    }

    async fn serve(&self, call: &Call, request: MockRequest) -> MockResponse {
        match call.service.as_str() {
            "s3" => self.s3.handle(call, request).await,
            "dynamodb" => self.dynamodb.handle(call, request).await,
            "lambda" => self.lambda.handle(call, &request).await,
            "amplify" => self.amplify.handle(call, &request).await,
            "application-autoscaling" => {
                self.scaling.handle(call, &request, (&self.dynamodb, &self.lambda)).await
            }
            "cloudwatch" => self.cloudwatch.handle(call, &request),
            "sts" => self.sts.handle(request).await,
            "secretsmanager" => self.secretsmanager.handle(request).await,
            "ssm" => self.ssm.handle(request).await,
            other => {
                let message = format!("the sandbox has no service `{other}`");
                winterbaume_core::rest_json_error(501, "NotImplemented", &message)
            }
        }
    }
}

/// What a request asks for, and the request as the emulators take it: they read service and region
/// from the host.
fn addressed(mut request: MockRequest) -> (Call, MockRequest) {
    let call = Call::of(&request);
    if !request.uri.contains(".amazonaws.com") {
        let query = request.uri.split_once('?').map(|(_, q)| format!("?{q}")).unwrap_or_default();
        let path = path_of(&request.uri);
        request.uri =
            format!("https://{}.{}.amazonaws.com{path}{query}", call.service, call.region);
    }
    (call, request)
}

/// The ids by which AWS's support finds a request:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html>.
fn identify(response: &mut MockResponse, call: &Call, number: u64) {
    let ids = match call.service.as_str() {
        "s3" => vec![
            ("x-amz-request-id", format!("{number:016X}")),
            ("x-amz-id-2", format!("sandbox{number:016X}")),
        ],
        _ => vec![("x-amzn-requestid", format!("00000000-0000-4000-8000-{number:012x}"))],
    };
    for (name, id) in ids {
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers.insert(name, id);
        }
    }
}

/// A body without the framing of `aws-chunked`:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>.
fn unchunked(request: &MockRequest) -> Bytes {
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let framed = header("x-amz-content-sha256").starts_with("STREAMING-")
        || header("content-encoding").contains("aws-chunked");
    if !framed {
        return request.body.clone();
    }
    let mut out = Vec::new();
    let mut rest: &[u8] = &request.body;
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let line = String::from_utf8_lossy(&rest[..end]);
        let size = line.split(';').next().unwrap_or_default();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        let begin = end + 2;
        if size == 0 || begin + size > rest.len() {
            break;
        }
        out.extend_from_slice(&rest[begin..begin + size]);
        rest = rest.get(begin + size + 2..).unwrap_or_default();
    }
    Bytes::from(out)
}
