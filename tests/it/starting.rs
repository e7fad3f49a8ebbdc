//! A daemon that starts while its store does not answer, or not as a store: it waits, says why, and recovers by
//! itself.

use std::time::Instant;

use trueup::sandbox::Fault;

use crate::binary::get;
use crate::harness::DAEMON;
use crate::proof::kill::{MANIFESTS, shop_folder};
use crate::proof::served::Served;

/// What the store does, and what `/readyz` says of it.
const TROUBLES: [(&str, &str); 6] = [
    ("dynamodb:*=500", "InternalFailure"),
    ("dynamodb:*=garbage", "dynamodb"),
    ("dynamodb:*=empty", "was not made by `trueup init`"),
    ("dynamodb:*=denied", "AccessDenied"),
    ("dynamodb:*=expired", "xpired"),
    ("dynamodb:*=page", "dynamodb"),
];

#[test]
fn a_daemon_waits_for_a_store_that_fails_at_the_start_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let aws = Served::with(&shop_folder(folder.path(), MANIFESTS));
    for (fault, reason) in TROUBLES {
        aws.sandbox.faults().inject(fault.parse::<Fault>().unwrap().of(DAEMON));
        let http = free_address();
        let mut daemon = aws.replica_on(DAEMON, &http, &[]);
        let tries = || daemon.log().matches("the store cannot be opened; trying again").count();
        aws.until("the store is tried again", || tries() >= 3);
        let (status, said) = get(&http, "/readyz?verbose");
        let store = said.lines().find(|line| line.starts_with("[-]store")).unwrap_or_default();
        assert!(status == 503 && store.contains(reason), "{fault}: {status} {said}");
        assert_eq!(get(&http, "/livez").0, 200, "{fault}: nothing has to be restarted");
        assert!(daemon.lives(), "{fault}");
        let writes = aws.sandbox.calls().all().into_iter().filter(|c| c.caller == DAEMON);
        let writes: Vec<_> = writes.filter(|c| c.service != "dynamodb").collect();
        assert!(writes.is_empty(), "{fault}: nothing is done meanwhile: {writes:?}");

        assert!(aws.sandbox.faults().struck() >= 3, "{fault}");
        aws.sandbox.faults().clear();
        aws.until("it is ready", || get(&http, "/readyz").0 == 200);
        daemon.terminate();
        aws.sandbox.calls().clear();
    }
}

#[test]
fn a_daemon_that_hangs_at_the_start_ends_at_once_when_it_is_asked_to() {
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    aws.sandbox.calls().clear();
    aws.sandbox.faults().inject("dynamodb:*=stop".parse::<Fault>().unwrap().of(DAEMON));
    let daemon = aws.replica_on(DAEMON, &free_address(), &[]);
    aws.until("the store hangs", || aws.sandbox.faults().has_stopped(DAEMON));
    let asked = Instant::now();
    daemon.terminate();
    println!("it ended {:?} after SIGTERM", asked.elapsed());
    let calls = aws.sandbox.calls().all();
    let calls: Vec<_> = calls.iter().filter(|call| call.caller == DAEMON).collect();
    assert!(calls.len() <= 1, "it did not wait until the call failed and another one was made");
}

/// A port that nobody has.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
