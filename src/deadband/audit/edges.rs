use serde::{Deserialize, Serialize};

/// The longest lag at which neighbours are compared.
pub(super) const LONG: usize = 32;

const KEPT: usize = LONG + 1;

/// The values at both ends of a stretch, as far as its neighbours reach into it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct Edges {
    /// The newest values since the last break, newest first, twice: so that wherever the newest lies, all stand
    /// in a row.
    recent: [f64; 2 * KEPT],
    /// Where the newest lies, below [`KEPT`].
    newest: usize,
    len: usize,
    /// The first values, first first, until the first break.
    head: [f64; LONG],
    head_len: usize,
    /// Whether there was a break since the first value, or before it.
    is_broken: bool,
    begins_broken: bool,
}

impl Edges {
    pub(super) const fn new() -> Self {
        Self {
            recent: [0.0; 2 * KEPT],
            newest: 0,
            len: 0,
            head: [0.0; LONG],
            head_len: 0,
            is_broken: false,
            begins_broken: false,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        self.newest = if self.newest == 0 { KEPT - 1 } else { self.newest - 1 };
        for slot in [self.newest, self.newest + KEPT] {
            if let Some(slot) = self.recent.get_mut(slot) {
                *slot = value;
            }
        }
        self.len = (self.len + 1).min(KEPT);
        if !self.is_broken
            && let Some(slot) = self.head.get_mut(self.head_len)
        {
            *slot = value;
            self.head_len += 1;
        }
    }

    /// What comes next is no neighbour of what came.
    pub(super) const fn break_off(&mut self) {
        if self.head_len == 0 {
            self.begins_broken = true;
        } else {
            self.is_broken = true;
        }
        self.len = 0;
    }

    /// The newest values since the last break, newest first.
    pub(super) fn newest(&self) -> &[f64] {
        self.recent.get(self.newest..self.newest + self.len).unwrap_or_default()
    }

    /// Walks the first values of the stretch that follows: each with those before it that are neighbours, newest
    /// first, and how many of these the later stretch has compared among themselves.
    pub(super) fn across(&self, later: &Self, mut compare: impl FnMut(&[f64], usize)) {
        if !self.is_followed_by(later) {
            return;
        }
        let mut values = [0.0; KEPT];
        let mut len = 0;
        for (slot, value) in values.iter_mut().zip(self.newest()) {
            *slot = *value;
            len += 1;
        }
        for (at, value) in later.head().iter().enumerate() {
            values.copy_within(..KEPT - 1, 1);
            values[0] = *value;
            len = (len + 1).min(KEPT);
            compare(values.get(..len).unwrap_or_default(), at + 1);
        }
    }

    pub(super) fn join(&mut self, later: &Self) {
        let is_followed = self.is_followed_by(later);
        if self.head_len == 0 {
            *self = Self { begins_broken: self.begins_broken || later.begins_broken, ..*later };
            return;
        }
        let (head, head_len) = (later.head, later.head_len);
        if is_followed && !later.is_broken {
            let mut recent = *self;
            later.newest().iter().rev().for_each(|value| recent.push(*value));
            (self.recent, self.newest, self.len) = (recent.recent, recent.newest, recent.len);
        } else {
            (self.recent, self.newest, self.len) = (later.recent, later.newest, later.len);
        }
        if self.is_broken {
            return;
        }
        if is_followed {
            for (slot, value) in self.head.iter_mut().skip(self.head_len).zip(head.iter().take(head_len)) {
                *slot = *value;
                self.head_len += 1;
            }
            self.is_broken = later.is_broken;
        } else {
            self.is_broken = true;
        }
    }

    fn is_followed_by(&self, later: &Self) -> bool {
        self.len > 0 && !later.begins_broken && later.head_len > 0
    }

    fn head(&self) -> &[f64] {
        self.head.get(..self.head_len).unwrap_or_default()
    }
}

impl PartialEq for Edges {
    fn eq(&self, other: &Self) -> bool {
        self.newest() == other.newest()
            && self.head() == other.head()
            && self.is_broken == other.is_broken
            && self.begins_broken == other.begins_broken
    }
}

/// Floats are their bits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// Newest last.
    recent: Vec<u64>,
    head: Vec<u64>,
    is_broken: bool,
    begins_broken: bool,
}

impl From<Edges> for Saved {
    fn from(edges: Edges) -> Self {
        Self {
            recent: edges.newest().iter().rev().map(|value| value.to_bits()).collect(),
            head: edges.head().iter().map(|value| value.to_bits()).collect(),
            is_broken: edges.is_broken,
            begins_broken: edges.begins_broken,
        }
    }
}

impl TryFrom<Saved> for Edges {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, &'static str> {
        let (recent, head) = (saved.recent, saved.head);
        let is_usable = |bits: &u64| f64::from_bits(*bits).abs() <= super::LARGEST;
        if !recent.iter().chain(&head).all(is_usable) {
            return Err("the saved `edges` of an audit hold a value that it passes over");
        }
        let is_begun = !head.is_empty();
        // Without a break both are the same values, as far as each reaches.
        let is_whole = saved.is_broken
            || (recent.len() >= head.len()
                && (recent.len() > LONG || recent == head)
                && (head.len() == LONG || recent.len() == head.len()));
        if recent.len() > KEPT || head.len() > LONG || (!is_begun && !recent.is_empty()) || !is_whole {
            return Err("the saved `edges` of an audit contradict each other");
        }
        let mut edges = Self::new();
        recent.iter().for_each(|bits| edges.push(f64::from_bits(*bits)));
        edges.head_len = 0;
        for (slot, bits) in edges.head.iter_mut().zip(&head) {
            *slot = f64::from_bits(*bits);
            edges.head_len += 1;
        }
        Ok(Self { is_broken: saved.is_broken, begins_broken: saved.begins_broken, ..edges })
    }
}
