use super::share::Gap;
use crate::check::prelude::*;

check! {
    /// Are the rows of the period there now?
    RowsThere = "rows-there", Device, Period, FLAG;
}

impl Builtin for RowsThere {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let (gap, source) = Gap::ask(request, probes).await?;
        Ok(judge(&gap).by(source))
    }
}

/// There: not one of the expected rows is missing.
fn judge(gap: &Gap) -> Verdict {
    Verdict::known(Value::Flag(gap.missing() == 0), gap.observed_at()).with(gap.notes())
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::gap;
    use super::*;

    #[test]
    fn one_missing_row_is_not_there() {
        for (stored, there) in [(0, false), (19, false), (20, true)] {
            judge(&gap(20, stored)).expect(there);
        }
    }
}
