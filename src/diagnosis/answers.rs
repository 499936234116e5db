//! Which entry of the log answers each query of the set.

/// The entry of the latest answer to each query, by the query's position.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// Of few queries in a log that is short, held in place: a walk through the catalog allocates nothing for it, and a
    /// diagnosis stays small to move.
    few: [u8; FEW],
    /// Of many, or in a long log; then those are not looked at.
    many: Option<Box<[u32]>>,
}

/// As many queries as the catalog's runbooks have together, and some more.
const FEW: usize = 40;

/// Not answered; no log reaches it.
const NONE: u32 = u32::MAX;

/// The same where the log is short.
const NONE_OF_FEW: u8 = u8::MAX;

impl Answers {
    #[inline]
    pub(super) fn new(queries: usize) -> Self {
        Self { few: [NONE_OF_FEW; FEW], many: if queries <= FEW { None } else { Some(unanswered(queries)) } }
    }

    #[inline]
    pub(super) fn get(&self, query: u32) -> Option<u32> {
        let query = query as usize;
        match &self.many {
            None => {
                let entry = self.few.get(query).filter(|entry| **entry != NONE_OF_FEW);
                entry.map(|entry| u32::from(*entry))
            }
            Some(entries) => entries.get(query).copied().filter(|entry| *entry != NONE),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, query: u32, entry: u32) {
        match u8::try_from(entry) {
            Ok(short) if short != NONE_OF_FEW && self.many.is_none() => {
                if let Some(slot) = self.few.get_mut(query as usize) {
                    *slot = short;
                }
            }
            _ => self.set_of_many(query, entry),
        }
    }

    #[cold]
    #[inline(never)]
    fn set_of_many(&mut self, query: u32, entry: u32) {
        if self.many.is_none() {
            let entries = (0..FEW as u32).map(|query| self.get(query).unwrap_or(NONE)).collect();
            self.many = Some(entries);
        }
        if let Some(slot) = self.many.as_mut().and_then(|entries| entries.get_mut(query as usize)) {
            *slot = entry;
        }
    }
}

#[cold]
fn unanswered(queries: usize) -> Box<[u32]> {
    vec![NONE; queries].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_query_has_its_latest_entry_however_long_the_log_is() {
        for queries in [0, 1, FEW, FEW + 1, 500] {
            let mut answers = Answers::new(queries);
            let mut expected = vec![None; queries];
            for entry in [0, 1, 7, 253, 254, 255, 256, 70_000, u32::MAX - 1] {
                for query in (0..queries).filter(|query| (query + entry as usize) % 3 != 1) {
                    answers.set(query as u32, entry);
                    expected[query] = Some(entry);
                }
                for (query, entry) in (0..).zip(&expected) {
                    assert_eq!(answers.get(query), *entry, "query {query} of {queries}");
                }
                assert_eq!(answers.get(queries.max(FEW) as u32), None);
            }
        }
    }
}
