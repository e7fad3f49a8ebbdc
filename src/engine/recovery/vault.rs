//! The bucket that holds backups: putting and reading files, listing and deleting.
//!
//! Guarantees: what is put is checked by S3 against its digest, and what is read by whoever reads.

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::RecoveryError;
use super::manifest::{Backup, Part};
use crate::aws::{Absent, AwsError, Class, Service, Session, Sessions, Target};
use crate::kinds::environment::{BackupPolicy, EnvironmentSpec};
use crate::model::sha256_hex;

/// Manifests that are read at once.
const READ_AT_ONCE: usize = 16;
/// S3 writes an ETag in these.
pub(super) const QUOTE: char = '\u{22}';
/// Of one call of DeleteObjects.
const DELETED_AT_ONCE: usize = 1000;
/// Pages of one listing; a page has up to 1,000 names.
const PAGES_MAX: usize = 10_000;

/// Where an environment's backups lie.
#[derive(Clone)]
pub struct Vault {
    pub(super) session: Session,
    pub(super) bucket: String,
    /// The bucket's, where it is named.
    pub(super) account: Option<String>,
    /// With the environment's name.
    root: String,
    environment: String,
}

/// A file of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub key: String,
    pub etag: String,
    pub bytes: u64,
    pub at: Timestamp,
}

impl Vault {
    /// Opens the vault that an environment names.
    pub async fn of(
        sessions: &Sessions,
        environment: &str,
        spec: &EnvironmentSpec,
    ) -> Result<Self, RecoveryError> {
        let policy = spec.recovery.as_ref().and_then(|recovery| recovery.backups.as_ref());
        let Some(policy) = policy else {
            return Err(RecoveryError::NoPlace { environment: environment.to_owned() });
        };
        Self::open(sessions, environment, &spec.target(), policy).await
    }

