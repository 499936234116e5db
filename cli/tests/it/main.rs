//! The built command, run as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect"
)]

mod cert;
mod check;
mod diff;
mod draw;
mod drift;
mod explain;
mod gap;
mod lag;
mod manners;
mod readme;
mod redact;
mod rehearse;
mod replay;
mod report;
mod schema;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A runbook whose checks a service registers.
const PUMP: &str = include_str!("files/pump.toml");
/// What is said of those checks on the command line.
const OWN: &str = "--own-check=pump-state,starts";

/// What a run of the command left.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// The command with nothing of the surroundings in it.
fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iot-runbook"));
    command.args(arguments).env_clear().env("COLUMNS", "80").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Run {
    run_with(arguments, b"", 80)
}

/// Runs it with this on standard input, on a page of that width.
fn run_with<S: AsRef<OsStr>>(arguments: &[S], input: &[u8], width: usize) -> Run {
    let mut command = command(arguments);
    command.env("COLUMNS", width.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // The command may end before it has read all.
        let _ = stdin.write_all(&input);
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: status.code().expect("it ended by itself"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A directory of one test, which is removed after it.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = format!("{}/{}-{number}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        fs::create_dir_all(&directory).unwrap();
        Self(directory.into())
    }

    /// Writes a file, and has its path.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The pump's runbook with a part of it replaced, which must be there once.
fn pump(from: &str, to: &str) -> String {
    assert_eq!(PUMP.matches(from).count(), 1, "{from:?} stands once in the runbook");
    PUMP.replacen(from, to, 1)
}
