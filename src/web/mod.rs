//! HTTP to pages and services that are not AWS's: checks of a release, hooks.
//!
//! Guarantees: an answer is bounded in size and time, and no error repeats an address, which may hold a secret.
//!
//! Left to others: what is sent, and what an answer means (`signals`, `engine/notify`).

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::Secret;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// The address. It may hold a secret, so no error repeats it.
    pub url: String,
    /// Sent by POST as JSON; a GET where there is none.
    pub body: Option<String>,
    /// Headers beside those of the body.
    pub headers: Vec<(String, Secret)>,
    /// How long the request may take until the whole answer is there.
    pub timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    /// The HTTP status. A redirect is not followed, so its own status stands here.
    pub status: u16,
    /// The first [`BODY_BYTES_MAX`] of it.
    pub body: String,
}

/// The most that is read of an answer.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No server was reached: the name has no address, nothing listens there, or the network between lets nothing
    /// through.
    #[error("{0}")]
    Unreached(String),
    /// A server was reached, and gave no answer, or not all of one.
    #[error("{0}")]
    Broken(String),
}

/// What requests are made with.
pub trait Web: std::fmt::Debug + Send + Sync {
    /// The answer, or why there was none.
    fn send(&self, request: WebRequest) -> BoxFuture<'static, Result<WebAnswer, NoAnswer>>;
}

/// Who asks: firewalls of sites turn away who does not say it.
const USER_AGENT: &str = concat!("trueup/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take to come about. Whoever waits for an answer waits longer, and so can tell a server
/// that nobody reaches from one that does not answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The network.
pub fn network() -> Arc<dyn Web> {
    through(reqwest::Client::builder())
}

/// This machine: no proxy stands before it, whatever the environment says.
pub fn this_machine() -> Arc<dyn Web> {
    through(reqwest::Client::builder().no_proxy())
}

fn through(builder: reqwest::ClientBuilder) -> Arc<dyn Web> {
    // A check says which answer it expects: a redirect is one.
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    let client = builder.user_agent(USER_AGENT).connect_timeout(CONNECT_WITHIN).build();
    Arc::new(Network(client.map_err(|error| error.to_string())))
}

#[derive(Debug)]
struct Network(Result<reqwest::Client, String>);

impl Web for Network {
    fn send(&self, request: WebRequest) -> BoxFuture<'static, Result<WebAnswer, NoAnswer>> {
        let client = self.0.clone();
        async move { send(client.map_err(NoAnswer::Broken)?, request).await }.boxed()
    }
}

async fn send(client: reqwest::Client, request: WebRequest) -> Result<WebAnswer, NoAnswer> {
    let call = match request.body {
        Some(body) => {
            client.post(&request.url).header("content-type", "application/json").body(body)
        }
        None => client.get(&request.url),
    };
    let call =
        request.headers.iter().fold(call, |call, (name, value)| call.header(name, value.reveal()));
    let mut answer = call.timeout(request.timeout).send().await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while body.len() < BODY_BYTES_MAX
        && let Some(more) = answer.chunk().await.map_err(no_answer)?
    {
        body.extend_from_slice(&more);
    }
    body.truncate(BODY_BYTES_MAX);
    Ok(WebAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let is_unreached = error.is_connect();
    let why = chain(&error.without_url());
    if is_unreached { NoAnswer::Unreached(why) } else { NoAnswer::Broken(why) }
}

/// An error with what caused it: the outermost text alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What a server gets that answers so, and what comes of it.
    async fn asked(answer: &str) -> (String, Result<WebAnswer, NoAnswer>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health?key=secret", listener.local_addr().unwrap());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let timeout = Duration::from_secs(10);
        let request = WebRequest { url, body: None, headers: Vec::new(), timeout };
        tokio::join!(served, this_machine().send(request))
    }

    #[tokio::test]
    async fn a_request_says_who_asks_and_redirects_are_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 2\r\n\r\nno";
        let (request, answer) = asked(answer).await;
        assert!(request.contains(&format!("user-agent: {USER_AGENT}\r\n")), "{request}");
        assert_eq!(answer, Ok(WebAnswer { status: 302, body: "no".to_owned() }));
    }

    #[tokio::test]
    async fn who_is_not_reached_is_told_from_who_does_not_answer_and_no_address_is_repeated() {
        let (_, broken) = asked("").await;
        let unheard = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let request = WebRequest {
            url: format!("http://{unheard}/?key=secret"),
            body: None,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
        };
        let unreached = this_machine().send(request).await;
        assert!(matches!(broken, Err(NoAnswer::Broken(_))), "{broken:?}");
        assert!(matches!(unreached, Err(NoAnswer::Unreached(_))), "{unreached:?}");
        for told in [broken, unreached] {
            assert!(!told.unwrap_err().to_string().contains("secret"));
        }
    }
}
