//! Reading the value tree: what is expected where, and a fault with its place for all that is not.

use std::fmt::Write as _;

use chrono::TimeDelta;

use super::super::document::{At, Entry, Node, Table, Tree, shortened};
use super::super::fault::{Fault, FaultKind};
use super::super::step::{Param, StepIndex};
use super::Validator;
use crate::time::parse_duration;

/// The path of a value: its key, and the path of that. Written out only for a fault.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) up: Option<&'p Self>,
    pub(super) key: Key<'p>,
    pub(super) at: At,
    pub(super) step: Option<&'p str>,
}

#[derive(Clone, Copy)]
pub(super) enum Key<'p> {
    Root,
    Name(&'p str),
    Index(usize),
}

/// A value in its place.
#[derive(Clone, Copy)]
pub(super) struct Spot<'d, 'p> {
    pub(super) node: &'d Node,
    pub(super) place: Place<'p>,
}

/// The keys and values of a table.
pub(super) struct Fields<'d, 'p> {
    table: &'d Table,
    pub(super) place: Place<'p>,
}

/// The values of a list.
pub(super) struct Items<'d, 'p> {
    nodes: &'d [Node],
    place: Place<'p>,
}

/// How a name is to be written.
#[derive(Clone, Copy)]
pub(super) struct NameRule {
    between: u8,
    rule: &'static str,
}

impl NameRule {
    /// The rule in words, where the name breaks it.
    pub(in crate::runbook) fn broken_by(self, name: &str) -> Option<&'static str> {
        let bytes = name.as_bytes();
        let holds = bytes.len() <= 64
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last() != Some(&self.between)
            && bytes.windows(2).all(|pair| pair != [self.between, self.between])
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == self.between);
        (!holds).then_some(self.rule)
    }
}

/// Ids of steps, checks, actions, choices, root causes and runbooks.
pub(super) const ID: NameRule = NameRule {
    between: b'-',
    rule: "1 to 64 lower-case letters and digits with single `-` between, a letter first",
};

/// Names of thresholds and params.
pub(super) const SNAKE: NameRule = NameRule {
    between: b'_',
    rule: "1 to 64 lower-case letters and digits with single `_` between, a letter first",
};

impl Place<'_> {
    fn path(&self) -> Box<str> {
        let mut keys = Vec::new();
        let mut place = Some(self);
        while let Some(here) = place {
            keys.push(here.key);
            place = here.up;
        }
        let mut path = String::new();
        for key in keys.into_iter().rev() {
            // Writing to a String cannot fail.
            let _ = match key {
                Key::Root => Ok(()),
                Key::Name(name) if path.is_empty() => write!(path, "{}", shortened(name)),
                Key::Name(name) => write!(path, ".{}", shortened(name)),
                Key::Index(index) => write!(path, "[{index}]"),
            };
        }
        path.into()
    }
}

impl<'d, 'p> Fields<'d, 'p> {
    pub(super) const fn new(table: &'d Table, place: Place<'p>) -> Self {
        Self { table, place }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The value under `key`, the first of duplicate keys.
    pub(super) fn get(&self, key: &str) -> Option<Spot<'d, '_>> {
        self.table.get(key).map(|entry| self.spot(entry))
    }

    /// Each key with its value, in the order of the keys.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'d str, Spot<'d, '_>)> {
        self.table.entries().iter().map(|entry| (&*entry.key, self.spot(entry)))
    }

    /// Of each key the first value.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (&'d str, Spot<'d, '_>)> {
        let mut before = None;
        self.each().filter(move |(key, _)| before.replace(*key) != Some(*key))
    }

    /// Of each key all values but the first.
    fn repeats(&self) -> impl Iterator<Item = (&'d str, Spot<'d, '_>)> {
        let mut before = None;
        self.each().filter(move |(key, _)| before.replace(*key) == Some(*key))
    }

    fn spot(&self, entry: &'d Entry) -> Spot<'d, '_> {
        let key = Key::Name(&entry.key);
        Spot {
            node: &entry.node,
            place: Place { up: Some(&self.place), key, at: entry.at, step: self.place.step },
        }
    }
}

