//! The state of the world as gauges.

use std::collections::HashMap;

use jiff::Timestamp;

use super::metrics::EngineMetrics;
use super::pass::drifted_since;
use super::queue::Queue;
use super::world::{EnvironmentState, World};
use crate::model::{ObjectId, ObjectKey, condition_type};

/// Sets every gauge that tells how the environments are.
pub fn publish(
    world: &World,
    queue: &Queue<ObjectKey>,
    metrics: &EngineMetrics,
    objects_max: usize,
) {
    let mut waiting: HashMap<&str, i64> = HashMap::new();
    for key in queue.ready() {
        *waiting.entry(&key.environment).or_default() += 1;
    }
    for (name, environment) in &world.environments {
        let rollout =
            environment.rollout.as_ref().filter(|r| r.release == environment.head.release);
        let weight_of = |id: &ObjectId| environment.weight_of(id);
        metrics.rollout.publish(name, environment.head.release, rollout, weight_of);
        metrics.lease_held.with_label_values(&[&**name]).set(1);
        let waiting = waiting.get(&**name).copied().unwrap_or_default();
        metrics.queue_by_environment.with_label_values(&[&**name]).set(waiting);
        let suspended = i64::from(environment.head.suspended);
        metrics.suspended.with_label_values(&[&**name]).set(suspended);
        for (gauge, since) in [
            (&metrics.oldest_observation, environment.oldest_observation()),
            (&metrics.oldest_drift, oldest_drift(environment)),
            (&metrics.released, environment.released_at),
        ] {
            match since {
                Some(at) => gauge.with_label_values(&[&**name]).set(at.as_second() as f64),
                None => {
                    // Fails where the gauge was never set.
                    let _ = gauge.remove_label_values(&[&**name]);
                }
            }
        }
        let degraded = i64::try_from(environment.degraded().count()).unwrap_or(i64::MAX);
        metrics.degraded.with_label_values(&[&**name]).set(degraded);
        metrics.unwell.publish(name, environment, objects_max);
        for kind in crate::kinds::kinds() {
            let of_kind = || environment.objects.keys().filter(|id| *id.kind == *kind.name());
            let with = |condition: &str| {
                let holds = |id: &&ObjectId| {
                    let status = environment.statuses.get(*id);
                    status.is_some_and(|s| s.conditions.is_true(condition))
                };
                i64::try_from(of_kind().filter(holds).count()).unwrap_or(i64::MAX)
            };
            let labels = [&**name, kind.name()];
            // A counter that does not exist yet makes an alert on its rate silent.
            for counter in [&metrics.drift_detected, &metrics.drift_corrected, &metrics.flapping] {
                counter.with_label_values(&labels);
            }
            let all = i64::try_from(of_kind().count()).unwrap_or(i64::MAX);
            metrics.resources.with_label_values(&labels).set(all);
            metrics.resources_ready.with_label_values(&labels).set(with(condition_type::READY));
            metrics.resources_synced.with_label_values(&labels).set(with(condition_type::SYNCED));
            metrics
                .resources_stalled
                .with_label_values(&labels)
                .set(stalled(environment, kind.name()));
        }
    }
}

fn oldest_drift(environment: &EnvironmentState) -> Option<Timestamp> {
    environment.statuses.values().filter_map(|status| drifted_since(&status.conditions)).min()
}

/// What is leaving counts too: a deletion that is stuck waits for a person as well.
fn stalled(environment: &EnvironmentState, kind: &str) -> i64 {
    let of_kind = environment.statuses.values().filter(|s| s.kind == kind);
    let stalled = of_kind.filter(|s| s.conditions.is_true(condition_type::STALLED)).count();
    i64::try_from(stalled).unwrap_or(i64::MAX)
}
