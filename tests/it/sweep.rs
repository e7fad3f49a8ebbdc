//! Every test's logs, store and metrics are swept for the secrets that the tests plant.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use futures::FutureExt;
use prometheus::Registry;
use tokio::task::unconstrained;
use trueup::sandbox::Sandbox;

/// What the proof's secrets begin with.
pub const PLANTED: &str = "planted-secret";

/// What planted secrets contain, as they are and as Amplify's credentials hold them.
const MARKERS: [&str; 3] = [PLANTED, "dXNlcjpwbGFudGVkLXNlY3Jld", "hunter2"];

static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SWEPT_BYTES: AtomicU64 = AtomicU64::new(0);

/// The first planted secret in a text, with what stands around it.
pub fn leak(text: &str) -> Option<String> {
    SWEPT_BYTES.fetch_add(text.len() as u64, Ordering::Relaxed);
    let at = MARKERS.iter().find_map(|marker| text.find(marker))?;
    let around = text.get(at.saturating_sub(120)..(at + 60).min(text.len()));
    Some(around.unwrap_or(text).to_owned())
}

pub fn swept_bytes() -> u64 {
    SWEPT_BYTES.load(Ordering::Relaxed)
}

/// Logs go nowhere but through the sweep.
struct Sweeper;

impl Write for Sweeper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let found = leak(&String::from_utf8_lossy(bytes));
        LEAKS.lock().unwrap().extend(found.map(|text| format!("log: {text}")));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sweeps the logs of this process from now on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let logs = tracing_subscriber::fmt().with_env_filter("trueup=trace,warn");
        logs.with_ansi(false).with_writer(|| Sweeper).init();
    });
}

/// In process and uncontended, the reply is there at once; tokio would have a task that did much pause first.
fn at_once(sandbox: &Sandbox, body: &str) -> (u16, String) {
    let scan = sandbox.ask("dynamodb", "POST", "/", "DynamoDB_20120810.Scan", body);
    unconstrained(scan).now_or_never().expect("the embedded AWS answers at once")
}

/// What leaked: into a log of this process, or into this world's store or metrics.
pub fn leaks(sandbox: &Sandbox, table: &str, registry: &Registry) -> Vec<String> {
    let mut found = LEAKS.lock().unwrap().clone();
    let body = format!("{{\"TableName\":\"{table}\"}}");
    let (status, items) = at_once(sandbox, &body);
    assert_eq!(status, 200, "{items}");
    found.extend(leak(&items).map(|text| format!("store: {text}")));
    let metrics = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    found.extend(leak(&metrics).map(|text| format!("metrics: {text}")));
    found
}

/// Reasons in this world's store and names of its metrics that docs/ does not explain.
pub fn undocumented(sandbox: &Sandbox, table: &str, registry: &Registry) -> BTreeSet<String> {
    let reasons = include_str!("../../docs/reasons.md");
    let metrics = include_str!("../../docs/metrics.md");
    let body = format!("{{\"TableName\":\"{table}\"}}");
    let (_, items) = at_once(sandbox, &body);
    let given =
        items.split("\"reason\":{\"S\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let unexplained = given.filter(|reason| !reasons.contains(&format!("`{reason}`")));
    let names = registry.gather().into_iter().map(|family| family.name().to_owned());
    let unnamed = names.filter(|name| !metrics.contains(&format!("| `{name}` |")));
    unexplained.map(str::to_owned).chain(unnamed).collect()
}
