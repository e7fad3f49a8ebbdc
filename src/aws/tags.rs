//! The tags by which trueup knows its own.

use std::collections::BTreeMap;

use crate::model::ObjectKey;

/// The tag that names the environment.
pub const ENVIRONMENT: &str = "trueup.dev/environment";
/// The tag that names the object, as `Kind/name`.
pub const OBJECT: &str = "trueup.dev/object";
/// The tag that has the object's uid.
pub const UID: &str = "trueup.dev/uid";
/// What every tag of ours begins with. Manifests may not use it.
pub const PREFIX: &str = "trueup.dev/";

/// AWS's own tags, which nobody may write.
pub const AWS_PREFIX: &str = "aws:";

/// The three tags that say whose a resource is.
pub fn ownership(key: &ObjectKey, uid: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (ENVIRONMENT.to_owned(), key.environment.to_string()),
        (OBJECT.to_owned(), key.id.to_string()),
        (UID.to_owned(), uid.to_owned()),
    ])
}

/// Whether live tags say that the resource is this object's.
pub fn owned_by(live: &BTreeMap<String, String>, key: &ObjectKey, uid: &str) -> bool {
    ownership(key, uid).iter().all(|(name, value)| live.get(name) == Some(value))
}

/// Whether a live tag says that the resource is another object's: one of this store, or of another one.
pub fn is_claimed_by_another(live: &BTreeMap<String, String>, key: &ObjectKey, uid: &str) -> bool {
    ownership(key, uid).iter().any(|(name, value)| live.get(name).is_some_and(|v| v != value))
}

/// The object that live tags say that the resource belongs to, as `environment/Kind/name`, and its uid;
/// for a message.
pub fn owner(live: &BTreeMap<String, String>) -> Option<(String, &str)> {
    let (environment, object, uid) = (live.get(ENVIRONMENT), live.get(OBJECT), live.get(UID));
    let first = environment.or(object).or(uid)?;
    let of = |tag: Option<&String>| tag.map_or("?", String::as_str).to_owned();
    let name = match (environment, object) {
        (None, None) => first.clone(),
        _ => format!("{}/{}", of(environment), of(object)),
    };
    Some((name, uid.map_or("", String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectId;

    #[test]
    fn all_three_tags_must_match() {
        let key =
            ObjectKey { environment: "production".into(), id: ObjectId::new("Table", "orders") };
        let ours = ownership(&key, "u1");
        assert!(owned_by(&ours, &key, "u1"));
        assert!(!owned_by(&ours, &key, "u2"));
        for tag in [ENVIRONMENT, OBJECT, UID] {
            let mut partial = ours.clone();
            partial.remove(tag);
            assert!(!owned_by(&partial, &key, "u1"), "without {tag}");
        }
    }
}
