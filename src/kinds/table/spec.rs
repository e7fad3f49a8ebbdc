//! What a Table manifest may say. Limits are AWS's:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scaling::{self, TableScaling};
use crate::kinds::{SpecProblem, policy};
use crate::model::Common;

/// A DynamoDB table.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Table", namespaced, shortname = "tbl")]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "A DynamoDB table.")]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    /// What the manifests of all kinds have: `name`, `deletionPolicy`, `ignore` and `tags`.
    #[serde(flatten)]
    pub common: Common,
    /// The partition key. It can never change: a table is not replaced.
    pub partition_key: KeyAttribute,
    /// The sort key. It can never change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_key: Option<KeyAttribute>,
    /// Indexes with a partition key of their own: the whole list. They can be made and removed at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub global_secondary_indexes: Option<Vec<GlobalIndex>>,
    /// Local indexes are made with the table and can never change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub local_secondary_indexes: Option<Vec<LocalIndex>>,
    /// Whether capacity is provisioned or paid by request; a new table is on demand where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing: Option<Billing>,
    /// A stream of the changes of items, in DynamoDB Streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// By which attribute items expire, so that DynamoDB deletes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<TimeToLive>,
    /// Backups by which the table can be restored as it was at any second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_in_time_recovery: Option<PointInTimeRecovery>,
    /// Whose key encrypts the table; a new table has one that AWS owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<TableEncryption>,
    /// STANDARD, which a new table has, or STANDARD_INFREQUENT_ACCESS, whose storage costs less and whose requests cost
    /// more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_class: Option<TableClass>,
    /// Refuses DeleteTable while it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// The most that the table serves on demand. Only with `billing.mode: PAY_PER_REQUEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the table can serve at once. A floor: DynamoDB raises it as the use grows, and it can never
    /// be lowered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmThroughput>,
    /// Who else may use the table. Compared by meaning, as a bucket's policy; `{}` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub resource_policy: Option<Map<String, Value>>,
    /// Which keys are asked for most and which are throttled, measured in CloudWatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_insights: Option<ContributorInsights>,
    /// How provisioned capacity follows its use. What is scaled is not compared with the declared throughput, which
    /// a new table begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling: Option<TableScaling>,
}

/// Which keys are asked for most and which are throttled, measured in CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContributorInsights {
    /// Whether CloudWatch measures the keys.
    pub enabled: bool,
    /// Only where it is enabled; ACCESSED_AND_THROTTLED_KEYS where it was never given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<InsightsMode>,
}

/// Which keys are measured: ACCESSED_AND_THROTTLED_KEYS where it was never given. Only where it is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum InsightsMode {
    AccessedAndThrottledKeys,
    ThrottledKeys,
}

/// An attribute of a key, and its type. An attribute has one type in the whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyAttribute {
    /// The attribute's name, as items have it.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// S is a string, N a number and B binary data.
    #[serde(rename = "type")]
    pub kind: AttributeType,
}

/// String, number or binary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum AttributeType {
    #[default]
    S,
    N,
    B,
}

/// A global secondary index. It has the keys and limits that are given here, and no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct GlobalIndex {
    /// The index's own name; no two indexes of the table have the same.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub name: String,
    /// The partition key, or the first attribute of one that has several.
    pub partition_key: KeyAttribute,
    /// Further attributes of the partition key, in their order: an index may have four in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub additional_partition_keys: Option<Vec<KeyAttribute>>,
    /// The sort key, or the first attribute of one that has several; without it, the index has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_key: Option<KeyAttribute>,
    /// Further attributes of the sort key, in their order: an index may have four in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub additional_sort_keys: Option<Vec<KeyAttribute>>,
    /// Which attributes of an item the index has.
    pub projection: Projection,
    /// Only with `billing.mode: PROVISIONED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Throughput>,
    /// Only with `billing.mode: PAY_PER_REQUEST`. Where it is not given, the index has no limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the index can serve at once: a floor, as the table's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmThroughput>,
}

