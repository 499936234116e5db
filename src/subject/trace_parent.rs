use std::fmt;
use std::str::FromStr;

/// The trace that an alert belongs to, and the span in it that raised it: the header `traceparent` of the W3C.
///
/// A diagnosis keeps it with its [`Trigger`](super::Trigger), so that a case that is resumed after hours, by another process, still
/// shows its spans in the trace of its alert.
///
/// ```
/// use iot_runbook::subject::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = header.parse()?;
/// assert_eq!(parent.to_string(), header);
/// assert!(parent.is_sampled());
/// # Ok::<(), iot_runbook::subject::TraceParentError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// A text that is no trace parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "trace parent is invalid: give `00-<trace id>-<span id>-<flags>` with 32, 16 and 2 lower-case hex digits, and no id of zeros"
)]
#[non_exhaustive]
pub struct TraceParentError;

impl TraceParent {
    /// The id of the trace; never zero.
    #[must_use]
    pub const fn trace_id(self) -> u128 {
        self.trace
    }

    /// The id of the span that raised the alert; never zero.
    #[must_use]
    pub const fn span_id(self) -> u64 {
        self.span
    }

    /// The flags of the trace.
    #[must_use]
    pub const fn flags(self) -> u8 {
        self.flags
    }

    /// True if the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads the header. One of a later version is read as far as this version knows it, as the W3C asks.
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let version = hex(parts.next(), 2)?;
        let (trace, span, flags) = (hex(parts.next(), 32)?, hex(parts.next(), 16)?, hex(parts.next(), 2)?);
        let is_longer = parts.next().is_some();
        // Version `ff` is forbidden, and only a later version has more parts.
        if version == 0xff || (version == 0 && is_longer) || trace == 0 || span == 0 {
            return Err(TraceParentError);
        }
        let (Ok(span), Ok(flags)) = (u64::try_from(span), u8::try_from(flags)) else {
            return Err(TraceParentError);
        };
        Ok(Self { trace, span, flags })
    }
}

/// Reads so many lower-case hex digits.
fn hex(text: Option<&str>, digits: usize) -> Result<u128, TraceParentError> {
    let text = text.filter(|text| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    u128::from_str_radix(text.ok_or(TraceParentError)?, 16).map_err(|_| TraceParentError)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

as_text!(TraceParent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_headers_are_read_and_written_back() {
        for header in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000001-0000000000000001-00",
            "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
        ] {
            let parent: TraceParent = header.parse().unwrap();
            assert_eq!(parent.to_string(), header);
            assert_eq!(parent.is_sampled(), parent.flags() % 2 == 1);
            let json = serde_json::to_string(&parent).unwrap();
            assert_eq!(serde_json::from_str::<TraceParent>(&json).unwrap(), parent);
        }
        // A later version may have more parts.
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes";
        let read: TraceParent = later.parse().unwrap();
        assert_eq!(read.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }

    #[test]
    fn invalid_headers_are_refused() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(TraceParentError), "{wrong}");
        }
        // Every single byte changed to one that is no digit.
        for at in 0..valid.len() {
            let changed = format!("{}x{}", &valid[..at], &valid[at + 1..]);
            assert!(changed.parse::<TraceParent>().is_err(), "{changed}");
        }
    }
}
