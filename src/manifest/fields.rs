//! The fields of a kind's manifests as people read about them: `trueup explain`, and docs/manifests.md.
//!
//! Guarantees: all that is said comes from the schema that manifests are checked against.

use std::collections::VecDeque;

use serde_json::Value;

use super::forms::form;
use super::schema::json_schema;

/// Deeper than any manifest is.
const DEPTH_MAX: usize = 12;

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the root of the document, as `spec.env[].name`.
    pub path: String,
    /// As kubectl writes types: `integer`, `[]Object`, `map[string]string`.
    pub kind: String,
    /// A manifest without the field is refused.
    pub is_required: bool,
    /// What the field means, for who writes a manifest. May be empty.
    pub description: String,
    /// What the schema asks of a value, each in words.
    pub limits: Vec<String>,
}

/// The field at a path, and the fields right below it. `None` where the kind has no such field. A path may
/// begin with `spec`, or below it.
pub fn field(kind: &str, path: &str) -> Option<(Field, Vec<Field>)> {
    let names = path.split('.').map(|name| name.split('[').next().unwrap_or_default());
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    let root = Node::root(kind)?;
    let found = root.descend(&names).or_else(|| root.descend(&["spec"])?.descend(&names))?;
    Some((found.field(), found.children().iter().map(Node::field).collect()))
}

/// All fields of a kind's spec, each before those below it.
pub fn fields(kind: &str) -> Vec<Field> {
    let spec = Node::root(kind).and_then(|root| root.descend(&["spec"]));
    let mut left: VecDeque<_> = spec.iter().flat_map(Node::children).collect();
    let mut all = Vec::new();
    while let Some(node) = left.pop_front() {
        all.push(node.field());
        if node.path.split('.').count() <= DEPTH_MAX {
            node.children().into_iter().rev().for_each(|child| left.push_front(child));
        }
    }
    all
}

/// A place in a schema.
struct Node<'a> {
    root: &'a Value,
    /// What stands at the field itself, as its description.
    own: &'a Value,
    path: String,
    is_required: bool,
}

impl<'a> Node<'a> {
    fn root(kind: &str) -> Option<Node<'static>> {
        let root = json_schema(kind)?;
        Some(Node { root, own: root, path: String::new(), is_required: true })
    }

    /// What a reference stands for.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        let pointer = target.and_then(|target| target.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    /// The schema that has the fields below: that of the elements, where it is a list.
    fn inner(&self) -> &'a Value {
        let schema = self.resolved(self.own);
        schema.get("items").map_or(schema, |items| self.resolved(items))
    }

    fn is_list(&self) -> bool {
        self.resolved(self.own).get("items").is_some()
    }

    fn children(&self) -> Vec<Node<'a>> {
        let inner = self.inner();
        let required = |name: &str| {
            let list = inner["required"].as_array();
            list.is_some_and(|list| list.iter().any(|field| field == name))
        };
        let properties = inner["properties"].as_object();
        let child = |(name, own): (&String, &'a Value)| {
            let dot = if self.path.is_empty() { "" } else { "." };
            let brackets = if self.is_list() { "[]" } else { "" };
            let path = format!("{}{brackets}{dot}{name}", self.path);
            Node { root: self.root, own, path, is_required: required(name) }
        };
        properties.into_iter().flatten().map(child).collect()
    }

    fn descend(&self, names: &[&str]) -> Option<Node<'a>> {
        let Some((first, rest)) = names.split_first() else {
            return Some(Node { path: self.path.clone(), ..*self });
        };
        let last = |node: &Node<'_>| node.path.rsplit('.').next().map(str::to_owned);
        let child = self.children().into_iter().find(|c| last(c).as_deref() == Some(*first))?;
        child.descend(rest)
    }

    fn field(&self) -> Field {
        let schema = self.resolved(self.own);
        let said = |schema: &Value| schema["description"].as_str().map(str::to_owned);
        let text = said(self.own).or_else(|| said(schema)).unwrap_or_default();
        Field {
            path: self.path.clone(),
            kind: self.kind_of(schema),
            is_required: self.is_required,
            description: text.replace('\n', " "),
            limits: limits(schema).into_iter().chain(element_limits(self, schema)).collect(),
        }
    }

    fn kind_of(&self, schema: &Value) -> String {
        let schema = self.resolved_value(schema);
        match schema["type"].as_str() {
            Some("array") => match schema.get("items") {
                Some(items) => format!("[]{}", self.kind_of(items)),
                None => "[]Object".to_owned(),
            },
            Some("object") => match &schema["additionalProperties"] {
                values @ Value::Object(_) => format!("map[string]{}", self.kind_of(values)),
                _ => "Object".to_owned(),
            },
            Some(other) => other.to_owned(),
            None if schema["x-kubernetes-preserve-unknown-fields"] == true => {
                "any value".to_owned()
            }
            None => "any".to_owned(),
        }
    }

    fn resolved_value<'b>(&'b self, schema: &'b Value) -> &'b Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        let pointer = target.and_then(|target| target.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

fn element_limits(node: &Node<'_>, schema: &Value) -> Vec<String> {
    let Some(items) = schema.get("items") else { return Vec::new() };
    let each = limits(node.resolved_value(items)).into_iter();
    each.map(|limit| format!("each {limit}")).collect()
}

/// What a schema asks of a value, in words.
fn limits(schema: &Value) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        let shown: Vec<_> =
            words.iter().map(|w| w.as_str().map_or(w.to_string(), str::to_owned)).collect();
        all.push(format!("one of {}", shown.join(", ")));
    }
    for (least, most, what) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " elements"),
    ] {
        let number =
            |name: &str| schema.get(name).filter(|n| n.is_number()).map(ToString::to_string);
        match (number(least), number(most)) {
            (Some(least), Some(most)) => all.push(format!("{least} to {most}{what}")),
            (Some(least), None) => all.push(format!("at least {least}{what}")),
            (None, Some(most)) => all.push(format!("at most {most}{what}")),
            (None, None) => {}
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        all.push(form(pattern).trim_start_matches("write ").to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_path_with_what_the_schema_asks_of_it() {
        for (path, kind, limit) in [
            ("memorySize", "integer", "128 to 10240"),
            ("spec.memorySize", "integer", "128 to 10240"),
            ("env", "[]Object", ""),
            ("env[FLAGS].value", "string", ""),
            ("url.authType", "string", "one of NONE, AWS_IAM"),
            ("tags", "map[string]string", ""),
            ("metadata.name", "string", "1 to 63 characters"),
        ] {
            let (found, _) = field("Function", path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found.kind, kind, "{path}");
            assert!(limit.is_empty() || found.limits.iter().any(|l| l == limit), "{found:?}");
        }
        assert_eq!(field("Function", "memroySize"), None);
        assert_eq!(field("Queue", "name"), None);
    }

    #[test]
    fn the_fields_below_are_listed_and_the_needed_ones_said() {
        let (_, below) = field("Table", "partitionKey").unwrap();
        let below: Vec<_> = below.iter().map(|f| (f.path.as_str(), f.is_required)).collect();
        assert_eq!(below, [("spec.partitionKey.name", true), ("spec.partitionKey.type", true)]);
    }

    #[test]
    fn every_field_of_every_kind_says_what_it_is() {
        for kind in super::super::kind_names() {
            let all = fields(kind);
            assert!(all.len() > 10, "{kind} has {} fields", all.len());
            for field in all {
                assert!(field.path.starts_with("spec.") && field.kind != "any", "{field:?}");
            }
        }
    }
}
