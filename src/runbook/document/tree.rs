//! The value tree that every format is read into: whatever a document contains is kept, so that the
//! validator can name all that is wrong with it, and not the first alone.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserializer, Serialize};

/// How deep values may lie in each other. A runbook needs seven levels.
pub(crate) const DEPTH: usize = 16;

/// The position of a value in the text, in bytes; [`NOWHERE`] for a format without positions.
pub(crate) type At = u32;

/// The place of a value that has none.
pub(crate) const NOWHERE: At = At::MAX;

/// A value and its position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) tree: Tree,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Flag(bool),
    Whole(i64),
    /// A whole number above the largest `i64`.
    Large(u64),
    /// A whole number that 64 bits do not hold.
    Beyond,
    Number(f64),
    Text(Box<str>),
    /// A date or a time, which only TOML has and no runbook needs.
    Date,
    List(Box<[Node]>),
    Table(Table),
}

/// Keys and values, in the order of the keys; a duplicate key is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table(Box<[Entry]>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    /// The position of the key.
    pub(crate) at: At,
    pub(crate) node: Node,
}

impl Node {
    fn nowhere(tree: Tree) -> Self {
        Self { at: NOWHERE, tree }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::nowhere(Tree::Text(text.into()))
    }
}

impl Tree {
    /// What it is, for a person.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Whole(_) | Self::Large(_) => "a whole number",
            Self::Beyond => "a whole number beyond 64 bits",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(super) fn new(entries: impl Into<Box<[Entry]>>) -> Self {
        let mut entries = entries.into();
        // Stable: the first of duplicate keys stays first.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Self(entries)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(self.position(key)?)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let at = self.position(key)?;
        self.0.get_mut(at).map(|entry| &mut entry.node)
    }

    /// The first of duplicate keys.
    fn position(&self, key: &str) -> Option<usize> {
        let at = self.0.partition_point(|entry| *entry.key < *key);
        self.0.get(at).filter(|entry| *entry.key == *key).map(|_| at)
    }

    /// The table under `key`, where there is one.
    pub(crate) fn table_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self.get_mut(key) {
            Some(Node { tree: Tree::Table(table), .. }) => Some(table),
            _ => None,
        }
    }

    /// Sets the value of `key`, and replaces one that is there.
    pub(crate) fn set(&mut self, key: &str, tree: Tree) {
        match self.get_mut(key) {
            Some(node) => node.tree = tree,
            None => {
                let mut entries = std::mem::take(&mut self.0).into_vec();
                entries.push(Entry { key: key.into(), at: NOWHERE, node: Node::nowhere(tree) });
                *self = Self::new(entries);
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.tree {
            // Formats without a null have no document with one either.
            Tree::Null | Tree::Date | Tree::Beyond => serializer.serialize_unit(),
            Tree::Flag(flag) => serializer.serialize_bool(*flag),
            Tree::Whole(whole) => serializer.serialize_i64(*whole),
            Tree::Large(whole) => serializer.serialize_u64(*whole),
            Tree::Number(number) => serializer.serialize_f64(*number),
            Tree::Text(text) => serializer.serialize_str(text),
            Tree::List(nodes) => serializer.collect_seq(nodes.iter()),
            Tree::Table(table) => table.serialize(serializer),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for entry in self.entries() {
            map.serialize_entry(&*entry.key, &entry.node)?;
        }
        map.end()
    }
}

/// Reads the table that a document is, from any format that describes itself.
pub(crate) fn read_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    match (Reader { depth: 0 }).deserialize(deserializer)?.tree {
        Tree::Table(table) => Ok(table),
        other => Err(D::Error::custom(format_args!("a runbook is a table, and this is {}", other.name()))),
    }
}

/// Reads one value that lies `depth` deep.
#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
}

