//! What Amplify serves to users, by host and path.
//!
//! A branch's newest job that succeeded is served. Of an artifact that is its own `index.html`; of a repository, which
//! nobody builds here, a page that names the branch and the commit.

use std::io::{Cursor, Read};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use zip::ZipArchive;

use super::super::router::Router;
use crate::web::{NoAnswer, Web, WebAnswer, WebRequest};

/// The most that is kept of a page.
const PAGE_BYTES_MAX: u64 = 64 * 1024;

/// The sites of the sandbox's Amplify, and whatever there is beyond them.
#[derive(Clone)]
pub(in crate::sandbox) struct Sites {
    pub router: Arc<Router>,
    pub beyond: Arc<dyn Web>,
}

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sites").field("beyond", &self.beyond).finish_non_exhaustive()
    }
}

impl Web for Sites {
    fn send(&self, request: WebRequest) -> BoxFuture<'static, Result<WebAnswer, NoAnswer>> {
        let address = request.url.split("://").nth(1).unwrap_or_default();
        let address = address.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        match self.router.amplify.page(host, path) {
            Some(answer) => async move { Ok(answer) }.boxed(),
            None => self.beyond.send(request),
        }
    }
}

/// The page that an archive has for `/`; nothing where it has none.
pub(super) fn index_of(archive: &[u8]) -> Option<String> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).ok()?;
    let file = archive.by_name("index.html").ok()?;
    let mut page = Vec::new();
    file.take(PAGE_BYTES_MAX).read_to_end(&mut page).ok()?;
    Some(String::from_utf8_lossy(&page).into_owned())
}
