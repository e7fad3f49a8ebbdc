//! What to do about a function.

use std::collections::BTreeMap;

use crate::kinds::scaling::ScalingStep;
use crate::kinds::{Desired, FacetStep, split_off};
use crate::plan::{Change, Plan, Verb};

use super::compare::{Settings, compare};
use super::facets::FunctionRef;
use super::observe::LiveFunction;
use super::obstacle::obstacle;
use super::opening;
use super::planner::{Moves, Planner};
use super::provisioned::{self, Provisioning};
use super::qualifier;
use super::shift::{self, Move, Publication};
use super::spec::*;

/// One call to Lambda, or one pair that may be repeated as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionStep {
    /// Makes the function with these tags.
    Create(Box<Settings>, BTreeMap<String, String>),
    /// With the revision that was observed: what is sent back as it was read is of that one.
    Configure(Box<Settings>, String),
    /// Puts other code in.
    UpdateCode {
        /// Where it lies.
        code: Code,
        /// What it runs on.
        architectures: Option<Vec<Architecture>>,
        /// The KMS key of the zip, as it was observed.
        kms_key_arn: Option<String>,
        /// The revision that was observed.
        revision: String,
    },
    /// Publishes what was observed, and moves the alias to it.
    Publish(Publication),
    /// Publishes what was observed, for nobody yet.
    PublishVersion {
        /// The digest of the code that was observed, in base64. Lambda refuses to publish any other.
        code_sha256: String,
        /// The revision that was observed. Lambda refuses to publish any other.
        revision: String,
    },
    /// Moves the alias, or a part of its requests, to a version that is there.
    Move(Move),
    /// On a qualifier, where the facet belongs to one.
    Facet(FunctionRef, FacetStep<FunctionRef>),
    /// So many executions of a version are kept ready.
    Provision {
        /// The version's number.
        version: String,
        /// How many of them; at least 1.
        executions: i32,
    },
    /// Of a version, or of an alias.
    Unprovision(String),
    /// Changes who scales a version's executions, and how.
    Scale(ScalingStep),
    /// Adds a statement to the resource policy.
    AddPermission(FunctionRef, Permission),
    /// Removes the statement of that id from the resource policy.
    RemovePermission(FunctionRef, String),
    /// The function's ARN, and its tags.
    Tag(String, BTreeMap<String, String>),
    /// Deletes the function, its versions and aliases too.
    Delete,
}

/// Fields that UpdateFunctionConfiguration writes.
pub(super) const CONFIGURATION: &[&str] = &[
    "description",
    "runtime",
    "handler",
    "role",
    "memorySize",
    "timeout",
    "ephemeralStorage",
    "env",
    "layers",
    "vpc",
    "tracing",
    "logging",
    "deadLetter",
    "snapStart",
    "kmsKeyArn",
];

/// Fields that UpdateFunctionCode writes.
pub(super) const CODE: &[&str] = &["code", "architectures"];

pub(super) fn plan(
    desired: &Desired<FunctionSpec>,
    live: Option<&LiveFunction>,
) -> Plan<FunctionStep> {
    let nothing = LiveFunction::default();
    let seen = live.unwrap_or(&nothing);
    let (compared, settings) = match compare(desired, seen, live.is_some()) {
        Ok(compared) => compared,
        Err(blocked) => return Plan { blocked: Some(blocked), ..Plan::default() },
    };
    let wanted_tags = compared.tags(&desired.tags);
    let mut changes = compared.changes;
    let provisioning = Provisioning::of(desired, seen, &settings.spec);
    if let (Some(provisioning), Some(alias)) = (&provisioning, &seen.alias) {
        provisioning.keep(&alias.version, &mut changes);
    }
    let mut plan = obstacle(desired, live, &settings, &changes);
    let ignores_alias = desired.ignore.iter().any(|path| path.to_string() == "alias");
    // Whoever ignores the alias moves it.
    let keeps_alias = ignores_alias && seen.alias.is_some() && desired.create_begun.is_none();
    let moves = live.filter(|_| !keeps_alias);
    let moves = moves.map(|live| Moves::of(desired, live, &changes)).unwrap_or_default();
    if live.is_none() {
        push_create(&mut plan, desired, &settings, &mut changes);
    } else {
        plan.changes.clone_from(&changes);
        plan.changes.extend(moves.changes().cloned());
        if let Some(instead) = instead(desired, seen, &plan) {
            return instead;
        }
    }
    let becomes_other = moves.moved.is_some() || changes.iter().any(shift::is_of_version);
    let effective = &compared.effective;
    let opening = match live.is_some() && becomes_other {
        true => opening::split_off(&mut changes, desired, seen, &settings, effective),
        false => Vec::new(),
    };
    let planner = Planner {
        desired,
        seen,
        settings: &settings,
        effective,
        wanted_tags,
        provisioning: provisioning.as_ref(),
        // Who may call it comes before what it is, where there is already something to call.
        hangs_on_something: live.is_some()
            && (desired.spec.alias.is_none() || seen.alias.is_some()),
        keeps_alias,
        plan,
        changes,
        opening,
    };
    planner.plan(moves)
}

