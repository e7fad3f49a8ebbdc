//! What may be done about a resource at all, before anything is planned for it. Pure.
//!
//! Guarantees:
//! - A resource is planned for only where its tags say that it is the object's, where the object adopts one
//!   that is nobody's, or where the object's own create is known to have made it.
//! - A resource that carries the tags of another trueup object is taken over only where the manifest
//!   names that object's uid, and never by the object that it was taken from: two objects never take turns.
//! - For a minute after a create was begun, a resource that AWS does not list yet is neither created again nor
//!   treated as deleted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Desired, Intent, Kind, NameScope};
use crate::aws::tags;
use crate::plan::{Blocked, Facts, Waiting};

/// How long AWS may take to show what was made: its control planes are eventually consistent.
const SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// What follows from whose the resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Plan that it becomes as declared.
    Keep,
    /// Plan that it goes away.
    Delete,
    /// There is nothing of ours to do anything about.
    Nothing,
    Wait(Waiting),
    Stop(Blocked),
}

/// Decides by the live tags, which are `None` where the resource does not exist.
pub(super) fn gate<K: Kind>(
    desired: &Desired<K::Spec>,
    live: Option<&BTreeMap<String, String>>,
    intent: Intent,
    now: Timestamp,
) -> (Facts, Passage) {
    let whose = live.map(|tags| whose::<K>(desired, tags));
    let owned = match (whose, intent) {
        (Some(Whose::Ours), _) => true,
        (Some(Whose::Nobodys | Whose::Named), Intent::Keep) => desired.adopt,
        _ => false,
    };
    let facts = Facts {
        exists: live.is_some(),
        owned,
        tagged: whose == Some(Whose::Ours),
        holds_data: K::HOLDS_DATA,
        deletion_asked: intent == Intent::Delete,
    };
    let passage = match (live, intent) {
        (None, _) if may_be_unseen::<K>(desired, intent, now) => unseen(K::WHOLE),
        (None, Intent::Keep) => Passage::Keep,
        (None, Intent::Delete) => Passage::Nothing,
        (Some(_), Intent::Keep) if owned => Passage::Keep,
        (Some(tags), Intent::Keep) => {
            let owner = tags.get(tags::UID).filter(|_| desired.is_known);
            let was_ours = owner.is_some() && owner == desired.adopt_from.as_ref();
            foreign(K::WHOLE, &desired.aws_name, tags, was_ours)
        }
        (Some(_), Intent::Delete) if owned => Passage::Delete,
        // Tags that were taken off are no proof that it is somebody else's, and none that it is ours.
        (Some(tags), Intent::Delete) if desired.is_known && is_untagged(tags) => {
            untagged(K::WHOLE, &desired.aws_name)
        }
        // Somebody else's resource: nothing of ours is left to delete.
        (Some(_), Intent::Delete) => Passage::Nothing,
    };
    (facts, passage)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// No tag says that it is another trueup object's.
    Nobodys,
    /// Another object's, which the manifest names.
    Named,
    Anothers,
}

fn whose<K: Kind>(desired: &Desired<K::Spec>, live: &BTreeMap<String, String>) -> Whose {
    let bridged = !K::TAGS_SEEN_AT_ONCE && desired.create_begun.is_some() && is_untagged(live);
    if bridged || tags::owned_by(live, &desired.key, &desired.uid) {
        return Whose::Ours;
    }
    let owner = live.get(tags::UID);
    // What was this object's, and carries other tags now, was taken over from it.
    if owner.is_some() && owner == desired.adopt_from.as_ref() && !desired.is_known {
        return Whose::Named;
    }
    match tags::is_claimed_by_another(live, &desired.key, &desired.uid) {
        true => Whose::Anothers,
        false => Whose::Nobodys,
    }
}

fn is_untagged(live: &BTreeMap<String, String>) -> bool {
    !live.keys().any(|tag| tag.starts_with(tags::PREFIX))
}

/// A create was begun a moment ago. AWS may not list the resource yet: a second create would make another one,
/// and treating it as deleted would leave it behind.
fn may_be_unseen<K: Kind>(desired: &Desired<K::Spec>, intent: Intent, now: Timestamp) -> bool {
    let matters = intent == Intent::Delete || K::NAME_SCOPE == NameScope::Nothing;
    matters && desired.create_begun.is_some_and(|at| now.duration_since(at) < SEEN_WITHIN)
}

