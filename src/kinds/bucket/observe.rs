//! Reads a bucket, one call a declared facet. Decides nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::facets::FACETS;
use super::spec::*;
use crate::aws::{Absent, AwsError, Class, Service, Session, partition};
use crate::kinds::{Desired, Live, SeenFacets, Unread, read_facets};
use crate::plan::is_empty;

/// A bucket as it is.
#[derive(Clone, Debug, Default)]
pub struct LiveBucket {
    /// The declared facets, by their fields.
    pub facets: SeenFacets<str>,
    /// The bucket's name in AWS.
    pub name: String,
    /// The region of the session that read it.
    pub region: String,
    /// The bucket's tags; they tell whose it is.
    pub tags: BTreeMap<String, String>,
    /// Declared fields that could not be read, and why.
    pub unread: Unread,
}

impl LiveBucket {
    /// All that was read, in the words of the spec. A facet that `declared` asks to be removed, and that
    /// says what S3 says once it is, says nothing.
    pub(super) fn words(&self, declared: &Value) -> Value {
        let is_wanted = |field: &str| declared.get(field).is_some_and(|words| !is_empty(words));
        let facets = self
            .facets
            .iter()
            .filter(|(field, seen)| !seen.words.is_null() && (is_wanted(field) || !seen.is_unset));
        let mut words: Map<_, _> =
            facets.map(|(field, seen)| ((*field).to_owned(), seen.words.clone())).collect();
        words.insert("tags".to_owned(), json!(self.tags));
        Value::Object(words)
    }
}

impl Live for LiveBucket {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let (partition, suffix) = partition(&self.region);
        BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("arn".to_owned(), format!("arn:{partition}:s3:::{}", self.name)),
            ("domainName".to_owned(), format!("{}.s3.{}.{suffix}", self.name, self.region)),
        ])
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }
}

pub(super) async fn observe(
    session: &Session,
    desired: &Desired<BucketSpec>,
) -> Result<Option<LiveBucket>, AwsError> {
    let name = &desired.aws_name;
    let read = tags(session, name).await.map_err(|error| or_taken(error, name, desired.is_known));
    let Some(tags) = read? else {
        return Ok(None);
    };
    let declared = json!(desired.spec);
    let mut unread = Unread::new();
    let is_declared = |field: &str| desired.declares(&declared, field);
    let facets = read_facets(session, name.as_str(), &FACETS, is_declared, &mut unread).await?;
    let (name, region) = (name.clone(), session.region().to_owned());
    Ok(Some(LiveBucket { facets, name, region, tags, unread }))
}

/// S3 says the same of a bucket of another account as of one that the credentials may not read.
fn or_taken(error: AwsError, name: &str, is_known: bool) -> AwsError {
    if error.class != Class::Denied {
        return error;
    }
    let otherwise = match is_known {
        false => format!(
            "the name `{name}` is taken by a bucket of another account: bucket names are unique among all accounts; \
             then give another spec.name"
        ),
        // A bucket that exists is not renamed: another name in the same object would stall, too.
        true => format!(
            "the bucket was deleted and another account has taken the name `{name}`; then make a Bucket under \
             another metadata.name, and remove this one"
        ),
    };
    let message = format!("{} (or {otherwise})", error.message);
    AwsError { message, ..error }
}

/// The tags, and by them whether the bucket exists.
async fn tags(
    session: &Session,
    bucket: &str,
) -> Result<Option<BTreeMap<String, String>>, AwsError> {
    let read = session
        .read(Service::S3, "GetBucketTagging", || {
            session.s3().get_bucket_tagging().bucket(bucket).send()
        })
        .await;
    match read {
        Err(error) if error.code == "NoSuchTagSet" => Ok(Some(BTreeMap::new())),
        read => Ok(read.absent("NoSuchBucket")?.map(|tagging| {
            let pairs = tagging.tag_set().iter();
            pairs.map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
        })),
    }
}
