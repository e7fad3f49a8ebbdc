//! A delay queue that holds each key once.
//!
//! Guarantees:
//! - Adding a key that waits keeps the earlier time and the higher priority.
//! - A key that is being worked on is not given out again until it is done; what was added
//!   meanwhile is kept.
//! - Edits are given out before resyncs, but a resync that has been ready for [`AGED_AFTER`] goes
//!   first, every other time, so that a storm of edits does not hide drift.
//! - Keys of a lane that is closed stay where they are, and hold up nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
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

/// What the queue holds.
pub trait Key: Clone + Eq + Hash + Ord {
    /// Keys that wait for the same limits.
    type Lane: Clone + Ord;

    fn lane(&self) -> Self::Lane;
}

#[derive(Debug)]
pub struct Queue<K: Key> {
    /// What waits for its time.
    pending: HashMap<K, (Instant, Priority)>,
    by_time: BTreeSet<(Instant, K)>,
    /// What can be given out.
    ready: HashMap<K, Ready>,
    lanes: BTreeMap<K::Lane, Lane<K>>,
    active: HashSet<K>,
    aged_last: bool,
    turns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ready {
    /// Its place among all that are ready.
    turn: u64,
    since: Instant,
    priority: Priority,
}

/// What is ready in one lane, by its turn. An entry whose turn is not the key's any more is stale.
#[derive(Debug)]
struct Lane<K> {
    edits: VecDeque<(u64, K)>,
    resyncs: VecDeque<(u64, K)>,
}

impl<K> Lane<K> {
    fn list(&mut self, priority: Priority) -> &mut VecDeque<(u64, K)> {
        match priority {
            Priority::Edit => &mut self.edits,
            Priority::Resync => &mut self.resyncs,
        }
    }
}

impl<K: Key> Default for Queue<K> {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            by_time: BTreeSet::new(),
            ready: HashMap::new(),
            lanes: BTreeMap::new(),
            active: HashSet::new(),
            aged_last: false,
            turns: 0,
        }
    }
}

impl<K: Key> Queue<K> {
    pub fn add(&mut self, key: K, at: Instant, priority: Priority) {
        if let Some(before) = self.ready.get(&key) {
            if priority > before.priority {
                let since = before.since;
                self.line_up(key, since, priority);
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

    /// Puts a key last in its lane.
    fn line_up(&mut self, key: K, since: Instant, priority: Priority) {
        self.turns += 1;
        let turn = self.turns;
        self.ready.insert(key.clone(), Ready { turn, since, priority });
        let lane = self.lanes.entry(key.lane());
        let lane =
            lane.or_insert_with(|| Lane { edits: VecDeque::new(), resyncs: VecDeque::new() });
        lane.list(priority).push_back((turn, key));
    }

    /// The next key to work on, which is then active until [`Queue::done`]. Only lanes that are open for what has this
    /// priority give something.
    pub fn pop(
        &mut self,
        now: Instant,
        is_open: impl Fn(&K::Lane, Priority) -> bool,
    ) -> Option<(K, Priority)> {
        self.ripen(now);
        let edit = self.first(Priority::Edit, &is_open);
        let resync = self.first(Priority::Resync, &is_open);
        let is_aged = |ready: &Ready| now.duration_since(ready.since) > AGED_AFTER;
        let from_resyncs = !self.aged_last && resync.as_ref().is_some_and(|(r, _)| is_aged(r));
        let (ready, key) = if from_resyncs { resync.or(edit) } else { edit.or(resync) }?;
        self.aged_last = from_resyncs;
        self.ready.remove(&key);
        if let Some(lane) = self.lanes.get_mut(&key.lane()) {
            lane.list(ready.priority).pop_front();
        }
        self.active.insert(key.clone());
        Some((key, ready.priority))
    }

    /// Whose turn it is among the open lanes.
    fn first(
        &mut self,
        priority: Priority,
        is_open: &impl Fn(&K::Lane, Priority) -> bool,
    ) -> Option<(Ready, K)> {
        let mut first: Option<(Ready, K)> = None;
        for (_, lane) in self.lanes.iter_mut().filter(|(lane, _)| is_open(lane, priority)) {
            let list = lane.list(priority);
            while let Some((turn, key)) = list.front() {
                match self.ready.get(key).filter(|ready| ready.turn == *turn) {
                    None => list.pop_front(),
                    Some(ready) => {
                        if first.as_ref().is_none_or(|(first, _)| ready.turn < first.turn) {
                            first = Some((*ready, key.clone()));
                        }
                        break;
                    }
                };
            }
        }
        self.lanes.retain(|_, lane| !lane.edits.is_empty() || !lane.resyncs.is_empty());
        first
    }

    /// Makes ready what is due; what is active waits until it is done.
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
                self.line_up(key, now, priority);
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

    impl Key for &'static str {
        type Lane = char;

        fn lane(&self) -> char {
            self.chars().next().unwrap()
        }
    }

    fn any(_: &char, _: Priority) -> bool {
        true
    }

    fn pop(queue: &mut Queue<&'static str>, now: Instant) -> Option<&'static str> {
        queue.pop(now, any).map(|(key, _)| key)
    }

    fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
        let mut out = Vec::new();
        while let Some(key) = pop(queue, now) {
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
        assert_eq!(pop(&mut queue, now), Some("e1"));
        queue.add("r2", now, Priority::Edit);
        assert_eq!(drain(&mut queue, now), ["r2", "r1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_edits_does_not_starve_a_resync() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.add("resync", now, Priority::Resync);
        // One more edit waits than is taken.
        queue.add("edit of before", now, Priority::Edit);
        assert_eq!(pop(&mut queue, now), Some("edit of before"));
        for second in 1..100 {
            let edit = ["edit of an even second", "edit of an odd second"][second % 2];
            queue.add(edit, now, Priority::Edit);
            now += Duration::from_secs(1);
            let given = pop(&mut queue, now).unwrap();
            queue.done(&given);
            if given == "resync" {
                assert!(second > 10, "not before it has aged");
                return;
            }
        }
        panic!("the resync was never served");
    }

    #[tokio::test(start_paused = true)]
    async fn an_active_key_is_not_given_out_twice_but_remembers_what_came() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add("a", now, Priority::Edit);
        assert_eq!(pop(&mut queue, now), Some("a"));
        queue.add("a", now, Priority::Edit);
        assert_eq!(pop(&mut queue, now), None);
        assert_eq!(queue.next_due(), None);
        queue.done(&"a");
        assert_eq!(pop(&mut queue, now), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_lane_keeps_its_keys_in_their_order_and_holds_up_nobody() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for key in ["a1", "a2", "b1"] {
            queue.add(key, now, Priority::Resync);
        }
        queue.add("a2", now, Priority::Edit);
        let but_a = |lane: &char, _| *lane != 'a';
        assert_eq!(queue.pop(now, but_a), Some(("b1", Priority::Resync)));
        assert_eq!(queue.pop(now, but_a), None);
        assert_eq!((queue.depth(), queue.next_due()), (2, None));
        let to_edits = |_: &char, priority| priority == Priority::Edit;
        assert_eq!(queue.pop(now, to_edits), Some(("a2", Priority::Edit)));
        assert_eq!(queue.pop(now, to_edits), None, "the lane is closed to resyncs alone");
        queue.done(&"a2");
        queue.add("a2", now, Priority::Edit);
        assert_eq!(drain(&mut queue, now), ["a2", "a1"]);
    }
}