impl Reader {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format_args!("values lie more than {DEPTH} deep in each other")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false, a list or a table")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Flag(flag)))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Whole(whole)))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Node, E> {
        Ok(Node::nowhere(i64::try_from(whole).map_or(Tree::Large(whole), Tree::Whole)))
    }

    fn visit_i128<E>(self, whole: i128) -> Result<Node, E> {
        Ok(Node::nowhere(whole_number(Some(whole))))
    }

    fn visit_u128<E>(self, whole: u128) -> Result<Node, E> {
        Ok(Node::nowhere(whole_number(i128::try_from(whole).ok())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::text(text))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.deeper()?.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.deeper()?.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(inner)? {
            nodes.push(node);
        }
        Ok(Node::nowhere(Tree::List(nodes.into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let node = map.next_value_seed(inner)?;
            entries.push(Entry { key: key.into(), at: NOWHERE, node });
        }
        // How TOML's dates come through serde.
        if let [Entry { key, .. }] = entries.as_slice()
            && key.starts_with("$__toml_private")
        {
            return Ok(Node::nowhere(Tree::Date));
        }
        Ok(Node::nowhere(Tree::Table(Table::new(entries))))
    }
}

/// A whole number in as many bits as it needs; `None` needs more than there are.
pub(super) fn whole_number(whole: Option<i128>) -> Tree {
    match whole.map(|whole| (i64::try_from(whole), u64::try_from(whole))) {
        Some((Ok(whole), _)) => Tree::Whole(whole),
        Some((_, Ok(whole))) => Tree::Large(whole),
        _ => Tree::Beyond,
    }
}

#[cfg(feature = "toml")]
mod toml_tree {
    use toml::Spanned;
    use toml::de::{DeTable, DeValue};

    use super::{At, DEPTH, Entry, NOWHERE, Node, Table, Tree};

    /// Something lies too deep, at this place of the text.
    pub(crate) struct TooDeep(pub(crate) At);

    impl Table {
        /// The tree of a parsed TOML document, each value with its place.
        pub(crate) fn of_toml(table: &DeTable<'_>) -> Result<Self, TooDeep> {
            table_at(table, 1)
        }
    }

    fn table_at(table: &DeTable<'_>, depth: usize) -> Result<Table, TooDeep> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().as_ref().into(),
                at: place(key),
                node: node(value, depth)?,
            });
        }
        Ok(Table::new(entries))
    }

    fn node(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, TooDeep> {
        let at = place(value);
        let tree = match value.get_ref() {
            DeValue::String(text) => Tree::Text(text.as_ref().into()),
            DeValue::Integer(whole) => {
                super::whole_number(i128::from_str_radix(whole.as_str(), whole.radix()).ok())
            }
            DeValue::Float(number) => Tree::Number(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Tree::Flag(*flag),
            DeValue::Datetime(_) => Tree::Date,
            DeValue::Array(_) | DeValue::Table(_) if depth >= DEPTH => return Err(TooDeep(at)),
            DeValue::Array(list) => {
                let mut nodes = Vec::with_capacity(list.len());
                for value in list.iter() {
                    nodes.push(node(value, depth + 1)?);
                }
                Tree::List(nodes.into())
            }
            DeValue::Table(table) => Tree::Table(table_at(table, depth + 1)?),
        };
        Ok(Node { at, tree })
    }

    fn place<T>(spanned: &Spanned<T>) -> At {
        At::try_from(spanned.span().start).unwrap_or(NOWHERE)
    }
}

#[cfg(feature = "toml")]
pub(crate) use toml_tree::TooDeep;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_tables_are_searched_as_small_ones_are() {
        for count in [3, 16, 17, 100] {
            let entries = (0..count).rev().flat_map(|n| {
                [0, 1].map(|at| Entry { key: format!("k{n:03}").into(), at, node: Node::nowhere(Tree::Null) })
            });
            let table = Table::new(entries.collect::<Vec<_>>());
            for n in 0..count {
                assert_eq!(table.get(&format!("k{n:03}")).map(|entry| entry.at), Some(0), "the first of two");
            }
            assert_eq!(table.get("k"), None);
            assert_eq!(table.get("z"), None);
        }
    }
}
