//! Filters by prefix and tags, which several facets have in the same words and S3 in types of their own: one
//! limit stands alone, several stand in an `And`.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;

use super::Built;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    pub prefix: Option<String>,
    pub tags: Option<BTreeMap<String, String>>,
}

/// The parts of one of S3's filters.
pub(super) struct Parts<'a> {
    pub prefix: Option<&'a str>,
    pub tag: Option<&'a aws::Tag>,
    pub and_prefix: Option<&'a str>,
    pub and_tags: &'a [aws::Tag],
}

impl Filter {
    pub fn of(parts: &Parts<'_>) -> Self {
        let prefix = parts.prefix.or(parts.and_prefix).filter(|prefix| !prefix.is_empty());
        let tags = parts.tag.into_iter().chain(parts.and_tags);
        let tags: BTreeMap<_, _> = tags.map(|t| (t.key.clone(), t.value.clone())).collect();
        Self { prefix: prefix.map(str::to_owned), tags: Some(tags).filter(|t| !t.is_empty()) }
    }

    /// What a manifest says; empty is as good as not given.
    pub fn wanted(prefix: Option<String>, tags: Option<BTreeMap<String, String>>) -> Self {
        Self {
            prefix: prefix.filter(|prefix| !prefix.is_empty()),
            tags: tags.filter(|tags| !tags.is_empty()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.prefix.is_none() && self.tags.is_none()
    }

    /// It has more than one limit, and so stands in an `And`.
    pub fn is_composed(&self) -> bool {
        usize::from(self.prefix.is_some()) + self.tags.iter().flatten().count() > 1
    }

    pub fn tags(&self) -> Built<Vec<aws::Tag>> {
        let tags = self.tags.iter().flatten();
        tags.map(|(key, value)| aws::Tag::builder().key(key).value(value).build()).collect()
    }
}
