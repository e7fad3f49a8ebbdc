//! How a new version of a function gets its traffic: at once, or step by step.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::FunctionSpec;
use crate::kinds::{ShiftStep, SpecProblem};
use crate::model::parse_duration;

/// How a new version gets the traffic of the alias. It needs `alias`; the first version gets all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionRollout {
    /// By the names that CodeDeploy has; AllAtOnce where nothing is said. Not with `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Steps of one's own, at most 20: after the last, the new version gets all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub steps: Option<Vec<Step>>,
}

/// A part of the traffic, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Percent of the requests that the new version gets.
    #[schemars(range(min = 1, max = 99))]
    pub weight: u8,
    /// How long, as `5m`; 1s to 24h.
    pub pause: String,
}

/// The strategies of CodeDeploy for Lambda:
/// <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    #[default]
    AllAtOnce,
    Canary10Percent5Minutes,
    Canary10Percent10Minutes,
    Canary10Percent15Minutes,
    Canary10Percent30Minutes,
    Linear10PercentEvery1Minute,
    Linear10PercentEvery2Minutes,
    Linear10PercentEvery3Minutes,
    Linear10PercentEvery10Minutes,
}

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

impl Strategy {
    fn steps(self) -> Vec<ShiftStep> {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let canary = |pause| vec![ShiftStep { weight: 10, pause: minutes(pause) }];
        // A linear one shifts at the start of each increment.
        let linear = |pause| {
            let step = |tenths: u8| ShiftStep { weight: 10 * tenths, pause: minutes(pause) };
            (1..10).map(step).collect()
        };
        match self {
            Self::AllAtOnce => Vec::new(),
            Self::Canary10Percent5Minutes => canary(5),
            Self::Canary10Percent10Minutes => canary(10),
            Self::Canary10Percent15Minutes => canary(15),
            Self::Canary10Percent30Minutes => canary(30),
            Self::Linear10PercentEvery1Minute => linear(1),
            Self::Linear10PercentEvery2Minutes => linear(2),
            Self::Linear10PercentEvery3Minutes => linear(3),
            Self::Linear10PercentEvery10Minutes => linear(10),
        }
    }
}

/// The steps that a spec asks for; none where a new version gets everything at once.
pub(super) fn steps(spec: &FunctionSpec) -> Vec<ShiftStep> {
    let Some(rollout) = spec.rollout.as_ref().filter(|_| spec.alias.is_some()) else {
        return Vec::new();
    };
    match &rollout.steps {
        Some(steps) => steps
            .iter()
            // Validation has refused pauses that cannot be read.
            .filter_map(|step| Some((step.weight, parse_duration(&step.pause).ok()?)))
            .map(|(weight, pause)| ShiftStep { weight, pause })
            .collect(),
        None => rollout.strategy.unwrap_or_default().steps(),
    }
}

/// What the schema cannot check.
pub(super) fn validate(spec: &FunctionSpec) -> Vec<SpecProblem> {
    let Some(rollout) = &spec.rollout else { return Vec::new() };
    let mut problems = Vec::new();
    if spec.alias.is_none() {
        let message = "traffic moves between versions of an alias, and the function has none";
        problems.push(SpecProblem::new("rollout", message).help("add `alias: live`"));
    }
    if rollout.strategy.is_some() && rollout.steps.is_some() {
        let message = "give a strategy or steps of your own, not both";
        problems.push(SpecProblem::new("rollout.steps", message));
    }
    let steps = rollout.steps.as_deref().unwrap_or_default();
    for (i, step) in steps.iter().enumerate() {
        let at = format!("rollout.steps[{i}].pause");
        match parse_duration(&step.pause) {
            Err(message) => problems.push(SpecProblem::new(at, message)),
            Ok(pause) if pause < PAUSE_MIN || pause > PAUSE_MAX => {
                problems.push(SpecProblem::new(at, "a pause is 1s to 24h"));
            }
            Ok(_) => {}
        }
    }
    if let Some(i) = steps.windows(2).position(|two| two[0].weight >= two[1].weight) {
        let message = "each step has a greater weight than the one before";
        problems.push(SpecProblem::new(format!("rollout.steps[{}].weight", i + 1), message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(rollout: serde_json::Value) -> FunctionSpec {
        serde_json::from_value(json!({
            "role": "r", "code": {}, "alias": "live", "rollout": rollout,
        }))
        .unwrap()
    }

    #[test]
    fn each_strategy_has_the_steps_of_its_name() {
        for (rollout, expected) in [
            (json!({}), vec![]),
            (json!({"strategy": "AllAtOnce"}), vec![]),
            (json!({"strategy": "Canary10Percent30Minutes"}), vec![(10, 1800)]),
            (
                json!({"strategy": "Linear10PercentEvery2Minutes"}),
                (1..10).map(|tenths| (10 * tenths, 120)).collect(),
            ),
            (
                json!({"steps": [{"weight": 1, "pause": "10s"}, {"weight": 50, "pause": "1h"}]}),
                vec![(1, 10), (50, 3600)],
            ),
        ] {
            let steps: Vec<_> = steps(&spec(rollout.clone()))
                .iter()
                .map(|s| (s.weight, s.pause.as_secs()))
                .collect();
            assert_eq!(steps, expected, "{rollout}");
        }
    }

    #[test]
    fn steps_grow_and_a_rollout_needs_an_alias() {
        let step = |weight: u8, pause: &str| json!({"weight": weight, "pause": pause});
        for (rollout, path) in [
            (json!({"steps": [step(20, "1m"), step(10, "1m")]}), "rollout.steps[1].weight"),
            (json!({"steps": [step(20, "soon")]}), "rollout.steps[0].pause"),
            (json!({"steps": [step(20, "25h")]}), "rollout.steps[0].pause"),
            (json!({"steps": [step(20, "1m")], "strategy": "AllAtOnce"}), "rollout.steps"),
        ] {
            let paths: Vec<_> =
                validate(&spec(rollout.clone())).into_iter().map(|p| p.path).collect();
            assert_eq!(paths, [path], "{rollout}");
        }
        let without = FunctionSpec { alias: None, ..spec(json!({})) };
        assert_eq!(validate(&without)[0].path, "rollout");
    }
}
