//! Reads who scales what. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types as aws;
use aws_smithy_types::DateTime;
use serde_json::{Value, json};

use super::spec::{AutoScaling, ScheduledAction};
use super::{Dimension, Target};
use crate::aws::{AwsError, Class, Service, Session};

/// Pages that are read of one list; a page has 50.
const PAGES_MAX: usize = 20;
/// Resources that one call names: <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalableTargets.html>.
const RESOURCES_MAX: usize = 50;

/// What is scaled, and how.
pub type Targets = BTreeMap<Target, LiveTarget>;

/// The least and the most, where they are set.
pub type Bounds = (Option<i32>, Option<i32>);

/// How one capacity is scaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveTarget {
    /// The least that the scaler sets, in the units of the capacity.
    pub min: i32,
    /// The most that the scaler sets, in the units of the capacity.
    pub max: i32,
    /// The one that follows the utilization.
    pub policy: Option<LivePolicy>,
    /// All of its scheduled actions, declared or not.
    pub actions: Vec<LiveAction>,
    /// The names of policies that a manifest has no words for.
    pub foreign: Vec<String>,
}

/// A policy with everything that AWS has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePolicy {
    /// The policy's own name, by which AWS changes and deletes it.
    pub name: String,
    pub(super) tracking: aws::TargetTrackingScalingPolicyConfiguration,
}

/// A scheduled action, and the time during which it recurs.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveAction {
    /// The action in the words of the manifest.
    pub words: ScheduledAction,
    pub(super) start: Option<DateTime>,
    pub(super) end: Option<DateTime>,
}

impl LiveTarget {
    /// In the words of the manifest. Bounds that a scheduled action has set read as `declared`, so that they are no
    /// drift; but for bounds that an `earlier` manifest declared: those are to change.
    pub fn words(
        &self,
        dimension: Dimension,
        declared: &AutoScaling,
        earlier: &[AutoScaling],
    ) -> Value {
        let scheduled: Vec<_> = self.scheduled(declared).collect();
        let bound = |live: i32, declared: Option<i32>, of: BoundOf| {
            let is_scheduled = scheduled.iter().any(|bounds| of.scheduled(bounds) == Some(live));
            let was_declared = earlier
                .iter()
                .map(|scaling| of.declared(scaling))
                .any(|before| before == Some(live));
            match declared {
                Some(declared) if is_scheduled && !was_declared => declared,
                _ => live,
            }
        };
        let mut words = json!({
            "minCapacity": bound(self.min, declared.min_capacity, BoundOf::Min),
            "maxCapacity": bound(self.max, declared.max_capacity, BoundOf::Max),
            "targetUtilization": 0,
            "scheduledActions": self.actions.iter().map(|action| &action.words).collect::<Vec<_>>(),
        });
        if let Some(LivePolicy { tracking, .. }) = &self.policy {
            words["targetUtilization"] = json!(percent(tracking.target_value(), dimension));
            words["scaleInCooldownSeconds"] = json!(tracking.scale_in_cooldown());
            words["scaleOutCooldownSeconds"] = json!(tracking.scale_out_cooldown());
            words["disableScaleIn"] = json!(tracking.disable_scale_in().unwrap_or(false));
        }
        if let Value::Object(words) = &mut words {
            words.retain(|_, word| !word.is_null());
        }
        words
    }

    /// The scheduled action of that name.
    pub fn action(&self, name: &str) -> Option<&LiveAction> {
        self.actions.iter().find(|action| action.words.name == name)
    }

    /// The bounds that scheduled actions set, declared or live.
    fn scheduled(&self, declared: &AutoScaling) -> impl Iterator<Item = Bounds> {
        let live = self.actions.iter().map(|action| &action.words);
        let live = live.map(|words| (words.min_capacity, words.max_capacity));
        let declared: Vec<_> = declared.scheduled().collect();
        declared.into_iter().chain(live.collect::<Vec<_>>())
    }

    /// Those of its bounds that a scheduled action has set: what takes over from it begins with them.
    pub fn set_by_schedule(&self, declared: &AutoScaling) -> Bounds {
        let scheduled: Vec<_> = self.scheduled(declared).collect();
        let is_set = |live: i32, of: BoundOf| {
            scheduled.iter().any(|bounds| of.scheduled(bounds) == Some(live)).then_some(live)
        };
        (is_set(self.min, BoundOf::Min), is_set(self.max, BoundOf::Max))
    }
}

#[derive(Clone, Copy)]
enum BoundOf {
    Min,
    Max,
}

impl BoundOf {
    fn scheduled(self, (min, max): &(Option<i32>, Option<i32>)) -> Option<i32> {
        match self {
            Self::Min => *min,
            Self::Max => *max,
        }
    }

    fn declared(self, scaling: &AutoScaling) -> Option<i32> {
        match self {
            Self::Min => scaling.min_capacity,
            Self::Max => scaling.max_capacity,
        }
    }
}

/// Rounded to what a manifest can say: 0.7 of 1 is no whole number of percent in binary.
fn percent(value: f64, dimension: Dimension) -> f64 {
    (value / dimension.whole() * 1e8).round() / 1e6
}

