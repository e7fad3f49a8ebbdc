//! What to do about a table, in AWS's order.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use schemars::schema_for;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kinds::scaling::{ScalingStep, Targets};
use crate::kinds::{
    Desired, FacetStep, LiveSide, SeenFacets, comparable, policy, push_facets, readable, split_off,
};
use crate::model::{DataSource, Path};
use crate::plan::{Blocked, Change, PartlyBlocked, Plan, Shape, Verb};

use super::billing;
use super::exports::Import;
use super::facets::{FACETS, TableRef};
use super::index::{IndexPlan, IndexUpdate, as_asked_for};
use super::last_backup;
use super::observe::LiveTable;
use super::scaling::{self, Owned, ScalingPlan};
use super::settings::SETTINGS;
use super::spec::*;

/// One call to DynamoDB.
#[derive(Clone, Debug, PartialEq)]
pub enum TableStep {
    /// Makes the table with these tags.
    Create(Box<TableSpec>, BTreeMap<String, String>),
    /// What it is made from, and what DynamoDB lets a new table have of its manifest; its tags and its other settings
    /// follow.
    Restore(DataSource, Option<Billing>, Option<TableEncryption>),
    /// A table whose items DynamoDB reads from an export; what an import takes of its manifest goes into the call.
    Import(Box<TableSpec>, DataSource),
    /// Deletes the global index of that name.
    DeleteIndex(String),
    /// The table's billing, and the throughput of those indexes whose own changes with it.
    Billing(Billing, Vec<(String, Throughput)>),
    /// Changes the capacity of the global index of that name.
    UpdateIndex(String, IndexUpdate),
    /// Makes a global index.
    CreateIndex(Box<GlobalIndex>),
    /// Writes or removes a facet of the table.
    Facet(Arc<TableRef>, FacetStep<TableRef>),
    /// Changes who scales a capacity, and how.
    Scale(ScalingStep),
    /// The table's ARN, and its tags.
    Tag(String, BTreeMap<String, String>),
    /// Its name, and since when one of that name counts. The table goes once it can be restored from.
    LastBackup(String, Option<Timestamp>),
    /// Deletes the table.
    Delete,
}

/// What TableCreationParameters of
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ImportTable.html> has no member for.
const NO_LOCAL_INDEX: &str = "DynamoDB makes no table with local indexes from an export. Make the table anew without \
     its items (`trueup apply --confirm Table/NAME`) and copy them yourself, or restore it where its backup is";

pub(super) static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    Shape::of(
        schema_for!(TableSpec).as_value(),
        &[
            "billing.throughput",
            "globalSecondaryIndexes.throughput",
            "stream.viewType",
            "ttl.attribute",
        ],
    )
});

