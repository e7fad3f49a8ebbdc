//! Who takes part: this daemon's own beats, and which of the others live.
//!
//! Left to others: what each should have (`share.rs`). Nothing that is safe depends on this; leases do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::lease::Unchanged;
use crate::store::Member;

/// Daemons that share one store at most; more are passed over.
const MEMBERS_MAX: usize = 100;
/// A record that nobody renews is forgotten after so many times the silence of the dead.
const FORGOTTEN_AFTER: u32 = 20;
/// Beats within the time of silence after which a daemon is taken for dead.
const BEATS_IN_DURATION: u32 = 5;

/// The daemons of one store, as this one sees them.
#[derive(Debug)]
pub(super) struct Members {
    own: Member,
    beat_at: Option<Instant>,
    others: BTreeMap<String, Unchanged<Member>>,
    /// Since when the same members live.
    settled: Instant,
    live: Vec<String>,
}

impl Members {
    pub fn new(owner: &str, duration: Duration, now: Timestamp) -> Self {
        Self {
            own: Member::new(owner, duration, now),
            beat_at: None,
            others: BTreeMap::new(),
            settled: Instant::now(),
            live: Vec::new(),
        }
    }

    /// The next beat, if it is time for one.
    pub fn next_beat(&mut self, now: Timestamp) -> Option<Member> {
        let every = self.own.duration() / BEATS_IN_DURATION;
        if self.beat_at.is_some_and(|at| at.elapsed() < every) {
            return None;
        }
        self.beat_at = Some(Instant::now());
        self.own.beats += 1;
        self.own.beat_at = now;
        Some(self.own.clone())
    }

    /// It failed: the next one is due at once.
    pub fn beat_failed(&mut self) {
        self.beat_at = None;
    }

    /// From now on this daemon takes nothing, which others learn with the next beat, due at once.
    pub fn leave(&mut self) {
        self.own.is_leaving = true;
        self.beat_at = None;
    }

    /// What the store has of this daemon.
    pub fn own(&self) -> &Member {
        &self.own
    }

    /// Takes what the store has, once it has a beat of this daemon. Returns those that were silent for so long that
    /// they can be forgotten.
    pub fn saw(&mut self, members: Vec<Member>) -> Vec<Member> {
        let owner = self.own.owner.clone();
        let others = || members.iter().filter(|member| member.owner != owner).take(MEMBERS_MAX);
        self.others.retain(|name, _| others().any(|member| member.owner == *name));
        for member in others() {
            self.others
                .entry(member.owner.clone())
                .and_modify(|known| known.saw(member.clone(), |a, b| a.beats == b.beats))
                .or_insert_with(|| Unchanged::new(member.clone()));
        }
        let lives = |known: &&Unchanged<Member>| {
            !known.seen.is_leaving && !known.is_silent_for(known.seen.duration())
        };
        let mut live: Vec<String> =
            self.others.values().filter(lives).map(|known| known.seen.owner.clone()).collect();
        if !self.own.is_leaving {
            live.push(owner);
        }
        live.sort();
        if live != self.live {
            self.live = live;
            self.settled = Instant::now();
        }
        let forgotten = |known: &&Unchanged<Member>| {
            known.is_silent_for(known.seen.duration() * FORGOTTEN_AFTER)
        };
        self.others.values().filter(forgotten).map(|known| known.seen.clone()).collect()
    }

    /// Those that live and stay, this daemon among them.
    pub fn live(&self) -> &[String] {
        &self.live
    }

    /// Nobody came or went for a while: it is worth to move environments. One that starts with others would
    /// otherwise take all, and give most away again; and one that dies again and again would get some each time.
    pub fn is_settled(&self) -> bool {
        self.settled.elapsed() >= self.own.duration()
    }
}
