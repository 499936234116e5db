//! Rehearsals can say everything that a diagnosis can meet.

use iot_runbook::diagnosis::rehearsal::{Rehearsal, RehearsalError};
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
