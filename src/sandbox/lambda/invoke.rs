//! Invocations: which version serves a request of an alias, how it ends, and what CloudWatch counts of it.
//!
//! What a version does, its own environment variables say: `SANDBOX_ERROR_RATE` is the part of its requests that
//! fail, from 0 to 1; `SANDBOX_DURATION_MS` how long they take; `SANDBOX_ANSWER` what it answers with.
//! One whose `SANDBOX_VERSION` is `fail` cannot be started (`function.rs`).

use std::collections::BTreeMap;

use http::HeaderValue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::function::{Function, LATEST};
use super::{Asked, Lambda, Refusal, missing};
use crate::sandbox::cloudwatch::Invoked;
use crate::sandbox::rest::respond;

/// Requests of a function through an alias.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The region that the function is in.
    pub region: &'a str,
    /// The function's name in AWS.
    pub function: &'a str,
    /// The alias that the requests go through.
    pub alias: &'a str,
    /// How many requests are made.
    pub requests: u32,
    /// The part of its requests that the newest version fails, where that is not the first one. What its own
    /// variables say where this is not given.
    pub newest_error_rate: Option<f64>,
}

/// What became of requests: by version how many there were, and how many of them failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocations(pub BTreeMap<String, (u64, u64)>);

/// Duration of a request where the version says nothing, in milliseconds; a part varies.
const DURATION_MS: f64 = 20.0;
const SEED: u64 = 12;

/// The chances of all invocations, from one seed.
pub(super) struct Chance(StdRng);

impl Default for Chance {
    fn default() -> Self {
        Self(StdRng::seed_from_u64(SEED))
    }
}

impl Chance {
    fn roll(&mut self) -> f64 {
        self.0.random()
    }
}

/// What an invocation of a version came to.
struct Ran {
    version: String,
    is_error: bool,
    duration_ms: f64,
    answer: Option<String>,
}

impl Function {
    /// The version that serves the next request.
    fn serving(&self, qualifier: &str, roll: f64) -> Option<String> {
        let Ok((_, alias)) = self.alias(qualifier) else {
            return self.knows(qualifier).then(|| qualifier.to_owned());
        };
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object().cloned();
        let other = weights.unwrap_or_default().into_iter().next();
        match other {
            Some((version, weight)) if roll < weight.as_f64().unwrap_or_default() => Some(version),
            _ => alias["FunctionVersion"].as_str().map(str::to_owned),
        }
    }

    fn run(
        &self,
        qualifier: &str,
        chance: &mut Chance,
        newest_error_rate: Option<f64>,
    ) -> Option<Ran> {
        let version = self.serving(qualifier, chance.roll())?;
        let configuration = self.configuration(Some(&version)).ok()?;
        let variable = |name: &str| {
            configuration["Environment"]["Variables"][name].as_str().map(str::to_owned)
        };
        let number = |name: &str| variable(name).and_then(|text| text.parse::<f64>().ok());
        let is_newest = version != "1" && version == self.newest();
        let error_rate = newest_error_rate.filter(|_| is_newest);
        let error_rate = error_rate.or_else(|| number("SANDBOX_ERROR_RATE")).unwrap_or_default();
        let typical = number("SANDBOX_DURATION_MS").unwrap_or(DURATION_MS);
        let is_error = chance.roll() < error_rate;
        // Most take about as long; some take longer.
        let duration_ms = typical * (0.8 + 0.4 * chance.roll());
        Some(Ran { version, is_error, duration_ms, answer: variable("SANDBOX_ANSWER") })
    }
}

impl Lambda {
    pub fn load(&self, load: &Load<'_>) -> Option<Invocations> {
        let mut functions = self.lock();
        let function = functions.get_mut(&(load.region.to_owned(), load.function.to_owned()))?;
        let mut counts = Invocations::default();
        let mut chance = self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for _ in 0..load.requests {
            let ran = function.run(load.alias, &mut chance, load.newest_error_rate)?;
            let (requests, errors) = counts.0.entry(ran.version.clone()).or_default();
            *requests += 1;
            *errors += u64::from(ran.is_error);
            self.count(load.region, load.function, load.alias, &ran);
        }
        Some(counts)
    }

    pub fn aliases(&self) -> Vec<(String, String, String)> {
        let functions = self.lock();
        let all = functions.iter().flat_map(|((region, name), function)| {
            let names = function.alias_names();
            names.map(|alias| (region.clone(), name.clone(), alias.clone()))
        });
        all.collect()
    }

    fn count(&self, region: &str, function: &str, qualifier: &str, ran: &Ran) {
        self.cloudwatch.record(&Invoked {
            region,
            function,
            qualifier,
            version: &ran.version,
            is_error: ran.is_error,
            duration_ms: ran.duration_ms,
        });
    }

    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>: an error of the function is status 200 and
    /// a header.
    pub(super) fn invoke(&self, asked: &Asked) -> MockResponse {
        let ran = self.ran(asked);
        let ran = match ran {
            Ok(ran) => ran,
            Err(refusal) => return respond(Err(refusal)),
        };
        let body = match (&ran.answer, ran.is_error) {
            (_, true) => {
                json!({"errorType": "Error", "errorMessage": "the sandbox let it fail"}).to_string()
            }
            (Some(answer), false) => answer.clone(),
            (None, false) => {
                json!({"statusCode": 200, "body": format!("version {}", ran.version)}).to_string()
            }
        };
        let mut response = MockResponse::rest_json(200, body);
        if ran.is_error {
            response.headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
        }
        if let Ok(version) = HeaderValue::from_str(&ran.version) {
            response.headers.insert("x-amz-executed-version", version);
        }
        response
    }

    fn ran(&self, asked: &Asked) -> Result<Ran, Refusal> {
        let qualifier = asked.qualifier.as_deref().unwrap_or(LATEST);
        let mut functions = self.lock();
        let key = (asked.region.to_owned(), asked.name.clone());
        let function = functions.get_mut(&key).ok_or_else(|| missing(&asked.name))?;
        let mut chance = self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ran = function.run(qualifier, &mut chance, None);
        let ran = ran.ok_or_else(|| missing(&format!("{}:{qualifier}", function.arn)))?;
        let configuration: Value = function.configuration(Some(&ran.version))?;
        if configuration["State"] == "Pending" {
            let message = "The operation cannot be performed at this time. The function is currently in the following state: Pending";
            return Err(Refusal(409, "ResourceConflictException", message.to_owned()));
        }
        self.count(asked.region, &asked.name, qualifier, &ran);
        Ok(ran)
    }
}
