//! What a schema cannot say: rules of one object, and rules between objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::nearest;
use super::schema::validator;
use super::shape::{Place, place};
use super::{Problem, Set};
use super::{objectives, promotions};
use crate::aws::{partition, tags};
use crate::kinds::environment::{self, EnvironmentSpec, check_tags};
use crate::kinds::{AnyKind, NameScope, kind};
use crate::model::{
    Object, ObjectFieldRef, ObjectId, Path, Segment, annotation, object_references,
};
use crate::plan::dependency_order;

/// DynamoDB items hold 400 KB; an object is one, with room for what else stands in it.
const OBJECT_BYTES_MAX: usize = 300 * 1024;

/// Rules of one object.
///
/// `conforms` says that the schema has nothing against them; where it has, what cannot be read as the
/// kind's type is passed over.
pub(super) fn each_object(set: &Set, conforms: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, loaded) in set.loaded.iter().enumerate() {
        let object = &loaded.object;
        if object.environment().is_empty() {
            let mut problem = set.problem(
                index,
                "/metadata",
                format!("{} needs metadata.namespace", object.id()),
            );
            problem.help = Some("it names the environment; or give --namespace".to_owned());
            problems.push(problem);
        }
        // One that is the same was taken out.
        if object.kind == environment::NAME && !object.metadata.namespace.is_empty() {
            let title = format!("the Environment `{}` is its own namespace", object.metadata.name);
            problems.push(set.problem(index, "/metadata/namespace", title));
        }
        let bytes = serde_json::to_string(object).map_or(0, |json| json.len());
        if bytes > OBJECT_BYTES_MAX {
            let title =
                format!("{} has {bytes} bytes; the store takes {OBJECT_BYTES_MAX}", object.id());
            problems.push(set.problem(index, "", title));
        }
        let found = match kind(&object.kind) {
            _ if !conforms && !is_readable(object) => Vec::new(),
            Some(kind) => check_kind(kind, object),
            None => environment::validate(&object.spec),
        };
        for problem in found {
            let pointer = pointer_of(&problem.path);
            let mut out = set.problem(index, &pointer, problem.message);
            out.help = problem.help;
            problems.push(out);
        }
        problems.extend(check_annotations(set, index, object));
        problems.extend(check_reference_words(set, index, object));
    }
    problems
}

/// Whether the object's spec can be read as its kind's type.
fn is_readable(object: &Object) -> bool {
    match kind(&object.kind) {
        Some(kind) => kind.is_readable(&object.spec),
        None => EnvironmentSpec::deserialize(&*object.spec).is_ok(),
    }
}

fn check_kind(kind: &dyn AnyKind, object: &Object) -> Vec<crate::kinds::SpecProblem> {
    let name = aws_name(kind, object);
    let mut problems = kind.validate(&object.spec, &name);
    let common = kind.common(&object.spec);
    problems.extend(check_tags("tags", common.tags.as_ref()));
    for (i, path) in common.ignore.iter().flatten().enumerate() {
        let at = format!("ignore[{i}]");
        problems.extend(match path.parse::<Path>() {
            Err(message) => Some(crate::kinds::SpecProblem::new(at, message)),
            Ok(path) => {
                unknown_place(kind, &path, at.clone()).or_else(|| unignorable(kind, &path, at))
            }
        });
    }
    if let Err(rule) = kind.check_name(&name) {
        let problem = crate::kinds::SpecProblem::new(
            "name",
            format!("the AWS name `{name}` is not legal: {rule}"),
        );
        problems.push(problem.help("give spec.name, or another metadata.name"));
    }
    problems
}

