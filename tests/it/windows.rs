//! Windows: when releases come in, who may let one through, and what happens to drift meanwhile.

use std::time::Duration;

use trueup::model::{ConditionStatus, condition_type};

use crate::harness::{Harness, shop};
use crate::proof::kill::{MANIFESTS, shop_folder};
use crate::proof::served::Served;

async fn memory(harness: &Harness) -> i32 {
    let lambda = harness.session.lambda();
    let api = lambda.get_function_configuration().function_name("shop-api").send().await.unwrap();
    api.memory_size().unwrap()
}

/// The world begins at midnight, and the window opens at one.
#[tokio::test(start_paused = true)]
async fn outside_of_the_windows_drift_is_shown_and_repaired_as_it_is_said() {
    for (drift, meanwhile) in [("", 512), (", drift: Report", 128), (", drift: Correct", 512)] {
        let windows = format!(
            "  windows: {{ allow: [{{ schedule: \"0 1 * * *\", duration: 1h }}]{drift} }}\n  artifacts:"
        );
        let yaml = shop().replacen("  artifacts:", &windows, 1);
        assert_ne!(yaml, shop());
        let mut harness = Harness::new().await;
        harness.put_code("api.zip", b"code").await;
        harness.put_code("web.zip", b"site").await;
        harness.apply(&yaml).await;
        harness.start().await;
        harness.until_ready("shop").await;
        let lambda = harness.session.lambda();
        let edit = lambda.update_function_configuration().function_name("shop-api");
        edit.memory_size(128).send().await.unwrap();
        assert_eq!(memory(&harness).await, 128, "it was changed");
        let is_drift = || async {
            let events = harness.events("shop").await;
            events.iter().any(|e| e.reason == "DriftDetected" && e.object == "Function/api")
        };
        harness.until("the drift is told", is_drift).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(memory(&harness).await, meanwhile, "before the window{drift}");
        let api = harness.status("shop", "Function/api").await.unwrap();
        let synced = api.conditions.get(condition_type::SYNCED).unwrap();
        assert_eq!(synced.status == ConditionStatus::True, meanwhile == 512, "{synced:?}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(memory(&harness).await, 512, "within the window{drift}");
    }
}

#[test]
fn a_person_lets_a_release_through_a_closed_window_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    // At any time.
    let closed = "  windows: { deny: [{ schedule: \"0 * * * *\", duration: 1h }] }\n  artifacts:";
    let manifests = MANIFESTS.replacen("  artifacts:", closed, 1);
    assert_ne!(manifests, MANIFESTS);
    let path = shop_folder(folder.path(), &manifests);
    let file = path.to_str().unwrap();
    let aws = Served::start();
    aws.done(&["init", "--bucket", "artifacts"]);
    // What an environment does not say yet does not count.
    aws.done(&["apply", "-f", file]);
    let release = || {
        let head = aws.runtime.block_on(aws.store.existing_head("proof"));
        head.unwrap().release
    };
    assert_eq!(release(), 1);
    let changed = manifests.replace("handler: main.handler", "handler: other.handler");
    std::fs::write(&path, changed).unwrap();
    let apply = |more: &[&str]| {
        let output = aws.trueup(&[&["apply", "-f", file], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = apply(&[]);
    assert!(code == Some(1) && said.contains("proof takes no release now: "), "{code:?} {said}");
    assert!(said.contains("nothing was recorded") && said.contains("--override-window"), "{said}");
    let (code, said) = apply(&["--override-window"]);
    assert!(code != Some(0) && said.contains("--message"), "{code:?} {said}");
    assert_eq!(release(), 1, "nothing was recorded");
    let (code, said) = apply(&["--override-window", "--message", "the shop is down"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(release(), 2);
    let history = aws.trueup(&["history", "proof"]);
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains("the shop is down"), "{history}");
}
