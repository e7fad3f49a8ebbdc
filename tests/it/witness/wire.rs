//! Requests and replies taken off the wire, into the members of their shapes, by the protocol of the
//! service: <https://smithy.io/2.0/aws/protocols/index.html>.
//!
//! Not observed: the lists of a request in the query protocol, which STS alone speaks.

use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};
use trueup::sandbox::Exchange;

use super::model::Service;

const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The members of a request, or what cannot be one.
pub fn request(service: &Service, exchange: &Exchange) -> Result<Value, String> {
    let operation = &service.operations[exchange.call.operation.as_str()];
    let shape = service.target(&operation["input"]).1;
    let mut members = Map::new();
    if service.protocol == "query" {
        let form = std::str::from_utf8(&exchange.body).map_err(|e| e.to_string())?;
        for (name, text) in pairs(form) {
            let name = name.split('.').next().unwrap_or_default();
            if !["Action", "Version"].contains(&name) && text.len() < 2_000 {
                let reference = shape["members"].get(name).ok_or(format!("no member `{name}`"))?;
                if service.target(reference).1["type"] != "list" {
                    members.insert(name.to_owned(), scalar(service, reference, &text)?);
                }
            }
        }
        return Ok(Value::Object(members));
    }
    if service.protocol.starts_with("rest") {
        from_uri(service, operation, shape, exchange, &mut members)?;
        from_headers(service, shape, &exchange.headers, &mut members)?;
    }
    from_body(service, shape, &exchange.body, &mut members)?;
    Ok(Value::Object(members))
}

/// The members of a reply that is a success.
pub fn reply(service: &Service, exchange: &Exchange) -> Result<Value, String> {
    let operation = &service.operations[exchange.call.operation.as_str()];
    let shape = service.target(&operation["output"]).1;
    let mut members = Map::new();
    if service.protocol == "query" {
        let text = std::str::from_utf8(&exchange.reply).map_err(|e| e.to_string())?;
        let document = Document::parse(text).map_err(|e| e.to_string())?;
        let wrapper = operation["output"]["resultWrapper"].as_str().unwrap_or_default();
        let mut nodes = document.descendants();
        let result = nodes.find(|node| node.tag_name().name() == wrapper);
        let result = result.ok_or(format!("no <{wrapper}>"))?;
        return structure(service, shape, result);
    }
    if service.protocol.starts_with("rest") {
        from_headers(service, shape, &exchange.reply_headers, &mut members)?;
        for (member, reference) in shape["members"].as_object().into_iter().flatten() {
            if reference["location"] == "statusCode" {
                members.insert(member.clone(), json!(exchange.status));
            }
        }
    }
    if exchange.call.operation == "GetBucketLocation" {
        // The one reply without a root for its member.
        return Ok(Value::Object(members));
    }
    if !exchange.call.operation.starts_with("Head") {
        from_body(service, shape, &exchange.reply, &mut members)?;
    }
    Ok(Value::Object(members))
}

/// A document of S3, in the members of its shape.
pub fn document(service: &Service, shape: &Value, text: &str) -> Result<Value, String> {
    let document = Document::parse(text).map_err(|e| e.to_string())?;
    structure(service, shape, document.root_element())
}

/// `name=text` pairs of a query or a form, decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| winterbaume_core::protocol::percent_decode(&text.replace('+', " "));
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, text)| (decoded(name), decoded(text)))
        .collect()
}

