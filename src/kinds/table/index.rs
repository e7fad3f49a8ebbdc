//! The global indexes of a table: what differs, and what DynamoDB can do about it. Pure.
//!
//! Guarantees:
//! - A declared index is a whole: keys and limits that it leaves out are removed.
//! - What no manifest names is not lost without being asked for: an index that somebody made by hand is not deleted,
//!   the limits of one are not lifted, and it is not made again without the throughput that it has.
//!
//! Left to others: the order of the steps (`plan.rs`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kinds::{Desired, Unasked};
use crate::model::{Path, Segment};
use crate::plan::{Change, Plan, Verb};

use super::plan::{SHAPE, TableStep};
use super::spec::*;

/// What one update of an index sets; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexUpdate {
    /// Provisioned capacity.
    pub throughput: Option<Throughput>,
    /// The most that is served on demand.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What can be served at once; AWS only raises it.
    pub warm_throughput: Option<WarmThroughput>,
}

/// The fields of an index that can change while it lives.
const CHANGEABLE: &[&str] = &["throughput", "onDemandThroughput", "warmThroughput"];

/// The live indexes as their manifest is compared with them: capacity that DynamoDB or autoscaling sets is there
/// where the manifest asks for some, and warm throughput above what is asked for is as asked for.
pub(super) fn as_asked_for(live: &TableSpec, declared: &TableSpec) -> TableSpec {
    let warm = |live: Option<WarmThroughput>, floor: Option<WarmThroughput>| {
        floor.and_then(|floor| live.map(|live| live.at_most(floor)))
    };
    let mut seen = live.clone();
    for index in seen.global_secondary_indexes.iter_mut().flatten() {
        let asked = named(declared, &index.name);
        index.throughput.take_if(|_| asked.is_some_and(|asked| asked.throughput.is_none()));
        index.warm_throughput =
            warm(index.warm_throughput, asked.and_then(|asked| asked.warm_throughput));
    }
    seen
}

fn named<'a>(spec: &'a TableSpec, name: &str) -> Option<&'a GlobalIndex> {
    spec.global_secondary_indexes.iter().flatten().find(|index| index.name == name)
}

/// The field of an index that a change is about; `None` where it is the whole index.
fn field(change: &Change) -> Option<&str> {
    match change.path.0.get(2) {
        Some(Segment::Field(field)) => Some(field),
        _ => None,
    }
}

fn is_changeable(change: &Change) -> bool {
    field(change).is_some_and(|field| CHANGEABLE.contains(&field))
}

/// The changes of the global indexes, by index and by what AWS can do about them.
pub(super) struct IndexPlan {
    /// Name and changes of those that are not wanted any more.
    deletions: Vec<(String, Vec<Change>)>,
    /// Of those that are made again.
    replaced: Vec<(String, Vec<Change>)>,
    updates: Vec<(String, IndexUpdate, Vec<Change>)>,
    creations: Vec<(GlobalIndex, Vec<Change>)>,
}

impl IndexPlan {
    /// What the changes would lose and nobody asked for: an index that a person made, limits that one put on an index,
    /// and the throughput of an index that has to be made again. To make an index again takes hours in a large table.
    pub fn unasked(
        desired: &Desired<TableSpec>,
        live: &TableSpec,
        changes: &[Change],
    ) -> Vec<Unasked> {
        let lifts = |change: &&Change| {
            field(change) == Some("onDemandThroughput")
                && change.desired.is_none()
                && !says_no_limit(&desired.spec, change)
        };
        let mut lost: Vec<Change> = changes.iter().filter(lifts).cloned().collect();
        // A key of several attributes is another index, which an earlier version took for the declared one.
        lost.extend(changes.iter().filter(|c| is_undeclared_key(c)).cloned());
        for index in live.global_secondary_indexes.iter().flatten() {
            let at = Path::default().field("globalSecondaryIndexes").element(&index.name);
            // The list as a whole was declared empty, or the index is not in it, or its keys are others.
            let goes = |c: &Change| at.0.starts_with(&c.path.0) || c.path.0.starts_with(&at.0);
            if !changes.iter().any(|change| goes(change) && !is_changeable(change)) {
                continue;
            }
            match named(&desired.spec, &index.name) {
                Some(asked) => {
                    lost.extend(lost_with(index, asked, desired.spec.billing_mode(), &at));
                }
                None => lost.push(taken(at, json!({"name": index.name}))),
            }
        }
        desired.unasked(lost.iter(), &SHAPE)
    }

