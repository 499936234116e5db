//! A finding as a person sees it: the lines of the text around it, a caret, and what to do.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use unicode_width::UnicodeWidthStr as _;

use super::examine::Examined;
use super::finding::Finding;
use crate::page::{plain, wrap};
use crate::terminal::Terminal;

/// The lines before and after a place that are shown with it.
const AROUND: usize = 1;

pub(super) fn render(finding: &Finding, examined: &Examined, terminal: &Terminal) -> String {
    let (name, text) = (plain(&examined.name), examined.text.as_str());
    let title = wrapped(&finding.title(), terminal.width, "error: ");
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    match finding.span.clone().filter(|_| !text.is_empty()) {
        Some(span) => {
            let span = within_line(text, span);
            let also: Vec<_> =
                finding.also.iter().map(|(span, label)| (within_line(text, span.clone()), label)).collect();
            let first = also.iter().map(|(span, _)| span.start).chain([span.start]).min().unwrap_or_default();
            let last = also.iter().map(|(span, _)| span.end).chain([span.end]).max().unwrap_or_default();
            let window = window(text, first, last);
            let (line, _) = examined.place_of(window.start);
            let moved = |span: &Range<usize>| span.start - window.start..span.end - window.start;
            let shown = text.get(window.clone()).unwrap_or_default();
            let mut snippet = Snippet::source(shown).line_start(line).path(name.as_str());
            snippet = snippet.annotation(AnnotationKind::Primary.span(moved(&span)));
            for (span, label) in &also {
                snippet = snippet.annotation(AnnotationKind::Context.span(moved(span)).label(label.as_str()));
            }
            group = group.element(snippet);
        }
        None => {
            let at = if finding.path.is_empty() { name } else { format!("{name}, {}", plain(&finding.path)) };
            group = group.element(Origin::path(at));
        }
    }
    let help = finding.help();
    if !help.is_empty() {
        group = group.element(Level::HELP.message(wrapped(&help, terminal.width, "   = help: ")));
    }
    let renderer = if terminal.color { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(terminal.width).render(&[group])
}

/// Wraps a text, and leaves room for `before` on each line.
fn wrapped(text: &str, width: usize, before: &str) -> String {
    wrap(&plain(text), width, before.width(), before.width()).join("\n")
}

/// The part of a place that is on its first line: a caret under a whole table would hide what it points at.
fn within_line(text: &str, span: Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let shown = text.get(start..end).unwrap_or_default();
    start..start + shown.find('\n').unwrap_or(shown.len())
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The whole lines from `first` to `last`, and some around.
fn window(text: &str, first: usize, last: usize) -> Range<usize> {
    let before = text.get(..first).unwrap_or_default();
    let start = before.rmatch_indices('\n').nth(AROUND).map_or(0, |(at, _)| at + 1);
    let behind = text.get(last..).unwrap_or_default();
    let end = behind.match_indices('\n').nth(AROUND).map_or(text.len(), |(at, _)| last + at);
    start..end
}
