//! Mutants of the built-in runbooks: each line deleted, and each value, text, target and guard in it changed. Every mutant
//! must be refused by the validator or by a test that states the contract. The pinned fingerprint is no such test.
//!
//! `cargo test` tries one in [`ONE_OF`], the same in each run; with `FRESH_CASES`, as in the fuzz step of the gate, all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use iot_runbook::catalog;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::{Runbook, RunbookSet};

use super::CONTRACTS;
use super::source::{Kind, Source, Token};

const TEXTS: [&str; 3] = [
    include_str!("../../../src/catalog/device-offline.toml"),
    include_str!("../../../src/catalog/data-gap.toml"),
    include_str!("../../../src/catalog/certificate-expiry.toml"),
];

/// All take 45 s on two cores without optimisation.
const ONE_OF: usize = 4;

/// Changes that leave a runbook the same in all its parts, the line that is changed, and why each is none.
const NO_CHANGE: [(&str, &str, &str); 4] = [
    ("swap two items", "{ text = ", "the guard of a condition is a set of choices"),
    ("swap two items", "{ is = ", "a guard is a set of choices, `supports` and `against` are sets of causes"),
    ("swap two ids", "[checks.", "the two are declared alike"),
    ("delete the line", "approval = \"required\"", "the default; written out, as people read it there"),
];

/// One changed text.
struct Mutant {
    line: usize,
    how: &'static str,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Killer {
    /// It does not load.
    Validator,
    Contract,
    Rehearsal,
    Situation,
    /// It is the same runbook.
    Same,
    Nobody,
}

/// What was loaded before: the runbooks of the catalog.
struct Originals {
    documents: Vec<Document>,
    runbooks: Vec<Runbook>,
}

impl Originals {
    fn killer(&self, nth: usize, text: &str) -> Killer {
        let Ok(document) = Document::from_toml(text) else { return Killer::Validator };
        let Ok(runbook) = document.validate() else { return Killer::Validator };
        if CONTRACTS[nth].check(&document, &runbook).is_err() {
            return Killer::Contract;
        }
        let mut runbooks = self.runbooks.clone();
        runbooks[nth] = runbook.clone();
        let Ok(set) = RunbookSet::new(runbooks) else { return Killer::Validator };
        if crate::rehearsals::all_hold(&set).is_err() {
            Killer::Rehearsal
        } else if crate::situations::all_hold(&set).is_err() {
            Killer::Situation
        } else if self.is_same(nth, &document, &runbook) {
            Killer::Same
        } else {
            Killer::Nobody
        }
    }

    /// Whether it is the same in all its parts, with the thresholds as they are and with others.
    fn is_same(&self, nth: usize, document: &Document, runbook: &Runbook) -> bool {
        let apart = |document: &Document| CONTRACTS[nth].apart(document).0.validate();
        let (Ok(changed), Ok(original)) = (apart(document), apart(&self.documents[nth])) else {
            return false;
        };
        parts_equal(runbook, &self.runbooks[nth]) && parts_equal(&changed, &original)
    }
}

fn parts_equal(one: &Runbook, other: &Runbook) -> bool {
    one.fingerprint() == other.fingerprint()
        && one.title() == other.title()
        && one.steps() == other.steps()
        && one.queries() == other.queries()
}