pub(super) fn plan(desired: &Desired<TableSpec>, live: Option<&LiveTable>) -> Plan<TableStep> {
    let Some(live) = live else {
        return plan_creation(desired);
    };
    let by_meaning = |value| policy::by_meaning(value, "resourcePolicy");
    let declared = by_meaning(comparable(&normalized(&desired.spec), &desired.tags));
    let seen = by_meaning(words(live, desired));
    let mut compared = desired.compare(declared, LiveSide::Resource(&seen), &SHAPE);
    if let Some(policy) = compared.effective.get_mut("resourcePolicy").filter(|p| p.is_string()) {
        // It was one text to be compared by its meaning.
        *policy = json!(desired.spec.resource_policy);
    }
    let mut want = match core(&compared.effective) {
        Ok(want) => want,
        Err(blocked) => return Plan { blocked: Some(blocked), ..Plan::default() },
    };
    let owned = Owned::new(desired, &live.spec, &live.scaling);
    owned.keep(&mut compared.changes);
    owned.settle(&mut want);
    let is_on_demand =
        want.billing_mode().or(live.spec.billing_mode()) == Some(BillingMode::PayPerRequest);
    let mut effective = compared.effective.clone();
    compared.changes.retain(|change| {
        !(is_on_demand && is_of_throughput(change) || means_nothing(change, &effective, &seen))
    });
    compared.changes.extend(undeclared_sort_key(desired, &live.spec));
    let mut plan = Plan { changes: compared.changes.clone(), ..Plan::default() };
    let mut changes = compared.changes.clone();
    let forever = split_off(&mut changes, &["partitionKey", "sortKey", "localSecondaryIndexes"]);
    let instead = no_step_now(live).or_else(|| lacks_items(desired, live));
    if let Some(Plan { waiting, blocked, .. }) = instead.or_else(|| replacement_needed(&forever)) {
        return Plan { waiting, blocked, ..plan };
    }
    let wanted_tags = compared.tags(&desired.tags);
    let indexes = split_off(&mut changes, &["globalSecondaryIndexes"]);
    let billing_changes = split_off(&mut changes, &["billing"]);
    let mut unasked = IndexPlan::unasked(desired, &live.spec, &indexes);
    let live_policy = live.facets.get("resourcePolicy").map(|seen| &seen.words);
    unasked.extend(desired.unasked_policy("resourcePolicy", live_policy));
    let index_plan = IndexPlan::new(&want, &live.spec, indexes);
    let mut scaling_plan =
        ScalingPlan::new(desired, (&live.spec, &want), &live.scaling, &mut changes);
    unasked.append(&mut scaling_plan.unasked);
    plan.partly_blocked = desired.ask(unasked);
    let policy_path = Path::default().field("resourcePolicy");
    let is_asked = plan.partly_blocked.as_ref().is_some_and(|part| part.holds(&policy_path));
    let beside = desired.policy_beside("resourcePolicy", live_policy).filter(|_| is_asked);
    if let Some((written, of_statements)) = beside {
        effective["resourcePolicy"] = written;
        changes.retain(|change| change.path != policy_path);
        plan.changes.extend(of_statements.iter().cloned());
        changes.extend(of_statements);
    }
    if let Some(stuck) = stays_off(&desired.ignore, &seen, &changes) {
        plan.block_part(stuck);
    }
    let step = |step| TableStep::Facet(Arc::clone(&live.of), step);
    // What protects comes first, and no step waits for another that AWS may refuse.
    push_facets(&mut plan, FACETS, &live.facets, &effective, &mut changes, step);
    let tags = split_off(&mut changes, &["tags"]);
    if !tags.is_empty() {
        let step = TableStep::Tag(live.of.arn.clone(), wanted_tags);
        plan.push(Verb::Update, "tags", tags, step).stands_alone();
    }
    push_facets(&mut plan, SETTINGS, &live.facets, &effective, &mut changes, step);
    scaling_plan.push_ending(&mut plan, &want);
    index_plan.push_deletions(&mut plan);
    billing::push(&mut plan, desired, (&live.spec, &want), &index_plan, billing_changes);
    index_plan.push_updates(&mut plan, &want);
    scaling_plan.push_beginning(&mut plan);
    scaling::push_beyond(&mut plan, &owned);
    index_plan.push_creations(&mut plan);
    plan
}

/// Why DynamoDB takes no write of the table now.
fn no_step_now(live: &LiveTable) -> Option<Plan<TableStep>> {
    let unusable = live.failure.clone().map(|why| Plan::blocked("TableUnusable", why));
    let unknown = || live.unknown_state.clone().map(|why| Plan::blocked("UnknownState", why));
    let busy = || live.busy.clone().map(|why| Plan::waiting("TableUpdating", why));
    unusable.or_else(unknown).or_else(busy)
}

/// What a table has from its creation on.
fn replacement_needed(changes: &[Change]) -> Option<Plan<TableStep>> {
    if changes.is_empty() {
        return None;
    }
    let fields: Vec<_> = changes.iter().map(|change| change.path.to_string()).collect();
    let message = format!(
        "{} cannot change in a table that exists, and trueup does not replace tables. Make a new Table under another \
         name, move the data, then remove this one",
        fields.join(", ")
    );
    Some(Plan::blocked("ReplacementNeeded", message))
}

