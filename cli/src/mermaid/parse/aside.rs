//! What is no node and no arrow: statements that only draw, front matter, and texts that Mermaid takes for something else.

use std::collections::BTreeSet;

use super::{DIRECTIONS, Parser, RESERVED};
use crate::mermaid::Fault;

/// The places where a link opens.
const TARGETS: &[&str] = &["_self", "_blank", "_parent", "_top"];

impl Parser<'_> {
    /// Skips a statement that only draws. What looks otherwise may hide nodes, so only whole statements of a known form are
    /// skipped.
    pub(super) fn skip_drawing(&mut self, word: &str) -> Result<(), Fault> {
        let mut is_quoted = false;
        let line = self.line();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let end = line.find(|c: char| {
            is_quoted ^= c == '"';
            c == ';' && !is_quoted
        });
        let text = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        // One blank behind each word: a second one is an error to Mermaid.
        let mut parts = text.splitn(3, ' ').skip(1);
        let (of, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (is_drawing, remedy) = match word {
            "click" => (
                end.is_none() && is_name(of) && is_click(rest),
                "write `click NODE \"address\"` or `click NODE call name()` on a line of its own, without blanks behind it",
            ),
            "class" => (
                is_list_of(of, is_name) && is_name(rest),
                "write `class NODE NAME`, or several nodes with commas, without blanks behind it",
            ),
            "linkStyle" => {
                let count = self.chart.edges.len();
                let is_above = |number: &str| number.parse::<usize>().is_ok_and(|number| number < count);
                (
                    (of == "default" || is_list_of(of, is_above)) && is_style(rest),
                    "write `linkStyle NUMBER property:value` with the numbers of arrows above it, from 0, or `default`",
                )
            }
            // Mermaid would make a node of one that is not there.
            "style" => (
                self.nodes.contains_key(of) && is_style(rest),
                "name a node that is above it, and write `property:value` pairs with commas between, such as `fill:#fff`",
            ),
            _ => (
                (of == "default" || is_list_of(of, is_name)) && is_style(rest),
                "write `property:value` pairs with commas between, such as `fill:#fff,stroke-width:2px`",
            ),
        };
        if !is_drawing {
            return self.fault(text.len(), format!("this `{word}` is not read"), remedy);
        }
        self.at += text.len();
        Ok(())
    }

    /// Places where Mermaid looks through the whole line, labels included, before it reads it.
    pub(super) fn pitfalls(&self) -> Result<(), Fault> {
        let (line, rest) = (self.line(), self.rest());
        for (at, _) in line.match_indices("direction") {
            // It looks beyond the end of the line.
            let after = rest.get(at + 9..).unwrap_or_default();
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
            // Of a statement for a style Mermaid drops the last `;`, where it ends the line.
            let is_statement = at == 0 && line.find(';') == Some(line.trim_end().len() - 1);
            if colours && !is_statement {
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

    /// The front matter that begins here; the parser is behind it then. It is YAML to Mermaid, and is read as far as
    /// `key: value` goes, with groups of such lines indented below a key.
    pub(super) fn front_matter(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        let mut at = self.at;
        let lines = rest.split_inclusive('\n').enumerate();
        // The groups that are open: their indentation and their keys.
        let mut open: Vec<(usize, BTreeSet<&str>)> = Vec::new();
        let mut may_indent = true;
        for (number, line) in lines {
            let begin = at;
            at += line.len();
            if number == 0 {
                continue;
            }
            let text = line.trim_end();
            if text == "---" && number > 1 {
                if !line.ends_with('\n') {
                    break;
                }
                self.at = at;
                return Ok(());
            }
            let refused = |what: &str| {
                Err(Fault::new(
                    begin..begin + text.len(),
                    what,
                    "write lines `key: value`, the value as words without signs or in quotes",
                ))
            };
            let indent = text.len() - text.trim_start_matches(' ').len();
            let Some((key, value)) = text.trim_start_matches(' ').split_once(':') else {
                return refused("this line of the front matter is not read");
            };
            let is_group = value.is_empty();
            let value = value.strip_prefix(' ').unwrap_or_default();
            if !is_key(key) || !(is_group || is_value(value)) || key == "config" && !is_group {
                return refused("this line of the front matter is not read");
            }
            while open.last().is_some_and(|(deeper, _)| *deeper > indent) {
                open.pop();
            }
            let is_new = match open.last_mut() {
                Some((same, keys)) if *same == indent => keys.insert(key),
                _ if may_indent => {
                    open.push((indent, BTreeSet::from([key])));
                    true
                }
                _ => {
                    return refused(
                        "this line of the front matter has another indentation than those around it",
                    );
                }
            };
            if !is_new {
                return refused("the front matter has this key twice");
            }
            may_indent = is_group;
        }
        self.fault(3, "this front matter has no end", "end it with a line `---`")
    }
}

/// Whether Mermaid knows the directive with that text between its braces. Of another it leaves a part in the chart.
pub(super) fn is_directive(inner: &str) -> bool {
    let inner = inner.trim_start_matches(' ');
    let settings = inner.strip_prefix("initialize:").or_else(|| inner.strip_prefix("init:"));
    inner == "wrap" || settings.is_some_and(|settings| settings.trim_start_matches(' ').starts_with('{'))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !is_reserved(name)
}

/// Whether Mermaid takes the word for one of its own. `v` is its arrow down.
fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word) || matches!(word, "v" | "interpolate")
}

fn is_list_of(list: &str, is_one: impl Fn(&str) -> bool) -> bool {
    list.split(',').all(is_one)
}

/// `property:value` pairs with commas between.
fn is_style(style: &str) -> bool {
    let is_property = |name: &str| {
        name.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()))
    };
    let is_word = |word: &str| {
        let bare = word.strip_prefix('#').unwrap_or(word);
        let bare = bare.strip_suffix('%').unwrap_or(bare);
        let parts = || bare.split(['-', '.']);
        let is_part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()) && !is_reserved(part)
        };
        parts().all(is_part)
    };
    let is_pair = |pair: &str| {
        pair.split_once(':').is_some_and(|(name, value)| {
            is_property(name) && !name.split('-').any(is_reserved) && value.split(' ').all(is_word)
        })
    };
    is_list_of(style, is_pair)
}

/// What follows the node of a `click`: an address, perhaps a tooltip and a target, or a callback.
fn is_click(rest: &str) -> bool {
    if let Some(call) = rest.strip_prefix("call ") {
        return call.strip_suffix("()").is_some_and(is_name);
    }
    let mut rest = rest.strip_prefix("href ").unwrap_or(rest);
    for number in 0..2 {
        let quoted = rest.strip_prefix('"').and_then(|inner| inner.split_once('"'));
        let Some((text, behind)) = quoted else { return false };
        if text.is_empty() || text.contains('`') {
            return false;
        }
        if behind.is_empty() {
            return true;
        }
        let Some(behind) = behind.strip_prefix(' ') else { return false };
        if TARGETS.contains(&behind) {
            return true;
        }
        if number == 1 {
            return false;
        }
        rest = behind;
    }
    false
}

fn is_key(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_alphanumeric()) && key.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// A value of YAML that is read alike by everybody: words, a number, or a text in quotes without escapes.
fn is_value(value: &str) -> bool {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote);
            return inner
                .is_some_and(|inner| !inner.contains([quote, '\\']) && !inner.chars().any(char::is_control));
        }
    }
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ',' | '(' | ')' | '/' | '-');
    value.starts_with(char::is_alphanumeric) && value.chars().all(is_plain)
}
