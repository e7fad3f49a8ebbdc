//! Random values of a model's whole shape, as somebody may have put them, and the requests that put them.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde_json::{Map, Value, json};

use super::model::Service;

/// Texts for whatever has a pattern: the first that fits is as good as any.
const TEXTS: &[&str] = &[
    "one",
    "two",
    "three-3",
    "12",
    "123456789012",
    "lambda:InvokeFunction",
    "s3.amazonaws.com",
    "o-a1b2c3d4e5",
    "arn:aws:iam::123456789012:role/by-hand",
    "arn:aws:lambda:us-east-1:123456789012:layer:tools:3",
    "arn:aws:kms:us-east-1:123456789012:key/by-hand",
    "arn:aws:sqs:us-east-1:123456789012:by-hand",
    "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
    "/mnt/data",
    "arn:aws:acm:us-east-1:123456789012:certificate/by-hand",
    "subnet-0123456789abcdef0",
    "sg-0123456789abcdef0",
    "api.example.com",
    "logs/",
    "*",
    "/aws/lambda/by-hand",
    "ThreeRandomWords",
    "2027-01-31",
    "3600",
];

/// A random value of a shape. Members that are not required come two times out of three.
pub fn value(service: &Service, shape: &str, dice: &mut StdRng) -> Value {
    let target = service.shape(shape);
    match target["type"].as_str().unwrap_or_default() {
        "structure" => structure(service, target, dice),
        "list" => {
            let least = target["min"].as_u64().unwrap_or(0).max(1);
            let most = target["max"].as_u64().unwrap_or(2).clamp(least, least + 1);
            let member = service.target(&target["member"]).0;
            let mut items: Vec<Value> = Vec::new();
            for _ in 0..dice.random_range(least..=most) {
                let item = value(service, member, dice);
                // S3 and Lambda want each element of a list of words once.
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            Value::Array(items)
        }
        "map" => {
            let (key, inner) =
                (service.target(&target["key"]).0, service.target(&target["value"]).0);
            let entries = (0..dice.random_range(1..3)).map(|_| {
                let key = value(service, key, dice);
                (key.as_str().unwrap_or_default().to_owned(), value(service, inner, dice))
            });
            Value::Object(entries.collect())
        }
        "integer" | "long" => {
            let least = target["min"].as_i64().unwrap_or(1);
            let most = target["max"].as_i64().unwrap_or(least + 40).min(least + 400);
            json!(dice.random_range(least..=most))
        }
        "boolean" => json!(dice.random_bool(0.5)),
        "timestamp" => json!("2027-01-31T00:00:00Z"),
        _ => text(service, target, dice),
    }
}

fn structure(service: &Service, shape: &Value, dice: &mut StdRng) -> Value {
    let members = shape["members"].as_object().unwrap();
    let required = shape["required"].as_array();
    let only = (shape["union"] == true).then(|| dice.random_range(0..members.len()));
    let mut out = Map::new();
    for (index, (member, reference)) in members.iter().enumerate() {
        let is_required = required.is_some_and(|names| names.iter().any(|name| name == member));
        let comes = only.map_or_else(|| dice.random_bool(0.66), |only| only == index);
        if (is_required || comes) && reference["deprecated"] != true {
            out.insert(member.clone(), value(service, service.target(reference).0, dice));
        }
    }
    Value::Object(out)
}

fn text(service: &Service, shape: &Value, dice: &mut StdRng) -> Value {
    if let Some(words) = shape["enum"].as_array() {
        return words.choose(dice).cloned().unwrap_or_default();
    }
    let fits: Vec<_> = TEXTS.iter().filter(|text| service.takes(shape, text)).collect();
    match fits.choose(dice) {
        Some(text) => json!(text),
        None => json!("a".repeat(shape["min"].as_u64().unwrap_or(1) as usize)),
    }
}

/// A request by hand: method, path and body.
pub fn request(service: &Service, operation: &str, members: &Value) -> (String, String, String) {
    let operation = &service.operations[operation];
    let (_, shape) = service.target(&operation["input"]);
    let mut path = operation["http"]["requestUri"].as_str().unwrap_or("/").to_owned();
    let mut body = Map::new();
    let mut payload = String::new();
    for (member, value) in members.as_object().unwrap() {
        let reference = &shape["members"][member];
        let named = reference["locationName"].as_str().unwrap_or(member);
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match reference["location"].as_str() {
            Some("uri") => path = path.replace(&format!("{{{named}}}"), &text),
            Some("querystring") => {
                path += if path.contains('?') { "&" } else { "?" };
                path += &format!("{named}={text}");
            }
            Some(_) => {}
            None if shape["payload"] == *member => {
                let root = reference["locationName"].as_str().unwrap_or(member);
                payload = xml(service, root, reference, value, true);
            }
            None => {
                body.insert(named.to_owned(), value.clone());
            }
        }
    }
    if !body.is_empty() || service.protocol == "json" {
        payload = Value::Object(body).to_string();
    }
    (operation["http"]["method"].as_str().unwrap_or("POST").to_owned(), path, payload)
}

fn xml(service: &Service, tag: &str, reference: &Value, value: &Value, is_root: bool) -> String {
    let (_, shape) = service.target(reference);
    let namespace = if is_root { " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"" } else { "" };
    match value {
        Value::Object(members) => {
            let mut attributes = String::new();
            let mut inner = String::new();
            // In the order of the model, as every client sends them.
            for (member, reference) in shape["members"].as_object().into_iter().flatten() {
                let Some(value) = members.get(member) else { continue };
                let own = reference["locationName"].as_str();
                if reference["xmlAttribute"] == true {
                    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
                    let text = value.as_str().unwrap_or_default();
                    attributes += &format!(" {xsi} {}=\"{text}\"", own.unwrap_or(member));
                    continue;
                }
                let target = service.target(reference).1;
                let is_flat = target["flattened"] == true || reference["flattened"] == true;
                let item = target["member"]["locationName"].as_str();
                let tag = own.or(item.filter(|_| is_flat)).unwrap_or(member);
                match value {
                    Value::Array(items) if is_flat => {
                        for value in items {
                            inner += &xml(service, tag, &target["member"], value, false);
                        }
                    }
                    value => inner += &xml(service, tag, reference, value, false),
                }
            }
            format!("<{tag}{namespace}{attributes}>{inner}</{tag}>")
        }
        Value::Array(items) => {
            let item = shape["member"]["locationName"].as_str().unwrap_or("member");
            let each = items.iter().map(|v| xml(service, item, &shape["member"], v, false));
            format!("<{tag}>{}</{tag}>", each.collect::<String>())
        }
        Value::String(text) => format!("<{tag}>{text}</{tag}>"),
        other => format!("<{tag}>{other}</{tag}>"),
    }
}

/// Takes fields out of a manifest's spec at random: what is left is declared. Elements of lists, documents
/// and references are wholes.
pub fn pruned(spec: &Value, dice: &mut StdRng) -> Value {
    let Value::Object(fields) = spec else { return spec.clone() };
    let kept = fields.iter().filter_map(|(field, value)| {
        if !dice.random_bool(0.6) {
            return None;
        }
        let is_whole = field == "policy" || field.ends_with("From") || field == "tags";
        let value = if is_whole { value.clone() } else { pruned(value, dice) };
        Some((field.clone(), value))
    });
    Value::Object(kept.collect())
}

/// One of a list.
pub fn any<'a, T>(dice: &mut (impl Rng + ?Sized), of: &'a [T]) -> &'a T {
    of.choose(dice).expect("a list that is not empty")
}
