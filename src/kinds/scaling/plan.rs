//! What to do so that a capacity is scaled as declared. Pure.

use serde::Deserialize;
use serde_json::Value;

use super::Target;
use super::observe::{LiveAction, LivePolicy, LiveTarget, Targets};
use super::spec::{AutoScaling, ScheduledAction};
use crate::model::{Path, Segment};
use crate::plan::{Blocked, Change, Plan, Verb};

/// One call to Application Auto Scaling.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingStep {
    /// With its bounds. The capacity is brought between them.
    Register(Target, Option<i32>, Option<i32>),
    /// Holds the utilization at its target, by the policy that was seen or by a new one.
    Follow(Target, Box<AutoScaling>, Option<LivePolicy>),
    /// The policy of that name goes.
    Unfollow(Target, String),
    /// With the one that was seen, whose other members stay.
    Schedule(Target, ScheduledAction, Option<LiveAction>),
    Unschedule(Target, String),
    /// With its policies and scheduled actions.
    Deregister(Target),
}

/// Where a manifest speaks of a capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub path: Path,
    pub target: Target,
}

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

/// Adds the steps for one place: its changes are taken out of `changes`, but for those that are of other places, too.
/// `wanted` is the place's part of the effective spec.
pub fn push<S>(
    plan: &mut Plan<S>,
    place: &Place,
    wanted: Option<&Value>,
    live: &Targets,
    changes: &[Change],
    step: impl Fn(ScalingStep) -> S,
) {
    let touching = changes.iter().filter_map(|change| Some((place.touched(change)?, change)));
    let touching: Vec<_> = touching.collect();
    if touching.is_empty() {
        return;
    }
    let wanted = wanted.filter(|wanted| !wanted.is_null()).map(AutoScaling::deserialize);
    let wanted = match wanted.transpose() {
        Ok(wanted) => wanted.unwrap_or_default(),
        Err(error) => {
            let message =
                format!("{} cannot be read back: {error}; nothing was written", place.path);
            plan.blocked.get_or_insert(Blocked { reason: "NotPlannable", message });
            return;
        }
    };
    let live = live.get(&place.target);
    let pick = |is_meant: &dyn Fn(&Touches) -> bool| -> Vec<Change> {
        let picked = touching.iter().filter(|(touches, _)| is_meant(touches));
        picked.map(|(_, change)| (*change).clone()).collect()
    };
    let mut add = |verb: Verb, what: String, changes: Vec<Change>, call: ScalingStep| {
        plan.push(verb, what, changes, step(call)).stands_alone();
    };
    let (name, target) = (place.name(), &place.target);
    if wanted.is_none() {
        if live.is_some() {
            let all = pick(&|_| true);
            add(
                Verb::Delete,
                format!("auto scaling of {name}"),
                all,
                ScalingStep::Deregister(target.clone()),
            );
        }
        return;
    }
    let is_bound = |field: &str| field == "minCapacity" || field == "maxCapacity";
    let bounds = pick(&|touches| match touches {
        Touches::Whole => true,
        Touches::Field(field) => is_bound(field),
        Touches::Action(_) => false,
    });
    if live.is_none() || !bounds.is_empty() {
        let verb = if live.is_some() { Verb::Update } else { Verb::Create };
        let call = ScalingStep::Register(target.clone(), wanted.min_capacity, wanted.max_capacity);
        add(verb, format!("auto scaling of {name}"), bounds, call);
    }
    let nothing = LiveTarget::default();
    let seen = live.unwrap_or(&nothing);
    let of_policy =
        pick(&|touches| matches!(touches, Touches::Field(field) if POLICY.contains(field)));
    let is_new = live.is_none();
    if is_new || !of_policy.is_empty() {
        follow(&mut add, &name, target, &wanted, seen, of_policy);
    }
    let action = |name: &str| {
        pick(&|touches| match touches {
            Touches::Action(touched) => *touched == name,
            Touches::Field(field) => *field == "scheduledActions",
            Touches::Whole => false,
        })
    };
    schedule(&mut add, &name, target, &wanted, seen, (is_new, &action));
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

fn schedule(
    add: &mut impl FnMut(Verb, String, Vec<Change>, ScalingStep),
    name: &str,
    target: &Target,
    wanted: &AutoScaling,
    seen: &LiveTarget,
    (is_new, changes_of): (bool, &dyn Fn(&str) -> Vec<Change>),
) {
    let wanted = wanted.scheduled_actions.as_deref().unwrap_or_default();
    for action in wanted {
        let changes = changes_of(&action.name);
        if !is_new && changes.is_empty() {
            continue;
        }
        let live = seen.actions.iter().find(|live| live.words.name == action.name);
        let verb = if live.is_some() { Verb::Update } else { Verb::Create };
        let call = ScalingStep::Schedule(target.clone(), action.clone(), live.cloned());
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