impl GlobalIndex {
    /// The attributes of its key with what each is for, in DynamoDB's order.
    pub fn keys(&self) -> impl Iterator<Item = (KeyPart, &KeyAttribute)> {
        let partition = std::iter::once(&self.partition_key)
            .chain(self.additional_partition_keys.iter().flatten());
        let sort = self.sort_key.iter().chain(self.additional_sort_keys.iter().flatten());
        partition.map(|key| (KeyPart::Partition, key)).chain(sort.map(|key| (KeyPart::Sort, key)))
    }
}

/// What an attribute of a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// A part of the partition key: HASH in AWS's words.
    Partition,
    /// A part of the sort key: RANGE in AWS's words.
    Sort,
}

/// A local secondary index: the table's partition key with another sort key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LocalIndex {
    /// The index's own name; no two indexes of the table have the same.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub name: String,
    /// The sort key: another attribute than the table's partition key.
    pub sort_key: KeyAttribute,
    /// Which attributes of an item the index has.
    pub projection: Projection,
}

/// Which attributes of an item an index has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// ALL is every attribute, KEYS_ONLY the keys, and INCLUDE the keys and `nonKeyAttributes`.
    #[serde(rename = "type")]
    pub kind: ProjectionType,
    /// Only with type INCLUDE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 255)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub non_key_attributes: Option<Vec<String>>,
}

/// Which attributes of an item an index has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ProjectionType {
    All,
    KeysOnly,
    Include,
}

/// How the table's capacity is provided and paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Billing {
    /// PROVISIONED for a capacity that is set in advance, PAY_PER_REQUEST for one on demand.
    pub mode: BillingMode,
    /// Only with mode PROVISIONED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Throughput>,
}

/// How the table's capacity is provided and paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum BillingMode {
    Provisioned,
    PayPerRequest,
}

/// Capacity that is set in advance. Only with mode PROVISIONED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Strongly consistent reads a second, of up to 4 KB each.
    #[schemars(range(min = 1))]
    pub read_capacity_units: i64,
    /// Writes a second, of up to 1 KB each.
    #[schemars(range(min = 1))]
    pub write_capacity_units: i64,
}

/// A stream of the changes of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Whether the stream is on. A new viewType turns it off and on again.
    pub enabled: bool,
    /// What a stream record holds; needed where the stream is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_type: Option<StreamView>,
}

/// What a stream record holds of a changed item; needed where the stream is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum StreamView {
    NewImage,
    OldImage,
    NewAndOldImages,
    KeysOnly,
}

/// By which attribute items expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeToLive {
    /// On, where it is not given.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The attribute that says when an item expires, as a number: seconds since 1970, UTC. Needed where it is on.
    #[schemars(length(min = 1, max = 255))]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attribute: String,
}

fn yes() -> bool {
    true
}

/// Backups by which the table can be restored as it was at any second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointInTimeRecovery {
    /// Whether DynamoDB keeps them.
    pub enabled: bool,
    /// How many days back the table can be restored to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 35))]
    pub recovery_period_in_days: Option<i32>,
}

/// Whose key encrypts the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableEncryption {
    /// AWS_OWNED is a key that AWS owns, KMS one of AWS KMS in your account.
    #[serde(rename = "type")]
    pub kind: EncryptionType,
    /// Only with type KMS. A new table gets AWS's own key for DynamoDB where it is not given; an existing one keeps
    /// the key that it has. The key itself, not an alias: DynamoDB answers with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:[^:]+:kms:[^:]+:\d{12}:key/.+$"))]
    pub kms_key_arn: Option<String>,
}

/// Whose key encrypts the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum EncryptionType {
    /// A key that AWS owns: DynamoDB's default.
    #[serde(rename = "AWS_OWNED")]
    AwsOwned,
    #[serde(rename = "KMS")]
    Kms,
}

/// Whether the table's storage or its requests cost less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum TableClass {
    Standard,
    StandardInfrequentAccess,
}

/// The most that a table or an index serves on demand: one of the two, or both. Only with
/// `billing.mode: PAY_PER_REQUEST`. An index has no limits where it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandThroughput {
    /// At least 1; -1 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub max_read_request_units: Option<i64>,
    /// At least 1; -1 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub max_write_request_units: Option<i64>,
}

