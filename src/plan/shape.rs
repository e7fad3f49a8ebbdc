//! What the comparison must know about a kind's spec: how lists match, which elements are wholes. Read from
//! the spec's schema, where Kubernetes' own words say it, so that the printed CRD says the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{Path, Segment, canonical_json};

/// How a list's elements are matched: `x-kubernetes-list-type` of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListRule {
    /// `atomic`: by position, the order matters.
    #[default]
    Ordered,
    /// `set`: as whole elements, the order does not matter.
    Set,
    /// `map`: by one field of the elements, which are objects (`x-kubernetes-list-map-keys`).
    Keyed(String),
}

/// The lists of a spec. Paths are written without elements, as `globalSecondaryIndexes.nonKeyAttributes`.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Lists that are not plain ordered ones.
    lists: BTreeMap<String, ListRule>,
    /// Lists whose elements are wholes (`x-kubernetes-map-type: atomic`): a field that an element does not set
    /// is removed.
    wholes: BTreeSet<String>,
    /// Fields that AWS cannot do without once what is around them is there: a write gives the declared value
    /// where the live side has none, also where they are ignored.
    needed: &'static [&'static str],
}

/// No spec is nested deeper: a reference of a schema to itself ends here.
const DEPTH_MAX: usize = 12;

const ORDERED: &ListRule = &ListRule::Ordered;

impl Shape {
    /// Reads a spec's schema.
    pub fn of(schema: &Value, needed: &'static [&'static str]) -> Self {
        let mut shape = Self { needed, ..Self::default() };
        shape.read(schema, schema, "", 0);
        shape
    }

    fn read(&mut self, schema: &Value, node: &Value, at: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(rule) = list_rule(node) {
            self.lists.insert(at.to_owned(), rule);
        }
        for (name, field) in node["properties"].as_object().into_iter().flatten() {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            self.read(schema, field, &path, depth + 1);
        }
        if let Some(items) = node.get("items") {
            if resolved(schema, items)["x-kubernetes-map-type"] == "atomic" {
                self.wholes.insert(at.to_owned());
            }
            self.read(schema, items, at, depth + 1);
        }
        // An optional field is one of itself and null.
        let branches = node["anyOf"].as_array().into_iter().flatten();
        for branch in branches.chain(node.get("$ref").map(|_| resolved(schema, node))) {
            self.read(schema, branch, at, depth + 1);
        }
    }

    pub(super) fn needs(&self, path: &Path) -> bool {
        self.needed.contains(&path.fields().as_str())
    }

    pub(super) fn rule(&self, path: &Path) -> &ListRule {
        self.lists.get(&path.fields()).unwrap_or(ORDERED)
    }

    /// Whether the elements of the list at a path, or of one around it, are wholes.
    pub(super) fn is_whole(&self, path: &Path) -> bool {
        let fields = path.fields();
        self.wholes.iter().any(|list| {
            fields.strip_prefix(list).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The value at a path, whose brackets name elements as the lists' rules do.
    pub fn at<'a>(&self, value: &'a Value, path: &Path) -> Option<&'a Value> {
        let mut here = Path::default();
        let mut found = value;
        for segment in &path.0 {
            found = match (segment, found) {
                (Segment::Field(name), Value::Object(map)) => map.get(name)?,
                (Segment::Element(name), Value::Object(map)) => map.get(name)?,
                (Segment::Element(key), Value::Array(items)) => {
                    items.iter().enumerate().find(|(i, v)| self.is_element(&here, *i, v, key))?.1
                }
                _ => return None,
            };
            here.0.push(segment.clone());
        }
        Some(found)
    }

    /// Whether an element of the list at `path` is the one that `key` names.
    pub(super) fn is_element(&self, path: &Path, index: usize, element: &Value, key: &str) -> bool {
        match self.rule(path) {
            ListRule::Keyed(field) => key_of(element, field) == key,
            _ => index.to_string() == key,
        }
    }
}

fn list_rule(node: &Value) -> Option<ListRule> {
    match node["x-kubernetes-list-type"].as_str()? {
        "set" => Some(ListRule::Set),
        "map" => {
            let key = node["x-kubernetes-list-map-keys"][0].as_str()?;
            Some(ListRule::Keyed(key.to_owned()))
        }
        _ => None,
    }
}

/// What a reference of the schema points to, or the node itself.
fn resolved<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    let target = node["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    target.and_then(|pointer| schema.pointer(pointer)).unwrap_or(node)
}

pub(super) fn key_of(element: &Value, key: &str) -> String {
    match element.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => canonical_json(other),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rules_of_lists_are_read_from_a_schema_through_references_and_options() {
        let schema = json!({
            "properties": {
                "rules": {
                    "type": ["array", "null"],
                    "items": {"$ref": "#/$defs/Rule"},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                },
                "cors": {"anyOf": [{"$ref": "#/$defs/Cors"}, {"type": "null"}]},
                "order": {"type": "array", "items": {"type": "string"}},
            },
            "$defs": {
                "Rule": {"x-kubernetes-map-type": "atomic", "properties": {
                    "moves": {"type": "array", "x-kubernetes-list-type": "set"},
                }},
                "Cors": {"properties": {
                    "origins": {"type": "array", "x-kubernetes-list-type": "set"},
                }},
            },
        });
        let shape = Shape::of(&schema, &[]);
        let path = |text: &str| text.parse::<Path>().unwrap();
        for (at, rule, is_whole) in [
            ("rules", ListRule::Keyed("id".to_owned()), true),
            ("rules[a].moves", ListRule::Set, true),
            ("cors.origins", ListRule::Set, false),
            ("order", ListRule::Ordered, false),
        ] {
            assert_eq!(
                (shape.rule(&path(at)), shape.is_whole(&path(at))),
                (&rule, is_whole),
                "{at}"
            );
        }
    }
}
