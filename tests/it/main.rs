//! The library from outside, a module per concept.

mod allocations;
mod catalog;
mod check;
mod deepest;
mod diagnosis;
