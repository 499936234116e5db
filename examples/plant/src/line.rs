//! One line asked, one line answered, over TCP: how the plant's small services talk.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    error::{Error, Result},
    network::listen,
    task::Task,
};

/// How long a question waits for its answer.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// A service that answers each line with a line; or, answering `None`, stays silent until the caller gives up.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _serve: Task,
}

impl Server {
    /// Starts a service on a free loopback port.
    ///
    /// # Errors
    /// When no loopback port is to be had.
    pub async fn start<A, F>(answer: A) -> Result<Self>
    where
        A: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Option<String>> + Send + 'static,
    {
        let listener = listen().await?;
        let address = listener.local_addr().map_err(Error::io("reading a service's address"))?;
        Ok(Self { address, _serve: Task::spawn(serve(listener, Arc::new(answer))) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Asks the service at `address` one question.
///
/// # Errors
/// When nothing answers within [`ANSWER_WITHIN`], or the connection ends first.
pub async fn ask(address: SocketAddr, question: &str) -> Result<String> {
    ask_within(address, question, ANSWER_WITHIN).await
}

/// Asks the service at `address` one question that may take its time.
///
/// # Errors
/// When nothing answers within `limit`, or the connection ends first.
pub async fn ask_within(address: SocketAddr, question: &str, limit: Duration) -> Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match timeout(limit, asked).await {
        Ok(Ok(answer)) if answer.ends_with('\n') => Ok(answer.trim_end().to_owned()),
        Ok(Err(source)) => Err(Error::Io { what: "asking a service", source }),
        Ok(Ok(_)) | Err(_) => Err(Error::NoAnswer { address }),
    }
}

/// Asks the service at `address` one question that is answered by [`reply`].
///
/// # Errors
/// When nothing answers within `limit`, or the service refuses.
pub async fn ask_for<T: DeserializeOwned>(address: SocketAddr, question: &str, limit: Duration) -> Result<T> {
    let answer = ask_within(address, question, limit).await?;
    serde_json::from_str::<Result<T, String>>(&answer)?.map_err(Error::Refused)
}

/// The line that answers a question of [`ask_for`]: a value, or why there is none.
pub fn reply<T: Serialize>(answered: Result<T>) -> String {
    let answered = answered.map_err(|error| error.to_string());
    serde_json::to_string(&answered).unwrap_or_else(|error| error.to_string())
}

async fn serve<A, F>(listener: TcpListener, answer: Arc<A>)
where
    A: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = Option<String>> + Send + 'static,
{
    let mut callers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = callers.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            let answer = Arc::clone(&answer);
            // A caller that goes away is its own affair.
            callers.spawn(async move { converse(stream, &*answer).await.ok() });
        }
    }
}

async fn converse<A, F>(mut stream: TcpStream, answer: &A) -> std::io::Result<()>
where
    A: Fn(String) -> F,
    F: Future<Output = Option<String>>,
{
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(question) = lines.next_line().await? {
        if let Some(answer) = answer(question).await {
            write.write_all(format!("{answer}\n").as_bytes()).await?;
        }
    }
    Ok(())
}
