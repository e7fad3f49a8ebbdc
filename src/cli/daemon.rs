//! `trueup run`: wires the daemon up, and takes it down in order.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::log::{LogFormat, log_to_stderr};
use super::traces::Traces;
use super::{CliError, Connected, Home};
use crate::aws::{AwsMetrics, Connection};
use crate::engine::backoff::{Backoff, WAITING};
use crate::engine::{Config, Engine, EngineMetrics, Health, Rng};
use crate::model::{Clock, parse_duration};
use crate::server::{self, Access};
use crate::store::StoreError;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Where health and metrics are served, as 127.0.0.1:8080, or :8080 on every address.
    #[arg(long, env = "TRUEUP_HTTP", default_value = "127.0.0.1:8080", value_parser = address)]
    http: SocketAddr,
    /// A certificate as PEM, with those that lead to its root: the endpoints speak TLS. Renewed files are read
    /// within half a minute.
    #[arg(long, requires = "http_tls_key", value_name = "FILE")]
    http_tls_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM.
    #[arg(long, requires = "http_tls_cert", value_name = "FILE")]
    http_tls_key: Option<PathBuf>,
    /// A token: without `Authorization: Bearer TOKEN`, the endpoints say no more than whether all is well.
    #[arg(long, value_name = "FILE")]
    http_token_file: Option<PathBuf>,
    /// Objects worked on at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    #[arg(long, value_enum, env = "TRUEUP_LOG_FORMAT", default_value_t)]
    log_format: LogFormat,
    /// Seeds all jitter; at random where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// A name for this daemon, as people see it in `trueup get members` and in logs. The process adds something
    /// to it: two daemons of the same name do not share their leases.
    #[arg(long, alias = "holder", env = "TRUEUP_LEASE_OWNER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    lease_owner: Option<String>,
    /// After so long without a renewal, another daemon takes an environment over. Leases are renewed after a third
    /// of it, one write to the store each. From 2s to 10m.
    #[arg(long, env = "TRUEUP_LEASE_DURATION", default_value = "15s", value_parser = lease_duration, value_name = "TIME")]
    lease_duration: Duration,
    /// Objects that are not well have metrics of their own, in environments of up to so many objects.
    #[arg(
        long,
        env = "TRUEUP_OBJECT_METRICS_MAX",
        default_value_t = 5_000,
        value_name = "OBJECTS"
    )]
    object_metrics_max: usize,
    /// Where a trace of each pass is sent by OTLP over HTTP, as http://127.0.0.1:4318; nowhere without it.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Take signed releases only, in every environment, whatever the store says.
    #[arg(long)]
    pub(super) require_signature: bool,
    /// How many times AWS's default quotas the account has: calls are paced under them.
    #[arg(long, default_value_t = 1.0, value_parser = positive, value_name = "TIMES")]
    quota_scale: f64,
}

/// A port alone is one of every address.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let help =
        || format!("`{text}` is no address; write ADDRESS:PORT, as 127.0.0.1:8080, or :8080");
    whole.parse().map_err(|_| help())
}

fn lease_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if LEASE_DURATIONS.contains(&duration) {
        return Ok(duration);
    }
    Err(format!("a lease lasts from 2s to 10m, not {text}"))
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number above 0"))
}

/// Shorter ones would be lost whenever a machine is busy; longer ones leave an environment alone for long.
const LEASE_DURATIONS: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(600);

pub(super) async fn run(args: RunArgs, home: &Home) -> Result<(), CliError> {
    let traces = args.otlp_endpoint.as_deref().map(Traces::to).transpose()?;
    log_to_stderr(args.log_format, "info", traces.as_ref());
    raise_open_files();
    let stop = stop_on_signal()?;
    let mut config = Config::new(
        lease_owner(args.lease_owner.as_deref()),
        args.seed.unwrap_or_else(rand::random),
    );
    config.concurrency = usize::from(args.concurrency);
    config.object_metrics_max = args.object_metrics_max;
    config.lease_for = args.lease_duration;
    config.requires_signature = args.require_signature;
    if config.requires_signature && home.keys.is_none() {
        return Err(CliError::usage("--require-signature needs keys: add --signing-key-file FILE"));
    }
    let pair = args.http_tls_cert.as_deref().zip(args.http_tls_key.as_deref());
    let access = Access::read(pair, args.http_token_file.as_deref())
        .map_err(|error| CliError::refused(error.to_string()))?;
    let connection = Connection {
        quota_scale: Some(args.quota_scale),
        region: home.region.clone(),
        ..Connection::default()
    };
    let started = Daemon::start(&connection, home, (args.http, access), config, stop.clone());
    // What hangs at the start holds nothing up.
    let ended = tokio::select! {
        biased;
        started = started => started?.ended().await,
        () = stop.cancelled() => {
            info!("stopped before the store answered; nothing was begun");
            Ok(())
        }
    };
    if let Some(traces) = traces {
        // It waits for another thread.
        let _ = tokio::task::spawn_blocking(|| traces.end()).await;
    }
    ended
}

