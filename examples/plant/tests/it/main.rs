//! The plant from outside: each test starts a factory of its own, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails, in its helpers too")]

mod actuator;
mod adapters;
mod broker;
mod factory;
mod faults;
mod operations;
mod pipeline;
mod processes;
mod program;
mod renewals;
mod scenarios;

use std::path::PathBuf;

use plant::factory::{Factory, Plan};

fn plant_program() -> PathBuf {
    env!("CARGO_BIN_EXE_plant").into()
}

async fn start(plan: Plan) -> Factory {
    Factory::start(plant_program(), plan).await.unwrap()
}
