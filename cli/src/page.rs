//! A page of text: wrapped to the terminal, coloured where it shows colours.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::terminal::Terminal;

/// The style of a line. Colour never carries a meaning alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Heading,
    Good,
    Bad,
    Careful,
    Quiet,
}

impl Style {
    const fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "\u{1b}[1m",
            Self::Good => "\u{1b}[1;32m",
            Self::Bad => "\u{1b}[1;31m",
            Self::Careful => "\u{1b}[1;33m",
            Self::Quiet => "\u{1b}[2m",
        }
    }
}

pub(crate) struct Page {
    terminal: Terminal,
    text: String,
}

impl Page {
    pub(crate) const fn new(terminal: &Terminal) -> Self {
        Self { terminal: *terminal, text: String::new() }
    }

    pub(crate) const fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// A blank line, unless the page is empty or ends with one.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Text that is laid out already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.styled(Style::Plain, "", "", text);
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.styled(Style::Heading, "", "", text);
    }

    /// A text behind `first`; its further lines are indented as far.
    pub(crate) fn item(&mut self, first: &str, text: &str) {
        // On a narrow page a wide head would leave no room for the text.
        let head = first.width().min(self.terminal.width / 3);
        self.styled(Style::Plain, first, &" ".repeat(head), text);
    }

    /// A text in a style, behind `first`; its further lines behind `rest`.
    pub(crate) fn styled(&mut self, style: Style, first: &str, rest: &str, text: &str) {
        let text = plain(text);
        for (number, line) in wrap(&text, self.terminal.width, first.width(), rest.width()).iter().enumerate()
        {
            let (indent, codes) = (if number == 0 { first } else { rest }, style.codes());
            self.text.push_str(&plain(indent));
            if self.terminal.color && !codes.is_empty() && !line.is_empty() {
                self.text.push_str(codes);
                self.text.push_str(line);
                self.text.push_str("\u{1b}[0m");
            } else {
                self.text.push_str(line);
            }
            // A head without a text leaves no blanks behind.
            while self.text.ends_with(' ') {
                self.text.pop();
            }
            self.text.push('\n');
        }
    }
}

/// The text without what a terminal would obey: a device may be named anything.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        // Marks that turn the direction of writing can make one text look like another.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// The lines of a text in `width` columns, of which the first has `first` taken already, and the others `rest`. A word
/// that is longer than a line is cut.
pub(crate) fn wrap(text: &str, width: usize, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = first;
    let indent = |lines: &Vec<String>| if lines.is_empty() { first } else { rest };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let blank = usize::from(!line.is_empty());
        if !line.is_empty() && used + blank + word.width() > width {
            lines.push(std::mem::take(&mut line));
            used = rest;
        }
        if !line.is_empty() {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or_default();
            if used + columns > width && used > indent(&lines) {
                lines.push(std::mem::take(&mut line));
                used = rest;
            }
            line.push(c);
            used += columns;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_the_page() {
        let text = "a device that goes offline, with-a-name-that-is-longer-than-any-line-of-this-page";
        for width in [20, 24, 40, 80] {
            let lines = wrap(text, width, 4, 2);
            assert!(lines[0].width() + 4 <= width, "{lines:?}");
            assert!(lines.iter().skip(1).all(|line| line.width() + 2 <= width), "{lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text), "no letter is lost");
        }
    }

    #[test]
    fn escape_sequences_of_a_value_are_not_obeyed() {
        assert_eq!(plain("press\u{1b}[2J\u{202e}\n7"), "press\u{fffd}[2J\u{fffd} 7");
    }
}