fn unseen(whole: &str) -> Passage {
    let message = format!("a {whole} was to be made a moment ago, and AWS does not show it yet");
    Passage::Wait(Waiting { reason: "NotSeenYet", message })
}

fn foreign(whole: &str, name: &str, live: &BTreeMap<String, String>, was_ours: bool) -> Passage {
    let message = match tags::owner(live) {
        None => format!(
            "a {whole} named {name} exists and is not this object's: it carries no trueup tags. To take it \
             over, annotate the manifest with trueup.dev/adopt: \"true\"; otherwise give it another name"
        ),
        Some((owner, _)) if was_ours => format!(
            "the {whole} {name} was this object's, and {owner} took it over. Take one of the two objects out of its \
             manifests, with deletionPolicy: Retain; or give one of them another name"
        ),
        Some((owner, uid)) => format!(
            "a {whole} named {name} exists and belongs to {owner} of this or another trueup store. Give \
             this object another name. To take the {whole} over for good, remove it there with \
             deletionPolicy: Retain, and annotate this manifest with trueup.dev/adopt: \"true\" and \
             trueup.dev/adopt-from: \"{uid}\""
        ),
    };
    Passage::Stop(Blocked { reason: "NotOwned", message })
}

fn untagged(whole: &str, name: &str) -> Passage {
    Passage::Stop(Blocked {
        reason: "NotOwned",
        message: format!(
            "the {whole} {name} was made or adopted by trueup and has lost its trueup.dev/ tags, so it is not \
             deleted. Delete it by hand or put the tags back, if it is this environment's; to leave it alone, apply it \
             once more with deletionPolicy: Retain and take it out again"
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::{bucket::Bucket, frontend::Frontend, function::Function};
    use crate::model::{ObjectId, ObjectKey};

    type Tags = Option<BTreeMap<String, String>>;

    fn word(passage: &Passage) -> String {
        match passage {
            Passage::Stop(blocked) => blocked.reason.to_owned(),
            Passage::Wait(waiting) => waiting.reason.to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn function() -> Desired<crate::kinds::function::FunctionSpec> {
        Desired::sample("Function", json!({"role": "r", "code": {}}))
    }

    fn ours() -> Tags {
        Some(function().tags)
    }

    fn with(tag: &str, value: Option<&str>) -> Tags {
        let mut tags = function().tags;
        match value {
            Some(value) => tags.insert(tag.to_owned(), value.to_owned()),
            None => tags.remove(tag),
        };
        Some(tags)
    }

    fn another() -> Tags {
        let id = ObjectId::new("Function", "it");
        let key = ObjectKey { environment: "staging".into(), id };
        Some(tags::ownership(&key, "theirs"))
    }

    #[test]
    fn whose_it_is_decides_what_may_be_done() {
        let nobodys = || Some(BTreeMap::from([("team".to_owned(), "shop".to_owned())]));
        // Live tags, adopt, adopt-from, then what becomes of it when kept and when deleted.
        for (what, live, adopt, from, kept, deleted) in [
            ("not there", None, false, None, "Keep", "Nothing"),
            ("ours", ours(), false, None, "Keep", "Delete"),
            ("nobody's", nobodys(), false, None, "NotOwned", "Nothing"),
            ("nobody's, adopted", nobodys(), true, None, "Keep", "Nothing"),
            ("another's", another(), false, None, "NotOwned", "Nothing"),
            ("another's, adopted", another(), true, None, "NotOwned", "Nothing"),
            ("another's, adopted by name", another(), true, Some("theirs"), "Keep", "Nothing"),
            (
                "another's, named without adopting",
                another(),
                false,
                Some("theirs"),
                "NotOwned",
                "Nothing",
            ),
            ("another's, the name is wrong", another(), true, Some("uid"), "NotOwned", "Nothing"),
            ("of another store", with(tags::UID, Some("x")), true, None, "NotOwned", "Nothing"),
            ("ours, a tag is lost", with(tags::UID, None), true, None, "Keep", "Nothing"),
            (
                "ours, a tag is lost, not adopted",
                with(tags::UID, None),
                false,
                None,
                "NotOwned",
                "Nothing",
            ),
        ] {
            let mut desired = function();
            desired.adopt = adopt;
            desired.adopt_from = from.map(str::to_owned);
            let now = Timestamp::UNIX_EPOCH;
            for (intent, expected) in [(Intent::Keep, kept), (Intent::Delete, deleted)] {
                let (facts, passage) = gate::<Function>(&desired, live.as_ref(), intent, now);
                assert_eq!(word(&passage), expected, "{what}, {intent:?}");
                assert_eq!(facts.exists, live.is_some(), "{what}");
                let writes = matches!(passage, Passage::Keep | Passage::Delete);
                assert_eq!(facts.owned, writes && live.is_some(), "{what}, {intent:?}");
            }
        }
    }

    #[test]
    fn two_objects_that_name_each_other_do_not_take_turns() {
        let mut desired = function();
        (desired.adopt, desired.adopt_from) = (true, Some("theirs".to_owned()));
        let gated = |desired: &_| {
            gate::<Function>(desired, another().as_ref(), Intent::Keep, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(word(&gated(&desired).1), "Keep", "it was never this object's");
        desired.is_known = true;
        let (facts, passage) = gated(&desired);
        assert_eq!((word(&passage).as_str(), facts.owned), ("NotOwned", false));
        let Passage::Stop(blocked) = passage else { panic!("{passage:?}") };
        assert!(blocked.message.contains("took it over"), "{}", blocked.message);
    }

    #[test]
    fn a_resource_that_lost_the_tag_of_its_object_was_taken_over_by_nobody() {
        let mut desired = function();
        desired.is_known = true;
        let live = with(tags::UID, None);
        let (_, passage) =
            gate::<Function>(&desired, live.as_ref(), Intent::Keep, Timestamp::UNIX_EPOCH);
        let Passage::Stop(blocked) = passage else { panic!("{passage:?}") };
        assert!(!blocked.message.contains("took it over"), "{}", blocked.message);
    }

    #[test]
    fn a_resource_of_ours_that_lost_its_tags_is_for_a_person() {
        let mut desired = function();
        desired.is_known = true;
        let bare = BTreeMap::new();
        let (_, passage) =
            gate::<Function>(&desired, Some(&bare), Intent::Delete, Timestamp::UNIX_EPOCH);
        assert_eq!(word(&passage), "NotOwned");
    }

    #[test]
    fn a_create_that_takes_no_tags_is_bridged_by_its_intent() {
        let mut desired = Desired::sample("Bucket", json!({}));
        let (bare, now) = (BTreeMap::new(), Timestamp::UNIX_EPOCH);
        let passage =
            |desired: &_| word(&gate::<Bucket>(desired, Some(&bare), Intent::Keep, now).1);
        assert_eq!(passage(&desired), "NotOwned");
        desired.create_begun = Some(now);
        assert_eq!(passage(&desired), "Keep");
        let theirs = another().unwrap();
        let (_, foreign) = gate::<Bucket>(&desired, Some(&theirs), Intent::Keep, now);
        assert_eq!(word(&foreign), "NotOwned");
    }

    #[test]
    fn what_was_made_a_moment_ago_may_be_unseen() {
        let begun = Timestamp::UNIX_EPOCH;
        let later = begun + SEEN_WITHIN;
        let mut app = Desired::sample("Frontend", json!({"branch": {"name": "main"}}));
        app.create_begun = Some(begun);
        let mut function = function();
        function.create_begun = Some(begun);
        for (intent, at, of_app, of_function) in [
            (Intent::Keep, begun, "NotSeenYet", "Keep"),
            (Intent::Keep, later, "Keep", "Keep"),
            (Intent::Delete, begun, "NotSeenYet", "NotSeenYet"),
            (Intent::Delete, later, "Nothing", "Nothing"),
        ] {
            assert_eq!(word(&gate::<Frontend>(&app, None, intent, at).1), of_app, "{intent:?}");
            let (_, passage) = gate::<Function>(&function, None, intent, at);
            assert_eq!(word(&passage), of_function, "{intent:?}");
        }
    }
}
