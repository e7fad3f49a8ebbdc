//! What hangs on a qualifier: the URL, the permissions and the async settings belong to the alias where there
//! is one, and to the function itself where there is none. Pure.
//!
//! When the manifest names another alias, what trueup put on the one before would stay there, a public URL
//! still open. So the function's tag [`QUALIFIERS_TAG`] remembers the qualifiers that something was put on,
//! before it is put there, and what is found on one that is not declared any more is taken away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::facets::{ASYNC, FunctionRef, URL};
use super::permission;
use super::plan::FunctionStep;
use super::spec::{FunctionSpec, UrlAuthType};
use crate::kinds::{Desired, FacetStep};
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
    pub of: FunctionRef,
    /// Who may call the URL that is there.
    pub url: Option<UrlAuthType>,
    /// Statements that trueup put there, by id.
    pub statements: Vec<String>,
    pub has_async: bool,
}

impl Leftover {
    pub fn is_empty(&self) -> bool {
        self.url.is_none() && !self.has_async && self.statements.is_empty()
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
    let mut known = remembered(tags);
    // Functions that were made before the tag was.
    let put_before =
        |spec: &&Value| ["url", "permissions", "async"].iter().any(|f| !spec[f].is_null());
    known.extend(desired.earlier().filter(put_before).map(alias_of));
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
    let is_listed = desired.spec.permissions.is_some() || desired.earlier().any(listed);
    ids.into_iter().filter(|id| is_listed || permission::is_implied(id)).collect()
}

/// What is taken away from qualifiers that are not declared any more.
pub(super) struct Removals {
    /// What is open there and is not wanted at all, or not so open: it is closed first.
    closing: Vec<Removal>,
    /// What is wanted on the new qualifier just so: it goes once it is there, so that nobody finds neither.
    moving: Vec<Removal>,
}

type Removal = (Change, String, FunctionStep);

impl Removals {
    pub fn of(desired: &Desired<FunctionSpec>, leftovers: &[Leftover]) -> Self {
        let mut all = Self { closing: Vec::new(), moving: Vec::new() };
        for leftover in leftovers {
            all.add(desired, leftover);
        }
        all
    }

    /// What is not declared, or ignored, is unmanaged on the old qualifier, too; the tag goes on knowing of it.
    fn add(&mut self, desired: &Desired<FunctionSpec>, leftover: &Leftover) {
        let spec = &desired.spec;
        let is_managed = |field: &str| desired.ignore.iter().all(|path| path.root() != field);
        let of = || leftover.of.clone();
        let on = leftover.of.qualifier.as_deref().unwrap_or("$LATEST");
        let change = |field: &str| Change {
            path: Path::default().field(field).element(on),
            live: Some(json!("still there")),
            desired: None,
        };
        if let (Some(live), Some(wanted), true) = (leftover.url, &spec.url, is_managed("url")) {
            let step = FunctionStep::Facet(of(), FacetStep::clear(URL));
            let removal = (change("url"), format!("url of {on}"), step);
            let is_as_open = wanted
                .auth_type
                .is_some_and(|wanted| wanted == UrlAuthType::NONE || live != UrlAuthType::NONE);
            if is_as_open { &mut self.moving } else { &mut self.closing }.push(removal);
        }
        if let Some(wanted) = permission::declared(spec).filter(|_| is_managed("permissions")) {
            for id in &leftover.statements {
                let step = FunctionStep::RemovePermission(of(), id.clone());
                let removal = (change("permissions"), format!("permission {id} of {on}"), step);
                let is_wanted = wanted.iter().any(|permission| permission.id == *id);
                if is_wanted { &mut self.moving } else { &mut self.closing }.push(removal);
            }
        }
        if leftover.has_async && spec.async_invocation.is_some() && is_managed("async") {
            let step = FunctionStep::Facet(of(), FacetStep::clear(ASYNC));
            self.moving.push((change("async"), format!("async settings of {on}"), step));
        }
    }

    pub fn push_closing(&mut self, plan: &mut Plan<FunctionStep>) {
        push(plan, std::mem::take(&mut self.closing));
    }

