//! What lets more callers in than the release before: it waits until the code that it was declared with serves, so
//! that nobody reaches earlier code by a door that was made for later code. Pure.
//!
//! Who was let in by the form that the function was last in accord with is let in again at once: that is a repair.
//! Where the code takes over step by step, a new URL is made closed first: others may need its address meanwhile.

use serde_json::{Value, json};

use super::facets::URL;
use super::observe::LiveFunction;
use super::permission;
use super::spec::{FunctionSpec, Permission, UrlAuthType};
use crate::kinds::{Desired, readable};
use crate::model::Segment;
use crate::plan::Change;

/// Takes out of `changes` those that let more callers in than the last form in accord did.
pub(super) fn split_off(
    changes: &mut Vec<Change>,
    desired: &Desired<FunctionSpec>,
    seen: &LiveFunction,
    effective: &Value,
) -> Vec<Change> {
    let opens_url = opens_url(desired, seen, effective);
    let before = desired.previous.as_deref().map(let_in).unwrap_or_default();
    let is_new = |id: &str| {
        let live = seen.permissions.iter().map(|statement| &statement.permission);
        !live.chain(&before).any(|permission| permission.id == id)
    };
    let opens = |change: &mut Change| match (change.path.root(), change.path.0.get(1)) {
        ("url", _) => opens_url,
        ("permissions", Some(Segment::Element(id))) => is_new(id),
        _ => false,
    };
    changes.extract_if(.., opens).collect()
}

/// The URL is to be public; it is not, and was not in the last form in accord.
fn opens_url(desired: &Desired<FunctionSpec>, seen: &LiveFunction, effective: &Value) -> bool {
    let is_public = |spec: &Value| spec["url"]["authType"] == json!(UrlAuthType::NONE);
    let is_open = seen.url.is_some()
        && seen
            .facets
            .get(URL.field())
            .is_some_and(|url| url.words["authType"] == json!(UrlAuthType::NONE));
    is_public(effective) && !is_open && !desired.previous.as_deref().is_some_and(is_public)
}

/// The statements of a form of the manifest.
fn let_in(spec: &Value) -> Vec<Permission> {
    let spec = readable::<FunctionSpec>(spec).ok();
    spec.and_then(|spec| permission::declared(&spec)).unwrap_or_default()
}

/// The same URL, but closed to the public: it has its address already.
pub(super) fn closed(effective: &Value) -> Value {
    let mut closed = effective.clone();
    closed["url"]["authType"] = json!(UrlAuthType::AwsIam);
    closed
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::observe::{LiveAlias, NextVersion};
    use super::super::plan::plan;
    use super::super::plan::tests::{function, live};
    use crate::kinds::Desired;
    use crate::model::Part;

    const PUBLIC: [&str; 3] = [
        "Update url",
        "Create permission trueup-public-url",
        "Create permission trueup-public-url-invoke",
    ];
    const CONFIGURE: &str = "Update configuration";
    const MOVE: &str = "Update alias live to a new version";

    fn outline(
        declared: Value,
        seen: Value,
        previous: Option<Value>,
        weight: Option<u8>,
    ) -> Vec<String> {
        let mut desired = Desired::sample("Function", function(declared));
        desired.previous = previous.map(|previous| function(previous).into());
        desired.weight = weight.map(|percent| Part { percent, version: None });
        let mut live = live(seen, &desired);
        live.url = live.facets.contains_key("url").then(|| "https://it".to_owned());
        let is_current = live.spec.memory_size == desired.spec.memory_size && weight != Some(5);
        let next = NextVersion { version: "4".to_owned(), ..NextVersion::default() };
        let next = (weight == Some(5)).then_some(next);
        let version = "3".to_owned();
        live.alias = desired.spec.alias.is_some().then(|| LiveAlias {
            is_current,
            version,
            next,
            ..LiveAlias::default()
        });
        let mut plan = plan(&desired, Some(&live));
        plan.steps.retain(|step| step.what != "tag of the qualifiers");
        plan.outline()
    }

    fn form(memory: i32, auth: &str) -> Value {
        json!({"memorySize": memory, "alias": "live", "url": {"authType": auth}})
    }

    #[test]
    fn a_door_opens_once_the_code_that_it_was_declared_with_serves() {
        let [url, statement, invoke] = PUBLIC;
        for (what, declared, seen, expected) in [
            (
                "the code changes, too",
                form(512, "NONE"),
                form(128, "AWS_IAM"),
                vec![CONFIGURE, MOVE, url, statement, invoke],
            ),
            (
                "nothing else changes",
                form(128, "NONE"),
                form(128, "AWS_IAM"),
                vec![url, statement, invoke],
            ),
            ("it closes", form(512, "AWS_IAM"), form(128, "NONE"), vec![url, CONFIGURE, MOVE]),
            (
                "there is no alias",
                json!({"memorySize": 512, "url": {"authType": "NONE"}}),
                json!({"memorySize": 128, "url": {"authType": "AWS_IAM"}}),
                vec![CONFIGURE, url, statement, invoke],
            ),
            (
                "somebody else is let in",
                json!({"memorySize": 512, "alias": "live", "permissions": [{"id": "s3", "principal": "s3.amazonaws.com"}]}),
                json!({"memorySize": 128}),
                vec![CONFIGURE, MOVE, "Create permission s3"],
            ),
        ] {
            assert_eq!(outline(declared, seen, None, None), expected, "{what}");
        }
    }

    #[test]
    fn who_was_let_in_before_is_let_in_again_at_once() {
        let before = form(128, "NONE");
        let [url, statement, invoke] = PUBLIC;
        assert_eq!(
            outline(form(512, "NONE"), form(128, "AWS_IAM"), Some(before), None),
            [url, statement, invoke, CONFIGURE, MOVE]
        );
        let s3 = json!({"permissions": [{"id": "s3", "principal": "s3.amazonaws.com"}]});
        let mut declared = form(512, "AWS_IAM");
        declared["permissions"] = s3["permissions"].clone();
        let planned = outline(declared, form(128, "AWS_IAM"), Some(s3), None);
        assert_eq!(planned, ["Create permission s3", CONFIGURE, MOVE]);
    }

    #[test]
    fn while_the_code_takes_over_step_by_step_nothing_opens() {
        let (closed, open) = (form(128, "AWS_IAM"), form(512, "NONE"));
        let first = outline(open.clone(), closed, None, Some(0));
        assert_eq!(first, [CONFIGURE, "Create version"]);
        let shifting = outline(open.clone(), form(512, "AWS_IAM"), None, Some(5));
        assert!(!shifting.iter().any(|step| step.contains("url")), "{shifting:?}");
        let new = outline(open, json!({"memorySize": 128}), None, Some(0));
        assert_eq!(new, [CONFIGURE, "Create version", "Create url"], "made closed");
    }
}
