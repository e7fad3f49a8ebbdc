//! What a manifest may say of a capacity that follows its use.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::SpecProblem;

/// How a capacity follows its use; `{}` leaves it where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoScaling {
    /// The least that is provisioned. What a scheduled action sets instead is no drift.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_capacity: Option<i32>,
    /// The most that is provisioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_capacity: Option<i32>,
    /// The percentage of the capacity that shall be in use; 0 leaves the scaling to the scheduled actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub target_utilization: Option<f64>,
    /// Seconds between two reductions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_in_cooldown_seconds: Option<i32>,
    /// Seconds between two raises.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_out_cooldown_seconds: Option<i32>,
    /// The capacity is only raised, never reduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_scale_in: Option<bool>,
    /// Times at which the bounds change: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub scheduled_actions: Option<Vec<ScheduledAction>>,
}

/// A time that comes again and again, and the bounds that the capacity has from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledAction {
    /// The action's own name; no two actions of a capacity have the same.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s:/|]([^:/|]*[^\s:/|])?$"))]
    pub name: String,
    /// `cron(0 8 ? * MON-FRI *)` or `rate(1 day)`. What happens once is no state that lasts.
    #[schemars(length(min = 1, max = 1600), regex(pattern = r"^(cron|rate)\(.+\)$"))]
    pub schedule: String,
    /// Of cron, as Europe/Berlin; UTC where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The least that is provisioned from then on. At least one of the two bounds is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_capacity: Option<i32>,
    /// The most that is provisioned from then on. At least one of the two bounds is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_capacity: Option<i32>,
}

impl AutoScaling {
    /// Whether nothing is declared: `{}`, which ends the scaling.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What its scheduled actions set.
    pub(super) fn scheduled(&self) -> impl Iterator<Item = (Option<i32>, Option<i32>)> {
        self.scheduled_actions
            .iter()
            .flatten()
            .map(|action| (action.min_capacity, action.max_capacity))
    }
}

/// What AWS takes of one kind of capacity.
pub struct Units {
    /// The least bound that a manifest may give, in the units of the capacity.
    pub min: i32,
    /// Percent.
    pub utilization: (u32, u32),
}

impl Units {
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html>: 20 to 90 percent; a
    /// table has at least one unit.
    pub const DYNAMODB: Self = Self { min: 1, utilization: (20, 90) };
    /// A part from 0.1 to 0.9, by aws-cdk-lib's `ScalableFunctionAttribute`; nothing may be provisioned for a while.
    pub const LAMBDA: Self = Self { min: 0, utilization: (10, 90) };
}

/// What the schema cannot check. `at` is the path of the scaling below `spec`, and begins each problem's path.
pub fn check(at: &str, scaling: &AutoScaling, units: &Units) -> Vec<SpecProblem> {
    if scaling.is_none() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut refuse = |field: &str, message: String| {
        problems.push(SpecProblem::new(format!("{at}{field}"), message));
    };
    if scaling.min_capacity.is_none() || scaling.max_capacity.is_none() {
        refuse("", "auto scaling needs minCapacity and maxCapacity; {} ends it".to_owned());
    }
    let bounds = [("".to_owned(), scaling.min_capacity, scaling.max_capacity)].into_iter();
    let actions = scaling.scheduled_actions.iter().flatten().enumerate();
    let of_actions = actions.clone().map(|(i, action)| {
        (format!(".scheduledActions[{i}]"), action.min_capacity, action.max_capacity)
    });
    for (field, min, max) in bounds.chain(of_actions) {
        if min.is_some_and(|min| min < units.min) {
            refuse(&format!("{field}.minCapacity"), format!("it is at least {}", units.min));
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            refuse(&field, format!("minCapacity {min} is more than maxCapacity {max}"));
        }
    }
    for (i, action) in actions {
        let at = format!(".scheduledActions[{i}]");
        if action.min_capacity.is_none() && action.max_capacity.is_none() {
            let message = "a scheduled action sets minCapacity, maxCapacity, or both";
            refuse(&at, message.to_owned());
        }
        if let Some(zone) = action.timezone.as_deref().filter(|zone| TimeZone::get(zone).is_err()) {
            let message = format!("`{zone}` is no time zone; write one as Europe/Berlin");
            refuse(&format!("{at}.timezone"), message);
        }
    }
    let target = scaling.target_utilization.filter(|target| *target != 0.0);
    let (least, most) = units.utilization;
    if target.is_some_and(|target| target < f64::from(least) || target > f64::from(most)) {
        let message = format!("a target is from {least} to {most} percent");
        refuse(".targetUtilization", message);
    }
    if target.is_some_and(|target| (target * 100.0).fract().abs() > 1e-9) {
        refuse(".targetUtilization", "a target has two decimals at most".to_owned());
    }
    let has_policy = scaling.scale_in_cooldown_seconds.is_some()
        || scaling.scale_out_cooldown_seconds.is_some()
        || scaling.disable_scale_in.is_some();
    let is_scheduled = scaling.scheduled_actions.as_ref().is_some_and(|all| !all.is_empty());
    if target.is_none() && (has_policy || !is_scheduled) {
        let message = "without targetUtilization or scheduledActions the capacity never changes";
        refuse("", message.to_owned());
    }
    problems
}
