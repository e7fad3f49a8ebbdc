//! When releases may come into an environment. Pure: the time is given.
//!
//! A window begins by a cron schedule in a time zone and lasts for a time that is counted in real hours: over a
//! change to or from daylight saving it is as long as on any other day. Where windows allow, a release comes in
//! during one of them alone; where one denies, none does, whatever allows it.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DriftPolicy;
use crate::kinds::SpecProblem;
use crate::model::parse_duration;

/// When releases may come in. A rollback may at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Windows {
    /// Releases come in only during one of these. At most 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub allow: Option<Vec<Window>>,
    /// No release comes in during one of these. At most 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub deny: Option<Vec<Window>>,
    /// What happens to drift while no release may come in: Correct repairs it, Report only shows it. Correct where
    /// it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
}

/// A time that comes again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it begins: minute, hour, day of the month, month, day of the week, as `0 9 * * MON-THU`.
    #[schemars(length(min = 1, max = 100))]
    pub schedule: String,
    /// How long it lasts, as `8h`; 1m to 744h.
    pub duration: String,
    /// As `Europe/Berlin`; UTC where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// Why no release may come in, and when one may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// As a clause in words for people: which window denies releases, or that none allows them.
    pub why: String,
    /// `None` where none opens within the times that were looked at.
    pub opens_at: Option<Timestamp>,
}

const LEAST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// Changes that are looked at in search of the time at which releases may come in again.
const CHANGES_MAX: usize = 200;

impl Windows {
    /// Why no release may come in now; `None` where one may. What cannot be read was refused by validation, and
    /// keeps nothing out.
    pub fn closed(&self, now: Timestamp) -> Option<Closed> {
        let read = |windows: &Option<Vec<Window>>| -> Vec<Read> {
            windows.iter().flatten().filter_map(|window| window.read().ok()).collect()
        };
        let (allow, deny) = (read(&self.allow), read(&self.deny));
        let why = reason(&allow, &deny, now)?;
        let mut at = now;
        for _ in 0..CHANGES_MAX {
            let changes = allow.iter().chain(&deny).filter_map(|window| window.next_change(at));
            let Some(next) = changes.min() else { break };
            at = next;
            if reason(&allow, &deny, at).is_none() {
                return Some(Closed { why, opens_at: Some(at) });
            }
        }
        Some(Closed { why, opens_at: None })
    }

    /// Drift is only shown at this time.
    pub fn reports_drift(&self, now: Timestamp) -> bool {
        self.drift == Some(DriftPolicy::Report) && self.closed(now).is_some()
    }
}

fn reason(allow: &[Read], deny: &[Read], at: Timestamp) -> Option<String> {
    if let Some(window) = deny.iter().find(|window| window.is_open(at)) {
        return Some(format!("it is within the window `{}` that denies them", window.text));
    }
    if allow.is_empty() || allow.iter().any(|window| window.is_open(at)) {
        return None;
    }
    Some("it is outside of every window that allows them".to_owned())
}

/// A window that can be asked.
struct Read {
    text: String,
    schedule: Cron,
    lasts: SignedDuration,
    zone: TimeZone,
}

impl Read {
    fn is_open(&self, at: Timestamp) -> bool {
        self.end(at).is_some_and(|end| at < end)
    }

    /// The end of the window that began last.
    fn end(&self, at: Timestamp) -> Option<Timestamp> {
        let zoned = at.to_zoned(self.zone.clone());
        let began = self.schedule.find_previous_occurrence(&zoned, true).ok()?;
        began.timestamp().checked_add(self.lasts).ok()
    }

    /// No date fits the schedule, as none does 30 February.
    fn never_begins(&self) -> bool {
        let from = Timestamp::UNIX_EPOCH.to_zoned(self.zone.clone());
        self.schedule.find_next_occurrence(&from, false).is_err()
    }

    /// When it begins or ends next.
    fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let zoned = at.to_zoned(self.zone.clone());
        let begins =
            self.schedule.find_next_occurrence(&zoned, false).ok().map(|at| at.timestamp());
        let ends = self.end(at).filter(|end| *end > at);
        begins.into_iter().chain(ends).min()
    }
}

impl Window {
    fn read(&self) -> Result<Read, (&'static str, String)> {
        let schedule = Cron::from_str(&self.schedule).map_err(|error| {
            ("schedule", format!("`{}` is no schedule: {error}", self.schedule))
        })?;
        let name = self.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(name)
            .map_err(|_| ("timeZone", format!("`{name}` is no time zone, as Europe/Berlin is")))?;
        let lasts = parse_duration(&self.duration).map_err(|why| ("duration", why))?;
        if lasts < LEAST || lasts > LONGEST {
            return Err(("duration", "a window lasts 1m to 744h".to_owned()));
        }
        let lasts = SignedDuration::try_from(lasts).map_err(|e| ("duration", e.to_string()))?;
        Ok(Read { text: format!("{} {name}", self.schedule), schedule, lasts, zone })
    }
}