    pub fn new(want: &TableSpec, live: &TableSpec, changes: Vec<Change>) -> Self {
        let mut by_index: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            match change.path.0.get(1) {
                Some(Segment::Element(name)) => {
                    by_index.entry(name.clone()).or_default().push(change);
                }
                // The list as a whole was declared empty.
                _ => {
                    for index in live.global_secondary_indexes.iter().flatten() {
                        by_index.entry(index.name.clone()).or_default().push(change.clone());
                    }
                }
            }
        }
        let mut plan = Self {
            deletions: Vec::new(),
            replaced: Vec::new(),
            updates: Vec::new(),
            creations: Vec::new(),
        };
        for (name, changes) in by_index {
            let (wanted, exists) = (named(want, &name).cloned(), named(live, &name).is_some());
            match wanted {
                Some(index) if exists && changes.iter().all(is_changeable) => {
                    let warm = named(live, &name).and_then(|index| index.warm_throughput);
                    let update = update_of(&index, warm, &changes);
                    plan.updates.push((name, update, changes));
                }
                // Keys and projection are for life: the index is made again.
                Some(index) if exists => {
                    plan.replaced.push((name, changes.clone()));
                    plan.creations.push((index, changes));
                }
                Some(index) => plan.creations.push((index, changes)),
                None => plan.deletions.push((name, changes)),
            }
        }
        plan
    }

    /// The throughputs that go along with another throughput of the table: of indexes that stay, and change theirs.
    pub fn throughputs(&self) -> Vec<(String, Throughput)> {
        let changed = |(name, update, _): &(String, IndexUpdate, _)| {
            update.throughput.map(|throughput| (name.clone(), throughput))
        };
        self.updates.iter().filter_map(changed).collect()
    }

    /// The throughputs that a table on demand needs to become provisioned: of every index that it has then. An ignored
    /// one is given once, as at a creation. The error names an index without any.
    pub fn first_throughputs(
        &self,
        declared: &TableSpec,
        live: &TableSpec,
    ) -> Result<Vec<(String, Throughput)>, String> {
        let goes = |name: &str| self.deletions.iter().any(|(gone, _)| gone == name);
        let stay = live.global_secondary_indexes.iter().flatten().filter(|i| !goes(&i.name));
        let given = self.throughputs();
        let of = |index: &GlobalIndex| {
            let given = given.iter().find(|(name, _)| *name == index.name).map(|(_, t)| *t);
            let given = given.or(named(declared, &index.name).and_then(|index| index.throughput));
            given.map(|throughput| (index.name.clone(), throughput)).ok_or(index.name.clone())
        };
        stay.map(of).collect()
    }

    pub fn push_deletions(&self, plan: &mut Plan<TableStep>) {
        push_deletions(plan, &self.deletions);
    }

    pub fn push_updates(&self, plan: &mut Plan<TableStep>, want: &TableSpec) {
        // A change of billing mode sets every index's throughput in its own call.
        let covered = plan.steps.iter().any(|s| matches!(s.call, TableStep::Billing(..)))
            && want.billing_mode() == Some(BillingMode::Provisioned);
        for (name, update, changes) in &self.updates {
            let mut update = update.clone();
            update.throughput.take_if(|_| covered);
            if update != IndexUpdate::default() {
                let step = TableStep::UpdateIndex(name.clone(), update);
                let what = format!("index {name}");
                plan.push(Verb::Update, what, changes.clone(), step).stands_alone();
            }
        }
    }

    /// What is made again is deleted right before it, and after everything else: what AWS refuses leaves it as
    /// it is.
    pub fn push_creations(&self, plan: &mut Plan<TableStep>) {
        push_deletions(plan, &self.replaced);
        for (index, changes) in &self.creations {
            let step = TableStep::CreateIndex(Box::new(index.clone()));
            let what = format!("index {}", index.name);
            plan.push(Verb::Create, what, changes.clone(), step).stands_alone();
        }
    }
}

fn push_deletions(plan: &mut Plan<TableStep>, deletions: &[(String, Vec<Change>)]) {
    for (name, changes) in deletions {
        let step = TableStep::DeleteIndex(name.clone());
        let what = format!("index {name}");
        plan.push(Verb::Delete, what, changes.clone(), step).stands_alone();
    }
}

/// Whether the manifest says of a limit that there is none.
fn says_no_limit(declared: &TableSpec, change: &Change) -> bool {
    let Some(Segment::Element(name)) = change.path.0.get(1) else { return false };
    let limits = named(declared, name).and_then(|index| index.on_demand_throughput);
    limits.is_some_and(|limits| match change.path.0.get(3) {
        Some(Segment::Field(field)) if field == "maxReadRequestUnits" => {
            limits.max_read_request_units.is_some()
        }
        Some(Segment::Field(field)) if field == "maxWriteRequestUnits" => {
            limits.max_write_request_units.is_some()
        }
        _ => limits.is_unlimited(),
    })
}

fn is_undeclared_key(change: &Change) -> bool {
    change.desired.is_none()
        && matches!(field(change), Some("additionalPartitionKeys" | "additionalSortKeys"))
}

