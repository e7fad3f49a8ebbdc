//! Calls that show whether something works: of a version of a function, or of a page.

use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Failure;
use crate::aws::{Class, Service, Session};
use crate::web::{NoAnswer, WebRequest};

/// One call, and what it has to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub target: CallTarget,
    /// What the answer has to be.
    pub expected: Expected,
    /// Later, it counts as not answered.
    pub timeout: Duration,
    /// What it means that nobody is reached.
    pub reach: Reach,
}

/// What it means that a page is not reached at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It is as wrong as a wrong answer.
    #[default]
    Must,
    /// After so many times in a row it is done without: who asks may stand where the page cannot be reached from.
    Hoped(u32),
    /// Nothing was sent, so it is called again.
    Again,
}

/// What a call goes to.
#[derive(Clone, Debug, PartialEq)]
pub enum CallTarget {
    /// A function, by its name or ARN, and one of its versions or aliases.
    #[expect(missing_docs, reason = "`payload` is what the function gets; the doc says the rest")]
    Function { name: String, qualifier: Option<String>, payload: Value },
    /// A page; a POST where there is a body.
    #[expect(missing_docs, reason = "the page's address, and the JSON that is sent to it")]
    Page { url: String, body: Option<Value> },
}

/// What an answer has to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// The HTTP status; of a function the `statusCode` of its answer. Of a page 200 to 299 where none is given.
    pub status: Option<u16>,
    /// Where no status is given, a redirect will do, too, or that the page asks for credentials (401).
    pub is_lenient: bool,
    /// A text that the body has.
    pub contains: Option<String>,
    /// Values that the body has to have. With any, the body has to be JSON.
    pub matches: Vec<Match>,
}

/// A value in an answer that is JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// As `$.items[0].id`.
    pub path: String,
    /// The only value that may stand at that path.
    pub equals: Value,
}

/// The characters of an answer that a message shows.
const SHOWN_CHARS_MAX: usize = 200;

pub(super) async fn make(session: &Session, call: &Call) -> Result<(), Failure> {
    match &call.target {
        CallTarget::Function { name, qualifier, payload } => {
            let answer = invoke(session, name, qualifier.as_deref(), payload, call.timeout).await?;
            let status = serde_json::from_str::<Value>(&answer).ok();
            let status = status.as_ref().and_then(|answer| answer["statusCode"].as_u64());
            if let Some(expected) = call.expected.status
                && status != Some(u64::from(expected))
            {
                let status = status.map_or("none".to_owned(), |status| status.to_string());
                return Err(unexpected(&format!("statusCode {expected}"), &status));
            }
            judge(&call.expected, &answer)
        }
        CallTarget::Page { url, body } => {
            let request = WebRequest {
                url: url.clone(),
                body: body.as_ref().map(Value::to_string),
                headers: Vec::new(),
                timeout: call.timeout,
            };
            // Users meet the same as this check: a page that does not answer fails.
            let answer = tokio::time::timeout(call.timeout, session.web().send(request)).await;
            let late = || format!("no answer within {:?}", call.timeout);
            let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Broken(late())));
            // What stands behind a question mark may be a key.
            let url = url.split(['?', '#']).next().unwrap_or_default();
            let answer = answer.map_err(|why| match (&why, call.reach) {
                (NoAnswer::Unreached(_), Reach::Hoped(_)) => {
                    Failure::Unreached(format!("{url} is not reached from here: {why}"))
                }
                (NoAnswer::Unreached(_), Reach::Again) => {
                    Failure::Unknown(format!("{url} is not reached: {why}"))
                }
                _ => Failure::Unexpected(format!("{url} does not answer: {why}")),
            })?;
            let Expected { status: expected, is_lenient, .. } = call.expected;
            let is_fine = match expected {
                Some(expected) => answer.status == expected,
                None if is_lenient => (200..400).contains(&answer.status) || answer.status == 401,
                None => (200..300).contains(&answer.status),
            };
            if !is_fine {
                let usual = if is_lenient { "2xx, 3xx or 401" } else { "2xx" };
                let expected = expected.map_or(usual.to_owned(), |status| status.to_string());
                let expected = format!("an answer with status {expected}");
                return Err(unexpected(&expected, &answer.status.to_string()));
            }
            judge(&call.expected, &answer.body)
        }
    }
}