/// Only raised, never lowered:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarmThroughput {
    /// Read units a second that can be served at once. At least one of the two is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub read_units_per_second: Option<i64>,
    /// Write units a second that can be served at once. At least one of the two is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub write_units_per_second: Option<i64>,
}

impl WarmThroughput {
    /// What a table or an index has where it never had more, of both kinds of billing the larger:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html>.
    pub const USUAL: Self =
        Self { read_units_per_second: Some(12_000), write_units_per_second: Some(4_000) };

    /// As seen by who asks for `floor`: what is above it is as asked for, and of what is not asked for nothing
    /// is seen.
    pub fn at_most(self, floor: Self) -> Self {
        let capped = |live: Option<i64>, floor: Option<i64>| floor.and_then(|f| Some(live?.min(f)));
        Self {
            read_units_per_second: capped(self.read_units_per_second, floor.read_units_per_second),
            write_units_per_second: capped(
                self.write_units_per_second,
                floor.write_units_per_second,
            ),
        }
    }

    /// Of each the larger: AWS refuses to lower either.
    pub fn at_least(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self {
            read_units_per_second: self.read_units_per_second.max(other.read_units_per_second),
            write_units_per_second: self.write_units_per_second.max(other.write_units_per_second),
        }
    }

    /// With another's where it says nothing.
    pub fn or(self, other: Self) -> Self {
        Self {
            read_units_per_second: self.read_units_per_second.or(other.read_units_per_second),
            write_units_per_second: self.write_units_per_second.or(other.write_units_per_second),
        }
    }
}

impl OnDemandThroughput {
    /// Only the limits that there are.
    pub fn without_unlimited(self) -> Self {
        let limit = |limit: Option<i64>| limit.filter(|limit| *limit >= 0);
        Self {
            max_read_request_units: limit(self.max_read_request_units),
            max_write_request_units: limit(self.max_write_request_units),
        }
    }

    /// -1 is no limit.
    pub fn is_unlimited(&self) -> bool {
        let is_none = |limit: Option<i64>| limit.is_none_or(|limit| limit < 0);
        is_none(self.max_read_request_units) && is_none(self.max_write_request_units)
    }
}

impl TableSpec {
    /// The billing mode that is declared; `None` where the manifest says nothing of it.
    pub fn billing_mode(&self) -> Option<BillingMode> {
        self.billing.as_ref().map(|b| b.mode)
    }
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if (3..=255).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err("a table's name has 3 to 255 letters, digits, `_`, `.` or `-`".to_owned())
}

