//! CBOR as CloudWatch speaks it, between bytes and JSON: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.
//!
//! A timestamp is a number of seconds in JSON. What is a time on the way back is told by [`TIMES`]; every other
//! number with a fraction stays one, and CloudWatch's values are always such.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use http::HeaderValue;
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

/// The members of answers that hold times.
const TIMES: [&str; 3] = ["Timestamps", "StateTransitionedTimestamp", "StateUpdatedTimestamp"];

/// A body as JSON; `None` where it is no CBOR.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let mut decoder = Decoder::new(body);
    value(&mut decoder)
}

fn value(from: &mut Decoder) -> Option<Value> {
    Some(match from.datatype().ok()? {
        Type::Bool => json!(from.boolean().ok()?),
        Type::Null => {
            from.null().ok()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            json!(from.long().ok()?)
        }
        Type::U64 | Type::Int => json!(from.long().ok()?),
        Type::F16 | Type::F32 => json!(from.float().ok()?),
        Type::F64 => json!(from.double().ok()?),
        Type::String | Type::StringIndef => json!(from.string().ok()?),
        Type::Tag => json!(from.timestamp().ok()?.as_secs_f64()),
        Type::Array | Type::ArrayIndef => {
            let length = from.list().ok()?;
            let mut items = Vec::new();
            while more(from, length, items.len())? {
                items.push(value(from)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let (length, mut count) = (from.map().ok()?, 0);
            let mut fields = Map::new();
            while more(from, length, count)? {
                fields.insert(from.string().ok()?, value(from)?);
                count += 1;
            }
            Value::Object(fields)
        }
        _ => return None,
    })
}

/// Another item follows. The end of a list without a length is taken away.
fn more(from: &mut Decoder, length: Option<u64>, so_far: usize) -> Option<bool> {
    match length {
        Some(length) => Some((so_far as u64) < length),
        None if from.datatype().ok()? == Type::Break => {
            from.skip().ok()?;
            Some(false)
        }
        None => Some(true),
    }
}

/// A response in JSON as one in CBOR. What is no JSON stays as it is: it stands for no reply at all.
pub(super) fn response(response: MockResponse) -> MockResponse {
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else { return response };
    let mut headers = response.headers;
    headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    headers.insert("content-type", HeaderValue::from_static("application/cbor"));
    MockResponse { status: response.status, headers, body: written(&body).into() }
}

/// JSON as a body.
fn written(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder, value, false);
    encoder.into_writer()
}

fn write(to: &mut Encoder, value: &Value, is_time: bool) {
    match value {
        Value::Null => {
            to.null();
        }
        Value::Bool(value) => {
            to.boolean(*value);
        }
        Value::Number(number) => {
            let float = number.as_f64().unwrap_or_default();
            match number.as_i64().and_then(|n| i32::try_from(n).ok()) {
                _ if is_time => to.timestamp(&DateTime::from_secs_f64(float)),
                Some(whole) if !number.is_f64() => to.integer(whole),
                _ => to.double(float),
            };
        }
        Value::String(text) => {
            to.str(text);
        }
        Value::Array(items) => {
            to.array(items.len());
            items.iter().for_each(|item| write(to, item, is_time));
        }
        Value::Object(fields) => {
            to.map(fields.len());
            for (name, value) in fields {
                to.str(name);
                write(to, value, TIMES.contains(&name.as_str()));
            }
        }
    }
}
