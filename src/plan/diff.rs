//! The one comparison of the program: a desired spec against a live one, both as JSON of the same
//! shape.
//!
//! Guarantees:
//! - Only what the desired side sets is compared. An explicit empty value (`""`, `[]`, `{}`) or `null`
//!   asks for the live one to be empty or absent.
//! - A list that is set is compared whole, by its [`ListRule`]; inside an element, again only what
//!   is set is compared, so that AWS's defaults do not read as drift. Where elements are wholes
//!   (see [`Shape`]), a field that an element does not set is removed.
//! - Ignored paths are filled in from the live side *before* the comparison ([`fill_ignored`]), and
//!   writes use the filled value: one mask for both. What is ignored and absent is no difference; a write
//!   that has to give a value all the same gives the declared one.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::model::{Path, Segment};

use super::shape::{ListRule, Shape, key_of};
use super::value::{is_empty, is_sensitive, show};

/// One declared field that differs. `None` means absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Below `spec`.
    pub path: Path,
    /// As AWS has it, in the manifest's words.
    pub live: Option<Value>,
    /// As the manifest has it.
    pub desired: Option<Value>,
}

impl Change {
    /// Of a field that is compared by other means than [`diff`].
    pub fn of(field: &str, live: Option<String>, desired: impl Into<String>) -> Self {
        let (live, desired) = (live.map(Value::String), Some(Value::String(desired.into())));
        Self { path: Path::default().field(field), live, desired }
    }
}

impl Serialize for Change {
    /// As people see it: sensitive values are masked.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "path": self.path.to_string(),
            "live": self.live.as_ref().map(show),
            "desired": self.desired.as_ref().map(show),
        })
        .serialize(serializer)
    }
}

/// Every declared field in which `live` differs from `desired`.
pub fn diff(desired: &Value, live: &Value, shape: &Shape) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&Path::default(), Some(desired), Some(live), shape, &mut changes);
    changes
}

fn compare(
    path: &Path,
    desired: Option<&Value>,
    live: Option<&Value>,
    shape: &Shape,
    changes: &mut Vec<Change>,
) {
    let (Some(desired), live) = (desired, live.unwrap_or(&Value::Null)) else {
        return;
    };
    if is_empty(desired) && is_empty(live) {
        return;
    }
    match (desired, live) {
        (Value::Object(want), Value::Object(have))
            if !want.is_empty() && !is_sensitive(desired) =>
        {
            for (name, value) in want {
                compare(&path.field(name), Some(value), have.get(name), shape, changes);
            }
            // A field that a whole leaves out is removed.
            let mut surplus = have.iter().filter(|(name, _)| !want.contains_key(*name)).peekable();
            if surplus.peek().is_none() || !shape.is_whole(path) {
                return;
            }
            for (name, value) in surplus {
                compare(&path.field(name), Some(&Value::Null), Some(value), shape, changes);
            }
        }
        (Value::Array(want), Value::Array(have)) => {
            compare_lists(path, want, have, shape, changes);
        }
        _ if same_scalar(desired, live) => {}
        _ => changes.push(Change {
            path: path.clone(),
            live: Some(live.clone()).filter(|v| !v.is_null()),
            desired: Some(desired.clone()).filter(|v| !v.is_null()),
        }),
    }
}

fn compare_lists(
    path: &Path,
    want: &[Value],
    have: &[Value],
    shape: &Shape,
    changes: &mut Vec<Change>,
) {
    let whole = || Change {
        path: path.clone(),
        live: Some(Value::Array(have.to_vec())),
        desired: Some(Value::Array(want.to_vec())),
    };
    match shape.rule(path) {
        ListRule::Set => {
            let matches = |a: &Value, b: &Value| {
                let mut inner = Vec::new();
                compare(path, Some(a), Some(b), shape, &mut inner);
                inner.is_empty()
            };
            let same = want.len() == have.len()
                && want.iter().all(|w| have.iter().any(|h| matches(w, h)))
                && have.iter().all(|h| want.iter().any(|w| matches(w, h)));
            if !same {
                changes.push(whole());
            }
        }
        ListRule::Ordered if want.len() != have.len() => changes.push(whole()),
        ListRule::Ordered => {
            for (i, (w, h)) in want.iter().zip(have).enumerate() {
                compare(&path.element(&i.to_string()), Some(w), Some(h), shape, changes);
            }
        }
        ListRule::Keyed(key) => {
            for w in want {
                let at = path.element(&key_of(w, key));
                match have.iter().find(|h| key_of(h, key) == key_of(w, key)) {
                    Some(h) => compare(&at, Some(w), Some(h), shape, changes),
                    None => changes.push(Change { path: at, live: None, desired: Some(w.clone()) }),
                }
            }
            for h in have {
                if !want.iter().any(|w| key_of(w, key) == key_of(h, key)) {
                    changes.push(Change {
                        path: path.element(&key_of(h, key)),
                        live: Some(h.clone()),
                        desired: None,
                    });
                }
            }
        }
    }
}

