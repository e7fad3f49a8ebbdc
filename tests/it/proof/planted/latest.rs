//! Bugs of recovery elsewhere, of quotas, and of versions.

use super::bugs::Bug;

pub const LATEST: [Bug; 12] = [
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
    Bug {
        name: "a rollback moves the alias only once the function is back",
        file: "kinds/function/shift.rs",
        good: "let served = alias.served.as_ref().filter(|_| changes.iter().any(is_of_version))?;",
        bad: "let served = alias.served.as_ref().filter(|_| changes.is_empty())?;",
        caught_by: "--lib",
    },
    Bug {
        name: "a version that came after its release was over is deleted",
        file: "store/status.rs",
        good: "spans.filter(move |(_, end)| *end > release)",
        bad: "spans.filter(move |(_, end)| *end < release)",
        caught_by: "--lib",
    },
    Bug {
        name: "a table goes without a last backup",
        file: "engine/prepare.rs",
        good: "keeps_last_backup: !self.object.denies(annotation::LAST_BACKUP),",
        bad: "keeps_last_backup: false,",
        caught_by: "recovery::a_table_that_somebody",
    },
    Bug {
        name: "a daemon gives up on a store that fails at the start",
        file: "cli/daemon.rs",
        good: "Err(error @ (StoreError::TableMissing { .. } | StoreError::Newer { .. })) => {",
        bad: "Err(error) if !matches!(error, StoreError::Unsigned { .. }) => {",
        caught_by: "starting::a_daemon_waits",
    },
    Bug {
        name: "one question keeps everything else of the object from being repaired",
        file: "plan/step.rs",
        good: "if let Some(first) = self.steps.iter().position(is_needed) {",
        bad: "if let Some(first) = Some(0).filter(|_| !self.steps.is_empty()) {",
        caught_by: "asking::",
    },
    Bug {
        name: "what trueup found again is deleted with the release that failed",
        file: "engine/pass.rs",
        good: "self.record.was_found = self.record.phase.create_begun().is_none();",
        bad: "self.record.was_found = false;",
        caught_by: "deletion::what_was_left",
    },
];
