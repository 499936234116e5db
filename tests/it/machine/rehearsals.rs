//! Rehearsals can say everything that a diagnosis can meet.

use iot_runbook::diagnosis::rehearsal::{Cue, Cues, Rehearsal, RehearsalError, TimedCue};
use iot_runbook::fact::UnknownReason;
use proptest::prelude::*;
use serde::Deserialize;

use super::SET;

#[derive(Deserialize)]
struct Rehearsals {
    rehearsal: Vec<Rehearsal>,
}

const GOOD: &str = r#"
[[rehearsal]]
name = "the recheck of a conclusion finds it running"
runbook = "press"
facts = { state = "runs", share = 0.1, "worn.unless" = true }
expect = { steps = ["state", "share", "worn", "recovered"], conclusion = "recovered" }

[[rehearsal]]
name = "the recheck of a conclusion finds nothing new"
runbook = "press"
facts = { state = "runs", share = 0.1, "worn.unless" = false }
expect = { conclusion = "worn" }

[[rehearsal]]
name = "before an undetermined end it looks again"
runbook = "press"
facts = { state = "odd", unless = true }
expect = { steps = ["state", "seen", "recovered"], conclusion = "recovered" }

[[rehearsal]]
name = "without a site its way is taken, and it is listed"
runbook = "press"
names = ["gateway", "pipeline", "period"]
facts = { state = "stands", link = true, heard = "2h", store = 3, share = 0.1, "worn.unless" = false }
expect = { conclusion = "worn", unasked = ["mains"] }

[[rehearsal]]
name = "it runs again while the watch lasts"
runbook = "press"
facts = { state = [{ from = "0s", value = "odd" }, { from = "4m", value = "runs" }], seen = "0s", share = 0.1, "worn.unless" = false }
expect = { steps = ["state", "seen", "pause", "state", "share", "worn"], conclusion = "worn" }

[[rehearsal]]
name = "news during the watch"
runbook = "press"
facts = { state = "odd", seen = "0s" }
news = [{ after = "1m", check = "back", value = true }]
expect = { steps = ["state", "seen", "pause", "recovered"], conclusion = "recovered" }

[[rehearsal]]
name = "withdrawn while an approval is asked for"
runbook = "press"
facts = { state = "stands", link = false }
news = [{ after = "1m", withdrawn = "the alert cleared" }]
expect = { withdrawn = "the alert cleared" }

[[rehearsal]]
name = "the trigger was raised an hour before"
runbook = "press"
triggered = "1h"
facts = { state = "runs", share = 0.9, "dark.unless" = false }
expect = { steps = ["state", "share", "age", "dark"] }
"#;

#[test]
fn each_comes_out_as_it_says() {
    for rehearsal in toml::from_str::<Rehearsals>(GOOD).unwrap().rehearsal {
        if let Err(error) = rehearsal.check(&SET) {
            panic!("{error}");
        }
        let json = serde_json::to_string(&rehearsal).unwrap();
        assert_eq!(serde_json::from_str::<Rehearsal>(&json).unwrap(), rehearsal);
    }
}

#[test]
fn an_answer_that_cannot_be_read_names_its_step() {
    for (answer, parts) in [
        ("{ unknown = \"dunno\" }", ["step \"state\"", "`dunno`", "`timeout`"]),
        ("{ maybe = 1 }", ["step \"state\"", "`maybe`", "`unknown`"]),
        ("{ value = 1 }", ["step \"state\"", "{ value, accounts_for }", "{ from, value }"]),
        ("{ from = \"1m\", value = 1 }", ["step \"state\"", "`from`", "list"]),
        ("[[1]]", ["step \"state\"", "a list in a list", ""]),
        ("[1, { from = \"1m\", value = 1 }]", ["step \"state\"", "`from`", "all or none"]),
        ("{ unknown = \"timeout\", value = 1 }", ["step \"state\"", "{ unknown }", ""]),
        ("{ value = [1], accounts_for = 1 }", ["step \"state\"", "one value", ""]),
        ("2026-01-01T00:00:00Z", ["step \"state\"", "", ""]),
    ] {
        let text =
            format!("name = \"n\"\nrunbook = \"press\"\nfacts = {{ state = {answer} }}\nexpect = {{}}\n");
        let error = toml::from_str::<Rehearsal>(&text).unwrap_err().to_string();
        assert!(error.contains("line 3"), "{answer}: {error}");
        for part in parts {
            assert!(error.contains(part), "{answer}: {part}: {error}");
        }
    }
}

