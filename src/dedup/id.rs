//! Message ids as 128-bit keys.

use std::fmt;

use thiserror::Error;
use ulid::Ulid;

/// The key of a message: the 128 bits of a ULID, or a keyed hash of any other id (see
/// [`Secret::id`](super::Secret::id)). Two messages with one key count as copies of each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

/// The 32 digits of Crockford's alphabet, whose place is their value.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value of each byte as a digit; 255 where it is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        let digit = DIGITS[value];
        values[digit as usize] = value as u8;
        values[digit.to_ascii_lowercase() as usize] = value as u8;
        value += 1;
    }
    values
};

impl MessageId {
    /// The key that has these bits. Only for ids that are 128 bits by nature, such as a ULID or UUID: what is
    /// shorter or longer goes through [`Secret::id`](super::Secret::id).
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The key's bits.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// Reads a ULID's text.
    ///
    /// The rule (ULID specification, with no leniency where two texts could mean one id by accident): exactly 26
    /// digits of Crockford's alphabet, in upper or lower case. `I`, `L`, `O` and `U` are no digits: they are
    /// refused and not read as 1, 1 and 0. The first digit is at most 7, for 26 digits hold 130 bits and a
    /// ULID has 128: a decoder that lets the rest run over maps different texts to one key.
    ///
    /// ```
    /// use iot_runbook::dedup::{MessageId, UlidTextError};
    ///
    /// let id = MessageId::from_ulid_text("01JD8Z5K3V9QX7R2M4N6P8T0WA")?;
    /// assert_eq!(id, MessageId::from_ulid_text("01jd8z5k3v9qx7r2m4n6p8t0wa")?);
    /// assert!(MessageId::from_ulid_text("8ZZZZZZZZZZZZZZZZZZZZZZZZZ").is_err());
    /// # Ok::<(), UlidTextError>(())
    /// ```
    ///
    /// # Errors
    /// [`UlidTextError`], which says what is where.
    pub fn from_ulid_text(text: &str) -> Result<Self, UlidTextError> {
        let digits: &[u8; 26] =
            text.as_bytes().try_into().map_err(|_| UlidTextError::Length { length: text.chars().count() })?;
        let mut bits = 0_u128;
        let mut seen = 0;
        for digit in digits {
            let value = VALUES[usize::from(*digit)];
            seen |= value;
            bits = (bits << 5) | u128::from(value & 31);
        }
        if seen > 31 {
            return Err(UlidTextError::no_digit(text));
        }
        if digits[0] > b'7' {
            return Err(UlidTextError::Overflow { first: char::from(digits[0]) });
        }
        Ok(Self(bits))
    }
}

impl From<Ulid> for MessageId {
    fn from(id: Ulid) -> Self {
        Self(id.0)
    }
}

/// As a ULID's text, in upper case.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 26];
        let mut bits = self.0;
        for place in text.iter_mut().rev() {
            *place = DIGITS[(bits & 31) as usize];
            bits >>= 5;
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no ULID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UlidTextError {
    /// It is not 26 characters long.
    #[error(
        "a ULID has 26 characters, and this text has {length}: take another kind of id through `Secret::id`"
    )]
    Length {
        /// How many characters it has.
        length: usize,
    },
    /// A character is no digit of Crockford's alphabet.
    #[error(
        "character {at} of the ULID is {found:?}, which is no digit of Crockford's alphabet (0-9 and A-Z without \
         I, L, O and U): mend the generator, or take the id as plain bytes through `Secret::id`"
    )]
    NoDigit {
        /// Its place, from 1.
        at: usize,
        /// The character.
        found: char,
    },
    /// The first digit is above 7: the number is longer than 128 bits.
    #[error(
        "the ULID begins with {first:?}, and a first digit above 7 is more than 128 bits hold: mend the generator, \
         or take the id as plain bytes through `Secret::id`"
    )]
    Overflow {
        /// The first digit.
        first: char,
    },
}

impl UlidTextError {
    #[cold]
    fn no_digit(text: &str) -> Self {
        let strange = |found: char| !u8::try_from(found).is_ok_and(|byte| VALUES[usize::from(byte)] < 32);
        match text.chars().zip(1..).find(|(found, _)| strange(*found)) {
            Some((found, at)) => Self::NoDigit { at, found },
            None => Self::Length { length: text.chars().count() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_text_is_read_as_by_the_ulid_crate() {
        for bits in [0, 1, 31, 32, u128::MAX, u128::MAX >> 1, 0x0193_4BF2_AC63_1234_5678_9ABC_DEF0_1234] {
            let text = Ulid(bits).to_string();
            assert_eq!(MessageId::from_ulid_text(&text), Ok(MessageId(bits)), "{text}");
            assert_eq!(MessageId::from_ulid_text(&text.to_ascii_lowercase()), Ok(MessageId(bits)));
            assert_eq!(MessageId(bits).to_string(), text);
        }
        assert_eq!(MessageId::from_ulid_text("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), Ok(MessageId(u128::MAX)));
    }

    #[test]
    fn a_text_that_overflows_is_refused() {
        for first in "89ABCDEFGHJKMNPQRSTVWXYZz".chars() {
            let text = format!("{first}0000000000000000000000001");
            assert_eq!(MessageId::from_ulid_text(&text), Err(UlidTextError::Overflow { first }));
        }
    }

    #[test]
    fn bad_characters_are_named_with_place() {
        let good = "01JD8Z5K3V9QX7R2M4N6P8T0WA";
        for found in
            ['I', 'L', 'O', 'U', 'i', 'l', 'o', 'u', '-', ' ', '@', '[', '`', '{', '/', ':', '\0', '\x7f']
        {
            for at in [1, 2, 26] {
                let text: String =
                    good.chars().zip(1..).map(|(c, place)| if place == at { found } else { c }).collect();
                assert_eq!(
                    MessageId::from_ulid_text(&text),
                    Err(UlidTextError::NoDigit { at, found }),
                    "{text}"
                );
            }
        }
        // 26 bytes, and 25 characters.
        assert_eq!(
            MessageId::from_ulid_text("01JD8Z5K3V9QX7R2M4N6P8T0ä"),
            Err(UlidTextError::NoDigit { at: 25, found: 'ä' })
        );
    }

    #[test]
    fn a_text_of_another_length_is_refused() {
        for text in ["", "0", "01JD8Z5K3V9QX7R2M4N6P8T0W", "01JD8Z5K3V9QX7R2M4N6P8T0WAA", "äöü"] {
            let length = text.chars().count();
            assert_eq!(MessageId::from_ulid_text(text), Err(UlidTextError::Length { length }), "{text}");
        }
    }
}
