//! What a schema has against a value, in words, with what to write instead.

use std::ops::Range;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Value, json};

use super::document::Document;
use super::forms::{KMS_KEY, form};
use super::problem::nearest;
use super::schema::{json_schema, validator};
use crate::kinds::{self, environment};

/// Where, what is wrong, and what to do.
pub(super) type Explanation = (Range<usize>, String, Option<String>);

/// Words that other tools have for fields of ours: Terraform, CloudFormation and Serverless.
const ELSEWHERE: &[(&str, &str)] = &[
    ("attributeName", "name"),
    ("attributeType", "type"),
    ("billingMode", "billing"),
    ("deadLetterConfig", "deadLetter"),
    ("deletionProtectionEnabled", "deletionProtection"),
    ("environment", "env"),
    ("functionName", "name"),
    ("hashKey", "partitionKey"),
    ("hash_key", "partitionKey"),
    ("memory", "memorySize"),
    ("pitr", "pointInTimeRecovery"),
    ("rangeKey", "sortKey"),
    ("range_key", "sortKey"),
    ("streamSpecification", "stream"),
    ("tableName", "name"),
    ("timeToLive", "ttl"),
    ("timeToLiveSpecification", "ttl"),
    ("tracingConfig", "tracing"),
    ("vpcConfig", "vpc"),
];

/// What a kind's schema has against `value`, which is the document without its nulls. A value of the wrong type
/// that is no word of an enum either is said once.
pub(super) fn explain_all(
    document: &Document,
    value: &Value,
    text: &str,
    kind: &str,
) -> Vec<Explanation> {
    let Some(validator) = validator(kind) else { return Vec::new() };
    let errors: Vec<_> = validator.iter_errors(value).collect();
    let is_enum =
        |error: &ValidationError| matches!(error.kind(), ValidationErrorKind::Enum { .. });
    let is_said = |error: &&ValidationError| {
        let is_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
        let at = error.instance_path().to_string();
        is_type && errors.iter().any(|e| is_enum(e) && e.instance_path().to_string() == at)
    };
    let said = errors.iter().filter(|error| !is_said(error));
    said.flat_map(|error| explain(document, value, text, kind, error)).collect()
}

fn explain(
    document: &Document,
    whole: &Value,
    text: &str,
    kind: &str,
    error: &ValidationError,
) -> Vec<Explanation> {
    let pointer = error.instance_path().to_string();
    let field = readable(&pointer);
    let value = document.value.pointer(&pointer);
    let at = || document.value_span(&pointer);
    let one = |title: String| vec![(at(), title, None)];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_fields(kind, &error.schema_path().to_string());
            let unknown = |name: &String| unknown(document, &pointer, &field, name, &known);
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let of = if field.is_empty() { String::new() } else { format!(" in {field}") };
            vec![(document.key_span(&pointer), format!("missing field `{name}`{of}"), None)]
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<_> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let text = value.map_or_else(String::new, plain);
            let help = nearest(&text, options.iter().copied()).map_or_else(
                || format!("it may be {}", options.join(", ")),
                |n| format!("did you mean `{n}`?"),
            );
            vec![(at(), format!("`{text}` is not a value of {field}"), Some(help))]
        }
        ValidationErrorKind::Type { kind: wanted } => {
            let expected = match wanted {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => {
                    many.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            let found = value.map_or("nothing", type_name);
            let title = format!("{field} is {found}, but {} is expected", named(&expected));
            // As it was written: 012 is read as another number.
            let written = text.get(at()).map(str::trim).unwrap_or_default();
            let around = schema_around(kind, &error.schema_path().to_string());
            let place = Misplaced { whole, kind, pointer: &pointer, value, written, around };
            vec![(at(), title, place.help(&expected))]
        }
        ValidationErrorKind::Pattern { pattern } => {
            let text = value.map_or_else(String::new, plain);
            vec![(at(), format!("`{text}` is not a legal {field}"), Some(form_of(&field, pattern)))]
        }
        other => one(limit(other, &field).unwrap_or_else(|| error.to_string())),
    }
}

/// A value beyond a limit.
fn limit(kind: &ValidationErrorKind, field: &str) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Minimum { limit } => format!("{field} is below {limit}, AWS's least"),
        ValidationErrorKind::Maximum { limit } => format!("{field} is above {limit}, AWS's most"),
        ValidationErrorKind::MinLength { limit } => format!("{field} is shorter than {limit}"),
        ValidationErrorKind::MaxLength { limit } => {
            format!("{field} is longer than {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } => format!("{field} needs at least {limit}"),
        ValidationErrorKind::MaxItems { limit } => {
            format!("{field} has more than {limit}, AWS's most")
        }
        ValidationErrorKind::MinProperties { .. } => format!("{field} needs one of its fields"),
        ValidationErrorKind::MaxProperties { limit: 1 } => {
            format!("{field} may have only one of its fields")
        }
        ValidationErrorKind::MaxProperties { limit } => format!("{field} has more than {limit}"),
        _ => return None,
    })
}

