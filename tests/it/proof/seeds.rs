//! Many worlds from many seeds, each in a runtime of its own under virtual time; and how much of what can be
//! enumerated is tried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of so many that could be tried, one is, where `PROOF` is not `full`.
const SPARSE: usize = 6;

/// How far apart what is tried lies: all of it is tried with `PROOF=full`, as CI does.
pub fn stride() -> usize {
    if std::env::var("PROOF").is_ok_and(|much| much == "full") { 1 } else { SPARSE }
}

/// Whether one of many is tried in this run. `item` shifts the choice, so that not the same ones are passed over
/// everywhere.
pub fn is_tried(item: &str, index: usize) -> bool {
    let shift = item.bytes().map(usize::from).sum::<usize>();
    (index + shift).is_multiple_of(stride())
}

/// So many, or the part of them that is tried in this run.
pub fn part_of(count: u64) -> u64 {
    count.div_ceil(stride() as u64)
}

/// The seeds of a run: so many as `PROOF_SEEDS` says, or as the item has by default; the one that
/// `PROOF_SEED` names, to replay it. They begin with `PROOF_FROM`, where it is given.
pub fn seeds(default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("PROOF_SEED") {
        Some(seed) => vec![seed],
        None => {
            let first = number("PROOF_FROM").unwrap_or(1);
            (first..first + number("PROOF_SEEDS").unwrap_or(default)).collect()
        }
    }
}

pub fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(future)
}

/// Held by the item that has the cores: two at once would take as long, and each its figure from the other.
static CORES: Mutex<()> = Mutex::new(());

/// Runs a world for each seed on every core; returns what they came to, and how long that took. Names the
/// seeds that fail.
pub fn every_seed<F, T: Send>(seeds: &[u64], world: impl Fn(u64) -> F + Sync) -> (Vec<T>, Duration)
where
    F: Future<Output = T>,
{
    // A failure of the one before is its own.
    let _alone = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let (ended, failed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            match catch_unwind(AssertUnwindSafe(|| in_virtual_time(world(*seed)))) {
                Ok(end) => ended.lock().unwrap().push(end),
                Err(_) => {
                    eprintln!("seed {seed} failed");
                    failed.lock().unwrap().push(*seed);
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds {failed:?} failed; replay one with PROOF_SEED={}", failed[0]);
    (ended.into_inner().unwrap(), begun.elapsed())
}
