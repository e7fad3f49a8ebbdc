//! Each call of an operator's life, with each fault: everything recovers once it clears, and a denied call
//! is named, with the action that is missing, within three calls or those of one pass.

use std::collections::BTreeSet;
use std::time::Duration;

use trueup::model::{ConditionStatus, condition_type};
use trueup::sandbox::Fault;

use super::figure;
use super::live::difference;
use super::scenario::{End, Scenario, of_kind};
use super::seeds::{is_tried, stride};
use super::world::ENVIRONMENT;
use crate::harness::{DAEMON, Harness, SOON, statuses};

/// Kinds of fault that pass by themselves.
const PASSING: [&str; 8] =
    ["throttle", "500", "timeout", "lost", "conflict", "notfound", "garbage", "empty"];
/// How often a passing fault strikes: more than the short retries of a read.
const TIMES: u32 = 4;
/// Attempts within which a denied call has its condition.
const ATTEMPTS_MAX: u64 = 3;

async fn with(scenario: &Scenario, fault: &str) -> Harness {
    let mut harness = scenario.begin().await;
    harness.sandbox.faults().inject_perhaps(fault.parse::<Fault>().unwrap().of(DAEMON));
    harness.start().await;
    harness
}

/// How a fault passed.
struct Passed {
    end: End,
    struck: bool,
    /// AWS took a write so often without making it that the flap guard stopped it, and a person lifted that.
    flapping: bool,
}

