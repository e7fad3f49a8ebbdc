//! Paths into a spec: `memorySize`, `url.cors.maxAge`, `env[STAGE].value`.
//!
//! A bracket selects a list's element by the value of its merge key (a variable's name, a rule's
//! id), or by position where the list has none. The same syntax is used by diffs, conditions and
//! `ignore`.

use std::fmt;
use std::str::FromStr;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A field of an object, by its name.
    Field(String),
    /// An element of a list, by the value of its merge key or by its position.
    Element(String),
}

/// A place in a spec, from its root. Without segments it is the whole spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub Vec<Segment>);

impl Segment {
    /// The field's name, or what stands in the brackets.
    pub fn name(&self) -> &str {
        match self {
            Self::Field(name) | Self::Element(name) => name,
        }
    }
}

impl Path {
    /// The path of a field below this one.
    pub fn field(&self, name: &str) -> Self {
        self.with(Segment::Field(name.to_owned()))
    }

    /// The path of an element below this one, by its merge key or by its position.
    pub fn element(&self, key: &str) -> Self {
        self.with(Segment::Element(key.to_owned()))
    }

    /// The path of the first element on the way, as of a rule in a list; the path itself where there is none.
    pub fn to_element(&self) -> Self {
        let element = self.0.iter().position(|segment| matches!(segment, Segment::Element(_)));
        Self(self.0.iter().take(element.map_or(usize::MAX, |at| at + 1)).cloned().collect())
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The path with elements left out, joined by dots: how list rules name their lists.
    pub fn fields(&self) -> String {
        let names: Vec<_> = self
            .0
            .iter()
            .filter_map(|s| match s {
                Segment::Field(name) => Some(name.as_str()),
                Segment::Element(_) => None,
            })
            .collect();
        names.join(".")
    }

    /// The first field: the facet that a change belongs to.
    pub fn root(&self) -> &str {
        match self.0.first() {
            Some(Segment::Field(name)) => name,
            _ => "",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if i == 0 => write!(f, "{name}")?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Element(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || {
            format!("`{text}` is not a path; write for example memorySize, url.cors or env[STAGE]")
        };
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (key, tail) = after.split_once(']').ok_or_else(malformed)?;
                if !(tail.is_empty() || tail.starts_with(['.', '['])) {
                    return Err(malformed());
                }
                segments.push(Segment::Element(key.to_owned()));
                rest = tail;
            } else {
                let body = rest.strip_prefix('.').unwrap_or(rest);
                let end = body.find(['.', '[']).unwrap_or(body.len());
                segments.push(Segment::Field(body[..end].to_owned()));
                rest = &body[end..];
            }
        }
        let well_formed = matches!(segments.first(), Some(Segment::Field(_)))
            && segments.iter().all(|s| match s {
                Segment::Field(text) => {
                    !text.is_empty() && !text.contains(|c: char| c == ']' || c.is_whitespace())
                }
                Segment::Element(text) => !text.is_empty(),
            });
        if well_formed { Ok(Self(segments)) } else { Err(malformed()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_what_they_write() {
        for text in ["memorySize", "url.cors.maxAge", "env[STAGE].value", "tags[a.b]"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        for wrong in
            ["", ".", "a..b", "[x]", "env[", "a.", "env[]", "env]", "env[A]value", "memory size"]
        {
            assert!(wrong.parse::<Path>().is_err(), "{wrong:?}");
        }
    }
}
