//! Reads a table. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types as aws;
use serde_json::json;

use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::{Desired, Live, Seen, UnknownWord, Unread, or_unread, word};

use super::facets::{FACETS, TableRef};
use super::spec::*;

/// What DynamoDB says of a table that is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// The most pages of tags that are read; DynamoDB allows 50 tags, which fit one.
const TAG_PAGES_MAX: usize = 10;

/// A table as it is, in the words of its spec.
#[derive(Clone, Debug)]
pub struct LiveTable {
    pub spec: TableSpec,
    pub name: String,
    pub arn: String,
    pub stream_arn: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// What AWS is still doing, where it is.
    pub busy: Option<String>,
    /// Why AWS cannot do anything with the table, where it cannot.
    pub failure: Option<String>,
    /// The declared facets that have calls of their own, by their fields.
    pub facets: BTreeMap<&'static str, Seen<TableRef>>,
    pub unread: Unread,
}

impl Live for LiveTable {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("arn".to_owned(), self.arn.clone()),
        ]);
        outputs.extend(self.stream_arn.iter().map(|arn| ("streamArn".to_owned(), arn.clone())));
        outputs
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }
}

pub(super) async fn observe(
    session: &Session,
    desired: &Desired<TableSpec>,
) -> Result<Option<LiveTable>, AwsError> {
    let name = &desired.aws_name;
    let described = session
        .read(Service::DynamoDb, "DescribeTable", || {
            session.dynamodb().describe_table().table_name(name).send()
        })
        .await
        .absent(NOT_FOUND)?;
    let Some(described) = described else {
        return Ok(None);
    };
    let table = AwsError::required(Service::DynamoDb, "DescribeTable", described.table)?;
    let arn = table.table_arn().unwrap_or_default().to_owned();
    // For some seconds the table is there and its tags are not.
    let tags = match table.table_status() {
        Some(aws::TableStatus::Creating) => {
            tags(session, &arn).await.absent(NOT_FOUND)?.unwrap_or_default()
        }
        _ => tags(session, &arn).await?,
    };
    let mut spec =
        spec_of(&table).map_err(|unknown| unknown.in_reply(Service::DynamoDb, "DescribeTable"))?;
    let busy = busy(&table);
    let of = TableRef { name: name.clone(), arn: arn.clone() };
    let (mut facets, mut unread) = (BTreeMap::new(), Unread::new());
    // Neither can be asked while the table is being created or deleted. While it is only updated both
    // are: what is not read would look like drift.
    let status = table.table_status();
    if let None | Some(aws::TableStatus::Active | aws::TableStatus::Updating) = status {
        if desired.spec.ttl.is_some() {
            spec.ttl = or_unread(time_to_live(session, name).await, "ttl", &mut unread)?;
        }
        if desired.spec.point_in_time_recovery.is_some() {
            let read = point_in_time_recovery(session, name).await;
            spec.point_in_time_recovery = or_unread(read, "pointInTimeRecovery", &mut unread)?;
        }
        let declared = json!(desired.spec);
        for facet in FACETS {
            if declared.get(facet.field()).is_some() {
                let read = facet.read(session, &of).await.map(Some);
                if let Some(seen) = or_unread(read, facet.field(), &mut unread)? {
                    facets.insert(facet.field(), seen);
                }
            }
        }
    }
    Ok(Some(LiveTable {
        spec,
        name: name.clone(),
        arn,
        stream_arn: table.latest_stream_arn().map(str::to_owned),
        tags,
        busy,
        failure: failure(&table),
        facets,
        unread,
    }))
}

/// States that nothing but a person ends:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html>.
fn failure(table: &aws::TableDescription) -> Option<String> {
    let what_to_do = match table.table_status()? {
        aws::TableStatus::InaccessibleEncryptionCredentials => {
            "its KMS key cannot be used; make it usable again within seven days, or the table is archived"
        }
        aws::TableStatus::Archived => {
            let archival = table.archival_summary();
            let reason = archival.and_then(|a| a.archival_reason()).unwrap_or("no reason given");
            return Some(format!(
                "the table is ARCHIVED ({reason}); restore it from its backup under another name"
            ));
        }
        aws::TableStatus::ReplicationNotAuthorized => {
            "a replica's account does not allow the replication; allow it there"
        }
        _ => return None,
    };
    let status = table.table_status().map(ToString::to_string).unwrap_or_default();
    Some(format!("the table is {status}: {what_to_do}"))
}

