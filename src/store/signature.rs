//! Signatures of releases: who can write the table, and has no key, cannot have anything done.
//!
//! Guarantees: a signature covers the release's seal, and by that its whole content, its number, its environment and
//! the store. It is worthless anywhere else: on another release, for another environment, in another store.
//!
//! Left to others: whether an environment asks for signatures ([`Store::requires_signature`] says what its manifest
//! says), and keeping the key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::Mac;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use super::release::Release;
use super::{Store, StoreError};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{Object, hmac_sha256, sha256_hex};

/// Names the way of signing, so that another one may follow.
const SCHEME: &str = "hmac-sha256";
/// As many bytes as the digest has: RFC 2104, section 3, advises against fewer.
const KEY_BYTES_MIN: usize = 32;
const KEYS_MAX: usize = 10;
/// Characters of a key's digest that name it.
const NAME_CHARS: usize = 12;

/// Why keys cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum KeysError {
    #[error("the signing keys in {path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "line {line} of {path} is no signing key: a key has at least {KEY_BYTES_MIN} characters; make one with \
         `openssl rand -hex 32`"
    )]
    Short { path: PathBuf, line: usize },
    #[error("{path} has {found} signing keys; give 1 to {KEYS_MAX}, one a line")]
    Count { path: PathBuf, found: usize },
}

/// What releases are signed with, and checked by. Clones share it.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Arc<Vec<Vec<u8>>>,
    /// The store's id as this process has read it first: one that is changed later changes nothing.
    store_id: Arc<OnceCell<String>>,
}

/// Never shows a key.
impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| name_of(key))).finish()
    }
}

/// A name that says nothing of the key.
fn name_of(key: &[u8]) -> String {
    let digest = sha256_hex([b"trueup key ", key].concat());
    digest.chars().take(NAME_CHARS).collect()
}

impl SigningKeys {
    /// Reads keys, one a line: the first signs, all are accepted. So a new key is put first, and the old one taken
    /// out once nothing is current that it has signed.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeysError::Unreadable { path: path.to_owned(), source })?;
        let mut keys = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let key = line.trim();
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            if key.len() < KEY_BYTES_MIN {
                return Err(KeysError::Short { path: path.to_owned(), line: i + 1 });
            }
            keys.push(key.as_bytes().to_vec());
        }
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(KeysError::Count { path: path.to_owned(), found: keys.len() });
        }
        Ok(Self::new(keys))
    }

    fn new(keys: Vec<Vec<u8>>) -> Self {
        Self { keys: Arc::new(keys), store_id: Arc::default() }
    }

    /// Keys of a test.
    pub fn of(keys: &[&str]) -> Self {
        Self::new(keys.iter().map(|key| key.as_bytes().to_vec()).collect())
    }

    fn sign(&self, message: &str) -> String {
        // There is always one: `read` refuses a file without.
        let Some(key) = self.keys.first() else { return String::new() };
        let digest = hmac_sha256(key, message).finalize().into_bytes();
        format!("{SCHEME}:{}:{}", name_of(key), hex::encode(digest))
    }

    /// Why a signature does not hold; `None` where it does.
    fn refusal(&self, message: &str, signature: &str) -> Option<String> {
        let mut parts = signature.splitn(3, ':');
        let (scheme, name, digest) = (parts.next(), parts.next(), parts.next());
        let (Some(SCHEME), Some(name), Some(digest)) = (scheme, name, digest) else {
            return Some("its signature is none that this version knows".to_owned());
        };
        let Some(key) = self.keys.iter().find(|key| name_of(key) == name) else {
            return Some(format!(
                "it is signed with the key {name}, which this process was not given"
            ));
        };
        let holds = hex::decode(digest)
            .is_ok_and(|digest| hmac_sha256(key, message).verify_slice(&digest).is_ok());
        (!holds)
            .then(|| "its signature is not of this release: it was forged or altered".to_owned())
    }
}

/// What is signed. No part has a line break.
fn message(store_id: &str, environment: &str, release: &Release) -> String {
    let Release { number, seal, .. } = release;
    format!("trueup release\n{store_id}\n{environment}\n{number}\n{seal}")
}

impl Store {
    /// The same store, for who has keys: what is recorded is signed. `builds_on_signed` has it take nothing over
    /// from a release that is not.
    pub fn with_keys(self, keys: Option<SigningKeys>, builds_on_signed: bool) -> Self {
        Self { keys, builds_on_signed, ..self }
    }

