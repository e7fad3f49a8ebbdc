//! A canary, its rollback, the rollback of what had already moved, and a promotion, with the daemon stopped before and
//! after every call: function and site end together, requests go where they went only forward, and nothing is done
//! twice.

use serde_json::json;
use trueup::store::Verdict;

use super::crash::{Story, everywhere};
use super::figure;
use crate::analysis::{cloudwatch, succeeded_with_alarm};
use crate::approval::{AUTO, code_of, environment, head, rollout, two};
use crate::delivery::{delivered, until_verdict};
use crate::harness::Harness;
use crate::shifting::{alias, moved};

/// The shop, whose function is shifted in steps.
fn shop(steps: &str) -> String {
    let rollout = format!("  alias: live\n  rollout: {{ steps: {steps} }}\n");
    delivered("{ alarms: [shop-errors], bakeTime: 1h }").replace("  alias: live\n", &rollout)
}

fn newer(yaml: &str) -> String {
    yaml.replace("memorySize: 512", "memorySize: 640").replace("web.zip", "web2.zip")
}

async fn begin(yaml: &str) -> Harness {
    let harness = succeeded_with_alarm(yaml).await;
    harness.put_code("web2.zip", b"the newer site").await;
    harness
}

async fn sound_the_alarm(harness: &Harness) {
    let state =
        json!({"AlarmName": "shop-errors", "StateValue": "ALARM", "StateReason": "too many"});
    cloudwatch(harness, "SetAlarmState", state).await;
}

/// Where requests went and which site was built, in order, from release 2 on.
fn turns(harness: &Harness) -> Vec<String> {
    let turns = harness.exchanges.turns().into_iter().map(|turn| match &*turn.operation {
        "UpdateAlias" => moved(&turn.body),
        _ => {
            let url = turn.body["sourceUrl"].as_str().unwrap().split('?').next().unwrap();
            url.rsplit('/').next().unwrap().to_owned()
        }
    });
    let mut turns: Vec<_> = turns.collect();
    assert_eq!(turns.remove(0), "web.zip", "release 1");
    turns
}

async fn has_verdict(harness: &Harness, release: u64, verdict: Verdict) -> bool {
    let rollout = harness.store.rollout("shop", release).await.unwrap();
    rollout.is_some_and(|rollout| rollout.verdict == verdict)
}

async fn versions(harness: &Harness) -> Vec<String> {
    let lambda = harness.session.lambda();
    let listed = lambda.list_versions_by_function().function_name("shop-api").send().await;
    let listed = listed.unwrap();
    listed.versions().iter().filter_map(|version| version.version()).map(str::to_owned).collect()
}

const TWO_STEPS: &str = "[{ weight: 10, pause: 20s }, { weight: 50, pause: 20s }]";

struct Canary;

impl Story for Canary {
    async fn begin(&self) -> Harness {
        begin(&shop(TWO_STEPS)).await
    }

    async fn trigger(&self, harness: &Harness) {
        harness.apply(&newer(&shop(TWO_STEPS))).await;
    }

    async fn is_over(&self, harness: &Harness) -> bool {
        has_verdict(harness, 2, Verdict::Succeeded).await
    }

    async fn check(&self, harness: &Harness, place: &str) {
        let mut turns = turns(harness);
        turns.dedup();
        assert_eq!(turns, ["1, 2: 10 %", "1, 2: 50 %", "2", "web2.zip"], "{place}");
        assert_eq!(versions(harness).await, ["$LATEST", "1", "2"], "{place}");
    }
}

/// The alarm goes off while the new version gets a tenth of the requests.
struct FailedCanary;

const ONE_STEP: &str = "[{ weight: 10, pause: 10m }]";

impl Story for FailedCanary {
    async fn begin(&self) -> Harness {
        let yaml = shop(ONE_STEP);
        let harness = begin(&yaml).await;
        harness.apply(&newer(&yaml)).await;
        let is_shifted = || async { alias(&harness).await == "1, 2: 10 %" };
        harness.until("the new version gets requests", is_shifted).await;
        harness
    }