/// What the schema cannot check.
pub(super) fn validate(windows: &Windows) -> Vec<SpecProblem> {
    let lists = [("allow", &windows.allow), ("deny", &windows.deny)];
    let all = lists.into_iter().flat_map(|(name, windows)| {
        windows.iter().flatten().enumerate().map(move |(i, window)| (name, i, window))
    });
    all.filter_map(|(name, i, window)| {
        let never = |read: Read| {
            let message = format!("`{}` never comes: no month has such a day", window.schedule);
            read.never_begins().then_some(("schedule", message))
        };
        let (field, message) = window.read().map_or_else(Some, never)?;
        Some(SpecProblem::new(format!("windows.{name}[{i}].{field}"), message))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn windows(spec: Value) -> Windows {
        serde_json::from_value(spec).unwrap()
    }

    fn window(schedule: &str, duration: &str) -> Value {
        json!({"schedule": schedule, "duration": duration, "timeZone": "Europe/Berlin"})
    }

    /// Whether a release may come in, or when it may.
    fn at(windows: &Windows, time: &str) -> String {
        match windows.closed(time.parse().unwrap()) {
            None => "open".to_owned(),
            Some(closed) => closed.opens_at.map_or("never".to_owned(), |at| at.to_string()),
        }
    }

    #[test]
    fn a_release_comes_in_where_a_window_allows_it_and_none_denies_it() {
        let working = window("0 9 * * MON-THU", "8h");
        let allow = windows(json!({"allow": [working]}));
        let deny = windows(json!({"deny": [window("0 0 20 12 *", "336h")]}));
        let both = windows(json!({
            "allow": [window("0 9 * * *", "8h")], "deny": [window("0 12 * * *", "1h")],
        }));
        for (windows, time, expected) in [
            (&allow, "2026-11-26T08:00:00Z", "open"),
            (&allow, "2026-11-26T07:59:59Z", "2026-11-26T08:00:00Z"),
            (&allow, "2026-11-26T16:00:00Z", "2026-11-30T08:00:00Z"),
            (&deny, "2026-12-19T22:59:59Z", "open"),
            (&deny, "2026-12-24T12:00:00Z", "2027-01-02T23:00:00Z"),
            (&both, "2026-11-26T11:30:00Z", "2026-11-26T12:00:00Z"),
            (&both, "2026-11-26T12:00:00Z", "open"),
            (&Windows::default(), "2026-11-26T12:00:00Z", "open"),
        ] {
            assert_eq!(at(windows, time), expected, "{windows:?} at {time}");
        }
    }

    #[test]
    fn a_window_begins_by_the_local_clock_and_is_as_long_over_a_change_of_time() {
        let night = windows(json!({"allow": [window("0 1 * * *", "3h")]}));
        for (what, time, expected) in [
            // Berlin's clocks go from 2 to 3 on 29 March 2026 and from 3 to 2 on 25 October 2026.
            ("winter begins at 1 CET", "2026-03-28T00:00:00Z", "open"),
            ("and ends at 4 CET", "2026-03-28T03:00:00Z", "2026-03-29T00:00:00Z"),
            ("it lasts until 5 CEST in the short night", "2026-03-29T02:59:59Z", "open"),
            ("and no longer", "2026-03-29T03:00:00Z", "2026-03-29T23:00:00Z"),
            ("summer begins at 1 CEST", "2026-10-24T23:00:00Z", "open"),
            ("it ends at 3 CET in the long night", "2026-10-25T02:00:00Z", "2026-10-26T00:00:00Z"),
        ] {
            assert_eq!(at(&night, time), expected, "{what}");
        }
        // A beginning that the clocks leave out comes at the next time that they show.
        let left_out = windows(json!({"allow": [window("30 2 * * *", "1h")]}));
        assert_eq!(at(&left_out, "2026-03-29T01:15:00Z"), "open", "3:15 CEST");
    }

    #[test]
    fn what_is_no_window_is_refused_with_its_place() {
        for (spec, path) in [
            (json!({"allow": [window("every day", "1h")]}), "windows.allow[0].schedule"),
            (json!({"deny": [window("0 9 30 2 *", "1h")]}), "windows.deny[0].schedule"),
            (json!({"deny": [window("0 9 * * *", "soon")]}), "windows.deny[0].duration"),
            (json!({"deny": [window("0 9 * * *", "10s")]}), "windows.deny[0].duration"),
            (
                json!({"allow": [{"schedule": "0 9 * * *", "duration": "1h", "timeZone": "Berlin"}]}),
                "windows.allow[0].timeZone",
            ),
        ] {
            let paths: Vec<_> = validate(&windows(spec)).into_iter().map(|p| p.path).collect();
            assert_eq!(paths, [path]);
        }
    }
}
