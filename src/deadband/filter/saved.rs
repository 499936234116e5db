//! The state of a filter as it is saved, and the proof that a restored one makes sense.

use serde::{Deserialize, Serialize};

use super::hold::{Held, Kept};
use super::{Counts, Hold, Rule, State};
use crate::deadband::profile::{Anchor, Profile};
use crate::deadband::sample::{Class, Number};

/// Everything that a filter remembers. The form may be any of serde; values are written so that the very same come
/// back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub struct Saved<V: Number = f64> {
    profile: String,
    version: u32,
    state: State<V>,
    hold: Hold<V>,
    counts: Counts,
}

impl<V: Number> Saved<V> {
    pub(super) fn new(profile: &Profile, state: State<V>, hold: Hold<V>, counts: Counts) -> Self {
        Self { profile: profile.name().to_owned(), version: profile.version(), state, hold, counts }
    }

    pub(super) fn open(&self, rule: &Rule<V>) -> Result<(State<V>, Hold<V>, Counts), StateError> {
        let profile = rule.profile();
        if (self.profile.as_str(), self.version) != (profile.name(), profile.version()) {
            return Err(StateError::Profile {
                saved: self.profile.clone(),
                saved_version: self.version,
                profile: profile.name(),
                version: profile.version(),
            });
        }
        let mut state = self.state;
        state.restore(rule)?;
        self.hold.check(&state)?;
        Ok((state, self.hold, self.counts))
    }
}

impl<V: Number> State<V> {
    /// Proves that it is a state of this rule, and takes the rule's width.
    pub(in crate::deadband) fn restore(&mut self, rule: &Rule<V>) -> Result<(), StateError> {
        let is_node = matches!(rule.profile(), Profile::NodeRed(_));
        match self.anchor {
            Anchor::Nothing => *self = Self::default(),
            Anchor::Start | Anchor::Below if !is_node => {
                return Err(StateError::Field { field: "state.anchor" });
            }
            _ => {}
        }
        if rule.settings().profile.is_ordered() && self.reported_at > self.newest {
            return Err(StateError::Field { field: "state.reported_at" });
        }
        self.width = rule.width(self.last);
        Ok(())
    }
}

impl<V: Number> Hold<V> {
    fn check(&self, state: &State<V>) -> Result<(), StateError> {
        let within = |kept: &Kept<V>| {
            state.anchor == Anchor::Value && state.reported_at < kept.at && kept.at <= state.newest
        };
        if !self.previous.as_ref().is_none_or(within) {
            return Err(StateError::Field { field: "hold.previous" });
        }
        let Some(Held { lowest, highest, last }) = &self.held else { return Ok(()) };
        let whole = [lowest, highest, last].into_iter().all(|kept| {
            within(kept)
                && kept.value.class() == Class::Finite
                && kept.quality == state.quality
                && kept.at <= last.at
                && lowest.value <= kept.value
                && kept.value <= highest.value
                && self.previous.is_none_or(|previous| previous.at < kept.at)
        });
        if whole { Ok(()) } else { Err(StateError::Field { field: "hold.held" }) }
    }
}

/// Why a saved state cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It was saved under other semantics.
    #[error(
        "the state was saved under the profile {saved}, version {saved_version}, and the rule has {profile}, \
         version {version}: start the filter afresh"
    )]
    Profile {
        /// The profile it was saved under.
        saved: String,
        /// The version of that.
        saved_version: u32,
        /// The profile of the rule.
        profile: &'static str,
        /// The version of that.
        version: u32,
    },
    /// No filter could be in it.
    #[error("`{field}` of the saved state is none that a filter leaves: start the filter afresh")]
    Field {
        /// What does not fit.
        field: &'static str,
    },
}