fn busy(table: &aws::TableDescription) -> Option<String> {
    match table.table_status() {
        Some(aws::TableStatus::Active) | None => {}
        _ if failure(table).is_some() => return None,
        Some(status) => return Some(format!("the table is {status}")),
    }
    let encrypting = table.sse_description().and_then(|sse| sse.status());
    if let Some(
        status @ (aws::SseStatus::Updating | aws::SseStatus::Enabling | aws::SseStatus::Disabling),
    ) = encrypting
    {
        return Some(format!("the encryption is {status}"));
    }
    let warming = table.warm_throughput().and_then(|warm| warm.status());
    if warming == Some(&aws::TableStatus::Updating) {
        return Some("the warm throughput is UPDATING".to_owned());
    }
    let warming = |index: &&aws::GlobalSecondaryIndexDescription| {
        let status = index.warm_throughput().and_then(|warm| warm.status());
        status == Some(&aws::IndexStatus::Updating)
    };
    if let Some(index) = table.global_secondary_indexes().iter().find(warming) {
        let name = index.index_name().unwrap_or_default();
        return Some(format!("the warm throughput of index {name} is UPDATING"));
    }
    let busy = |index: &&aws::GlobalSecondaryIndexDescription| {
        index.index_status().is_some_and(|s| *s != aws::IndexStatus::Active)
    };
    let index = table.global_secondary_indexes().iter().find(busy)?;
    let status = index.index_status().map(ToString::to_string).unwrap_or_default();
    Some(format!("index {} is {status}", index.index_name().unwrap_or_default()))
}

