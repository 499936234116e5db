//! The job itself: it looks at each device in turn, and carries out what its lifecycle wants done.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use iot_runbook::certificate::{
    lifecycle::{Event, Lifecycle, Reachability},
    service::Worker,
};
use tokio::time::sleep;

use super::{Shared, fingerprint};
use crate::door::EventKind;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The last connection of a device that was looked at: its number, and when it was.
#[derive(Default)]
struct LookedAt {
    number: u64,
    at: DateTime<Utc>,
}

pub(super) async fn work(shared: Arc<Shared>, worker: Worker) {
    let mut looked_at = HashMap::<String, LookedAt>::new();
    loop {
        sleep(LOOK_EVERY).await;
        let devices = shared.devices().iter().cloned().collect::<Vec<_>>();
        for device in devices {
            let _turn = shared.turn.lock().await;
            // Without its subscription it would miss what devices report.
            if shared.is_halted.load(Ordering::SeqCst) || !shared.channel.is_subscribed() {
                continue;
            }
            let Some(mut lifecycle) = shared.lifecycles.get(&device) else { continue };
            let last = looked_at.entry(device).or_default();
            for event in shared.news_of(&lifecycle, last) {
                // One of a certificate that the job did not issue changes nothing: somebody brought it by hand.
                lifecycle.handle(&shared.rules, event, shared.now()).ok();
            }
            // Lifecycles in memory are always saved.
            worker.turn(&mut lifecycle, &shared.rules, &shared.clock, &shared.lifecycles).await.ok();
        }
    }
}

impl Shared {
    /// What the logs have of a device since the connection that was looked at last.
    fn news_of(&self, lifecycle: &Lifecycle, last: &mut LookedAt) -> Vec<Event> {
        let device = lifecycle.device().as_str();
        let mut news = Vec::new();
        for event in self.door.events(device, last.at) {
            let (EventKind::Accepted(number), Some(presented)) = (event.kind, event.presented) else {
                continue;
            };
            if number > last.number {
                *last = LookedAt { number, at: event.at };
                news.push(Event::Connected { fingerprint: fingerprint(&presented.der), at: event.at });
            }
        }
        let is_there = self.broker.session_since(device).is_some();
        let reachability =
            if is_there { Reachability::Online } else { Reachability::Offline { back_at: None } };
        if lifecycle.reachability() != reachability {
            news.push(Event::Reachability(reachability));
        }
        news
    }
}
