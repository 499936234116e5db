//! The supervisor of a gateway: it starts its process, knows how it ended, and restarts it on order.
//!
//! It runs beside the gateway, on the gateway's host, so the platform asks it over the network: `status`, `outbox`
//! and `restart` at its agent, one line each way.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{Mutex as AsyncMutex, watch},
    time::timeout,
};

use crate::{
    error::{Error, Result},
    gateway::{Config, EXIT_OUT_OF_MEMORY, Order, Ready, outbox},
    line,
    task::Task,
};

/// The hidden subcommand with which the plant's program runs as a gateway.
pub const SUBCOMMAND: &str = "gateway";

const READY_WITHIN: Duration = Duration::from_secs(15);
const STOPPED_WITHIN: Duration = Duration::from_secs(3);

/// How a gateway's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// Killed for its memory.
    OutOfMemory,
}

/// The end of a gateway's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: DateTime<Utc>,
    /// How.
    pub how: How,
}

/// What a supervisor knows of its gateway's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process, while it runs.
    pub pid: Option<u32>,
    /// When it was last started.
    pub started_at: Option<DateTime<Utc>>,
    /// How it last ended, if it ever did.
    pub last_end: Option<End>,
    /// How often it was killed for its memory.
    pub oom_kills: u32,
    /// How often it was started.
    pub starts: u32,
}

impl Status {
    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.pid.is_some()
    }
}

/// The supervisor of one gateway.
#[derive(Debug)]
pub struct Supervisor {
    program: PathBuf,
    folder: PathBuf,
    config: Config,
    memory_budget: AtomicU64,
    ready: watch::Sender<Option<Ready>>,
    status: Arc<Mutex<Status>>,
    running: AsyncMutex<Option<Running>>,
}

/// The supervisor's hold on a process.
#[derive(Debug)]
struct Running {
    stdin: ChildStdin,
    kill: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    _watch: Task,
}

impl Supervisor {
    /// A supervisor for the gateway of this configuration, whose process is not started yet. `folder` is for its
    /// files.
    pub fn new(program: PathBuf, folder: PathBuf, config: Config) -> Self {
        Self {
            program,
            folder,
            memory_budget: AtomicU64::new(config.memory_budget),
            config,
            ready: watch::Sender::new(None),
            status: Arc::default(),
            running: AsyncMutex::default(),
        }
    }

    /// Where its gateway serves, as that changes with each start.
    pub fn ready(&self) -> watch::Receiver<Option<Ready>> {
        self.ready.subscribe()
    }

    /// What it knows of the process now.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// What the gateway was provisioned with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the memory budget that the process gets when it is next started.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.memory_budget.store(bytes, Ordering::SeqCst);
    }

    /// The numbers of the outbox, from its file, whether the process runs or not.
    ///
    /// # Errors
    /// When the file is no outbox.
    pub fn outbox(&self) -> Result<outbox::Numbers> {
        outbox::numbers_at(&self.config.outbox)
    }

    /// Starts the process if it does not run, and waits until it serves.
    ///
    /// # Errors
    /// When it can't be started, or ends before it serves.
    pub async fn start(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if !self.status().is_running() {
            *running = Some(self.launch().await?);
        }
        Ok(())
    }

    /// Ends the process if it runs, and starts it again.
    ///
    /// # Errors
    /// When it can't be started, or ends before it serves.
    pub async fn restart(&self) -> Result<()> {
        self.kill().await?;
        self.start().await
    }

    /// Kills the process at once, as `kill -9` does. It stays down until it is started.
    ///
    /// # Errors
    /// When it is still there after a while.
    pub async fn kill(&self) -> Result<()> {
        let Some(mut running) = self.running.lock().await.take() else {
            return Ok(());
        };
        running.kill.send_replace(true);
        running.ended().await
    }

    /// Ends the process in good order; by force if it does not listen.
    ///
    /// # Errors
    /// When it is still there after a while.
    pub async fn stop(&self) -> Result<()> {
        let Some(mut running) = self.running.lock().await.take() else {
            return Ok(());
        };
        let told = running.tell(Order::Stop).await;
        if told.is_err() || running.ended().await.is_err() {
            running.kill.send_replace(true);
        }
        running.ended().await
    }

    /// Gives the process an order.
    ///
    /// # Errors
    /// When there is no process to take it.
    pub async fn tell(&self, order: Order) -> Result<()> {
        match &mut *self.running.lock().await {
            Some(running) => running.tell(order).await,
            None => Err(Error::Refused("the gateway does not run".to_owned())),
        }
    }

    /// Stops the process where it is, as a hang does: it exists, and does nothing until it is [continued](Self::thaw).
    ///
    /// # Errors
    /// When it does not run, or can't be signalled.
    pub async fn freeze(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    /// Lets a process go on that was [stopped](Self::freeze). Nothing where none runs.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub async fn thaw(&self) -> Result<()> {
        match self.status().is_running() {
            true => self.signal("-CONT").await,
            false => Ok(()),
        }
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let Some(pid) = self.status().pid else {
            return Err(Error::Refused("the gateway does not run".to_owned()));
        };
        let sent = Command::new("kill").arg(signal).arg(pid.to_string()).status().await;
        match sent.map_err(Error::io("signalling a gateway"))?.success() {
            true => Ok(()),
            false => Err(Error::Refused(format!("the gateway's process {pid} takes no signal"))),
        }
    }

    async fn launch(&self) -> Result<Running> {
        let config = self.folder.join("gateway.json");
        let current =
            Config { memory_budget: self.memory_budget.load(Ordering::SeqCst), ..self.config.clone() };
        fs::write(&config, serde_json::to_vec(&current)?)
            .map_err(Error::io("writing a gateway's configuration"))?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("gateway.log"))
            .map_err(Error::io("opening a gateway's log"))?;
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("starting a gateway"))?;
        {
            let mut status = lock(&self.status);
            status.starts += 1;
            status.started_at = Some(Utc::now());
        }
        let ready = match timeout(READY_WITHIN, first_line(&mut child)).await {
            Ok(Some(line)) => serde_json::from_str(&line)?,
            Ok(None) | Err(_) => {
                child.start_kill().ok();
                let exit = child.wait().await.map_err(Error::io("waiting for a gateway"))?;
                let end = lock(&self.status).end(exit);
                return Err(Error::NotReady(format!("{:?}", end.how)));
            }
        };
        let stdin =
            child.stdin.take().ok_or_else(|| Error::Refused("the gateway takes no orders".to_owned()))?;
        lock(&self.status).pid = child.id();
        let (kill, killed) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let watch = attend(child, Arc::clone(&self.status), killed, end);
        self.ready.send_replace(Some(ready));
        Ok(Running { stdin, kill, ended, _watch: Task::spawn(watch) })
    }
}

