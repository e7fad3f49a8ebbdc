//! What a kind's schema says of a place in its spec: whether a field is known there.

use serde_json::Value;

use super::schema::json_schema;
use crate::model::Segment;

/// A place in a spec, as the schema sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Known,
    /// There is no such field; these are the ones that there are.
    NoField {
        name: String,
        known: Vec<String>,
    },
    /// A bracket stands where there is neither a list nor a map, or a field in a list.
    NoElement {
        text: String,
    },
}

/// Looks a path below `spec` up.
pub(super) fn place(kind: &str, path: &[Segment]) -> Place {
    let Some(root) = json_schema(kind) else { return Place::Known };
    let mut here = &root["properties"]["spec"];
    for segment in path {
        here = followed(root, here);
        if here.get("x-kubernetes-preserve-unknown-fields").is_some() {
            return Place::Known;
        }
        let (fields, others) = (here["properties"].as_object(), &here["additionalProperties"]);
        let next = match segment {
            Segment::Field(name) => match fields {
                Some(fields) => match fields.get(name) {
                    Some(next) => next,
                    None => {
                        let known = fields.keys().cloned().collect();
                        return Place::NoField { name: name.clone(), known };
                    }
                },
                None if others.is_object() => others,
                None => return Place::NoElement { text: name.clone() },
            },
            Segment::Element(_) if here["items"].is_object() => &here["items"],
            Segment::Element(_) if others.is_object() => others,
            Segment::Element(text) => return Place::NoElement { text: format!("[{text}]") },
        };
        here = next;
    }
    Place::Known
}

/// A schema with its reference followed.
fn followed<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Path;

    #[test]
    fn a_path_is_followed_to_its_end() {
        for (kind, path, expected) in [
            ("Function", "memorySize", None),
            ("Function", "env[*].value", None),
            ("Function", "url.cors.maxAge", None),
            ("Function", "tags[team]", None),
            ("Function", "layers[0]", None),
            ("Bucket", "policy.Statement[0].Action", None),
            ("Function", "memorysize", Some("memorysize")),
            ("Function", "url.cors.maxage", Some("maxage")),
            ("Function", "env[STAGE].vlaue", Some("vlaue")),
            ("Function", "memorySize[0]", Some("[0]")),
            ("Function", "env.value", Some("value")),
            ("Table", "globalSecondaryIndexes[a].throughput.readUnits", Some("readUnits")),
        ] {
            let segments: Path = path.parse().unwrap();
            let wrong = match place(kind, &segments.0) {
                Place::Known => None,
                Place::NoField { name, .. } => Some(name),
                Place::NoElement { text } => Some(text),
            };
            assert_eq!(wrong.as_deref(), expected, "{kind} {path}");
        }
    }
}
