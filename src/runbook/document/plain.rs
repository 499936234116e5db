//! Reads plain TOML in one pass over the parser's events, straight into the value tree.
//!
//! Plain is what runbooks are written in: tables under headers of one to three keys, inline tables, lists and
//! values, each key once. Whatever is not plain (dotted keys, arrays of tables, dates, a table that comes back
//! later, any fault at all) is left to the `toml` crate, which knows every rule and says what is wrong. So this
//! reader decides nothing: it has the tree that the crate would give, or none.

use std::borrow::Cow;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{EventReceiver, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span};

use super::tree::{At, DEPTH, Entry, Node, Table, Tree, known, whole_number};

/// As many levels lie above the values of a section at the most.
const HEADER: usize = 3;

/// As many parents are searched for the one that a header names.
const MOST_PARENTS: usize = 64;

/// The tree of a plain document; none where it is not plain.
pub(super) fn read(text: &str) -> Option<Table> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut reader = Reader {
        source,
        is_plain: true,
        entries: Vec::new(),
        nodes: Vec::new(),
        parents: Vec::new(),
        section: None,
        part: None,
        header: None,
        key: None,
        open: Vec::new(),
    };
    let mut is_faulty = false;
    let mut faults = |_: ParseError| is_faulty = true;
    parse_document(&tokens, &mut ValidateWhitespace::new(&mut reader, source), &mut faults);
    if is_faulty { None } else { reader.finish() }
}

struct Reader<'s> {
    source: Source<'s>,
    is_plain: bool,
    /// The entries of the tables that are not closed yet, the innermost last, and the same of lists: so each is
    /// allocated once, in its size.
    entries: Vec<Entry>,
    nodes: Vec<Node>,
    /// The first keys of headers of more than one.
    parents: Vec<Parent>,
    /// The table under the present header of one or two keys, and a part of it under one of three.
    section: Option<Section>,
    part: Option<Open>,
    header: Option<Header>,
    key: Option<Key>,
    /// Inline tables and lists that are not closed yet, the innermost last.
    open: Vec<Container>,
}

