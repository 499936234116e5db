//! Reading what was named on the command line: files, and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::failure::Failure;

/// The most that is read of one input, in MiB.
const MOST: u64 = 1024;

/// What was read of the inputs so far: standard input comes only once.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    stdin_taken: bool,
}

/// A text and the name it is shown under.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether it is JSON: by its name, or by how it begins.
    pub(crate) is_json: bool,
}

impl Inputs {
    pub(crate) fn bytes(&mut self, path: &Path) -> Result<(String, Vec<u8>), Failure> {
        let name = shown(path);
        let read = |source| Failure::Read { name: shown(path), source };
        let mut bytes = Vec::new();
        if is_stdin(path) {
            if std::mem::replace(&mut self.stdin_taken, true) {
                return Err(Failure::StdinTwice);
            }
            io::stdin().lock().take((MOST << 20) + 1).read_to_end(&mut bytes).map_err(read)?;
        } else {
            let file = File::open(path).map_err(read)?;
            // Asked of the open file: reading a directory has another error on each system.
            if file.metadata().map_err(read)?.is_dir() {
                return Err(Failure::Directory { name });
            }
            file.take((MOST << 20) + 1).read_to_end(&mut bytes).map_err(read)?;
        }
        if bytes.len() as u64 > MOST << 20 {
            return Err(Failure::TooLong { name, most: MOST });
        }
        Ok((name, bytes))
    }

    /// A text that is not empty; `want` says what to give instead of an empty one.
    pub(crate) fn text(&mut self, path: &Path, want: &'static str) -> Result<Text, Failure> {
        let (name, bytes) = self.bytes(path)?;
        if matches!(bytes.get(..2), Some(b"\xff\xfe" | b"\xfe\xff")) {
            return Err(Failure::Utf16 { name });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            Failure::NotUtf8 { name: name.clone(), line, byte: valid - begin + 1 }
        })?;
        // Editors on Windows begin a file with this mark.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Failure::Empty { name, want });
        }
        let is_json = match path.extension().and_then(|end| end.to_str()) {
            Some("json") => true,
            Some("toml") => false,
            // In TOML no document begins so.
            _ => text.trim_start().starts_with('{'),
        };
        Ok(Text { name, text, is_json })
    }
}

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// A moment, as people and machines write it: RFC 3339; a date and a time, taken for UTC; seconds or milliseconds since
/// 1970, distinguished by their size.
pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let wrong = || {
        format!(
            "`{}` is not a time: write RFC 3339, such as 2026-11-23T08:00:00Z, or seconds since 1970",
            text.chars().take(40).collect::<String>()
        )
    };
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    // chrono reads `08:17:5` too, which is a time that was cut off.
    let is_whole = matches!(text.split('.').next().map(str::len), Some(16 | 19));
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, form)
            && is_whole
        {
            return Ok(at.and_utc());
        }
    }
    // Seconds reach this size in the year 5138, and milliseconds reached it in 1973.
    const MILLISECONDS_FROM: f64 = 1e11;
    if let Ok(number) = text.parse::<i64>() {
        let is_seconds = (number as f64).abs() < MILLISECONDS_FROM;
        let at = if is_seconds {
            DateTime::from_timestamp(number, 0)
        } else {
            DateTime::from_timestamp_millis(number)
        };
        return at.ok_or_else(wrong);
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && let (Ok(seconds), true) = (whole.parse::<i64>(), !fraction.is_empty() && fraction.len() <= 9)
        && let Ok(digits) = format!("{fraction:0<9}").parse::<u32>()
        && seconds >= 0
    {
        return DateTime::from_timestamp(seconds, digits).ok_or_else(wrong);
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_of_a_time_is_read() {
        let expected = "2026-11-23T08:00:04Z".parse::<DateTime<Utc>>().unwrap();
        for text in [
            "2026-11-23T08:00:04Z",
            "2026-11-23T09:00:04+01:00",
            " 2026-11-23 08:00:04 ",
            "2026-11-23T08:00:04.000",
            "1795420804",
            "1795420804000",
            "1795420804.0",
        ] {
            assert_eq!(instant(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "08:00:04",
            "2026-11-23T08:17:5",
            "2026-13-01T00:00:00Z",
            "1.5.6",
            "99999999999999999999",
        ] {
            assert!(instant(text).unwrap_err().contains("is not a time"), "{text}");
        }
    }
}
