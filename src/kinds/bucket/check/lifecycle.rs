//! What the schema cannot say of the rules of a lifecycle.

use crate::kinds::SpecProblem;
use crate::kinds::bucket::spec::*;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>.
pub(super) fn check_rule(at: &str, rule: &LifecycleRule) -> Vec<SpecProblem> {
    let against = expiration_problems(rule)
        .into_iter()
        .chain(transition_problems(rule))
        .chain(date_and_tag_problems(rule));
    let problem = |(field, message): (String, String)| {
        let path = if field.is_empty() { at.to_owned() } else { format!("{at}.{field}") };
        SpecProblem::new(path, message)
    };
    against.map(problem).collect()
}

/// What is against a rule: the field, empty for the whole rule, and why.
type Against = Vec<(String, String)>;

fn expiration_problems(rule: &LifecycleRule) -> Against {
    let mut problems = Against::new();
    let mut problem = |field: &str, message: String| problems.push((field.to_owned(), message));
    let marker = rule.expired_object_delete_marker == Some(true);
    let moves = |list: Option<usize>| list.is_some_and(|length| length > 0);
    let acts = rule.expiration_days.is_some()
        || rule.expiration_date.is_some()
        || marker
        || rule.noncurrent_version_expiration_days.is_some()
        || rule.abort_incomplete_multipart_upload_days.is_some()
        || moves(rule.transitions.as_ref().map(Vec::len))
        || moves(rule.noncurrent_version_transitions.as_ref().map(Vec::len));
    if !acts {
        let message =
            format!("rule `{}` does nothing; give it an expiration or a transition", rule.id);
        problem("", message);
    }
    let expirations = [rule.expiration_days.is_some(), rule.expiration_date.is_some(), marker];
    if expirations.iter().filter(|given| **given).count() > 1 {
        let message =
            "a rule has one of expirationDays, expirationDate and expiredObjectDeleteMarker";
        problem("", message.to_owned());
    }
    let by_tags = rule.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let by_size = rule.object_size_greater_than.is_some() || rule.object_size_less_than.is_some();
    if marker && (by_tags || by_size) {
        let message = "delete markers have no tags and no size";
        problem("expiredObjectDeleteMarker", message.to_owned());
    }
    if rule.abort_incomplete_multipart_upload_days.is_some() && (by_tags || by_size) {
        let message = "uploads that are not complete have no tags and no size";
        problem("abortIncompleteMultipartUploadDays", message.to_owned());
    }
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html.
    if let (Some(more), Some(less)) = (rule.object_size_greater_than, rule.object_size_less_than)
        && more >= less
    {
        let message = format!("no object is larger than {more} and smaller than {less} bytes");
        problem("objectSizeLessThan", message);
    }
    if rule.newer_noncurrent_versions.is_some() && rule.noncurrent_version_expiration_days.is_none()
    {
        let message = "it goes with noncurrentVersionExpirationDays";
        problem("newerNoncurrentVersions", message.to_owned());
    }
    problems
}

fn transition_problems(rule: &LifecycleRule) -> Against {
    let mut problems = Against::new();
    let mut problem = |field: &str, message: String| problems.push((field.to_owned(), message));
    for (i, transition) in rule.transitions.iter().flatten().enumerate() {
        let at = format!("transitions[{i}]");
        if transition.days.is_some() == transition.date.is_some() {
            problem(&at, "give either days or date".to_owned());
        }
        if transition.days.is_some_and(|days| days < 30) && is_infrequent(transition.storage_class)
        {
            problem(&at, "objects move to this class after 30 days or later".to_owned());
        }
        if let (Some(moved), Some(expired)) = (transition.days, rule.expiration_days)
            && moved >= expired
        {
            let message = format!("objects move after {moved} days and expire after {expired}");
            problem(&at, message);
        }
    }
    let moved = || rule.transitions.iter().flatten();
    let by_days = rule.expiration_days.is_some() || moved().any(|t| t.days.is_some());
    let by_date = rule.expiration_date.is_some() || moved().any(|t| t.date.is_some());
    // Both S3's answer to a mixed rule and who met it:
    // https://github.com/hashicorp/terraform-provider-aws/issues/23674.
    if by_days && by_date {
        let message = "a rule goes by days or by dates, not by both; make two rules";
        problem("", message.to_owned());
    }
    for (i, transition) in rule.noncurrent_version_transitions.iter().flatten().enumerate() {
        let at = format!("noncurrentVersionTransitions[{i}]");
        if transition.days < 30 && is_infrequent(transition.storage_class) {
            problem(&at, "versions move to this class after 30 days or later".to_owned());
        }
        // "'NoncurrentDays' in the NoncurrentVersionExpiration action ... must be greater than 'NoncurrentDays' in the
        // NoncurrentVersionTransition action": S3's answer, in many reports.
        if let Some(expired) = rule.noncurrent_version_expiration_days
            && transition.days >= expired
        {
            let days = transition.days;
            problem(&at, format!("versions move after {days} days and expire after {expired}"));
        }
    }
    problems.extend(way_problems(rule));
    problems
}