/// Numbers compare by value: 1 and 1.0 are the same to AWS.
fn same_scalar(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// What becomes of a declared value that is ignored and that the live side does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredAbsent {
    /// It is no difference.
    Dropped,
    /// It is what a write gives that cannot do without a value: one that makes what is around it, and one of
    /// those that [`Shape::of`] was told of. Everything else is dropped all the same: it can be missing, as it is.
    Kept,
}

/// Makes `desired` equal to `live` at every ignored path, so that neither the diff nor a write that
/// replaces a whole facet touches it. `[*]` stands for every element. A path that the desired side does
/// not reach is left alone.
pub fn fill_ignored(
    desired: &mut Value,
    live: &Value,
    ignore: &[Path],
    shape: &Shape,
    absent: IgnoredAbsent,
) {
    for path in ignore {
        let mask = Mask { shape, absent };
        mask.fill(desired, Some(live), &path.0, &Path::default());
    }
}

struct Mask<'a> {
    shape: &'a Shape,
    absent: IgnoredAbsent,
}

impl Mask<'_> {
    fn fill(&self, desired: &mut Value, live: Option<&Value>, rest: &[Segment], at: &Path) {
        match (rest, desired) {
            ([Segment::Field(name)], Value::Object(map)) => {
                match live.and_then(|l| l.get(name)).filter(|value| !value.is_null()) {
                    Some(value) => {
                        map.insert(name.to_owned(), value.clone());
                    }
                    None if self.absent == IgnoredAbsent::Kept
                        && (at.0.is_empty()
                            || live.is_none_or(Value::is_null)
                            || self.shape.needs(&at.field(name))) => {}
                    None => {
                        map.remove(name);
                    }
                }
            }
            ([Segment::Field(name), tail @ ..], Value::Object(map)) => {
                if let Some(inner) = map.get_mut(name) {
                    self.fill(inner, live.and_then(|l| l.get(name)), tail, &at.field(name));
                }
            }
            // Names with dots, as those of tags, are written in brackets too.
            ([Segment::Element(name), tail @ ..], Value::Object(map)) => {
                self.fill_key(map, live, name, tail, at);
            }
            ([Segment::Element(key), tail @ ..], Value::Array(items)) => {
                self.fill_element(items, live, key, tail, at);
            }
            _ => {}
        }
    }

    fn fill_key(
        &self,
        map: &mut Map<String, Value>,
        live: Option<&Value>,
        name: &str,
        tail: &[Segment],
        at: &Path,
    ) {
        let of_live = |name: &str| live.and_then(|l| l.get(name));
        match (name, tail) {
            (ALL, []) => {
                *map = live.and_then(Value::as_object).cloned().unwrap_or_default();
            }
            (ALL, tail) => {
                for (name, inner) in map.iter_mut() {
                    self.fill(inner, of_live(name), tail, &at.element(name));
                }
            }
            (name, []) => match of_live(name) {
                Some(value) => {
                    map.insert(name.to_owned(), value.clone());
                }
                None => {
                    map.remove(name);
                }
            },
            (name, tail) => {
                if let Some(inner) = map.get_mut(name) {
                    self.fill(inner, of_live(name), tail, &at.element(name));
                }
            }
        }
    }

    fn fill_element(
        &self,
        items: &mut Vec<Value>,
        live: Option<&Value>,
        key: &str,
        tail: &[Segment],
        at: &Path,
    ) {
        let live = live.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if (key, tail) == (ALL, &[]) {
            *items = live.to_vec();
            return;
        }
        let find = |items: &[Value], key: &str| {
            let is_it = |(i, v): (usize, &Value)| self.shape.is_element(at, i, v, key);
            items.iter().enumerate().position(is_it)
        };
        if key == ALL {
            for (i, item) in items.iter_mut().enumerate() {
                let key = match self.shape.rule(at) {
                    ListRule::Keyed(field) => key_of(item, field),
                    _ => i.to_string(),
                };
                let theirs = find(live, &key).map(|i| &live[i]);
                self.fill(item, theirs, tail, &at.element(&key));
            }
            return;
        }
        let (ours, theirs) = (find(items, key), find(live, key).map(|i| &live[i]));
        match (ours, theirs, tail.is_empty()) {
            (Some(i), Some(value), true) => items[i] = value.clone(),
            (None, Some(value), true) => items.push(value.clone()),
            (Some(i), None, true) => {
                items.remove(i);
            }
            (Some(i), theirs, false) => self.fill(&mut items[i], theirs, tail, &at.element(key)),
            _ => {}
        }
    }
}

