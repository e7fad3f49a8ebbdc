//! What to do so that a capacity is scaled as declared. Pure.

use super::Target;
use super::observe::{Bounds, LiveAction, LivePolicy, LiveTarget, Targets};
use super::spec::{AutoScaling, ScheduledAction};
use crate::model::{Path, Segment};
use crate::plan::{Change, Plan, Verb};

/// One call to Application Auto Scaling.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingStep {
    /// With the bounds that change, the least first. The capacity is brought between them.
    Register(Target, Option<i32>, Option<i32>),
    /// Holds the utilization at its target, by the policy that was seen or by a new one.
    Follow(Target, Box<AutoScaling>, Option<LivePolicy>),
    /// The policy of that name goes.
    Unfollow(Target, String),
    /// With the one that was seen, whose other members stay.
    Schedule(Target, ScheduledAction, Option<LiveAction>),
    /// The scheduled action of that name goes.
    Unschedule(Target, String),
    /// With its policies and scheduled actions.
    Deregister(Target),
}

/// Where a manifest speaks of a capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The path of the scaling below `spec`, as `autoScaling.readCapacity`.
    pub path: Path,
    /// The capacity that it speaks of.
    pub target: Target,
    /// What a new target takes over from: it begins with the bounds that a schedule has set there.
    pub before: Option<LiveTarget>,
}

const MIN: &str = "minCapacity";
const MAX: &str = "maxCapacity";

/// The fields of a policy.
const POLICY: [&str; 4] =
    ["targetUtilization", "scaleInCooldownSeconds", "scaleOutCooldownSeconds", "disableScaleIn"];

/// What a change is to a place.
enum Touches<'a> {
    /// All of it.
    Whole,
    Field(&'a str),
    /// One of its scheduled actions.
    Action(&'a str),
}

impl Place {
    fn touched<'a>(&self, change: &'a Change) -> Option<Touches<'a>> {
        let (own, other) = (&self.path.0, &change.path.0);
        if own.starts_with(other) {
            return Some(Touches::Whole);
        }
        match other.strip_prefix(&own[..])? {
            [Segment::Field(field)] => Some(Touches::Field(field)),
            [Segment::Field(_), Segment::Element(name), ..] => Some(Touches::Action(name)),
            _ => None,
        }
    }

    /// As people call it: `readCapacity`, `indexes[byState].readCapacity`.
    fn name(&self) -> String {
        let path = self.path.to_string();
        path.split_once('.').map_or(path.clone(), |(_, rest)| rest.to_owned())
    }
}

/// Adds the steps for one place. Of `changes`, those of other places are passed over.
/// `wanted` is the place's part of the effective spec.
pub fn push<S>(
    plan: &mut Plan<S>,
    place: &Place,
    wanted: Option<&AutoScaling>,
    live: &Targets,
    changes: &[Change],
    step: impl Fn(ScalingStep) -> S,
) {
    let touching = changes.iter().filter_map(|change| Some((place.touched(change)?, change)));
    let touching: Vec<_> = touching.collect();
    if touching.is_empty() {
        return;
    }
    let live = live.get(&place.target);
    let pick = |is_meant: &dyn Fn(&Touches) -> bool| -> Vec<Change> {
        let picked = touching.iter().filter(|(touches, _)| is_meant(touches));
        picked.map(|(_, change)| (*change).clone()).collect()
    };
    let mut add = |verb: Verb, what: String, changes: Vec<Change>, call: ScalingStep| {
        plan.push(verb, what, changes, step(call)).stands_alone();
    };
    let (name, target) = (place.name(), &place.target);
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_none()) else {
        if live.is_some() {
            let (what, all) = (format!("auto scaling of {name}"), pick(&|_| true));
            add(Verb::Delete, what, all, ScalingStep::Deregister(target.clone()));
        }
        return;
    };
    let bounds = pick(&|touches| match touches {
        Touches::Whole => true,
        Touches::Field(field) => *field == MIN || *field == MAX,
        Touches::Action(_) => false,
    });
    if live.is_none() || !bounds.is_empty() {
        let verb = if live.is_some() { Verb::Update } else { Verb::Create };
        let call = register(place, wanted, live, &bounds);
        add(verb, format!("auto scaling of {name}"), bounds, call);
    }
    let nothing = LiveTarget::default();
    let seen = live.unwrap_or(&nothing);
    let of_policy =
        pick(&|touches| matches!(touches, Touches::Field(field) if POLICY.contains(field)));
    let is_new = live.is_none();
    if is_new || !of_policy.is_empty() {
        follow(&mut add, &name, target, wanted, seen, of_policy);
    }
    let action = |name: &str| {
        pick(&|touches| match touches {
            Touches::Action(touched) => *touched == name,
            Touches::Field(field) => *field == "scheduledActions",
            Touches::Whole => false,
        })
    };
    let before = place.before.as_ref();
    schedule(&mut add, &name, target, wanted, (seen, before), (is_new, action));
}

