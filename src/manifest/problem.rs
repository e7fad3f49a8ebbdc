//! Problems with manifests, and how they are shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::Source;
use crate::model::{visible, visible_in_colour};

/// Problems that are shown in full; a set with more has one cause.
const SHOWN_MAX: usize = 50;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which of the sources.
    pub source: usize,
    /// Bytes of the source.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub title: String,
    /// What to write instead; `None` where there is nothing to suggest.
    pub help: Option<String>,
}

/// Everything that is wrong with a set. Never empty.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The texts that the problems refer to by their positions in this list.
    pub sources: Vec<Source>,
    /// What is wrong, in the order of the sources and of the places in them.
    pub problems: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(sources: Vec<Source>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            (a.source, a.span.start, &a.title).cmp(&(b.source, b.span.start, &b.title))
        });
        problems.dedup();
        Self { sources, problems }
    }

    /// Every problem as a line: what is told and does not stop anything.
    pub fn warnings(&self) -> String {
        let line = |problem: &Problem| {
            let source = self.sources.get(problem.source).map_or("", |s| s.name.as_str());
            format!("warning: {source}: {}", problem.title)
        };
        self.problems.iter().take(SHOWN_MAX).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Every problem with its snippet, and a line that counts them.
    pub fn render(&self, colored: bool) -> String {
        let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for problem in self.problems.iter().take(SHOWN_MAX) {
            out.push_str(&self.render_one(problem, &renderer));
            out.push_str("\n\n");
        }
        let hidden = self.problems.len().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            out.push_str(&format!("... and {hidden} more\n"));
        }
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        out.push_str(&format!("{count} {noun}; nothing was stored"));
        out
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let Some(source) = self.sources.get(problem.source) else {
            return problem.title.clone();
        };
        let span = within(&problem.span, &source.text);
        let snippet = Snippet::source(&source.text)
            .path(visible(&source.name))
            .annotation(AnnotationKind::Primary.span(span));
        let title = visible(&problem.title);
        let mut report = Level::ERROR.primary_title(&*title).element(snippet);
        let help = problem.help.as_deref().map(visible);
        if let Some(help) = &help {
            report = report.element(Level::HELP.message(&**help));
        }
        // What is hidden in the lines of the source.
        visible_in_colour(&renderer.render(&[report]))
    }
}

/// A span that lies in the text and on character boundaries, at most one line long.
fn within(span: &Range<usize>, text: &str) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    let end = floor(span.end.clamp(start, line_end));
    start..end.max(floor((start + 1).min(line_end)))
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// The candidate that the text was probably meant to be.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR_ENOUGH: f64 = 0.75;
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&text.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= SIMILAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let fields = ["memorySize", "timeout", "handler"];
        assert_eq!(nearest("memorysize", fields), Some("memorySize"));
        assert_eq!(nearest("memroySize", fields), Some("memorySize"));
        assert_eq!(nearest("colour", fields), None);
    }

    #[test]
    fn a_problem_points_into_its_file() {
        let source = Source {
            name: "a.yaml".to_owned(),
            text: "kind: Functoin\n".to_owned(),
            directory: ".".into(),
        };
        let problem = Problem {
            source: 0,
            span: 6..14,
            title: "unknown kind `Functoin`".to_owned(),
            help: Some("did you mean `Function`?".to_owned()),
        };
        insta::assert_snapshot!(Problems::new(vec![source], vec![problem]).render(false), @r"
        error: unknown kind `Functoin`
         --> a.yaml:1:7
          |
        1 | kind: Functoin
          |       ^^^^^^^^
          |
          = help: did you mean `Function`?

        1 problem; nothing was stored
        ");
    }

    #[test]
    fn nothing_of_a_manifest_works_on_the_terminal() {
        let text = "kind: \u{1b}]0;title\u{7}\u{202e}x\n".to_owned();
        let source = Source { name: "\u{1b}[31m.yaml".to_owned(), text, directory: ".".into() };
        let problem = Problem {
            source: 0,
            span: 6..9,
            title: "unknown kind `\u{1b}[2J`".to_owned(),
            help: Some("did you mean `\u{1b}[2J`?".to_owned()),
        };
        let problems = Problems::new(vec![source], vec![problem]);
        assert!(!crate::model::has_hidden(&problems.render(false)), "{:?}", problems.render(false));
        let coloured = problems.render(true);
        assert_eq!(coloured, visible_in_colour(&coloured));
        assert!(coloured.contains("\\u001b[2J"), "{coloured:?}");
    }

    #[test]
    fn spans_never_leave_the_text() {
        for (text, span) in [("", 0..5), ("ab", 7..9), ("é\nx", 1..99), ("a\n", 1..1)] {
            let fixed = within(&span, text);
            assert!(fixed.end <= text.len() && text.is_char_boundary(fixed.start), "{text:?}");
        }
    }
}
