//! What a scaled capacity is made of, and how somebody changes each part of it by hand.

use serde_json::{Value, json};

use super::{Request, Row, rest, with};

/// As a manifest declares it. The bounds leave the scaler nothing to choose, so that worlds are alike.
pub fn declared(capacity: i64) -> Value {
    json!({
        "minCapacity": capacity, "maxCapacity": capacity, "targetUtilization": 70,
        "scaleInCooldownSeconds": 60, "scaleOutCooldownSeconds": 30, "disableScaleIn": false,
        "scheduledActions": [night(capacity)],
    })
}

fn night(capacity: i64) -> Value {
    json!({
        "name": "night", "schedule": "cron(0 20 * * ? *)", "timezone": "Europe/Berlin",
        "minCapacity": capacity, "maxCapacity": capacity,
    })
}

/// Another way to scale the same.
pub fn other(capacity: i64) -> Value {
    with(
        &declared(capacity),
        &json!({
            "targetUtilization": 50, "scaleInCooldownSeconds": 0, "disableScaleIn": true,
            "scheduledActions": [
                with(&night(capacity), &json!({"schedule": "rate(1 day)", "timezone": "UTC"})),
                {"name": "day", "schedule": "cron(0 8 * * ? *)", "timezone": "UTC", "minCapacity": capacity, "maxCapacity": capacity},
            ],
        }),
    )
}

/// One capacity: how the schema and a condition call it, and what Application Auto Scaling calls it.
pub struct Scaled {
    pub field: &'static str,
    pub named: &'static str,
    pub namespace: &'static str,
    pub resource: &'static str,
    pub dimension: &'static str,
    pub metric: &'static str,
    /// 100 percent of the metric.
    pub whole: f64,
    pub capacity: i64,
}

impl Scaled {
    fn ask(&self, operation: &'static str, members: Value) -> Request {
        let target = json!({
            "ServiceNamespace": self.namespace, "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
        });
        rest("application-autoscaling", "POST", operation, with(&target, &members))
    }

    fn policy(&self, changed: Value) -> Request {
        let tracking = json!({
            "PredefinedMetricSpecification": {"PredefinedMetricType": self.metric},
            "TargetValue": 0.7 * self.whole, "ScaleInCooldown": 60, "ScaleOutCooldown": 30,
            "DisableScaleIn": false,
        });
        self.ask(
            "PutScalingPolicy",
            json!({
                "PolicyName": self.metric, "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": with(&tracking, &changed),
            }),
        )
    }

    fn action(&self, name: &str, changed: Value) -> Request {
        let action = json!({
            "ScheduledActionName": name, "Schedule": "cron(0 20 * * ? *)", "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": self.capacity, "MaxCapacity": self.capacity},
        });
        self.ask("PutScheduledAction", with(&action, &changed))
    }

    /// A row for each of its fields, on a spec that declares it.
    pub fn rows(&self, base: &Value) -> Vec<Row> {
        let bounds = |min: i64, max: i64| json!({"MinCapacity": min, "MaxCapacity": max});
        let night = |changed: Value| self.action("night", changed);
        let (least, most) = (self.capacity - 1, self.capacity + 9);
        let deleted = json!({"ScheduledActionName": "night"});
        let of_action = |min, max| json!({"ScalableTargetAction": bounds(min, max)});
        let changes = [
            (
                "minCapacity",
                "minCapacity",
                self.ask("RegisterScalableTarget", json!({"MinCapacity": least})),
            ),
            (
                "maxCapacity",
                "maxCapacity",
                self.ask("RegisterScalableTarget", json!({"MaxCapacity": most})),
            ),
            ("minCapacity", "", self.ask("DeregisterScalableTarget", json!({}))),
            (
                "targetUtilization",
                "targetUtilization",
                self.policy(json!({"TargetValue": 0.4 * self.whole})),
            ),
            (
                "targetUtilization",
                "targetUtilization",
                self.ask("DeleteScalingPolicy", json!({"PolicyName": self.metric})),
            ),
            (
                "scaleInCooldownSeconds",
                "scaleInCooldownSeconds",
                self.policy(json!({"ScaleInCooldown": 61})),
            ),
            (
                "scaleOutCooldownSeconds",
                "scaleOutCooldownSeconds",
                self.policy(json!({"ScaleOutCooldown": 31})),
            ),
            ("disableScaleIn", "disableScaleIn", self.policy(json!({"DisableScaleIn": true}))),
            (
                "scheduledActions[].name",
                "scheduledActions[night]",
                self.ask("DeleteScheduledAction", deleted),
            ),
            ("scheduledActions[].name", "scheduledActions[noon]", self.action("noon", json!({}))),
            (
                "scheduledActions[].schedule",
                "scheduledActions[night].schedule",
                night(json!({"Schedule": "rate(2 days)"})),
            ),
            (
                "scheduledActions[].timezone",
                "scheduledActions[night].timezone",
                night(json!({"Timezone": "Asia/Tokyo"})),
            ),
            (
                "scheduledActions[].minCapacity",
                "scheduledActions[night].minCapacity",
                night(of_action(least, self.capacity)),
            ),
            (
                "scheduledActions[].maxCapacity",
                "scheduledActions[night].maxCapacity",
                night(of_action(self.capacity, most)),
            ),
        ];
        let at = |root: &str, below: &str| -> &'static str {
            let dot = if below.is_empty() { "" } else { "." };
            format!("{root}{dot}{below}").leak()
        };
        let row = |(field, named, request): (&str, &str, Request)| {
            Row::new(at(self.field, field), at(self.named, named), request).on(base)
        };
        changes.into_iter().map(row).collect()
    }
}