pub(super) fn validate(spec: &TableSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let mut attributes = vec![("partitionKey".to_owned(), &spec.partition_key)];
    attributes.extend(spec.sort_key.iter().map(|key| ("sortKey".to_owned(), key)));
    for (i, index) in spec.global_secondary_indexes.iter().flatten().enumerate() {
        let at = format!("globalSecondaryIndexes[{i}]");
        attributes.push((format!("{at}.partitionKey"), &index.partition_key));
        attributes.extend(index.sort_key.iter().map(|key| (format!("{at}.sortKey"), key)));
        for (field, keys) in [
            ("additionalPartitionKeys", &index.additional_partition_keys),
            ("additionalSortKeys", &index.additional_sort_keys),
        ] {
            let keys = keys.iter().flatten().enumerate();
            attributes.extend(keys.map(|(j, key)| (format!("{at}.{field}[{j}]"), key)));
        }
        problems.extend(check_index_keys(&at, index));
        problems.extend(check_limits(&at, index.on_demand_throughput));
        problems.extend(check_warm(&at, index.warm_throughput));
        problems.extend(check_projection(&at, &index.projection));
    }
    for (i, index) in spec.local_secondary_indexes.iter().flatten().enumerate() {
        let at = format!("localSecondaryIndexes[{i}]");
        attributes.push((format!("{at}.sortKey"), &index.sort_key));
        if index.sort_key.name == spec.partition_key.name {
            let message = "the sort key is another attribute than the table's partition key";
            problems.push(SpecProblem::new(format!("{at}.sortKey.name"), message));
        }
        problems.extend(check_projection(&at, &index.projection));
    }
    if spec.sort_key.as_ref().is_some_and(|key| key.name == spec.partition_key.name) {
        let message = "the sort key is another attribute than the partition key";
        problems.push(SpecProblem::new("sortKey.name", message));
    }
    let has_limits = |limits: Option<OnDemandThroughput>| limits.is_some_and(|l| !l.is_unlimited());
    if spec.billing_mode() == Some(BillingMode::Provisioned)
        && has_limits(spec.on_demand_throughput)
    {
        let message = "onDemandThroughput goes with billing mode PAY_PER_REQUEST";
        problems.push(SpecProblem::new("onDemandThroughput", message));
    }
    if spec.ttl.as_ref().is_some_and(|ttl| ttl.enabled && ttl.attribute.is_empty()) {
        let message =
            "name the attribute by which items expire, or turn it off with `enabled: false`";
        problems.push(SpecProblem::new("ttl.attribute", message));
    }
    if let Some(policy) = &spec.resource_policy {
        problems.extend(policy::check("resourcePolicy", policy, &policy::Of::table()));
    }
    problems.extend(check_limits("", spec.on_demand_throughput));
    problems.extend(check_warm("", spec.warm_throughput));
    problems.extend(check_types_agree(&attributes));
    problems.extend(check_projected(spec));
    problems.extend(check_index_names(spec));
    problems.extend(scaling::validate(spec));
    problems.extend(check_capacity(spec));
    if spec.local_secondary_indexes.as_ref().is_some_and(|l| !l.is_empty())
        && spec.sort_key.is_none()
    {
        let message = "local indexes need a table with a sort key";
        problems.push(SpecProblem::new("localSecondaryIndexes", message));
    }
    if let Some(Stream { enabled: true, view_type: None }) = spec.stream {
        let message = "an enabled stream needs a viewType";
        problems.push(SpecProblem::new("stream", message).help("add viewType: NEW_AND_OLD_IMAGES"));
    }
    if let Some(TableEncryption { kind: EncryptionType::AwsOwned, kms_key_arn: Some(_) }) =
        &spec.encryption
    {
        let message = "kmsKeyArn goes with type KMS";
        problems.push(SpecProblem::new("encryption.kmsKeyArn", message));
    }
    problems
}

fn check_projection(at: &str, projection: &Projection) -> Option<SpecProblem> {
    let path = format!("{at}.projection");
    match (projection.kind, &projection.non_key_attributes) {
        (ProjectionType::Include, None) => {
            Some(SpecProblem::new(path, "a projection of type INCLUDE needs nonKeyAttributes"))
        }
        (ProjectionType::All | ProjectionType::KeysOnly, Some(_)) => {
            Some(SpecProblem::new(path, "nonKeyAttributes go with type INCLUDE only"))
        }
        _ => None,
    }
}

fn check_index_keys(at: &str, index: &GlobalIndex) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if index.sort_key.is_none()
        && index.additional_sort_keys.as_ref().is_some_and(|k| !k.is_empty())
    {
        let message = "additionalSortKeys follow a sortKey";
        problems.push(SpecProblem::new(format!("{at}.additionalSortKeys"), message));
    }
    let names: Vec<_> = index.keys().map(|(_, key)| &key.name).collect();
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        let message = format!("attribute `{}` is in the index's key twice", twice.1);
        problems.push(SpecProblem::new(at, message));
    }
    problems
}

/// A limit is at least 1, or -1 where there is none; at least one is named:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_OnDemandThroughput.html>.
fn check_limits(at: &str, limits: Option<OnDemandThroughput>) -> Vec<SpecProblem> {
    let Some(limits) = limits else { return Vec::new() };
    let path = |field: &str| join(at, &format!("onDemandThroughput{field}"));
    let mut problems = Vec::new();
    for (field, limit) in [
        (".maxReadRequestUnits", limits.max_read_request_units),
        (".maxWriteRequestUnits", limits.max_write_request_units),
    ] {
        if limit == Some(0) {
            let problem = SpecProblem::new(path(field), "a limit is at least 1");
            problems.push(problem.help("-1 takes the limit away"));
        }
    }
    if limits == OnDemandThroughput::default() {
        let message = "onDemandThroughput needs maxReadRequestUnits, maxWriteRequestUnits, or both";
        problems.push(SpecProblem::new(path(""), message));
    }
    problems
}

