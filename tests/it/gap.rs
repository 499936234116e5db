//! Gaps: the detector beside a slow and obvious model of it.

mod allocations;
mod model;
mod random;
mod sessions;
mod streams;
