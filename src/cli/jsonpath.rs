//! `-o jsonpath=TEMPLATE`, as kubectl has it: text, with paths in braces.
//!
//! A path that finds several values prints them with spaces between; what stands between `{range PATH}` and `{end}`
//! is filled for each of them.

use std::str::FromStr;

use serde_json::Value;
use serde_json_path::JsonPath;

/// A template that was read.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(JsonPath),
    /// The parts for each value that the path finds.
    Range(JsonPath, Vec<Part>),
}

impl FromStr for Template {
    type Err = String;

    fn from_str(template: &str) -> Result<Self, String> {
        let (mut parts, mut open) = (Vec::new(), Vec::new());
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (path, after) = after.split_once('}').ok_or_else(|| {
                format!("`{template}` has a brace that is not closed; write '{{.items[*].metadata.name}}'")
            })?;
            parts.push(Part::Text(text.to_owned()));
            match path.trim() {
                "end" => {
                    let (path, before) = open.pop().ok_or_else(|| {
                        format!("`{template}` has an {{end}} without its {{range PATH}}")
                    })?;
                    let inner = std::mem::replace(&mut parts, before);
                    parts.push(Part::Range(path, inner));
                }
                path => match path.strip_prefix("range ") {
                    Some(each) => open.push((json_path(each.trim())?, std::mem::take(&mut parts))),
                    None => parts.push(part(path)?),
                },
            }
            rest = after;
        }
        if !open.is_empty() {
            return Err(format!("`{template}` has a {{range PATH}} without its {{end}}"));
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.len() == 1 {
            return Err(format!("`{template}` has no path; write '{{.items[*].metadata.name}}'"));
        }
        Ok(Self(parts))
    }
}

fn part(path: &str) -> Result<Part, String> {
    // kubectl's way to write a line end or a tab.
    if path.starts_with('"') {
        return serde_json::from_str(path)
            .map(Part::Text)
            .map_err(|error| format!("`{path}`: {error}"));
    }
    json_path(path).map(Part::Path)
}

/// kubectl's way to write a path: from the value that the template, or its range, is filled with.
fn json_path(path: &str) -> Result<JsonPath, String> {
    let path = path.strip_prefix('@').unwrap_or(path);
    let root = if path.starts_with('$') { "" } else { "$" };
    let dot = if path.is_empty() || path.starts_with(['.', '[', '$']) { "" } else { "." };
    let whole = format!("{root}{dot}{path}");
    // `{.}` is the value itself.
    let whole = if whole == "$." { "$" } else { &whole };
    JsonPath::parse(whole).map_err(|error| format!("`{path}` is not a path: {error}"))
}

impl Template {
    /// The template with what its paths find in a value.
    pub fn fill(&self, value: &Value) -> String {
        filled(&self.0, value)
    }
}

fn filled(parts: &[Part], value: &Value) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Path(path) => {
            path.query(value).iter().map(|found| plain(found)).collect::<Vec<_>>().join(" ")
        }
        Part::Range(path, inner) => {
            path.query(value).iter().map(|found| filled(inner, found)).collect()
        }
    };
    parts.iter().map(part).collect()
}

/// A text without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_is_filled_as_kubectl_fills_it() {
        let list = json!({"items": [
            {"kind": "Table", "metadata": {"name": "orders"}, "ready": true},
            {"kind": "Bucket", "metadata": {"name": "assets"}, "ready": false},
        ]});
        for (template, expected) in [
            ("{.items[*].metadata.name}", "orders assets"),
            ("{items[0].metadata.name}", "orders"),
            ("{$.items[0].ready}: {.items[0].kind}", "true: Table"),
            ("{.items[?@.kind=='Bucket'].metadata.name}{\"\\n\"}", "assets\n"),
            ("{.items[7].kind}", ""),
            ("{range .items[*]}{.metadata.name}{\"\\n\"}{end}", "orders\nassets\n"),
            (
                "{range .items[*]}{.kind}: {range .metadata}{@.name}, {end}{end}!",
                "Table: orders, Bucket: assets, !",
            ),
            ("{range .items[*].kind}<{@}>{end}", "<Table><Bucket>"),
            ("{.items[?(@.ready==true)].kind}", "Table"),
        ] {
            assert_eq!(template.parse::<Template>().unwrap().fill(&list), expected, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_an_example() {
        for (template, expected) in [
            ("{.items", "is not closed"),
            ("items", "has no path"),
            ("{.items[}", "is not a path"),
            ("{range .items[*]}{.kind}", "without its {end}"),
            ("{.kind}{end}", "without its {range PATH}"),
        ] {
            let error = template.parse::<Template>().unwrap_err();
            assert!(error.contains(expected), "{template}: {error}");
        }
    }
}
