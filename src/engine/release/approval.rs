//! A release that waits until somebody else than its author has approved it.

use super::{Current, MoveError, Refused, check_needs, check_windows, current, spec_of};
use crate::aws::Sessions;
use crate::store::{NewRelease, Release, Store, StoreError, content_digest};

/// What became of a release that somebody made.
#[derive(Debug)]
pub enum Submitted {
    /// It is current.
    Recorded(Release),
    /// It waits for an approval.
    Proposed(Release),
}

impl Submitted {
    /// The release, whether it is current or waits.
    pub fn release(&self) -> &Release {
        match self {
            Self::Recorded(release) | Self::Proposed(release) => release,
        }
    }
}

/// Whether what would follow the current release has to be approved: by what the environment says now, not by what
/// comes. Nobody can tell of a damaged release, which has to be replaced.
pub fn needs_approval(current: &Current) -> bool {
    spec_of(&current.objects).is_some_and(|spec| spec.needs_approval())
}

/// Records a release, or proposes it where it has to be approved. The same content is proposed once.
pub async fn submit(
    store: &Store,
    environment: &str,
    current: &Current,
    new: NewRelease,
) -> Result<Submitted, StoreError> {
    store.check_key(environment, &current.objects)?;
    let before = current.release.as_ref();
    let Some(head) = current.head.as_ref().filter(|_| needs_approval(current)) else {
        let release = store.record(environment, current.head.as_ref(), before, new).await?;
        return Ok(Submitted::Recorded(release));
    };
    let waiting = match store.proposed(head).await {
        // What is proposed now takes its place.
        Err(error) if error.is_damage() => None,
        read => read?,
    };
    if let Some(waiting) = waiting.filter(|waiting| is_same(waiting, &new)) {
        return Ok(Submitted::Proposed(waiting));
    }
    store.propose(environment, head, before, new).await.map(Submitted::Proposed)
}

fn is_same(waiting: &Release, new: &NewRelease) -> bool {
    waiting.digest == content_digest(&new.objects)
        && (&waiting.author, &waiting.cause) == (&new.author, &new.cause)
        && waiting.promoted == new.promoted
        && new.confirmed.is_empty()
        && new.taken_out.is_empty()
}

/// What an approver says.
#[derive(Clone, Copy, Debug)]
pub struct Approving<'a> {
    /// The release that was looked at.
    pub release: u64,
    /// The name of who approves. It must not be the author's.
    pub by: &'a str,
    /// The name, and why, as it is kept.
    pub said: &'a str,
    /// It is made current while no window is open, too.
    pub overrides_window: bool,
}

/// Makes the release current that waits for an approval, by somebody else than its author.
pub async fn approve(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
    asked: Approving<'_>,
) -> Result<Release, MoveError> {
    let current = current(store, environment).await?;
    let nothing = || Refused::NothingToApprove {
        environment: environment.to_owned(),
        release: asked.release,
        waiting: current.head.as_ref().and_then(|head| head.waiting()),
    };
    let head = current.head.as_ref().ok_or_else(nothing)?;
    let proposed = store.proposed(head).await?;
    let proposed =
        proposed.filter(|waiting| waiting.number == asked.release).ok_or_else(nothing)?;
    if is_same_person(&proposed.author, asked.by) {
        let (environment, release) = (environment.to_owned(), asked.release);
        let author = proposed.author;
        return Err(Refused::OwnRelease { environment, release, author }.into());
    }
    if !asked.overrides_window {
        check_windows(environment, &current.objects, store.clock().now())?;
    }
    let digests = proposed.objects.iter().map(|entry| entry.digest.clone()).collect();
    let objects: Vec<_> = store.objects(environment, &digests).await?.into_values().collect();
    store.check_key(environment, &current.objects)?;
    store.check_key(environment, &objects)?;
    check_needs(sessions, environment, &current.objects, &objects).await?;
    let mut holds = head.holds_after_apply();
    // What was quarantined was let through by who proposed it: nobody else could.
    holds.retain(|hold| hold.digest != proposed.digest);
    Ok(store.approve(head, proposed, asked.said, &holds).await?)
}

/// Nobody without a name is somebody else. How a name is spaced and written, and an address beside it, make no other
/// person.
fn is_same_person(author: &str, approver: &str) -> bool {
    let plain = |name: &str| {
        let named = name.split_once('<').map(|(name, _)| name);
        let name = named.filter(|name| !name.trim().is_empty()).unwrap_or(name);
        name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
    };
    let (author, approver) = (plain(author), plain(approver));
    approver.is_empty() || author == approver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approver_is_somebody_else_who_has_a_name() {
        for (author, approver, expected) in [
            ("ada", "ada", true),
            ("Ada ", "ada", true),
            ("ada", "", true),
            ("Ada Lovelace", "ada \u{a0} lovelace", true),
            ("Ada Lovelace", "Ada Lovelace <ada@example.com>", true),
            ("<ada@example.com>", "<grace@example.com>", false),
            ("ada", "grace", false),
            ("", "grace", false),
        ] {
            assert_eq!(is_same_person(author, approver), expected, "{author} {approver}");
        }
    }
}
