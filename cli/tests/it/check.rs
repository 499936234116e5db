//! `check`.

use super::{Files, OWN, PUMP, pump, run, run_with};

/// What `check` says of the pump's runbook with a part of it replaced: the faults, each with its line, what is wrong, and
/// what was meant.
fn faults(from: &str, to: &str) -> Vec<(u64, String, Option<String>)> {
    let checked = run_with(&["check", "-", "--json", OWN], pump(from, to).as_bytes(), 80);
    assert_eq!(checked.code, 1, "{}{}", checked.out, checked.err);
    let json = checked.json();
    assert_eq!(json["ok"], false);
    let faults = json["files"][0]["faults"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    faults
        .iter()
        .map(|fault| {
            let what = text(&fault["fault"]).unwrap();
            (fault["line"].as_u64().unwrap_or_default(), what, text(&fault["did_you_mean"]))
        })
        .collect()
}

#[test]
fn valid_runbooks_have_no_faults() {
    let built_in =
        run(&["check", "catalog:device-offline", "catalog:data-gap", "catalog:certificate-expiry"]);
    assert_eq!((built_in.code, built_in.err.as_str()), (0, ""), "{}", built_in.out);
    let files = Files::new();
    let path = files.write("pump.toml", PUMP);
    let pump = run_with(&["check", &path, OWN], b"", 120);
    assert_eq!(pump.code, 0, "{}", pump.out);
    let expected = "pump.toml: no faults; pump-stopped version 1 has 3 steps and 3 conclusions";
    assert!(pump.out.replace("\n  ", " ").trim_end().ends_with(expected), "{}", pump.out);
}

#[test]
fn fault_is_shown_in_its_place_with_a_remedy() {
    let text = pump("\"10m\"", "\"10 m\"");
    let checked = run_with(&["check", "-", OWN], text.as_bytes(), 80);
    assert_eq!(checked.code, 1);
    assert_eq!(
        checked.out,
        "\
error: ` m` in `10 m` is not a unit of time
 --> standard input:8:10
  |
8 | recent = \"10 m\"
  |          ^^^^^^
  |
  = help: use d, h, m, s, ms, us or ns

standard input: 1 fault
"
    );
}

#[test]
fn one_typo_is_one_fault() {
    // The line of the typo, what is written there, and what was meant.
    for (from, to, line, meant) in [
        ("unknown = \"explore\"", "unknwon = \"explore\"", 22, "unknown"),
        ("to = \"settle\"", "to = \"setle\"", 24, "settle"),
        ("[steps.settle]", "[steps.setle]", 24, "setle"),
        ("\"$recent\"", "\"$recnt\"", 35, "recent"),
        ("recent = \"10m\"", "recnet = \"10m\"", 35, "recnet"),
        ("check = \"pump-state\"", "check = \"pump-stat\"", 21, "pump-state"),
        ("check = \"starts\"", "chek = \"starts\"", 34, "check"),
        ("is = \"dark\"", "is = \"drak\"", 26, "dark"),
        ("root_cause = \"jam\"", "root_cause = \"jan\"", 5, "jan"),
        ("up_to = 2", "upto = 2", 38, "up_to"),
        ("start = \"state\"", "start = \"stat\"", 4, "state"),
        ("domain = \"count\"", "domain = \"counts\"", 16, "count"),
        ("severity = \"info\"", "severity = \"inf\"", 44, "info"),
        ("[conclusions.jammed]", "[conclusions.jamed]", 47, "jammed"),
        ("[thresholds]", "[treshold]", 7, "thresholds"),
    ] {
        let found = faults(from, to);
        let [(at, _, suggestion)] = found.as_slice() else { panic!("{to}: {found:?}") };
        assert_eq!((*at, suggestion.as_deref()), (line, Some(meant)), "{to}: {found:?}");
    }
}

#[test]
fn name_in_capitals_is_one_fault_wherever_it_is_used() {
    let text = PUMP.replace("jammed]", "Is_Jammed]").replace("to = \"jammed\"", "to = \"Is_Jammed\"");
    assert_eq!(text.matches("Is_Jammed").count(), 4, "a conclusion and three branches");
    let checked = run_with(&["check", "-", OWN], text.as_bytes(), 80);
    assert!(checked.out.contains("47 | [conclusions.Is_Jammed]"), "{}", checked.out);
    assert!(checked.out.contains("did you mean `is-jammed`?"), "{}", checked.out);
    assert!(checked.out.ends_with("standard input: 1 fault\n"), "{}", checked.out);
}

#[test]
fn several_typos_hide_no_other_fault() {
    let text = pump("from = 3", "from = 4").replace("\"settle\"", "\"setle\"").replace("$recent", "$recnt");
    let checked = run_with(&["check", "-", OWN], text.as_bytes(), 80);
    for shown in [
        "did you mean `settle`?",
        "did you mean `recent`?",
        "step \"starts\": guards leave a hole: 3",
        "standard input: 3 faults",
    ] {
        assert!(checked.out.contains(shown), "{shown}: {}", checked.out);
    }
}

#[test]
fn step_behind_an_unreachable_one_is_no_fault() {
    let found = faults("to = \"starts\"", "to = \"jammed\"");
    let expected = "no way from the start leads here, nor to 1 step behind it".to_owned();
    assert_eq!(found, [(33, expected, None)]);
}

#[test]
fn overlap_points_at_both_branches() {
    let checked = run_with(&["check", "-", OWN], pump("up_to = 2", "up_to = 5").as_bytes(), 80);
    assert!(checked.out.contains("branches[0] and branches[1] both take from 3 up to 5"), "{}", checked.out);
    assert!(checked.out.contains("38 |     { up_to = 5"), "{}", checked.out);
    assert!(checked.out.contains("this takes it too"), "{}", checked.out);
    assert!(checked.out.contains("39 |     { from = 3"), "{}", checked.out);
}

#[test]
fn unknown_check_is_meant_for_a_built_in_one() {
    let asks = |id: &str, domain: &str| {
        format!(
            "name = \"n\"\nversion = 1\ntitle = \"t\"\nstart = \"s\"\n[checks.{id}]\nscope = \"device\"\n\
             domain = [{domain}]\n[steps.s]\ncheck = \"{id}\"\nunknown = \"explore\"\n\
             branches = [{{ any = true, to = \"e\" }}]\n[conclusions.e]\ntitle = \"e\"\nseverity = \"info\"\n"
        )
    };
    let right = "\"confirmed\", \"lost\", \"uncertain\"";
    let check = |text: String| run_with(&["check", "-"], text.as_bytes(), 80);
    assert_eq!(check(asks("power", right)).code, 0);

    let id = check(asks("powre", right));
    assert!(id.out.contains("there is no built-in check `powre`"), "{}", id.out);
    assert!(id.out.contains("did you mean `power`?"), "{}", id.out);
    assert!(id.out.ends_with("standard input: 1 fault\n"), "{}", id.out);

    let choice = check(asks("power", "\"confirmed\", \"lost\", \"uncertian\""));
    assert!(choice.out.contains("the check `power` has no choice `uncertian`"), "{}", choice.out);
    assert!(choice.out.contains("did you mean `uncertain`?"), "{}", choice.out);
    assert!(choice.out.ends_with("standard input: 1 fault\n"), "{}", choice.out);
}

#[test]
fn handover_to_a_runbook_that_is_not_there_is_a_fault() {
    let text = "name = \"caller\"\nversion = 1\ntitle = \"t\"\nstart = \"s\"\n[steps.s]\n\
                handover = \"certificate-expirey\"\nunknown = \"e\"\nbranches = [{ any = true, to = \"e\" }]\n\
                [conclusions.e]\ntitle = \"e\"\nseverity = \"info\"\n";
    let checked = run_with(&["check", "-"], text.as_bytes(), 80);
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("6 | handover = \"certificate-expirey\""), "{}", checked.out);
    assert!(checked.out.contains("did you mean `certificate-expiry`?"), "{}", checked.out);
    let mended = text.replace("expirey", "expiry");
    assert_eq!(run_with(&["check", "-"], mended.as_bytes(), 80).code, 0, "a built-in one is there");
}