fn unknown(
    document: &Document,
    pointer: &str,
    field: &str,
    name: &str,
    known: &[String],
) -> Explanation {
    let escaped = name.replace('~', "~0").replace('/', "~1");
    let span = document.key_span(&format!("{pointer}/{escaped}"));
    let of = if field.is_empty() { String::new() } else { format!(" in {field}") };
    let elsewhere = ELSEWHERE.iter().find(|(theirs, ours)| {
        theirs.eq_ignore_ascii_case(name) && known.iter().any(|field| field == ours)
    });
    let help = match (elsewhere, nearest(name, known.iter().map(String::as_str))) {
        (Some((_, ours)), _) => format!("it is called `{ours}` here"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("fields here are {}", known.join(", ")),
    };
    (span, format!("unknown field `{name}`{of}"), Some(help))
}

/// A value of another type than its field has.
struct Misplaced<'a> {
    whole: &'a Value,
    kind: &'a str,
    pointer: &'a str,
    value: Option<&'a Value>,
    written: &'a str,
    /// The schema of the field.
    around: Option<&'static Value>,
}

impl Misplaced<'_> {
    fn help(&self, expected: &str) -> Option<String> {
        match (expected, self.value?) {
            ("string", Value::Number(_) | Value::Bool(_)) => Some(self.quoted()),
            ("integer" | "number", Value::String(text)) => {
                number_of(text, description(self.around))
            }
            ("object", Value::String(_) | Value::Number(_)) => self.as_mapping(),
            ("boolean", Value::String(text)) => boolean_of(text),
            ("array", Value::Object(_)) => self.as_list(),
            ("array", Value::String(_) | Value::Number(_)) => {
                Some(format!("write a list, as [{}]", self.written))
            }
            _ => None,
        }
    }

    /// A number where a text is expected: as it was written, in quotes, unless the kind has something against it
    /// then.
    fn quoted(&self) -> String {
        let written = match self.written {
            "" => self.value.map_or_else(String::new, plain),
            written => written.to_owned(),
        };
        let quoted = format!("quote it: \"{written}\"");
        let mut changed = self.whole.clone();
        if let Some(value) = changed.pointer_mut(self.pointer) {
            *value = json!(written);
        }
        // Where other fields are wrong, too, nothing can be said of the whole.
        let alone = || self.against(&self.alone(&written));
        self.against(&changed).or_else(alone).unwrap_or(quoted)
    }

    /// An object with this field alone.
    fn alone(&self, written: &str) -> Value {
        let names = self.pointer.split('/').skip(1).collect::<Vec<_>>();
        names.into_iter().rev().fold(json!(written), |inner, name| match name.parse::<usize>() {
            Ok(_) => json!([inner]),
            Err(_) => json!({ name: inner }),
        })
    }

    /// What the kind itself has against the value.
    fn against(&self, changed: &Value) -> Option<String> {
        let problems = match kinds::kind(self.kind) {
            Some(kind) => kind.validate(&changed["spec"], "it"),
            None => environment::validate(&changed["spec"]),
        };
        let here = |problem: &kinds::SpecProblem| {
            format!("spec.{}", problem.path) == readable(self.pointer)
        };
        problems.into_iter().find(here).map(|problem| problem.help.unwrap_or(problem.message))
    }

    /// A number where a mapping with one field is expected.
    fn as_mapping(&self) -> Option<String> {
        let fields = self.around?.get("properties")?.as_object()?;
        let mut fields = fields.iter();
        let (Some((name, schema)), None) = (fields.next(), fields.next()) else { return None };
        let unit = Unit::of(description(Some(schema)));
        let number = amount(self.written, unit).unwrap_or_else(|| self.written.to_owned());
        Some(format!("write a mapping, as {{ {name}: {number} }}"))
    }

    /// A mapping where a list is expected, as `env` has it in other tools.
    fn as_list(&self) -> Option<String> {
        let key = self.around?.get("x-kubernetes-list-map-keys")?.as_array()?.first()?.as_str()?;
        let (first, value) = self.value?.as_object()?.iter().next()?;
        let other = if value.is_object() { "..." } else { "value: ..." };
        Some(format!("write a list, as [{{ {key}: {first}, {other} }}]"))
    }
}

