//! Old versions: those that trueup published and nothing points to any more are deleted, but for the newest.
//!
//! Every release of a function leaves a version, and Lambda keeps each with its code until somebody deletes it; the
//! code of all counts towards the account's 75 GB: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
//! Only what trueup published itself is deleted, by the object's record: a version carries no tags, and one that
//! somebody else published may be called by its number.

use std::collections::BTreeSet;

use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::KeptVersions;

/// Versions that one pass deletes at most.
const DELETED_MAX: usize = 10;
/// Pages of a function's aliases.
const PAGES_MAX: usize = 20;

/// Deletes what is left over of the versions that were published, and returns what is gone.
pub(super) async fn collect(
    session: &Session,
    name: &str,
    published: &[String],
    kept: &KeptVersions,
) -> Result<Vec<String>, AwsError> {
    let mut gone = Vec::new();
    if published.len() <= kept.newest {
        return Ok(gone);
    }
    let mut named = named_by_aliases(session, name).await?;
    named.extend(kept.named.iter().cloned());
    for version in surplus(published, &named, kept.newest).into_iter().take(DELETED_MAX) {
        let call = session.lambda().delete_function().function_name(name).qualifier(&version);
        let deleted = session.write(Service::Lambda, "DeleteFunction", call.send()).await;
        match deleted.absent("ResourceNotFoundException") {
            Ok(_) => gone.push(version),
            // An alias was pointed to it meanwhile.
            Err(error) if error.class == Class::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

/// Every version that some alias of the function sends requests to.
pub(super) async fn named_by_aliases(
    session: &Session,
    name: &str,
) -> Result<BTreeSet<String>, AwsError> {
    let (mut named, mut next) = (BTreeSet::new(), None);
    for _ in 0..PAGES_MAX {
        let page = session.read(Service::Lambda, "ListAliases", || {
            let call = session.lambda().list_aliases().function_name(name);
            call.set_marker(next.clone()).send()
        });
        let page = page.await?;
        for alias in page.aliases() {
            named.extend(alias.function_version().map(str::to_owned));
            let others = alias.routing_config().and_then(|r| r.additional_version_weights());
            named.extend(others.into_iter().flat_map(|others| others.keys().cloned()));
        }
        next = page.next_marker;
        if next.is_none() {
            return Ok(named);
        }
    }
    let message = format!("{name} has more aliases than {PAGES_MAX} pages hold; its versions stay");
    Err(AwsError::new(Class::Invalid, Service::Lambda, "ListAliases", message))
}

/// Versions that may go: the oldest first, none of the newest, none that an alias names. What is no number is no
/// version: deleting it might delete the function.
fn surplus(published: &[String], named: &BTreeSet<String>, kept: usize) -> Vec<String> {
    let mut numbers: Vec<u64> = published.iter().filter_map(|v| v.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.truncate(numbers.len().saturating_sub(kept));
    numbers.iter().map(u64::to_string).filter(|version| !named.contains(version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_what_an_alias_names() {
        for (published, named, kept, expected) in [
            (&["1", "2", "3"][..], &["3"][..], 2, &["1"][..]),
            (&["10", "9", "2", "10"], &["10"], 1, &["2", "9"]),
            (&["1", "2", "3"], &["1", "3"], 1, &["2"]),
            (&["1", "2"], &["2"], 10, &[]),
            (&["", "$LATEST", "x", "1", "2"], &["2"], 1, &["1"]),
        ] {
            let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
            let named = texts(named).into_iter().collect();
            assert_eq!(surplus(&texts(published), &named, kept), expected, "{published:?}");
        }
    }
}
