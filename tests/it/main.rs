//! The library from outside, a module per concept.

mod catalog;
mod diagnosis;
