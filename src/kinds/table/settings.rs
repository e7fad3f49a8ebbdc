//! A table's settings, each told once: DescribeTable shows all of them, and UpdateTable takes one at a time.

use std::marker::PhantomData;

use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder as Update;
use aws_sdk_dynamodb::types as aws;
use aws_smithy_types::error::operation::BuildError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::facets::TableRef;
use super::spec::*;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::{AnyFacet, Plain, Told, UnknownWord, as_aws, word};

/// In the order in which they are written; what protects comes first.
pub(super) const SETTINGS: [&dyn AnyFacet<TableRef>; 6] = [
    &Told::<Part<Protection>>(PhantomData),
    &Told::<Part<OnDemand>>(PhantomData),
    &Told::<Part<Warm>>(PhantomData),
    &Told::<Part<Class>>(PhantomData),
    &Told::<Part<Encryption>>(PhantomData),
    &Told::<Part<Streams>>(PhantomData),
];

type Built = Result<Update, BuildError>;

trait Setting: Send + Sync + 'static {
    const FIELD: &'static str;
    const WHAT: &'static str;
    type Words: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    fn words(table: &aws::TableDescription) -> Result<Option<Self::Words>, UnknownWord>;
    fn set(call: Update, words: Self::Words) -> Built;
    /// See [`Plain::toward`].
    fn toward(words: Self::Words, _live: Option<Self::Words>) -> Self::Words {
        words
    }
}

/// A setting as a facet.
struct Part<S>(PhantomData<S>);

impl<S: Setting> Plain for Part<S> {
    type Of = TableRef;
    const FIELD: &'static str = S::FIELD;
    const WHAT: &'static str = S::WHAT;
    const READ: (Service, &'static str) = (Service::DynamoDb, "DescribeTable");
    const SETTLES_LATER: bool = true;
    type Words = S::Words;

    async fn read(_: &Session, of: &TableRef) -> Result<Option<S::Words>, AwsError> {
        let (service, operation) = Self::READ;
        S::words(&of.described).map_err(|unknown| unknown.in_reply(service, operation))
    }

    fn toward(words: S::Words, live: Option<S::Words>) -> S::Words {
        S::toward(words, live)
    }

    async fn write(session: &Session, of: &TableRef, words: S::Words) -> Result<(), AwsError> {
        let call = S::set(session.dynamodb().update_table().table_name(&of.name), words);
        let call = call.map_err(|e| AwsError::incomplete(Service::DynamoDb, "UpdateTable", &e))?;
        session.write(Service::DynamoDb, "UpdateTable", call.send()).await.map(drop)
    }
}

struct Protection;

impl Setting for Protection {
    const FIELD: &'static str = "deletionProtection";
    const WHAT: &'static str = "deletion protection";
    type Words = bool;

    fn words(table: &aws::TableDescription) -> Result<Option<bool>, UnknownWord> {
        Ok(Some(table.deletion_protection_enabled().unwrap_or(false)))
    }

    fn set(call: Update, is_on: bool) -> Built {
        Ok(call.deletion_protection_enabled(is_on))
    }
}

struct OnDemand;

impl Setting for OnDemand {
    const FIELD: &'static str = "onDemandThroughput";
    const WHAT: &'static str = "on-demand throughput";
    type Words = OnDemandThroughput;

    fn words(table: &aws::TableDescription) -> Result<Option<OnDemandThroughput>, UnknownWord> {
        Ok(Some(on_demand_of(table.on_demand_throughput())))
    }

    fn set(call: Update, words: OnDemandThroughput) -> Built {
        Ok(call.on_demand_throughput(on_demand(words)))
    }
}

/// No limit is -1, which DynamoDB takes and does not show:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_OnDemandThroughput.html>.
pub(super) fn on_demand_of(limits: Option<&aws::OnDemandThroughput>) -> OnDemandThroughput {
    OnDemandThroughput {
        max_read_request_units: limits.and_then(|t| t.max_read_request_units()).or(Some(-1)),
        max_write_request_units: limits.and_then(|t| t.max_write_request_units()).or(Some(-1)),
    }
}

pub(super) fn on_demand(wanted: OnDemandThroughput) -> aws::OnDemandThroughput {
    aws::OnDemandThroughput::builder()
        .set_max_read_request_units(wanted.max_read_request_units)
        .set_max_write_request_units(wanted.max_write_request_units)
        .build()
}

struct Warm;

impl Setting for Warm {
    const FIELD: &'static str = "warmThroughput";
    const WHAT: &'static str = "warm throughput";
    type Words = WarmThroughput;

    fn words(table: &aws::TableDescription) -> Result<Option<WarmThroughput>, UnknownWord> {
        Ok(table.warm_throughput().map(|warm| WarmThroughput {
            read_units_per_second: warm.read_units_per_second(),
            write_units_per_second: warm.write_units_per_second(),
        }))
    }

