//! Writes a table, one call a step. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types as aws;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::operation::BuildError;

use crate::aws::{AwsError, Class, Service, Session};
use crate::kinds::{Outcome, as_aws};
use crate::model::DataSource;

use super::index::IndexUpdate;
use super::last_backup;
use super::plan::TableStep;
use super::settings::{on_demand, sse, stream, warm};
use super::spec::*;

pub(super) async fn apply(
    session: &Session,
    name: &str,
    step: &TableStep,
) -> Result<Outcome, AwsError> {
    let update = || session.dynamodb().update_table().table_name(name);
    match step {
        TableStep::Create(spec, tags) => create(session, name, spec, tags).await,
        TableStep::Restore(source, billing, encryption) => {
            restore(session, name, source, billing.as_ref(), encryption.as_ref()).await
        }
        TableStep::Import(spec, source) => import(session, name, spec, source).await,
        TableStep::LastBackup(backup, since) => {
            last_backup::make(session, name, backup, *since).await
        }
        TableStep::Delete => {
            let call = session.dynamodb().delete_table().table_name(name).send();
            session.write(Service::DynamoDb, "DeleteTable", call).await?;
            Ok(Outcome::in_progress())
        }
        TableStep::Facet(of, facet) => facet.take(session, of).await,
        TableStep::Scale(step) => step.take(session).await,
        TableStep::Tag(arn, wanted) => {
            let call =
                session.dynamodb().tag_resource().resource_arn(arn).set_tags(Some(tags(wanted)?));
            session.write(Service::DynamoDb, "TagResource", call.send()).await?;
            Ok(Outcome::done())
        }
        TableStep::Billing(wanted, indexes) => {
            send(session, billing(update(), wanted, indexes)?).await
        }
        TableStep::UpdateIndex(index, wanted) => {
            let change = index_update(index, wanted)?;
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
    session.write(Service::DynamoDb, "UpdateTable", call.send()).await?;
    Ok(Outcome::in_progress())
}

fn incomplete(operation: &'static str, error: &BuildError) -> AwsError {
    AwsError::new(Class::Invalid, Service::DynamoDb, operation, error.to_string())
}

async fn create(
    session: &Session,
    name: &str,
    spec: &TableSpec,
    wanted_tags: &BTreeMap<String, String>,
) -> Result<Outcome, AwsError> {
    let Core { keys, indexes, mut attributes, mode, capacity } = core(spec, "CreateTable")?;
    let mut call = session
        .dynamodb()
        .create_table()
        .table_name(name)
        .set_key_schema(Some(keys))
        .set_global_secondary_indexes(Some(indexes).filter(|indexes| !indexes.is_empty()))
        .billing_mode(mode)
        .set_provisioned_throughput(capacity)
        .set_on_demand_throughput(limits(spec.on_demand_throughput))
        .set_warm_throughput(spec.warm_throughput.map(warm))
        .set_table_class(spec.table_class.map(as_aws))
        .set_deletion_protection_enabled(spec.deletion_protection)
        .set_tags(Some(tags(wanted_tags)?));
    for index in spec.local_secondary_indexes.iter().flatten() {
        attributes.push((KeyPart::Sort, &index.sort_key));
        let index = aws::LocalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(own_key(&spec.partition_key, Some(&index.sort_key)))?))
            .projection(projection(&index.projection))
            .build()
            .map_err(|e| incomplete("CreateTable", &e))?;
        call = call.local_secondary_indexes(index);
    }
    call = call.set_attribute_definitions(Some(attribute_definitions(attributes.into_iter())?));
    if let Some(wanted) = spec.stream.filter(|s| s.enabled) {
        let stream = stream(wanted).map_err(|e| incomplete("CreateTable", &e))?;
        call = call.stream_specification(stream);
    }
    if let Some(encryption) = &spec.encryption {
        call = call.sse_specification(sse(encryption));
    }
    session.write(Service::DynamoDb, "CreateTable", call.send()).await?;
    Ok(Outcome::in_progress())
}

/// What a new table has in every call that makes one of nothing.
struct Core<'a> {
    /// Those of the table.
    keys: Vec<aws::KeySchemaElement>,
    /// The global ones.
    indexes: Vec<aws::GlobalSecondaryIndex>,
    /// Those of all keys.
    attributes: Vec<(KeyPart, &'a KeyAttribute)>,
    mode: aws::BillingMode,
    capacity: Option<aws::ProvisionedThroughput>,
}

