//! Writes how capacities are scaled, one call a step. Decides nothing. What is said to be gone already is observed
//! again.

use aws_sdk_applicationautoscaling::types as aws;

use super::Target;
use super::observe::{LiveAction, LivePolicy};
use super::plan::ScalingStep;
use super::spec::{AutoScaling, ScheduledAction};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::Outcome;

impl ScalingStep {
    /// Makes the call.
    pub async fn take(&self, session: &Session) -> Result<Outcome, AwsError> {
        match self {
            Self::Register(target, min, max) => register(session, target, *min, *max).await?,
            Self::Follow(target, wanted, live) => {
                follow(session, target, wanted, live.as_ref()).await?;
            }
            Self::Unfollow(target, name) => unfollow(session, target, name).await?,
            Self::Schedule(target, wanted, live) => {
                schedule(session, target, wanted, live.as_ref()).await?;
            }
            Self::Unschedule(target, name) => unschedule(session, target, name).await?,
            Self::Deregister(target) => deregister(session, target).await?,
        }
        Ok(Outcome::done())
    }
}

async fn register(
    session: &Session,
    target: &Target,
    min: Option<i32>,
    max: Option<i32>,
) -> Result<(), AwsError> {
    let call = session
        .auto_scaling()
        .register_scalable_target()
        .service_namespace(target.dimension.namespace())
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk())
        .set_min_capacity(min)
        .set_max_capacity(max);
    session.write(Service::AutoScaling, "RegisterScalableTarget", call.send()).await.map(drop)
}

/// Sets what is wanted, and leaves what else the policy has.
async fn follow(
    session: &Session,
    target: &Target,
    wanted: &AutoScaling,
    live: Option<&LivePolicy>,
) -> Result<(), AwsError> {
    let operation = "PutScalingPolicy";
    let incomplete = |e| AwsError::incomplete(Service::AutoScaling, operation, &e);
    let seen = live.map(|live| &live.tracking);
    let metric = match seen.and_then(|seen| seen.predefined_metric_specification()) {
        Some(metric) => metric.clone(),
        None => aws::PredefinedMetricSpecification::builder()
            .predefined_metric_type(target.dimension.metric())
            .build()
            .map_err(incomplete)?,
    };
    let value = wanted.target_utilization.unwrap_or_default() / 100.0 * target.dimension.whole();
    let tracking = aws::TargetTrackingScalingPolicyConfiguration::builder()
        .predefined_metric_specification(metric)
        .target_value(value)
        .set_scale_in_cooldown(
            wanted.scale_in_cooldown_seconds.or(seen.and_then(|seen| seen.scale_in_cooldown())),
        )
        .set_scale_out_cooldown(
            wanted.scale_out_cooldown_seconds.or(seen.and_then(|seen| seen.scale_out_cooldown())),
        )
        .set_disable_scale_in(
            wanted.disable_scale_in.or(seen.and_then(|seen| seen.disable_scale_in())),
        )
        .build()
        .map_err(incomplete)?;
    // A policy's name is its target's own. AWS's console appends the resource, whose name may be too long for that.
    let name = live.map_or(target.dimension.metric().as_str(), |live| &live.name).to_owned();
    let call = session
        .auto_scaling()
        .put_scaling_policy()
        .policy_name(name)
        .service_namespace(target.dimension.namespace())
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk())
        .policy_type(aws::PolicyType::TargetTrackingScaling)
        .target_tracking_scaling_policy_configuration(tracking);
    session.write(Service::AutoScaling, operation, call.send()).await.map(drop)
}

async fn unfollow(session: &Session, target: &Target, name: &str) -> Result<(), AwsError> {
    let call = session
        .auto_scaling()
        .delete_scaling_policy()
        .policy_name(name)
        .service_namespace(target.dimension.namespace())
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk());
    session.write(Service::AutoScaling, "DeleteScalingPolicy", call.send()).await.map(drop)
}

/// Start and end stay as they were: AWS takes them away where they are not sent along
/// (<https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html>).
async fn schedule(
    session: &Session,
    target: &Target,
    wanted: &ScheduledAction,
    live: Option<&LiveAction>,
) -> Result<(), AwsError> {
    let bounds = aws::ScalableTargetAction::builder()
        .set_min_capacity(wanted.min_capacity)
        .set_max_capacity(wanted.max_capacity)
        .build();
    let call = session
        .auto_scaling()
        .put_scheduled_action()
        .service_namespace(target.dimension.namespace())
        .scheduled_action_name(&wanted.name)
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk())
        .schedule(&wanted.schedule)
        .set_timezone(wanted.timezone.clone())
        .set_start_time(live.and_then(|live| live.start))
        .set_end_time(live.and_then(|live| live.end))
        .scalable_target_action(bounds);
    session.write(Service::AutoScaling, "PutScheduledAction", call.send()).await.map(drop)
}

async fn unschedule(session: &Session, target: &Target, name: &str) -> Result<(), AwsError> {
    let call = session
        .auto_scaling()
        .delete_scheduled_action()
        .service_namespace(target.dimension.namespace())
        .scheduled_action_name(name)
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk());
    session.write(Service::AutoScaling, "DeleteScheduledAction", call.send()).await.map(drop)
}

async fn deregister(session: &Session, target: &Target) -> Result<(), AwsError> {
    let call = session
        .auto_scaling()
        .deregister_scalable_target()
        .service_namespace(target.dimension.namespace())
        .resource_id(&target.resource)
        .scalable_dimension(target.dimension.sdk());
    session.write(Service::AutoScaling, "DeregisterScalableTarget", call.send()).await.map(drop)
}
