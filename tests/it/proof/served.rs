//! An embedded AWS of this process on a port, for the real binary: what goes wrong is decided here.

use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use trueup::aws::Sessions;
use trueup::model::Clock;
use trueup::sandbox::{Behaviour, Sandbox};
use trueup::store::Store;

use crate::harness::{DAEMON, TABLE};
use crate::sweep::leak;

/// What a busy machine may take; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Served {
    pub sandbox: Sandbox,
    pub store: Store,
    pub runtime: Runtime,
    url: String,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A daemon that does not outlive its test. Its log is swept in the end.
pub struct Daemon {
    process: Child,
    log: NamedTempFile,
}

impl Daemon {
    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal, as STOP or CONT.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "kill -{name}");
    }

    /// It has not ended by itself.
    pub fn lives(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Ends it as SIGTERM does.
    pub fn terminate(mut self) {
        self.signal("TERM");
        assert!(self.process.wait().unwrap().success());
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            assert_eq!(leak(&self.log()), None);
        }
    }
}

impl Served {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let behaviour = Behaviour {
            busy_for: Duration::from_millis(20),
            restore_for: Duration::from_millis(200),
            ttl_settles_for: Duration::ZERO,
            ..Behaviour::default()
        };
        let sandbox = Sandbox::new(behaviour, Clock::system());
        let stop = CancellationToken::new();
        let (url, store) = runtime.block_on(async {
            let listener = Sandbox::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(sandbox.clone().serve(listener, stop.clone()));
            let sessions = Sessions::new(&sandbox.connection(), Clock::system(), None).await;
            (url, Store::new(sessions.home().await.unwrap(), TABLE, Clock::system()))
        });
        Self { sandbox, store, runtime, url, stop }
    }

    /// One on which manifests were applied. Its store has the same id in every run, so that uids repeat.
    pub fn with(manifests: &Path) -> Self {
        let aws = Self::start();
        aws.done(&["init", "--bucket", "artifacts"]);
        let name = r#"{"TableName":"trueup","Key":{"pk":{"S":"store"},"sk":{"S":"identity"}},"UpdateExpression":"SET id = :id","ExpressionAttributeValues":{":id":{"S":"the-store"}}}"#;
        aws.ask("dynamodb", "POST", "/", "DynamoDB_20120810.UpdateItem", name);
        aws.apply(manifests);
        aws.sandbox.calls().clear();
        aws
    }

    fn command(&self, access_key: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE");
        command
    }

    /// One verb; what it says is swept.
    pub fn trueup(&self, arguments: &[&str]) -> Output {
        self.trueup_as("OPERATOR", arguments)
    }

    /// The same, signed by somebody else.
    pub fn trueup_as(&self, caller: &str, arguments: &[&str]) -> Output {
        let output = self.command(caller).args(arguments).output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert_eq!(leak(&String::from_utf8_lossy(said)), None, "{arguments:?}");
        }
        output
    }

    /// The verb succeeds.
    pub fn done(&self, arguments: &[&str]) {
        let output = self.trueup(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub fn apply(&self, manifests: &Path) {
        self.done(&["apply", "-f", manifests.to_str().unwrap()]);
    }

    /// A daemon with a short lease, so that the next one need not wait for long.
    pub fn daemon(&self) -> Daemon {
        self.replica(DAEMON, &[])
    }

    /// The same, whose calls are signed by `caller`, in an environment of its own.
    pub fn replica(&self, caller: &str, variables: &[(&str, &str)]) -> Daemon {
        self.replica_on(caller, "127.0.0.1:0", variables)
    }

    /// The same, whose metrics are served on an address.
    pub fn replica_on(&self, caller: &str, http: &str, variables: &[(&str, &str)]) -> Daemon {
        let mut command = self.command(caller);
        command.args(["run", "--http", http, "--seed", "7", "--lease-duration", "2s"]);
        command.args(["--lease-owner", caller]).envs(variables.iter().copied());
        let log = NamedTempFile::new().unwrap();
        let process = command.stderr(log.reopen().unwrap()).spawn().unwrap();
        Daemon { process, log }
    }

    /// One request as a client sends it, which AWS takes.
    pub fn ask(&self, service: &str, method: &str, path: &str, target: &str, body: &str) {
        let asked = self.sandbox.ask(service, method, path, target, body);
        let (status, said) = self.runtime.block_on(asked);
        assert!(status < 300, "{method} {path} {target}: {said}");
    }

    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