impl<'d> Items<'d, '_> {
    pub(super) const fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = Spot<'d, '_>> {
        self.nodes.iter().enumerate().map(|(index, node)| Spot {
            node,
            place: Place {
                up: Some(&self.place),
                key: Key::Index(index),
                at: node.at,
                step: self.place.step,
            },
        })
    }
}

impl Node {
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'d> Validator<'d> {
    pub(super) fn fault(&mut self, place: &Place<'_>, kind: FaultKind) {
        self.faults.push(Fault {
            step: place.step.map(Into::into),
            path: place.path(),
            line: self.document.line(place.at),
            kind,
        });
    }

    fn wrong_type(&mut self, spot: &Spot<'_, '_>, expected: &'static str) {
        self.fault(&spot.place, FaultKind::WrongType { expected, found: spot.node.tree.name() });
    }

    /// The value under a key that must be there.
    pub(super) fn required<'f>(
        &mut self,
        fields: &'f Fields<'d, '_>,
        key: &'static str,
    ) -> Option<Spot<'d, 'f>> {
        let spot = fields.get(key);
        if spot.is_none() {
            self.fault(&fields.place, FaultKind::MissingKey { key });
        }
        spot
    }

    /// Every key of a table must be among `known`, and none may stand twice.
    pub(super) fn only(&mut self, fields: &Fields<'d, '_>, known: &[&'static str]) {
        for (key, spot) in fields.each() {
            if !known.contains(&key) {
                let kind =
                    FaultKind::UnknownKey { key: shortened(key).into(), known: known.join(", ").into() };
                self.fault(&spot.place, kind);
                self.leave_unread(spot.node);
            }
        }
        self.each_once(fields);
    }

    /// What cannot be read may still use thresholds and checks: that they look unused is no second fault.
    pub(super) fn leave_unread(&mut self, node: &Node) {
        let mut nodes = vec![node];
        while let Some(node) = nodes.pop() {
            match &node.tree {
                Tree::Text(text) => {
                    let name = text.strip_prefix('-').unwrap_or(text).strip_prefix('$');
                    if let Some(threshold) = name.and_then(|name| self.thresholds.get_mut(name)) {
                        threshold.used = true;
                    } else if let Some(check) = self.checks.get_mut(&**text) {
                        check.used = true;
                    }
                }
                Tree::List(items) => nodes.extend(items),
                Tree::Table(table) => nodes.extend(table.entries().iter().map(|entry| &entry.node)),
                _ => {}
            }
        }
    }

    /// No key of a table may stand twice.
    pub(super) fn each_once(&mut self, fields: &Fields<'d, '_>) {
        for (key, spot) in fields.repeats() {
            self.fault(&spot.place, FaultKind::KeyTwice { key: shortened(key).into() });
        }
    }

    pub(super) fn table<'p>(&mut self, spot: Spot<'d, 'p>) -> Option<Fields<'d, 'p>> {
        match &spot.node.tree {
            Tree::Table(table) => Some(Fields { table, place: spot.place }),
            _ => {
                self.wrong_type(&spot, "a table");
                None
            }
        }
    }

    pub(super) fn list<'p>(&mut self, spot: Spot<'d, 'p>) -> Option<Items<'d, 'p>> {
        match &spot.node.tree {
            Tree::List(nodes) => Some(Items { nodes, place: spot.place }),
            _ => {
                self.wrong_type(&spot, "a list");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, spot: Spot<'d, '_>) -> Option<bool> {
        match spot.node.tree {
            Tree::Flag(flag) => Some(flag),
            _ => {
                self.wrong_type(&spot, "true or false");
                None
            }
        }
    }

    /// A text that says something.
    pub(super) fn text(&mut self, spot: Spot<'d, '_>) -> Option<&'d str> {
        match spot.node.as_text() {
            Some(text) if text.trim().is_empty() => {
                self.fault(&spot.place, FaultKind::EmptyText);
                None
            }
            Some(text) => Some(text),
            None => {
                self.wrong_type(&spot, "a text");
                None
            }
        }
    }

