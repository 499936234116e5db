use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// When a certificate ends: at a moment, which is still within its life, or never. 9999-12-31 and what is later
/// means never (RFC 5280 section 4.1.2.5). Never is later than any moment.
///
/// Serde writes it as text: RFC 3339, or `never`.
///
/// ```
/// use iot_runbook::certificate::validity::Expiry;
///
/// let written = Expiry::at("9999-12-31T23:59:59Z".parse()?);
/// assert_eq!(written, Expiry::NEVER);
/// assert!(Expiry::at("2049-12-31T23:59:59Z".parse()?) < Expiry::NEVER);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expiry(Option<DateTime<Utc>>);

impl Expiry {
    /// It never comes.
    pub const NEVER: Self = Self(None);

    /// At that moment, or never where the moment means that.
    #[must_use]
    pub fn at(moment: DateTime<Utc>) -> Self {
        Self(Some(moment).filter(|moment| (moment.year(), moment.month(), moment.day()) < (9999, 12, 31)))
    }

    /// The moment; `None`: never.
    #[must_use]
    pub const fn moment(self) -> Option<DateTime<Utc>> {
        self.0
    }

    /// Whether it never comes.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0.is_none()
    }

    /// The moment as a certificate writes it: 9999-12-31 23:59:59 for never.
    #[must_use]
    pub fn written(self) -> DateTime<Utc> {
        self.0.or_else(last_second).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

fn last_second() -> Option<DateTime<Utc>> {
    Some(NaiveDate::from_ymd_opt(9999, 12, 31)?.and_hms_opt(23, 59, 59)?.and_utc())
}

impl From<DateTime<Utc>> for Expiry {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::at(moment)
    }
}

impl Ord for Expiry {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Some(this), Some(other)) => this.cmp(&other),
            (this, other) => this.is_none().cmp(&other.is_none()),
        }
    }
}

impl PartialOrd for Expiry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => f.write_str("never"),
        }
    }
}

impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::NEVER);
        }
        text.parse().map(Self::at).map_err(|_| {
            de::Error::invalid_value(de::Unexpected::Str(&text), &"a date and time in RFC 3339, or `never`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_begins_with_the_last_day_of_9999() {
        let at = |text: &str| Expiry::at(text.parse().unwrap());
        assert!(!at("9999-12-30T23:59:59.999999999Z").is_never());
        assert!(at("9999-12-31T00:00:00Z").is_never());
        assert!(Expiry::at(DateTime::<Utc>::MAX_UTC).is_never());
        assert!(!Expiry::at(DateTime::<Utc>::MIN_UTC).is_never());
        assert_eq!(Expiry::at(Expiry::NEVER.written()), Expiry::NEVER);
    }

    #[test]
    fn it_is_ordered_in_time_and_written_as_text() {
        let early = Expiry::at("1949-01-01T00:00:00Z".parse().unwrap());
        let late = Expiry::at("2050-01-01T00:00:00Z".parse().unwrap());
        let mut all = [Expiry::NEVER, late, early];
        all.sort();
        assert_eq!(all, [early, late, Expiry::NEVER]);
        for expiry in all {
            let text = serde_json::to_string(&expiry).unwrap();
            assert_eq!(serde_json::from_str::<Expiry>(&text).unwrap(), expiry, "{text}");
        }
        assert_eq!(serde_json::to_string(&late).unwrap(), "\"2050-01-01T00:00:00Z\"");
        assert!(serde_json::from_str::<Expiry>("\"soon\"").is_err());
    }
}
