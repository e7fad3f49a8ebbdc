//! Sends each request to its service, through the log, the faults and the latency.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_ssm::SsmService;
use winterbaume_sts::StsService;

use super::Behaviour;
use super::amplify::Amplify;
use super::call::{Call, CallLog};
use super::dynamodb::DynamoDb;
use super::fault::{FaultKind, Faults, reply};
use super::lambda::Lambda;
use super::uri::path_of;
use crate::model::Clock;

/// Longer than any client of ours waits for a reply.
const NO_REPLY_FOR: Duration = Duration::from_secs(90);

pub(super) struct Router {
    pub calls: CallLog,
    pub faults: Faults,
    latency: Duration,
    s3: Arc<S3Service>,
    dynamodb: DynamoDb,
    lambda: Lambda,
    amplify: Amplify,
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
        let s3 = Arc::new(S3Service::new());
        Self {
            calls: CallLog::default(),
            faults: Faults::default(),
            latency: behaviour.latency,
            dynamodb: DynamoDb::new(behaviour.busy_for),
            lambda: Lambda::new(behaviour.busy_for, clock, Arc::clone(&s3)),
            amplify: Amplify::new(behaviour.busy_for, clock, Arc::clone(&s3)),
            s3,
            sts: StsService::new(),
            secretsmanager: SecretsManagerService::new(),
            ssm: SsmService::new(),
        }
    }

    pub async fn handle(&self, mut request: MockRequest) -> Reply {
        request.body = unchunked(&request);
        let call = Call::of(&request);
        // The emulators read service and region from the host.
        if !request.uri.contains(".amazonaws.com") {
            let query =
                request.uri.split_once('?').map(|(_, q)| format!("?{q}")).unwrap_or_default();
            let path = path_of(&request.uri);
            request.uri =
                format!("https://{}.{}.amazonaws.com{path}{query}", call.service, call.region);
        }
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let fault = self.faults.strike(&call);
        self.calls.push(call.clone());
        match fault {
            None => Reply::Response(self.serve(&call, request).await),
            Some(FaultKind::LostReply) => {
                self.serve(&call, request).await;
                Reply::Lost
            }
            Some(FaultKind::Timeout) => {
                tokio::time::sleep(NO_REPLY_FOR).await;
                Reply::Lost
            }
            Some(kind) => Reply::Response(reply(kind, &call)),
        }
    }

    async fn serve(&self, call: &Call, request: MockRequest) -> MockResponse {
        match call.service.as_str() {
            "s3" => self.s3.handle(request).await,
            "dynamodb" => self.dynamodb.handle(call, request).await,
            "lambda" => self.lambda.handle(call, &request).await,
            "amplify" => self.amplify.handle(call, &request).await,
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
