//! AWS's service models, and what is wrong with a value of a shape.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock};

use fancy_regex::Regex;
use serde_json::Value;

pub struct Service {
    pub protocol: String,
    pub operations: Value,
    shapes: Value,
    /// By their text, once they were needed.
    patterns: Mutex<HashMap<String, Regex>>,
}

/// The models by service. `None` where there is no Python 3.
pub fn services() -> Option<&'static BTreeMap<String, Service>> {
    static SERVICES: OnceLock<Option<BTreeMap<String, Service>>> = OnceLock::new();
    SERVICES.get_or_init(|| Some(read(&super::models("models.py")?))).as_ref()
}

fn read(printed: &str) -> BTreeMap<String, Service> {
    let models: BTreeMap<String, Value> = serde_json::from_str(printed).unwrap();
    let service = |mut model: Value| Service {
        protocol: model["protocol"].as_str().unwrap().to_owned(),
        operations: model["operations"].take(),
        shapes: model["shapes"].take(),
        patterns: Mutex::default(),
    };
    models.into_iter().map(|(name, model)| (name, service(model))).collect()
}

impl Service {
    pub fn shape(&self, name: &str) -> &Value {
        &self.shapes[name]
    }

    /// The shape that a reference is of, and its name.
    pub fn target<'a>(&'a self, reference: &'a Value) -> (&'a str, &'a Value) {
        let name = reference["shape"].as_str().unwrap_or_default();
        (name, self.shape(name))
    }

    /// What of a value is not as its shape says, each with its path.
    pub fn wrong(&self, shape: &str, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(shape, value, "", &mut wrong);
        wrong
    }

    fn check(&self, name: &str, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let shape = self.shape(name);
        match (shape["type"].as_str().unwrap_or_default(), value) {
            // A null says as much as nothing.
            (_, Value::Null) => {}
            ("structure", Value::Object(members)) => {
                self.check_members(shape, members, path, wrong);
            }
            ("list", Value::Array(items)) => {
                bounds(shape, items.len() as f64, path, "elements", wrong);
                let member = self.target(&shape["member"]).0;
                for (index, item) in items.iter().enumerate() {
                    self.check(member, item, &format!("{path}[{index}]"), wrong);
                }
            }
            ("map", Value::Object(entries)) => {
                bounds(shape, entries.len() as f64, path, "entries", wrong);
                let (key, inner) = (self.target(&shape["key"]).0, self.target(&shape["value"]).0);
                for (name, entry) in entries {
                    self.check(key, &Value::from(name.as_str()), &format!("{path}<{name}>"), wrong);
                    self.check(inner, entry, &format!("{path}.{name}"), wrong);
                }
            }
            ("string", Value::String(text)) => self.check_text(shape, text, path, wrong),
            ("integer" | "long", Value::Number(number)) if number.as_i64().is_some() => {
                bounds(shape, number.as_f64().unwrap(), path, "", wrong);
            }
            ("float" | "double", Value::Number(_))
            | ("boolean", Value::Bool(_))
            | ("blob", Value::String(_))
            | ("timestamp", Value::Number(_) | Value::String(_)) => {}
            (kind, _) => wrong.push(format!("{path} ({name}): {value} is no {kind}")),
        }
    }

    fn check_members(
        &self,
        shape: &Value,
        members: &serde_json::Map<String, Value>,
        path: &str,
        wrong: &mut Vec<String>,
    ) {
        let known = &shape["members"];
        for (member, inner) in members {
            match known.get(member) {
                Some(reference) => {
                    let inner_path = format!("{path}.{member}");
                    self.check(self.target(reference).0, inner, &inner_path, wrong);
                }
                None => wrong.push(format!("{path}.{member}: no such member")),
            }
        }
        for required in shape["required"].as_array().into_iter().flatten() {
            let required = required.as_str().unwrap_or_default();
            if members.get(required).is_none_or(Value::is_null) {
                wrong.push(format!("{path}.{required}: required and not there"));
            }
        }
        let given = members.values().filter(|value| !value.is_null()).count();
        if shape["union"] == true && given != 1 {
            wrong.push(format!("{path}: one of a union, and {given} are given"));
        }
    }

    fn check_text(&self, shape: &Value, text: &str, path: &str, wrong: &mut Vec<String>) {
        if let Some(words) = shape["enum"].as_array() {
            if !words.iter().any(|word| word == text) {
                wrong.push(format!("{path}: `{text}` is no word of {words:?}"));
            }
            return;
        }
        bounds(shape, text.chars().count() as f64, path, "characters", wrong);
        if let Some(pattern) = shape["pattern"].as_str()
            && !self.matches(pattern, text)
        {
            wrong.push(format!("{path}: `{text}` does not match {pattern}"));
        }
    }

    /// Whether a text fits a shape.
    pub fn takes(&self, shape: &Value, text: &str) -> bool {
        let mut wrong = Vec::new();
        self.check_text(shape, text, "", &mut wrong);
        wrong.is_empty()
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.lock().unwrap();
        let compiled = patterns.entry(pattern.to_owned()).or_insert_with(|| {
            // Ranges of surrogates are Java's way to say "any character beyond".
            let rust = pattern
                .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\u{10000}-\\u{10FFFF}")
                .replace("\\u10000-\\u10FFFF", "\\u{10000}-\\u{10FFFF}");
            Regex::new(&format!("^(?:{rust})$")).unwrap_or_else(|e| panic!("{pattern}: {e}"))
        });
        compiled.is_match(text).unwrap()
    }
}

