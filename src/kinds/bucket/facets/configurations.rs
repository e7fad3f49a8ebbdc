//! Facets of which a bucket has many, each with an id of its own: every one has its own put and delete, and
//! what no manifest names goes.

use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Built;
use crate::aws::{AwsError, Service, Session};
use crate::kinds::{Facet, UnknownWord};

/// A bucket has at most 1,000 of each sort, and S3 lists 100 at a time:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html>.
const PAGES_MAX: usize = 10;

/// A page of configurations, and where the next one begins.
pub(super) type Page<T> = (Vec<T>, Option<String>);

/// One sort of configuration.
pub(super) trait Configuration: Send + Sync + 'static {
    const FIELD: &'static str;
    const WHAT: &'static str;
    /// The call that lists them.
    const LIST: &'static str;
    type Sdk: Clone + Debug + PartialEq + Send + Sync + 'static;
    type Words: Serialize + DeserializeOwned + PartialEq;

    fn page(
        session: &Session,
        bucket: &str,
        from: Option<String>,
    ) -> impl Future<Output = Result<Page<Self::Sdk>, AwsError>> + Send;
    fn id(sdk: &Self::Sdk) -> &str;
    fn id_in_words(words: &Self::Words) -> &str;
    fn in_words(sdk: &Self::Sdk) -> Result<Self::Words, UnknownWord>;
    /// The live one with everything that has a word set as `words` say.
    fn overlay_one(words: Self::Words, before: Option<Self::Sdk>) -> Built<Self::Sdk>;
    fn put(
        session: &Session,
        bucket: &str,
        sdk: Self::Sdk,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
    fn delete(
        session: &Session,
        bucket: &str,
        id: String,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// All configurations of one sort, as one facet.
pub(super) struct Each<C>(PhantomData<C>);

#[derive(Clone, Debug)]
pub(super) struct All<T> {
    all: Vec<T>,
    /// Of a write: those that differ from what is live, and the ids of those that go.
    puts: Vec<T>,
    deletes: Vec<String>,
}

impl<C: Configuration> Facet for Each<C> {
    type Of = str;
    const FIELD: &'static str = C::FIELD;
    const WHAT: &'static str = C::WHAT;
    const READ: (Service, &'static str) = (Service::S3, C::LIST);
    type Sdk = All<C::Sdk>;
    type Words = Vec<C::Words>;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let all = list::<C>(session, bucket).await?;
        let is_set = !all.is_empty();
        Ok(is_set.then_some(All { all, puts: Vec::new(), deletes: Vec::new() }))
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Self::Words>, UnknownWord> {
        sdk.all.iter().map(C::in_words).collect::<Result<_, _>>().map(Some)
    }

    fn overlay(words: Self::Words, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let live = live.map(|live| live.all).unwrap_or_default();
        let one = |words: C::Words| {
            let before = live.iter().find(|sdk| C::id(sdk) == C::id_in_words(&words)).cloned();
            match before {
                // One that says what its words say stays as it came.
                Some(before) if C::in_words(&before).is_ok_and(|live| live == words) => Ok(before),
                before => C::overlay_one(words, before),
            }
        };
        let all = words.into_iter().map(one).collect::<Built<Vec<_>>>()?;
        let puts = all.iter().filter(|sdk| !live.contains(sdk)).cloned().collect();
        let is_kept = |id: &str| all.iter().any(|sdk| C::id(sdk) == id);
        let ids = live.iter().map(C::id).filter(|id| !is_kept(id));
        Ok(All { puts, deletes: ids.map(str::to_owned).collect(), all })
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        for one in sdk.puts {
            C::put(session, bucket, one).await?;
        }
        delete_all::<C>(session, bucket, sdk.deletes).await
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let all = list::<C>(session, bucket).await?;
        let ids = all.iter().map(|sdk| C::id(sdk).to_owned()).collect();
        delete_all::<C>(session, bucket, ids).await
    }
}

async fn delete_all<C: Configuration>(
    session: &Session,
    bucket: &str,
    ids: Vec<String>,
) -> Result<(), AwsError> {
    for id in ids {
        match C::delete(session, bucket, id).await {
            // It is gone, which is what was asked for.
            Err(error) if error.code == "NoSuchConfiguration" => {}
            result => result?,
        }
    }
    Ok(())
}

async fn list<C: Configuration>(session: &Session, bucket: &str) -> Result<Vec<C::Sdk>, AwsError> {
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (page, next) = C::page(session, bucket, from).await?;
        all.extend(page);
        from = next;
        if from.is_none() {
            return Ok(all);
        }
    }
    let message = format!("the bucket has more than {} of them", all.len());
    Err(AwsError::incomplete(Service::S3, C::LIST, &message))
}
