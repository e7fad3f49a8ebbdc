//! Collecting releases that nobody goes back to any more, and the packages that only they named.
//!
//! Guarantees:
//! - The newest releases stay, and the one that a failed release would go back to, with all that they name.
//! - Only what trueup packaged is deleted: an object of the environment's artifact bucket that is named by its own
//!   digest, that no other release of any environment of the store and no object's record names, and that nobody
//!   put there within a day. Who applies puts anew what the current release does not name.
//! - A release that names a package which stays, because somebody put it there within a day, stays with it.
//! - Packages go first: where it stops between the two, a release that is still there is refused as one whose
//!   package is gone, and the next collection goes on.
//!
//! Left to others: objects and pages in the store that nothing names (`store/collect.rs`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::packages::{delete_package, own_session};
use super::promote::packages_in;
use super::{MoveError, current, spec_of};
use crate::aws::Sessions;
use crate::kinds::S3Location;
use crate::kinds::environment::Artifacts;
use crate::store::{Release, Store};

/// Releases of one environment that are read at most; the rest is left for the next collection.
const RELEASES_MAX: usize = 2_000;
/// No apply takes so long from its upload to its release.
const PACKAGE_AGE_MIN: SignedDuration = SignedDuration::from_hours(24);

/// What can be collected of an environment.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Releases, by their numbers.
    pub releases: Vec<u64>,
    /// Packages that only they name.
    pub packages: Vec<S3Location>,
    /// Which of the releases name a package, by its place.
    named_by: BTreeMap<(String, String), BTreeSet<u64>>,
}

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many releases were forgotten.
    pub releases: usize,
    /// How many packages were deleted. One that somebody put there within a day stays.
    pub packages: usize,
}

/// Says what can be collected: all but the newest `keep` releases. Where a release of the store cannot be read, it
/// may name anything, and nothing can.
pub async fn garbage(store: &Store, environment: &str, keep: usize) -> Result<Garbage, MoveError> {
    let head = store.existing_head(environment).await?;
    let releases = whole_history(store, environment, RELEASES_MAX).await?;
    let good = store.rollout(environment, head.release).await?.and_then(|rollout| rollout.good);
    let is_kept = |index: usize, release: &Release| {
        index < keep.max(1)
            || release.number >= head.release
            || good.as_ref().is_some_and(|good| good.release == release.number)
    };
    let (kept, forgotten): (Vec<_>, Vec<_>) =
        releases.into_iter().enumerate().partition(|(index, release)| is_kept(*index, release));
    if forgotten.is_empty() {
        return Ok(Garbage::default());
    }
    let current = current(store, environment).await?;
    let artifacts = spec_of(&current.objects).and_then(|spec| spec.artifacts);
    let forgotten: Vec<_> = forgotten.into_iter().map(|(_, release)| release).collect();
    let mut named_by: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    let by_release = packages_by_release(store, environment, &forgotten).await?;
    for (release, package) in &by_release {
        named_by.entry(place(package)).or_default().insert(*release);
    }
    let packages = match artifacts {
        Some(artifacts) => {
            let kept = kept.into_iter().map(|(_, release)| release).collect();
            let used = used(store, environment, kept).await?;
            let named = once(by_release.into_iter().map(|(_, package)| package).collect());
            let is_garbage = |package: &S3Location| {
                is_packaged(package, &artifacts) && !used.contains(&place(package))
            };
            named.into_iter().filter(is_garbage).collect()
        }
        None => Vec::new(),
    };
    let releases = forgotten.iter().map(|release| release.number).collect();
    Ok(Garbage { releases, packages, named_by })
}

/// Deletes what can be collected.
pub async fn collect_garbage(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
    garbage: &Garbage,
) -> Result<Collected, MoveError> {
    let (mut collected, mut waiting) = (Collected::default(), BTreeSet::<u64>::new());
    if !garbage.packages.is_empty() {
        let current = current(store, environment).await?;
        let target = spec_of(&current.objects).map(|spec| spec.target()).unwrap_or_default();
        let session = own_session(sessions, environment, &target).await?;
        // Where a day ago is before all time, nothing is old.
        let before = store.clock().now().checked_sub(PACKAGE_AGE_MIN).unwrap_or(Timestamp::MIN);
        for package in &garbage.packages {
            match delete_package(&session, package, before).await? {
                true => collected.packages += 1,
                // Once nobody names it any more, nobody finds it: the releases wait with it.
                false => {
                    waiting.extend(garbage.named_by.get(&place(package)).into_iter().flatten());
                }
            }
        }
    }
    let releases: Vec<_> =
        garbage.releases.iter().copied().filter(|number| !waiting.contains(number)).collect();
    collected.releases = store.forget(environment, &releases).await?;
    Ok(collected)
}

