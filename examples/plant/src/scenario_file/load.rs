//! Reading a scenario file: all faults at once, each with its place.

use std::{fs, path::Path, time::Duration};

use chrono::TimeDelta;
use iot_runbook::time::parse_duration;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    Endings, Expectation, Fault, Faults, ScenarioFile,
    fault::{Collector, meant},
};
use crate::{
    device::Kind,
    operation::{Location, Operation, Owner, Setting, Word, all_words, owner_of, owners},
    scenario::People,
};

/// The size up to which a file is read.
pub const MOST_BYTES: u64 = 256 << 10;
/// The number of operations that a scenario may have.
pub const MOST_OPERATIONS: usize = 100;
/// How long after the start the last operation may be.
const LATEST: TimeDelta = TimeDelta::seconds(120);
/// How far a clock can be set.
const FURTHEST: TimeDelta = TimeDelta::days(36_500);

const TOP: &[&str] = &["title", "device", "people", "operation", "expect"];
const OPERATION: &[&str] = &["at", "step", "part", "do", "by"];
const EXPECT: &[&str] = &["accepted", "forbidden"];

/// Reads the scenario in a file, for a diagnosis by these runbooks.
///
/// # Errors
/// When the file can't be read, or is no scenario: with every fault that was found.
pub fn load(file: &Path, endings: &Endings) -> Result<ScenarioFile, Faults> {
    let name = file.display().to_string();
    let of_file = |text: String| Faults { file: name.clone(), all: vec![Fault { line: 1, column: 1, text }] };
    let cannot_be_read = |error: std::io::Error| of_file(format!("the file cannot be read: {error}"));
    let about = fs::metadata(file).map_err(cannot_be_read)?;
    if !about.is_file() {
        return Err(of_file("this is no file; give a scenario in TOML".to_owned()));
    }
    if about.len() > MOST_BYTES {
        return Err(of_file(format!(
            "the file has {} bytes; a scenario has at most {MOST_BYTES}",
            about.len()
        )));
    }
    let bytes = fs::read(file).map_err(cannot_be_read)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| of_file(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1)))?;
    read(&text, endings).map_err(|all| Faults { file: name.clone(), all })
}

