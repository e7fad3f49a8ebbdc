//! Content that was rolled back stays away until somebody asks for it.

use super::Refused;
use crate::model::Object;
use crate::store::{Head, Hold, content_digest};

/// Refuses content that the head holds.
pub fn check_hold(
    environment: &str,
    head: Option<&Head>,
    objects: &[Object],
) -> Result<(), Refused> {
    let digest = content_digest(objects);
    let hold = head.and_then(|head| head.held(&digest));
    let Some(Hold { release, quarantine, .. }) = hold.cloned() else { return Ok(()) };
    let environment = environment.to_owned();
    Err(match quarantine {
        Some(quarantine) => Refused::Quarantined { environment, release, why: quarantine.why },
        None => Refused::Held { environment, release },
    })
}
