//! A Redis of a test's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{PORTS, Process, StartError, free_port};

/// A `redis-server` on a free port of the loopback, which keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// A server that listens.
    ///
    /// # Errors
    /// [`StartError`] where it cannot be started.
    pub fn start() -> Result<Self, StartError> {
        for _ in 0..PORTS {
            let mut redis = Self::spawn(free_port()?)?;
            if redis.answers()? {
                return Ok(redis);
            }
        }
        Err(StartError::silent("redis-server", "no port was free"))
    }

    /// Whether this server answers, and none of another's that took the port.
    fn answers(&mut self) -> Result<bool, StartError> {
        let (port, pid) = (self.port, self.pid());
        Ok(self.process.wait_until(|| pid_at(port) == Some(pid))?)
    }

    fn spawn(port: u16) -> Result<Self, StartError> {
        let folder = TempDir::new()?;
        let mut server = Command::new("redis-server");
        server
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--maxmemory-policy", "noeviction", "--port", &port.to_string(), "--dir"])
            .arg(folder.path());
        let process = Process::spawn(&mut server, "redis-server", "redis-server")?;
        Ok(Self { process, port, _folder: folder })
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// The process id of the Redis at that port, as it says itself.
fn pid_at(port: u16) -> Option<u32> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"INFO server\r\nQUIT\r\n").ok()?;
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.into_iter().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_port_is_not_our_server() {
        let first = Redis::start().unwrap();
        let mut second = Redis::spawn(first.port).unwrap();
        assert!(!second.answers().unwrap());
    }
}
