//! A session for each account, region and role, made once and shared.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::{Mutex, Notify, OnceCell};

use super::breaker::Phase;
use super::division::{Division, Workers};
use super::error::{AwsError, Class};
use super::guards::Guards;
use super::metrics::AwsMetrics;
use super::owner::BucketOwner;
use super::reply::ReplyCheck;
use super::service::Service;
use super::slot::Slot;
use crate::model::Clock;
use crate::web::{Web, network};

/// The longest that one AWS call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sessions kept at once: one for each environment's account, region and role.
const SESSIONS_MAX: usize = 500;

/// Where an environment lives: what tells one session from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// The region's code, such as `eu-west-1`; `None` is the region of the machine's own configuration.
    pub region: Option<String>,
    /// The account that the credentials have to belong to; `None` where any will do.
    pub account_id: Option<String>,
    /// The role that is assumed, by its ARN; `None` uses the credentials as they are.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for as external id. Given to AWS when the role is assumed.
    pub external_id: Option<String>,
    /// Where calls go instead of AWS's own endpoints.
    pub endpoint_url: Option<String>,
}

/// How AWS is reached. The default is the standard one: environment, profile, instance role.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Stands in for the network: an embedded AWS in the same process.
    pub http_client: Option<SharedHttpClient>,
    /// Used instead of the credentials that the machine's configuration gives.
    pub credentials: Option<SharedCredentialsProvider>,
    /// Used instead of the region that the machine's configuration gives.
    pub region: Option<String>,
    /// Overrides `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// Stands in for the network to everything else.
    pub web: Option<Arc<dyn Web>>,
    /// How many times AWS's default quotas this account has; 1 where it is not given.
    pub quota_scale: Option<f64>,
}

#[derive(Debug)]
struct ClockTime(Clock);

impl TimeSource for ClockTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

/// Makes and keeps sessions.
#[derive(Clone)]
pub struct Sessions {
    base: SdkConfig,
    quota_scale: f64,
    division: Arc<std::sync::Mutex<Division>>,
    web: Arc<dyn Web>,
    metrics: Option<AwsMetrics>,
    open: Arc<Mutex<HashMap<Target, Session>>>,
    /// AWS throttles an account and region as a whole, whichever role calls.
    guards: Arc<Mutex<HashMap<Where, Arc<Guards>>>>,
    closed: Arc<Notify>,
}

/// An account, where the environment names it, a region, and an endpoint of one's own.
type Where = (Option<String>, String, Option<String>);

fn named((account, region, endpoint): (Option<&str>, &str, Option<&str>)) -> String {
    let endpoint = endpoint.map(|endpoint| format!(" by {endpoint}")).unwrap_or_default();
    format!("{region} of {}{endpoint}", account.unwrap_or("the account at hand"))
}

impl Sessions {
    /// Reads the standard AWS configuration once.
    pub async fn new(connection: &Connection, clock: Clock, metrics: Option<AwsMetrics>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .time_source(SharedTimeSource::new(ClockTime(clock)));
        if let Some(client) = &connection.http_client {
            loader = loader.http_client(client.clone());
        }
        if let Some(credentials) = &connection.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if let Some(region) = &connection.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &connection.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let sessions = Self {
            base: loader.load().await,
            quota_scale: connection.quota_scale.unwrap_or(1.0),
            division: Arc::default(),
            web: connection.web.clone().unwrap_or_else(network),
            metrics,
            open: Arc::default(),
            guards: Arc::default(),
            closed: Arc::default(),
        };
        let home = sessions.place(&Target::default());
        sessions.division().set_home(home);
        sessions
    }

    /// Told whenever the breaker of some service closes: what was paused can be done now.
    pub fn breaker_closed(&self) -> Arc<Notify> {
        Arc::clone(&self.closed)
    }

    /// Services whose calls are paused by their breakers, with the region and, where it is named, the account.
    pub async fn paused(&self) -> Vec<String> {
        let guards = self.guards.lock().await;
        let paused = guards.iter().flat_map(|((account, region, _), guards)| {
            let account = account.as_ref().map(|account| format!(" of {account}"));
            let place = format!("{region}{}", account.unwrap_or_default());
            guards.paused().map(move |(service, phase)| {
                let tried = if phase == Phase::HalfOpen { " (half-open)" } else { "" };
                format!("{} in {place}{tried}", service.name())
            })
        });
        let mut paused: Vec<_> = paused.collect();
        paused.sort();
        paused
    }