fn bounds(shape: &Value, size: f64, path: &str, unit: &str, wrong: &mut Vec<String>) {
    if shape["min"].as_f64().is_some_and(|least| size < least)
        || shape["max"].as_f64().is_some_and(|most| size > most)
    {
        let (least, most) = (&shape["min"], &shape["max"]);
        wrong.push(format!("{path}: {size} {unit} is outside of {least} to {most}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_model_is_named_by_its_path() {
        let Some(services) = services() else { return };
        let cases = [
            (
                "lambda",
                "CreateAliasRequest",
                r#"{"FunctionName":"f","Name":"live","FunctionVersion":"1"}"#,
                "",
            ),
            (
                "lambda",
                "CreateAliasRequest",
                r#"{"FunctionName":"f","Name":"12","FunctionVersion":"1"}"#,
                ".Name: `12` does not match",
            ),
            (
                "lambda",
                "CreateAliasRequest",
                r#"{"FunctionName":"f","FunctionVersion":"1"}"#,
                ".Name: required",
            ),
            (
                "lambda",
                "CreateAliasRequest",
                r#"{"FunctionName":"f","Name":"a","FunctionVersion":"1","Alias":1}"#,
                ".Alias: no such member",
            ),
            ("lambda", "EphemeralStorage", r#"{"Size":511}"#, ".Size: 511  is outside"),
            ("lambda", "TracingConfig", r#"{"Mode":"On"}"#, ".Mode: `On` is no word"),
            ("dynamodb", "KeySchema", r#"[{"AttributeName":"a","KeyType":"HASH"}]"#, ""),
            ("dynamodb", "KeySchema", "[]", ": 0 elements is outside"),
            (
                "dynamodb",
                "KeySchema",
                r#"[{"AttributeName":7,"KeyType":"HASH"}]"#,
                "[0].AttributeName (KeySchemaAttributeName): 7 is no string",
            ),
            ("s3", "LifecycleRuleFilter", r#"{"Prefix":"a"}"#, ""),
        ];
        for (service, shape, value, said) in cases {
            let wrong = services[service].wrong(shape, &serde_json::from_str(value).unwrap());
            match said {
                "" => assert_eq!(wrong, Vec::<String>::new(), "{shape} {value}"),
                said => assert!(
                    wrong.len() == 1 && wrong[0].starts_with(said),
                    "{shape} {value}: {wrong:?}"
                ),
            }
        }
    }
}