fn live_action(action: aws::ScheduledAction) -> LiveAction {
    let bounds = action.scalable_target_action();
    let words = ScheduledAction {
        name: action.scheduled_action_name().to_owned(),
        schedule: action.schedule().to_owned(),
        timezone: action.timezone().map(str::to_owned),
        min_capacity: bounds.and_then(|bounds| bounds.min_capacity()),
        max_capacity: bounds.and_then(|bounds| bounds.max_capacity()),
    };
    LiveAction { words, start: action.start_time, end: action.end_time }
}

/// Which capacities of some resources are scaled, and between which bounds.
pub async fn bounds(
    session: &Session,
    dimension: Dimension,
    resources: &[String],
) -> Result<Targets, AwsError> {
    let mut targets = Targets::new();
    for some in resources.chunks(RESOURCES_MAX) {
        let mut next = None;
        for page_number in 0.. {
            let page = session
                .read(Service::AutoScaling, "DescribeScalableTargets", || {
                    let call = session.auto_scaling().describe_scalable_targets();
                    call.service_namespace(dimension.namespace())
                        .set_resource_ids(Some(some.to_vec()))
                        .set_next_token(next.clone())
                        .send()
                })
                .await?;
            for target in page.scalable_targets() {
                let (min, max) = (target.min_capacity(), target.max_capacity());
                let known = dimension_of(target.scalable_dimension());
                let live = LiveTarget { min, max, ..LiveTarget::default() };
                targets.extend(known.map(|dimension| {
                    (Target { resource: target.resource_id().to_owned(), dimension }, live)
                }));
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
            within_pages(page_number, "DescribeScalableTargets")?;
        }
    }
    Ok(targets)
}

/// How the capacities of some resources are scaled.
pub async fn read(
    session: &Session,
    dimension: Dimension,
    resources: &[String],
) -> Result<Targets, AwsError> {
    let mut targets = bounds(session, dimension, resources).await?;
    let mut scaled: Vec<String> = targets.keys().map(|target| target.resource.clone()).collect();
    scaled.dedup();
    for resource in scaled {
        for policy in policies(session, dimension, &resource).await? {
            put_policy(&mut targets, &policy);
        }
        for action in actions(session, dimension, &resource).await? {
            let dimension = action.scalable_dimension().and_then(dimension_of);
            let resource = action.resource_id().to_owned();
            let target = dimension.map(|dimension| Target { resource, dimension });
            if let Some(live) = target.and_then(|target| targets.get_mut(&target)) {
                live.actions.push(live_action(action));
            }
        }
    }
    Ok(targets)
}

/// A target has one policy for a metric at most:
/// <https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html>.
fn put_policy(targets: &mut Targets, policy: &aws::ScalingPolicy) {
    let Some(dimension) = dimension_of(policy.scalable_dimension()) else { return };
    let target = Target { resource: policy.resource_id().to_owned(), dimension };
    let Some(live) = targets.get_mut(&target) else { return };
    let name = policy.policy_name().to_owned();
    let tracking = policy.target_tracking_scaling_policy_configuration();
    let metric = tracking.and_then(|tracking| tracking.predefined_metric_specification());
    match (tracking, metric.map(|metric| metric.predefined_metric_type())) {
        (Some(tracking), Some(metric)) if *metric == dimension.metric() => {
            live.policy = Some(LivePolicy { name, tracking: tracking.clone() });
        }
        _ => live.foreign.push(name),
    }
}

async fn policies(
    session: &Session,
    dimension: Dimension,
    resource: &str,
) -> Result<Vec<aws::ScalingPolicy>, AwsError> {
    let (mut all, mut next) = (Vec::new(), None);
    for page_number in 0.. {
        let page = session
            .read(Service::AutoScaling, "DescribeScalingPolicies", || {
                let call = session.auto_scaling().describe_scaling_policies();
                call.service_namespace(dimension.namespace())
                    .resource_id(resource)
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        all.extend(page.scaling_policies.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            break;
        }
        within_pages(page_number, "DescribeScalingPolicies")?;
    }
    Ok(all)
}

async fn actions(
    session: &Session,
    dimension: Dimension,
    resource: &str,
) -> Result<Vec<aws::ScheduledAction>, AwsError> {
    let (mut all, mut next) = (Vec::new(), None);
    for page_number in 0.. {
        let page = session
            .read(Service::AutoScaling, "DescribeScheduledActions", || {
                let call = session.auto_scaling().describe_scheduled_actions();
                call.service_namespace(dimension.namespace())
                    .resource_id(resource)
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        all.extend(page.scheduled_actions.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            break;
        }
        within_pages(page_number, "DescribeScheduledActions")?;
    }
    Ok(all)
}

fn within_pages(page_number: usize, operation: &'static str) -> Result<(), AwsError> {
    if page_number + 1 < PAGES_MAX {
        return Ok(());
    }
    let message = format!("the resource has more than {PAGES_MAX} pages of them");
    Err(AwsError::new(Class::Invalid, Service::AutoScaling, operation, message))
}

fn dimension_of(told: &aws::ScalableDimension) -> Option<Dimension> {
    Dimension::ALL.into_iter().find(|dimension| dimension.sdk() == *told)
}
