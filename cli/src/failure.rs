//! Why a command could not look at all: it ends with 2.

use std::io;

use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{name}: {source}; give a file that can be read, or `-` for standard input")]
    Read { name: String, source: io::Error },
    #[error("{name} is a directory; name the files in it")]
    Directory { name: String },
    #[error("standard input was named twice; name it once")]
    StdinTwice,
    #[error("{name} is empty; {want}")]
    Empty { name: String, want: &'static str },
    #[error("{name} is longer than {most} MiB; no file of this kind needs that")]
    TooLong { name: String, most: u64 },
    #[error("{name}, line {line}, byte {byte}: the text is not UTF-8; save it as UTF-8")]
    NotUtf8 { name: String, line: usize, byte: usize },
    #[error("{name} is UTF-16; save it as UTF-8")]
    Utf16 { name: String },
    #[error("{name}: {reason}")]
    Format { name: String, reason: String },
    #[error("there is no built-in runbook `{name}`{meant}; there are {known}")]
    NotInCatalog { name: String, meant: String, known: String },
    #[error("{name}: there is no such file; a built-in runbook is `catalog:NAME`, and NAME one of {known}")]
    NoRunbook { name: String, known: String },
    #[error(
        "{name} is not a valid runbook, faults: {count}; the first: {first}; run `iot-runbook check` to see each in its place"
    )]
    Faulty { name: String, count: usize, first: String },
    #[error("{0}")]
    Other(String),
    #[error("standard output: {0}")]
    Write(io::Error),
}
