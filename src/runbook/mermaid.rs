//! A runbook as a [Mermaid](https://mermaid.js.org) flowchart.

use std::fmt::Write as _;

use super::chart::{Chart, Shape};
use super::{Highlight, Runbook};

impl Runbook {
    /// The runbook as a Mermaid flowchart: a box for each step, an arrow with the guard for each transition, a subgraph
    /// for each group. What `highlight` has is drawn thick.
    ///
    /// Titles, ids and guards are escaped: whatever they contain is drawn as text. Mermaid draws up to 500 arrows and
    /// 50 000 characters unless its `maxEdges` and `maxTextSize` are raised.
    ///
    /// ```
    /// # #[cfg(feature = "toml")] {
    /// let runbook = iot_runbook::catalog::device_offline()?.validate()?;
    /// let chart = runbook.to_mermaid(None);
    /// assert!(chart.starts_with("flowchart TD\n"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_mermaid(&self, highlight: Option<&Highlight>) -> String {
        let chart = Chart::new(self, highlight.unwrap_or(&Highlight::default()));
        let mut text = "flowchart TD\n".to_owned();
        write(&mut text, &chart);
        text
    }
}

fn write(text: &mut String, chart: &Chart<'_>) {
    // Writing to a String cannot fail.
    for (number, (group, nodes)) in chart.groups().into_iter().enumerate() {
        if let Some(group) = group {
            let _ = writeln!(text, "subgraph g{number}[\"{}\"]", escape(group));
        }
        for (at, node) in nodes.into_iter().filter_map(|at| Some((at, chart.nodes.get(at)?))) {
            let (open, close) = brackets(node.shape);
            let lines: Vec<String> = node.lines.iter().map(|line| escape(line)).collect();
            let _ = writeln!(text, "s{at}{open}\"{}\"{close}", lines.join("<br/>"));
        }
        if group.is_some() {
            text.push_str("end\n");
        }
    }
    for edge in &chart.edges {
        let _ = writeln!(text, "s{} -->|\"{}\"| s{}", edge.from, escape(&edge.label), edge.to);
    }
    let numbers = |of: &mut dyn Iterator<Item = bool>| {
        let numbers = of.enumerate().filter(|(_, highlighted)| *highlighted);
        numbers.map(|(at, _)| at.to_string()).collect::<Vec<_>>()
    };
    let nodes = numbers(&mut chart.nodes.iter().map(|node| node.highlighted));
    if !nodes.is_empty() {
        let _ = writeln!(text, "classDef taken stroke-width:4px\nclass s{} taken", nodes.join(",s"));
    }
    let edges = numbers(&mut chart.edges.iter().map(|edge| edge.highlighted));
    if !edges.is_empty() {
        let _ = writeln!(text, "linkStyle {} stroke-width:4px", edges.join(","));
    }
}

const fn brackets(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Check => ("{{", "}}"),
        Shape::Wait => ("[/", "/]"),
        Shape::Act => ("[", "]"),
        Shape::Ask => (">", "]"),
        Shape::Handover => ("[[", "]]"),
        Shape::Conclusion => ("([", "])"),
        Shape::Unless => ("(", ")"),
    }
}

/// The text for a quoted label. Letters, digits and blanks stay; `-`, `.` and `_` stay inside a word; anything else
/// becomes a character code, since Mermaid gives a meaning to quotes, `#`, `;`, `%%{`, backticks, lists and tags, and its
/// preprocessor looks for `style…:` even in labels. Line ends of any kind are blanks here, control characters U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_word = false;
    while let Some(c) = chars.next() {
        let word = c.is_alphanumeric();
        let joins =
            in_word && matches!(c, '-' | '.' | '_') && chars.peek().is_some_and(|c| c.is_alphanumeric());
        match c {
            _ if word || joins => escaped.push(c),
            // Mermaid takes `direction TD` for a direction even inside of a label, and drops the rest of the line.
            ' ' | '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' if escaped.ends_with("direction") => {
                escaped.push_str("#32;");
            }
            ' ' | ',' => escaped.push(c),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => escaped.push(' '),
            _ => {
                let code = if c.is_control() { '\u{fffd}' } else { c };
                let _ = write!(escaped, "#{};", u32::from(code));
            }
        }
        in_word = word;
    }
    escaped
}
