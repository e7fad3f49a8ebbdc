//! A delay queue that holds each key once.
//!
//! Guarantees:
//! - Adding a key that waits keeps the earlier time and the higher priority.
//! - A key that is being worked on is not given out again until it is done; what was added
//!   meanwhile is kept.
//! - Edits are given out before resyncs, but a resync that has been ready for [`AGED_AFTER`] goes
//!   first, every other time, so that a storm of edits does not hide drift.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// A resync that waits longer than this is served before edits.
const AGED_AFTER: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Resync,
    /// Somebody changed something and waits.
    Edit,
}

#[derive(Debug)]
pub struct Queue<K> {
    /// What waits for its time.
    pending: HashMap<K, (Instant, Priority)>,
    by_time: BTreeSet<(Instant, K)>,
    /// What can be given out, with the time since when.
    ready: HashMap<K, (Instant, Priority)>,
    edits: VecDeque<K>,
    resyncs: VecDeque<K>,
    active: HashSet<K>,
    aged_last: bool,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            by_time: BTreeSet::new(),
            ready: HashMap::new(),
            edits: VecDeque::new(),
            resyncs: VecDeque::new(),
            active: HashSet::new(),
            aged_last: false,
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    pub fn add(&mut self, key: K, at: Instant, priority: Priority) {
        if let Some((_, before)) = self.ready.get_mut(&key) {
            if priority > *before {
                *before = priority;
                self.edits.push_back(key);
            }
            return;
        }
        let (at, priority) = match self.pending.get(&key) {
            Some((before, p)) => {
                self.by_time.remove(&(*before, key.clone()));
                (at.min(*before), priority.max(*p))
            }
            None => (at, priority),
        };
        self.by_time.insert((at, key.clone()));
        self.pending.insert(key, (at, priority));
    }

    /// The next key to work on, which is then active until [`Queue::done`].
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        self.ripen(now);
        // A key that was raised to an edit leaves a stale entry behind.
        while self.resyncs.front().is_some_and(|key| {
            self.ready.get(key).is_none_or(|(_, priority)| *priority != Priority::Resync)
        }) {
            self.resyncs.pop_front();
        }
        let aged = self.resyncs.front().is_some_and(|key| {
            self.ready.get(key).is_some_and(|(since, _)| now.duration_since(*since) > AGED_AFTER)
        });
        let from_resyncs = aged && !self.aged_last;
        let key = if from_resyncs {
            self.take(Priority::Resync).or_else(|| self.take(Priority::Edit))
        } else {
            self.take(Priority::Edit).or_else(|| self.take(Priority::Resync))
        }?;
        self.aged_last = from_resyncs;
        self.active.insert(key.clone());
        Some(key)
    }

    fn take(&mut self, priority: Priority) -> Option<K> {
        let list = match priority {
            Priority::Edit => &mut self.edits,
            Priority::Resync => &mut self.resyncs,
        };
        // A key whose priority was raised stands in both lists; the lower entry is stale.
        while let Some(key) = list.pop_front() {
            if self.ready.get(&key).is_some_and(|(_, p)| *p == priority) {
                self.ready.remove(&key);
                return Some(key);
            }
        }
        None
    }

    /// Moves what is due to the ready lists; what is active waits until it is done.
    fn ripen(&mut self, now: Instant) {
        let mut held = Vec::new();
        while let Some((at, key)) = self.by_time.first().cloned() {
            if at > now {
                break;
            }
            self.by_time.pop_first();
            if self.active.contains(&key) {
                held.push((at, key));
                continue;
            }
            if let Some((_, priority)) = self.pending.remove(&key) {
                self.ready.insert(key.clone(), (now, priority));
                match priority {
                    Priority::Edit => self.edits.push_back(key),
                    Priority::Resync => self.resyncs.push_back(key),
                }
            }
        }
        self.by_time.extend(held);
    }

    pub fn done(&mut self, key: &K) {
        self.active.remove(key);
    }

    /// Forgets a key that is not to be observed any more.
    pub fn remove(&mut self, key: &K) {
        if let Some((at, _)) = self.pending.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
        self.ready.remove(key);
    }

    /// When [`Queue::pop`] may next give something, as far as time decides.
    pub fn next_due(&self) -> Option<Instant> {
        self.by_time.iter().find(|(_, key)| !self.active.contains(key)).map(|(at, _)| *at)
    }

    pub fn contains(&self, key: &K) -> bool {
        self.ready.contains_key(key) || self.pending.contains_key(key)
    }

    /// Keys that could be worked on now, in any order.
    pub fn ready(&self) -> impl Iterator<Item = &K> {
        self.ready.keys()
    }

    /// How many those are.
    pub fn depth(&self) -> usize {
        self.ready.len()
    }

    pub fn len(&self) -> usize {
        self.ready.len() + self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
        let mut out = Vec::new();
        while let Some(key) = queue.pop(now) {
            queue.done(&key);
            out.push(key);
        }
        out
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_stands_once_and_the_earliest_time_wins() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add("a", now + Duration::from_secs(60), Priority::Resync);
        queue.add("a", now, Priority::Resync);
        queue.add("a", now + Duration::from_secs(9), Priority::Resync);
        assert_eq!(drain(&mut queue, now), ["a"]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn edits_go_first_and_a_waiting_resync_can_become_one() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for key in ["r1", "r2"] {
            queue.add(key, now, Priority::Resync);
        }
        queue.add("e1", now, Priority::Edit);
        assert_eq!(queue.pop(now), Some("e1"));
        queue.add("r2", now, Priority::Edit);
        assert_eq!(drain(&mut queue, now), ["r2", "r1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_edits_does_not_starve_a_resync() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.add(0, now, Priority::Resync);
        queue.pop(now - Duration::from_secs(1));
        for edit in 1..100 {
            queue.add(edit, now, Priority::Edit);
            now += Duration::from_secs(1);
            if queue.pop(now) == Some(0) {
                assert!(edit > 10, "not before it has aged");
                return;
            }
        }
        panic!("the resync was never served");
    }

    #[tokio::test(start_paused = true)]
    async fn an_active_key_is_not_given_out_twice_but_remembers_what_came() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add("a", now, Priority::Edit);
        assert_eq!(queue.pop(now), Some("a"));
        queue.add("a", now, Priority::Edit);
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.next_due(), None);
        queue.done(&"a");
        assert_eq!(queue.pop(now), Some("a"));
    }
}
