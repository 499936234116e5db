//! Arrows: their signs, and labels behind or inside of them.

use super::Parser;
use crate::mermaid::{Fault, label};

const HEADS: &str = "only arrows with one head are read; write `-->`, `-.->` or `==>`";

impl Parser<'_> {
    /// The label and the place of the arrow that begins here, perhaps on the next line.
    pub(super) fn link(&mut self) -> Result<Option<(String, usize)>, Fault> {
        let before = self.at;
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.at += 1;
        }
        let (at, rest) = (self.at, self.rest());
        let is_link = |text: &str| ["--", "==", "-."].iter().any(|link| text.starts_with(link));
        if rest.starts_with(['<', 'x', 'o']) && rest.get(1..).is_some_and(is_link) {
            return self.fault(3, "an arrow with this head is not read", HEADS);
        }
        if rest.starts_with("~~~") {
            return self.fault(3, "an invisible line is not read", "remove it");
        }
        if !is_link(rest) {
            self.at = before;
            return Ok(None);
        }
        if self.text.get(before..at).is_some_and(|passed| passed.contains('\n')) {
            self.pitfalls()?;
        }
        let kind = if rest.starts_with("-.") { '.' } else { rest.chars().next().unwrap_or_default() };
        let label = match self.arrow(kind)? {
            true => {
                self.blanks();
                if self.take("|") { self.piped()? } else { String::new() }
            }
            false => self.text_of_arrow(kind)?.join(" "),
        };
        Ok(Some((label, at)))
    }

    /// The rest of a label between two `|`. The node comes on the same line.
    fn piped(&mut self) -> Result<String, Fault> {
        let label = self.text_until(&["|"])?.join(" ");
        let behind = self.at;
        self.blanks();
        // Mermaid refuses it, unlike everywhere else.
        if self.at > behind + 1 {
            self.at = behind;
            return self.fault(2, "more than one blank behind a label", "leave one blank");
        }
        if matches!(self.peek(), None | Some('\n')) {
            return self.fault(1, "a node is expected here", "write it on the line of the label");
        }
        Ok(label)
    }

    /// Takes a whole arrow, or the begin of one whose label is inside: `false`.
    fn arrow(&mut self, kind: char) -> Result<bool, Fault> {
        let rest = self.rest();
        let count = |text: &str, sign: char| text.chars().take_while(|c| *c == sign).count();
        let (length, is_whole) = match kind {
            '.' => {
                let dots = count(rest.get(1..).unwrap_or_default(), '.');
                let is_whole = rest.get(1 + dots..).is_some_and(|rest| rest.starts_with('-'));
                if !is_whole && dots > 1 {
                    return self.fault(1 + dots, "this arrow is not read", HEADS);
                }
                (1 + dots + usize::from(is_whole), is_whole)
            }
            sign => {
                let length = count(rest, sign);
                let is_whole =
                    length > 2 || rest.get(length..).is_some_and(|rest| rest.starts_with(['>', 'x', 'o']));
                (length, is_whole)
            }
        };
        if !is_whole {
            self.at += length;
            return Ok(false);
        }
        if !rest.get(length..).is_some_and(|rest| rest.starts_with('>')) {
            return self.fault(length, "a line without this head is not read: `>`", HEADS);
        }
        self.at += length + 1;
        Ok(true)
    }

    /// The label inside an arrow, and the rest of the arrow.
    fn text_of_arrow(&mut self, kind: char) -> Result<Vec<String>, Fault> {
        const REMEDY: &str = "write the label as `-->|\"label\"|`";
        self.blanks();
        let (at, raw) = if self.peek() == Some('"') {
            let text = self.quoted()?;
            self.blanks();
            text
        } else {
            let line = self.line();
            let end = match kind {
                '.' => line.find(['.', '-']),
                '=' => line.find('='),
                _ => line.find("--"),
            };
            let Some(end) = end else {
                return self.fault(
                    line.trim_end().len().max(1),
                    "the arrow of this label has no end",
                    REMEDY,
                );
            };
            let raw = line.get(..end).unwrap_or_default();
            // A dash is one of the label only inside a word, and these letters would be the arrow's other head.
            let bare_dash = raw.split('-').collect::<Vec<_>>();
            let is_bare = |part: &str, other: &str| {
                !part.ends_with(char::is_alphanumeric) || !other.starts_with(char::is_alphanumeric)
            };
            let dashes = bare_dash.windows(2).any(|pair| matches!(pair, [one, other] if is_bare(one, other)));
            if dashes
                || raw.ends_with(['x', 'o', '<'])
                || raw.contains(['[', ']', '(', ')', '{', '}', '|', '"', '@', '`'])
            {
                return self.fault(end.max(1), "Mermaid may read this label otherwise", REMEDY);
            }
            let at = self.at;
            self.at += end;
            (at, raw)
        };
        let lines = label::lines(raw, at)?;
        let rest = self.rest();
        let begins = match kind {
            '.' => rest.starts_with('.'),
            '=' => rest.starts_with("=="),
            _ => rest.starts_with("--"),
        };
        if !begins {
            return self.fault(1, "the arrow should go on here", REMEDY);
        }
        if kind == '.' {
            // The dots of the end, as if its dash were before them.
            let dots = rest.chars().take_while(|c| *c == '.').count();
            if !rest.get(dots..).is_some_and(|rest| rest.starts_with("->")) {
                return self.fault(dots, "the arrow should end here", HEADS);
            }
            self.at += dots + 2;
        } else if !self.arrow(kind)? {
            return self.fault(1, "the arrow should end here", HEADS);
        }
        Ok(lines)
    }
}
