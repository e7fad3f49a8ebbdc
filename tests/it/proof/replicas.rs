//! Three real processes on one store: killed, stopped for longer than a lease at boundaries of AWS calls, with
//! clocks that are apart, and in a burst of all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trueup::model::condition_type;
use trueup::sandbox::{Call, Fault};
use trueup::store::Lease;

use super::figure;
use super::kill::{CREATES, MANIFESTS, shop_folder};
use super::live::{Live, difference, live};
use super::seeds::is_tried;
use super::served::{Daemon, Served};
use crate::harness::{TABLE, statuses};

/// A lease of the replicas, and the time in which another one notices.
const LEASE_AND_MORE: Duration = Duration::from_secs(4);

fn leases(aws: &Served) -> BTreeMap<String, Lease> {
    let leases = aws.runtime.block_on(aws.store.leases()).unwrap().into_iter();
    leases.map(|(name, lease)| (name, lease.unwrap())).collect()
}

/// The name, without what each process adds.
fn owner(lease: &Lease) -> &str {
    lease.owner.split('-').next().unwrap_or_default()
}

fn until_ready(aws: &Served, objects: usize) {
    aws.until("everything is ready", || {
        let statuses = aws.runtime.block_on(statuses(&aws.store, "proof"));
        let ready = statuses.iter().filter(|s| s.conditions.is_true(condition_type::READY));
        ready.count() == objects
    });
}

fn writes(aws: &Served, caller: &str) -> Vec<String> {
    let calls = aws.sandbox.calls().mutations(TABLE);
    calls.iter().filter(|call| call.caller == caller).map(Call::action).collect()
}

/// Stops the first daemon at a call for longer than its lease, lets others take over and finish, and lets it go
/// on. Returns what AWS holds then, every call, and how many writes the first one made after it went on.
fn stopped_at(manifests: &Path, fault: &str) -> (Live, Vec<Call>, usize) {
    let aws = Served::with(manifests);
    let faults = aws.sandbox.faults();
    faults.inject(fault.parse::<Fault>().unwrap().of("a"));
    let mut first = aws.replica("a", &[]);
    aws.until(&format!("the daemon comes to {fault}"), || faults.struck() > 0);
    first.signal("STOP");
    let (b, c) = (aws.replica("b", &[]), aws.replica("c", &[]));
    until_ready(&aws, 4);
    // The first one may have stopped after its last write.
    aws.until("another one has it", || leases(&aws).get("proof").is_some_and(|l| owner(l) != "a"));
    let epochs = || -> Vec<_> {
        let statuses = aws.runtime.block_on(statuses(&aws.store, "proof"));
        statuses.into_iter().map(|status| (status.id(), status.epoch)).collect()
    };
    let (before, done) = (epochs(), writes(&aws, "a").len());
    first.signal("CONT");
    faults.let_go();
    faults.clear();
    std::thread::sleep(LEASE_AND_MORE);
    assert!(first.lives(), "{}", first.log());
    let late = writes(&aws, "a").len() - done;
    for ((id, after), (_, before)) in epochs().into_iter().zip(before) {
        assert!(after >= before, "{fault}: the status of {id} went back");
    }
    until_ready(&aws, 4);
    for daemon in [first, b, c] {
        daemon.terminate();
    }
    (aws.runtime.block_on(live(&aws.sandbox)), aws.sandbox.calls().all(), late)
}

