//! Where the parts of a TOML document are in its text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys and values of a document, with their places. Empty for a text that is not TOML.
pub(crate) struct Positions<'t>(Option<Spanned<DeTable<'t>>>);

/// The places of one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of its key; `None` for an item of a list.
    pub(super) key: Option<Range<usize>>,
    pub(super) value: Option<Range<usize>>,
}

impl<'t> Positions<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self(DeTable::parse(text).ok())
    }

    /// The places of the value at a path as faults write it: `steps.power.branches[1].below`.
    pub(crate) fn find(&self, path: &str) -> Option<Place> {
        let mut rest = path;
        let mut table = Some(self.0.as_ref()?.get_ref());
        let mut value: Option<&Spanned<DeValue<'_>>> = None;
        let mut key = None;
        while !rest.is_empty() {
            if let Some((index, behind)) = index(rest) {
                let list = value.and_then(|value| value.get_ref().as_array())?;
                value = Some(list.get(index)?);
                (key, rest) = (None, behind);
            } else {
                rest = rest.strip_prefix('.').unwrap_or(rest);
                // A key may have a dot in it, so the longest that is there is taken.
                let ends = rest.match_indices(['.', '[']).map(|(at, _)| at).chain([rest.len()]);
                let mut names: Vec<(&str, &str)> =
                    ends.filter_map(|end| rest.split_at_checked(end)).collect();
                let (found, inner, behind) = loop {
                    let (name, behind) = names.pop()?;
                    if let Some((found, inner)) = table?.get_key_value(name) {
                        break (found, inner, behind);
                    }
                };
                value = Some(inner);
                (key, rest) = (Some(found.span()), behind);
            }
            table = value.and_then(|value| value.get_ref().as_table());
        }
        Some(Place { key, value: value.map(Spanned::span) })
    }

    /// The line, from one, of the value at a path of the text.
    pub(crate) fn line(&self, text: &str, path: &str) -> Option<usize> {
        let place = self.find(path)?;
        let at = place.key.or(place.value)?.start;
        Some(text.get(..at)?.matches('\n').count() + 1)
    }

    /// The place of `name` in the key at a path, or else in the value.
    pub(super) fn name_in(&self, text: &str, path: &str, name: &str, in_key: bool) -> Option<Range<usize>> {
        let place = self.find(path)?;
        let span = if in_key { place.key } else { place.value }?;
        let at = text.get(span.clone())?.find(name)?;
        Some(span.start + at..span.start + at + name.len())
    }
}

/// The index at the front of a path, and what is behind it.
fn index(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "start = \"a\"\n[steps.a]\nbranches = [{ below = 5, to = \"b\" }, { from = 6, to = \"c\" }]\n\
                        \"odd.key\" = true\n";

    #[test]
    fn paths_of_faults_lead_to_their_text() {
        let positions = Positions::of(TEXT);
        let value = |path| positions.find(path).and_then(|place| place.value).map(|span| &TEXT[span]);
        let key = |path| positions.find(path).and_then(|place| place.key).map(|span| &TEXT[span]);
        assert_eq!((key("start"), value("start")), (Some("start"), Some("\"a\"")));
        assert_eq!(key("steps.a"), Some("a"));
        assert_eq!(value("steps.a.branches[1].to"), Some("\"c\""));
        assert_eq!(key("steps.a.branches[0]"), None);
        assert_eq!(value("steps.a.odd.key"), Some("true"));
        for path in ["steps.b", "steps.a.branches[2]", "start.a", "start[0]"] {
            assert_eq!(positions.find(path), None, "{path}");
        }
    }
}