    /// A text that is an id.
    pub(super) fn id(&mut self, spot: Spot<'d, '_>) -> Option<&'d str> {
        let text = self.text(spot)?;
        self.well_formed(text, ID, &spot.place).then_some(text)
    }

    pub(super) fn well_formed(&mut self, name: &str, rule: NameRule, place: &Place<'_>) -> bool {
        let broken = rule.broken_by(name);
        if let Some(rule) = broken {
            self.fault(place, FaultKind::Malformed { name: shortened(name).into(), rule });
        }
        broken.is_none()
    }

    /// One of a few names, such as a severity.
    pub(super) fn name<T>(
        &mut self,
        spot: Spot<'d, '_>,
        what: &'static str,
        known: &'static str,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(spot)?;
        let found = find(text);
        if found.is_none() {
            self.fault(&spot.place, FaultKind::UnknownName { what, given: shortened(text).into(), known });
        }
        found
    }

    pub(super) fn version(&mut self, spot: Spot<'d, '_>) -> Option<u32> {
        let version = match spot.node.tree {
            Tree::Whole(whole) => u32::try_from(whole).ok().filter(|version| *version > 0),
            _ => None,
        };
        if version.is_none() {
            let found = match spot.node.tree {
                Tree::Whole(..1) => "a smaller one",
                Tree::Whole(_) | Tree::Large(_) | Tree::Beyond => "a larger one",
                ref other => other.name(),
            };
            let expected = "a whole number from 1 to 4294967295";
            self.fault(&spot.place, FaultKind::WrongType { expected, found });
        }
        version
    }

    /// The id of a step or conclusion that is there.
    pub(super) fn target(&mut self, spot: Spot<'d, '_>) -> Option<StepIndex> {
        let id = self.text(spot)?;
        let target = self.targets.get(id).copied();
        if target.is_none() {
            self.fault(&spot.place, FaultKind::UnknownTarget { target: shortened(id).into() });
        }
        target
    }

    /// A duration: a text, or a threshold.
    pub(super) fn duration(&mut self, spot: Spot<'d, '_>) -> Option<TimeDelta> {
        const EXPECTED: &str = "a duration, such as \"90s\"";
        let Some(text) = spot.node.as_text() else {
            self.wrong_type(&spot, EXPECTED);
            return None;
        };
        if !is_reference(text) {
            return self.duration_text(text, &spot.place);
        }
        match self.threshold(text, &spot.place)? {
            Param::Duration(duration) => Some(duration),
            other => {
                self.wrong_unit(text, EXPECTED, &other, &spot.place);
                None
            }
        }
    }

    pub(super) fn duration_text(&mut self, text: &str, place: &Place<'_>) -> Option<TimeDelta> {
        parse_duration(text).map_err(|error| self.fault(place, FaultKind::Duration(error))).ok()
    }

    pub(super) fn positive(&mut self, spot: Spot<'d, '_>) -> Option<TimeDelta> {
        let given = self.duration(spot)?;
        if given > TimeDelta::zero() {
            return Some(given);
        }
        self.fault(&spot.place, FaultKind::NotPositive { given });
        None
    }

    /// A number; a whole one where it is exact.
    pub(super) fn number(&mut self, spot: Spot<'d, '_>) -> Option<f64> {
        const EXPECTED: &str = "a number";
        let param = match &spot.node.tree {
            Tree::Number(_) | Tree::Large(_) => self.param(spot)?,
            Tree::Whole(whole) => match i32::try_from(*whole) {
                Ok(whole) => return Some(whole.into()),
                Err(_) => self.param(spot)?,
            },
            Tree::Text(text) if is_reference(text) => self.threshold(text, &spot.place)?,
            _ => {
                self.wrong_type(&spot, EXPECTED);
                return None;
            }
        };
        match param {
            Param::Number(number) => Some(number),
            // Whole numbers of 32 bits are exact, and thresholds of numbers are often whole.
            Param::Count(count) if u32::try_from(count).is_ok() => u32::try_from(count).ok().map(f64::from),
            other => {
                self.wrong_unit(&shown(spot.node), EXPECTED, &other, &spot.place);
                None
            }
        }
    }

    pub(super) fn count(&mut self, spot: Spot<'d, '_>) -> Option<u64> {
        const EXPECTED: &str = "a count";
        let param = match &spot.node.tree {
            Tree::Whole(_) | Tree::Large(_) => self.param(spot)?,
            Tree::Text(text) if is_reference(text) => self.threshold(text, &spot.place)?,
            _ => {
                self.wrong_type(&spot, EXPECTED);
                return None;
            }
        };
        match param {
            Param::Count(count) => Some(count),
            other => {
                self.wrong_unit(&shown(spot.node), EXPECTED, &other, &spot.place);
                None
            }
        }
    }

    /// A param: a literal or a threshold. A text that is a duration is one.
    pub(super) fn param(&mut self, spot: Spot<'d, '_>) -> Option<Param> {
        match &spot.node.tree {
            Tree::Flag(flag) => Some(Param::Flag(*flag)),
            Tree::Whole(whole) => match u64::try_from(*whole) {
                Ok(count) => Some(Param::Count(count)),
                Err(_) => {
                    self.fault(&spot.place, FaultKind::NotCount { given: *whole });
                    None
                }
            },
            Tree::Large(count) => Some(Param::Count(*count)),
            Tree::Number(number) if number.is_finite() => Some(Param::Number(*number)),
            Tree::Number(_) => {
                self.fault(&spot.place, FaultKind::NotFinite);
                None
            }
            Tree::Text(text) if is_reference(text) => self.threshold(text, &spot.place),
            Tree::Text(text) => match parse_duration(text) {
                Ok(duration) => Some(Param::Duration(duration)),
                Err(_) => self.text(spot).map(|text| Param::Text(text.into())),
            },
            _ => {
                self.wrong_type(&spot, "a duration, a number, a count, true or false, a text or a threshold");
                None
            }
        }
    }

    /// The threshold that `spot` refers to, if it does, is there: where its value is not read.
    pub(super) fn refers(&mut self, spot: &Spot<'d, '_>) {
        if let Some(reference) = spot.node.as_text().filter(|text| is_reference(text)) {
            let _ = self.threshold(reference, &spot.place);
        }
    }

    /// The value of the threshold that `$name` or `-$name` refers to.
    fn threshold(&mut self, reference: &str, place: &Place<'_>) -> Option<Param> {
        let (negated, name) = match reference.strip_prefix("-$") {
            Some(name) => (true, name),
            None => (false, reference.strip_prefix('$').unwrap_or(reference)),
        };
        let Some(threshold) = self.thresholds.get_mut(name) else {
            self.fault(place, FaultKind::UnknownThreshold { name: shortened(name).into() });
            return None;
        };
        threshold.used = true;
        // One that could not be read has its fault where it is declared.
        match (threshold.value.clone()?, negated) {
            (value, false) => Some(value),
            (Param::Duration(duration), true) => Some(Param::Duration(-duration)),
            (Param::Number(number), true) => Some(Param::Number(-number)),
            (other, true) => {
                self.wrong_unit(reference, "a duration or a number after `-`", &other, place);
                None
            }
        }
    }

    pub(super) fn wrong_unit(
        &mut self,
        given: &str,
        expected: &'static str,
        found: &Param,
        place: &Place<'_>,
    ) {
        let found = match found {
            Param::Duration(_) => "a duration",
            Param::Number(_) => "a number",
            Param::Count(_) => "a count",
            Param::Flag(_) => "true or false",
            Param::Text(_) => "a text",
        };
        self.fault(place, FaultKind::WrongUnit { given: shortened(given).into(), expected, found });
    }
}

fn is_reference(text: &str) -> bool {
    text.starts_with('$') || text.starts_with("-$")
}

fn shown(node: &Node) -> String {
    match &node.tree {
        Tree::Text(text) => text.to_string(),
        Tree::Whole(whole) => whole.to_string(),
        Tree::Large(whole) => whole.to_string(),
        Tree::Number(number) => number.to_string(),
        other => other.name().to_owned(),
    }
}
