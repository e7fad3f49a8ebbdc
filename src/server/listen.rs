//! Connections to the endpoints: how many, and for how long.
//!
//! Guarantees: clients that are idle or slow take neither the file descriptors that reconciling needs, nor
//! the answers of probes. Beyond [`CONNECTIONS_MAX`] the oldest connection is closed for the newest.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::access::Tls;

/// Open connections: probes and scrapers need a handful.
const CONNECTIONS_MAX: usize = 64;

/// How long the head of a request may take, the wait for it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may live: a scraper that keeps it makes another.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// Pause after the system could not accept a connection.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(200);

/// Serves until `stop` is cancelled, and then what is being answered.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    mut tls: Option<Tls>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "a connection to the endpoints could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        while open.len() >= CONNECTIONS_MAX {
            if let Some(oldest) = open.pop_front() {
                oldest.abort();
            }
        }
        let (app, stop) = (app.clone(), stop.clone());
        let answered = match tls.as_mut().map(Tls::acceptor) {
            None => connections.spawn(answer(stream, app, stop)),
            Some(acceptor) => connections.spawn(async move {
                match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => answer(stream, app, stop).await,
                    Ok(Err(error)) => debug!(%error, "a client did not agree on TLS"),
                    Err(_) => debug!("a client took too long to agree on TLS"),
                }
            }),
        };
        open.push_back(answered.abort_handle());
    }
    connections.close();
    connections.wait().await;
}

/// Answers the requests of one connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, app: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(app);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::time::timeout(CONNECTION_TIMEOUT + HEAD_TIMEOUT, async {
        tokio::select! {
            served = connection.as_mut() => return served,
            () = stop.cancelled() => {}
            () = tokio::time::sleep(CONNECTION_TIMEOUT) => {}
        }
        // What is being answered is answered.
        connection.as_mut().graceful_shutdown();
        connection.await
    });
    if let Ok(Err(error)) = served.await {
        debug!(%error, "a connection to the endpoints ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn served() -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve(listener, app, None, stop.clone()));
        (address, stop)
    }

    async fn ask(address: std::net::SocketAddr) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn idle_clients_do_not_keep_a_probe_from_its_answer() {
        let (address, _stop) = served().await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX * 3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET /livez HT").await.unwrap();
            idle.push(client);
        }
        let answer = ask(address).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
        let mut byte = [0];
        let oldest = idle[0].read(&mut byte).await;
        assert!(matches!(oldest, Ok(0) | Err(_)), "the oldest connection was closed");
    }
}
