//! How values are written: floats that are no finite numbers too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::{Class, Number};

#[derive(Deserialize)]
#[serde(untagged, bound(deserialize = "V: Number"))]
enum Wire<V> {
    Number(V),
    Text(String),
}

fn read<'de, V: Number, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
    if !from.is_human_readable() {
        return V::deserialize(from);
    }
    match Wire::deserialize(from)? {
        Wire::Number(value) => Ok(value),
        Wire::Text(text) => text.parse().map_err(|_| {
            D::Error::custom(format_args!(
                "`{text}` is no value of a sample: write a number, `NaN`, `inf` or `-inf`"
            ))
        }),
    }
}

/// A number where it is finite, else a text: JSON has no others.
pub(super) mod readable {
    use super::{Class, Deserializer, Number, Serializer};

    pub(crate) fn serialize<V: Number, S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() && value.class() != Class::Finite {
            to.collect_str(value)
        } else {
            value.serialize(to)
        }
    }

    pub(crate) fn deserialize<'de, V: Number, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
        super::read(from)
    }
}

/// Always a text where people read: its digits bring back the same value, which not every reader of JSON numbers
/// does.
pub(in super::super) mod exact {
    use super::{Deserializer, Number, Serializer};

    pub(crate) fn serialize<V: Number, S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(value) } else { value.serialize(to) }
    }

    pub(crate) fn deserialize<'de, V: Number, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
        super::read(from)
    }
}