fn check_warm(at: &str, warm: Option<WarmThroughput>) -> Option<SpecProblem> {
    let message = "warmThroughput needs readUnitsPerSecond, writeUnitsPerSecond, or both";
    (warm == Some(WarmThroughput::default()))
        .then(|| SpecProblem::new(join(at, "warmThroughput"), message))
}

fn join(at: &str, field: &str) -> String {
    if at.is_empty() { field.to_owned() } else { format!("{at}.{field}") }
}

/// The most attributes that all indexes of a table together may project by name:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
const PROJECTED_MAX: usize = 100;

fn check_projected(spec: &TableSpec) -> Option<SpecProblem> {
    let global = spec.global_secondary_indexes.iter().flatten().map(|index| &index.projection);
    let local = spec.local_secondary_indexes.iter().flatten().map(|index| &index.projection);
    let projected: usize = global
        .chain(local)
        .map(|projection| projection.non_key_attributes.as_ref().map_or(0, Vec::len))
        .sum();
    let message = format!(
        "the indexes project {projected} attributes by name; DynamoDB allows {PROJECTED_MAX} in a table"
    );
    (projected > PROJECTED_MAX).then(|| SpecProblem::new("", message))
}

/// An attribute has one type in a table, wherever it is a key.
fn check_types_agree(attributes: &[(String, &KeyAttribute)]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (i, (path, key)) in attributes.iter().enumerate() {
        let before = attributes[..i].iter().find(|(_, k)| k.name == key.name && k.kind != key.kind);
        if let Some((other, first)) = before {
            let message = format!(
                "attribute `{}` is {:?} here and {:?} at {other}; an attribute has one type",
                key.name, key.kind, first.kind
            );
            problems.push(SpecProblem::new(format!("{path}.type"), message));
        }
    }
    problems
}

fn check_index_names(spec: &TableSpec) -> Vec<SpecProblem> {
    let global = spec.global_secondary_indexes.iter().flatten().enumerate();
    let local = spec.local_secondary_indexes.iter().flatten().enumerate();
    let names: Vec<_> = global
        .map(|(i, index)| (format!("globalSecondaryIndexes[{i}].name"), &index.name))
        .chain(local.map(|(i, index)| (format!("localSecondaryIndexes[{i}].name"), &index.name)))
        .collect();
    let taken = |(i, (_, name)): &(usize, &(String, &String))| {
        names[..*i].iter().any(|(_, earlier)| earlier == name)
    };
    names
        .iter()
        .enumerate()
        .filter(taken)
        .map(|(_, (path, name))| {
            SpecProblem::new(path.clone(), format!("index name `{name}` is used twice"))
        })
        .collect()
}

fn check_capacity(spec: &TableSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let mode = spec.billing_mode();
    let has_throughput = spec.billing.as_ref().is_some_and(|b| b.throughput.is_some());
    if mode == Some(BillingMode::Provisioned) && !has_throughput {
        let message = "mode PROVISIONED needs throughput {readCapacityUnits, writeCapacityUnits}";
        problems.push(SpecProblem::new("billing", message));
    }
    if mode == Some(BillingMode::PayPerRequest) && has_throughput {
        let message = "throughput goes with mode PROVISIONED";
        problems.push(SpecProblem::new("billing.throughput", message));
    }
    for (i, index) in spec.global_secondary_indexes.iter().flatten().enumerate() {
        let path = format!("globalSecondaryIndexes[{i}]");
        match (mode, index.throughput) {
            (Some(BillingMode::Provisioned), None) => {
                let message = "an index of a PROVISIONED table needs its own throughput";
                problems.push(SpecProblem::new(&path, message));
            }
            (Some(BillingMode::PayPerRequest), Some(_)) => {
                let message = "throughput goes with billing mode PROVISIONED";
                problems.push(SpecProblem::new(format!("{path}.throughput"), message));
            }
            _ => {}
        }
        if mode == Some(BillingMode::Provisioned) && index.on_demand_throughput.is_some() {
            let message = "onDemandThroughput goes with billing mode PAY_PER_REQUEST";
            problems.push(SpecProblem::new(format!("{path}.onDemandThroughput"), message));
        }
    }
    problems
}
