//! How a new version of a function gets its traffic: at once, or step by step, and what it has to show meanwhile.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::spec::FunctionSpec;
use crate::kinds::{
    Analysis, Hook, HookTarget, MAX_DURATION_DEFAULT, MIN_REQUESTS_DEFAULT, Probe, ShiftStep,
    Shifting, SpecProblem,
};
use crate::model::{Guard, parse_duration};
use crate::signals::{Expected, Match};

/// How a new version gets the traffic of the alias. It needs `alias`; the first version gets all at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What the new version has to show before it gets more. Without it, a version that is found to fail more often
    /// is rolled back all the same; with it, one that was not found to work does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<FunctionAnalysis>,
    /// How many versions stay that nothing points to any more, of those that trueup published; 10 where it is not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep_versions: Option<u32>,
    /// Called once before the new version gets its first requests. What answers with an error fails the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_traffic: Option<FunctionHook>,
    /// Called once after the new version got all requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_traffic: Option<FunctionHook>,
}

/// How the new version is held against the old one while both serve: by their errors, and by the share of slow
/// requests, in CloudWatch's metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionAnalysis {
    /// The new version shall not fail this many times as often; 5 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.1, max = 100))]
    pub ratio: Option<f64>,
    /// How often a version that works may be rolled back; 0.01 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0001, max = 0.2))]
    pub alpha: Option<f64>,
    /// How often a version that fails so often may be let through; 0.05 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0001, max = 0.2))]
    pub beta: Option<f64>,
    /// A new version without any error has shown enough after so many requests; 100 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_requests: Option<u64>,
    /// How long one step may last until it is clear, as `30m`; 5m to 24h, as metrics are minutes late. Then a person decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<String>,
    /// Calls of the new version: before any user's request reaches it, and beside them. Where they answer as
    /// expected, a version that few call has shown enough. At most 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub probes: Option<Vec<FunctionProbe>>,
}

/// One invocation of the new version, by its number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionProbe {
    /// The event.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub payload: Value,
    /// The `statusCode` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// A text that the answer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub contains: Option<String>,
    /// Values of an answer that is JSON. At most 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Option<Vec<ProbeMatch>>,
    /// How long it may take, as `10s`, which it is where it is not given; 1s to 15m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// A value of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeMatch {
    /// As `$.items[0].id`.
    #[schemars(length(min = 1, max = 500))]
    pub path: String,
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub equals: Value,
}

/// Somebody to call: a Lambda function or an HTTP address, one of them. It gets the environment, the release, the
/// function, its alias and version, and which hook it is, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionHook {
    /// The name or ARN of a Lambda function; it fails where the function does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 170))]
    pub function: Option<String>,
    /// An address that is sent a POST; it fails unless the status is 200 to 299.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub url: Option<String>,
    /// How long it may take, as `1m`, which it is where it is not given; 1s to 15m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
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
#[expect(missing_docs, reason = "the names that CodeDeploy has")]
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

const PROBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const HOOK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// No function runs for longer.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);
const MAX_DURATION_MIN: Duration = Duration::from_secs(300);

const KEEP_VERSIONS_DEFAULT: u32 = 10;

/// How many old versions stay.
pub(super) fn versions_kept(spec: &FunctionSpec) -> usize {
    let kept = spec.rollout.as_ref().and_then(|rollout| rollout.keep_versions);
    kept.unwrap_or(KEEP_VERSIONS_DEFAULT) as usize
}

/// What a spec asks for; everything at once where it says nothing.
pub(super) fn shifting(spec: &FunctionSpec) -> Shifting {
    let (Some(rollout), Some(alias)) = (&spec.rollout, &spec.alias) else {
        return Shifting::default();
    };
    let analysis = rollout.analysis.as_ref();
    let probes = analysis.and_then(|analysis| analysis.probes.as_deref()).unwrap_or_default();
    Shifting {
        alias: alias.clone(),
        steps: steps(rollout),
        analysis: analysis.map(FunctionAnalysis::read).unwrap_or_default(),
        probes: probes.iter().map(FunctionProbe::read).collect(),
        before_traffic: rollout.before_traffic.as_ref().and_then(FunctionHook::read),
        after_traffic: rollout.after_traffic.as_ref().and_then(FunctionHook::read),
    }
}

impl FunctionAnalysis {
    fn read(&self) -> Analysis {
        let default = Guard::default();
        Analysis {
            guard: Guard {
                ratio: self.ratio.unwrap_or(default.ratio),
                alpha: self.alpha.unwrap_or(default.alpha),
                beta: self.beta.unwrap_or(default.beta),
            },
            is_required: true,
            min_requests: self.min_requests.unwrap_or(MIN_REQUESTS_DEFAULT),
            max_duration: duration(self.max_duration.as_deref(), MAX_DURATION_DEFAULT),
        }
    }
}

