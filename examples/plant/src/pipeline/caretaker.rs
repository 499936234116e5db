//! Who clears a pipeline's folder away when the plant was killed: a process of its own, that waits for the end of the
//! pipe to the plant, as a gateway of the factory does.

use std::{
    fs,
    io::{Read, stdin},
    path::Path,
    process::Stdio,
};

use tokio::process::{Child, Command};

use crate::{
    error::{Error, Result},
    factory::MARKER,
};

/// The hidden subcommand with which the plant's program runs as a caretaker.
pub const SUBCOMMAND: &str = "caretaker";

/// The caretaker of a folder. It ends with its owner, and leaves the folder to it.
#[derive(Debug)]
pub struct Caretaker {
    process: Child,
}

impl Caretaker {
    /// Starts a caretaker of `folder`. `program` is the plant's own.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let process = Command::new(program)
            .arg(SUBCOMMAND)
            .arg(folder)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("starting a caretaker"))?;
        Ok(Self { process })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.process.kill().await.map_err(Error::io("ending a caretaker"))
    }
}

/// Waits until the plant is gone, and removes its folder. Nothing else than a plant's folder is removed.
///
/// # Errors
/// When the folder can't be removed.
pub fn run(folder: &Path) -> Result<()> {
    let mut orders = Vec::new();
    // Nobody writes there: it ends when the plant does.
    stdin().read_to_end(&mut orders).ok();
    if folder.join(MARKER).exists() {
        fs::remove_dir_all(folder).map_err(Error::io("removing a pipeline's folder"))?;
    }
    Ok(())
}