/// The newest releases of an environment with their objects, the newest first.
async fn whole_history(
    store: &Store,
    environment: &str,
    most: usize,
) -> Result<Vec<Release>, MoveError> {
    let mut releases = Vec::new();
    for release in store.history(environment, most).await? {
        let release = release.map_err(|(_, error)| error)?;
        let is_whole = release.pages.is_empty() && release.left_pages.is_empty();
        let number = release.number;
        releases.push(if is_whole { release } else { store.release(environment, number).await? });
    }
    Ok(releases)
}

/// The packages that something names: a kept release of this environment, any release of another one, what waits for
/// an approval, or the record of an object.
async fn used(
    store: &Store,
    environment: &str,
    kept: Vec<Release>,
) -> Result<BTreeSet<(String, String)>, MoveError> {
    let mut used = BTreeSet::new();
    let mut kept = Some(kept);
    for (name, head) in store.heads_and_lost().await? {
        let head = head?;
        let mut releases = match kept.take_if(|_| name == environment) {
            Some(kept) => kept,
            None => whole_history(store, &name, usize::MAX).await?,
        };
        releases.extend(store.proposed(&head).await?);
        used.extend(packages_of(store, &name, &releases).await?.iter().map(place));
        let mut digests = BTreeSet::new();
        for status in store.statuses(&name).await?.into_values() {
            digests.extend(status?.digests().cloned());
        }
        let forms = store.objects(&name, &digests).await?;
        used.extend(forms.values().flat_map(packages_in).map(|package| place(&package)));
    }
    Ok(used)
}

async fn packages_of(
    store: &Store,
    environment: &str,
    releases: &[Release],
) -> Result<Vec<S3Location>, MoveError> {
    let by_release = packages_by_release(store, environment, releases).await?;
    Ok(once(by_release.into_iter().map(|(_, package)| package).collect()))
}

/// Each place once.
fn once(mut packages: Vec<S3Location>) -> Vec<S3Location> {
    packages.sort_by_key(place);
    packages.dedup_by_key(|package| place(package));
    packages
}

/// What each release names, by its number.
async fn packages_by_release(
    store: &Store,
    environment: &str,
    releases: &[Release],
) -> Result<Vec<(u64, S3Location)>, MoveError> {
    let digests = |release: &Release| -> Vec<String> {
        let entries = release.objects.iter().map(|entry| entry.digest.clone());
        entries.chain(release.left.iter().map(|left| left.digest.clone())).collect()
    };
    let forms = store.objects(environment, &releases.iter().flat_map(digests).collect()).await?;
    let mut packages = Vec::new();
    for release in releases {
        let named = digests(release).into_iter().filter_map(|digest| forms.get(&digest));
        packages.extend(named.flat_map(packages_in).map(|package| (release.number, package)));
    }
    Ok(packages)
}

fn place(package: &S3Location) -> (String, String) {
    (package.bucket.clone(), package.key.clone())
}

/// trueup put it there: it lies under its own digest.
fn is_packaged(package: &S3Location, artifacts: &Artifacts) -> bool {
    let Some(sha256) = &package.sha256 else { return false };
    let key = format!("{}{sha256}.zip", artifacts.prefix.as_deref().unwrap_or_default());
    package.bucket == artifacts.bucket && package.key == key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_under_its_own_digest_is_a_package_of_ours() {
        let artifacts = Artifacts { bucket: "shop".to_owned(), prefix: Some("live/".to_owned()) };
        for (bucket, key, sha256, expected) in [
            ("shop", "live/ab.zip", Some("ab"), true),
            ("shop", "ab.zip", Some("ab"), false),
            ("shop", "live/api.zip", Some("ab"), false),
            ("shop", "live/ab.zip", None, false),
            ("other", "live/ab.zip", Some("ab"), false),
        ] {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            let package =
                S3Location { bucket, key, version: None, sha256: sha256.map(str::to_owned) };
            assert_eq!(is_packaged(&package, &artifacts), expected, "{package:?}");
        }
    }
}
