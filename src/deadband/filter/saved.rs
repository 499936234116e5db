//! The state of a filter as it is saved, and the proof that a restored one makes sense.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::hold::{Held, Kept};
use super::{Counts, Hold, Rule, State};
use crate::deadband::profile::{Anchor, Compare, Mode, Profile, Trigger};
use crate::deadband::sample::{Class, Number};

/// Everything that a filter remembers, and under whose semantics. The form may be any of serde; values are written so
/// that the very same come back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub struct Saved<V: Number = f64> {
    profile: String,
    version: u32,
    #[serde(default)]
    settings: ProfileSettings,
    state: State<V>,
    hold: Hold<V>,
    counts: Counts,
}

/// What the profile is set to. Another band or interval holds from now on; another of these would give the state
/// another meaning.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProfileSettings {
    trigger: Option<Trigger>,
    mode: Option<Mode>,
    compare: Option<Compare>,
    /// Its bits, for some readers of numbers round.
    start: Option<u64>,
}

impl ProfileSettings {
    fn of(profile: &Profile) -> Self {
        match profile {
            Profile::OpcUa(trigger) => Self { trigger: Some(*trigger), ..Self::default() },
            Profile::NodeRed(node) => Self {
                mode: Some(node.mode),
                compare: Some(node.compare),
                start: node.start.map(f64::to_bits),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    fn check(&self, rule: &Self) -> Result<(), RestoreError> {
        fn same<T: PartialEq + Debug>(
            field: &'static str,
            saved: Option<T>,
            rule: Option<T>,
        ) -> Result<(), RestoreError> {
            if saved == rule {
                return Ok(());
            }
            let text = |value: Option<T>| value.map_or("none".to_owned(), |value| format!("{value:?}"));
            Err(RestoreError::Setting { field, saved: text(saved), rule: text(rule) })
        }
        same("profile.trigger", self.trigger, rule.trigger)?;
        same("profile.mode", self.mode, rule.mode)?;
        same("profile.compare", self.compare, rule.compare)?;
        same("profile.start", self.start.map(f64::from_bits), rule.start.map(f64::from_bits))
    }
}

impl<V: Number> Saved<V> {
    pub(in crate::deadband) fn new(
        profile: &Profile,
        state: State<V>,
        hold: Hold<V>,
        counts: Counts,
    ) -> Self {
        Self {
            profile: profile.name().to_owned(),
            version: profile.version(),
            settings: ProfileSettings::of(profile),
            state,
            hold,
            counts,
        }
    }

    pub(in crate::deadband) fn open(
        &self,
        rule: &Rule<V>,
    ) -> Result<(State<V>, Hold<V>, Counts), RestoreError> {
        let profile = rule.profile();
        // A state means what its profile makes of it: under another the same numbers would suppress other
        // samples.
        if (self.profile.as_str(), self.version) != (profile.name(), profile.version()) {
            return Err(RestoreError::Profile {
                saved: self.profile.clone(),
                saved_version: self.version,
                profile: profile.name(),
                version: profile.version(),
            });
        }
        self.settings.check(&ProfileSettings::of(profile))?;
        let mut state = self.state;
        state.restore(rule)?;
        let mut hold = self.hold;
        hold.check(&state)?;
        if hold.held.is_some() {
            state.disable_fast_path();
        }
        // Who asks for no previous sample any more must not get one from before.
        if !rule.previous {
            hold.previous = None;
        }
        Ok((state, hold, self.counts))
    }

    /// The state alone, for what holds nothing back.
    pub(in crate::deadband) fn open_state(&self, rule: &Rule<V>) -> Result<State<V>, RestoreError> {
        let (state, ..) = self.open(rule)?;
        match self.hold {
            Hold { held: Some(_), .. } => Err(RestoreError::Bank { field: "hold.held" }),
            Hold { previous: Some(_), .. } => Err(RestoreError::Bank { field: "hold.previous" }),
            _ => Ok(state),
        }
    }
}

impl<V: Number> State<V> {
    /// Proves that it is a state of this rule, and takes the rule's width.
    fn restore(&mut self, rule: &Rule<V>) -> Result<(), RestoreError> {
        let is_node = matches!(rule.profile(), Profile::NodeRed(_));
        match self.anchor {
            Anchor::Nothing => *self = Self::default(),
            Anchor::Start | Anchor::Below if !is_node => {
                return Err(RestoreError::Field { field: "state.anchor" });
            }
            _ => {}
        }
        if rule.settings().profile.is_ordered() && self.reported_at > self.newest {
            return Err(RestoreError::Field { field: "state.reported_at" });
        }
        // It is not saved, since the band may be set anew over a restart, and the new one holds from the
        // first sample on.
        self.width = rule.width(self.last);
        rule.enable_fast_path(self);
        Ok(())
    }
}

impl<V: Number> Hold<V> {
    fn check(&self, state: &State<V>) -> Result<(), RestoreError> {
        let within = |kept: &Kept<V>| {
            state.anchor == Anchor::Value && state.reported_at < kept.at && kept.at <= state.newest
        };
        if !self.previous.as_ref().is_none_or(within) {
            return Err(RestoreError::Field { field: "hold.previous" });
        }
        let Some(Held { lowest, highest, last }) = &self.held else { return Ok(()) };
        // What is released is reported without another look. A changed file could otherwise report values
        // out of order, or a lowest above the highest.
        let whole = [lowest, highest, last].into_iter().all(|kept| {
            within(kept)
                && kept.value.class() == Class::Finite
                && kept.quality == state.quality
                && kept.at <= last.at
                && lowest.value <= kept.value
                && kept.value <= highest.value
                && self.previous.is_none_or(|previous| previous.at < kept.at)
        });
        if whole { Ok(()) } else { Err(RestoreError::Field { field: "hold.held" }) }
    }
}

/// Why a saved state cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
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
    /// It was saved under another setting of the same profile.
    #[error("the state was saved with `{field}` {saved}, and the rule has {rule}: start the filter afresh")]
    Setting {
        /// What differs.
        field: &'static str,
        /// What it was saved with.
        saved: String,
        /// What the rule has.
        rule: String,
    },
    /// A bank has no place for what the filter held back.
    #[error("a bank has no `{field}`, and the saved state does: flush the filter before it is saved")]
    Bank {
        /// What it has no place for.
        field: &'static str,
    },
    /// The bank has no such tag.
    #[error("the bank has {tags} tags, and no tag {tag}: add it with `add_tag`")]
    Tag {
        /// The number.
        tag: usize,
        /// How many tags there are.
        tags: usize,
    },
    /// No filter could be in it.
    #[error("`{field}` of the saved state is none that a filter leaves: start the filter afresh")]
    Field {
        /// What does not fit.
        field: &'static str,
    },
}
