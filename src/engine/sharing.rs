//! Which environments are this daemon's: what it takes, keeps, and gives to others.
//!
//! Guarantees: an environment is taken only once its lease is over, and only if it is this daemon's share or stays
//! free for long. One that is another daemon's share is given back with nothing under way.
//!
//! Left to others: when a lease is over (`lease.rs`), and what the shares are (`share.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::{info, warn};

use super::deliver::Outbox;
use super::follow::{Followed, Follower};
use super::health::Shares;
use super::lease::{Moment, Unchanged};
use super::listen::Listening;
use super::queue::Priority;
use super::runner::Engine;
use super::share::{Burden, share};
use super::watch::{Answer, Heads, Leases};
use super::world::EnvironmentState;
use crate::model::ObjectKey;
use crate::store::{Lease, Member, ReconcileRequest, Renewal, StoreError};

/// The leases as they were seen last, and who should have what.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    leases: BTreeMap<Arc<str>, Unchanged<Lease>>,
    /// Why a lease cannot be read.
    damaged: BTreeMap<Arc<str>, StoreError>,
    /// Environments that should be this daemon's.
    own: BTreeSet<Arc<str>>,
}

/// It was neither renewed nor given back.
fn is_same(a: &Lease, b: &Lease) -> bool {
    let renewal =
        |lease: &Lease| (lease.epoch, lease.renewals, lease.renewed_at, lease.is_released);
    a.owner == b.owner && renewal(a) == renewal(b)
}

impl Sharing {
    fn saw(&mut self, leases: Leases) {
        self.damaged.clear();
        let mut named = BTreeSet::new();
        for (name, lease) in leases {
            let name: Arc<str> = name.into();
            named.insert(Arc::clone(&name));
            match lease {
                Ok(lease) => match self.leases.get_mut(&name) {
                    Some(known) => known.saw(lease, is_same),
                    None => drop(self.leases.insert(name, Unchanged::new(lease))),
                },
                Err(error) => drop(self.damaged.insert(name, error)),
            }
        }
        self.leases.retain(|name, _| named.contains(name));
    }

    /// Nobody relies on the lease any more: there is none, it was given back, or its owner did not renew it.
    fn is_free(&self, name: &Arc<str>, owner: &str) -> bool {
        self.leases.get(name).is_none_or(|lease| {
            // One's own that is not held: the answer that gave it was lost.
            let is_own = lease.seen.owner == owner;
            is_own || lease.seen.is_released || lease.is_silent_for(lease.seen.duration())
        })
    }

    /// It is free for so long that the daemon whose share it is does not seem to take it.
    fn is_left_over(&self, name: &Arc<str>, owner: &str) -> bool {
        let is_old = |lease: &Unchanged<Lease>| lease.is_silent_for(lease.seen.duration() * 2);
        self.is_free(name, owner) && self.leases.get(name).is_some_and(is_old)
    }
}

impl Engine {
    /// Works out who should have what, and gives up what should be another's.
    pub(super) fn see_others(&mut self, heads: &Heads, leases: Leases, members: Vec<Member>) {
        for silent in self.members.saw(members) {
            let store = self.cx.store.clone();
            self.ask(async move {
                if let Err(error) = store.forget_member(&silent).await {
                    warn!(owner = silent.owner, %error, "a daemon that is gone is still in the store");
                }
                Answer::Told
            });
        }
        self.sharing.saw(leases);
        let live: Vec<&str> = self.members.live().iter().map(String::as_str).collect();
        let own = self.members.own().owner.as_str();
        let burden = |name| {
            let lease = self.sharing.leases.get(name).map(|lease| &lease.seen);
            Burden {
                environment: name,
                objects: 1 + lease.and_then(|lease| lease.objects).unwrap_or_default(),
                owner: lease.filter(|lease| !lease.is_released).map(|lease| lease.owner.as_str()),
            }
        };
        let burdens: Vec<Burden> = heads.iter().map(|(name, _)| burden(name.as_str())).collect();
        let shares = share(&burdens, &live, self.members.is_settled());
        let own: BTreeSet<Arc<str>> = shares
            .iter()
            .filter(|(_, member)| **member == own)
            .map(|(environment, _)| (*environment).into())
            .collect();
        let given: Vec<(Arc<str>, String)> = self
            .world
            .environments
            .iter()
            .filter(|(name, environment)| !environment.is_leaving && !own.contains(*name))
            .filter_map(|(name, _)| Some((Arc::clone(name), (*shares.get(&**name)?).to_owned())))
            .collect();
        self.cx.sessions.divide_quotas(self.members.workers());
        self.cx.metrics.members.set(i64::try_from(live.len()).unwrap_or(i64::MAX));
        self.health.set_shares(Shares {
            own: self.world.environments.keys().map(ToString::to_string).collect(),
            all: burdens.len(),
            members: live.iter().map(ToString::to_string).collect(),
        });
        self.sharing.own = own;
        for (name, member) in given {
            info!(environment = %name, to = member, "given to another daemon");
            self.leave(&name);
        }
    }

