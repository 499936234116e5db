//! A PostgreSQL of a test's own, on a Unix socket in a temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio_postgres::Config;

/// Stopped when it is dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("runbook-pg").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        if is_root() {
            // PostgreSQL refuses to run as root.
            let (user, group) = (id("-u"), id("-g"));
            chown(&data, Some(user), Some(group)).unwrap();
        }
        let made = command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=fleet",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let process = run(folder.path());
        let server = Self { folder, process };
        server.wait();
        server
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).user("fleet").dbname("postgres");
        config.connect_timeout(Duration::from_secs(2));
        config
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = run(self.folder.path());
        self.wait();
    }

    fn stop(&mut self) {
        // SIGINT: connections are cut at once, and the log is flushed.
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.process.wait().unwrap();
    }

    fn wait(&self) {
        for _ in 0..600 {
            let ready = command("pg_isready").arg("--quiet").arg("--host").arg(self.folder.path()).status();
            if ready.unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(folder: &Path) -> Child {
    let mut command = command("postgres");
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    command.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
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

fn is_root() -> bool {
    id_of(&["-u"]) == 0
}

fn id(option: &str) -> u32 {
    id_of(&[option, "postgres"])
}

fn id_of(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
