//! What the fuzz targets share: the input read as choices, and runbooks and diagnoses made of them.

pub mod choices;
pub mod happenings;
pub mod signed;
pub mod walk;

// The model and its player are those of the library's own tests.
#[allow(dead_code, reason = "the tests use more of it than the targets do")]
#[path = "../../tests/it/deepest.rs"]
mod deepest;
#[allow(dead_code, reason = "the tests use more of it than the targets do")]
#[path = "../../tests/it/model.rs"]
mod model;
#[allow(dead_code, reason = "the tests use more of it than the targets do")]
#[path = "../../tests/it/player.rs"]
mod player;
#[allow(dead_code, reason = "the tests use more of it than the targets do")]
#[path = "../../tests/it/certificate/mint/unsigned.rs"]
mod unsigned;
