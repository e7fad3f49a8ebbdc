//! Bugs of recovery elsewhere, of quotas, and of versions.

use super::bugs::Bug;

pub const LATEST: [Bug; 6] = [
    Bug {
        name: "a table is ready whatever its import came to",
        file: "kinds/table/plan.rs",
        good: "if desired.confirmed {\n        return None;\n    }\n    let (id, name)",
        bad: "if desired.confirmed || desired.create_begun.is_some() {\n        return None;\n    }\n    let (id, name)",
        caught_by: "elsewhere::a_table_that_lacks",
    },
    Bug {
        name: "a table from an export is observed without its import",
        file: "engine/pass.rs",
        good: "ready.desired.source.clone_from(&self.record.source);",
        bad: "",
        caught_by: "elsewhere::a_table_that_lacks",
    },
    Bug {
        name: "packages of two releases share a key in another region",
        file: "engine/recovery/elsewhere.rs",
        good: "let is_by_digest = before.sha256.as_ref().is_some_and(|sha| before.key.contains(sha));",
        bad: "let is_by_digest = true;",
        caught_by: "--lib",
    },
    Bug {
        name: "a version that the history names is deleted",
        file: "engine/execute.rs",
        good: "KeptVersions { newest: kept, named }",
        bad: "KeptVersions { newest: kept, named: named.into_iter().take(0).collect() }",
        caught_by: "shifting::old_versions",
    },
    Bug {
        name: "quotas are divided by daemons that work elsewhere",
        file: "aws/division.rs",
        good: "false => *places.get(place).unwrap_or(elsewhere),",
        bad: "false => (*all).max(places.len() + elsewhere),",
        caught_by: "--lib",
    },
    Bug {
        name: "what was published before the manifest changed takes over",
        file: "kinds/any_kind.rs",
        good: ".filter(|_| !is_outdated);",
        bad: ".filter(|_| !is_outdated || plan.blocked.is_none());",
        caught_by: "shifting::a_newer_release",
    },
];
