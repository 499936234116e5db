//! Which entry of the log answers each query of the set.

/// The entry of the latest answer to each query, by the query's position.
#[derive(Clone, Debug)]
pub(super) enum Answers {
    /// Held in place: a walk through the catalog allocates nothing for it.
    Few([u32; FEW]),
    Many(Box<[u32]>),
}

/// As many queries as the catalog's runbooks have together, and some more.
const FEW: usize = 40;

/// Not answered; no log reaches it.
const NONE: u32 = u32::MAX;

impl Answers {
    pub(super) fn new(queries: usize) -> Self {
        if queries <= FEW { Self::Few([NONE; FEW]) } else { Self::Many(vec![NONE; queries].into()) }
    }

    pub(super) fn get(&self, query: u32) -> Option<u32> {
        let entries: &[u32] = match self {
            Self::Few(entries) => entries,
            Self::Many(entries) => entries,
        };
        entries.get(query as usize).copied().filter(|entry| *entry != NONE)
    }

    pub(super) fn set(&mut self, query: u32, entry: u32) {
        let entries: &mut [u32] = match self {
            Self::Few(entries) => entries,
            Self::Many(entries) => entries,
        };
        if let Some(slot) = entries.get_mut(query as usize) {
            *slot = entry;
        }
    }
}