/// Labels of the path, and the query.
fn from_uri(
    service: &Service,
    operation: &Value,
    shape: &Value,
    exchange: &Exchange,
    members: &mut Map<String, Value>,
) -> Result<(), String> {
    let template = operation["http"]["requestUri"].as_str().unwrap_or_default();
    let (template, fixed) = template.split_once('?').unwrap_or((template, ""));
    let uri = exchange.uri.split_once("://").map_or(exchange.uri.as_str(), |(_, rest)| rest);
    let slash = uri.find('/').unwrap_or(uri.len());
    let (host, rest) = uri.split_at(slash);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A bucket may stand in the host.
    let path = match host.split_once(".s3.") {
        Some((bucket, _)) => format!("/{bucket}{path}"),
        None => path.to_owned(),
    };
    let mut parts = path.trim_matches('/').split('/');
    for label in template.trim_matches('/').split('/') {
        let name = label.trim_matches(['{', '}']);
        let part = match label.strip_suffix("+}") {
            Some(greedy) => {
                let rest = parts.by_ref().collect::<Vec<_>>().join("/");
                (greedy.trim_start_matches('{'), rest)
            }
            None => (name, parts.next().unwrap_or_default().to_owned()),
        };
        if !label.starts_with('{') {
            if part.1 != label {
                return Err(format!("{path} is not {template}"));
            }
            continue;
        }
        let member = located(shape, "uri", part.0).ok_or(format!("no label {}", part.0))?;
        let text = winterbaume_core::protocol::percent_decode(&part.1);
        members.insert(member.0.to_owned(), scalar(service, member.1, &text)?);
    }
    if parts.next().is_some() {
        return Err(format!("{path} goes on after {template}"));
    }
    for (name, text) in pairs(query) {
        let is_fixed = fixed.split('&').any(|pair| pair.split('=').next() == Some(&name));
        if is_fixed || name == "x-id" || name.starts_with("X-Amz-") {
            continue;
        }
        let (member, reference) =
            located(shape, "querystring", &name).ok_or(format!("no query parameter `{name}`"))?;
        let (_, target) = service.target(reference);
        if target["type"] == "list" {
            let item = scalar(service, &target["member"], &text)?;
            let list = members.entry(member).or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(item);
        } else {
            members.insert(member.to_owned(), scalar(service, reference, &text)?);
        }
    }
    Ok(())
}

fn from_headers(
    service: &Service,
    shape: &Value,
    headers: &http::HeaderMap,
    members: &mut Map<String, Value>,
) -> Result<(), String> {
    for (member, reference) in shape["members"].as_object().into_iter().flatten() {
        if reference["location"] != "header" {
            continue;
        }
        let name = reference["locationName"].as_str().unwrap_or(member);
        if let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) {
            members.insert(member.clone(), scalar(service, reference, text)?);
        }
    }
    Ok(())
}

/// The member that stands somewhere under a name.
fn located<'a>(shape: &'a Value, location: &str, name: &str) -> Option<(&'a str, &'a Value)> {
    let members = shape["members"].as_object()?;
    let found = members.iter().find(|(member, reference)| {
        reference["location"] == location
            && reference["locationName"].as_str().unwrap_or(member) == name
    })?;
    Some((found.0, found.1))
}

fn from_body(
    service: &Service,
    shape: &Value,
    body: &[u8],
    members: &mut Map<String, Value>,
) -> Result<(), String> {
    let payload = shape["payload"].as_str();
    let reference = payload.map(|member| &shape["members"][member]);
    let target = reference.map_or(shape, |reference| service.target(reference).1);
    if target["type"] != "structure" && !target.is_null() {
        // A payload as it is: an object's bytes, a policy's text.
        let text = String::from_utf8_lossy(body).into_owned();
        members.extend(payload.map(|member| (member.to_owned(), json!(text))));
        return Ok(());
    }
    if body.is_empty() {
        return Ok(());
    }
    let read = match service.protocol.as_str() {
        "rest-xml" => {
            let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
            let document = Document::parse(text).map_err(|e| e.to_string())?;
            let root = document.root_element();
            if root.tag_name().namespace() != Some(S3_NAMESPACE) {
                return Err(format!("<{}> has not S3's namespace", root.tag_name().name()));
            }
            structure(service, target, root)?
        }
        _ => renamed(service, target, serde_json::from_slice(body).map_err(|e| e.to_string())?),
    };
    match (payload, read) {
        (Some(member), read) => {
            members.insert(member.to_owned(), read);
        }
        (None, Value::Object(read)) => members.extend(read),
        (None, other) => return Err(format!("{other} is no structure")),
    }
    Ok(())
}

