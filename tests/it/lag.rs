//! Consumer groups: the engine beside a slow and obvious model, and what must hold of any window.

mod holds;
mod model;
mod probe;
mod streams;
