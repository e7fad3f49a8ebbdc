//! Checks every record of the store, and mends what can be mended without a person.
//!
//! Guarantees: each record is read as the daemon reads it, and each content-addressed one is held against its
//! digest. What stands in the table under a key of no known form is found, too. Mending deletes records that nothing
//! needs, and changes none: what a release that may become current, a head, a lease or an object's record says is a
//! person's to restore, and so is what only a newer version of trueup may be able to read.

use std::collections::{BTreeMap, BTreeSet};

use super::head::{HEADS, Head};
use super::item::{Keys, key};
use super::lease::LEASES;
use super::member::MEMBERS;
use super::release::{RELEASE_PREFIX, Release, page_key, partition, spec_key};
use super::rollout::rollout_key;
use super::{Store, StoreError};
use crate::aws::Service;

mod beside;

use beside::{environments_of, verify_keys};

/// Forms of objects that are checked by one call.
const CHECKED_TOGETHER: usize = 100;

/// What is wrong with a record, and what helps.
#[derive(Debug)]
pub struct Finding {
    /// Empty where it concerns no environment.
    pub environment: String,
    /// Which record, and what is wrong with it.
    pub error: StoreError,
    /// What can be done about it, and by whom.
    pub mend: Mend,
}

/// What helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// The record goes; `why` says what is lost by that.
    #[expect(missing_docs, reason = "`pk` and `sk` are the record's key in the table")]
    Delete { pk: String, sk: String, why: &'static str },
    /// This release, which came before the current one, is forgotten.
    #[expect(missing_docs, reason = "the number of that release")]
    Forget { release: u64 },
    /// A person has to do something.
    #[expect(missing_docs, reason = "what the person has to do, in words")]
    Person { advice: String },
}

/// What was checked.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many environments there are, those whose head is lost too.
    pub environments: usize,
    /// How many releases are recorded. One that waits for an approval is not counted.
    pub releases: usize,
    /// Forms of objects that releases and records refer to.
    pub objects: usize,
    /// All other records: of objects, rollouts, events, recovery and health, leases and members.
    pub records: usize,
    /// Everything that is wrong. Empty where the store is sound.
    pub findings: Vec<Finding>,
    /// Records that nothing refers to, by environment; the daemon collects them once they are a day old.
    pub orphans: BTreeMap<String, usize>,
}

impl Verified {
    fn found(
        &mut self,
        environment: &str,
        error: StoreError,
        mend: Mend,
    ) -> Result<(), StoreError> {
        // A store that does not answer is not damaged.
        if !error.is_damage() {
            return Err(error);
        }
        // What this version cannot read, a newer one may have written.
        let is_of_newer = matches!(error, StoreError::Unreadable { .. }) && !environment.is_empty();
        let mend = if is_of_newer { restore() } else { mend };
        self.findings.push(Finding { environment: environment.to_owned(), error, mend });
        Ok(())
    }
}

fn person(advice: impl Into<String>) -> Mend {
    Mend::Person { advice: advice.into() }
}

fn restore() -> Mend {
    person("run the newest version of trueup, or restore this record from a backup of the table")
}

fn delete(pk: impl Into<String>, sk: impl Into<String>, why: &'static str) -> Mend {
    Mend::Delete { pk: pk.into(), sk: sk.into(), why }
}