/// The way of objects, and of their noncurrent versions, through the classes.
fn way_problems(rule: &LifecycleRule) -> Against {
    let moved = rule.transitions.iter().flatten();
    let current = moved.map(|transition| (transition.storage_class, day(transition)));
    let moved = rule.noncurrent_version_transitions.iter().flatten();
    let noncurrent = moved.map(|transition| (transition.storage_class, Some(transition.days)));
    let current = along("transitions", current.collect());
    current.into_iter().chain(along("noncurrentVersionTransitions", noncurrent.collect())).collect()
}

/// When objects move: days after their creation, or days of the calendar.
fn day(transition: &Transition) -> Option<i32> {
    let date = || transition.date.as_ref()?.parse::<jiff::civil::Date>().ok();
    let days_since_1970 =
        |date: jiff::civil::Date| (date - jiff::civil::date(1970, 1, 1)).get_days();
    transition.days.or_else(|| date().map(days_since_1970))
}

fn along(field: &str, moves: Vec<(TransitionClass, Option<i32>)>) -> Against {
    let mut problems = Against::new();
    let known = moves.iter().enumerate().filter_map(|(i, (class, day))| Some((i, *class, (*day)?)));
    let mut known: Vec<_> = known.collect();
    known.sort_by_key(|(_, _, day)| *day);
    for (place, (i, to, day)) in known.iter().enumerate() {
        for (_, from, before) in &known[..place] {
            let at = || format!("{field}[{i}]");
            if from == to {
                // "'StorageClass' must be different for 'Transition' actions in same 'Rule'": S3's answer, as services
                // that imitate it give it.
                problems.push((at(), "a class is given once".to_owned()));
                continue;
            }
            let needed = match day == before {
                true => days_in(*from, *to).or(days_in(*to, *from)),
                false => days_in(*from, *to),
            };
            let (from, to) = (name(*from), name(*to));
            match needed {
                None => {
                    problems.push((at(), format!("S3 moves nothing from {from} to {to}")));
                }
                Some(needed) if day - before < needed => {
                    let message = format!(
                        "objects move from {from} to {to} after {needed} days there or later, and not after {}",
                        day - before
                    );
                    problems.push((at(), message));
                }
                Some(_) => {}
            }
        }
    }
    problems
}

/// How many days objects are in one class before a rule moves them to another one; `None` where it never does:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>. The 90 days
/// are S3's own answer ("must be 90 days more than"), and stand nowhere in the documentation.
fn days_in(from: TransitionClass, to: TransitionClass) -> Option<i32> {
    use TransitionClass::*;
    match (from, to) {
        (StandardIa, OnezoneIa) | (StandardIa | OnezoneIa, Glacier | DeepArchive) => Some(30),
        (Glacier, DeepArchive) => Some(90),
        (StandardIa, IntelligentTiering | GlacierIr)
        | (IntelligentTiering, OnezoneIa | GlacierIr | Glacier | DeepArchive)
        | (GlacierIr, Glacier | DeepArchive) => Some(1),
        _ => None,
    }
}

/// AWS's word for a class.
fn name(class: TransitionClass) -> String {
    serde_json::json!(class).as_str().unwrap_or_default().to_owned()
}

