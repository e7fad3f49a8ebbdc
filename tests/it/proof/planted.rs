//! Is the proof itself strong? Bugs that operators of this kind really had, planted one at a time in a copy
//! of the sources: the named tests must fail.
//!
//! `cargo test` only sees to it that the passages are still there. To plant the bugs, which builds the
//! program once for each (and leaves the binary of the last build behind; not together with other tests):
//!
//! ```text
//! cargo test planted -- --ignored --nocapture
//! ```
//!
//! `PLANTED=words,words` in the environment plants only the bugs whose names contain such words. The pure planners
//! are hunted more finely, by `cargo mutants` (see `.cargo/mutants.toml`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::figure;

struct Bug {
    name: &'static str,
    file: &'static str,
    /// A passage that stands in the file once, and what the bug makes of it.
    good: &'static str,
    bad: &'static str,
    /// The tests that are run against it; at least one of them fails.
    caught_by: &'static str,
}

const BUGS: [Bug; 99] = [
    Bug {
        name: "the ownership check is dropped",
        file: "kinds/gate.rs",
        good: "(Some(Whose::Nobodys | Whose::Named), Intent::Keep) => desired.adopt,",
        bad: "(Some(Whose::Nobodys | Whose::Named), Intent::Keep) => true,",
        caught_by: "ownership::a_foreign_resource",
    },
    Bug {
        name: "the uid does not count for ownership",
        file: "aws/tags.rs",
        good: "ownership(key, uid).iter().all(|(name, value)| live.get(name) == Some(value))",
        bad: "ownership(key, uid).iter().all(|(name, value)| name == UID || live.get(name) == Some(value))",
        caught_by: "ownership::a_resource_of_another_store",
    },
    Bug {
        name: "an unset field is read as delete",
        file: "plan/diff.rs",
        good: "            for (name, value) in want {\n                compare(",
        bad: "            for (name, value) in have.iter().filter(|(name, _)| want.get(*name).is_none()) {\n                \
              changes.push(Change { path: path.field(name), live: Some(value.clone()), desired: None });\n            }\n            \
              for (name, value) in want {\n                compare(",
        caught_by: "drift::undeclared_tags_and_settings",
    },
    Bug {
        name: "what an unfinished release declared is taken for somebody's",
        file: "kinds/desired.rs",
        good: "self.previous.iter().chain(&self.begun)",
        bad: "self.previous.iter().chain(&self.begun[..0])",
        caught_by: "more_harm::what_an_unfinished_release_limited",
    },
    Bug {
        name: "a branch that is made anew has the job of before",
        file: "kinds/frontend/plan.rs",
        good: "desired.job.as_ref().filter(|_| seen.branch.is_some());",
        bad: "desired.job.as_ref();",
        caught_by: "--lib",
    },
    Bug {
        name: "ignored paths are not filled in",
        file: "kinds/desired.rs",
        good: "        fill_ignored(&mut declared, live, &ignored, shape, IgnoredAbsent::Dropped);\n",
        bad: "",
        caught_by: "converge::an_ignored_path",
    },
    Bug {
        name: "a write of tags loses those of others",
        file: "kinds/bucket/plan.rs",
        good: "let mut all = live.tags.clone();",
        bad: "let mut all = BTreeMap::new();",
        caught_by: "proof::drift::bucket",
    },
    Bug {
        name: "a key that changes replaces the table",
        file: "kinds/table/plan.rs",
        good: "    if !forever.is_empty() {\n",
        bad: "    if !forever.is_empty() {\n        plan.push(Verb::Delete, \"table\", forever, TableStep::Delete);\n        return plan;\n    }\n    \
              if plan.steps.len() > 1 {\n",
        caught_by: "ownership::a_changed_key",
    },
    Bug {
        name: "the checker trusts the planner with data",
        file: "plan/check.rs",
        good: "whole && facts.holds_data && !facts.deletion_asked",
        bad: "whole && facts.holds_data && facts.deletion_asked",
        caught_by: "--lib",
    },
    Bug {
        name: "a rollback that fails is rolled back",
        file: "engine/rollout/plan.rs",
        good: "let may_go_back = rollout.cause == Cause::Apply || reason == ABORTED;",
        bad: "let may_go_back = rollout.cause != Cause::Delete || reason == ABORTED;",
        caught_by: "--lib",
    },
    Bug {
        name: "a release succeeds by what was seen of the one before",
        file: "engine/rollout/progress.rs",
        good: "ConditionStatus::True if status.synced_generation >= generation => Progress::Ready,",
        bad: "ConditionStatus::True => Progress::Ready,",
        caught_by: "--lib",
    },
    Bug {
        name: "what failed may come back once other content was applied",
        file: "store/head.rs",
        good: "self.holds.iter().filter(|hold| hold.quarantine.is_some()).cloned().collect()",
        bad: "self.holds.iter().filter(|hold| hold.quarantine.is_none()).cloned().collect()",
        caught_by: "delivery::a_release_that_fails",
    },
    Bug {
        name: "frontends do not wait for what they call",
        file: "engine/rollout/progress.rs",
        good: "*id.kind == *kind && is_changed && created_at.is_some_and(|at| at < began_at)",
        bad: "*id.kind == *kind && is_changed && created_at.is_some_and(|at| at > began_at)",
        caught_by: "delivery::frontends_wait",
    },
    Bug {
        name: "a part of the requests is given before it is recorded",
        file: "engine/deliver.rs",
        good: "match self.recorded.as_ref().filter(is_present) {",
        bad: "match self.rollout.as_ref().filter(is_present) {",
        caught_by: "shifting::wherever",
    },
    Bug {
        name: "a version of before keeps its part of the requests",
        file: "kinds/function/shift.rs",
        good: "    if alias.weights.keys().all(is_wanted) {",
        bad: "    if alias.weights.keys().all(|version| is_wanted(version) || !alias.is_current) {",
        caught_by: "shifting::a_newer_release",
    },
    Bug {
        name: "the alias does not follow",
        file: "kinds/function/shift.rs",
        good: "if seen.alias.is_some() && moved.is_none() && !is_about_to_change {",
        bad: "if seen.alias.is_some() {",
        caught_by: "converge::an_edit_reaches_the_alias",
    },
    Bug {
        name: "page two of the apps is never read",
        file: "kinds/frontend/observe.rs",
        good: "next = page.next_token().map(str::to_owned);",
        bad: "next = None::<String>;",
        caught_by: "faults::an_app_whose_create",
    },
    Bug {
        name: "page two of the store is never read",
        file: "store/item.rs",
        good: "from = page.last_evaluated_key;",
        bad: "from = None;",
        caught_by: "releases::statuses_are_read",
    },
    Bug {
        name: "a resource is made before the intent is recorded",
        file: "engine/execute.rs",
        good: "            self.record.phase = Phase::Creating { since: self.cx.clock.now() };\n            self.put().await?;",
        bad: "            self.record.phase = Phase::Pending;",
        caught_by: "proof::stale",
    },
    Bug {
        name: "what was made a moment ago and is not seen is made again",
        file: "kinds/gate.rs",
        good: "let matters = intent == Intent::Delete || K::NAME_SCOPE == NameScope::Nothing;",
        bad: "let matters = intent == Intent::Delete && K::NAME_SCOPE != NameScope::Nothing;",
        caught_by: "proof::stale::what_a_dead_daemon_made",
    },
    Bug {
        name: "what is not seen for a moment is forgotten",
        file: "engine/leave.rs",
        good: "let is_our_doing = self.record.phase == Phase::Deleting || self.record.created_at.is_none();",
        bad: "let is_our_doing = true;",
        caught_by: "deletion::a_function_that_seems_gone",
    },
    Bug {
        name: "a retained resource is deleted",
        file: "engine/leave.rs",
        good: "if removal == DeletionPolicy::Retain {",
        bad: "if removal == DeletionPolicy::Retain && self.snapshot.suspended {",
        caught_by: "deletion::a_function_is_deleted_and_a_table_is_retained",
    },
    Bug {
        name: "what is still referred to is deleted",
        file: "engine/leave.rs",
        good: "if !self.snapshot.dependents.is_empty() {",
        bad: "if self.snapshot.dependents.len() > 99 {",
        caught_by: "deletion::deletes_run_backwards",
    },
    Bug {
        name: "written is taken for done",
        file: "engine/pass.rs",
        good: "_ if again.plan.is_settled() => settled(&again),",
        bad: "_ if again.plan.blocked.is_none() => settled(&again),",
        caught_by: "faults::the_flap_guard proof::backoff::a_change_that_never_takes",
    },
    Bug {
        name: "drift is repaired and not said",
        file: "engine/pass.rs",
        good: "        self.drifted = true;\n",
        bad: "        self.drifted = false;\n",
        caught_by: "drift::a_changed_field",
    },
    Bug {
        name: "a suspended environment is written to",
        file: "engine/decide.rs",
        good: "() if is_suspended => Some(HeldBack::EnvironmentSuspended),",
        bad: "() if is_suspended && object.kind.is_empty() => Some(HeldBack::EnvironmentSuspended),",
        caught_by: "drift::a_suspended_environment",
    },
    Bug {
        name: "the policy Report is not kept to",
        file: "engine/decide.rs",
        good: "drift_policy() == DriftPolicy::Report;",
        bad: "drift_policy() != DriftPolicy::Report;",
        caught_by: "drift::the_policy_report",
    },
    Bug {
        name: "what is as declared is never observed again",
        file: "engine/pass.rs",
        good: "PassEnd::Settled | PassEnd::Reported { .. } => Next::Resync,",
        bad: "PassEnd::Settled | PassEnd::Reported { .. } => Next::Never,",
        caught_by: "drift::a_changed_field",
    },
    Bug {
        name: "the wrong account is written to",
        file: "engine/decide.rs",
        good: "filter(|wanted| wanted != account_id)?;",
        bad: "filter(|wanted| wanted.is_empty() && account_id.is_empty())?;",
        caught_by: "ownership::a_wrong_account",
    },
    Bug {
        name: "the flap guard does not count",
        file: "store/flap_guard.rs",
        good: "before.map_or(0, |carried| carried.count) + 1",
        bad: "before.map_or(1, |carried| carried.count)",
        caught_by: "faults::the_flap_guard",
    },
    Bug {
        name: "the flap guard knows only the last plan",
        file: "store/flap_guard.rs",
        good: "const PLANS_MAX: usize = 8;",
        bad: "const PLANS_MAX: usize = 1;",
        caught_by: "proof::backoff::changes_that_take_turns",
    },
    Bug {
        name: "a busy resource is drift",
        file: "engine/pass.rs",
        good: "if differs(observation) && self.was_in_sync(wanted)",
        bad: "if self.was_in_sync(wanted)",
        caught_by: "drift::a_resource_that_is_only_busy",
    },
    Bug {
        name: "an error repeats a secret",
        file: "kinds/any_kind.rs",
        good: "error.without(desired.resolved.secrets.values())",
        bad: "error.without(desired.resolved.secrets.values().take(0))",
        caught_by: "proof::secrets",
    },
    Bug {
        name: "a secret is compared in the open",
        file: "kinds/env.rs",
        good: "if is_secret { sensitive(value.reveal()) }",
        bad: "if is_secret && value.reveal().is_empty() { sensitive(value.reveal()) }",
        caught_by: "proof::secrets drift::a_secret",
    },
    Bug {
        name: "the backoff is not reset",
        file: "engine/backoff.rs",
        good: "    pub fn reset(&mut self) {\n        self.0 = None;",
        bad: "    pub fn reset(&mut self) {",
        caught_by: "proof::backoff::a_day",
    },
    Bug {
        name: "the backoff has no cap",
        file: "engine/backoff.rs",
        good: "longest: Duration::from_secs(300)",
        bad: "longest: Duration::from_secs(30_000)",
        caught_by: "proof::backoff::a_day",
    },
    Bug {
        name: "a denied call is tried for ever",
        file: "aws/error.rs",
        good: "matches!(self, Self::Denied | Self::Invalid | Self::Credentials | Self::Clock)",
        bad: "matches!(self, Self::Invalid | Self::Credentials | Self::Clock)",
        caught_by: "faults::a_denied_call",
    },
    Bug {
        name: "a lease is taken from one who holds it",
        file: "store/lease.rs",
        good: "l.owner != owner && l.expires_at > now",
        bad: "l.owner == owner && l.expires_at > now",
        caught_by: "releases::a_lease",
    },
    Bug {
        name: "a domain of before is left in AWS",
        file: "kinds/frontend/plan.rs",
        good: "    push_left_domain(&mut plan, &app, seen);\n",
        bad: "",
        caught_by: "more_harm::a_domain_of_before",
    },
    Bug {
        name: "a head of a newer version is read all the same",
        file: "store/head.rs",
        good: "#[serde(rename_all = \"camelCase\", deny_unknown_fields)]\npub struct Head {",
        bad: "#[serde(rename_all = \"camelCase\")]\npub struct Head {",
        caught_by: "damage::a_damaged_environment",
    },
    Bug {
        name: "what is merely absent is deleted",
        file: "engine/removal.rs",
        good: "return blocked(\"RemovalUnrecorded\", message);",
        bad: "let _ = message;\n        return Ok(DeletionPolicy::Delete);",
        caught_by: "--lib",
    },
    Bug {
        name: "a removal that nobody confirmed is made",
        file: "engine/removal.rs",
        good: "&& !taken_out.confirmed {",
        bad: "&& !taken_out.confirmed && kind.name().is_empty() {",
        caught_by: "damage::what_protects",
    },
    Bug {
        name: "an ignored field that is not live is written",
        file: "plan/diff.rs",
        good: "&& (at.0.is_empty()",
        bad: "&& (!at.0.is_empty() || at.0.is_empty()",
        caught_by: "--lib",
    },
    Bug {
        name: "a write does not begin with what is live",
        file: "kinds/bucket/facets/logging.rs",
        good: "let mut sdk = live.unwrap_or_else(|| new.clone());",
        bad: "let mut sdk = live.map_or_else(|| new.clone(), |_| new.clone());",
        caught_by: "witness::unharmed::what_no_bucket",
    },
    Bug {
        name: "an ignored attribute that is not live is not given",
        file: "kinds/table/plan.rs",
        good: "            \"ttl.attribute\",\n",
        bad: "",
        caught_by: "--lib",
    },
    Bug {
        name: "a reply has no request id",
        file: "sandbox/router.rs",
        good: "identify(&mut response, &call, self.calls.total());",
        bad: "let _ = (identify as fn(&mut MockResponse, &Call, u64), self.calls.total(), &mut response);",
        caught_by: "witness::lives",
    },
    Bug {
        name: "what an object refers to does not count for drift",
        file: "engine/decide.rs",
        good: "is_same_form && record.synced_generation > 0 && record.synced_inputs == inputs",
        bad: "is_same_form && record.synced_generation > 0 && inputs.len() < usize::MAX",
        caught_by: "drift::what_an_object",
    },
    Bug {
        name: "an adoption takes from another object",
        file: "kinds/gate.rs",
        good: "(Some(Whose::Nobodys | Whose::Named), Intent::Keep) => desired.adopt,",
        bad: "(Some(_), Intent::Keep) => desired.adopt,",
        caught_by: "harm::an_adoption",
    },
    Bug {
        name: "a lifecycle rule is widened unasked",
        file: "kinds/bucket/plan.rs",
        good: "let blocked = desired.unasked(widening, &SHAPE);",
        bad: "let blocked = desired.unasked(widening.filter(|_| false), &SHAPE);",
        caught_by: "harm::a_rule_that",
    },
    Bug {
        name: "a facet is written from nothing",
        file: "kinds/facet/mod.rs",
        good: "F::overlay(words, live.clone())",
        bad: "F::overlay(words, live.clone().filter(|_| false))",
        caught_by: "harm::what_the_manifest",
    },
    Bug {
        name: "null clears nothing",
        file: "kinds/desired.rs",
        good: "            set_null(&mut declared, &path.0);\n",
        bad: "            let _ = path;\n",
        caught_by: "--lib",
    },
    Bug {
        name: "an ignored value that is absent is erased from the write",
        file: "kinds/desired.rs",
        good: "fill_ignored(&mut written, live, &ignored, shape, IgnoredAbsent::Kept);",
        bad: "fill_ignored(&mut written, live, &ignored, shape, IgnoredAbsent::Dropped);",
        caught_by: "--lib",
    },
    Bug {
        name: "what is on an alias of before stays open",
        file: "kinds/function/qualifier.rs",
        good: "    known.remove(&desired.spec.alias);\n",
        bad: "    known.clear();\n",
        caught_by: "harm::a_url_follows",
    },
    Bug {
        name: "a job is not recorded before it is started",
        file: "engine/execute.rs",
        good: "self.record.job = Some(StartedJob { digest, at, id: None });",
        bad: "self.record.job = Some(StartedJob { digest, at, id: None }).filter(|_| false);",
        caught_by: "harm::a_job",
    },
    Bug {
        name: "a version is published without a guard",
        file: "kinds/function/apply.rs",
        good: "        .set_code_sha256(some(code_sha256))\n        .set_revision_id(some(revision));",
        bad: "        .set_code_sha256(some(code_sha256).filter(|_| false))\n        .set_revision_id(some(revision).filter(|_| false));",
        caught_by: "harm::what_somebody_uploads",
    },
    Bug {
        name: "an alias is moved without a guard",
        file: "kinds/function/apply.rs",
        good: "        .set_revision_id(seen.revision_id);",
        bad: "        .set_revision_id(seen.revision_id.filter(|_| false));",
        caught_by: "harm::an_alias_that",
    },
    Bug {
        name: "a page of a proxy is an absence",
        file: "aws/call.rs",
        good: "Err(error) if error.code == code => Ok(None),",
        bad: "Err(error) if error.code == code || error.code.is_empty() => Ok(None),",
        caught_by: "harm::a_page",
    },
    Bug {
        name: "a refusal is final at once",
        file: "engine/patience.rs",
        good: "Class::Invalid if lasted < PROPAGATES_WITHIN &&",
        bad: "Class::Invalid if lasted < SignedDuration::ZERO &&",
        caught_by: "harm::a_role",
    },
    Bug {
        name: "every declared field is sent again",
        file: "kinds/function/plan.rs",
        good: "match settings.only(&fields) {",
        bad: "match settings.only(&fields).map(|_| settings.clone()) {",
        caught_by: "--lib",
    },
    Bug {
        name: "a refused step holds the others back",
        file: "engine/execute.rs",
        good: "if step.stands_alone && is_refused(&error) => {",
        bad: "if step.stands_alone && is_refused(&error) && plan.steps.is_empty() => {",
        caught_by: "harm::a_refused",
    },
    Bug {
        name: "a secret is concealed as it is and no other way",
        file: "model/conceal.rs",
        good: "        if first.len() != plain.len() {",
        bad: "        if first.len() > plain.len() {",
        caught_by: "--lib",
    },
    Bug {
        name: "a condition of a permission is taken away without being asked for",
        file: "kinds/function/plan.rs",
        good: "let blocked = desired.unasked(opening, &SHAPE);",
        bad: "let blocked = desired.unasked(opening.take(0), &SHAPE);",
        caught_by: "--lib",
    },
    Bug {
        name: "an index loses what it had when it is made again",
        file: "kinds/table/index.rs",
        good: "desired.unasked(lost.iter(), &SHAPE)",
        bad: "desired.unasked(lost.iter().take(0), &SHAPE)",
        caught_by: "--lib",
    },
    Bug {
        name: "an index's key is its first attribute",
        file: "kinds/table/observe.rs",
        good: "additional_partition_keys: further(schema, aws::KeyType::Hash),",
        bad: "additional_partition_keys: further(schema, aws::KeyType::Hash).filter(|_| false),",
        caught_by: "proof::drift::table",
    },
    Bug {
        name: "a policy that cannot be read is an empty one",
        file: "kinds/function/permission.rs",
        good: "        _ => return Err(Unreadable::NoStatements),",
        bad: "        _ => &[],",
        caught_by: "--lib",
    },
    Bug {
        name: "a reply has no bound",
        file: "aws/reply.rs",
        good: "        if body.bytes().is_none() {",
        bad: "        if body.bytes().is_some_and(|bytes| bytes.is_empty()) {",
        caught_by: "--lib",
    },
    Bug {
        name: "an outage is backed off from as a refusal is",
        file: "engine/runner.rs",
        good: "(object.failed(&rng).min(longest), Priority::Resync)",
        bad: "(object.failed(&rng), Priority::Resync)",
        caught_by: "faults::after_an_outage",
    },
    Bug {
        name: "a confirmation holds for ever",
        file: "engine/decide.rs",
        good: "confirmed && record.is_none_or(|record| record.synced_generation < generation)",
        bad: "confirmed && record.is_none_or(|record| record.synced_generation <= generation)",
        caught_by: "more_harm::a_confirmation_is_spent",
    },
    Bug {
        name: "whose a resource is can be ignored",
        file: "kinds/desired.rs",
        good: "            self.put_ownership(side);",
        bad: "            let _ = &side;",
        caught_by: "more_harm::whose_a_resource_is",
    },
    Bug {
        name: "one facet that cannot be read hides the others",
        file: "kinds/mod.rs",
        good: "Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {",
        bad: "Err(error) if matches!(error.class, Class::Invalid) && field.is_empty() => {",
        caught_by: "more_harm::a_door_is_closed",
    },
    Bug {
        name: "an index is deleted before what may be refused",
        file: "kinds/table/index.rs",
        good: "        push_deletions(plan, &self.deletions);\n    }",
        bad: "        push_deletions(plan, &self.deletions);\n        push_deletions(plan, &self.replaced);\n    }",
        caught_by: "--lib",
    },
    Bug {
        name: "what is ignored is never given",
        file: "kinds/desired.rs",
        good: "let is_new = !exists || self.create_begun.is_some();",
        bad: "let is_new = false;",
        caught_by: "more_harm::an_ignored_value",
    },
    Bug {
        name: "an alias of long ago is forgotten with what is on it",
        file: "kinds/function/qualifier.rs",
        good: "let left = leftovers.iter().filter(|l| !l.is_empty()).map(|l| l.of.qualifier.clone());",
        bad: "let left = leftovers.iter().filter(|l| l.has_async).map(|l| l.of.qualifier.clone());",
        caught_by: "more_harm::a_public_url",
    },
    Bug {
        name: "a Deny of somebody's is taken out of a policy",
        file: "kinds/policy.rs",
        good: "is_deny || wanted.iter()",
        bad: "is_deny && wanted.iter()",
        caught_by: "more_harm::a_deny",
    },
    Bug {
        name: "an altered release is believed",
        file: "store/release.rs",
        good: "} else if self.seal_of() != self.seal {",
        bad: "} else if self.seal.is_empty() {",
        caught_by: "damage::a_damaged_environment",
    },
    Bug {
        name: "an altered record is believed",
        file: "store/status.rs",
        good: "} else if self.seal != self.seal_of() {",
        bad: "} else if self.seal.is_empty() {",
        caught_by: "damage::a_damaged_record",
    },
    Bug {
        name: "an empty answer is taken for none",
        file: "aws/reply.rs",
        good: "if text.is_empty() || text == b\"{}\" {",
        bad: "if text == b\"null\" {",
        caught_by: "--lib",
    },
    Bug {
        name: "a page of something in between says what AWS did",
        file: "aws/classify.rs",
        good: "_ if code.is_empty() && is_write => Class::Unknown,",
        bad: "_ if code.is_empty() && is_write => Class::Invalid,",
        caught_by: "--lib",
    },
    Bug {
        name: "trueup's own table is an object like others",
        file: "engine/pass.rs",
        good: "if kind.name() == \"Table\" && name == store.table()",
        bad: "if kind.name() == \"Bucket\" && name == store.table()",
        caught_by: "more_harm::the_stores_own_table",
    },
    Bug {
        name: "a link to a manifest is passed over",
        file: "manifest/source.rs",
        good: "if entry.file_type().is_dir() || !is_manifest(entry.path()) {",
        bad: "if !entry.file_type().is_file() || !is_manifest(entry.path()) {",
        caught_by: "--lib",
    },
    Bug {
        name: "a suspension waits for the release that comes with it",
        file: "engine/watch.rs",
        good: "        environment.head.suspended = suspended;\n",
        bad: "",
        caught_by: "drift::a_suspended_environment",
    },
    Bug {
        name: "texts of others work on the terminal",
        file: "model/visible.rs",
        good: "is_control || is_bidi ||",
        bad: "is_bidi ||",
        caught_by: "binary::nothing_that_is_given",
    },
    Bug {
        name: "null is read as nothing said",
        file: "kinds/null.rs",
        good: "if !value.is_null() && !is_empty {",
        bad: "if !value.is_null() || !is_empty {",
        caught_by: "--lib",
    },
    Bug {
        name: "a state that is not known is taken for a quiet one",
        file: "kinds/table/plan.rs",
        good: "if let Some(state) = &live.unknown_state {",
        bad: "if let Some(state) = live.unknown_state.as_ref().filter(|_| live.tags.is_empty()) {",
        caught_by: "--lib",
    },
    Bug {
        name: "a head is moved to an artifact that is gone",
        file: "engine/release/needs.rs",
        good: "matches!(found, Ok(None))",
        bad: "matches!(found, Err(_))",
        caught_by: "releases::a_release_whose_artifact",
    },
    Bug {
        name: "help repeats a number as it was parsed",
        file: "manifest/explain.rs",
        good: "            written => written.to_owned(),",
        bad: "            _ => self.value.map_or_else(String::new, plain),",
        caught_by: "manifests::a_value_of_another_form",
    },
    Bug {
        name: "notifications that overlap are taken",
        file: "kinds/bucket/check/mod.rs",
        good: "(a.starts_with(&b) || b.starts_with(&a)) && ",
        bad: "a == b && ",
        caught_by: "manifests::limits_of_aws",
    },
    Bug {
        name: "an archive is hashed as it was and uploaded as it is",
        file: "manifest/package.rs",
        good: "copy_of_archive(object, path)?",
        bad: "File::open(path).map_err(failed)?",
        caught_by: "--lib",
    },
    Bug {
        name: "a bucket that another account took is written",
        file: "aws/owner.rs",
        good: "if let (true, Some(account)) = (is_meant, account) {",
        bad: "if let (false, Some(account)) = (is_meant, account) {",
        caught_by: "ownership::a_bucket_whose_name",
    },
    Bug {
        name: "a policy is removed whatever its revision",
        file: "kinds/table/resource_policy.rs",
        good: "set_expected_revision_id(live.and_then(|live| live.revision))",
        bad: "set_expected_revision_id(live.and_then(|_| None))",
        caught_by: "harm::a_policy_that_changes",
    },
    Bug {
        name: "elements of S3 that the SDK does not know are passed over",
        file: "aws/elements.rs",
        good: "if !SETTINGS.contains(&operation) {",
        bad: "if SETTINGS.contains(&operation) {",
        caught_by: "more_harm::an_element_of_s3",
    },
    Bug {
        name: "an alarm from before the release counts",
        file: "engine/rollout/signals.rs",
        good: "if since.as_second() >= begun_at =>",
        bad: "if since.as_second() >= begun_at.min(0) =>",
        caught_by: "analysis::an_alarm_that_goes_off",
    },
    Bug {
        name: "a version gets requests before its probes have passed",
        file: "engine/rollout/shift.rs",
        good: "if !gates_are_passed(id, seen, asks) {",
        bad: "if gates_are_passed(id, seen, asks) && false {",
        caught_by: "analysis::probes_stand_in",
    },
    Bug {
        name: "a pause that is over waits for no look",
        file: "engine/rollout/signals.rs",
        good: "seen.signals.of(traffic).filter(fresh) else { return Judgement::Wait };",
        bad: "seen.signals.of(traffic).filter(fresh) else { return Judgement::GoOn(None) };",
        caught_by: "--lib",
    },
    Bug {
        name: "a version that an alias names is deleted",
        file: "kinds/function/versions.rs",
        good: ".filter(|version| !named.contains(version))",
        bad: ".filter(|version| named.is_empty() || !version.is_empty())",
        caught_by: "--lib",
    },
    Bug {
        name: "a window that denies does not count",
        file: "kinds/environment/windows.rs",
        good: "deny.iter().find(|window| window.is_open(at))",
        bad: "deny.iter().find(|window| window.is_open(at) && false)",
        caught_by: "--lib",
    },
    Bug {
        name: "a webhook is signed without its time",
        file: "engine/notify/message.rs",
        good: "    mac.update(timestamp.as_bytes());\n",
        bad: "",
        caught_by: "--lib",
    },
    Bug {
        name: "a rollback loses an index that nobody confirmed",
        file: "engine/release/rollback.rs",
        good: ".filter(|(id, _)| !confirmed.contains(id))",
        bad: ".filter(|(id, _)| !confirmed.contains(id) && false)",
        caught_by: "delivery::a_person_takes",
    },
    Bug {
        name: "a check that was not made counts as passed",
        file: "engine/rollout/signals.rs",
        good: "Role::End => ask.standing(seen.signals) == Standing::Passed,",
        bad: "Role::End => true,",
        caught_by: "analysis::a_release_succeeds_when",
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_bug_can_still_be_planted() {
    for bug in &BUGS {
        let text = std::fs::read_to_string(root().join("src").join(bug.file)).unwrap();
        let times = text.matches(bug.good).count();
        assert_eq!(times, 1, "{}: {:?} in {}", bug.name, bug.good, bug.file);
    }
}

/// A copy of the sources, whose build shares the dependencies of this one.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let it = Self {
            root: Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted"),
            // .../target/debug/deps/it-...
            target: std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned(),
        };
        // One from before may be there.
        let _ = std::fs::remove_dir_all(&it.root);
        for part in
            ["Cargo.toml", "Cargo.lock", "src", "tests", "manifests", "benches", "examples", "docs"]
        {
            for entry in walkdir::WalkDir::new(root().join(part)) {
                let entry = entry.unwrap();
                let to = it.root.join(entry.path().strip_prefix(root()).unwrap());
                if entry.file_type().is_file() {
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    std::fs::copy(entry.path(), to).unwrap();
                }
            }
        }
        it
    }

    fn test(&self, caught_by: &str) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&self.root).arg("test");
        match caught_by {
            "--lib" => cargo.arg("--lib"),
            filters => cargo.args(["--test", "it", "--"]).args(filters.split(' ')),
        };
        // A few tests run once: optimizing would take longer than they do.
        cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        // Without optimization the longest tests' futures overflow a thread's usual stack.
        cargo.env("RUST_MIN_STACK", (64 << 20).to_string());
        cargo.env("CARGO_TARGET_DIR", &self.target).env("INSTA_UPDATE", "no");
        cargo.env("RUST_BACKTRACE", "0").output().unwrap()
    }

    /// The tests that fail with the bug.
    fn plant(&self, bug: &Bug) -> Vec<String> {
        let file = self.root.join("src").join(bug.file);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(bug.good, bug.bad)).unwrap();
        let output = self.test(bug.caught_by);
        std::fs::write(&file, text).unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("running "), "{} does not build:\n{err}", bug.name);
        let failed = out.lines().filter_map(|line| line.strip_suffix(" ... FAILED"));
        failed.map(|line| line.trim_start_matches("test ").to_owned()).collect()
    }
}

