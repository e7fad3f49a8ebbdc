//! Every member that a caller can set is a word of the manifest, or stands in `docs/coverage.md` with the
//! reason why it is not.

use serde_json::Value;
use trueup::manifest::json_schema;

use crate::proof::figure;

const COVERAGE: &str = include_str!("../../../docs/coverage.md");

/// A row of the page: the calls, the member, and what is said of it, in the section of a kind.
pub(super) struct Row {
    pub kind: &'static str,
    pub calls: Vec<&'static str>,
    pub member: &'static str,
    pub says: &'static str,
}

impl Row {
    pub fn names(&self, call: &str, member: &str) -> bool {
        let below = self.member.strip_suffix(".*");
        let is_it = match below {
            Some(below) => member.strip_prefix(below).is_some_and(|r| r.starts_with(['.', '['])),
            None => member == self.member,
        };
        is_it && self.calls.contains(&call)
    }
}

pub(super) fn rows() -> Vec<Row> {
    let (mut kind, mut rows) = ("", Vec::new());
    for line in COVERAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let ["", calls, member, says, ""] = cells[..] else { continue };
        if calls != "call" && !calls.starts_with('-') {
            rows.push(Row { kind, calls: calls.split(", ").collect(), member, says });
        }
    }
    rows
}

/// Whether a kind's schema knows a word, as `url.cors.maxAge`; lists are passed through.
fn is_word(kind: &str, word: &str) -> bool {
    let root = json_schema(kind).unwrap();
    let followed = |mut at: &'static Value| {
        loop {
            at = match (at["$ref"].as_str(), &at["items"]) {
                (Some(reference), _) => root.pointer(reference.trim_start_matches('#')).unwrap(),
                (None, items @ Value::Object(_)) => items,
                _ => return at,
            };
        }
    };
    let mut at = followed(&root["properties"]["spec"]);
    for field in word.split('.') {
        match at["properties"].get(field) {
            Some(inner) => at = followed(inner),
            None => return false,
        }
    }
    true
}

#[test]
fn every_word_of_the_coverage_page_is_one_of_the_schema() {
    let rows = rows();
    assert!(rows.len() > 200, "{}", rows.len());
    for row in &rows {
        for word in row.says.split('`').skip(1).step_by(2) {
            assert!(is_word(row.kind, word), "{} {}: {word}", row.kind, row.member);
        }
    }
}

#[test]
fn every_member_that_can_be_set_is_a_word_or_has_its_reason() {
    let Some(models) = super::models("members.py") else { return };
    let rows = rows();
    let mut used = vec![false; rows.len()];
    let (mut members, mut words, mut unlisted) = (0, 0, Vec::new());
    for line in models.lines() {
        let [_, call, member] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        members += 1;
        let found: Vec<_> = (0..rows.len()).filter(|i| rows[*i].names(call, member)).collect();
        match found[..] {
            [one] => {
                used[one] = true;
                words += usize::from(rows[one].says.starts_with('`'));
            }
            _ => unlisted.push(format!("{line}: {} rows", found.len())),
        }
    }
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    let stale: Vec<_> =
        rows.iter().zip(used).filter(|(_, used)| !used).map(|(r, _)| r.member).collect();
    assert!(stale.is_empty(), "no such member: {stale:?}");
    figure(
        "coverage",
        &format!(
            "{members} members of AWS's calls, {words} by a word, {} left out with a reason, 0 unlisted",
            members - words
        ),
    );
}
