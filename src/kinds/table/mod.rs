//! Table: a DynamoDB table with its indexes.
//!
//! AWS facts that shape it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>): one
//! UpdateTable at a time and only while the table is ACTIVE; one index created or deleted in each;
//! keys and local indexes are for life. So a plan names every step in AWS's order (deletes, billing,
//! settings, updates, creates), and execution stops at the first that AWS is still busy with.

mod apply;
pub mod backups;
mod billing;
pub mod exports;
mod facets;
mod index;
mod last_backup;
mod losses;
mod observe;
mod plan;
mod resource_policy;
mod scaling;
mod settings;
mod spec;

pub use facets::TableRef;
pub use index::IndexUpdate;
pub use observe::LiveTable;
pub use plan::TableStep;
pub use spec::*;

use jiff::Timestamp;
use serde_json::Value;

use super::{Desired, Kind, Nulls, Outcome, SpecProblem};
use crate::aws::{AwsError, Service, Session};
use crate::plan::Plan;

/// The kind `Table`, by which the engine knows it.
pub struct Table;

impl Kind for Table {
    const NAME: &'static str = "Table";
    const SERVICE: Service = Service::DynamoDb;
    const WHOLE: &'static str = "table";
    const HOLDS_DATA: bool = true;
    // ListTagsOfResource is eventually consistent, and may show no tags for some seconds.
    const TAGS_SEEN_AT_ONCE: bool = false;
    const WHOLES: &'static [&'static str] = &["resourcePolicy"];
    const FIELDS: &'static [&'static str] = &["name", "arn", "streamArn"];

    // What a new table has: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html;
    // a limit goes with -1: API_OnDemandThroughput.html; backups reach back 35 days:
    // API_PointInTimeRecoverySpecification.html.
    const NULLS: Nulls = Nulls::StandFor(&[
        ("globalSecondaryIndexes", "[]"),
        ("stream", r#"{"enabled": false}"#),
        ("ttl", r#"{"enabled": false, "attribute": ""}"#),
        ("pointInTimeRecovery", r#"{"enabled": false}"#),
        ("pointInTimeRecovery.recoveryPeriodInDays", "35"),
        ("resourcePolicy", "{}"),
        ("contributorInsights", r#"{"enabled": false}"#),
        ("encryption", r#"{"type": "AWS_OWNED"}"#),
        ("autoScaling", "{}"),
        ("autoScaling.readCapacity", "{}"),
        ("autoScaling.writeCapacity", "{}"),
        ("autoScaling.indexes", "[]"),
        ("tableClass", r#""STANDARD""#),
        ("deletionProtection", "false"),
        ("onDemandThroughput", r#"{"maxReadRequestUnits": -1, "maxWriteRequestUnits": -1}"#),
        ("onDemandThroughput.maxReadRequestUnits", "-1"),
        ("onDemandThroughput.maxWriteRequestUnits", "-1"),
    ]);

    type Spec = TableSpec;
    type Live = LiveTable;
    type Step = TableStep;

    fn check_name(name: &str) -> Result<(), String> {
        spec::check_name(name)
    }

    fn losses(before: &TableSpec, after: &TableSpec) -> Vec<String> {
        losses::losses(before, after)
    }

    fn validate(spec: &TableSpec, _: &str) -> Vec<SpecProblem> {
        spec::validate(spec)
    }

    async fn observe(
        session: &Session,
        desired: &Desired<TableSpec>,
    ) -> Result<Option<LiveTable>, AwsError> {
        observe::observe(session, desired).await
    }

    fn plan(
        desired: &Desired<TableSpec>,
        live: Option<&LiveTable>,
        _: Timestamp,
    ) -> Plan<TableStep> {
        plan::plan(desired, live)
    }

    fn plan_deletion(desired: &Desired<TableSpec>, live: &LiveTable) -> Plan<TableStep> {
        plan::plan_deletion(desired, live)
    }

    async fn apply(
        session: &Session,
        desired: &Desired<TableSpec>,
        step: &TableStep,
    ) -> Result<Outcome, AwsError> {
        apply::apply(session, &desired.aws_name, step).await
    }

    fn schema() -> schemars::Schema {
        schemars::schema_for!(TableSpec)
    }

    fn crd() -> Value {
        super::crd::<spec::Table>()
    }
}