    /// There is an environment that this daemon does not have, and does not leave alone either.
    pub(super) fn misses_some(&self) -> bool {
        let Some(named) = &self.named else { return true };
        named.iter().any(|name| !self.world.environments.contains_key(name) && !self.is_quiet(name))
    }

    /// Takes an environment that should be this daemon's, once nobody has it. A request that was made before it is
    /// taken is answered by the first observation.
    pub(super) fn take_if_ours(&mut self, name: &Arc<str>, request: Option<&ReconcileRequest>) {
        let is_left_over = self.sharing.is_left_over(name, &self.config.owner);
        let is_ours = (self.sharing.own.contains(name) || is_left_over) && !self.is_stopping;
        if is_ours && let Some(error) = self.sharing.damaged.remove(name) {
            return self.cannot_follow(Arc::clone(name), error);
        }
        if !is_ours || !self.sharing.is_free(name, &self.config.owner) {
            return self.is_anothers(name);
        }
        if !self.asked.leases.insert(Arc::clone(name)) {
            return;
        }
        let seen = self.sharing.leases.get(name).map(|lease| lease.seen.clone());
        let (follower, name, request) = (self.follower(), Arc::clone(name), request.cloned());
        self.ask(async move {
            let news = follower.take(&name, seen.as_ref(), request).await;
            Answer::Lease(Followed { environment: name, epoch: None, news })
        });
    }

    pub(super) fn is_anothers(&mut self, name: &Arc<str>) {
        self.cx.metrics.lease_held.with_label_values(&[&**name]).set(0);
        self.is_followed(name);
    }

    /// Renews the leases of which a part is gone.
    pub(super) fn keep_leases(&mut self) {
        self.reread_records();
        let due = |(name, environment): (&Arc<str>, &EnvironmentState)| {
            environment.lease_end.is_due().then(|| {
                let objects = environment.is_loaded().then_some(environment.objects.len());
                let said = Renewal {
                    objects: objects.and_then(|objects| u64::try_from(objects).ok()),
                    oldest_observation: environment.oldest_of_readable(),
                };
                (Arc::clone(name), environment.lease.clone(), said)
            })
        };
        let due: Vec<_> = self.world.environments.iter().filter_map(due).collect();
        for (name, lease, said) in due {
            if !self.asked.leases.insert(Arc::clone(&name)) {
                continue;
            }
            let follower = self.follower();
            self.ask(async move {
                let news = follower.renew(&lease, said).await;
                Answer::Lease(Followed { environment: name, epoch: Some(lease.epoch), news })
            });
        }
    }

    /// A daemon that died or was stopped may have had a write to the store on its way when this one read its records.
    /// Once that must have come, each record is read again before it is relied on.
    fn reread_records(&mut self) {
        let now = Instant::now();
        let due = |(name, environment): (&Arc<str>, &mut EnvironmentState)| {
            let is_due = environment.reread_at.is_some_and(|at| now >= at);
            is_due.then(|| {
                environment.reread_at = None;
                (Arc::clone(name), environment.ids())
            })
        };
        let due: Vec<_> = self.world.environments.iter_mut().filter_map(due).collect();
        for (environment, ids) in due {
            for id in ids {
                self.track(&ObjectKey { environment: Arc::clone(&environment), id }).is_unsure =
                    true;
            }
        }
    }

