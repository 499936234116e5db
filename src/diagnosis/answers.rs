//! Which entry of the log answers each query of the set.

/// The entry of the latest answer to each query, by the query's position.
#[derive(Clone, Debug)]
pub(super) enum Answers {
    /// Of few queries in a log that is short, held in place: a walk through the catalog allocates nothing for it, and a
    /// diagnosis stays small to move.
    Few([u8; FEW]),
    Many(Box<[u32]>),
}

/// As many queries as the catalog's runbooks have together, and some more.
const FEW: usize = 40;

/// Not answered; no log reaches it.
const NONE: u32 = u32::MAX;

/// The same where the log is short.
const NONE_OF_FEW: u8 = u8::MAX;

impl Answers {
    pub(super) fn new(queries: usize) -> Self {
        if queries <= FEW { Self::Few([NONE_OF_FEW; FEW]) } else { Self::Many(vec![NONE; queries].into()) }
    }

    pub(super) fn get(&self, query: u32) -> Option<u32> {
        let query = query as usize;
        match self {
            Self::Few(entries) => {
                entries.get(query).filter(|entry| **entry != NONE_OF_FEW).map(|entry| u32::from(*entry))
            }
            Self::Many(entries) => entries.get(query).copied().filter(|entry| *entry != NONE),
        }
    }

    pub(super) fn set(&mut self, query: u32, entry: u32) {
        if let Self::Few(entries) = self {
            if let Ok(short) = u8::try_from(entry)
                && short != NONE_OF_FEW
            {
                if let Some(slot) = entries.get_mut(query as usize) {
                    *slot = short;
                }
                return;
            }
            self.lengthen();
        }
        if let Self::Many(entries) = self
            && let Some(slot) = entries.get_mut(query as usize)
        {
            *slot = entry;
        }
    }

    /// Makes room for entries of a long log.
    #[cold]
    fn lengthen(&mut self) {
        let entries = (0..FEW as u32).map(|query| self.get(query).unwrap_or(NONE)).collect();
        *self = Self::Many(entries);
    }
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
