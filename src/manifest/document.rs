//! YAML documents as values that know where each part stands in the file.

use std::collections::HashMap;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::{Problem, Source};

/// Nodes of one document; a manifest of 300 KB has far fewer.
const DEPTH_MAX: usize = 100;
/// Of one file.
const DOCUMENTS_MAX: usize = 50_000;
const EVENTS_MAX: usize = 5_000_000;
/// Events that the aliases of one document stand for: far more than an object has, too few to fill the memory.
const ALIASED_EVENTS_MAX: usize = 100_000;

/// One document: its value, and the places of its keys and values by JSON pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub source: usize,
    pub value: Value,
    keys: HashMap<String, Range<usize>>,
    values: HashMap<String, Range<usize>>,
}

impl Document {
    /// Where a value stands, or the nearest one around it.
    pub fn value_span(&self, pointer: &str) -> Range<usize> {
        self.find(&self.values, pointer)
    }

    /// Where the key of a value stands, or the nearest one around it.
    pub fn key_span(&self, pointer: &str) -> Range<usize> {
        match self.keys.get(pointer) {
            Some(span) => span.clone(),
            None => self.value_span(pointer),
        }
    }

    /// The documents of a Kubernetes List, as `get -o yaml` prints it; otherwise the document itself.
    fn items(mut self) -> Vec<Self> {
        let is_list = self.value["kind"] == "List" && self.value["apiVersion"] == "v1";
        let Some(Value::Array(items)) = self.value.get_mut("items").filter(|_| is_list) else {
            return vec![self];
        };
        let source = self.source;
        let item = |value| Self { source, value, ..Self::default() };
        let mut documents: Vec<_> = std::mem::take(items).into_iter().map(item).collect();
        let mut give = |spans: HashMap<String, Range<usize>>, is_key: bool| {
            for (pointer, span) in spans {
                let Some(below) = pointer.strip_prefix("/items/") else { continue };
                let (index, _) = below.split_once('/').unwrap_or((below, ""));
                let document = index.parse().ok().and_then(|i: usize| documents.get_mut(i));
                if let Some(document) = document {
                    let at = below[index.len()..].to_owned();
                    let spans = if is_key { &mut document.keys } else { &mut document.values };
                    spans.insert(at, span);
                }
            }
        };
        give(self.keys, true);
        give(self.values, false);
        documents
    }

    fn find(&self, spans: &HashMap<String, Range<usize>>, pointer: &str) -> Range<usize> {
        let mut at = pointer;
        loop {
            // A mapping's own place is its first line; its key says more.
            let is_mapping = self.value.pointer(at).is_some_and(|v| v.is_object() || v.is_array());
            let span = match is_mapping {
                true => self.keys.get(at).or_else(|| spans.get(at)),
                false => spans.get(at),
            };
            match (span, at.rfind('/')) {
                (Some(span), _) => return span.clone(),
                (None, Some(cut)) => at = &at[..cut],
                (None, None) => return 0..1,
            }
        }
    }
}

/// Every document of a text. A document that is no YAML ends the text with a problem.
pub(super) fn parse(index: usize, source: &Source, problems: &mut Vec<Problem>) -> Vec<Document> {
    let options = serde_saphyr::options! {
        // A file of objects for a large environment, not an attack: its bytes are bounded too.
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_events: EVENTS_MAX,
            max_nodes: EVENTS_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_EVENTS_MAX },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        // Without its tag `!Sub "${Stage}-api"` is a text, and not the one that was meant.
        reject_unsupported_tags: true,
    };
    let parsed = serde_saphyr::from_multiple_with_options::<Spanned<Node>>(&source.text, options);
    let nodes = match parsed {
        Ok(nodes) => nodes,
        Err(error) => {
            let span = error.location().map_or(0..1, |l| range(&l, &source.text));
            let bare = error.without_snippet().to_string();
            let title = format!("not valid YAML: {}", bare.lines().next().unwrap_or_default());
            problems.push(Problem { source: index, span, title, help: None });
            return Vec::new();
        }
    };
    let mut documents = Vec::new();
    for node in nodes {
        let mut builder = Builder {
            text: &source.text,
            problems,
            document: Document { source: index, ..Document::default() },
        };
        if let Some(value) = builder.value(node, String::new(), 0) {
            let mut document = builder.document;
            document.value = value;
            documents.extend(document.items());
        }
    }
    documents
}

struct Builder<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    document: Document,
}

impl Builder<'_> {
    /// `None` for what is nested too deeply.
    fn value(&mut self, node: Spanned<Node>, pointer: String, depth: usize) -> Option<Value> {
        let span = range(&node.referenced, self.text);
        self.document.values.insert(pointer.clone(), span.clone());
        if depth > DEPTH_MAX {
            self.problem(span, format!("nested deeper than {DEPTH_MAX} levels"));
            return None;
        }
        Some(match node.value {
            Node::Null => Value::Null,
            Node::Scalar(value) => {
                self.check_number(&value, span);
                value
            }
            Node::Sequence(items) => Value::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| {
                        let value = self.value(item, format!("{pointer}/{i}"), depth + 1);
                        value.unwrap_or(Value::Null)
                    })
                    .collect(),
            ),
            Node::Mapping(entries) => {
                let mut map = Map::new();
                let mut seen: HashMap<String, u64> = HashMap::new();
                for (key, item) in entries {
                    let escaped = key.value.replace('~', "~0").replace('/', "~1");
                    let at = format!("{pointer}/{escaped}");
                    let key_span = range(&key.referenced, self.text);
                    if let Some(first) = seen.get(&key.value) {
                        let title =
                            format!("key `{}` is given twice (first on line {first})", key.value);
                        self.problem(key_span, title);
                        continue;
                    }
                    seen.insert(key.value.clone(), key.referenced.line());
                    self.document.keys.insert(at.clone(), key_span);
                    if let Some(value) = self.value(item, at, depth + 1) {
                        map.insert(key.value, value);
                    }
                }
                Value::Object(map)
            }
        })
    }

    /// `0100` is a hundred for some readers of YAML, and sixty-four for others.
    fn check_number(&mut self, value: &Value, span: Range<usize>) {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let digits = text.trim_start_matches(['-', '+']);
        let is_ambiguous = digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if value.is_number() && is_ambiguous {
            self.problem(
                span,
                format!(
                    "`{text}` begins with 0: a number has no leading 0, and a text stands in quotes"
                ),
            );
        }
    }

    fn problem(&mut self, span: Range<usize>, title: String) {
        let source = self.document.source;
        self.problems.push(Problem { source, span, title, help: None });
    }
}

fn range(location: &Location, text: &str) -> Range<usize> {
    let span = location.span();
    if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        let start = usize::try_from(start).unwrap_or(0);
        return start..start + usize::try_from(len).unwrap_or(1).max(1);
    }
    // Without byte offsets: count lines and characters.
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let begin: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(begin..).unwrap_or_default();
    let offset: usize = rest.chars().take(column - 1).map(char::len_utf8).sum();
    begin + offset..begin + offset + 1
}

/// YAML as it is written, before kinds give it a meaning.
#[derive(Debug)]
enum Node {
    Null,
    Scalar(Value),
    Sequence(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value);
        Ok(Node::Scalar(number.map_or_else(|| Value::from(value.to_string()), Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Mapping(entries))
    }
}
