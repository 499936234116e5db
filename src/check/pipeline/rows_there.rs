use super::share::{Gap, Judged};
use crate::check::CheckRequest;
use crate::check::param::Given;
use crate::check::spec::Builtin;
use crate::fact::{ChoicesError, Domain, Kind, Observation, Value};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Are the rows of the period there now?
pub(in crate::check) struct RowsThere;

impl Builtin for RowsThere {
    const ID: &'static str = "rows-there";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Flag))
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let (gap, source) = Gap::ask(request, probes).await?;
        Ok(match gap {
            Ok(gap) => judge(&gap).by(source),
            Err(unknown) => unknown,
        })
    }
}

/// There: not one of the expected rows is missing.
fn judge(gap: &Gap) -> Judged {
    Judged::place(Value::Flag(gap.missing() == 0), gap.observed_at()).with(gap.notes())
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::gap;
    use super::*;

    #[test]
    fn one_missing_row_is_not_there() {
        for (stored, there) in [(0, false), (19, false), (20, true)] {
            assert_eq!(judge(&gap(20, stored)).value(), Some(Value::Flag(there)));
        }
    }
}
