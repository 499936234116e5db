use super::super::{
    Effect, Owner,
    Setting::{self, Factory, Pipeline},
    Trouble, Word,
};

/// What can be done to the adapters that a diagnosis asks. Their names are those of the library's probes.
pub const ADAPTERS: &[Word] = &[
    hangs("device", None),
    refuses("device", None),
    lies("device"),
    answers("device", None),
    hangs("broker", None),
    refuses("broker", None),
    lies("broker"),
    answers("broker", None),
    hangs("gateway", None),
    refuses("gateway", None),
    lies("gateway"),
    answers("gateway", None),
    hangs("network", Some(Factory)),
    refuses("network", Some(Factory)),
    lies("network"),
    answers("network", Some(Factory)),
    hangs("cert-store", Some(Factory)),
    refuses("cert-store", Some(Factory)),
    lies("cert-store"),
    answers("cert-store", Some(Factory)),
    hangs("power", Some(Factory)),
    refuses("power", Some(Factory)),
    lies("power"),
    answers("power", Some(Factory)),
    hangs("platform", Some(Factory)),
    refuses("platform", Some(Factory)),
    answers("platform", Some(Factory)),
    hangs("kafka", Some(Pipeline)),
    refuses("kafka", Some(Pipeline)),
    answers("kafka", Some(Pipeline)),
    hangs("telemetry", Some(Pipeline)),
    refuses("telemetry", Some(Pipeline)),
    answers("telemetry", Some(Pipeline)),
    hangs("edge-buffer", Some(Pipeline)),
    refuses("edge-buffer", Some(Pipeline)),
    answers("edge-buffer", Some(Pipeline)),
    hangs("schema", Some(Pipeline)),
    refuses("schema", Some(Pipeline)),
    answers("schema", Some(Pipeline)),
    hangs("dedup-log", Some(Pipeline)),
    refuses("dedup-log", Some(Pipeline)),
    answers("dedup-log", Some(Pipeline)),
    hangs("deadband", Some(Pipeline)),
    refuses("deadband", Some(Pipeline)),
    answers("deadband", Some(Pipeline)),
];

const fn hangs(adapter: &'static str, only_in: Option<Setting>) -> Word {
    let does = "never answers what it is asked from then on";
    troubles(adapter, "hang", only_in, Trouble::Hangs, does)
}

const fn refuses(adapter: &'static str, only_in: Option<Setting>) -> Word {
    troubles(adapter, "refuse", only_in, Trouble::Refuses, "may not ask its system any more")
}

/// Only the factory has another device to be mistaken for.
const fn lies(adapter: &'static str) -> Word {
    let does = "has its rows mixed up: it reports of another device, gateway or site";
    troubles(adapter, "lie", Some(Factory), Trouble::Lies, does)
}

const fn answers(adapter: &'static str, only_in: Option<Setting>) -> Word {
    let word = troubles(adapter, "answer", only_in, Trouble::Hangs, "answers as it should");
    Word { undone_by: None, effect: Effect::Trouble(None), ..word }
}

const fn troubles(
    part: &'static str,
    verb: &'static str,
    only_in: Option<Setting>,
    trouble: Trouble,
    does: &'static str,
) -> Word {
    Word {
        owner: Owner::Adapters,
        part,
        verb,
        undone_by: Some("answer"),
        needs_session: false,
        only_in,
        does,
        effect: Effect::Trouble(Some(trouble)),
    }
}
