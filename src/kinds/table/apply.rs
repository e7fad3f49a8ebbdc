//! Writes a table, one call a step. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types as aws;
use aws_smithy_types::error::operation::BuildError;

use crate::aws::{AwsError, Class, Session};
use crate::kinds::Outcome;

use super::plan::TableStep;
use super::spec::*;

pub(super) async fn apply(
    session: &Session,
    name: &str,
    step: &TableStep,
) -> Result<Outcome, AwsError> {
    let update = || session.dynamodb().update_table().table_name(name);
    match step {
        TableStep::Create(spec, tags) => create(session, name, spec, tags).await,
        TableStep::Delete => {
            let call = session.dynamodb().delete_table().table_name(name).send();
            session.write("dynamodb", "DeleteTable", call).await?;
            Ok(Outcome::in_progress())
        }
        TableStep::TimeToLive(ttl) => {
            let specification = aws::TimeToLiveSpecification::builder()
                .enabled(ttl.enabled)
                .attribute_name(&ttl.attribute)
                .build()
                .map_err(|e| incomplete("UpdateTimeToLive", &e))?;
            let call = session
                .dynamodb()
                .update_time_to_live()
                .table_name(name)
                .time_to_live_specification(specification);
            session.write("dynamodb", "UpdateTimeToLive", call.send()).await?;
            Ok(Outcome::done())
        }
        TableStep::PointInTimeRecovery(recovery) => {
            let specification = aws::PointInTimeRecoverySpecification::builder()
                .point_in_time_recovery_enabled(recovery.enabled)
                .set_recovery_period_in_days(
                    recovery.recovery_period_in_days.filter(|_| recovery.enabled),
                )
                .build()
                .map_err(|e| incomplete("UpdateContinuousBackups", &e))?;
            let call = session
                .dynamodb()
                .update_continuous_backups()
                .table_name(name)
                .point_in_time_recovery_specification(specification);
            session.write("dynamodb", "UpdateContinuousBackups", call.send()).await?;
            Ok(Outcome::done())
        }
        TableStep::Tag(arn, wanted) => {
            let call =
                session.dynamodb().tag_resource().resource_arn(arn).set_tags(Some(tags(wanted)?));
            session.write("dynamodb", "TagResource", call.send()).await?;
            Ok(Outcome::done())
        }
        TableStep::Billing(wanted, indexes) => {
            send(session, billing(update(), wanted, indexes)?).await
        }
        TableStep::Class(class) => send(session, update().table_class(table_class(*class))).await,
        TableStep::DeletionProtection(on) => {
            send(session, update().deletion_protection_enabled(*on)).await
        }
        TableStep::Encryption(encryption) => {
            send(session, update().sse_specification(sse(encryption))).await
        }
        TableStep::Stream(wanted) => {
            send(session, update().stream_specification(stream(*wanted)?)).await
        }
        TableStep::OnDemandThroughput(wanted) => {
            send(session, update().on_demand_throughput(on_demand(*wanted))).await
        }
        TableStep::IndexThroughput(index, wanted) => {
            let change = index_throughput(index, *wanted)?;
            send(session, update().global_secondary_index_updates(change)).await
        }
        TableStep::DeleteIndex(index) => {
            let delete = aws::DeleteGlobalSecondaryIndexAction::builder()
                .index_name(index)
                .build()
                .map_err(|e| incomplete("UpdateTable", &e))?;
            let change = aws::GlobalSecondaryIndexUpdate::builder().delete(delete).build();
            send(session, update().global_secondary_index_updates(change)).await
        }
        TableStep::CreateIndex(index) => send(session, create_index(update(), index)?).await,
    }
}

/// Sends one UpdateTable; the table is UPDATING afterwards.
async fn send(session: &Session, call: UpdateTableFluentBuilder) -> Result<Outcome, AwsError> {
    session.write("dynamodb", "UpdateTable", call.send()).await?;
    Ok(Outcome::in_progress())
}

fn incomplete(operation: &'static str, error: &BuildError) -> AwsError {
    AwsError::new(Class::Invalid, "dynamodb", operation, error.to_string())
}

