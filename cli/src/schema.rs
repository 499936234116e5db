//! `iot-runbook schema`: JSON Schemas (2020-12), by which editors complete and check what people write.
//!
//! A schema accepts all that loads. It refuses faults of shape; what `check` proves beyond that, no schema can say.

use crate::arguments::SchemaOf;

pub(crate) const fn text(of: SchemaOf) -> &'static str {
    match of {
        SchemaOf::Runbook => include_str!("schema/runbook.json"),
        SchemaOf::Rehearsals => include_str!("schema/rehearsals.json"),
        SchemaOf::Bundle => include_str!("schema/bundle.json"),
        SchemaOf::Scenario => include_str!("schema/scenario.json"),
    }
}