/// Only the bound that differs: the other one may be what a scheduled action has set.
fn register(
    place: &Place,
    wanted: &AutoScaling,
    live: Option<&LiveTarget>,
    changes: &[Change],
) -> ScalingStep {
    let differs = |bound: &str| {
        let mut touched = changes.iter().filter_map(|change| place.touched(change));
        touched.any(|touches| match touches {
            Touches::Field(field) => field == bound,
            _ => true,
        })
    };
    let (min, max) = (wanted.min_capacity, wanted.max_capacity);
    let Some(live) = live else {
        let set = place.before.as_ref().map(|before| before.set_by_schedule(wanted));
        let (least, most) = set.unwrap_or_default();
        let (least, most) = (least.or(min), most.or(max));
        // What crosses is of two manifests.
        let (min, max) = if least > most { (min, max) } else { (least, most) };
        return ScalingStep::Register(place.target.clone(), min, max);
    };
    let (sent_min, sent_max) = (min.filter(|_| differs(MIN)), max.filter(|_| differs(MAX)));
    let crosses = sent_min.unwrap_or(live.min) > sent_max.unwrap_or(live.max);
    let (min, max) = if crosses { (min, max) } else { (sent_min, sent_max) };
    ScalingStep::Register(place.target.clone(), min, max)
}

fn follow(
    add: &mut impl FnMut(Verb, String, Vec<Change>, ScalingStep),
    name: &str,
    target: &Target,
    wanted: &AutoScaling,
    seen: &LiveTarget,
    changes: Vec<Change>,
) {
    let what = format!("scaling policy of {name}");
    let is_wanted = wanted.target_utilization.is_some_and(|target| target != 0.0);
    match (&seen.policy, is_wanted) {
        (policy, true) => {
            let verb = if policy.is_some() { Verb::Update } else { Verb::Create };
            let call =
                ScalingStep::Follow(target.clone(), Box::new(wanted.clone()), policy.clone());
            add(verb, what, changes, call);
        }
        (Some(policy), false) => {
            let call = ScalingStep::Unfollow(target.clone(), policy.name.clone());
            add(Verb::Delete, what, changes, call);
        }
        (None, false) => {}
    }
}

/// The bounds that an action has set and sets otherwise now: they would be taken for nobody's, and go back to the
/// manifest's until its time comes again.
fn moved(seen: &LiveTarget, before: &ScheduledAction, now: &ScheduledAction) -> Option<Bounds> {
    let moved = |live: i32, before: Option<i32>, now: Option<i32>| {
        now.filter(|now| before == Some(live) && *now != live)
    };
    let min = moved(seen.min, before.min_capacity, now.min_capacity);
    let max = moved(seen.max, before.max_capacity, now.max_capacity);
    (min.is_some() || max.is_some()).then_some((min, max))
}

