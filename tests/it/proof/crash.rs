//! The daemon dies at every boundary of an AWS call, before the call is sent and after its effect with the
//! reply lost; a new one takes over and ends where the reference run does, with the same number of creates
//! and deletes.

use super::figure;
use super::live::difference;
use super::scenario::{Scenario, of_kind, production};
use super::seeds::{is_tried, stride};
use crate::harness::{DAEMON, Harness};

/// The daemon dies where a fault says, and another one ends its work; `None` where the fault never struck.
pub async fn dies_at(mut harness: Harness, scenario: &Scenario, fault: &str) -> Option<Harness> {
    let fault: trueup::sandbox::Fault = fault.parse().unwrap();
    harness.sandbox.faults().inject_perhaps(fault.of(DAEMON));
    harness.start().await;
    let begun = tokio::time::Instant::now();
    while harness.sandbox.faults().struck() == 0 {
        // The run ended before this call: on another way through time there were fewer.
        if begun.elapsed() > crate::harness::SOON {
            return None;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    harness.kill();
    harness.sandbox.faults().clear();
    harness.start().await;
    scenario.until_done(&harness).await;
    Some(harness)
}

/// What happens in a world in which the daemon dies.
pub trait Story {
    /// A world in which a daemon runs.
    async fn begin(&self) -> Harness;
    /// What the daemon has to react to.
    async fn trigger(&self, harness: &Harness);
    /// The daemon has done all that it had to.
    async fn is_over(&self, harness: &Harness) -> bool;
    /// What holds wherever it died. `where_` says where.
    async fn check(&self, harness: &Harness, where_: &str);
}

/// The daemon dies before and after every call that it makes from the trigger on, and another one goes on. Returns how
/// often it died.
pub async fn everywhere(story: &impl Story) -> usize {
    let mut crashes = 0;
    for call in (0..).step_by(stride()) {
        let mut is_struck = false;
        for kind in ["stop", "stopafter"] {
            let mut harness = story.begin().await;
            let fault: trueup::sandbox::Fault = format!("*:*={kind}*1@{call}").parse().unwrap();
            harness.sandbox.faults().inject_perhaps(fault.of(DAEMON));
            story.trigger(&harness).await;
            let ends = || async {
                harness.sandbox.faults().has_stopped(DAEMON) || story.is_over(&harness).await
            };
            harness.until("the daemon dies or is done", ends).await;
            if harness.sandbox.faults().has_stopped(DAEMON) {
                is_struck = true;
                crashes += 1;
                harness.kill();
                harness.sandbox.faults().revive(DAEMON);
                harness.start().await;
                harness.until("another one is done", || story.is_over(&harness)).await;
            }
            story.check(&harness, &format!("{kind} at call {call}")).await;
            harness.sandbox.faults().clear();
        }
        if !is_struck {
            break;
        }
    }
    assert!(crashes > 30 / stride(), "{crashes}");
    crashes
}

async fn survives(scenario: &Scenario) -> usize {
    let (reference, calls) = scenario.reference().await;
    let (mut crashes, mut tried) = (0, 0);
    let calls = calls.iter().enumerate();
    for (call, action) in calls.filter(|(call, _)| is_tried(&scenario.name, *call)) {
        tried += 1;
        for kind in ["stop", "stopafter"] {
            let fault = format!("*:*={kind}@{call}");
            let died = dies_at(scenario.begin().await, scenario, &fault).await;
            let Some(harness) = died else { continue };
            let end = scenario.end(&harness).await;
            let what = format!("{}, {kind} at call {call} ({action})", scenario.name);
            if let Some(difference) = difference(&reference.live, &end.live) {
                panic!("{what}:\n{difference}");
            }
            assert_eq!(end.made, reference.made, "{what}");
            crashes += 1;
        }
    }
    assert_eq!(crashes, 2 * tried, "{}", scenario.name);
    crashes
}

macro_rules! for_every_scenario {
    ($($test:ident $scenarios:expr;)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            for scenario in $scenarios {
                let crashes = survives(&scenario).await;
                let (name, apart) = (&scenario.name, stride());
                figure("crash everywhere", &format!("{name}: {crashes} crashes survived, at one of {apart} calls"));
            }
        }
    )* };
}

for_every_scenario! {
    a_crash_anywhere_in_a_functions_life_leaves_nothing_double_or_behind of_kind("Function");
    a_crash_anywhere_in_a_tables_life_leaves_nothing_double_or_behind of_kind("Table");
    a_crash_anywhere_in_a_buckets_life_leaves_nothing_double_or_behind of_kind("Bucket");
    a_crash_anywhere_in_a_frontends_life_leaves_nothing_double_or_behind of_kind("Frontend");
    a_crash_anywhere_in_the_first_apply_of_production_leaves_nothing_double_or_behind [production()];
}
