//! From sources to a valid set of objects, or to every problem at once.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::advice::advise;
use super::document::{Document, parse};
use super::explain::{explain_all, readable};
use super::problem::nearest;
use super::schema::{kind_names, validator};
use super::shape::{Place, place};
use super::{Problem, Problems, Source, Sources, validate};
use crate::kinds::Nulls;
use crate::model::{API_VERSION, Object, Path, Segment};

/// Objects of one set.
const OBJECTS_MAX: usize = 50_000;

/// A valid set of objects.
#[derive(Clone, Debug, Default)]
pub struct Set {
    pub(super) sources: Vec<Source>,
    pub(super) loaded: Vec<Loaded>,
}

/// An object and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub object: Object,
    pub document: Document,
}

impl Set {
    /// The objects of the set, in the order of their manifests.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.loaded.iter().map(|l| &l.object)
    }

    /// How many objects the set has.
    pub fn len(&self) -> usize {
        self.loaded.len()
    }

    /// Whether the set has no object.
    pub fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// Objects with the directory that their relative paths start from.
    pub(super) fn with_directories(&self) -> impl Iterator<Item = (&Object, PathBuf)> {
        self.loaded.iter().map(|loaded| {
            let source = self.sources.get(loaded.document.source);
            (&loaded.object, source.map(|s| s.directory.clone()).unwrap_or_default())
        })
    }

    /// A problem at a path of one object's spec.
    pub(super) fn problem(&self, index: usize, pointer: &str, title: impl Into<String>) -> Problem {
        let document = &self.loaded[index].document;
        Problem {
            source: document.source,
            span: document.value_span(pointer),
            title: title.into(),
            help: None,
        }
    }

    /// What objects of different environments would do to each other; `None` where they do nothing. An apply
    /// may go on with it: whose a resource is is settled by its tags.
    pub fn check_environments(&self) -> Option<Problems> {
        let problems = validate::between_environments(self);
        (!problems.is_empty()).then(|| Problems::new(self.sources.clone(), problems))
    }

    /// What is legal and hardly meant; `None` where there is nothing to say.
    pub fn advice(&self) -> Option<Problems> {
        let warnings = advise(self);
        (!warnings.is_empty()).then(|| Problems::new(self.sources.clone(), warnings))
    }

    /// Checks the set together with objects that are already there: references may point to them.
    /// An object of the set replaces one of the same name.
    pub fn check_with(&self, existing: &[Object]) -> Result<(), Problems> {
        let problems = validate::between_objects(self, existing);
        if problems.is_empty() {
            return Ok(());
        }
        Err(Problems::new(self.sources.clone(), problems))
    }
}

/// Whether there may be objects that a set does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The set is all there is.
    Whole,
    /// It is merged with objects that are recorded already.
    Part,
}

/// Parses and validates everything but what depends on other objects; see [`Set::check_with`].
/// `namespace` stands in where a manifest gives none.
pub fn load(sources: Sources, namespace: Option<&str>, scope: Scope) -> Result<Set, Problems> {
    let mut problems = Vec::new();
    let mut set = Set { sources: sources.0, loaded: Vec::new() };
    // Every document could be told from the others by kind and name.
    let mut whole = true;
    let mut broken = Set { sources: set.sources.clone(), loaded: Vec::new() };
    for index in 0..set.sources.len() {
        let before = problems.len();
        let source = set.sources[index].clone();
        let documents = parse(index, &source, &mut problems);
        whole &= !documents.is_empty() || problems.len() == before;
        for mut document in documents {
            if let Some(namespace) = namespace {
                default_namespace(&mut document.value, namespace);
            }
            settle_namespace(&mut document.value);
            match check(&document, &source.text, &mut problems) {
                Checked::Valid(object) => set.loaded.push(Loaded { object, document }),
                Checked::Broken(object) => broken.loaded.push(Loaded { object, document }),
                Checked::Unreadable => whole = false,
            }
        }
    }
    if set.loaded.len() > OBJECTS_MAX {
        problems.push(set.problem(0, "", format!("a set may have {OBJECTS_MAX} objects")));
    }
    problems.extend(validate::each_object(&set, true));
    problems.extend(validate::each_object(&broken, false));
    if problems.is_empty() {
        return Ok(set);
    }
    // Everything is said at once: what objects say of one another too, as far as it is known.
    set.loaded.extend(broken.loaded);
    problems.extend(match scope {
        Scope::Whole if whole => validate::between_objects(&set, &[]),
        _ => validate::within(&set),
    });
    Err(Problems::new(set.sources, problems))
}

fn default_namespace(value: &mut Value, namespace: &str) {
    let is_environment = value.get("kind").and_then(Value::as_str) == Some("Environment");
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && !is_environment
    {
        metadata.entry("namespace").or_insert_with(|| Value::from(namespace));
    }
}

/// kustomize gives every document the namespace of an overlay, the Environment too, which is its own.
fn settle_namespace(value: &mut Value) {
    let is_environment = value.get("kind").and_then(Value::as_str) == Some("Environment");
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && is_environment
        && metadata.contains_key("namespace")
        && metadata.get("namespace") == metadata.get("name")
    {
        metadata.remove("namespace");
    }
}

