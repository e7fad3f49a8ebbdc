//! `trueup sandbox`: an embedded AWS on loopback, the daemon on top of it, the sample environments
//! applied, and a live account of what is being made.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::apply_set;
use super::daemon::{Daemon, lease_owner, stop_on_signal};
use super::get::{Row, environment_rows};
use super::init::make_bucket;
use super::log::{LogFormat, log_to_stderr};
use super::out::say;
use super::provenance::ProvenanceArgs;
use super::show::{brief, table};
use super::{CliError, Connected, Home};
use crate::aws::{Class, Connection, Service};
use crate::engine::Config;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::manifest::{Scope, Set, Sources, load};
use crate::model::{Clock, SecretRef, condition_type, secret_references};
use crate::sandbox::{Behaviour, Fault, Load, Sandbox};
use crate::server::Access;
use crate::store::Verdict;
use serde::Deserialize;

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where the embedded AWS is served; loopback only.
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Where the daemon's health and metrics are served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// What is applied at the start.
    #[arg(long, default_value = "manifests", value_name = "DIR")]
    manifests: PathBuf,
    /// Serve only the embedded AWS.
    #[arg(long)]
    no_daemon: bool,
    /// Make calls fail, as lambda:CreateFunction=throttle*3. May be repeated.
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<Fault>,
    /// How long Lambda, DynamoDB and Amplify stay busy after a change, in milliseconds.
    #[arg(long, default_value_t = 500, value_name = "MS")]
    busy_ms: u64,
    /// Make so many requests a minute through every alias of a function.
    #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    traffic: Option<u32>,
    /// The part of its requests that a function's newest version fails, as 0.3; the first version never does.
    #[arg(long, default_value_t = 0.0, value_name = "PART", requires = "traffic")]
    error_rate: f64,
    /// Added to every call, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency_ms: u64,
}

/// Pause between two observations of what the daemon has done.
const OBSERVE_EVERY: Duration = Duration::from_millis(200);
/// Beyond this the account ends without everything being ready.
const READY_WITHIN: Duration = Duration::from_secs(300);
const MESSAGE_CHARS_MAX: usize = 70;

pub(super) async fn run(args: SandboxArgs, home: Home) -> Result<(), CliError> {
    log_to_stderr(LogFormat::Human, "error", None);
    let stop = stop_on_signal()?;
    let behaviour = Behaviour {
        busy_for: Duration::from_millis(args.busy_ms),
        // Of AWS's twenty minutes so much that a person sees it happen.
        restore_for: Duration::from_millis(args.busy_ms) * 10,
        // And of the hour after a change of a time to live.
        ttl_settles_for: Duration::from_millis(args.busy_ms) * 20,
        latency: Duration::from_millis(args.latency_ms),
    };
    let sandbox = Sandbox::new(behaviour, Clock::system());
    for fault in &args.faults {
        sandbox.faults().inject(fault.clone());
    }
    let refused = |e: crate::sandbox::ServeError| CliError::refused(e.to_string());
    let listener = Sandbox::bind(args.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(|e| CliError::io("the sandbox's port", e))?;
    let aws_stop = CancellationToken::new();
    let aws = tokio::spawn(sandbox.clone().serve(listener, aws_stop.clone()));
    say!(
        "embedded AWS on http://{address} (any credentials, account {})",
        crate::sandbox::ACCOUNT_ID
    );
    let users = args.traffic.map(|per_minute| {
        tokio::spawn(make_traffic(sandbox.clone(), per_minute, args.error_rate, stop.clone()))
    });
    if args.no_daemon {
        stop.cancelled().await;
    } else {
        with_daemon(&sandbox, &args, address, home, &stop).await?;
    }
    if let Some(users) = users {
        users.abort();
    }
    aws_stop.cancel();
    // Idle connections of clients may keep the server; the process need not wait for them.
    let _ = tokio::time::timeout(Duration::from_secs(2), aws).await;
    say!("sandbox ended; nothing is left behind");
    Ok(())
}

/// Requests of users, spread over the minute.
async fn make_traffic(sandbox: Sandbox, per_minute: u32, error_rate: f64, stop: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut made = 0;
    for second in 1_u64.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let so_far = u64::from(per_minute) * second / 60;
        let requests = u32::try_from(so_far - made).unwrap_or(per_minute);
        made = so_far;
        for (region, function, alias) in sandbox.aliases() {
            sandbox.load(&Load {
                region: &region,
                function: &function,
                alias: &alias,
                requests,
                // Where none is given, what a version says of itself counts.
                newest_error_rate: (error_rate > 0.0).then_some(error_rate),
            });
        }
    }
}

