//! What a page must be, judged without the code that wrote it.

use std::collections::HashMap;

/// Elements without an end tag.
const VOID: [&str; 2] = ["meta", "br"];

/// Every tag is closed in order, and no text holds a bare `<`.
pub(crate) fn is_well_formed(html: &str) -> Result<(), String> {
    let body = html.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let mut open: Vec<String> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        let (tag, after) = rest[at + 1..].split_once('>').ok_or("a tag without an end")?;
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if name.is_empty() {
            return Err(format!("a bare < before {tag:?}"));
        }
        if tag.starts_with('/') {
            if open.pop().as_deref() != Some(&*name) {
                return Err(format!("</{name}> closes nothing"));
            }
        } else if !VOID.contains(&&*name) && !tag.ends_with('/') {
            open.push(name.clone());
        }
        rest = after;
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style>").ok_or("a style without an end")?..];
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

/// Each row of a table has as many cells as its head.
pub(crate) fn has_whole_tables(markdown: &str) -> Result<(), String> {
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut head = None;
    for line in markdown.lines() {
        if !line.starts_with('|') {
            head = None;
            continue;
        }
        let count = cells(line);
        if *head.get_or_insert(count) != count {
            return Err(format!("{count} cells: {line}"));
        }
    }
    Ok(())
}

/// Markdown without the characters that a backslash makes plain.
pub(crate) fn without_escapes(markdown: &str) -> String {
    let mut chars = markdown.chars();
    let mut left = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else {
            left.push(c);
        }
    }
    left
}

/// As a text is in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The colours by name, of light and of dark.
pub(crate) fn schemes(html: &str) -> Vec<HashMap<String, String>> {
    let blocks = html.split(":root {").skip(1).take(2);
    let read = |block: &str| -> HashMap<String, String> {
        let inner = block.split_once('}').unwrap().0;
        let pairs = inner.split(';').filter_map(|pair| pair.trim().strip_prefix("--")?.split_once(": "));
        pairs.map(|(name, colour)| (name.to_owned(), colour.to_owned())).collect()
    };
    blocks.map(read).collect()
}

/// The colours of the labels.
pub(crate) fn tones(html: &str) -> Vec<String> {
    let places = html.split("--tone: ").skip(1);
    places.map(|place| place.split([';', ' ']).next().unwrap().to_owned()).collect()
}

/// The contrast of two colours, by WCAG 2.2.
pub(crate) fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let digits = colour.trim_start_matches('#');
        let wide: String = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => digits.to_owned(),
        };
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    };
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}
