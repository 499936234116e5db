//! A site's power unit: the one part of the plant that is simulated, behind a real TCP socket.
//!
//! It speaks one line each way: `feed` (the site's supply and its UPS), `outlet ID` (breaker and draw of one
//! consumer), `cycle ID` (off and on again). The consumers really follow their outlets.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::sleep};

use crate::{
    error::{Error, Result},
    line,
};

const OFF_WHILE_CYCLING: Duration = Duration::from_millis(300);

/// The site's supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Whether the mains are there.
    pub mains: bool,
    /// Whether the UPS has charge left to carry the site without them.
    pub ups_charged: bool,
}

impl Feed {
    /// Whether anything behind it has power.
    pub fn supplies(self) -> bool {
        self.mains || self.ups_charged
    }
}

/// One consumer's outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlet {
    /// Whether its breaker is closed.
    pub breaker_closed: bool,
    /// What flows through it now, in milliwatts.
    pub draw_milliwatts: u32,
}

/// A consumer's end of its outlet.
#[derive(Clone, Debug)]
pub struct Plug {
    powered: watch::Receiver<bool>,
    load: Arc<AtomicU32>,
}

impl Plug {
    /// Whether there is power, as it changes.
    pub fn powered(&self) -> watch::Receiver<bool> {
        self.powered.clone()
    }

    /// Sets what the consumer draws while it has power, in milliwatts.
    pub fn load(&self, milliwatts: u32) {
        self.load.store(milliwatts, Ordering::Relaxed);
    }
}

/// A site's power unit.
#[derive(Debug)]
pub struct PowerUnit {
    state: Arc<Mutex<State>>,
    server: line::Server,
}

#[derive(Debug)]
struct State {
    feed: Feed,
    outlets: HashMap<String, Wired>,
}

#[derive(Debug)]
struct Wired {
    in_cabinet: bool,
    breaker_closed: bool,
    powered: watch::Sender<bool>,
    load: Arc<AtomicU32>,
}