    pub(super) fn renewed(&mut self, name: &Arc<str>, lease: Lease, asked: Moment) {
        let Some(environment) = self.world.environments.get_mut(name) else { return };
        let was_over = environment.lease_end.is_over();
        environment.lease_end.renewed(asked, lease.duration());
        environment.lease = lease;
        if was_over {
            self.go_on(|key| key.environment == *name);
        }
    }

    pub(super) fn follower(&self) -> Follower {
        Follower {
            store: self.cx.store.clone(),
            objects: self.objects.clone(),
            owner: self.config.owner.clone(),
            lease_for: self.config.lease_for,
        }
    }

    /// Begins nothing more in an environment, and gives its lease back once nothing is under way.
    pub(super) fn leave(&mut self, name: &Arc<str>) {
        if let Some(environment) = self.world.environments.get_mut(name) {
            environment.is_leaving = true;
        }
        self.hand_over();
    }

    /// Gives back the leases of environments that leave and have nothing under way.
    pub(super) fn hand_over(&mut self) {
        let leaves = self.world.environments.iter().filter(|(_, e)| e.is_leaving);
        let leaves: Vec<_> = leaves.map(|(name, _)| Arc::clone(name)).collect();
        for name in leaves {
            let has_pass = self.running.values().any(|running| running.key.environment == name);
            let is_asked = self.asked.leases.contains(&name) || self.asked.releases.contains(&name);
            let is_told = self.environment(&name).outbox.is_under_way;
            if !(has_pass || is_asked || is_told) {
                self.stand_by(&name);
            }
        }
    }

    /// Gives an environment up at once, with its lease.
    pub(super) fn stand_by(&mut self, name: &Arc<str>) {
        let lease = self.world.environments.get(name).map(|e| e.lease.clone());
        self.drop_environment(name);
        let Some(lease) = lease else { return };
        let store = self.cx.store.clone();
        self.ask(async move {
            if let Err(error) = store.release_lease(&lease).await {
                let name = &lease.environment;
                warn!(environment = %name, %error, "the lease was not given back; it ends by itself");
            }
            Answer::Told
        });
    }

    /// Nothing of the environment is touched any more.
    pub(super) fn drop_environment(&mut self, name: &Arc<str>) {
        if let Some(environment) = self.world.environments.remove(name) {
            info!(environment = %name, epoch = environment.lease.epoch, "not this daemon's any more");
            // Passes under way take no further step.
            environment.lease_end.end();
            for id in environment.ids() {
                let key = ObjectKey { environment: Arc::clone(name), id };
                self.queue.remove(&key);
                self.tracked.remove(&key);
            }
        }
        // Whoever takes over plans anew.
        self.environment(name).outbox = Outbox::default();
        self.environment(name).listening = Listening::default();
        self.forget_probes(name);
        self.cx.metrics.forget_environment(name);
        self.cx.metrics.lease_held.with_label_values(&[&**name]).set(0);
    }

    /// What was stopped goes on, over some seconds: a breaker has closed, or a lease is held again.
    pub(super) fn go_on(&mut self, which: impl Fn(&ObjectKey) -> bool) {
        let now = Instant::now();
        let paused = self.tracked.iter_mut().filter(|(key, o)| o.is_paused && which(key));
        let mut keys: Vec<_> = paused
            .map(|(key, object)| {
                object.is_paused = false;
                key.clone()
            })
            .collect();
        // In one order, so that a seed repeats a run.
        keys.sort();
        for key in keys {
            let delay = self.rng.up_to(super::runner::GO_ON_WITHIN);
            self.enqueue(key, now + delay, Priority::Resync);
        }
    }
}
