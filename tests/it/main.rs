//! The library from outside, a module per concept.

#![cfg(feature = "toml")]

mod catalog;
mod runbook;
