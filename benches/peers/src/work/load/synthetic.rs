//! Runbooks of any length: a chart of check steps and waits in a row, each of which may end it as well.

use std::fmt::Write as _;

const HEAD: &str = r#"name = "synthetic"
version = 1
title = "A chart of many steps"
start = "step-0"

[thresholds]
window = "5m"
offline = "30m"

[checks.last-seen]
scope = "device"
domain = "instant"
optional = true

[checks.state]
scope = "gateway"
domain = ["healthy", "degraded", "offline"]

[checks.errors]
scope = "device"
domain = "count"

[conclusions.well]
title = "All is well"
severity = "info"

[conclusions.worn]
title = "It is worn out"
root_cause = "wear"
severity = "warning"
advice = ["Replace it."]

[conclusions.lost]
title = "It is lost"
root_cause = "power-loss"
severity = "critical"
"#;

/// A runbook of so many steps beside its conclusions, as text.
pub(crate) fn runbook(steps: u32) -> String {
    let mut text = String::with_capacity(HEAD.len() + 260 * steps as usize);
    text.push_str(HEAD);
    for at in 0..steps {
        // Writing to a String cannot fail.
        let _ = step(&mut text, at, &next(at, steps));
    }
    text
}

fn next(at: u32, steps: u32) -> String {
    if at + 1 < steps { format!("step-{}", at + 1) } else { "well".to_owned() }
}

fn step(text: &mut String, at: u32, next: &str) -> std::fmt::Result {
    writeln!(text, "\n[steps.step-{at}]\ntitle = \"Step {at}\"")?;
    match at % 10 {
        0 => text.write_str("check = \"last-seen\"\nunknown = \"explore\"\nbranches = [\n")?,
        1 => {
            return writeln!(
                text,
                "wait = {{ until = {{ fact = \"step-{}\", plus = \"$offline\" }}, every = \"1m\" }}\nto = \"{next}\"",
                at - 1
            );
        }
        2..6 => writeln!(
            text,
            "advice = [\"Look at it.\"]\ncheck = \"state\"\nparams = {{ round = {at} }}\n\
             unknown = \"explore\"\nbranches = ["
        )?,
        _ => writeln!(
            text,
            "check = \"errors\"\nparams = {{ within = \"$offline\", part = \"part-{at}\" }}\n\
             unknown = \"explore\"\nbranches = ["
        )?,
    }
    match at % 10 {
        0 => writeln!(
            text,
            "    {{ below = \"$window\", to = \"{next}\" }},\n    \
             {{ from = \"$window\", to = \"{next}\", note = \"Quiet.\" }},\n    \
             {{ absent = true, to = \"lost\" }},\n]"
        ),
        2..6 => writeln!(
            text,
            "    {{ is = [\"healthy\", \"degraded\"], to = \"{next}\" }},\n    {{ is = \"offline\", to = \"lost\" }},\n]"
        ),
        _ => writeln!(text, "    {{ below = 10, to = \"{next}\" }},\n    {{ from = 10, to = \"worn\" }},\n]"),
    }
}
