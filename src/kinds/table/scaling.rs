//! Which capacities of a table are scaled, and whose their values are.
//!
//! A capacity that somebody scales is the scaler's, whether the manifest declares the scaling or not: no value in
//! it is drift. Where the manifest says nothing of scaling, Application Auto Scaling is asked only while a declared
//! throughput differs.
//!
//! DynamoDB deletes no scalable target with its table
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html>), so the declared ones go
//! before it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::plan::{SHAPE, TableStep};
use super::spec::*;
use crate::aws::{AwsError, Class, Session};
use crate::kinds::scaling::{
    self, AutoScaling, Dimension, Place, ScalingStep, Target, Targets, Units,
};
use crate::kinds::{Desired, SpecProblem, Unasked, Unread, split_off};
use crate::model::{Path, Segment};
use crate::plan::{Change, PartlyBlocked, Plan, Verb};

pub(super) const FIELD: &str = "autoScaling";

/// What of a provisioned table follows its use; `{}` ends all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableScaling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_capacity: Option<AutoScaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_capacity: Option<AutoScaling>,
    /// Of global secondary indexes: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub indexes: Option<Vec<IndexScaling>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexScaling {
    /// The index's.
    #[schemars(length(min = 3, max = 255))]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_capacity: Option<AutoScaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_capacity: Option<AutoScaling>,
}

/// The two capacities of a table or of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Read,
    Write,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Read, Self::Write];

    fn field(self) -> &'static str {
        match self {
            Self::Read => "readCapacity",
            Self::Write => "writeCapacity",
        }
    }

    /// In a throughput.
    fn units_field(self) -> &'static str {
        match self {
            Self::Read => "readCapacityUnits",
            Self::Write => "writeCapacityUnits",
        }
    }

    fn units(self, of: Throughput) -> i64 {
        match self {
            Self::Read => of.read_capacity_units,
            Self::Write => of.write_capacity_units,
        }
    }

    fn set(self, of: &mut Throughput, units: i64) {
        match self {
            Self::Read => of.read_capacity_units = units,
            Self::Write => of.write_capacity_units = units,
        }
    }

    fn target(self, table: &str, index: Option<&str>) -> Target {
        match (index, self) {
            (None, Self::Read) => Target::of_table(table, Dimension::TableRead),
            (None, Self::Write) => Target::of_table(table, Dimension::TableWrite),
            (Some(index), Self::Read) => Target::of_index(table, index, Dimension::IndexRead),
            (Some(index), Self::Write) => Target::of_index(table, index, Dimension::IndexWrite),
        }
    }
}

impl TableScaling {
    /// How it says that one capacity is scaled; `None` where it says nothing.
    fn of(&self, index: Option<&str>, side: Side) -> Option<&AutoScaling> {
        let (read, write) = match index {
            None => (&self.read_capacity, &self.write_capacity),
            Some(name) => {
                let index = self.indexes.iter().flatten().find(|index| index.name == name)?;
                (&index.read_capacity, &index.write_capacity)
            }
        };
        match side {
            Side::Read => read.as_ref(),
            Side::Write => write.as_ref(),
        }
    }

    fn is_none(&self) -> bool {
        let is_none =
            |scaling: &Option<AutoScaling>| scaling.as_ref().is_none_or(AutoScaling::is_none);
        is_none(&self.read_capacity)
            && is_none(&self.write_capacity)
            && self
                .indexes
                .iter()
                .flatten()
                .all(|i| is_none(&i.read_capacity) && is_none(&i.write_capacity))
    }
}

/// Every capacity of a table with these indexes.
fn capacities(indexes: &[String]) -> impl Iterator<Item = (Option<&str>, Side)> {
    let names = std::iter::once(None).chain(indexes.iter().map(|name| Some(name.as_str())));
    names.flat_map(|index| Side::BOTH.map(|side| (index, side)))
}

fn path_of(index: Option<&str>, side: Side) -> Path {
    let at = Path::default().field(FIELD);
    let at = index.map_or(at.clone(), |index| at.field("indexes").element(index));
    at.field(side.field())
}

