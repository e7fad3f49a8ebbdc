//! How a verb is told which objects it is about: a kind by any of its names, an object as Kind/name.

use std::str::FromStr;

use crate::kinds::{environment, kinds};
use crate::manifest::nearest;
use crate::model::ObjectId;

/// The kind that is meant: `Function`, `function`, `functions` and `fn` are the same, as with kubectl. The names
/// are those of its CRD.
pub(super) fn kind(text: &str) -> Result<&'static str, String> {
    let crds = kinds().iter().map(|kind| (kind.name(), kind.crd()));
    let crds: Vec<_> = crds.chain([(environment::NAME, environment::crd())]).collect();
    let is_meant = |(_, crd): &&(&'static str, serde_json::Value)| {
        let names = &crd["spec"]["names"];
        let short = names["shortNames"].as_array().into_iter().flatten();
        let all = [&names["kind"], &names["plural"], &names["singular"]].into_iter().chain(short);
        all.filter_map(|name| name.as_str()).any(|name| name.eq_ignore_ascii_case(text))
    };
    if let Some((name, _)) = crds.iter().find(is_meant) {
        return Ok(name);
    }
    let names = || crds.iter().map(|(name, _)| *name);
    let help = match nearest(text, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the kinds are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("there is no kind `{text}`; {help}"))
}

/// An object as Kind/name, whichever of its names the kind has.
pub(super) fn object(text: &str) -> Result<ObjectId, String> {
    let id: ObjectId = text.parse()?;
    Ok(ObjectId::new(kind(&id.kind)?, id.name))
}

/// A kind, or one object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Kind(&'static str),
    Object(ObjectId),
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.contains('/') {
            true => object(text).map(Self::Object),
            false => kind(text).map(Self::Kind),
        }
    }
}

impl Selector {
    pub fn is_met(&self, id: &ObjectId) -> bool {
        match self {
            Self::Kind(kind) => *id.kind == **kind,
            Self::Object(object) => object == id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_each_of_its_names() {
        for (text, expected) in [
            ("Function", Ok("Function")),
            ("functions", Ok("Function")),
            ("fn", Ok("Function")),
            ("TABLES", Ok("Table")),
            ("env", Ok("Environment")),
            ("funtion", Err("there is no kind `funtion`; did you mean Function?")),
            (
                "queue",
                Err("there is no kind `queue`; the kinds are Bucket, Frontend, Function, Table, \
                     Environment"),
            ),
        ] {
            assert_eq!(kind(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn an_object_is_named_by_kind_and_name() {
        for (text, expected) in [
            ("buckets/assets", Ok("Bucket/assets")),
            ("Table/orders", Ok("Table/orders")),
            (
                "orders",
                Err("`orders` does not name an object; write Kind/name, as in Table/orders"),
            ),
        ] {
            let read = object(text).map(|id| id.to_string());
            assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