    /// A release may be built upon: it is signed, or nobody asks for that.
    pub async fn trust(&self, environment: &str, release: &Release) -> Result<(), StoreError> {
        match self.builds_on_signed {
            true => self.check_signature(environment, release).await,
            false => Ok(()),
        }
    }

    /// Fails where the objects' Environment asks for signatures, and this process has no key.
    pub fn check_key(&self, environment: &str, objects: &[Object]) -> Result<(), StoreError> {
        match self.keys.is_none() && Self::requires_signature(objects.iter()) {
            true => Err(StoreError::NoKey { environment: environment.to_owned() }),
            false => Ok(()),
        }
    }

    /// Somebody with a key made the release.
    pub async fn is_signed(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<bool, StoreError> {
        match self.check_signature(environment, release).await {
            Ok(()) => Ok(true),
            Err(StoreError::Unsigned { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The manifest asks for signatures.
    pub fn requires_signature<'a>(mut objects: impl Iterator<Item = &'a Object>) -> bool {
        let environment = objects.find(|object| object.kind == environment::NAME);
        let spec = environment.and_then(|object| EnvironmentSpec::deserialize(&*object.spec).ok());
        spec.is_some_and(|spec| spec.require_signature == Some(true))
    }

    async fn first_id(&self, keys: &SigningKeys) -> Result<String, StoreError> {
        keys.store_id.get_or_try_init(|| async { Ok(self.id().await?.to_string()) }).await.cloned()
    }

    /// The release with a signature, where there is a key.
    pub(super) async fn signed(
        &self,
        environment: &str,
        release: Release,
    ) -> Result<Release, StoreError> {
        let Some(keys) = &self.keys else { return Ok(Release { signature: None, ..release }) };
        let store_id = self.first_id(keys).await?;
        let signature = Some(keys.sign(&message(&store_id, environment, &release)));
        Ok(Release { signature, ..release })
    }

    /// Checks that somebody with a key made a release. Fails where it is not signed, where its signature does not
    /// hold, and where nobody gave keys to check it by.
    pub async fn check_signature(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<(), StoreError> {
        let unsigned = |why: String| StoreError::Unsigned {
            environment: environment.to_owned(),
            number: release.number,
            why,
        };
        let Some(keys) = &self.keys else {
            return Err(unsigned("this process was given no key to check it by".to_owned()));
        };
        let Some(signature) = &release.signature else {
            return Err(unsigned("it is not signed".to_owned()));
        };
        let store_id = self.first_id(keys).await?;
        match keys.refusal(&message(&store_id, environment, release), signature) {
            None => Ok(()),
            Some(why) => Err(unsigned(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn a_signature_holds_for_what_was_signed_and_for_nothing_else() {
        let keys = SigningKeys::of(&[OLD]);
        let signature = keys.sign("release 7");
        assert_eq!(keys.refusal("release 7", &signature), None);
        let rotated = SigningKeys::of(&[NEW, OLD]);
        assert_eq!(rotated.refusal("release 7", &signature), None, "an old key is accepted");
        let last = signature.chars().last().unwrap();
        let altered = signature.replace(last, if last == '0' { "1" } else { "0" });
        for (keys, message, signature, expected) in [
            (&keys, "release 8", signature.clone(), "forged or altered"),
            (&keys, "release 7", altered, ""),
            (&keys, "release 7", rotated.sign("release 7"), "which this process was not given"),
            (&keys, "release 7", signature.replace("hmac", "none"), "none that this version knows"),
            (&keys, "release 7", "hmac-sha256".to_owned(), "none that this version knows"),
            (&keys, "release 7", signature[..signature.len() - 1].to_owned(), "forged or altered"),
            (&keys, "release 7", format!("{}:", &signature[..24]), "forged or altered"),
        ] {
            let refusal = keys.refusal(message, &signature).expect("refused");
            assert!(refusal.contains(expected), "{signature}: {refusal}");
        }
    }

    #[test]
    fn keys_are_read_one_a_line_and_short_ones_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            SigningKeys::read(file.path()).map_err(|error| error.to_string())
        };
        let keys = read(&format!("# since May\n{NEW}\n\n{OLD}\n")).unwrap();
        assert_eq!(keys.keys.len(), 2);
        let shown = format!("{keys:?}");
        assert!(!shown.contains(NEW) && !shown.contains(OLD), "{shown}");
        assert!(read("secret\n").unwrap_err().contains("line 1"));
        assert!(read("# none\n").unwrap_err().contains("has 0 signing keys"));
    }
}
