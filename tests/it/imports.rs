//! Imports go down only: a module names only the modules that its row of [`ROWS`] allows.

use std::collections::BTreeSet;
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each top-level module may import, itself apart. A row names rows above it only, so that nothing runs up.
const ROWS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("fact", &["time"]),
    ("subject", &["fact", "time"]),
    ("runbook", &["subject", "fact", "time"]),
    ("catalog", &["runbook"]),
    ("diagnosis", &["runbook", "subject", "fact", "time"]),
    ("probe", &["subject", "fact", "time"]),
    // The engines: plain values that know nothing of runbooks, nor of each other.
    ("certificate", &["subject", "fact", "time"]),
    ("dedup", &["fact", "time"]),
    ("deadband", &["fact", "time"]),
    ("lag", &["fact", "time"]),
    // A gap is what a diagnosis is about.
    ("gap", &["subject", "fact", "time"]),
    // Our engines answer our probes.
    ("adapter", &["certificate", "dedup", "deadband", "lag", "gap", "probe", "subject", "fact", "time"]),
    ("check", &["certificate", "deadband", "lag", "probe", "runbook", "subject", "fact", "time"]),
    ("driver", &["check", "diagnosis", "probe", "runbook", "subject", "fact", "time"]),
    // Durable cases run diagnoses by drivers.
    ("case", &["driver", "diagnosis", "runbook", "subject", "fact", "time"]),
    (
        "mock",
        &[
            "driver",
            "check",
            "adapter",
            "certificate",
            "dedup",
            "diagnosis",
            "probe",
            "runbook",
            "subject",
            "fact",
            "time",
        ],
    ),
    ("fleet", &["driver", "diagnosis", "probe", "runbook", "subject", "fact", "time"]),
    (
        "report",
        &["fleet", "driver", "certificate", "deadband", "diagnosis", "runbook", "subject", "fact", "time"],
    ),
];

/// The built-in runbooks are what the unit tests of any module may walk.
const TESTS_WALK: &str = "catalog";

#[test]
fn imports_go_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 20, "the sources are not where they were: {}", src.display());
    files.sort();
    let mut faults = Vec::new();
    for file in files {
        let within = file.strip_prefix(&src).unwrap();
        let Some((concept, depth)) = place(within) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let shown = within.display();
        let named = imports(&text, depth).unwrap_or_else(|error| panic!("src/{shown}: {error}"));
        faults.extend(
            named.iter().filter_map(|to| fault(&concept, to)).map(|why| format!("src/{shown}: {why}")),
        );
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_row_names_rows_above_it_only() {
    for (at, (from, allowed)) in ROWS.iter().enumerate() {
        for to in *allowed {
            assert!(ROWS[..at].iter().any(|(above, _)| above == to), "{from} -> {to} does not run down");
        }
    }
}

/// Why the arrow is forbidden, if it is.
fn fault(from: &str, to: &str) -> Option<String> {
    let row = |name: &str| ROWS.iter().find(|(concept, _)| *concept == name);
    let Some((_, allowed)) = row(from) else {
        return Some(format!(
            "module `{from}` has no row: add one to ROWS in tests/it/imports.rs, below every module it may \
             import, and draw its arrow in CONTRIBUTING.md"
        ));
    };
    if to == from || allowed.contains(&to) {
        return None;
    }
    if row(to).is_none() {
        return Some(format!(
            "`crate::{to}` is no module with a row in tests/it/imports.rs: name a thing by the module it \
             lives in, and give a new module a row"
        ));
    }
    Some(format!(
        "{from} -> {to} is forbidden: {from} may import {}; move what it needs down, or hand it in as a value",
        if allowed.is_empty() { "no other module".to_owned() } else { allowed.join(", ") }
    ))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The top-level module that a file belongs to, and how deep its own module lies; none for the root, which
/// re-exports and holds no logic.
fn place(within: &Path) -> Option<(String, usize)> {
    let parts: Vec<_> =
        within.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let first = parts.first()?;
    (first != "lib").then(|| (first.clone(), parts.len()))
}

/// The top-level modules that the code of a file names, through `crate`, `super` or the library's own name.
/// Comments and documentation do not count.
fn imports(text: &str, depth: usize) -> Result<BTreeSet<String>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("not Rust: {error}"))?;
    let mut named = BTreeSet::new();
    read(tokens, depth, &mut named)?;
    Ok(named)
}

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