fn core<'a>(spec: &'a TableSpec, operation: &'static str) -> Result<Core<'a>, AwsError> {
    let mode = spec.billing_mode().unwrap_or(BillingMode::PayPerRequest);
    let capacity = spec.billing.as_ref().and_then(|b| b.throughput);
    let mut attributes: Vec<_> = own_key(&spec.partition_key, spec.sort_key.as_ref()).collect();
    let keys = key_schema(attributes.iter().copied())?;
    let mut indexes = Vec::new();
    for index in spec.global_secondary_indexes.iter().flatten() {
        attributes.extend(index.keys());
        let index = aws::GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(index.keys())?))
            .projection(projection(&index.projection))
            .set_provisioned_throughput(index.throughput.map(provisioned).transpose()?)
            .set_on_demand_throughput(limits(index.on_demand_throughput))
            .set_warm_throughput(index.warm_throughput.map(warm))
            .build()
            .map_err(|e| incomplete(operation, &e))?;
        indexes.push(index);
    }
    Ok(Core {
        keys,
        indexes,
        attributes,
        mode: as_aws::<aws::BillingMode>(mode),
        capacity: capacity.map(provisioned).transpose()?,
    })
}

/// Makes the table from an export. Tags, class, stream and protection follow once it is there:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableCreationParameters.html> has none of them.
async fn import(
    session: &Session,
    name: &str,
    spec: &TableSpec,
    source: &DataSource,
) -> Result<Outcome, AwsError> {
    let operation = "ImportTable";
    let DataSource::TableExport { bucket, owner, prefix, .. } = source else {
        let message = format!("{source} is no export");
        return Err(AwsError::new(Class::Invalid, Service::DynamoDb, operation, message));
    };
    let Core { keys, indexes, attributes, mode, capacity } = core(spec, operation)?;
    let wanted = aws::TableCreationParameters::builder()
        .table_name(name)
        .set_attribute_definitions(Some(attribute_definitions(attributes.into_iter())?))
        .set_key_schema(Some(keys))
        .set_global_secondary_indexes(Some(indexes).filter(|indexes| !indexes.is_empty()))
        .billing_mode(mode)
        .set_provisioned_throughput(capacity)
        .set_on_demand_throughput(limits(spec.on_demand_throughput))
        .set_sse_specification(spec.encryption.as_ref().map(sse))
        .build()
        .map_err(|e| incomplete(operation, &e))?;
    let from = aws::S3BucketSource::builder().s3_bucket(bucket).set_s3_bucket_owner(owner.clone());
    let from = from.s3_key_prefix(prefix).build().map_err(|e| incomplete(operation, &e))?;
    let call = session
        .dynamodb()
        .import_table()
        .s3_bucket_source(from)
        .input_format(aws::InputFormat::DynamodbJson)
        .input_compression_type(aws::InputCompressionType::Gzip)
        .table_creation_parameters(wanted);
    session.write(Service::DynamoDb, operation, call.send()).await?;
    Ok(Outcome::in_progress())
}

/// Makes the table from a backup, or from another table as it was. DynamoDB takes neither tags nor most settings here,
/// and would encrypt what it restores from a backup with its own key:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Restore.Tutorial.html>.
async fn restore(
    session: &Session,
    name: &str,
    source: &DataSource,
    wanted: Option<&Billing>,
    encryption: Option<&TableEncryption>,
) -> Result<Outcome, AwsError> {
    let mode = wanted.map(|billing| as_aws::<aws::BillingMode>(billing.mode));
    let capacity = wanted.and_then(|billing| billing.throughput).map(provisioned).transpose()?;
    let encryption = encryption.map(sse);
    let dynamodb = session.dynamodb();
    match source {
        DataSource::TableBackup { arn } => {
            let call = dynamodb
                .restore_table_from_backup()
                .target_table_name(name)
                .backup_arn(arn)
                .set_billing_mode_override(mode)
                .set_provisioned_throughput_override(capacity)
                .set_sse_specification_override(encryption);
            session.write(Service::DynamoDb, "RestoreTableFromBackup", call.send()).await?;
        }
        DataSource::PointInTime { table_arn, at } => {
            let call = dynamodb
                .restore_table_to_point_in_time()
                .target_table_name(name)
                .source_table_arn(table_arn)
                .use_latest_restorable_time(at.is_none())
                .set_restore_date_time(at.map(|at| DateTime::from_secs(at.as_second())))
                .set_billing_mode_override(mode)
                .set_provisioned_throughput_override(capacity)
                .set_sse_specification_override(encryption);
            session.write(Service::DynamoDb, "RestoreTableToPointInTime", call.send()).await?;
        }
        DataSource::TableExport { .. } | DataSource::Contents { .. } => {
            let message = format!("{source} is nothing that DynamoDB restores");
            let (service, operation) = (Service::DynamoDb, "RestoreTableFromBackup");
            return Err(AwsError::new(Class::Invalid, service, operation, message));
        }
    }
    Ok(Outcome::in_progress())
}