#[test]
fn a_daemon_that_was_stopped_at_any_call_does_nothing_once_others_have_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = shop_folder(folder.path(), MANIFESTS);
    let (reference, calls) = {
        let aws = Served::with(&manifests);
        let daemon = aws.replica("a", &[]);
        until_ready(&aws, 4);
        daemon.terminate();
        (aws.runtime.block_on(live(&aws.sandbox)), aws.sandbox.calls().all())
    };
    let ours = calls.iter().filter(|call| call.caller == "a").count();
    // Before the lease is taken there is nothing to take over.
    let boundaries = (8..ours).filter(|index| is_tried("stopped", *index));
    let faults: Vec<String> = boundaries.map(|index| format!("*:*=hold*1@{index}")).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (late_in_all, two_apps) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (end, calls, late) = stopped_at(&manifests, fault);
            let count = |action: &str| calls.iter().filter(|c| c.action() == action).count();
            // The one call that was on its way may be a create. AWS refuses it, but an app's: Amplify has no token
            // that would tell it from another app, so there are two then, and trueup follows the one that it knows.
            let is_wrong = |create: &&&str| !(1..=1 + late.min(1)).contains(&count(create));
            let twice: Vec<_> = CREATES.iter().filter(is_wrong).collect();
            let has_two_apps = late == 1 && count("amplify:CreateApp") == 2;
            let difference = match has_two_apps {
                true => String::new(),
                false => difference(&reference, &end).unwrap_or_default(),
            };
            late_in_all.fetch_add(late, Ordering::Relaxed);
            two_apps.fetch_add(usize::from(has_two_apps), Ordering::Relaxed);
            if !twice.is_empty() || !difference.is_empty() || late > 1 {
                let said = format!("{fault}: {twice:?} not once, {late} late\n{difference}");
                wrong.lock().unwrap().push(said);
            }
        }
    };
    // Most of a run is waiting.
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (late, two_apps) = (late_in_all.into_inner(), two_apps.into_inner());
    // Each is a call that was caught between the daemon and the wire.
    assert!(two_apps <= 1, "{two_apps} of {} boundaries left two apps", faults.len());
    figure(
        "replicas",
        &format!(
            "SIGSTOP for longer than a lease at {} boundaries: {two_apps} of them left two apps, {late} writes after SIGCONT",
            faults.len()
        ),
    );
}

/// libfaketime, which moves the clock of one process. Debian's package `faketime` has it.
fn fake_clock() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].map(PathBuf::from);
    let given = std::env::var_os("FAKETIME_LIBRARY").map(PathBuf::from);
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    given.into_iter().chain(found).find(|path| path.exists())
}

fn ahead<'a>(library: &'a str, by: &'a str) -> [(&'a str, &'a str); 3] {
    // Only what people call time moves; timers go on as they are.
    [("LD_PRELOAD", library), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
}

fn environment(name: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\n\
         spec: {{ aws: {{ region: us-east-1, accountId: \"123456789012\" }}, reconcile: {{ interval: 10s }} }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Bucket\nmetadata: {{ name: assets, namespace: {name} }}\n\
         spec: {{ versioning: Enabled }}\n---\n"
    )
}

/// Who has how many environments.
fn shares(aws: &Served) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for lease in leases(aws).values().filter(|lease| !lease.is_released) {
        *shares.entry(owner(lease).to_owned()).or_default() += 1;
    }
    shares
}

fn until_shared(aws: &Served, replicas: &[&str], each: usize) -> Duration {
    let begun = Instant::now();
    let even: BTreeMap<_, _> = replicas.iter().map(|name| ((*name).to_owned(), each)).collect();
    aws.until(&format!("{replicas:?} have {each} each"), || shares(aws) == even);
    begun.elapsed()
}

#[test]
fn three_processes_share_what_there_is_whatever_their_clocks_say() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("all.yaml");
    let names: Vec<String> = (0..12).map(|i| format!("e{i:02}")).collect();
    let text: String = names.iter().map(|name| environment(name)).collect();
    std::fs::write(&manifests, text).unwrap();
    let aws = Served::with(&manifests);
    let library = fake_clock().map(|path| path.display().to_string());
    if library.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI installs faketime");
        figure("replicas", "faketime is not here: the clocks of all processes agree");
    }
    let start = |name: &str, by: &str| -> Daemon {
        match &library {
            Some(library) => aws.replica(name, &ahead(library, by)),
            None => aws.replica(name, &[]),
        }
    };
    let (a, b, c) = (start("a", "+0"), start("b", "+600s"), start("c", "-30s"));
    let shared = until_shared(&aws, &["a", "b", "c"], 4);
    let members = aws.runtime.block_on(aws.store.members()).unwrap();
    if library.is_some() {
        let beat = |name: &str| {
            members.iter().find(|member| member.owner.starts_with(name)).unwrap().beat_at
        };
        assert!(beat("b").duration_since(beat("a")).as_secs() > 500, "{members:?}");
        assert!(beat("c").duration_since(beat("a")).as_secs() < -20, "{members:?}");
    }
    let epochs = || leases(&aws).values().map(|lease| lease.epoch).sum::<u64>();
    let before = epochs();
    std::thread::sleep(LEASE_AND_MORE * 2);
    assert_eq!(epochs(), before, "nobody took what was held");
    b.kill();
    let after_kill = until_shared(&aws, &["a", "c"], 6);
    let terminated = Instant::now();
    c.terminate();
    until_shared(&aws, &["a"], 12);
    let after_term = terminated.elapsed();
    let all_ready = || {
        names.iter().all(|name| {
            let statuses = aws.runtime.block_on(statuses(&aws.store, name));
            statuses.iter().any(|s| s.conditions.is_true(condition_type::READY))
        })
    };
    aws.until("everything is ready", all_ready);
    let creates = aws.sandbox.calls().counts()["s3:CreateBucket"];
    assert_eq!(creates, 12, "each bucket once");
    let said = String::from_utf8(aws.trueup(&["get", "members"]).stdout).unwrap();
    assert!(said.lines().nth(1).is_some_and(|line| line.starts_with("a-")), "{said}");
    a.terminate();
    figure(
        "replicas",
        &format!(
            "3 processes with leases of 2 s, clocks 30 s and 10 min off: shared after {:.1} s, after kill -9 {:.1} s, after SIGTERM {:.1} s",
            shared.as_secs_f64(),
            after_kill.as_secs_f64(),
            after_term.as_secs_f64()
        ),
    );
}

