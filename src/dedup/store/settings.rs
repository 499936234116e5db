//! How deduplication over a store is set up.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::dedup::{SettingsError, Window};

/// How long a TTL and its grace may be together: ten years, which every store can count in milliseconds.
const LONGEST: TimeDelta = TimeDelta::days(3653);

/// What comes of a message when the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhenUnavailable {
    /// The caller gets the error and decides: put the message back, or pass it on. To drop it would lose it.
    #[default]
    Fail,
    /// The message is passed on as [`Untracked`](crate::dedup::Verdict::Untracked), and counted in
    /// [`Troubles`](super::Troubles): a duplicate may come through, and nothing waits for the store.
    PassUntracked,
}

/// The settings of a window over a store. Every machine that shares the store has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreSettings {
    /// For how long an id is remembered: a copy of this age or older is no duplicate. From 1 ms, and with `grace`
    /// at most ten years. To the millisecond.
    pub ttl: TimeDelta,
    /// For how long beyond it an id is kept, so that a late copy is known as such. A quarter of the TTL unless
    /// set; zero: not at all.
    pub grace: TimeDelta,
    /// Which sighting the TTL runs from.
    pub window: Window,
    /// For how long a reservation keeps others off; 30 s unless set, or the TTL where that is shorter. From 1 ms
    /// to the TTL.
    pub reserve_timeout: TimeDelta,
    /// What comes of a message when the store cannot be asked.
    pub when_unavailable: WhenUnavailable,
    /// How often an operation that failed in a way that may pass is tried again, at once. Once unless set; waits
    /// between tries are the adapter's.
    pub retries: u8,
}

impl StoreSettings {
    /// The settings with a TTL, and all else as it is unless set.
    #[must_use]
    pub fn new(ttl: TimeDelta) -> Self {
        Self {
            ttl,
            grace: ttl / 4,
            window: Window::default(),
            reserve_timeout: ttl.min(TimeDelta::seconds(30)),
            when_unavailable: WhenUnavailable::default(),
            retries: 1,
        }
    }

    setters! {
        /// With that time beyond the TTL.
        const with_grace(grace: TimeDelta) => grace = grace;
        /// With that window.
        const with_window(window: Window) => window = window;
        /// With that time for a reservation.
        const with_reserve_timeout(timeout: TimeDelta) => reserve_timeout = timeout;
        /// With that for messages that the store cannot be asked about.
        const with_when_unavailable(what: WhenUnavailable) => when_unavailable = what;
        /// With so many further tries.
        const with_retries(retries: u8) => retries = retries;
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for (field, given) in [("ttl", self.ttl), ("reserve_timeout", self.reserve_timeout)] {
            if given.num_milliseconds() < 1 {
                return Err(SettingsError::TooShort { field, given });
            }
        }
        if self.grace < TimeDelta::zero() {
            return Err(SettingsError::Negative { given: self.grace });
        }
        if self.ttl.checked_add(&self.grace).is_none_or(|together| together > LONGEST) {
            return Err(SettingsError::TooLong { ttl: self.ttl, grace: self.grace, longest: "ten years" });
        }
        if self.reserve_timeout > self.ttl {
            return Err(SettingsError::ReserveTimeout { given: self.reserve_timeout, ttl: self.ttl });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_from_both_sides() {
        let ms = TimeDelta::milliseconds;
        let base = StoreSettings::new(ms(1000));
        let fine = [
            StoreSettings::new(ms(1)),
            StoreSettings::new(LONGEST).with_grace(ms(0)),
            base.with_reserve_timeout(ms(1)),
            base.with_reserve_timeout(ms(1000)),
            base.with_grace(LONGEST - ms(1000)),
        ];
        for settings in fine {
            assert_eq!(settings.check(), Ok(()));
        }
        let wrong = [
            (StoreSettings::new(TimeDelta::microseconds(999)), "`ttl` is"),
            (StoreSettings::new(TimeDelta::MAX), "`ttl` of"),
            (StoreSettings::new(TimeDelta::MIN), "`ttl` is"),
            (StoreSettings::new(LONGEST).with_grace(ms(1)), "`ttl` of"),
            (base.with_grace(ms(-1)), "`grace` is"),
            (base.with_grace(TimeDelta::MAX), "`ttl` of"),
            (base.with_reserve_timeout(ms(0)), "`reserve_timeout` is"),
            (base.with_reserve_timeout(ms(1001)), "`reserve_timeout` of"),
        ];
        for (settings, message) in wrong {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
