//! A table in columns, or, where the page is too narrow for one, a block for each row.

use unicode_width::UnicodeWidthStr as _;

use crate::page::{Page, plain, wrap};

pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const BETWEEN: usize = 2;
/// The last column is wrapped, but not to less than this, nor within a name that is no longer than that.
const NARROWEST: usize = 16;
const LONG_NAME: usize = 24;

impl Table {
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    pub(crate) fn write(&self, page: &mut Page) {
        let is_used = |column: &usize| {
            self.rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()))
        };
        let used: Vec<usize> = (0..self.heads.len()).filter(is_used).collect();
        let heads: Vec<String> =
            used.iter().filter_map(|at| self.heads.get(*at)).map(|head| head.to_uppercase()).collect();
        let pick = |row: &Vec<String>| used.iter().filter_map(|at| row.get(*at).cloned()).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(self.rows.iter().map(pick)).collect();
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let widths: Vec<usize> = (0..used.len()).map(|column| width(column).unwrap_or_default()).collect();
        let Some((last, before)) = widths.split_last() else { return };
        let taken: usize = before.iter().map(|width| width + BETWEEN).sum();
        let room = page.terminal().width.saturating_sub(taken);
        let words = rows.iter().filter_map(|row| row.last()).flat_map(|cell| cell.split_whitespace());
        let longest = words.map(|word| word.width()).filter(|width| *width <= LONG_NAME).max();
        if room < longest.unwrap_or_default().max(NARROWEST).min(*last) {
            return self.blocks(page);
        }
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(before) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + BETWEEN));
            }
            let lines = wrap(row.last().map_or("", String::as_str), room, 0, 0);
            for (number, text) in lines.iter().enumerate() {
                let head = if number == 0 { line.clone() } else { " ".repeat(taken) };
                page.raw(format!("{head}{text}").trim_end());
            }
        }
    }

    fn blocks(&self, page: &mut Page) {
        for row in &self.rows {
            page.gap();
            for (number, (head, cell)) in self.heads.iter().zip(row).enumerate() {
                match number {
                    0 => page.item("", cell),
                    _ if cell.is_empty() => {}
                    _ => page.item("  ", &format!("{head}: {cell}")),
                }
            }
        }
    }
}