async fn with_daemon(
    sandbox: &Sandbox,
    args: &SandboxArgs,
    aws: SocketAddr,
    home: Home,
    stop: &CancellationToken,
) -> Result<(), CliError> {
    // Beyond the sandbox's own sites, pages are those of the network.
    let web = sandbox.web(crate::web::network());
    let connection = Connection { web: Some(web), ..sandbox.connection() };
    // Its region is the sandbox's.
    let home = Home { region: None, ..home };
    let connected = Connected::through(&connection, &home, Clock::system(), None).await?;
    let set = samples(args)?;
    connected.store.init().await?;
    prepare(&connected, &set).await?;
    apply_set(&connected, &set, &ProvenanceArgs::default()).await?;
    let config = Config::new(lease_owner(None), rand::random());
    let engine_stop = stop.child_token();
    let http = (args.http, Access::default());
    let daemon = tokio::select! {
        biased;
        started = Daemon::start(&connection, &home, http, config, engine_stop) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    say!("daemon on http://{}\n", args.http);
    let mut account = Account::new(&connected, &set);
    let told = async {
        account.until_ready().await?;
        summary(&connected, &account.environments).await?;
        what_to_try(aws, args.http)?;
        account.go_on().await
    };
    tokio::select! {
        () = stop.cancelled() => {}
        told = told => told?,
    }
    say!("\nstopping");
    daemon.ended().await
}

fn samples(args: &SandboxArgs) -> Result<Set, CliError> {
    let mut sources = Sources::default();
    sources.read(&args.manifests)?;
    Ok(load(sources, None, Scope::Whole)?)
}

/// Makes what manifests take for granted in a real account: artifact buckets, and the secrets that
/// they refer to, with made-up values.
async fn prepare(connected: &Connected, set: &Set) -> Result<(), CliError> {
    let mut secrets: BTreeSet<(String, SecretRef)> = BTreeSet::new();
    for object in set.objects() {
        for reference in secret_references(&object.spec) {
            secrets.insert((object.environment().to_owned(), reference));
        }
    }
    for object in set.objects().filter(|o| o.kind == environment::NAME) {
        let spec = EnvironmentSpec::deserialize(&*object.spec).unwrap_or_default();
        let session = connected.sessions.get(&spec.target()).await?;
        if let Some(artifacts) = &spec.artifacts {
            make_bucket(&session, &artifacts.bucket).await?;
        }
        for (_, reference) in secrets.iter().filter(|(name, _)| name == object.environment()) {
            make_secret(&session, reference).await?;
        }
    }
    Ok(())
}

async fn make_secret(session: &crate::aws::Session, reference: &SecretRef) -> Result<(), CliError> {
    let value = format!("sandbox-{:016x}", rand::random::<u64>());
    let made = match reference {
        SecretRef::SecretsManager(r) => {
            let text = match &r.key {
                Some(key) => serde_json::json!({ key.as_str(): value }).to_string(),
                None => value,
            };
            let call =
                session.secretsmanager().create_secret().name(&r.secret_id).secret_string(text);
            session.write(Service::SecretsManager, "CreateSecret", call.send()).await.map(drop)
        }
        SecretRef::Ssm(r) => {
            let kind = aws_sdk_ssm::types::ParameterType::SecureString;
            let call = session.ssm().put_parameter().name(&r.name).value(value).r#type(kind);
            session.write(Service::Ssm, "PutParameter", call.send()).await.map(drop)
        }
    };
    match made {
        // Two objects may share a secret.
        Err(error) if error.class != Class::Conflict && error.code != "ResourceExistsException" => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// A live account of what happens, for the terminal.
struct Account<'a> {
    connected: &'a Connected,
    environments: BTreeSet<&'a str>,
    begun: Instant,
    told: BTreeSet<(String, u32)>,
}

impl<'a> Account<'a> {
    fn new(connected: &'a Connected, set: &'a Set) -> Self {
        Self {
            connected,
            environments: set.objects().map(|o| o.environment()).collect(),
            begun: Instant::now(),
            told: BTreeSet::new(),
        }
    }

    /// Prints each event as it comes, until everything is ready.
    async fn until_ready(&mut self) -> Result<(), CliError> {
        while self.begun.elapsed() < READY_WITHIN {
            self.tell().await?;
            let (ready, all) = self.ready().await?;
            if all > 0 && ready == all && self.are_decided().await? {
                // What was recorded while it was counted.
                self.tell().await?;
                let seconds = self.begun.elapsed().as_secs_f64();
                say!("\nall {all} objects are Ready after {seconds:.1} s\n");
                return Ok(());
            }
            tokio::time::sleep(OBSERVE_EVERY).await;
        }
        say!("\nnot everything is ready yet:\n");
        Ok(())
    }

    /// Prints each event as it comes, for ever.
    async fn go_on(&mut self) -> Result<(), CliError> {
        loop {
            self.tell().await?;
            tokio::time::sleep(OBSERVE_EVERY).await;
        }
    }

    async fn tell(&mut self) -> Result<(), CliError> {
        let mut fresh = Vec::new();
        for environment in &self.environments {
            for event in self.connected.store.events(environment, 200).await? {
                if self.told.insert((event.id.clone(), event.count)) {
                    fresh.push(event);
                }
            }
        }
        fresh.sort_by(|a, b| a.id.cmp(&b.id));
        for event in fresh {
            let seconds = self.begun.elapsed().as_secs_f64();
            let made = ["Created", "Updated"].contains(&event.reason.as_str());
            // What a new resource is given stands in its manifest; what drifted does not.
            let message = match event.message.split_once(" (") {
                Some((what, _)) if made => what,
                _ => &event.message,
            };
            say!(
                "{seconds:6.1}s  {:12} {:16} {:15} {}",
                event.environment,
                // The environment stands beside it.
                event
                    .object
                    .strip_suffix(&format!("/{}", event.environment))
                    .unwrap_or(&event.object),
                event.reason,
                brief(message, MESSAGE_CHARS_MAX)
            );
        }
        Ok(())
    }

    /// No release is on its way any more: one that follows has something to go back to.
    async fn are_decided(&self) -> Result<bool, CliError> {
        let store = &self.connected.store;
        for environment in &self.environments {
            let Some(head) = store.head(environment).await? else { continue };
            let verdict = store.rollout(environment, head.release).await?.map(|r| r.verdict);
            if matches!(verdict.unwrap_or_default(), Verdict::Pending | Verdict::Progressing) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ready(&self) -> Result<(usize, usize), CliError> {
        let (mut ready, mut all) = (0, 0);
        for environment in &self.environments {
            let Some(head) = self.connected.store.head(environment).await? else { continue };
            let rows = environment_rows(self.connected, &head).await?;
            let is_ready =
                |row: &&Row| row.is_current() && row.condition(condition_type::READY) == "True";
            all += rows.len();
            ready += rows.iter().filter(is_ready).count();
        }
        Ok((ready, all))
    }
}

async fn summary(connected: &Connected, environments: &BTreeSet<&str>) -> Result<(), CliError> {
    let mut lines = Vec::new();
    for environment in environments {
        let Some(head) = connected.store.head(environment).await? else {
            continue;
        };
        for row in environment_rows(connected, &head).await? {
            let aws_name = row.status.as_ref().map(|s| s.aws_name.clone()).unwrap_or_default();
            lines.push(vec![
                (*environment).to_owned(),
                row.entry.name.clone(),
                row.entry.kind.clone(),
                row.condition(condition_type::READY),
                row.condition(condition_type::SYNCED),
                aws_name,
            ]);
        }
    }
    say!("{}", table(&["ENVIRONMENT", "NAME", "KIND", "READY", "SYNCED", "AWS NAME"], lines));
    Ok(())
}

fn what_to_try(aws: SocketAddr, http: SocketAddr) -> Result<(), CliError> {
    say!(
        "
Try, in another terminal:

  curl -s 'http://{http}/readyz?verbose'
  curl -s http://{http}/metrics | grep ^trueup_resources

  export AWS_ENDPOINT_URL=http://{aws} AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
  cargo run -- get
  cargo run -- describe production Function/api

Change something behind its back, with any AWS client, and see it repaired here at the next observation
(every 30 s in development, every 60 s elsewhere, or at once with `cargo run -- reconcile development`):

  aws lambda update-function-configuration --function-name development-api --memory-size 128

Ctrl-C ends it. What happens goes on below.
"
    );
    Ok(())
}
