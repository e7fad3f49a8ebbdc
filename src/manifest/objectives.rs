//! Whether the recovery objectives of an environment can hold with what its objects declare.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::validate::All;
use super::{Problem, Set};
use crate::kinds::environment::{self, BackupPolicy, EnvironmentSpec};
use crate::kinds::kind;
use crate::model::Object;

/// Objects whose data would be older after a disaster than the environment's objective allows.
pub(super) fn unmet(set: &Set, all: &All) -> Vec<Problem> {
    let environments = all.values().filter(|object| object.kind == environment::NAME);
    environments.filter_map(|environment| unmet_by(set, all, environment)).collect()
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
        let has_points = object.spec["pointInTimeRecovery"]["enabled"] == json!(true);
        object.environment() == name && holds_data && !has_points
    };
    let object = all.values().find(relies_on_backups)?;
    let title =
        format!("the rpo of {name} cannot hold for {}: {}", object.id(), why(backups, pause));
    let is = |wanted: &Object| {
        set.objects().position(|o| o.id() == wanted.id() && o.environment() == name)
    };
    let (index, pointer) = match is(environment) {
        Some(index) => (index, "/spec/recovery/rpo"),
        None => (is(object)?, "/spec"),
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