fn push_create(
    plan: &mut Plan<FunctionStep>,
    desired: &Desired<FunctionSpec>,
    settings: &Settings,
    changes: &mut Vec<Change>,
) {
    let mut given = split_off(changes, CONFIGURATION);
    given.extend(split_off(changes, CODE));
    split_off(changes, &["tags"]);
    let mut tags = desired.tags.clone();
    tags.extend(qualifier::first_tag(&desired.spec));
    let create = FunctionStep::Create(Box::new(settings.clone()), tags);
    plan.push_whole(Verb::Create, "function", given, create);
}

/// What is done instead of the changes: nothing while Lambda takes none, or the function is made anew.
fn instead(
    desired: &Desired<FunctionSpec>,
    seen: &LiveFunction,
    plan: &Plan<FunctionStep>,
) -> Option<Plan<FunctionStep>> {
    let so_far = Plan {
        changes: plan.changes.clone(),
        blocked: plan.blocked.clone(),
        partly_blocked: plan.partly_blocked.clone(),
        ..Plan::default()
    };
    let changes = plan.changes.clone();
    if let Some(state) = &seen.unknown_state {
        return Some(Plan { changes, ..Plan::blocked("UnknownState", state.clone()) });
    }
    if let Some(busy) = &seen.busy {
        let Plan { waiting, .. } = Plan::<()>::waiting("FunctionUpdating", busy.clone());
        return Some(Plan { waiting, ..so_far });
    }
    let is_image = desired.spec.code.image.is_some();
    if seen.image.is_some() == is_image {
        return None;
    }
    if desired.may_replace(|before| before["code"]["image"].is_string() == is_image) {
        // The next observation finds nothing, and makes it anew.
        let mut plan = so_far;
        plan.push_whole(Verb::Delete, "function", changes, FunctionStep::Delete);
        return Some(plan);
    }
    Some(Plan { changes, ..replacement_needed() })
}

fn replacement_needed() -> Plan<FunctionStep> {
    Plan::blocked(
        "ReplacementNeeded",
        "a function cannot change between a zip and a container image. To have it deleted and made \
         again, annotate the manifest with trueup.dev/allow-replace: \"true\", and confirm it with `trueup apply \
         --confirm` where the environment is protected or the function's deletionPolicy is Retain. What somebody \
         changed by hand is not replaced",
    )
}

