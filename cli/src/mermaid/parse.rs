//! The parser of the declared subset. Each rule below is that of Mermaid's own lexer, or stricter.

mod arrow;
mod aside;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::label;
use super::{Edge, Fault, Flowchart, Mark, Node};

/// Words that Mermaid's lexer takes for its own, even as the first part of an id such as `end-of-day`.
const RESERVED: &[&str] = &[
    "_blank",
    "_parent",
    "_self",
    "_top",
    "call",
    "class",
    "classDef",
    "click",
    "default",
    "direction",
    "end",
    "flowchart",
    "graph",
    "href",
    "interpolate",
    "linkStyle",
    "style",
    "subgraph",
];

const DIRECTIONS: &[&str] = &["TB", "TD", "BT", "RL", "LR"];

/// The brackets of a node, the longer before the shorter: what opens them, and what may close them.
const BRACKETS: &[(&str, &[&str])] = &[
    ("(((", &[")))"]),
    ("([", &["])"]),
    ("((", &["))"]),
    ("[[", &["]]"]),
    ("[(", &[")]"]),
    ("[/", &["/]", "\\]"]),
    ("[\\", &["\\]", "/]"]),
    ("{{", &["}}"]),
    ("(", &[")"]),
    ("[", &["]"]),
    ("{", &["}"]),
    (">", &["]"]),
];

/// Whether the text in that range is a flowchart, and not a diagram of another kind; its kind where it is not.
pub(crate) fn kind(text: &str, range: Range<usize>) -> Result<(), String> {
    let mut parser = Parser::new(text, range);
    let Ok(()) = parser.preamble() else { return Ok(()) };
    let word: String =
        parser.rest().chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
    if word.starts_with("flowchart") || word == "graph" || word.is_empty() { Ok(()) } else { Err(word) }
}

/// The runbooks that the comments of a chart name, whether the chart can be read or not.
pub(crate) fn runbooks(text: &str, range: Range<usize>) -> Vec<&str> {
    let lines = text.get(range).unwrap_or_default().lines();
    let named = lines.filter_map(|line| line.trim().strip_prefix("%%")?.trim().strip_prefix("runbook:"));
    named.map(str::trim).collect()
}

/// Reads the chart in that range of a text.
pub(crate) fn parse(text: &str, range: Range<usize>) -> Result<Flowchart, Vec<Fault>> {
    let mut parser = Parser::new(text, range);
    match parser.header() {
        Ok(()) => parser.statements(),
        Err(fault) => parser.faults.push(fault),
    }
    parser.finish()
}