type Key = (Cow<'static, str>, At);

struct Parent {
    key: Key,
    entries: Vec<Entry>,
}

struct Section {
    /// None for a table of the root.
    parent: Option<usize>,
    table: Open,
}

/// A table under a header that is being read; its entries begin at `begin`.
struct Open {
    key: Key,
    at: At,
    begin: usize,
}

struct Header {
    at: At,
    keys: Vec<Key>,
}

struct Container {
    at: At,
    /// Under which key it goes; none within a list.
    key: Option<Key>,
    kind: Kind,
}

/// A table or a list, and where its entries or nodes begin.
enum Kind {
    Table(usize),
    List(usize),
}

impl Reader<'_> {
    fn give_up(&mut self) {
        self.is_plain = false;
    }

    /// The table whose entries begin there, in the order of its keys, which must each stand once.
    fn table(&mut self, begin: usize) -> Tree {
        let entries = self.entries.drain(begin.min(self.entries.len())..).collect();
        self.sorted(entries)
    }

    fn sorted(&mut self, entries: Box<[Entry]>) -> Tree {
        let table = Table::new(entries);
        let repeats = table.entries().windows(2).any(|pair| matches!(pair, [a, b] if a.key == b.key));
        self.is_plain &= !repeats;
        Tree::Table(table)
    }

    fn opened(&self, key: Key, at: At) -> Open {
        Open { key, at, begin: self.entries.len() }
    }

    fn close(&mut self, Open { key: (key, place), at, begin }: Open) -> Entry {
        let tree = self.table(begin);
        Entry { key, at: place, node: Node { at, tree } }
    }

    fn close_part(&mut self) {
        if let Some(part) = self.part.take() {
            let entry = self.close(part);
            self.entries.push(entry);
        }
    }

    fn close_section(&mut self) {
        self.close_part();
        let Some(Section { parent, table }) = self.section.take() else { return };
        let entry = self.close(table);
        match parent {
            None => self.entries.push(entry),
            Some(at) => match self.parents.get_mut(at) {
                Some(parent) => parent.entries.push(entry),
                None => self.give_up(),
            },
        }
    }

    fn open_section(&mut self, Header { at, keys }: Header) {
        let mut keys = keys.into_iter();
        match (keys.next(), keys.next(), keys.next(), keys.next()) {
            (Some(key), None, None, None) => {
                self.close_section();
                self.section = Some(Section { parent: None, table: self.opened(key, at) });
            }
            (Some(first), Some(key), None, None) => {
                self.close_section();
                let parent = Some(self.parent(first));
                self.section = Some(Section { parent, table: self.opened(key, at) });
            }
            (Some((first, _)), Some((second, _)), Some(key), None) if self.is_in(&first, &second) => {
                self.close_part();
                self.part = Some(self.opened(key, at));
            }
            _ => self.give_up(),
        }
    }

    /// Whether the present section is the table `second` of the table `first`.
    fn is_in(&self, first: &str, second: &str) -> bool {
        self.section.as_ref().is_some_and(|section| {
            let parent = section.parent.and_then(|at| self.parents.get(at));
            section.table.key.0 == second && parent.is_some_and(|parent| parent.key.0 == first)
        })
    }

    /// The position of the parent of that name.
    fn parent(&mut self, key: Key) -> usize {
        if let Some(at) = self.parents.iter().position(|parent| parent.key.0 == key.0) {
            return at;
        }
        self.is_plain &= self.parents.len() < MOST_PARENTS;
        self.parents.push(Parent { key, entries: Vec::new() });
        self.parents.len() - 1
    }

    /// A value is whole: it goes where one is awaited.
    fn put(&mut self, key: Option<Key>, node: Node) {
        let is_in_list = matches!(self.open.last(), Some(Container { kind: Kind::List(_), .. }));
        match key {
            _ if is_in_list => self.nodes.push(node),
            Some((key, at)) => self.entries.push(Entry { key, at, node }),
            None => self.give_up(),
        }
    }

    fn enter(&mut self, span: Span, kind: Kind) -> bool {
        if !self.is_plain || self.open.len() + HEADER + 1 >= DEPTH {
            self.give_up();
            return false;
        }
        let key = self.key.take();
        self.open.push(Container { at: place(span), key, kind });
        true
    }

    fn leave(&mut self) {
        let Some(Container { at, key, kind }) = self.open.pop() else {
            self.give_up();
            return;
        };
        let tree = match kind {
            Kind::Table(begin) => self.table(begin),
            Kind::List(begin) => Tree::List(self.nodes.drain(begin.min(self.nodes.len())..).collect()),
        };
        self.put(key, Node { at, tree });
    }

    fn finish(mut self) -> Option<Table> {
        self.close_section();
        for Parent { key: (key, at), entries } in std::mem::take(&mut self.parents) {
            let tree = self.sorted(entries.into());
            self.entries.push(Entry { key, at, node: Node { at, tree } });
        }
        match self.table(0) {
            Tree::Table(table) if self.is_plain => Some(table),
            _ => None,
        }
    }
}

impl EventReceiver for Reader<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.header = Some(Header { at: place(span), keys: Vec::with_capacity(HEADER) });
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        match self.header.take() {
            Some(header) if self.is_plain => self.open_section(header),
            _ => self.give_up(),
        }
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.give_up();
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.enter(span, Kind::Table(self.entries.len()))
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.leave();
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.enter(span, Kind::List(self.nodes.len()))
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.leave();
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, faults: &mut dyn ErrorSink) {
        let Some(raw) = self.source.get(span).filter(|_| self.is_plain) else { return };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, span);
        let mut text = Cow::Borrowed("");
        raw.decode_key(&mut text, faults);
        let key = (known(&text), place(span));
        match &mut self.header {
            Some(header) => header.keys.push(key),
            None => self.key = Some(key),
        }
    }

    fn key_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        // A dotted key, unless it is a header's.
        self.is_plain &= self.header.is_some();
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, faults: &mut dyn ErrorSink) {
        let Some(raw) = self.source.get(span).filter(|_| self.is_plain) else { return };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, span);
        let mut text = Cow::Borrowed("");
        let tree = match raw.decode_scalar(&mut text, faults) {
            ScalarKind::String => Tree::Text(text.into()),
            ScalarKind::Boolean(flag) => Tree::Flag(flag),
            ScalarKind::Integer(radix) => whole_number(i128::from_str_radix(&text, radix.value()).ok()),
            ScalarKind::Float => Tree::Number(text.parse().unwrap_or(f64::NAN)),
            ScalarKind::DateTime => return self.give_up(),
        };
        let key = self.key.take();
        self.put(key, Node { at: place(span), tree });
    }

    fn error(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.give_up();
    }
}

