//! How late late copies are.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Buckets to each doubling of the age: a bucket is an eighth wide.
const TO_A_DOUBLING: u32 = 8;

/// A histogram of how long after the TTL late copies came, in buckets that are an eighth wide at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct LateAges(Vec<u64>);

/// Buckets enough for the longest history, of 2³¹ ms.
const BUCKETS: usize = bucket(1 << 31) + 1;

impl TryFrom<Vec<u64>> for LateAges {
    type Error = String;

    fn try_from(counts: Vec<u64>) -> Result<Self, String> {
        if counts.len() > BUCKETS {
            return Err(format!("{} buckets of late ages, and there are {BUCKETS} at most", counts.len()));
        }
        Ok(Self(counts))
    }
}

impl From<LateAges> for Vec<u64> {
    fn from(ages: LateAges) -> Self {
        ages.0
    }
}

/// A bucket of [`LateAges`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LateBucket {
    /// The shortest time past the TTL that is counted here.
    pub from: TimeDelta,
    /// The shortest that is counted in the next.
    pub below: TimeDelta,
    /// How many copies were so late.
    pub count: u64,
}

impl LateAges {
    /// How many late copies there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |all, count| all.saturating_add(*count))
    }

    /// The buckets that hold something, the shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = LateBucket> {
        self.0.iter().zip(0..).filter(|(count, _)| **count > 0).map(|(count, bucket)| LateBucket {
            from: TimeDelta::milliseconds(lower(bucket)),
            below: TimeDelta::milliseconds(lower(bucket + 1)),
            count: *count,
        })
    }

    /// The time past the TTL within which that share of them came.
    pub(super) fn at_share(&self, share: f64) -> Option<TimeDelta> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&share) {
            return None;
        }
        let wanted = (share * count as f64).ceil();
        let mut caught = 0;
        self.buckets().find_map(|bucket| {
            caught = bucket.count.saturating_add(caught);
            (caught as f64 >= wanted).then_some(bucket.below)
        })
    }

    pub(super) fn count_one(&mut self, past: TimeDelta) {
        let bucket = bucket(past.num_milliseconds().max(0).unsigned_abs()).min(BUCKETS - 1);
        if self.0.len() <= bucket {
            self.0.resize(bucket + 1, 0);
        }
        if let Some(count) = self.0.get_mut(bucket) {
            *count += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.saturating_add(*more);
        }
    }
}

/// The bucket of an age in milliseconds. Ages are below 2³¹.
const fn bucket(age: u64) -> usize {
    if age < TO_A_DOUBLING as u64 {
        return age as usize;
    }
    let doubling = age.ilog2();
    let eighth = (age >> (doubling - 3)) & 7;
    ((doubling - 2) * TO_A_DOUBLING) as usize + eighth as usize
}

/// The youngest age of a bucket.
const fn lower(bucket: u32) -> i64 {
    if bucket < TO_A_DOUBLING {
        return bucket as i64;
    }
    let doubling = bucket / TO_A_DOUBLING + 2;
    ((TO_A_DOUBLING + bucket % TO_A_DOUBLING) as i64) << (doubling - 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_buckets_are_an_eighth_wide() {
        for age in (0..100_000).chain([1 << 20, (1 << 31) - 1, 1 << 31, 123_456_789]) {
            let bucket = bucket(age) as u32;
            let (from, below) = (lower(bucket) as u64, lower(bucket + 1) as u64);
            assert!((from..below).contains(&age), "{age} in {from}..{below}");
            assert!(below - from <= 1.max(from / 8), "{from}..{below}");
        }
    }

    #[test]
    fn first_bucket_to_reach_a_share_catches_it() {
        let mut ages = LateAges::default();
        assert_eq!(ages.at_share(0.5), None);
        for ms in [0, 1, 2, 3, 1000] {
            ages.count_one(TimeDelta::milliseconds(ms));
        }
        let at = |share| ages.at_share(share).map(|past| past.num_milliseconds());
        assert_eq!(
            (at(0.0), at(0.2), at(0.21), at(0.8), at(1.0)),
            (Some(1), Some(1), Some(2), Some(4), Some(1024))
        );
        assert_eq!((at(1.1), at(-0.1), at(f64::NAN)), (None, None, None));
        assert_eq!(serde_json::from_str::<LateAges>(&serde_json::to_string(&ages).unwrap()).unwrap(), ages);
        assert!(serde_json::from_value::<LateAges>(vec![0; BUCKETS + 1].into()).is_err());
        let mut twice = ages.clone();
        twice.add(&ages);
        assert_eq!(twice.count(), 10);
        assert_eq!(twice.at_share(0.8), ages.at_share(0.8));
    }
}
