//! CloudWatch as far as a rollout meets it: Lambda's metrics, which follow from invocations, and alarms on them.
//!
//! Each invocation is counted in the minute in which it began, under the dimensions that Lambda publishes: none,
//! FunctionName, FunctionName and Resource, and for requests through an alias all three with ExecutedVersion
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>). An alarm is evaluated at every
//! invocation and every question. One that was set by hand stays so, which AWS's does only until its next
//! evaluation.
//!
//! Not there: metrics of other services, math, composite alarms, alarm actions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use winterbaume_core::{MockRequest, MockResponse};

use super::call::Call;
use super::rest::body_of;
use crate::model::Clock;

pub(super) struct CloudWatch {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By region and dimensions, then by the minute since 1970.
    metrics: BTreeMap<(String, Dimensions), BTreeMap<i64, Bucket>>,
    /// By region and name.
    alarms: BTreeMap<(String, String), Alarm>,
}

type Dimensions = BTreeMap<String, String>;

/// What happened in one minute.
#[derive(Clone, Debug, Default)]
struct Bucket {
    invocations: u64,
    errors: u64,
    /// Requests by their whole milliseconds.
    durations: BTreeMap<u64, u64>,
}

/// One invocation that is over.
pub(super) struct Invoked<'a> {
    pub region: &'a str,
    pub function: &'a str,
    /// The alias or version that was asked for.
    pub qualifier: &'a str,
    pub version: &'a str,
    pub is_error: bool,
    pub duration_ms: f64,
}

struct Alarm {
    /// As PutMetricAlarm was asked.
    asked: Value,
    state: String,
    reason: String,
    since: f64,
    is_by_hand: bool,
}

/// Two weeks of minutes; AWS keeps them for 15 days.
const MINUTES_MAX: usize = 14 * 24 * 60;

impl CloudWatch {
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub fn record(&self, invoked: &Invoked<'_>) {
        let minute = self.clock.now().as_second().div_euclid(60);
        let function = ("FunctionName".to_owned(), invoked.function.to_owned());
        let resource = format!("{}:{}", invoked.function, invoked.qualifier);
        let resource = ("Resource".to_owned(), resource);
        let executed = ("ExecutedVersion".to_owned(), invoked.version.to_owned());
        let mut sets = vec![
            Dimensions::new(),
            Dimensions::from([function.clone()]),
            Dimensions::from([function.clone(), resource.clone()]),
        ];
        if invoked.qualifier != invoked.version {
            sets.push(Dimensions::from([function, resource, executed]));
        }
        let mut state = self.lock();
        for dimensions in sets {
            let minutes = state.metrics.entry((invoked.region.to_owned(), dimensions)).or_default();
            let bucket = minutes.entry(minute).or_default();
            bucket.invocations += 1;
            bucket.errors += u64::from(invoked.is_error);
            *bucket.durations.entry(invoked.duration_ms.round() as u64).or_default() += 1;
            if minutes.len() > MINUTES_MAX {
                minutes.pop_first();
            }
        }
        self.evaluate(&mut state);
    }

