//! Consumer groups: the engine beside a slow and obvious model, groups whose truth is known, and what must hold of
//! any window.

mod holds;
mod model;
mod probe;
mod random;
mod simulated;
mod streams;
mod world;
