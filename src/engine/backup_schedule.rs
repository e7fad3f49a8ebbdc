//! Makes backups by the schedules of environments, beside the loop; deletes old ones, and measures whether the recovery
//! objectives hold.
//!
//! Guarantees: one thing at a time for each environment, and only under its lease. A backup that was begun is gone on
//! with, also by the next daemon. While an environment is being built again, nothing is backed up or deleted.
//!
//! Left to others: what a backup is, and what to restore (`recovery`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::warn;

use super::Rng;
use super::backoff::{Backoff, Policy};
use super::pass::Context;
use super::recovery::{Backup, RecoveryError, Vault, back_up, id_of, measure, prune, sweep};
use super::release::own_session;
use super::runner::Engine;
use crate::kinds::environment::{self, BackupPolicy, EnvironmentSpec};
use crate::model::{ConditionStatus, ObjectId, ObjectKey};
use crate::store::{BegunBackup, EventKind, Recoveries, Rehydration};

const CHECK_EVERY: Duration = Duration::from_secs(60);
/// Every manifest of the vault is read for it.
const MEASURE_EVERY: Duration = Duration::from_secs(5 * 60);
/// Every listing of the vault is read for it.
const SWEEP_EVERY: Duration = Duration::from_secs(20 * 3600);
/// Objects are made first.
const CHECK_FIRST_AFTER: Duration = Duration::from_secs(30);
/// A backup that could not be made within this time is begun anew.
const UNFINISHED_FOR: SignedDuration = SignedDuration::from_hours(20);
/// An environment is built again within this time.
const BUILT_WITHIN: SignedDuration = SignedDuration::from_hours(48);
const NAMED_MAX: usize = 5;
/// What keeps a backup from being made lasts: a bucket that is gone, a right that is missing.
const FAILING: Policy =
    Policy { first: Duration::from_secs(2 * 60), longest: Duration::from_secs(3600) };

/// When an environment's backups are looked after next.
#[derive(Debug, Default)]
pub(super) struct BackupSchedule {
    at: Option<Instant>,
    swept_at: Option<Instant>,
    /// What belongs to no backup was collected since that was asked for.
    has_swept: Arc<AtomicBool>,
    measured_at: Option<Instant>,
    under_way: Option<tokio::task::AbortHandle>,
    /// A backup was looked after, and what came of it is not taken in yet.
    is_tried: bool,
    /// It failed, last time.
    has_failed: Arc<AtomicBool>,
    backoff: Backoff,
    /// Until then no backup is tried again.
    retry_at: Option<Instant>,
}

impl BackupSchedule {
    /// Takes in what the last try came to. Returns whether another one may be made now.
    fn may_back_up(&mut self, now: Instant, rng: &Rng) -> bool {
        if std::mem::take(&mut self.is_tried) {
            self.retry_at = None;
            match self.has_failed.load(Ordering::Relaxed) {
                true => self.retry_at = Some(now + self.backoff.next(FAILING, rng)),
                false => self.backoff.reset(),
            }
        }
        self.is_tried = self.retry_at.is_none_or(|at| now >= at);
        self.is_tried
    }
}

impl Engine {
    /// Makes the backup that is due of an environment whose lease is held; asked once a minute.
    pub(super) fn run_backups(&mut self, name: &Arc<str>) {
        let now = Instant::now();
        let Some(environment) = self.world.environments.get(name).filter(|e| e.is_loaded()) else {
            return;
        };
        let (spec, release) = (Arc::clone(&environment.spec), environment.head.release);
        let lease_end = environment.lease_end.clone();
        if spec.recovery.is_none() || environment.is_leaving {
            return;
        }
        let rng = self.rng.clone();
        let schedule = &mut self.environment(name).backup_schedule;
        let at = *schedule.at.get_or_insert(now + CHECK_FIRST_AFTER);
        let is_busy = schedule.under_way.as_ref().is_some_and(|task| !task.is_finished());
        if now < at || is_busy {
            return;
        }
        schedule.at = Some(now + CHECK_EVERY);
        let backs_up = schedule.may_back_up(now, &rng);
        // That is done where a backup was made.
        if schedule.has_swept.swap(false, Ordering::Relaxed) {
            schedule.swept_at = Some(now);
        }
        let sweeps = schedule.swept_at.is_none_or(|at| now - at > SWEEP_EVERY);
        let measures = schedule.measured_at.is_none_or(|at| now - at >= MEASURE_EVERY);
        if measures {
            schedule.measured_at = Some(now);
        }
        let (has_failed, has_swept) =
            (Arc::clone(&schedule.has_failed), Arc::clone(&schedule.has_swept));
        let work = Work {
            cx: Arc::clone(&self.cx),
            key: ObjectKey {
                environment: Arc::clone(name),
                id: ObjectId::new(environment::NAME, &**name),
            },
            release,
            spec,
            salt: self.rng.salt(),
            backs_up,
            sweeps,
            measures,
            has_failed,
            has_swept,
        };
        while self.collecting.try_join_next().is_some() {}
        let task = self.collecting.spawn(async move {
            // Whoever has the environment next goes on.
            let _ = lease_end.during(work.run()).await;
        });
        self.environment(name).backup_schedule.under_way = Some(task);
    }
}