fn read(tokens: TokenStream, depth: usize, named: &mut BTreeSet<String>) -> Result<(), String> {
    let mut tokens = tokens.into_iter().peekable();
    // Whether the token before is `mod NAME`, so that a group that follows lies one module deeper.
    let mut header = 0;
    // A path's later parts are not its root: `a::crate_::b` never, but `x::iot_runbook::y` may be.
    let mut after_colons = false;
    // Whether the item is built for tests alone.
    let mut test = false;
    while let Some(token) = tokens.next() {
        let was_after_colons = std::mem::replace(&mut after_colons, false);
        match token {
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                header = match (header, ident.as_str()) {
                    (_, "mod") => 1,
                    (1, _) => 2,
                    _ => 0,
                };
                if was_after_colons {
                    continue;
                }
                match ident.as_str() {
                    "crate" | "iot_runbook" => {
                        if tokens
                            .peek()
                            .is_some_and(|next| matches!(next, TokenTree::Ident(next) if next == "as"))
                        {
                            return Err(format!("`{ident}` under another name hides what is imported"));
                        }
                        if colons(&mut tokens) {
                            root(&mut tokens, named)?;
                        }
                    }
                    "super" => climb(&mut tokens, depth, named)?,
                    _ => {}
                }
            }
            TokenTree::Group(group) => {
                let inner = header == 2 && group.delimiter() == Delimiter::Brace;
                header = 0;
                let within = group.stream();
                match group.delimiter() {
                    Delimiter::Bracket => test |= is_cfg_test(&within),
                    Delimiter::Brace if inner && std::mem::take(&mut test) => {
                        let mut own = BTreeSet::new();
                        read(within, depth + 1, &mut own)?;
                        own.remove(TESTS_WALK);
                        named.append(&mut own);
                        continue;
                    }
                    Delimiter::Brace => test = false,
                    _ => {}
                }
                read(within, depth + usize::from(inner), named)?;
            }
            TokenTree::Punct(punct) => {
                header = 0;
                test &= punct.as_char() != ';';
                after_colons = punct.as_char() == ':'
                    && tokens
                        .next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == ':'))
                        .is_some();
            }
            TokenTree::Literal(_) => header = 0,
        }
    }
    Ok(())
}

/// Whether that is the inside of `#[cfg(test)]`, or of one with more conditions.
fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    text.starts_with("cfg") && text.contains("test") && !text.contains("not")
}

/// A chain of `super`, the first of which is read: it names a top-level module where it climbs out of its own.
fn climb(tokens: &mut Tokens, depth: usize, named: &mut BTreeSet<String>) -> Result<(), String> {
    let mut left = depth.saturating_sub(1);
    while colons(tokens) {
        if left == 0 {
            return root(tokens, named);
        }
        if tokens.next_if(|next| matches!(next, TokenTree::Ident(next) if next == "super")).is_none() {
            // What follows, a group too, lies within the module.
            return Ok(());
        }
        left -= 1;
    }
    Ok(())
}

/// What follows the root's `::`: a name, or a group of them.
fn root(tokens: &mut Tokens, named: &mut BTreeSet<String>) -> Result<(), String> {
    match tokens.next() {
        Some(TokenTree::Ident(ident)) => {
            named.insert(ident.to_string());
            Ok(())
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let mut inner = group.stream().into_iter().peekable();
            while inner.peek().is_some() {
                if inner.next_if(|next| matches!(next, TokenTree::Ident(next) if next == "self")).is_none() {
                    root(&mut inner, named)?;
                }
                while inner
                    .next()
                    .is_some_and(|next| !matches!(&next, TokenTree::Punct(next) if next.as_char() == ','))
                {
                }
            }
            Ok(())
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            Err("a glob of the root hides what is imported: name the modules".to_owned())
        }
        _ => Ok(()),
    }
}

