use std::sync::LazyLock;

use super::*;
use crate::{
    chaos::{Random, draw},
    runbooks::Runbooks,
};

/// To validate the catalog takes its time.
static ENDINGS: LazyLock<Endings> =
    LazyLock::new(|| Endings::of_runbooks(&Runbooks::catalog().unwrap()).unwrap());

fn endings() -> &'static Endings {
    &ENDINGS
}

fn faults_of(text: &str) -> Vec<String> {
    let faults = read(text, endings()).unwrap_err();
    faults.iter().map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.text)).collect()
}

const GOOD: &str = r#"
title = "a breaker, and its mending"
device = "press-1"
people = "absent"

[[operation]]
part = "press-1.breaker"
do = "trip"

[[operation]]
at = "2s500ms"
part = "press-1.clock"
do = "set"
by = "-1h"

[expect]
accepted = ["power-fault", "undetermined"]
forbidden = ["gateway-fault"]
"#;

#[test]
fn a_good_file_is_read_whole() {
    let scenario = read(GOOD, endings()).unwrap();
    assert_eq!(scenario.device, "press-1");
    assert_eq!(scenario.people, People::Absent);
    assert_eq!(scenario.title.as_deref(), Some("a breaker, and its mending"));
    let [first, second] = &scenario.operations[..] else { panic!("{scenario:?}") };
    assert_eq!((first.at, first.to_string().as_str()), (Duration::ZERO, "trip press-1.breaker"));
    assert_eq!(second.at, Duration::from_millis(2500));
    assert_eq!(second.by, Some(TimeDelta::hours(-1)));
    assert_eq!(scenario.expected.accepted, ["power-fault", "undetermined"]);
    assert_eq!(scenario.expected.forbidden, ["gateway-fault"]);
}

#[test]
fn what_is_written_is_read_back() {
    let endings = endings();
    let scenario = read(GOOD, endings).unwrap();
    assert_eq!(read(&scenario.to_string(), endings).unwrap(), scenario);
    let mut random = Random::new(7);
    for _ in 0..500 {
        let mut scenario = draw(&mut random);
        scenario.title = Some("quotes \" and \\ and\nlines".to_owned());
        let written = scenario.to_string();
        assert_eq!(read(&written, endings).unwrap(), scenario, "{written}");
    }
}

#[test]
fn every_word_of_the_vocabulary_is_accepted() {
    let endings = endings();
    for word in all_words() {
        for (owner, device) in places(word) {
            let by = if word.takes_amount() { "by = \"1h\"\n" } else { "" };
            let text = format!("{}{by}", done_to(word, owner, device, word.verb));
            let location = Location::of(owner);
            let carried = location.is_some_and(|location| location.kind == Kind::Plc);
            let is_good = read(&text, endings).is_ok();
            assert_eq!(is_good, !(word.needs_session && carried), "{text}");
        }
    }
}

/// Each owner of a word's part, with a device of each setting that has it.
fn places(word: &Word) -> Vec<(&'static str, &'static str)> {
    let devices = [(Setting::Factory, "press-1"), (Setting::Pipeline, "press-9")];
    let devices = devices.into_iter().filter(|(setting, _)| word.is_in(*setting));
    devices.flat_map(|(_, device)| owners(word.owner).into_iter().map(move |owner| (owner, device))).collect()
}

/// A scenario of one operation, whose `part` is on line 3 and whose `do` is on line 4.
fn done_to(word: &Word, owner: &str, device: &str, verb: &str) -> String {
    format!("device = \"{device}\"\n[[operation]]\npart = \"{owner}.{}\"\ndo = \"{verb}\"\n", word.part)
}