async fn tags(session: &Session, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = BTreeMap::new();
    let mut next = None;
    for _ in 0..TAG_PAGES_MAX {
        let page = session
            .read(Service::DynamoDb, "ListTagsOfResource", || {
                session
                    .dynamodb()
                    .list_tags_of_resource()
                    .resource_arn(arn)
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        tags.extend(page.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(tags);
        }
    }
    let message = format!("the table has more than {TAG_PAGES_MAX} pages of tags");
    Err(AwsError::new(Class::Invalid, Service::DynamoDb, "ListTagsOfResource", message))
}

async fn time_to_live(session: &Session, name: &str) -> Result<Option<TimeToLive>, AwsError> {
    let described = session
        .read(Service::DynamoDb, "DescribeTimeToLive", || {
            session.dynamodb().describe_time_to_live().table_name(name).send()
        })
        .await?;
    let ttl = described.time_to_live_description;
    let enabled = match ttl.as_ref().and_then(|t| t.time_to_live_status()) {
        Some(aws::TimeToLiveStatus::Enabled | aws::TimeToLiveStatus::Enabling) => true,
        None | Some(aws::TimeToLiveStatus::Disabled | aws::TimeToLiveStatus::Disabling) => false,
        Some(other) => {
            let unknown = UnknownWord::new("ttl", other.as_str());
            return Err(unknown.in_reply(Service::DynamoDb, "DescribeTimeToLive"));
        }
    };
    let attribute = ttl.and_then(|t| t.attribute_name).unwrap_or_default();
    Ok(Some(TimeToLive { enabled, attribute }))
}

async fn point_in_time_recovery(
    session: &Session,
    name: &str,
) -> Result<Option<PointInTimeRecovery>, AwsError> {
    let described = session
        .read(Service::DynamoDb, "DescribeContinuousBackups", || {
            session.dynamodb().describe_continuous_backups().table_name(name).send()
        })
        .await?;
    let backups = described.continuous_backups_description;
    let Some(recovery) = backups.and_then(|b| b.point_in_time_recovery_description) else {
        return Ok(None);
    };
    let enabled = match recovery.point_in_time_recovery_status() {
        Some(aws::PointInTimeRecoveryStatus::Enabled) => true,
        None | Some(aws::PointInTimeRecoveryStatus::Disabled) => false,
        Some(other) => {
            let unknown = UnknownWord::new("pointInTimeRecovery", other.as_str());
            return Err(unknown.in_reply(Service::DynamoDb, "DescribeContinuousBackups"));
        }
    };
    let recovery_period_in_days = recovery.recovery_period_in_days();
    Ok(Some(PointInTimeRecovery { enabled, recovery_period_in_days }))
}

fn spec_of(table: &aws::TableDescription) -> Result<TableSpec, UnknownWord> {
    let mut attributes = BTreeMap::new();
    for definition in table.attribute_definitions() {
        let kind: AttributeType =
            word("a key attribute's type", definition.attribute_type().as_str())?;
        attributes.insert(definition.attribute_name(), kind);
    }
    let attribute = |name: &str| {
        let kind = attributes.get(name).copied().unwrap_or_default();
        KeyAttribute { name: name.to_owned(), kind }
    };
    let keys = |schema: &[aws::KeySchemaElement]| -> (KeyAttribute, Option<KeyAttribute>) {
        let find = |kind: aws::KeyType| {
            let element = schema.iter().find(|k| *k.key_type() == kind)?;
            Some(attribute(element.attribute_name()))
        };
        (find(aws::KeyType::Hash).unwrap_or_default(), find(aws::KeyType::Range))
    };
    let (partition_key, sort_key) = keys(table.key_schema());
    // An index may have several attributes of each kind:
    // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateGlobalSecondaryIndexAction.html.
    let further = |schema: &[aws::KeySchemaElement], kind: aws::KeyType| {
        let of_kind = schema.iter().filter(|key| *key.key_type() == kind).skip(1);
        let keys = of_kind.map(|key| attribute(key.attribute_name()));
        Some(keys.collect::<Vec<_>>()).filter(|keys| !keys.is_empty())
    };
    let global = table.global_secondary_indexes().iter().map(|index| {
        let schema = index.key_schema();
        let (partition_key, sort_key) = keys(schema);
        let warm = index.warm_throughput();
        Ok(GlobalIndex {
            name: index.index_name().unwrap_or_default().to_owned(),
            partition_key,
            additional_partition_keys: further(schema, aws::KeyType::Hash),
            sort_key,
            additional_sort_keys: further(schema, aws::KeyType::Range),
            projection: projection(index.projection())?,
            throughput: index.provisioned_throughput().and_then(throughput),
            on_demand_throughput: Some(on_demand(index.on_demand_throughput())),
            warm_throughput: warm.map(|warm| WarmThroughput {
                read_units_per_second: warm.read_units_per_second(),
                write_units_per_second: warm.write_units_per_second(),
            }),
        })
    });
    let local = table.local_secondary_indexes().iter().map(|index| {
        Ok(LocalIndex {
            name: index.index_name().unwrap_or_default().to_owned(),
            sort_key: keys(index.key_schema()).1.unwrap_or_default(),
            projection: projection(index.projection())?,
        })
    });
    Ok(TableSpec {
        partition_key,
        sort_key,
        global_secondary_indexes: Some(global.collect::<Result<_, _>>()?),
        local_secondary_indexes: Some(local.collect::<Result<_, _>>()?),
        billing: Some(billing(table)?),
        stream: Some(stream(table)?),
        encryption: Some(encryption(table)?),
        table_class: Some(table_class(table)?),
        deletion_protection: Some(table.deletion_protection_enabled().unwrap_or(false)),
        on_demand_throughput: Some(on_demand(table.on_demand_throughput())),
        warm_throughput: table.warm_throughput().map(|warm| WarmThroughput {
            read_units_per_second: warm.read_units_per_second(),
            write_units_per_second: warm.write_units_per_second(),
        }),
        ..TableSpec::default()
    })
}

/// Under PAY_PER_REQUEST the capacity reads as 0, which is no throughput.
fn throughput(described: &aws::ProvisionedThroughputDescription) -> Option<Throughput> {
    let read = described.read_capacity_units().unwrap_or(0);
    let write = described.write_capacity_units().unwrap_or(0);
    (read > 0 || write > 0)
        .then_some(Throughput { read_capacity_units: read, write_capacity_units: write })
}

/// A table that was never on demand has no billing summary.
fn billing(table: &aws::TableDescription) -> Result<Billing, UnknownWord> {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let mode = mode.map(|mode| word("billing.mode", mode.as_str())).transpose()?;
    let mode = mode.unwrap_or(BillingMode::Provisioned);
    let capacity = table.provisioned_throughput().and_then(throughput);
    let throughput = capacity.filter(|_| mode == BillingMode::Provisioned);
    Ok(Billing { mode, throughput })
}

/// No limit is -1, which DynamoDB takes and does not show:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_OnDemandThroughput.html>.
fn on_demand(limits: Option<&aws::OnDemandThroughput>) -> OnDemandThroughput {
    OnDemandThroughput {
        max_read_request_units: limits.and_then(|t| t.max_read_request_units()).or(Some(-1)),
        max_write_request_units: limits.and_then(|t| t.max_write_request_units()).or(Some(-1)),
    }
}

fn stream(table: &aws::TableDescription) -> Result<Stream, UnknownWord> {
    let specification = table.stream_specification();
    let enabled = specification.is_some_and(|s| s.stream_enabled());
    let view = specification.and_then(|s| s.stream_view_type()).filter(|_| enabled);
    let view_type = view.map(|view| word("stream.viewType", view.as_str())).transpose()?;
    Ok(Stream { enabled, view_type })
}

/// What has no description is encrypted with a key that AWS owns:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html>.
fn encryption(table: &aws::TableDescription) -> Result<TableEncryption, UnknownWord> {
    let owned = TableEncryption { kind: EncryptionType::AwsOwned, kms_key_arn: None };
    let Some(sse) = table.sse_description() else { return Ok(owned) };
    match sse.sse_type() {
        None | Some(aws::SseType::Aes256) => Ok(owned),
        Some(kind) => Ok(TableEncryption {
            kind: word("encryption.type", kind.as_str())?,
            kms_key_arn: sse.kms_master_key_arn().map(str::to_owned),
        }),
    }
}

fn table_class(table: &aws::TableDescription) -> Result<TableClass, UnknownWord> {
    let class = table.table_class_summary().and_then(|s| s.table_class());
    class.map_or(Ok(TableClass::Standard), |class| word("tableClass", class.as_str()))
}

fn projection(described: Option<&aws::Projection>) -> Result<Projection, UnknownWord> {
    let kind = described.and_then(|p| p.projection_type());
    let kind = kind.map(|kind| word("an index's projection.type", kind.as_str())).transpose()?;
    let attributes = described.map(|p| p.non_key_attributes().to_vec()).unwrap_or_default();
    Ok(Projection {
        kind: kind.unwrap_or(ProjectionType::All),
        non_key_attributes: Some(attributes).filter(|a| !a.is_empty()),
    })
}
