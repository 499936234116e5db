//! Scenario files: the examples hold, and what cannot be meant is refused before anything starts.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, PoisonError},
    thread,
};

use plant::{
    operation::{ADAPTERS, Owner, PIPELINE, Setting, all_words, owners},
    runbooks::Runbooks,
    scenario_file::{self, Endings},
};

use crate::plant_program;

/// How many scenarios are played at a time.
const AT_A_TIME: usize = 3;

fn endings() -> Endings {
    Endings::of_runbooks(&Runbooks::catalog().unwrap()).unwrap()
}

fn play(file: &Path, options: &[&str]) -> Output {
    Command::new(plant_program()).arg("--scenario").arg(file).args(options).output().unwrap()
}

/// The scenario files in a folder of the plant, without those in folders within.
fn files_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// Plays each file, some at a time, and gives what each printed. One folder after another: with many more at a time the
/// plants would be too slow for their own thresholds.
fn play_all(files: Vec<PathBuf>) -> Vec<(PathBuf, Output)> {
    static ONE_FOLDER: Mutex<()> = Mutex::new(());
    let _turn = ONE_FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let files = &Mutex::new(files);
    let played = thread::scope(|scope| {
        let play_some = move || {
            let mut played = Vec::new();
            while let Some(file) = { files.lock().unwrap().pop() } {
                let ran = play(&file, &[]);
                played.push((file, ran));
            }
            played
        };
        let players = [(); AT_A_TIME].map(|()| scope.spawn(play_some));
        players.map(|player| player.join().unwrap())
    });
    played.into_iter().flatten().collect()
}

/// Plays the scenarios of a folder, and makes sure that each expectation holds. Gives what each printed.
fn hold(folder: &str) -> Vec<(PathBuf, String)> {
    let examples = files_in(folder);
    assert!(examples.len() >= 2);
    let played = play_all(examples).into_iter().map(|(file, ran)| {
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {printed}\n{complaints}", file.display());
        (file, printed)
    });
    played.collect()
}

#[test]
fn the_example_scenarios_hold() {
    for (file, printed) in hold("scenarios") {
        let judged = ["right", "honest"].map(|judged| format!("By what was broken, this is {judged}."));
        assert!(judged.iter().any(|judged| printed.contains(judged)), "{}: {printed}", file.display());
    }
}

#[test]
fn the_scenarios_of_the_pipeline_hold() {
    hold("scenarios/pipeline");
}

#[test]
fn scenarios_of_troubled_adapters_hold() {
    for (file, printed) in hold("scenarios/adapters") {
        assert!(!printed.contains("WRONGLY CERTAIN"), "{}: {printed}", file.display());
    }
}

#[test]
fn each_word_is_used_in_a_scenario_that_holds() {
    let endings = endings();
    let mut used = HashSet::new();
    for file in ["scenarios", "scenarios/pipeline", "scenarios/adapters"].into_iter().flat_map(files_in) {
        let scenario = scenario_file::load(&file, &endings).unwrap();
        let words = scenario.operations.iter().map(|operation| operation.word);
        used.extend(words.map(|word| (word.owner.name(), word.part, word.verb)));
    }
    for word in PIPELINE.iter().chain(ADAPTERS) {
        assert!(used.contains(&(word.owner.name(), word.part, word.verb)), "{} {}", word.verb, word.part);
    }
}

#[test]
fn the_unsolved_scenarios_can_be_played() {
    let endings = endings();
    let unsolved = files_in("scenarios/unsolved");
    assert!(!unsolved.is_empty());
    for file in unsolved {
        scenario_file::load(&file, &endings).unwrap();
    }
}

#[test]
fn scenario_in_the_readme_can_be_played() {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("```toml\n").unwrap();
    let (scenario, _) = after.split_once("```").unwrap();
    let endings = endings();
    assert_eq!(scenario_file::read(scenario, &endings).unwrap().operations.len(), 2);
}

