//! The service as a process, and a client that speaks plain HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::World;

/// Killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    address: SocketAddr,
}

/// An answer: the status, and the body.
pub(crate) type Answer = (u16, Value);

impl Service {
    /// Starts a replica of that name, and waits until it listens.
    pub(crate) fn start(world: &World, replica: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
        command
            .env("DATABASE_URL", world.database_url())
            .env("LISTEN", "127.0.0.1:0")
            .env("REPLICA", replica);
        command.env("PLANT", world.plant_file()).env("RUNBOOKS", world.runbooks());
        command.env("LEASE_SECONDS", "1.5").env("ACT_SECONDS", "3").env("BODY_BYTES", "65536");
        command.envs(world.settings.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = log.by_ref().find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["fields"]["address"].as_str().map(|address| address.parse().unwrap())
        });
        // A pipe that nobody reads would block the process.
        thread::spawn(move || log.for_each(drop));
        Self { process, address: address.expect("it ended before it listened") }
    }

    /// Stops it where it is.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and returns how it ended and how long that took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        (self.process.wait().unwrap(), began.elapsed())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(&body.to_string()))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let (status, text) = self.ask_text(method, path, body);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Posts with one header more.
    pub(crate) fn post_with(&self, header: &str, path: &str, body: &Value) -> Answer {
        let (status, text) = self.send("POST", path, &format!("{header}\r\n"), Some(&body.to_string()));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The same with the answer as text.
    pub(crate) fn ask_text(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        self.send(method, path, "", body)
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n{headers}");
        if let Some(body) = body {
            head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        // The service may refuse a long body before it has read it all.
        let _ = write!(stream, "{head}\r\n{}", body.unwrap_or_default());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("no answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until `look` finds something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain: {what}");
}
