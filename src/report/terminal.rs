//! A report for a terminal: plain text, the conclusion first.

use super::finding::{details, percent};
use super::svg::{columns, wrapped};
use super::timeline::with_mark;
use super::{Report, Tone};
use crate::runbook::step::Severity;

/// The narrowest width that text is wrapped to.
const NARROWEST: usize = 20;

/// How a report is laid out as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    width: usize,
    color: bool,
    is_brief: bool,
}

impl TextStyle {
    /// A whole report without colour, wrapped to `width` columns where a word is not longer.
    #[must_use]
    pub const fn new(width: usize) -> Self {
        Self { width, color: false, is_brief: false }
    }

    /// The same in colour, by the escape sequences of terminals, or without. Colour never carries a meaning alone.
    #[must_use]
    pub const fn with_color(self, color: bool) -> Self {
        Self { color, ..self }
    }

    /// The same without what a trace beside it shows: each question with its answer, what was ruled out, the timeline.
    #[must_use]
    pub const fn brief(self) -> Self {
        Self { is_brief: true, ..self }
    }
}

impl Report {
    /// The report as plain text, wrapped to `width` columns where a word is not longer: conclusion, what to do first,
    /// why, and the evidence last. Control characters, which a terminal would obey, are replaced.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        self.to_styled_text(TextStyle::new(width))
    }

    /// The report as text in a style of its own: [`to_text`](Self::to_text) in colour, or a brief one beside a trace.
    #[must_use]
    pub fn to_styled_text(&self, style: TextStyle) -> String {
        let mut page = Page { width: style.width.max(NARROWEST), color: style.color, text: String::new() };
        let headline = page.text.len();
        page.paragraph("", &self.headline);
        page.color_from(headline, tone_code(self.tone));
        page.pairs(&self.about);
        page.list("Do first", self.advice.iter());
        if !self.likely.is_empty() {
            page.heading("Still possible");
            for one in &self.likely {
                let titles = one.conclusions.join("; ");
                page.paragraph("  ", &format!("{:>4}  {}: {titles}", percent(one.share), one.cause));
                one.because.iter().for_each(|because| page.paragraph("        + ", because));
                one.needs.iter().for_each(|needs| page.paragraph("        ? ", needs));
            }
        }
        page.list("Find out next", self.next.iter());
        if !self.answers.is_empty() && !style.is_brief {
            page.heading("Why");
            for answer in &self.answers {
                page.paragraph("  ", &format!("{} {}", with_mark(&answer.question), answer.answer));
                let details = details(&answer.details);
                if let Some(source) = &answer.source {
                    let beside = if details.is_empty() { "" } else { "; " };
                    page.paragraph("      ", &format!("{source}{beside}{}", details.join("; ")));
                }
            }
        }
        page.list("Found on the way", self.notes.iter());
        for group in &self.affected {
            let count = group.devices.len();
            page.heading(&format!("{count} {}", if count == 1 { "device" } else { "devices" }));
            page.paragraph("  ", &group.why);
            page.paragraph("  - ", &group.devices.join(", "));
        }
        let ruled_out = self.ruled_out.iter().map(|one| match &*one.by {
            [] => one.conclusion.clone(),
            by => format!("{} ({})", one.conclusion, by.join(", ")),
        });
        page.list("Ruled out", ruled_out.filter(|_| !style.is_brief));
        page.list("Not asked", self.not_asked.iter());
        page.list("Not as it should be", self.warnings.iter());
        if !style.is_brief && !self.timeline.is_empty() {
            self.timeline_text(&mut page);
        }
        if !self.evidence.is_empty() {
            page.heading("Evidence");
            page.pairs(&self.evidence);
        }
        page.text
    }

    fn timeline_text(&self, page: &mut Page) {
        page.heading("Timeline (UTC)");
        let mut day = None;
        for one in &self.timeline {
            if day.replace(one.at.date_naive()) != Some(one.at.date_naive()) {
                page.paragraph("  ", &one.at.format("%Y-%m-%d").to_string());
            }
            page.paragraph(&one.at.format("    %H:%M:%S  ").to_string(), &one.what);
        }
    }
}

const BOLD: &str = "1";

/// The code of a headline's colour.
const fn tone_code(tone: Tone) -> &'static str {
    match tone {
        Tone::Recovered => "1;32",
        Tone::Concluded(Severity::Critical) => "1;31",
        Tone::Concluded(Severity::Info) => "1;36",
        Tone::Concluded(Severity::Warning) | Tone::Open => "1;33",
        Tone::Undetermined => "1;35",
    }
}

/// A text as it grows.
struct Page {
    width: usize,
    color: bool,
    text: String,
}

impl Page {
    fn heading(&mut self, heading: &str) {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(heading);
        self.text.push('\n');
        self.color_from(start, BOLD);
    }

    /// Colours each line from a position on.
    fn color_from(&mut self, start: usize, code: &str) {
        if self.color {
            let plain = self.text.split_off(start);
            for line in plain.lines() {
                self.text.push_str(&format!("\u{1b}[{code}m{line}\u{1b}[0m\n"));
            }
        }
    }

    fn pairs(&mut self, pairs: &[(&str, String)]) {
        let longest = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in pairs {
            self.paragraph(&format!("  {name:longest$}  "), value);
        }
    }

    fn list<T: AsRef<str>>(&mut self, heading: &str, items: impl Iterator<Item = T>) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.heading(heading);
            items.for_each(|item| self.paragraph("  - ", item.as_ref()));
        }
    }

    /// A text behind `before`, its further lines below its first.
    fn paragraph(&mut self, before: &str, text: &str) {
        // On a narrow terminal a wide name would leave no room for its value.
        let is_wide = columns(before) > self.width / 2;
        let indent = if is_wide { 6 } else { columns(before) };
        let width = self.width.saturating_sub(indent).max(NARROWEST / 2);
        let lines = wrapped(&text.chars().map(obeyed_by_none).collect::<String>(), width);
        if is_wide {
            self.text.push_str(before.trim_end());
            self.text.push('\n');
        }
        if lines.is_empty() {
            self.text.push_str(before.trim_end());
            self.text.push('\n');
        }
        for (nth, line) in lines.iter().enumerate() {
            let start = if nth == 0 && !is_wide { before.to_owned() } else { " ".repeat(indent) };
            self.text.push_str(&start);
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// What a terminal would obey, replaced: control characters, and the marks that turn the direction of writing, by which one
/// text can look like another.
fn obeyed_by_none(c: char) -> char {
    match c {
        '\n' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
