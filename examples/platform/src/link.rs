//! A connection to Redis that is opened when it is needed, and again after it was lost.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError};
use tokio::sync::Mutex;

/// How long Redis has to accept a connection, and to answer.
const LIMIT: Duration = Duration::from_millis(500);

/// A connection that many share: what they ask goes over it side by side.
#[derive(Debug)]
pub struct Link {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

/// Why Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no connection, and nothing was asked.
    #[error("there is no connection to redis")]
    NotConnected(#[source] RedisError),
    /// It was asked, and the connection was lost or too slow: it may have been done.
    #[error("redis did not answer")]
    NoAnswer(#[source] RedisError),
    /// It answered with an error.
    #[error("redis refused: {}", .0.code().unwrap_or("an answer that cannot be read"))]
    Answered(#[source] RedisError),
}

impl Link {
    /// A connection to `server`, such as `redis://127.0.0.1:6379/`, that is not open yet.
    ///
    /// # Errors
    /// [`LinkError::NotConnected`] where that is no address.
    pub fn new(server: impl IntoConnectionInfo) -> Result<Self, LinkError> {
        Ok(Self { client: Client::open(server).map_err(LinkError::NotConnected)?, open: Mutex::default() })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// [`LinkError`], which says whether it may have been done all the same.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let mut connection = self.connection().await.map_err(LinkError::NotConnected)?;
        self.answer(command.query_async(&mut connection).await).await
    }

    /// Asks for several things at once.
    ///
    /// # Errors
    /// As above.
    pub async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, LinkError> {
        let mut connection = self.connection().await.map_err(LinkError::NotConnected)?;
        self.answer(commands.query_async(&mut connection).await).await
    }

    async fn answer<T>(&self, answer: Result<T, RedisError>) -> Result<T, LinkError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_io_error() => {
                // A connection that was lost, or slow once, is not asked again.
                *self.open.lock().await = None;
                Err(LinkError::NoAnswer(error))
            }
            Err(error) => Err(LinkError::Answered(error)),
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LIMIT))
            .set_response_timeout(Some(LIMIT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&limits).await?;
        Ok(open.insert(connection).clone())
    }
}