/// Where a throughput stands in the spec.
fn units_path(index: Option<&str>, side: Side) -> Path {
    let at = match index {
        None => Path::default().field("billing"),
        Some(index) => Path::default().field("globalSecondaryIndexes").element(index),
    };
    at.field("throughput").field(side.units_field())
}

fn index_names(spec: &TableSpec) -> Vec<String> {
    spec.global_secondary_indexes.iter().flatten().map(|index| index.name.clone()).collect()
}

fn throughput_of(spec: &TableSpec, index: Option<&str>) -> Option<Throughput> {
    match index {
        None => spec.billing.as_ref()?.throughput,
        Some(name) => {
            let mut all = spec.global_secondary_indexes.iter().flatten();
            all.find(|index| index.name == name)?.throughput
        }
    }
}

fn throughput_mut<'a>(spec: &'a mut TableSpec, index: Option<&str>) -> Option<&'a mut Throughput> {
    match index {
        None => spec.billing.as_mut()?.throughput.as_mut(),
        Some(name) => {
            let mut all = spec.global_secondary_indexes.iter_mut().flatten();
            all.find(|index| index.name == name)?.throughput.as_mut()
        }
    }
}

pub(super) fn validate(spec: &TableSpec) -> Vec<SpecProblem> {
    let Some(scaling) = &spec.auto_scaling else { return Vec::new() };
    let mut problems = Vec::new();
    let known = index_names(spec);
    for (i, index) in scaling.indexes.iter().flatten().enumerate() {
        if !known.contains(&index.name) {
            let message = format!("the table declares no global secondary index `{}`", index.name);
            problems.push(SpecProblem::new(format!("{FIELD}.indexes[{i}].name"), message));
        }
        for (side, declared) in
            [(Side::Read, &index.read_capacity), (Side::Write, &index.write_capacity)]
        {
            let at = format!("{FIELD}.indexes[{i}].{}", side.field());
            problems.extend(declared.iter().flat_map(|d| scaling::check(&at, d, &Units::DYNAMODB)));
        }
    }
    for (side, declared) in
        [(Side::Read, &scaling.read_capacity), (Side::Write, &scaling.write_capacity)]
    {
        let at = format!("{FIELD}.{}", side.field());
        problems.extend(declared.iter().flat_map(|d| scaling::check(&at, d, &Units::DYNAMODB)));
    }
    if spec.billing_mode() != Some(BillingMode::Provisioned) && !scaling.is_none() {
        let message = "auto scaling goes with billing.mode PROVISIONED, which has to be declared";
        problems.push(SpecProblem::new(FIELD, message));
    }
    problems
}

/// Reads how the table is scaled, where that is declared; and only whether it is, where a declared throughput differs.
pub(super) async fn observe(
    session: &Session,
    desired: &Desired<TableSpec>,
    live: &TableSpec,
    unread: &mut Unread,
) -> Result<Targets, AwsError> {
    let resources = |spec: &TableSpec| -> Vec<String> {
        let names = index_names(spec);
        let indexes = names.iter().map(|name| Side::Read.target(&desired.aws_name, Some(name)));
        let table = Side::Read.target(&desired.aws_name, None);
        std::iter::once(table).chain(indexes).map(|target| target.resource).collect()
    };
    // What is not known to be nobody's is not written.
    let mut fields = differing(&desired.spec, live);
    let is_declared = desired.declares(&json!(desired.spec), FIELD)
        || desired.earlier().any(|spec| !spec[FIELD].is_null());
    let read = match is_declared {
        true => scaling::read(session, Dimension::TableRead, &resources(live)).await,
        false if fields.is_empty() => return Ok(Targets::new()),
        false => scaling::bounds(session, Dimension::TableRead, &resources(live)).await,
    };
    if is_declared {
        fields.push(FIELD);
    }
    match read {
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => {
            unread.extend(fields.into_iter().map(|field| (field, error.clone())));
            Ok(Targets::new())
        }
        read => read,
    }
}

