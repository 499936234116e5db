//! A report as Markdown, for a ticket or a chat.

use std::fmt::Write as _;

use super::Report;
use super::chart::{Flowchart, RunbookChart, flowchart};
use super::finding::{details, moment, percent};
use super::timeline::with_mark;

impl Report {
    /// The report as Markdown (CommonMark and tables, as GitHub and GitLab render them). Every text is escaped: no name
    /// becomes a link, a picture, markup or a mention.
    ///
    /// The path is a Mermaid flowchart, where it has at most 40 steps: what was taken is thick, what was not is dashed. Clear
    /// [`charts`](Self::charts) for a ticket without it.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n\n", escape(&self.headline));
        // Writing to a String cannot fail.
        let _ = writeln!(page, "**{}**\n", self.tone.word().to_uppercase());
        pairs(&mut page, &self.about);
        list(&mut page, "Do first", self.advice.iter());
        if !self.likely.is_empty() {
            page.push_str(
                "## Still possible\n\n| share | cause | speaks for it | not known |\n|---:|---|---|---|\n",
            );
            for one in &self.likely {
                let (share, cause) = (percent(one.share), escape(&one.cause));
                let (because, needs) = (escape(&one.because.join("; ")), escape(&one.needs.join("; ")));
                let titles = escape(&one.conclusions.join("; "));
                let _ = writeln!(page, "| {share} | {cause}: {titles} | {because} | {needs} |");
            }
            page.push('\n');
        }
        list(&mut page, "Find out next", self.next.iter());
        if !self.answers.is_empty() {
            page.push_str("## Why\n\n| question | answer | by | measured |\n|---|---|---|---|\n");
            for answer in &self.answers {
                let details = details(&answer.details);
                let (question, source) =
                    (escape(&with_mark(&answer.question)), answer.source.as_deref().unwrap_or_default());
                let (answer, source) = (escape(&answer.answer), escape(source));
                let _ = writeln!(
                    page,
                    "| {question} | **{answer}** | {source} | {} |",
                    escape(&details.join("; "))
                );
            }
            page.push('\n');
        }
        self.paths_as_flowcharts(&mut page);
        list(&mut page, "Found on the way", self.notes.iter());
        if !self.affected.is_empty() {
            page.push_str("## Devices\n\n| devices | why | names |\n|---:|---|---|\n");
            for group in &self.affected {
                let (count, why) = (group.devices.len(), escape(&group.why));
                let _ = writeln!(page, "| {count} | {why} | {} |", escape(&group.devices.join(", ")));
            }
            page.push('\n');
        }
        let ruled_out = self.ruled_out.iter().map(|one| match &*one.by {
            [] => one.conclusion.clone(),
            by => format!("{} ({})", one.conclusion, by.join(", ")),
        });
        list(&mut page, "Ruled out", ruled_out);
        list(&mut page, "Not asked", self.not_asked.iter());
        list(&mut page, "Not as it should be", self.warnings.iter());
        if !self.timeline.is_empty() {
            self.timeline_table(&mut page);
        }
        if !self.evidence.is_empty() {
            page.push_str("## Evidence\n\n");
            pairs(&mut page, &self.evidence);
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    }

    /// The skeleton of a post-mortem as Markdown: what is known is filled in, what people must say is asked.
    #[must_use]
    pub fn to_post_mortem(&self) -> String {
        let mut page = format!("# Post-mortem: {}\n\n", escape(&self.headline));
        pairs(&mut page, &self.about);
        self.timeline_table(&mut page);
        list(&mut page, "What was found on the way", self.notes.iter());
        let answers = self.answers.iter();
        let answers = answers.map(|answer| format!("{} {}", with_mark(&answer.question), answer.answer));
        list(&mut page, "What was measured", answers);
        for (heading, question) in [
            ("Impact", "Which devices, lines and data were affected, from when to when?"),
            ("Cause", "Why did it break, and why then? What was changed before?"),
            ("Detection", "Who noticed it first, and how? Could an alert have come earlier?"),
            ("Response", "What was done, by whom? What helped, and what did not?"),
            ("What follows", "What is changed so that it does not happen again? Who does it, until when?"),
        ] {
            let _ = writeln!(page, "## {heading}\n\n_{question}_\n");
        }
        page.push_str("## Evidence\n\n");
        pairs(&mut page, &self.evidence);
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    }

    fn paths_as_flowcharts(&self, page: &mut String) {
        if !self.charts.iter().any(RunbookChart::has_path) {
            return;
        }
        page.push_str("## Path\n\n");
        for chart in self.charts.iter().filter(|chart| chart.has_path()) {
            if self.charts.len() > 1 {
                let _ = writeln!(page, "### {}\n", escape(chart.title()));
            }
            let Some(Flowchart { text, left_out }) = flowchart(chart) else {
                let steps = chart.steps_of_path();
                let _ = writeln!(
                    page,
                    "It has {steps} steps, too many for a ticket: the HTML report draws it.\n"
                );
                continue;
            };
            let _ = writeln!(page, "```mermaid\n{text}```\n");
            if left_out > 0 {
                let branches = if left_out == 1 { "branch that was" } else { "branches that were" };
                let _ = writeln!(page, "{left_out} more {branches} not taken: the HTML report draws all.\n");
            }
        }
    }

    fn timeline_table(&self, page: &mut String) {
        page.push_str("## Timeline\n\n| when | what |\n|---|---|\n");
        for one in &self.timeline {
            let _ = writeln!(page, "| {} | {} |", moment(one.at), escape(&one.what));
        }
        page.push('\n');
    }
}

fn pairs(page: &mut String, pairs: &[(&str, String)]) {
    for (name, value) in pairs {
        let _ = writeln!(page, "- {name}: {}", escape(value));
    }
    page.push('\n');
}

fn list<T: AsRef<str>>(page: &mut String, heading: &str, items: impl Iterator<Item = T>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = writeln!(page, "## {heading}\n");
    items.for_each(|item| {
        let _ = writeln!(page, "- {}", escape(item.as_ref()));
    });
    page.push('\n');
}

/// A text on one line that Markdown shows as it is. Punctuation with a meaning gets a backslash, which CommonMark allows
/// before any ASCII punctuation; `@` a zero-width joiner behind it, so that nobody is mentioned; a link's `://` and `www.`
/// one too, since GitHub makes links of bare addresses.
fn escape(text: &str) -> String {
    const JOINER: char = '\u{2060}';
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '~' | '$'
            | '&' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '@' => escaped.extend(['@', JOINER]),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => escaped.push(' '),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    for (bare, broken) in [("://", format!(":{JOINER}//")), ("www.", format!("www{JOINER}."))] {
        if escaped.contains(bare) {
            escaped = escaped.replace(bare, &broken);
        }
    }
    // A line that begins like a list, a heading or a rule is none.
    let begins = escaped.trim_start();
    let marker = begins.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = marker.len() < begins.len() && (marker.starts_with('.') || marker.starts_with(')'));
    if begins.starts_with(['-', '+', '=']) {
        return format!("\\{begins}");
    }
    if is_number {
        let (digits, rest) = begins.split_at(begins.len() - marker.len());
        return format!("{digits}\\{rest}");
    }
    begins.to_owned()
}
