//! Writing a scenario as the file that the loader reads.

use std::fmt;

use chrono::TimeDelta;
use iot_runbook::time::format_duration;

use super::ScenarioFile;
use crate::scenario::People;

impl fmt::Display for ScenarioFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(title) = &self.title {
            writeln!(f, "title = {}", quoted(title))?;
        }
        writeln!(f, "device = {}", quoted(&self.device))?;
        if self.people != People::Attentive {
            writeln!(f, "people = {}", quoted(self.people.name()))?;
        }
        for operation in &self.operations {
            let at = TimeDelta::from_std(operation.at).unwrap_or(TimeDelta::MAX);
            match &operation.step {
                Some(step) => writeln!(f, "\n[[operation]]\nstep = {}", quoted(step))?,
                None => writeln!(f, "\n[[operation]]\nat = {}", quoted(&format_duration(at)))?,
            }
            writeln!(f, "part = {}", quoted(&operation.part()))?;
            writeln!(f, "do = {}", quoted(operation.word.verb))?;
            if let Some(by) = operation.by {
                writeln!(f, "by = {}", quoted(&format_duration(by)))?;
            }
        }
        let expected = [("accepted", &self.expected.accepted), ("forbidden", &self.expected.forbidden)];
        if expected.iter().any(|(_, outcomes)| !outcomes.is_empty()) {
            writeln!(f, "\n[expect]")?;
        }
        for (name, outcomes) in expected.into_iter().filter(|(_, outcomes)| !outcomes.is_empty()) {
            let outcomes = outcomes.iter().map(|outcome| quoted(outcome)).collect::<Vec<_>>();
            writeln!(f, "{name} = [{}]", outcomes.join(", "))?;
        }
        Ok(())
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