/// What a table waits for, or why it goes no further, that is made from an export and has not all of its items. A
/// person may confirm it as it is.
fn lacks_items(desired: &Desired<TableSpec>, live: &LiveTable) -> Option<Plan<TableStep>> {
    let Some(DataSource::TableExport { items, .. }) = &desired.source else { return None };
    if desired.confirmed {
        return None;
    }
    let (id, name) = (&desired.key.id, &desired.aws_name);
    let ways = format!(
        "Delete the table {name} in AWS, and it is made from the export again; to keep it as it is: `trueup apply \
         --confirm {id}`"
    );
    let incomplete =
        |what: String| Some(Plan::blocked("ImportIncomplete", format!("{what}. {ways}")));
    match &live.import {
        None => {
            Some(Plan::waiting("Importing", "DynamoDB does not list the import of its items yet"))
        }
        Some(Import::Running) => {
            Some(Plan::waiting("Importing", "DynamoDB reads the table's items"))
        }
        Some(Import::Failed(why)) => {
            incomplete(format!("the import of the table's items failed ({why})"))
        }
        Some(Import::Completed { errors, .. }) if *errors > 0 => incomplete(format!(
            "DynamoDB could not import {errors} of {items} items; its log group /aws-dynamodb/imports names them"
        )),
        Some(Import::Completed { imported, .. }) if imported < items => {
            incomplete(format!("DynamoDB imported {imported} items, and the export had {items}"))
        }
        Some(Import::Completed { .. }) => None,
    }
}

/// What was read, in the words of the spec. Warm throughput above what is asked for is as asked for.
fn words(live: &LiveTable, desired: &Desired<TableSpec>) -> Value {
    let declared = &desired.spec;
    let mut seen = comparable(&normalized(&as_asked_for(&live.spec, declared)), &live.tags);
    for (field, facet) in &live.facets {
        seen[field] = facet.words.clone();
    }
    if let Some(floor) = declared.warm_throughput
        && let Ok(warm) = WarmThroughput::deserialize(&seen["warmThroughput"])
    {
        seen["warmThroughput"] = json!(warm.at_most(floor));
    }
    if let Some(scaling) = scaling::words(desired, &live.spec, &live.scaling) {
        seen[scaling::FIELD] = scaling;
    }
    seen
}

/// Keys, indexes and billing of an effective spec; the rest is written by its facets.
fn core(effective: &Value) -> Result<TableSpec, Blocked> {
    let mut core = effective.clone();
    if let Value::Object(fields) = &mut core {
        fields.retain(|field, _| {
            FACETS.iter().chain(&SETTINGS).all(|facet| facet.field() != field.as_str())
        });
    }
    readable(&core)
}

/// A table that does not exist: what CreateTable takes goes into the call, the rest follows once
/// the table is ACTIVE.
fn plan_creation(desired: &Desired<TableSpec>) -> Plan<TableStep> {
    let spec = &desired.spec;
    let mut plan = Plan::default();
    let create = match &desired.source {
        Some(source @ DataSource::TableExport { .. }) => {
            TableStep::Import(Box::new(spec.clone()), source.clone())
        }
        Some(source) => {
            TableStep::Restore(source.clone(), spec.billing.clone(), spec.encryption.clone())
        }
        None => TableStep::Create(Box::new(spec.clone()), desired.tags.clone()),
    };
    let declared = comparable(&normalized(spec), &BTreeMap::new());
    let nothing = json!({});
    let compared = desired.compare(declared.clone(), LiveSide::Nothing(&nothing), &SHAPE);
    let mut given = compared.changes;
    split_off(&mut given, &["tags"]);
    let mut later = split_off(&mut given, &FACETS.map(|facet| facet.field()));
    let nobody = Targets::new();
    let mut scaling_plan = ScalingPlan::new(desired, (spec, spec), &nobody, &mut given);
    plan.push_whole(Verb::Create, "table", given, create);
    if let (Some(DataSource::TableExport { .. }), Some([_, ..])) =
        (&desired.source, spec.local_secondary_indexes.as_deref())
    {
        plan.blocked = Some(Blocked { reason: "NotPlannable", message: NO_LOCAL_INDEX.to_owned() });
    }
    let metered = spec.global_secondary_indexes.iter().flatten().find(|i| i.throughput.is_some());
    if let (None, Some(index)) = (&spec.billing, metered) {
        let message = format!(
            "index {} has a throughput, and a new table without `billing` is made on demand, where DynamoDB takes \
             none. Declare billing, or take the throughput out",
            index.name
        );
        plan.blocked = Some(Blocked { reason: "NotPlannable", message });
    }
    // Once the table is there they are read, and then written.
    later.retain(|change| is_on(&declared, change.path.root()));
    let of = Arc::new(TableRef::unseen(&desired.aws_name));
    let step = |step| TableStep::Facet(Arc::clone(&of), step);
    push_facets(&mut plan, FACETS, &SeenFacets::new(), &declared, &mut later, step);
    scaling_plan.push_beginning(&mut plan);
    plan
}

