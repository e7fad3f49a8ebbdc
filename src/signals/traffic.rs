//! What the two versions of a function that share an alias' requests did, minute by minute.
//!
//! Lambda counts requests that come through an alias by the version that served them, in metrics with all three
//! dimensions FunctionName, Resource (`name:alias`) and ExecutedVersion:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>. Invocations of a version by its
//! own number, as probes are, count under another Resource.
//!
//! Metrics arrive some minutes late, and not in order. So nothing is added up over looks: each look reads all
//! minutes since the new version got its first requests.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types as aws;
use aws_smithy_types::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::aws::{AwsError, Class, Service, Session};

/// Asks what two versions of a function did while they shared the requests of an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficQuestion {
    /// The function's name in AWS.
    pub function: String,
    /// The alias that both versions serve.
    pub alias: String,
    /// The version that is to take over, as Lambda numbers it.
    pub new: String,
    /// The version that it takes over from, as Lambda numbers it.
    pub old: String,
    /// When the new version got its first requests.
    pub since: Timestamp,
    /// Up to when metrics are read.
    pub until: Timestamp,
    /// Requests that take longer are slow, in milliseconds. `None` while that is not known.
    pub slow_over_ms: Option<u64>,
    /// It may still become known: the old version's requests of before are not all counted yet.
    pub finds_slow: bool,
}

/// Requests to one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All requests, those that failed too.
    pub requests: u64,
    /// Those that ended with an error of the function: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>.
    pub errors: u64,
    /// Requests that took longer than `slow_over_ms`. 0 while that is not known.
    #[serde(default)]
    pub slow: u64,
}

/// What both versions did in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// When it begins, in seconds since 1970.
    pub at: i64,
    /// Requests to the new version.
    pub new: Counts,
    /// Requests to the old version.
    pub old: Counts,
}

/// What both versions did since the new one got its first requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In order; those in which nobody called are left out.
    pub minutes: Vec<Minute>,
    /// What 99 of 100 requests took at most in the hour before, whichever version served them. `None` where nobody
    /// called.
    pub slow_over_ms: Option<u64>,
}

const NAMESPACE: &str = "AWS/Lambda";
const MINUTE_SECONDS: i32 = 60;
/// How long before the first requests the old version says what is slow.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// A page holds 100,800 values (botocore's model of CloudWatch, GetMetricDataInput), more than a day of them.
const PAGES_MAX: usize = 10;

pub(super) async fn read(session: &Session, asked: &TrafficQuestion) -> Result<Traffic, AwsError> {
    let slow_over_ms = match asked.slow_over_ms {
        Some(known) => Some(known),
        None if asked.finds_slow => slow_over(session, asked).await?,
        None => None,
    };
    let mut queries = Vec::new();
    for (which, version) in [("new", &asked.new), ("old", &asked.old)] {
        let query = |what: &str, metric: &str, statistic: &str| {
            let metric = metric_of(asked, Some(version), metric);
            query(&format!("{what}_{which}"), metric, statistic, MINUTE_SECONDS)
        };
        queries.push(query("requests", "Invocations", "Sum"));
        queries.push(query("errors", "Errors", "Sum"));
        // Trimmed count: how many values are above a bound,
        // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html.
        let slow = slow_over_ms.map(|ms| query("slow", "Duration", &format!("TC({ms}:)")));
        queries.extend(slow);
    }
    let series = series(session, queries, asked.since, asked.until).await?;
    let mut minutes: BTreeMap<i64, Minute> = BTreeMap::new();
    for (id, values) in series {
        for (at, value) in values {
            let minute = minutes.entry(at).or_insert(Minute { at, ..Minute::default() });
            let Some((what, which)) = id.split_once('_') else { continue };
            let counts = if which == "new" { &mut minute.new } else { &mut minute.old };
            // A count is whole and not negative.
            let value = value.round().max(0.0) as u64;
            match what {
                "requests" => counts.requests = value,
                "errors" => counts.errors = value,
                _ => counts.slow = value,
            }
        }
    }
    Ok(Traffic { minutes: minutes.into_values().collect(), slow_over_ms })
}

/// The 99th percentile of the alias' requests in the hour before, whichever version served them.
async fn slow_over(session: &Session, asked: &TrafficQuestion) -> Result<Option<u64>, AwsError> {
    let metric = metric_of(asked, None, "Duration");
    let seconds = i32::try_from(BEFORE.as_secs()).unwrap_or(i32::MAX);
    let query = query("slow_over", metric, "p99", seconds);
    let begin = asked.since.checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let series = series(session, vec![query], begin, asked.since).await?;
    // The hour may lie over two of CloudWatch's.
    let longest = series.into_values().flatten().map(|(_, value)| value).reduce(f64::max);
    Ok(longest.map(|ms| ms.ceil().max(0.0) as u64))
}

fn metric_of(asked: &TrafficQuestion, version: Option<&str>, name: &str) -> aws::Metric {
    let dimension =
        |name: &str, value: &str| aws::Dimension::builder().name(name).value(value).build();
    let metric = aws::Metric::builder()
        .namespace(NAMESPACE)
        .metric_name(name)
        .dimensions(dimension("FunctionName", &asked.function))
        .dimensions(dimension("Resource", &format!("{}:{}", asked.function, asked.alias)));
    match version {
        Some(version) => metric.dimensions(dimension("ExecutedVersion", version)).build(),
        None => metric.build(),
    }
}

fn query(id: &str, metric: aws::Metric, statistic: &str, seconds: i32) -> aws::MetricDataQuery {
    let stat = aws::MetricStat::builder().metric(metric).period(seconds).stat(statistic).build();
    aws::MetricDataQuery::builder().id(id).metric_stat(stat).return_data(true).build()
}

/// Values by the ids of their queries, with the seconds at which their periods begin.
async fn series(
    session: &Session,
    queries: Vec<aws::MetricDataQuery>,
    begin: Timestamp,
    end: Timestamp,
) -> Result<BTreeMap<String, Vec<(i64, f64)>>, AwsError> {
    let mut series: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = session
            .read(Service::CloudWatch, "GetMetricData", || {
                session
                    .cloudwatch()
                    .get_metric_data()
                    .set_metric_data_queries(Some(queries.clone()))
                    .start_time(DateTime::from_secs(begin.as_second()))
                    .end_time(DateTime::from_secs(end.as_second()))
                    .scan_by(aws::ScanBy::TimestampAscending)
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        for result in page.metric_data_results() {
            let status = result.status_code();
            if matches!(status, Some(aws::StatusCode::Forbidden | aws::StatusCode::InternalError)) {
                let status = status.map_or("", aws::StatusCode::as_str);
                let message = format!("CloudWatch could not read a metric of Lambda: {status}");
                let class = if status == "Forbidden" { Class::Denied } else { Class::Transient };
                return Err(AwsError::new(class, Service::CloudWatch, "GetMetricData", message));
            }
            let id = result.id().unwrap_or_default().to_owned();
            let values = result.timestamps().iter().zip(result.values());
            series.entry(id).or_default().extend(values.map(|(at, value)| (at.secs(), *value)));
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(series);
        }
    }
    let message = format!("CloudWatch had more than {PAGES_MAX} pages of a rollout's metrics");
    Err(AwsError::new(Class::Invalid, Service::CloudWatch, "GetMetricData", message))
}