/// The fields in which a declared throughput is not the live one.
fn differing(declared: &TableSpec, live: &TableSpec) -> Vec<&'static str> {
    let is_provisioned = live.billing_mode() == Some(BillingMode::Provisioned);
    let differs =
        |index: Option<&str>| match (throughput_of(declared, index), throughput_of(live, index)) {
            (Some(declared), Some(live)) => declared != live,
            _ => false,
        };
    let mut fields = Vec::new();
    if is_provisioned && differs(None) {
        fields.push("billing");
    }
    let names = index_names(declared);
    if is_provisioned && names.iter().any(|name| differs(Some(name))) {
        fields.push("globalSecondaryIndexes");
    }
    fields
}

/// How the table is scaled, in the words of the manifest.
pub(super) fn words(
    desired: &Desired<TableSpec>,
    live: &TableSpec,
    targets: &Targets,
) -> Option<Value> {
    let declared = desired.spec.auto_scaling.clone().unwrap_or_default();
    let earlier = earlier(desired);
    let mut words = json!({});
    let mut indexes: Vec<Value> = Vec::new();
    for (index, side) in capacities(&index_names(live)) {
        let target = side.target(&desired.aws_name, index);
        let Some(live) = targets.get(&target) else { continue };
        let declared = declared.of(index, side).cloned().unwrap_or_default();
        let of_earlier = earlier.iter().filter_map(|scaling| scaling.of(index, side)).cloned();
        let of_earlier = of_earlier.filter(|before| *before != declared);
        let scaled = live.words(target.dimension, &declared, &of_earlier.collect::<Vec<_>>());
        match index {
            None => words[side.field()] = scaled,
            Some(name) => {
                if indexes.last().is_none_or(|last| last["name"] != *name) {
                    indexes.push(json!({"name": name}));
                }
                if let Some(last) = indexes.last_mut() {
                    last[side.field()] = scaled;
                }
            }
        }
    }
    if !indexes.is_empty() {
        words["indexes"] = json!(indexes);
    }
    desired.declares(&json!(desired.spec), FIELD).then_some(words)
}

/// The capacities of a table as it is, and whose they are.
pub(super) struct Owned<'a> {
    desired: &'a Desired<TableSpec>,
    live: &'a TableSpec,
    targets: &'a Targets,
}

impl<'a> Owned<'a> {
    pub fn new(desired: &'a Desired<TableSpec>, live: &'a TableSpec, targets: &'a Targets) -> Self {
        Self { desired, live, targets }
    }

    fn is_ignored(&self, path: &Path) -> bool {
        self.desired.ignore.iter().any(|ignored| path.0.starts_with(&ignored.0))
    }

    /// What the manifest says of scaling, where it does not leave that to others.
    fn declared(&self) -> Option<&TableScaling> {
        let is_ignored = self.is_ignored(&Path::default().field(FIELD));
        self.desired.spec.auto_scaling.as_ref().filter(|_| !is_ignored)
    }

    fn declared_of(&self, index: Option<&str>, side: Side) -> Option<&AutoScaling> {
        let is_ignored = self.is_ignored(&path_of(index, side));
        self.declared()?.of(index, side).filter(|_| !is_ignored)
    }

    /// A capacity that is provisioned, and that its scaler sets: a live one, or a declared one that is to come. One
    /// whose scaling is to end is the manifest's again.
    fn is_scaled(&self, index: Option<&str>, side: Side) -> bool {
        let declared = self.declared();
        let is_ended = self.desired.declares(&json!(self.desired.spec), FIELD)
            && !self.is_ignored(&Path::default().field(FIELD))
            && match declared {
                None => true,
                Some(all) if all.is_none() => true,
                Some(_) => self.declared_of(index, side).is_some_and(AutoScaling::is_none),
            };
        let is_declared = self.declared_of(index, side).is_some_and(|one| !one.is_none());
        let is_live = self.targets.contains_key(&side.target(&self.desired.aws_name, index));
        is_declared || is_live && !is_ended
    }

