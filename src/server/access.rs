//! Who may see what, and over what: TLS, and a token for all that says more than a probe needs.
//!
//! Guarantees: with a token, nothing but "ok" or "not ok" is told to who does not have it. Certificates that are
//! renewed are used without a restart; ones that cannot be read change nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::model::sha256_hex;

/// How often the files of a certificate are read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A token that can be guessed is none.
const TOKEN_CHARS_MIN: usize = 16;

/// Why the endpoints cannot be protected as asked for.
#[derive(Debug, Error)]
pub enum AccessError {
    /// A file that was named.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Too short to be a secret.
    #[error(
        "the token in {path} is too short: give at least {TOKEN_CHARS_MIN} characters, as `openssl rand -hex 32` does"
    )]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// What is in the files is no pair.
    #[error("{certificate} and {key} are no certificate with its key, both as PEM: {why}")]
    Certificate {
        /// The file of the certificate and those that lead to its root.
        certificate: PathBuf,
        /// The file of its private key.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What the endpoints ask of their clients. Without anything, everybody who reaches the port sees everything.
#[derive(Clone, Default)]
pub struct Access {
    pub(super) tls: Option<Tls>,
    pub(super) token: Option<Token>,
}

impl Access {
    /// Reads the files that were named: a certificate with its key, and a token.
    pub fn read(
        certificate: Option<(&Path, &Path)>,
        token: Option<&Path>,
    ) -> Result<Self, AccessError> {
        let tls = certificate.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?;
        Ok(Self { tls, token: token.map(Token::read).transpose()? })
    }
}

/// What a client has to know. Kept as a digest, which takes as long to compare for each guess.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    fn read(path: &Path) -> Result<Self, AccessError> {
        let text = text_of(path)?;
        let token = text.trim();
        match token.chars().count() < TOKEN_CHARS_MIN {
            true => Err(AccessError::Token { path: path.to_owned() }),
            false => Ok(Self(sha256_hex(token))),
        }
    }

    /// The request has it: `Authorization: Bearer TOKEN`, <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
        let (scheme, token) = given.and_then(|given| given.split_once(' ')).unwrap_or_default();
        scheme.eq_ignore_ascii_case("bearer") && sha256_hex(token.trim()) == self.0
    }
}

/// A certificate with its key, and the files that they come from.
#[derive(Clone)]
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    read: (String, String),
    read_at: Instant,
    acceptor: TlsAcceptor,
}

/// Never shows the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.certificate.display())
    }
}

impl Tls {
    fn read(certificate: &Path, key: &Path) -> Result<Self, AccessError> {
        let read = (text_of(certificate)?, text_of(key)?);
        let acceptor = acceptor(&read).map_err(|why| AccessError::Certificate {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            why,
        })?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self { certificate, key, read, read_at: Instant::now(), acceptor })
    }

    /// What takes the next connection: the files are read again now and then.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        if self.read_at.elapsed() >= READ_AGAIN_AFTER {
            self.read_at = Instant::now();
            match Self::read(&self.certificate, &self.key) {
                Ok(now) if now.read != self.read => {
                    info!(certificate = %self.certificate.display(), "the certificate was renewed");
                    *self = now;
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "the certificate of before is used"),
            }
        }
        self.acceptor.clone()
    }
}

fn text_of(path: &Path) -> Result<String, AccessError> {
    std::fs::read_to_string(path)
        .map_err(|source| AccessError::Unreadable { path: path.to_owned(), source })
}

fn acceptor((certificate, key): &(String, String)) -> Result<TlsAcceptor, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("there is no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| error.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_bearers_and_not_short() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short\n").unwrap();
        assert!(matches!(Token::read(file.path()), Err(AccessError::Token { .. })));
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let token = Token::read(file.path()).unwrap();
        for (given, expected) in [
            (None, false),
            (Some("Bearer 0123456789abcdef"), true),
            (Some("bearer 0123456789abcdef"), true),
            (Some("Bearer 0123456789abcde"), false),
            (Some("Basic 0123456789abcdef"), false),
            (Some("0123456789abcdef"), false),
            (Some("Bearer "), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(header::AUTHORIZATION, given.parse().unwrap());
            }
            assert_eq!(token.is_in(&headers), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn the_endpoints_speak_tls_and_show_more_than_ok_to_who_has_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = file("tls.crt", &pair.cert.pem());
        let key = file("tls.key", &pair.signing_key.serialize_pem());
        let token = file("token", "0123456789abcdef");
        let access = Access::read(Some((&certificate, &key)), Some(&token)).unwrap();
        let listener = crate::server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = tokio_util::sync::CancellationToken::new();
        let (health, registry) = (crate::engine::Health::default(), prometheus::Registry::new());
        let exemplars = crate::engine::Exemplars::default();
        let served =
            crate::server::serve(listener, health, registry, exemplars, access, stop.clone());
        tokio::spawn(served);

        let trusted = reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
        let ask = |path: &str, token: Option<&str>| {
            let request = client.get(format!("https://localhost:{port}{path}"));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            async move {
                let answer = request.send().await.unwrap();
                (answer.status().as_u16(), answer.text().await.unwrap())
            }
        };
        assert_eq!(ask("/readyz?verbose", None).await, (503, "not ok".to_owned()));
        assert_eq!(ask("/livez?verbose", None).await, (200, "ok".to_owned()));
        assert_eq!(ask("/metrics", None).await.0, 401);
        assert_eq!(ask("/version", Some("0123456789abcdeX")).await.0, 401);
        let right = Some("0123456789abcdef");
        assert_eq!(ask("/metrics", right).await.0, 200);
        let (status, checks) = ask("/readyz?verbose", right).await;
        assert!(status == 503 && checks.contains("[-]store failed"), "{checks}");
        let plain = reqwest::Client::new().get(format!("http://localhost:{port}/livez"));
        assert!(plain.send().await.is_err(), "nothing is told without TLS");
    }
}