#[test]
fn wrong_use_of_each_word_has_its_place() {
    for word in all_words() {
        let Some((owner, device)) = places(word).into_iter().find(|(owner, _)| {
            !word.needs_session || Location::of(owner).is_some_and(|one| one.kind == Kind::Mqtt)
        }) else {
            panic!("{} {}", word.verb, word.part);
        };
        let only = |text: &str, place: &str, said: &str| {
            let faults = faults_of(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].starts_with(place) && faults[0].contains(said), "{text}: {faults:?}");
        };
        // A slip of the keyboard, in the verb and in the part.
        let slip = format!("{}x", word.verb);
        only(&done_to(word, owner, device, &slip), "4:6: ", "did you mean");
        let text = done_to(word, owner, device, word.verb);
        let part = format!(".{}\"", word.part);
        only(&text.replace(&part, &format!(".{}x\"", word.part)), "3:8: ", "did you mean");
        // An amount that is lacking, or too much.
        match word.takes_amount() {
            true => only(&text, "2:1: ", "needs `by`"),
            false => only(&format!("{text}by = \"1s\"\n"), "5:6: ", "takes no `by`"),
        }
        // In the other setting.
        let other = [(Setting::Factory, "press-1"), (Setting::Pipeline, "press-9")];
        let other = other.into_iter().find(|(setting, _)| !word.is_in(*setting));
        if let Some((setting, device)) = other {
            only(&done_to(word, owner, device, word.verb), "4:6: ", setting.name());
        }
    }
}

#[test]
fn step_is_one_of_the_walk_and_has_no_time() {
    let operation = "[[operation]]\npart = \"press-1.breaker\"\ndo = \"trip\"\n";
    let text = |rest: &str| format!("device = \"press-1\"\n{operation}{rest}");
    // Steps of the runbook, and of the one that it hands over to.
    for step in ["power", "provisioning-contact"] {
        let scenario = read(&text(&format!("step = \"{step}\"")), endings()).unwrap();
        assert_eq!(scenario.operations[0].step.as_deref(), Some(step));
        assert_eq!(read(&scenario.to_string(), endings()).unwrap(), scenario);
    }
    for (rest, place, said) in [
        ("step = \"powr\"", "5:8: ", "did you mean \"power\"?"),
        ("step = \"schema-rejections\"", "5:8: ", "runbook device-offline has no step"),
        ("step = 3", "5:8: ", "`step` is an integer"),
        ("step = \"power\"\nat = \"1s\"", "6:6: ", "has both"),
    ] {
        let faults = faults_of(&text(rest));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(place) && faults[0].contains(said), "{faults:?}");
    }
    let outcomes =
        "device = \"press-9\"\n[[operation]]\npart = \"telemetry.table\"\ndo = \"lock\"\n[expect]\n";
    assert!(read(&format!("{outcomes}accepted = [\"storage-write-fault\"]"), endings()).is_ok());
    let faults = faults_of(&format!("{outcomes}accepted = [\"power-fault\"]"));
    assert!(faults[0].starts_with("6:13: runbook data-gap has no conclusion"), "{faults:?}");
}

#[test]
fn all_faults_come_in_order_with_remedy() {
    let text = r#"divice = "press-1"
device = "pres-1"
people = "asleep"

[[operation]]
at = "-1s"
part = "press-1.braker"
do = "trip"

[[operation]]
at = "soon"
part = "press-1.breaker"
do = "trp"

[[operation]]
part = "oven-1.certificate"
do = "expire"

[[operation]]
part = "press-1.clock"
do = "set"

[[operation]]
part = "uplink"
do = "cut"
by = 3

[expect]
accepted = ["power-falt", 3]
forbidden = []
"#;
    let faults = faults_of(text);
    let expected = [
        ("1:1", "did you mean \"device\"?"),
        ("2:10", "did you mean \"press-1\"?"),
        ("3:10", "attentive, declining, hands-on, absent"),
        ("6:6", "from 0s to 120s"),
        ("7:8", "did you mean \"breaker\"?"),
        ("11:6", "`at`"),
        ("13:6", "did you mean \"trip\"?"),
        ("16:8", "its gateway's session carries it"),
        ("19:1", "needs `by`"),
        ("24:8", "OWNER.PART"),
        ("26:6", "`by` is an integer"),
        ("29:13", "did you mean \"power-fault\"?"),
        ("29:27", "`accepted` is an integer"),
        ("30:13", "names no outcome"),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, (place, said)) in faults.iter().zip(expected) {
        assert!(fault.starts_with(&format!("{place}: ")) && fault.contains(said), "{fault} / {place} {said}");
    }
}

