//! What both charts draw with: boxes of text, arrow heads, the frame.

use std::fmt::Write as _;

use super::layers::Point;
use super::{Node, STYLE, State};
use crate::report::svg::{Escaped, columns, wrapped};
use crate::runbook::step::Severity;

/// The height of a line of a title, of a small line, and what is around the text of a box; in pixels.
const TITLE: f64 = 17.0;
const SMALL: f64 = 14.0;
const PADDING: f64 = 9.0;
/// The width of a character of a title and of a small line, of the wider fonts that a system may have.
const TITLE_CHAR: f64 = 8.8;
const SMALL_CHAR: f64 = 6.9;

/// The texts of a box, wrapped to its width.
pub(super) struct Words {
    kicker: Vec<String>,
    title: Vec<String>,
    answer: Vec<String>,
    id: Vec<String>,
}

impl Words {
    pub(super) fn of(node: &Node, width: f64, with_id: bool) -> Self {
        let inner = 2.0_f64.mul_add(-PADDING, width);
        let kicker = match node.times {
            0 | 1 => node.kicker.clone(),
            times if node.kicker.is_empty() => format!("{times} times"),
            times => format!("{} · {times} times", node.kicker),
        };
        let id = if with_id && node.id != node.title { node.id.as_str() } else { "" };
        Self {
            kicker: wrapped(&kicker, chars(inner, SMALL_CHAR)),
            title: wrapped(&node.title, chars(inner, TITLE_CHAR)),
            answer: wrapped(node.answer.as_deref().unwrap_or_default(), chars(inner, TITLE_CHAR)),
            id: wrapped(id, chars(inner, SMALL_CHAR)),
        }
    }

    pub(super) fn height(&self) -> f64 {
        let titles = self.title.len() + self.answer.len();
        let small = self.kicker.len() + self.id.len();
        TITLE.mul_add(titles as f64, SMALL.mul_add(small as f64, 2.0 * PADDING))
    }
}

/// How many characters of that width a line of so many pixels has.
fn chars(width: f64, char: f64) -> usize {
    (width / char).max(4.0) as usize
}

/// A small text in lines of so many pixels.
pub(super) fn small_lines(text: &str, width: f64) -> Vec<String> {
    wrapped(text, chars(width, SMALL_CHAR))
}

/// The height of so many small lines.
pub(super) fn small_height(lines: usize) -> f64 {
    SMALL * lines as f64
}

/// The width of the longest of small lines.
pub(super) fn small_width(lines: &[String]) -> f64 {
    let longest = lines.iter().map(|line| columns(line)).max().unwrap_or_default();
    SMALL_CHAR * longest as f64
}

/// The box of a node with its top left corner at `at`.
pub(super) fn draw_box(svg: &mut String, node: &Node, words: &Words, at: Point, width: f64) {
    let height = words.height();
    let state = match node.state {
        State::Plain => "plain",
        State::Walked => "walked",
        State::Explored => "explored",
        State::Possible => "possible",
        State::Apart => "apart",
    };
    let end = match node.end {
        None => "",
        Some(Severity::Critical) => " end critical",
        Some(Severity::Warning) => " end warning",
        Some(Severity::Info) => " end info",
    };
    let corner = if node.end.is_some() { 16 } else { 4 };
    let (x, mut y) = (at.x, at.y);
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<g class=\"box {state}{end}\"><title>{}</title><rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" rx=\"{corner}\"/>",
        Escaped(&node.id)
    );
    y += PADDING;
    for (class, lines, leading) in [
        ("small", &words.kicker, SMALL),
        ("name", &words.title, TITLE),
        ("answer", &words.answer, TITLE),
        ("small", &words.id, SMALL),
    ] {
        y = draw_lines(svg, class, lines, leading, Point { x: x + PADDING, y });
    }
    svg.push_str("</g>\n");
}

/// Lines of text below each other, the first with its top at `at`; returns where they end.
fn draw_lines(svg: &mut String, class: &str, lines: &[String], leading: f64, at: Point) -> f64 {
    let Some((first, more)) = lines.split_first() else { return at.y };
    let base = leading.mul_add(0.76, at.y);
    let _ = write!(svg, "<text class=\"{class}\" x=\"{:.0}\" y=\"{base:.0}\">{}", at.x, Escaped(first));
    for line in more {
        let _ = write!(svg, "<tspan x=\"{:.0}\" dy=\"{leading}\">{}</tspan>", at.x, Escaped(line));
    }
    svg.push_str("</text>");
    leading.mul_add(lines.len() as f64, at.y)
}

/// Small lines with their top left corner at `at`.
pub(super) fn draw_small(svg: &mut String, class: &str, lines: &[String], at: Point) {
    draw_lines(svg, class, lines, SMALL, at);
}

/// The outline of the head of an arrow that ends at `tip`, from above or from below, or from the left.
pub(super) fn head(tip: Point, from: From) -> String {
    let Point { x, y } = tip;
    match from {
        From::Above => format!("M{x:.0} {y:.0}l-4 -8h8z"),
        From::Below => format!("M{x:.0} {y:.0}l-4 8h8z"),
        From::Left => format!("M{x:.0} {y:.0}l-8 -4v8z"),
    }
}

/// The heads of arrows, by their outlines.
pub(super) fn draw_heads(svg: &mut String, class: &str, outlines: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<path class=\"head {class}\" d=\"{outlines}\"/>");
}

/// Where an arrow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Above,
    Below,
    Left,
}

/// What is drawn as an SVG of its own, or for a page that has the style sheet.
pub(super) fn frame(
    title: &str,
    words: &str,
    width: f64,
    height: f64,
    is_alone: bool,
    drawn: &str,
) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"runbook-chart\" role=\"img\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\"><title>{}</title><desc>{}</desc>\n",
        Escaped(title),
        Escaped(words)
    );
    if is_alone {
        // A page has its colours from its own style sheet.
        let _ = write!(
            svg,
            "<style>{ALONE}\n{STYLE}</style>\n<rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n"
        );
    }
    svg.push_str(drawn);
    svg.push_str("</svg>\n");
    svg
}

/// The colours of a chart by itself: those of a page.
const ALONE: &str = "\
.runbook-chart { --ink: #1b1f24; --soft: #57606a; --line: #afb8c1; --edge: #8c959f; --page: #fff; --panel: #f6f8fa; --link: #0550ae; }
@media (prefers-color-scheme: dark) { .runbook-chart { --ink: #e6edf3; --soft: #9ea7b3; --line: #57606a; --edge: #6e7681; --page: #0d1117; --panel: #161b22; --link: #79c0ff; } }";