#[test]
#[ignore = "builds the program once for each bug"]
fn every_planted_bug_is_caught() {
    let wanted = std::env::var("PLANTED").unwrap_or_default();
    let chosen: Vec<_> =
        BUGS.iter().filter(|bug| wanted.split(',').any(|words| bug.name.contains(words))).collect();
    assert!(!chosen.is_empty(), "no bug is named so");
    let copy = Copy::new();
    let mut survivors = Vec::new();
    for bug in &chosen {
        let failed = copy.plant(bug);
        if failed.is_empty() {
            survivors.push(bug.name);
        }
        let by = if failed.is_empty() { "SURVIVED".to_owned() } else { failed.join(", ") };
        figure("planted", &format!("{}: {by}", bug.name));
    }
    // Without a bug they pass: it was the bugs that they caught.
    let filters: BTreeSet<_> = chosen.iter().flat_map(|bug| bug.caught_by.split(' ')).collect();
    let (lib, it): (Vec<_>, Vec<_>) = filters.into_iter().partition(|f| *f == "--lib");
    for sound in [lib.join(" "), it.join(" ")].iter().filter(|f| !f.is_empty()) {
        assert!(copy.test(sound).status.success(), "{sound} fail without any bug");
    }
    figure("planted", &format!("{} of {} caught", chosen.len() - survivors.len(), chosen.len()));
    assert_eq!(survivors, [""; 0]);
}
