//! What is no node and no arrow: statements that only draw, and texts that Mermaid takes for something else.

use super::{DIRECTIONS, Parser};
use crate::mermaid::Fault;

impl Parser<'_> {
    /// Skips a statement that only draws. What looks otherwise may hide nodes, so only whole statements are skipped.
    pub(super) fn skip_drawing(&mut self, word: &str) -> Result<(), Fault> {
        let mut is_quoted = false;
        let line = self.line();
        let end = line.find(|c: char| {
            is_quoted ^= c == '"';
            c == ';' && !is_quoted
        });
        let text = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        let after = text.get(word.len()..).unwrap_or_default().trim_end();
        let is_drawing = match word {
            "click" => {
                // Mermaid wants the end of the line behind it.
                let bare = after.split('"').step_by(2);
                let is_bare = |c: char| {
                    c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | ',' | '(' | ')')
                };
                let has_node =
                    after.trim_start().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                has_node
                    && end.is_none()
                    && !is_quoted
                    && bare.into_iter().all(|part| part.chars().all(is_bare))
            }
            _ => {
                let is_sign = |c: char| c.is_ascii_alphanumeric() || " _-.,:#%()".contains(c);
                let words = after.split(' ').skip(1);
                let is_whole = if word == "class" { words.clone().count() == 2 } else { after.contains(':') };
                // A second blank is an error to Mermaid.
                is_whole
                    && after.chars().all(is_sign)
                    && !after.contains("--")
                    && words.clone().take(2).all(|word| !word.is_empty())
                    && words.count() >= 2
            }
        };
        if !is_drawing {
            return self.fault(
                text.len(),
                "this statement is not read",
                "write one statement for the drawing a line",
            );
        }
        self.at += text.len();
        Ok(())
    }

    /// Places where Mermaid looks through the whole line, labels included, before it reads it.
    pub(super) fn pitfalls(&self) -> Result<(), Fault> {
        let line = self.line();
        for (at, _) in line.match_indices("direction") {
            let after = line.get(at + 9..).unwrap_or_default();
            let direction = after.trim_start().get(..2).unwrap_or_default();
            if after.starts_with(char::is_whitespace) && DIRECTIONS.contains(&direction) {
                let at = self.at + at;
                return Err(Fault::new(
                    at..at + 9,
                    "Mermaid takes `direction` and these letters for a direction, even in a label",
                    "write it in other words",
                ));
            }
        }
        for (at, _) in line.match_indices("style").chain(line.match_indices("classDef")) {
            let after = line.get(at..).unwrap_or_default();
            let colours = after.match_indices(':').any(|(at, _)| {
                let after = after.get(at + 1..).unwrap_or_default();
                let word = after.split(char::is_whitespace).next().unwrap_or_default();
                word.find('#').is_some_and(|at| after.get(at..).is_some_and(|rest| rest.contains(';')))
            });
            if colours {
                let at = self.at + at;
                return Err(Fault::new(
                    at..at + 5,
                    "Mermaid takes `style`, `:` and a code for a style, even in a label",
                    "write `#58;` for `:`",
                ));
            }
        }
        if let Some(at) = line.find("%%") {
            let at = self.at + at;
            return Err(Fault::new(
                at..at + 2,
                "a comment behind a statement is not read",
                "write the comment on a line of its own; in a label write `#37;` for `%`",
            ));
        }
        Ok(())
    }
}