    pub fn handle(&self, call: &Call, request: &MockRequest) -> MockResponse {
        let asked = body_of(request);
        let region = &call.region;
        let answer = match call.operation.as_str() {
            "GetMetricData" => self.get_metric_data(region, &asked),
            "PutMetricAlarm" => Ok(self.put_alarm(region, &asked)),
            "DescribeAlarms" => Ok(self.describe_alarms(region, &asked)),
            "SetAlarmState" => self.set_alarm_state(region, &asked),
            "DeleteAlarms" => Ok(self.delete_alarms(region, &asked)),
            other => Err(format!("the sandbox has no operation `{other}` of CloudWatch")),
        };
        match answer {
            Ok(body) => MockResponse::rest_json(200, body.to_string()),
            Err(message) => {
                winterbaume_core::json_error_response(400, "InvalidParameterValue", &message)
            }
        }
    }

    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>: from the start up
    /// to the end, without it. A metric that does not exist has no values.
    fn get_metric_data(&self, region: &str, asked: &Value) -> Result<Value, String> {
        let time = |name: &str| asked[name].as_f64().unwrap_or_default() as i64;
        let (begin, end) = (time("StartTime").div_euclid(60), time("EndTime").div_euclid(60));
        let is_ascending = asked["ScanBy"] == "TimestampAscending";
        let state = self.lock();
        let mut results = Vec::new();
        for query in asked["MetricDataQueries"].as_array().into_iter().flatten() {
            let stat = &query["MetricStat"];
            let key = (region.to_owned(), dimensions_of(&stat["Metric"]));
            let minutes = state.metrics.get(&key).into_iter().flatten();
            let minutes = minutes.filter(|(minute, _)| (begin..end).contains(*minute));
            let period = (stat["Period"].as_i64().unwrap_or(60) / 60).max(1);
            let mut periods: BTreeMap<i64, Bucket> = BTreeMap::new();
            for (minute, bucket) in minutes {
                periods.entry(minute.div_euclid(period) * period).or_default().add(bucket);
            }
            let metric = stat["Metric"]["MetricName"].as_str().unwrap_or_default();
            let statistic = stat["Stat"].as_str().unwrap_or_default();
            let mut values = Vec::new();
            for (minute, bucket) in periods {
                let value = bucket.statistic(metric, statistic)?;
                values.extend(value.map(|value| (minute as f64 * 60.0, value)));
            }
            if !is_ascending {
                values.reverse();
            }
            results.push(json!({
                "Id": query["Id"],
                "Label": metric,
                "StatusCode": "Complete",
                "Timestamps": values.iter().map(|(at, _)| *at).collect::<Vec<f64>>(),
                "Values": values.iter().map(|(_, value)| *value).collect::<Vec<f64>>(),
            }));
        }
        Ok(json!({"MetricDataResults": results}))
    }

    fn put_alarm(&self, region: &str, asked: &Value) -> Value {
        let name = asked["AlarmName"].as_str().unwrap_or_default().to_owned();
        let alarm = Alarm {
            asked: asked.clone(),
            state: "INSUFFICIENT_DATA".to_owned(),
            reason: "Unchecked: Initial alarm creation".to_owned(),
            since: self.seconds(),
            is_by_hand: false,
        };
        self.lock().alarms.insert((region.to_owned(), name), alarm);
        json!({})
    }

    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>: a name that does
    /// not exist is left out.
    fn describe_alarms(&self, region: &str, asked: &Value) -> Value {
        let mut state = self.lock();
        self.evaluate(&mut state);
        let names: Option<Vec<_>> = asked["AlarmNames"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect());
        let here = state.alarms.iter().filter(|((place, name), _)| {
            place == region && names.as_ref().is_none_or(|names| names.contains(&name.as_str()))
        });
        let shown = here.map(|((_, name), alarm)| {
            let mut shown = alarm.asked.clone();
            shown["AlarmArn"] =
                json!(format!("arn:aws:cloudwatch:{region}:{}:alarm:{name}", super::ACCOUNT_ID));
            shown["StateValue"] = json!(alarm.state);
            shown["StateReason"] = json!(alarm.reason);
            shown["StateUpdatedTimestamp"] = json!(alarm.since);
            shown["StateTransitionedTimestamp"] = json!(alarm.since);
            if let Some(threshold) = shown["Threshold"].as_f64() {
                shown["Threshold"] = json!(threshold);
            }
            shown
        });
        json!({"MetricAlarms": shown.collect::<Vec<_>>(), "CompositeAlarms": []})
    }

    fn set_alarm_state(&self, region: &str, asked: &Value) -> Result<Value, String> {
        let name = asked["AlarmName"].as_str().unwrap_or_default().to_owned();
        let now = self.seconds();
        let mut state = self.lock();
        let alarm = state.alarms.get_mut(&(region.to_owned(), name.clone()));
        let alarm = alarm.ok_or_else(|| format!("there is no alarm {name}"))?;
        let text = |member: &str| asked[member].as_str().unwrap_or_default().to_owned();
        alarm.is_by_hand = true;
        alarm.become_so(&text("StateValue"), text("StateReason"), now);
        Ok(json!({}))
    }

    fn delete_alarms(&self, region: &str, asked: &Value) -> Value {
        let mut state = self.lock();
        for name in asked["AlarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            state.alarms.remove(&(region.to_owned(), name.to_owned()));
        }
        json!({})
    }

    /// Each alarm goes by its last periods, the present one included.
    fn evaluate(&self, state: &mut State) {
        let now = self.seconds();
        let State { metrics, alarms } = state;
        for ((region, _), alarm) in alarms.iter_mut().filter(|(_, alarm)| !alarm.is_by_hand) {
            let key = (region.clone(), dimensions_of(&alarm.asked));
            let (state, reason) = alarm.judged(metrics.get(&key), now as i64);
            alarm.become_so(state, reason, now);
        }
    }