#[test]
fn incomplete_or_unknown_fields_are_refused() {
    let operation = "[[operation]]\npart = \"press-1.breaker\"\ndo = \"trip\"\n";
    for (text, said) in [
        (String::new(), "`device` is missing"),
        ("device = \"press-1\"".to_owned(), "does nothing"),
        ("device = \"press-1\"\noperation = []".to_owned(), "does nothing"),
        ("device = \"press-1\"\noperation = 3".to_owned(), "`operation` is an integer"),
        ("device = \"press-1\"\noperation = [3]".to_owned(), "this operation is an integer"),
        (format!("device = 3\n{operation}"), "`device` is an integer"),
        (format!("device = \"press-1\"\n{operation}by = \"1s\""), "takes no `by`"),
        (format!("device = \"press-1\"\n{}", operation.repeat(101)), "too many"),
        (format!("device = \"press-1\"\n{operation}at = \"121s\""), "from 0s to 120s"),
        ("device = \"press-1\"\n[[operation]]\n".to_owned(), "has no `part`"),
        ("device = \"press-1\"\n[[operation]]\n".to_owned(), "has no `do`"),
        (format!("expect = 1\ndevice = \"press-1\"\n{operation}"), "`expect` is an integer"),
        (
            format!(
                "device = \"press-1\"\n{operation}[expect]\naccepted = [\"power-fault\"]\nforbidden = [\"power-fault\"]"
            ),
            "both accepted and forbidden",
        ),
        ("device = ".to_owned(), "no TOML"),
        ("device = \"a\"\ndevice = \"b\"".to_owned(), "no TOML"),
    ] {
        let faults = faults_of(&text);
        assert!(faults.iter().any(|fault| fault.contains(said)), "{text}: {faults:?}");
    }
}

/// Whatever the bytes, there is a scenario or at least one fault, whose place is in the text.
fn survives(text: &str, endings: &Endings) {
    if let Err(faults) = read(text, endings) {
        assert!(!faults.is_empty(), "{text:?}");
        for fault in faults {
            let lines = text.split('\n').count();
            assert!(fault.line >= 1 && fault.line <= lines && fault.column >= 1, "{fault:?} in {text:?}");
        }
    }
}

#[test]
fn no_text_makes_the_loader_panic() {
    let endings = endings();
    let pieces = [
        "\"",
        "[",
        "]",
        "=",
        "\n",
        ".",
        "'''",
        "\u{0}",
        "ü",
        "-",
        "9",
        "{",
        "}",
        "#",
        "1979-05-27",
        "inf",
        "do",
    ];
    let mut random = Random::new(11);
    for _ in 0..4000 {
        let mut text = GOOD.chars().collect::<Vec<_>>();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            let until = (at + random.below(6)).min(text.len());
            let piece = pieces[random.below(pieces.len())];
            text.splice(at..until, piece.chars());
        }
        survives(&text.into_iter().collect::<String>(), endings);
    }
    survives(&"[".repeat(10_000), endings);
    survives(&format!("a = {}", "[".repeat(10_000)), endings);
    survives(&format!("device = \"{}\"", "x".repeat(100_000)), endings);
    survives(&GOOD.replace("press-1", "\u{1F980}"), endings);
}

#[test]
fn file_that_is_no_text_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let endings = endings();
    let file = folder.path().join("scenario.toml");
    let refused = |path: &Path| load(path, endings).unwrap_err().to_string();
    assert!(refused(&file).contains("scenario.toml:1:1: the file cannot be read"));
    assert!(refused(folder.path()).contains("this is no file"));
    fs::write(&file, [b'a', 0xff]).unwrap();
    assert!(refused(&file).contains("byte 2 is not UTF-8"));
    fs::write(&file, vec![b'#'; MOST_BYTES as usize + 1]).unwrap();
    assert!(refused(&file).contains("at most"));
    fs::write(&file, GOOD).unwrap();
    assert!(load(&file, endings).is_ok());
}