    async fn trigger(&self, harness: &Harness) {
        sound_the_alarm(harness).await;
    }

    async fn is_over(&self, harness: &Harness) -> bool {
        has_verdict(harness, 3, Verdict::Succeeded).await
    }

    async fn check(&self, harness: &Harness, place: &str) {
        let mut turns = turns(harness);
        turns.dedup();
        assert_eq!(turns, ["1, 2: 10 %", "1"], "{place}: the site never moved");
        assert_once_back(harness, place).await;
    }
}

/// The alarm goes off after the release has succeeded: the site has moved, too.
struct FailedBake;

impl Story for FailedBake {
    async fn begin(&self) -> Harness {
        let yaml = shop("[{ weight: 10, pause: 5s }]");
        let harness = begin(&yaml).await;
        harness.apply(&newer(&yaml)).await;
        until_verdict(&harness, 2, Verdict::Succeeded).await;
        harness
    }

    async fn trigger(&self, harness: &Harness) {
        sound_the_alarm(harness).await;
    }

    async fn is_over(&self, harness: &Harness) -> bool {
        has_verdict(harness, 3, Verdict::Succeeded).await
    }

    async fn check(&self, harness: &Harness, place: &str) {
        let turns = turns(harness);
        let mut back = turns[turns.iter().position(|turn| turn == "web2.zip").unwrap()..].to_vec();
        back.dedup();
        assert_eq!(back, ["web2.zip", "web.zip", "1"], "{place}: in the reverse order");
        let built = turns.iter().filter(|turn| *turn == "web.zip").count();
        assert_eq!(built, 1, "{place}: the old site is built once");
        assert_once_back(harness, place).await;
    }
}

/// Release 2 is undone by release 3, and no other one comes.
async fn assert_once_back(harness: &Harness, place: &str) {
    assert!(has_verdict(harness, 2, Verdict::RolledBack).await, "{place}");
    assert_eq!(head(harness, "shop").await, 3, "{place}");
    assert_eq!(alias(harness).await, "1", "{place}");
    assert_eq!(versions(harness).await, ["$LATEST", "1", "2"], "{place}: no version anew");
}

struct Promotion;

impl Story for Promotion {
    async fn begin(&self) -> Harness {
        two(&AUTO.replace("5m", "0s")).await
    }

    async fn trigger(&self, harness: &Harness) {
        harness.apply(&environment("staging", b"second", "")).await;
    }

    async fn is_over(&self, harness: &Harness) -> bool {
        let second = rollout(harness, "production", 2).await;
        second.is_some_and(|rollout| rollout.verdict == Verdict::Succeeded)
    }

    async fn check(&self, harness: &Harness, place: &str) {
        let codes = (code_of(harness, "staging").await, code_of(harness, "production").await);
        assert_eq!(codes.0, codes.1, "{place}");
        tokio::time::sleep(std::time::Duration::from_secs(120)).await;
        let heads = (head(harness, "staging").await, head(harness, "production").await);
        assert_eq!(heads, (2, 2), "{place}: promoted once");
    }
}

macro_rules! stories {
    ($($test:ident $story:ident $told:literal;)*) => { $(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            let crashes = everywhere(&$story).await;
            figure($told, &format!("{crashes} crashes of the daemon survived"));
        }
    )* };
}

stories! {
    a_canary_goes_forward_wherever_the_daemon_dies Canary "a canary";
    a_canary_that_fails_goes_back_once_wherever_the_daemon_dies FailedCanary "the rollback of a canary";
    function_and_site_go_back_together_wherever_the_daemon_dies FailedBake "the rollback of function and site";
    a_promotion_is_made_once_wherever_the_daemon_dies Promotion "a promotion";
}