pub(super) fn plan_deletion(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
) -> Plan<FunctionStep> {
    let mut plan = Plan::default();
    provisioned::push_deletions(&mut plan, desired, live);
    plan.push_whole(Verb::Delete, "function", Vec::new(), FunctionStep::Delete);
    plan
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::facets::{ALIAS_DESCRIPTION, ASYNC, RECURSION, RESERVATION, URL};
    use super::super::observe::LiveAlias;
    use super::super::permission::Statement;
    use super::*;
    use crate::model::Secret;
    use crate::plan::render_plan;
    use serde_json::{Value, json};

    pub(in super::super) fn function(extra: Value) -> Value {
        let mut spec = json!({
            "runtime": "nodejs22.x", "handler": "main.handler",
            "role": "arn:aws:iam::123456789012:role/api",
            "code": {"s3": {"bucket": "artifacts", "key": "api.zip", "sha256": "00".repeat(32)}},
        });
        for (field, value) in extra.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    }

    pub(in super::super) fn live(extra: Value, desired: &Desired<FunctionSpec>) -> LiveFunction {
        let mut tags = desired.tags.clone();
        tags.extend(qualifier::first_tag(&desired.spec));
        let facets = [RESERVATION, RECURSION, ASYNC, URL, ALIAS_DESCRIPTION]
            .into_iter()
            .filter_map(|facet| Some((facet.field(), facet.saying(extra.get(facet.field())?))));
        LiveFunction {
            facets: facets.collect(),
            spec: serde_json::from_value(function(extra)).unwrap(),
            arn: "arn:aws:lambda:us-east-1:123456789012:function:dev-it".to_owned(),
            code_sha256: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
            tags,
            ..LiveFunction::default()
        }
    }

    #[test]
    fn a_changed_configuration_is_published_and_the_alias_moved() {
        let declared = function(json!({"memorySize": 512, "timeout": 15, "alias": "live"}));
        let desired = Desired::sample("Function", declared);
        let mut seen = live(json!({"memorySize": 128, "timeout": 15}), &desired);
        seen.alias = Some(LiveAlias { is_current: true, ..LiveAlias::default() });
        insta::assert_snapshot!(render_plan(&plan(&desired, Some(&seen))));
    }

    #[test]
    fn a_write_sends_what_differs_and_nothing_else() {
        let layers = json!(["arn:aws:lambda:us-east-1:123456789012:layer:deleted:1"]);
        let declared = function(
            json!({"memorySize": 512, "layers": layers, "env": [{"name": "A", "value": "1"}]}),
        );
        let desired = Desired::sample("Function", declared);
        let mut seen = live(json!({"memorySize": 128, "layers": layers}), &desired);
        seen.env.insert("A".to_owned(), Secret::new("1"));
        let plan = plan(&desired, Some(&seen));
        let FunctionStep::Configure(settings, _) = &plan.steps[0].call else { panic!("{plan:?}") };
        let expected = FunctionSpec { memory_size: Some(512), ..FunctionSpec::default() };
        assert_eq!((&settings.spec, &settings.env), (&expected, &None));
    }

    #[test]
    fn variables_are_compared_without_showing_what_may_be_secret() {
        let declared = function(json!({"env": [
            {"name": "STAGE", "value": "production"},
            {"name": "PLAIN", "value": "now"},
        ]}));
        let desired = Desired::sample("Function", declared);
        let mut seen = live(json!({}), &desired);
        for (name, value) in [("STAGE", "production"), ("PLAIN", "hunter2"), ("BY_HAND", "hunter2")]
        {
            seen.env.insert(name.to_owned(), Secret::new(value));
        }
        let shown = render_plan(&plan(&desired, Some(&seen)));
        assert!(!shown.contains("hunter2"), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn ignored_variables_keep_their_live_values_when_others_are_written() {
        let declared = function(json!({"env": [{"name": "STAGE", "value": "production"}]}));
        let mut desired = Desired::sample("Function", declared);
        desired.ignore = vec!["env[FLAGS]".parse().unwrap()];
        let mut seen = live(json!({}), &desired);
        for (name, value) in [("STAGE", "staging"), ("FLAGS", "on"), ("OTHER", "x")] {
            seen.env.insert(name.to_owned(), Secret::new(value));
        }
        let mut plan = plan(&desired, Some(&seen));
        let FunctionStep::Configure(settings, _) = plan.steps.remove(0).call else { panic!() };
        let env = settings.env.unwrap();
        let values: Vec<_> = env.iter().map(|(n, v)| (n.as_str(), v.reveal())).collect();
        assert_eq!(values, [("FLAGS", "on"), ("STAGE", "production")]);
    }

    #[test]
    fn while_lambda_is_busy_nothing_is_written() {
        let desired = Desired::sample("Function", function(json!({"memorySize": 512})));
        let mut seen = live(json!({"memorySize": 128}), &desired);
        seen.busy = Some("Lambda is updating the function".to_owned());
        let plan = plan(&desired, Some(&seen));
        assert!(plan.steps.is_empty() && plan.waiting.is_some() && plan.changes.len() == 1);
    }

    #[test]
    fn a_permission_that_changes_is_removed_and_added_again() {
        let permission = |source: &str| json!({"permissions": [{"id": "s3", "principal": "s3.amazonaws.com", "sourceArn": source}]});
        let desired = Desired::sample("Function", function(permission("arn:aws:s3:::new")));
        let mut seen = live(json!({}), &desired);
        seen.permissions = statements(permission("arn:aws:s3:::old")["permissions"].clone());
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.outline(), ["Delete permission s3", "Create permission s3"]);
    }

    /// Live statements of these permissions.
    fn statements(permissions: Value) -> Vec<Statement> {
        let read: Vec<Permission> = serde_json::from_value(permissions).unwrap();
        let whole = |mut permission: Permission| {
            permission.action.get_or_insert_with(|| "lambda:InvokeFunction".to_owned());
            Statement { permission, foreign: Vec::new() }
        };
        read.into_iter().map(whole).collect()
    }

    const S3: &str =
        r#"{"id": "s3", "principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::b"}"#;

    #[test]
    fn a_condition_that_nobody_declared_is_not_taken_away_without_being_asked_for() {
        let s3: Value = serde_json::from_str(S3).unwrap();
        let mut desired = Desired::sample("Function", function(json!({"permissions": [s3]})));
        let mut seen = live(json!({}), &desired);
        seen.permissions = statements(json!([s3]));
        assert_eq!(plan(&desired, Some(&seen)).outline(), [""; 0], "the same");
        for (field, value) in [
            ("sourceAccount", json!("123456789012")),
            ("principalOrgId", json!("o-a1b2c3d4e5")),
            ("eventSourceToken", json!("token")),
        ] {
            let mut narrower = s3.clone();
            narrower[field] = value;
            seen.permissions = statements(json!([narrower]));
            let asked = plan(&desired, Some(&seen));
            let blocked = asked.obstacle().expect("it is asked");
            assert_eq!(blocked.reason, "ConfirmationNeeded");
            assert!(blocked.message.contains(&format!("permissions[s3].{field}")), "{blocked:?}");
        }
        desired.confirmed = true;
        let rewritten = ["Delete permission s3", "Create permission s3"];
        assert_eq!(plan(&desired, Some(&seen)).outline(), rewritten, "confirmed");
        desired.confirmed = false;
        desired.previous =
            Some(json!({"permissions": [{"id": "s3", "eventSourceToken": "token"}]}).into());
        assert_eq!(plan(&desired, Some(&seen)).outline(), rewritten, "taken out of the manifest");
    }

    #[test]
    fn what_cannot_be_made_of_what_is_told_is_refused_before_the_call() {
        let text = json!({"logFormat": "Text", "logGroup": "/aws/lambda/it"});
        for (what, declared, live, said) in [
            (
                "levels of text",
                json!({"logging": {"systemLogLevel": "WARN"}}),
                json!({"logging": text}),
                Some("logFormat: JSON"),
            ),
            (
                "JSON becomes text",
                json!({"logging": {"logFormat": "Text"}}),
                json!({"logging": {"logFormat": "JSON", "systemLogLevel": "INFO"}}),
                None,
            ),
            (
                "levels of JSON",
                json!({"logging": {"systemLogLevel": "WARN"}}),
                json!({"logging": {"logFormat": "JSON"}}),
                None,
            ),
            (
                "half a VPC",
                json!({"vpc": {"subnetIds": ["subnet-a"]}}),
                json!({}),
                Some("vpc.securityGroupIds"),
            ),
            (
                "the rest is live",
                json!({"vpc": {"subnetIds": ["subnet-a"]}}),
                json!({"vpc": {"subnetIds": ["subnet-b"], "securityGroupIds": ["sg-a"]}}),
                None,
            ),
            (
                "out of the VPC",
                json!({"vpc": {"subnetIds": [], "securityGroupIds": []}}),
                json!({"vpc": {"subnetIds": ["subnet-b"], "securityGroupIds": ["sg-a"], "ipv6AllowedForDualStack": false}}),
                None,
            ),
        ] {
            let desired = Desired::sample("Function", function(declared));
            let seen = super::tests::live(live, &desired);
            let blocked =
                plan(&desired, Some(&seen)).obstacle().map(|blocked| blocked.message.clone());
            match said {
                None => assert_eq!(blocked, None, "{what}"),
                Some(said) => assert!(
                    blocked.as_ref().is_some_and(|b| b.contains(said)),
                    "{what}: {blocked:?}"
                ),
            }
        }
    }

    #[test]
    fn an_ignored_condition_goes_through_a_rewrite() {
        let mut s3: Value = serde_json::from_str(S3).unwrap();
        let mut desired = Desired::sample("Function", function(json!({"permissions": [s3]})));
        desired.ignore = vec!["permissions[s3].sourceAccount".parse().unwrap()];
        let mut seen = live(json!({}), &desired);
        s3["sourceAccount"] = json!("123456789012");
        seen.permissions = statements(json!([s3]));
        assert_eq!(plan(&desired, Some(&seen)).outline(), [""; 0]);
        s3["sourceArn"] = json!("arn:aws:s3:::another");
        seen.permissions = statements(json!([s3]));
        let plan = plan(&desired, Some(&seen));
        let FunctionStep::AddPermission(_, written) = &plan.steps[1].call else {
            panic!("{plan:?}")
        };
        assert_eq!(written.source_account.as_deref(), Some("123456789012"));
        assert_eq!(written.source_arn.as_deref(), Some("arn:aws:s3:::b"));
    }

    #[test]
    fn a_statement_that_trueup_cannot_write_again_is_left_and_named() {
        let s3: Value = serde_json::from_str(S3).unwrap();
        let desired = Desired::sample("Function", function(json!({"permissions": [s3]})));
        let mut seen = live(json!({}), &desired);
        let mut other = s3.clone();
        other["sourceArn"] = json!("arn:aws:s3:::another");
        seen.permissions = statements(json!([other]));
        seen.permissions[0].foreign = vec!["Condition.IpAddress.aws:SourceIp".to_owned()];
        let blocked = plan(&desired, Some(&seen)).obstacle().cloned().expect("it is not written");
        assert_eq!(blocked.reason, "NotWritable");
        for part in ["permissions[s3]", "Condition.IpAddress.aws:SourceIp"] {
            assert!(blocked.message.contains(part), "{blocked:?}");
        }
    }

    #[test]
    fn each_part_is_written_by_its_own_step_and_only_when_it_differs() {
        let url = |auth: &str| json!({"url": {"authType": auth}});
        let retries = |n: i32| json!({"async": {"maximumRetryAttempts": n}});
        for (declared, seen, expected) in [
            (json!({}), json!({}), vec![]),
            (json!({"timeout": 9}), json!({"timeout": 3}), vec!["Update configuration"]),
            (
                json!({"architectures": ["arm64"]}),
                json!({"architectures": ["x86_64"]}),
                vec!["Update code"],
            ),
            (
                json!({"reservedConcurrency": 7}),
                json!({"reservedConcurrency": 5}),
                vec!["Update reserved concurrency"],
            ),
            (
                json!({"reservedConcurrency": -1}),
                json!({"reservedConcurrency": 5}),
                vec!["Update reserved concurrency"],
            ),
            (json!({"reservedConcurrency": -1}), json!({"reservedConcurrency": -1}), vec![]),
            (retries(0), retries(2), vec!["Update async settings"]),
            (json!({"async": {}}), retries(2), vec!["Delete async settings"]),
            (url("AWS_IAM"), json!({}), vec!["Create url"]),
            (url("AWS_IAM"), url("NONE"), vec!["Update url"]),
            (json!({"url": {}}), url("NONE"), vec!["Delete url"]),
        ] {
            let desired = Desired::sample("Function", function(declared.clone()));
            let live = live(seen.clone(), &desired);
            let plan = plan(&desired, Some(&live));
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
            assert_eq!(plan.changes.is_empty(), expected.is_empty(), "{:?}", plan.changes);
        }
    }

    #[test]
    fn tags_are_put_back() {
        let desired = Desired::sample("Function", function(json!({})));
        let mut seen = live(json!({}), &desired);
        seen.tags.clear();
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.steps[0].call, FunctionStep::Tag(seen.arn, desired.tags));
    }

    #[test]
    fn a_new_function_is_made_before_what_belongs_to_it() {
        let desired = Desired::sample(
            "Function",
            function(json!({
                "memorySize": 512, "alias": "live", "reservedConcurrency": -1,
                "url": {"authType": "AWS_IAM"},
                "permissions": [{"id": "s3", "principal": "s3.amazonaws.com"}],
            })),
        );
        let plan = plan(&desired, None);
        let steps = [
            "Create function",
            "Create alias live to a new version",
            "Create url",
            "Create permission s3",
        ];
        assert_eq!(plan.outline(), steps);
        assert_eq!(plan.changes, [], "what does not exist has not drifted");
        let given: Vec<_> = plan.steps[0].changes.iter().map(|c| c.path.root()).collect();
        assert_eq!(given, ["runtime", "handler", "role", "memorySize", "code"]);
    }

    #[test]
    fn the_alias_follows_what_the_function_is() {
        let alias = |is_current: bool| {
            Some(super::super::observe::LiveAlias {
                is_current,
                version: "3".into(),
                ..Default::default()
            })
        };
        let published = ["Update alias live to a new version"];
        for (alias, memory, expected, drifted) in [
            (alias(true), 512, vec![], vec![]),
            (alias(false), 512, published.to_vec(), vec!["alias"]),
            (None, 512, vec!["Create alias live to a new version"], vec!["alias"]),
            // What is about to change is why the alias is behind: it is no drift of its own.
            (alias(false), 128, vec!["Update configuration", published[0]], vec!["memorySize"]),
            (alias(true), 128, vec!["Update configuration", published[0]], vec!["memorySize"]),
        ] {
            let declared = function(json!({"memorySize": 512, "alias": "live"}));
            let desired = Desired::sample("Function", declared);
            let mut seen = live(json!({"memorySize": memory}), &desired);
            seen.alias = alias;
            let plan = plan(&desired, Some(&seen));
            assert_eq!(plan.outline(), expected, "{:?} at {memory}", seen.alias);
            let fields: Vec<_> = plan.changes.iter().map(|c| c.path.to_string()).collect();
            assert_eq!(fields, drifted);
        }
        let code = |key: &str| {
            function(json!({"alias": "live", "code": {"s3": {"bucket": "b", "key": key}}}))
        };
        let desired = Desired::sample("Function", code("new.zip"));
        let mut seen = live(json!({}), &desired);
        seen.alias = alias(false);
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.outline(), ["Update code", published[0]]);
        assert!(plan.changes.iter().all(|c| c.path.root() == "code"), "{:?}", plan.changes);
    }

    #[test]
    fn a_zip_does_not_become_an_image_unless_a_replacement_is_allowed() {
        let image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/api@sha256:0";
        let declared =
            json!({"role": "arn:aws:iam::123456789012:role/api", "code": {"image": image}});
        let mut desired = Desired::sample("Function", declared);
        let mut seen = live(json!({}), &desired);
        let refused = plan(&desired, Some(&seen));
        assert_eq!(refused.outline(), ["! ReplacementNeeded"]);
        assert!(!refused.changes.is_empty(), "what differs is still said");
        assert!(refused.blocked.unwrap().message.contains("allow-replace"));
        desired.allow_replace = true;
        assert_eq!(plan(&desired, Some(&seen)).outline(), ["Delete function"]);
        desired.is_kept = true;
        assert_eq!(plan(&desired, Some(&seen)).outline(), ["! ReplacementNeeded"], "protected");
        desired.confirmed = true;
        assert_eq!(plan(&desired, Some(&seen)).outline(), ["Delete function"], "confirmed");
        desired.previous = Some(json!({"code": {"image": image}}).into());
        let by_hand = plan(&desired, Some(&seen)).outline();
        assert_eq!(by_hand, ["! ReplacementNeeded"], "somebody made it a zip by hand");
        seen.image = Some(image.to_owned());
        assert_eq!(plan(&desired, Some(&seen)).outline(), [""; 0]);
    }

    #[test]
    fn permissions_that_nobody_declares_any_more_are_removed_one_by_one() {
        let permission = |id: &str| json!({"id": id, "principal": "s3.amazonaws.com", "action": "lambda:InvokeFunction"});
        for (declared, expected) in [
            (json!([]), vec!["Delete permission a", "Delete permission b"]),
            (json!([permission("b")]), vec!["Delete permission a"]),
            (
                json!([permission("a"), permission("b"), permission("c")]),
                vec!["Create permission c"],
            ),
        ] {
            let desired = Desired::sample("Function", function(json!({ "permissions": declared })));
            let mut seen = live(json!({}), &desired);
            seen.permissions = statements(json!([permission("a"), permission("b")]));
            assert_eq!(plan(&desired, Some(&seen)).outline(), expected, "{declared}");
        }
    }

    #[test]
    fn a_function_that_lambda_cannot_run_is_said_to_be_so_once_nothing_else_is_to_be_done() {
        for (timeout, expected) in [(3, "! FunctionFailed"), (9, "Update configuration")] {
            let desired = Desired::sample("Function", function(json!({"timeout": 3})));
            let mut seen = live(json!({ "timeout": timeout }), &desired);
            seen.failure = Some("the image is gone".to_owned());
            assert_eq!(plan(&desired, Some(&seen)).outline(), [expected]);
        }
    }

    #[test]
    fn a_function_goes_as_a_whole() {
        let plan = plan_deletion(
            &Desired::sample("Function", function(json!({}))),
            &LiveFunction::default(),
        );
        assert_eq!(plan.outline(), ["Delete function"]);
        assert_eq!(plan.steps[0].call, FunctionStep::Delete);
    }
}
