//! Reads a table. Decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types as aws;
use serde_json::json;

use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::scaling::Targets;
use crate::kinds::{Desired, Live, SeenFacets, UnknownWord, Unread, or_unread, read_facets, word};
use crate::model::DataSource;

use super::exports::{self, Import};
use super::facets::{FACETS, TableRef};
use super::scaling;
use super::settings::{SETTINGS, on_demand_of};
use super::spec::*;

/// What DynamoDB says of a table that is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// The most pages of tags that are read; DynamoDB allows 50 tags, which fit one.
const TAG_PAGES_MAX: usize = 10;

/// A table as it is, in the words of its spec.
#[derive(Clone, Debug)]
pub struct LiveTable {
    /// Its keys, its indexes and its billing.
    pub spec: TableSpec,
    /// What the calls name the table by.
    pub of: Arc<TableRef>,
    /// The ARN of its latest stream; `None` where DynamoDB names none.
    pub stream_arn: Option<String>,
    /// The table's tags; they tell whose it is.
    pub tags: BTreeMap<String, String>,
    /// What AWS is still doing, where it is.
    pub busy: Option<String>,
    /// It is in a state that this version does not know: nothing is written.
    pub unknown_state: Option<String>,
    /// Why AWS cannot do anything with the table, where it cannot.
    pub failure: Option<String>,
    /// DynamoDB refuses to delete the table.
    pub is_protected: bool,
    /// The declared facets, by their fields.
    pub facets: SeenFacets<TableRef>,
    /// Which of its capacities are scaled, as far as that is asked for.
    pub scaling: Targets,
    /// What became of its items, where it is made from an export.
    pub import: Option<Import>,
    /// Declared fields that could not be read, and why.
    pub unread: Unread,
}

impl Live for LiveTable {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::from([
            ("name".to_owned(), self.of.name.clone()),
            ("arn".to_owned(), self.of.arn.clone()),
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
    let mut unread = Unread::new();
    let spec = spec_of(&table, &mut unread)?;
    let (busy, failure) = (busy(&table), failure(&table));
    let unknown_state = unknown_state(&table);
    let status = table.table_status().cloned();
    let stream_arn = table.latest_stream_arn().map(str::to_owned);
    let is_protected = table.deletion_protection_enabled() == Some(true);
    let of = TableRef { name: name.clone(), arn, described: table };
    let declared = json!(desired.spec);
    let is_declared = |field: &str| declared.get(field).is_some();
    let mut facets = read_facets(session, &of, &SETTINGS, is_declared, &mut unread).await?;
    // They cannot be asked for while the table is being created or deleted. While it is only updated they
    // are: what is not read would look like drift.
    if let None | Some(aws::TableStatus::Active | aws::TableStatus::Updating) = status {
        facets.extend(read_facets(session, &of, &FACETS, is_declared, &mut unread).await?);
    }
    let scaling = scaling::observe(session, desired, &spec, &mut unread).await?;
    let import = match &desired.source {
        // While it is CREATING that says enough.
        Some(DataSource::TableExport { .. }) if busy.is_none() => {
            exports::import_into(session, &of.described).await?
        }
        _ => None,
    };
    Ok(Some(LiveTable {
        spec,
        of: Arc::new(of),
        stream_arn,
        tags,
        busy,
        unknown_state,
        failure,
        is_protected,
        facets,
        scaling,
        import,
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

/// What a state means that this version does not know, it does not guess.
fn unknown_state(table: &aws::TableDescription) -> Option<String> {
    let is_unknown = |word: &str, known: &[&str]| !known.contains(&word);
    let of_table = table.table_status().map(|status| status.as_str());
    let of_table = of_table.filter(|word| is_unknown(word, aws::TableStatus::values()));
    let sse = table.sse_description().and_then(|sse| sse.status()).map(|status| status.as_str());
    let sse = sse.filter(|word| is_unknown(word, aws::SseStatus::values()));
    let indexes = table.global_secondary_indexes().iter().filter_map(|index| index.index_status());
    let mut indexes = indexes.map(|status| status.as_str());
    let index = indexes.find(|word| is_unknown(word, aws::IndexStatus::values()));
    let (what, word) = None
        .or(of_table.map(|word| ("the table", word)))
        .or(sse.map(|word| ("its encryption", word)))
        .or(index.map(|word| ("one of its indexes", word)))?;
    Some(format!(
        "DynamoDB says that {what} is `{word}`, which this version of trueup does not know; upgrade trueup"
    ))
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

/// Keys, indexes and billing in the words of the spec.
fn spec_of(table: &aws::TableDescription, unread: &mut Unread) -> Result<TableSpec, AwsError> {
    let in_reply = |unknown: UnknownWord| unknown.in_reply(Service::DynamoDb, "DescribeTable");
    let mut attributes = BTreeMap::new();
    for definition in table.attribute_definitions() {
        let kind: AttributeType =
            word("a key attribute's type", definition.attribute_type()).map_err(in_reply)?;
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
            on_demand_throughput: Some(on_demand_of(index.on_demand_throughput())),
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
    let global = global.collect::<Result<_, _>>().map(Some).map_err(in_reply);
    let local = local.collect::<Result<_, _>>().map(Some).map_err(in_reply);
    let billing = billing(table).map(Some).map_err(in_reply);
    Ok(TableSpec {
        partition_key,
        sort_key,
        global_secondary_indexes: or_unread(global, "globalSecondaryIndexes", unread)?,
        local_secondary_indexes: or_unread(local, "localSecondaryIndexes", unread)?,
        billing: or_unread(billing, "billing", unread)?,
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
    let mode = mode.map(|mode| word("billing.mode", mode)).transpose()?;
    let mode = mode.unwrap_or(BillingMode::Provisioned);
    let capacity = table.provisioned_throughput().and_then(throughput);
    let throughput = capacity.filter(|_| mode == BillingMode::Provisioned);
    Ok(Billing { mode, throughput })
}

fn projection(described: Option<&aws::Projection>) -> Result<Projection, UnknownWord> {
    let kind = described.and_then(|p| p.projection_type());
    let kind = kind.map(|kind| word("an index's projection.type", kind)).transpose()?;
    let attributes = described.map(|p| p.non_key_attributes().to_vec()).unwrap_or_default();
    Ok(Projection {
        kind: kind.unwrap_or(ProjectionType::All),
        non_key_attributes: Some(attributes).filter(|a| !a.is_empty()),
    })
}

#[cfg(test)]
impl LiveTable {
    /// A table that is as a spec says.
    pub fn sample(mut spec: serde_json::Value, tags: BTreeMap<String, String>) -> Self {
        let is_protected = spec["deletionProtection"] == json!(true);
        let mut facets = SeenFacets::new();
        for facet in FACETS.iter().chain(&SETTINGS) {
            if let Some(words) = spec.as_object_mut().and_then(|s| s.remove(facet.field())) {
                facets.insert(facet.field(), facet.saying(&words));
            }
        }
        Self {
            spec: serde_json::from_value(spec).expect("keys, indexes and billing"),
            of: Arc::new(TableRef { arn: "arn".to_owned(), ..TableRef::unseen("dev-it") }),
            stream_arn: None,
            tags,
            busy: None,
            unknown_state: None,
            failure: None,
            is_protected,
            facets,
            scaling: Targets::new(),
            import: None,
            unread: Vec::new(),
        }
    }
}
