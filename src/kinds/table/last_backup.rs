//! The last backup of a table that is about to be deleted. It stays until somebody deletes it.

use jiff::Timestamp;

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

/// Makes it, unless one is there that was made since then, and waits until it can be restored from. Names of backups
/// need not differ: their ARNs do.
pub(super) async fn make(
    session: &Session,
    table: &str,
    name: &str,
    since: Option<Timestamp>,
) -> Result<Outcome, AwsError> {
    let counts = |at: Timestamp| since.is_none_or(|since| at.as_second() >= since.as_second());
    let found = backups::all(session, Some(table)).await?.into_iter();
    let Some(found) = found.filter(|b| b.name == name && counts(b.at)).max_by_key(|b| b.at) else {
        backups::make(session, table, name).await?;
        return Ok(Outcome::waiting());
    };
    let is_ready = backups::is_ready(session, &found.arn).await? == Some(true);
    Ok(if is_ready { Outcome::unchanged() } else { Outcome::waiting() })
}