fn place(span: Span) -> At {
    At::try_from(span.start()).unwrap_or(super::NOWHERE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::*;

    const CATALOG: [&str; 3] = [
        include_str!("../../catalog/device-offline.toml"),
        include_str!("../../catalog/data-gap.toml"),
        include_str!("../../catalog/certificate-expiry.toml"),
    ];

    /// What the `toml` crate makes of it, where it takes it at all.
    fn by_the_crate(text: &str) -> Option<Table> {
        Table::of_toml(DeTable::parse(text).ok()?.get_ref()).ok()
    }

    #[test]
    fn the_catalog_is_plain_and_read_as_the_crate_reads_it() {
        for text in CATALOG {
            assert!(read(text).is_some());
            assert_eq!(read(text), by_the_crate(text));
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_crate() {
        for text in [
            "a.b = 1",
            "[[a]]",
            "a = 1\na = 2",
            "a = {b = 1, b = 2}",
            "a = {b.c = 1}",
            "[a]\n[a]",
            "[a]\n[a.b]",
            "[a.b]\n[a]",
            "[a.b]\n[a.b]",
            "[a.b]\n[c]\n[a.b.d]",
            "[a.b]\n[a.c]\n[a.b.d]",
            "[a.b]\n[a.b.c]\n[a.b.c]",
            "[a.b]\nc = 1\n[a.b.c]",
            "[a]\n[b.a.c]",
            "[a.b.c.d]",
            "a = 1\n[a.b]",
            "a = {}\n[a.b]",
            "a = 2026-01-01",
            "a =",
            "a = \"\u{1}\"",
            "# \u{1}",
            "[a",
            "\"\"\"a\"\"\" = 1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for depth in [1, 5, DEPTH, 10 * DEPTH, 100_000] {
            let text = format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(read(&text).is_some(), depth <= 5 || depth + HEADER < DEPTH, "{depth}");
        }
    }

    /// Pieces of which documents are made that hit every rule: the same few keys come again and again.
    fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(
            prop::sample::select(vec![
                "[a]\n",
                "[b]\n",
                "[a.b]\n",
                "[a.c]\n",
                "[a.b.c]\n",
                "[b.a.c]\n",
                "[\"a\".'b']\n",
                "[[a]]\n",
                "a = 1\n",
                "b = \"x\\n\"\n",
                "c = '''y\nz'''\n",
                "\"d\" = [1, {a = 2, b = [], }, -0x1]\n",
                "e.f = 1\n",
                "g = {a = {b = true}, c = 1e400}\n",
                "h = [\n1, # one\n]\n",
                "i = 0xff\n",
                "j = 2026-01-01\n",
                "k = nan\n",
                "l = 99999999999999999999\n",
                "m = 9223372036854775808\n",
                "\n",
                "# note\n",
                " ",
                "a",
                "=",
                "[",
                "]",
                "{",
                "}",
                ",",
                "\"",
                "\u{fc}",
                "\u{0}",
                "\r\n",
                "\r",
            ]),
            0..14,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// The crate is the oracle: what is read here is read there, and is the same, places included.
        #[test]
        fn whatever_is_read_is_what_the_crate_reads(pieces in pieces()) {
            let text = pieces.concat();
            if let Some(table) = read(&text) {
                // By their text: a NaN is equal to none.
                prop_assert_eq!(format!("{:?}", Some(table)), format!("{:?}", by_the_crate(&text)), "{}", text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_catalog_that_was_cut_and_pasted_is_read_as_the_crate_reads_it(
            which in 0..CATALOG.len(),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40), 1..4),
            paste in prop::sample::select(vec!["", "\"", "]", "[steps]\n", "\nto = \"x\"\n", ",", "a.b = 1\n"]),
        ) {
            let mut text = CATALOG[which].to_owned();
            for (at, length) in cuts {
                let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
                let begin = at.index(text.len());
                text.replace_range(boundary(begin)..boundary(begin + length), paste);
            }
            if let Some(table) = read(&text) {
                prop_assert_eq!(Some(table), by_the_crate(&text));
            }
        }
    }
}
