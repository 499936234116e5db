use std::time::Duration;

/// How long a probe has, how often it is tried, and how long the pauses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The time limit of one attempt. Default 10 s.
    pub attempt: Duration,
    /// How many attempts there are for errors that say that trying again helps; at least one. Default 3.
    pub attempts: u32,
    /// The pause before the second attempt; each later one is twice as long. Default 200 ms. An error that
    /// names a longer pause gets that.
    pub pause: Duration,
    /// The longest pause, whatever an error names. Default 10 s.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            attempts: 3,
            pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The same with this time limit for one attempt.
    #[must_use]
    pub const fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// The same with this many attempts; none is taken as one.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The same with this pause before the second attempt.
    #[must_use]
    pub const fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The pause after the attempt of that number, counted from one.
    #[must_use]
    pub fn pause_after(&self, attempt: u32, named: Option<Duration>) -> Duration {
        let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.pause.checked_mul(doubled).unwrap_or(self.longest_pause);
        named.unwrap_or_default().max(pause).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let pauses: Vec<_> = (1..=8).map(|attempt| policy.pause_after(attempt, None).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(policy.pause_after(u32::MAX, None), Duration::from_secs(10));
    }

    #[test]
    fn a_named_pause_counts_where_it_is_longer_and_never_beyond_the_longest() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause_after(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(policy.pause_after(3, Some(Duration::from_millis(1))), Duration::from_millis(800));
        assert_eq!(policy.pause_after(1, Some(Duration::from_secs(3600))), Duration::from_secs(10));
    }

    #[test]
    fn there_is_always_one_attempt() {
        assert_eq!(RetryPolicy::default().with_attempts(0).attempts, 1);
    }
}