proptest! {
    /// What is written is read as the same again, in JSON and in TOML.
    #[test]
    fn answers_survive_both_formats(cues in cues()) {
        let mut rehearsal = Rehearsal::new("n", "press");
        rehearsal.facts.insert("state".to_owned(), cues);
        let json = serde_json::to_string(&rehearsal).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rehearsal>(&json).unwrap(), rehearsal.clone());
        let toml = toml::to_string(&rehearsal).unwrap();
        prop_assert_eq!(toml::from_str::<Rehearsal>(&toml).unwrap(), rehearsal);
    }
}

fn cue() -> impl Strategy<Value = Cue> {
    let plain = prop_oneof![
        any::<bool>().prop_map(Cue::Flag),
        // TOML has no larger ones.
        (0..i64::MAX as u64).prop_map(Cue::Count),
        // With a fraction: a whole number is read as a count.
        (-1000..1000_i32).prop_map(|number| Cue::Number(f64::from(number) + 0.5)),
        "[a-z ]{0,8}".prop_map(Cue::Text),
        Just(Cue::Unknown { unknown: UnknownReason::Timeout }),
        Just(Cue::Unknown { unknown: UnknownReason::NoAdapter }),
    ];
    // Shares that JSON gives back to the last bit.
    (plain, proptest::option::of(0..=64_u8)).prop_map(|(cue, share)| match share {
        Some(part) => Cue::Accounting { value: Box::new(cue), accounts_for: f64::from(part) / 64.0 },
        None => cue,
    })
}

fn cues() -> impl Strategy<Value = Cues> {
    prop_oneof![
        cue().prop_map(Cues::Always),
        proptest::collection::vec(cue(), 1..4).prop_map(Cues::InTurn),
        proptest::collection::vec(("[0-9]{1,2}m", cue()), 0..4).prop_map(|cues| Cues::OverTime(
            cues.into_iter().map(|(from, cue)| TimedCue::new(from, cue)).collect()
        )),
    ]
}

#[test]
fn what_cannot_be_told_is_refused() {
    for (change, part) in [
        (r#"facts = { "worn.recheck" = true }"#, "worn.recheck"),
        (r#"facts = { "state.unless" = true }"#, "state.unless"),
        (r#"facts = { "recovered.unless" = true }"#, "recovered.unless"),
        (r#"facts = { state = [{ from = "soon", value = "odd" }] }"#, "soon"),
        (r#"news = [{ after = "1m", check = "nothing", value = true }]"#, "no runbook asks"),
        (r#"news = [{ after = "1m", check = "back", value = 3 }]"#, "no value of the domain"),
        (r#"news = [{ after = "1m", check = "back" }]"#, "give `check` and `value`"),
        (r#"news = [{ after = "9d", withdrawn = "late" }]"#, "it has ended before the news after 9d"),
        (r#"triggered = "soon""#, "soon"),
    ] {
        let facts = if change.contains("facts") { "" } else { "facts = { state = \"odd\", seen = \"0s\" }" };
        let text =
            format!("[[rehearsal]]\nname = \"n\"\nrunbook = \"press\"\n{facts}\n{change}\nexpect = {{}}\n");
        let rehearsal = toml::from_str::<Rehearsals>(&text).unwrap().rehearsal.remove(0);
        let error = rehearsal.check(&SET).unwrap_err();
        assert!(
            !matches!(error, RehearsalError::Differs { .. }) && error.to_string().contains(part),
            "{error}"
        );
    }
    let expect = |expect: &str| {
        let text = format!(
            "[[rehearsal]]\nname = \"n\"\nrunbook = \"press\"\nnames = []\nfacts = {{ state = \"runs\" }}\nexpect = {expect}\n"
        );
        toml::from_str::<Rehearsals>(&text).unwrap().rehearsal.remove(0).check(&SET).unwrap_err()
    };
    for (wrong, part) in
        [("{ unasked = [] }", "what nobody asked"), ("{ withdrawn = \"x\" }", "the withdrawal")]
    {
        let error = expect(wrong);
        assert!(
            matches!(error, RehearsalError::Differs { .. }) && error.to_string().contains(part),
            "{error}"
        );
    }
}
