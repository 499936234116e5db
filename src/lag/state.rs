use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What the coordinator of a group says of it, where it was asked.
///
/// It is read from the name that Kafka shows (`kafka-consumer-groups --describe --state`), of classic groups and of
/// those of the consumer protocol (KIP-848) alike; a number of members becomes one by `From`.
///
/// ```
/// use iot_runbook::lag::GroupState;
///
/// assert_eq!("Reconciling".parse(), Ok(GroupState::Rebalancing));
/// assert_eq!(GroupState::from(Some(0)), GroupState::Empty);
/// assert_eq!(GroupState::from(None), GroupState::NotAsked);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupState {
    /// Nobody asked, or there was no answer. Kafka's `Unknown`.
    #[default]
    NotAsked,
    /// It has no members (`Empty`), or the coordinator does not know it (`Dead`): nobody reads.
    Empty,
    /// It shares out its partitions: `PreparingRebalance`, `CompletingRebalance`; in KIP-848 `Assigning`,
    /// `Reconciling`. It commits little meanwhile. A stop is judged as in any other state: see
    /// [`stop_after`](super::Settings::stop_after).
    Rebalancing,
    /// It has members and an assignment (`Stable`).
    Stable,
    /// It is a share group (KIP-932), whatever its state. It commits no offset: the coordinator keeps the state of
    /// single records, so that lag and progress mean something else. It is not judged.
    Share,
}

/// A state that is not one of Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a state of a consumer group: give `Stable`, `Empty`, `Dead`, `PreparingRebalance`, \
     `CompletingRebalance`, `Assigning`, `Reconciling` or `Unknown`"
)]
pub struct GroupStateError(String);

impl FromStr for GroupState {
    type Err = GroupStateError;

    /// Kafka writes the names in several ways (`PreparingRebalance`, `PREPARING_REBALANCE`): case, `_` and spaces do
    /// not matter. `Share` is a type of groups and no state; give it yourself.
    fn from_str(name: &str) -> Result<Self, GroupStateError> {
        let plain: String = name
            .chars()
            .filter(|letter| !matches!(letter, '_' | ' '))
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        match plain.as_str() {
            "stable" => Ok(Self::Stable),
            "empty" | "dead" => Ok(Self::Empty),
            "preparingrebalance" | "completingrebalance" | "assigning" | "reconciling" => {
                Ok(Self::Rebalancing)
            }
            "unknown" => Ok(Self::NotAsked),
            _ => Err(GroupStateError(name.to_owned())),
        }
    }
}

impl From<Option<u32>> for GroupState {
    /// By how many members it has, where that is known.
    fn from(members: Option<u32>) -> Self {
        match members {
            None => Self::NotAsked,
            Some(0) => Self::Empty,
            Some(_) => Self::Stable,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "not-asked",
            Self::Empty => "empty",
            Self::Rebalancing => "rebalancing",
            Self::Stable => "stable",
            Self::Share => "share",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_kafka_has_its_own() {
        for (name, state) in [
            ("Stable", GroupState::Stable),
            ("STABLE", GroupState::Stable),
            ("Empty", GroupState::Empty),
            ("Dead", GroupState::Empty),
            ("PreparingRebalance", GroupState::Rebalancing),
            ("COMPLETING_REBALANCE", GroupState::Rebalancing),
            ("Assigning", GroupState::Rebalancing),
            ("Reconciling", GroupState::Rebalancing),
            ("Unknown", GroupState::NotAsked),
        ] {
            assert_eq!(name.parse(), Ok(state), "{name}");
        }
        let error = "Stalled".parse::<GroupState>().unwrap_err().to_string();
        assert!(error.starts_with("`Stalled` is not a state"), "{error}");
    }
}