/// The network to DynamoDB alone fails for one of three processes: AWS is there as before.
#[test]
fn a_process_that_is_cut_off_from_its_store_writes_nothing_once_others_have_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("all.yaml");
    let names: Vec<String> = (0..6).map(|i| format!("e{i}")).collect();
    std::fs::write(&manifests, names.iter().map(|name| environment(name)).collect::<String>())
        .unwrap();
    let aws = Served::with(&manifests);
    let replicas = ["a", "b", "c"].map(|name| aws.replica(name, &[]));
    until_shared(&aws, &["a", "b", "c"], 2);
    let all_ready = |names: &[String]| {
        names.iter().all(|name| {
            let statuses = aws.runtime.block_on(statuses(&aws.store, name));
            statuses.iter().any(|s| s.conditions.is_true(condition_type::READY))
        })
    };
    aws.until("everything is ready", || all_ready(&names));
    let of_first: Vec<String> = leases(&aws)
        .into_iter()
        .filter(|(_, lease)| owner(lease) == "a")
        .map(|(name, _)| name)
        .collect();
    let epochs = || -> BTreeMap<_, _> {
        let of = |name: &String| aws.runtime.block_on(statuses(&aws.store, name));
        let all = names.iter().flat_map(|name| of(name).into_iter().map(move |s| (name, s)));
        all.map(|(name, s)| ((name.clone(), s.id()), s.epoch)).collect()
    };
    let before = epochs();
    let cut: Fault = "dynamodb:*=timeout".parse().unwrap();
    aws.sandbox.faults().inject(cut.of("a"));
    let cut_at = Instant::now();
    aws.until("others have what the first one had", || {
        let leases = leases(&aws);
        of_first.iter().all(|name| owner(&leases[name]) != "a" && !leases[name].is_released)
    });
    let taken_over = cut_at.elapsed();
    let done = writes(&aws, "a").len();
    // There is something to repair, for the first one too if it believes that the environments are still its own.
    let off = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Suspended</Status></VersioningConfiguration>";
    for name in &of_first {
        aws.ask("s3", "PUT", &format!("/{name}-assets?versioning"), "", off);
    }
    let repaired = |name: &String| {
        let calls = aws.sandbox.calls().mutations(TABLE);
        let of = |call: &&Call| {
            ["b", "c"].contains(&&*call.caller) && call.resource == format!("{name}-assets")
        };
        calls.iter().filter(of).filter(|call| call.operation == "PutBucketVersioning").count()
    };
    aws.until("others repair it", || of_first.iter().all(|name| repaired(name) > 0));
    let late = writes(&aws, "a").len() - done;
    aws.sandbox.faults().clear();
    until_shared(&aws, &["a", "b", "c"], 2);
    aws.until("everything is ready again", || all_ready(&names));
    let after = epochs();
    assert!(before.iter().all(|(of, epoch)| after[of] >= *epoch), "{before:?} {after:?}");
    let creates = aws.sandbox.calls().counts()["s3:CreateBucket"];
    assert_eq!((late, creates), (0, names.len() as u64), "late writes, and buckets made");
    for daemon in replicas {
        daemon.terminate();
    }
    figure(
        "replicas",
        &format!(
            "1 of 3 processes cut off from DynamoDB alone: its {} environments taken over after {:.1} s, {late} writes after that, {creates} buckets for {creates} objects",
            of_first.len(),
            taken_over.as_secs_f64()
        ),
    );
}
