//! What hangs on a qualifier: the URL, the permissions and the async settings belong to the alias where there
//! is one, and to the function itself where there is none. Pure.
//!
//! When the manifest names another alias, what trueup put on the one before would stay there, a public URL
//! still open. So the function's tag [`QUALIFIERS_TAG`] remembers the qualifiers that something was put on,
//! before it is put there, and what is found on one that is not declared any more is taken away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::permission;
use super::plan::FunctionStep;
use super::spec::FunctionSpec;
use crate::kinds::Desired;
use crate::model::Path;
use crate::plan::{Change, Plan, Verb};

/// The function's tag that remembers the qualifiers, separated by spaces.
pub(super) const QUALIFIERS_TAG: &str = "trueup.dev/qualifiers";

/// How the tag calls the function itself; no alias can have that name.
const UNQUALIFIED: &str = "@latest";

/// The most characters of a tag's value.
const TAG_CHARS_MAX: usize = 256;

/// A qualifier; `None` is the function itself.
pub type Qualifier = Option<String>;

/// What is still on a qualifier that the manifest does not name any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftover {
    pub qualifier: Qualifier,
    pub has_url: bool,
    /// Statements that trueup put there, by id.
    pub statements: Vec<String>,
    pub has_async: bool,
}

impl Leftover {
    pub fn is_empty(&self) -> bool {
        !self.has_url && !self.has_async && self.statements.is_empty()
    }
}

/// Whether the spec puts anything on its qualifier.
fn hangs(spec: &FunctionSpec) -> bool {
    spec.url.is_some() || spec.permissions.is_some() || spec.async_invocation.is_some()
}

/// The qualifiers that something may have been put on and that are not the declared one.
pub(super) fn left_behind(
    desired: &Desired<FunctionSpec>,
    tags: &BTreeMap<String, String>,
) -> BTreeSet<Qualifier> {
    if !hangs(&desired.spec) {
        return BTreeSet::new();
    }
    let mut known = remembered(tags);
    // Functions that were made before the tag was.
    known.extend(desired.previous.as_ref().map(alias_of));
    known.remove(&desired.spec.alias);
    known
}

fn alias_of(spec: &Value) -> Qualifier {
    spec.get("alias").and_then(Value::as_str).map(str::to_owned)
}

fn remembered(tags: &BTreeMap<String, String>) -> BTreeSet<Qualifier> {
    let names = tags.get(QUALIFIERS_TAG).map(String::as_str).unwrap_or_default();
    let names = names.split_whitespace();
    names.map(|name| (name != UNQUALIFIED).then(|| name.to_owned())).collect()
}

/// The tag's value for some qualifiers.
fn tag_of(qualifiers: &BTreeSet<Qualifier>) -> String {
    let names = qualifiers.iter().map(|q| q.as_deref().unwrap_or(UNQUALIFIED));
    let mut value = String::new();
    for name in names {
        if value.len() + 1 + name.len() <= TAG_CHARS_MAX {
            value.push_str(if value.is_empty() { "" } else { " " });
            value.push_str(name);
        }
    }
    value
}

/// What a new function is tagged with.
pub(super) fn first_tag(spec: &FunctionSpec) -> Option<(String, String)> {
    let first = tag_of(&BTreeSet::from([spec.alias.clone()]));
    hangs(spec).then(|| (QUALIFIERS_TAG.to_owned(), first))
}

/// The ids of the statements at a qualifier that are trueup's: all where a manifest lists who may call the
/// function, otherwise those that its URL implies.
pub(super) fn ours(desired: &Desired<FunctionSpec>, ids: Vec<String>) -> Vec<String> {
    let listed = |spec: &Value| spec.get("permissions").is_some();
    let is_listed =
        desired.spec.permissions.is_some() || desired.previous.as_ref().is_some_and(listed);
    ids.into_iter().filter(|id| is_listed || permission::is_implied(id)).collect()
}