    fn scaled(&self) -> impl Iterator<Item = (Option<String>, Side, i64)> {
        let names = index_names(self.live);
        let all = capacities(&names).map(|(index, side)| (index.map(str::to_owned), side));
        all.collect::<Vec<_>>().into_iter().filter_map(|(index, side)| {
            let live = throughput_of(self.live, index.as_deref())?;
            let is_scaled = self.is_scaled(index.as_deref(), side);
            is_scaled.then(|| (index, side, side.units(live)))
        })
    }

    /// Takes out the changes of what the scaler has set.
    pub fn keep(&self, changes: &mut Vec<Change>) {
        let owned: Vec<Path> =
            self.scaled().map(|(index, side, _)| units_path(index.as_deref(), side)).collect();
        changes.retain(|change| !owned.contains(&change.path));
    }

    /// What is written along with other capacities is what the scaler has set.
    pub fn settle(&self, want: &mut TableSpec) {
        for (index, side, units) in self.scaled() {
            if let Some(wanted) = throughput_mut(want, index.as_deref()) {
                side.set(wanted, units);
            }
        }
    }

    /// Capacities that somebody has set beyond the bounds of their scaler, which would bring them back only when it
    /// scales next.
    pub fn beyond(&self) -> Vec<(Change, Target, (i32, i32))> {
        let beyond = self.scaled().filter_map(|(index, side, units)| {
            let target = side.target(&self.desired.aws_name, index.as_deref());
            let is_declared = self.declared_of(index.as_deref(), side).is_some();
            let live = self.targets.get(&target).filter(|_| is_declared)?;
            let is_within = (i64::from(live.min)..=i64::from(live.max)).contains(&units);
            let change = Change {
                path: units_path(index.as_deref(), side),
                live: Some(json!(units)),
                desired: Some(json!(format!("{} to {} by auto scaling", live.min, live.max))),
            };
            let is_kept = is_within || self.is_ignored(&change.path);
            (!is_kept).then_some((change, target, (live.min, live.max)))
        });
        beyond.collect()
    }
}

/// What ends comes before everything else, what begins after it: a scaler needs what it scales.
pub(super) struct ScalingPlan {
    ending: Plan<TableStep>,
    beginning: Plan<TableStep>,
    /// Scalers that would end although no manifest ever had them.
    pub unasked: Vec<Unasked>,
}

impl ScalingPlan {
    pub fn new(
        desired: &Desired<TableSpec>,
        (live, want): (&TableSpec, &TableSpec),
        targets: &Targets,
        changes: &mut Vec<Change>,
    ) -> Self {
        let changes = split_off(changes, &[FIELD]);
        let mut all = Plan::default();
        let wanted = want.auto_scaling.as_ref();
        for (index, side) in capacities(&index_names(live)) {
            let target = side.target(&desired.aws_name, index);
            let place = Place { path: path_of(index, side), target, before: None };
            let wanted = wanted.and_then(|wanted| wanted.of(index, side));
            scaling::push(&mut all, &place, wanted, targets, &changes, TableStep::Scale);
        }
        push_of_lost(&mut all, desired, (live, want), targets);
        let is_end = |step: &crate::plan::Step<TableStep>| {
            matches!(step.call, TableStep::Scale(ScalingStep::Deregister(_)))
        };
        let (ending, beginning) = all.steps.into_iter().partition(is_end);
        // A scaler that somebody has made for an index which the list leaves out.
        let is_left_out = |change: &&Change| {
            let at = &change.path.0;
            change.desired.is_none()
                && at.len() == 3
                && at[1] == Segment::Field("indexes".to_owned())
        };
        // Whether an earlier manifest named it is what counts, not all that AWS has of it.
        let ended = changes.iter().filter(is_left_out);
        let ended: Vec<_> = ended.map(|change| Change { live: None, ..change.clone() }).collect();
        Self {
            ending: Plan { steps: ending, blocked: all.blocked, ..Plan::default() },
            beginning: Plan { steps: beginning, ..Plan::default() },
            unasked: desired.unasked(ended.iter(), &SHAPE),
        }
    }

