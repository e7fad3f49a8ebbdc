//! Lists of a bucket's objects, written into another bucket.

use aws_sdk_s3::types as aws;

use super::Built;
use super::configurations::{Configuration, Page};
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::{Inventory, InventoryDestination};
use crate::kinds::{UnknownWord, as_aws, word};

pub(super) struct Inventories;

impl Configuration for Inventories {
    const FIELD: &'static str = "inventory";
    const WHAT: &'static str = "inventory";
    const LIST: &'static str = "ListBucketInventoryConfigurations";
    type Sdk = aws::InventoryConfiguration;
    type Words = Inventory;

    async fn page(
        session: &Session,
        bucket: &str,
        from: Option<String>,
    ) -> Result<Page<Self::Sdk>, AwsError> {
        let read = session.read(Service::S3, Self::LIST, || {
            let call = session.s3().list_bucket_inventory_configurations();
            call.bucket(bucket).set_continuation_token(from.clone()).send()
        });
        let page = read.await?;
        Ok((page.inventory_configuration_list.unwrap_or_default(), page.next_continuation_token))
    }

    fn id(sdk: &Self::Sdk) -> &str {
        &sdk.id
    }

    fn id_in_words(words: &Inventory) -> &str {
        &words.id
    }

    fn in_words(sdk: &Self::Sdk) -> Result<Inventory, UnknownWord> {
        let destination = sdk.destination().and_then(|d| d.s3_bucket_destination());
        let destination =
            destination.ok_or_else(|| UnknownWord::new("inventory.destination", "no bucket"))?;
        let field = |field: &aws::InventoryOptionalField| word("inventory.optionalFields", field);
        let fields = sdk.optional_fields().iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let key = destination.encryption().and_then(|e| e.ssekms());
        let frequency = sdk.schedule().map_or("", |schedule| schedule.frequency.as_str());
        let prefix = sdk.filter().map(|filter| filter.prefix.clone());
        Ok(Inventory {
            id: sdk.id.clone(),
            enabled: Some(sdk.is_enabled),
            prefix: prefix.filter(|prefix| !prefix.is_empty()),
            included_object_versions: word(
                "inventory.includedObjectVersions",
                sdk.included_object_versions.as_str(),
            )?,
            frequency: word("inventory.frequency", frequency)?,
            optional_fields: Some(fields).filter(|fields| !fields.is_empty()),
            destination: InventoryDestination {
                bucket_arn: Some(destination.bucket.clone()),
                bucket_arn_from: None,
                format: word("inventory.destination.format", &destination.format)?,
                account: destination.account_id.clone(),
                prefix: destination.prefix.clone().filter(|prefix| !prefix.is_empty()),
                kms_key_arn: key.map(|key| key.key_id.clone()),
            },
        })
    }

    fn overlay_one(words: Inventory, before: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let live = before.as_ref().and_then(|sdk| sdk.destination()?.s3_bucket_destination());
        let destination = destination(words.destination, live.cloned())?;
        let destination =
            aws::InventoryDestination::builder().s3_bucket_destination(destination).build();
        let frequency: aws::InventoryFrequency = as_aws(words.frequency);
        let versions: aws::InventoryIncludedObjectVersions = as_aws(words.included_object_versions);
        let prefix = words.prefix.filter(|prefix| !prefix.is_empty());
        let filter = prefix.map(|prefix| aws::InventoryFilter::builder().prefix(prefix).build());
        let fields = words.optional_fields.iter().flatten();
        let fields = fields.map(as_aws);
        let fields: Vec<_> = fields.collect();
        aws::InventoryConfiguration::builder()
            .id(words.id)
            .is_enabled(words.enabled != Some(false))
            .included_object_versions(versions)
            .schedule(aws::InventorySchedule::builder().frequency(frequency).build()?)
            .set_filter(filter.transpose()?)
            .set_optional_fields(Some(fields).filter(|fields| !fields.is_empty()))
            .destination(destination)
            .build()
    }

    async fn put(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_inventory_configuration().bucket(bucket);
        let call = call.id(&sdk.id).inventory_configuration(sdk).send();
        session.write(Service::S3, "PutBucketInventoryConfiguration", call).await.map(drop)
    }

    async fn delete(session: &Session, bucket: &str, id: String) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_inventory_configuration();
        let call = call.bucket(bucket).id(id).send();
        session.write(Service::S3, "DeleteBucketInventoryConfiguration", call).await.map(drop)
    }
}

/// Encryption with S3's own keys has no word, and stays.
fn destination(
    words: InventoryDestination,
    live: Option<aws::InventoryS3BucketDestination>,
) -> Built<aws::InventoryS3BucketDestination> {
    let live = live.and_then(|live| live.encryption);
    let is_same = |live: &aws::InventoryEncryption| {
        live.ssekms().map(|key| key.key_id.as_str()) == words.kms_key_arn.as_deref()
    };
    let encryption = match (live.filter(is_same), &words.kms_key_arn) {
        (Some(live), _) => Some(live),
        (None, Some(key)) => {
            let key = aws::Ssekms::builder().key_id(key).build()?;
            Some(aws::InventoryEncryption::builder().ssekms(key).build())
        }
        (None, None) => None,
    };
    aws::InventoryS3BucketDestination::builder()
        .bucket(words.bucket_arn.unwrap_or_default())
        .format(as_aws(words.format))
        .set_account_id(words.account)
        .set_prefix(words.prefix)
        .set_encryption(encryption)
        .build()
}
