//! Deadbands from outside.

mod swinging_door;
