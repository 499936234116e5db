//! Flowcharts of Mermaid, as a document holds them: the declared subset, each node and arrow with its place.
//!
//! What is outside the subset is a fault with its place, never dropped: a comparison with half of a chart would be
//! believed. Inside it the reading is that of Mermaid itself; `.ci/mermaid-oracle` compares the two.

mod label;
mod markdown;
mod parse;

use std::ops::Range;

pub(crate) use markdown::charts;
pub(crate) use parse::{kind, mapping, parse, runbooks};

/// The subset, for `--help`.
pub(crate) const SUBSET: &str = "\
Read of a chart: `flowchart` or `graph` with a direction; nodes `id`, `id[label]` and the other brackets, labels quoted \
or not, with `<br/>` and codes such as `#35;`; arrows `-->`, `-.->` and `==>` of any length, with `|label|` or \
`-- label -->`; chains, `&`, `;`, subgraphs, comments. Read and left aside, since it draws only: direction, title, \
class, `style`, classDef and linkStyle with `property:value` pairs, click with an address or `call name()`, front matter of \
lines `key: value`, the directives `init` and `wrap`. All else is a fault with its line: lines without a head or with \
other heads, edges to subgraphs, `@{…}`, HTML other than `<br/>`, Markdown in labels, ids beyond letters, digits, `_`, and \
`-` or `.` inside.";

/// A flowchart, with its places in the text that it was read from.
#[derive(Debug, Default)]
pub(crate) struct Flowchart {
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) marks: Vec<Mark>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// The lines of its label; that of a node without one is its id.
    pub(crate) lines: Vec<String>,
    pub(crate) at: usize,
}

/// An arrow between two nodes, by their positions.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Empty where it has none.
    pub(crate) label: String,
    pub(crate) at: usize,
}

/// The comment `%% step: NODE = STEP, STEP`: which steps a node describes.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) node: String,
    pub(crate) steps: Vec<String>,
    pub(crate) at: usize,
}

/// What cannot be read, where, and what to write instead.
#[derive(Debug)]
pub(crate) struct Fault {
    /// In bytes.
    pub(crate) at: Range<usize>,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl Fault {
    fn new(at: Range<usize>, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { at, what: what.into(), remedy }
    }
}
