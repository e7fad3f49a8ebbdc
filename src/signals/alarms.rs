//! The states of CloudWatch alarms.

use aws_sdk_cloudwatch::types as aws;
use jiff::Timestamp;

use crate::aws::{AwsError, Service, Session};

/// An alarm, and the state that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The name that it was asked for by.
    pub name: String,
    /// The state, or why it could not be read.
    pub state: AlarmState,
}

/// The state of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// What it watches is within its limits.
    Ok,
    /// It went off, and when.
    InAlarm {
        /// When it went off. The latest time that there is, where CloudWatch does not say.
        since: Timestamp,
        /// The reason that CloudWatch gives. May be empty.
        why: String,
    },
    /// It has too few data to tell.
    InsufficientData,
    /// There is none of that name, or AWS answered with a state that is not known.
    Unreadable(String),
}

/// Reads alarms in one call, of whatever type: it takes up to 100 names, and without `AlarmTypes` answers with
/// metric alarms alone (botocore's model of CloudWatch, DescribeAlarmsInput).
pub(super) async fn read(session: &Session, names: &[String]) -> Result<Vec<Alarm>, AwsError> {
    let found = session
        .read(Service::CloudWatch, "DescribeAlarms", || {
            let call = session.cloudwatch().describe_alarms();
            call.set_alarm_names(Some(names.to_vec()))
                .alarm_types(aws::AlarmType::MetricAlarm)
                .alarm_types(aws::AlarmType::CompositeAlarm)
                .send()
        })
        .await?;
    let state = |name: &String| {
        let metric = found.metric_alarms().iter().find(|a| a.alarm_name() == Some(name));
        if let Some(alarm) = metric {
            return of(
                alarm.state_value(),
                alarm.state_transitioned_timestamp(),
                alarm.state_reason(),
            );
        }
        let composite = found.composite_alarms().iter().find(|a| a.alarm_name() == Some(name));
        composite.map_or_else(
            || AlarmState::Unreadable(format!("there is no alarm {name} in {}", session.region())),
            |alarm| {
                of(alarm.state_value(), alarm.state_transitioned_timestamp(), alarm.state_reason())
            },
        )
    };
    Ok(names.iter().map(|name| Alarm { name: name.clone(), state: state(name) }).collect())
}

fn of(
    state: Option<&aws::StateValue>,
    since: Option<&aws_smithy_types::DateTime>,
    why: Option<&str>,
) -> AlarmState {
    match state {
        Some(aws::StateValue::Ok) => AlarmState::Ok,
        Some(aws::StateValue::InsufficientData) => AlarmState::InsufficientData,
        Some(aws::StateValue::Alarm) => {
            // Without a time, nobody can say that it was before.
            let since = since.and_then(|at| Timestamp::from_second(at.secs()).ok());
            let why = why.unwrap_or_default().to_owned();
            AlarmState::InAlarm { since: since.unwrap_or(Timestamp::MAX), why }
        }
        other => {
            let state = other.map_or("no state", aws::StateValue::as_str);
            AlarmState::Unreadable(format!("it answers with {state}, which is not known"))
        }
    }
}