#[test]
fn expectation_that_does_not_hold_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("breaker.toml");
    let scenario = "device = \"press-1\"\n[[operation]]\npart = \"press-1.breaker\"\ndo = \"trip\"\n";
    fs::write(&file, format!("{scenario}[expect]\naccepted = [\"gateway-fault\"]\n")).unwrap();
    let ran = play(&file, &["--json"]);
    assert_eq!(ran.status.code(), Some(1));
    let line: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(line["outcome"], "power-fault");
    assert_eq!(line["as_expected"], false);
    assert_eq!(line["judged"], "right");
    assert_eq!(line["finding"]["conclusion"], "power-fault");
}

#[test]
fn bad_scenario_is_refused_before_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    fs::write(&file, "device = \"pres-1\"\n[[operation]]\npart = \"press-1.breaker\"\ndo = \"trp\"\n")
        .unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let ran = Command::new(plant_program())
        .arg("--scenario")
        .arg(&file)
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(ran.stdout.is_empty());
    let refused = String::from_utf8_lossy(&ran.stderr);
    assert!(
        refused.contains("bad.toml:1:10: ") && refused.contains("did you mean \"press-1\"?"),
        "{refused}"
    );
    assert!(refused.contains("bad.toml:4:6: ") && refused.contains("did you mean \"trip\"?"), "{refused}");
    assert!(temporary.read_dir().unwrap().next().is_none());
}

/// The schema that editors are given names the same devices, parts and verbs.
#[test]
fn schema_of_scenarios_has_the_vocabulary() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../cli/src/schema/scenario.json")).unwrap();
    let mut written = HashSet::new();
    for choice in schema["$defs"]["operation"]["anyOf"].as_array().unwrap() {
        let pattern = choice["properties"]["part"]["pattern"].as_str().unwrap();
        let (names, part) = pattern.strip_prefix("^(").unwrap().split_once(")\\.").unwrap();
        let takes_amount = choice["required"] == serde_json::json!(["by"]);
        for verb in choice["properties"]["do"]["enum"].as_array().unwrap() {
            let words = (names.to_owned(), part.trim_end_matches('$').to_owned());
            assert!(
                written.insert((words, verb.as_str().unwrap().to_owned(), takes_amount)),
                "{pattern} {verb}"
            );
        }
    }
    let known: HashSet<_> = all_words()
        .map(|word| {
            let part = (owners(word.owner).join("|"), word.part.to_owned());
            (part, word.verb.to_owned(), word.takes_amount())
        })
        .collect();
    assert_eq!(written, known);
    let devices = schema["properties"]["device"]["enum"].as_array().unwrap();
    assert!(devices.iter().all(|device| Setting::of(device.as_str().unwrap()).is_some()));
    let all = owners(Owner::Device).into_iter().chain(owners(Owner::Machine));
    assert!(all.into_iter().all(|device| devices.iter().any(|known| known == device)));
}

#[test]
fn vocabulary_names_each_owner_part_and_verb() {
    let ran = Command::new(plant_program()).arg("--vocabulary").output().unwrap();
    assert!(ran.status.success());
    let printed = String::from_utf8(ran.stdout).unwrap();
    let mut named = Vec::new();
    let mut owner = "";
    for line in printed.lines() {
        match line.strip_prefix("  .") {
            Some(part) => {
                let mut words = part.split_whitespace();
                named.push((owner, words.next().unwrap(), words.next().unwrap()));
            }
            None => owner = line.split_once(':').unwrap().0,
        }
    }
    let table = all_words().map(|word| (word.owner.name(), word.part, word.verb)).collect::<Vec<_>>();
    assert_eq!(named, table);
    for word in all_words() {
        assert!(owners(word.owner).iter().all(|owner| printed.contains(owner)));
    }
}

#[test]
fn chaos_counts_its_runs() {
    let ran = Command::new(plant_program()).args(["--chaos", "1", "--runs", "2"]).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    let count = |name: &str| {
        let line = printed
            .lines()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap_or_else(|| panic!("{printed}"));
        line.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap()
    };
    let judged = count("right") + count("honest") + count("not helpful") + count("wrongly certain");
    assert!(judged <= 2, "{printed}");
    assert!(printed.contains(&format!("{judged} diagnosed:")), "{printed}");
    assert_eq!(ran.status.success(), count("wrongly certain") == 0, "{printed}");
}