struct Parser<'t> {
    /// Up to the end of the chart; places are those of the whole text.
    text: &'t str,
    at: usize,
    chart: Flowchart,
    nodes: BTreeMap<&'t str, usize>,
    /// The subgraphs that are open, by their places.
    open: Vec<usize>,
    groups: BTreeSet<&'t str>,
    faults: Vec<Fault>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, range: Range<usize>) -> Self {
        Self {
            text: text.get(..range.end).unwrap_or(text),
            at: range.start,
            chart: Flowchart { at: range.start, ..Flowchart::default() },
            nodes: BTreeMap::new(),
            open: Vec::new(),
            groups: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<Flowchart, Vec<Fault>> {
        for at in &self.open {
            self.faults.push(Fault::new(
                *at..*at + 8,
                "this subgraph has no end",
                "write `end` on a line of its own",
            ));
        }
        for (id, node) in &self.nodes {
            if self.groups.contains(id) {
                let at = self.chart.nodes.get(*node).map_or(0, |node| node.at);
                self.faults.push(Fault::new(
                    at..at + id.len(),
                    format!("`{id}` is a subgraph and a node"),
                    "give them different ids; arrows of subgraphs are not read",
                ));
            }
        }
        for mark in &self.chart.marks {
            let Mark { node, at, .. } = mark;
            if !self.nodes.contains_key(node.as_str()) {
                let what = format!("this comment names the node `{node}`, and the chart has none of that id");
                self.faults.push(Fault::new(*at..*at + 2, what, "name a node by its id"));
            }
        }
        if self.faults.is_empty() { Ok(self.chart) } else { Err(self.faults) }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.rest().starts_with(text);
        if taken {
            self.at += text.len();
        }
        taken
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    }

    /// The rest of the line, without its end.
    fn line(&self) -> &'t str {
        self.rest().split('\n').next().unwrap_or_default()
    }

    fn fault<T>(&self, length: usize, what: impl Into<String>, remedy: &'static str) -> Result<T, Fault> {
        let end = (self.at + length).min(self.text.len());
        Err(Fault::new(self.at..end, what, remedy))
    }

    /// Blanks, line ends, `;`, comments and directives before a statement.
    fn between(&mut self, with_semicolons: bool) -> Result<(), Fault> {
        loop {
            let is_line_start =
                self.text.get(..self.at).is_none_or(|before| before.is_empty() || before.ends_with('\n'))
                    || self.at == self.chart.at;
            self.blanks();
            match self.peek() {
                Some('\n') => self.at += 1,
                Some(';') if with_semicolons => self.at += 1,
                Some('%') if self.rest().starts_with("%%{") && is_line_start => {
                    let Some(length) = self.rest().find("}%%") else {
                        return self.fault(3, "this directive has no end", "end it with `}%%`");
                    };
                    if !aside::is_directive(self.rest().get(3..length).unwrap_or_default()) {
                        return self.fault(
                            length + 3,
                            "this directive is not read",
                            "write `%%{init: {…}}%%`, or remove it",
                        );
                    }
                    self.at += length + 3;
                }
                Some('%') if self.rest().starts_with("%%") && is_line_start => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Fault> {
        let line = self.line();
        let at = self.at;
        let text = line.get(2..).unwrap_or_default().trim_end_matches('\r');
        if text.is_empty() {
            return self.fault(
                2,
                "Mermaid takes `%%` alone for a node",
                "write something behind it, or remove it",
            );
        }
        if line.get(1..).is_some_and(|rest| rest.contains("%%{")) {
            return self.fault(
                line.len(),
                "Mermaid takes this comment for a directive",
                "write it without `%%{`",
            );
        }
        self.at += line.len();
        let words = text.trim();
        if let Some(mark) = words.strip_prefix("step:") {
            let Some((node, steps)) = mapping(mark) else {
                return Err(Fault::new(
                    at..at + line.trim_end().len(),
                    "this comment maps no node to a step",
                    "write `%% step: NODE = STEP`, or several steps with commas, or `trigger` for what begins the chart",
                ));
            };
            self.chart.marks.push(Mark { node, steps, at });
        }
        Ok(())
    }

    /// What may come before the header.
    fn preamble(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        let begin = rest.len() - rest.trim_start().len();
        if let Some(inner) = rest.trim_start().strip_prefix("---")
            && inner.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
        {
            if begin > 0 {
                self.at += begin;
                return self.fault(
                    3,
                    "Mermaid takes front matter for one only at the very beginning",
                    "remove what is before it, blanks and line ends too",
                );
            }
            self.front_matter()?;
        }
        self.between(false)
    }

    fn header(&mut self) -> Result<(), Fault> {
        self.preamble()?;
        let word = self.word();
        if !matches!(word, "flowchart" | "graph")
            || self.rest().get(word.len()..).is_some_and(|rest| rest.starts_with('-'))
        {
            return self.fault(word.len().max(1), "this is no flowchart", "begin it with `flowchart TD`");
        }
        self.at += word.len();
        self.blanks();
        let direction = self.word();
        if DIRECTIONS.contains(&direction) {
            self.at += direction.len();
            if self.take(";") {
                return Ok(());
            }
        } else if !direction.is_empty() {
            return self.fault(
                direction.len(),
                "this is no direction",
                "write `TD`, `TB`, `BT`, `LR` or `RL`",
            );
        }
        self.blanks();
        if self.peek() == Some(';') {
            return self.fault(
                1,
                "Mermaid takes no `;` here",
                "write it right behind the direction, or a line end",
            );
        }
        self.end_of_statement()
    }

    fn statements(&mut self) {
        loop {
            let before = self.at;
            let read = self.between(true).and_then(|()| {
                if self.rest().is_empty() { Ok(false) } else { self.statement().map(|()| true) }
            });
            match read {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => {
                    // One fault for a line: what comes after it on the line is not understood.
                    self.at = self.at.max(fault.at.end.min(self.text.len())).max(before);
                    while !self.text.is_char_boundary(self.at) {
                        self.at += 1;
                    }
                    self.at += self.line().len();
                    self.faults.push(fault);
                }
            }
        }
    }

    /// The letters and signs at the place that may be a word of the language.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let length =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        rest.get(..length).unwrap_or_default()
    }

    fn statement(&mut self) -> Result<(), Fault> {
        let word = self.word();
        let after = self.rest().get(word.len()..).unwrap_or_default();
        let is_alone = after.chars().next().is_none_or(|c| c.is_whitespace() || c == ';');
        if word != "direction" || !is_alone {
            self.pitfalls()?;
        }
        match word {
            "style" | "classDef" | "class" | "linkStyle" | "click" if is_alone => self.skip_drawing(word)?,
            "accTitle" | "accDescr" if after.trim_start().starts_with(':') => self.at += self.line().len(),
            "accDescr" if after.trim_start().starts_with('{') => {
                return self.fault(
                    word.len(),
                    "a description of several lines is not read",
                    "write it as a comment",
                );
            }
            "subgraph" if is_alone => self.subgraph()?,
            "end" if is_alone => {
                if self.open.pop().is_none() {
                    return self.fault(3, "no subgraph is open here", "remove this `end`");
                }
                self.at += word.len();
                self.end_of_statement()?;
            }
            "direction" if is_alone => {
                self.at += word.len();
                self.blanks();
                let direction = self.word();
                if !DIRECTIONS.contains(&direction) {
                    return self.fault(
                        direction.len().max(1),
                        "this is no direction",
                        "write `TB`, `BT`, `LR` or `RL`",
                    );
                }
                self.at += direction.len();
                self.blanks();
                if self.peek() == Some(';') {
                    return self.fault(
                        1,
                        "Mermaid drops what is behind a direction",
                        "write a line end here",
                    );
                }
                self.end_of_statement()?;
            }
            _ => self.chain()?,
        }
        Ok(())
    }

    fn subgraph(&mut self) -> Result<(), Fault> {
        let begin = self.at;
        self.at += "subgraph".len();
        self.blanks();
        if matches!(self.peek(), None | Some('\n' | ';')) {
            return self.fault(1, "the title of the subgraph is expected here", "write it");
        }
        if self.peek() == Some('"') {
            self.quoted()?;
        } else {
            let mut words = 0;
            while self.word() != "" {
                let (_, id) = self.id()?;
                words += 1;
                self.blanks();
                if words == 1 {
                    self.groups.insert(id);
                    if self.peek() == Some('[') {
                        self.at += 1;
                        self.text_until(&["]"])?;
                        break;
                    }
                }
            }
        }
        self.open.push(begin);
        self.end_of_statement()
    }

    /// Nodes with arrows between them.
    fn chain(&mut self) -> Result<(), Fault> {
        let mut from = self.nodes_with_and()?;
        while let Some((label, at)) = self.link()? {
            let line = self.at;
            self.between(false)?;
            if self.text.get(line..self.at).is_some_and(|passed| passed.contains('\n')) {
                self.pitfalls()?;
            }
            let to = self.nodes_with_and()?;
            for from in &from {
                for to in &to {
                    self.chart.edges.push(Edge { from: *from, to: *to, label: label.clone(), at });
                }
            }
            from = to;
        }
        self.end_of_statement()
    }

    fn nodes_with_and(&mut self) -> Result<Vec<usize>, Fault> {
        let mut nodes = vec![self.node()?];
        loop {
            let before = self.at;
            self.blanks();
            if self.peek() != Some('&') {
                self.at = before;
                return Ok(nodes);
            }
            let is_apart = self.at > before;
            self.at += 1;
            if !is_apart || !self.rest().starts_with([' ', '\t']) {
                self.at -= 1;
                return self.fault(
                    1,
                    "Mermaid takes this `&` for a part of the id",
                    "write blanks around it",
                );
            }
            self.blanks();
            nodes.push(self.node()?);
        }
    }

    /// An id and its place.
    fn id(&mut self) -> Result<(usize, &'t str), Fault> {
        let (at, rest) = (self.at, self.rest());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut length = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((place, c)) = chars.next() {
            let joins =
                matches!(c, '-' | '.') && length > 0 && chars.peek().is_some_and(|(_, next)| is_word(*next));
            if !is_word(c) && !joins {
                break;
            }
            length = place + c.len_utf8();
        }
        let id = rest.get(..length).unwrap_or_default();
        if id.is_empty() {
            return self.fault(1, "a node is expected here", "write its id: letters, digits and `_`");
        }
        let first = id.split(['-', '.']).next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return self.fault(length, format!("`{first}` is a word of Mermaid"), "choose another id");
        }
        if id.starts_with(|c: char| c.is_ascii_digit()) && !id.chars().all(|c| c.is_ascii_digit()) {
            return self.fault(
                length,
                "an id that begins with a digit is not read",
                "begin it with a letter",
            );
        }
        let after = rest.get(length..).unwrap_or_default();
        if matches!(id, "x" | "o") && ["--", "==", "-."].iter().any(|link| after.starts_with(link)) {
            return self.fault(
                length,
                "Mermaid takes this letter for a head of the arrow",
                "write a blank behind it",
            );
        }
        self.at += length;
        Ok((at, id))
    }

    fn node(&mut self) -> Result<usize, Fault> {
        let (at, id) = self.id()?;
        let mut lines = None;
        for refused in ["(-", "[|"] {
            if self.rest().starts_with(refused) {
                return self.fault(2, "these brackets are not read", "write `[label]` or `(label)`");
            }
        }
        if let Some((open, close)) = BRACKETS.iter().find(|(open, _)| self.rest().starts_with(open)) {
            self.at += open.len();
            lines = Some(self.text_until(close)?);
        }
        if self.take(":::") {
            let rest = self.rest();
            let class = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_'));
            if class.len() == rest.len() {
                return self.fault(1, "the name of a class is expected here", "write it, or remove `:::`");
            }
            self.at += rest.len() - class.len();
        }
        let nodes = &mut self.chart.nodes;
        let position = *self.nodes.entry(id).or_insert_with(|| {
            nodes.push(Node { id: id.to_owned(), lines: vec![id.to_owned()], at });
            nodes.len() - 1
        });
        // The last label of a node counts, as in Mermaid.
        if let (Some(lines), Some(node)) = (lines, nodes.get_mut(position)) {
            node.lines = lines;
            node.at = at;
        }
        Ok(position)
    }

    /// A text in quotes, without them, and its place.
    fn quoted(&mut self) -> Result<(usize, &'t str), Fault> {
        let rest = self.rest();
        let Some(length) = rest.get(1..).and_then(|inner| inner.find('"')) else {
            return self.fault(1, "this quote is not closed", "end the label with `\"`");
        };
        let inner = rest.get(1..=length).unwrap_or_default();
        if inner.starts_with('`') {
            return self.fault(2, "Markdown in a label is not read", "remove the backticks");
        }
        if let Some(at) = inner.find("%%{") {
            let at = self.at + 1 + at;
            return Err(Fault::new(at..at + 3, "Mermaid takes this for a directive", "write `#37;` for `%`"));
        }
        let at = self.at + 1;
        self.at += length + 2;
        Ok((at, inner))
    }

    /// A text up to one of the ends, quoted or not.
    fn text_until(&mut self, ends: &[&str]) -> Result<Vec<String>, Fault> {
        let (at, raw) = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            let rest = self.rest();
            let length = rest.find(['[', ']', '(', ')', '{', '}', '|', '"', '@', '`']).unwrap_or(rest.len());
            let mut raw = rest.get(..length).unwrap_or_default();
            // Slanted brackets end with a slash, which is the first sign of their end.
            if let Some(slash) =
                ends.iter().find_map(|end| end.chars().next().filter(|c| matches!(c, '/' | '\\')))
                && raw.ends_with(['/', '\\'])
            {
                raw = raw.get(..raw.len() - slash.len_utf8()).unwrap_or_default();
            }
            if let Some(at) = raw.find("~~~") {
                self.at += at;
                return self.fault(
                    3,
                    "Mermaid takes `~~~` for a line, even in a label",
                    "put the label into quotes",
                );
            }
            let at = self.at;
            self.at += raw.len();
            (at, raw)
        };
        let lines = label::lines(raw, at)?;
        if ends.iter().any(|end| self.take(end)) {
            return Ok(lines);
        }
        self.fault(
            1,
            "the label should end here",
            "put a label with brackets, `|`, `@` or quotes into quotes",
        )
    }

    fn end_of_statement(&mut self) -> Result<(), Fault> {
        self.blanks();
        match self.peek() {
            None => Ok(()),
            Some('\n' | ';') => {
                self.at += 1;
                Ok(())
            }
            Some('@') => self.fault(1, "`@` is not read", "write the label in brackets"),
            Some('&') => self.fault(1, "this `&` has no node before it", "write blanks around it"),
            Some(other) => self.fault(
                other.len_utf8(),
                "this is not read here",
                "write one statement a line: nodes and arrows; `iot-runbook drift --help` lists what is read",
            ),
        }
    }
}

/// `NODE = STEP, STEP`.
pub(crate) fn mapping(text: &str) -> Option<(String, Vec<String>)> {
    let (node, steps) = text.split_once('=')?;
    let steps: Vec<String> = steps.split(',').map(|step| step.trim().to_owned()).collect();
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    let node = node.trim();
    (is_name(node) && steps.iter().all(|step| is_name(step))).then(|| (node.to_owned(), steps))
}

#[cfg(test)]
mod tests;
