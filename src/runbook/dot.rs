//! A runbook in the DOT language of [Graphviz](https://graphviz.org).

use std::fmt::Write as _;

use super::chart::{Chart, Shape};
use super::{Highlight, Runbook};

impl Runbook {
    /// The runbook in the DOT language of Graphviz: a box for each step, an arrow with the guard for each transition, a
    /// cluster for each group. What `highlight` has is drawn thick.
    ///
    /// Titles, ids and guards are escaped: whatever they contain is drawn as text.
    ///
    /// ```
    /// # #[cfg(feature = "toml")] {
    /// let runbook = iot_runbook::catalog::device_offline()?.validate()?;
    /// let chart = runbook.to_dot(None);
    /// assert!(chart.starts_with("digraph \"device-offline\" {\n"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_dot(&self, highlight: Option<&Highlight>) -> String {
        let chart = Chart::new(self, highlight.unwrap_or(&Highlight::default()));
        let mut text = format!("digraph \"{}\" {{\n", escape(self.name()));
        write(&mut text, &chart);
        text.push_str("}\n");
        text
    }
}

fn write(text: &mut String, chart: &Chart<'_>) {
    // Writing to a String cannot fail.
    for (number, (group, nodes)) in chart.groups().into_iter().enumerate() {
        if let Some(group) = group {
            let _ = writeln!(text, "subgraph cluster_{number} {{\nlabel=\"{}\"", escape(group));
        }
        for (at, node) in nodes.into_iter().filter_map(|at| Some((at, chart.nodes.get(at)?))) {
            let lines: Vec<String> = node.lines.iter().map(|line| escape(line)).collect();
            let (shape, width) = (shape(node.shape), thick(node.highlighted));
            let _ = writeln!(text, "s{at} [shape={shape}, label=\"{}\"{width}]", lines.join("\\n"));
        }
        if group.is_some() {
            text.push_str("}\n");
        }
    }
    for edge in &chart.edges {
        let (label, width) = (escape(&edge.label), thick(edge.highlighted));
        let _ = writeln!(text, "s{} -> s{} [label=\"{label}\"{width}]", edge.from, edge.to);
    }
}

const fn thick(highlighted: bool) -> &'static str {
    if highlighted { ", penwidth=4" } else { "" }
}

const fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Check => "hexagon",
        Shape::Wait => "parallelogram",
        Shape::Act => "box",
        Shape::Ask => "cds",
        Shape::Handover => "component",
        Shape::Conclusion => "oval",
        Shape::Unless => "note",
    }
}

/// The text for a quoted string. A backslash begins an escape of Graphviz, and `&` one of HTML; line ends are blanks
/// here, other control characters U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => escaped.push(' '),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
