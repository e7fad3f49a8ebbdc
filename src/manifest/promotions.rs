//! Whether releases can go round for ever between environments.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::validate::All;
use super::{Problem, Set};
use crate::kinds::environment::{self, EnvironmentSpec};

/// Environments that take releases from each other: an older release would come back, and undo a newer one.
pub(super) fn circles(set: &Set, all: &All) -> Vec<Problem> {
    let sources: BTreeMap<&str, String> = all
        .values()
        .filter(|object| object.kind == environment::NAME)
        .filter_map(|object| {
            let spec = EnvironmentSpec::deserialize(&*object.spec).ok()?;
            Some((object.environment(), spec.promotion?.from))
        })
        .collect();
    let problems = set.objects().enumerate().filter(|(_, o)| o.kind == environment::NAME);
    let problems = problems.filter_map(|(index, object)| {
        let circle = circle(object.environment(), &sources)?;
        let title = format!("releases would go round: {}", circle.join(" <- "));
        let mut problem = set.problem(index, "/spec/promotion/from", title);
        problem.help = Some(
            "an older release would come back and undo a newer one: let one of these environments have no promotion"
                .to_owned(),
        );
        Some(problem)
    });
    problems.collect()
}

/// The way from an environment along those that its releases come from, where it leads back to it.
fn circle<'a>(start: &'a str, sources: &'a BTreeMap<&str, String>) -> Option<Vec<&'a str>> {
    let mut way = vec![start];
    loop {
        let next = sources.get(way.last()?)?;
        // Another circle that this one only leads to is told where it is.
        if *next != start && way.contains(&next.as_str()) {
            return None;
        }
        way.push(next);
        if next == start {
            return Some(way);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_by_those_who_are_on_it() {
        let sources = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(to, from)| (*to, (*from).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let three = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
        for (what, pairs, start, expected) in [
            ("a chain", &[("prod", "staging"), ("staging", "dev")][..], "prod", None),
            ("itself", &[("a", "a")], "a", Some(vec!["a", "a"])),
            ("two", &[("a", "b"), ("b", "a")], "b", Some(vec!["b", "a", "b"])),
            ("three", &three, "b", Some(vec!["b", "c", "a", "b"])),
            ("it only leads to one", &three, "d", None),
        ] {
            assert_eq!(circle(start, &sources(pairs)), expected, "{what}");
        }
    }
}