    /// Opens a vault by what is said of it; `target` is how AWS is reached.
    pub async fn open(
        sessions: &Sessions,
        environment: &str,
        target: &Target,
        policy: &BackupPolicy,
    ) -> Result<Self, RecoveryError> {
        let region = policy.region.clone().or_else(|| target.region.clone());
        let session = sessions.get(&Target { region, ..target.clone() }).await?;
        let prefix = policy.prefix.as_deref().unwrap_or_default().trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self {
            session,
            bucket: policy.bucket.clone(),
            account: policy.account_id.clone(),
            root: format!("{prefix}{environment}/"),
            environment: environment.to_owned(),
        })
    }

    /// For people.
    pub fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.root)
    }

    /// Tells this vault and a store from others, in the names of what DynamoDB keeps.
    pub(super) fn tag(&self, store: &str) -> String {
        sha256_hex(format!("{}\n{store}", self.place()))[..8].to_owned()
    }

    pub(super) fn folder(&self, id: &str) -> String {
        format!("{}backups/{id}/", self.root)
    }

    pub(super) fn data(&self, name: &str) -> String {
        format!("{}data/{name}", self.root)
    }

    fn manifest_key(&self, id: &str) -> String {
        format!("{}manifest.json", self.folder(id))
    }

    /// Every backup by its id, oldest first: its manifest, why that cannot be read, or `None` where it has none yet.
    pub async fn backups(
        &self,
    ) -> Result<Vec<(String, Option<Result<Backup, RecoveryError>>)>, RecoveryError> {
        let ids = self.ids().await?;
        let read = stream::iter(ids).map(|id| async move {
            let text = self.get(&self.manifest_key(&id)).await?;
            let manifest = text.map(|text| self.checked(&id, &text));
            Ok::<_, RecoveryError>((id, manifest))
        });
        let mut all: Vec<_> = read.buffer_unordered(READ_AT_ONCE).try_collect().await?;
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// Backups whose manifests can be read, oldest first. Others are no backups.
    pub async fn sound_backups(&self) -> Result<Vec<Backup>, RecoveryError> {
        let all = self.backups().await?;
        Ok(all.into_iter().filter_map(|(_, manifest)| manifest?.ok()).collect())
    }

    /// The backup of an id. Fails where there is none, or where its manifest cannot be used.
    pub async fn backup(&self, id: &str) -> Result<Backup, RecoveryError> {
        match self.get(&self.manifest_key(id)).await? {
            Some(text) => self.checked(id, &text),
            None => Err(RecoveryError::NoSuchBackup {
                environment: self.environment.clone(),
                id: id.to_owned(),
                place: self.place(),
            }),
        }
    }

    fn checked(&self, id: &str, text: &[u8]) -> Result<Backup, RecoveryError> {
        let damaged = |how| RecoveryError::Damaged {
            id: id.to_owned(),
            what: "the manifest".to_owned(),
            how,
        };
        let backup = Backup::read(text).map_err(damaged)?;
        if backup.id != id || backup.environment != self.environment {
            let how = format!("it says that it is {} of {}", backup.id, backup.environment);
            return Err(damaged(how));
        }
        Ok(backup)
    }

    pub(super) async fn put_manifest(&self, backup: &Backup) -> Result<(), RecoveryError> {
        let text = serde_json::to_vec_pretty(backup).map_err(|error| {
            RecoveryError::Unfinished(format!("the manifest of {}: {error}", backup.id))
        })?;
        self.put(&self.manifest_key(&backup.id), text).await
    }

    /// Lines as a file of a backup.
    pub(super) async fn put_lines(
        &self,
        key: String,
        lines: &[String],
    ) -> Result<Part, RecoveryError> {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let part = Part {
            sha256: sha256_hex(&text),
            bytes: text.len() as u64,
            records: lines.len() as u64,
            key,
        };
        self.put(&part.key, text.into_bytes()).await?;
        Ok(part)
    }

    /// The lines of a file, if they are those that were put there.
    pub(super) async fn lines(&self, id: &str, part: &Part) -> Result<Vec<String>, RecoveryError> {
        let damaged = |how: &str| RecoveryError::Damaged {
            id: id.to_owned(),
            what: part.key.clone(),
            how: how.to_owned(),
        };
        let text = self.get(&part.key).await?.ok_or_else(|| damaged("it is gone"))?;
        if sha256_hex(&text) != part.sha256 {
            return Err(damaged("its content is not that of its digest"));
        }
        let text = String::from_utf8(text).map_err(|_| damaged("it is no text"))?;
        // A file without lines was written as an empty one once.
        let lines = text.lines().filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(str::to_owned).collect();
        match lines.len() as u64 == part.records {
            true => Ok(lines),
            false => Err(damaged("it has another number of lines")),
        }
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), RecoveryError> {
        let checksum = BASE64_STANDARD.encode(Sha256::digest(&body));
        let call = self.session.s3().put_object().bucket(&self.bucket).key(key);
        let call = call.checksum_sha256(checksum).body(ByteStream::from(body)).send();
        match self.session.write(Service::S3, "PutObject", call).await {
            Ok(_) => Ok(()),
            Err(error) if error.code == "NoSuchBucket" => {
                Err(RecoveryError::no_bucket(&self.bucket))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecoveryError> {
        let found = self
            .session
            .read(Service::S3, "GetObject", || {
                self.session.s3().get_object().bucket(&self.bucket).key(key).send()
            })
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) if error.code == "NoSuchKey" => return Ok(None),
            Err(error) if error.code == "NoSuchBucket" => {
                return Err(RecoveryError::no_bucket(&self.bucket));
            }
            Err(error) => return Err(error.into()),
        };
        let body = found.body.collect().await.map_err(|error| {
            let message = format!("{key}: {}", DisplayErrorContext(&error));
            AwsError::new(Class::Transient, Service::S3, "GetObject", message)
        })?;
        Ok(Some(body.into_bytes().to_vec()))
    }

    /// The ids under which something lies.
    async fn ids(&self) -> Result<Vec<String>, RecoveryError> {
        let folder = format!("{}backups/", self.root);
        let mut ids = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .session
                .read(Service::S3, "ListObjectsV2", || {
                    let call = self.session.s3().list_objects_v2().bucket(&self.bucket);
                    let call = call.prefix(&folder).delimiter("/");
                    call.set_continuation_token(next.clone()).send()
                })
                .await
                .absent("NoSuchBucket")?;
            let Some(page) = page else { return Err(RecoveryError::no_bucket(&self.bucket)) };
            let names = page.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
            let names = names.filter_map(|name| name.strip_prefix(&*folder));
            ids.extend(names.map(|name| name.trim_end_matches('/').to_owned()));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(ids)
    }

    /// Every file under a folder of the environment's.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>, RecoveryError> {
        Ok(list(&self.session, &self.bucket, folder, usize::MAX, None).await?)
    }

    /// Every file under `data/`.
    pub(super) async fn list_data(&self) -> Result<Vec<Listed>, RecoveryError> {
        self.list(&self.data("")).await
    }

    /// Deletes files. What is not there is no error.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<(), RecoveryError> {
        delete(&self.session, &self.bucket, keys).await
    }

    /// Deletes what is left of a backup's folder: its manifest last.
    pub(super) async fn delete_folder(&self, id: &str) -> Result<(), RecoveryError> {
        let manifest = self.manifest_key(id);
        let files = self.list(&self.folder(id)).await?.into_iter().map(|file| file.key);
        let (last, first): (Vec<_>, Vec<_>) = files.partition(|key| *key == manifest);
        self.delete(&first).await?;
        self.delete(&last).await
    }
}

