//! A bucket's copies and reports: replication, tiering, inventory and metrics.

use super::Row;
use super::bucket::{Facet, delete, row};

const REPLICATION: Facet = Facet {
    path: "/{name}?replication",
    root: "ReplicationConfiguration",
    inner: "<Role>arn:aws:iam::123456789012:role/copy</Role><Rule><ID>copies</ID><Priority>1</Priority><Filter><Prefix>docs/</Prefix></Filter><Status>Enabled</Status><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria><ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication><Destination><Bucket>arn:aws:s3:::copies</Bucket><Account>210987654321</Account><StorageClass>STANDARD_IA</StorageClass><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation><EncryptionConfiguration><ReplicaKmsKeyID>arn:aws:kms:eu-west-1:210987654321:key/a</ReplicaKmsKeyID></EncryptionConfiguration><ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime><Metrics><Status>Enabled</Status><EventThreshold><Minutes>15</Minutes></EventThreshold></Metrics></Destination><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication></Rule><Rule><ID>drafts</ID><Priority>2</Priority><Filter><And><Prefix>a/</Prefix><Tag><Key>kind</Key><Value>draft</Value></Tag></And></Filter><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::others</Bucket><Metrics><Status>Enabled</Status></Metrics></Destination><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication></Rule>",
};
const TIERING: Facet = Facet {
    path: "/{name}?intelligent-tiering&id=old",
    root: "IntelligentTieringConfiguration",
    inner: "<Id>old</Id><Filter><And><Prefix>in/</Prefix><Tag><Key>kind</Key><Value>draft</Value></Tag></And></Filter><Status>Enabled</Status><Tiering><AccessTier>ARCHIVE_ACCESS</AccessTier><Days>90</Days></Tiering><Tiering><AccessTier>DEEP_ARCHIVE_ACCESS</AccessTier><Days>200</Days></Tiering>",
};
const INVENTORY: Facet = Facet {
    path: "/{name}?inventory&id=weekly",
    root: "InventoryConfiguration",
    inner: "<Destination><S3BucketDestination><AccountId>123456789012</AccountId><Bucket>arn:aws:s3:::lists</Bucket><Format>CSV</Format><Prefix>of-it</Prefix><Encryption><SSE-KMS><KeyId>arn:aws:kms:us-east-1:123456789012:key/a</KeyId></SSE-KMS></Encryption></S3BucketDestination></Destination><IsEnabled>true</IsEnabled><Filter><Prefix>in/</Prefix></Filter><Id>weekly</Id><IncludedObjectVersions>All</IncludedObjectVersions><OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields><Schedule><Frequency>Weekly</Frequency></Schedule>",
};
const METRICS: Facet = Facet {
    path: "/{name}?metrics&id=part",
    root: "MetricsConfiguration",
    inner: "<Id>part</Id><Filter><And><Prefix>in/</Prefix><Tag><Key>kind</Key><Value>draft</Value></Tag><AccessPointArn>arn:aws:s3:us-east-1:123456789012:accesspoint/web</AccessPointArn></And></Filter>",
};

