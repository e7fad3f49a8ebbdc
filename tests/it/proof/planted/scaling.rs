//! Bugs of scaled capacities and provisioned executions.

use super::bugs::Bug;

pub const SCALING: [Bug; 7] = [
    Bug {
        name: "what a scaler sets is drift",
        file: "kinds/table/scaling.rs",
        good: "changes.retain(|change| !owned.contains(&change.path));",
        bad: "drop((changes, owned));",
        caught_by: "scaling::what_the_scaler scaling::a_scaler_that_no_manifest",
    },
    Bug {
        name: "bounds that a schedule has set are put back",
        file: "kinds/scaling/observe.rs",
        good: "Some(declared) if is_scheduled && !was_declared => declared,",
        bad: "Some(declared) if is_scheduled && was_declared => declared,",
        caught_by: "scaling::what_the_scaler scaling::other_bounds",
    },
    Bug {
        name: "a capacity is written where nobody may ask whose it is",
        file: "kinds/table/scaling.rs",
        good: "unread.extend(fields.into_iter().map(|field| (field, error.clone())));",
        bad: "drop((fields, error));",
        caught_by: "scaling::a_capacity_is_left_alone scaling::the_capacity_of_an_index",
    },
    Bug {
        name: "a scaler outlives its table",
        file: "kinds/table/scaling.rs",
        good: "target.resource);\n        plan.push(Verb::Delete, what, Vec::new(), step);",
        bad: "target.resource);\n        plan.push(Verb::Delete, what, Vec::new(), step).stands_alone();",
        caught_by: "scaling::a_table_waits",
    },
    Bug {
        name: "a version that another alias names loses its executions",
        file: "kinds/function/provisioned.rs",
        good: "&& !self.named.contains(*version)",
        bad: "",
        caught_by: "scaling::a_version_that_another_alias",
    },
    Bug {
        name: "a number that somebody set is lost when the alias moves",
        file: "kinds/function/provisioned.rs",
        good: "fill_ignored(&mut declared, &had, &self.desired.ignore, &SHAPE, IgnoredAbsent::Kept);",
        bad: "let _ = (&mut declared, IgnoredAbsent::Kept);",
        caught_by: "scaling::an_ignored_number",
    },
    Bug {
        name: "a scaler goes before the one that takes over is whole",
        file: "kinds/function/provisioned.rs",
        good: "if is_fixed || obstacle.is_some() || plan.steps.len() > steps {",
        bad: "let _ = steps;\n        if is_fixed || obstacle.is_some() {",
        caught_by: "scaling::a_scaler_goes_along",
    },
];
