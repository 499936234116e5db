//! The rules of deduplication, written to be read and not to be fast: it looks at every id, every time.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{AtLimit, FirstSeen, Limit, Message, MessageId, Settings, Verdict, Window};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Seen,
    Reserved,
}

#[derive(Clone, Debug)]
struct Known {
    message: Message,
    state: State,
    first: i64,
    at: i64,
    /// Seen again or anew since it came: it is younger than its place.
    renewed: bool,
}

/// What is remembered, in the order in which it came.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    settings: Settings,
    now: Option<i64>,
    known: Vec<Known>,
    pub(crate) evicted: u64,
    pub(crate) holding: bool,
    /// What the clock shows while a leap is held.
    doubt: Option<i64>,
    moved_to: Option<i64>,
}

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: None,
            known: Vec::new(),
            evicted: 0,
            holding: false,
            doubt: None,
            moved_to: None,
        }
    }

    pub(crate) fn tell(&mut self, told: DateTime<Utc>) {
        let told = told.timestamp_millis();
        let now = self.now.unwrap_or(told);
        let was_holding = self.holding;
        self.holding = told > now && told - now > self.settings.max_forward_jump.num_milliseconds();
        self.doubt = self.holding.then_some(told);
        if !self.holding {
            self.now = Some(now.max(told));
        } else if !was_holding && self.moved_to != Some(now) {
            self.now = Some(now + 1);
            self.moved_to = self.now;
        }
    }

    pub(crate) fn accept(&mut self, told: DateTime<Utc>) {
        let told = told.timestamp_millis();
        self.now = Some(self.now.unwrap_or(told).max(told));
        (self.holding, self.doubt) = (false, None);
    }

    /// The verdict, and when it was reserved if it was.
    pub(crate) fn decide(
        &mut self,
        message: &Message,
        told: DateTime<Utc>,
        reserve: bool,
    ) -> (Verdict, Option<i64>) {
        self.tell(told);
        self.expire();
        let now = self.now.unwrap();
        let ttl = self.settings.ttl.num_milliseconds();
        let timeout = self.settings.reserve_timeout.num_milliseconds();
        let state = if reserve { State::Reserved } else { State::Seen };
        let reserved = reserve.then_some(now);
        let anew = Known { message: self.kept(message), state, first: now, at: now, renewed: false };
        let doubt = self.doubt;
        let Some(known) = self.find(message.id) else {
            return if self.admit(anew) { (Verdict::Fresh, reserved) } else { (Verdict::Untracked, None) };
        };
        let age = if known.at < now { doubt.unwrap_or(now) } else { now } - known.at;
        let agrees = known.message.device == message.device && known.message.payload == message.payload;
        let lapsed = known.state == State::Reserved && age >= timeout && agrees;
        if lapsed {
            *known = Known { renewed: true, ..anew };
            return (Verdict::Fresh, reserved);
        }
        if age >= ttl {
            let late = Verdict::Late {
                last_seen: instant(known.at),
                past_ttl_by: TimeDelta::milliseconds(age - ttl),
            };
            *known = Known { renewed: true, ..anew };
            return (if agrees { late } else { Verdict::Fresh }, reserved);
        }
        if !agrees {
            let first = FirstSeen::new(known.message.device, known.message.payload, instant(known.first));
            return (Verdict::Collision { first }, None);
        }
        if known.state == State::Reserved {
            return (Verdict::InFlight, None);
        }
        let replay = message.position.is_some() && known.message.position == message.position;
        let first_seen = instant(known.first);
        if self.settings.window == Window::Sliding {
            let known = self.find(message.id).unwrap();
            (known.at, known.renewed) = (now, true);
        }
        (if replay { Verdict::Replay } else { Verdict::Duplicate { first_seen } }, None)
    }

    /// Decides a reservation of then; `false` where it is not there to be decided.
    pub(crate) fn settle(&mut self, message: &Message, reserved: i64, commit: bool) -> bool {
        self.expire();
        match self.find(message.id) {
            Some(known) if known.state == State::Reserved && known.at == reserved => {
                known.state = State::Seen;
                if !commit {
                    self.known.retain(|known| known.message.id != message.id);
                }
                true
            }
            _ => false,
        }
    }

    /// Forgets an id; `false` where there is none to forget.
    pub(crate) fn forget(&mut self, id: MessageId) -> bool {
        self.expire();
        let before = self.known.len();
        self.known.retain(|known| known.message.id != id || known.state == State::Reserved);
        self.known.len() < before
    }

    /// Saved and restored: what is in flight is gone.
    pub(crate) fn restart(&mut self) {
        self.expire();
        (self.holding, self.doubt, self.moved_to) = (false, None, None);
        self.known.retain(|known| known.state == State::Seen);
    }

    pub(crate) fn live(&mut self) -> u64 {
        self.expire();
        self.known.len() as u64
    }

    fn expire(&mut self) {
        let (now, remembered) = (self.now.unwrap_or(i64::MIN), self.remembered());
        self.known.retain(|known| now.saturating_sub(known.at) < remembered);
    }

    fn remembered(&self) -> i64 {
        (self.settings.ttl + self.settings.grace).num_milliseconds()
    }

    fn kept(&self, message: &Message) -> Message {
        let mut kept = *message;
        if !self.settings.positions {
            kept.position = None;
        }
        kept
    }

    fn find(&mut self, id: MessageId) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.message.id == id)
    }

    /// At the limit the oldest makes room: of those of one millisecond the one that came first, before those that were
    /// renewed then.
    fn admit(&mut self, known: Known) -> bool {
        let Limit::Ids(limit) = self.settings.limit else { panic!("the model counts ids") };
        if self.known.len() as u64 >= limit {
            let oldest = (0..self.known.len())
                .min_by_key(|place| (self.known[*place].at, self.known[*place].renewed, *place))
                .unwrap();
            let age = self.now.unwrap() - self.known[oldest].at;
            let is_in_hand = self.known[oldest].state == State::Reserved && age == 0;
            if self.settings.at_limit == AtLimit::PassUntracked || is_in_hand {
                return false;
            }
            self.evicted += u64::from(age < self.settings.ttl.num_milliseconds());
            self.known.remove(oldest);
        }
        self.known.push(known);
        true
    }
}
