//! The rules of deduplication, written to be read and not to be fast: it looks at every id, every time.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{AtLimit, FirstSeen, Limit, Message, Settings, Verdict, Window};

/// Ids that leave together.
const SEGMENT: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Seen,
    Reserved,
    Released,
}

#[derive(Clone, Debug)]
struct Known {
    message: Message,
    state: State,
    first: i64,
    at: i64,
    /// Seen again or anew since it was queued.
    renewed: bool,
}

/// What was queued together.
#[derive(Clone, Debug, Default)]
struct Segment {
    queued: usize,
    newest: i64,
    known: VecDeque<Known>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    settings: Settings,
    now: Option<i64>,
    queue: VecDeque<Segment>,
    /// Messages that came since the oldest were looked at.
    untidied: usize,
    pub(crate) evicted: u64,
    pub(crate) holding: bool,
}

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, now: None, queue: VecDeque::new(), untidied: 0, evicted: 0, holding: false }
    }

    pub(crate) fn tell(&mut self, told: DateTime<Utc>) {
        let told = told.timestamp_millis();
        let now = self.now.unwrap_or(told);
        self.holding = told > now && told - now > self.settings.max_forward_jump.num_milliseconds();
        self.now = Some(if self.holding { now } else { now.max(told) });
    }

    pub(crate) fn accept(&mut self, told: DateTime<Utc>) {
        let told = told.timestamp_millis();
        self.now = Some(self.now.unwrap_or(told).max(told));
        self.holding = false;
    }

    /// So many messages come, to be decided one after the other: some of the oldest leave first.
    pub(crate) fn expect(&mut self, messages: usize, told: DateTime<Utc>) {
        self.tell(told);
        self.untidied += messages;
        if self.untidied >= 8 {
            self.drop_segment();
            for _ in 0..std::mem::take(&mut self.untidied) * 2 {
                if !self.tidy() {
                    break;
                }
            }
        }
    }

    /// The verdict, and when it was reserved if it was.
    pub(crate) fn decide(
        &mut self,
        message: &Message,
        told: DateTime<Utc>,
        reserve: bool,
    ) -> (Verdict, Option<i64>) {
        self.tell(told);
        let now = self.now.unwrap();
        let ttl = self.settings.ttl.num_milliseconds();
        let remembered = self.remembered();
        let timeout = self.settings.reserve_timeout.num_milliseconds();
        let state = if reserve { State::Reserved } else { State::Seen };
        let reserved = reserve.then_some(now);
        let anew = Known { message: self.kept(message), state, first: now, at: now, renewed: false };
        let Some((segment, known)) = self.find(message) else {
            return if self.admit(anew) { (Verdict::Fresh, reserved) } else { (Verdict::Untracked, None) };
        };
        let age = now - known.at;
        let agrees = known.message.device == message.device && known.message.payload == message.payload;
        let lapsed = known.state == State::Reserved && age >= timeout && agrees;
        if age >= remembered || lapsed || known.state == State::Released {
            *known = Known { renewed: true, ..anew };
            *segment = (*segment).max(now);
            return (Verdict::Fresh, reserved);
        }
        if age >= ttl {
            let late = Verdict::Late {
                last_seen: instant(known.at),
                past_ttl_by: TimeDelta::milliseconds(age - ttl),
            };
            *known = Known { renewed: true, ..anew };
            *segment = (*segment).max(now);
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
            let (segment, known) = self.find(message).unwrap();
            (known.at, known.renewed) = (now, true);
            *segment = (*segment).max(now);
        }
        (if replay { Verdict::Replay } else { Verdict::Duplicate { first_seen } }, None)
    }

    /// Decides a reservation of then; `false` where it is not there to be decided.
    pub(crate) fn settle(&mut self, message: &Message, reserved: i64, commit: bool) -> bool {
        match self.find(message) {
            Some((_, known)) if known.state == State::Reserved && known.at == reserved => {
                known.state = if commit { State::Seen } else { State::Released };
                true
            }
            _ => false,
        }
    }

    pub(crate) fn tick(&mut self, told: DateTime<Utc>) {
        self.tell(told);
        while self.drop_segment() {}
    }

    /// Saved and restored: what is in flight or given up is gone, and the rest queued anew.
    pub(crate) fn restart(&mut self) {
        self.untidied = 0;
        let now = self.now.unwrap_or(i64::MIN);
        let remembered = self.remembered();
        let all: Vec<_> =
            std::mem::take(&mut self.queue).into_iter().flat_map(|segment| segment.known).collect();
        for known in all {
            if known.state == State::Seen && now - known.at < remembered {
                self.queue(known);
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.queue.iter().map(|segment| segment.known.len() as u64).sum()
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

    fn find(&mut self, message: &Message) -> Option<(&mut i64, &mut Known)> {
        self.queue.iter_mut().find_map(|segment| {
            let known = segment.known.iter_mut().find(|known| known.message.id == message.id)?;
            Some((&mut segment.newest, known))
        })
    }

    fn admit(&mut self, known: Known) -> bool {
        let Limit::Ids(limit) = self.settings.limit else { panic!("the model counts ids") };
        for _ in 0..32 {
            if self.len() < limit || !self.tidy() {
                break;
            }
        }
        if self.len() >= limit {
            if self.settings.at_limit == AtLimit::PassUntracked {
                return false;
            }
            let age = self.now.unwrap() - self.oldest().unwrap().at;
            self.evicted += u64::from(age < self.settings.ttl.num_milliseconds());
            self.pop();
        }
        self.queue(known);
        true
    }

    /// The oldest leaves where its time is over, and is queued again where it was renewed.
    fn tidy(&mut self) -> bool {
        let (now, remembered) = (self.now.unwrap(), self.remembered());
        let Some(oldest) = self.oldest().cloned() else { return false };
        if now - oldest.at >= remembered {
            self.pop();
        } else if oldest.renewed {
            self.queue(Known { renewed: false, ..oldest });
            self.pop();
        } else {
            return false;
        }
        true
    }

    fn oldest(&self) -> Option<&Known> {
        self.queue.iter().find_map(|segment| segment.known.front())
    }

    fn queue(&mut self, known: Known) {
        if self.queue.back().is_none_or(|last| last.queued == SEGMENT) {
            self.queue.push_back(Segment { queued: 0, newest: known.at, known: VecDeque::new() });
        }
        let last = self.queue.back_mut().unwrap();
        last.queued += 1;
        last.newest = last.newest.max(known.at);
        last.known.push_back(known);
    }

    fn pop(&mut self) {
        self.queue.iter_mut().find(|segment| !segment.known.is_empty()).unwrap().known.pop_front();
        while self
            .queue
            .front()
            .is_some_and(|first| first.known.is_empty() && (self.queue.len() > 1 || first.queued == SEGMENT))
        {
            self.queue.pop_front();
        }
    }

    fn drop_segment(&mut self) -> bool {
        let before = self.now.unwrap() - self.remembered();
        let gone = self.queue.len() > 1 && self.queue[0].newest <= before;
        if gone {
            self.queue.pop_front();
        }
        gone
    }
}
