//! Who is told of what happens in the bucket. A put replaces everybody.

use aws_sdk_s3::types as aws;

use super::Built;
use crate::aws::{AwsError, Session};
use crate::kinds::bucket::spec::{Notification, Notifications};
use crate::kinds::{Facet, UnknownWord};

pub(super) struct Notices;

impl Facet for Notices {
    type Of = str;
    const FIELD: &'static str = "notifications";
    const WHAT: &'static str = "notifications";
    const READ: (&'static str, &'static str) = ("s3", "GetBucketNotificationConfiguration");
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

    /// S3 says that a bucket notifies nobody by a configuration that lists nobody.
    fn words(sdk: &Self::Sdk) -> Result<Option<Notifications>, UnknownWord> {
        let functions = sdk.lambda_function_configurations().iter();
        let functions =
            functions.map(|n| notice(n.id(), n.lambda_function_arn(), n.events(), n.filter()));
        let queues = sdk.queue_configurations().iter();
        let queues = queues.map(|n| notice(n.id(), n.queue_arn(), n.events(), n.filter()));
        let topics = sdk.topic_configurations().iter();
        let topics = topics.map(|n| notice(n.id(), n.topic_arn(), n.events(), n.filter()));
        let words = Notifications {
            functions: Some(functions.collect()),
            queues: Some(queues.collect()),
            topics: Some(topics.collect()),
            event_bridge: Some(sdk.event_bridge_configuration.is_some()),
        };
        let lists = [&words.functions, &words.queues, &words.topics];
        let nobody = lists.into_iter().flatten().all(Vec::is_empty);
        let is_silent = nobody && words.event_bridge == Some(false);
        Ok(Some(words).filter(|_| !is_silent))
    }

    fn overlay(words: Notifications, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let mut sdk = live.unwrap_or_else(|| Self::Sdk::builder().build());
        let functions = words.functions.into_iter().flatten().map(|n| {
            aws::LambdaFunctionConfiguration::builder()
                .id(&n.id)
                .set_lambda_function_arn(n.arn.clone())
                .set_events(Some(events(&n)))
                .set_filter(filter(&n))
                .build()
        });
        sdk.lambda_function_configurations = Some(functions.collect::<Built<_>>()?);
        let queues = words.queues.into_iter().flatten().map(|n| {
            aws::QueueConfiguration::builder()
                .id(&n.id)
                .set_queue_arn(n.arn.clone())
                .set_events(Some(events(&n)))
                .set_filter(filter(&n))
                .build()
        });
        sdk.queue_configurations = Some(queues.collect::<Built<_>>()?);
        let topics = words.topics.into_iter().flatten().map(|n| {
            aws::TopicConfiguration::builder()
                .id(&n.id)
                .set_topic_arn(n.arn.clone())
                .set_events(Some(events(&n)))
                .set_filter(filter(&n))
                .build()
        });
        sdk.topic_configurations = Some(topics.collect::<Built<_>>()?);
        let bridge = words.event_bridge == Some(true);
        sdk.event_bridge_configuration =
            bridge.then(|| aws::EventBridgeConfiguration::builder().build());
        Ok(sdk)
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_notification_configuration().bucket(bucket);
        let call = call.notification_configuration(sdk).send();
        session.write("s3", "PutBucketNotificationConfiguration", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str) -> Result<(), AwsError> {
        Self::write(session, bucket, Self::Sdk::builder().build()).await
    }
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