/// JSON members by their own names, where the wire has others.
fn renamed(service: &Service, shape: &Value, value: Value) -> Value {
    match (shape["type"].as_str(), value) {
        (Some("structure"), Value::Object(given)) => {
            let own = |name: &str| {
                let members = shape["members"].as_object()?;
                members
                    .iter()
                    .find(|(member, reference)| {
                        reference.get("location").is_none()
                            && reference["locationName"].as_str().unwrap_or(member) == name
                    })
                    .map(|(member, reference)| (member.clone(), service.target(reference).1))
            };
            let renamed = given.into_iter().map(|(name, value)| match own(&name) {
                Some((member, target)) => (member, renamed(service, target, value)),
                None => (name, value),
            });
            Value::Object(renamed.collect())
        }
        (Some("list"), Value::Array(items)) => {
            let target = service.target(&shape["member"]).1;
            items.into_iter().map(|item| renamed(service, target, item)).collect()
        }
        (_, value) => value,
    }
}

fn structure(service: &Service, shape: &Value, node: Node<'_, '_>) -> Result<Value, String> {
    let mut members = Map::new();
    let known = shape["members"].as_object().ok_or("no members")?;
    for (member, reference) in known.iter().filter(|(_, r)| r["xmlAttribute"] == true) {
        let named = reference["locationName"].as_str().unwrap_or(member);
        let named = named.split(':').next_back().unwrap_or(named);
        if let Some(attribute) = node.attributes().find(|a| a.name() == named) {
            members.insert(member.clone(), json!(attribute.value()));
        }
    }
    for child in node.children().filter(Node::is_element) {
        let tag = child.tag_name().name();
        let found = known.iter().find(|(member, reference)| {
            let target = service.target(reference).1;
            let flat = target["flattened"] == true || reference["flattened"] == true;
            let own = reference["locationName"].as_str();
            let inner = target["member"]["locationName"].as_str().filter(|_| flat);
            own.or(inner).unwrap_or(member) == tag
        });
        let (member, reference) =
            found.ok_or(format!("<{}> has no <{tag}>", node.tag_name().name()))?;
        let target = service.target(reference).1;
        let flat = target["flattened"] == true || reference["flattened"] == true;
        if target["type"] == "list" && flat {
            let item = element(service, &target["member"], child)?;
            let list = members.entry(member.clone()).or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(item);
        } else if members.insert(member.clone(), element(service, reference, child)?).is_some() {
            return Err(format!("<{tag}> stands twice"));
        }
    }
    Ok(Value::Object(members))
}

fn element(service: &Service, reference: &Value, node: Node<'_, '_>) -> Result<Value, String> {
    let shape = service.target(reference).1;
    match shape["type"].as_str() {
        Some("structure") => structure(service, shape, node),
        Some("list") => {
            let tag = shape["member"]["locationName"].as_str().unwrap_or("member");
            let items = node.children().filter(Node::is_element);
            items
                .map(|item| {
                    if item.tag_name().name() != tag {
                        return Err(format!("<{}> is no <{tag}>", item.tag_name().name()));
                    }
                    element(service, &shape["member"], item)
                })
                .collect()
        }
        _ => scalar(service, reference, node.text().unwrap_or_default()),
    }
}

/// A value that the wire has as text.
fn scalar(service: &Service, reference: &Value, text: &str) -> Result<Value, String> {
    let (name, shape) = service.target(reference);
    let refused = || format!("`{text}` is no {name}");
    match shape["type"].as_str() {
        Some("integer" | "long") => Ok(json!(text.parse::<i64>().map_err(|_| refused())?)),
        Some("boolean") => Ok(json!(text.parse::<bool>().map_err(|_| refused())?)),
        Some("float" | "double") => Ok(json!(text.parse::<f64>().map_err(|_| refused())?)),
        _ => Ok(json!(text)),
    }
}
