//! A text that is read as a duration is written as one that reads the same; every duration is.
#![no_main]

use chrono::TimeDelta;
use iot_runbook::time::{format_duration, parse_duration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        match parse_duration(text) {
            Ok(duration) => reads_back(duration),
            Err(error) => assert!(error.to_string().len() < 400, "a long text is not repeated whole"),
        }
    }
    if let Some((seconds, rest)) = data.split_first_chunk() {
        let nanoseconds = rest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) % 1_000_000_000);
        if let Some(duration) = TimeDelta::new(i64::from_le_bytes(*seconds), nanoseconds) {
            reads_back(duration);
        }
    }
});

fn reads_back(duration: TimeDelta) {
    let text = format_duration(duration);
    assert_eq!(parse_duration(&text).as_ref(), Ok(&duration), "{text}");
}