#[test]
fn every_mutant_of_the_catalog_is_killed() {
    let documents = catalog::documents().unwrap();
    let runbooks = documents.iter().map(|document| document.validate().unwrap()).collect();
    let originals = Originals { documents, runbooks };
    let mut mutants: Vec<(usize, Mutant)> = Vec::new();
    for (nth, text) in TEXTS.iter().enumerate() {
        mutants.extend(mutants_of(text).into_iter().map(|mutant| (nth, mutant)));
    }
    let step = if std::env::var_os("FRESH_CASES").is_some() { 1 } else { ONE_OF };
    let mutants: Vec<_> = mutants.into_iter().step_by(step).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let killers: Vec<Killer> = std::thread::scope(|scope| {
        let (originals, size) = (&originals, mutants.len().div_ceil(workers));
        let judge = |(nth, mutant): &(usize, Mutant)| originals.killer(*nth, &mutant.text);
        let begin = |part| scope.spawn(move || Vec::from_iter(<[_]>::iter(part).map(judge)));
        let begun: Vec<_> = mutants.chunks(size).map(begin).collect();
        begun.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut counts: BTreeMap<&str, BTreeMap<Killer, usize>> = BTreeMap::new();
    let mut left = String::new();
    for ((nth, mutant), killer) in mutants.iter().zip(&killers) {
        *counts.entry(mutant.how).or_default().entry(*killer).or_default() += 1;
        let original = TEXTS[*nth].lines().nth(mutant.line).unwrap();
        let is_none = NO_CHANGE.iter().any(|(how, line, _)| mutant.how == *how && original.contains(line));
        if *killer == Killer::Nobody || *killer == Killer::Same && !is_none {
            let now = mutant.text.lines().nth(mutant.line).unwrap_or_default();
            let (name, line) = (catalog::names()[*nth], mutant.line + 1);
            let _ = writeln!(left, "{killer:?}: {name}:{line}: {}\n    {original}\n    {now}", mutant.how);
        }
    }
    println!("{} mutants", mutants.len());
    for (how, counts) in &counts {
        println!("{how}: {counts:?}");
    }
    assert!(left.is_empty(), "{left}");
}

/// All mutants of a document.
fn mutants_of(text: &str) -> Vec<Mutant> {
    let source = Source::read(text);
    let mut mutants = Mutants { source: &source, seen: BTreeSet::new(), made: Vec::new() };
    for line in 0..source.lines.len() {
        if !source.is_comment(line) {
            mutants.delete(line);
            mutants.header(line);
            mutants.guards_of_neighbours(line);
        }
    }
    for (nth, token) in source.tokens.iter().enumerate() {
        match &token.kind {
            Kind::Key => mutants.key(token),
            Kind::Text => mutants.text(nth, token),
            Kind::Bare => mutants.bare(token),
        }
    }
    mutants.made
}

/// The next of a list after one of its items, and round again.
fn after<'a>(list: &[&'a str], item: &str, by: usize) -> Option<&'a str> {
    let at = list.iter().position(|one| *one == item)?;
    Some(list[(at + by) % list.len()]).filter(|other| *other != item)
}

struct Mutants<'s> {
    source: &'s Source<'s>,
    seen: BTreeSet<String>,
    made: Vec<Mutant>,
}

