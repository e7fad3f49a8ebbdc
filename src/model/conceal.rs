//! Finding a secret in the texts of others, in whatever form they repeat it.
//!
//! A text is read through every escape that servers use, up to two deep: JSON's, a URL's, XML's. Where the secret
//! stands in what was read, its place in the text is concealed. So it does not matter which characters a server
//! escapes, nor in which case. Hexadecimal and base64 are searched for as they are.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// What stands for a secret.
const SENSITIVE: &str = "(sensitive)";

/// A secret of fewer characters is concealed only where it stands alone: as a part of other words it is found
/// everywhere.
const SHORT: usize = 4;

/// A part of a secret, as a field of one that is JSON, is searched for from this length on.
const PART_CHARS_MIN: usize = 6;

/// A character and where it stands in the text.
#[derive(Clone, Debug)]
struct Piece {
    c: char,
    at: Range<usize>,
}

type Decoder = fn(&[Piece]) -> Vec<Piece>;

const DECODERS: [Decoder; 6] = [json, url, form, xml, doubled, without_breaks];

/// A text without a secret.
pub(super) fn conceal(text: &str, secret: &str) -> String {
    let mut found: Vec<Range<usize>> = Vec::new();
    let plain: Vec<Piece> =
        text.char_indices().map(|(i, c)| Piece { c, at: i..i + c.len_utf8() }).collect();
    let mut readings = vec![plain.clone()];
    for first in DECODERS.map(|decoder| decoder(&plain)) {
        if first.len() != plain.len() {
            readings.extend(DECODERS.map(|decoder| decoder(&first)));
            readings.push(first);
        }
    }
    let sought = sought(secret);
    for reading in &readings {
        for one in &sought {
            find(reading, one, &mut found);
        }
    }
    for form in encoded(secret) {
        let mut places = Vec::new();
        find(&plain, &form, &mut places);
        find(&without_breaks(&plain), &form, &mut places);
        found.extend(places.into_iter().map(|place| with_edges(text, place)));
    }
    replaced(text, found)
}

/// What is searched for: the secret, the same without space around it or with the line ends of another system, and
/// what stands in it where it is JSON.
fn sought(secret: &str) -> Vec<Vec<char>> {
    let mut all = vec![secret.to_owned(), secret.trim().to_owned()];
    if let Ok(value @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) =
        serde_json::from_str(secret)
    {
        leaves(&value, &mut all);
    }
    for text in all.clone().iter().filter(|text| text.contains('\n')) {
        let unix = text.replace("\r\n", "\n");
        all.extend([unix.replace('\n', "\r\n"), unix.replace('\n', " "), unix]);
    }
    all.retain(|text| !text.is_empty());
    all.sort();
    all.dedup();
    all.iter().map(|text| text.chars().collect()).collect()
}

fn leaves(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if text.chars().count() >= PART_CHARS_MIN => {
            out.push(text.clone());
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        serde_json::Value::Object(map) => map.values().for_each(|item| leaves(item, out)),
        _ => {}
    }
}

