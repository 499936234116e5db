//! What every SVG needs: texts that cannot break it, and numbers that are short.

use std::fmt;

/// A text as it may stand in XML, between tags and in attributes. Control characters, which XML cannot hold, become
/// a replacement character.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A text cut into lines of at most `width` columns, at blanks where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_whitespace() {
            let blank = usize::from(used > 0);
            if used > 0 && used + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            } else if blank > 0 {
                line.push(' ');
                used += 1;
            }
            for c in word.chars() {
                if used > 0 && used + wide(c) > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += wide(c);
            }
        }
        lines.push(line);
    }
    lines
}

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(wide).sum()
}

/// How many columns a character takes: those of East Asian scripts and pictographs are twice as wide as letters.
const fn wide(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_element() {
        let escaped = Escaped("a<b>&\"'\u{1}\n\u{ffff}µ").to_string();
        assert_eq!(escaped, "a&lt;b&gt;&amp;&quot;&#39;\u{fffd} \u{fffd}µ");
    }

    #[test]
    fn lines_break_at_blanks_if_any() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one\ntwo  three", 20), ["one", "two three"]);
        assert_eq!(wrapped("µµµµµ ab", 2), ["µµ", "µµ", "µ", "ab"]);
        assert_eq!(wrapped("", 5), [""; 0]);
        assert_eq!(wrapped("温度 温度計", 4), ["温度", "温度", "計"]);
    }
}
