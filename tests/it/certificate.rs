//! Certificates: each engine beside a slow and obvious model of it.

mod sweep;
