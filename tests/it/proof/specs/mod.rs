//! What the worlds of the proof are made of: for each kind a full spec, at least twelve variants that
//! declare the same facets, and a row for each field that somebody could change behind trueup's back.

mod bucket;
mod bucket_copies;
mod frontend;
mod function;
mod scaling;
mod table;

use serde_json::{Value, json};

/// A request of somebody who works on AWS by hand. `{name}`, `{app}`, `{arn}` and `{version}` stand for
/// the resource's, and for the version of its alias `live`.
#[derive(Clone, Debug)]
pub struct Request {
    pub service: &'static str,
    pub method: &'static str,
    /// The path; for DynamoDB the operation.
    pub path: &'static str,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Json(Value),
    Xml(String),
}

/// A field, and how somebody changes it to another valid value.
pub struct Row {
    /// As the schema has it; `[]` for the elements of a list, `*` for the keys of a map.
    pub field: &'static str,
    /// How the Synced condition names what changed.
    pub named: &'static str,
    pub requests: Vec<Request>,
    /// What the full spec is overlaid with first, where it does not declare the field.
    pub base: Value,
}

impl Row {
    fn new(field: &'static str, named: &'static str, request: Request) -> Self {
        Self { field, named, requests: vec![request], base: json!({}) }
    }

    fn then(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    fn on(mut self, base: &Value) -> Self {
        self.base = base.clone();
        self
    }
}

/// A kind as the proof knows it.
pub struct Proof {
    pub kind: &'static str,
    /// Declares everything that can be declared at once.
    pub full: Value,
    /// Declares no more than it must.
    pub bare: Value,
    /// Each declares the same facets as the others, with other values.
    pub variants: Vec<(&'static str, Value)>,
    pub rows: Vec<Row>,
    /// Fields of the schema that cannot drift, and why.
    pub exempt: Vec<(&'static str, &'static str)>,
}

pub fn proofs() -> Vec<Proof> {
    vec![function::proof(), table::proof(), bucket::proof(), frontend::proof()]
}

pub fn proof(kind: &str) -> Proof {
    proofs().into_iter().find(|p| p.kind == kind).unwrap()
}

/// `base` with some fields replaced; null takes a field out.
pub fn with(base: &Value, fields: &Value) -> Value {
    let mut spec = base.clone();
    for (field, value) in fields.as_object().unwrap() {
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(field);
        } else {
            spec[field] = value.clone();
        }
    }
    spec
}

fn rest(service: &'static str, method: &'static str, path: &'static str, body: Value) -> Request {
    Request { service, method, path, body: Body::Json(body) }
}

/// Somebody puts a tag of their own on the resource: nothing that trueup writes may take it off.
pub fn tag_of_theirs(kind: &str) -> Request {
    match kind {
        "Function" => {
            rest("lambda", "POST", "/2017-03-31/tags/{arn}", json!({"Tags": {"theirs": "1"}}))
        }
        "Table" => {
            let tags = json!([{"Key": "theirs", "Value": "1"}]);
            rest("dynamodb", "POST", "TagResource", json!({"ResourceArn": "{arn}", "Tags": tags}))
        }
        "Frontend" => rest("amplify", "POST", "/tags/{arn}", json!({"tags": {"theirs": "1"}})),
        _ => {
            let tags = "<TagSet>{tags}<Tag><Key>theirs</Key><Value>1</Value></Tag></TagSet>";
            bucket::put("/{name}?tagging", "Tagging", tags)
        }
    }
}

/// Fields of every kind that are about trueup and not about AWS.
fn ours() -> Vec<(&'static str, &'static str)> {
    vec![
        ("name", "a resource's name is for life"),
        ("deletionPolicy", "says what trueup does"),
        ("ignore[]", "says what trueup does"),
    ]
}