async fn recovers(scenario: &Scenario, fault: &str) -> Passed {
    let harness = with(scenario, fault).await;
    let begun = tokio::time::Instant::now();
    // The scenario may be over before the fault has struck as often as it could.
    while harness.sandbox.faults().struck() < u64::from(TIMES) && begun.elapsed() < SOON / 4 {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let struck = harness.sandbox.faults().struck() > 0;
    harness.sandbox.faults().clear();
    // The next observation by itself: what was read wrongly may have seemed as declared.
    tokio::time::sleep(Duration::from_secs(75)).await;
    let statuses = statuses(&harness.store, ENVIRONMENT).await;
    let flapping = harness.lift_flap_guards(&statuses).await;
    scenario.until_done(&harness).await;
    Passed { end: scenario.end(&harness).await, struck, flapping }
}

/// Returns what is wrong. `steps` is how many calls of the action one pass may make, each for its own step. What
/// is deleted all the same needs no condition.
async fn is_named(
    scenario: &Scenario,
    reference: &End,
    action: &str,
    steps: u64,
) -> Option<String> {
    let harness = with(scenario, &format!("{action}=denied")).await;
    let begun = tokio::time::Instant::now();
    loop {
        let statuses = statuses(&harness.store, ENVIRONMENT).await;
        if scenario.is_teardown() && statuses.is_empty() {
            break;
        }
        let stalled = statuses.iter().find_map(|s| {
            s.conditions.get(condition_type::STALLED).filter(|c| c.status == ConditionStatus::True)
        });
        if let Some(stalled) = stalled {
            let tried = harness.sandbox.calls().counts()[action];
            let named =
                stalled.reason == "AccessDenied" && stalled.message.contains(&permission(action));
            if !named || tried > ATTEMPTS_MAX.max(steps) {
                return Some(format!(
                    "{action}: {tried} attempts, {}: {}",
                    stalled.reason, stalled.message
                ));
            }
            break;
        }
        if begun.elapsed() > SOON {
            return Some(format!("{action}: no condition says that it is denied"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    harness.sandbox.faults().clear();
    scenario.until_done(&harness).await;
    let difference = difference(&reference.live, &scenario.end(&harness).await.live);
    difference.map(|d| format!("{action}=denied:\n{d}"))
}

/// The IAM action that an operation needs, where it is not named after it:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.
fn permission(action: &str) -> String {
    let own = match action {
        "s3:GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "s3:PutBucketEncryption" => "s3:PutEncryptionConfiguration",
        "s3:GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "s3:PutBucketLifecycleConfiguration" => "s3:PutLifecycleConfiguration",
        "s3:GetBucketCors" => "s3:GetBucketCORS",
        "s3:PutBucketCors" => "s3:PutBucketCORS",
        "s3:GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "s3:PutPublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "s3:GetBucketNotificationConfiguration" => "s3:GetBucketNotification",
        "s3:PutBucketNotificationConfiguration" => "s3:PutBucketNotification",
        other => other,
    };
    own.to_owned()
}

/// The store's own operations, without which nothing can be recorded.
fn is_the_stores(action: &str) -> bool {
    ["PutItem", "GetItem", "Query", "BatchGetItem", "DeleteItem"]
        .iter()
        .any(|o| action.ends_with(o))
}

/// What came of many faults.
#[derive(Default)]
struct Tally {
    recovered: usize,
    /// Those of them that a person helped.
    flapping: usize,
    denied: usize,
    wrong: Vec<String>,
}

impl Tally {
    async fn passes_by_itself(
        &mut self,
        scenario: &Scenario,
        reference: &End,
        action: &str,
        kind: &str,
    ) {
        let Passed { end, struck, flapping } =
            recovers(scenario, &format!("{action}={kind}*{TIMES}")).await;
        let what = format!("{}, {action}={kind}", scenario.name);
        // What reads find empty is asked of reads alone.
        assert!(struck || kind == "empty", "{what} never struck");
        // A reply that nobody reads looks like success, whatever it holds. A job whose start is not answered may
        // run and cost: after three of them a person is asked.
        let starts_a_job = ["amplify:StartDeployment", "amplify:StartJob"].contains(&action);
        let may_flap = kind == "garbage" || starts_a_job && ["500", "timeout"].contains(&kind);
        assert!(!flapping || may_flap, "{what} was stopped by its flap guard");
        self.recovered += usize::from(struck);
        self.flapping += usize::from(flapping);
        if let Some(difference) = difference(&reference.live, &end.live) {
            self.wrong.push(format!("{what}:\n{difference}"));
        }
        let deleted = |end: &End| -> u64 {
            end.made.iter().filter(|(a, _)| a.contains(":Delete")).map(|(_, n)| n).sum()
        };
        // A delete whose reply is lost is sent again.
        let may_repeat = action.contains("Delete");
        if !may_repeat && deleted(&end) > deleted(reference) {
            self.wrong.push(format!("{what}: deleted {:?}", end.made));
        }
    }

    fn print(&self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        figure(
            "every single fault",
            &format!(
                "one of {} tried: {} recovered, {} of them once a person lifted the flap guard; {} denied calls named",
                stride(),
                self.recovered,
                self.flapping,
                self.denied
            ),
        );
    }
}

async fn faults_of(scenarios: Vec<Scenario>) {
    let (mut tally, mut tried) = (Tally::default(), 0..);
    for scenario in scenarios {
        let (reference, calls) = scenario.reference().await;
        let mut is_tried = || tried.next().is_some_and(|index| is_tried(&scenario.name, index));
        for action in calls.iter().cloned().collect::<BTreeSet<_>>() {
            let stores = is_the_stores(&action);
            for kind in PASSING.into_iter().filter(|kind| !(stores && *kind == "empty")) {
                if !is_tried() {
                    continue;
                }
                tally.passes_by_itself(&scenario, &reference, &action, kind).await;
            }
            if !is_tried() {
                continue;
            }
            if stores {
                // No condition can be recorded; it recovers all the same.
                tally.passes_by_itself(&scenario, &reference, &action, "denied").await;
            } else {
                let writes =
                    !["Get", "List", "Describe", "Head"].iter().any(|v| action.contains(v));
                let steps = calls.iter().filter(|call| writes && **call == action).count() as u64;
                let wrong = is_named(&scenario, &reference, &action, steps).await;
                tally.wrong.extend(wrong.map(|w| format!("{}: {w}", scenario.name)));
                tally.denied += 1;
            }
        }
    }
    tally.print();
}

macro_rules! for_every_kind {
    ($($test:ident $kind:literal)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            faults_of(of_kind($kind)).await;
        }
    )* };
}

for_every_kind! {
    every_call_of_a_functions_life_may_fail_in_every_way "Function"
    every_call_of_a_tables_life_may_fail_in_every_way "Table"
    every_call_of_a_buckets_life_may_fail_in_every_way "Bucket"
    every_call_of_a_frontends_life_may_fail_in_every_way "Frontend"
}
