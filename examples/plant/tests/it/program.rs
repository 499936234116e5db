//! The plant's program, and what it leaves behind however it ends: nothing.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use iot_runbook::diagnosis::Diagnosis;

use plant::{factory::Plan, runbooks::Runbooks, scenario::Scenario, wait};
use sysinfo::Signal;
use tokio::runtime::Runtime;

use crate::{plant_program, processes};

#[test]
fn the_list_names_every_fault() {
    let listed = Command::new(plant_program()).arg("--list").output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    let ids = listed.lines().filter_map(|line| line.split_whitespace().next());
    assert!(ids.eq(Scenario::all().map(|scenario| scenario.id)));
}

#[test]
fn unknown_fault_is_an_error_that_names_it() {
    let refused = Command::new(plant_program()).args(["--fault", "no-such-fault"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-such-fault"));
}

#[test]
fn unknown_option_is_an_error_that_names_it() {
    let refused = Command::new(plant_program()).arg("--colour").output().unwrap();
    assert!(!refused.status.success());
    assert!(refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--colour"));
}

#[test]
fn json_is_one_line_with_the_evidence() {
    let ran = Command::new(plant_program()).args(["--json", "--fault", "expected-offline"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let lines = String::from_utf8(ran.stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(line["diagnosed"], "expected-offline");
    assert_eq!(line["as_expected"], true);
    assert_eq!(line["finding"]["conclusion"], "expected-offline");
    // What is in the line is the whole evidence: it is read back, and walks to the same end.
    let bundle = serde_json::from_value(line["bundle"].clone()).unwrap();
    let (_, set) = Runbooks::catalog().unwrap().set(false).unwrap();
    let again = Diagnosis::resume(&bundle, &set).unwrap();
    assert_eq!(again.finding().unwrap().conclusion(), Some("expected-offline"));
}

#[test]
fn each_part_of_a_split_gap_has_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(plant_program())
        .args(["--fault", "split-by-presence", "--report"])
        .arg(folder.path().join("gap.html"))
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}");
    for (name, conclusion) in [
        ("gap", "split-by-presence"),
        ("gap-part-1", "disconnected-data-lost"),
        ("gap-part-2", "schema-mismatch"),
    ] {
        let page = fs::read_to_string(folder.path().join(format!("{name}.html"))).unwrap();
        assert!(page.contains(conclusion) && told.contains(&format!("{name}.html")), "{name}: {told}");
        assert!(folder.path().join(format!("{name}.json")).exists(), "{name}");
    }
}

#[test]
fn json_has_the_gap_and_its_outcome() {
    let ran = Command::new(plant_program()).args(["--json", "--fault", "schema-mismatch"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let line: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(line["finding"]["conclusion"], "schema-mismatch");
    assert!(line["gap"]["missing"].as_u64().unwrap() >= 10);
    assert!(line["afterwards"]["missing"].as_u64().unwrap() >= 10);
    let bundle = serde_json::from_value(line["bundle"].clone()).unwrap();
    let (_, set) = Runbooks::catalog().unwrap().gap_set().unwrap();
    let again = Diagnosis::resume(&bundle, &set).unwrap();
    assert_eq!(again.finding().unwrap().conclusion(), Some("schema-mismatch"));
}

#[test]
fn a_runbook_of_ones_own_is_diagnosed_by() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let text = include_str!("../../../../src/catalog/device-offline.toml");
    let own = text.replace("name = \"device-offline\"", "name = \"ours\"");
    fs::write(&file, own.replace("expected-offline", "leave-it-alone")).unwrap();
    let ran = Command::new(plant_program())
        .args(["--fault", "expected-offline", "--runbook"])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(told.contains("leave-it-alone"), "{told}");
    // That is not what the scenario expects.
    assert_eq!(ran.status.code(), Some(1));

    fs::write(&file, text.replace("to = \"flap-history\"", "to = \"nowhere\"")).unwrap();
    let refused = Command::new(plant_program()).arg("--runbook").arg(&file).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nowhere"));
}

/// Starts the program with a temporary folder of its own, and waits for its gateways.
async fn start(folder: &Path, arguments: &[&str], gateways: usize) -> (Child, Vec<u32>) {
    let plant = Command::new(plant_program())
        .args(arguments)
        .env("TMPDIR", folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("its gateways", || async { processes::children(plant.id()).len() >= gateways })
        .await
        .unwrap();
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
async fn interrupted_plant_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, gateways) = start(folder.path(), &["--fault", "persistent-flapping"], 3).await;
    processes::signal(plant.id(), Signal::Interrupt);
    assert_eq!(plant.wait().unwrap().code(), Some(130));
    leaves_nothing(folder.path(), &gateways).await;
}

#[cfg(unix)]
#[tokio::test]
async fn group_signal_leaves_nothing_behind() {
    use std::os::unix::process::CommandExt;

    for (signal, code) in [(Signal::Term, 143), (Signal::Hangup, 129)] {
        let folder = tempfile::tempdir().unwrap();
        let mut plant = Command::new(plant_program())
            .args(["--fault", "persistent-flapping"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        wait::until("its gateways", || async { processes::children(plant.id()).len() >= 3 }).await.unwrap();
        let gateways = processes::children(plant.id());
        // The gateways first, as they may be: none is left to clear up then.
        for pid in gateways.iter().chain([&plant.id()]) {
            processes::signal(*pid, signal);
        }
        // On a busy machine it may see a gateway end before its own signal: that is a failed run, and cleared up too.
        let ended = plant.wait().unwrap().code();
        assert!(ended == Some(code) || ended == Some(1), "{ended:?}");
        leaves_nothing(folder.path(), &gateways).await;
    }
}

#[cfg(target_os = "linux")]
#[test]
fn low_limit_of_open_files_is_said_up_front() {
    let script = "ulimit -n 64; exec \"$0\" --fault expected-offline";
    let ran = Command::new("sh").args(["-c", script]).arg(plant_program()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(ran.stdout.is_empty());
    assert!(String::from_utf8_lossy(&ran.stderr).contains("ulimit -n"));
}

#[cfg(target_os = "linux")]
#[test]
fn json_that_cannot_be_written_is_a_failure() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut plant = Command::new(plant_program())
        .args(["--json", "--fault", "expected-offline"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(plant.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn interrupted_sweep_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, gateways) = start(folder.path(), &["--all"], 6).await;
    processes::signal(plant.id(), Signal::Interrupt);
    assert_eq!(plant.wait().unwrap().code(), Some(130));
    leaves_nothing(folder.path(), &gateways).await;
}

#[tokio::test]
async fn stopped_pipeline_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, caretaker) = start(folder.path(), &["--fault", "schema-mismatch"], 1).await;
    processes::signal(plant.id(), Signal::Interrupt);
    assert_eq!(plant.wait().unwrap().code(), Some(130));
    leaves_nothing(folder.path(), &caretaker).await;

    let (mut plant, caretaker) = start(folder.path(), &["--fault", "schema-mismatch"], 1).await;
    plant.kill().unwrap();
    plant.wait().unwrap();
    leaves_nothing(folder.path(), &caretaker).await;
}

#[tokio::test]
async fn a_panic_leaves_nothing_behind() {
    let (tell, told) = mpsc::channel();
    let panicked = thread::spawn(move || {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let factory = crate::start(Plan::WHOLE).await;
            let pids = factory.gateways().map(|gateway| gateway.supervisor().status().pid.unwrap());
            tell.send((pids.collect::<Vec<_>>(), factory.folder().to_owned())).unwrap();
            panic!("a panic in the middle of a story");
        })
    });
    let (gateways, folder) = told.recv().unwrap();
    assert!(panicked.join().is_err());
    assert_eq!(gateways.len(), 3);
    wait::until("the gateways' end", || async { !gateways.iter().any(|pid| processes::exists(*pid)) })
        .await
        .unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_killed_plant_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plant, gateways) = start(folder.path(), &["--fault", "persistent-flapping"], 3).await;
    plant.kill().unwrap();
    plant.wait().unwrap();
    leaves_nothing(folder.path(), &gateways).await;
}
