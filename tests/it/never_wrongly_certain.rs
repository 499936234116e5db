//! Faults that were once concluded wrongly and without any doubt, each through adapters in memory.

mod gap;
mod offline;
