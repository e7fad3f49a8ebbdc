//! The parts of a request's URI.

/// A query string, by name. Values are not decoded.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    pub fn of(uri: &'a str) -> Self {
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|p| !p.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// The value with its percent signs resolved.
    pub fn decoded(&self, name: &str) -> Option<String> {
        self.get(name).map(winterbaume_core::protocol::percent_decode)
    }
}

/// The path of a request, without host and query.
pub(super) fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    path.split('?').next().unwrap_or("/")
}