    pub fn push_moving(&mut self, plan: &mut Plan<FunctionStep>) {
        push(plan, std::mem::take(&mut self.moving));
    }
}

/// The changes name what is still there.
fn push(plan: &mut Plan<FunctionStep>, removals: Vec<Removal>) {
    for (change, what, step) in removals {
        plan.changes.push(change.clone());
        plan.push(Verb::Delete, what, vec![change], step).stands_alone();
    }
}

/// Remembers where something is or is about to be put, before it is: the record of the last accord may never
/// come, and then the tag alone knows.
pub(super) fn push_tag(
    plan: &mut Plan<FunctionStep>,
    desired: &Desired<FunctionSpec>,
    arn: &str,
    tags: &BTreeMap<String, String>,
    leftovers: &[Leftover],
) {
    let before = remembered(tags);
    let left = leftovers.iter().filter(|l| !l.is_empty()).map(|l| l.of.qualifier.clone());
    let mut all: BTreeSet<_> = left.collect();
    // What was put there and is not declared any more is still there.
    if hangs(&desired.spec) || before.contains(&desired.spec.alias) {
        all.insert(desired.spec.alias.clone());
    }
    if all != before && !arn.is_empty() {
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
    fn a_qualifier_that_is_not_declared_any_more_is_observed() {
        let url = json!({"url": {"authType": "NONE"}, "alias": "live"});
        for (what, spec, tag, previous, expected) in [
            ("nothing before", url.clone(), None, None, vec![]),
            ("the same", url.clone(), Some("live"), Some(json!({"alias": "live"})), vec![]),
            ("none before", url.clone(), Some("@latest"), None, vec![None]),
            ("none before, without a tag", url.clone(), None, Some(json!({"url": {}})), vec![None]),
            ("nothing was put there before", url.clone(), None, Some(json!({})), vec![]),
            ("another", url.clone(), Some("old live"), None, vec![Some("old".to_owned())]),
            ("nothing is declared", json!({"alias": "live"}), Some("@latest"), None, vec![None]),
        ] {
            let mut desired = function(spec);
            desired.previous = previous.map(Into::into);
            let tags =
                tag.map(|tag| (QUALIFIERS_TAG.to_owned(), tag.to_owned())).into_iter().collect();
            let found: Vec<_> = left_behind(&desired, &tags).into_iter().collect();
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn what_is_left_behind_is_taken_away_and_remembered_until_it_is_gone() {
        let desired = function(json!({"url": {"authType": "AWS_IAM"}, "alias": "live"}));
        let statements = vec!["trueup-public-url".to_owned()];
        let public = Some(UrlAuthType::NONE);
        let leftover = Leftover { url: public, statements, ..Leftover::default() };
        let planned = |tags: &str, leftovers: &[Leftover]| {
            let tags = BTreeMap::from([(QUALIFIERS_TAG.to_owned(), tags.to_owned())]);
            let mut plan = Plan::default();
            let mut removals = Removals::of(&desired, leftovers);
            removals.push_closing(&mut plan);
            push_tag(&mut plan, &desired, "arn", &tags, leftovers);
            removals.push_moving(&mut plan);
            let tag = plan.steps.iter().find_map(|step| match &step.call {
                FunctionStep::Tag(_, tag) => Some(tag[QUALIFIERS_TAG].clone()),
                _ => None,
            });
            (plan.outline(), tag)
        };
        let (steps, tag) = planned(UNQUALIFIED, &[leftover]);
        assert_eq!(
            steps,
            [
                "Delete url of $LATEST",
                "Delete permission trueup-public-url of $LATEST",
                "Update tag of the qualifiers"
            ]
        );
        assert_eq!(tag.as_deref(), Some("@latest live"));
        let (steps, tag) = planned(UNQUALIFIED, &[Leftover::default()]);
        assert_eq!((steps.len(), tag.as_deref()), (1, Some("live")), "nothing is left: forgotten");
        assert_eq!(planned("live", &[]).0, [""; 0]);
        assert_eq!(planned("", &[]).1.as_deref(), Some("live"), "known before anything is put");
    }

    #[test]
    fn what_is_ignored_stays_on_the_qualifier_of_before() {
        let mut desired = function(json!({"url": {"authType": "NONE"}, "async": {}, "alias": "b"}));
        let leftover = Leftover {
            url: Some(UrlAuthType::NONE),
            has_async: true,
            statements: vec!["trueup-public-url".to_owned()],
            ..Leftover::default()
        };
        let removed = |desired: &Desired<FunctionSpec>| {
            let removals = Removals::of(desired, std::slice::from_ref(&leftover));
            removals.closing.len() + removals.moving.len()
        };
        assert_eq!(removed(&desired), 3);
        for (path, expected) in [("url", 2), ("url.authType", 2), ("async", 2), ("permissions", 2)]
        {
            desired.ignore = vec![path.parse().unwrap()];
            assert_eq!(removed(&desired), expected, "{path}");
        }
    }

    #[test]
    fn what_opens_more_than_is_wanted_goes_first_and_what_only_moves_goes_last() {
        for (live, wanted, closes_first) in [
            (UrlAuthType::NONE, "AWS_IAM", true),
            (UrlAuthType::NONE, "NONE", false),
            (UrlAuthType::AwsIam, "AWS_IAM", false),
            (UrlAuthType::AwsIam, "NONE", false),
        ] {
            let desired = function(json!({"url": {"authType": wanted}, "alias": "live"}));
            let leftover = Leftover { url: Some(live), ..Leftover::default() };
            let removals = Removals::of(&desired, &[leftover]);
            assert_eq!(removals.closing.len() == 1, closes_first, "{live:?} {wanted}");
        }
        let undeclared = function(json!({"async": {}, "alias": "live"}));
        let leftover = Leftover { url: Some(UrlAuthType::NONE), ..Leftover::default() };
        let mut plan = Plan::default();
        let mut removals = Removals::of(&undeclared, std::slice::from_ref(&leftover));
        removals.push_closing(&mut plan);
        removals.push_moving(&mut plan);
        push_tag(&mut plan, &undeclared, "arn", &BTreeMap::new(), &[leftover]);
        let FunctionStep::Tag(_, tag) = &plan.steps[0].call else { panic!("{plan:?}") };
        assert_eq!(
            tag[QUALIFIERS_TAG], "@latest live",
            "it is not declared now, and not forgotten"
        );
    }
}
