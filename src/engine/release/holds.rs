//! Content that was rolled back stays away until somebody asks for it.

use super::Refused;
use crate::model::Object;
use crate::store::{Head, content_digest};

/// Refuses content that the head holds.
pub fn check_hold(
    environment: &str,
    head: Option<&Head>,
    objects: &[Object],
) -> Result<(), Refused> {
    let digest = content_digest(objects);
    let hold = head.and_then(|head| head.held(&digest));
    hold.map_or(Ok(()), |hold| {
        Err(Refused::Held { environment: environment.to_owned(), release: hold.release })
    })
}