fn taken(path: Path, live: Value) -> Change {
    Change { path, live: Some(live), desired: None }
}

/// What an index has, its manifest does not name, and making it again would lose.
fn lost_with(
    live: &GlobalIndex,
    asked: &GlobalIndex,
    mode: Option<BillingMode>,
    at: &Path,
) -> Vec<Change> {
    let mut lost = Vec::new();
    if let (Some(throughput), None) = (live.throughput, asked.throughput)
        && mode != Some(BillingMode::PayPerRequest)
    {
        lost.push(taken(at.field("throughput"), json!(throughput)));
    }
    // What every index has comes back by itself.
    let floor = asked.warm_throughput.unwrap_or_default().or(WarmThroughput::USUAL);
    let live_warm = live.warm_throughput.map(|warm| warm.or(floor));
    if let Some(warm) = live_warm.filter(|warm| warm.at_most(floor) != *warm) {
        lost.push(taken(at.field("warmThroughput"), json!(warm)));
    }
    lost
}

/// What one call sets of an index: what changes, and nothing else. A limit that is not declared is taken
/// away with -1.
fn update_of(
    wanted: &GlobalIndex,
    live_warm: Option<WarmThroughput>,
    changes: &[Change],
) -> IndexUpdate {
    let has = |name: &str| changes.iter().any(|change| field(change) == Some(name));
    let limits = wanted.on_demand_throughput.unwrap_or_default();
    let limits = OnDemandThroughput {
        max_read_request_units: limits.max_read_request_units.or(Some(-1)),
        max_write_request_units: limits.max_write_request_units.or(Some(-1)),
    };
    IndexUpdate {
        throughput: wanted.throughput.filter(|_| has("throughput")),
        on_demand_throughput: has("onDemandThroughput").then_some(limits),
        warm_throughput: wanted
            .warm_throughput
            .filter(|_| has("warmThroughput"))
            .map(|warm| warm.at_least(live_warm)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::plan;
    use super::*;
    use crate::kinds::table::LiveTable;

    fn by(extra: Value) -> Value {
        let mut index = json!({
            "name": "by", "partitionKey": {"name": "sku", "type": "S"}, "projection": {"type": "ALL"},
        });
        for (field, value) in extra.as_object().unwrap() {
            index[field] = value.clone();
        }
        json!({"partitionKey": {"name": "id", "type": "S"}, "globalSecondaryIndexes": [index]})
    }

    fn planned(desired: &Desired<TableSpec>, live: Value) -> Plan<TableStep> {
        let live = LiveTable::sample(by(live), desired.tags.clone());
        plan(desired, Some(&live))
    }

    fn outline(declared: Value, live: Value) -> Vec<String> {
        planned(&Desired::sample("Table", by(declared)), live).outline()
    }

    const MADE_AGAIN: [&str; 2] = ["Delete index by", "Create index by"];

    #[test]
    fn every_attribute_of_an_indexs_key_counts() {
        let keys = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({"name": name, "type": "S"})).collect()
        };
        let two = json!({"additionalPartitionKeys": keys(&["shop"])});
        assert_eq!(outline(two.clone(), two.clone()), [""; 0]);
        let more = planned(&Desired::sample("Table", by(json!({}))), two.clone());
        assert_eq!(more.changes.len(), 1, "one more than declared is a difference");
        assert!(
            more.obstacle().unwrap().message.contains("additionalPartitionKeys"),
            "and is asked"
        );
        assert_eq!(outline(two.clone(), json!({})), MADE_AGAIN, "one less");
        let other = json!({"additionalPartitionKeys": keys(&["market"])});
        assert_eq!(outline(two, other), MADE_AGAIN);
        let sort = |names: &[&str]| json!({"sortKey": {"name": "at", "type": "S"}, "additionalSortKeys": keys(names)});
        assert_eq!(outline(sort(&["a", "b"]), sort(&["b", "a"])), MADE_AGAIN, "in their order");
    }

    #[test]
    fn limits_of_an_index_change_in_place() {
        let limits = |read: i64| json!({"onDemandThroughput": {"maxReadRequestUnits": read}});
        assert_eq!(outline(limits(10), limits(10)), [""; 0]);
        assert_eq!(outline(limits(10), limits(20)), ["Update index by"]);
        assert_eq!(outline(limits(-1), json!({})), [""; 0], "no limit reads as none");
        let other = |read: i64, write: i64| json!({"onDemandThroughput": {"maxReadRequestUnits": read, "maxWriteRequestUnits": write}});
        assert_eq!(outline(limits(10), other(10, -1)), [""; 0], "as AWS is read");
        assert_eq!(
            outline(other(-1, -1), limits(10)),
            ["Update index by"],
            "it says that there is none"
        );
        let desired = Desired::sample("Table", by(limits(10)));
        let plan = planned(
            &desired,
            json!({"onDemandThroughput": {"maxReadRequestUnits": 20, "maxWriteRequestUnits": -1}}),
        );
        let TableStep::UpdateIndex(_, update) = &plan.steps[0].call else { panic!("{plan:?}") };
        let limits = update.on_demand_throughput.unwrap();
        assert_eq!(limits.max_read_request_units, Some(10));
        assert_eq!((update.throughput, update.warm_throughput), (None, None));
    }

    #[test]
    fn warm_throughput_is_a_floor() {
        let warm = |read: i64| json!({"warmThroughput": {"readUnitsPerSecond": read}});
        assert_eq!(outline(warm(13_000), warm(20_000)), [""; 0], "it cannot be lowered");
        assert_eq!(outline(warm(20_000), warm(13_000)), ["Update index by"]);
        let both = |read: i64, write: i64| json!({"warmThroughput": {"readUnitsPerSecond": read, "writeUnitsPerSecond": write}});
        assert_eq!(
            outline(warm(13_000), both(13_000, 4_000)),
            [""; 0],
            "of the other nothing is asked"
        );
        let plan =
            planned(&Desired::sample("Table", by(both(20_000, 4_000))), both(13_000, 50_000));
        let TableStep::UpdateIndex(_, update) = &plan.steps[0].call else { panic!("{plan:?}") };
        assert_eq!(
            update.warm_throughput.unwrap().write_units_per_second,
            Some(50_000),
            "not lowered"
        );
        assert_eq!(outline(json!({}), warm(20_000)), [""; 0], "DynamoDB raises it by itself");
    }

    #[test]
    fn what_an_index_has_and_nobody_declared_is_not_lost_without_being_asked_for() {
        let other_projection = json!({"projection": {"type": "KEYS_ONLY"}});
        for (live, field) in [
            (json!({"onDemandThroughput": {"maxReadRequestUnits": 10}}), "onDemandThroughput"),
            (json!({"warmThroughput": {"readUnitsPerSecond": 50_000}}), "warmThroughput"),
            (
                json!({"throughput": {"readCapacityUnits": 5, "writeCapacityUnits": 5}}),
                "throughput",
            ),
        ] {
            let mut desired = Desired::sample("Table", by(other_projection.clone()));
            let blocked = planned(&desired, live.clone()).obstacle().cloned().expect(field);
            let path = format!("globalSecondaryIndexes[by].{field}");
            assert!(blocked.message.contains(&path), "{blocked:?}");
            desired.confirmed = true;
            assert_eq!(planned(&desired, live).outline(), MADE_AGAIN, "{field}");
        }
        let usual =
            json!({"warmThroughput": {"readUnitsPerSecond": 12_000, "writeUnitsPerSecond": 4_000}});
        assert_eq!(outline(other_projection, usual), MADE_AGAIN, "what every index has is no loss");
    }

    #[test]
    fn an_index_that_no_manifest_ever_listed_is_not_deleted_without_being_asked_for() {
        let without = |indexes: Value| json!({"partitionKey": {"name": "id", "type": "S"}, "globalSecondaryIndexes": indexes});
        let other = json!([{
            "name": "other", "partitionKey": {"name": "day", "type": "S"}, "projection": {"type": "ALL"},
        }]);
        for (listed, deleted) in [(json!([]), 1), (other, 2)] {
            let mut desired = Desired::sample("Table", without(listed));
            let warm = json!({"warmThroughput": {"readUnitsPerSecond": 50_000}});
            let blocked =
                planned(&desired, warm.clone()).obstacle().cloned().expect("nobody declared it");
            assert!(blocked.message.contains("globalSecondaryIndexes[by] is set"), "{blocked:?}");
            desired.previous = Some(by(json!({})).into());
            let plan = planned(&desired, warm.clone());
            assert_eq!(plan.obstacle(), None, "it left the manifest");
            assert_eq!(plan.outline().len(), deleted, "{plan:?}");
            (desired.previous, desired.confirmed) = (None, true);
            assert_eq!(planned(&desired, warm).obstacle(), None, "it was confirmed");
        }
    }

    #[test]
    fn a_limit_that_leaves_the_manifest_is_taken_away() {
        let mut desired = Desired::sample("Table", by(json!({})));
        let limits = json!({"onDemandThroughput": {"maxReadRequestUnits": 10}});
        desired.previous = Some(by(limits.clone()).into());
        let plan = planned(&desired, limits);
        assert_eq!(plan.outline(), ["Update index by"]);
        let TableStep::UpdateIndex(_, update) = &plan.steps[0].call else { panic!("{plan:?}") };
        assert_eq!(update.on_demand_throughput.unwrap().max_read_request_units, Some(-1));
    }
}
