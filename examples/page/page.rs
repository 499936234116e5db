//! Lines for a terminal: wrapped to its width, or left as they are in a pipe. The examples, the plant and the fleet share it.
#![allow(unreachable_pub, reason = "a module of libraries and of programs")]

use std::fmt::Display;
use std::io::{self, Write as _};

/// The narrowest that is wrapped to.
const NARROWEST: usize = 20;

/// Prints a line, as wide as the terminal. A reader that has seen enough, such as `head`, is no fault.
pub fn say(line: impl Display) {
    let line = line.to_string();
    let _ = writeln!(io::stdout(), "{}", columns().map_or(line.clone(), |width| wrapped(&line, width)));
}

/// How wide the terminal is; `None` where there is none, and `COLUMNS` is not set.
pub fn columns() -> Option<usize> {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    given.filter(|width| *width > 0).or_else(measured).map(|width| width.max(NARROWEST))
}

/// The text in lines of at most `width` characters. The further lines of a long one begin below its last column, or a
/// little further in than the first.
pub fn wrapped(text: &str, width: usize) -> String {
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let indent = line.chars().take_while(|c| *c == ' ').count().min(width / 4);
    let (words, column) = words(line.trim_start_matches(' '));
    // Columns that leave no room are not kept: two blanks still show where one ends.
    let column = column.filter(|column| indent + column <= width / 2);
    let hanging = indent + column.unwrap_or(2);
    let mut text = " ".repeat(indent);
    let (mut used, mut begins) = (indent, true);
    for (blanks, word) in words {
        let blanks = if column.is_none() { blanks.min(2) } else { blanks };
        let length = word.chars().count();
        if !begins && used + blanks + length > width {
            text.push('\n');
            text.push_str(&" ".repeat(hanging));
            used = hanging;
        } else if !begins {
            text.push_str(&" ".repeat(blanks));
            used += blanks;
        }
        for c in word.chars() {
            if used >= width {
                text.push('\n');
                text.push_str(&" ".repeat(hanging));
                used = hanging;
            }
            text.push(c);
            used += 1;
        }
        begins = false;
    }
    text
}

/// The words of a line, each with the blanks before it, and where its last column begins.
fn words(line: &str) -> (Vec<(usize, &str)>, Option<usize>) {
    let (mut words, mut column) = (Vec::new(), None);
    let (mut blanks, mut at) = (0, 0);
    for word in line.split(' ') {
        if word.is_empty() {
            blanks += 1;
        } else {
            if blanks > 1 {
                column = Some(at);
            }
            words.push((blanks, word));
            blanks = 1;
        }
        at += word.chars().count() + 1;
    }
    (words, column)
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_lines_break_at_blanks() {
        assert_eq!(wrapped("    short", 9), "    short");
        assert_eq!(wrapped("  > one two three four", 13), "  > one two\n    three\n    four");
        assert_eq!(wrapped("one\ntwo three", 8), "one\ntwo\n  three");
    }

    #[test]
    fn last_column_is_kept() {
        let line = "  --list     the faults, and combinations of them";
        assert_eq!(
            wrapped(line, 30),
            "  --list     the faults, and\n             combinations of\n             them"
        );
        let three = "  .uplink       cut     cuts its way to the platform";
        let kept = "  .uplink       cut     cuts its way to the\n                        platform";
        assert_eq!(wrapped(three, 48), kept);
        assert_eq!(wrapped(three, 40), "  .uplink  cut  cuts its way to the\n    platform");
        let wide = "a-name-that-is-long     what it is, in words";
        assert_eq!(wrapped(wide, 30), "a-name-that-is-long  what it\n  is, in words");
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let line = "a word-that-is-longer-than-any-line-of-this-page and  columns   that are not";
        for width in 20..40 {
            let page = wrapped(line, width);
            assert!(page.lines().all(|line| line.chars().count() <= width), "{page}");
            let letters = |text: &str| text.replace([' ', '\n'], "");
            assert_eq!(letters(&page), letters(line), "no letter is lost");
        }
    }
}