    /// Where calls to a target go, as a name: targets of one place share AWS's quotas.
    pub fn place(&self, target: &Target) -> String {
        let region = self.base.region().map(ToString::to_string).unwrap_or_default();
        let (account, endpoint) = (target.account_id.as_deref(), target.endpoint_url.as_deref());
        let region = target.region.as_deref().unwrap_or(&region);
        named((account, region, endpoint))
    }

    /// Says who works where: each daemon has its part of the quotas.
    pub fn divide_quotas(&self, workers: Workers) {
        self.division().divide(workers);
    }

    fn division(&self) -> std::sync::MutexGuard<'_, Division> {
        // Numbers are whole, whoever panicked.
        self.division.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session in which trueup itself runs: its store's account and region.
    pub async fn home(&self) -> Result<Session, AwsError> {
        self.get(&Target::default()).await
    }

    /// The same, once it is sure that the credentials are those of the target's account.
    pub async fn get_in_account(&self, target: &Target) -> Result<Session, AwsError> {
        let session = self.get(target).await?;
        let Some(wanted) = &target.account_id else { return Ok(session) };
        let account = session.account_id().await?;
        if account == *wanted {
            return Ok(session);
        }
        let message =
            format!("the credentials belong to account {account}, the environment to {wanted}");
        Err(AwsError::new(Class::Denied, Service::Sts, "GetCallerIdentity", message))
    }

    /// The session for a target. No call is made here but the one that assumes a role, when the
    /// first request is signed.
    pub async fn get(&self, target: &Target) -> Result<Session, AwsError> {
        let mut open = self.open.lock().await;
        if let Some(session) = open.get(target) {
            return Ok(session.clone());
        }
        let mut config = self.base.to_builder();
        if let Some(region) = &target.region {
            config = config.region(Region::new(region.clone()));
        }
        if let Some(url) = &target.endpoint_url {
            config = config.endpoint_url(url);
        }
        let mut config = config.build();
        if let Some(role) = &target.role_arn {
            let mut provider = aws_config::sts::AssumeRoleProvider::builder(role)
                .configure(&config)
                .session_name("trueup");
            if let Some(id) = &target.external_id {
                provider = provider.external_id(id);
            }
            let credentials = SharedCredentialsProvider::new(provider.build().await);
            config = config.to_builder().credentials_provider(credentials).build();
        }
        let Some(region) = config.region().map(ToString::to_string) else {
            let message = "no AWS region; set spec.aws.region of the Environment, AWS_REGION, or a profile with a region";
            return Err(AwsError::new(Class::Invalid, Service::Sts, "GetCallerIdentity", message));
        };
        if open.len() >= SESSIONS_MAX {
            open.clear();
        }
        let place = (target.account_id.clone(), region.clone(), target.endpoint_url.clone());
        let mut guards = self.guards.lock().await;
        let guards = guards.entry(place).or_insert_with(|| {
            let closed = Arc::clone(&self.closed);
            let sharers = self.division().of(&self.place(target));
            let account = target.account_id.clone().unwrap_or_default();
            Arc::new(Guards::new(account, self.quota_scale, &sharers, closed))
        });
        let (guards, web) = (Arc::clone(guards), Arc::clone(&self.web));
        let session = Session::new(&config, region, guards, web, self.metrics.clone());
        open.insert(target.clone(), session.clone());
        Ok(session)
    }
}

/// The clients of one account, region and role. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
    /// The work that the calls are made for, where somebody gives places out.
    slot: Option<Slot>,
}

struct Inner {
    region: String,
    /// Where calls go instead of AWS.
    endpoint: Option<String>,
    clients: Clients,
    guards: Arc<Guards>,
    web: Arc<dyn Web>,
    metrics: Option<AwsMetrics>,
    account: Arc<OnceCell<String>>,
}

