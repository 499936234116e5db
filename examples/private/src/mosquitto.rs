//! A Mosquitto of a test's own, with mutual TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{PORTS, Process, StartError, free_port, is_root, last_lines};

/// What the broker shows and whom it trusts, each as PEM.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// The authority of the devices.
    pub ca: String,
    /// The broker's certificate.
    pub certificate: String,
    /// The broker's key.
    pub key: String,
}

impl Credentials {
    /// Those of a broker.
    #[must_use]
    pub const fn new(ca: String, certificate: String, key: String) -> Self {
        Self { ca, certificate, key }
    }
}

/// A `mosquitto` on a free port of the loopback. A client must show a certificate, whose common name is its user name. The log
/// holds everything, with times in UTC.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Mosquitto {
    /// A broker that listens.
    ///
    /// # Errors
    /// [`StartError`] where it cannot be started.
    pub fn start(credentials: &Credentials) -> Result<Self, StartError> {
        let folder = TempDir::new()?;
        let at = folder.path();
        for (name, pem) in [
            ("ca.pem", &credentials.ca),
            ("cert.pem", &credentials.certificate),
            ("key.pem", &credentials.key),
        ] {
            fs::write(at.join(name), pem)?;
        }
        for _ in 0..PORTS {
            let port = free_port()?;
            fs::write(at.join("mosquitto.conf"), configuration(at, port))?;
            if let Some(process) = run(at)? {
                return Ok(Self { process, port, folder });
            }
        }
        Err(StartError::silent("mosquitto", last_lines(&at.join("mosquitto.log"))))
    }

    /// The port that it listens at, of the loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("mosquitto.log")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Kills it, so that it says no goodbye, and starts it again with the same log.
    ///
    /// # Errors
    /// [`StartError`] where it does not come back.
    pub fn crash_and_restart(&mut self) -> Result<(), StartError> {
        self.process.0.kill()?;
        self.start_again()
    }

    /// Stops it, so that it says goodbye, and starts it again with the same log.
    ///
    /// # Errors
    /// [`StartError`] where it does not come back.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.process.signal("-TERM")?;
        self.start_again()
    }

    fn start_again(&mut self) -> Result<(), StartError> {
        self.process.0.wait()?;
        let again = run(self.folder.path())?;
        self.process = again.ok_or_else(|| StartError::silent("mosquitto", last_lines(&self.log())))?;
        Ok(())
    }
}

fn configuration(at: &Path, port: u16) -> String {
    let file = |name: &str| at.join(name).display().to_string();
    // It gives up root by itself, and could not read its key then.
    let user = if is_root() { "user root\n" } else { "" };
    format!(
        "{user}listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
         use_identity_as_username true\nallow_anonymous false\npersistence false\nconnection_messages true\n\
         log_type all\nlog_dest file {}\nlog_timestamp true\nlog_timestamp_format %Y-%m-%dT%H:%M:%S\n",
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem"),
        file("mosquitto.log"),
    )
}

/// Starts it; `None` where it ended at once, as it does where its port is taken.
fn run(at: &Path) -> Result<Option<Process>, StartError> {
    let (log, starts) = (at.join("mosquitto.log"), count_starts(&at.join("mosquitto.log")));
    let mut server = Command::new(installed());
    // It writes local times.
    server.env("TZ", "UTC").arg("-c").arg(at.join("mosquitto.conf"));
    let mut process = Process::spawn(&mut server, "mosquitto", "mosquitto")?;
    Ok(process.wait_until(|| count_starts(&log) > starts)?.then_some(process))
}

fn count_starts(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.ends_with(" running")).count()
}

/// Debian keeps it where only root's path leads.
fn installed() -> PathBuf {
    let path = PathBuf::from("/usr/sbin/mosquitto");
    if path.exists() { path } else { "mosquitto".into() }
}
