//! The plant's program, and what it leaves behind however it ends: nothing.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use plant::{fault::Fault, wait};
use sysinfo::Signal;

use crate::{plant_program, processes};

#[test]
fn the_list_names_every_fault() {
    let listed = Command::new(plant_program()).arg("--list").output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    let ids = listed.lines().filter_map(|line| line.split_whitespace().next());
    assert!(ids.eq(Fault::ALL.iter().map(|fault| fault.id)));
}

#[test]
fn an_unknown_fault_is_an_error_that_names_it() {
    let refused = Command::new(plant_program()).args(["--fault", "no-such-fault"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-such-fault"));
}

/// Starts the program with a temporary folder of its own, and waits for its gateways.
async fn start(folder: &Path) -> (Child, Vec<u32>) {
    let plant = Command::new(plant_program())
        .args(["--fault", "persistent-flapping"])
        .env("TMPDIR", folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("three gateways", || async { processes::children(plant.id()).len() == 3 }).await.unwrap();
    let gateways = processes::children(plant.id());
    (plant, gateways)
}

async fn leaves_nothing(folder: &Path, gateways: &[u32]) {
    wait::until("the gateways' end", || async { !gateways.iter().any(|pid| processes::exists(*pid)) })
        .await
        .unwrap();
    wait::until("an empty folder", || async { folder.read_dir().unwrap().next().is_none() }).await.unwrap();
}

#[tokio::test]
async fn an_interrupted_plant_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, gateways) = start(folder.path()).await;
    processes::signal(plant.id(), Signal::Interrupt);
    assert_eq!(plant.wait().unwrap().code(), Some(130));
    leaves_nothing(folder.path(), &gateways).await;
}

#[tokio::test]
async fn a_killed_plant_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, gateways) = start(folder.path()).await;
    plant.kill().unwrap();
    plant.wait().unwrap();
    leaves_nothing(folder.path(), &gateways).await;
}
