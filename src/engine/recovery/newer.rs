//! Tables that are gone, and that DynamoDB itself kept as they were right before their deletion: where that is newer
//! than the backup, it loses less.
//!
//! Guarantees: a table that is there is left alone, and what DynamoDB kept from before the backup counts for nothing.

use jiff::Timestamp;

use super::RecoveryError;
use super::manifest::Backup;
use super::plan::Plan;
use crate::aws::Session;
use crate::engine::prepare::aws_name;
use crate::kinds::kind;
use crate::kinds::table::backups;
use crate::model::{Object, ObjectId, ObjectKey};

/// Has tables restored from what DynamoDB kept, where that is newer. Returns which, and from when their items are.
pub(super) async fn prefer_newer(
    session: &Session,
    backup: &Backup,
    objects: &[Object],
    plan: &mut Plan,
) -> Result<Vec<(ObjectId, Timestamp)>, RecoveryError> {
    let mut newer = Vec::new();
    for object in objects.iter().filter(|object| object.kind == "Table") {
        let Some(kind) = kind(&object.kind) else { continue };
        let id = object.id();
        let key = ObjectKey { environment: object.environment().into(), id: id.clone() };
        let name = aws_name(kind, object, &key);
        if backups::exists(session, &name).await? {
            continue;
        }
        let of_backup = backup.points().find(|(point, _)| *point == id).map(|(_, at)| at);
        let kept = backups::of_deleted(session, &name).await?;
        // Of a table that the backup does not have, only what is younger than the backup can be meant.
        let from = of_backup.unwrap_or(backup.begun_at);
        if let Some(kept) = kept.filter(|kept| kept.at > from) {
            plan.restore_from(&id, kept.arn);
            newer.push((id, kept.at));
        }
    }
    Ok(newer)
}
