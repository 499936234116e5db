//! A Redis server of one's own, for tests and for the story.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How often a port is tried that somebody else may take meanwhile.
const PORTS: u32 = 5;

/// How often, and how far apart, it is asked whether it listens.
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
            let mut redis = Self::spawn()?;
            for _ in 0..ASKED {
                if redis.server.try_wait()?.is_some() {
                    break;
                }
                if TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port)).is_ok() {
                    return Ok(redis);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(PrivateRedisError::Silent)
    }

    fn spawn() -> Result<Self, PrivateRedisError> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
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
