//! A topic partition and a consumer group, second by second, with the truth about both: what was written when, when the
//! group committed, whether it is alive.

use iot_runbook::lag::Sample;

use super::random::Random;
use super::streams::at;

/// How a group commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committer {
    /// Each interval, whether or not it has read anything since.
    Timer,
    /// Each interval in which it read something.
    OnProgress,
    /// After each batch of messages that it has worked off.
    Batch,
}

/// What happens to a group, or to its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Stop,
    Restart,
    /// Its offset is set back by half of what is kept.
    Reset,
    /// The topic is deleted and made anew, and the group begins at its start.
    Remake,
    /// A producer begins a transaction that nobody ends.
    Hang,
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    /// Seconds between commits.
    pub(super) commit: i64,
    pub(super) committer: Committer,
    /// Intervals vary by a fifth either way.
    pub(super) is_jittery: bool,
    /// The samples carry the times of the commits.
    pub(super) has_times: bool,
    /// Seconds between looks.
    pub(super) look: i64,
    /// Looks are late, and some are left out.
    pub(super) looks_vary: bool,
    pub(super) capacity: usize,
    /// Messages a second while messages come.
    pub(super) rate: f64,
    /// Messages come for the first so many seconds, and none for the second.
    pub(super) bursts: Option<(i64, i64)>,
    /// Messages that the group reads a second.
    pub(super) speed: f64,
    /// It reads half of what comes, by this speed.
    pub(super) is_slow: bool,
    /// A rebalance each so many seconds, and for how long nothing is read then.
    pub(super) rebalance: Option<(i64, i64)>,
    /// Messages are written in transactions of so many seconds.
    pub(super) transaction: Option<i64>,
    /// The group commits the offset after its last message, though a transaction's marker is there.
    pub(super) stops_at_marker: bool,
    pub(super) read_committed: bool,
    pub(super) events: Vec<(i64, Event)>,
    pub(super) until: i64,
}

/// Messages that were written in one second, or one marker.
#[derive(Clone, Copy, Debug)]
struct Written {
    from: u64,
    to: u64,
    /// When the group could read them; `None`: not yet.
    readable: Option<i64>,
    is_marker: bool,
}

/// What is true at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    pub(super) second: i64,
    pub(super) is_alive: bool,
    /// Messages that the group could have read and has not committed: none, one, or two and more.
    pub(super) unread: u64,
    /// How long the first of them could have been read.
    pub(super) oldest: Option<i64>,
    /// Since when two messages or more are unread under the last commit.
    pub(super) waits_since: Option<i64>,
    /// The last commit that moved the offset.
    pub(super) moved_at: i64,
    /// How many commits moved it, and the longest time between two of them.
    pub(super) moves: usize,
    pub(super) longest: i64,
    /// After how many of them the next look saw messages wait, and the longest time that messages waited for one.
    pub(super) busy: usize,
    pub(super) longest_wait: i64,
    /// A commit that moved the offset and came since the last event.
    pub(super) has_moved_since_event: bool,
    /// It is below where it once was.
    pub(super) is_back: bool,
    pub(super) hangs_since: Option<i64>,
}

