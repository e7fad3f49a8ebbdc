//! How lists and values are printed.

use std::str::FromStr;

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::jsonpath::Template;

use crate::model::{has_hidden, visible};

/// How a verb prints what it found.
#[derive(Clone, Debug, Default)]
pub(super) enum Output {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
    JsonPath(Template),
}

impl Output {
    /// What scripts read: a value in the form that was asked for, or names, one a line. `None` where people read.
    pub(super) fn for_scripts(
        &self,
        value: impl FnOnce() -> Value,
        names: impl FnOnce() -> Vec<String>,
    ) -> Option<String> {
        Some(match self {
            Self::Json => json(&value()),
            Self::Yaml => yaml(&value()),
            Self::JsonPath(template) => template.fill(&value()),
            Self::Name => names().join("\n"),
            Self::Table | Self::Wide => return None,
        })
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "table" => Self::Table,
            "wide" => Self::Wide,
            "json" => Self::Json,
            "yaml" => Self::Yaml,
            "name" => Self::Name,
            _ => match text.strip_prefix("jsonpath=") {
                Some(template) => Self::JsonPath(template.parse()?),
                None => {
                    return Err(
                        "it may be table, wide, json, yaml, name or jsonpath=TEMPLATE".to_owned()
                    );
                }
            },
        })
    }
}

/// A table as kubectl prints them: no lines, two spaces between columns.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    let last = header.len().saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i == last { 0 } else { 2 }));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A time as people say it: `12s`, `5m`, `3h`, `2d`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Where a text has something hidden in it, as JSON, which is YAML too and can say it.
pub(super) fn yaml(value: &impl Serialize) -> String {
    let text = serde_saphyr::to_string(value).unwrap_or_default();
    if has_hidden(&text) { json(value) } else { text.trim_end().to_owned() }
}

/// The first line of a text, at most so long.
pub(super) fn brief(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= chars_max {
        return line.to_owned();
    }
    let cut: String = line.chars().take(chars_max.saturating_sub(3)).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_like_kubectls() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (seconds, text) in
            [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")]
        {
            let since = Timestamp::from_second(1_000_000 - seconds).unwrap();
            assert_eq!(age(since, now), text);
        }
    }

    #[test]
    fn a_table_has_no_lines_and_no_trailing_space() {
        let shown = table(&["NAME", "READY"], vec![vec!["orders".to_owned(), "True".to_owned()]]);
        assert_eq!(shown, "NAME    READY\norders  True");
    }
}