impl Store {
    /// Checks the whole store. Fails only where it cannot be read.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        self.id().await?;
        let keys = self.keys().await?;
        self.verify_leases(&mut verified).await?;
        let mut heads: BTreeMap<_, _> = self.heads_and_lost().await?.into_iter().collect();
        for name in environments_of(&keys) {
            let what = format!("the head of {name}");
            heads.entry(name).or_insert(Err(StoreError::Missing { what }));
        }
        for (name, head) in heads {
            // Of a first apply that died, or that goes on just now, there are parts of a release and no more.
            let is_begun = self.is_begun(&name, &keys);
            verified.environments += usize::from(head.is_ok() || is_begun);
            let head = match head {
                Ok(head) => Some(head),
                Err(error) if is_begun => {
                    verified.found(&name, error, restore())?;
                    None
                }
                Err(_) => None,
            };
            self.verify_environment(&name, head.as_ref(), &mut verified).await?;
            self.verify_beside(&name, &keys, &mut verified).await?;
        }
        verify_keys(&keys, &mut verified)?;
        Ok(verified)
    }

    /// Whether an environment has, or had, a current release.
    fn is_begun(&self, name: &str, keys: &Keys) -> bool {
        let has = |pk: &str, wanted: &dyn Fn(&str) -> bool| {
            keys.get(pk).is_some_and(|keys| keys.iter().any(|sk| wanted(sk)))
        };
        [HEADS, LEASES].iter().any(|pk| has(pk, &|sk| sk == name))
            || has(&partition(name), &|sk| sk.starts_with(RELEASE_PREFIX))
    }

    async fn verify_leases(&self, verified: &mut Verified) -> Result<(), StoreError> {
        for (name, lease) in self.leases().await? {
            verified.records += 1;
            if let Err(error) = lease {
                // Whoever holds it relies on it until it is over.
                let advice = format!(
                    "stop every daemon, delete the item `{LEASES}`/`{name}` from the table, and start them again: one \
                     of them takes {name} anew"
                );
                verified.found(&name, error, person(advice))?;
            }
        }
        for (owner, member) in self.member_records().await? {
            verified.records += 1;
            if let Err(error) = member {
                let why = "a daemon that lives writes it again";
                verified.found("", error, delete(MEMBERS, owner, why))?;
            }
        }
        Ok(())
    }

    async fn verify_environment(
        &self,
        name: &str,
        head: Option<&Head>,
        verified: &mut Verified,
    ) -> Result<(), StoreError> {
        let (found_before, mut used) = (verified.findings.len(), BTreeSet::new());
        let (current, numbers) = (head.map(|head| head.release), self.release_numbers(name).await?);
        if let Some(number) = current.filter(|number| !numbers.contains(number)) {
            let error = StoreError::NoSuchRelease { environment: name.to_owned(), number };
            verified.found(name, error, of_current(name))?;
        }
        for number in numbers {
            verified.releases += 1;
            let head = head.filter(|head| head.release == number);
            let sound = match head {
                Some(head) => self.current(head).await,
                None => self.release(name, number).await,
            };
            let mend = match (current, head) {
                (Some(current), None) if number < current => Mend::Forget { release: number },
                _ => of_current(name),
            };
            self.verify_release(name, sound, mend, &mut used, verified).await?;
        }
        if let Some(head) = head {
            let advice = format!("apply to {name} again: what waits for an approval is lost");
            match self.proposed(head).await {
                Ok(None) => {}
                Ok(Some(proposed)) => {
                    self.verify_release(name, Ok(proposed), person(advice), &mut used, verified)
                        .await?;
                }
                Err(error) => verified.found(name, error, person(advice))?,
            }
        }
        self.verify_rollouts(name, current, verified).await?;
        self.verify_statuses(name, &mut used, verified).await?;
        // What cannot be read may refer to anything.
        if verified.findings.len() == found_before {
            let mut parts = self.sort_keys(&partition(name), &spec_key("")).await?;
            parts.extend(self.sort_keys(&partition(name), &page_key("")).await?);
            let orphans = parts.iter().filter(|sk| !used.contains(*sk)).count();
            verified.orphans.insert(name.to_owned(), orphans);
        }
        Ok(())
    }

    /// A release, and every form that it names.
    async fn verify_release(
        &self,
        name: &str,
        release: Result<Release, StoreError>,
        mend: Mend,
        used: &mut BTreeSet<String>,
        verified: &mut Verified,
    ) -> Result<(), StoreError> {
        let release = match release {
            Ok(release) => release,
            Err(error) => return verified.found(name, error, mend),
        };
        let kept = release.objects.iter().map(|entry| entry.digest.clone());
        let digests: BTreeSet<String> =
            kept.chain(release.left.iter().map(|left| left.digest.clone())).collect();
        used.extend(release.pages.iter().chain(&release.left_pages).map(|page| page_key(page)));
        used.extend(digests.iter().map(|digest| spec_key(digest)));
        verified.objects += digests.len();
        match self.first_unsound(name, &digests).await? {
            Some(error @ StoreError::Missing { .. }) => verified.found(name, error, mend),
            // It may have fields that only a newer version knows.
            Some(error) => verified.found(name, error, restore()),
            None => Ok(()),
        }
    }

    async fn verify_rollouts(
        &self,
        name: &str,
        current: Option<u64>,
        verified: &mut Verified,
    ) -> Result<(), StoreError> {
        for (release, rollout) in self.rollouts(name, usize::MAX).await? {
            verified.records += 1;
            if let Err(error) = rollout {
                let mend = match current {
                    Some(current) if release < current => {
                        let why = "what that release came to is not known any more";
                        delete(partition(name), rollout_key(release), why)
                    }
                    _ => person(format!(
                        "apply other content to {name}: its own rollout begins anew"
                    )),
                };
                verified.found(name, error, mend)?;
            }
        }
        Ok(())
    }

    async fn verify_statuses(
        &self,
        name: &str,
        used: &mut BTreeSet<String>,
        verified: &mut Verified,
    ) -> Result<(), StoreError> {
        for (id, record) in self.statuses(name).await? {
            verified.records += 1;
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let advice = format!(
                        "restore the record of {id} from a backup of the table; until then nothing is done about \
                         that object"
                    );
                    verified.found(name, error, person(advice))?;
                    continue;
                }
            };
            let digests: BTreeSet<String> = record.digests().cloned().collect();
            used.extend(digests.iter().map(|digest| spec_key(digest)));
            if let Some(error) = self.first_unsound(name, &digests).await? {
                verified.found(name, error, restore())?;
            }
        }
        Ok(())
    }

    /// The first of some forms of objects that is missing or altered.
    async fn first_unsound(
        &self,
        name: &str,
        digests: &BTreeSet<String>,
    ) -> Result<Option<StoreError>, StoreError> {
        let all: Vec<_> = digests.iter().cloned().collect();
        for some in all.chunks(CHECKED_TOGETHER) {
            match self.objects(name, &some.iter().cloned().collect()).await {
                Ok(_) => {}
                Err(error) if error.is_damage() => return Ok(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Deletes what a finding says can go. Returns whether it was.
    pub async fn mend(&self, finding: &Finding) -> Result<bool, StoreError> {
        match &finding.mend {
            Mend::Person { .. } => Ok(false),
            Mend::Forget { release } => {
                Ok(self.forget(&finding.environment, &[*release]).await? > 0)
            }
            Mend::Delete { pk, sk, .. } => {
                let call = self.session().dynamodb().delete_item().table_name(&self.table);
                let call = call.set_key(Some(key(pk, sk))).send();
                let deleted = self.session().write(Service::DynamoDb, "DeleteItem", call).await;
                deleted.map(|_| true).map_err(|error| self.failed(error))
            }
        }
    }

    async fn release_numbers(&self, name: &str) -> Result<Vec<u64>, StoreError> {
        let keys = self.sort_keys(&partition(name), RELEASE_PREFIX).await?;
        Ok(keys
            .iter()
            .filter_map(|sk| sk.trim_start_matches(RELEASE_PREFIX).parse().ok())
            .collect())
    }
}

fn of_current(name: &str) -> Mend {
    person(format!(
        "apply the whole manifests of {name} with `trueup apply --prune`, or go back with `trueup rollback {name}`; \
         both do without the damaged release"
    ))
}