/// A table that the manifest gives no sort key has none: with one it is another table.
fn undeclared_sort_key(desired: &Desired<TableSpec>, live: &TableSpec) -> Option<Change> {
    let path = Path::default().field("sortKey");
    let is_asked = desired.spec.sort_key.is_some() || desired.ignore.contains(&path);
    let key = live.sort_key.as_ref().filter(|_| !is_asked)?;
    Some(Change { path, live: Some(json!(key)), desired: None })
}

/// Whether a side says of what can be switched off that it is on.
fn is_on(side: &Value, root: &str) -> bool {
    match root {
        "ttl" | "stream" | "pointInTimeRecovery" | "contributorInsights" => {
            side[root]["enabled"] == json!(true)
        }
        // DynamoDB's own key is no key that could be another.
        "encryption" => side[root].is_object() && side[root]["type"] != json!("AWS_OWNED"),
        _ => true,
    }
}

/// A switch that is ignored stays where it is, and what is off has nothing else that could differ. Insights that
/// go off have no mode.
fn means_nothing(change: &Change, want: &Value, live: &Value) -> bool {
    let root = change.path.root();
    let is_of_insights = change.path.fields() == "contributorInsights.mode";
    !is_on(want, root) && (is_of_insights || !is_on(live, root))
}

/// What is on demand has no throughput.
fn is_of_throughput(change: &Change) -> bool {
    let fields = change.path.fields();
    fields.starts_with("billing.throughput")
        || fields.starts_with("globalSecondaryIndexes.throughput")
}

/// A stream or a time to live that is on changes by being turned off and on again. Where its switch is
/// ignored, it would stay off.
fn stays_off(ignore: &[Path], live: &Value, changes: &[Change]) -> Option<PartlyBlocked> {
    let root = ["stream", "ttl"].into_iter().filter(|root| is_on(live, root)).find(|root| {
        let switch = Path::default().field(root).field("enabled");
        ignore.contains(&switch) && changes.iter().any(|change| change.path.root() == *root)
    })?;
    let message = format!(
        "DynamoDB changes {root} only by turning it off and on again, and `ignore` names {root}.enabled: it \
         would stay off. Ignore {root} as a whole, or take {root}.enabled out of `ignore`"
    );
    let why = Blocked { reason: "NotPlannable", message };
    Some(PartlyBlocked { paths: vec![Path::default().field(root)], why })
}

/// What is off has no further fields: what means nothing is not compared.
fn normalized(spec: &TableSpec) -> TableSpec {
    let mut spec = spec.clone();
    if let Some(stream) = spec.stream.as_mut().filter(|s| !s.enabled) {
        stream.view_type = None;
    }
    if let Some(encryption) = spec.encryption.as_mut()
        && encryption.kind == EncryptionType::AwsOwned
    {
        encryption.kms_key_arn = None;
    }
    if let Some(ttl) = spec.ttl.as_mut().filter(|ttl| !ttl.enabled) {
        ttl.attribute.clear();
    }
    if let Some(insights) = spec.contributor_insights.as_mut().filter(|i| !i.enabled) {
        insights.mode = None;
    }
    if let Some(recovery) = spec.point_in_time_recovery.as_mut().filter(|p| !p.enabled) {
        recovery.recovery_period_in_days = None;
    }
    for index in spec.global_secondary_indexes.iter_mut().flatten() {
        index.on_demand_throughput =
            index.on_demand_throughput.map(|l| l.without_unlimited()).filter(|l| !l.is_unlimited());
        index.additional_partition_keys.take_if(|keys| keys.is_empty());
        index.additional_sort_keys.take_if(|keys| keys.is_empty());
    }
    spec
}

