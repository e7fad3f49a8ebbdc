//! An independent reader of plans: the rules that no planner may break, checked once more before
//! anything is written.
//!
//! A planner that follows the rules never meets this module. It stands between a bug in a planner
//! and somebody's table.

use super::{Blocked, Plan, Scope, Verb};

/// What the checker must know of the resource besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The resource exists.
    pub exists: bool,
    /// It carries our tags, or the object takes it over by annotation.
    pub owned: bool,
    /// It carries our tags: whatever is to become of it, it is known to be ours.
    pub tagged: bool,
    /// The kind holds data: tables and buckets.
    pub holds_data: bool,
    /// The object is leaving the release and its policy is Delete.
    pub deletion_asked: bool,
}

/// Returns the plan without the steps that wait for a person, or the same plan blocked with the rule that it breaks.
pub fn check<S>(mut plan: Plan<S>, facts: Facts) -> Plan<S> {
    if let Some(broken) = broken_rule(&plan, facts) {
        plan.blocked = Some(broken);
    }
    plan.drop_blocked_steps();
    plan
}

fn broken_rule<S>(plan: &Plan<S>, facts: Facts) -> Option<Blocked> {
    for step in &plan.steps {
        let whole = step.scope == Scope::Whole;
        let rule = match step.verb {
            _ if facts.exists && !facts.owned => {
                Some(("NotOwned", "the plan writes to a resource that is not ours".to_owned()))
            }
            Verb::Delete if whole && facts.holds_data && !facts.deletion_asked => Some((
                "DataAtRisk",
                format!("the plan deletes a {} whose deletion nobody asked for", step.what),
            )),
            Verb::Create if whole && facts.exists => {
                Some(("AlreadyExists", format!("the plan creates a {} that exists", step.what)))
            }
            _ => None,
        };
        if let Some((reason, message)) = rule {
            let message =
                format!("{message}; this is a bug in trueup's planner, nothing was written");
            return Some(Blocked { reason, message });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(verb: Verb, what: &str) -> Plan<()> {
        let mut plan = Plan::default();
        match what {
            "table" | "function" => plan.push_whole(verb, what, Vec::new(), ()),
            part => {
                plan.push(verb, part, Vec::new(), ());
            }
        }
        plan
    }

    #[test]
    fn broken_rules_stop_the_plan() {
        let ours = Facts {
            exists: true,
            owned: true,
            tagged: true,
            holds_data: true,
            deletion_asked: false,
        };
        let foreign = Facts { owned: false, ..ours };
        let cases = [
            (plan(Verb::Update, "tags"), foreign, Some("NotOwned")),
            (plan(Verb::Delete, "table"), ours, Some("DataAtRisk")),
            (plan(Verb::Create, "table"), ours, Some("AlreadyExists")),
            (plan(Verb::Update, "tags"), ours, None),
            (plan(Verb::Create, "index byStatus"), ours, None),
            (plan(Verb::Delete, "index byStatus"), ours, None),
            (plan(Verb::Delete, "function"), Facts { holds_data: false, ..ours }, None),
            (plan(Verb::Update, "table"), ours, None),
            (plan(Verb::Delete, "table"), Facts { deletion_asked: true, ..ours }, None),
            (plan(Verb::Create, "table"), Facts { exists: false, ..foreign }, None),
        ];
        for (plan, facts, expected) in cases {
            let what = format!("{:?} {:?}", plan.steps[0].verb, facts);
            let checked = check(plan, facts);
            assert_eq!(checked.blocked.as_ref().map(|b| b.reason), expected, "{what}");
            assert_eq!(checked.steps.is_empty(), expected.is_some(), "{what}");
            let message = checked.blocked.map(|b| b.message).unwrap_or_default();
            assert_eq!(message.contains("a bug in trueup"), expected.is_some(), "{what}");
        }
    }
}