async fn create(
    session: &Session,
    name: &str,
    spec: &TableSpec,
    wanted_tags: &BTreeMap<String, String>,
) -> Result<Outcome, AwsError> {
    let mode = spec.billing_mode().unwrap_or(BillingMode::PayPerRequest);
    let capacity = spec.billing.as_ref().and_then(|b| b.throughput);
    let mut keys = vec![&spec.partition_key];
    keys.extend(&spec.sort_key);
    let mut call = session
        .dynamodb()
        .create_table()
        .table_name(name)
        .set_key_schema(Some(key_schema(&spec.partition_key, spec.sort_key.as_ref())?))
        .billing_mode(billing_mode(mode))
        .set_provisioned_throughput(capacity.map(provisioned).transpose()?)
        .set_on_demand_throughput(spec.on_demand_throughput.map(on_demand))
        .set_table_class(spec.table_class.map(table_class))
        .set_deletion_protection_enabled(spec.deletion_protection)
        .set_tags(Some(tags(wanted_tags)?));
    for index in spec.global_secondary_indexes.iter().flatten() {
        keys.push(&index.partition_key);
        keys.extend(&index.sort_key);
        let index = aws::GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(&index.partition_key, index.sort_key.as_ref())?))
            .projection(projection(&index.projection))
            .set_provisioned_throughput(index.throughput.map(provisioned).transpose()?)
            .build()
            .map_err(|e| incomplete("CreateTable", &e))?;
        call = call.global_secondary_indexes(index);
    }
    for index in spec.local_secondary_indexes.iter().flatten() {
        keys.push(&index.sort_key);
        let index = aws::LocalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(&spec.partition_key, Some(&index.sort_key))?))
            .projection(projection(&index.projection))
            .build()
            .map_err(|e| incomplete("CreateTable", &e))?;
        call = call.local_secondary_indexes(index);
    }
    call = call.set_attribute_definitions(Some(attribute_definitions(&keys)?));
    if let Some(wanted) = spec.stream.filter(|s| s.enabled) {
        call = call.stream_specification(stream(wanted)?);
    }
    if let Some(encryption) = &spec.encryption {
        call = call.sse_specification(sse(encryption));
    }
    session.write("dynamodb", "CreateTable", call.send()).await?;
    Ok(Outcome::in_progress())
}

fn create_index(
    call: UpdateTableFluentBuilder,
    index: &GlobalIndex,
) -> Result<UpdateTableFluentBuilder, AwsError> {
    let mut keys = vec![&index.partition_key];
    keys.extend(&index.sort_key);
    let create = aws::CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.partition_key, index.sort_key.as_ref())?))
        .projection(projection(&index.projection))
        .set_provisioned_throughput(index.throughput.map(provisioned).transpose()?)
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))?;
    let change = aws::GlobalSecondaryIndexUpdate::builder().create(create).build();
    Ok(call
        .set_attribute_definitions(Some(attribute_definitions(&keys)?))
        .global_secondary_index_updates(change))
}

/// The capacity may be given with PROVISIONED only.
fn billing(
    call: UpdateTableFluentBuilder,
    wanted: &Billing,
    indexes: &[(String, Throughput)],
) -> Result<UpdateTableFluentBuilder, AwsError> {
    let capacity = wanted.throughput.filter(|_| wanted.mode == BillingMode::Provisioned);
    let mut call = call
        .billing_mode(billing_mode(wanted.mode))
        .set_provisioned_throughput(capacity.map(provisioned).transpose()?);
    for (index, wanted) in indexes {
        call = call.global_secondary_index_updates(index_throughput(index, *wanted)?);
    }
    Ok(call)
}

fn index_throughput(
    index: &str,
    wanted: Throughput,
) -> Result<aws::GlobalSecondaryIndexUpdate, AwsError> {
    let update = aws::UpdateGlobalSecondaryIndexAction::builder()
        .index_name(index)
        .provisioned_throughput(provisioned(wanted)?)
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))?;
    Ok(aws::GlobalSecondaryIndexUpdate::builder().update(update).build())
}