/// Hexadecimal in both cases, and base64 wherever in an encoded text the secret begins: as it is, and as it stands
/// in JSON.
fn encoded(secret: &str) -> Vec<Vec<char>> {
    if secret.chars().count() < SHORT {
        return Vec::new();
    }
    let quoted = serde_json::Value::String(secret.to_owned()).to_string();
    let in_json = &quoted[1..quoted.len() - 1];
    let small = hex::encode(secret);
    let mut all = vec![small.to_uppercase(), small];
    for (text, before) in [secret, in_json].iter().flat_map(|text| (0..3).map(move |b| (text, b))) {
        let mut bytes = vec![0; before];
        bytes.extend(text.as_bytes());
        // Characters that also say something of what stands around are left.
        let first = (before * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        let base64 = BASE64_STANDARD.encode(&bytes);
        if let Some(inner) = base64.get(first..last).filter(|inner| inner.len() >= PART_CHARS_MIN) {
            all.push(inner.to_owned());
            all.push(inner.replace('+', "-").replace('/', "_"));
        }
    }
    all.iter().map(|text| text.chars().collect()).collect()
}

/// With the characters of base64 at both ends that hold a few bits of the secret, and the padding.
fn with_edges(text: &str, place: Range<usize>) -> Range<usize> {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let (before, after) = (&text[..place.start], &text[place.end..]);
    let first = before.chars().next_back().filter(|c| is_digit(*c)).map_or(0, char::len_utf8);
    let last = after.chars().next().filter(|c| is_digit(*c)).map_or(0, char::len_utf8);
    let padding = after[last..].chars().take_while(|c| *c == '=').count();
    place.start - first..place.end + last + padding
}

/// Adds every place of a sought text.
fn find(reading: &[Piece], sought: &[char], found: &mut Vec<Range<usize>>) {
    let is_part = |piece: Option<&Piece>| piece.is_some_and(|piece| piece.c.is_alphanumeric());
    for start in 0..(reading.len() + 1).saturating_sub(sought.len()) {
        let end = start + sought.len();
        if !reading[start..end].iter().map(|piece| piece.c).eq(sought.iter().copied()) {
            continue;
        }
        let before = start.checked_sub(1).and_then(|i| reading.get(i));
        if sought.len() < SHORT && (is_part(before) || is_part(reading.get(end))) {
            continue;
        }
        found.push(reading[start].at.start..reading[end - 1].at.end);
    }
}

fn replaced(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|range| (range.start, range.end));
    let (mut out, mut done) = (String::new(), 0);
    let mut i = 0;
    while i < found.len() {
        let (start, mut end) = (found[i].start, found[i].end);
        while i < found.len() && found[i].start <= end {
            end = end.max(found[i].end);
            i += 1;
        }
        out.push_str(text.get(done..start).unwrap_or_default());
        out.push_str(SENSITIVE);
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Reads a text by a rule that gives a character and how many pieces it took.
fn read(pieces: &[Piece], rule: impl Fn(&[Piece]) -> Option<(Vec<char>, usize)>) -> Vec<Piece> {
    let (mut out, mut i) = (Vec::with_capacity(pieces.len()), 0);
    while i < pieces.len() {
        let (chars, taken) = rule(&pieces[i..]).unwrap_or((vec![pieces[i].c], 1));
        let at = pieces[i].at.start..pieces[i + taken - 1].at.end;
        out.extend(chars.into_iter().map(|c| Piece { c, at: at.clone() }));
        i += taken;
    }
    out
}

fn number(pieces: &[Piece], radix: u32) -> Option<u32> {
    let digits: String = pieces.iter().map(|piece| piece.c).collect();
    u32::from_str_radix(&digits, radix).ok().filter(|_| !digits.is_empty())
}

/// `\n`, `\"`, `\u00e4`, and two of these for what lies beyond; `\x22` as shells and Python write it.
fn json(pieces: &[Piece]) -> Vec<Piece> {
    let unit = |rest: &[Piece]| {
        let is_escape = rest.len() >= 6 && rest[0].c == '\\' && rest[1].c == 'u';
        is_escape.then(|| number(&rest[2..6], 16)).flatten()
    };
    read(pieces, |rest| {
        if let Some(first) = unit(rest) {
            let second = rest.get(6..).and_then(unit);
            if let (0xD800..0xDC00, Some(second @ 0xDC00..0xE000)) = (first, second) {
                let whole = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Some((vec![char::from_u32(whole)?], 12));
            }
            return Some((vec![char::from_u32(first)?], 6));
        }
        if let Some((c, taken)) = in_bytes(rest, &['\\', 'x']) {
            return Some((vec![c], taken));
        }
        let [Piece { c: '\\', .. }, escaped, ..] = rest else { return None };
        let c = match escaped.c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            c @ ('"' | '\\' | '/' | '\'') => c,
            _ => return None,
        };
        Some((vec![c], 2))
    })
}

/// `%C3%B6`; several bytes make one character.
fn url(pieces: &[Piece]) -> Vec<Piece> {
    read(pieces, |rest| in_bytes(rest, &['%']).map(|(c, taken)| (vec![c], taken)))
}

/// A character whose bytes are written one by one after a mark, and how many pieces they took.
fn in_bytes(rest: &[Piece], mark: &[char]) -> Option<(char, usize)> {
    let length = mark.len() + 2;
    let byte = |rest: &[Piece]| {
        let is_escape =
            rest.len() >= length && rest.iter().map(|p| &p.c).zip(mark).all(|(a, b)| a == b);
        let code = is_escape.then(|| number(&rest[mark.len()..length], 16)).flatten();
        code.and_then(|code| u8::try_from(code).ok())
    };
    let mut bytes = Vec::new();
    while let Some(next) =
        rest.get(bytes.len() * length..).and_then(byte).filter(|_| bytes.len() < 4)
    {
        bytes.push(next);
        if let Some(c) = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
            return Some((c, bytes.len() * length));
        }
    }
    None
}

/// As a form is sent: a plus is a space.
fn form(pieces: &[Piece]) -> Vec<Piece> {
    let spaced: Vec<_> = pieces
        .iter()
        .map(|piece| Piece { c: if piece.c == '+' { ' ' } else { piece.c }, ..piece.clone() })
        .collect();
    url(&spaced)
}

/// `&lt;`, `&#39;`, `&#x27;`.
fn xml(pieces: &[Piece]) -> Vec<Piece> {
    const LONGEST: usize = 10;
    read(pieces, |rest| {
        if rest[0].c != '&' {
            return None;
        }
        let end = rest.iter().take(LONGEST).position(|piece| piece.c == ';')?;
        let name: String = rest[1..end].iter().map(|piece| piece.c).collect();
        let c = match name.as_str() {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                    None => digits.parse().ok()?,
                };
                char::from_u32(code)?
            }
        };
        Some((vec![c], end + 1))
    })
}

/// A quote doubled, as in SQL, or taken out of a shell's own.
fn doubled(pieces: &[Piece]) -> Vec<Piece> {
    read(pieces, |rest| {
        let text: String = rest.iter().take(5).map(|piece| piece.c).collect();
        [("'\\''", '\''), ("'\"'\"'", '\''), ("''", '\''), ("\"\"", '"')]
            .iter()
            .find(|(form, _)| text.starts_with(form))
            .map(|(form, c)| (vec![*c], form.len()))
    })
}

/// Base64 is often broken into lines.
fn without_breaks(pieces: &[Piece]) -> Vec<Piece> {
    pieces.iter().filter(|piece| !matches!(piece.c, '\n' | '\r')).cloned().collect()
}