#[test]
fn broken_handover_hides_no_fault_of_another_runbook() {
    let files = Files::new();
    let caller = "name = \"caller\"\nversion = 1\ntitle = \"t\"\nstart = \"s\"\n[steps.s]\n\
                  handover = \"nobody-has-this\"\nunknown = \"e\"\nbranches = [{ any = true, to = \"e\" }]\n\
                  [conclusions.e]\ntitle = \"e\"\nseverity = \"info\"\n";
    let (caller, pump) = (files.write("caller.toml", caller), files.write("pump.toml", PUMP));
    let json = run(&["check", &caller, &pump, "--own-check", "starts", "--json"]).json();
    let codes = |at: usize| {
        let faults = json["files"][at]["faults"].as_array().unwrap();
        faults.iter().map(|fault| fault["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((codes(0), codes(1)), (vec!["no-such-runbook".to_owned()], vec!["unknown-check".to_owned()]));
}

#[test]
fn json_document_is_checked_too() {
    let document: toml::Value = toml::from_str(PUMP).unwrap();
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(run_with(&["check", "-", OWN], json.as_bytes(), 80).code, 0);
    let wrong = json.replace("\"settle\",", "\"settel\",").replace("\"to\":\"settle\"", "\"to\":\"setle\"");
    let checked = run_with(&["check", "-", OWN], wrong.as_bytes(), 80);
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("there is no step or conclusion `setle`"), "{}", checked.out);
    assert!(checked.out.contains("steps.state.branches[0].to"), "{}", checked.out);
}

#[test]
fn broken_syntax_is_pointed_at() {
    let checked = run_with(&["check", "-"], pump("version = 1", "version = ").as_bytes(), 80);
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("--> standard input:2:"), "{}", checked.out);
    assert!(checked.out.contains("put a text or a duration in quotes"), "{}", checked.out);
    assert!(checked.out.ends_with("standard input: 1 fault\n"), "{}", checked.out);
    let json = run_with(&["check", "-"], b"{\"name\": \"x\",\n  oops}", 80);
    assert!(json.out.contains("--> standard input:2:"), "{}", json.out);
}

#[test]
fn overridden_threshold_is_proven() {
    let check = |value: &str| run(&["check", "catalog:device-offline", "--threshold", value]);
    assert_eq!(check("monitor_for=15m").code, 0);
    let wrong = check("monitor_for=soon");
    assert_eq!(wrong.code, 1);
    assert!(wrong.out.contains("the threshold `monitor_for` is a duration"), "{}", wrong.out);
    let typo = check("monitor_four=15m");
    assert!(typo.out.contains("there is no threshold `monitor_four`"), "{}", typo.out);
}

#[test]
fn file_that_cannot_be_read_hides_no_fault_of_others() {
    let files = Files::new();
    let bad = files.write("bad.toml", pump("from = 3", "from = 4"));
    let checked = run(&["check", "no-such-file.toml", &bad, OWN]);
    assert_eq!(checked.code, 2);
    assert!(checked.out.contains("guards leave a hole: 3"), "{}", checked.out);
    assert!(checked.err.contains("no-such-file.toml"), "{}", checked.err);
}

#[test]
fn thousand_faults_are_all_reported() {
    let keys: String = (0..1000).map(|n| format!("zz{n} = {n}\n")).collect();
    let text = pump("version = 1\n", &format!("version = 1\n{keys}"));
    let checked = run_with(&["check", "-", OWN], text.as_bytes(), 80);
    assert!(checked.out.ends_with("standard input: 1000 faults\n"));
}

/// The words of a runbook's text that a machine reads, each with its place.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let prose = ["title", "advice", "#", "\""].iter().any(|start| line.trim_start().starts_with(start));
        let told =
            line.find("note = ").into_iter().chain(line.find("text = ")).chain(line.find("ask = ")).min();
        let code = if prose { "" } else { &line[..told.unwrap_or(line.len())] };
        let is_word = |c: char| c.is_ascii_lowercase() || matches!(c, '-' | '_');
        for word in
            code.split(|c| !is_word(c)).filter(|word| word.len() > 3 && word.starts_with(|c: char| c != '-'))
        {
            words.push((begin + (word.as_ptr().addr() - line.as_ptr().addr()), word));
        }
        begin += line.len();
    }
    words
}