fn key_schema(
    partition: &KeyAttribute,
    sort: Option<&KeyAttribute>,
) -> Result<Vec<aws::KeySchemaElement>, AwsError> {
    let element = |key: &KeyAttribute, kind: aws::KeyType| {
        aws::KeySchemaElement::builder()
            .attribute_name(&key.name)
            .key_type(kind)
            .build()
            .map_err(|e| incomplete("CreateTable", &e))
    };
    let mut schema = vec![element(partition, aws::KeyType::Hash)?];
    if let Some(sort) = sort {
        schema.push(element(sort, aws::KeyType::Range)?);
    }
    Ok(schema)
}

fn attribute_definitions(
    keys: &[&KeyAttribute],
) -> Result<Vec<aws::AttributeDefinition>, AwsError> {
    let unique: BTreeMap<&str, AttributeType> =
        keys.iter().map(|key| (key.name.as_str(), key.kind)).collect();
    unique
        .into_iter()
        .map(|(name, kind)| {
            let kind = match kind {
                AttributeType::S => aws::ScalarAttributeType::S,
                AttributeType::N => aws::ScalarAttributeType::N,
                AttributeType::B => aws::ScalarAttributeType::B,
            };
            aws::AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .map_err(|e| incomplete("CreateTable", &e))
        })
        .collect()
}

fn projection(wanted: &Projection) -> aws::Projection {
    let kind = match wanted.kind {
        ProjectionType::All => aws::ProjectionType::All,
        ProjectionType::KeysOnly => aws::ProjectionType::KeysOnly,
        ProjectionType::Include => aws::ProjectionType::Include,
    };
    aws::Projection::builder()
        .projection_type(kind)
        .set_non_key_attributes(wanted.non_key_attributes.clone())
        .build()
}

fn provisioned(wanted: Throughput) -> Result<aws::ProvisionedThroughput, AwsError> {
    aws::ProvisionedThroughput::builder()
        .read_capacity_units(wanted.read_capacity_units)
        .write_capacity_units(wanted.write_capacity_units)
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))
}

fn on_demand(wanted: OnDemandThroughput) -> aws::OnDemandThroughput {
    aws::OnDemandThroughput::builder()
        .set_max_read_request_units(wanted.max_read_request_units)
        .set_max_write_request_units(wanted.max_write_request_units)
        .build()
}

fn billing_mode(mode: BillingMode) -> aws::BillingMode {
    match mode {
        BillingMode::Provisioned => aws::BillingMode::Provisioned,
        BillingMode::PayPerRequest => aws::BillingMode::PayPerRequest,
    }
}

fn table_class(class: TableClass) -> aws::TableClass {
    match class {
        TableClass::Standard => aws::TableClass::Standard,
        TableClass::StandardInfrequentAccess => aws::TableClass::StandardInfrequentAccess,
    }
}

fn stream(wanted: Stream) -> Result<aws::StreamSpecification, AwsError> {
    let view = wanted.view_type.map(|view| match view {
        StreamView::NewImage => aws::StreamViewType::NewImage,
        StreamView::OldImage => aws::StreamViewType::OldImage,
        StreamView::NewAndOldImages => aws::StreamViewType::NewAndOldImages,
        StreamView::KeysOnly => aws::StreamViewType::KeysOnly,
    });
    aws::StreamSpecification::builder()
        .stream_enabled(wanted.enabled)
        .set_stream_view_type(view)
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))
}

/// "Enabled" is KMS; off is the key that AWS owns:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html>.
fn sse(wanted: &TableEncryption) -> aws::SseSpecification {
    match wanted.kind {
        EncryptionType::AwsOwned => aws::SseSpecification::builder().enabled(false).build(),
        EncryptionType::Kms => aws::SseSpecification::builder()
            .enabled(true)
            .sse_type(aws::SseType::Kms)
            .set_kms_master_key_id(wanted.kms_key_arn.clone())
            .build(),
    }
}

fn tags(wanted: &BTreeMap<String, String>) -> Result<Vec<aws::Tag>, AwsError> {
    wanted
        .iter()
        .map(|(key, value)| {
            aws::Tag::builder()
                .key(key)
                .value(value)
                .build()
                .map_err(|e| incomplete("TagResource", &e))
        })
        .collect()
}
