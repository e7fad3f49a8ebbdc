//! What `null` in a manifest stands for: the way back to what AWS itself gives a new resource.
//!
//! Guarantees: a field that null cannot clear is known as such, so that nobody writes a null that does
//! nothing.

use serde_json::Value;

use crate::model::Path;

/// How a kind reads null.
#[derive(Clone, Copy, Debug)]
pub enum Nulls {
    /// The setting is asked to be absent, but for those that a new resource has: by the path of the field,
    /// AWS's own value as JSON.
    AbsentBut(&'static [(&'static str, &'static str)]),
    /// AWS's own value, by the path of the field. It is JSON; `{name}` in it is the resource's name in AWS.
    StandFor(&'static [(&'static str, &'static str)]),
}

/// Fields of every kind that say something to trueup and not to AWS: null is as if they were left out.
const OURS: &[&str] = &["name", "deletionPolicy", "tags", "ignore"];

impl Nulls {
    /// Whether null means anything at a path below `spec`.
    pub fn clears(self, path: &Path) -> bool {
        match self {
            Self::AbsentBut(_) => true,
            Self::StandFor(_) => self.text(path).is_some(),
        }
    }

    /// Whether null at a path is as if the field were left out.
    pub fn is_unset(path: &Path) -> bool {
        OURS.contains(&path.root())
    }

    /// What null at a path stands for, in words for people.
    pub fn text(self, path: &Path) -> Option<&'static str> {
        let fields = path.to_string();
        self.values().iter().find(|(at, _)| *at == fields).map(|(_, value)| *value)
    }

    /// AWS's own values by the paths of the fields.
    pub fn values(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AbsentBut(values) | Self::StandFor(values) => values,
        }
    }

    /// The spec with AWS's own values in the places of the nulls.
    pub(super) fn stood_for(self, spec: &Value, aws_name: &str) -> Value {
        let mut spec = spec.clone();
        self.fill(&mut spec, &Path::default(), aws_name);
        spec
    }

    fn fill(self, spec: &mut Value, at: &Path, aws_name: &str) {
        let Value::Object(fields) = spec else { return };
        for (name, value) in fields.iter_mut() {
            let here = at.field(name);
            // An empty object clears, too: where AWS always has something, that is its own value.
            let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty)
                && matches!(self, Self::StandFor(_));
            if !value.is_null() && !is_empty {
                self.fill(value, &here, aws_name);
                continue;
            }
            let text = self.text(&here).map(|text| text.replace("{name}", aws_name));
            // The tables are our own; a test reads every value of them.
            if let Some(own) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                *value = own;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::kinds;
    use serde_json::json;

    #[test]
    fn every_value_that_null_stands_for_is_a_value_of_its_field() {
        for kind in kinds() {
            for (path, text) in kind.nulls().values() {
                let mut spec = Value::Null;
                for field in path.rsplit('.') {
                    spec = json!({ field: spec });
                }
                let stood = kind.nulls().stood_for(&spec, "api");
                let pointer = format!("/{}", path.replace('.', "/"));
                let value: Value = serde_json::from_str(&text.replace("{name}", "api")).unwrap();
                assert_eq!(stood.pointer(&pointer), Some(&value), "{} {path}", kind.name());
            }
        }
    }
}
