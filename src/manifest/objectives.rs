//! Whether the recovery objectives of an environment can hold with what its objects declare.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::validate::All;
use super::{Problem, Set};
use crate::kinds::environment::{self, BackupPolicy, EnvironmentSpec, RESTORES_AT_ONCE, RTO_MIN};
use crate::kinds::kind;
use crate::model::Object;

/// Objects whose data would be older after a disaster than the environment's objective allows.
pub(super) fn unmet(set: &Set, all: &All) -> Vec<Problem> {
    let environments = || all.values().filter(|object| object.kind == environment::NAME);
    let too_old = environments().filter_map(|environment| unmet_by(set, all, environment));
    let too_slow = environments().filter_map(|environment| too_slow(set, all, environment));
    let unexported = environments().flat_map(|environment| unexported(set, all, environment));
    too_old.chain(too_slow).chain(unexported).collect()
}

/// An environment that has more tables than AWS restores within its objective.
fn too_slow(set: &Set, all: &All, environment: &Object) -> Option<Problem> {
    let spec = EnvironmentSpec::deserialize(&*environment.spec).ok()?;
    let rto = spec.recovery?.rto()?;
    let name = environment.metadata.name.as_str();
    let tables = all.values().filter(|o| o.kind == "Table" && o.environment() == name).count();
    let rounds = u32::try_from(tables.div_ceil(RESTORES_AT_ONCE)).unwrap_or(u32::MAX);
    let least = RTO_MIN.saturating_mul(rounds);
    if rto >= least {
        return None;
    }
    let minutes = least.as_secs() / 60;
    let index = place(set, environment)?;
    let title = format!("the rto of {name} cannot hold for {tables} tables");
    let mut problem = set.problem(index, "/spec/recovery/rto", title);
    problem.help = Some(format!(
        "AWS restores {RESTORES_AT_ONCE} tables at once, which takes 20 minutes at least: make the rto {minutes}m or more"
    ));
    Some(problem)
}

/// Tables whose items backups are to have, and that DynamoDB would not export: it does so from point-in-time recovery.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html>
fn unexported(set: &Set, all: &All, environment: &Object) -> Vec<Problem> {
    let Ok(spec) = EnvironmentSpec::deserialize(&*environment.spec) else { return Vec::new() };
    let backups = spec.recovery.and_then(|recovery| recovery.backups);
    if backups.is_none_or(|backups| backups.export_tables != Some(true)) {
        return Vec::new();
    }
    let name = environment.metadata.name.as_str();
    let tables = all.values().filter(|o| o.kind == "Table" && o.environment() == name);
    let problem = |table: &Object| {
        let (index, pointer) = match place(set, table) {
            Some(index) => (index, "/spec"),
            None => (place(set, environment)?, "/spec/recovery/backups/exportTables"),
        };
        let title = format!("backups of {name} cannot have the items of {}", table.id());
        let mut problem = set.problem(index, pointer, title);
        problem.help = Some(
            "enable pointInTimeRecovery on the table, or take exportTables out of the Environment"
                .to_owned(),
        );
        Some(problem)
    };
    tables.filter(|table| !has_points(table)).filter_map(|table| problem(table)).collect()
}

fn has_points(object: &Object) -> bool {
    object.spec["pointInTimeRecovery"]["enabled"] == json!(true)
}

/// Where an object stands in the manifests that were given.
fn place(set: &Set, wanted: &Object) -> Option<usize> {
    let environment = wanted.environment();
    set.objects().position(|o| o.id() == wanted.id() && o.environment() == environment)
}

fn unmet_by(set: &Set, all: &All, environment: &Object) -> Option<Problem> {
    let spec = EnvironmentSpec::deserialize(&*environment.spec).ok()?;
    let recovery = spec.recovery?;
    let rpo = recovery.rpo()?;
    let name = environment.metadata.name.as_str();
    let backups = recovery.backups.as_ref();
    // Which year it is does not matter for the pauses of a schedule.
    let pause = backups.and_then(|backups| backups.longest_pause(Timestamp::UNIX_EPOCH));
    let pause = pause.and_then(|pause| Duration::try_from(pause).ok());
    if pause.is_some_and(|pause| pause <= rpo) {
        return None;
    }
    let relies_on_backups = |object: &&&Object| {
        let holds_data = kind(&object.kind).is_some_and(|kind| kind.holds_data());
        object.environment() == name && holds_data && !has_points(object)
    };
    let object = all.values().find(relies_on_backups)?;
    let title =
        format!("the rpo of {name} cannot hold for {}: {}", object.id(), why(backups, pause));
    let (index, pointer) = match place(set, environment) {
        Some(index) => (index, "/spec/recovery/rpo"),
        None => (place(set, object)?, "/spec"),
    };
    let mut problem = set.problem(index, pointer, title);
    let points = match object.kind.as_str() {
        "Table" => ", or enable pointInTimeRecovery on the table",
        _ => "",
    };
    problem.help = Some(format!(
        "make spec.recovery.backups.schedule of Environment `{name}` more frequent, or its rpo longer{points}"
    ));
    Some(problem)
}

fn why(backups: Option<&BackupPolicy>, pause: Option<Duration>) -> String {
    match (backups, pause) {
        (Some(_), Some(pause)) => {
            format!("its backups are up to {}h apart", pause.as_secs().div_ceil(3600))
        }
        (Some(_), None) => "its backups have no schedule".to_owned(),
        (None, _) => "no backups are declared".to_owned(),
    }
}