fn date_and_tag_problems(rule: &LifecycleRule) -> Against {
    let moved = rule.transitions.iter().flatten();
    let dates = rule.expiration_date.iter().chain(moved.filter_map(|t| t.date.as_ref()));
    let is_none = |date: &&String| date.parse::<jiff::civil::Date>().is_err();
    let dates = dates
        .filter(is_none)
        .map(|date| (String::new(), format!("`{date}` is not a date; write it as 2027-01-31")));
    let is_too_long = |(name, value): &(&String, &String)| {
        name.is_empty() || name.chars().count() > 128 || value.chars().count() > 256
    };
    let message = "the name of a tag has 1 to 128 characters, its value up to 256";
    let tags = rule.tags.iter().flatten().filter(is_too_long);
    dates.chain(tags.map(|_| ("tags".to_owned(), message.to_owned()))).collect()
}

/// Classes that take objects from 30 days on:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>.
fn is_infrequent(class: TransitionClass) -> bool {
    matches!(class, TransitionClass::StandardIa | TransitionClass::OnezoneIa)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn against(extra: Value) -> Vec<String> {
        let mut rule = json!({"id": "a"});
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let rule: LifecycleRule = serde_json::from_value(rule).unwrap();
        check_rule("", &rule).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn objects_go_down_the_classes_and_stay_in_each() {
        let dates = |dates: &[(&str, &str)]| {
            let moves =
                dates.iter().map(|(date, class)| json!({"date": date, "storageClass": class}));
            json!({"transitions": moves.collect::<Vec<_>>()})
        };
        let days = |moves: &[(i32, &str)]| {
            let moves =
                moves.iter().map(|(days, class)| json!({"days": days, "storageClass": class}));
            json!(moves.collect::<Vec<_>>())
        };
        let current = |moves: &[(i32, &str)]| json!({"transitions": days(moves)});
        let noncurrent =
            |moves: &[(i32, &str)]| json!({"noncurrentVersionTransitions": days(moves)});
        let second = ".transitions[1]";
        for (spec, expected) in [
            (current(&[(30, "STANDARD_IA"), (60, "GLACIER"), (150, "DEEP_ARCHIVE")]), None),
            (current(&[(60, "GLACIER"), (30, "STANDARD_IA")]), None),
            (current(&[(0, "INTELLIGENT_TIERING"), (1, "GLACIER_IR"), (2, "GLACIER")]), None),
            (current(&[(30, "GLACIER"), (60, "STANDARD_IA")]), Some(second)),
            (current(&[(30, "ONEZONE_IA"), (90, "STANDARD_IA")]), Some(second)),
            (current(&[(30, "INTELLIGENT_TIERING"), (90, "STANDARD_IA")]), Some(second)),
            (current(&[(30, "DEEP_ARCHIVE"), (90, "GLACIER")]), Some(second)),
            (current(&[(30, "STANDARD_IA"), (59, "GLACIER")]), Some(second)),
            (current(&[(30, "GLACIER"), (119, "DEEP_ARCHIVE")]), Some(second)),
            (current(&[(30, "STANDARD_IA"), (90, "STANDARD_IA")]), Some(second)),
            (current(&[(30, "GLACIER_IR"), (30, "GLACIER")]), Some(second)),
            (current(&[(90, "STANDARD_IA"), (60, "GLACIER")]), Some(".transitions[0]")),
            (dates(&[("2027-01-31", "STANDARD_IA"), ("2027-03-31", "GLACIER")]), None),
            (dates(&[("2027-01-31", "STANDARD_IA"), ("2027-02-01", "GLACIER")]), Some(second)),
            (noncurrent(&[(30, "STANDARD_IA"), (60, "GLACIER")]), None),
            (
                noncurrent(&[(60, "STANDARD_IA"), (30, "GLACIER")]),
                Some(".noncurrentVersionTransitions[0]"),
            ),
            (
                json!({"noncurrentVersionTransitions": days(&[(30, "GLACIER")]), "noncurrentVersionExpirationDays": 30}),
                Some(".noncurrentVersionTransitions[0]"),
            ),
        ] {
            assert_eq!(
                against(spec.clone()),
                expected.iter().copied().collect::<Vec<_>>(),
                "{spec}"
            );
        }
    }

    #[test]
    fn a_rule_means_some_size() {
        for (more, less, expected) in [(9, 10, false), (10, 10, true), (11, 10, true)] {
            let sizes = json!({"expirationDays": 1, "objectSizeGreaterThan": more, "objectSizeLessThan": less});
            assert_eq!(!against(sizes).is_empty(), expected, "{more} {less}");
        }
    }
}
