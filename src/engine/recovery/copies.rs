//! Whether a copy in the vault is still what was backed up. Somebody may have written over it, or cut it short: then it
//! has another length, another SHA-256, or none.

use super::contents::{Head, head};
use super::manifest::Item;
use super::vault::{Listed, Vault};
use crate::aws::AwsError;

/// What a look at a copy found.
pub(super) enum Copy {
    /// It is what was backed up, by this ETag.
    Sound(Head),
    /// It is not, and why, for people.
    Damaged(&'static str),
}

/// Looks at the copy of an object.
pub(super) async fn look(vault: &Vault, item: &Item) -> Result<Copy, AwsError> {
    let found = head(&vault.session, &vault.bucket, &vault.data(&item.copy)).await?;
    Ok(judge(found, item.bytes, item.sha256.as_deref()))
}

/// Holds a file against what was copied. Pure. `sha256` is `None` where S3 made none.
pub(super) fn judge(found: Option<Head>, bytes: u64, sha256: Option<&str>) -> Copy {
    match found {
        None => Copy::Damaged("its copy is gone"),
        Some(found) if found.bytes != bytes => Copy::Damaged("its copy has another length"),
        Some(found) if sha256.is_some() && found.sha256.as_deref() != sha256 => {
            Copy::Damaged("its copy is not what was backed up")
        }
        Some(found) => Copy::Sound(found),
    }
}

/// A copy that the listing shows as it was made needs no look of its own.
pub(super) fn is_as_made(item: &Item, listed: &Listed) -> bool {
    item.bytes == listed.bytes && item.copy_etag.as_ref() == Some(&listed.etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_its_checksum_is_no_copy() {
        let found = |bytes, sha256: Option<&str>| {
            Some(Head { etag: "e".to_owned(), bytes, sha256: sha256.map(str::to_owned) })
        };
        for (what, found, sha256, expected) in [
            ("as it was made", found(5, Some("a")), Some("a"), None),
            ("gone", None, Some("a"), Some("its copy is gone")),
            ("cut short", found(4, Some("a")), Some("a"), Some("its copy has another length")),
            ("altered", found(5, Some("b")), Some("a"), Some("its copy is not what was backed up")),
            (
                "written over by a tool that asks for no checksum",
                found(5, None),
                Some("a"),
                Some("its copy is not what was backed up"),
            ),
            ("S3 made none", found(5, None), None, None),
        ] {
            let wrong = match judge(found, 5, sha256) {
                Copy::Sound(_) => None,
                Copy::Damaged(how) => Some(how),
            };
            assert_eq!(wrong, expected, "{what}");
        }
    }
}