    fn toward(words: WarmThroughput, live: Option<WarmThroughput>) -> WarmThroughput {
        words.at_least(live)
    }

    fn set(call: Update, words: WarmThroughput) -> Built {
        Ok(call.warm_throughput(warm(words)))
    }
}

pub(super) fn warm(wanted: WarmThroughput) -> aws::WarmThroughput {
    aws::WarmThroughput::builder()
        .set_read_units_per_second(wanted.read_units_per_second)
        .set_write_units_per_second(wanted.write_units_per_second)
        .build()
}

struct Class;

impl Setting for Class {
    const FIELD: &'static str = "tableClass";
    const WHAT: &'static str = "table class";
    type Words = TableClass;

    fn words(table: &aws::TableDescription) -> Result<Option<TableClass>, UnknownWord> {
        let class = table.table_class_summary().and_then(|summary| summary.table_class());
        class.map_or(Ok(TableClass::Standard), |class| word(Self::FIELD, class)).map(Some)
    }

    fn set(call: Update, words: TableClass) -> Built {
        Ok(call.table_class(as_aws::<aws::TableClass>(words)))
    }
}

struct Encryption;

impl Setting for Encryption {
    const FIELD: &'static str = "encryption";
    const WHAT: &'static str = "encryption";
    type Words = TableEncryption;

    /// What has no description is encrypted with a key that AWS owns:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html>.
    fn words(table: &aws::TableDescription) -> Result<Option<TableEncryption>, UnknownWord> {
        let sse = table.sse_description();
        Ok(Some(match sse.and_then(|sse| sse.sse_type()) {
            None | Some(aws::SseType::Aes256) => {
                TableEncryption { kind: EncryptionType::AwsOwned, kms_key_arn: None }
            }
            Some(kind) => TableEncryption {
                kind: word("encryption.type", kind)?,
                kms_key_arn: sse.and_then(|sse| sse.kms_master_key_arn()).map(str::to_owned),
            },
        }))
    }

    fn set(call: Update, words: TableEncryption) -> Built {
        Ok(call.sse_specification(sse(&words)))
    }
}

/// "Enabled" is KMS; off is the key that AWS owns:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html>.
pub(super) fn sse(wanted: &TableEncryption) -> aws::SseSpecification {
    match wanted.kind {
        EncryptionType::AwsOwned => aws::SseSpecification::builder().enabled(false).build(),
        EncryptionType::Kms => aws::SseSpecification::builder()
            .enabled(true)
            .sse_type(aws::SseType::Kms)
            .set_kms_master_key_id(wanted.kms_key_arn.clone())
            .build(),
    }
}

struct Streams;

impl Setting for Streams {
    const FIELD: &'static str = "stream";
    const WHAT: &'static str = "stream";
    type Words = Stream;

    fn words(table: &aws::TableDescription) -> Result<Option<Stream>, UnknownWord> {
        let specification = table.stream_specification();
        let enabled = specification.is_some_and(|s| s.stream_enabled());
        let view = specification.and_then(|s| s.stream_view_type()).filter(|_| enabled);
        let view_type = view.map(|view| word("stream.viewType", view)).transpose()?;
        Ok(Some(Stream { enabled, view_type }))
    }

    /// A stream that is on cannot change its view: it is turned off first, and on again once it is.
    fn toward(words: Stream, live: Option<Stream>) -> Stream {
        let is_on = live.is_some_and(|live| live.enabled);
        let view_type = words.view_type.filter(|_| words.enabled && !is_on);
        Stream { enabled: view_type.is_some(), view_type }
    }

    fn set(call: Update, words: Stream) -> Built {
        Ok(call.stream_specification(stream(words)?))
    }
}

pub(super) fn stream(wanted: Stream) -> Result<aws::StreamSpecification, BuildError> {
    let view = wanted.view_type.map(as_aws);
    aws::StreamSpecification::builder()
        .stream_enabled(wanted.enabled)
        .set_stream_view_type(view)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_on_is_turned_off_before_it_changes() {
        let stream = |enabled, view_type| Stream { enabled, view_type };
        let (new, old) = (Some(StreamView::NewImage), Some(StreamView::OldImage));
        for (what, words, live, written) in [
            ("on", stream(true, new), stream(false, None), stream(true, new)),
            ("off", stream(false, None), stream(true, new), stream(false, None)),
            ("another view", stream(true, new), stream(true, old), stream(false, None)),
        ] {
            assert_eq!(Streams::toward(words, Some(live)), written, "{what}");
        }
    }

    #[test]
    fn warm_throughput_is_never_lowered() {
        let warm = |read, write| WarmThroughput {
            read_units_per_second: read,
            write_units_per_second: write,
        };
        let live = warm(Some(20_000), Some(4_000));
        let written = Warm::toward(warm(Some(12_000), Some(8_000)), Some(live));
        assert_eq!(written, warm(Some(20_000), Some(8_000)));
    }
}
