//! Sub-resources of a bucket that read back as they were put:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>.
//!
//! An emulator that takes them apart forgets what it has no member for, and then nothing that trueup
//! loses can be seen to be lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use winterbaume_core::MockResponse;

use super::{failed, in_namespace};

/// What S3 answers where a sub-resource was never put, or was deleted.
enum Absent {
    /// An error of this code.
    Refused(&'static str),
    /// A document without members.
    Empty,
}

struct Facet {
    /// Its name in the query.
    name: &'static str,
    /// The document's root.
    root: &'static str,
    absent: Absent,
    /// A bucket has many, each by the `id` of the query; the root of the document that lists them.
    list: Option<&'static str>,
}

const fn one(name: &'static str, root: &'static str, absent: Absent) -> Facet {
    Facet { name, root, absent, list: None }
}

const fn many(name: &'static str, root: &'static str, list: &'static str) -> Facet {
    Facet { name, root, absent: Absent::Refused("NoSuchConfiguration"), list: Some(list) }
}

const FACETS: [Facet; 14] = [
    one(
        "publicAccessBlock",
        "PublicAccessBlockConfiguration",
        Absent::Refused("NoSuchPublicAccessBlockConfiguration"),
    ),
    one(
        "ownershipControls",
        "OwnershipControls",
        Absent::Refused("OwnershipControlsNotFoundError"),
    ),
    one(
        "encryption",
        "ServerSideEncryptionConfiguration",
        Absent::Refused("ServerSideEncryptionConfigurationNotFoundError"),
    ),
    one("lifecycle", "LifecycleConfiguration", Absent::Refused("NoSuchLifecycleConfiguration")),
    one("cors", "CORSConfiguration", Absent::Refused("NoSuchCORSConfiguration")),
    one("website", "WebsiteConfiguration", Absent::Refused("NoSuchWebsiteConfiguration")),
    one("logging", "BucketLoggingStatus", Absent::Empty),
    one("notification", "NotificationConfiguration", Absent::Empty),
    one("accelerate", "AccelerateConfiguration", Absent::Empty),
    one(
        "replication",
        "ReplicationConfiguration",
        Absent::Refused("ReplicationConfigurationNotFoundError"),
    ),
    one(
        "object-lock",
        "ObjectLockConfiguration",
        Absent::Refused("ObjectLockConfigurationNotFoundError"),
    ),
    many(
        "intelligent-tiering",
        "IntelligentTieringConfiguration",
        "ListBucketIntelligentTieringConfigurationsOutput",
    ),
    many("inventory", "InventoryConfiguration", "ListInventoryConfigurationsResult"),
    many("metrics", "MetricsConfiguration", "ListMetricsConfigurationsResult"),
];

/// The sub-resources of one bucket, by name and id.
#[derive(Default)]
pub(super) struct Facets(BTreeMap<(&'static str, String), Bytes>);

impl Facets {
    /// Answers a call to a sub-resource that is kept here; `None` for any other.
    pub fn answer(
        &mut self,
        method: &str,
        named: impl Fn(&str) -> Option<String>,
        body: &Bytes,
    ) -> Option<MockResponse> {
        let facet = FACETS.iter().find(|facet| named(facet.name).is_some())?;
        let id = named("id").unwrap_or_default();
        Some(match (method, facet.list) {
            ("GET", Some(list)) if id.is_empty() => self.list(facet, list),
            ("GET", _) => self.get(facet, id),
            ("DELETE", _) => {
                self.0.remove(&(facet.name, id));
                MockResponse::xml(204, "")
            }
            _ => self.put(facet, id, body),
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.keys().any(|(facet, _)| *facet == name)
    }

    /// Puts what S3 gives by itself.
    pub fn give(&mut self, name: &str, document: &str) {
        let given = FACETS.iter().find(|facet| facet.name == name);
        if let Some(facet) = given {
            let document = Bytes::from(document.to_owned());
            self.0.insert((facet.name, String::new()), document);
        }
    }

    fn put(&mut self, facet: &Facet, id: String, body: &Bytes) -> MockResponse {
        let text = String::from_utf8_lossy(body);
        let root = text.trim_start_matches(|c| c != '<');
        let root = root
            .strip_prefix("<?")
            .and_then(|r| r.find("?>").map(|end| &r[end + 2..]))
            .unwrap_or(root);
        let name = root.trim_start().trim_start_matches('<');
        let name = name.split(['>', ' ', '/']).next().unwrap_or_default();
        if name != facet.root {
            let message = "The XML you provided was not well-formed or did not validate against our published schema";
            return failed(400, "MalformedXML", message);
        }
        let has = |member: &str| text.contains(&format!("<{member}>"));
        if facet.name == "website" && !has("IndexDocument") && !has("RedirectAllRequestsTo") {
            // https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html
            let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
            return failed(400, "InvalidArgument", message);
        }
        let document = match facet.name {
            "publicAccessBlock" => all_four(&text),
            _ => body.clone(),
        };
        self.0.insert((facet.name, id), document);
        MockResponse::xml(200, "")
    }

    fn get(&self, facet: &Facet, id: String) -> MockResponse {
        match (self.0.get(&(facet.name, id)), &facet.absent) {
            (Some(document), _) => {
                MockResponse::xml(200, in_namespace(&String::from_utf8_lossy(document)))
            }
            (None, Absent::Empty) => {
                MockResponse::xml(200, in_namespace(&format!("<{}/>", facet.root)))
            }
            (None, Absent::Refused(code)) => failed(404, code, "The configuration does not exist"),
        }
    }

    /// One page holds all: there are at most 1,000 of a kind, and S3 lists 100 a page.
    fn list(&self, facet: &Facet, list: &str) -> MockResponse {
        let ours = self.0.iter().filter(|((name, _), _)| *name == facet.name);
        let documents: String =
            ours.map(|(_, document)| String::from_utf8_lossy(document).into_owned()).collect();
        let body = format!("<{list}><IsTruncated>false</IsTruncated>{documents}</{list}>");
        MockResponse::xml(200, in_namespace(&body))
    }
}

/// S3 shows all four protections, those that were left out as off.
fn all_four(given: &str) -> Bytes {
    let members =
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let inner: String = members
        .iter()
        .map(|member| {
            let is_on = given.contains(&format!("<{member}>true<"));
            format!("<{member}>{is_on}</{member}>")
        })
        .collect();
    let root = "PublicAccessBlockConfiguration";
    Bytes::from(format!("<{root}>{inner}</{root}>"))
}