/// Reads a scenario, for a diagnosis by these runbooks.
///
/// # Errors
/// Every fault that was found.
pub fn read(text: &str, endings: &Endings) -> Result<ScenarioFile, Vec<Fault>> {
    let mut faults = Collector::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        faults.add(&error.span().unwrap_or(0..0), format!("this is no TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        // What was recovered of it would be blamed for what is only missing.
        return Err(faults.into_faults());
    }
    let scenario =
        Reader { faults: &mut faults, endings, setting: Setting::Factory }.scenario(document.get_ref());
    match scenario {
        Some(scenario) if faults.is_empty() => Ok(scenario),
        _ => Err(faults.into_faults()),
    }
}

struct Reader<'a, 't> {
    faults: &'a mut Collector<'t>,
    endings: &'a Endings,
    /// Where the device is, once that is read.
    setting: Setting,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_, '_> {
    fn scenario(&mut self, table: &DeTable<'_>) -> Option<ScenarioFile> {
        self.known_keys(table, TOP, "a scenario");
        let title = table.get("title").and_then(|value| self.text("title", value)).map(str::to_owned);
        let device = match table.get("device") {
            Some(value) => self.device(value),
            None => {
                self.faults.add(
                    &(0..0),
                    format!(
                        "`device` is missing: name the device whose alert is diagnosed: {}",
                        device_names()
                    ),
                );
                None
            }
        };
        if let Some(setting) = device.as_deref().and_then(Setting::of) {
            self.setting = setting;
        }
        let people = match table.get("people") {
            Some(value) => self.people(value),
            None => Some(People::Attentive),
        };
        let expected = match table.get("expect") {
            Some(value) => self.expectation(value),
            None => Some(Expectation::default()),
        };
        let operations = self.operations(table.get("operation"));
        Some(ScenarioFile {
            title,
            device: device?,
            people: people?,
            operations: operations?,
            expected: expected?,
        })
    }

    fn known_keys(&mut self, table: &DeTable<'_>, known: &[&str], of: &str) {
        for (key, _) in table {
            let name = &**key.get_ref();
            if !known.contains(&name) {
                let all = format!("it has {}", known.join(", "));
                let meant = meant(name, known.iter().copied(), &all);
                self.faults.add(&key.span(), format!("{of} has no key `{}`; {meant}", shown(name)));
            }
        }
    }

    fn text<'v>(&mut self, name: &str, value: &'v Value<'_>) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            other => {
                self.faults
                    .add(&value.span(), format!("`{name}` is {}; write a string in quotes", kind(other)));
                None
            }
        }
    }

    fn people(&mut self, value: &Value<'_>) -> Option<People> {
        let name = self.text("people", value)?;
        let names = || People::ALL.iter().map(|(_, name)| *name);
        let found = People::ALL.iter().find(|(_, known)| *known == name);
        if found.is_none() {
            let all = format!("they can be {}", names().collect::<Vec<_>>().join(", "));
            let meant = meant(name, names(), &all);
            self.faults.add(&value.span(), format!("people cannot be \"{}\"; {meant}", shown(name)));
        }
        found.map(|(people, _)| *people)
    }

    fn device(&mut self, value: &Value<'_>) -> Option<String> {
        let name = self.text("device", value)?;
        if Setting::of(name).is_none() {
            let otherwise = format!("there are {}", device_names());
            let known = owners(Owner::Device).into_iter().chain(owners(Owner::Machine));
            let meant = meant(name, known, &otherwise);
            let text = format!("neither factory nor pipeline has a device \"{}\"; {meant}", shown(name));
            self.faults.add(&value.span(), text);
            return None;
        }
        Some(name.to_owned())
    }

    fn operations(&mut self, value: Option<&Value<'_>>) -> Option<Vec<Operation>> {
        let Some(value) = value else {
            self.faults
                .add(&(0..0), "the scenario does nothing: add an `[[operation]]` with `part` and `do`");
            return None;
        };
        let DeValue::Array(array) = value.get_ref() else {
            let kind = kind(value.get_ref());
            self.faults.add(
                &value.span(),
                format!("`operation` is {kind}; head each operation with `[[operation]]`"),
            );
            return None;
        };
        if array.is_empty() {
            self.faults
                .add(&value.span(), "the scenario does nothing: add an operation with `part` and `do`");
            return None;
        }
        if array.len() > MOST_OPERATIONS {
            let text = format!("{} operations are too many: {MOST_OPERATIONS} are allowed", array.len());
            self.faults.add(&value.span(), text);
            return None;
        }
        let operations = array.iter().map(|one| self.operation(one)).collect::<Vec<_>>();
        operations.into_iter().collect()
    }

    fn operation(&mut self, value: &Value<'_>) -> Option<Operation> {
        let DeValue::Table(table) = value.get_ref() else {
            let kind = kind(value.get_ref());
            self.faults.add(&value.span(), format!("this operation is {kind}; head it with `[[operation]]`"));
            return None;
        };
        self.known_keys(table, OPERATION, "an operation");
        let at = match table.get("at") {
            Some(value) => self.duration("at", value).and_then(|at| self.moment(at, value)),
            None => Some(Duration::ZERO),
        };
        let step = table.get("step").map(|value| self.step(value, table.get("at")));
        let by = table.get("by").map(|value| (value, self.duration("by", value)));
        let verb = match table.get("do") {
            Some(verb) => self.text("do", verb).map(|text| (verb, text)),
            None => self.lacks(value, "do", "say what is done, as --vocabulary names it"),
        };
        let part = match table.get("part") {
            Some(part) => self.text("part", part).map(|text| (part, text)),
            None => self.lacks(value, "part", "name a part, such as \"press-1.breaker\""),
        };
        let (owner, words) = self.part(part?)?;
        let (verb, name) = verb?;
        let word = self.verb(verb, name, &words)?;
        if !word.is_in(self.setting) {
            let text = self.elsewhere(&owner, word);
            self.faults.add(&verb.span(), text);
            return None;
        }
        let by = match (word.takes_amount(), by) {
            (false, None) => None,
            (false, Some((given, _))) => {
                self.faults.add(&given.span(), format!("`{}` takes no `by`; take it away", word.verb));
                return None;
            }
            (true, Some((given, by))) => Some(self.amount(by?, given)?),
            (true, None) => {
                let text = format!("`{}` needs `by`: say by how much, such as \"-1h\"", word.verb);
                self.faults.add(&value.span(), text);
                return None;
            }
        };
        let step = match step {
            Some(step) => Some(step?),
            None => None,
        };
        Some(Operation { at: at?, step, owner, word, by })
    }

    /// A step of the walk that an operation waits for.
    fn step(&mut self, value: &Value<'_>, at: Option<&Value<'_>>) -> Option<String> {
        let name = self.text("step", value)?;
        if let Some(at) = at {
            let text = "an operation has `at` or `step`, and this one has both; take one away";
            self.faults.add(&at.span(), text);
        }
        let ending = self.endings.of(self.setting);
        if !ending.steps.iter().any(|step| step == name) {
            let known = ending.steps.iter().map(String::as_str);
            let meant = meant(name, known, "take one that --json or the story of a diagnosis names");
            let text = format!("runbook {} has no step \"{}\"; {meant}", ending.runbook, shown(name));
            self.faults.add(&value.span(), text);
            return None;
        }
        Some(name.to_owned())
    }

    /// What is wrong with a word of another setting.
    fn elsewhere(&self, owner: &str, word: &Word) -> String {
        let (verb, part, here) = (word.verb, word.part, self.setting.name());
        if word.owner == Owner::Adapters {
            return format!(
                "`{verb}` cannot be done to {owner}.{part} in the {here}; --vocabulary says what can"
            );
        }
        format!(
            "{owner}.{part} is not in the {here}, where the device of this scenario is; name a part of the {here}"
        )
    }

    fn lacks<T>(&mut self, value: &Value<'_>, key: &str, remedy: &str) -> Option<T> {
        self.faults.add(&value.span(), format!("this operation has no `{key}`: {remedy}"));
        None
    }

    fn duration(&mut self, name: &str, value: &Value<'_>) -> Option<TimeDelta> {
        match parse_duration(self.text(name, value)?) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.faults.add(&value.span(), format!("`{name}`: {error}"));
                None
            }
        }
    }

    fn moment(&mut self, at: TimeDelta, value: &Value<'_>) -> Option<Duration> {
        match at.to_std() {
            Ok(moment) if at <= LATEST => Some(moment),
            _ => {
                let latest = LATEST.num_seconds();
                self.faults.add(&value.span(), format!("`at` must be from 0s to {latest}s after the start"));
                None
            }
        }
    }

    fn amount(&mut self, by: TimeDelta, value: &Value<'_>) -> Option<TimeDelta> {
        let is_within = (-FURTHEST..=FURTHEST).contains(&by);
        if !is_within {
            self.faults.add(&value.span(), format!("`by` must be at most {} days", FURTHEST.num_days()));
        }
        is_within.then_some(by)
    }

    /// The owner of a part, and all that can be done to it.
    fn part(&mut self, (value, name): (&Value<'_>, &str)) -> Option<(String, Vec<&'static Word>)> {
        let span = value.span();
        let Some((owner, part)) = name.split_once('.') else {
            let text = format!(
                "\"{}\" names no part; write OWNER.PART, such as \"press-1.breaker\"; --vocabulary names them all",
                shown(name)
            );
            self.faults.add(&span, text);
            return None;
        };
        let Some(kind) = owner_of(owner) else {
            let all = Owner::ALL.into_iter().flat_map(owners);
            let meant = meant(owner, all, "--vocabulary names them all");
            self.faults.add(&span, format!("nothing is named \"{}\"; {meant}", shown(owner)));
            return None;
        };
        let of_kind = || all_words().filter(|word| word.owner == kind);
        let words = of_kind().filter(|word| word.part == part).collect::<Vec<_>>();
        if words.is_empty() {
            let mut parts = of_kind().map(|word| word.part).collect::<Vec<_>>();
            parts.dedup();
            let all = format!("it has {}", parts.join(", "));
            let meant = meant(part, parts, &all);
            let (of, adapters) = match kind {
                Owner::Platform | Owner::Machine | Owner::Edge | Owner::Pipeline => ("the", false),
                Owner::Adapters => ("the", true),
                _ => ("a", false),
            };
            if adapters {
                let text = format!("there is no adapter \"{}\"; {meant}", shown(part));
                self.faults.add(&span, text);
                return None;
            }
            let text = format!("{of} {} has no part \"{}\"; {meant}", kind.name(), shown(part));
            self.faults.add(&span, text);
            return None;
        }
        let speaks = Location::of(owner).map(|location| location.kind);
        if speaks == Some(Kind::Plc) && words.iter().all(|word| word.needs_session) {
            let text = format!(
                "{owner} has no {part} to the broker: its gateway's session carries it; \
                 choose a device with a session of its own, or a part of the gateway"
            );
            self.faults.add(&span, text);
            return None;
        }
        Some((owner.to_owned(), words))
    }

    fn verb(&mut self, value: &Value<'_>, name: &str, words: &[&'static Word]) -> Option<&'static Word> {
        let found = words.iter().copied().find(|word| word.verb == name);
        if found.is_none() {
            let verbs = || words.iter().map(|word| word.verb);
            let all = format!("it takes {}", verbs().collect::<Vec<_>>().join(", "));
            let part = words.first().map_or("part", |word| word.part);
            let meant = meant(name, verbs(), &all);
            self.faults.add(&value.span(), format!("`{}` cannot be done to a {part}; {meant}", shown(name)));
        }
        found
    }

    fn expectation(&mut self, value: &Value<'_>) -> Option<Expectation> {
        let DeValue::Table(table) = value.get_ref() else {
            let kind = kind(value.get_ref());
            self.faults.add(&value.span(), format!("`expect` is {kind}; head it with `[expect]`"));
            return None;
        };
        self.known_keys(table, EXPECT, "an expectation");
        let accepted = self.outcomes("accepted", table.get("accepted"));
        let forbidden = self.outcomes("forbidden", table.get("forbidden"));
        let (accepted, forbidden) = (accepted?, forbidden?);
        if let Some(both) = accepted.iter().find(|outcome| forbidden.contains(outcome)) {
            self.faults
                .add(&value.span(), format!("\"{both}\" is both accepted and forbidden; take one away"));
            return None;
        }
        Some(Expectation { accepted, forbidden })
    }

    fn outcomes(&mut self, name: &str, value: Option<&Value<'_>>) -> Option<Vec<String>> {
        let Some(value) = value else { return Some(Vec::new()) };
        let DeValue::Array(array) = value.get_ref() else {
            let kind = kind(value.get_ref());
            self.faults
                .add(&value.span(), format!("`{name}` is {kind}; write a list of outcomes in brackets"));
            return None;
        };
        if array.is_empty() {
            self.faults.add(&value.span(), format!("`{name}` names no outcome; name one, or take it away"));
            return None;
        }
        self.outcomes_in(name, array)
    }

    fn outcomes_in(&mut self, name: &str, array: &DeArray<'_>) -> Option<Vec<String>> {
        let ending = self.endings.of(self.setting);
        let known = ending.outcomes.iter().map(String::as_str).collect::<Vec<_>>();
        let mut found = Some(Vec::new());
        for value in array {
            let outcome = self.text(name, value);
            match outcome {
                Some(outcome) if known.contains(&outcome) => {
                    if let Some(found) = &mut found {
                        found.push(outcome.to_owned());
                    }
                }
                Some(outcome) => {
                    let otherwise = "name a conclusion, \"undetermined\" or \"no-alert\"";
                    let meant = meant(outcome, known.iter().copied(), otherwise);
                    let text = format!(
                        "runbook {} has no conclusion \"{}\"; {meant}",
                        ending.runbook,
                        shown(outcome)
                    );
                    self.faults.add(&value.span(), text);
                    found = None;
                }
                None => found = None,
            }
        }
        found
    }
}

fn device_names() -> String {
    let all = owners(Owner::Device).into_iter().chain(owners(Owner::Machine));
    all.collect::<Vec<_>>().join(", ")
}

/// Enough of a text to recognise it, on one line.
fn shown(text: &str) -> String {
    let short = text.chars().take(40).map(|character| if character.is_control() { ' ' } else { character });
    short.collect()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
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
        devices
            .flat_map(|(_, device)| owners(word.owner).into_iter().map(move |owner| (owner, device)))
            .collect()
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
            assert!(
                fault.starts_with(&format!("{place}: ")) && fault.contains(said),
                "{fault} / {place} {said}"
            );
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
}