    fn seconds(&self) -> f64 {
        self.clock.now().as_millisecond() as f64 / 1000.0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    fn become_so(&mut self, state: &str, reason: String, now: f64) {
        if self.state != state {
            state.clone_into(&mut self.state);
            (self.reason, self.since) = (reason, now);
        }
    }

    /// The state by its last periods, and why.
    fn judged(&self, minutes: Option<&BTreeMap<i64, Bucket>>, now: i64) -> (&'static str, String) {
        let asked = &self.asked;
        let period = (asked["Period"].as_i64().unwrap_or(60) / 60).max(1);
        let count = asked["EvaluationPeriods"].as_i64().unwrap_or(1).max(1);
        let present = now.div_euclid(60 * period) * period;
        let metric = asked["MetricName"].as_str().unwrap_or_default();
        let statistic = asked["Statistic"].as_str().unwrap_or("Sum");
        let threshold = asked["Threshold"].as_f64().unwrap_or_default();
        let is_missing_fine = asked["TreatMissingData"] == "notBreaching";
        let mut values = Vec::new();
        for begin in (0..count).map(|back| present - back * period) {
            let mut bucket = Bucket::default();
            let here = minutes.into_iter().flat_map(|m| m.range(begin..begin + period));
            here.for_each(|(_, minute)| bucket.add(minute));
            values.push(bucket.statistic(metric, statistic).ok().flatten());
        }
        let breaches = |value: &Option<f64>| {
            value.is_some_and(|value| match asked["ComparisonOperator"].as_str() {
                Some("GreaterThanOrEqualToThreshold") => value >= threshold,
                Some("LessThanThreshold") => value < threshold,
                Some("LessThanOrEqualToThreshold") => value <= threshold,
                _ => value > threshold,
            })
        };
        if values.iter().all(breaches) {
            let last = values.first().copied().flatten().unwrap_or_default();
            let reason =
                format!("Threshold Crossed: {count} datapoints [{last}] beyond {threshold}");
            ("ALARM", reason)
        } else if values.iter().all(Option::is_none) && !is_missing_fine {
            ("INSUFFICIENT_DATA", "Insufficient Data".to_owned())
        } else {
            ("OK", "Threshold Crossed back".to_owned())
        }
    }
}

fn dimensions_of(metric: &Value) -> Dimensions {
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    dimensions.map(|d| (text(&d["Name"]), text(&d["Value"]))).collect()
}

impl Bucket {
    fn add(&mut self, other: &Self) {
        self.invocations += other.invocations;
        self.errors += other.errors;
        for (ms, count) in &other.durations {
            *self.durations.entry(*ms).or_default() += count;
        }
    }

    /// A value, `None` where nobody called. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>.
    fn statistic(&self, metric: &str, statistic: &str) -> Result<Option<f64>, String> {
        if self.invocations == 0 {
            return Ok(None);
        }
        let count = match metric {
            "Invocations" => self.invocations,
            "Errors" => self.errors,
            "Duration" => return self.duration(statistic).map(Some),
            other => return Err(format!("the sandbox has no metric `{other}`")),
        };
        match statistic {
            "Sum" => Ok(Some(count as f64)),
            "SampleCount" => Ok(Some(self.invocations as f64)),
            other => Err(format!("the sandbox has no statistic `{other}` of {metric}")),
        }
    }

    fn duration(&self, statistic: &str) -> Result<f64, String> {
        if statistic == "SampleCount" {
            return Ok(self.invocations as f64);
        }
        let percentile = statistic.strip_prefix('p').and_then(|p| p.parse::<f64>().ok());
        if let Some(percentile) = percentile {
            let below = (percentile / 100.0 * self.invocations as f64).ceil() as u64;
            let mut seen = 0;
            for (ms, count) in &self.durations {
                seen += count;
                if seen >= below {
                    return Ok(*ms as f64);
                }
            }
        }
        // Trimmed count above a bound: `TC(300:)` counts what is longer than 300.
        let bound = statistic.strip_prefix("TC(").and_then(|rest| rest.strip_suffix(":)"));
        match bound.and_then(|bound| bound.parse::<u64>().ok()) {
            Some(bound) => {
                Ok(self.durations.range(bound + 1..).map(|(_, count)| *count as f64).sum())
            }
            None => Err(format!("the sandbox has no statistic `{statistic}` of Duration")),
        }
    }
}
