//! A report for a terminal: plain text, the conclusion first.

use super::Report;
use super::finding::percent;
use super::svg::wrapped;
use super::timeline::with_mark;

/// The narrowest width that text is wrapped to.
const NARROWEST: usize = 20;

impl Report {
    /// The report as plain text, wrapped to `width` characters where a word is not longer: conclusion, what to do first,
    /// why, and the evidence last. Control characters, which a terminal would obey, are replaced.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let mut page = Page { width: width.max(NARROWEST), text: String::new() };
        page.paragraph("", &self.headline);
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
        if !self.answers.is_empty() {
            page.heading("Why");
            for answer in &self.answers {
                page.paragraph("  ", &format!("{} {}", with_mark(&answer.question), answer.answer));
                let details = answer.details.iter();
                let details: Vec<_> =
                    details.map(|detail| format!("{}: {}", detail.name, detail.text)).collect();
                if let Some(source) = &answer.source {
                    let beside = if details.is_empty() { "" } else { "; " };
                    page.paragraph("      ", &format!("{source}{beside}{}", details.join("; ")));
                }
            }
        }
        page.list("Found on the way", self.notes.iter());
        for group in &self.affected {
            page.heading(&format!("{} devices", group.devices.len()));
            page.paragraph("  ", &group.why);
            page.paragraph("  - ", &group.devices.join(", "));
        }
        let ruled_out = self.ruled_out.iter().map(|one| match &*one.by {
            [] => one.conclusion.clone(),
            by => format!("{} ({})", one.conclusion, by.join(", ")),
        });
        page.list("Ruled out", ruled_out);
        page.list("Not asked", self.not_asked.iter());
        page.list("Not as it should be", self.warnings.iter());
        page.heading("Timeline (UTC)");
        let mut day = None;
        for one in &self.timeline {
            if day.replace(one.at.date_naive()) != Some(one.at.date_naive()) {
                page.paragraph("  ", &one.at.format("%Y-%m-%d").to_string());
            }
            page.paragraph(&one.at.format("    %H:%M:%S  ").to_string(), &one.what);
        }
        page.heading("Evidence");
        page.pairs(&self.evidence);
        page.text
    }
}

/// A text as it grows.
struct Page {
    width: usize,
    text: String,
}

impl Page {
    fn heading(&mut self, heading: &str) {
        self.text.push('\n');
        self.text.push_str(heading);
        self.text.push('\n');
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
        let indent = before.chars().count();
        let width = self.width.saturating_sub(indent).max(NARROWEST / 2);
        let clean: String =
            text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
        let lines = wrapped(&clean, width);
        if lines.is_empty() {
            self.text.push_str(before.trim_end());
            self.text.push('\n');
        }
        for (nth, line) in lines.iter().enumerate() {
            let start = if nth == 0 { before.to_owned() } else { " ".repeat(indent) };
            self.text.push_str(&start);
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}