fn schedule(
    add: &mut impl FnMut(Verb, String, Vec<Change>, ScalingStep),
    name: &str,
    target: &Target,
    wanted: &AutoScaling,
    (seen, before): (&LiveTarget, Option<&LiveTarget>),
    (is_new, changes_of): (bool, impl Fn(&str) -> Vec<Change>),
) {
    let wanted = wanted.scheduled_actions.as_deref().unwrap_or_default();
    for action in wanted {
        let changes = changes_of(&action.name);
        if !is_new && changes.is_empty() {
            continue;
        }
        let live = seen.action(&action.name);
        if let Some((min, max)) = live.and_then(|live| moved(seen, &live.words, action)) {
            let call = ScalingStep::Register(target.clone(), min, max);
            let what = format!("auto scaling of {name} as {} has it now", action.name);
            add(Verb::Update, what, changes.clone(), call);
        }
        let verb = if live.is_some() { Verb::Update } else { Verb::Create };
        // Since when and until when it recurs goes along.
        let times = live.or_else(|| before.and_then(|before| before.action(&action.name)));
        let call = ScalingStep::Schedule(target.clone(), action.clone(), times.cloned());
        add(verb, format!("scheduled action {} of {name}", action.name), changes, call);
    }
    for live in &seen.actions {
        let live = &live.words.name;
        let changes = changes_of(live);
        if !changes.is_empty() && wanted.iter().all(|action| action.name != *live) {
            let call = ScalingStep::Unschedule(target.clone(), live.clone());
            add(Verb::Delete, format!("scheduled action {live} of {name}"), changes, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Dimension;
    use super::*;
    use crate::plan::diff;

    fn place() -> Place {
        let path = Path::default().field("autoScaling").field("readCapacity");
        let target = Target::of_table("orders", Dimension::TableRead);
        Place { path, target, before: None }
    }

    fn scaling(spec: Value) -> AutoScaling {
        serde_json::from_value(spec).unwrap()
    }

    fn bounds() -> Value {
        json!({"minCapacity": 5, "maxCapacity": 50})
    }

    /// The steps that lead from what is live to what is declared.
    fn planned(
        declared: Value,
        live: Option<&LiveTarget>,
        earlier: &[AutoScaling],
    ) -> Plan<ScalingStep> {
        let wanted = scaling(declared.clone());
        let words = live.map(|live| live.words(Dimension::TableRead, &wanted, earlier));
        let at = |inner: Value| json!({"autoScaling": {"readCapacity": inner}});
        let shape = crate::plan::Shape::of(
            schemars::schema_for!(crate::kinds::table::TableSpec).as_value(),
            &[],
        );
        let changes = diff(&at(declared), &at(words.unwrap_or_default()), &shape);
        let live = live.map(|live| (place().target, live.clone()));
        let mut plan = Plan::default();
        push(&mut plan, &place(), Some(&wanted), &live.into_iter().collect(), &changes, |step| {
            step
        });
        plan
    }

    fn live(min: i32, max: i32) -> LiveTarget {
        LiveTarget { min, max, ..LiveTarget::default() }
    }

    fn with(mut spec: Value, fields: Value) -> Value {
        for (name, field) in fields.as_object().unwrap() {
            spec[name] = field.clone();
        }
        spec
    }

    #[test]
    fn a_capacity_is_registered_before_anything_that_needs_its_target() {
        let night = json!({"name": "night", "schedule": "rate(1 day)", "minCapacity": 5});
        let all = json!({"targetUtilization": 70, "scheduledActions": [night]});
        let plan = planned(with(bounds(), all), None, &[]);
        assert_eq!(
            plan.outline(),
            [
                "Create auto scaling of readCapacity",
                "Create scaling policy of readCapacity",
                "Create scheduled action night of readCapacity",
            ]
        );
    }

    #[test]
    fn only_the_bound_that_differs_is_sent() {
        let register = |min, max| ScalingStep::Register(place().target, min, max);
        for (what, live, expected) in [
            ("the least", live(7, 50), register(Some(5), None)),
            ("the most", live(5, 99), register(None, Some(50))),
            (
                "both, where one alone would cross the other",
                live(1, 4),
                register(Some(5), Some(50)),
            ),
        ] {
            let plan = planned(with(bounds(), json!({})), Some(&live), &[]);
            let calls: Vec<_> = plan.steps.into_iter().map(|step| step.call).collect();
            assert_eq!(calls, [expected], "{what}");
        }
    }

    #[test]
    fn bounds_that_a_scheduled_action_sets_are_its_own() {
        let day =
            json!({"name": "day", "schedule": "rate(1 day)", "minCapacity": 20, "maxCapacity": 80});
        let declared = with(bounds(), json!({"scheduledActions": [day]}));
        let mut seen = live(20, 80);
        let steps = |seen: &LiveTarget, earlier: &[AutoScaling]| {
            planned(declared.clone(), Some(seen), earlier).outline()
        };
        // The action itself is not there.
        let made = ["Create scheduled action day of readCapacity"];
        assert_eq!(steps(&seen, &[]), made);
        seen.min = 19;
        assert_eq!(steps(&seen, &[])[0], "Update auto scaling of readCapacity", "nobody's");
        seen.min = 20;
        let before = [scaling(json!({"minCapacity": 20, "maxCapacity": 50}))];
        assert_eq!(
            steps(&seen, &before)[0],
            "Update auto scaling of readCapacity",
            "what was declared"
        );
    }

    #[test]
    fn an_action_that_sets_more_raises_what_it_has_set() {
        let day = |min: i32| json!({"name": "day", "schedule": "rate(1 day)", "minCapacity": min});
        let words = serde_json::from_value(day(20)).unwrap();
        let actions = vec![LiveAction { words, start: None, end: None }];
        let seen = LiveTarget { actions, ..live(20, 50) };
        let plan =
            planned(with(bounds(), json!({"scheduledActions": [day(30)]})), Some(&seen), &[]);
        let calls: Vec<_> = plan.steps.into_iter().map(|step| step.call).collect();
        assert_eq!(calls[0], ScalingStep::Register(place().target, Some(30), None));
        assert!(matches!(calls[1], ScalingStep::Schedule(..)), "{calls:?}");
    }

    #[test]
    fn a_target_of_zero_ends_the_policy_and_nothing_ends_the_scaling() {
        use aws_sdk_applicationautoscaling::types::TargetTrackingScalingPolicyConfiguration;
        let tracking =
            TargetTrackingScalingPolicyConfiguration::builder().target_value(70.0).build().unwrap();
        let policy = LivePolicy { name: "p".to_owned(), tracking };
        let seen = LiveTarget { policy: Some(policy), ..live(5, 50) };
        let plan = planned(with(bounds(), json!({"targetUtilization": 0})), Some(&seen), &[]);
        assert_eq!(plan.outline(), ["Delete scaling policy of readCapacity"]);
        let plan = planned(json!({}), Some(&seen), &[]);
        assert_eq!(plan.outline(), ["Delete auto scaling of readCapacity"]);
        assert_eq!(planned(json!({}), None, &[]).outline(), [""; 0]);
    }
}
