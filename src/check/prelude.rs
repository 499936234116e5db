//! What nearly every check is written with.

pub(super) use super::CheckRequest;
pub(super) use super::judge::{Answered as _, Verdict, adapter, choices, either, moment, when};
pub(super) use super::spec::{Builtin, FLAG, NUMBER, Observed, check};
pub(super) use super::window::not_covered;
pub(super) use crate::fact::{Detail, Value};
pub(super) use crate::probe::Probes;
