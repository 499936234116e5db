//! Servers of a test's own. Each runs in a temporary folder, on a Unix socket or a free port of the loopback, and is stopped by
//! its process id when it is dropped; also by a panic.
//!
//! | file | what |
//! |---|---|
//! | [`postgres`] | a PostgreSQL without its disk's safety |
//! | [`redis`] | a Redis that keeps nothing |
//! | [`mosquitto`] | a Mosquitto with mutual TLS, and its log |

pub mod mosquitto;
pub mod postgres;
pub mod redis;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub use mosquitto::Mosquitto;
pub use postgres::Postgres;
pub use redis::Redis;

/// How often a port is tried that somebody else may take meanwhile.
const PORTS: u32 = 5;

/// How often, and how far apart, a server is asked whether it is there.
const ASKED: u32 = 1_500;
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program cannot be started.
    #[error("`{program}` cannot be started: install it (Debian: `apt-get install {package}`)")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package of Debian that holds it.
        package: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended, or does not answer.
    #[error("`{program}` was started and does not answer: {said}")]
    Silent {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// There is no port or no folder for it.
    #[error("there is no place for a server")]
    Place(#[from] io::Error),
}

impl StartError {
    fn silent(program: &'static str, said: impl Into<String>) -> Self {
        Self::Silent { program, said: said.into() }
    }
}

/// A child process that is ended when it is dropped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn spawn(
        command: &mut Command,
        program: &'static str,
        package: &'static str,
    ) -> Result<Self, StartError> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = silent.spawn().map_err(|source| StartError::Missing { program, package, source })?;
        Ok(Self(child))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until `is_there`. False: it ended first, or takes too long.
    fn wait_until(&mut self, mut is_there: impl FnMut() -> bool) -> io::Result<bool> {
        for _ in 0..ASKED {
            if self.0.try_wait()?.is_some() {
                return Ok(false);
            }
            if is_there() {
                return Ok(true);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(false)
    }

    /// Sends a signal, such as `-INT`.
    fn signal(&self, signal: &str) -> io::Result<()> {
        let sent = Command::new("kill").args([signal, &self.pid().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other(format!("kill {signal} failed"))) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is only waited for.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// True where this process runs as root: some servers refuse that, or give it up.
fn is_root() -> bool {
    user_id("-u", None) == Some(0)
}

fn user_id(option: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(option).args(user).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// What a server wrote into its log, for an error.
fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    if lines.is_empty() { "it said nothing".to_owned() } else { lines.join(" / ") }
}
