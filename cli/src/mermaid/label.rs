//! The text of a label: line breaks, character codes, and what Mermaid would take for something else.

use super::Fault;

/// Character codes by name.
const NAMED: &[(&str, char)] =
    &[("amp", '&'), ("apos", '\''), ("gt", '>'), ("lt", '<'), ("nbsp", '\u{a0}'), ("quot", '"')];

/// The lines of a label that is at `at` in the text.
pub(super) fn lines(raw: &str, at: usize) -> Result<Vec<String>, Fault> {
    let mut lines = vec![String::new()];
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let here = at + (raw.len() - rest.len());
        let mut taken = c.len_utf8();
        let mut put = Some(c);
        match c {
            '<' => {
                if let Some(length) = line_break(rest) {
                    lines.push(String::new());
                    (taken, put) = (length, None);
                } else if rest.get(1..).is_some_and(begins_tag) {
                    return Err(Fault::new(
                        here..here + 1,
                        "HTML in a label is not read",
                        "write `#lt;` for the sign, or remove the tag",
                    ));
                }
            }
            // Mermaid breaks a line at these two signs too.
            '\\' if rest.starts_with("\\n") => {
                lines.push(String::new());
                (taken, put) = (2, None);
            }
            '\n' | '\r' => {
                lines.push(String::new());
                put = None;
                if rest.get(1..).is_some_and(|more| more.trim_start().starts_with("%%")) {
                    return Err(Fault::new(
                        here..here + 1,
                        "a line of a label begins with `%%`, which Mermaid takes for a comment",
                        "write `#37;` for `%`",
                    ));
                }
            }
            '#' => {
                if let Some(code) = code(rest) {
                    put = Some(decoded(code).ok_or_else(|| {
                        Fault::new(
                            here..here + code.len() + 2,
                            format!("`#{code};` is no character code that is read"),
                            "write the character itself, or its decimal code such as `#35;`",
                        )
                    })?);
                    taken = code.len() + 2;
                }
            }
            '&' => {
                let name = rest.get(1..).and_then(|more| more.split_once(';')).map(|(name, _)| name);
                let named = NAMED.iter().find(|(known, _)| name == Some(known));
                if let Some((name, named)) = named {
                    put = Some(*named);
                    taken = name.len() + 2;
                } else if begins_entity(rest) {
                    return Err(Fault::new(
                        here..here + 1,
                        "`&` before letters may begin a character code of HTML",
                        "write `#38;` for `&`",
                    ));
                }
            }
            _ => {}
        }
        if let (Some(put), Some(line)) = (put, lines.last_mut()) {
            line.push(put);
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    let mut lines: Vec<String> = lines.iter().map(|line| spaced(line)).collect();
    lines.retain(|line| !line.is_empty());
    if lines.is_empty() {
        return Err(Fault::new(at..at + raw.len(), "the label is empty", "write a text, or no label"));
    }
    Ok(lines)
}

/// The text with one blank between its words.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long the tag `<br>` is, with a slash or without, where the text begins with one.
fn line_break(text: &str) -> Option<usize> {
    let (tag, _) = text.split_once('>')?;
    let name = tag.strip_prefix('<')?.trim_end();
    let name = name.strip_suffix('/').unwrap_or(name).trim_end();
    name.eq_ignore_ascii_case("br").then_some(tag.len() + 1)
}

fn begins_tag(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
}

/// What stands between `#` and `;` where the text begins with a code.
fn code(text: &str) -> Option<&str> {
    let (code, _) = text.strip_prefix('#')?.split_once(';')?;
    let is_code = !code.is_empty() && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_code.then_some(code)
}

fn decoded(code: &str) -> Option<char> {
    if let Some((_, named)) = NAMED.iter().find(|(name, _)| *name == code) {
        return Some(*named);
    }
    let is_number = code.chars().all(|c| c.is_ascii_digit());
    let number = code.parse::<u32>().ok().filter(|_| is_number)?;
    // Browsers read the codes of control characters as those of Windows.
    char::from_u32(number).filter(|c| !c.is_control() && number != 0)
}

/// Whether HTML may read `&` and what follows as a character, even without a semicolon. One letter is none: `R&D`.
fn begins_entity(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some(first), Some(second)) => {
            first.is_ascii_alphabetic() && (second.is_ascii_alphanumeric() || second == ';')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_read_line_by_line() {
        for (raw, read) in [
            ("Check  last seen<br/>timestamp", vec!["Check last seen", "timestamp"]),
            ("a<BR>b<br />c\\nd\ne", vec!["a", "b", "c", "d", "e"]),
            ("#35;1 #quot;x#quot; a &amp; b", vec!["#1 \"x\" a & b"]),
            ("R&D, lag < 5 min, # 3;", vec!["R&D, lag < 5 min, # 3;"]),
        ] {
            assert_eq!(lines(raw, 0).unwrap(), read, "{raw}");
        }
    }

    #[test]
    fn what_a_browser_reads_otherwise_is_a_fault() {
        for (raw, at) in [
            ("a <b>c</b>", 2..3),
            ("&copy 2026", 0..1),
            ("x #x41;", 2..7),
            ("#130;", 0..5),
            ("a\n %% b", 1..2),
            (" <br/> ", 7..14),
        ] {
            let from = if raw.trim() == "<br/>" { 7 } else { 0 };
            assert_eq!(lines(raw, from).unwrap_err().at, at, "{raw}");
        }
    }
}
