//! The value tree that every format is read into: whatever stands in a document is kept, so that the
//! validator can name all that is wrong with it, and not the first alone.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserializer, Serialize};

/// How deep values may lie in each other. A runbook needs seven levels.
pub(crate) const DEPTH: usize = 16;

/// Where a value stands in the text, in bytes; [`NOWHERE`] where the format does not tell.
pub(crate) type At = u32;

/// The place of a value that has none.
pub(crate) const NOWHERE: At = At::MAX;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) tree: Tree,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Flag(bool),
    Whole(i128),
    Number(f64),
    Text(Box<str>),
    /// A date or a time, which only TOML has and no runbook needs.
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// Keys and values, in the order of the keys; a key that stands twice is there twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table(Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    /// Where the key stands.
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
            Self::Whole(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    fn new(mut entries: Vec<Entry>) -> Self {
        // Stable: of a key that stands twice, the first stays first.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Self(entries)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        let at = self.0.partition_point(|entry| &*entry.key < key);
        self.0.get(at).filter(|entry| &*entry.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let at = self.0.partition_point(|entry| &*entry.key < key);
        self.0.get_mut(at).filter(|entry| &*entry.key == key).map(|entry| &mut entry.node)
    }

    /// The table under `key`, where there is one.
    pub(crate) fn table_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self.get_mut(key) {
            Some(Node { tree: Tree::Table(table), .. }) => Some(table),
            _ => None,
        }
    }

    /// Puts `tree` under `key`, in the place of what stands there.
    pub(crate) fn set(&mut self, key: &str, tree: Tree) {
        match self.get_mut(key) {
            Some(node) => node.tree = tree,
            None => {
                let at = self.0.partition_point(|entry| &*entry.key < key);
                self.0.insert(at, Entry { key: key.into(), at: NOWHERE, node: Node::nowhere(tree) });
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.tree {
            // Formats without a null have no document with one either.
            Tree::Null | Tree::Date => serializer.serialize_unit(),
            Tree::Flag(flag) => serializer.serialize_bool(*flag),
            Tree::Whole(whole) => match (i64::try_from(*whole), u64::try_from(*whole)) {
                (Ok(whole), _) => serializer.serialize_i64(whole),
                (_, Ok(whole)) => serializer.serialize_u64(whole),
                _ => serializer.serialize_i128(*whole),
            },
            Tree::Number(number) => serializer.serialize_f64(*number),
            Tree::Text(text) => serializer.serialize_str(text),
            Tree::List(nodes) => serializer.collect_seq(nodes),
            Tree::Table(table) => table.serialize(serializer),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for entry in &self.0 {
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
        Ok(Node::nowhere(Tree::Whole(whole.into())))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Whole(whole.into())))
    }

    fn visit_i128<E>(self, whole: i128) -> Result<Node, E> {
        Ok(Node::nowhere(Tree::Whole(whole)))
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
        Ok(Node::nowhere(Tree::List(nodes)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Box<str>>()? {
            let node = map.next_value_seed(inner)?;
            entries.push(Entry { key, at: NOWHERE, node });
        }
        Ok(Node::nowhere(Tree::Table(Table::new(entries))))
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
        let entries = table.iter().map(|(key, value)| {
            let at = place(key);
            Ok(Entry { key: key.get_ref().as_ref().into(), at, node: node(value, depth)? })
        });
        Ok(Table::new(entries.collect::<Result<_, _>>()?))
    }

    fn node(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, TooDeep> {
        let at = place(value);
        let tree = match value.get_ref() {
            DeValue::String(text) => Tree::Text(text.as_ref().into()),
            // A whole number beyond 128 bits is as wrong everywhere as the largest.
            DeValue::Integer(whole) => {
                Tree::Whole(i128::from_str_radix(whole.as_str(), whole.radix()).unwrap_or(i128::MAX))
            }
            DeValue::Float(number) => Tree::Number(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Tree::Flag(*flag),
            DeValue::Datetime(_) => Tree::Date,
            DeValue::Array(_) | DeValue::Table(_) if depth >= DEPTH => return Err(TooDeep(at)),
            DeValue::Array(list) => {
                Tree::List(list.iter().map(|value| node(value, depth + 1)).collect::<Result<_, _>>()?)
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