/// Which backup is to be made now. Pure.
fn due(
    recoveries: &Recoveries,
    policy: &BackupPolicy,
    now: Timestamp,
    salt: u32,
) -> Option<BegunBackup> {
    policy.schedule.as_ref()?;
    // One that nobody goes on with does not hold backups up for ever.
    let is_building = |building: &Rehydration| {
        building.ended_at.is_none() && now.duration_since(building.begun_at) < BUILT_WITHIN
    };
    if recoveries.rehydration.as_ref().is_some_and(is_building) {
        return None;
    }
    let anew = || BegunBackup { id: id_of(now, salt), at: now, ended_at: None };
    match &recoveries.begun {
        // One that has none yet does not wait for its schedule.
        None => Some(anew()),
        Some(begun) if begun.ended_at.is_none() => {
            let is_stuck = now.duration_since(begun.at) > UNFINISHED_FOR;
            Some(if is_stuck { anew() } else { begun.clone() })
        }
        Some(begun) => policy.next_after(begun.at).filter(|next| *next <= now).map(|_| anew()),
    }
}

struct Work {
    cx: Arc<Context>,
    key: ObjectKey,
    release: u64,
    spec: Arc<EnvironmentSpec>,
    salt: u32,
    /// A backup that is due is made.
    backs_up: bool,
    /// What belongs to no backup is collected, too.
    sweeps: bool,
    measures: bool,
    has_failed: Arc<AtomicBool>,
    has_swept: Arc<AtomicBool>,
}

impl Work {
    async fn run(&self) {
        let (name, metrics) = (&*self.key.environment, &self.cx.metrics.recovery);
        if self.backs_up {
            let made = self.back_up_if_due().await;
            self.has_failed.store(made.is_err(), Ordering::Relaxed);
            if let Err(error) = made {
                metrics.backed_up(name, "failed");
                self.tell(EventKind::Warning, "BackupFailed", &error.to_string()).await;
            }
        }
        if !self.measures {
            return;
        }
        match measure(&self.cx.store, &self.cx.sessions, name).await {
            Ok(Some(measured)) => {
                let now = self.cx.clock.now();
                metrics.publish(name, &measured, now);
                let judged = measured.judge(now);
                if judged.status == ConditionStatus::False {
                    self.tell(EventKind::Warning, judged.reason, &judged.message).await;
                }
            }
            Ok(None) => {}
            Err(error) => {
                metrics.unmeasured(name);
                warn!(environment = name, %error, "the recovery objectives could not be measured");
            }
        }
    }

    async fn back_up_if_due(&self) -> Result<(), RecoveryError> {
        let (cx, name) = (&self.cx, &*self.key.environment);
        let policy = self.spec.recovery.as_ref().and_then(|recovery| recovery.backups.as_ref());
        let Some(policy) = policy else { return Ok(()) };
        let recoveries = cx.store.recoveries(name).await?;
        let Some(begun) = due(&recoveries, policy, cx.clock.now(), self.salt) else {
            return Ok(());
        };
        if recoveries.begun.as_ref() != Some(&begun) {
            cx.store.note_backup(name, &begun).await?;
        }
        let made = back_up(&cx.store, &cx.sessions, name, &begun.id).await?;
        let ended = BegunBackup { ended_at: Some(cx.clock.now()), ..begun };
        cx.store.note_backup(name, &ended).await?;
        self.tell_of(&made).await;
        if let Err(error) = self.prune(policy).await {
            let message = format!("old backups stay until the next one is made: {error}");
            self.tell(EventKind::Warning, "PruneFailed", &message).await;
        }
        Ok(())
    }

