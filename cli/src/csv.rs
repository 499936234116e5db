//! Rows of text in columns, as databases and spreadsheets write them.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::input::Text;
use crate::names;
use crate::words::counted;

/// The rows of a text, each with its line.
pub(crate) struct Rows<'t> {
    text: &'t Text,
    separator: char,
    /// The name of each column; empty without a head.
    heads: Vec<String>,
    /// The position of each column that was asked for.
    columns: Vec<Option<usize>>,
    /// Columns with the value that a row must have there, or it is left out.
    only: Vec<(usize, String)>,
    has_head: bool,
}

/// The columns that say whose row it is.
const OWNERS: [&str; 10] = [
    "device",
    "device_id",
    "tag",
    "tag_id",
    "sensor",
    "series",
    "asset",
    "group",
    "group_id",
    "consumer_group",
];

/// A column: the names that its head may have.
pub(crate) struct Column {
    pub(crate) names: &'static [&'static str],
    pub(crate) is_needed: bool,
}

impl<'t> Rows<'t> {
    /// Finds the columns by the head of the text. A text whose first row is data has the columns in the order in which
    /// they are asked for.
    pub(crate) fn new(
        text: &'t Text,
        columns: &[Column],
        is_data: impl Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let first = text.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let separator = [',', ';', '\t'].into_iter().max_by_key(|separator| {
            // Of those that are there as often as none, the comma.
            (first.matches(*separator).count(), *separator == ',')
        });
        let separator = separator.unwrap_or(',');
        let mut heads = fields(first, separator);
        let has_head = !heads.iter().any(|field| is_data(field));
        let mut found = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let position = if has_head {
                heads.iter().position(|head| column.names.contains(&&*plain(head)))
            } else {
                Some(at).filter(|at| *at < heads.len())
            };
            if position.is_none() && column.is_needed {
                let name = column.names.first().copied().unwrap_or_default();
                let there: Vec<String> = heads.iter().take(20).map(|head| format!("`{head}`")).collect();
                let reason = format!(
                    "there is no column `{name}`; the columns are {}: rename the one that is meant",
                    there.join(", ")
                );
                return Err(Failure::Format { name: text.name.clone(), reason });
            }
            found.push(position);
        }
        for head in &mut heads {
            *head = if has_head { plain(head) } else { String::new() };
        }
        Ok(Self { text, separator, heads, columns: found, only: Vec::new(), has_head })
    }

    /// Leaves out the rows that have another value in a column.
    pub(crate) fn only(mut self, wanted: &[(String, String)]) -> Result<Self, Failure> {
        for (column, value) in wanted {
            let Some(at) = self.heads.iter().position(|head| *head == plain(column)) else {
                let meant = names::meant(&plain(column), self.heads.iter().map(String::as_str));
                let reason = format!("there is no column `{column}`{meant}; name one that is there");
                return Err(Failure::Format { name: self.text.name.clone(), reason });
            };
            self.only.push((at, value.clone()));
        }
        Ok(self)
    }

    /// Refuses a text with the rows of several devices, tags or groups: together they would look like one that lacks nothing.
    pub(crate) fn of_one(self) -> Result<Self, Failure> {
        for (at, head) in self.heads.iter().enumerate().filter(|(_, head)| OWNERS.contains(&head.as_str())) {
            let mut owners = BTreeSet::new();
            for (_, line) in self.lines() {
                owners.extend(fields(line, self.separator).get(at).cloned());
                if owners.len() > SHOWN {
                    break;
                }
            }
            if let (Some(first), 2..) = (owners.first(), owners.len()) {
                let more = if owners.len() > SHOWN { ", …" } else { "" };
                let shown: Vec<&str> = owners.iter().take(SHOWN).map(String::as_str).collect();
                let reason = format!(
                    "it has rows of several ({head} {}{more}); choose one with `--only {head}={first}`",
                    shown.join(", ")
                );
                return Err(Failure::Format { name: self.text.name.clone(), reason });
            }
        }
        Ok(self)
    }

    /// The lines of the rows that are not left out, each with its number.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.text.lines()).filter(|(_, line)| !line.trim().is_empty());
        lines.skip(usize::from(self.has_head)).filter(|(_, line)| {
            let fields = if self.only.is_empty() { Vec::new() } else { fields(line, self.separator) };
            self.only.iter().all(|(at, value)| fields.get(*at) == Some(value))
        })
    }

    /// Each row: its line, from one, and the text of each column that was asked for; empty where the text has no such
    /// column. A row that ends before one of them is an error that says so.
    pub(crate) fn each(&self) -> impl Iterator<Item = (usize, Result<Vec<String>, String>)> {
        self.lines().map(|(number, line)| {
            let fields = fields(line, self.separator);
            let of = |at: &Option<usize>| match at {
                None => Ok(String::new()),
                Some(at) => fields.get(*at).cloned().ok_or_else(|| {
                    format!("it ends after {}; give every column", counted(fields.len(), "column"))
                }),
            };
            (number, self.columns.iter().map(of).collect())
        })
    }
}

/// So many owners are named.
const SHOWN: usize = 3;

/// A head as it is compared: in small letters, with `_` between words.
fn plain(head: &str) -> String {
    head.to_ascii_lowercase().replace([' ', '-'], "_")
}

/// The fields of a line. One in quotes may hold the separator, and a quote as two.
fn fields(line: &str, separator: char) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            letter if letter == separator && !quoted => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
            }
            letter => field.push(letter),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_field_keeps_its_separator() {
        assert_eq!(fields("a, \"b, \"\"c\"\"\" ,,d", ','), ["a", "b, \"c\"", "", "d"]);
        assert_eq!(fields("", ','), [""]);
    }

    fn read(text: &str) -> Vec<(usize, Result<Vec<String>, String>)> {
        const COLUMNS: [Column; 2] =
            [Column { names: &["b"], is_needed: true }, Column { names: &["a"], is_needed: false }];
        let text = Text { name: "x".to_owned(), text: text.to_owned(), is_json: false };
        Rows::new(&text, &COLUMNS, |field| field.parse::<u32>().is_ok()).unwrap().each().collect()
    }

    #[test]
    fn columns_are_found_by_head_or_by_order() {
        let row = |line, one: &str, other: &str| (line, Ok(vec![one.to_owned(), other.to_owned()]));
        assert_eq!(read("A;B\n\n1;2\n3;\n"), [row(3, "2", "1"), row(4, "", "3")]);
        assert_eq!(read("1\t2\n3\t4"), [row(1, "1", "2"), row(2, "3", "4")]);
        assert_eq!(read("b\n5"), [row(2, "5", "")]);
    }

    #[test]
    fn row_that_was_cut_off_is_an_error() {
        let rows = read("a,b\n1,2\n3");
        assert_eq!(rows[1], (3, Err("it ends after 1 column; give every column".to_owned())));
    }
}
