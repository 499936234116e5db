//! The text of a document as lines and tokens, for its mutants.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    /// A string, without its quotes.
    Text,
    /// A number, or yes or no.
    Bare,
}

/// A key or a value in a line.
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
    /// The key of a value; its own name for a key.
    pub(super) key: String,
    /// The table that it is in, such as `[steps.power]`.
    pub(super) table: usize,
}

/// A document as lines and tokens.
pub(super) struct Source<'a> {
    pub(super) lines: Vec<&'a str>,
    pub(super) tokens: Vec<Token>,
}

impl<'a> Source<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let lines: Vec<_> = text.lines().collect();
        let mut tokens = Vec::new();
        let (mut key, mut table) = (String::new(), 0);
        // The key of a list over several lines, whose items may be tables with keys of their own.
        let mut list: Option<String> = None;
        for (number, line) in lines.iter().enumerate() {
            if line.starts_with('[') {
                table = number;
                continue;
            }
            if line.starts_with(']') {
                list = None;
            }
            if let Some(list) = &list {
                key.clone_from(list);
            }
            let bytes = line.as_bytes();
            let mut at = 0;
            while at < bytes.len() && bytes[at] != b'#' {
                let begin = at;
                match bytes[at] {
                    b'"' => {
                        at = begin + 1 + line[begin + 1..].find('"').unwrap();
                        tokens.push(Token {
                            line: number,
                            at: begin + 1..at,
                            kind: Kind::Text,
                            key: key.clone(),
                            table,
                        });
                        at += 1;
                    }
                    byte if byte.is_ascii_alphanumeric() => {
                        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
                        at += bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                        let kind =
                            if line[at..].trim_start().starts_with('=') { Kind::Key } else { Kind::Bare };
                        if kind == Kind::Key {
                            line[begin..at].clone_into(&mut key);
                        }
                        tokens.push(Token { line: number, at: begin..at, kind, key: key.clone(), table });
                    }
                    _ => at += 1,
                }
            }
            if line.ends_with("= [") {
                list = Some(key.clone());
            }
        }
        Self { lines, tokens }
    }

    pub(super) fn is_comment(&self, line: usize) -> bool {
        self.lines[line].is_empty() || self.lines[line].starts_with('#')
    }

    pub(super) fn value(&self, token: &Token) -> &'a str {
        &self.lines[token.line][token.at.clone()]
    }

    /// The ids of the tables of that kind, such as those of `steps`.
    pub(super) fn ids(&self, kind: &str) -> impl Iterator<Item = &'a str> {
        let prefix = format!("[{kind}.");
        self.lines.iter().filter_map(move |line| line.strip_prefix(&prefix)?.strip_suffix(']'))
    }

    /// The name and value of each threshold.
    pub(super) fn thresholds(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let table = self.lines.iter().skip_while(|line| **line != "[thresholds]").skip(1);
        table.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "))
    }

    /// The line with something else in that place.
    pub(super) fn with(&self, line: usize, at: Range<usize>, other: &str) -> String {
        let text = self.lines[line];
        format!("{}{other}{}", &text[..at.start], &text[at.end..])
    }

    /// The whole text with other lines in the place of these; `None` deletes one.
    pub(super) fn replaced(&self, changes: &[(usize, Option<String>)]) -> String {
        let mut whole = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            match changes.iter().find(|(at, _)| *at == number) {
                Some((_, None)) => {}
                Some((_, Some(other))) => whole.extend([other, "\n"]),
                None => whole.extend([line, "\n"]),
            }
        }
        whole
    }
}
