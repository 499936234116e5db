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
mod tests;