/// In brackets, every element.
const ALL: &str = "*";

/// The declared value completed by the live one: what a write that replaces a whole facet must
/// carry, so that fields which nobody declared stay as they are. Only fields that are declared at
/// the top are completed, and an explicit empty value stays empty.
pub fn complete(declared: &Value, live: &Value, shape: &Shape) -> Value {
    overlay(declared, live, &Path::default(), shape)
}

fn overlay(declared: &Value, live: &Value, at: &Path, shape: &Shape) -> Value {
    match (declared, live) {
        (Value::Object(want), Value::Object(have))
            if !want.is_empty() && !is_sensitive(declared) =>
        {
            let mut out = want.clone();
            // A null removes the field, whatever the live side has.
            out.retain(|_, inner| !inner.is_null());
            for (name, value) in have {
                match want.get(name) {
                    Some(Value::Null) => {}
                    Some(inner) => {
                        out.insert(name.clone(), overlay(inner, value, &at.field(name), shape));
                    }
                    None if at.0.is_empty() || shape.is_whole(at) => {}
                    None => {
                        out.insert(name.clone(), value.clone());
                    }
                }
            }
            Value::Object(out)
        }
        (Value::Array(want), Value::Array(have)) => {
            let matching = |element: &Value| match shape.rule(at) {
                ListRule::Keyed(key) => {
                    have.iter().find(|h| key_of(h, key) == key_of(element, key))
                }
                // What stands at the same place need not be the same thing.
                _ => None,
            };
            let elements = want.iter().map(|element| match matching(element) {
                Some(live) => overlay(element, live, at, shape),
                None => element.clone(),
            });
            Value::Array(elements.collect())
        }
        _ => declared.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::super::sensitive;
    use super::*;
    use crate::model::sha256_hex;

    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let keyed = |key: &str, items: Value| {
            json!({
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key],
                "items": items,
            })
        };
        let set = json!({"x-kubernetes-list-type": "set"});
        let whole = json!({"x-kubernetes-map-type": "atomic", "properties": {"steps": set}});
        let schema = json!({"properties": {
            "env": keyed("name", json!({})),
            "rules": keyed("id", json!({})),
            "wholes": keyed("id", whole),
            "architectures": set,
        }});
        Shape::of(&schema, &["billing.capacity"])
    });

    fn paths(desired: Value, live: Value) -> Vec<String> {
        diff(&desired, &live, &SHAPE).iter().map(|c| c.path.to_string()).collect()
    }

    #[test]
    fn only_what_is_set_is_compared() {
        let live = json!({"memorySize": 128, "timeout": 3, "description": "by hand"});
        assert_eq!(paths(json!({"memorySize": 128}), live.clone()), [""; 0]);
        assert_eq!(paths(json!({"memorySize": 256}), live.clone()), ["memorySize"]);
        assert_eq!(paths(json!({"timeout": null}), live), ["timeout"], "null clears");
        assert_eq!(paths(json!({"timeout": null}), json!({})), [""; 0]);
    }

    #[test]
    fn what_a_whole_element_leaves_out_is_asked_to_be_absent() {
        let live = json!({"wholes": [{"id": "a", "days": 1, "filter": {"prefix": "x/", "tag": "t"}, "steps": [{"days": 1, "keep": 2}]}]});
        for (element, expected) in [
            (
                json!({"id": "a", "days": 1, "filter": {"prefix": "x/", "tag": "t"}, "steps": [{"days": 1, "keep": 2}]}),
                vec![],
            ),
            (
                json!({"id": "a", "days": 1, "filter": {"prefix": "x/"}, "steps": [{"days": 1, "keep": 2}]}),
                vec!["wholes[a].filter.tag"],
            ),
            (
                json!({"id": "a", "filter": {"prefix": "x/", "tag": "t"}, "steps": [{"days": 1}]}),
                vec!["wholes[a].steps", "wholes[a].days"],
            ),
            (json!({"id": "a"}), vec!["wholes[a].days", "wholes[a].filter", "wholes[a].steps"]),
        ] {
            let declared = json!({"wholes": [element]});
            assert_eq!(paths(declared.clone(), live.clone()), expected, "{declared}");
            assert_eq!(complete(&declared, &live, &SHAPE), declared, "a write leaves it out too");
        }
    }

    #[test]
    fn an_explicit_empty_value_clears() {
        for (empty, full) in
            [(json!(""), json!("x")), (json!([]), json!([1])), (json!({}), json!({"a": 1}))]
        {
            assert_eq!(paths(json!({"f": empty}), json!({"f": full})), ["f"]);
            assert_eq!(paths(json!({"f": empty}), json!({})), [""; 0]);
        }
    }

    #[test]
    fn keyed_lists_match_by_key_and_name_the_element() {
        let desired = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let live = json!({"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}, {"name": "A", "value": "1"}]});
        assert_eq!(paths(desired, live), ["env[B].value", "env[C]"]);
    }

    #[test]
    fn defaults_inside_an_element_are_not_drift() {
        let desired = json!({"rules": [{"id": "old", "days": 30}]});
        let live = json!({"rules": [{"id": "old", "days": 30, "status": "Enabled"}]});
        assert_eq!(paths(desired, live), [""; 0]);
    }

    #[test]
    fn ordered_lists_and_sets_differ_in_what_order_means() {
        let swap = |list: &str| paths(json!({list: ["a", "b"]}), json!({list: ["b", "a"]})).len();
        assert_eq!(swap("architectures"), 0);
        assert_eq!(swap("layers"), 2);
    }

    #[test]
    fn sets_are_equal_when_each_has_all_of_the_other() {
        let set = |want: Value, have: Value| {
            paths(json!({ "architectures": want }), json!({ "architectures": have })).len()
        };
        assert_eq!(set(json!(["a", "a"]), json!(["a", "b"])), 1);
        assert_eq!(set(json!(["a", "b"]), json!(["a", "a"])), 1);
        assert_eq!(set(json!(["a"]), json!(["a", "b"])), 1);
    }

    #[test]
    fn numbers_compare_by_value() {
        assert_eq!(paths(json!({"days": 1}), json!({"days": 1.0})), [""; 0]);
        assert_eq!(paths(json!({"days": 1}), json!({"days": 1.5})), ["days"]);
        assert_eq!(paths(json!({"days": 1}), json!({"days": "1"})), ["days"]);
    }

    #[test]
    fn secrets_compare_by_digest_and_never_print() {
        let env = |value: Value| json!({"env": [{"name": "KEY", "value": value}]});
        assert_eq!(paths(env(sensitive("hunter2")), env(sensitive("hunter2"))), [""; 0]);
        let changes = diff(&env(sensitive("hunter2")), &env(sensitive("other")), &SHAPE);
        assert_eq!(changes.len(), 1);
        let printed = serde_json::to_string(&changes).unwrap();
        assert!(
            printed.contains("(sensitive)") && !printed.contains(&sha256_hex("hunter2")),
            "{printed}"
        );
    }

    #[test]
    fn a_whole_facet_is_written_with_what_nobody_declared() {
        let declared = json!({"block": {"a": true, "n": null}, "rules": [{"id": "x", "days": 1}], "clear": {}, "gone": null});
        let live = json!({
            "block": {"a": false, "b": true, "n": 3},
            "rules": [{"id": "x", "days": 9, "prefix": "logs/"}, {"id": "gone"}],
            "clear": {"c": 1},
            "gone": 1,
            "undeclared": 1,
        });
        let whole = json!({
            "block": {"a": true, "b": true},
            "rules": [{"id": "x", "days": 1, "prefix": "logs/"}],
            "clear": {},
        });
        assert_eq!(complete(&declared, &live, &SHAPE), whole);
    }

    #[test]
    fn an_ignored_path_takes_the_live_value_in_diff_and_write() {
        let mut desired = json!({"memorySize": 512, "role": "ours", "env": [{"name": "A", "value": "1"}, {"name": "GONE", "value": "x"}]});
        let live = json!({"memorySize": 1024, "role": null, "env": [{"name": "A", "value": "9"}, {"name": "FLAGS", "value": "on"}]});
        let ignore: Vec<Path> =
            ["memorySize", "role", "env[FLAGS]", "env[GONE]", "env[A].value", "url.cors"]
                .iter()
                .map(|p| p.parse().unwrap())
                .collect();
        let mut written = desired.clone();
        fill_ignored(&mut desired, &live, &ignore, &SHAPE, IgnoredAbsent::Dropped);
        assert_eq!(diff(&desired, &live, &SHAPE), []);
        assert_eq!(desired["env"].as_array().unwrap().len(), 2);
        assert_eq!(desired["memorySize"], 1024);
        assert_eq!(desired.get("role"), None, "what is not there is no difference");
        fill_ignored(&mut written, &live, &ignore, &SHAPE, IgnoredAbsent::Kept);
        assert_eq!(written["role"], "ours", "a write that needs a value gives the declared one");
        assert_eq!(written["env"], desired["env"], "an element that is not there is not written");
    }

    #[test]
    fn what_is_ignored_and_absent_is_written_only_where_nothing_goes_without_it() {
        let declared = json!({"site": {"index": "a", "error": "b"}, "billing": {"mode": "P", "capacity": {"read": 5}}});
        let written = |live: Value, path: &str| {
            let mut written = declared.clone();
            let ignore = [path.parse().unwrap()];
            fill_ignored(&mut written, &live, &ignore, &SHAPE, IgnoredAbsent::Kept);
            written.pointer(&format!("/{}", path.replace('.', "/"))).cloned()
        };
        for (what, path, live, expected) in [
            ("its facet is there without it", "site.error", json!({"site": {"index": "x"}}), None),
            ("its facet is made", "site.error", json!({}), Some(json!("b"))),
            ("the whole is made", "site", json!({}), Some(declared["site"].clone())),
            (
                "nothing goes without it",
                "billing.capacity",
                json!({"billing": {"mode": "D"}}),
                Some(json!({"read": 5})),
            ),
            (
                "below it",
                "billing.capacity.read",
                json!({"billing": {"mode": "D"}}),
                Some(json!(5)),
            ),
        ] {
            assert_eq!(written(live, path), expected, "{what}");
        }
    }

    #[test]
    fn a_star_ignores_every_element() {
        let declared = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "tags": {"a": "1"}, "layers": ["x"]});
        let live = json!({"env": [{"name": "B", "value": "9"}, {"name": "C", "value": "3"}], "tags": {"b": "2"}, "layers": ["y", "z"]});
        for (path, expected) in [
            ("env[*]", json!({"env": live["env"], "tags": {"a": "1"}, "layers": ["x"]})),
            (
                "env[*].value",
                json!({"env": [{"name": "A"}, {"name": "B", "value": "9"}], "tags": {"a": "1"}, "layers": ["x"]}),
            ),
            ("tags[*]", json!({"env": declared["env"], "tags": {"b": "2"}, "layers": ["x"]})),
            (
                "layers[*]",
                json!({"env": declared["env"], "tags": {"a": "1"}, "layers": ["y", "z"]}),
            ),
        ] {
            let mut filled = declared.clone();
            let ignore = [path.parse().unwrap()];
            fill_ignored(&mut filled, &live, &ignore, &SHAPE, IgnoredAbsent::Dropped);
            assert_eq!(filled, expected, "{path}");
        }
    }

    #[test]
    fn places_in_lists_and_names_with_dots_can_be_ignored_too() {
        let mut desired = json!({"layers": ["a", "b"], "tags": {"team/a.b": "x", "c": "y"}});
        let live = json!({"layers": ["c", "d"], "tags": {"team/a.b": "by hand", "c": "z"}});
        let ignore = ["layers[1]", "tags[team/a.b]"].map(|path| path.parse().unwrap());
        fill_ignored(&mut desired, &live, &ignore, &SHAPE, IgnoredAbsent::Dropped);
        assert_eq!(
            desired,
            json!({"layers": ["a", "d"], "tags": {"team/a.b": "by hand", "c": "y"}})
        );
    }
}