/// What came of a document.
enum Checked {
    Valid(Object),
    /// The schema refuses it; what else is wrong with it can be said all the same.
    Broken(Object),
    Unreadable,
}

/// Checks one document against its kind's schema and reads it.
fn check(document: &Document, text: &str, problems: &mut Vec<Problem>) -> Checked {
    let mut report = |span, title: String, help: Option<String>| {
        problems.push(Problem { source: document.source, span, title, help });
    };
    let value = &document.value.without_nulls();
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(validator) = validator(kind) else {
        let (title, help) = match value.get("kind") {
            None => ("a manifest needs apiVersion, kind, metadata and spec".to_owned(), None),
            Some(_) => (format!("unknown kind `{kind}`"), nearest(kind, kind_names())),
        };
        let help = help.map_or_else(
            || format!("kinds are {}; apiVersion is {API_VERSION}", kind_names().join(", ")),
            |n| format!("did you mean `{n}`?"),
        );
        report(document.value_span("/kind"), title, Some(help));
        return Checked::Unreadable;
    };
    let mut valid = validator.is_valid(value);
    if !valid {
        for (span, title, help) in explain_all(document, value, text, kind) {
            report(span, title, help);
        }
    }
    let nulls = nulls_of(kind, document, &mut report);
    valid &= nulls.is_ok();
    match Object::deserialize(value) {
        Ok(mut object) if valid => {
            for pointer in nulls.unwrap_or_default() {
                put_null(Arc::make_mut(&mut object.spec), &pointer);
            }
            Checked::Valid(object)
        }
        Ok(object) => Checked::Broken(object),
        Err(error) => {
            // Where the schema has spoken, it has said this better.
            if valid {
                report(document.value_span(""), error.to_string(), None);
            }
            Checked::Unreadable
        }
    }
}

/// A float that is a whole number, where it is one exactly.
fn whole(number: &serde_json::Number) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    let is_whole = float.fract() == 0.0 && float.abs() <= EXACT_MAX;
    // Within these bounds nothing is lost.
    is_whole.then_some(float as i64)
}

trait WithoutNulls {
    fn without_nulls(&self) -> Value;
}

impl WithoutNulls for Value {
    /// As if what is null had not been written. A whole number is one however it was written, as `128.0`.
    fn without_nulls(&self) -> Value {
        match self {
            Value::Object(map) => {
                let some = map.iter().filter(|(_, inner)| !inner.is_null());
                some.map(|(name, inner)| (name.clone(), inner.without_nulls())).collect()
            }
            Value::Array(items) => items.iter().map(Value::without_nulls).collect(),
            Value::Number(number) => whole(number).map_or_else(|| self.clone(), Value::from),
            other => other.clone(),
        }
    }
}

/// The fields of a spec that are null and clear what they stand for, as pointers below `spec`. Elsewhere null
/// is the same as absent, as in Kubernetes. Fails where there is no such field.
fn nulls_of(
    kind: &str,
    document: &Document,
    report: &mut impl FnMut(std::ops::Range<usize>, String, Option<String>),
) -> Result<Vec<Vec<String>>, ()> {
    let mut found = Vec::new();
    nulls_below(document.value.get("spec").unwrap_or(&Value::Null), &[], &mut found);
    let mut known = true;
    for path in &found {
        let segments: Vec<_> = path.iter().cloned().map(Segment::Field).collect();
        if let Place::NoField { name, known: fields } = place(kind, &segments) {
            known = false;
            let pointer = pointer(path);
            let span = document.key_span(&pointer);
            let help = nearest(&name, fields.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?"));
            report(span, format!("unknown field `{name}` in {}", readable(parent(&pointer))), help);
        }
    }
    if !known {
        return Err(());
    }
    let Some(nulls) = crate::kinds::kind(kind).map(|kind| kind.nulls()) else {
        return Ok(Vec::new());
    };
    let path = |fields: &[String]| Path(fields.iter().cloned().map(Segment::Field).collect());
    found.retain(|fields| !Nulls::is_unset(&path(fields)));
    for fields in found.iter().filter(|fields| !nulls.clears(&path(fields))) {
        known = false;
        let title = format!("null has no meaning for `{}`", path(fields));
        let help = "leave the field out to leave it as it is, or give the value that it shall have";
        report(document.value_span(&pointer(fields)), title, Some(help.to_owned()));
    }
    if known { Ok(found) } else { Err(()) }
}

/// The JSON pointer of a field below `spec`.
fn pointer(fields: &[String]) -> String {
    let escaped =
        fields.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
    format!("/spec{}", escaped.collect::<String>())
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(before, _)| before)
}

/// Outside of lists, whose elements leave out what they do not want.
fn nulls_below(value: &Value, at: &[String], out: &mut Vec<Vec<String>>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let here = [at, std::slice::from_ref(name)].concat();
        match inner {
            Value::Null => out.push(here),
            inner => nulls_below(inner, &here, out),
        }
    }
}

fn put_null(spec: &mut Value, path: &[String]) {
    if let ([name, rest @ ..], Value::Object(map)) = (path, spec) {
        match rest {
            [] => {
                map.insert(name.clone(), Value::Null);
            }
            rest => put_null(map.entry(name.clone()).or_insert_with(|| json!({})), rest),
        }
    }
}