    /// Deletes what was kept for long enough, and once in a while what belongs to no backup.
    async fn prune(&self, policy: &BackupPolicy) -> Result<(), RecoveryError> {
        let (cx, name) = (&self.cx, &*self.key.environment);
        let vault = Vault::of(&cx.sessions, name, &self.spec).await?;
        let session = own_session(&cx.sessions, name, &self.spec.target()).await?;
        prune(&cx.store, &vault, &session, name, policy).await?;
        if self.sweeps {
            sweep(&cx.store, &vault, &session, name).await?;
            self.has_swept.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn tell_of(&self, made: &Backup) {
        let name = &*self.key.environment;
        if made.missing().next().is_none() {
            self.cx.metrics.recovery.backed_up(name, "made");
            let (tables, buckets) = (made.tables.len(), made.buckets.len());
            let message = format!(
                "backup {} of release {}; tables: {tables}, buckets: {buckets}",
                made.id, made.release
            );
            return self.tell(EventKind::Normal, "BackupMade", &message).await;
        }
        self.cx.metrics.recovery.backed_up(name, "incomplete");
        let lacking: Vec<_> = made.missing().take(NAMED_MAX).collect();
        let message = format!("backup {} lacks {}", made.id, lacking.join("; "));
        self.tell(EventKind::Warning, "BackupIncomplete", &message).await;
    }

    async fn tell(&self, kind: EventKind, reason: &str, message: &str) {
        self.cx.recorder.record(&self.key, self.release, kind, reason, message).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_backup_that_fails_is_tried_less_and_less_often_until_one_is_made() {
        let (mut schedule, rng) = (BackupSchedule::default(), Rng::seeded(13));
        let begun = Instant::now();
        let tried = |schedule: &mut BackupSchedule, minutes: std::ops::Range<u64>| {
            let looked = minutes.map(|minute| begun + CHECK_EVERY * minute as u32);
            looked.filter(|now| schedule.may_back_up(*now, &rng)).count()
        };
        schedule.has_failed.store(true, Ordering::Relaxed);
        let (first_hour, a_day_later) =
            (tried(&mut schedule, 0..60), tried(&mut schedule, 60..1440));
        assert!((5..20).contains(&first_hour), "{first_hour}");
        // An hour at most, half of that on average.
        assert!((23..70).contains(&a_day_later), "{a_day_later}");
        schedule.has_failed.store(false, Ordering::Relaxed);
        // The last one may have failed an hour ago.
        tried(&mut schedule, 1440..1500);
        assert_eq!(tried(&mut schedule, 1500..1600), 100, "every minute something may be due");
    }

    #[test]
    fn a_backup_is_begun_by_the_schedule_and_gone_on_with_until_it_is_whole() {
        let policy =
            BackupPolicy { schedule: Some("0 3 * * *".to_owned()), ..BackupPolicy::default() };
        let now = at("2026-03-02T03:00:30Z");
        let begun = |from: &str, ended: Option<&str>| BegunBackup {
            id: "then".to_owned(),
            at: at(from),
            ended_at: ended.map(at),
        };
        let (fresh, then) = (Some("20260302T030030Z-00000007"), Some("then"));
        for (what, recoveries, expected) in [
            ("none yet", Recoveries::default(), fresh),
            (
                "not due",
                Recoveries {
                    begun: Some(begun("2026-03-02T03:00:10Z", Some("2026-03-02T03:00:20Z"))),
                    ..Recoveries::default()
                },
                None,
            ),
            (
                "due",
                Recoveries {
                    begun: Some(begun("2026-03-01T03:00:10Z", Some("2026-03-01T03:02:00Z"))),
                    ..Recoveries::default()
                },
                fresh,
            ),
            (
                "under way",
                Recoveries {
                    begun: Some(begun("2026-03-02T03:00:00Z", None)),
                    ..Recoveries::default()
                },
                then,
            ),
            (
                "stuck",
                Recoveries {
                    begun: Some(begun("2026-03-01T03:00:00Z", None)),
                    ..Recoveries::default()
                },
                fresh,
            ),
            (
                "being built again",
                Recoveries {
                    rehydration: Some(Rehydration {
                        backup: String::new(),
                        begun_at: now,
                        ended_at: None,
                        lacking: None,
                        scratch_of: None,
                    }),
                    ..Recoveries::default()
                },
                None,
            ),
        ] {
            let due = due(&recoveries, &policy, now, 7);
            assert_eq!(due.as_ref().map(|due| due.id.as_str()), expected, "{what}");
        }
        let by_hand = BackupPolicy { schedule: None, ..policy };
        assert_eq!(due(&Recoveries::default(), &by_hand, now, 7), None);
    }
}