/// AWS refuses a throughput that does not change, so only the indexes whose own changes go along.
pub(super) fn plan_deletion(desired: &Desired<TableSpec>, live: &LiveTable) -> Plan<TableStep> {
    if let Some(busy) = &live.busy {
        return Plan::waiting("TableUpdating", busy.clone());
    }
    if live.is_protected {
        return Plan::blocked(
            "DeletionProtected",
            "the table's deletion protection is on. To delete it, apply its manifest once more with \
             deletionProtection: false, then remove it; to keep it, set deletionPolicy: Retain",
        );
    }
    let mut plan = Plan::default();
    scaling::push_deletions(&mut plan, desired, &live.scaling);
    if desired.keeps_last_backup {
        let id = live.of.described.table_id().unwrap_or_default();
        let name = last_backup::name_of(&desired.aws_name, id);
        plan.push(
            Verb::Create,
            format!("last backup {name}"),
            Vec::new(),
            TableStep::LastBackup(name, desired.backed_up_since),
        );
    }
    plan.push_whole(Verb::Delete, "table", Vec::new(), TableStep::Delete);
    plan
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{Step, render_plan};

    pub(in super::super) fn table(extra: Value) -> Value {
        let mut spec = json!({"partitionKey": {"name": "id", "type": "S"}});
        for (field, value) in extra.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    }

    pub(in super::super) fn live(spec: Value, desired: &Desired<TableSpec>) -> LiveTable {
        LiveTable::sample(table(spec), desired.tags.clone())
    }

    /// The plan for a declared spec over a live one.
    fn plan_of(declared: Value, seen: Value) -> Plan<TableStep> {
        let desired = Desired::sample("Table", table(declared));
        plan(&desired, Some(&live(seen, &desired)))
    }

    /// As `plan_of`, where the manifest declared before what is seen.
    fn plan_of_edit(declared: Value, seen: Value) -> Plan<TableStep> {
        let mut desired = Desired::sample("Table", table(declared));
        desired.previous = Some(table(seen.clone()).into());
        plan(&desired, Some(&live(seen, &desired)))
    }

    /// What the facets' steps write.
    fn written(plan: &Plan<TableStep>) -> Vec<String> {
        let shown = |step: &Step<TableStep>| match &step.call {
            TableStep::Facet(_, step) => Some(format!("{step:?}")),
            _ => None,
        };
        plan.steps.iter().filter_map(shown).collect()
    }

    fn planned(declared: Value, seen: Value) -> String {
        render_plan(&plan_of(declared, seen))
    }

    fn index(name: &str, throughput: Option<i64>) -> Value {
        let mut index = json!({
            "name": name, "partitionKey": {"name": name, "type": "S"}, "projection": {"type": "ALL"},
        });
        if let Some(units) = throughput {
            index["throughput"] = json!({"readCapacityUnits": units, "writeCapacityUnits": units});
        }
        index
    }

    fn provisioned(units: i64) -> Value {
        json!({"mode": "PROVISIONED", "throughput": {"readCapacityUnits": units, "writeCapacityUnits": units}})
    }

    #[test]
    fn an_ignored_capacity_is_what_a_switch_to_provisioned_begins_with() {
        let mut desired = Desired::sample("Table", table(json!({"billing": provisioned(10)})));
        desired.ignore = vec!["billing.throughput".parse().unwrap()];
        let on_demand = live(json!({"billing": {"mode": "PAY_PER_REQUEST"}}), &desired);
        let switched = plan(&desired, Some(&on_demand));
        let TableStep::Billing(billing, _) = &switched.steps[0].call else {
            panic!("{switched:?}")
        };
        assert_eq!(json!(billing), provisioned(10));
        let scaled = live(json!({"billing": provisioned(70)}), &desired);
        assert_eq!(plan(&desired, Some(&scaled)).outline(), [""; 0]);
    }

    #[test]
    fn a_new_table_is_made_first_and_completed_once_it_is_active() {
        let desired = Desired::sample(
            "Table",
            table(
                json!({"ttl": {"attribute": "expiresAt"}, "pointInTimeRecovery": {"enabled": true}}),
            ),
        );
        insta::assert_snapshot!(render_plan(&plan(&desired, None)));
    }

    #[test]
    fn changes_come_in_awss_order() {
        let declared = json!({
            "billing": {"mode": "PAY_PER_REQUEST"},
            "tableClass": "STANDARD_INFREQUENT_ACCESS",
            "deletionProtection": true,
            "globalSecondaryIndexes": [index("kept", None), index("new", None)],
        });
        let live = json!({
            "billing": provisioned(5),
            "tableClass": "STANDARD",
            "deletionProtection": false,
            "globalSecondaryIndexes": [index("kept", Some(5)), index("old", Some(5))],
        });
        insta::assert_snapshot!(render_plan(&plan_of_edit(declared, live)));
    }

    #[test]
    fn billing_carries_only_the_indexes_whose_throughput_changes() {
        let declared = json!({
            "billing": provisioned(9),
            "globalSecondaryIndexes": [index("same", Some(5)), index("more", Some(9))],
        });
        let live = json!({
            "billing": provisioned(5),
            "globalSecondaryIndexes": [index("same", Some(5)), index("more", Some(5))],
        });
        let plan = plan_of(declared, live);
        let [step] = &plan.steps[..] else { panic!("one step, not {:?}", plan.steps) };
        let TableStep::Billing(_, indexes) = &step.call else { panic!("{:?}", step.call) };
        assert_eq!(indexes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["more"]);
    }

    #[test]
    fn what_is_off_has_no_further_fields() {
        for (declared, live) in [
            (
                json!({"ttl": {"enabled": false, "attribute": "x"}}),
                json!({"ttl": {"enabled": false, "attribute": ""}}),
            ),
            (
                json!({"pointInTimeRecovery": {"enabled": false, "recoveryPeriodInDays": 7}}),
                json!({"pointInTimeRecovery": {"enabled": false}}),
            ),
            (
                json!({"stream": {"enabled": false, "viewType": "KEYS_ONLY"}}),
                json!({"stream": {"enabled": false}}),
            ),
        ] {
            assert_eq!(planned(declared.clone(), live), "", "{declared}");
        }
    }

    #[test]
    fn a_stream_or_a_ttl_that_changes_is_turned_off_first() {
        let stream = |view: &str| json!({"stream": {"enabled": true, "viewType": view}});
        let off = "stream Stream { enabled: false, view_type: None }";
        assert_eq!(written(&plan_of(stream("NEW_IMAGE"), stream("OLD_IMAGE"))), [off]);
        let ttl = |attribute: &str| json!({"ttl": {"attribute": attribute}});
        let off = r#"time to live TimeToLive { enabled: false, attribute: "old" }"#;
        assert_eq!(written(&plan_of(ttl("new"), ttl("old"))), [off]);
    }

    #[test]
    fn keys_are_for_life() {
        let shown = planned(
            json!({"sortKey": {"name": "at", "type": "N"}}),
            json!({"sortKey": {"name": "at", "type": "S"}}),
        );
        assert!(shown.contains("ReplacementNeeded: sortKey.type cannot change"), "{shown}");
        let shown = planned(json!({}), json!({"sortKey": {"name": "at", "type": "S"}}));
        assert!(shown.contains("ReplacementNeeded: sortKey cannot change"), "{shown}");
    }

    #[test]
    fn each_part_is_written_by_its_own_step_and_only_when_it_differs() {
        let stream = |on: bool| json!({"stream": {"enabled": on, "viewType": "NEW_IMAGE"}});
        let recovery = |days: i32| json!({"pointInTimeRecovery": {"enabled": true, "recoveryPeriodInDays": days}});
        let owned = |key: &str| json!({"encryption": {"type": "AWS_OWNED", "kmsKeyArn": key}});
        let kms = |key: &str| json!({"encryption": {"type": "KMS", "kmsKeyArn": key}});
        for (declared, seen, expected) in [
            (json!({}), json!({"tableClass": "STANDARD"}), vec![]),
            (owned("a"), owned("b"), vec![]),
            (kms("a"), kms("b"), vec!["Update encryption"]),
            (stream(true), stream(false), vec!["Update stream"]),
            (recovery(7), recovery(14), vec!["Update point-in-time recovery"]),
            (json!({"ttl": {"attribute": "at"}}), json!({}), vec!["Update time to live"]),
            (
                json!({"onDemandThroughput": {"maxReadRequestUnits": 5}}),
                json!({"onDemandThroughput": {"maxReadRequestUnits": -1}}),
                vec!["Update on-demand throughput"],
            ),
        ] {
            let plan = plan_of(declared.clone(), seen.clone());
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
            assert_eq!(plan.changes.is_empty(), expected.is_empty(), "{:?}", plan.changes);
        }
    }

    #[test]
    fn a_stream_or_a_ttl_whose_switch_is_ignored_is_not_turned_off_to_change() {
        for (root, declared, live) in [
            (
                "stream",
                json!({"stream": {"enabled": true, "viewType": "NEW_IMAGE"}}),
                json!({"stream": {"enabled": true, "viewType": "OLD_IMAGE"}}),
            ),
            ("ttl", json!({"ttl": {"attribute": "new"}}), json!({"ttl": {"attribute": "old"}})),
        ] {
            let blocked_by = |ignore: &str, live: Value| {
                let mut desired = Desired::sample("Table", table(declared.clone()));
                desired.ignore = vec![ignore.parse().unwrap()];
                let live = super::tests::live(live, &desired);
                plan(&desired, Some(&live)).obstacle().map(|blocked| blocked.message.clone())
            };
            let message = blocked_by(&format!("{root}.enabled"), live.clone()).unwrap();
            assert!(message.contains(&format!("ignore` names {root}.enabled")), "{message}");
            assert_eq!(blocked_by(root, live), None, "ignored as a whole");
        }
    }

    #[test]
    fn a_time_to_live_that_goes_on_is_given_its_attribute_also_where_that_is_ignored() {
        let mut desired = Desired::sample("Table", table(json!({"ttl": {"attribute": "at"}})));
        desired.ignore = vec!["ttl.attribute".parse().unwrap()];
        let off = json!({"ttl": {"enabled": false, "attribute": ""}});
        let plan = plan(&desired, Some(&live(off, &desired)));
        let on = r#"time to live TimeToLive { enabled: true, attribute: "at" }"#;
        assert_eq!((written(&plan), &plan.blocked), (vec![on.to_owned()], &None));
    }

    #[test]
    fn a_stream_is_turned_on_or_off_in_one_step() {
        let stream = |on: bool| json!({"stream": {"enabled": on, "viewType": "NEW_IMAGE"}});
        for (declared, view) in [(true, "Some(NewImage)"), (false, "None")] {
            let plan = plan_of(stream(declared), stream(!declared));
            assert_eq!(plan.outline(), ["Update stream"]);
            let wanted = format!("stream Stream {{ enabled: {declared}, view_type: {view} }}");
            assert_eq!(written(&plan), [wanted]);
        }
    }

    #[test]
    fn tags_are_put_back() {
        let desired = Desired::sample("Table", table(json!({})));
        let mut seen = live(json!({}), &desired);
        seen.tags.clear();
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.steps[0].call, TableStep::Tag(seen.of.arn.clone(), desired.tags));
    }

    #[test]
    fn an_index_is_updated_in_place_or_made_again() {
        let keyed = |key: &str| {
            let mut index = index("by", Some(5));
            index["partitionKey"]["name"] = json!(key);
            index
        };
        let sorted = |key: &str| {
            let mut index = keyed(key);
            index["sortKey"] = json!({"name": "at", "type": "N"});
            index
        };
        let indexes =
            |list: Value| json!({"billing": provisioned(5), "globalSecondaryIndexes": list});
        for (declared, seen, expected) in [
            (json!([index("by", Some(9))]), json!([index("by", Some(5))]), vec!["Update index by"]),
            (json!([keyed("a")]), json!([sorted("a")]), vec!["Delete index by", "Create index by"]),
            (json!([sorted("a")]), json!([keyed("a")]), vec!["Delete index by", "Create index by"]),
            (json!([keyed("a")]), json!([keyed("b")]), vec!["Delete index by", "Create index by"]),
            (
                json!([]),
                json!([keyed("a"), index("of", Some(5))]),
                vec!["Delete index by", "Delete index of"],
            ),
        ] {
            let plan = plan_of_edit(indexes(declared.clone()), indexes(seen.clone()));
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
        }
    }

    #[test]
    fn an_index_without_a_sort_key_is_made_again_without_one_unless_that_is_ignored() {
        let sorted = || {
            let mut index = index("by", None);
            index["sortKey"] = json!({"name": "at", "type": "N"});
            json!({ "globalSecondaryIndexes": [index] })
        };
        let declared = table(json!({"globalSecondaryIndexes": [index("by", None)]}));
        let mut desired = Desired::sample("Table", declared);
        let seen = live(sorted(), &desired);
        let made_again = plan(&desired, Some(&seen));
        let paths: Vec<_> = made_again.changes.iter().map(|c| c.path.to_string()).collect();
        assert_eq!(paths, ["globalSecondaryIndexes[by].sortKey"]);
        let TableStep::CreateIndex(index) = &made_again.steps[1].call else {
            panic!("{made_again:?}")
        };
        assert_eq!(index.sort_key, None);
        desired.ignore = vec!["globalSecondaryIndexes[by].sortKey".parse().unwrap()];
        assert_eq!(plan(&desired, Some(&seen)).outline(), [""; 0]);
    }

    #[test]
    fn a_state_that_is_not_known_is_left_alone() {
        let desired = Desired::sample("Table", table(json!({"tableClass": "STANDARD"})));
        let mut seen = live(json!({"tableClass": "STANDARD_INFREQUENT_ACCESS"}), &desired);
        seen.unknown_state = Some("the table is REBALANCING".to_owned());
        assert_eq!(plan(&desired, Some(&seen)).outline(), ["! UnknownState"]);
    }

    #[test]
    fn while_dynamodb_is_busy_nothing_is_written() {
        let desired = Desired::sample("Table", table(json!({"tableClass": "STANDARD"})));
        let mut seen = live(json!({"tableClass": "STANDARD_INFREQUENT_ACCESS"}), &desired);
        seen.busy = Some("the table is UPDATING".to_owned());
        let plan = plan(&desired, Some(&seen));
        assert_eq!(plan.outline(), ["… TableUpdating"]);
        assert_eq!(plan.changes.len(), 1, "what differs is still said");
    }

    #[test]
    fn a_table_goes_when_it_is_neither_busy_nor_protected() {
        let desired = Desired::sample("Table", table(json!({})));
        let outline = |protected: bool, busy: Option<&str>| {
            let mut seen = live(json!({ "deletionProtection": protected }), &desired);
            seen.busy = busy.map(str::to_owned);
            plan_deletion(&desired, &seen).outline()
        };
        assert_eq!(outline(false, None), ["Delete table"]);
        assert_eq!(outline(true, None), ["! DeletionProtected"]);
        let kept = Desired { keeps_last_backup: true, ..desired.clone() };
        let plan = plan_deletion(&kept, &live(json!({}), &kept)).outline();
        assert_eq!(plan.len(), 2, "{plan:?}");
        assert!(plan[0].starts_with("Create last backup trueup-last-dev-it-"), "{plan:?}");
        assert_eq!(outline(false, Some("UPDATING")), ["… TableUpdating"]);
    }
}