pub(super) struct World {
    pub(super) setting: Setting,
    random: Random,
    second: i64,
    written: Vec<Written>,
    /// The first of `written` that may hold what is not committed.
    first: usize,
    head: u64,
    stable: u64,
    due: f64,
    transaction_ends: i64,
    has_written: bool,
    hangs_since: Option<i64>,
    is_alive: bool,
    position: u64,
    budget: f64,
    batch: Option<(u64, i64)>,
    committed: u64,
    committed_at: i64,
    next_commit: i64,
    paused_until: i64,
    begins_again_at: Option<i64>,
    next_look: i64,
    moved_at: i64,
    moves: usize,
    longest: i64,
    busy: usize,
    /// Whether messages waited at the first look after the last move.
    was_busy: Option<bool>,
    longest_wait: i64,
    /// The largest offset that a look saw.
    furthest: u64,
    waits_since: Option<i64>,
    has_moved_since_event: bool,
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let mut random = Random::new(setting.seed);
        let next_commit = 1 + random.up_to(setting.commit);
        let next_look = random.up_to(setting.look);
        let transaction_ends = setting.transaction.unwrap_or(0);
        Self {
            setting,
            random,
            second: 0,
            written: vec![],
            first: 0,
            head: 1_000,
            stable: 1_000,
            due: 0.0,
            transaction_ends,
            has_written: false,
            hangs_since: None,
            is_alive: true,
            position: 1_000,
            budget: 0.0,
            batch: None,
            committed: 1_000,
            committed_at: 0,
            next_commit,
            paused_until: 0,
            begins_again_at: None,
            next_look,
            moved_at: 0,
            moves: 0,
            longest: 0,
            busy: 0,
            was_busy: None,
            longest_wait: 0,
            furthest: 1_000,
            waits_since: None,
            has_moved_since_event: true,
        }
    }

    /// Goes on to the next look; `None` at the end.
    pub(super) fn next_look(&mut self) -> Option<(Sample, Truth)> {
        while self.second < self.setting.until {
            self.second += 1;
            self.pass();
            if self.second < self.next_look {
                continue;
            }
            let late = if self.setting.looks_vary { self.random.up_to(self.setting.look / 4) } else { 0 };
            let left_out = self.setting.looks_vary && self.random.below(20) == 0;
            self.next_look = self.second + self.setting.look + late;
            if !left_out {
                let truth = self.truth();
                self.was_busy.get_or_insert(truth.unread >= 2);
                if self.has_moved_since_event {
                    self.furthest = self.furthest.max(self.committed);
                }
                return Some((self.sample(), truth));
            }
        }
        None
    }

    fn sample(&self) -> Sample {
        let sample = Sample::new(at(self.second), 0, self.head).with_committed(Some(self.committed));
        let sample =
            if self.setting.read_committed { sample.with_last_stable_offset(self.stable) } else { sample };
        if self.setting.has_times { sample.with_committed_at(at(self.committed_at)) } else { sample }
    }

    fn truth(&self) -> Truth {
        let unread = self.unread();
        let oldest = self.unread_written().find_map(|written| written.readable);
        Truth {
            second: self.second,
            is_alive: self.is_alive,
            unread,
            oldest: oldest.map(|readable| self.second - readable),
            waits_since: self.waits_since,
            moved_at: self.moved_at,
            moves: self.moves,
            longest: self.longest,
            busy: self.busy,
            longest_wait: self.longest_wait,
            has_moved_since_event: self.has_moved_since_event,
            is_back: self.committed < self.furthest,
            hangs_since: self.hangs_since,
        }
    }

    fn unread_written(&self) -> impl Iterator<Item = &Written> {
        self.written[self.first..]
            .iter()
            .filter(|written| !written.is_marker && written.to > self.committed && written.readable.is_some())
    }

    fn unread(&self) -> u64 {
        // Two are enough to know.
        self.unread_written().take(2).map(|written| written.to - written.from.max(self.committed)).sum()
    }

    fn end(&self) -> u64 {
        if self.setting.read_committed { self.stable } else { self.head }
    }

    /// One second.
    fn pass(&mut self) {
        self.happen();
        self.write();
        if self.is_alive && self.second >= self.paused_until {
            self.read();
        }
        while self.written.get(self.first).is_some_and(|written| written.to <= self.committed) {
            self.first += 1;
        }
        if self.waits_since.is_none() && self.unread() >= 2 {
            self.waits_since = Some(self.second);
        }
    }

    fn happen(&mut self) {
        let events: Vec<_> = self
            .setting
            .events
            .iter()
            .filter(|(when, _)| *when == self.second)
            .map(|(_, event)| *event)
            .collect();
        for event in events {
            self.has_moved_since_event = false;
            match event {
                Event::Stop => self.is_alive = false,
                Event::Restart => {
                    self.is_alive = true;
                    self.position = self.committed;
                    self.batch = None;
                    self.next_commit = self.second + self.interval();
                }
                Event::Reset => {
                    let back = self.committed.saturating_sub(1_000) / 2;
                    self.position = self.committed - back;
                    (self.first, self.batch) = (0, None);
                    self.commit();
                }
                Event::Remake => {
                    (self.head, self.stable, self.first, self.position) = (0, 0, 0, u64::MAX);
                    self.written.clear();
                    (self.batch, self.furthest, self.waits_since) = (None, 0, None);
                    self.begins_again_at = Some(self.second + 1 + self.random.up_to(20));
                }
                Event::Hang => self.hangs_since = Some(self.second),
            }
        }
        if self.begins_again_at.is_some_and(|when| when <= self.second) {
            (self.begins_again_at, self.position) = (None, 0);
        }
        if let Some((each, length)) = self.setting.rebalance
            && self.is_alive
            && self.second % each == 0
        {
            if self.position != u64::MAX {
                self.commit();
            }
            self.batch = None;
            self.paused_until = self.second + length;
            self.next_commit = self.paused_until + self.interval();
        }
    }

    fn write(&mut self) {
        let comes = self.setting.bursts.is_none_or(|(on, off)| self.second % (on + off) < on);
        if comes {
            // An even stream where it is fast, single messages by chance where it is slow.
            self.due += if self.setting.rate >= 1.0 {
                self.setting.rate
            } else {
                f64::from(u8::from(self.random.share() < self.setting.rate))
            };
        }
        let count = self.due.floor();
        self.due -= count;
        let is_open = self.setting.transaction.is_some();
        let is_readable = !self.setting.read_committed || !is_open && self.hangs_since.is_none();
        let readable = is_readable.then_some(self.second);
        if count >= 1.0 {
            self.append(count as u64, readable, false);
            self.has_written = true;
        }
        if self.setting.transaction.is_some_and(|_| self.second >= self.transaction_ends) {
            self.transaction_ends = self.second + self.setting.transaction.unwrap_or(1);
            if std::mem::take(&mut self.has_written) {
                self.append(1, readable, true);
            }
        }
        // What is behind a transaction that hangs is not readable, whoever wrote it.
        if self.hangs_since.is_none() && !self.has_written {
            self.stable = self.head;
        }
        let stable = self.stable;
        for written in self.written.iter_mut().rev().take_while(|written| written.readable.is_none()) {
            if written.to <= stable {
                written.readable = Some(self.second);
            }
        }
        if !is_open && self.hangs_since.is_none() {
            self.stable = self.head;
        }
    }

    fn append(&mut self, count: u64, readable: Option<i64>, is_marker: bool) {
        self.written.push(Written { from: self.head, to: self.head + count, readable, is_marker });
        self.head += count;
    }

    fn read(&mut self) {
        if self.position == u64::MAX {
            return;
        }
        let end = self.end();
        if self.setting.committer == Committer::Batch {
            self.read_batch(end);
            return;
        }
        self.budget = (self.budget + self.setting.speed).min(self.setting.speed.max(1.0) * 2.0);
        let reads = (self.budget.floor() as u64).min(end.saturating_sub(self.position));
        self.budget -= reads as f64;
        self.position += reads;
        if self.second >= self.next_commit {
            self.next_commit = self.second + self.interval();
            if self.setting.committer == Committer::Timer || self.to_commit() > self.committed {
                self.commit();
            }
        }
    }

    fn read_batch(&mut self, end: u64) {
        if let Some((to, done)) = self.batch
            && self.second >= done
        {
            (self.position, self.batch) = (to, None);
            self.commit();
        }
        if self.batch.is_none() && end > self.position {
            // At most half a minute of work.
            let most = ((self.setting.speed * 30.0) as u64).max(1);
            let count = (end - self.position).min(most);
            let takes = ((count as f64 / self.setting.speed).ceil() as i64).max(1);
            self.batch = Some((self.position + count, self.second + takes));
        }
    }

    /// The offset that the group commits where it is.
    fn to_commit(&self) -> u64 {
        let is_after_marker = self.setting.stops_at_marker
            && self
                .written
                .iter()
                .rev()
                .find(|written| written.to <= self.position)
                .is_some_and(|written| written.is_marker && written.to == self.position);
        self.position - u64::from(is_after_marker)
    }

    fn commit(&mut self) {
        let offset = self.to_commit();
        if offset != self.committed {
            self.moves += 1;
            if self.moves > 1 {
                self.longest = self.longest.max(self.second - self.moved_at);
            }
            if let Some(since) = self.waits_since {
                self.longest_wait = self.longest_wait.max(self.second - since.max(self.moved_at));
            }
            self.busy += usize::from(self.was_busy == Some(true));
            self.was_busy = None;
            self.moved_at = self.second;
            self.has_moved_since_event = true;
            self.waits_since = None;
        }
        (self.committed, self.committed_at) = (offset, self.second);
    }

    fn interval(&mut self) -> i64 {
        let commit = self.setting.commit;
        if !self.setting.is_jittery {
            return commit;
        }
        (commit - commit / 5 + self.random.up_to(2 * (commit / 5))).max(1)
    }
}