/// Invokes a version and waits for its answer. An error of the function is told by a header, with status 200:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
async fn invoke(
    session: &Session,
    name: &str,
    qualifier: Option<&str>,
    payload: &Value,
    timeout: Duration,
) -> Result<String, Failure> {
    let call = session.lambda().invoke().function_name(name);
    let call = call.set_qualifier(qualifier.map(str::to_owned));
    let limit = TimeoutConfig::builder().operation_timeout(timeout).build();
    let config = aws_sdk_lambda::config::Builder::new().timeout_config(limit);
    let call = call.payload(Blob::new(payload.to_string())).customize().config_override(config);
    let answer = match session.write(Service::Lambda, "Invoke", call.send()).await {
        Ok(answer) => answer,
        // It may run, and may do something: asking again could do it twice.
        Err(error) if error.class == Class::Unknown => {
            let why = format!("{name} did not answer within {} s", timeout.as_secs());
            return Err(Failure::Unexpected(why));
        }
        Err(error) => return Err(error.into()),
    };
    let body =
        answer.payload().map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned());
    let body = body.unwrap_or_default();
    match answer.function_error() {
        Some(kind) => Err(Failure::Unexpected(format!(
            "{name} ended with an error ({kind}): {}",
            shown(&body)
        ))),
        None => Ok(body),
    }
}

/// Whether the body of an answer is as expected.
fn judge(expected: &Expected, body: &str) -> Result<(), Failure> {
    if let Some(text) = &expected.contains
        && !body.contains(text.as_str())
    {
        return Err(unexpected(&format!("a body with `{text}`"), body));
    }
    if expected.matches.is_empty() {
        return Ok(());
    }
    let Ok(answer) = serde_json::from_str::<Value>(body) else {
        return Err(unexpected("JSON", body));
    };
    for Match { path, equals } in &expected.matches {
        // Validation has refused paths that cannot be read.
        let parsed = JsonPath::parse(path);
        let parsed = parsed.map_err(|error| Failure::Unknown(format!("{path}: {error}")))?;
        let found: Vec<_> = parsed.query(&answer).all();
        if found.as_slice() != [equals] {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            return Err(unexpected(&format!("{path} to be {equals}"), &found));
        }
    }
    Ok(())
}

fn unexpected(expected: &str, answer: &str) -> Failure {
    Failure::Unexpected(format!("expected {expected}, and the answer was {}", shown(answer)))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if text.chars().count() > SHOWN_CHARS_MAX {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_held_against_what_is_expected_of_it() {
        let matches = |path: &str, equals: Value| Expected {
            matches: vec![Match { path: path.to_owned(), equals }],
            ..Expected::default()
        };
        let contains =
            |text: &str| Expected { contains: Some(text.to_owned()), ..Expected::default() };
        let body = r#"{"statusCode":200,"items":[{"id":7}]}"#;
        for (expected, body, why) in [
            (Expected::default(), "anything", None),
            (contains("items"), body, None),
            (contains("release 4"), body, Some("expected a body with `release 4`")),
            (matches("$.items[0].id", json!(7)), body, None),
            (
                matches("$.items[0].id", json!(8)),
                body,
                Some("expected $.items[0].id to be 8, and the answer was 7"),
            ),
            (
                matches("$.none", json!(8)),
                body,
                Some("expected $.none to be 8, and the answer was nothing"),
            ),
            (
                matches("$.none", json!(8)),
                "<html>",
                Some("expected JSON, and the answer was <html>"),
            ),
        ] {
            let judged = judge(&expected, body).err().map(|failure| failure.to_string());
            match (why, judged) {
                (None, None) => {}
                (Some(why), Some(told)) => assert!(told.starts_with(why), "{told}"),
                (why, told) => panic!("{expected:?}: {why:?} {told:?}"),
            }
        }
    }
}