/// Changes by hand of copies and reports: the field, how it is named, the facet, and the part that changes.
const COPIED: [(&str, &str, Facet, &str, &str); 34] = [
    ("replication.role", "replication.role", REPLICATION, "role/copy", "role/by-hand"),
    (
        "replication.rules[].id",
        "replication.rules[copies]",
        REPLICATION,
        "<ID>copies",
        "<ID>by-hand",
    ),
    (
        "replication.rules[].priority",
        "replication.rules[copies].priority",
        REPLICATION,
        "<Priority>1<",
        "<Priority>9<",
    ),
    (
        "replication.rules[].enabled",
        "replication.rules[copies].enabled",
        REPLICATION,
        "docs/</Prefix></Filter><Status>Enabled",
        "docs/</Prefix></Filter><Status>Disabled",
    ),
    (
        "replication.rules[].prefix",
        "replication.rules[copies].prefix",
        REPLICATION,
        "<Prefix>docs/",
        "<Prefix>by-hand/",
    ),
    (
        "replication.rules[].tags.*",
        "replication.rules[drafts].tags.kind",
        REPLICATION,
        "<Value>draft",
        "<Value>final",
    ),
    (
        "replication.rules[].deleteMarkerReplication",
        "replication.rules[copies].deleteMarkerReplication",
        REPLICATION,
        "<DeleteMarkerReplication><Status>Enabled",
        "<DeleteMarkerReplication><Status>Disabled",
    ),
    (
        "replication.rules[].existingObjectReplication",
        "replication.rules[copies].existingObjectReplication",
        REPLICATION,
        "<ExistingObjectReplication><Status>Enabled",
        "<ExistingObjectReplication><Status>Disabled",
    ),
    (
        "replication.rules[].sseKmsEncryptedObjects",
        "replication.rules[copies].sseKmsEncryptedObjects",
        REPLICATION,
        "<SseKmsEncryptedObjects><Status>Enabled",
        "<SseKmsEncryptedObjects><Status>Disabled",
    ),
    (
        "replication.rules[].replicaModifications",
        "replication.rules[copies].replicaModifications",
        REPLICATION,
        "<ReplicaModifications><Status>Enabled",
        "<ReplicaModifications><Status>Disabled",
    ),
    (
        "replication.rules[].destination.bucketArn",
        "replication.rules[copies].destination.bucketArn",
        REPLICATION,
        "s3:::copies",
        "s3:::by-hand",
    ),
    (
        "replication.rules[].destination.account",
        "replication.rules[copies].destination.account",
        REPLICATION,
        "<Account>210987654321",
        "<Account>111111111111",
    ),
    (
        "replication.rules[].destination.storageClass",
        "replication.rules[copies].destination.storageClass",
        REPLICATION,
        "STANDARD_IA",
        "GLACIER",
    ),
    (
        "replication.rules[].destination.ownedByDestination",
        "replication.rules[copies].destination.ownedByDestination",
        REPLICATION,
        "<AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>",
        "",
    ),
    (
        "replication.rules[].destination.kmsKeyArn",
        "replication.rules[copies].destination.kmsKeyArn",
        REPLICATION,
        "key/a",
        "key/b",
    ),
    (
        "replication.rules[].destination.replicationTime",
        "replication.rules[copies].destination.replicationTime",
        REPLICATION,
        "<ReplicationTime><Status>Enabled",
        "<ReplicationTime><Status>Disabled",
    ),
    (
        "replication.rules[].destination.metrics",
        "replication.rules[drafts].destination.metrics",
        REPLICATION,
        "others</Bucket><Metrics><Status>Enabled",
        "others</Bucket><Metrics><Status>Disabled",
    ),
    (
        "intelligentTiering[].enabled",
        "intelligentTiering[old].enabled",
        TIERING,
        "<Status>Enabled",
        "<Status>Disabled",
    ),
    (
        "intelligentTiering[].prefix",
        "intelligentTiering[old].prefix",
        TIERING,
        "<Prefix>in/",
        "<Prefix>by-hand/",
    ),
    (
        "intelligentTiering[].tags.*",
        "intelligentTiering[old].tags.kind",
        TIERING,
        "<Value>draft",
        "<Value>final",
    ),
    (
        "intelligentTiering[].tierings[].days",
        "intelligentTiering[old].tierings",
        TIERING,
        "<Days>90",
        "<Days>100",
    ),
    (
        "intelligentTiering[].tierings[].accessTier",
        "intelligentTiering[old].tierings",
        TIERING,
        "<Tiering><AccessTier>DEEP_ARCHIVE_ACCESS</AccessTier><Days>200</Days></Tiering>",
        "",
    ),
    (
        "inventory[].enabled",
        "inventory[weekly].enabled",
        INVENTORY,
        "<IsEnabled>true",
        "<IsEnabled>false",
    ),
    (
        "inventory[].prefix",
        "inventory[weekly].prefix",
        INVENTORY,
        "<Prefix>in/",
        "<Prefix>by-hand/",
    ),
    (
        "inventory[].includedObjectVersions",
        "inventory[weekly].includedObjectVersions",
        INVENTORY,
        ">All<",
        ">Current<",
    ),
    ("inventory[].frequency", "inventory[weekly].frequency", INVENTORY, "Weekly", "Daily"),
    (
        "inventory[].optionalFields[]",
        "inventory[weekly].optionalFields",
        INVENTORY,
        "<Field>ETag",
        "<Field>StorageClass",
    ),
    (
        "inventory[].destination.bucketArn",
        "inventory[weekly].destination.bucketArn",
        INVENTORY,
        "s3:::lists",
        "s3:::by-hand",
    ),
    (
        "inventory[].destination.format",
        "inventory[weekly].destination.format",
        INVENTORY,
        ">CSV<",
        ">ORC<",
    ),
    (
        "inventory[].destination.account",
        "inventory[weekly].destination.account",
        INVENTORY,
        "<AccountId>123456789012",
        "<AccountId>111111111111",
    ),
    (
        "inventory[].destination.prefix",
        "inventory[weekly].destination.prefix",
        INVENTORY,
        "of-it",
        "by-hand",
    ),
    (
        "inventory[].destination.kmsKeyArn",
        "inventory[weekly].destination.kmsKeyArn",
        INVENTORY,
        "key/a",
        "key/b",
    ),
    ("metrics[].prefix", "metrics[part].prefix", METRICS, "<Prefix>in/", "<Prefix>by-hand/"),
    ("metrics[].tags.*", "metrics[part].tags.kind", METRICS, "<Value>draft", "<Value>final"),
];

pub(super) fn rows() -> Vec<Row> {
    let changed = COPIED.map(|(field, named, facet, part, to)| row(field, named, facet, part, to));
    let mut rows = Vec::from(changed);
    rows.extend([
        row(
            "metrics[].accessPointArn",
            "metrics[part].accessPointArn",
            METRICS,
            "accesspoint/web",
            "accesspoint/by-hand",
        ),
        Row::new("replication.role", "replication", delete("/{name}?replication")),
        Row::new(
            "intelligentTiering[].id",
            "intelligentTiering",
            delete("/{name}?intelligent-tiering&id=old"),
        ),
        Row::new("inventory[].id", "inventory", delete("/{name}?inventory&id=weekly")),
        Row::new("metrics[].id", "metrics[all]", delete("/{name}?metrics&id=all")),
    ]);
    rows
}
