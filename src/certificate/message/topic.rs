use thiserror::Error;

const DESIRED: &str = "/config/desired";
const REPORTED: &str = "/config/reported";

/// The longest name that MQTT has, in bytes.
const LONGEST: usize = 65_535;

/// The topic on which a device learns what to use: `{device}/config/desired`.
///
/// # Errors
/// [`TopicError`] where the id would make another topic, or none.
///
/// ```
/// use iot_runbook::certificate::message::desired_topic;
///
/// assert_eq!(desired_topic("pump-7").as_deref(), Ok("pump-7/config/desired"));
/// assert!(desired_topic("pump-7/config/desired/x").is_err());
/// assert!(desired_topic("+").is_err());
/// ```
pub fn desired_topic(device: &str) -> Result<String, TopicError> {
    topic(device, DESIRED)
}

/// The topic on which a device says how far it came: `{device}/config/reported`.
///
/// # Errors
/// [`TopicError`] where the id would make another topic, or none.
pub fn reported_topic(device: &str) -> Result<String, TopicError> {
    topic(device, REPORTED)
}

/// The device that a message on this topic is from. Whether it may publish there is for the broker to see to.
///
/// # Errors
/// [`TopicError`] where it is not `{device}/config/reported`.
pub fn device_of_reported(topic: &str) -> Result<&str, TopicError> {
    let device = topic.strip_suffix(REPORTED).ok_or(TopicError::Other)?;
    check(device, REPORTED)?;
    Ok(device)
}

fn topic(device: &str, suffix: &str) -> Result<String, TopicError> {
    check(device, suffix)?;
    Ok(format!("{device}{suffix}"))
}

fn check(device: &str, suffix: &str) -> Result<(), TopicError> {
    if device.trim().is_empty() {
        return Err(TopicError::Empty);
    }
    if device.len() + suffix.len() > LONGEST {
        return Err(TopicError::TooLong { length: device.len() });
    }
    // A server keeps what begins with `$` for itself (MQTT 5.0 section 4.7.2).
    if device.starts_with('$') {
        return Err(TopicError::Character { character: '$', at: 0 });
    }
    match device.char_indices().find(|(_, character)| is_forbidden(*character)) {
        Some((at, character)) => Err(TopicError::Character { character, at }),
        None => Ok(()),
    }
}

/// Separators and wildcards, and what a server may refuse or close the connection for (MQTT 5.0 section 1.5.4).
fn is_forbidden(character: char) -> bool {
    matches!(character, '/' | '+' | '#')
        || character.is_control()
        || matches!(character, '\u{fdd0}'..='\u{fdef}')
        || u32::from(character) & 0xfffe == 0xfffe
}

/// Why a device's id makes no topic, or a topic is none of these.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// There is no device.
    #[error("the device's id is blank: name the device")]
    Empty,
    /// The topic would be longer than MQTT has it.
    #[error("the device's id has {length} bytes, and a topic may have 65535 in all: shorten it")]
    TooLong {
        /// The length of the id, in bytes.
        length: usize,
    },
    /// A character that would make another topic, or none.
    #[error(
        "the device's id has {character:?} at byte {at}, which no level of a topic may hold: name it otherwise"
    )]
    Character {
        /// The character.
        character: char,
        /// Where it is, in bytes.
        at: usize,
    },
    /// It is another topic.
    #[error("the topic is not `{{device}}/config/reported`: subscribe to `+/config/reported` alone")]
    Other,
}