impl PowerUnit {
    /// Starts a unit with mains, a charged UPS and no outlets.
    ///
    /// # Errors
    /// When no loopback port is to be had.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            feed: Feed { mains: true, ups_charged: true },
            outlets: HashMap::new(),
        }));
        let asked = Arc::clone(&state);
        let server = line::Server::start(move |question| {
            let state = Arc::clone(&asked);
            async move { Some(answer(&state, &question).await) }
        })
        .await?;
        Ok(Self { state, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Wires an outlet for a consumer that depends on the site's feed.
    pub fn wire(&self, consumer: &str) -> Plug {
        self.wire_on(consumer, false)
    }

    /// Wires an outlet in the cabinet, whose battery outlasts the feed.
    pub fn wire_in_cabinet(&self, consumer: &str) -> Plug {
        self.wire_on(consumer, true)
    }

    fn wire_on(&self, consumer: &str, in_cabinet: bool) -> Plug {
        let (powered, receiver) = watch::channel(true);
        let load = Arc::new(AtomicU32::new(0));
        let plug = Plug { powered: receiver, load: Arc::clone(&load) };
        let wired = Wired { in_cabinet, breaker_closed: true, powered, load };
        lock(&self.state).outlets.insert(consumer.to_owned(), wired);
        plug
    }

    /// Trips or closes a consumer's breaker.
    ///
    /// # Errors
    /// When the unit has no such outlet.
    pub fn set_breaker(&self, consumer: &str, closed: bool) -> Result<()> {
        let mut state = lock(&self.state);
        state.outlet(consumer)?.breaker_closed = closed;
        state.supply();
        Ok(())
    }

    /// Takes or gives the mains and the charge of the UPS.
    pub fn set_feed(&self, feed: Feed) {
        let mut state = lock(&self.state);
        state.feed = feed;
        state.supply();
    }
}

impl State {
    fn outlet(&mut self, consumer: &str) -> Result<&mut Wired> {
        self.outlets
            .get_mut(consumer)
            .ok_or_else(|| Error::Unknown { kind: "outlet", id: consumer.to_owned() })
    }

    fn measure(&mut self, consumer: &str) -> Result<Outlet> {
        let outlet = self.outlet(consumer)?;
        let powered = *outlet.powered.borrow();
        Ok(Outlet {
            breaker_closed: outlet.breaker_closed,
            draw_milliwatts: if powered { outlet.load.load(Ordering::Relaxed) } else { 0 },
        })
    }

    fn supply(&mut self) {
        for outlet in self.outlets.values() {
            let supplied = self.feed.supplies() || outlet.in_cabinet;
            let powered = supplied && outlet.breaker_closed;
            outlet.powered.send_if_modified(|was| std::mem::replace(was, powered) != powered);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the unit at `address` about the site's supply.
///
/// # Errors
/// When it does not answer.
pub async fn feed(address: SocketAddr) -> Result<Feed> {
    line::ask_for(address, "feed", line::ANSWER_WITHIN).await
}

/// Asks the unit at `address` about one consumer's outlet.
///
/// # Errors
/// When it does not answer, or has no such outlet.
pub async fn outlet(address: SocketAddr, consumer: &str) -> Result<Outlet> {
    line::ask_for(address, &format!("outlet {consumer}"), line::ANSWER_WITHIN).await
}

/// Tells the unit at `address` to switch one consumer off and on again. A tripped breaker stays tripped.
///
/// # Errors
/// When it does not answer, or refuses.
pub async fn cycle(address: SocketAddr, consumer: &str) -> Result<()> {
    line::ask_for(address, &format!("cycle {consumer}"), line::ANSWER_WITHIN).await
}

async fn answer(state: &Mutex<State>, question: &str) -> String {
    match question.split_once(' ') {
        None if question == "feed" => line::reply(Ok(lock(state).feed)),
        Some(("outlet", consumer)) => line::reply(lock(state).measure(consumer)),
        Some(("cycle", consumer)) => line::reply(power_cycle(state, consumer).await),
        _ => line::reply::<()>(Err(Error::Refused(format!("no such question: {question}")))),
    }
}

async fn power_cycle(state: &Mutex<State>, consumer: &str) -> Result<()> {
    if !lock(state).outlet(consumer)?.breaker_closed {
        return Err(Error::Refused("the breaker is tripped".to_owned()));
    }
    lock(state).outlet(consumer)?.powered.send_replace(false);
    sleep(OFF_WHILE_CYCLING).await;
    lock(state).supply();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn consumer_follows_its_breaker_and_the_feed() {
        let unit = PowerUnit::start().await.unwrap();
        let plug = unit.wire("press-1");
        plug.load(40_000);
        let powered = plug.powered();
        assert!(*powered.borrow());
        let measured = outlet(unit.address(), "press-1").await.unwrap();
        assert_eq!(measured.draw_milliwatts, 40_000);

        unit.set_breaker("press-1", false).unwrap();
        assert!(!*powered.borrow());
        let measured = outlet(unit.address(), "press-1").await.unwrap();
        assert_eq!((measured.breaker_closed, measured.draw_milliwatts), (false, 0));
        assert!(cycle(unit.address(), "press-1").await.is_err());

        unit.set_breaker("press-1", true).unwrap();
        let dark = Feed { mains: false, ups_charged: false };
        unit.set_feed(dark);
        assert!(!*powered.borrow());
        assert_eq!(feed(unit.address()).await.unwrap(), dark);
    }

    #[tokio::test]
    async fn a_power_cycle_is_felt_by_the_consumer() {
        let unit = PowerUnit::start().await.unwrap();
        let mut powered = unit.wire("press-1").powered();
        let felt = tokio::spawn(async move {
            powered.wait_for(|powered| !*powered).await.unwrap();
            powered.wait_for(|powered| *powered).await.unwrap();
        });
        cycle(unit.address(), "press-1").await.unwrap();
        felt.await.unwrap();
    }

    #[tokio::test]
    async fn an_outlet_that_is_not_there_is_refused() {
        let unit = PowerUnit::start().await.unwrap();
        assert!(outlet(unit.address(), "nobody").await.is_err());
        assert!(cycle(unit.address(), "nobody").await.is_err());
    }
}