impl Mutants<'_> {
    fn push(&mut self, how: &'static str, changes: &[(usize, Option<String>)]) {
        let original = |line: usize| Some(self.source.lines[line]);
        if changes.iter().all(|(line, other)| other.as_deref() == original(*line)) {
            return;
        }
        let text = self.source.replaced(changes);
        if self.seen.insert(text.clone()) {
            self.made.push(Mutant { line: changes[0].0, how, text });
        }
    }

    fn put(&mut self, how: &'static str, token: &Token, other: &str) {
        let line = self.source.with(token.line, token.at.clone(), other);
        self.push(how, &[(token.line, Some(line))]);
    }

    fn delete(&mut self, line: usize) {
        self.push("delete the line", &[(line, None)]);
    }

    /// Another id for a table, and the ids of two tables swapped.
    fn header(&mut self, line: usize) {
        let text = self.source.lines[line];
        let Some((kind, id)) =
            text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.split_once('.'))
        else {
            return;
        };
        self.push("change an id", &[(line, Some(format!("[{kind}.{id}-too]")))]);
        let ids: Vec<_> = self.source.ids(kind).filter(|id| !id.ends_with(".on")).collect();
        let Some(next) = after(&ids, id, 1) else { return };
        let header = format!("[{kind}.{next}]");
        let other = self.source.lines.iter().position(|line| *line == header).unwrap();
        self.push("swap two ids", &[(line, Some(header)), (other, Some(text.to_owned()))]);
    }

    /// The guards of two branches swapped, and a choice moved from one to the other.
    fn guards_of_neighbours(&mut self, line: usize) {
        let guard = |line: &str| {
            let begin = line.starts_with("    { ").then_some("    { ".len())?;
            Some(begin..line.find(", to = ")?)
        };
        let lines = &self.source.lines;
        let Some(one) = guard(lines[line]) else { return };
        for next in line + 1..lines.len() {
            let Some(other) = guard(lines[next]) else { break };
            let (this, that) = (&lines[line][one.clone()], &lines[next][other.clone()]);
            let swapped = [
                (line, Some(self.source.with(line, one.clone(), that))),
                (next, Some(self.source.with(next, other.clone(), this))),
            ];
            self.push("swap two guards", &swapped);
            for (from, to) in [((line, &one), (next, &other)), ((next, &other), (line, &one))] {
                self.move_choice(from, to);
            }
        }
    }

    fn move_choice(&mut self, from: (usize, &Range<usize>), to: (usize, &Range<usize>)) {
        let choices = |(line, at): (usize, &Range<usize>)| -> Option<Vec<&str>> {
            let list = self.source.lines[line][at.clone()].strip_prefix("is = ")?;
            Some(list.trim_matches(['[', ']']).split(", ").collect())
        };
        let (Some(mut own), Some(mut others)) = (choices(from), choices(to)) else { return };
        if own.len() < 2 {
            return;
        }
        others.push(own.pop().unwrap());
        let [own, others] = [own, others].map(|choices| format!("is = [{}]", choices.join(", ")));
        let moved = [
            (from.0, Some(self.source.with(from.0, from.1.clone(), &own))),
            (to.0, Some(self.source.with(to.0, to.1.clone(), &others))),
        ];
        self.push("move a choice", &moved);
    }

    /// Another comparison, another name for a param, and an entry left out of an inline table.
    fn key(&mut self, token: &Token) {
        let swaps = [("below", "up_to"), ("up_to", "below"), ("from", "above"), ("above", "from")];
        if let Some((_, other)) = swaps.iter().find(|(key, _)| *key == token.key) {
            self.put("another comparison", token, other);
        }
        let line = self.source.lines[token.line];
        if line.starts_with("params = ") && token.at.start > 0 {
            self.put("another param", token, &format!("{}_too", token.key));
        }
        if token.at.start == 0 {
            return;
        }
        let end = token.at.end + value_end(&line[token.at.end..]);
        let (mut begin, mut end) = (token.at.start, end);
        if line[end..].starts_with(", ") {
            end += ", ".len();
        } else if line[..begin].ends_with(", ") {
            begin -= ", ".len();
        }
        let without = self.source.with(token.line, begin..end, "");
        self.push("leave an entry out", &[(token.line, Some(without))]);
    }

    fn text(&mut self, nth: usize, token: &Token) {
        let source = self.source;
        let value = source.value(token);
        match &*token.key {
            "title" | "advice" | "note" | "text" | "says" | "ask" => {
                self.put("empty a text", token, "");
                self.swap_texts(nth, token);
            }
            _ if value.contains('$') => self.other_threshold(token, value),
            "unknown" if value == "explore" => {
                let last = source.ids("conclusions").last().unwrap();
                self.put("another target", token, last);
            }
            "start" | "to" | "unknown" | "not_named" | "done" | "refused" | "failed" | "expired" => {
                self.retarget(token, value);
            }
            _ => self.other_word(token, value),
        }
        self.list_items(nth, token);
    }

    fn swap_texts(&mut self, nth: usize, token: &Token) {
        let source = self.source;
        let later = || source.tokens.iter().skip(nth + 1).chain(source.tokens.iter().take(nth));
        let other = |same_table: bool| {
            later().find(|other| {
                other.kind == Kind::Text
                    && other.key == token.key
                    && (other.table == token.table) == same_table
                    && other.line != token.line
                    && source.value(other) != source.value(token)
            })
        };
        // The order of the sentences of one advice is free.
        let within = other(true).filter(|_| token.key != "advice");
        for other in within.into_iter().chain(other(false)) {
            let swapped = [
                (token.line, Some(source.with(token.line, token.at.clone(), source.value(other)))),
                (other.line, Some(source.with(other.line, other.at.clone(), source.value(token)))),
            ];
            self.push("swap two texts", &swapped);
        }
    }

    fn other_threshold(&mut self, token: &Token, value: &str) {
        let (sign, name) = value.split_once('$').unwrap();
        let of = |name: &str| self.source.thresholds().find(|(one, _)| *one == name).map(|(_, value)| value);
        let is_length = |value: Option<&str>| value.is_some_and(|value| value.starts_with('"'));
        let own = of(name);
        for (other, value) in self.source.thresholds() {
            if other != name && is_length(own) == is_length(Some(value)) {
                self.put("another threshold", token, &format!("{sign}${other}"));
            }
        }
    }

    fn retarget(&mut self, token: &Token, value: &str) {
        let source = self.source;
        let steps: Vec<_> = source.ids("steps").filter(|id| !id.ends_with(".on")).collect();
        let conclusions: Vec<_> = source.ids("conclusions").collect();
        let all: Vec<_> = steps.iter().chain(&conclusions).copied().collect();
        let place = token.line * 7 + token.at.start;
        let others = [
            after(&all, value, 1),
            after(&all, value, all.len() - 1),
            Some(steps[place % steps.len()]),
            Some(conclusions[place % conclusions.len()]),
        ];
        for other in others.into_iter().flatten() {
            self.put("another target", token, other);
        }
        if token.key == "unknown" {
            self.put("another target", token, "explore");
        }
    }

    fn other_word(&mut self, token: &Token, value: &str) {
        let digits = value.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 && value[digits..].len() == 1 {
            let amount: u64 = value[..digits].parse().unwrap();
            for by in [1, 10] {
                self.put("another length", token, &format!("{}{}", amount + by, &value[digits..]));
            }
            return;
        }
        let source = self.source;
        let alike = source.tokens.iter().filter(|one| one.kind == Kind::Text && one.key == token.key);
        let mut words: Vec<_> = alike.map(|one| source.value(one)).collect();
        words.sort_unstable();
        words.dedup();
        let others = if token.key == "severity" { words.len() } else { 3 };
        for by in 1..others {
            if let Some(other) = after(&words, value, by) {
                self.put("another word", token, other);
            }
        }
        self.put("another word", token, &format!("{value}-too"));
    }

    /// An item left out of a list, and two of its items swapped.
    fn list_items(&mut self, nth: usize, token: &Token) {
        let source = self.source;
        let line = source.lines[token.line];
        let (begin, end) = (token.at.start - 1, token.at.end + 1);
        if line[end..].starts_with(", \"") {
            self.push(
                "leave an item out",
                &[(token.line, Some(source.with(token.line, begin..end + 2, "")))],
            );
            let next = &source.tokens[nth + 1];
            let both = format!("{}\", \"{}", source.value(next), source.value(token));
            let swapped = source.with(token.line, token.at.start..next.at.end, &both);
            self.push("swap two items", &[(token.line, Some(swapped))]);
        } else if line[..begin].ends_with(", ") && line[end..].starts_with(']') {
            self.push(
                "leave an item out",
                &[(token.line, Some(source.with(token.line, begin - 2..end, "")))],
            );
        }
    }

    fn bare(&mut self, token: &Token) {
        let value = self.source.value(token);
        match value {
            "true" => self.put("another flag", token, "false"),
            "false" => self.put("another flag", token, "true"),
            _ if value.contains('.') => {
                let number: f64 = value.parse().unwrap();
                for by in [0.01, 0.1, -0.01] {
                    self.put("another number", token, &format!("{:.2}", number + by));
                }
            }
            _ => {
                let count: u64 = value.parse().unwrap();
                for by in [1, 10] {
                    self.put("another number", token, &(count + by).to_string());
                }
            }
        }
    }
}

/// Where the value after a key ends: at the comma or bracket that closes it.
fn value_end(rest: &str) -> usize {
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return rest[..at].trim_end().len(),
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    rest.len()
}
