//! How AWS's quotas are divided among the daemons of one store: in each place by those that work there.
//!
//! Guarantees: every daemon counts itself. The place of the store is everybody's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many daemons divide the quotas of one place. Clones share it.
#[derive(Clone, Debug)]
pub struct Sharers(Arc<AtomicUsize>);

impl Default for Sharers {
    /// One daemon has all.
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(1)))
    }
}

impl Sharers {
    /// So many daemons share from now on.
    pub fn set(&self, daemons: usize) {
        self.0.store(daemons.max(1), Ordering::Relaxed);
    }

    /// How many share.
    pub fn count(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

/// Who works where, as far as this daemon knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Daemons of the store.
    pub all: usize,
    /// How many of them, this one included, work in each place that one of them names.
    pub places: BTreeMap<String, usize>,
    /// How many may work in any other place: this one, and those that do not say where they work.
    pub elsewhere: usize,
}

impl Default for Workers {
    /// One daemon alone.
    fn default() -> Self {
        Self { all: 1, places: BTreeMap::new(), elsewhere: 1 }
    }
}

/// The sharers of every place that calls were made to.
#[derive(Debug, Default)]
pub(super) struct Division {
    workers: Workers,
    /// The place of the store.
    home: Option<String>,
    given: HashMap<String, Sharers>,
}

impl Division {
    /// Where the store is.
    pub fn set_home(&mut self, place: String) {
        self.home = Some(place);
        self.divide(self.workers.clone());
    }

    /// The sharers of a place.
    pub fn of(&mut self, place: &str) -> Sharers {
        let count = self.count(place);
        let sharers = self.given.entry(place.to_owned()).or_default();
        sharers.set(count);
        sharers.clone()
    }

    /// Says anew who works where.
    pub fn divide(&mut self, workers: Workers) {
        self.workers = workers;
        for (place, sharers) in &self.given {
            sharers.set(self.count(place));
        }
    }

    fn count(&self, place: &str) -> usize {
        let Workers { all, places, elsewhere } = &self.workers;
        match self.home.as_deref() == Some(place) {
            true => *all,
            false => *places.get(place).unwrap_or(elsewhere),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_divided_by_those_who_work_there() {
        let mut division = Division::default();
        division.set_home("home".to_owned());
        let (home, shop, new) = (division.of("home"), division.of("shop"), division.of("new"));
        let counts = || [&home, &shop, &new].map(Sharers::count);
        assert_eq!(counts(), [1.0, 1.0, 1.0]);
        let places = BTreeMap::from([("shop".to_owned(), 2)]);
        division.divide(Workers { all: 5, places, elsewhere: 1 });
        assert_eq!(counts(), [5.0, 2.0, 1.0]);
        // One of an older version does not say where it works.
        let places = BTreeMap::from([("shop".to_owned(), 3)]);
        division.divide(Workers { all: 5, places, elsewhere: 2 });
        assert_eq!(counts(), [5.0, 3.0, 2.0]);
        assert_eq!(division.of("later").count(), 2.0);
    }
}
