//! Who takes part: this daemon's own beats, and which of the others live.
//!
//! Left to others: what each should have (`share.rs`). Nothing that is safe depends on this; leases do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::lease::Unchanged;
use crate::aws::Workers;
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

    /// Where this daemon has environments, which others learn with the next beat.
    pub fn work_in(&mut self, places: BTreeSet<String>) {
        self.own.places = Some(places);
    }

    /// Who works where, among those that live. Who is leaving has work under way.
    pub fn workers(&self) -> Workers {
        let lives = |known: &&Unchanged<Member>| !known.is_silent_for(known.seen.duration());
        let others: Vec<_> = self.others.values().filter(lives).map(|known| &known.seen).collect();
        let elsewhere = 1 + others.iter().filter(|member| member.places.is_none()).count();
        let named = others.iter().copied().chain([&self.own]).filter_map(|m| m.places.as_ref());
        let works_in = |member: &&&Member, place: &String| {
            member.places.as_ref().is_none_or(|places| places.contains(place))
        };
        let places = named.flatten().map(|place| {
            let count = 1 + others.iter().filter(|member| works_in(member, place)).count();
            (place.clone(), count)
        });
        Workers { all: 1 + others.len(), places: places.collect(), elsewhere }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn quotas_are_divided_by_those_who_say_that_they_work_there() {
        let now = Timestamp::UNIX_EPOCH;
        let duration = Duration::from_secs(10);
        let mut members = Members::new("a", duration, now);
        members.work_in(BTreeSet::from(["shop".to_owned()]));
        let member = |owner: &str, places: Option<&[&str]>| Member {
            places: places.map(|places| places.iter().map(ToString::to_string).collect()),
            ..Member::new(owner, duration, now)
        };
        members.saw(vec![member("b", Some(&["shop"])), member("c", Some(&["other"]))]);
        let places = |pairs: &[(&str, usize)]| -> BTreeMap<String, usize> {
            pairs.iter().map(|(place, count)| ((*place).to_owned(), *count)).collect()
        };
        let shop_and_other = places(&[("shop", 2), ("other", 2)]);
        assert_eq!(members.workers(), Workers { all: 3, places: shop_and_other, elsewhere: 1 });
        // One that does not say it may work anywhere.
        members.saw(vec![member("b", Some(&["shop"])), member("old", None)]);
        let shop = places(&[("shop", 3)]);
        assert_eq!(members.workers(), Workers { all: 3, places: shop, elsewhere: 2 });
        tokio::time::advance(duration * 2).await;
        members.saw(vec![member("b", Some(&["shop"])), member("old", None)]);
        let alone = places(&[("shop", 1)]);
        assert_eq!(members.workers(), Workers { all: 1, places: alone, elsewhere: 1 }, "silent");
    }
}
