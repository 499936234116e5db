//! Durations as people write them.

/// A duration, such as `1m30s`.
pub(super) mod span {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::time::{format_duration, parse_duration};

    pub(in crate::gap) fn serialize<S: Serializer>(span: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*span))
    }

    pub(in crate::gap) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        parse_duration(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// A duration that may be left out.
pub(super) mod maybe_span {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::time::{format_duration, parse_duration};

    pub(in crate::gap) fn serialize<S: Serializer>(
        span: &Option<TimeDelta>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => to.serialize_some(&format_duration(*span)),
            None => to.serialize_none(),
        }
    }

    pub(in crate::gap) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<TimeDelta>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse_duration(&text).map_err(de::Error::custom)).transpose()
    }
}