#[test]
fn typos_in_a_long_runbook_are_one_fault_each() {
    let text = include_str!("../../../src/catalog/device-offline.toml");
    let words = words(text);
    assert!(words.len() > 1000, "{}", words.len());
    let (mut tried, mut found) = (0, 0);
    // Every so many, so that all kinds of places are among them; an odd number, so that no pattern of the text repeats.
    for (at, word) in words.iter().step_by(37) {
        let wrong = format!("{}{}", &word[..1], &word[2..]);
        let typo = format!("{}{wrong}{}", &text[..*at], &text[at + word.len()..]);
        let checked = run_with(&["check", "-", "--json"], typo.as_bytes(), 80);
        let json = checked.json();
        let faults = json["files"][0]["faults"].as_array().unwrap();
        tried += 1;
        // A group, an action or a cause may be called anything.
        let [fault] = faults.as_slice() else {
            assert!(faults.is_empty(), "{word} -> {wrong}: {faults:#?}");
            continue;
        };
        found += 1;
        let meant = fault["did_you_mean"].as_str();
        let is_right = meant == Some(*word) || meant == Some(&wrong) || fault["code"] == "syntax";
        assert!(is_right, "{word} -> {wrong}: {fault:#}");
    }
    assert!(found * 5 > tried * 4, "{found} of {tried}");
}