impl Running {
    async fn tell(&mut self, order: Order) -> Result<()> {
        self.stdin
            .write_all(format!("{}\n", order.text()).as_bytes())
            .await
            .map_err(Error::io("giving a gateway an order"))
    }

    async fn ended(&mut self) -> Result<()> {
        timeout(STOPPED_WITHIN, self.ended.wait_for(|ended| *ended))
            .await
            .map_err(|_| Error::TimedOut("the end of a gateway"))?
            .map_err(|_| Error::TimedOut("the end of a gateway"))?;
        Ok(())
    }
}

impl Status {
    fn end(&mut self, exit: ExitStatus) -> End {
        let how = how(exit);
        let end = End { at: Utc::now(), how };
        self.pid = None;
        self.last_end = Some(end);
        self.oom_kills += u32::from(how == How::OutOfMemory);
        end
    }
}

fn lock(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the end of a process, brings it about when told to, and writes it down.
async fn attend(
    mut child: Child,
    status: Arc<Mutex<Status>>,
    mut killed: watch::Receiver<bool>,
    end: watch::Sender<bool>,
) {
    let told = async { killed.wait_for(|killed| *killed).await.is_ok() };
    let exit = tokio::select! {
        exit = child.wait() => exit,
        true = told => {
            child.start_kill().ok();
            child.wait().await
        }
    };
    if let Ok(exit) = exit {
        lock(&status).end(exit);
    }
    end.send_replace(true);
}

async fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    BufReader::new(stdout).lines().next_line().await.ok()?
}

fn how(exit: ExitStatus) -> How {
    match exit.code() {
        Some(code) if code == i32::from(EXIT_OUT_OF_MEMORY) => How::OutOfMemory,
        Some(code) => How::Exited(code),
        None => How::Killed(signal(exit)),
    }
}

#[cfg(unix)]
fn signal(exit: ExitStatus) -> i32 {
    std::os::unix::process::ExitStatusExt::signal(&exit).unwrap_or(0)
}

#[cfg(not(unix))]
fn signal(_exit: ExitStatus) -> i32 {
    0
}

/// Starts the agent at which the platform reaches a supervisor.
///
/// # Errors
/// When no loopback port is to be had.
pub async fn agent(supervisor: &Arc<Supervisor>) -> Result<line::Server> {
    let supervisor = Arc::clone(supervisor);
    line::Server::start(move |question| {
        let supervisor = Arc::clone(&supervisor);
        async move {
            Some(match question.as_str() {
                "status" => line::reply(Ok(supervisor.status())),
                "outbox" => line::reply(supervisor.outbox()),
                "restart" => line::reply(supervisor.restart().await),
                _ => line::reply::<()>(Err(Error::Refused(format!("no such question: {question}")))),
            })
        }
    })
    .await
}

/// Asks the agent at `address` about the gateway's process.
///
/// # Errors
/// When it does not answer.
pub async fn status(address: SocketAddr) -> Result<Status> {
    line::ask_for(address, "status", line::ANSWER_WITHIN).await
}

/// Asks the agent at `address` for the numbers of the outbox.
///
/// # Errors
/// When it does not answer, or can't read them.
pub async fn outbox(address: SocketAddr) -> Result<outbox::Numbers> {
    line::ask_for(address, "outbox", line::ANSWER_WITHIN).await
}

/// Tells the agent at `address` to restart the gateway.
///
/// # Errors
/// When it does not answer, or the gateway does not come up.
pub async fn restart(address: SocketAddr) -> Result<()> {
    line::ask_for(address, "restart", READY_WITHIN + STOPPED_WITHIN).await
}