/// Takes `::`, if it is next.
fn colons(tokens: &mut Tokens) -> bool {
    let mut taken = 0;
    while taken < 2
        && tokens.next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == ':')).is_some()
    {
        taken += 1;
    }
    taken == 2
}

mod the_reader {
    use super::*;

    fn named(text: &str, depth: usize) -> Vec<String> {
        imports(text, depth).unwrap().into_iter().collect()
    }

    #[test]
    fn finds_a_forbidden_arrow_in_a_nested_group() {
        let text =
            "use crate::{fact::{Value, domain::{Domain, Kind}}, subject, driver::{Timer as T, run::*}};";
        assert_eq!(named(text, 2), ["driver", "fact", "subject"]);
        let faults: Vec<_> = named(text, 2).iter().filter_map(|to| fault("probe", to)).collect();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("probe -> driver is forbidden: probe may import subject, fact, time"));
    }

    #[test]
    fn finds_paths_in_expressions_types_and_macros() {
        let text = "fn f(at: crate::time::Period) -> u8 { log!(\"{}\", crate::fact::VALUE); <crate::probe::P>::g() }";
        assert_eq!(named(text, 1), ["fact", "probe", "time"]);
        assert_eq!(named("macro_rules! m { () => { $crate::lag::f() } }", 1), ["lag"]);
        assert_eq!(named("pub use crate::{self, gap};", 1), ["gap"]);
    }

    #[test]
    fn finds_imports_by_super_and_by_name() {
        assert_eq!(named("use super::driver::Timer;", 1), ["driver"]);
        assert_eq!(named("use super::driver::Timer;", 2), [""; 0]);
        assert_eq!(named("use super::super::{case, fact::Value};", 2), ["case", "fact"]);
        assert_eq!(named("mod tests { use super::*; use super::super::check::Checks; }", 1), ["check"]);
        assert_eq!(named("fn f() { super::within(); }", 2), [""; 0]);
        assert_eq!(named("use iot_runbook::catalog;", 1), ["catalog"]);
    }

    #[test]
    fn passes_over_comments_texts_and_visibilities() {
        let text = "//! crate::driver\n/// [`crate::case`]\n/* crate::fleet /* crate::gap */ */\n\
                    pub(crate) const T: &str = \"crate::report\"; fn f<'a>(c: char) -> bool { c == 'c' }";
        assert_eq!(named(text, 1), [""; 0]);
    }

    #[test]
    fn lets_unit_tests_walk_the_built_in_runbooks() {
        let text =
            "use crate::fact; #[cfg(all(test, feature = \"toml\"))] mod tests { use crate::{catalog, lag}; }";
        assert_eq!(named(text, 1), ["fact", "lag"]);
        assert_eq!(
            named("#[cfg(test)] use crate::fact; mod tests { use crate::catalog; }", 1),
            ["catalog", "fact"]
        );
        assert_eq!(named("#[cfg(not(test))] mod real { use crate::catalog; }", 1), ["catalog"]);
    }

    #[test]
    fn refuses_what_hides_an_import() {
        assert!(imports("use crate::*;", 1).is_err());
        assert!(imports("use crate as library;", 1).is_err());
    }

    #[test]
    fn says_how_to_add_a_row_for_a_module() {
        assert!(fault("weather", "fact").unwrap().contains("module `weather` has no row: add one to ROWS"));
        assert!(fault("driver", "weather").unwrap().contains("give a new module a row"));
        assert_eq!(fault("fact", "fact"), None);
        assert!(fault("lag", "gap").is_some(), "engines do not know each other");
    }
}
