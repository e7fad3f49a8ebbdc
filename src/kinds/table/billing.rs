//! How a table is paid for: on demand, or by throughput of its own and of its indexes. Pure.

use super::index::IndexPlan;
use super::plan::TableStep;
use super::spec::*;
use crate::kinds::Desired;
use crate::model::Path;
use crate::plan::{Blocked, Change, PartlyBlocked, Plan, Verb};

/// A table that becomes provisioned needs a throughput of its own and one of every index:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>.
pub(super) fn push(
    plan: &mut Plan<TableStep>,
    desired: &Desired<TableSpec>,
    (live, want): (&TableSpec, &TableSpec),
    indexes: &IndexPlan,
    billing: Vec<Change>,
) {
    let (false, Some(want)) = (billing.is_empty(), &want.billing) else { return };
    let mut want = want.clone();
    let was_provisioned = live.billing_mode() == Some(BillingMode::Provisioned);
    let indexes = match want.mode {
        BillingMode::PayPerRequest => Ok(Vec::new()),
        BillingMode::Provisioned if was_provisioned => Ok(indexes.throughputs()),
        BillingMode::Provisioned => {
            let declared = desired.spec.billing.as_ref().and_then(|billing| billing.throughput);
            want.throughput = want.throughput.or(declared);
            indexes.first_throughputs(&desired.spec, live).map_err(|name| format!("index {name}"))
        }
    };
    match indexes {
        Ok(_) if want.mode == BillingMode::Provisioned && want.throughput.is_none() => {
            plan.block_part(without_throughput("the table"));
        }
        Ok(indexes) => {
            let step = TableStep::Billing(want, indexes);
            plan.push(Verb::Update, "billing", billing, step).stands_alone();
        }
        Err(what) => plan.block_part(without_throughput(&what)),
    }
}

fn without_throughput(what: &str) -> PartlyBlocked {
    let message = format!(
        "{what} has no throughput, and DynamoDB takes a table from on demand to provisioned only with one for the \
         table and for each of its indexes. Declare it; where `ignore` names it, it is given once"
    );
    let why = Blocked { reason: "NotPlannable", message };
    PartlyBlocked { paths: vec![Path::default().field("billing")], why }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::plan::plan;
    use super::super::plan::tests::{live as live_table, table};
    use super::*;

    #[test]
    fn a_table_becomes_provisioned_with_a_throughput_of_every_index() {
        let units = |units: i64| json!({"readCapacityUnits": units, "writeCapacityUnits": units});
        let index = |throughput: Value| {
            json!({
                "name": "by", "partitionKey": {"name": "sku", "type": "S"},
                "projection": {"type": "ALL"}, "throughput": throughput,
            })
        };
        let declared = |index: Value, table: Value| json!({"billing": {"mode": "PROVISIONED", "throughput": table}, "globalSecondaryIndexes": [index]});
        let bare = json!({"name": "by", "partitionKey": {"name": "sku", "type": "S"}, "projection": {"type": "ALL"}});
        let live =
            json!({"billing": {"mode": "PAY_PER_REQUEST"}, "globalSecondaryIndexes": [bare]});
        let given = |declared: Value, ignore: &[&str]| {
            let mut desired = Desired::sample("Table", table(declared));
            desired.ignore = ignore.iter().map(|path| path.parse().unwrap()).collect();
            let seen = live_table(live.clone(), &desired);
            let planned = plan(&desired, Some(&seen));
            let sent = planned.steps.iter().find_map(|step| match &step.call {
                TableStep::Billing(billing, indexes) => {
                    Some(json!([billing.throughput, indexes.first().map(|(_, units)| units)]))
                }
                _ => None,
            });
            sent.ok_or_else(|| planned.obstacle().cloned().map(|blocked| blocked.message))
        };
        let of_index = "globalSecondaryIndexes[by].throughput";
        for (what, declared, ignore, expected) in [
            (
                "declared",
                declared(index(units(3)), units(5)),
                &[][..],
                Ok(json!([units(5), units(3)])),
            ),
            (
                "ignored",
                declared(index(units(3)), units(5)),
                &[of_index],
                Ok(json!([units(5), units(3)])),
            ),
            (
                "both ignored",
                declared(index(units(3)), units(5)),
                &[of_index, "billing.throughput"],
                Ok(json!([units(5), units(3)])),
            ),
            (
                "of no index",
                declared(bare.clone(), units(5)),
                &[],
                Err("index by has no throughput"),
            ),
            (
                "of no table",
                declared(index(units(3)), Value::Null),
                &[],
                Err("the table has no throughput"),
            ),
        ] {
            let given = given(declared, ignore);
            match expected {
                Ok(expected) => assert_eq!(given, Ok(expected), "{what}"),
                Err(start) => {
                    let said = given.unwrap_err().unwrap_or_default();
                    assert!(said.starts_with(start), "{what}: {said}");
                }
            }
        }
    }
}
