use std::fmt;

use chrono::TimeDelta;

#[cfg(feature = "certificate")]
use crate::certificate::Policy;
use crate::runbook::step::{Param, Params};
#[cfg(feature = "certificate")]
use crate::time::TimeMark;

/// A param that a check takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: ParamKind,
    /// Whether it must be given.
    pub required: bool,
}

/// What a param may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamKind {
    /// A length of time that is not negative.
    Duration,
    /// A number from 0 to 1.
    Share,
    /// A whole number from zero.
    Count,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl ParamKind {
    /// Whether `param` is one.
    #[must_use]
    pub fn takes(self, param: &Param) -> bool {
        match (self, param) {
            (Self::Duration, Param::Duration(length)) => *length >= TimeDelta::zero(),
            (Self::Share, _) => f64::read(param).is_some(),
            (Self::Count, Param::Count(_)) => true,
            (Self::OneOf(words), Param::Text(text)) => words.contains(&&**text),
            _ => false,
        }
    }
}

/// A field of a check that a param of the same name gives.
pub(in crate::check) trait FromParam: Sized {
    const KIND: ParamKind;

    fn read(param: &Param) -> Option<Self>;
}

impl FromParam for TimeDelta {
    const KIND: ParamKind = ParamKind::Duration;

    fn read(param: &Param) -> Option<Self> {
        if let Param::Duration(length) = param { Some(*length) } else { None }
    }
}

impl FromParam for u64 {
    const KIND: ParamKind = ParamKind::Count;

    fn read(param: &Param) -> Option<Self> {
        if let Param::Count(count) = param { Some(*count) } else { None }
    }
}

/// A share may be written as a whole number: 0 or 1.
impl FromParam for f64 {
    const KIND: ParamKind = ParamKind::Share;

    fn read(param: &Param) -> Option<Self> {
        match param {
            Param::Number(number) if (0.0..=1.0).contains(number) => Some(*number),
            Param::Count(0) => Some(0.0),
            Param::Count(1) => Some(1.0),
            _ => None,
        }
    }
}

impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration => f.write_str("a duration from 0s"),
            Self::Share => f.write_str("a number from 0 to 1"),
            Self::Count => f.write_str("a whole number from 0"),
            Self::OneOf(words) => write!(f, "one of `{}`", words.join("`, `")),
        }
    }
}

/// What a check is bound with: the params of one query, which have been proven against the check's [`ParamSpec`]s
/// before, and what holds for all.
pub(super) struct Given<'a> {
    pub(super) params: &'a Params,
    /// By which certificates are judged.
    #[cfg(feature = "certificate")]
    pub(super) policy: Policy,
    /// The latest time that the service knows.
    #[cfg(feature = "certificate")]
    pub(super) mark: Option<TimeMark>,
}

impl Given<'_> {
    pub(super) fn read<T: FromParam>(&self, name: &str) -> Option<T> {
        T::read(self.params.get(name)?)
    }
}
