//! The last backup of a table that is about to be deleted. It stays until somebody deletes it.

use super::backups;
use crate::aws::{AwsError, Session};
use crate::kinds::Outcome;

/// Letters of the table's name that its last backup has: a name has 255 at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html>
const TABLE_LETTERS_MAX: usize = 230;

/// What it is called: `id` tells this table from an earlier one of the same name.
pub(super) fn name_of(table: &str, id: &str) -> String {
    let first = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    format!("trueup-last-{}-{}", first(table, TABLE_LETTERS_MAX), first(id, 8))
}

/// Makes it, unless it is there, and waits until it can be restored from.
pub(super) async fn make(session: &Session, table: &str, name: &str) -> Result<Outcome, AwsError> {
    let found = backups::all(session, Some(table)).await?.into_iter().find(|b| b.name == name);
    let Some(found) = found else {
        backups::make(session, table, name).await?;
        return Ok(Outcome::waiting());
    };
    let is_ready = backups::is_ready(session, &found.arn).await? == Some(true);
    Ok(if is_ready { Outcome::unchanged() } else { Outcome::waiting() })
}