/// An ignored path that the schema knows nothing at: it would never match anything.
fn unknown_place(kind: &dyn AnyKind, path: &Path, at: String) -> Option<crate::kinds::SpecProblem> {
    let problem = |message| crate::kinds::SpecProblem::new(at.clone(), message);
    match place(kind.name(), &path.0) {
        Place::Known => None,
        Place::NoField { name, known } => {
            let near = nearest(&name, known.iter().map(String::as_str));
            let help = near.map_or_else(
                || format!("fields there are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message =
                format!("`{path}` matches nothing: {} has no field `{name}` there", kind.name());
            Some(problem(message).help(help))
        }
        Place::NoElement { text } => {
            let message =
                format!("`{path}` matches nothing: there is nothing for `{text}` to select");
            let help =
                "select elements of lists and maps in brackets, as env[STAGE] or env[*].value";
            Some(problem(message).help(help))
        }
    }
}

/// An ignored path that the schema knows, and that nothing in AWS is compared by: ignoring it would change
/// nothing.
fn unignorable(kind: &dyn AnyKind, path: &Path, at: String) -> Option<crate::kinds::SpecProblem> {
    let problem = |message| Some(crate::kinds::SpecProblem::new(at.clone(), message));
    let fields = path.fields();
    if ["name", "deletionPolicy", "ignore"].contains(&path.root()) {
        return problem(format!("`{path}` is about trueup, and nothing in AWS differs from it"));
    }
    let is_tag = |segment: &Segment| segment.name().starts_with(tags::PREFIX);
    if path.root() == "tags" && path.0.iter().any(is_tag) {
        return problem(format!("`{path}` says whose the resource is, and cannot be ignored"));
    }
    let is_half = |segment: &&Segment| match segment {
        Segment::Element(name) => name.len() > 1 && name.contains('*'),
        Segment::Field(name) => name.contains('*'),
    };
    if let Some(half) = path.0.iter().find(is_half).map(Segment::name) {
        let message = format!(
            "`{path}` matches nothing: `{half}` is no name, and * stands for all names only"
        );
        let problem = crate::kinds::SpecProblem::new(at, message);
        return Some(problem.help("write [*] for every element, or one path for each name"));
    }
    if fields.split('.').any(|field| field.ends_with("From")) {
        let message = format!("`{path}` says where a value comes from; ignore the value itself");
        return problem(message);
    }
    let whole = kind.wholes().iter().find(|whole| {
        fields.strip_prefix(**whole).is_some_and(|rest| rest.starts_with('.'))
            || (fields == **whole && path.0.len() > whole.split('.').count())
    })?;
    let message = format!("`{path}` cannot be ignored by itself: {whole} is compared as a whole");
    Some(crate::kinds::SpecProblem::new(at, message).help(format!("ignore `{whole}`")))
}

/// The resource's name in AWS.
fn aws_name(kind: &dyn AnyKind, object: &Object) -> String {
    let given = kind.common(&object.spec).name;
    given.unwrap_or_else(|| format!("{}-{}", object.environment(), object.metadata.name))
}

fn check_annotations(set: &Set, index: usize, object: &Object) -> Vec<Problem> {
    const KNOWN: [&str; 6] = [
        annotation::ADOPT,
        annotation::ADOPT_FROM,
        annotation::SUSPEND,
        annotation::ALLOW_REPLACE,
        annotation::LAST_BACKUP,
        annotation::CRITICALITY,
    ];
    let mut problems = Vec::new();
    for (name, value) in &object.metadata.annotations {
        if !name.starts_with("trueup.dev/") {
            continue;
        }
        let pointer = format!("/metadata/annotations/{}", name.replace('/', "~1"));
        if object.kind == environment::NAME && name == annotation::SUSPEND {
            let message = "an Environment is not suspended by an annotation".to_owned();
            let help = format!("suspend it with `trueup suspend {}`", object.metadata.name);
            problems.push(Problem { help: Some(help), ..set.problem(index, &pointer, message) });
            continue;
        }
        if !KNOWN.contains(&name.as_str()) {
            let mut problem = set.problem(index, &pointer, format!("unknown annotation `{name}`"));
            problem.help = Some(match nearest(name, KNOWN) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("annotations of trueup are {}", KNOWN.join(", ")),
            });
            problems.push(problem);
        } else if name == annotation::ADOPT_FROM {
            if value.len() != 32 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
                let mut problem =
                    set.problem(index, &pointer, format!("`{name}` is the uid of an object"));
                problem.help =
                    Some("it is the value of the resource's tag trueup.dev/uid".to_owned());
                problems.push(problem);
            }
        } else if name == annotation::CRITICALITY {
            if value != "optional" && value != "required" {
                let title = format!("`{name}` is \"optional\" or \"required\"");
                problems.push(set.problem(index, &pointer, title));
            }
        } else if value != "true" && value != "false" {
            let title = format!("`{name}` is \"true\" or \"false\"");
            problems.push(set.problem(index, &pointer, title));
        }
    }
    problems
}