fn create_index(
    call: UpdateTableFluentBuilder,
    index: &GlobalIndex,
) -> Result<UpdateTableFluentBuilder, AwsError> {
    let create = aws::CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(index.keys())?))
        .projection(projection(&index.projection))
        .set_provisioned_throughput(index.throughput.map(provisioned).transpose()?)
        .set_on_demand_throughput(limits(index.on_demand_throughput))
        .set_warm_throughput(index.warm_throughput.map(warm))
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))?;
    let change = aws::GlobalSecondaryIndexUpdate::builder().create(create).build();
    Ok(call
        .set_attribute_definitions(Some(attribute_definitions(index.keys())?))
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
        .billing_mode(as_aws::<aws::BillingMode>(wanted.mode))
        .set_provisioned_throughput(capacity.map(provisioned).transpose()?);
    for (index, wanted) in indexes {
        let update = IndexUpdate { throughput: Some(*wanted), ..IndexUpdate::default() };
        call = call.global_secondary_index_updates(index_update(index, &update)?);
    }
    Ok(call)
}

fn index_update(
    index: &str,
    wanted: &IndexUpdate,
) -> Result<aws::GlobalSecondaryIndexUpdate, AwsError> {
    let update = aws::UpdateGlobalSecondaryIndexAction::builder()
        .index_name(index)
        .set_provisioned_throughput(wanted.throughput.map(provisioned).transpose()?)
        .set_on_demand_throughput(wanted.on_demand_throughput.map(on_demand))
        .set_warm_throughput(wanted.warm_throughput.map(warm))
        .build()
        .map_err(|e| incomplete("UpdateTable", &e))?;
    Ok(aws::GlobalSecondaryIndexUpdate::builder().update(update).build())
}

/// The key of the table itself, or of a local index.
fn own_key<'a>(
    partition: &'a KeyAttribute,
    sort: Option<&'a KeyAttribute>,
) -> impl Iterator<Item = (KeyPart, &'a KeyAttribute)> {
    let sort = sort.into_iter().map(|key| (KeyPart::Sort, key));
    std::iter::once((KeyPart::Partition, partition)).chain(sort)
}

fn key_schema<'a>(
    keys: impl Iterator<Item = (KeyPart, &'a KeyAttribute)>,
) -> Result<Vec<aws::KeySchemaElement>, AwsError> {
    keys.map(|(part, key)| {
        let kind = match part {
            KeyPart::Partition => aws::KeyType::Hash,
            KeyPart::Sort => aws::KeyType::Range,
        };
        aws::KeySchemaElement::builder()
            .attribute_name(&key.name)
            .key_type(kind)
            .build()
            .map_err(|e| incomplete("CreateTable", &e))
    })
    .collect()
}

fn attribute_definitions<'a>(
    keys: impl Iterator<Item = (KeyPart, &'a KeyAttribute)>,
) -> Result<Vec<aws::AttributeDefinition>, AwsError> {
    let unique: BTreeMap<&str, AttributeType> =
        keys.map(|(_, key)| (key.name.as_str(), key.kind)).collect();
    unique
        .into_iter()
        .map(|(name, kind)| {
            let kind: aws::ScalarAttributeType = as_aws(kind);
            aws::AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .map_err(|e| incomplete("CreateTable", &e))
        })
        .collect()
}

fn projection(wanted: &Projection) -> aws::Projection {
    aws::Projection::builder()
        .projection_type(as_aws(wanted.kind))
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

/// What is new has no limits to take away.
fn limits(wanted: Option<OnDemandThroughput>) -> Option<aws::OnDemandThroughput> {
    wanted.filter(|limits| !limits.is_unlimited()).map(on_demand)
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
