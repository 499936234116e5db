//! A PostgreSQL of a test's own, on a Unix socket.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, StartError, is_root, user_id};

const PACKAGE: &str = "postgresql";

/// A server with an empty database `postgres` of the user `fleet`. It does not wait for its disk.
#[derive(Debug)]
pub struct Postgres {
    // Before the folder: it stops first.
    process: Process,
    folder: TempDir,
}

impl Postgres {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// [`StartError`] where it cannot be started.
    pub fn start() -> Result<Self, StartError> {
        let folder = tempfile::Builder::new().prefix("runbook-pg").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        if is_root() {
            // PostgreSQL refuses to run as root.
            chown(&data, user_id("-u", Some("postgres")), user_id("-g", Some("postgres")))?;
        }
        let made = command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=fleet", "--encoding=UTF8", "--locale=C"])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .map_err(|source| StartError::Missing { program: "initdb", package: PACKAGE, source })?;
        if !made.status.success() {
            return Err(StartError::silent("initdb", String::from_utf8_lossy(&made.stderr)));
        }
        let process = run(folder.path())?;
        Ok(Self { process, folder })
    }

    /// How it is reached, as the string of a connection.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} user=fleet dbname=postgres connect_timeout=2")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it, which cuts every connection, and starts it again over its data.
    ///
    /// # Errors
    /// [`StartError`] where it does not come back.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.stop()?;
        self.process = run(self.folder.path())?;
        Ok(())
    }

    /// SIGINT: connections are cut at once, and the log is flushed.
    fn stop(&mut self) -> io::Result<()> {
        self.process.signal("-INT")?;
        self.process.0.wait().map(drop)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGKILL would leave its shared memory behind.
        self.stop().ok();
    }
}

fn run(folder: &Path) -> Result<Process, StartError> {
    let mut server = command("postgres");
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "logging_collector=off"]);
    let mut process = Process::spawn(&mut server, "postgres", PACKAGE)?;
    let is_ready = || {
        let ready = command("pg_isready").arg("--quiet").arg("--host").arg(folder).status();
        ready.is_ok_and(|status| status.success())
    };
    if process.wait_until(is_ready)? {
        Ok(process)
    } else {
        Err(StartError::silent("postgres", "run it by hand to see why"))
    }
}

/// A program of the server, run by a user that is not root.
fn command(program: &str) -> Command {
    let path = installed(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command.current_dir("/tmp");
    command
}

/// Debian keeps the programs of each version in a folder of its own, outside the path.
fn installed(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| program.into())
}
