//! Deadbands from outside.

mod audit;
mod swinging_door;