fn description(schema: Option<&Value>) -> &str {
    schema.and_then(|schema| schema.get("description")?.as_str()).unwrap_or_default()
}

/// What a pattern asks for. Two fields may share one that says little.
fn form_of(field: &str, pattern: &str) -> String {
    if field.to_ascii_lowercase().ends_with("kmskeyarn") {
        return form(KMS_KEY);
    }
    form(pattern)
}

/// The unit that AWS has for a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Megabytes,
    Seconds,
}

impl Unit {
    /// The unit that a field's description begins with.
    fn of(description: &str) -> Option<Self> {
        match description.split([' ', '.']).next()? {
            "MB" => Some(Self::Megabytes),
            "Seconds" => Some(Self::Seconds),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Megabytes => "MB",
            Self::Seconds => "seconds",
        }
    }

    /// How many of it another unit is. `None` where that is not known.
    fn in_one(self, other: &str) -> Option<u64> {
        match (self, other.to_ascii_lowercase().as_str()) {
            (Self::Megabytes, "mb" | "mib" | "m") | (Self::Seconds, "s" | "sec" | "seconds") => {
                Some(1)
            }
            (Self::Megabytes, "gb" | "gib" | "g") => Some(1024),
            (Self::Seconds, "m" | "min" | "minutes") => Some(60),
            (Self::Seconds, "h" | "hours") => Some(3600),
            _ => None,
        }
    }
}

/// `1GB` as a number of the unit that AWS has for the field.
fn amount(text: &str, unit: Option<Unit>) -> Option<String> {
    let (digits, written) = parted(text)?;
    let number: u64 = digits.parse().ok()?;
    Some(number.checked_mul(unit?.in_one(written)?)?.to_string())
}

/// A number, and the unit that stands behind it.
fn parted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = (&text[..end], text[end..].trim());
    let is_unit = unit.chars().all(char::is_alphabetic);
    (!digits.is_empty() && is_unit).then_some((digits, unit))
}

/// `512MB` and `10s`: AWS's fields have one unit each, with which their descriptions begin.
fn number_of(text: &str, description: &str) -> Option<String> {
    let (digits, written) = parted(text)?;
    if written.is_empty() {
        return Some(format!("take the quotes away: {digits}"));
    }
    let unit = Unit::of(description);
    Some(match (amount(text, unit), unit) {
        (Some(number), Some(unit)) => {
            format!("write the number without a unit, in {}: {number}", unit.name())
        }
        _ => format!(
            "write the number without a unit, in the unit that AWS has for the field: {digits} if that is in {written}"
        ),
    })
}

fn boolean_of(text: &str) -> Option<String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "enabled" => Some("write true, without quotes".to_owned()),
        "false" | "no" | "off" | "disabled" => Some("write false, without quotes".to_owned()),
        _ => None,
    }
}

/// The schema that an error's keyword stands in.
fn schema_around(kind: &str, schema_path: &str) -> Option<&'static Value> {
    let around = schema_path.rsplit_once('/').map_or("", |(before, _)| before);
    json_schema(kind)?.pointer(around)
}

/// The fields that the schema around an error knows.
fn known_fields(kind: &str, schema_path: &str) -> Vec<String> {
    let around = schema_around(kind, schema_path);
    let properties = around.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let mut names: Vec<_> = properties.into_iter().flat_map(|p| p.keys().cloned()).collect();
    names.sort();
    names
}

/// A JSON pointer as people write paths: `spec.env[2].name`.
pub(super) fn readable(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|b| b.is_ascii_digit()) && !out.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part);
        }
    }
    out
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn named(expected: &str) -> String {
    match expected {
        "array" => "a list".to_owned(),
        "object" => "a mapping".to_owned(),
        "integer" => "a whole number".to_owned(),
        other => format!("a {other}"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_told_in_the_unit_of_its_field() {
        for (text, description, expected) in [
            ("1GB", "MB.", Some("write the number without a unit, in MB: 1024")),
            ("256 MiB", "MB in /tmp.", Some("write the number without a unit, in MB: 256")),
            ("10s", "Seconds.", Some("write the number without a unit, in seconds: 10")),
            ("2m", "Seconds.", Some("write the number without a unit, in seconds: 120")),
            (
                "3days",
                "How long.",
                Some(
                    "write the number without a unit, in the unit that AWS has for the field: 3 if that is in days",
                ),
            ),
            ("512", "MB.", Some("take the quotes away: 512")),
            ("many", "MB.", None),
            ("1.5GB", "MB.", None),
        ] {
            assert_eq!(number_of(text, description).as_deref(), expected, "{text}");
        }
    }
}
