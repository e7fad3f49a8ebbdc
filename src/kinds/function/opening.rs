//! What lets more callers in than the release before: it waits until the code that it was declared with serves, so
//! that nobody reaches earlier code by a door that was made for later code. Pure.
//!
//! Drift of a form that the function was in accord with is repaired at once. A statement that lets in nobody whom the live
//! one does not is no door, and does not wait either.
//!
//! Where the code takes over step by step, a new URL is made closed first: others may need its address meanwhile.

use serde_json::{Value, json};

use super::compare::Settings;
use super::facets::URL;
use super::observe::LiveFunction;
use super::spec::{FunctionSpec, Permission, UrlAuthType};
use crate::kinds::{Desired, readable};
use crate::model::Segment;
use crate::plan::Change;

/// Takes out of `changes` those that let more callers in than are let in now.
pub(super) fn split_off(
    changes: &mut Vec<Change>,
    desired: &Desired<FunctionSpec>,
    seen: &LiveFunction,
    settings: &Settings,
    effective: &Value,
) -> Vec<Change> {
    if is_repair(desired) {
        return Vec::new();
    }
    let opens_url = opens_url(seen, effective);
    let wanted = settings.spec.permissions.as_deref().unwrap_or_default();
    let opens_more = |id: &str| {
        let live = seen.permissions.iter().find(|statement| statement.permission.id == id);
        let wanted = wanted.iter().find(|permission| permission.id == id);
        wanted.is_some_and(|wanted| live.is_none_or(|live| !is_within(wanted, &live.permission)))
    };
    let opens = |change: &mut Change| match (change.path.root(), change.path.0.get(1)) {
        ("url", _) => opens_url,
        ("permissions", Some(Segment::Element(id))) => opens_more(id),
        _ => false,
    };
    changes.extract_if(.., opens).collect()
}

/// The function was in accord with this very form, and no other was begun since: what differs is drift.
fn is_repair(desired: &Desired<FunctionSpec>) -> bool {
    let before = desired.previous.as_deref().and_then(|before| readable(before).ok());
    desired.begun.is_empty() && before.is_some_and(|before: FunctionSpec| before == desired.spec)
}

/// The URL is to be public, and is not.
fn opens_url(seen: &LiveFunction, effective: &Value) -> bool {
    let is_public = |words: &Value| words["authType"] == json!(UrlAuthType::NONE);
    let live = seen.facets.get(URL.field()).filter(|_| seen.url.is_some());
    is_public(&effective["url"]) && !live.is_some_and(|url| is_public(&url.words))
}

/// Whether a statement lets nobody in whom another one does not: the same callers and action, and all of its conditions.
fn is_within(narrow: &Permission, wide: &Permission) -> bool {
    fn keeps<T: PartialEq>(narrow: &Option<T>, wide: &Option<T>) -> bool {
        wide.is_none() || narrow == wide
    }
    (narrow.principal == wide.principal || wide.principal == "*")
        && narrow.action == wide.action
        && keeps(&narrow.source_arn, &wide.source_arn)
        && keeps(&narrow.source_account, &wide.source_account)
        && keeps(&narrow.principal_org_id, &wide.principal_org_id)
        && keeps(&narrow.function_url_auth_type, &wide.function_url_auth_type)
        && keeps(&narrow.invoked_via_function_url, &wide.invoked_via_function_url)
        && keeps(&narrow.event_source_token, &wide.event_source_token)
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
    use super::super::permission::Statement;
    use super::super::plan::plan;
    use super::super::plan::tests::{function, live};
    use super::super::qualifier::Leftover;
    use super::super::spec::{Permission, UrlAuthType};
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
        let whole = |mut permission: Permission| {
            permission.action.get_or_insert_with(|| "lambda:InvokeFunction".to_owned());
            Statement { permission, foreign: Vec::new() }
        };
        live.permissions = live.spec.permissions.take().into_iter().flatten().map(whole).collect();
        let mut plan = plan(&desired, Some(&live));
        plan.steps.retain(|step| step.what != "tag of the qualifiers");
        plan.outline()
    }

    /// A form with one statement.
    fn allowing(memory: i32, statement: Value) -> Value {
        let mut permission = json!({"id": "s3", "principal": "s3.amazonaws.com"});
        permission.as_object_mut().unwrap().extend(statement.as_object().unwrap().clone());
        json!({"memorySize": memory, "alias": "live", "permissions": [permission]})
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
                "a statement lets more callers in",
                allowing(512, json!({"principal": "*"})),
                allowing(128, json!({})),
                vec![CONFIGURE, MOVE, "Delete permission s3", "Create permission s3"],
            ),
            (
                "a statement lets fewer callers in",
                allowing(512, json!({"sourceAccount": "123456789012"})),
                allowing(128, json!({})),
                vec!["Delete permission s3", "Create permission s3", CONFIGURE, MOVE],
            ),
            (
                "somebody else is let in",
                allowing(512, json!({})),
                json!({"memorySize": 128}),
                vec![CONFIGURE, MOVE, "Create permission s3"],
            ),
        ] {
            assert_eq!(outline(declared, seen, None, None), expected, "{what}");
        }
    }

    #[test]
    fn drift_of_the_form_in_accord_is_repaired_at_once() {
        let [url, statement, invoke] = PUBLIC;
        let (form, closed) = (form(512, "NONE"), form(128, "AWS_IAM"));
        let repaired = outline(form.clone(), closed.clone(), Some(form.clone()), None);
        assert_eq!(repaired, [url, statement, invoke, CONFIGURE, MOVE]);
        let mut before = form.clone();
        before["timeout"] = json!(9);
        let released = outline(form, closed, Some(before), None);
        assert_eq!(released, [CONFIGURE, MOVE, url, statement, invoke], "another form was");
        let (s3, gone) = (allowing(512, json!({})), json!({"memorySize": 128}));
        let repaired = outline(s3.clone(), gone, Some(s3), None);
        assert_eq!(repaired, ["Create permission s3", CONFIGURE, MOVE]);
    }

    #[test]
    fn while_the_code_takes_over_step_by_step_nothing_opens() {
        let (closed, open) = (form(128, "AWS_IAM"), form(512, "NONE"));
        let first = outline(open.clone(), closed, None, Some(0));
        assert_eq!(first, [CONFIGURE, "Create version"]);
        let shifting = outline(open.clone(), form(512, "AWS_IAM"), None, Some(5));
        assert_eq!(shifting.len(), 1, "it shifts, and nothing opens: {shifting:?}");
        let new = outline(open, json!({"memorySize": 128}), None, Some(0));
        assert_eq!(new, [CONFIGURE, "Create version", "Create url"], "made closed");
    }

    #[test]
    fn a_url_of_another_qualifier_goes_once_the_one_of_the_alias_is_open() {
        let mut desired = Desired::sample("Function", function(form(512, "NONE")));
        let mut live = live(json!({"memorySize": 128}), &desired);
        live.alias = Some(LiveAlias { version: "3".to_owned(), ..LiveAlias::default() });
        let url = Some(UrlAuthType::NONE);
        live.leftovers = vec![Leftover { url, ..Leftover::default() }];
        let gone = "Delete url of $LATEST".to_owned();
        let at_once = plan(&desired, Some(&live)).outline();
        assert_eq!(at_once.last(), Some(&gone), "{at_once:?}");
        desired.weight = Some(Part { percent: 0, version: None });
        let gradual = plan(&desired, Some(&live)).outline();
        assert!(gradual.contains(&"Create url".to_owned()), "closed: {gradual:?}");
        assert!(!gradual.contains(&gone), "{gradual:?}");
    }
}
