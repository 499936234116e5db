//! The library from outside, a module per concept.

mod allocations;
mod catalog;
mod deepest;
mod diagnosis;