/// `env[2].name` as a pointer into the document.
fn pointer_of(path: &str) -> String {
    let mut pointer = "/spec".to_owned();
    for part in path.split(['.', '[']).filter(|p| !p.is_empty()) {
        pointer.push('/');
        pointer.push_str(&part.trim_end_matches(']').replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

/// Rules between objects: duplicates, environments, references, cycles.
pub(super) fn between_objects(set: &Set, existing: &[Object]) -> Vec<Problem> {
    let mut problems = duplicates(set);
    let given: BTreeMap<(String, ObjectId), &Object> =
        set.objects().map(|o| ((o.environment().to_owned(), o.id()), o)).collect();
    let mut all = given.clone();
    for object in existing {
        all.entry((object.environment().to_owned(), object.id())).or_insert(object);
    }
    for (index, object) in set.objects().enumerate() {
        problems.extend(check_environment(set, index, object, &all));
        problems.extend(check_references(set, index, object, &all));
    }
    problems.extend(same_resource(set, &all));
    problems.extend(cycles(set, &all));
    problems.extend(objectives::unmet(set, &all));
    problems.extend(promotions::circles(set, &all));
    problems
}

/// The rules between objects that hold whatever else there may be: what a set that did not load whole
/// can still be told.
pub(super) fn within(set: &Set) -> Vec<Problem> {
    let given: All = set.objects().map(|o| ((o.environment().to_owned(), o.id()), o)).collect();
    let mut problems = duplicates(set);
    problems.extend(same_resource(set, &given));
    problems.extend(cycles(set, &given));
    problems.extend(promotions::circles(set, &given));
    problems
}

pub(super) type All<'a> = BTreeMap<(String, ObjectId), &'a Object>;

fn duplicates(set: &Set) -> Vec<Problem> {
    let mut first: HashMap<(String, ObjectId), usize> = HashMap::new();
    let mut problems = Vec::new();
    for (index, object) in set.objects().enumerate() {
        let key = (object.environment().to_owned(), object.id());
        match first.get(&key) {
            Some(before) => {
                let source = set.loaded[*before].document.source;
                let name = set.sources.get(source).map_or("", |s| s.name.as_str());
                let title = format!("{} of {} is given twice; first in {name}", key.1, key.0);
                problems.push(set.problem(index, "/metadata/name", title));
            }
            None => {
                first.insert(key, index);
            }
        }
    }
    problems
}

fn check_environment(set: &Set, index: usize, object: &Object, all: &All) -> Option<Problem> {
    if object.kind == environment::NAME {
        return None;
    }
    let name = object.environment();
    let id = ObjectId::new(environment::NAME, name);
    let Some(environment) = all.get(&(name.to_owned(), id)) else {
        let known: BTreeSet<&str> =
            all.keys().map(|(e, _)| e.as_str()).filter(|e| *e != name).collect();
        let mut problem = set.problem(
            index,
            "/metadata/namespace",
            format!("there is no Environment `{name}` for {}", object.id()),
        );
        problem.help = Some(match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "apply a manifest of kind Environment with it".to_owned(),
        });
        return Some(problem);
    };
    // What is wrong with the Environment is said there: it may have what seems to be missing.
    let is_sound = validator(environment::NAME).is_some_and(|v| v.is_valid(&json!(environment)));
    let spec = EnvironmentSpec::deserialize(&*environment.spec).ok().filter(|_| is_sound)?;
    let packaged =
        ["/code/path", "/artifact/path"].into_iter().find(|p| object.spec.pointer(p).is_some())?;
    if spec.artifacts.is_some() {
        return None;
    }
    let mut problem = set.problem(
        index,
        &format!("/spec{packaged}"),
        format!("Environment `{name}` has no artifact bucket to upload this to"),
    );
    problem.help = Some("add spec.artifacts.bucket to the Environment".to_owned());
    Some(problem)
}

/// What an object refers to must be there.
fn check_references(set: &Set, index: usize, object: &Object, all: &All) -> Vec<Problem> {
    let mut problems = Vec::new();
    let environment = object.environment();
    for (pointer, reference) in references_with_pointers(&object.spec) {
        let is_there = all.contains_key(&(environment.to_owned(), reference.id()));
        if is_there || kind(&reference.kind).is_none() {
            continue;
        }
        let same_kind = all
            .keys()
            .filter(|(e, id)| *e == environment && *id.kind == *reference.kind)
            .map(|(_, id)| &*id.name);
        let mut problem = set.problem(
            index,
            &format!("/spec{pointer}/name"),
            format!("{} does not exist in {environment}", reference.id()),
        );
        problem.help =
            nearest(&reference.name, same_kind).map(|near| format!("did you mean `{near}`?"));
        problems.push(problem);
    }
    problems
}

/// What can be said of a reference without knowing the object that it points to.
fn check_reference_words(set: &Set, index: usize, object: &Object) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (pointer, reference) in references_with_pointers(&object.spec) {
        let (part, title, help) = match kind(&reference.kind) {
            None => {
                let near = nearest(&reference.kind, super::kind_names());
                let help = near.map(|near| format!("did you mean `{near}`?"));
                ("kind", format!("unknown kind `{}`", reference.kind), help)
            }
            Some(kind) if !kind.fields().contains(&reference.field.as_str()) => {
                let near = nearest(&reference.field, kind.fields().iter().copied());
                let help = near.map_or_else(
                    || format!("it has {}", kind.fields().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let title =
                    format!("{} has no field `{}` to refer to", reference.kind, reference.field);
                ("field", title, Some(help))
            }
            Some(_) => continue,
        };
        let mut problem = set.problem(index, &format!("/spec{pointer}/{part}"), title);
        problem.help = help;
        problems.push(problem);
    }
    problems
}

fn references_with_pointers(spec: &Value) -> Vec<(String, ObjectFieldRef)> {
    fn walk(value: &Value, at: &str, out: &mut Vec<(String, ObjectFieldRef)>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                    match ObjectFieldRef::deserialize(inner) {
                        Ok(reference) if key == "objectRef" => out.push((here, reference)),
                        _ => walk(inner, &here, out),
                    }
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    walk(item, &format!("{at}/{i}"), out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(spec, "", &mut out);
    out
}

/// Two objects of one environment must not stand for the same AWS resource.
fn same_resource(set: &Set, all: &All) -> Vec<Problem> {
    collisions(set, all)
        .into_iter()
        .filter(|(within, _)| *within)
        .map(|(_, problem)| problem)
        .collect()
}

/// Objects of different environments that would stand for the same AWS resource. Which of them has it is
/// settled by its tags when it is made; the other one stalls.
pub(super) fn between_environments(set: &Set) -> Vec<Problem> {
    let all: All = set.objects().map(|o| ((o.environment().to_owned(), o.id()), o)).collect();
    let across = collisions(set, &all).into_iter().filter(|(within, _)| !*within);
    across.map(|(_, problem)| problem).collect()
}

/// Objects that would stand for the same AWS resource, and whether both are of one environment. Where two
/// environments do not say which account they are of, they are taken to be of the same one: the daemon's.
fn collisions(set: &Set, all: &All) -> Vec<(bool, Problem)> {
    let mut owners: BTreeMap<(&'static str, String, String), (&str, &ObjectId)> = BTreeMap::new();
    let mut problems = Vec::new();
    for ((environment, id), object) in all {
        let Some(kind) = kind(&object.kind) else {
            continue;
        };
        let name = aws_name(kind, object);
        let place = name_space(kind, environment, all);
        let key = (kind.name(), place, name.clone());
        let Some((elsewhere, other)) = owners.insert(key, (environment, id)) else {
            continue;
        };
        let index = set.objects().position(|o| o.id() == *id && o.environment() == environment);
        if let Some(index) = index {
            let within = elsewhere == environment;
            let other = match within {
                true => other.to_string(),
                false => format!("{other} of {elsewhere}"),
            };
            let title = format!("{id} and {other} would be the same AWS resource `{name}`");
            problems.push((within, set.problem(index, "/spec/name", title)));
        }
    }
    problems
}

/// Where two resources of a kind may not have the same name. Where the name means nothing to AWS, as an
/// Amplify app's, two of one environment would still be taken for each other by people.
fn name_space(kind: &dyn AnyKind, environment: &str, all: &All) -> String {
    let id = ObjectId::new(environment::NAME, environment);
    let spec = all.get(&(environment.to_owned(), id)).map(|o| &*o.spec);
    let target =
        spec.and_then(|spec| EnvironmentSpec::deserialize(spec).ok()).unwrap_or_default().target();
    match kind.name_scope() {
        NameScope::Nothing => environment.to_owned(),
        NameScope::Region => {
            let of_role = target.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4));
            let account = target.account_id.as_deref().or(of_role);
            format!("{account:?} {:?} {:?}", target.region, target.endpoint_url)
        }
        NameScope::Partition => {
            let (partition, _) = partition(target.region.as_deref().unwrap_or_default());
            format!("{partition} {:?}", target.endpoint_url)
        }
    }
}

fn cycles(set: &Set, all: &All) -> Vec<Problem> {
    let mut graphs: BTreeMap<&str, BTreeMap<ObjectId, BTreeSet<ObjectId>>> = BTreeMap::new();
    for ((environment, id), object) in all {
        let targets = object_references(&object.spec).iter().map(ObjectFieldRef::id).collect();
        graphs.entry(environment).or_default().insert(id.clone(), targets);
    }
    let mut problems = Vec::new();
    for (environment, graph) in graphs {
        if let Err(cycle) = dependency_order(&graph) {
            let on_cycle = |o: &Object| o.environment() == environment && cycle.0.contains(&o.id());
            if let Some(index) = set.objects().position(on_cycle) {
                problems.push(set.problem(index, "/metadata/name", cycle.to_string()));
            }
        }
    }
    problems
}