/// Takes away what is left behind, and remembers where something is put from now on. The changes name what
/// is still there.
pub(super) fn push(
    plan: &mut Plan<FunctionStep>,
    desired: &Desired<FunctionSpec>,
    arn: &str,
    tags: &BTreeMap<String, String>,
    leftovers: &[Leftover],
) {
    for leftover in leftovers.iter().filter(|leftover| !leftover.is_empty()) {
        let qualifier = || leftover.qualifier.clone();
        let on = leftover.qualifier.as_deref().unwrap_or("$LATEST");
        let change = |field: &str| Change {
            path: Path::default().field(field).element(on),
            live: Some(json!("still there")),
            desired: None,
        };
        let mut taken = Vec::new();
        if leftover.has_url {
            let step = FunctionStep::DeleteUrl(qualifier());
            taken.push((change("url"), format!("url of {on}"), step));
        }
        for id in &leftover.statements {
            let step = FunctionStep::RemovePermission(qualifier(), id.clone());
            taken.push((change("permissions"), format!("permission {id} of {on}"), step));
        }
        if leftover.has_async {
            let step = FunctionStep::DeleteAsync(qualifier());
            taken.push((change("async"), format!("async settings of {on}"), step));
        }
        for (change, what, step) in taken {
            plan.changes.push(change.clone());
            plan.push(Verb::Delete, what, vec![change], step).stands_alone();
        }
    }
    let left: BTreeSet<_> =
        leftovers.iter().filter(|l| !l.is_empty()).map(|l| l.qualifier.clone()).collect();
    let before = remembered(tags);
    let moves = !left.is_empty() || before.iter().any(|q| *q != desired.spec.alias);
    if !hangs(&desired.spec) || !moves {
        return;
    }
    let mut all = left;
    all.insert(desired.spec.alias.clone());
    if all != before {
        let tag = BTreeMap::from([(QUALIFIERS_TAG.to_owned(), tag_of(&all))]);
        let step = FunctionStep::Tag(arn.to_owned(), tag);
        plan.push(Verb::Update, "tag of the qualifiers", Vec::new(), step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(extra: Value) -> Desired<FunctionSpec> {
        let mut spec = json!({"role": "r", "code": {}});
        for (field, value) in extra.as_object().unwrap() {
            spec[field] = value.clone();
        }
        Desired::sample("Function", spec)
    }

    #[test]
    fn a_qualifier_that_is_not_declared_any_more_is_looked_at() {
        let url = json!({"url": {"authType": "NONE"}, "alias": "live"});
        for (what, spec, tag, previous, expected) in [
            ("nothing before", url.clone(), None, None, vec![]),
            ("the same", url.clone(), Some("live"), Some(json!({"alias": "live"})), vec![]),
            ("none before", url.clone(), Some("@latest"), None, vec![None]),
            ("none before, without a tag", url.clone(), None, Some(json!({})), vec![None]),
            ("another", url.clone(), Some("old live"), None, vec![Some("old".to_owned())]),
            ("nothing is declared", json!({"alias": "live"}), Some("@latest"), None, vec![]),
        ] {
            let mut desired = function(spec);
            desired.previous = previous;
            let tags =
                tag.map(|tag| (QUALIFIERS_TAG.to_owned(), tag.to_owned())).into_iter().collect();
            let found: Vec<_> = left_behind(&desired, &tags).into_iter().collect();
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn what_is_left_behind_is_taken_away_and_remembered_until_it_is_gone() {
        let desired = function(json!({"url": {"authType": "NONE"}, "alias": "live"}));
        let tags = BTreeMap::from([(QUALIFIERS_TAG.to_owned(), UNQUALIFIED.to_owned())]);
        let statements = vec!["trueup-public-url".to_owned()];
        let leftover = Leftover { has_url: true, statements, ..Leftover::default() };
        let planned = |tags: &BTreeMap<String, String>, leftovers: &[Leftover]| {
            let mut plan = Plan::default();
            push(&mut plan, &desired, "arn", tags, leftovers);
            let tag = plan.steps.last().map(|step| step.call.clone());
            (plan.outline(), tag)
        };
        let tagged = |value: &str| {
            let tag = BTreeMap::from([(QUALIFIERS_TAG.to_owned(), value.to_owned())]);
            Some(FunctionStep::Tag("arn".to_owned(), tag))
        };
        let (steps, tag) = planned(&tags, &[leftover]);
        assert_eq!(
            steps,
            [
                "Delete url of $LATEST",
                "Delete permission trueup-public-url of $LATEST",
                "Update tag of the qualifiers"
            ]
        );
        assert_eq!(tag, tagged("@latest live"));
        let (steps, tag) = planned(&tags, &[Leftover::default()]);
        assert_eq!((steps.len(), tag), (1, tagged("live")), "nothing is left: forgotten");
        let tags = BTreeMap::from([(QUALIFIERS_TAG.to_owned(), "live".to_owned())]);
        assert_eq!(planned(&tags, &[]).0, [""; 0]);
    }
}