impl FunctionProbe {
    fn read(&self) -> Probe {
        let matches = self.matches.iter().flatten();
        let matches = matches.map(|m| Match { path: m.path.clone(), equals: m.equals.clone() });
        Probe {
            payload: self.payload.clone(),
            expected: Expected {
                is_lenient: false,
                status: self.status,
                contains: self.contains.clone(),
                matches: matches.collect(),
            },
            timeout: duration(self.timeout.as_deref(), PROBE_TIMEOUT_DEFAULT),
        }
    }
}

impl FunctionHook {
    fn read(&self) -> Option<Hook> {
        let function = self.function.clone().map(HookTarget::Function);
        let target = function.or_else(|| self.url.clone().map(HookTarget::Url))?;
        Some(Hook { target, timeout: duration(self.timeout.as_deref(), HOOK_TIMEOUT_DEFAULT) })
    }
}

/// Validation has refused durations that cannot be read.
fn duration(text: Option<&str>, default: Duration) -> Duration {
    text.and_then(|text| parse_duration(text).ok()).unwrap_or(default)
}

fn steps(rollout: &FunctionRollout) -> Vec<ShiftStep> {
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
    problems.extend(rollout.analysis.iter().flat_map(validate_analysis));
    let hooks =
        [("beforeTraffic", &rollout.before_traffic), ("afterTraffic", &rollout.after_traffic)];
    for (name, hook) in hooks {
        let Some(hook) = hook else { continue };
        if hook.function.is_some() == hook.url.is_some() {
            let message = "a hook calls a `function` or a `url`, one of them";
            problems.push(SpecProblem::new(format!("rollout.{name}"), message));
        }
        let at = format!("rollout.{name}.timeout");
        problems.extend(check_duration(at, hook.timeout.as_deref(), PAUSE_MIN, CALL_TIMEOUT_MAX));
    }
    problems
}

fn validate_analysis(analysis: &FunctionAnalysis) -> Vec<SpecProblem> {
    let (at, longest) =
        ("rollout.analysis.maxDuration".to_owned(), analysis.max_duration.as_deref());
    let mut problems = Vec::new();
    problems.extend(check_duration(at, longest, MAX_DURATION_MIN, PAUSE_MAX));
    for (i, probe) in analysis.probes.iter().flatten().enumerate() {
        let at = format!("rollout.analysis.probes[{i}]");
        let timeout = probe.timeout.as_deref();
        problems.extend(check_duration(
            format!("{at}.timeout"),
            timeout,
            PAUSE_MIN,
            CALL_TIMEOUT_MAX,
        ));
        for (j, found) in probe.matches.iter().flatten().enumerate() {
            if let Err(error) = JsonPath::parse(&found.path) {
                let message = format!("`{}` is no JSON path: {error}", found.path);
                problems.push(SpecProblem::new(format!("{at}.matches[{j}].path"), message));
            }
        }
    }
    problems
}

fn check_duration(
    at: String,
    text: Option<&str>,
    least: Duration,
    most: Duration,
) -> Option<SpecProblem> {
    match parse_duration(text?) {
        Err(message) => Some(SpecProblem::new(at, message)),
        Ok(duration) if duration < least || duration > most => {
            let (least, most) = (least.as_secs(), most.as_secs());
            Some(SpecProblem::new(at, format!("it is {least}s to {most}s")))
        }
        Ok(_) => None,
    }
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
            let steps: Vec<_> = shifting(&spec(rollout.clone()))
                .steps
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
            (json!({"analysis": {"maxDuration": "10s"}}), "rollout.analysis.maxDuration"),
            (
                json!({"analysis": {"probes": [{"payload": {}, "timeout": "1h"}]}}),
                "rollout.analysis.probes[0].timeout",
            ),
            (
                json!({"analysis": {"probes": [{"payload": {}, "matches": [{"path": "x", "equals": 1}]}]}}),
                "rollout.analysis.probes[0].matches[0].path",
            ),
            (json!({"beforeTraffic": {}}), "rollout.beforeTraffic"),
            (
                json!({"afterTraffic": {"function": "a", "url": "https://b"}}),
                "rollout.afterTraffic",
            ),
            (
                json!({"afterTraffic": {"function": "a", "timeout": "20m"}}),
                "rollout.afterTraffic.timeout",
            ),
        ] {
            let paths: Vec<_> =
                validate(&spec(rollout.clone())).into_iter().map(|p| p.path).collect();
            assert_eq!(paths, [path], "{rollout}");
        }
        let without = FunctionSpec { alias: None, ..spec(json!({})) };
        assert_eq!(validate(&without)[0].path, "rollout");
    }
}
