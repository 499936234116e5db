//! Switches and links: the networks of the plant, which can really be cut.
//!
//! Whatever crosses a network of the plant runs through a [`Link`], a TCP relay on loopback. A link depends on one
//! or more [`Switch`]es (the site's uplink, the site's OT switch, one device's port); while any of them is cut its
//! live sessions are torn down and new ones are closed before a byte has passed. A switch can also be slow: then each
//! piece of what crosses it waits first.

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use crate::{
    error::{Error, Result},
    task::Task,
};

/// How much crosses a slow link at a time.
const PIECE: usize = 8 << 10;

/// A place where a network can be cut or slowed.
#[derive(Clone, Debug)]
pub struct Switch {
    cut: watch::Sender<bool>,
    delay: watch::Sender<Duration>,
}

impl Switch {
    /// A switch that lets traffic through.
    pub fn new() -> Self {
        Self { cut: watch::Sender::new(false), delay: watch::Sender::new(Duration::ZERO) }
    }

    /// Cuts the network: live sessions end, new ones fail.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Delays each piece of traffic by so much, in each direction. Live sessions stay.
    pub fn slow(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    /// Lets traffic through again, at full speed. Live sessions stay where it was only slow.
    pub fn mend(&self) {
        self.delay.send_replace(Duration::ZERO);
        self.cut.send_if_modified(|cut| std::mem::replace(cut, false));
    }

    /// Ends the live sessions, as a short interruption does, and lets new ones through.
    pub fn interrupt(&self) {
        self.cut();
        self.mend();
    }

    /// Waits until it is cut.
    pub async fn until_cut(&self) {
        let mut cut = self.cut.subscribe();
        // It ends with the last switch, and then nobody can cut it any more.
        if cut.wait_for(|cut| *cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it delays traffic now.
    pub fn is_slow(&self) -> bool {
        !self.delay.borrow().is_zero()
    }

    /// Whether it is cut now.
    pub fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

/// A TCP relay over one or more switches.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    _relay: Task,
}

impl Link {
    /// Opens a link to `target`, which may become known later.
    ///
    /// # Errors
    /// When no loopback port is to be had.
    pub async fn open(target: Option<SocketAddr>, switches: Vec<Switch>) -> Result<Self> {
        let listener = listen().await?;
        let address = listener.local_addr().map_err(Error::io("reading a link's address"))?;
        let target = watch::Sender::new(target);
        let relay = relay(listener, target.subscribe(), switches);
        Ok(Self { address, target, _relay: Task::spawn(relay) })
    }

    /// Where the near end listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A hold on where it leads.
    pub fn lead(&self) -> Lead {
        Lead(self.target.clone())
    }
}

/// A hold on where a link leads.
#[derive(Clone, Debug)]
pub struct Lead(watch::Sender<Option<SocketAddr>>);

impl Lead {
    /// Leads new sessions to `target` from now on.
    pub fn to(&self, target: SocketAddr) {
        self.0.send_replace(Some(target));
    }
}

/// Listens on a free loopback port.
///
/// # Errors
/// When no loopback port is to be had.
pub async fn listen() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io("listening on a loopback port"))
}

async fn relay(listener: TcpListener, target: watch::Receiver<Option<SocketAddr>>, switches: Vec<Switch>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
        };
        let Ok((near, _)) = accepted else { continue };
        // Subscribed before the look at the state, so that no cut falls between the two.
        let watched = switches.iter().map(|switch| switch.cut.subscribe()).collect();
        if switches.iter().any(Switch::is_cut) {
            continue;
        }
        let Some(target) = *target.borrow() else {
            continue;
        };
        sessions.spawn(session(near, target, watched, switches.clone()));
    }
}

async fn session(
    mut near: TcpStream,
    target: SocketAddr,
    watched: Vec<watch::Receiver<bool>>,
    switches: Vec<Switch>,
) {
    let carry = async {
        let mut far = TcpStream::connect(target).await?;
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        tokio::try_join!(pass(near_read, far_write, &switches), pass(far_read, near_write, &switches))
    };
    tokio::select! {
        // The peers notice an end by the closed sockets; there is nobody else to tell.
        _ = carry => {}
        () = any_changed(watched) => {}
    }
}

/// Carries one direction until its end, at the pace of the slowest way.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    switches: &[Switch],
) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let read = from.read(&mut buffer).await?;
        let delay = switches.iter().map(|switch| *switch.delay.borrow()).sum::<Duration>();
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match buffer.get(..read) {
            Some(piece) if read > 0 => to.write_all(piece).await?,
            _ => return to.shutdown().await,
        }
    }
}

/// Waits until any of `watched` has changed: a switch that was only interrupted has changed too.
async fn any_changed(watched: Vec<watch::Receiver<bool>>) {
    let mut changes = Vec::new();
    for mut cut in watched {
        let change: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            if cut.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        changes.push(change);
    }
    poll_fn(|context| {
        if changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::line;

    #[tokio::test]
    async fn cut_link_has_no_sessions_until_mended() {
        let echo = line::Server::start(|line| async move { Some(line) }).await.unwrap();
        let (site, device) = (Switch::new(), Switch::new());
        let link = Link::open(Some(echo.address()), vec![site.clone(), device.clone()]).await.unwrap();
        let mut live = TcpStream::connect(link.address()).await.unwrap();
        live.write_all(b"hello\n").await.unwrap();
        let mut answer = [0; 6];
        live.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello\n");

        device.cut();
        let end = live.read(&mut answer).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert!(line::ask(link.address(), "hello").await.is_err());

        device.mend();
        assert_eq!(line::ask(link.address(), "hello").await.unwrap(), "hello");
    }

    #[tokio::test]
    async fn interruption_ends_live_sessions_only() {
        let echo = line::Server::start(|line| async move { Some(line) }).await.unwrap();
        let switch = Switch::new();
        let link = Link::open(Some(echo.address()), vec![switch.clone()]).await.unwrap();
        let mut live = TcpStream::connect(link.address()).await.unwrap();
        live.write_all(b"a\n").await.unwrap();
        let mut answer = [0; 2];
        live.read_exact(&mut answer).await.unwrap();
        switch.interrupt();
        let end = live.read(&mut answer).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert_eq!(line::ask(link.address(), "b").await.unwrap(), "b");
    }

    #[tokio::test]
    async fn slow_link_delays_each_way_until_mended() {
        let echo = line::Server::start(|line| async move { Some(line) }).await.unwrap();
        let switch = Switch::new();
        let link = Link::open(Some(echo.address()), vec![switch.clone()]).await.unwrap();
        let mut live = TcpStream::connect(link.address()).await.unwrap();
        switch.slow(Duration::from_millis(100));
        let asked = tokio::time::Instant::now();
        assert_eq!(line::ask(link.address(), "slow").await.unwrap(), "slow");
        assert!(asked.elapsed() >= Duration::from_millis(200), "{:?}", asked.elapsed());
        switch.mend();
        // The session from before is still there.
        live.write_all(b"a\n").await.unwrap();
        let mut answer = [0; 2];
        live.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"a\n");
    }
}
