//! JSON Schemas of whole documents, for editors and for our own validation, and the CRDs.
//!
//! There is one definition of every field and limit: the spec's type. What is printed here is what
//! manifests are checked against.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::kinds::{Nulls, environment, kinds};
use crate::model::API_VERSION;

/// Every kind that a manifest may name.
pub fn kind_names() -> Vec<&'static str> {
    let mut names: Vec<_> = kinds().iter().map(|kind| kind.name()).collect();
    names.push(environment::NAME);
    names.sort_unstable();
    names
}

/// The schema of a kind's documents. `None` for a kind that does not exist.
pub fn json_schema(kind: &str) -> Option<&'static Value> {
    SCHEMAS.get(kind).map(|(schema, _)| schema)
}

pub(super) fn validator(kind: &str) -> Option<&'static Validator> {
    SCHEMAS.get(kind).map(|(_, validator)| validator)
}

/// The custom resource definitions, in the order of [`kind_names`].
pub fn crds() -> Vec<Value> {
    let mut crds: Vec<_> = kinds().iter().map(|kind| (kind.name(), kind.crd())).collect();
    crds.push((environment::NAME, environment::crd()));
    crds.sort_by_key(|(name, _)| *name);
    crds.into_iter().map(|(_, crd)| crd).collect()
}

static SCHEMAS: LazyLock<BTreeMap<&'static str, (Value, Validator)>> = LazyLock::new(|| {
    let mut specs: Vec<_> = kinds().iter().map(|kind| (kind.name(), kind.schema())).collect();
    specs.push((environment::NAME, environment::schema()));
    specs
        .into_iter()
        .map(|(name, spec)| {
            let mut schema = document_schema(name, spec.to_value());
            if let Some(kind) = kinds().iter().find(|kind| kind.name() == name) {
                tell_nulls(&mut schema, kind.nulls());
            }
            // The schema comes from our own types; a test compiles every one.
            let validator = jsonschema::validator_for(&schema).expect("a kind's schema is valid");
            (name, (schema, validator))
        })
        .collect()
});

fn document_schema(kind: &str, mut spec: Value) -> Value {
    let definitions = match &mut spec {
        Value::Object(fields) => {
            fields.remove("$schema");
            fields.remove("title");
            fields.remove("$defs").unwrap_or_else(|| json!({}))
        }
        _ => json!({}),
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": spec.get("description").cloned().unwrap_or_default(),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "enum": [API_VERSION]},
            "kind": {"type": "string", "enum": [kind]},
            "metadata": metadata_schema(kind),
            "spec": spec,
            "status": {"description": "Written by trueup; ignored in manifests."},
        },
        "$defs": definitions,
    });
    tighten(&mut schema);
    schema
}

/// Says at each field what null stands for.
fn tell_nulls(schema: &mut Value, nulls: Nulls) {
    for (path, value) in nulls.values() {
        let mut at = "/properties/spec".to_owned();
        for field in path.split('.') {
            let reference = schema.pointer(&format!("{at}/$ref")).and_then(Value::as_str);
            if let Some(target) = reference.and_then(|text| text.strip_prefix('#')) {
                at = target.to_owned();
            }
            at = format!("{at}/properties/{field}");
        }
        if let Some(field) = schema.pointer_mut(&at) {
            let before = field["description"].as_str().unwrap_or_default();
            let gap = if before.is_empty() { "" } else { " " };
            field["description"] = json!(format!("{before}{gap}null goes back to `{value}`."));
        }
    }
}

fn metadata_schema(kind: &str) -> Value {
    const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let mut properties = json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": DNS_LABEL},
        "labels": texts,
        "annotations": texts,
    });
    if kind == environment::NAME {
        properties["namespace"] = json!({
            "description": "The Environment's own name, which kustomize may put here.",
            "type": "string",
        });
    } else {
        properties["namespace"] = json!({
            "description": "The environment that the object belongs to.",
            "type": "string", "minLength": 1, "maxLength": 63, "pattern": DNS_LABEL,
        });
    }
    // Kubernetes' own fields, which tools may leave in a manifest; they are ignored.
    for field in [
        "uid",
        "generation",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "finalizers",
        "ownerReferences",
    ] {
        properties[field] = json!({});
    }
    json!({"type": "object", "required": ["name"], "properties": properties})
}

