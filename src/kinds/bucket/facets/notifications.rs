//! Who is told of what happens in the bucket. A put replaces everybody.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::bucket::spec::{Notification, Notifications};
use crate::kinds::{Facet, UnknownWord};

pub(super) struct Notices;

/// The entries of one list, which has an SDK type of its own. One that says what its words say goes back as
/// it came.
macro_rules! entries {
    ($words:expr, $live:expr, $in_words:ident, $builder:ident::$kind:ident::builder().$set_arn:ident) => {{
        let before = $live.take().unwrap_or_default();
        let entry = |n: Notification| match before.iter().find(|live| $in_words(live) == n) {
            Some(live) => Ok(live.clone()),
            None => $builder::$kind::builder()
                .id(&n.id)
                .$set_arn(n.arn.clone())
                .set_events(Some(events(&n)))
                .set_filter(filter(&n))
                .build(),
        };
        $words.into_iter().flatten().map(entry).collect::<Built<_>>()?
    }};
}

impl Facet for Notices {
    type Of = str;
    const FIELD: &'static str = "notifications";
    const WHAT: &'static str = "notifications";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketNotificationConfiguration");
    type Sdk = aws::NotificationConfiguration;
    type Words = Notifications;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_notification_configuration().bucket(bucket).send()
        });
        let read = read.await?;
        Ok(Some(
            Self::Sdk::builder()
                .set_lambda_function_configurations(read.lambda_function_configurations)
                .set_queue_configurations(read.queue_configurations)
                .set_topic_configurations(read.topic_configurations)
                .set_event_bridge_configuration(read.event_bridge_configuration)
                .build(),
        ))
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Notifications>, UnknownWord> {
        Ok(Some(Notifications {
            functions: Some(sdk.lambda_function_configurations().iter().map(function).collect()),
            queues: Some(sdk.queue_configurations().iter().map(queue).collect()),
            topics: Some(sdk.topic_configurations().iter().map(topic).collect()),
            event_bridge: Some(sdk.event_bridge_configuration.is_some()),
        }))
    }

    /// S3 says that a bucket notifies nobody by a configuration that lists nobody.
    fn is_unset(words: &Notifications) -> bool {
        let lists = [&words.functions, &words.queues, &words.topics];
        lists.into_iter().flatten().all(Vec::is_empty) && words.event_bridge != Some(true)
    }

    fn overlay(words: Notifications, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        sdk.lambda_function_configurations = Some(entries!(
            words.functions,
            sdk.lambda_function_configurations,
            function,
            aws::LambdaFunctionConfiguration::builder().set_lambda_function_arn
        ));
        sdk.queue_configurations = Some(entries!(
            words.queues,
            sdk.queue_configurations,
            queue,
            aws::QueueConfiguration::builder().set_queue_arn
        ));
        sdk.topic_configurations = Some(entries!(
            words.topics,
            sdk.topic_configurations,
            topic,
            aws::TopicConfiguration::builder().set_topic_arn
        ));
        let bridge = words.event_bridge == Some(true);
        sdk.event_bridge_configuration =
            bridge.then(|| aws::EventBridgeConfiguration::builder().build());
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_notification_configuration().bucket(bucket);
        let call = call.notification_configuration(sdk).send();
        session.write(Service::S3, "PutBucketNotificationConfiguration", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        Self::write(session, bucket, Self::Sdk::builder().build()).await
    }
}

fn function(live: &aws::LambdaFunctionConfiguration) -> Notification {
    notice(live.id(), live.lambda_function_arn(), live.events(), live.filter())
}

fn queue(live: &aws::QueueConfiguration) -> Notification {
    notice(live.id(), live.queue_arn(), live.events(), live.filter())
}

fn topic(live: &aws::TopicConfiguration) -> Notification {
    notice(live.id(), live.topic_arn(), live.events(), live.filter())
}

fn notice(
    id: Option<&str>,
    arn: &str,
    events: &[aws::Event],
    filter: Option<&aws::NotificationConfigurationFilter>,
) -> Notification {
    let rules = filter.and_then(|f| f.key()).map(|k| k.filter_rules()).unwrap_or_default();
    // S3 reads the names back with a capital letter.
    let rule = |name: &str| {
        let is_it =
            |r: &&aws::FilterRule| r.name().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name));
        rules.iter().find(is_it).and_then(|r| r.value()).map(str::to_owned)
    };
    Notification {
        id: id.unwrap_or_default().to_owned(),
        arn: Some(arn.to_owned()),
        arn_from: None,
        events: events.iter().map(ToString::to_string).collect(),
        prefix: rule("prefix").filter(|text| !text.is_empty()),
        suffix: rule("suffix").filter(|text| !text.is_empty()),
    }
}

fn events(notification: &Notification) -> Vec<aws::Event> {
    notification.events.iter().map(|event| aws::Event::from(event.as_str())).collect()
}

fn filter(notification: &Notification) -> Option<aws::NotificationConfigurationFilter> {
    let rule = |name: aws::FilterRuleName, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(aws::FilterRule::builder().name(name).value(value).build())
    };
    let rules = [
        rule(aws::FilterRuleName::Prefix, &notification.prefix),
        rule(aws::FilterRuleName::Suffix, &notification.suffix),
    ];
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    let is_limited = !rules.is_empty();
    let key = aws::S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
    let filter = aws::NotificationConfigurationFilter::builder().key(key).build();
    Some(filter).filter(|_| is_limited)
}