/// Sockets to AWS and to those who ask for metrics are files. The usual soft limit of 1,024 is for programs
/// that use select(2): systemd's advice is to raise it to the hard one.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files_max) => debug!(open_files_max, "limit of open files"),
        Err(error) => warn!(%error, "the limit of open files could not be raised"),
    }
}

/// A daemon that runs.
pub(super) struct Daemon {
    engine: tokio::task::JoinHandle<()>,
    server: tokio::task::JoinHandle<()>,
    server_stop: CancellationToken,
}

impl Daemon {
    /// Binds the port, opens the store, which it waits for, and starts.
    pub async fn start(
        connection: &Connection,
        home: &Home,
        (http, access): (SocketAddr, Access),
        config: Config,
        stop: CancellationToken,
    ) -> Result<Self, CliError> {
        let registry = Registry::new();
        let names = |e: prometheus::Error| CliError::refused(format!("metrics: {e}"));
        registry.register(Box::new(ProcessCollector::for_self())).map_err(names)?;
        let aws_metrics = AwsMetrics::register(&registry).map_err(names)?;
        let metrics = EngineMetrics::register(&registry).map_err(names)?;
        EngineMetrics::register_lease_owner(&registry, &config.owner).map_err(names)?;
        let listener = server::bind(http).await.map_err(|e| CliError::refused(e.to_string()))?;
        let health = Health::default();
        let server_stop = CancellationToken::new();
        // Probes are answered while the store is waited for.
        let exemplars = metrics.exemplars.clone();
        let served = server::serve(
            listener,
            health.clone(),
            registry,
            exemplars,
            access,
            server_stop.clone(),
        );
        let server = tokio::spawn(served);
        info!(%http, table = home.table, "health and metrics are served");
        let clock = Clock::system();
        let connected = Connected::through(connection, home, clock, Some(aws_metrics)).await?;
        let engine = open(&connected, &config, &metrics, &health).await?;
        Ok(Self { server, engine: tokio::spawn(engine.run(stop)), server_stop })
    }

    /// Waits for the engine to stop; the endpoints answer until then.
    pub async fn ended(self) -> Result<(), CliError> {
        let ended = self.engine.await.map_err(|error| {
            CliError::refused(format!("the engine died, which is a bug in trueup: {error}"))
        });
        self.server_stop.cancel();
        // Open connections may keep the server; the process need not wait for them.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.server).await;
        ended
    }
}

/// Opens the store. One that does not answer, or not as a store, is asked again until it does; `/readyz` says why
/// nothing happens. A table that is not there, or that a newer version wrote, waits for a person: an error.
async fn open(
    connected: &Connected,
    config: &Config,
    metrics: &EngineMetrics,
    health: &Health,
) -> Result<Engine, CliError> {
    let (mut backoff, rng) = (Backoff::default(), Rng::seeded(config.seed));
    loop {
        health.turned();
        let opened = Engine::new(
            config.clone(),
            connected.store.clone(),
            connected.sessions.clone(),
            metrics.clone(),
            health.clone(),
        );
        let error = match opened.await {
            Ok(engine) => return Ok(engine),
            Err(error @ (StoreError::TableMissing { .. } | StoreError::Newer { .. })) => {
                return Err(error.into());
            }
            Err(error) => error,
        };
        let wait = backoff.next(WAITING, &rng);
        warn!(%error, wait_ms = wait.as_millis(), "the store cannot be opened; trying again");
        metrics.store_errors.inc();
        health.set_store(Err(error.to_string()));
        tokio::time::sleep(wait).await;
    }
}

/// Cancelled by SIGTERM, SIGINT, or SIGHUP, which a closed terminal sends.
pub(super) fn stop_on_signal() -> Result<CancellationToken, CliError> {
    let stop = CancellationToken::new();
    let listen = |kind| signal(kind).map_err(|e| CliError::io("cannot listen for signals", e));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(stop)
}

/// Names this process among daemons: a name, by default the host's, and something of its own. No two processes
/// are one owner, whatever they are called.
pub(super) fn lease_owner(name: Option<&str>) -> String {
    let host = || std::env::var("HOSTNAME").unwrap_or_else(|_| "trueup".to_owned());
    let name = name.map_or_else(host, str::to_owned);
    format!("{name}-{}-{:08x}", std::process::id(), rand::random::<u32>())
}