    /// What ends comes first. Before an index goes, its scaler has to.
    pub fn push_ending(&mut self, plan: &mut Plan<TableStep>, want: &TableSpec) {
        let stay = index_names(want);
        for mut step in self.ending.steps.drain(..) {
            let index = match &step.call {
                TableStep::Scale(ScalingStep::Deregister(target)) => target.index(),
                _ => None,
            };
            let goes = index.is_some_and(|index| !stay.iter().any(|stays| stays == index));
            // An index that waits for a person keeps its scaler.
            let waits =
                |part: &PartlyBlocked| index.is_some_and(|index| part.holds(&path_of_index(index)));
            if plan.partly_blocked.as_ref().is_some_and(waits) {
                continue;
            }
            step.stands_alone = !goes;
            plan.steps.push(step);
        }
        if let Some(blocked) = self.ending.blocked.take() {
            plan.blocked.get_or_insert(blocked);
        }
    }

    pub fn push_beginning(&mut self, plan: &mut Plan<TableStep>) {
        plan.steps.append(&mut self.beginning.steps);
    }
}

fn path_of_index(name: &str) -> Path {
    Path::default().field("globalSecondaryIndexes").element(name)
}

/// An index that goes, and whose scaling only an earlier manifest declared: nothing would know of its scaler any more.
fn push_of_lost(
    plan: &mut Plan<TableStep>,
    desired: &Desired<TableSpec>,
    (live, want): (&TableSpec, &TableSpec),
    targets: &Targets,
) {
    let stay = index_names(want);
    let earlier = earlier(desired);
    for (index, side) in capacities(&index_names(live)) {
        let Some(name) = index.filter(|index| !stay.iter().any(|stays| stays == index)) else {
            continue;
        };
        let target = side.target(&desired.aws_name, index);
        let was_declared = earlier.iter().any(|scaling| scaling.of(index, side).is_some());
        let is_pushed = plan.steps.iter().any(|step| {
            matches!(&step.call, TableStep::Scale(ScalingStep::Deregister(of)) if *of == target)
        });
        if was_declared && !is_pushed && targets.contains_key(&target) {
            let what = format!("auto scaling of index {name}");
            let step = TableStep::Scale(ScalingStep::Deregister(target));
            plan.push(Verb::Delete, what, Vec::new(), step);
        }
    }
}

/// What earlier forms of the manifest said of scaling.
fn earlier(desired: &Desired<TableSpec>) -> Vec<TableScaling> {
    let said = desired.earlier().filter(|spec| !spec[FIELD].is_null());
    said.filter_map(|spec| TableScaling::deserialize(&spec[FIELD]).ok()).collect()
}

/// Brings back what somebody has set beyond its bounds.
pub(super) fn push_beyond(plan: &mut Plan<TableStep>, owned: &Owned) {
    for (change, target, (min, max)) in owned.beyond() {
        // It is registered anyway.
        let is_registered = plan.steps.iter().any(|step| {
            matches!(&step.call, TableStep::Scale(ScalingStep::Register(of, ..)) if *of == target)
        });
        plan.changes.push(change.clone());
        if !is_registered {
            let step = TableStep::Scale(ScalingStep::Register(target, Some(min), Some(max)));
            let what = format!("{} within its bounds", change.path);
            plan.push(Verb::Update, what, vec![change], step).stands_alone();
        }
    }
}

/// The scalers that the manifest declares go before the table, which waits for that: once it is gone, nothing knows
/// of them.
pub(super) fn push_deletions(
    plan: &mut Plan<TableStep>,
    desired: &Desired<TableSpec>,
    live: &Targets,
) {
    if desired.spec.auto_scaling.is_none() {
        return;
    }
    if desired.unread.iter().any(|path| path.root() == FIELD) {
        plan.blocked = Some(scaling::outlives("the table"));
        return;
    }
    for target in live.keys() {
        let step = TableStep::Scale(ScalingStep::Deregister(target.clone()));
        let what = format!("auto scaling of {}", target.resource);
        plan.push(Verb::Delete, what, Vec::new(), step);
    }
}
