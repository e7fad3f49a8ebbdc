//! Plans as text: what `diff` and `apply --dry-run` print, and what events and conditions quote.

use std::fmt::Write;

use serde_json::Value;

use super::value::{is_empty, show};
use super::{Change, Plan, Verb};

/// One line a change: `memorySize: 128 -> 512`.
pub fn render_changes(changes: &[Change]) -> Vec<String> {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "(unset)".to_owned(), show);
    changes
        .iter()
        .map(|c| format!("{}: {} -> {}", c.path, side(&c.live), side(&c.desired)))
        .collect()
}

/// A plan as a block of text, each line indented by two. Empty when there is nothing to do.
pub fn render_plan<S>(plan: &Plan<S>) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let sign = match step.verb {
            Verb::Create => '+',
            Verb::Update => '~',
            Verb::Delete => '-',
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {sign} {:?} {}", step.verb, step.what);
        for (change, line) in step.changes.iter().zip(render_changes(&step.changes)) {
            // What did not exist has no value before.
            let was_nothing = change.live.as_ref().is_none_or(is_empty);
            let _ = match &change.desired {
                Some(value) if was_nothing && step.verb == Verb::Create => {
                    writeln!(out, "      {}: {}", change.path, show(value))
                }
                _ => writeln!(out, "      {line}"),
            };
        }
    }
    if let Some(blocked) = &plan.blocked {
        for line in render_changes(&plan.changes) {
            let _ = writeln!(out, "      {line}");
        }
        let _ = writeln!(out, "  ! {}: {}", blocked.reason, blocked.message);
    } else if let Some(part) = &plan.partly_blocked {
        for line in render_changes(&left(plan)) {
            let _ = writeln!(out, "      {line}");
        }
        let _ = writeln!(out, "  ! {}: {}", part.why.reason, part.why.message);
    } else if !plan.steps.is_empty() && !left(plan).is_empty() {
        let _ = writeln!(out, "  … after these steps:");
        for line in render_changes(&left(plan)) {
            let _ = writeln!(out, "      {line}");
        }
    }
    if let Some(waiting) = &plan.waiting {
        let _ = writeln!(out, "  … {}: {}", waiting.reason, waiting.message);
    }
    out
}

/// The changes that no step makes yet.
fn left<S>(plan: &Plan<S>) -> Vec<Change> {
    let is_made = |change: &Change| plan.steps.iter().any(|step| step.changes.contains(change));
    plan.changes.iter().filter(|change| !is_made(change)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Shape, diff, sensitive};
    use serde_json::json;

    #[test]
    fn a_plan_reads_like_a_diff() {
        let shape = Shape::default();
        let desired =
            json!({"memorySize": 512, "key": sensitive("s3cret"), "tracing": {"mode": "Active"}});
        let changes = diff(&desired, &json!({"memorySize": 128}), &shape);
        let mut plan = Plan::default();
        plan.push(Verb::Update, "configuration", changes, ());
        insta::assert_snapshot!(render_plan(&plan), @r#"
          ~ Update configuration
              memorySize: 128 -> 512
              key: (unset) -> (sensitive)
              tracing: (unset) -> {"mode":"Active"}
        "#);
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let env = json!({"env": [{"name": "KEY", "value": sensitive("s3cret")}]});
        assert_eq!(show(&env), r#"{"env":[{"name":"KEY","value":(sensitive)}]}"#);
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        let shown = show(&json!("x".repeat(500)));
        assert!(shown.len() < 200 && shown.ends_with("(502 characters)"), "{shown}");
    }
}
