//! Where built code lies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A zip file in S3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct S3Location {
    /// The name of the bucket.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[0-9A-Za-z.\-_]*[0-9A-Za-z\-_]$"))]
    pub bucket: String,
    /// The key of the zip file in the bucket.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The object's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub version: Option<String>,
    /// The zip's SHA-256 in hex. `apply` fills it in for code that it packages; with it, code that
    /// was changed by hand is seen and repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
}
