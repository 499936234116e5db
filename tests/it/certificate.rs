//! Certificates: each engine beside a slow and obvious model of it.

mod checklist;
mod sweep;