struct Clients {
    lambda: aws_sdk_lambda::Client,
    amplify: aws_sdk_amplify::Client,
    auto_scaling: aws_sdk_applicationautoscaling::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    secretsmanager: aws_sdk_secretsmanager::Client,
    ssm: aws_sdk_ssm::Client,
    sts: aws_sdk_sts::Client,
}

impl Session {
    fn new(
        config: &SdkConfig,
        region: String,
        guards: Arc<Guards>,
        web: Arc<dyn Web>,
        metrics: Option<AwsMetrics>,
    ) -> Self {
        let account = Arc::default();
        // An endpoint of one's own has no wildcard names for buckets.
        let s3 = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(config.endpoint_url().is_some())
            .interceptor(ReplyCheck)
            .interceptor(BucketOwner(Arc::clone(&account)))
            .build();
        macro_rules! client {
            ($sdk:ident) => {{
                let config = $sdk::config::Builder::from(config).interceptor(ReplyCheck).build();
                $sdk::Client::from_conf(config)
            }};
        }
        let clients = Clients {
            lambda: client!(aws_sdk_lambda),
            amplify: client!(aws_sdk_amplify),
            auto_scaling: client!(aws_sdk_applicationautoscaling),
            cloudwatch: client!(aws_sdk_cloudwatch),
            dynamodb: client!(aws_sdk_dynamodb),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secretsmanager: client!(aws_sdk_secretsmanager),
            ssm: client!(aws_sdk_ssm),
            sts: client!(aws_sdk_sts),
        };
        let endpoint = config.endpoint_url().map(str::to_owned);
        let inner = Arc::new(Inner { region, endpoint, clients, guards, web, metrics, account });
        Self { inner, slot: None }
    }

    /// The same for one piece of work: the slot knows while that only waits for a limit.
    pub fn working_in(self, slot: Slot) -> Self {
        Self { slot: Some(slot), ..self }
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// The region that calls go to, as its code.
    pub fn region(&self) -> &str {
        &self.inner.region
    }

    /// Where the calls to a service go, for people.
    pub(super) fn place(&self, service: Service) -> String {
        let aws = || format!("{} in {}", service.name(), self.region());
        self.inner.endpoint.clone().unwrap_or_else(aws)
    }

    /// The client of AWS Lambda. Its calls go through [`Self::read`] and [`Self::write`], as those of all clients.
    pub fn lambda(&self) -> &aws_sdk_lambda::Client {
        &self.inner.clients.lambda
    }

    /// The client of AWS Amplify.
    pub fn amplify(&self) -> &aws_sdk_amplify::Client {
        &self.inner.clients.amplify
    }

    /// The client of Application Auto Scaling.
    pub fn auto_scaling(&self) -> &aws_sdk_applicationautoscaling::Client {
        &self.inner.clients.auto_scaling
    }

    /// The client of Amazon CloudWatch.
    pub fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        &self.inner.clients.cloudwatch
    }

    /// The client of Amazon DynamoDB.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.inner.clients.dynamodb
    }

    /// The client of Amazon S3. Where the endpoint is not AWS's own, it names buckets in the path.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.inner.clients.s3
    }

    /// The client of AWS Secrets Manager.
    pub fn secretsmanager(&self) -> &aws_sdk_secretsmanager::Client {
        &self.inner.clients.secretsmanager
    }

    /// The client of AWS Systems Manager.
    pub fn ssm(&self) -> &aws_sdk_ssm::Client {
        &self.inner.clients.ssm
    }

    /// What is not AWS is reached by this.
    pub fn web(&self) -> &dyn Web {
        &*self.inner.web
    }

    pub(super) fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    pub(super) fn metrics(&self) -> Option<&AwsMetrics> {
        self.inner.metrics.as_ref()
    }

    /// The account that the credentials belong to; asked once.
    pub async fn account_id(&self) -> Result<String, AwsError> {
        let ask = || async {
            let read = self.read(Service::Sts, "GetCallerIdentity", || {
                self.inner.clients.sts.get_caller_identity().send()
            });
            Ok(read.await?.account().unwrap_or_default().to_owned())
        };
        self.inner.account.get_or_try_init(ask).await.cloned()
    }
}