/// Deletes objects of a bucket.
pub(super) async fn delete(
    session: &Session,
    bucket: &str,
    keys: &[String],
) -> Result<(), RecoveryError> {
    let incomplete = |e| AwsError::incomplete(Service::S3, "DeleteObjects", &e);
    for some in keys.chunks(DELETED_AT_ONCE) {
        let objects = some.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let objects: Vec<_> = objects.collect::<Result<_, _>>().map_err(incomplete)?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(incomplete)?;
        let call = session.s3().delete_objects().bucket(bucket).delete(delete).send();
        refused(&session.write(Service::S3, "DeleteObjects", call).await?)?;
    }
    Ok(())
}

/// The objects of a bucket under a prefix; more than `most` where there are more. Refused where the bucket is not the
/// owner's.
pub(super) async fn list(
    session: &Session,
    bucket: &str,
    prefix: &str,
    most: usize,
    owner: Option<&str>,
) -> Result<Vec<Listed>, AwsError> {
    let mut listed = Vec::new();
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let page = session
            .read(Service::S3, "ListObjectsV2", || {
                let call = session.s3().list_objects_v2().bucket(bucket).prefix(prefix);
                let call = call.set_expected_bucket_owner(owner.map(str::to_owned));
                call.set_continuation_token(next.clone()).send()
            })
            .await?;
        for object in page.contents() {
            let at = object.last_modified().map_or(0, |at| at.secs());
            listed.push(Listed {
                key: object.key().unwrap_or_default().to_owned(),
                etag: object.e_tag().unwrap_or_default().trim_matches(QUOTE).to_owned(),
                bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                at: Timestamp::from_second(at).unwrap_or_default(),
            });
        }
        next = page.next_continuation_token().map(str::to_owned);
        if next.is_none() || listed.len() > most {
            return Ok(listed);
        }
    }
    // What was not listed would be taken for what is not there.
    let message = format!("{bucket} has more than {} objects", PAGES_MAX * 1000);
    Err(AwsError::new(Class::Invalid, Service::S3, "ListObjectsV2", message))
}

/// Deletes every version of every object of a bucket of the account's own.
pub(super) async fn delete_versions(session: &Session, bucket: &str) -> Result<(), RecoveryError> {
    let owner = session.account_id().await?;
    let incomplete = |e| AwsError::incomplete(Service::S3, "DeleteObjects", &e);
    for _ in 0..PAGES_MAX {
        let page = session
            .read(Service::S3, "ListObjectVersions", || {
                session
                    .s3()
                    .list_object_versions()
                    .bucket(bucket)
                    .expected_bucket_owner(&owner)
                    .send()
            })
            .await
            .absent("NoSuchBucket")?;
        let Some(page) = page else { return Ok(()) };
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
        let mut objects = Vec::new();
        for (key, version) in versions.chain(markers) {
            let object = ObjectIdentifier::builder().key(key.unwrap_or_default());
            let object = object.set_version_id(version.map(str::to_owned)).build();
            objects.push(object.map_err(incomplete)?);
        }
        if objects.is_empty() {
            return Ok(());
        }
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(incomplete)?;
        let call = session.s3().delete_objects().bucket(bucket).expected_bucket_owner(&owner);
        let call = call.delete(delete).send();
        refused(&session.write(Service::S3, "DeleteObjects", call).await?)?;
    }
    Ok(())
}

/// S3 deletes some, and says which it does not.
fn refused(deleted: &DeleteObjectsOutput) -> Result<(), AwsError> {
    let Some(refused) = deleted.errors().first() else { return Ok(()) };
    let (key, why) = (refused.key().unwrap_or_default(), refused.message());
    let message = format!("{key}: {}", why.unwrap_or_default());
    Err(AwsError::new(Class::Denied, Service::S3, "DeleteObjects", message))
}
