//! The tags by which trueup knows its own.

use std::collections::BTreeMap;

use crate::model::ObjectKey;

pub const ENVIRONMENT: &str = "trueup.dev/environment";
pub const OBJECT: &str = "trueup.dev/object";
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

/// Who live tags say that the resource belongs to, for a message.
pub fn describe_owner(live: &BTreeMap<String, String>) -> String {
    match (live.get(ENVIRONMENT), live.get(OBJECT)) {
        (Some(environment), Some(object)) => {
            format!(
                "it carries the tags of {environment}/{object} of another trueup object or store"
            )
        }
        _ => "it carries no trueup tags".to_owned(),
    }
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
