//! A Redis server of one's own, for tests and for the story.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::InfoDict;
use tempfile::TempDir;

use crate::link::Link;

/// How often a port is tried that somebody else may take meanwhile.
const PORTS: u32 = 5;

/// How often, and how far apart, it is asked whether it is there.
const ASKED: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// A `redis-server` on a free port of the loopback, which keeps nothing on disk. It is stopped, by its process id,
/// when this is dropped; also by a panic.
#[derive(Debug)]
pub struct PrivateRedis {
    server: Child,
    port: u16,
    _folder: TempDir,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateRedisError {
    /// The program cannot be started.
    #[error("`redis-server` cannot be started: install it (Debian: `apt-get install redis-server`)")]
    Start(#[source] io::Error),
    /// It was started and does not listen.
    #[error("`redis-server` was started and does not listen")]
    Silent,
    /// There is no port or no folder for it.
    #[error("there is no place for `redis-server`")]
    Place(#[from] io::Error),
}

impl PrivateRedis {
    /// A server that listens.
    ///
    /// # Errors
    /// [`PrivateRedisError`] where it cannot be started.
    pub async fn start() -> Result<Self, PrivateRedisError> {
        for _ in 0..PORTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut redis = Self::spawn(port)?;
            if redis.answers().await? {
                return Ok(redis);
            }
        }
        Err(PrivateRedisError::Silent)
    }

    /// Whether this server answers, in time, and none of another's that took the port.
    async fn answers(&mut self) -> Result<bool, PrivateRedisError> {
        let Ok(link) = Link::new(self.url()) else { return Ok(false) };
        for _ in 0..ASKED {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            let said = link.ask::<InfoDict>(redis::cmd("INFO").arg("server")).await;
            if said.is_ok_and(|said| said.get("process_id") == Some(self.pid())) {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    fn spawn(port: u16) -> Result<Self, PrivateRedisError> {
        let folder = TempDir::new()?;
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--maxmemory-policy", "noeviction", "--port", &port.to_string(), "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(PrivateRedisError::Start)?;
        Ok(Self { server, port, _folder: folder })
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn taken_port_is_not_our_server() {
        let first = PrivateRedis::start().await.unwrap();
        let mut second = PrivateRedis::spawn(first.port).unwrap();
        assert!(!second.answers().await.unwrap());
    }
}