/// Makes a generated schema strict and simple: unknown fields are refused, null is left to the
/// reader (who takes it for absent), and an enum whose values have descriptions is one enum.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            drop_null(fields);
            join_enum(fields);
            let open = fields.contains_key("x-kubernetes-preserve-unknown-fields");
            let has_properties = fields.get("properties").is_some_and(Value::is_object);
            if has_properties && !open && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            for (name, inner) in fields.iter_mut() {
                if name == "properties" || name == "$defs" {
                    for property in inner.as_object_mut().into_iter().flat_map(Map::values_mut) {
                        tighten(property);
                    }
                } else if name != "enum" {
                    tighten(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tighten),
        _ => {}
    }
}

fn drop_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = fields.get_mut("enum") {
        options.retain(|o| !o.is_null());
    }
    let Some(Value::Array(branches)) = fields.get_mut("anyOf") else {
        return;
    };
    branches.retain(|b| b.get("type") != Some(&json!("null")));
    if let [Value::Object(only)] = &branches[..] {
        let only = only.clone();
        fields.remove("anyOf");
        for (name, value) in only {
            fields.entry(name).or_insert(value);
        }
    }
}

fn join_enum(fields: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = fields.get("oneOf") else {
        return;
    };
    let mut options = Vec::new();
    for branch in branches {
        match (branch.get("const"), branch.get("enum")) {
            (Some(value), _) => options.push(value.clone()),
            (None, Some(Value::Array(values))) => options.extend(values.iter().cloned()),
            _ => return,
        }
    }
    fields.remove("oneOf");
    fields.insert("type".to_owned(), json!("string"));
    fields.insert("enum".to_owned(), Value::Array(options));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema_and_a_crd() {
        assert_eq!(kind_names(), ["Bucket", "Environment", "Frontend", "Function", "Table"]);
        for kind in kind_names() {
            assert!(json_schema(kind).is_some() && validator(kind).is_some(), "{kind}");
        }
        let kinds: Vec<_> = crds().iter().map(|c| c["spec"]["names"]["kind"].clone()).collect();
        assert_eq!(kinds, kind_names());
    }

    /// The paths of lists without a word on how their elements match.
    fn unruled(node: &Value, at: &str, out: &mut Vec<String>) {
        match node {
            Value::Object(fields) => {
                let is_list = fields.get("type") == Some(&json!("array"));
                if is_list && !fields.contains_key("x-kubernetes-list-type") {
                    out.push(at.to_owned());
                }
                for (name, inner) in fields {
                    unruled(inner, &format!("{at}/{name}"), out);
                }
            }
            Value::Array(items) => items.iter().for_each(|inner| unruled(inner, at, out)),
            _ => {}
        }
    }

    #[test]
    fn every_list_says_how_its_elements_match() {
        for kind in kinds() {
            let mut lists = Vec::new();
            unruled(json_schema(kind.name()).unwrap(), kind.name(), &mut lists);
            assert_eq!(lists, [""; 0]);
        }
    }

    #[test]
    fn the_schema_says_what_null_stands_for() {
        for kind in kinds() {
            let values = kind.nulls().values();
            let text = json_schema(kind.name()).unwrap().to_string();
            let told = text.matches("null goes back to `").count();
            assert_eq!(told, values.len(), "{}", kind.name());
        }
    }

    #[test]
    fn schemas_have_no_union_left_that_would_blur_an_error() {
        for kind in kind_names() {
            let text = json_schema(kind).unwrap().to_string();
            for blur in ["\"oneOf\"", "\"anyOf\"", "\"null\""] {
                assert!(!text.contains(blur), "{kind} has {blur}");
            }
        }
    }
}
